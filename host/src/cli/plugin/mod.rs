//! `tandem plugin list|grant|new|build|test|inspect`

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

use anyhow::Result;
use clap::Subcommand;

pub use self::grant::{allow_plugin, confirmed, grant};
use super::output::Output;
use super::service::Parts;
use crate::sandbox::{Cache, Runtime};
use crate::store::sqlite::Access;

#[derive(Subcommand)]
pub enum Command {
    /// Every plugin in the folder: what it is, what it asks for, what it was granted.
    List,
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
        Command::Grant { name, yes } => {
            // A grant comes before the first run.
            let parts = Parts::open(config, Access::Maker).await?;
            for code in grant::codes_of(&parts, &name).await? {
                if grant(&parts, &code, yes, output).await? != ExitCode::SUCCESS {
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

/// The sandbox of a command that needs no host.
fn sandbox() -> Result<Runtime> {
    Runtime::new(Cache::none()).map_err(|e| anyhow::anyhow!("the sandbox cannot start: {e:#}"))
}
