//! Who may reach the console, and under which name. A browser on this machine may; one on another where the host speaks TLS itself, or through a
//! proxy that does, which `[console] url` states. A name that is not the console's own is a trick of another page (DNS rebinding).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Peer;
use super::problem::Problem;
use crate::config::ConsoleConfig;

/// What a proxy says of whom it speaks for; the last is the one that is read.
const PROXIED: [&str; 4] = ["via", "forwarded", "x-forwarded-host", "x-forwarded-for"];

/// See the module's words.
pub struct Origin {
    listen: SocketAddr,
    /// Host name of the stated address, with its port where it has one.
    stated: Option<String>,
    proxies: Vec<IpAddr>,
    /// The host speaks TLS itself.
    has_tls: bool,
}

impl Origin {
    /// From configuration.
    pub fn new(listen: SocketAddr, config: &ConsoleConfig, has_tls: bool) -> Self {
        let url = config.url.as_deref().and_then(|url| url.parse::<reqwest::Url>().ok());
        let stated = url.and_then(|url| {
            let host = url.host_str()?.to_ascii_lowercase();
            Some(url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
        });
        Self { listen, stated, proxies: config.proxies.iter().map(IpAddr::to_canonical).collect(), has_tls }
    }

    /// The console is reached over TLS.
    pub fn is_over_tls(&self) -> bool {
        self.has_tls || self.stated.is_some()
    }

    fn is_proxy(&self, peer: IpAddr) -> bool {
        // Named, it is that one and no other program on this machine; where the host speaks TLS itself, there is none that is not named.
        let is_own =
            if self.proxies.is_empty() { peer.is_loopback() && !self.has_tls } else { self.proxies.contains(&peer) };
        self.stated.is_some() && is_own
    }

    fn is_own_name(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.stated.as_deref() == Some(host.strip_suffix(":443").unwrap_or(&host)) {
            return true;
        }
        let port = format!(":{}", self.listen.port());
        let name = host.strip_suffix(&port).unwrap_or(&host);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost"
            || address.is_ok_and(|address| address.is_loopback() || address == self.listen.ip().to_canonical())
    }

    /// Where a request comes from; an error where it may not.
    fn peer(&self, connected: IpAddr, host: &str, forwarded: Option<&str>) -> Result<Peer, Problem> {
        if !self.is_own_name(host) {
            let problem = Problem::refused(format!("The console is not called {host:?}."));
            return Err(
                problem.mended("State its address as `url` of [console] in tandem.toml, or open it as 127.0.0.1.")
            );
        }
        let connected = connected.to_canonical();
        if self.is_proxy(connected) {
            // What the proxy itself has added stands last.
            let client = forwarded.and_then(|list| address_of(list.rsplit(',').next()?.trim()));
            return Ok(Peer(client.unwrap_or(connected)));
        }
        if (connected.is_loopback() || self.has_tls) && forwarded.is_none() {
            return Ok(Peer(connected));
        }
        if self.has_tls {
            let problem = Problem::refused("A proxy that nobody has stated stands before the console.");
            return Err(problem.mended("State its IP address as `proxies` of [console] in tandem.toml."));
        }
        let problem =
            Problem::refused("The console is not open to other machines: what is sent to it is not encrypted.");
        Err(problem.mended(
            "Give the host a certificate (`tls` of [host] in tandem.toml); or put a proxy that speaks TLS before it, and state its address as `url`, and itself as `proxies`, of [console] in tandem.toml.",
        ))
    }
}

/// An address, with a port or without.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    bare.or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip())).ok().map(|address| address.to_canonical())
}

/// Lets through who may reach the console, and says where they come from.
pub async fn checked(State(origin): State<Arc<Origin>>, mut request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
    let peer = {
        let text = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let lines: Vec<&str> = PROXIED
            .iter()
            .flat_map(|name| request.headers().get_all(*name))
            .filter_map(|value| value.to_str().ok())
            .collect();
        let forwarded = (!lines.is_empty()).then(|| lines.join(","));
        // HTTP/1.1 demands a host; who connects has an address.
        match (text(header::HOST), connected) {
            (Some(host), Some(connected)) => origin.peer(connected, host, forwarded.as_deref()),
            _ => Err(Problem::refused("The request says no host.")),
        }
    };
    match peer {
        Ok(peer) => {
            request.extensions_mut().insert(peer);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: Option<&str>) -> Origin {
        let proxies = vec!["10.0.0.9".parse().unwrap()];
        let config = ConsoleConfig { url: url.map(str::to_owned), proxies, ..ConsoleConfig::default() };
        Origin::new("0.0.0.0:8484".parse().unwrap(), &config, false)
    }

    fn from(origin: &Origin, address: &str, host: &str, forwarded: Option<&str>) -> Option<String> {
        origin.peer(address.parse().unwrap(), host, forwarded).ok().map(|peer| peer.0.to_string())
    }

    #[test]
    fn a_browser_on_this_machine_may_and_one_on_another_may_not() {
        let own = origin(None);
        for host in ["127.0.0.1:8484", "localhost:8484", "[::1]:8484", "LOCALHOST"] {
            assert_eq!(from(&own, "127.0.0.1", host, None).as_deref(), Some("127.0.0.1"), "{host}");
        }
        assert_eq!(from(&own, "10.0.0.5", "127.0.0.1:8484", None), None);
        assert_eq!(from(&own, "127.0.0.1", "evil.example:8484", None), None, "a name that is rebound to this machine");
        assert_eq!(from(&own, "127.0.0.1", "localhost.evil.example", None), None);
    }

    #[test]
    fn a_host_that_speaks_tls_is_open_to_others_by_its_own_name() {
        let url = Some("https://tandem.example.com:8484".to_owned());
        let config = ConsoleConfig { url, ..ConsoleConfig::default() };
        let own = Origin::new("0.0.0.0:8484".parse().unwrap(), &config, true);
        assert!(own.is_over_tls());
        assert_eq!(from(&own, "10.0.0.5", "tandem.example.com:8484", None).as_deref(), Some("10.0.0.5"));
        assert_eq!(from(&own, "10.0.0.5", "evil.example:8484", None), None);
        for peer in ["10.0.0.5", "127.0.0.1"] {
            let told = from(&own, peer, "tandem.example.com:8484", Some("9.9.9.9"));
            assert_eq!(told, None, "nobody has stated a proxy: {peer}");
        }
        assert!(!origin(None).is_over_tls());
    }

    #[test]
    fn a_stated_proxy_says_who_asks_and_nobody_else_does() {
        let stated = origin(Some("https://tandem.example.com"));
        let through = |address| from(&stated, address, "tandem.example.com", Some("1.1.1.1, 10.0.0.77"));
        assert_eq!(through("10.0.0.9").as_deref(), Some("10.0.0.77"), "what the proxy itself has added");
        assert_eq!(through("::ffff:10.0.0.9").as_deref(), Some("10.0.0.77"));
        assert_eq!(through("10.0.0.5"), None);
        assert_eq!(through("127.0.0.1"), None, "another program on this machine is not the proxy that is named");
        assert_eq!(
            from(&stated, "10.0.0.9", "tandem.example.com:443", Some("10.0.0.8:5123")).as_deref(),
            Some("10.0.0.8")
        );
        assert_eq!(from(&stated, "10.0.0.9", "tandem.example.com", Some("[fd00::1]:5")).as_deref(), Some("fd00::1"));
        assert_eq!(from(&stated, "127.0.0.1", "localhost:8484", None).as_deref(), Some("127.0.0.1"));
        // A proxy of this machine that nobody has stated would open the console to the network.
        assert_eq!(from(&origin(None), "127.0.0.1", "localhost", Some("9.9.9.9")), None);
    }
}
