//! B1's own webhooks: what happened is told at once, and polling becomes the net below it.
//!
//! `GET /hooks/b1/<connection>` answers B1's handshake; `POST` takes deliveries, signed over the body. B1 asks for https: a
//! proxy on the host's machine ends it and passes on to the address the host listens on. How the signature is written is
//! assumed, in [`signed`] alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Changed, How, WATCHES, Watch, watched};
use crate::config::Secret;
use crate::connections::Connection;
use crate::connections::b1::{Signing, Subscribed, Wish};
use crate::sources::Routes;
use crate::sources::trouble::Troubles;
use crate::store::{Inbox, Intake, NewEvent};

const MOST_BODY: usize = 4 << 20;
/// Between two looks at the subscription: B1 gives up on one whose deliveries fail.
const LOOK: Duration = Duration::from_secs(900);
const SOON: Duration = Duration::from_secs(30);

/// See the module's words.
pub struct B1Webhook {
    /// Keys by connection.
    pub keys: BTreeMap<String, Secret>,
    /// Who takes events.
    pub routes: Routes,
    /// Where they go.
    pub inbox: Arc<Inbox>,
}

/// The webhook's route.
pub fn router(webhook: B1Webhook) -> Router {
    Router::new()
        .route("/hooks/b1/{connection}", get(shake_hands).post(receive))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(Arc::new(webhook))
}

async fn shake_hands(headers: HeaderMap) -> Response {
    let token = headers.get("x-b1-webhook-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    axum::Json(json!({ "Challenge": token })).into_response()
}

async fn receive(
    State(webhook): State<Arc<B1Webhook>>,
    Path(connection): Path<String>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let Some(key) = webhook.keys.get(&connection) else {
        return refuse(StatusCode::NOT_FOUND, "no webhook_key is configured for this connection");
    };
    if !signed(key, &headers, &body) {
        tracing::warn!(connection, "a delivery of B1's webhook was refused: its signature does not fit");
        return refuse(StatusCode::UNAUTHORIZED, "the signature does not fit");
    }
    let told: Vec<Value> = match serde_json::from_str(&body) {
        Ok(Value::Array(told)) => told,
        Ok(one) => vec![one],
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &format!("the body is not JSON: {error}")),
    };
    let mut events: Vec<NewEvent> = Vec::new();
    for event in &told {
        match read(event) {
            Some(changed) => events.extend(changed.route(&webhook.routes.now(), &connection)),
            // Something new in a later version: polling finds the change all the same.
            None => tracing::warn!(connection, kind = %event["type"], "a kind of delivery that is not known"),
        }
    }
    match webhook.inbox.take(Intake { events, ..Intake::default() }).await {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot store what B1's webhook told");
            refuse(StatusCode::SERVICE_UNAVAILABLE, "cannot store the events now; send again")
        }
    }
}

/// `{"id": …, "type": "sap.b1.Orders.Created.v1", "data": {"DocEntry": 7}}`
fn read(event: &Value) -> Option<Changed> {
    let mut words = event["type"].as_str()?.strip_prefix("sap.b1.")?.split('.');
    let (object, operation) = (words.next()?, words.next()?);
    let watch = WATCHES.iter().find(|watch| watch.topic == object && watch.set == object)?;
    let data = event["data"].as_object()?;
    let keys =
        watch.keys.iter().map(|name| Some(((*name).to_owned(), data.get(*name)?.clone()))).collect::<Option<_>>()?;
    let version = format!("webhook {}", event["id"].as_str()?);
    Some(Changed { topic: watch.topic, keys, version, deleted: operation == "Deleted" })
}

/// Assumed: `X-B1-Webhook-Signature` is the base64 of the HMAC-SHA256 over the body as sent.
fn signed(key: &Secret, headers: &HeaderMap, body: &str) -> bool {
    let given = headers.get("x-b1-webhook-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(given) = STANDARD.decode(given) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    // Constant time.
    hmac::verify(&key, body.as_bytes(), &given).is_ok()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, axum::Json(json!({ "error": why }))).into_response()
}

/// Keeps the subscription alive until `stop` turns true.
pub async fn keep_subscribed(
    name: String,
    connection: Arc<Connection>,
    url: String,
    key: Secret,
    routes: Routes,
    inbox: Arc<Inbox>,
    mut stop: watch::Receiver<bool>,
) {
    let Connection::B1(b1) = connection.as_ref() else { return };
    let whole = |watch: &Watch| watch.topic == watch.set && !matches!(watch.how, How::Scanned { .. });
    let mut changes = routes.changes();
    let mut troubles = Troubles::default();
    while !*stop.borrow() {
        changes.mark_unchanged();
        let watches = watched(&routes, &name);
        let objects: Vec<&str> = watches.iter().filter(|watch| whole(watch)).map(|watch| watch.topic).collect();
        let signed_with = SignedWith::new(&name, &key, &inbox).await;
        let wish = Wish { id: "tandem", url: &url, key: key.reveal(), signing: signed_with.signing, objects: &objects };
        let subscribed = b1.subscribe(&wish).await;
        if subscribed.as_ref().is_ok_and(|how| *how != Subscribed::Unsupported) {
            signed_with.keep(&inbox).await;
        }
        if let Some(trouble) = subscribed.as_ref().ok().and_then(|_| troubles.over("subscribe")) {
            tracing::info!(connection = name, times = trouble.times, "B1's webhooks can be subscribed to again");
        }
        let pause = match subscribed {
            Ok(Subscribed::Active) => LOOK,
            Ok(Subscribed::Unsupported) => {
                tracing::warn!(
                    connection = name,
                    "this B1 has no webhooks (before FP 2602): polling does its work alone"
                );
                return;
            }
            Ok(how) => {
                tracing::info!(connection = name, ?how, url, "subscribed to B1's webhooks");
                LOOK
            }
            Err(error) => {
                if troubles.begins("subscribe") {
                    tracing::warn!(connection = name, %error, "cannot subscribe to B1's webhooks; polling goes on");
                } else {
                    tracing::debug!(connection = name, %error, "cannot subscribe to B1's webhooks");
                }
                SOON
            }
        };
        tokio::select! { _ = tokio::time::sleep(pause) => {} _ = changes.changed() => {} _ = stop.changed() => {} }
    }
}

/// Which key B1 was given last, as a digest under a secret of the store.
struct SignedWith {
    source: String,
    digest: String,
    signing: Signing,
}

impl SignedWith {
    async fn new(connection: &str, key: &Secret, inbox: &Inbox) -> Self {
        let source = format!("b1-webhook-key:{connection}");
        // A store that fails here says so elsewhere; B1 is then given the key once more.
        let secret = inbox.store().secret("webhook-keys").await.unwrap_or_default();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), key.reveal().as_bytes());
        let digest = STANDARD.encode(tag);
        let known = inbox.store().position(&source).await.ok().flatten();
        let signing = if known.as_ref() == Some(&digest) { Signing::WithThisKey } else { Signing::WithAnother };
        Self { source, digest, signing }
    }

    async fn keep(&self, inbox: &Inbox) {
        if self.signing == Signing::WithThisKey {
            return;
        }
        let position = Some((self.source.clone(), self.digest.clone()));
        if let Err(error) = inbox.take(Intake { position, ..Intake::default() }).await {
            tracing::warn!(%error, "the webhook's key is not noted: B1 is given it again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_names_its_record() {
        let event = json!({ "id": "e1", "type": "sap.b1.Orders.Cancelled.v1", "data": { "DocEntry": 7 } });
        let changed = read(&event).unwrap();
        assert_eq!((changed.key(), changed.deleted), ("Orders(7)".into(), false));
        assert_eq!(read(&json!({ "id": "e2", "type": "sap.b1.Nothing.Created.v1", "data": {} })), None);
    }
}
