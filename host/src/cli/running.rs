//! What the host that runs on this machine tells everybody.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Response;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::{Config, TlsConfig};
use crate::connections::proxy::Proxies;
use crate::connections::transport::{Routed, client};
use crate::sandbox::digest_of;

/// How long it may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// The running host, by its own address.
pub struct Running {
    client: Routed,
    address: String,
}

impl Running {
    /// As `tandem.toml` says where it listens.
    pub fn of(config: &Config) -> Result<Self> {
        let mut address = config.host.listen;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        // Where it speaks TLS it is known by its own certificate, whatever name that has.
        let (scheme, pin) = match &config.host.tls {
            Some(own) => ("https", Some(fingerprint(&config.resolve(&own.certificate))?)),
            None => ("http", None),
        };
        let tls = TlsConfig { pin_sha256: pin, ca_file: None };
        let client = client(&tls, Proxies::Direct, &config.base, PATIENCE).map_err(anyhow::Error::msg)?;
        Ok(Self { client, address: format!("{scheme}://{address}") })
    }

    async fn get(&self, page: &str) -> Result<Response> {
        Ok(self.client.get(format!("{}/{page}", self.address)).send().await?)
    }

    /// The text of a page.
    pub async fn says(&self, page: &str) -> Result<String> {
        Ok(self.get(page).await?.text().await?)
    }

    /// It answers, and says yes.
    pub async fn is(&self, page: &str) -> bool {
        self.get(page).await.is_ok_and(|answer| answer.status().is_success())
    }
}

fn fingerprint(certificate: &Path) -> Result<String> {
    let first = CertificateDer::pem_file_iter(certificate)?.next().context("the host's certificate file holds none")?;
    Ok(digest_of(&first?))
}
