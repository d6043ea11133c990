//! Webhooks: subscriptions, the catalogue, the handshake, deliveries in order with retries, and the list of notifications.
//! Source: the shared facts on FP 2602 and 2608. Assumed, since nothing says it: the signature is the base64 of the HMAC over
//! the body as sent, and `Replay` is an action of the subscription.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Simulator;
use super::database::{Database, Key, Record, Undo};
use super::schema::known_set;

/// Business objects and what can happen to them: the catalogue.
pub const CATALOGUE: [(&str, &[&str]); 8] = [
    ("BusinessPartners", &["Created", "Updated", "Deleted"]),
    ("Items", &["Created", "Updated", "Deleted"]),
    ("Quotations", DOCUMENT),
    ("Orders", DOCUMENT),
    ("DeliveryNotes", DOCUMENT),
    ("Invoices", DOCUMENT),
    ("CreditNotes", DOCUMENT),
    ("IncomingPayments", &["Created", "Updated", "Cancelled"]),
];
const DOCUMENT: &[&str] = &["Created", "Updated", "Deleted", "Closed", "Cancelled", "Reopened"];

/// Sends of one notification, and the pause before the second.
const SENDS: u32 = 6;
/// Notifications failed in a row that deactivate a subscription.
const MOST_FAILED: u32 = 3;

/// One happening, on its way to one subscription.
#[derive(Clone, Debug)]
struct Delivery {
    notification: String,
    webhook: String,
    body: String,
}

/// See the module's words.
pub struct Webhooks {
    queue: mpsc::UnboundedSender<Delivery>,
    waiting: Mutex<Option<mpsc::UnboundedReceiver<Delivery>>>,
    /// Failed notifications in a row by webhook.
    failed: Mutex<BTreeMap<String, u32>>,
    /// Pause before the first repeat; doubles.
    pub pause_ms: std::sync::atomic::AtomicU64,
}

impl Default for Webhooks {
    fn default() -> Self {
        let (queue, waiting) = mpsc::unbounded_channel();
        Self { queue, waiting: Mutex::new(Some(waiting)), failed: Mutex::default(), pause_ms: 2_000.into() }
    }
}

/// What happened to a record in a transaction; `None` for what is no event: a stock movement, a balance.
fn happening(before: Option<&Record>, after: Option<&Record>) -> Option<&'static str> {
    let (before, after) = match (before, after) {
        (None, Some(_)) => return Some("Created"),
        (Some(_), None) => return Some("Deleted"),
        (None, None) => return None,
        (Some(before), Some(after)) => (before, after),
    };
    let turned = |field: &str, to: &str| {
        after.get(field).is_some_and(|value| value == to) && before.get(field) != after.get(field)
    };
    if turned("Cancelled", "tYES") {
        return Some("Cancelled");
    }
    if turned("DocumentStatus", "bost_Close") {
        return Some("Closed");
    }
    if turned("DocumentStatus", "bost_Open") {
        return Some("Reopened");
    }
    let plain = |record: &Record| {
        let mut plain = record.clone();
        for field in [
            "QuantityOnStock",
            "QuantityOrderedByCustomers",
            "QuantityOrderedFromVendors",
            "ItemWarehouseInfoCollection",
            "CurrentAccountBalance",
            "OpenOrdersBalance",
            "OpenDeliveryNotesBalance",
            "PaidToDate",
        ] {
            plain.remove(field);
        }
        for line in plain
            .get_mut("DocumentLines")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object_mut)
        {
            line.remove("RemainingOpenQuantity");
            line.remove("LineStatus");
        }
        plain
    };
    (plain(before) != plain(after)).then_some("Updated")
}

impl Simulator {
    /// Notes what a committed transaction did for every subscription that asked for it.
    pub(super) fn tell(&self, db: &mut Database, changes: &[Undo]) {
        if changes.is_empty() || db.tables.get("EventSubscriptions").is_none_or(|table| table.records.is_empty()) {
            return;
        }
        let mut first: Vec<&Undo> = Vec::new();
        for change in changes {
            if !first.iter().any(|own| own.set == change.set && own.key == change.key) {
                first.push(change);
            }
        }
        for change in first {
            let Some((object, _)) = CATALOGUE.iter().find(|(object, _)| *object == change.set) else { continue };
            let after = db.get(&change.set, &change.key).cloned();
            let Some(what) = happening(change.before.as_ref(), after.as_ref()) else { continue };
            self.notify(db, object, what, &change.key);
        }
    }

    fn notify(&self, db: &mut Database, object: &str, what: &str, key: &Key) {
        let wants = |subscription: &Record| {
            subscription["Status"] == "Active"
                && subscription["EventCollection"].as_array().into_iter().flatten().any(|event| {
                    event["BusinessObject"] == object
                        && event["TransactionType"].as_str().is_some_and(|types| {
                            types.split([',', ';']).any(|own| own.trim() == what || own.trim() == "*")
                        })
                })
        };
        let table = db.tables.get("EventSubscriptions");
        let webhooks: Vec<String> = table
            .into_iter()
            .flat_map(|table| table.records.find(wants))
            .filter_map(|subscription| subscription["WebhookID"].as_str().map(str::to_owned))
            .collect();
        let names = known_set(object).map(|set| set.keys).unwrap_or_default();
        let values: Vec<String> = match key {
            Key::Text(text) => vec![text.clone()],
            Key::Number(number) => vec![number.to_string()],
            Key::Many(keys) => keys.iter().map(ToString::to_string).collect(),
        };
        let data: Record = names
            .iter()
            .zip(&values)
            .map(|(name, value)| {
                let number = matches!(key, Key::Number(_)).then(|| value.parse::<i64>().ok()).flatten();
                ((*name).to_owned(), number.map_or_else(|| value.clone().into(), Value::from))
            })
            .collect();
        for webhook in webhooks {
            let number = db.number("notifications", 1);
            let id = format!("{:08x}-0000-4000-8000-{number:012x}", 0xb1);
            let now = self.clock.now();
            let local = self.local_now();
            let event = json!({
                "id": id, "specversion": "1.0", "source": format!("/default/sap.b1/{}", self.users.0),
                "type": format!("sap.b1.{object}.{what}.v1"), "subject": values.join(","),
                "time": now.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "datacontenttype": "application/json", "data": data,
            });
            let notification = json!({
                "EventID": id, "WebhookID": webhook, "SourceDB": self.users.0, "BusinessObject": object, "Operation": what,
                "Status": "Pending", "FieldNames": names.join("\t"), "FieldValues": values.join("\t"),
                "CreateDate": format!("{}T00:00:00Z", local.format("%Y-%m-%d")), "CreateTime": local.format("%H:%M:%S%.3f").to_string(),
                "KeyData": Value::Object(data.clone()).to_string(),
            });
            db.put("EventNotifications", Key::Text(id.clone()), notification.as_object().cloned().unwrap_or_default());
            let _ = self.webhooks.queue.send(Delivery {
                notification: id,
                webhook,
                body: Value::Array(vec![event]).to_string(),
            });
        }
    }

    /// Sends the failed notifications of a webhook again, in their order, and makes it active.
    pub(super) fn replay(&self, db: &mut Database, webhook: &str) -> usize {
        let key = Key::Text(webhook.to_owned());
        if let Some(mut subscription) = db.get("EventSubscriptions", &key).cloned() {
            subscription.insert("Status".into(), "Active".into());
            db.put("EventSubscriptions", key, subscription);
        }
        let failed: Vec<Record> = db.tables["EventNotifications"]
            .records
            .find(|row| row["WebhookID"] == webhook && row["Status"] == "Failed")
            .cloned()
            .collect();
        for row in &failed {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            let data: Value = serde_json::from_str(&text("KeyData")).unwrap_or_default();
            let event = json!({
                "id": text("EventID"), "specversion": "1.0", "source": format!("/default/sap.b1/{}", text("SourceDB")),
                "type": format!("sap.b1.{}.{}.v1", text("BusinessObject"), text("Operation")), "subject": text("FieldValues").replace('\t', ","),
                "time": self.clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string(), "datacontenttype": "application/json", "data": data,
            });
            let body = Value::Array(vec![event]).to_string();
            let _ =
                self.webhooks.queue.send(Delivery { notification: text("EventID"), webhook: webhook.to_owned(), body });
        }
        failed.len()
    }

    fn settle(&self, delivery: &Delivery, sent: bool) {
        let mut db = self.db();
        let key = Key::Text(delivery.notification.clone());
        if let Some(mut row) = db.get("EventNotifications", &key).cloned() {
            row.insert("Status".into(), if sent { "Success" } else { "Failed" }.into());
            db.put("EventNotifications", key, row);
        }
        let mut failed = self.webhooks.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failed.entry(delivery.webhook.clone()).or_default();
        *count = if sent { 0 } else { *count + 1 };
        if *count >= MOST_FAILED {
            *count = 0;
            let key = Key::Text(delivery.webhook.clone());
            if let Some(mut subscription) = db.get("EventSubscriptions", &key).cloned() {
                subscription.insert("Status".into(), "Inactive".into());
                db.put("EventSubscriptions", key, subscription);
            }
        }
    }
}

/// The messenger: one delivery after the other, as long as the process lives. Does nothing when it runs already.
pub async fn deliver(simulator: Arc<Simulator>) {
    let waiting = simulator.webhooks.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut waiting) = waiting else { return };
    while let Some(delivery) = waiting.recv().await {
        let subscription = simulator.db().get("EventSubscriptions", &Key::Text(delivery.webhook.clone())).cloned();
        let Some(subscription) = subscription.filter(|own| own["Status"] == "Active") else {
            simulator.settle(&delivery, false);
            continue;
        };
        let mut sent = false;
        for attempt in 0..SENDS {
            if attempt > 0 {
                let first = simulator.webhooks.pause_ms.load(std::sync::atomic::Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(first << (attempt - 1))).await;
            }
            match post(&subscription, &delivery.body).await {
                Ok(status) if status < 300 => {
                    sent = true;
                    break;
                }
                // Only these and faults of the network are tried again.
                Ok(status) if status < 500 && status != 408 && status != 429 => break,
                _ => {}
            }
        }
        simulator.settle(&delivery, sent);
    }
}

async fn post(subscription: &Record, body: &str) -> Result<u16, reqwest::Error> {
    let text = |name: &str| subscription.get(name).and_then(Value::as_str).unwrap_or_default();
    let client = client(text("VerifyCertificate") == "tYES")?;
    let mut request = client.post(text("WebhookURL")).header("Content-Type", "application/json");
    let credential: Value = serde_json::from_str(text("AuthenticationCred")).unwrap_or_default();
    let part = |name: &str| credential[name].as_str().unwrap_or_default().to_owned();
    match text("AuthenticationType") {
        "Basic" => request = request.basic_auth(part("User"), Some(part("Password"))),
        "HMAC" => request = request.header("X-B1-Webhook-Signature", signature(&part("Key"), &part("Algorithm"), body)),
        _ => {}
    }
    Ok(request.body(body.to_owned()).send().await?.status().as_u16())
}

/// See the module's words on what is assumed.
pub fn signature(key: &str, algorithm: &str, body: &str) -> String {
    let algorithm = match algorithm {
        "HMACSha384" => ring::hmac::HMAC_SHA384,
        "HMACSha512" => ring::hmac::HMAC_SHA512,
        _ => ring::hmac::HMAC_SHA256,
    };
    STANDARD.encode(ring::hmac::sign(&ring::hmac::Key::new(algorithm, key.as_bytes()), body.as_bytes()))
}

/// With `verify` the public authorities; without it any issuer, but the address must match the certificate all the same.
fn client(verify: bool) -> Result<reqwest::Client, reqwest::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy();
    if verify {
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        return builder.tls_backend_preconfigured(config).build();
    }
    let config = rustls::ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NameOnly))
        .with_no_client_auth();
    builder.tls_backend_preconfigured(config).build()
}

/// Takes a certificate of any issuer whose names hold the address.
#[derive(Debug)]
struct NameOnly;

impl rustls::client::danger::ServerCertVerifier for NameOnly {
    fn verify_server_cert(
        &self,
        end_entity: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        name: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        let certificate = rustls::server::ParsedCertificate::try_from(end_entity)?;
        rustls::client::verify_server_name(&certificate, name)?;
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// `GET` with `X-B1-Webhook-Token`, to be answered by `{"Challenge": token}`.
pub async fn handshake(subscription: &Value) -> Result<(), String> {
    let token = format!("{:032x}", fastrand::u128(..));
    let url = subscription["WebhookURL"].as_str().unwrap_or_default();
    let client = client(subscription["VerifyCertificate"] == "tYES").map_err(|e| e.to_string())?;
    let answer = client.get(url).header("X-B1-Webhook-Token", &token).send().await.map_err(|e| e.to_string())?;
    let text = answer.text().await.map_err(|e| e.to_string())?;
    let body: Value = serde_json::from_str(&text).map_err(|_| "the answer to the handshake is not JSON".to_owned())?;
    if body["Challenge"] == token.as_str() {
        Ok(())
    } else {
        Err("the answer to the handshake does not repeat the token".into())
    }
}
