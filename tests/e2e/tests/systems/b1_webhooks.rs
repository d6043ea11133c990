//! B1's webhooks and polling together: told at once, done once, and nothing missed while the host was away.

use std::time::{Duration, Instant};

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tandem_e2e::{Setup, World};
use tandem_simulators::server;

/// The https address in front of the host, as an operator's proxy gives it.
async fn proxy(world: &World) -> Result<String> {
    let identity = server::own_authority(&world.folder().join("proxy.pem"))?;
    let listener = server::bind("127.0.0.1:0".parse()?).await?;
    let address = format!("https://localhost:{}/hooks/b1/erp", listener.local_addr()?.port());
    let target = (format!("{}/hooks/b1/erp", world.console), reqwest::Client::builder().no_proxy().build()?);
    let pass = async |State((target, client)): State<(String, reqwest::Client)>,
                      method: Method,
                      headers: HeaderMap,
                      body: Bytes| {
        let mut request = client.request(method, target).body(body);
        for name in ["x-b1-webhook-token", "x-b1-webhook-signature", "content-type"] {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        match request.send().await {
            Ok(answer) => {
                let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
                (status, answer.text().await.unwrap_or_default())
            }
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
        }
    };
    let router = Router::new().fallback(pass).with_state(target);
    tokio::spawn(server::serve(listener, Some(identity.acceptor), router));
    Ok(address)
}

#[tokio::test]
async fn a_change_is_told_at_once_and_done_once_and_a_forged_delivery_is_refused() -> Result<()> {
    // Polling is far too slow to be what told it.
    let setup = Setup {
        plugins: vec!["accounts"],
        b1: "poll_seconds = 3600\nwebhook_key = { file = \"webhook.key\" }\nwebhook_url = \"https://later\"".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    let address = proxy(&world).await?;
    let path = world.folder().join("tandem.toml");
    std::fs::write(&path, std::fs::read_to_string(&path)?.replace("https://later", &address))?;
    world.up().await?;
    let subscribed = async |world: &World| {
        let all = world.b1_records("EventSubscriptions").await?;
        Ok(all.iter().any(|own| own["WebhookID"] == "tandem" && own["Status"] == "Active").then_some(()))
    };
    world.until("the subscription", Duration::from_secs(20), subscribed).await?;
    let started = Instant::now();
    world.b1_patch("/BusinessPartners('C00001')", json!({ "Phone1": "+1 hook" })).await?;
    world
        .until_record("Account", "the phone", |record| {
            record["Tandem_Card_Code__c"] == "C00001" && record["Phone"] == "+1 hook"
        })
        .await?;
    assert!(started.elapsed() < Duration::from_secs(20));

    // A delivery that says it twice, and one that somebody else signed.
    let forged = json!([{ "id": "x", "type": "sap.b1.BusinessPartners.Updated.v1", "data": { "CardCode": "C00002" } }]);
    let (status, _) = world.send("POST", &format!("{}/hooks/b1/erp", world.console), &forged).await?;
    assert_eq!(status, 401);

    // Away for a while: B1 gives up, and the host makes up for it when it is back.
    world.b1_settings(json!({ "webhook_pause_ms": 5 })).await?;
    world.kill().await?;
    for n in 2..6 {
        world.b1_patch(&format!("/BusinessPartners('C0000{n}')"), json!({ "Phone1": format!("+1 away {n}") })).await?;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.up().await?;
    for n in 2..6 {
        let phone = format!("+1 away {n}");
        world
            .until_record("Account", &phone, |record| {
                record["Tandem_Card_Code__c"] == format!("C0000{n}") && record["Phone"] == phone.as_str()
            })
            .await?;
    }

    // Another key: B1 never tells which one it has, and is given the new one.
    world.kill().await?;
    std::fs::write(world.folder().join("webhook.key"), "another-key")?;
    let made = |world: &World| world.log().matches("subscribed to B1's webhooks").count();
    let before = made(&world);
    world.up().await?;
    let again = async |world: &World| Ok((made(world) > before).then_some(()));
    world.until("a subscription with the new key", Duration::from_secs(20), again).await?;
    let started = Instant::now();
    world.b1_patch("/BusinessPartners('C00008')", json!({ "Phone1": "+1 new key" })).await?;
    world
        .until_record("Account", "the phone told under the new key", |record| {
            record["Tandem_Card_Code__c"] == "C00008" && record["Phone"] == "+1 new key"
        })
        .await?;
    assert!(started.elapsed() < Duration::from_secs(20));
    // The same key: B1 is asked for nothing new.
    let before = made(&world);
    world.kill().await?;
    world.up().await?;
    world.settled().await?;
    assert_eq!(made(&world), before);
    Ok(())
}
