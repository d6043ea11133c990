//! The certificate that a server shows, for a person to look at before anything is sent: whether it is trusted, and what it says of itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::transport;
use crate::config::TlsConfig;

/// What helps where a server's certificate is not trusted.
pub const MEND: &str = "trust the server: tls.ca_file with its CA, or tls.pin_sha256 with its fingerprint";

/// Until the server has shown it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server showed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// SHA-256 of the certificate, hex, as `tls.pin_sha256` takes it.
    pub sha256: String,
    /// Whose it says it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// For which names it is.
    pub names: Vec<String>,
    /// From when it holds: seconds since 1970.
    pub from: i64,
    /// Until when: seconds since 1970.
    pub until: i64,
    /// Why it is not trusted as the configuration says; none where it is.
    pub distrust: Option<String>,
}

impl Shown {
    /// It is signed by nobody else.
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// Asks a server for its certificate; nothing else is sent to it.
pub async fn shown(url: &Url, tls: &TlsConfig, base: &Path) -> Result<Shown, String> {
    let watcher = Arc::new(Watcher { judge: transport::verifier(tls, base)?, seen: Mutex::default() });
    let config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(watcher.clone()).with_no_client_auth();
    let host = url.host_str().ok_or("the address names no server")?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let name = ServerName::try_from(host.clone()).map_err(|e| format!("{host}: {e}"))?;
    let asked = async {
        let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|e| e.to_string())?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())
    };
    let ended = tokio::time::timeout(PATIENCE, asked).await;
    let ended = ended.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
    let seen = watcher.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (seen, ended) {
        (Some(seen), _) => seen,
        (None, Err(why)) => Err(why),
        (None, Ok(_)) => Err("the server showed no certificate".into()),
    }
}

/// Keeps what it is shown, and lets every handshake end: nothing is sent after it.
#[derive(Debug)]
struct Watcher {
    judge: Arc<dyn ServerCertVerifier>,
    seen: Mutex<Option<Result<Shown, String>>>,
}

impl ServerCertVerifier for Watcher {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self.judge.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let distrust = judged.err().map(|error| error.to_string());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(told(end_entity, distrust));
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

fn told(der: &CertificateDer<'_>, distrust: Option<String>) -> Result<Shown, String> {
    let (_, own) = X509Certificate::from_der(der).map_err(|_| "its certificate cannot be read")?;
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    Ok(Shown {
        sha256: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
        subject: own.subject().to_string(),
        issuer: own.issuer().to_string(),
        names: names(&own),
        from: own.validity().not_before.timestamp(),
        until: own.validity().not_after.timestamp(),
        distrust,
    })
}

/// Until when a chain in a PEM file holds, which is as long as all of it does: seconds since 1970.
pub fn file_until(path: &Path) -> Result<i64, String> {
    let cannot = |why: String| format!("{}: {why}", path.display());
    let mut until = None;
    for der in CertificateDer::pem_file_iter(path).map_err(|e| cannot(e.to_string()))? {
        let der = der.map_err(|e| cannot(e.to_string()))?;
        let (_, own) = X509Certificate::from_der(&der).map_err(|_| cannot("it cannot be read".into()))?;
        let ends = own.validity().not_after.timestamp();
        until = Some(until.map_or(ends, |before: i64| before.min(ends)));
    }
    until.ok_or_else(|| cannot("it holds no certificate in PEM form".into()))
}

/// For which names it is.
pub fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let found = leaf.subject_alternative_name().ok().flatten();
    let all = found.iter().flat_map(|names| &names.value.general_names);
    all.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|own| std::net::IpAddr::from(own).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|own| std::net::IpAddr::from(own).to_string()),
        },
        _ => None,
    })
    .collect()
}
