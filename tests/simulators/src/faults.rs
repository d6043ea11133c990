//! The fault switchboard of both simulators: what goes wrong, where, how often. Set by `PUT /admin/faults`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Answers late, by so many milliseconds.
    Latency(u64),
    /// Drops the connection before anything is done.
    ResetBefore,
    /// Does everything, then drops the connection.
    ResetAfter,
    /// Answers 502 with the load balancer's HTML page before anything is done.
    HtmlBefore,
    /// Does everything, then answers 502 with HTML.
    HtmlAfter,
    /// Answers 500 with the system's own body before anything is done.
    ServerError,
    /// The session or token is gone.
    Expire,
    /// The system's own "too many requests".
    Throttle,
    /// The same, with the header `Retry-After` of so many seconds.
    RetryAfter(u64),
    /// Sends the caller to another address before anything is done: a maintenance page, a sign-in page of the network.
    Redirect,
    /// A lock that the transaction could not get; rolled back.
    Lock,
    /// Refuses before anything is done, in the system's own body.
    Refuse {
        /// HTTP status.
        status: u16,
        /// B1's number (`-1116`), or Salesforce's `errorCode`.
        code: String,
        /// The words.
        message: String,
    },
    /// Does everything, then sends the answer in drips, over so many milliseconds.
    Drip(u64),
    /// Does everything, then answers with JSON that ends in the middle, on a connection that closes.
    Truncate,
}

/// One line of the switchboard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Applies to addresses below the host that contain this text, in Salesforce with their query; empty means all.
    #[serde(default)]
    pub path: String,
    /// Applies to this method; empty means all.
    #[serde(default)]
    pub method: String,
    /// Applies to requests whose address or body contains this text, such as a record's id; empty means all.
    #[serde(default)]
    pub about: String,
    /// What goes wrong.
    pub kind: Kind,
    /// How often, 0 to 1.
    #[serde(default = "always")]
    pub rate: f64,
    /// At most so many times; none means for ever.
    #[serde(default)]
    pub times: Option<u64>,
    /// Only so many milliseconds from now on; none means for ever.
    #[serde(default)]
    pub for_ms: Option<u64>,
    /// When it was set.
    #[serde(skip)]
    since: Option<std::time::Instant>,
}

fn always() -> f64 {
    1.0
}

/// All lines, and the chance that decides.
pub struct Switchboard {
    inner: Mutex<(Vec<Fault>, fastrand::Rng)>,
}

impl Switchboard {
    /// Nothing goes wrong; chance follows `seed`.
    pub fn new(seed: u64) -> Self {
        Self { inner: Mutex::new((Vec::new(), fastrand::Rng::with_seed(seed))) }
    }

    /// Replaces all lines.
    pub fn set(&self, mut faults: Vec<Fault>) {
        for fault in &mut faults {
            fault.since = Some(std::time::Instant::now());
        }
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0 = faults;
    }

    /// The lines as they stand, with what is left of `times`.
    pub fn get(&self) -> Vec<Fault> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// What goes wrong with a request: nothing with one whose caller says [`SPARED`].
    pub fn strike(&self, headers: &HeaderMap, asked: &[(String, String)], body: &str) -> (Duration, Option<Kind>) {
        if headers.contains_key(SPARED) { (Duration::ZERO, None) } else { self.draw(asked, body) }
    }

    /// What goes wrong with a request for these, methods and paths: one, or with it those of its subrequests; a line strikes the
    /// request once, whichever of them it names. Latency adds up, of the others the first wins.
    fn draw(&self, asked: &[(String, String)], body: &str) -> (Duration, Option<Kind>) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (faults, chance) = &mut *inner;
        let mut delay = 0;
        let mut drawn = None;
        for fault in faults.iter_mut() {
            let named = asked.iter().any(|(method, path)| {
                path.contains(&fault.path) && (fault.method.is_empty() || fault.method.eq_ignore_ascii_case(method))
            });
            let told = |text: &str| text.contains(&fault.about);
            let applies = named
                && (told(body) || asked.iter().any(|(_, path)| told(path)))
                && fault.times != Some(0)
                && fault
                    .for_ms
                    .zip(fault.since)
                    .is_none_or(|(span, since)| since.elapsed().as_millis() < u128::from(span));
            if !applies || chance.f64() >= fault.rate || (drawn.is_some() && !matches!(fault.kind, Kind::Latency(_))) {
                continue;
            }
            fault.times = fault.times.map(|times| times - 1);
            match &fault.kind {
                Kind::Latency(ms) => delay += ms,
                other => drawn = Some(other.clone()),
            }
        }
        (Duration::from_millis(delay), drawn)
    }
}

/// The header of a caller whom no fault strikes: the clerk and the salesperson of a test.
pub const SPARED: &str = "x-spared-faults";

/// Where [`Kind::Redirect`] sends: a name that nobody has.
pub const ELSEWHERE: &str = "https://maintenance.invalid/";

/// The page of a load balancer whose worker is down, as Apache writes it: HTML, not JSON.
pub const BALANCER_PAGE: &str = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>502 Proxy Error</title>\n</head><body>\n<h1>Proxy Error</h1>\n</body></html>\n";
