//! A refused sign-in is an outage that needs a person. It is tried few times, so that nobody is locked out, and again at
//! once when the secret on disk is another: whoever mends the password restarts nothing.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::CallError;
use crate::config::{Secret, SecretError, SecretSource};

/// Pauses after refusals in a row; the last one stays. Four tries in the first minutes, then one an hour.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(3_600)];

struct Refused {
    /// What was refused: another secret is tried at once.
    secret: Secret,
    why: String,
    /// When the first was refused, milliseconds since 1970 UTC: none was taken since.
    began: i64,
    in_row: usize,
    until: Instant,
}

/// A refusal that still stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Until the next try, unless the secret changes before.
    pub left: Duration,
    /// The system's words.
    pub why: String,
}

impl From<Standing> for CallError {
    fn from(Standing { left, why }: Standing) -> Self {
        let seconds = left.as_secs();
        Self::SignIn(format!("{why}; tried again in {seconds} s, or as soon as the secret is changed"))
    }
}

/// The secret of one connection, and what came of its last use.
pub struct SignIn {
    source: SecretSource,
    base: PathBuf,
    /// As read last.
    secret: Mutex<Secret>,
    refused: Mutex<Option<Refused>>,
}

impl SignIn {
    /// Reads the secret a first time; files are relative to `base`.
    pub fn new(source: &SecretSource, base: &Path) -> Result<Self, SecretError> {
        let secret = Mutex::new(source.read(base)?);
        Ok(Self { source: source.clone(), base: base.to_owned(), secret, refused: Mutex::default() })
    }

    /// The secret as it is now. While its file is being replaced, as it was.
    fn secret(&self) -> Secret {
        let mut secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(now) = self.source.read(&self.base) {
            *secret = now;
        }
        secret.clone()
    }

    /// The refusal that stands; none when it may be tried again.
    pub fn standing(&self) -> Option<Standing> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let last = refused.as_ref()?;
        let left = last.until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        (self.secret() == last.secret).then(|| Standing { left, why: last.why.clone() })
    }

    /// Why the connection waits for a person; stays until a sign-in succeeds.
    pub fn refusal(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|last| last.why.clone())
    }

    /// Since when it waits for a person, milliseconds since 1970 UTC.
    pub fn refused_since(&self) -> Option<i64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|last| last.began)
    }

    /// The secret to try, unless a refusal stands.
    pub fn ask(&self) -> Result<Secret, CallError> {
        match self.standing() {
            None => Ok(self.secret()),
            Some(standing) => Err(standing.into()),
        }
    }

    /// The system refused this secret. It is no call's fault: nothing of it was carried out.
    pub fn refused(&self, secret: Secret, why: &CallError) -> CallError {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let in_row = refused.as_ref().filter(|last| last.secret == secret).map_or(0, |last| last.in_row);
        let began = refused.as_ref().map_or_else(crate::time::now, |last| last.began);
        let pause = PAUSES[in_row.min(PAUSES.len() - 1)];
        let why = why.to_string();
        let error = CallError::SignIn(why.clone());
        *refused = Some(Refused { secret, why, began, in_row: in_row + 1, until: Instant::now() + pause });
        error
    }

    /// The system took it.
    pub fn accepted(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> CallError {
        CallError::Remote { status: 401, code: "-304".into(), message: "no".into() }
    }

    fn with_file(folder: &Path) -> SignIn {
        std::fs::write(folder.join("password"), "old").unwrap();
        SignIn::new(&SecretSource::File("password".into()), folder).unwrap()
    }

    #[test]
    fn a_wrong_password_is_tried_a_few_times_and_then_once_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let sign_in = with_file(folder.path());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let error = sign_in.refused(sign_in.secret(), &refusal());
            assert!(error.is_outage(), "no record is to blame");
            assert!(sign_in.ask().is_err(), "not tried again at once");
            pauses.push(sign_in.standing().unwrap().left.as_secs_f64().round() as u64);
        }
        assert_eq!(pauses, [15, 60, 300, 3_600, 3_600, 3_600]);
    }

    #[test]
    fn a_changed_password_file_is_tried_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let sign_in = with_file(folder.path());
        let _ = sign_in.refused(sign_in.ask().unwrap(), &refusal());
        std::fs::remove_file(folder.path().join("password")).unwrap();
        assert!(sign_in.ask().is_err(), "a file that is being replaced says nothing");
        std::fs::write(folder.path().join("password"), "new\n").unwrap();
        assert_eq!(sign_in.standing(), None);
        assert_eq!(sign_in.ask().unwrap().reveal(), "new");
        assert!(sign_in.refusal().is_some(), "told until it works");
        let since = sign_in.refused_since();
        std::thread::sleep(Duration::from_millis(3));
        let _ = sign_in.refused(sign_in.ask().unwrap(), &refusal());
        assert!(since.is_some() && sign_in.refused_since() == since, "since the first, whichever secret");
        sign_in.accepted();
        assert_eq!((sign_in.refusal(), sign_in.refused_since()), (None, None));
    }
}
