//! `tandem plugin list|add|grant|new|build|test|inspect`

mod add;
mod build;
mod grant;
mod inspect;
mod list;
mod new;
mod program;
mod record;
mod test;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use ring::rand::SecureRandom;

pub use self::grant::{allow_plugin, codes_of, confirmed, confirmed_or, grant};
use super::output::Output;
use super::service::Parts;
use crate::sandbox::{Cache, Compiler, Runtime};
use crate::store::Access;

#[derive(Subcommand)]
pub enum Command {
    /// Every plugin in the folder: what it is, what it asks for, what it was granted.
    List,
    /// Put a plugin that came along with the program into the plugins folder; without a name, say which came along.
    Add(add::Options),
    /// Allow a plugin, in the version that lies in the folder, what it asks for.
    Grant {
        name: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
    /// Write a folder with a small plugin that works, and all that is needed to build it.
    New(new::Options),
    /// Make one .wasm of a folder; the toolchain is found, or fetched.
    Build(build::Options),
    /// Run a plugin on scenarios, in the real sandbox, with nothing sent; or make one of a past event.
    Test(test::Options),
    /// Say what a .wasm is, what it asks for, and whether the host would take it.
    Inspect(inspect::Options),
}

pub async fn run(config: &Path, command: Command, output: &Output) -> Result<ExitCode> {
    match command {
        Command::List => list::run(&Parts::open(config, Access::Tool).await?, output).await,
        // As a grant, it may come before the first run.
        Command::Add(options) => add::run(&Parts::open(config, Access::Maker).await?, options, output).await,
        Command::Grant { name, yes } => {
            // A grant comes before the first run.
            let parts = Parts::open(config, Access::Maker).await?;
            for code in codes_of(&parts, &name).await? {
                let says = |question: &str| if yes { Ok(true) } else { confirmed(question) };
                if grant(&parts, &code, says, output).await? != ExitCode::SUCCESS {
                    return Ok(ExitCode::FAILURE);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::New(options) => new::run(options, output),
        Command::Build(options) => build::run(options, output).await,
        Command::Test(options) => test::run(config, options, output).await,
        Command::Inspect(options) => inspect::run(options, output).await,
    }
}

/// The sandbox of a command that needs no host. What it compiled is kept among this user's tools: a component of JavaScript or Python takes long.
fn sandbox() -> Result<Runtime> {
    let folder = program::tools().join("compiled");
    let cache = match own_key(&folder) {
        Ok(key) => Cache::new(folder, &key),
        Err(error) => {
            tracing::debug!(%error, "nothing that is compiled is kept");
            Cache::none()
        }
    };
    Runtime::new(cache, Compiler::apart()).map_err(|e| anyhow::anyhow!("the sandbox cannot start: {e:#}"))
}

/// A bar while plugins are read: each is compiled the first time, which takes some seconds.
fn reading(count: usize, output: &Output) -> ProgressBar {
    let style = ProgressStyle::with_template("reading plugins {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(count as u64) };
    let bar = bar.with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What vouches for the files there: chance, made on first use, that nobody else on this machine may read.
fn own_key(folder: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Write;
    const BYTES: usize = 32;
    let file = folder.join("key");
    match std::fs::read(&file) {
        Ok(key) if key.len() == BYTES => return Ok(key),
        Ok(_) => std::fs::remove_file(&file)?,
        Err(_) => std::fs::create_dir_all(folder)?,
    }
    let mut key = vec![0; BYTES];
    ring::rand::SystemRandom::new().fill(&mut key).map_err(|_| std::io::Error::other("no random bytes"))?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&file)?.write_all(&key)?;
    Ok(key)
}
