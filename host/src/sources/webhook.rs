//! The alternative for those who can expose one: a webhook that Salesforce calls, signed over time and body.
//!
//! `POST /hooks/salesforce/<connection>` with `X-Tandem-Timestamp: <seconds since 1970>` and `X-Tandem-Signature:
//! sha256=<hex HMAC-SHA256 of "<timestamp>.<body>">`. The body is one change or an array of them: the fields of
//! `Tandem_Change__e` and `Event_Id__c`, which is the change's own and stays the same when the call is repeated: a record that
//! changes twice is told with two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Routes, change, sweep};
use crate::config::Secret;
use crate::connections::salesforce::full_id;
use crate::store::{Inbox, Intake, NewEvent};

/// What hosts tell each other by when a person has answered in this org.
pub fn answered(connection: &str) -> String {
    format!("answered:{connection}")
}

/// A signature older or newer than this is refused: whoever recorded a call cannot repeat it later.
const WINDOW_SECONDS: u64 = 300;
const MOST_BODY: usize = 1 << 20;
const MOST_DROPPED: usize = 16 << 20;
/// Objects that nobody takes, remembered so that each is told once.
const MOST_UNTAKEN: usize = 100;
/// Letters of what a caller called an object.
const MOST_NAME: usize = 80;

/// An org that may call.
pub struct Caller {
    /// What it signs with.
    pub key: Secret,
    /// Rung when a person answered a question in the org.
    pub answered: Arc<Notify>,
}

/// See the module's words.
pub struct Webhook {
    /// By connection.
    pub callers: BTreeMap<String, Caller>,
    /// Who takes events.
    pub routes: Routes,
    /// Where they go.
    pub inbox: Arc<Inbox>,
}

/// The webhook's route.
pub fn router(webhook: Webhook) -> Router {
    let receiver = Arc::new(Receiver { webhook, untaken: Mutex::default() });
    Router::new().route("/hooks/salesforce/{connection}", post(receive)).with_state(receiver)
}

struct Receiver {
    webhook: Webhook,
    /// Told already: connection and object.
    untaken: Mutex<BTreeSet<(String, String)>>,
}

async fn receive(State(receiver): State<Arc<Receiver>>, Path(connection): Path<String>, request: Request) -> Response {
    let webhook = &receiver.webhook;
    let Some(caller) = webhook.callers.get(&connection) else {
        return refuse(StatusCode::NOT_FOUND, "no webhook_key is configured for this connection");
    };
    let headers = request.headers().clone();
    let Some(body) = read(request.into_body()).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "more than 1 MB: send fewer changes at once");
    };
    if let Err(why) = check_signature(&caller.key, &headers, &body, crate::time::now() / 1000) {
        tracing::warn!(connection, why, "a webhook call was refused");
        return refuse(StatusCode::UNAUTHORIZED, why);
    }
    let changes = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Array(changes)) => changes,
        Ok(change @ Value::Object(_)) => vec![change],
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "the body must be an object or an array of objects"),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")),
    };
    let told = match webhook.read_all(&connection, &changes) {
        Ok(told) => told,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    let seen = sweep::forget(&connection, &told.events);
    match webhook.inbox.take(Intake { events: told.events, seen, ..Intake::default() }).await {
        Ok(fresh) => {
            if told.answered {
                caller.answered.notify_one();
                // It is another host, perhaps, that shows the org its questions.
                webhook.inbox.store().tell(&[answered(&connection)]);
            }
            receiver.log_untaken(&connection, &told.untaken);
            let answer = match told.untaken.is_empty() {
                true => json!({ "taken": fresh }),
                false => json!({ "taken": fresh, "no_flow_takes": told.untaken }),
            };
            (StatusCode::ACCEPTED, axum::Json(answer)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot store a webhook's events");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "cannot store the events now; send again")
        }
    }
}

/// The body; `None` when it is too large. The rest of a large one is read and dropped, within reason: a caller that is
/// still sending would see a broken connection in place of the answer.
async fn read(body: Body) -> Option<Bytes> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.ok()?;
        size += chunk.len();
        if size <= MOST_BODY {
            kept.extend_from_slice(&chunk);
        } else if size > MOST_DROPPED {
            return None;
        }
    }
    (size <= MOST_BODY).then(|| kept.into())
}

/// What a call amounts to.
#[derive(Default)]
struct Told {
    events: Vec<NewEvent>,
    /// Objects that no flow takes.
    untaken: BTreeSet<String>,
    /// A person answered a question.
    answered: bool,
}

impl Webhook {
    /// An error in words where a change cannot be told from another one: nothing of the call is taken then.
    fn read_all(&self, connection: &str, changes: &[Value]) -> Result<Told, String> {
        let routes = self.routes.now();
        let mut told = Told::default();
        for (place, payload) in changes.iter().enumerate() {
            let dedup = dedup_of(payload).ok_or_else(|| {
                format!(
                    "change {} of the call has no Event_Id__c: give each change a text that is its own and stays the same when the call is repeated, such as a UUID",
                    place + 1
                )
            })?;
            let trace = crate::time::fresh_trace();
            match change::read(payload, &dedup, &trace) {
                Ok(change) if change.is_answer() => told.answered = true,
                Ok(change) => {
                    let events = change::route(&routes, connection, &change);
                    if events.is_empty() {
                        told.untaken.insert(change.object.chars().take(MOST_NAME).collect());
                    }
                    told.events.extend(events);
                }
                Err(why) => {
                    let raw = payload.to_string();
                    told.events.extend(change::unreadable(&routes, connection, &dedup, &trace, &raw, &why));
                }
            }
        }
        Ok(told)
    }
}

impl Receiver {
    fn log_untaken(&self, connection: &str, objects: &BTreeSet<String>) {
        let mut known = self.untaken.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MOST_UNTAKEN.saturating_sub(known.len());
        let fresh = objects.iter().map(|object| (connection.to_owned(), object.to_ascii_lowercase()));
        let fresh: Vec<_> = fresh.filter(|named| !known.contains(named)).take(room).collect();
        if !fresh.is_empty() {
            let objects = fresh.iter().map(|(_, object)| object.as_str()).collect::<Vec<_>>().join(", ");
            tracing::warn!(connection, objects, "the webhook tells of objects that no flow takes: they are left out");
            known.extend(fresh);
        }
    }
}

/// Tells one change from another, and knows it again when the call is repeated; `None` without an id of its own. One id may
/// stand for several records: it may be that of the transaction they changed in.
fn dedup_of(payload: &Value) -> Option<String> {
    let text = |name: &str| payload[name].as_str().map(str::trim).unwrap_or_default();
    let id = Some(text("Event_Id__c")).filter(|id| !id.is_empty())?;
    let record = full_id(text("Record_Id__c")).unwrap_or_else(|| text("Record_Id__c").to_owned());
    let object = text("Object__c").to_ascii_lowercase();
    Some(format!("{id} {object} {record} {}", text("Operation__c").to_ascii_lowercase()))
}

fn check_signature(key: &Secret, headers: &HeaderMap, body: &Bytes, now: i64) -> Result<(), &'static str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let timestamp = header("x-tandem-timestamp").ok_or("X-Tandem-Timestamp is missing")?;
    let seconds: i64 = timestamp.parse().map_err(|_| "X-Tandem-Timestamp is not a number of seconds")?;
    if now.abs_diff(seconds) > WINDOW_SECONDS {
        return Err("X-Tandem-Timestamp is more than five minutes away from this server's clock");
    }
    let signature = header("x-tandem-signature").and_then(|value| value.strip_prefix("sha256="));
    let signature = signature.and_then(from_hex).ok_or("X-Tandem-Signature is missing or not sha256=<hex>")?;
    let message = [timestamp.as_bytes(), b".", body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    // Constant time.
    hmac::verify(&key, &message, &signature).map_err(|_| "the signature does not fit")
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(key: &str, timestamp: &str, body: &str) -> HeaderMap {
        let tag =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), format!("{timestamp}.{body}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert("x-tandem-timestamp", timestamp.parse().unwrap());
        headers.insert("x-tandem-signature", format!("sha256={hex}").parse().unwrap());
        headers
    }

    #[test]
    fn only_a_fresh_signature_over_time_and_body_is_taken() {
        let key = Secret::from("k".to_owned());
        let body = Bytes::from_static(b"{}");
        let headers = signed("k", "1000", "{}");
        assert_eq!(check_signature(&key, &headers, &body, 1100), Ok(()));
        assert!(check_signature(&key, &headers, &body, 1400).is_err(), "outside the window");
        for hostile in [i64::MIN.to_string(), i64::MAX.to_string(), format!("{}0", i64::MAX)] {
            assert!(check_signature(&key, &signed("k", &hostile, "{}"), &body, 1100).is_err(), "{hostile}");
        }
        assert!(check_signature(&key, &headers, &Bytes::from_static(b"{ }"), 1100).is_err(), "another body");
        assert!(check_signature(&key, &signed("other", "1000", "{}"), &body, 1100).is_err(), "another key");
        let mut moved = headers.clone();
        moved.insert("x-tandem-timestamp", "1001".parse().unwrap());
        assert!(check_signature(&key, &moved, &body, 1100).is_err(), "another time");
    }

    fn dedup(change: Value) -> Option<String> {
        dedup_of(&change)
    }

    #[test]
    fn a_change_is_known_again_by_its_id_and_record_and_by_nothing_else() {
        let won = json!({ "Event_Id__c": "e", "Object__c": "Opportunity", "Record_Id__c": "006D000000IRFmaIAH" });
        let same = json!({ "Event_Id__c": "e", "Object__c": "opportunity", "Record_Id__c": "006D000000IRFma" });
        assert_eq!(dedup(won.clone()), dedup(same), "however its record and object are written");
        for (name, value) in [
            ("Event_Id__c", "f"),
            ("Object__c", "Account"),
            ("Record_Id__c", "006D000000IRFmb"),
            ("Operation__c", "DELETE"),
        ] {
            let mut other = won.clone();
            other[name] = value.into();
            assert!(dedup(other.clone()).is_some() && dedup(other) != dedup(won.clone()), "{name}");
        }
        for none in [json!(null), json!(""), json!(" "), json!(7)] {
            let mut without = won.clone();
            without["Event_Id__c"] = none.clone();
            assert_eq!(dedup(without), None, "{none}: the next change would be taken for this one");
        }
        assert_eq!(dedup(json!(1)), None);
    }
}
