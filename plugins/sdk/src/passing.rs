//! Errors that go away by themselves: one table for every call of every plugin.

use crate::Error;

/// Codes of a system that rolled back and would take the same call a moment later: nothing was done.
///
/// B1 (a number's sign differs by server): 131, 132 and 133 of HANA and 1205, 1222 of SQL Server are lock waits and
/// deadlocks; -1116 "could not commit transaction"; -2039 somebody else was at it, so it is read again.
///
/// Salesforce: a row that another transaction holds, a busy or slow org, a limit of calls.
const CODES: [&str; 12] = [
    "131",
    "132",
    "133",
    "1205",
    "1222",
    "1116",
    "2039",
    "UNABLE_TO_LOCK_ROW",
    "SERVER_UNAVAILABLE",
    "REQUEST_RUNNING_TOO_LONG",
    "QUERY_TIMEOUT",
    "REQUEST_LIMIT_EXCEEDED",
];

/// A trigger of the org that met a lock hides the code in the words of its own.
const HIDDEN: &str = "UNABLE_TO_LOCK_ROW";

/// Milliseconds after which to try again; `None` for what a system has decided, and a human must see.
pub fn pause(error: &Error) -> Option<u64> {
    match error {
        Error::Throttled(after) => Some(*after),
        Error::Unreachable(_) | Error::Ambiguous(_) => Some(2_000),
        Error::Remote(remote) if remote.status >= 500 => Some(5_000),
        Error::Remote(remote) => (is_listed(&remote.code) || remote.message.contains(HIDDEN)).then_some(1_000),
        Error::Denied(_) | Error::TooLarge(_) | Error::Invalid(_) => None,
    }
}

fn is_listed(code: &str) -> bool {
    CODES.contains(&code.trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RemoteError;

    fn remote(code: &str, message: &str) -> Error {
        Error::Remote(RemoteError { status: 400, code: code.into(), message: message.into() })
    }

    #[test]
    fn what_was_rolled_back_is_tried_again_and_what_was_decided_is_not() {
        for code in ["-2039", "-1116", "131", "-131", "1205", "UNABLE_TO_LOCK_ROW", "REQUEST_RUNNING_TOO_LONG"] {
            assert!(pause(&remote(code, "")).is_some(), "{code}");
        }
        let hidden = "TandemTrigger: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to obtain access";
        assert!(pause(&remote("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", hidden)).is_some());
        for code in ["-5002", "-2035", "-10", "", "ENTITY_IS_LOCKED", "FIELD_CUSTOM_VALIDATION_EXCEPTION"] {
            assert!(pause(&remote(code, "no")).is_none(), "{code}");
        }
    }
}
