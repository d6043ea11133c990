//! How much a simulator costs: it must never be what a benchmark measures.

use anyhow::{Context, Result};
use serde_json::{Value, json};

const REQUESTS: usize = 5_000;
const CONNECTIONS: usize = 4;
/// Linux counts processor time in hundredths of a second.
const TICKS: f64 = 100.0;

/// Requests answered for each second of processor time, by simulator; 0 where the system does not tell the time.
pub async fn rates() -> Result<Vec<(&'static str, f64)>> {
    let world = super::world().await?;
    let [b1, salesforce] = world.simulator_ids();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let login = json!({ "CompanyDB": "SBODEMO", "UserName": "tandem", "Password": "tandem" }).to_string();
    let text = client.post(format!("{}/b1s/v2/Login", world.b1)).body(login).send().await?.text().await?;
    let session: Value = serde_json::from_str(&text)?;
    let cookie = format!("B1SESSION={}", session["SessionId"].as_str().context("no session")?);
    let partner = client.get(format!("{}/b1s/v2/BusinessPartners('C00001')", world.b1)).header("Cookie", cookie);
    let token = super::person(&world).await?;
    let account = world.records("Account").await?.first().context("no account")?["Id"].clone();
    let account = account.as_str().unwrap_or_default();
    let record = client.get(format!("{}/services/data/v64.0/sobjects/Account/{account}", world.salesforce));
    Ok(vec![("B1", rate(partner, b1).await?), ("Salesforce", rate(record.bearer_auth(token), salesforce).await?)])
}

async fn rate(request: reqwest::RequestBuilder, process: Option<u32>) -> Result<f64> {
    let before = processor_seconds(process);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let request = request.try_clone().context("a request with a stream")?;
        tasks.spawn(async move {
            for _ in 0..REQUESTS / CONNECTIONS {
                let request = request.try_clone().context("a request with a stream")?;
                request.send().await?.error_for_status()?.bytes().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    let spent = processor_seconds(process) - before;
    Ok(if spent > 0.0 { REQUESTS as f64 / spent } else { 0.0 })
}

fn processor_seconds(process: Option<u32>) -> f64 {
    let Some(process) = process else { return 0.0 };
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name in brackets may hold blanks; the times are the 14th and 15th field.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}
