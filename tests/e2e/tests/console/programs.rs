//! Programs that call tools for people of the company: by tokens that its provider made for them and for this host, as OAuth 2.1 has it.

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tandem_e2e::World;
use tandem_e2e::browser::Browser;
use tandem_e2e::mcp::Mcp;

use crate::single_sign_on::{Provider, world_with};

const BACK: &str = "http://127.0.0.1:7/back";

/// What a program gets for a person who lets it do that.
async fn token(provider: &Provider, login: &str, resource: &str, scope: &str) -> Result<Value> {
    let verifier = "v".repeat(64);
    let challenge = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()));
    let asked = [
        ("client_id", "desk"),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("scope", &format!("openid profile {scope}")),
        ("resource", resource),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("state", "s"),
    ];
    let to = Url::parse_with_params(&format!("{}/auth", provider.issuer), asked)?;
    let is_back = |url: &Url| url.as_str().starts_with(BACK);
    let mut browser = Browser::new()?;
    let page = browser.go(to.as_str(), is_back).await?;
    ensure!(page.status == 200 && page.body.contains("<form"), "{page:?}");
    let page = browser.fill(&page, &[("login", login), ("password", "x")], is_back).await?;
    let page = if is_back(&page.url) { page } else { browser.fill(&page, &[], is_back).await? };
    let code = page.url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
    let code = code.with_context(|| page.url.to_string())?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", &verifier),
        ("resource", resource),
    ];
    let body = Url::parse_with_params("http://x/", form)?.query().unwrap_or_default().to_owned();
    let request = Client::builder().no_proxy().build()?.post(format!("{}/token", provider.issuer));
    let request = request.basic_auth("desk", Some("desk-secret"));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await?;
    Ok(serde_json::from_str(&answer.text().await?)?)
}

async fn access(provider: &Provider, login: &str, resource: &str, scope: &str) -> Result<String> {
    let told = token(provider, login, resource, scope).await?;
    Ok(told["access_token"].as_str().with_context(|| told.to_string())?.to_owned())
}

/// Status, `WWW-Authenticate`, and the body.
async fn listed(world: &World, token: &str) -> Result<(u16, String, Value)> {
    let client = Client::builder().no_proxy().build()?;
    let request = client.post(format!("{}/mcp", world.console)).bearer_auth(token);
    let request =
        request.header("content-type", "application/json").header("accept", "application/json, text/event-stream");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let answer = request.body(body).send().await?;
    let wants =
        answer.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok((answer.status().as_u16(), wants, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
}

#[tokio::test]
async fn a_program_finds_out_whose_token_it_needs_and_calls_for_the_person_who_gave_it() -> Result<()> {
    let (world, provider) = world_with("[agents]\nmcp = true\noauth = { scope = \"tandem.tools\" }\n").await?;
    let resource = format!("{}/mcp", world.console);
    // Without one: where it is told what it takes.
    let (status, wants, _) = listed(&world, "").await?;
    let place = format!("{}/.well-known/oauth-protected-resource/mcp", world.console);
    assert_eq!(status, 401);
    assert!(
        wants.contains(&format!("resource_metadata=\"{place}\"")) && wants.contains("scope=\"tandem.tools\""),
        "{wants}"
    );
    for place in [place, format!("{}/.well-known/oauth-protected-resource", world.console)] {
        let told = world.get(&place).await?;
        assert_eq!(
            (&told["resource"], &told["authorization_servers"]),
            (&json!(resource), &json!([provider.issuer])),
            "{told}"
        );
        assert_eq!(told["scopes_supported"], json!(["tandem.tools"]));
    }
    // With one: as that person, with what their groups give.
    let ada = access(&provider, "u-ada", &resource, "tandem.tools").await?;
    let (status, _, tools) = listed(&world, &ada).await?;
    assert!(status == 200 && tools.to_string().contains("orders_orders-of"), "{status} {tools}");
    let client = Client::builder().no_proxy().build()?;
    let mcp = Mcp { base: world.console.clone(), client, token: ada };
    assert!(mcp.got("tandem_flows", json!({})).await?["flows"][0]["flow"] == "orders");
    let asked = mcp.call("orders_orders-of", json!({ "card_code": "C00001" })).await?;
    assert!(asked["isError"] != true, "{asked}");
    let events = world.tandem_json(&["events", "list", "--flow", "orders", "--limit", "5"]).await?.to_string();
    assert!(events.contains(r#"\"who\":\"ada\""#) && events.contains(r#"\"client\":\"desk\""#), "{events}");
    // Nobody has signed in by it.
    assert!(!world.tandem_json(&["account", "list"]).await?.to_string().contains("ada"));
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_made_for_something_else_or_for_nobody_here_opens_nothing() -> Result<()> {
    let (world, provider) = world_with("[agents]\nmcp = true\noauth = { scope = \"tandem.tools\" }\n").await?;
    let resource = format!("{}/mcp", world.console);
    // Another resource, and the same person's sign-in.
    let other = access(&provider, "u-ada", "https://other.example.com", "tandem.tools").await?;
    assert_eq!(listed(&world, &other).await?.0, 401);
    let signed_in = token(&provider, "u-ada", &resource, "tandem.tools").await?;
    let id = signed_in["id_token"].as_str().context("an id_token")?;
    assert_eq!(listed(&world, id).await?.0, 401);
    // Another scope: the person may give it.
    let small = access(&provider, "u-ada", &resource, "other").await?;
    let (status, wants, told) = listed(&world, &small).await?;
    assert!(status == 403 && wants.contains("error=\"insufficient_scope\""), "{status} {wants} {told}");
    // Somebody whose groups give nothing, and somebody who is shown no customers' data.
    let eve = access(&provider, "u-eve", &resource, "tandem.tools").await?;
    let (status, _, told) = listed(&world, &eve).await?;
    assert!(status == 403 && told["error"].as_str().is_some_and(|error| error.contains("eve")), "{status} {told}");
    // It does not open the API.
    let ada = access(&provider, "u-ada", &resource, "tandem.tools").await?;
    let client = Client::builder().no_proxy().build()?;
    let api = client.get(format!("{}/api/v1/events", world.console)).bearer_auth(&ada).send().await?;
    assert_eq!(api.status(), 401);
    // Changed by a letter.
    let (head, rest) = ada.split_at(ada.len() - 10);
    let changed = format!("{head}{}{}", if rest.starts_with('A') { 'B' } else { 'A' }, &rest[1..]);
    assert_eq!(listed(&world, &changed).await?.0, 401);
    assert_eq!(listed(&world, &ada).await?.0, 200);
    Ok(())
}
