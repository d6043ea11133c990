//! What a command changes stands in the audit trail, beside what the console's people do.

use anyhow::Result;

use crate::store::{Act, Fate, Store, Via};

/// The user of this server who gives the command.
pub fn user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown user".into())
}

/// It was done.
pub async fn note(store: &dyn Store, act: &str, what: impl Into<String>, why: &str) -> Result<()> {
    let act = Act {
        id: 0,
        at: crate::time::now(),
        who: user(),
        via: Via::CommandLine,
        act: act.into(),
        what: what.into(),
        why: (!why.is_empty()).then(|| why.to_owned()),
        address: None,
        outcome: Fate::Done,
    };
    Ok(store.act(act).await?)
}
