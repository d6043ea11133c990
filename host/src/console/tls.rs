//! The host's own certificate: read at the start, taken up anew when its files are renewed, and looked at by `tandem check`.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ServerConfig};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{Config, ServerTls, Stamp, stamp};
use crate::connections::certificate::names;
use crate::connections::transport;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(5);
/// Between two tries of files that cannot be used: what is wrong need not be seen by their time and size.
const AGAIN: Duration = Duration::from_secs(30);
/// Bytes of one of them.
const MOST: u64 = 1 << 20;
/// A certificate that ends so soon is told.
const SOON_DAYS: i64 = 30;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// Why the host cannot show a certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not readable.
    #[error("[host] tls: cannot read {path}: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file holds something else.
    #[error("[host] tls: {path}: {cause}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The two do not belong together.
    #[error("[host] tls: the key {key} is not that of the certificate {certificate}")]
    Misfit {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
}

/// The two files, and what they held when both were last good.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    /// Of the files as they were read first.
    first: [Stamp; 2],
    now: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Certificate {
    /// None where the host speaks no TLS.
    pub fn of(config: &Config) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(tls) = &config.host.tls else { return Ok(None) };
        Self::read(tls, &config.base).map(Arc::new).map(Some)
    }

    fn read(tls: &ServerTls, base: &Path) -> Result<Self, TlsError> {
        let (certificate, key) = (base.join(&tls.certificate), base.join(&tls.key));
        if is_open(&key) {
            tracing::warn!(key = %key.display(), "the key of the host's certificate can be read by everybody on this machine");
        }
        // Before they are read: what is written since is seen as new.
        let first = [stamp(&certificate), stamp(&key)];
        let now = RwLock::new(Arc::new(pair(&certificate, &key)?));
        Ok(Self { certificate, key, first, now })
    }

    /// What a listener needs.
    pub fn server(self: &Arc<Self>) -> Arc<ServerConfig> {
        transport::install_crypto();
        let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// Takes up renewed files until `stop` turns true. What cannot be used changes nothing.
    pub async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        self.watched(&mut stop, LOOK, AGAIN).await;
    }

    async fn watched(&self, stop: &mut watch::Receiver<bool>, every: Duration, again: Duration) {
        // Of what was taken up last.
        let mut seen = self.first;
        let mut last = seen;
        // Of what could not be, and when it was tried.
        let mut refused: Option<([Stamp; 2], Instant)> = None;
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(every) => {}
            }
            let now = self.stamps();
            // Two files are not written at once: they are left alone until nobody writes any more.
            if std::mem::replace(&mut last, now) != now || now == seen {
                continue;
            }
            let tried = refused.filter(|(own, _)| *own == now).map(|(_, at)| at);
            if tried.is_some_and(|at| at.elapsed() < again) {
                continue;
            }
            match pair(&self.certificate, &self.key) {
                Ok(pair) => {
                    *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                    (seen, refused) = (now, None);
                    tracing::info!(certificate = %self.certificate.display(), "the host's certificate was renewed: taken up");
                }
                Err(error) => {
                    // It is told once.
                    if tried.is_none() {
                        tracing::error!(%error, "the host's renewed certificate is not taken; the one before goes on");
                    }
                    refused = Some((now, Instant::now()));
                }
            }
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [stamp(&self.certificate), stamp(&self.key)]
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |cause| TlsError::Unreadable { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(unreadable)?.take(MOST).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |cause: String| TlsError::Unusable { path: path.to_owned(), cause };
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(path)?).collect();
    match all {
        Ok(all) if all.is_empty() => Err(unusable("it holds no certificate in PEM form".into())),
        other => other.map_err(|e| unusable(e.to_string())),
    }
}

fn pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let unusable = |path: &Path, cause: String| TlsError::Unusable { path: path.to_owned(), cause };
    let chain = chain(certificate)?;
    let secret = PrivateKeyDer::from_pem_slice(&bytes(key)?)
        .map_err(|_| unusable(key, "it holds no private key in PEM form without a password".into()))?;
    let signing = rustls::crypto::ring::sign::any_supported_type(&secret).map_err(|e| unusable(key, e.to_string()))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Misfit { key: key.to_owned(), certificate: certificate.to_owned() })
        }
        Err(error) => Err(unusable(certificate, error.to_string())),
    }
}

/// Everybody on this machine may read it.
#[cfg(unix)]
fn is_open(key: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(key).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// Who may read a file is not said by a mode.
#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

/// What there is to say of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Nothing is wrong now.
    pub good: bool,
    /// How it is.
    pub says: String,
    /// What to do; with `good`, what to do soon.
    pub mend: String,
}

impl Said {
    fn good(says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { good: true, says: says.into(), mend: mend.into() }
    }

    fn bad(says: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { good: false, says: says.into(), mend: mend.into() }
    }
}

/// All that `tandem check` says of it. `host`: by which name browsers come, where it is known.
pub fn look(tls: &ServerTls, base: &Path, host: Option<&str>) -> Vec<Said> {
    let (certificate, key) = (base.join(&tls.certificate), base.join(&tls.key));
    let mut said = Vec::new();
    if is_open(&key) {
        let says = format!("everybody on this machine may read the key {}", key.display());
        said.push(Said::bad(says, "chmod o= it, and think of whether the key is still a secret"));
    }
    match pair(&certificate, &key) {
        Err(error @ TlsError::Misfit { .. }) => {
            said.push(Said::bad(error.to_string(), "give the two that were made together"));
        }
        Err(error) => said.push(Said::bad(error.to_string(), "see left")),
        Ok(pair) => said.extend(lasting(&pair.cert, host, UnixTime::now())),
    }
    said
}

/// Of a chain, at a moment.
fn lasting(chain: &[CertificateDer<'static>], host: Option<&str>, now: UnixTime) -> Vec<Said> {
    let parsed: Vec<_> =
        chain.iter().filter_map(|der| X509Certificate::from_der(der).ok().map(|(_, own)| own)).collect();
    let (Some(leaf), Some(last)) = (parsed.first(), parsed.last().filter(|_| parsed.len() == chain.len())) else {
        return vec![Said::bad("its certificate cannot be read", "is it an X.509 certificate?")];
    };
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let mut said = Vec::new();
    // The first of the chain that ends, ends it for browsers.
    let ends = parsed.iter().map(|own| own.validity().not_after.timestamp()).min().unwrap_or_default();
    let day = chrono::DateTime::from_timestamp(ends, 0).map(|at| at.format("%Y-%m-%d").to_string()).unwrap_or_default();
    let left = (ends - seconds).div_euclid(DAY);
    if ends <= seconds {
        said.push(Said::bad(format!("it ended on {day}"), "renew it; the host takes up the new files by itself"));
    } else if leaf.validity().not_before.timestamp() > seconds {
        said.push(Said::bad("it does not hold yet", "is the clock of this machine right?"));
    } else {
        let mend = if left < SOON_DAYS { "renew it soon; the host takes up the new files by itself" } else { "" };
        said.push(Said::good(format!("holds until {day}, {left} days"), mend));
    }
    said.extend(trusted(chain, leaf, last, host, now));
    said
}

/// Whether a browser would take it, as far as this machine knows authorities.
fn trusted(
    chain: &[CertificateDer<'static>],
    leaf: &X509Certificate<'_>,
    last: &X509Certificate<'_>,
    host: Option<&str>,
    now: UnixTime,
) -> Option<Said> {
    transport::install_crypto();
    let verifier = WebPkiServerVerifier::builder(Arc::new(transport::known_roots())).build().ok()?;
    let own = names(leaf);
    let name = host.map(str::to_owned).or_else(|| own.first().cloned())?;
    let server = ServerName::try_from(name.clone()).ok()?;
    let is_own = leaf.issuer() == leaf.subject();
    match verifier.verify_server_cert(&chain[0], &chain[1..], &server, &[], now).map(|_| ()) {
        Err(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => Some(Said::bad(
            format!("it is not for {name}, but for {}", own.join(", ")),
            "get one for the name in `url` of [console]",
        )),
        Err(_) if is_own => {
            Some(Said::good("it signs itself: browsers warn of it", "get one of an authority that they know"))
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) if last.issuer() == last.subject() => {
            let says = format!("this machine does not know its authority, {}", last.subject());
            Some(Said::good(says, "browsers must: roll it out to them"))
        }
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Some(Said::bad(
            format!("its chain is not complete: {} is neither in the file nor known to this machine", last.issuer()),
            "put the certificates between the host's and the authority behind it in the file; an authority of the company's own must be known to browsers and to this machine",
        )),
        // When it begins and ends was told.
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ))
        | Ok(()) => None,
        Err(error) => Some(Said::bad(format!("it is not taken for {name}: {error}"), "get another one")),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;

    struct Made {
        pem: String,
        key: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn made(name: &str, by: Option<&Made>, days: i64) -> Made {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if name.starts_with("Company") {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let date = |days: i64| {
            let at = chrono::Utc::now() + chrono::TimeDelta::days(days);
            use chrono::Datelike;
            rcgen::date_time_ymd(at.year(), at.month() as u8, at.day() as u8)
        };
        (params.not_before, params.not_after) = (date(-100), date(days));
        let key = KeyPair::generate().unwrap();
        let certificate = match by {
            Some(by) => params.signed_by(&key, &by.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        let (pem, text) = (certificate.pem(), key.serialize_pem());
        Made { pem, key: text, issuer: Issuer::new(params, key) }
    }

    fn put(folder: &Path, certificate: &str, key: &str) -> ServerTls {
        std::fs::write(folder.join("host.pem"), certificate).unwrap();
        std::fs::write(folder.join("host.key"), key).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(folder.join("host.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        ServerTls { certificate: "host.pem".into(), key: "host.key".into() }
    }

    fn all(said: &[Said]) -> String {
        said.iter().map(|own| format!("{} {} | {}\n", own.good, own.says, own.mend)).collect()
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_with_the_mend() {
        let folder = tempfile::tempdir().unwrap();
        let (base, host) = (folder.path(), Some("tandem.example.com"));
        let root = made("Company Root", None, 900);
        let between = made("Company Between", Some(&root), 900);
        let own = made("tandem.example.com", Some(&between), 90);
        let told =
            |certificate: String, key: &str, host: Option<&str>| all(&look(&put(base, &certificate, key), base, host));
        let whole = told([&own.pem, &between.pem, &root.pem].map(String::as_str).concat(), &own.key, host);
        assert!(whole.contains("true holds until") && whole.contains("does not know its authority"), "{whole}");
        assert!(!whole.contains("false"), "{whole}");
        let alone = told(own.pem.clone(), &own.key, host);
        assert!(alone.contains("false its chain is not complete: CN=Company Between"), "{alone}");
        let other = told(own.pem.clone(), &between.key, host);
        assert!(other.contains("host.key is not that of the certificate"), "{other}");
        let soon = made("tandem.example.com", None, 20);
        let soon = told(soon.pem, &soon.key, host);
        assert!(soon.contains("true holds until") && soon.contains("renew it soon"), "{soon}");
        let over = made("tandem.example.com", None, -2);
        let over = told(over.pem, &over.key, host);
        assert!(over.contains("false it ended on"), "{over}");
        for (certificate, key, what) in [
            ("", own.key.as_str(), "no certificate in PEM form"),
            (&own.pem, "", "no private key"),
            (&own.key, &own.key, "no certificate"),
        ] {
            let told = told(certificate.to_owned(), key, host);
            assert!(told.contains(what), "{told}");
        }
        let nowhere = ServerTls { certificate: "none.pem".into(), key: "host.key".into() };
        assert!(all(&look(&nowhere, base, None)).contains("cannot read"));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_everybody_may_read_is_told() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let own = made("localhost", None, 90);
        let tls = put(folder.path(), &own.pem, &own.key);
        assert!(!all(&look(&tls, folder.path(), None)).contains("everybody"));
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("host.key"), mode).unwrap();
        assert!(all(&look(&tls, folder.path(), None)).contains("false everybody on this machine may read"));
    }

    #[tokio::test]
    async fn renewed_files_are_taken_up_once_both_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (made("localhost", None, 90), made("localhost", None, 91));
        let tls = put(folder.path(), &first.pem, &first.key);
        let own = Arc::new(Certificate::read(&tls, folder.path()).unwrap());
        let shown = |own: &Certificate| own.now.read().unwrap().cert[0].clone();
        let before = shown(&own);
        let (stop, mut stopped) = watch::channel(false);
        let watching = own.clone();
        let every = Duration::from_millis(40);
        let task = tokio::spawn(async move { watching.watched(&mut stopped, every, every).await });
        // The watcher is under way.
        tokio::time::sleep(every * 4).await;
        assert_eq!(shown(&own), before);
        // A size of its own: the clock of the file system may be coarse.
        std::fs::write(folder.path().join("host.pem"), format!("\n{}", second.pem)).unwrap();
        tokio::time::sleep(every * 8).await;
        assert_eq!(shown(&own), before, "a certificate without its key changes nothing");
        std::fs::write(folder.path().join("host.key"), format!("\n{}", second.key)).unwrap();
        renewed(&own, &before).await;
        std::fs::remove_file(folder.path().join("host.key")).unwrap();
        let kept = shown(&own);
        tokio::time::sleep(every * 8).await;
        assert_eq!(shown(&own), kept, "nor do files that are gone");
        stop.send_replace(true);
        task.await.unwrap();
    }

    #[tokio::test]
    async fn files_that_are_renewed_before_anybody_watches_are_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (made("localhost", None, 90), made("localhost", None, 91));
        let tls = put(folder.path(), &first.pem, &first.key);
        let own = Arc::new(Certificate::read(&tls, folder.path()).unwrap());
        let before = own.now.read().unwrap().cert[0].clone();
        put(folder.path(), &format!("\n{}", second.pem), &format!("\n{}", second.key));
        let (stop, mut stopped) = watch::channel(false);
        let (watching, every) = (own.clone(), Duration::from_millis(40));
        let task = tokio::spawn(async move { watching.watched(&mut stopped, every, every).await });
        renewed(&own, &before).await;
        stop.send_replace(true);
        task.await.unwrap();
    }

    /// Until another one is shown.
    async fn renewed(own: &Certificate, before: &CertificateDer<'static>) {
        let taken = async {
            while own.now.read().unwrap().cert[0] == *before {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), taken).await.expect("taken up");
    }
}
