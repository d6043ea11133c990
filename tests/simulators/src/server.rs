//! HTTP/1.1 over TCP or TLS, with the one thing a web framework will not do: drop the connection in place of an answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::faults::{ELSEWHERE, Kind};
use crate::log::{Entry, Log};

/// A response with this extension is not sent: the connection is closed instead.
#[derive(Clone, Copy, Debug)]
pub struct DropConnection;

/// A response that closes the connection unanswered.
pub fn dropped() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(DropConnection);
    response
}

/// Sends the caller elsewhere.
pub fn redirected() -> Response<Body> {
    Response::builder().status(302).header("Location", ELSEWHERE).body(Body::empty()).unwrap_or_default()
}

/// Answers a request, and notes it in the log: what was asked, what came of it, how long it took.
pub async fn logged(
    log: &Log,
    request: Request<Body>,
    answer: impl AsyncFnOnce(Request<Body>) -> Response<Body>,
) -> Response<Body> {
    let started = Instant::now();
    let (method, path) = (request.method().as_str().to_owned(), request.uri().to_string());
    let response = answer(request).await;
    let dropped = response.extensions().get::<DropConnection>().is_some();
    log.note(Entry {
        at: chrono::Utc::now().timestamp_millis(),
        method,
        path: path.chars().take(300).collect(),
        status: if dropped { 0 } else { response.status().as_u16() },
        micros: started.elapsed().as_micros() as u64,
    });
    response
}

/// What is left of an answer after a fault that strikes when all is done; `html` is the load balancer's page.
pub async fn spoiled(
    fault: Option<Kind>,
    response: Response<Body>,
    html: impl FnOnce() -> Response<Body>,
) -> Response<Body> {
    match fault {
        Some(Kind::ResetAfter) => dropped(),
        Some(Kind::HtmlAfter) => html(),
        Some(Kind::Drip(ms)) => dripping(response, ms),
        Some(Kind::Truncate) => truncated(response).await,
        _ => response,
    }
}

/// Sends the body in ten drips spread over so many milliseconds.
fn dripping(response: Response<Body>, over_ms: u64) -> Response<Body> {
    let (head, body) = response.into_parts();
    let drips = async_stream(body, std::time::Duration::from_millis(over_ms / 10));
    Response::from_parts(head, Body::from_stream(drips))
}

fn async_stream(
    body: Body,
    pause: std::time::Duration,
) -> impl tokio_stream::Stream<Item = Result<bytes::Bytes, std::io::Error>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        for drip in whole.chunks((whole.len() / 10).max(1)) {
            tokio::time::sleep(pause).await;
            if sender.send(Ok(bytes::Bytes::copy_from_slice(drip))).await.is_err() {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// Promises the whole body, sends half, and closes.
async fn truncated(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert("content-length", whole.len().into());
    let half = whole.slice(..whole.len() / 2);
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    let _ = sender.send(Ok(half)).await;
    let _ = sender.send(Err(std::io::Error::other("cut off on purpose"))).await;
    Response::from_parts(head, Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver)))
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => connection(stream, router).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, router).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        async move {
            let answer: Result<Response<Body>, Infallible> = router.oneshot(request.map(Body::new)).await;
            match answer {
                Ok(response) if response.extensions().get::<DropConnection>().is_some() => {
                    Err(std::io::Error::other("dropped on purpose"))
                }
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    // A client that goes away, or a connection dropped on purpose, is no error here.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Binds; port 0 takes a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}; take another port with --listen…"))
}

/// How a simulator's program ends: what went wrong in one line, with its causes.
pub fn ended(result: Result<()>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// What HTTPS and gRPC over TLS are served with.
pub struct Identity {
    /// For HTTPS.
    pub acceptor: TlsAcceptor,
    /// The server's certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

/// A certificate for 127.0.0.1, ::1 and localhost from a CA of this server's own. The CA's PEM is written to `file`, that of
/// the server beside it, with the ending `server.pem`.
pub fn own_authority(file: &Path) -> Result<Identity> {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Simulator CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    std::fs::write(file, authority.self_signed(&authority_key)?.pem())?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()])?;
    server.distinguished_name.push(DnType::CommonName, "localhost");
    let certificate = server.signed_by(&key, &issuer)?;
    std::fs::write(file.with_extension("server.pem"), certificate.pem())?;
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let chain = vec![certificate.der().clone()];
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private)?;
    Ok(Identity {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}
