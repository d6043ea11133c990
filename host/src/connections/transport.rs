//! The one HTTP client: certificate trust, time-outs, size limits, and whether a failed request may have been carried
//! out.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use serde::de::IgnoredAny;

use super::clock::{self, RemoteClock};
use super::proxy::Proxies;
use super::{Answer, Call, CallError, Limit};
use crate::config::TlsConfig;
use crate::store::Seat;

/// Response headers handed on.
const KEPT_HEADERS: [&str; 5] = ["location", "etag", "preference-applied", "retry-after", "sforce-limit-info"];

/// True for the lower-case name of a response header that is handed on.
pub fn is_kept(name: &str) -> bool {
    KEPT_HEADERS.contains(&name)
}

/// The answer to a conditional read of something that did not change.
pub const NOT_MODIFIED: u16 = 304;

/// A raw response: any status.
#[derive(Debug, Default)]
pub struct Raw {
    /// HTTP status.
    pub status: u16,
    /// Content type as sent; empty when missing.
    pub content_type: String,
    /// `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// When the system made it, by its own clock; milliseconds since 1970 UTC.
    pub date: Option<crate::store::Millis>,
    /// The headers of [`KEPT_HEADERS`].
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

impl Raw {
    /// A kept header by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// True when it was done: 2xx and nothing else. A redirect is no success, least of all of a write: it went nowhere. Nor
    /// is a page for people: neither system has any at its addresses, but networks put theirs in between.
    pub fn done(&self) -> bool {
        self.is_2xx() && !self.content_type.to_ascii_lowercase().contains("html")
    }

    fn is_2xx(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// True when it answers the call: done, or unchanged where that was asked.
    pub fn answers(&self, call: &Call) -> bool {
        self.done() || (self.status == NOT_MODIFIED && call.reads() && call.is_conditional())
    }

    /// What a status says that is neither done nor refused; none for those.
    pub fn astray(&self) -> Option<String> {
        if self.done() || self.status >= 400 {
            return None;
        }
        if self.is_2xx() {
            return Some(format!("answered {} with a web page, which somebody in between has put there", self.status));
        }
        Some(match self.header("location").and_then(|to| to.parse::<reqwest::Url>().ok()) {
            // The rest of the address may hold what was asked for.
            Some(to) => format!("answered {}: redirected to {}", self.status, to.origin().ascii_serialization()),
            None => format!("answered {}, which says neither that it was done nor that it was refused", self.status),
        })
    }

    /// True when it says that it is JSON and is none: a connection that closes early looks like one that is done.
    fn is_cut_short(&self) -> bool {
        let json = self.content_type.to_ascii_lowercase().contains("json");
        json && self.is_2xx() && !self.body.is_empty() && serde_json::from_str::<IgnoredAny>(&self.body).is_err()
    }

    /// As an answer to a caller.
    pub fn into_answer(self) -> Answer {
        Answer { status: self.status, headers: self.headers, body: self.body }
    }
}

/// Chooses the cryptography of every TLS connection of this process; safe to call again.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that trusts what the configuration says, goes through these proxies and waits no longer than `timeout` for an
/// answer.
pub fn client(tls: &TlsConfig, proxies: Proxies, base: &Path, timeout: Duration) -> Result<Routed, String> {
    let way = proxies.clone();
    let client = Client::builder()
        .tls_backend_preconfigured(tls_config(tls, base)?)
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(16)
        .tcp_nodelay(true)
        .no_proxy()
        .proxy(reqwest::Proxy::custom(move |target| proxies.hop(target).map(|hop| hop.url().clone())))
        .build()
        .map_err(words)?;
    Ok(Routed { client, proxies: way })
}

/// A client, and the proxies it goes through: a failure on the way to one of them is not the server's.
#[derive(Clone)]
pub struct Routed {
    client: Client,
    proxies: Proxies,
}

impl std::ops::Deref for Routed {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Routed {
    /// See [`fetch`]; where a proxy is on the way, what failed before anything was sent names it.
    pub async fn fetch(&self, request: RequestBuilder, limit: impl Into<Limit<'_>>) -> Result<Raw, CallError> {
        let request = request.build().map_err(|e| CallError::Invalid(words(e)))?;
        let hop = self.proxies.hop(request.url());
        let request = RequestBuilder::from_parts(self.client.clone(), request);
        fetch(request, limit).await.map_err(|error| match (error, hop) {
            (CallError::Unreachable(why), Some(hop)) => CallError::Unreachable(through(&hop.name(), &why)),
            (other, _) => other,
        })
    }
}

/// Whose failure it was: the proxy's as long as it opened no way (a *tunnel*), the server's behind it from then on.
fn through(proxy: &str, why: &str) -> String {
    let Some((_, why)) = why.split_once("tunnel error: ") else { return format!("through the proxy {proxy}: {why}") };
    match why {
        "unsuccessful" => format!("the proxy {proxy} opens no way to the server"),
        "proxy authorization required" => {
            format!("the proxy {proxy}: proxy authorization required (407), it wants a user and a password, or others")
        }
        other => match other.strip_prefix("failed to create underlying connection") {
            Some(cause) => format!("the proxy {proxy} is not reached{cause}"),
            None => format!("the proxy {proxy}: {other}"),
        },
    }
}

/// Trust as the configuration says, for REST and gRPC alike.
pub fn tls_config(tls: &TlsConfig, base: &Path) -> Result<ClientConfig, String> {
    let verifier = verifier(tls, base)?;
    Ok(ClientConfig::builder().dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// What decides whether a server's certificate is trusted.
pub(super) fn verifier(tls: &TlsConfig, base: &Path) -> Result<Arc<dyn ServerCertVerifier>, String> {
    install_crypto();
    let mut roots = RootCertStore::empty();
    if let Some(pin) = &tls.pin_sha256 {
        let pin = parse_pin(pin).ok_or("tls.pin_sha256 is not a SHA-256 in hex")?;
        let provider = rustls::crypto::ring::default_provider();
        return Ok(Arc::new(PinnedCertificate { pin, algorithms: provider.signature_verification_algorithms }));
    }
    if let Some(file) = &tls.ca_file {
        let path = base.join(file);
        let certificates = CertificateDer::pem_file_iter(&path)
            .map_err(|e| format!("cannot read tls.ca_file {}: {e}", path.display()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| format!("tls.ca_file {}: {e}", path.display()))?;
            roots.add(certificate).map_err(|e| format!("tls.ca_file {}: {e}", path.display()))?;
        }
        if roots.is_empty() {
            return Err(format!("tls.ca_file {} holds no certificate in PEM form", path.display()));
        }
    } else {
        roots = known_roots();
    }
    let verifier = WebPkiServerVerifier::builder(Arc::new(roots)).build().map_err(|e| format!("tls: {e}"))?;
    Ok(verifier)
}

/// The public authorities, and those of this machine.
pub fn known_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // A company that opens TLS at its border puts its authority there.
    roots.add_parsable_certificates(system_roots().iter().cloned());
    roots
}

/// What the operating system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` count where they are set. Read once.
fn system_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate of the operating system cannot be read");
        }
        found.certs
    })
}

fn parse_pin(pin: &str) -> Option<[u8; 32]> {
    let digits: String = pin.chars().filter(|c| *c != ':').collect();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Trusts one certificate by its fingerprint, whatever name or date it carries: what B1's self-signed ones need.
#[derive(Debug)]
struct PinnedCertificate {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = ring::digest::digest(&ring::digest::SHA256, end_entity);
        if found.as_ref() == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let found: Vec<String> = found.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Err(rustls::Error::General(format!(
            "the server's certificate has the fingerprint {}, not the pinned one; if it was renewed on purpose, change \
             tls.pin_sha256",
            found.concat()
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// A client of one system, and what its answers tell of the system's clock.
#[derive(Clone)]
pub struct Wire {
    /// Makes requests.
    pub client: Routed,
    clock: Arc<RemoteClock>,
    /// This host's, where one sends by it.
    seat: Arc<OnceLock<Seat>>,
}

impl Wire {
    /// Nothing is known of the clock yet.
    pub fn new(client: Routed) -> Self {
        Self { client, clock: Arc::default(), seat: Arc::default() }
    }

    /// From now on it sends only while this host may, and no more than its share.
    pub fn held_by(&self, seat: &Seat) {
        let _ = self.seat.set(seat.clone());
    }

    /// Hosts that share what one was allowed.
    pub fn hosts(&self) -> NonZeroU32 {
        self.seat.get().map_or(NonZeroU32::MIN, Seat::hosts)
    }

    /// The system's clock.
    pub fn clock(&self) -> &RemoteClock {
        &self.clock
    }

    /// See [`Routed::fetch`]. Waits until this host may send; what is on its way when it may not any more is given up, since it may be another's by then.
    pub async fn fetch(&self, request: RequestBuilder, limit: impl Into<Limit<'_>>) -> Result<Raw, CallError> {
        let fence = self.seat.get().map(|seat| seat.fence.clone()).unwrap_or_default();
        fence.pass().await.map_err(|lost| CallError::Unreachable(lost.to_string()))?;
        let raw = tokio::select! {
            // First: whoever wakes after a long sleep sends nothing more.
            biased;
            () = fence.closes() => return Err(CallError::Ambiguous("the database did not hear of this host for too long".into())),
            raw = self.client.fetch(request, limit) => raw?,
        };
        if let Some(date) = raw.date {
            self.clock.told(date);
        }
        Ok(raw)
    }
}

/// Sends and reads the whole body. What cannot be written as a request is `Invalid`, a failure before anything was sent
/// `Unreachable`, any later one `Ambiguous`: a caller whose request only reads may treat both alike.
pub async fn fetch(request: RequestBuilder, limit: impl Into<Limit<'_>>) -> Result<Raw, CallError> {
    let limit = limit.into();
    let mut response = request.send().await.map_err(|e| {
        let (before_sending, unwritable) = (e.is_connect(), e.is_builder());
        let why = words(e);
        match (unwritable, before_sending) {
            (true, _) => CallError::Invalid(why),
            (_, true) => CallError::Unreachable(why),
            _ => CallError::Ambiguous(why),
        }
    })?;
    let status = response.status().as_u16();
    let text =
        |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let content_type = text("content-type");
    let date = clock::date(&text("date"));
    let cookies = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok().map(str::to_owned))
        .collect();
    let headers = KEPT_HEADERS
        .iter()
        .filter(|name| response.headers().contains_key(**name))
        .map(|name| ((*name).to_owned(), text(name)))
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| CallError::Ambiguous(words(e)))? {
        limit.take(body.len(), chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8(body).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    let raw = Raw { status, content_type, cookies, date, headers, body };
    if raw.is_cut_short() {
        return Err(CallError::Ambiguous("the answer ends in the middle".into()));
    }
    Ok(raw)
}

/// What went wrong, without the address: its query holds customers' data, and this may stand in a log that others read.
fn words(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

/// An error with its causes, each said once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
