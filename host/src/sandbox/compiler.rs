//! Compiling, which takes seconds and the memory of a large program: in a process of its own, which gives all of it back, has a time to end in, and
//! stands behind everybody else for the processor.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use wasmtime::Engine;

use super::machine::engine;
use super::workers::yield_to_others;
use crate::plain::cause;

/// The command of this program that compiles what it reads, for this program alone.
pub const COMMAND: &str = "compile-plugin";

/// On the processor. A Python component takes 50 s of a slow one.
const MOST_TIME: Duration = Duration::from_secs(300);

/// From start to end, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Bytes of what a failed compiler said that are told.
const MOST_SAID: usize = 4_000;

/// Between two tries where the machine was at fault; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(640);

/// Where plugins are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process.
    Here,
    /// In another one of this program.
    Apart(PathBuf),
}

/// Why there is no code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CompileError {
    /// It is the component's fault.
    #[error("{0}")]
    Component(String),
    /// It is the machine's.
    #[error("{0}")]
    Machine(String),
}

impl Compiler {
    /// In another process of the program that runs.
    pub fn apart() -> Self {
        std::env::current_exe().map_or(Self::Here, Self::Apart)
    }

    /// The native code of a component.
    pub async fn compile(&self, engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
        if let Self::Apart(program) = self {
            let done = match start(program) {
                Ok(child) => finish(child, wasm).await?,
                Err(error) if is_none(&error) => Done::NoCompiler(error.to_string()),
                Err(error) => return Err(CompileError::Machine(format!("no compiler can be started: {error}"))),
            };
            match done {
                Done::Code(kind, code) if kind == kind_of(engine) => return Ok(code),
                // An upgrade may be under way: the file of the program is another one than runs.
                Done::Code(..) => tracing::warn!("the compiler is of another version: compiling in the host itself"),
                Done::NoCompiler(why) => tracing::warn!(why, "there is no compiler: compiling in the host itself"),
            }
        }
        let (engine, wasm) = (engine.clone(), wasm.to_vec());
        let here = tokio::task::spawn_blocking(move || engine.precompile_component(&wasm));
        let code = here.await.map_err(|e| CompileError::Machine(e.to_string()))?;
        code.map_err(|e| CompileError::Component(cause(&e)))
    }
}

/// What came of a compiler.
enum Done {
    /// For engines of this kind.
    Code(u64, Vec<u8>),
    /// The program there is none, or may not be started.
    NoCompiler(String),
}

/// The same for all engines that can run each other's code.
pub fn kind_of(engine: &Engine) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn start(program: &PathBuf) -> std::io::Result<tokio::process::Child> {
    let mut command = Command::new(program);
    command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(windows)]
    {
        // Its threads do not have the priority of the one that starts them.
        const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
        command.creation_flags(BELOW_NORMAL_PRIORITY_CLASS);
    }
    command.spawn()
}

/// It is never there to be started; what lacks memory or processes is there another time.
fn is_none(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
}

/// Hands the component over and takes the code. Its input stays open until then: a compiler that nobody waits for sees it end.
async fn finish(mut child: tokio::process::Child, wasm: &[u8]) -> Result<Done, CompileError> {
    let broken = |error: std::io::Error| CompileError::Machine(format!("the compiler cannot be reached: {error}"));
    let mut input = child.stdin.take();
    let given = async {
        // It says why itself where it stops reading.
        if let Some(input) = &mut input {
            let _ = input.write_all(&(wasm.len() as u64).to_le_bytes()).await;
            let _ = input.write_all(wasm).await;
            let _ = input.flush().await;
        }
    };
    let both = async { tokio::join!(given, child.wait_with_output()).1 };
    let Ok(ended) = tokio::time::timeout(PATIENCE, both).await else {
        return Err(CompileError::Machine(format!("it was not compiled within {} s", PATIENCE.as_secs())));
    };
    meant(&ended.map_err(broken)?)
}

/// What came of a compiler that has ended.
fn meant(ended: &Output) -> Result<Done, CompileError> {
    let said = String::from_utf8_lossy(&ended.stderr);
    let said: String = said.trim().chars().take(MOST_SAID).collect();
    match ended.status.code().map(u8::try_from) {
        Some(Ok(0)) => Ok(match ended.stdout.split_first_chunk() {
            Some((kind, code)) => Done::Code(u64::from_le_bytes(*kind), code.to_vec()),
            None => Done::NoCompiler("it said nothing".into()),
        }),
        Some(Ok(REFUSED)) => Err(CompileError::Component(said)),
        Some(Ok(UNKNOWN_COMMAND)) => Ok(Done::NoCompiler(said)),
        // By a signal, or by the code that Windows gives to what it ends: the host itself would end as it did.
        _ => Err(CompileError::Machine(format!(
            "the compiler ended with {}; is there too little memory? {said}",
            ended.status
        ))),
    }
}

/// Components whose compiling failed through no fault of theirs, by their digests: when each may be tried again, and after how long a pause.
#[derive(Default)]
pub struct Troubled(Mutex<HashMap<String, (Instant, Duration)>>);

impl Troubled {
    /// How long it is left alone yet.
    pub fn pause(&self, digest: &str) -> Option<Duration> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest)?.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Failed once more.
    pub fn add(&self, digest: String) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = known.get(&digest).map_or(FIRST_PAUSE, |(_, last)| (*last * 2).min(LONGEST_PAUSE));
        known.insert(digest, (Instant::now() + pause, pause));
    }

    /// It is well.
    pub fn remove(&self, digest: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }
}

/// The exit code of a component that cannot be compiled.
const REFUSED: u8 = 3;

/// That of a version of this program that has no such command.
const UNKNOWN_COMMAND: u8 = 2;

/// The other side: compiles what standard input gives, behind its length, to standard output, behind the kind of engine that it is for. Nobody but this
/// program speaks to it.
pub fn serve() -> ExitCode {
    yield_to_others();
    match compile_input() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            complain(&why);
            ExitCode::from(code)
        }
    }
}

fn complain(why: &str) {
    let _ = writeln!(std::io::stderr(), "{why}");
}

fn compile_input() -> Result<(), (u8, String)> {
    let failed = |error: std::io::Error| (1, error.to_string());
    let mut input = std::io::stdin();
    let mut length = [0; 8];
    input.read_exact(&mut length).map_err(failed)?;
    let mut wasm = Vec::new();
    input.by_ref().take(u64::from_le_bytes(length)).read_to_end(&mut wasm).map_err(failed)?;
    watch(input).map_err(failed)?;
    let engine = engine().map_err(|e| (1, cause(&e)))?;
    let code = engine.precompile_component(&wasm).map_err(|e| (REFUSED, cause(&e)))?;
    let mut out = std::io::stdout();
    let kind = kind_of(&engine).to_le_bytes();
    out.write_all(&kind).and_then(|()| out.write_all(&code)).and_then(|()| out.flush()).map_err(failed)
}

/// Ends the process when nobody waits for it any more, and when it takes too long.
fn watch(mut input: std::io::Stdin) -> std::io::Result<()> {
    std::thread::Builder::new().name("asked".into()).spawn(move || {
        // Nothing more comes but its end.
        let _ = input.read(&mut [0]);
        crate::ending::exit(1);
    })?;
    std::thread::Builder::new().name("time".into()).spawn(|| {
        let began = ProcessTime::now();
        while began.elapsed() < MOST_TIME {
            std::thread::sleep(Duration::from_millis(200));
        }
        complain(&format!("compiling it takes more than {} s of a processor", MOST_TIME.as_secs()));
        crate::ending::exit(i32::from(REFUSED));
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_component_whose_compiler_ends_badly_is_not_compiled_in_the_host() {
        use std::os::unix::process::ExitStatusExt;

        let ended = |status: i32, stdout: &[u8]| {
            let status = std::process::ExitStatus::from_raw(status);
            meant(&Output { status, stdout: stdout.to_vec(), stderr: b"out of memory".to_vec() })
        };
        let code = |code: i32| ended(code << 8, &[]);
        // As Windows ends what has no memory, as any end that nobody foresaw, and by a signal.
        for odd in [code(9), code(1), ended(9, &[])] {
            assert!(matches!(odd, Err(CompileError::Machine(_))));
        }
        assert!(matches!(code(3), Err(CompileError::Component(why)) if why == "out of memory"));
        assert!(matches!(code(2), Ok(Done::NoCompiler(_))), "a program of another version");
        assert!(matches!(ended(0, &[1, 0, 0, 0, 0, 0, 0, 0, 7]), Ok(Done::Code(1, code)) if code == [7]));
        for (kind, none) in [
            (std::io::ErrorKind::NotFound, true),
            (std::io::ErrorKind::PermissionDenied, true),
            (std::io::ErrorKind::OutOfMemory, false),
            (std::io::ErrorKind::WouldBlock, false),
        ] {
            assert_eq!(is_none(&kind.into()), none, "{kind:?}");
        }
    }

    #[test]
    fn what_failed_for_the_machine_is_left_alone_a_while_and_longer_each_time() {
        let troubled = Troubled::default();
        assert_eq!(troubled.pause("a"), None);
        troubled.add("a".into());
        let first = troubled.pause("a").unwrap();
        troubled.add("a".into());
        assert!(first > Duration::from_secs(9) && troubled.pause("a").unwrap() > first * 3 / 2);
        assert_eq!(troubled.pause("b"), None);
        troubled.remove("a");
        assert_eq!(troubled.pause("a"), None);
    }
}
