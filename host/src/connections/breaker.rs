//! A circuit breaker: after several failures in a row the system is left alone for a while, then tried by one caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::CallError;
use super::sign_in::SignIn;
use crate::time::backoff;

/// Failures in a row that open the breaker.
const TRIP_AFTER: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// While a sign-in stands refused, whether its secret has changed is looked at so often.
const LOOK_AT_SECRET: Duration = Duration::from_secs(1);

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All is well.
    Closed,
    /// The pause is over: one caller may try.
    HalfOpen,
    /// Left alone for so long.
    Open(Duration),
}

#[derive(Debug, Default)]
struct Inner {
    failures: u32,
    /// How often it opened without a success in between: lengthens the pause.
    openings: u32,
    open_until: Option<Instant>,
    /// While one caller tries, the others are held back until then.
    trial_until: Option<Instant>,
    /// Why it opened first, and when.
    outage: Option<Outage>,
    /// It has answered since the host started.
    answered: bool,
}

/// A system that does not answer.
#[derive(Clone, Debug)]
pub struct Outage {
    since: Instant,
    /// Milliseconds since 1970 UTC, by this server's clock of then.
    began: i64,
    why: String,
}

impl Outage {
    /// Longer than what passes by itself: somebody is to know.
    const LONG: Duration = Duration::from_secs(60);

    /// Why, as it was first told.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// For how long.
    pub fn lasts(&self) -> Duration {
        self.since.elapsed()
    }

    /// See [`Outage::LONG`].
    pub fn is_long(&self) -> bool {
        self.since.elapsed() >= Self::LONG
    }
}

impl std::fmt::Display for Outage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not reachable since {}: {}", crate::time::iso(self.began), self.why)
    }
}

/// See the module's words.
pub struct Breaker {
    connection: String,
    sign_in: Option<Arc<SignIn>>,
    inner: Mutex<Inner>,
}

impl Breaker {
    /// Closed.
    pub fn new(connection: &str) -> Self {
        Self { connection: connection.to_owned(), sign_in: None, inner: Mutex::default() }
    }

    /// Closed, and open as long as the sign-in stands refused.
    pub fn of_connection(connection: &str, sign_in: Arc<SignIn>) -> Self {
        Self { sign_in: Some(sign_in), ..Self::new(connection) }
    }

    /// Of the connection, or of the flow whose breaker it is.
    pub fn name(&self) -> &str {
        &self.connection
    }

    /// What only a person can mend: a refused sign-in.
    pub fn needs_person(&self) -> Option<String> {
        let why = self.sign_in.as_ref()?.refusal()?;
        Some(format!("connection {}: the sign-in is refused: {why}", self.connection))
    }

    /// Since when it does not answer or take the sign-in, milliseconds since 1970 UTC.
    pub fn trouble_since(&self) -> Option<i64> {
        let refused = self.sign_in.as_ref().and_then(|sign_in| sign_in.refused_since());
        refused.or_else(|| self.outage().map(|outage| outage.began))
    }

    /// It has answered since the host started: before, nobody knows how it is.
    pub fn has_answered(&self) -> bool {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).answered
    }

    /// Why it does not answer, and since when.
    pub fn outage(&self) -> Option<Outage> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).outage.clone()
    }

    fn state_of(&self, inner: &Inner) -> BreakerState {
        match self.sign_in.as_ref().and_then(|sign_in| sign_in.standing()) {
            Some(standing) => BreakerState::Open(standing.left.min(LOOK_AT_SECRET)),
            None => state_of(inner),
        }
    }

    /// Looks without claiming the trial.
    pub fn state(&self) -> BreakerState {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        self.state_of(&inner)
    }

    /// Asks to send. `Err` gives how long to stay away; in the half-open state one caller is let through.
    pub fn admit(&self) -> Result<(), Duration> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match self.state_of(&inner) {
            BreakerState::Closed => Ok(()),
            BreakerState::HalfOpen => {
                inner.trial_until = Some(Instant::now() + Duration::from_secs(5));
                Ok(())
            }
            BreakerState::Open(left) => Err(left),
        }
    }

    /// What a caller that was not admitted is told.
    pub fn held_back(&self, left: Duration) -> CallError {
        match self.sign_in.as_ref().and_then(|sign_in| sign_in.standing()) {
            Some(standing) => standing.into(),
            None => CallError::Unreachable(format!("left alone for another {} ms after failures", left.as_millis())),
        }
    }

    /// The system answered, be it with a refusal.
    pub fn succeeded(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.open_until.is_some() {
            tracing::info!(connection = self.connection, pauses = inner.openings, "reached again");
        }
        *inner = Inner { answered: true, ..Inner::default() };
        metrics::gauge!("tandem_connection_open", "connection" => self.connection.clone()).set(0.0);
    }

    /// The system did not answer.
    pub fn failed(&self, why: &str) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        // Calls that were under way when it opened say nothing new: only the trial's failure lengthens the pause.
        let open = inner.open_until.is_some();
        if open && inner.trial_until.is_none() {
            return;
        }
        inner.failures += 1;
        if inner.failures >= TRIP_AFTER || open {
            inner.openings += 1;
            inner.outage.get_or_insert_with(|| Outage {
                since: Instant::now(),
                began: crate::time::now(),
                why: why.to_owned(),
            });
            let pause = backoff(inner.openings, FIRST_PAUSE, LONGEST_PAUSE);
            inner.open_until = Some(Instant::now() + pause);
            inner.trial_until = None;
            tracing::warn!(
                connection = self.connection,
                why,
                pause_ms = pause.as_millis() as u64,
                "left alone for a while"
            );
            metrics::gauge!("tandem_connection_open", "connection" => self.connection.clone()).set(1.0);
        }
    }
}

fn state_of(inner: &Inner) -> BreakerState {
    let now = Instant::now();
    let Some(open_until) = inner.open_until else { return BreakerState::Closed };
    let held = inner.trial_until.map_or(open_until, |trial| trial.max(open_until));
    match held.checked_duration_since(now) {
        Some(left) if !left.is_zero() => BreakerState::Open(left),
        _ => BreakerState::HalfOpen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_on_one_success() {
        let breaker = Breaker::new("erp");
        for _ in 1..TRIP_AFTER {
            breaker.failed("reset");
            assert_eq!(breaker.state(), BreakerState::Closed);
        }
        breaker.failed("reset");
        assert!(breaker.admit().is_err());
        breaker.succeeded();
        assert!(breaker.admit().is_ok());
    }

    #[test]
    fn an_outage_tells_its_first_cause_until_it_is_over() {
        let breaker = Breaker::new("erp");
        assert!(breaker.outage().is_none() && !breaker.has_answered());
        for why in ["no route", "no route", "reset"].iter().cycle().take(TRIP_AFTER as usize + 1) {
            breaker.failed(why);
        }
        let outage = breaker.outage().unwrap();
        assert!(outage.to_string().starts_with("not reachable since 20") && !outage.is_long(), "{outage}");
        let earlier = Outage { since: Instant::now().checked_sub(Outage::LONG).unwrap(), ..outage };
        assert!(earlier.is_long());
        breaker.succeeded();
        assert!(breaker.outage().is_none() && breaker.has_answered());
        breaker.failed("reset");
        assert!(breaker.has_answered(), "it is known how it was");
    }

    #[test]
    fn calls_that_were_under_way_when_it_opened_do_not_lengthen_the_pause() {
        let breaker = Breaker::new("erp");
        for _ in 0..TRIP_AFTER + 20 {
            breaker.failed("reset");
        }
        let BreakerState::Open(left) = breaker.state() else { panic!("it is open") };
        assert!(left <= FIRST_PAUSE * 2, "{left:?}");
    }

    #[test]
    fn only_one_caller_tries_a_system_that_was_down() {
        let breaker = Breaker::new("erp");
        for _ in 0..TRIP_AFTER {
            breaker.failed("down");
        }
        breaker.inner.lock().unwrap().open_until = Some(Instant::now());
        assert!(breaker.admit().is_ok(), "the first is let through");
        assert!(breaker.admit().is_err(), "the second waits for the first");
        breaker.failed("still down");
        assert!(matches!(breaker.state(), BreakerState::Open(_)), "one more failure opens it again");
    }

    #[test]
    fn a_refused_sign_in_holds_the_connection_although_another_session_still_answers() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "old").unwrap();
        let source = crate::config::SecretSource::File(file.clone());
        let sign_in = Arc::new(SignIn::new(&source, folder.path()).unwrap());
        let breaker = Breaker::of_connection("erp", sign_in.clone());
        assert_eq!(breaker.needs_person(), None);
        let refusal = CallError::Remote { status: 401, code: "-304".into(), message: "no".into() };
        let _ = sign_in.refused(sign_in.ask().unwrap(), &refusal);
        breaker.succeeded();
        let left = breaker.admit().unwrap_err();
        assert!(left <= LOOK_AT_SECRET, "the secret is looked at soon: {left:?}");
        assert!(breaker.held_back(left).to_string().contains("-304"), "the caller is told why");
        assert!(breaker.needs_person().is_some_and(|why| why.contains("erp") && why.contains("-304")));
        std::fs::write(&file, "new").unwrap();
        assert_eq!(breaker.admit(), Ok(()), "another secret is tried at once");
    }
}
