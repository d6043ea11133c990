//! B1's webhooks: the switch, the catalogue, the handshake, signed deliveries in order, retries, deactivation, replay, and
//! the list of notifications. Source: the shared facts on FP 2602.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tandem_conformance::Service;
use tandem_simulators::{b1::webhooks::signature, server};

/// What a receiver of webhooks has heard.
#[derive(Default)]
struct Receiver {
    heard: Mutex<Vec<(String, String)>>,
    /// What it answers.
    status: AtomicU16,
}

async fn receiver(folder: &std::path::Path) -> Result<(Arc<Receiver>, String)> {
    let receiver = Arc::new(Receiver { status: 200.into(), ..Receiver::default() });
    let identity = server::own_authority(&folder.join("receiver.pem"))?;
    let listener = server::bind("127.0.0.1:0".parse()?).await?;
    let address = format!("https://localhost:{}/hook", listener.local_addr()?.port());
    let challenge = async |headers: HeaderMap| {
        let token =
            headers.get("x-b1-webhook-token").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        axum::Json(json!({ "Challenge": token }))
    };
    let hear = async |State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: String| {
        let signature = headers.get("x-b1-webhook-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let status = receiver.status.load(Ordering::Relaxed);
        if status == 200 {
            receiver.heard.lock().unwrap().push((signature.to_owned(), body));
        }
        StatusCode::from_u16(status).unwrap_or(StatusCode::OK)
    };
    let router = Router::new().route("/hook", get(challenge).post(hear)).with_state(receiver.clone());
    tokio::spawn(server::serve(listener, Some(identity.acceptor), router));
    Ok((receiver, address))
}

struct Company {
    service: Service,
    client: reqwest::Client,
    cookie: String,
}

impl Company {
    async fn new() -> Result<Self> {
        let service = Service::b1().await?;
        let client = service.client()?;
        let mut company = Self { service, client, cookie: String::new() };
        let login = json!({ "CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem" });
        let (_, session) = company.send("POST", "/b1s/v2/Login", login).await?;
        company.cookie = format!("B1SESSION={}", session["SessionId"].as_str().context("no session")?);
        Ok(company)
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        let request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.service.addresses[0]))
            .header("Cookie", &self.cookie)
            .header("Content-Type", "application/json")
            .body(if body.is_null() { String::new() } else { body.to_string() });
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_str(&response.text().await?).unwrap_or_default()))
    }
}

async fn until(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    for _ in 0..200 {
        if holds().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("waited 10 s for {what}")
}

#[tokio::test]
async fn a_subscription_hears_signed_events_in_order_and_missed_ones_only_by_replay() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let company = Company::new().await?;
    let (receiver, address) = receiver(folder.path()).await?;
    company.send("PUT", "/admin/settings", json!({ "webhook_pause_ms": 20 })).await?;
    let subscription = json!({
        "WebhookID": "tandem", "WebhookURL": address, "AuthenticationType": "HMAC", "VerifyCertificate": "tNO", "Handshake": "tYES",
        "AuthenticationCred": r#"{"Key":"secret","Algorithm":"HMACSha256"}"#,
        "EventCollection": [{ "BusinessObject": "BusinessPartners", "TransactionType": "Created,Updated" }, { "BusinessObject": "Orders", "TransactionType": "*" }],
    });
    // Off until the company switches it on.
    let (status, body) = company.send("POST", "/b1s/v2/EventSubscriptions", subscription.clone()).await?;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("-5002")), "{body}");
    let on = json!({ "AdminInfo": { "EnableWebhook": "tYES" } });
    assert_eq!(company.send("POST", "/b1s/v2/CompanyService_UpdateAdminInfo", on).await?.0, 204);
    let (_, catalogue) = company.send("GET", "/b1s/v2/EventSubscriptionsService_GetEventCatalog", Value::Null).await?;
    let orders = catalogue["value"].as_array().unwrap().iter().find(|own| own["BusinessObject"] == "Orders").unwrap();
    assert_eq!(orders["TransactionTypes"], json!(["Created", "Updated", "Deleted", "Closed", "Cancelled", "Reopened"]));
    let (status, body) = company.send("POST", "/b1s/v2/EventSubscriptions", subscription.clone()).await?;
    assert_eq!(status, 201, "{body}");

    // Events in order, each an array of one, signed over the body as sent.
    for n in 0..3 {
        company
            .send("POST", "/b1s/v2/BusinessPartners", json!({ "CardCode": format!("CHOOK{n}"), "CardName": "Hooked" }))
            .await?;
    }
    until("three events", async || Ok(receiver.heard.lock().unwrap().len() >= 3)).await?;
    let heard = std::mem::take(&mut *receiver.heard.lock().unwrap());
    for (n, (signed, body)) in heard.iter().enumerate() {
        assert_eq!(*signed, signature("secret", "HMACSha256", body));
        let event = &serde_json::from_str::<Value>(body)?[0];
        assert_eq!(event["type"], "sap.b1.BusinessPartners.Created.v1");
        assert_eq!(
            (event["subject"].as_str(), event["specversion"].as_str()),
            (Some(format!("CHOOK{n}").as_str()), Some("1.0"))
        );
        assert_eq!(event["data"], json!({ "CardCode": format!("CHOOK{n}") }));
        assert_eq!(event["source"], "/default/sap.b1/SBODEMO");
    }

    // A fault of the server is tried again; what stays refused is failed, and in the end the subscription is inactive.
    receiver.status.store(503, Ordering::Relaxed);
    for n in 0..3 {
        company.send("PATCH", &format!("/b1s/v2/BusinessPartners('CHOOK{n}')"), json!({ "Phone1": "1" })).await?;
    }
    let inactive = async || {
        let (_, found) = company.send("GET", "/b1s/v2/EventSubscriptions('tandem')", Value::Null).await?;
        Ok(found["Status"] == "Inactive")
    };
    until("the subscription to be inactive", inactive).await?;
    let (_, failed) = company
        .send("GET", "/b1s/v2/EventNotifications?$filter=Status%20eq%20'Failed'&$orderby=CreateTime", Value::Null)
        .await?;
    assert_eq!(failed["value"].as_array().map(Vec::len), Some(3));
    assert_eq!(failed["value"][0]["FieldValues"], "CHOOK0");
    let (status, _) = company.send("DELETE", "/b1s/v2/EventNotifications('x')", Value::Null).await?;
    assert_eq!(status, 405, "read-only");

    // Missed ones come by Replay alone.
    receiver.status.store(200, Ordering::Relaxed);
    assert_eq!(company.send("POST", "/b1s/v2/EventSubscriptions('tandem')/Replay", Value::Null).await?.1["value"], 3);
    until("the missed events", async || Ok(receiver.heard.lock().unwrap().len() >= 3)).await?;
    let again = std::mem::take(&mut *receiver.heard.lock().unwrap());
    assert!(again.iter().all(|(_, body)| body.contains("Updated")));
    Ok(())
}

#[tokio::test]
async fn a_handshake_that_fails_and_a_plain_address_are_refused() -> Result<()> {
    let company = Company::new().await?;
    company
        .send("POST", "/b1s/v2/CompanyService_UpdateAdminInfo", json!({ "AdminInfo": { "EnableWebhook": "tYES" } }))
        .await?;
    let events = json!([{ "BusinessObject": "Orders", "TransactionType": "Created" }]);
    for (url, handshake) in [("http://127.0.0.1:9/hook", "tNO"), ("https://127.0.0.1:9/hook", "tYES")] {
        let body = json!({ "WebhookID": "x", "WebhookURL": url, "Handshake": handshake, "EventCollection": events });
        let (status, body) = company.send("POST", "/b1s/v2/EventSubscriptions", body).await?;
        assert_eq!((status, body["error"]["code"].as_str()), (400, Some("-5002")), "{url}: {body}");
    }
    let unknown = json!({ "WebhookID": "x", "WebhookURL": "https://127.0.0.1:9/hook", "EventCollection": [{ "BusinessObject": "Orders", "TransactionType": "Exploded" }] });
    assert_eq!(company.send("POST", "/b1s/v2/EventSubscriptions", unknown).await?.0, 400);
    Ok(())
}
