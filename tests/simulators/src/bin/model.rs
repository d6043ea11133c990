//! `tandem-sim-model`: a model server on this machine that says what a script has it say.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use tandem_simulators::model::{Simulator, router};
use tandem_simulators::server;

/// A scripted model server that speaks OpenAI's chat completions and Anthropic's messages.
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:50400")]
    listen: SocketAddr,
    /// Write the address listened on to this file.
    #[arg(long)]
    address_file: Option<PathBuf>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    server::ended(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let listener = server::bind(options.listen).await?;
    let address = format!("http://{}", listener.local_addr()?);
    println!("model server simulator on {address}/v1");
    if let Some(file) = options.address_file {
        std::fs::write(file, &address)?;
    }
    server::serve(listener, None, router(Arc::new(Simulator::default()))).await
}
