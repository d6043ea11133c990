//! HTTP for the console and the webhooks, over TLS where the host has a certificate. Who connects and says nothing, or says it letter by letter,
//! is left alone after a while, and there are so many connections at most: what the host needs itself, files and memory, is not for strangers.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// After a refusal of the system itself, such as for want of files.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// How long a connection may still ask once when the server ends: who has just connected, or keeps one open and asks in that moment,
/// is answered instead of cut off.
const FAREWELL: Duration = Duration::from_millis(500);

/// How much of the host a stranger may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Connections at once; more wait until one ends.
    pub connections: usize,
    /// That have not agreed on TLS yet, beside them; one more, and the oldest of them is closed.
    pub half_open: usize,
    /// Until they have.
    pub handshake: Duration,
    /// Until a request's header is there, from the first byte or the end of the one before.
    pub header: Duration,
    /// Until a request is answered, its body included.
    pub request: Duration,
    /// Until a connection ends, whatever goes on there.
    pub connection: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connections: 512,
            half_open: 256,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            request: Duration::from_secs(30),
            connection: Duration::from_secs(600),
        }
    }
}

/// Serves until `stop` turns true and what was asked by then is answered. With `tls`, over it alone.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(patience.connections));
    let router =
        router.layer(from_fn_with_state(patience.request, in_time)).layer(from_fn_with_state(stop.clone(), or_last));
    let acceptor = tls.map(TlsAcceptor::from);
    let mut half_open = HalfOpen { most: patience.half_open, all: VecDeque::new() };
    let mut open = JoinSet::new();
    loop {
        let next = async {
            // Who has not agreed on TLS yet takes no place: others would wait for it.
            let place = if acceptor.is_some() { None } else { place(&places).await };
            (accept(&listener).await, place)
        };
        let ((stream, address), place) = tokio::select! {
            next = next => next,
            Some(_) = open.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // The other end: who may reach what, and whose tries are counted.
        let router = router.clone().layer(Extension(address));
        let stop = stop.clone();
        match &acceptor {
            None => {
                open.spawn(converse(stream, place, router, patience, stop));
            }
            Some(acceptor) => {
                let (acceptor, places, closed) = (acceptor.clone(), places.clone(), half_open.one_more());
                open.spawn(async move {
                    if let Some((stream, place)) = agree(stream, acceptor, &places, patience, closed).await {
                        converse(stream, place, router, patience, stop).await;
                    }
                });
            }
        }
    }
    drop(listener);
    drop(half_open);
    while open.join_next().await.is_some() {}
}

/// Those that have not agreed on TLS yet, the oldest first. Each is closed when its sender is dropped.
struct HalfOpen {
    most: usize,
    all: VecDeque<oneshot::Sender<()>>,
}

impl HalfOpen {
    fn one_more(&mut self) -> oneshot::Receiver<()> {
        if self.all.len() >= self.most {
            self.all.retain(|own| !own.is_closed());
        }
        if self.all.len() >= self.most {
            self.all.pop_front();
        }
        let (own, closed) = oneshot::channel();
        self.all.push_back(own);
        closed
    }
}

/// A stream that has agreed on TLS, and its place; none where it did not in time, speaks something else, or is closed for others.
async fn agree(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    places: &Arc<Semaphore>,
    patience: Patience,
    closed: oneshot::Receiver<()>,
) -> Option<(TlsStream<TcpStream>, Option<OwnedSemaphorePermit>)> {
    let agreed = async {
        // A handshake begins with this byte, a request of HTTP does not.
        let mut first = [0];
        if stream.peek(&mut first).await.ok()? == 1 && first != [0x16] {
            refuse(stream).await;
            return None;
        }
        match acceptor.accept(stream).await {
            Ok(stream) => Some((stream, place(places).await)),
            Err(error) => {
                tracing::debug!(%error, "a connection to the console agrees on no TLS");
                None
            }
        }
    };
    tokio::select! {
        agreed = tokio::time::timeout(patience.handshake, agreed) => agreed.ok().flatten(),
        _ = closed => None,
    }
}

/// What is said to plain HTTP.
const PLAIN: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 36\r\nConnection: close\r\n\r\nThis port speaks TLS: use https://.\n";

async fn refuse(mut stream: TcpStream) {
    let _ = stream.write_all(PLAIN.as_bytes()).await;
    let _ = stream.shutdown().await;
    // What was sent is read: else the other end may lose the answer. A while, and not for ever.
    let (mut rest, mut nowhere) = ((&mut stream).take(64 << 10), tokio::io::sink());
    let _ = tokio::time::timeout(AFTER_REFUSAL, tokio::io::copy(&mut rest, &mut nowhere)).await;
}

async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    // Never closed.
    places.clone().acquire_owned().await.ok()
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the console is not taken");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: Option<OwnedSemaphorePermit>,
    router: Router,
    patience: Patience,
    mut stop: watch::Receiver<bool>,
) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(patience.header);
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
    let conversation = async {
        let stopped = async {
            drop(stop.wait_for(|stop| *stop).await);
            // What is on its way is answered, and told that it was the last: `or_last`.
            tokio::time::sleep(FAREWELL).await;
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection to the console ended");
        }
    };
    let _ = tokio::time::timeout(patience.connection, conversation).await;
    drop(place);
}

async fn in_time(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request did not come in time\n").into_response(),
    }
}

/// An answer, and that the connection ends with it where the server does.
async fn or_last(State(stop): State<watch::Receiver<bool>>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    if *stop.borrow() {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use rustls::pki_types::CertificateDer;

    use super::*;

    const HALF: &[u8] = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n";

    type Served = (std::net::SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>);

    async fn served(connections: usize) -> Served {
        served_over(None, connections).await
    }

    async fn served_over(tls: Option<Arc<ServerConfig>>, connections: usize) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router =
            Router::new().route("/", get(|| async { "ok" })).route("/echo", post(|body: String| async { body }));
        let short = Duration::from_millis(300);
        let patience = Patience {
            connections,
            half_open: 4,
            handshake: Duration::from_secs(1),
            header: short,
            request: short,
            connection: Duration::from_secs(5),
        };
        let (stop, stopped) = watch::channel(false);
        (address, stop, tokio::spawn(serve(listener, tls, router, patience, stopped)))
    }

    /// What is answered to these bytes until the server closes.
    async fn told(address: std::net::SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(4), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "it stays open: {}", String::from_utf8_lossy(&answer));
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn who_says_half_a_request_is_left_alone_and_nobody_waits_long_behind() {
        let (address, stop, ended) = served(2).await;
        let half: Vec<_> = (0..6).map(|_| tokio::spawn(async move { told(address, HALF).await })).collect();
        let whole = told(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("ok"), "{whole}");
        for half in half {
            half.await.unwrap();
        }
        let body = told(address, &[HALF, b"\r\nabc"].concat()).await;
        assert!(body.starts_with("HTTP/1.1 408"), "{body}");
        assert_eq!(told(address, b"").await, "", "nor who says nothing at all");
        stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(4), ended).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_has_just_connected_when_it_ends_is_answered() {
        let (address, stop, ended) = served(2).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.send_replace(true);
        tokio::time::sleep(Duration::from_millis(50)).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        tokio::time::timeout(Duration::from_secs(4), ended).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_keeps_a_connection_and_asks_while_it_ends_is_answered_and_told_that_it_was_the_last() {
        let (address, stop, ended) = served(2).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut first = [0; 512];
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let read = stream.read(&mut first).await.unwrap();
        assert!(first[..read].ends_with(b"ok"), "{}", String::from_utf8_lossy(&first));
        stop.send_replace(true);
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut last = String::new();
        stream.read_to_string(&mut last).await.unwrap();
        assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
        tokio::time::timeout(Duration::from_secs(4), ended).await.unwrap().unwrap();
    }

    /// A client that trusts the server's own certificate, and what it is answered.
    async fn told_over_tls(address: SocketAddr, certificate: CertificateDer<'static>) -> String {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn over_tls_who_never_agrees_is_cut_off_and_keeps_nobody_out() {
        crate::connections::transport::install_crypto();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let certificate = made.cert.der().clone();
        let tls =
            ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
        let (address, stop, ended) = served_over(Some(Arc::new(tls)), 2).await;
        // Nothing, a part of a handshake, and many more than there is room for.
        let half: Vec<_> = (0..20)
            .map(|number| {
                let bytes: &[u8] = if number % 2 == 0 { b"" } else { &[0x16, 0x03, 0x01, 0x02] };
                tokio::spawn(async move { told(address, bytes).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = std::time::Instant::now();
        for _ in 0..3 {
            let whole = told_over_tls(address, certificate.clone()).await;
            assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with("ok"), "{whole}");
        }
        assert!(begun.elapsed() < Duration::from_millis(900), "nobody waits for them: {:?}", begun.elapsed());
        for half in half {
            assert_eq!(half.await.unwrap(), "");
        }
        let plain = told(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(plain.starts_with("HTTP/1.1 400") && plain.ends_with("use https://.\n"), "{plain}");
        // No handshake at all: it is closed.
        told(address, &[0x16, 0x03, 0x01, 0x00, 0x01, 0x00]).await;
        stop.send_replace(true);
        tokio::time::timeout(Duration::from_secs(4), ended).await.unwrap().unwrap();
    }
}
