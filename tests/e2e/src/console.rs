//! Somebody who asks the console's JSON API.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Setup, World};

/// How one who asks is known.
#[derive(Clone)]
pub enum Known {
    /// Not at all.
    Nobody,
    /// By a session.
    #[allow(missing_docs)]
    Session { cookie: String, csrf: String },
    /// By a token.
    Token(String),
}

/// One who asks the API.
#[derive(Clone)]
pub struct Caller {
    /// Address of the API.
    pub base: String,
    /// What speaks with it.
    pub client: Client,
    /// Who they are.
    pub known: Known,
}

impl Caller {
    /// Nobody, yet.
    pub fn new(world: &World) -> Result<Self> {
        // A host that takes up its configuration closes connections that nobody uses.
        let client = Client::builder().timeout(Duration::from_secs(20)).no_proxy().pool_max_idle_per_host(0).build()?;
        Ok(Self { base: format!("{}/api/v1", world.console), client, known: Known::Nobody })
    }

    /// A request in their name.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.known {
            Known::Nobody => request,
            Known::Session { cookie, csrf } => {
                request.header(COOKIE, format!("tandem_session={cookie}")).header("x-tandem-csrf", csrf)
            }
            Known::Token(secret) => request.header(AUTHORIZATION, format!("Bearer {secret}")),
        }
    }

    /// Status and body of an answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        let request = self.request(method, path);
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }

    /// What is there.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = self.ask(Method::GET, path, None).await?;
        ensure!(status == 200, "GET {path}: {status} {body}");
        Ok(body)
    }

    /// What came of it.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let (status, answer) = self.ask(Method::POST, path, Some(body)).await?;
        ensure!((200..300).contains(&status), "POST {path}: {status} {answer}");
        Ok(answer)
    }

    /// Signed in as somebody.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<Self> {
        let body = json!({ "name": name, "password": password }).to_string();
        let request = self.client.post(format!("{}/session", self.base)).header("content-type", "application/json");
        let answer = request.body(body).send().await?;
        let status = answer.status();
        let cookie = answer.headers().get(SET_COOKIE).map(|value| value.to_str().map(str::to_owned)).transpose()?;
        let body: Value = serde_json::from_str(&answer.text().await?)?;
        ensure!(status == 200, "{status} {body}");
        let cookie = cookie.context("a cookie")?;
        ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        let value = cookie.split(['=', ';']).nth(1).context("its value")?.to_owned();
        let csrf = body["csrf"].as_str().context("csrf")?.to_owned();
        Ok(Self { known: Known::Session { cookie: value, csrf }, ..self.clone() })
    }
}

/// A world whose host runs, and its admin.
pub async fn with_admin(setup: Setup) -> Result<(World, Caller)> {
    let mut world = World::with(setup).await?;
    world.up().await?;
    let admin = admin(&world).await?;
    Ok((world, admin))
}

/// An admin of a host that runs, signed in.
pub async fn admin(world: &World) -> Result<Caller> {
    let made = world.tandem_json(&["account", "add", "boss", "--role", "admin"]).await?;
    let password = made["password"].as_str().context("a password")?;
    Caller::new(world)?.sign_in("boss", password).await
}

/// An account that an admin makes, signed in.
pub async fn account(admin: &Caller, name: &str, role: &str, flows: Value) -> Result<Caller> {
    const PASSWORD: &str = "lantern orbit gravel";
    let body = json!({ "role": role, "flows": flows, "password": PASSWORD });
    let (status, answer) = admin.ask(Method::PUT, &format!("/accounts/{name}"), Some(body)).await?;
    ensure!(status == 200, "{status} {answer}");
    Caller { known: Known::Nobody, ..admin.clone() }.sign_in(name, PASSWORD).await
}

/// A host that knows no system, as `tandem init --assistant` makes it, and the password of its first account, `admin`.
pub async fn empty(plugins: &[&str]) -> Result<(World, String)> {
    let setup = Setup { plugins: Vec::new(), init: false, tls: true, ..Setup::default() };
    let mut world = World::with(setup).await?;
    let listen = world.console.trim_start_matches("http://").to_owned();
    let text = format!("# The host of the company.\n[host]\nlisten = \"{listen}\"\n");
    fs::write(world.folder().join("tandem.toml"), text)?;
    let from = world.folder().join("shipped");
    fs::create_dir(&from)?;
    for plugin in plugins {
        fs::copy(crate::wasm(plugin), from.join(format!("{plugin}.wasm")))?;
    }
    let told = world.tandem(&["init", "--assistant", "--plugins-from", &from.display().to_string()]).await?;
    crate::share_compiled(world.folder(), &world.database)?;
    let password = told.split("its password ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let password = password.with_context(|| format!("no password in: {told}"))?.to_owned();
    world.up().await?;
    Ok((world, password))
}
