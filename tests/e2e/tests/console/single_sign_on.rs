//! Signing in at the company's provider: a certified one (the npm package `oidc-provider`) on a port of its own, and the real host.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::browser::{Browser, Page};
use tandem_e2e::{Setup, World, free_port, root};
use tokio::process::{Child, Command};

/// Where `scripts/setup-tests.sh` put the provider.
fn tools() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/tandem"));
    std::env::var_os("TANDEM_TOOLS").map(PathBuf::from).or_else(home).unwrap_or_default()
}

pub struct Provider {
    pub issuer: String,
    console: String,
    process: Option<Child>,
}

impl Provider {
    fn people() -> Value {
        json!({
            "u-ada": { "preferred_username": "ada", "email": "ada@example.com", "groups": ["ops", "staff"] },
            "u-ben": { "preferred_username": "ben", "groups": ["desk"] },
            "u-eve": { "preferred_username": "eve", "groups": ["canteen", "car-pool"] },
            "u-boss": { "preferred_username": "boss", "groups": ["it"] },
            "u-ivy": { "preferred_username": "ivy", "groups": ["it"] },
        })
    }

    pub async fn up(&mut self) -> Result<()> {
        let told = json!({ "issuer": self.issuer, "console": self.console, "people": Self::people() });
        let child = Command::new("node")
            .arg(root().join("tests/e2e/provider/provider.mjs"))
            .arg(told.to_string())
            .env("TANDEM_PROVIDER", tools().join("provider"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("node; `make setup-tests` installs it")?;
        self.process = Some(child);
        let place = format!("{}/.well-known/openid-configuration", self.issuer);
        for _ in 0..600 {
            if let Ok(page) = Browser::new()?.go(&place, |_| false).await
                && page.status == 200
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the provider does not start: `make setup-tests` installs it")
    }

    async fn down(&mut self) -> Result<()> {
        if let Some(mut child) = self.process.take() {
            child.kill().await?;
        }
        Ok(())
    }
}

/// A host that runs, and its provider. Another site than the host, as in a company: `localhost` here, `127.0.0.1` there.
async fn world() -> Result<(World, Provider)> {
    world_with("").await
}

/// The same with more of `tandem.toml`.
pub async fn world_with(more: &str) -> Result<(World, Provider)> {
    let issuer = format!("http://localhost:{}", free_port()?);
    let setup = Setup {
        more: format!(
            "[console.oidc]\nissuer = \"{issuer}\"\nclient_id = \"tandem\"\nclient_secret = {{ file = \"salesforce.secret\" }}\n\
             roles = {{ viewer = [\"staff\"], operator = [\"ops\", \"desk\"], admin = [\"it\"] }}\nflows = {{ desk = [\"orders\"] }}\n{more}"
        ),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let mut provider = Provider { issuer, console: world.console.clone(), process: None };
    provider.up().await?;
    Ok((world, provider))
}

/// Off to the provider, as this person, and back; the last page. `until`: where to stop before.
async fn sign_in(browser: &mut Browser, world: &World, login: &str, to: &str) -> Result<Page> {
    let back = returned(browser, world, login, to).await?;
    browser.go(back.as_str(), |_| false).await
}

/// The address with which the provider sends the browser back.
async fn returned(browser: &mut Browser, world: &World, login: &str, to: &str) -> Result<reqwest::Url> {
    let home = world.console.clone();
    let is_back = |url: &reqwest::Url| url.as_str().starts_with(&format!("{home}/api/v1/session/oidc/back"));
    let page = browser.go(&format!("{home}/api/v1/session/oidc?to={to}"), is_back).await?;
    if is_back(&page.url) {
        return Ok(page.url);
    }
    ensure!(page.status == 200 && page.body.contains("<form"), "{page:?}");
    let page = browser.fill(&page, &[("login", login), ("password", "x")], is_back).await?;
    let page = if is_back(&page.url) { page } else { browser.fill(&page, &[], is_back).await? };
    ensure!(is_back(&page.url), "{page:?}");
    Ok(page.url)
}

async fn api(browser: &mut Browser, world: &World, path: &str) -> Result<(u16, Value)> {
    let answer = browser.step(&format!("{}/api/v1{path}", world.console).parse()?, None).await?;
    let status = answer.status().as_u16();
    Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
}

async fn why(browser: &mut Browser, world: &World) -> Result<Value> {
    let (status, ways) = api(browser, world, "/session/ways").await?;
    ensure!(status == 200, "{ways}");
    Ok(ways["refused"].clone())
}

#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_may_what_their_groups_give() -> Result<()> {
    let (world, mut provider) = world().await?;
    let mut ada = Browser::new()?;
    assert_eq!(api(&mut ada, &world, "/session").await?.0, 401);
    let (_, ways) = api(&mut ada, &world, "/session/ways").await?;
    assert_eq!(ways, json!({ "password": true, "oidc": { "name": "single sign-on" }, "refused": null }));
    // What somebody has planted before is not what is signed in.
    ada.plant(&world.console, "tandem_session", "/", "planted")?;
    let page = sign_in(&mut ada, &world, "u-ada", "%2Fevents%3Fq%3D1042").await?;
    assert_eq!(page.url.as_str(), format!("{}/events?q=1042", world.console));
    let cookie = ada.cookie(&world.console, "tandem_session").context("a session")?;
    assert_ne!(cookie, "planted");
    assert_eq!(ada.cookie(&world.console, "tandem_oidc"), None);
    let (_, me) = api(&mut ada, &world, "/session").await?;
    assert_eq!((&me["name"], &me["role"], &me["flows"]), (&json!("ada"), &json!("operator"), &Value::Null));
    assert_eq!(me["has_password"], false);

    let mut ben = Browser::new()?;
    sign_in(&mut ben, &world, "u-ben", "/").await?;
    let (_, me) = api(&mut ben, &world, "/session").await?;
    assert_eq!(me["flows"], json!(["orders"]));

    let mut eve = Browser::new()?;
    let page = sign_in(&mut eve, &world, "u-eve", "/").await?;
    assert_eq!(page.url.as_str(), format!("{}/", world.console));
    assert_eq!(api(&mut eve, &world, "/session").await?.0, 401);
    let refused = why(&mut eve, &world).await?;
    assert_eq!((&refused["why"], &refused["has"]), (&json!("no-role"), &json!(["canteen", "car-pool"])), "{refused}");
    assert_eq!(refused["needs"], json!(["desk", "it", "ops", "staff"]));
    assert_eq!(why(&mut eve, &world).await?, Value::Null, "told once");

    // A local account keeps its name.
    world.tandem(&["account", "add", "boss", "--role", "viewer"]).await?;
    let mut boss = Browser::new()?;
    sign_in(&mut boss, &world, "u-boss", "/").await?;
    assert_eq!(why(&mut boss, &world).await?["why"], "taken");
    assert_eq!(api(&mut boss, &world, "/session").await?.0, 401);
    let (code, _, told) = world.tandem_raw(&["account", "password", "ada"]).await?;
    assert!(code != 0 && told.contains("provider"), "{told}");

    // Signing out leads to the provider, which leads back.
    let mut ivy = Browser::new()?;
    sign_in(&mut ivy, &world, "u-ivy", "/").await?;
    let (_, me) = api(&mut ivy, &world, "/session").await?;
    let (_, trail) = api(&mut ivy, &world, "/audit?q=session.begin").await?;
    let lines: Vec<String> = trail["acts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|act| {
            format!(
                "{} {} {}",
                act["who"].as_str().unwrap_or_default(),
                act["outcome"].as_str().unwrap_or_default(),
                act["why"].as_str().unwrap_or_default()
            )
        })
        .collect();
    let has = |words: &str| lines.iter().any(|line| line.contains(words));
    assert!(has("ada done single sign-on: operator for all flows"), "{lines:?}");
    assert!(has("eve refused") && has("canteen, car-pool") && has("boss refused"), "{lines:?}");
    let (_, accounts) = api(&mut ivy, &world, "/accounts").await?;
    let from = |name: &str| {
        accounts["accounts"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|own| own["name"] == name)
            .map(|own| own["from"].clone())
    };
    assert_eq!((from("ada"), from("boss"), from("eve")), (Some(json!("oidc")), Some(json!("local")), None));
    let client = reqwest::Client::builder().no_proxy().build()?;
    let session = ivy.cookie(&world.console, "tandem_session").context("a session")?;
    let by = |request: reqwest::RequestBuilder| {
        request
            .header("cookie", format!("tandem_session={session}"))
            .header("x-tandem-csrf", me["csrf"].as_str().unwrap_or_default())
    };
    // Their groups say what they may, and nobody here.
    let put =
        by(client.put(format!("{}/api/v1/accounts/ada", world.console))).header("content-type", "application/json");
    let answer = put
        .body(json!({ "role": "admin", "flows": null, "password": "lantern orbit gravel" }).to_string())
        .send()
        .await?;
    assert_eq!(answer.status(), 409);
    let answer = by(client.delete(format!("{}/api/v1/session", world.console))).send().await?;
    assert_eq!(answer.status(), 200);
    let left: Value = serde_json::from_str(&answer.text().await?)?;
    let to = left["to"].as_str().context("where to")?;
    assert!(to.starts_with(&format!("{}/session/end", provider.issuer)) && to.contains("id_token_hint="), "{to}");
    assert_eq!(api(&mut ivy, &world, "/session").await?.0, 401);
    let asks = ivy.go(to, |_| false).await?;
    assert_eq!(asks.status, 200, "{asks:?}");

    // The provider has a new key since, and is asked for it.
    provider.down().await?;
    provider.up().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut again = Browser::new()?;
    sign_in(&mut again, &world, "u-ada", "/").await?;
    assert_eq!(api(&mut again, &world, "/session").await?.1["name"], "ada");
    let log = world.log();
    assert!(!log.contains("tandem-secret") && !log.contains("id_token"), "no secret in the log");
    let database = std::fs::read(world.folder().join("data/tandem.db"))?;
    assert!(!database.windows(3).any(|part| part == b"eyJ"), "no token of the provider on disk");
    Ok(())
}

#[tokio::test]
async fn nobody_is_signed_in_by_what_another_has_begun_or_ended() -> Result<()> {
    let (world, _provider) = world().await?;
    let mut ada = Browser::new()?;
    let back = returned(&mut ada, &world, "u-ada", "/").await?;
    // An attacker's own sign-in, ended in another's browser.
    let mut victim = Browser::new()?;
    victim.go(back.as_str(), |_| false).await?;
    assert_eq!(api(&mut victim, &world, "/session").await?.0, 401);
    assert_eq!(why(&mut victim, &world).await?["why"], "not-begun");
    // In a browser that has begun one of its own.
    returned(&mut victim, &world, "u-ben", "/").await?;
    victim.go(back.as_str(), |_| false).await?;
    assert_eq!(why(&mut victim, &world).await?["why"], "not-begun");
    assert_eq!(api(&mut victim, &world, "/session").await?.0, 401);
    // Its own browser ends it, once.
    let kept = ada.cookie(&world.console, "tandem_oidc").context("begun")?;
    ada.go(back.as_str(), |_| false).await?;
    assert_eq!(api(&mut ada, &world, "/session").await?.0, 200);
    let mut replayed = Browser::new()?;
    replayed.plant(&world.console, "tandem_oidc", "/", &kept)?;
    replayed.go(back.as_str(), |_| false).await?;
    assert_eq!(why(&mut replayed, &world).await?["why"], "not-begun", "a state is used once");
    // The code again, with a state that is right.
    let mut twice = Browser::new()?;
    let own = returned(&mut twice, &world, "u-ben", "/").await?;
    let code = |url: &reqwest::Url, name: &str| {
        url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    };
    let (state, used) = (code(&own, "state").context("state")?, code(&back, "code").context("code")?);
    let mut mixed: reqwest::Url = format!("{}/api/v1/session/oidc/back", world.console).parse()?;
    let issuer = code(&own, "iss").context("iss")?;
    mixed.query_pairs_mut().append_pair("state", &state).append_pair("code", &used).append_pair("iss", &issuer);
    twice.go(mixed.as_str(), |_| false).await?;
    let refused = why(&mut twice, &world).await?;
    assert!(
        refused["why"] == "denied" && refused["detail"].as_str().unwrap_or_default().contains("invalid_grant"),
        "{refused}"
    );
    // Another provider's answer.
    let mut other = Browser::new()?;
    let own = returned(&mut other, &world, "u-ben", "/").await?;
    let foreign = own.as_str().replace(&provider_part(&own), "iss=https%3A%2F%2Fevil.example");
    other.go(&foreign, |_| false).await?;
    assert_eq!(why(&mut other, &world).await?["why"], "untrusted");
    // The person, or the provider, says no.
    let mut no = Browser::new()?;
    let own = returned(&mut no, &world, "u-ben", "/").await?;
    let state = code(&own, "state").context("state")?;
    let denied = format!(
        "{}/api/v1/session/oidc/back?state={state}&error=access_denied&error_description=%3Cb%3Eno%3C%2Fb%3E",
        world.console
    );
    no.go(&denied, |_| false).await?;
    assert_eq!(why(&mut no, &world).await?["detail"], "access_denied: <b>no</b>");
    // Nobody is led elsewhere.
    let mut led = Browser::new()?;
    let page = sign_in(&mut led, &world, "u-ada", "%2F%2Fevil.example").await?;
    assert_eq!(page.url.as_str(), format!("{}/", world.console));
    // Who calls the console by another name of this machine comes back all the same.
    let mut named = Browser::new()?;
    let other = world.console.replace("127.0.0.1", "localhost");
    let page = named.go(&format!("{other}/api/v1/session/oidc?to=%2Freviews"), |_| false).await?;
    assert!(page.body.contains("<form"), "{page:?}");
    assert!(named.cookie(&world.console, "tandem_oidc").is_some());
    // So many at once, and no more.
    let mut statuses = Vec::new();
    let mut many = Browser::new()?;
    for _ in 0..70 {
        let answer = many.step(&format!("{}/api/v1/session/oidc", world.console).parse()?, None).await?;
        statuses.push(Browser::sent_to(&answer)?.context("somewhere")?.port());
    }
    let own: reqwest::Url = world.console.parse()?;
    assert_eq!(statuses.last(), Some(&own.port()), "back to the sign-in page");
    assert_eq!(why(&mut many, &world).await?["why"], "too-many");
    Ok(())
}

fn provider_part(url: &reqwest::Url) -> String {
    url.query().unwrap_or_default().split('&').find(|part| part.starts_with("iss=")).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn without_its_provider_a_host_goes_on_and_says_what_is_wrong() -> Result<()> {
    let (world, mut provider) = world().await?;
    let ready = world.tandem_raw(&["check"]).await?.1;
    assert!(ready.contains("answers, and is the issuer") && ready.contains("/api/v1/session/oidc/back"), "{ready}");
    provider.down().await?;
    let check = world.tandem_raw(&["check"]).await?.1;
    assert!(check.contains("[console.oidc]") && check.contains("WRONG"), "{check}");
    let mut browser = Browser::new()?;
    let page = browser.go(&format!("{}/api/v1/session/oidc?to=%2Fevents", world.console), |_| false).await?;
    assert_eq!(page.url.path(), "/events", "the sign-in page stands there");
    let refused = why(&mut browser, &world).await?;
    assert_eq!(refused["why"], "down", "{refused}");
    assert!(refused["error"].as_str().unwrap_or_default().contains("cannot be reached"), "{refused}");
    let made = world.tandem_json(&["account", "add", "night", "--role", "operator"]).await?;
    let body = json!({ "name": "night", "password": made["password"] });
    let (status, answer) = world.send("POST", &format!("{}/api/v1/session", world.console), &body).await?;
    assert_eq!(status, 200, "local accounts go on: {answer}");
    let client = reqwest::Client::builder().no_proxy().build()?;
    let place = format!("{}/api/v1/session", world.console);
    let asked = client.post(&place).header("content-type", "application/json").body(body.to_string()).send().await?;
    let cookie = asked.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default().to_owned();
    let signed_in =
        async || Ok::<_, anyhow::Error>(client.get(&place).header("cookie", &cookie).send().await?.status());
    assert_eq!(signed_in().await?, 200);
    // Passwords are closed, and opened again, while the host runs.
    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("[console.oidc]", "[console]\npassword = false\n[console.oidc]"))?;
    let until = async |want: u16| {
        world
            .until("the changed file to be taken up", Duration::from_secs(40), async |world: &World| {
                let told = world.send("POST", &format!("{}/api/v1/session", world.console), &body).await;
                Ok(told.ok().filter(|(status, _)| *status == want))
            })
            .await
    };
    let (_, closed) = until(403).await?;
    assert!(closed["mend"].as_str().unwrap_or_default().contains("single sign-on"), "{closed}");
    assert_eq!(signed_in().await?, 401, "nor does who came in by one stay in");
    let told = world.tandem(&["account", "add", "help", "--role", "admin"]).await?;
    assert!(told.contains("password = false"), "{told}");
    std::fs::write(&file, text)?;
    until(200).await?;
    Ok(())
}

#[tokio::test]
async fn in_a_browser_the_way_leads_there_and_back() -> Result<()> {
    let (world, _provider) = world().await?;
    let output = Command::new("node")
        .args(["node_modules/@playwright/test/cli.js", "test", "--config", "playwright.host.config.ts", "sign-on"])
        .current_dir(root().join("host/console"))
        .env("TANDEM", &world.console)
        .stdin(Stdio::null())
        .output()
        .await
        .context("node; `make setup-tests` installs it")?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    ensure!(output.status.success(), "the browser's tests failed");
    Ok(())
}
