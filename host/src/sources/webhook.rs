//! The alternative for those who can expose one: a webhook that Salesforce calls, signed over time and body.
//!
//! `POST /hooks/salesforce/<connection>` with `X-Tandem-Timestamp: <seconds since 1970>` and `X-Tandem-Signature:
//! sha256=<hex HMAC-SHA256 of "<timestamp>.<body>">`. The body is one change or an array of them: the fields of
//! `Tandem_Change__e` and `Event_Id__c`, which stays the same when the call is repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::StreamExt;
use ring::hmac;
use serde_json::{Value, json};

use super::{Routes, change};
use crate::config::Secret;
use crate::store::{Inbox, Intake, NewEvent};

/// A signature older or newer than this is refused: whoever recorded a call cannot repeat it later.
const WINDOW_SECONDS: u64 = 300;
const MOST_BODY: usize = 1 << 20;
const MOST_DROPPED: usize = 16 << 20;

/// See the module's words.
pub struct Webhook {
    /// Keys by connection.
    pub keys: BTreeMap<String, Secret>,
    /// Who takes events.
    pub routes: Routes,
    /// Where they go.
    pub inbox: Arc<Inbox>,
}

/// The webhook's route.
pub fn router(webhook: Webhook) -> Router {
    Router::new().route("/hooks/salesforce/{connection}", post(receive)).with_state(Arc::new(webhook))
}

async fn receive(State(webhook): State<Arc<Webhook>>, Path(connection): Path<String>, request: Request) -> Response {
    let Some(key) = webhook.keys.get(&connection) else {
        return refuse(StatusCode::NOT_FOUND, "no webhook_key is configured for this connection");
    };
    let headers = request.headers().clone();
    let Some(body) = read(request.into_body()).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "more than 1 MB: send fewer changes at once");
    };
    if let Err(why) = check_signature(key, &headers, &body, crate::time::now() / 1000) {
        tracing::warn!(connection, why, "a webhook call was refused");
        return refuse(StatusCode::UNAUTHORIZED, why);
    }
    let changes = match serde_json::from_slice::<Value>(&body) {
        Ok(Value::Array(changes)) => changes,
        Ok(change @ Value::Object(_)) => vec![change],
        Ok(_) => return refuse(StatusCode::BAD_REQUEST, "the body must be an object or an array of objects"),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")),
    };
    let events: Vec<NewEvent> = changes.iter().flat_map(|change| webhook.read(&connection, change)).collect();
    match webhook.inbox.take(Intake { events, ..Intake::default() }).await {
        Ok(fresh) => (StatusCode::ACCEPTED, axum::Json(json!({ "taken": fresh }))).into_response(),
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

impl Webhook {
    fn read(&self, connection: &str, payload: &Value) -> Vec<NewEvent> {
        let trace = crate::time::fresh_trace();
        let id = payload["Event_Id__c"].as_str().map(str::to_owned);
        let raw = payload.to_string();
        let dedup = id.unwrap_or_else(|| {
            let digest = ring::digest::digest(&ring::digest::SHA256, raw.as_bytes());
            digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
        });
        match change::read(payload, &dedup, &trace) {
            Ok(change) => change::route(&self.routes.now(), connection, &change),
            Err(why) => change::unreadable(&self.routes.now(), connection, &dedup, &trace, &raw, &why),
        }
    }
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
}
