//! `tandem-sim-b1`: SAP Business One's Service Layer on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use tandem_simulators::b1::{Setup, Simulator, router};
use tandem_simulators::company::Company;
use tandem_simulators::kept::{self, KeptFile};
use tandem_simulators::server;

/// A stateful simulator of SAP Business One's Service Layer.
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:50000")]
    listen: SocketAddr,
    /// Serve HTTPS with a fresh certificate of an own CA, whose PEM is written to this file.
    #[arg(long)]
    tls_certificate: Option<PathBuf>,
    /// With HTTPS: serve plain HTTP here too.
    #[arg(long)]
    listen_http: Option<SocketAddr>,
    /// The company's time zone.
    #[arg(long, default_value = "Europe/Berlin")]
    time_zone: String,
    /// Keep the records in this file: read at the start if it is there, written every second when they changed, and at the
    /// end.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Write the address listened on to this file.
    #[arg(long)]
    address_file: Option<PathBuf>,
    #[arg(long, default_value_t = 60)]
    customers: usize,
    #[arg(long, default_value_t = 300)]
    items: usize,
    /// Sales orders of the past.
    #[arg(long, default_value_t = 40)]
    orders: usize,
    /// Credit limits around this one, in company currency; without it none is ever reached.
    #[arg(long)]
    credit_limit: Option<i64>,
    #[arg(long, default_value = "SBODEMO")]
    company: String,
    #[arg(long, default_value = "tandem")]
    user: String,
    #[arg(long, default_value = "tandem")]
    password: String,
    /// Decides which of the faults with a rate below 1 strike.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> std::process::ExitCode {
    server::ended(run(Options::parse()).await)
}

async fn run(options: Options) -> anyhow::Result<()> {
    let zone = options.time_zone.parse().map_err(|_| {
        anyhow::anyhow!("--time-zone {}: not in the IANA database; write it as Europe/Berlin", options.time_zone)
    })?;
    let mut company = Company::new(options.customers, options.items);
    if let Some(limit) = options.credit_limit {
        company.limit_credit(limit);
    }
    let simulator = Arc::new(Simulator::new(Setup {
        company,
        users: (options.company, options.user, options.password),
        zone,
        documents: options.orders,
        seed: options.seed,
    }));
    let kept = options.data.map(|file| KeptFile::open(file, simulator.clone())).transpose()?;
    let listener = server::bind(options.listen).await?;
    let tls =
        options.tls_certificate.as_deref().map(server::own_authority).transpose()?.map(|identity| identity.acceptor);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let address = format!("{scheme}://{}", listener.local_addr()?);
    println!("B1 Service Layer simulator on {address}/b1s/v2");
    if let Some(file) = options.address_file {
        std::fs::write(file, &address)?;
    }
    let plain = match options.listen_http {
        Some(address) => Some(server::bind(address).await?),
        None => None,
    };
    let router = router(simulator);
    let also = async {
        match plain {
            Some(listener) => server::serve(listener, None, router.clone()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = kept::kept_until_stopped(kept) => Ok(()),
        result = server::serve(listener, tls, router.clone()) => result,
        result = also => result,
    }
}
