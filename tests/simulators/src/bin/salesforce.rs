//! `tandem-sim-salesforce`: a Salesforce org on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use tandem_simulators::company::Company;
use tandem_simulators::kept::{self, KeptFile};
use tandem_simulators::salesforce::{Setup, Simulator, router};
use tandem_simulators::server;

/// A stateful simulator of Salesforce: REST and Pub/Sub API.
#[derive(Parser)]
struct Options {
    /// Where REST listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the Pub/Sub API listens.
    #[arg(long, default_value = "127.0.0.1:7443")]
    listen_pubsub: SocketAddr,
    /// Serve REST over HTTPS and the Pub/Sub API over TLS, with a fresh certificate of an own CA, whose PEM is written to
    /// this file.
    #[arg(long)]
    tls_certificate: Option<PathBuf>,
    /// Write both addresses to this file, one per line: REST, Pub/Sub.
    #[arg(long)]
    address_file: Option<PathBuf>,
    /// The installed package's metadata.
    #[arg(long, default_value = "salesforce-package/force-app/main/default")]
    package: PathBuf,
    #[arg(long, default_value_t = 60)]
    customers: usize,
    #[arg(long, default_value_t = 300)]
    items: usize,
    /// Open opportunities at the start.
    #[arg(long, default_value_t = 100)]
    opportunities: usize,
    #[arg(long, default_value = "tandem")]
    client_id: String,
    #[arg(long, default_value = "tandem-secret")]
    client_secret: String,
    /// DER file of the RSA public key (`RSAPublicKey`) that JWT bearer assertions are checked with.
    #[arg(long)]
    jwt_public_key: Option<PathBuf>,
    /// The org's corporate currency: that of sums, and of a record that names none.
    #[arg(long, default_value = "EUR")]
    corporate_currency: String,
    /// The package carries this namespace; empty for none.
    #[arg(long, default_value = "")]
    namespace: String,
    /// Objects with change data capture, by comma; empty for none.
    #[arg(long, value_delimiter = ',', default_value = "Account,Contact,Opportunity,Product2,Case")]
    capture: Vec<String>,
    /// Permission sets of the integration user, by comma, of the package (with its namespace) and of the source deployed after it; empty
    /// for a system administrator. Both that it needs unless said otherwise.
    #[arg(long, value_delimiter = ',')]
    permission_sets: Option<Vec<String>>,
    /// Keep the records in this file: read at the start if it is there, written every second when they changed, and at the
    /// end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Decides which of the faults with a rate below 1 strike.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    server::ended(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let company = Company::new(options.customers, options.items);
    let jwt_key = options
        .jwt_public_key
        .map(|file| std::fs::read(&file).with_context(|| file.display().to_string()))
        .transpose()?;
    let prefix = if options.namespace.is_empty() { String::new() } else { format!("{}__", options.namespace) };
    let needed = || vec![format!("{prefix}Tandem_Integration"), "Tandem_Integration_Standard".to_owned()];
    let permission_sets = options.permission_sets.unwrap_or_else(needed);
    let client = (options.client_id, options.client_secret);
    let simulator = Arc::new(Simulator::new(Setup {
        package: options.package,
        company,
        opportunities: options.opportunities,
        corporate_currency: options.corporate_currency,
        namespace: options.namespace,
        client,
        jwt_key,
        seed: options.seed,
        captured: options.capture.into_iter().filter(|object| !object.is_empty()).collect(),
        permission_sets: permission_sets.into_iter().filter(|name| !name.is_empty()).collect(),
    })?);
    let kept = options.data.map(|file| KeptFile::open(file, simulator.clone())).transpose()?;
    let listener = server::bind(options.listen).await?;
    let pubsub = server::bind(options.listen_pubsub).await?;
    let identity = options.tls_certificate.as_deref().map(server::own_authority).transpose()?;
    let scheme = if identity.is_some() { "https" } else { "http" };
    let addresses = format!("{scheme}://{}\n{scheme}://{}\n", listener.local_addr()?, pubsub.local_addr()?);
    println!("Salesforce simulator: REST and Pub/Sub API on\n{addresses}");
    if let Some(file) = options.address_file {
        std::fs::write(file, &addresses)?;
    }
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(pubsub);
    let mut builder = tonic::transport::Server::builder().tcp_nodelay(true);
    if let Some(identity) = &identity {
        let identity = tonic::transport::Identity::from_pem(&identity.certificate, &identity.key);
        builder = builder.tls_config(tonic::transport::ServerTlsConfig::new().identity(identity))?;
    }
    let grpc = builder.add_service(simulator.pubsub()).serve_with_incoming(incoming);
    tokio::select! {
        () = kept::kept_until_stopped(kept) => {}
        result = grpc => result.context("Pub/Sub API")?,
        result = server::serve(listener, identity.map(|identity| identity.acceptor), router(simulator, scheme)) => result?,
    }
    Ok(())
}
