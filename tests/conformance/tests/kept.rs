//! `--data`: what was in a simulator is there again after it was killed and started anew.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::Client;
use serde_json::Value;
use tandem_conformance::Service;
use tandem_e2e::{root, simulator};

const NAME: &str = "Kept for ever";

/// Makes a record, kills the simulator once the file has it, starts it again and looks for the record.
async fn survives(
    program: &str,
    more: &[&str],
    make: impl AsyncFnOnce(&Client, &str) -> Result<u16>,
    records: &str,
) -> Result<()> {
    Service::choose_cryptography();
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data.json");
    let mut arguments: Vec<String> = ["--listen", "127.0.0.1:0"].iter().chain(more).map(|a| (*a).to_owned()).collect();
    arguments.extend(["--data".to_owned(), data.display().to_string()]);
    let client = Client::builder().no_proxy().build()?;
    let newest = async |address: &str| -> Result<Value> {
        let rows = client.get(format!("{address}/admin/records/{records}?search=kept+for+ever")).send().await?;
        Ok(serde_json::from_str(&rows.text().await?)?)
    };

    let (mut child, addresses) = simulator(program, &arguments, &folder.path().join("first"), 1).await?;
    assert_eq!(make(&client, &addresses[0]).await?, 201);
    let before = newest(&addresses[0]).await?;
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");
    let started = Instant::now();
    while !std::fs::read_to_string(&data).unwrap_or_default().contains(NAME) {
        if started.elapsed() > Duration::from_secs(20) {
            bail!("{program} does not keep its records in {}", data.display());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().await?;

    let (_child, addresses) = simulator(program, &arguments, &folder.path().join("second"), 1).await?;
    assert_eq!(newest(&addresses[0]).await?, before);
    Ok(())
}

#[tokio::test]
async fn salesforce_records_survive_a_kill() -> Result<()> {
    let package = root().join("salesforce-package/force-app/main/default").display().to_string();
    let more = ["--listen-pubsub", "127.0.0.1:0", "--package", &package];
    let make = async |client: &Client, address: &str| {
        let request = client.post(format!("{address}/admin/create/Account")).header("content-type", "application/json");
        Ok(request.body(format!(r#"{{"Name":"{NAME}"}}"#)).send().await?.status().as_u16())
    };
    survives("tandem-sim-salesforce", &more, make, "Account").await
}

#[tokio::test]
async fn b1_records_survive_a_kill() -> Result<()> {
    let make = async |client: &Client, address: &str| {
        let sign_in = r#"{"CompanyDB":"SBODEMO","UserName":"tandem","Password":"tandem"}"#;
        let signed_in = client.post(format!("{address}/b1s/v2/Login")).body(sign_in).send().await?.text().await?;
        let session: Value = serde_json::from_str(&signed_in)?;
        let cookie = format!("B1SESSION={}", session["SessionId"].as_str().unwrap_or_default());
        let partner = format!(r#"{{"CardCode":"CKEPT","CardName":"{NAME}"}}"#);
        let request = client.post(format!("{address}/b1s/v2/BusinessPartners")).header("Cookie", cookie);
        Ok(request.body(partner).send().await?.status().as_u16())
    };
    survives("tandem-sim-b1", &[], make, "BusinessPartners").await
}
