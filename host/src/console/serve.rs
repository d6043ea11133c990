//! HTTP for the console and the webhooks. Who connects and says nothing, or says it letter by letter, is left alone after a
//! while, and there are so many connections at most: what the host needs itself, files and memory, is not for strangers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// After a refusal of the system itself, such as for want of files.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// How much of the host a stranger may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Connections at once; more wait until one ends.
    pub connections: usize,
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
            header: Duration::from_secs(10),
            request: Duration::from_secs(30),
            connection: Duration::from_secs(600),
        }
    }
}

/// Serves until `stop` turns true and what was asked by then is answered.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(patience.connections));
    let router = router.layer(from_fn_with_state(patience.request, in_time));
    let mut open = JoinSet::new();
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            Some(_) = open.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, address) = stream;
        // The other end: who may reach what, and whose tries are counted.
        let router = router.clone().layer(Extension(address));
        open.spawn(converse(stream, place, router, patience, stop.clone()));
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

type Accepted = ((TcpStream, SocketAddr), Option<OwnedSemaphorePermit>);

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Accepted {
    // Never closed.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok(stream) => return (stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection to the console is not taken");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
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
        let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
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

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HALF: &[u8] = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n";

    async fn served(connections: usize) -> (std::net::SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router =
            Router::new().route("/", get(|| async { "ok" })).route("/echo", post(|body: String| async { body }));
        let short = Duration::from_millis(300);
        let patience = Patience { connections, header: short, request: short, connection: Duration::from_secs(5) };
        let (stop, stopped) = watch::channel(false);
        (address, stop, tokio::spawn(serve(listener, router, patience, stopped)))
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
}
