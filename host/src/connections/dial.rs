//! A connection for gRPC or mail, with the same proxy and the same trust as REST: straight or through `CONNECT`, then TLS.

use std::io::{Error, Result};
use std::path::Path;
use std::sync::Arc;

use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::proxy::{Hop, Proxies};
use super::transport;
use crate::config::TlsConfig;

/// Bytes of a proxy's answer to `CONNECT`.
const MOST_ANSWER: usize = 16 << 10;

/// What the bytes run over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Dials one address, again and again.
#[derive(Clone)]
pub struct Dialer {
    target: Url,
    /// None for a plain address on this machine.
    tls: Option<Arc<ClientConfig>>,
    hop: Option<Hop>,
    /// For a proxy that is reached over TLS itself.
    proxy_tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// For gRPC. Nothing is sent.
    pub fn new(address: &str, tls: &TlsConfig, proxies: &Proxies, base: &Path) -> std::result::Result<Self, String> {
        Self::speaking(&[b"h2"], address, tls, proxies, base)
    }

    /// For what agrees on its protocol by its port alone, such as mail: an `https` address is dialled over TLS or, by [`Dialer::open`] and
    /// [`Dialer::secure`], in the open first.
    pub fn plain(address: &str, tls: &TlsConfig, proxies: &Proxies, base: &Path) -> std::result::Result<Self, String> {
        Self::speaking(&[], address, tls, proxies, base)
    }

    fn speaking(
        protocols: &[&[u8]],
        address: &str,
        tls: &TlsConfig,
        proxies: &Proxies,
        base: &Path,
    ) -> std::result::Result<Self, String> {
        let target: Url = address.parse().map_err(|e| format!("{address}: {e}"))?;
        let own = || -> std::result::Result<_, String> {
            let mut config = transport::tls_config(tls, base)?;
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config))
        };
        let tls = if target.scheme() == "https" { Some(own()?) } else { None };
        let hop = proxies.hop(&target);
        let proxy_tls = match &hop {
            Some(hop) if hop.url().scheme() == "https" => {
                Some(Arc::new(transport::tls_config(&TlsConfig::default(), base)?))
            }
            _ => None,
        };
        Ok(Self { target, tls, hop, proxy_tls })
    }

    /// A stream over which the other end may be spoken to: over TLS, where the address says so.
    pub async fn dial(&self) -> Result<Box<dyn Stream>> {
        let raw = self.open().await?;
        self.secure(raw).await
    }

    /// A stream that is not encrypted yet.
    pub async fn open(&self) -> Result<Box<dyn Stream>> {
        match &self.hop {
            None => Ok(Box::new(tcp(&self.target).await?)),
            Some(hop) => self.tunnel(hop).await,
        }
    }

    /// The same, encrypted where the address says so.
    pub async fn secure(&self, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        match &self.tls {
            None => Ok(stream),
            Some(config) => secured(config, &self.target, stream).await,
        }
    }

    async fn tunnel(&self, hop: &Hop) -> Result<Box<dyn Stream>> {
        let told = |why: String| Error::other(format!("the proxy {}: {why}", hop.name()));
        let socket = tcp(hop.url()).await.map_err(|e| told(e.to_string()))?;
        let mut stream: Box<dyn Stream> = match &self.proxy_tls {
            Some(config) => secured(config, hop.url(), socket).await.map_err(|e| told(e.to_string()))?,
            None => Box::new(socket),
        };
        let (host, port) = place(&self.target)?;
        let authorization =
            hop.authorization().map_or(String::new(), |value| format!("Proxy-Authorization: {value}\r\n"));
        let request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        // Byte by byte up to the blank line: what follows belongs to the target.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MOST_ANSWER {
                return Err(told("its answer does not end".into()));
            }
            answer.push(stream.read_u8().await.map_err(|e| told(format!("no answer to CONNECT: {e}")))?);
        }
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split_whitespace().nth(1).unwrap_or_default();
        match status {
            "200" => Ok(stream),
            "407" => Err(told("407, it wants a user and a password, or others".into())),
            other => Err(told(format!("{other}, it does not open a way to {host}:{port}"))),
        }
    }
}

/// Host as it stands in an address (an IPv6 one in brackets), and port.
fn place(url: &Url) -> Result<(&str, u16)> {
    let host = url.host_str().ok_or_else(|| Error::other(format!("{url} names no host")))?;
    Ok((host, url.port_or_known_default().unwrap_or(443)))
}

async fn tcp(url: &Url) -> Result<TcpStream> {
    let (host, port) = place(url)?;
    // Asked of DNS each time: an address may move.
    let socket = TcpStream::connect((bare(host), port)).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// Without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn secured(config: &Arc<ClientConfig>, url: &Url, stream: impl Stream + 'static) -> Result<Box<dyn Stream>> {
    let (host, _) = place(url)?;
    let name = ServerName::try_from(bare(host).to_owned()).map_err(Error::other)?;
    Ok(Box::new(TlsConnector::from(config.clone()).connect(name, stream).await?))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::ProxyConfig;

    fn dialer(address: &str, proxies: &Proxies) -> Dialer {
        Dialer::new(address, &TlsConfig::default(), proxies, Path::new(".")).unwrap()
    }

    #[tokio::test]
    async fn an_ipv6_address_is_dialled_and_named_to_the_proxy() {
        // A machine without IPv6 has nothing to show.
        let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (dialled, taken) =
            tokio::join!(async { dialer(&address, &Proxies::Direct).dial().await }, listener.accept());
        assert!(dialled.is_ok() && taken.is_ok());

        let own = ProxyConfig { url: address.clone(), user: None, password: None };
        let proxies = Proxies::new(Some(&own), Path::new("."), Proxies::Direct).unwrap();
        let asked = async {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut line = vec![0; "CONNECT [2001:db8::7]:7443 ".len()];
            client.read_exact(&mut line).await.unwrap();
            client.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
            String::from_utf8(line).unwrap()
        };
        let far = dialer("https://[2001:db8::7]:7443", &proxies);
        let (dialled, line) = tokio::join!(far.dial(), asked);
        assert_eq!(line, "CONNECT [2001:db8::7]:7443 ");
        let why = dialled.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(why.contains("502") && why.contains("[::1]"), "the proxy is named: {why}");
    }
}
