//! Compiling, which takes seconds and the memory of a large program: in a process of its own, which gives all of it back, has a time to end in, and
//! stands behind everybody else for the processor.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use wasmtime::Engine;

use super::machine::engine;
use crate::plain::cause;

/// The command of this program that compiles what it reads, for this program alone.
pub const COMMAND: &str = "compile-plugin";

/// A Python component takes 50 s on one slow core.
const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes of what a failed compiler said that are told.
const MOST_SAID: usize = 4_000;

/// Where plugins are compiled.
#[derive(Clone, Debug)]
pub enum Compiler {
    /// In this process.
    Here,
    /// In another one of this program.
    Apart(PathBuf),
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
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
    pub async fn compile(&self, engine: &Engine, wasm: Vec<u8>) -> Result<Vec<u8>, CompileError> {
        if let Self::Apart(program) = self {
            match start(program) {
                Ok(child) => return finish(child, wasm).await,
                // An upgrade may just be under way.
                Err(error) => tracing::warn!(program = %program.display(), %error, "compiling in the host itself"),
            }
        }
        let engine = engine.clone();
        let here = tokio::task::spawn_blocking(move || engine.precompile_component(&wasm));
        let code = here.await.map_err(|e| CompileError::Machine(e.to_string()))?;
        code.map_err(|e| CompileError::Component(cause(&e)))
    }
}

fn start(program: &PathBuf) -> std::io::Result<tokio::process::Child> {
    let mut command = Command::new(program);
    command.arg(COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(windows)]
    {
        const BELOW_NORMAL_PRIORITY_CLASS: u32 = 0x4000;
        command.creation_flags(BELOW_NORMAL_PRIORITY_CLASS);
    }
    command.spawn()
}

/// Hands the component over and takes the code; what takes too long is ended.
async fn finish(mut child: tokio::process::Child, wasm: Vec<u8>) -> Result<Vec<u8>, CompileError> {
    let broken = |error: std::io::Error| CompileError::Machine(format!("the compiler cannot be reached: {error}"));
    let mut input = child.stdin.take();
    let given = async move {
        // It says why itself where it stops reading.
        if let Some(input) = &mut input {
            let _ = input.write_all(&wasm).await;
            let _ = input.shutdown().await;
        }
    };
    let both = async { tokio::join!(given, child.wait_with_output()).1 };
    let Ok(ended) = tokio::time::timeout(PATIENCE, both).await else {
        return Err(CompileError::Component(format!("compiling it takes more than {} s", PATIENCE.as_secs())));
    };
    let ended = ended.map_err(broken)?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let said: String = said.trim().chars().take(MOST_SAID).collect();
    match ended.status.code() {
        Some(0) => Ok(ended.stdout),
        Some(code) if code == i32::from(REFUSED) => Err(CompileError::Component(said)),
        _ => Err(CompileError::Machine(format!(
            "the compiler ended with {}; is there too little memory? {said}",
            ended.status
        ))),
    }
}

/// The exit code of a component that cannot be compiled.
const REFUSED: u8 = 3;

/// The other side: compiles what standard input gives to standard output. Nobody but this program speaks to it.
pub fn serve() -> ExitCode {
    // Threads that it starts have the same. Where the system does not let it, it just takes its share.
    let _ = set_current_thread_priority(ThreadPriority::Min);
    let done = || -> Result<(), (u8, String)> {
        let mut wasm = Vec::new();
        let failed = |error: std::io::Error| (1, error.to_string());
        std::io::stdin().read_to_end(&mut wasm).map_err(failed)?;
        let engine = engine().map_err(|e| (1, cause(&e)))?;
        let code = engine.precompile_component(&wasm).map_err(|e| (REFUSED, cause(&e)))?;
        let mut out = std::io::stdout();
        out.write_all(&code).and_then(|()| out.flush()).map_err(failed)
    };
    match done() {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            ExitCode::from(code)
        }
    }
}
