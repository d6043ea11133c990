//! The console's API held against its own OpenAPI document: odd and hostile requests to each operation, each answer as the document says.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_conformance::schemathesis;
use tandem_e2e::Setup;
use tandem_e2e::console::with_admin;

/// What is not as any answer: a stream, and what would take the token away that asks.
const APART: [&str; 4] = ["--exclude-path", "/api/v1/live", "--exclude-path-regex", "/(session|plugin)"];

/// Checks that this API does not mean: an unknown way is 405 by axum, and what is open is tried by `tests/e2e/tests/console/api.rs`.
const NOT_MEANT: &str =
    "ignored_auth,positive_data_acceptance,unsupported_method,allow_header_conformance,missing_required_header";

#[tokio::test]
async fn the_api_is_what_its_document_says() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_state(&ids[1], "Synced").await?;
    let token = json!({ "name": "tries", "role": "admin", "flows": Value::Null, "expires_at": "2099-01-01T00:00:00Z" });
    let within = admin.ask(Method::POST, "/tokens", Some(token)).await?;
    assert_eq!(within.0, 422, "a token holds a year at most");
    let until = chrono::Utc::now() + chrono::TimeDelta::days(30);
    let token = json!({ "name": "tries", "role": "admin", "flows": Value::Null, "expires_at": until.to_rfc3339() });
    let made = admin.post("/tokens", token).await?;
    let secret = made["secret"].as_str().context("a secret")?;
    let few = ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1", "--continue-on-failure"];
    let checks = ["--exclude-checks", NOT_MEANT];
    schemathesis(&admin.base, secret, &[&APART[..], &few, &checks].concat()).await?;
    // Whatever was asked, the host is well.
    assert_eq!(world.get(&format!("{}/readyz", world.console)).await?["ready"], true);
    Ok(())
}
