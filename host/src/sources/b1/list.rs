//! Lists records of an entity set page by page, by key: rows that change meanwhile do not move between pages.

use serde_json::{Map, Value};

use super::Watch;
use crate::connections::{Call, CallError, Connection, member, pause_before_repeat, salesforce};
use crate::store::StoreError;

/// Rows of one page.
pub const PAGE: usize = 500;
/// How often what may pass is read at once.
const TRIES: u32 = 5;
/// A page's bytes at most.
const PAGE_BYTES: u64 = 64 << 20;

/// Why a look failed; it is taken again.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The call.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came back.
    #[error("the answer is not what was asked for: {0}")]
    Answer(String),
}

impl LookError {
    /// True for what all looks meet: the system is away, or refuses who we are.
    pub fn is_of_all(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_outage() || matches!(error, CallError::SignIn(_)))
            || matches!(self, Self::Store(_))
    }

    /// True for what may be well a moment later: an outage, a lost answer, an error of the system's own making.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Call(CallError::Remote { status, code, .. }) => *status >= 500 || salesforce::error::is_passing(code),
            Self::Call(error) => error.is_passing() && !matches!(error, CallError::SignIn(_)),
            Self::Store(_) | Self::Answer(_) => false,
        }
    }
}

/// A read that is tried again when what failed may pass: one error of thousands of pages ends no first load, nor a command.
pub async fn patiently<T, F: Future<Output = Result<T, LookError>>>(read: impl Fn() -> F) -> Result<T, LookError> {
    for attempt in 1..TRIES {
        match read().await {
            Err(error) if error.may_pass() => tokio::time::sleep(pause_before_repeat(attempt)).await,
            other => return other,
        }
    }
    read().await
}

/// The page behind a key, in key order.
pub async fn page(
    connection: &Connection,
    watch: &Watch,
    select: &str,
    filter: &str,
    after: Option<&Map<String, Value>>,
) -> Result<Vec<Value>, LookError> {
    let mut conditions: Vec<String> = Vec::new();
    if !filter.is_empty() {
        conditions.push(filter.to_owned());
    }
    if let Some(after) = after {
        conditions.push(beyond(watch.keys, after));
    }
    let filter = if conditions.is_empty() { String::new() } else { format!("&$filter={}", conditions.join(" and ")) };
    let order = watch.keys.join(",");
    rows(connection, format!("/{}?$select={select}{filter}&$orderby={order}&$top={PAGE}", watch.set)).await
}

/// The rows of one read.
pub async fn rows(connection: &Connection, path: String) -> Result<Vec<Value>, LookError> {
    let mut call = Call::get(escape(&path));
    call.headers.push(("Prefer".into(), format!("odata.maxpagesize={PAGE}")));
    let answer = connection.send(call, PAGE_BYTES).await?;
    let body: Value = serde_json::from_str(&answer.body).map_err(|e| LookError::Answer(e.to_string()))?;
    match member(body, "value") {
        Value::Array(rows) => Ok(rows),
        _ => Err(LookError::Answer(format!("{} gave no list", path.split('?').next().unwrap_or_default()))),
    }
}

/// The same, tried again when what failed may pass.
pub async fn rows_patiently(connection: &Connection, path: &str) -> Result<Vec<Value>, LookError> {
    patiently(|| rows(connection, path.to_owned())).await
}

/// How many records there are.
pub async fn count(connection: &Connection, watch: &Watch, filter: &str) -> Result<u64, LookError> {
    let filter = if filter.is_empty() { String::new() } else { format!("?$filter={filter}") };
    let answer = connection.send(Call::get(escape(&format!("/{}/$count{filter}", watch.set))), PAGE_BYTES).await?;
    answer.body.trim().trim_start_matches('\u{feff}').parse().map_err(|_| LookError::Answer(answer.body))
}

/// A record's key properties.
pub fn keys_of(watch: &Watch, row: &Value) -> Result<Map<String, Value>, LookError> {
    let mut keys = Map::new();
    for name in watch.keys {
        match &row[*name] {
            value @ (Value::String(_) | Value::Number(_)) => keys.insert((*name).to_owned(), value.clone()),
            _ => return Err(LookError::Answer(format!("a record of {} without {name}", watch.set))),
        };
    }
    Ok(keys)
}

/// `(CardCode gt 'C1' or (CardCode eq 'C1' and ItemCode gt 'A1'))`
fn beyond(names: &[&str], after: &Map<String, Value>) -> String {
    let literal = |name: &str| match &after[name] {
        Value::String(text) => format!("'{}'", escape_literal(&text.replace('\'', "''"))),
        other => other.to_string(),
    };
    let steps: Vec<String> = (0..names.len())
        .map(|place| {
            let mut terms: Vec<String> =
                names[..place].iter().map(|name| format!("{name} eq {}", literal(name))).collect();
            terms.push(format!("{} gt {}", names[place], literal(names[place])));
            format!("({})", terms.join(" and "))
        })
        .collect();
    format!("({})", steps.join(" or "))
}

fn escape(path: &str) -> String {
    path.replace(' ', "%20").replace('"', "%22")
}

/// What would end a query's option, within a literal.
fn escape_literal(text: &str) -> String {
    text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn pages_go_on_behind_the_last_key() {
        let after = serde_json::json!({"CardCode": "O'Neil", "ItemCode": "A1"});
        assert_eq!(
            beyond(&["CardCode", "ItemCode"], after.as_object().unwrap()),
            "((CardCode gt 'O''Neil') or (CardCode eq 'O''Neil' and ItemCode gt 'A1'))"
        );
    }

    #[tokio::test]
    async fn what_may_pass_is_read_again_and_a_refusal_is_told_at_once() {
        let remote = |status| CallError::Remote { status, code: "-1".into(), message: "no".into() };
        for (error, tries) in [(remote(500), 5), (CallError::Unreachable("away".into()), 5), (remote(400), 1)] {
            let asked = AtomicU32::new(0);
            let read = async || {
                asked.fetch_add(1, Ordering::Relaxed);
                Err::<(), _>(LookError::Call(error.clone()))
            };
            assert!(patiently(read).await.is_err());
            assert_eq!(asked.load(Ordering::Relaxed), tries, "{error}");
        }
        let asked = AtomicU32::new(0);
        let second = async || match asked.fetch_add(1, Ordering::Relaxed) {
            0 => Err(LookError::Call(remote(500))),
            _ => Ok(7),
        };
        assert_eq!(patiently(second).await.ok(), Some(7));
    }
}
