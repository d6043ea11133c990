//! Rust: `cargo` with the target `wasm32-unknown-unknown`, straight to a component.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::cli::output::Output;
use crate::cli::plugin::program::{find, loud, quiet, tools};

const TARGET: &str = "wasm32-unknown-unknown";
/// A first build fetches its libraries.
const BUILD: Duration = Duration::from_secs(1_800);
/// `rustup` where nothing can be downloaded must not hold anybody up.
const FETCH: Duration = Duration::from_secs(180);
const BRIEF: Duration = Duration::from_secs(60);

/// Builds the package in that folder.
pub async fn build(folder: &Path, out: &Path, output: &Output) -> Result<()> {
    let Some(cargo) = find(&["cargo"]) else { bail!("{}", no_rust()) };
    let rustc = compiler(output).await?;
    let mut command = Command::new(cargo);
    command.current_dir(folder).env("RUSTC", &rustc);
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    let linker = format!("target.{TARGET}.linker=\"wasm-component-ld\"");
    command.args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    command.args(["--config", &linker]);
    let told = loud(&mut command, "cargo build", BUILD).await?;
    let made: Vec<PathBuf> = told.lines().filter_map(component).collect();
    match made.as_slice() {
        [one] => {
            std::fs::copy(one, out).with_context(|| format!("cannot copy {}", one.display()))?;
            Ok(())
        }
        [] => bail!("it gave no component: Cargo.toml needs [lib] crate-type = [\"cdylib\"]"),
        many => bail!("it gave {} components: build the folder of one", many.len()),
    }
}

/// The component of a line of cargo's JSON.
fn component(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"].as_array()?;
    files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

/// A compiler that has the target: the one that the scripts of the repository made, rustup's, the system's.
async fn compiler(output: &Output) -> Result<PathBuf> {
    let chosen = std::fs::read_to_string(tools().join("wasm-rustc")).ok().map(|path| PathBuf::from(path.trim()));
    if let Some(chosen) = chosen
        && has_target(&chosen).await
    {
        return Ok(chosen);
    }
    let own = own_compiler().await?;
    if has_target(&own).await {
        return Ok(own);
    }
    let Some(rustup) = find(&["rustup"]) else {
        bail!("{} lacks the target {TARGET}, and there is no rustup to add it: {}", own.display(), no_rust());
    };
    output.say(format!("rustup target add {TARGET} (once)"));
    let added = quiet(Command::new(&rustup).args(["target", "add", TARGET]), "rustup target add", FETCH).await;
    if has_target(&own).await {
        return Ok(own);
    }
    let why = added.err().map(|error| format!("{error:#}")).unwrap_or_else(|| "it is still missing".into());
    bail!(
        "the Rust target {TARGET} cannot be added: {why}\nWhere rustup can reach https://static.rust-lang.org, say `rustup target add {TARGET}`. \
         Where it cannot, name a compiler that has the target in {}{}",
        tools().join("wasm-rustc").display(),
        if cfg!(target_os = "linux") {
            "; on Debian, `scripts/setup.sh` of Tandem's repository makes one of Debian's packages and does that"
        } else {
            ""
        }
    )
}

/// The compiler that cargo would take.
async fn own_compiler() -> Result<PathBuf> {
    if let Some(rustup) = find(&["rustup"])
        && let Ok(path) = quiet(Command::new(rustup).args(["which", "rustc"]), "rustup which rustc", BRIEF).await
    {
        return Ok(path.into());
    }
    find(&["rustc"]).with_context(no_rust)
}

async fn has_target(rustc: &Path) -> bool {
    let sysroot = quiet(Command::new(rustc).args(["--print", "sysroot"]), "rustc", BRIEF).await;
    sysroot.is_ok_and(|sysroot| Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn no_rust() -> &'static str {
    if cfg!(windows) {
        "Rust is needed: install it with rustup-init.exe from https://rustup.rs (it asks for Visual Studio's C++ build tools), open a new terminal and say it again"
    } else {
        "Rust is needed: install it from https://rustup.rs, open a new terminal and say it again"
    }
}
