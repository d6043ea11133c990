//! A connection's section of `tandem.toml`, made from a form; its secret goes into a file of its own, and never comes back.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{problem, says};
use crate::config::rewrite::{section, without};
use crate::config::section::{drop_secret, drop_secrets, keep_secret, source, tls};
use crate::config::{B1Config, Config, FlowConfig, SalesforceConfig, Secret, SecretSource, TlsConfig};
use crate::connections::b1::EXCLUSIVE;
use crate::connections::{self, CallError, Connection, SetupError};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::ending::guarded;
use crate::store::{Fate, Role};

/// Letters of a secret: a key has 4 KiB at most.
const LONGEST_SECRET: usize = 64 << 10;
/// Letters of a name.
const LONGEST_NAME: usize = 40;

/// One makes what B1 needs at a time.
static PROVISIONING: Semaphore = Semaphore::const_new(1);

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(save, forget)).routes(routes!(provision))
}

/// What a person says of a connection.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[schema(as = ConnectionSettings)]
pub enum Settings {
    /// A B1 company.
    B1(Company),
    /// A Salesforce org.
    Salesforce(Org),
}

/// `[b1.<name>]`
#[derive(Clone, PartialEq, Deserialize, Serialize, ToSchema)]
#[schema(as = CompanySettings)]
pub struct Company {
    /// Service Layer base, such as `https://b1server:50000/b1s/v2`.
    url: String,
    /// `CompanyDB`.
    company: String,
    /// `UserName`.
    user: String,
    /// Of B1's clock, as in the IANA database.
    time_zone: String,
    /// SHA-256 of the certificate that is trusted, hex.
    #[serde(default)]
    pin_sha256: Option<String>,
    /// PEM file of the authority that is trusted.
    #[serde(default)]
    ca_file: Option<String>,
}

/// `[salesforce.<name>]`
#[derive(Clone, PartialEq, Deserialize, Serialize, ToSchema)]
#[schema(as = OrgSettings)]
pub struct Org {
    /// My Domain, such as `https://yours.my.salesforce.com`.
    login_url: String,
    /// Consumer key of the External Client App.
    client_id: String,
    /// Integration user, for JWT bearer alone.
    #[serde(default)]
    username: Option<String>,
    /// Of the package; empty for one without.
    #[serde(default)]
    namespace: String,
    /// Pub/Sub API endpoint; null for Salesforce's own.
    #[serde(default)]
    pubsub_url: Option<String>,
    /// SHA-256 of the certificate that is trusted, hex; null for Salesforce itself.
    #[serde(default)]
    pin_sha256: Option<String>,
    /// PEM file of the authority that is trusted; null for Salesforce itself.
    #[serde(default)]
    ca_file: Option<String>,
}

/// By what the host signs in.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConnectionWay)]
pub enum Way {
    /// B1.
    Password,
    /// Salesforce, client credentials.
    ClientSecret,
    /// Salesforce, JWT bearer.
    PrivateKey,
}

impl Way {
    /// The key of `tandem.toml`.
    fn key(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::ClientSecret => "client_secret",
            Self::PrivateKey => "private_key",
        }
    }
}

/// What a connection is to be.
#[derive(Clone, Deserialize, ToSchema)]
#[schema(as = ConnectionWanted)]
pub struct Wanted {
    /// All but the secret.
    pub settings: Settings,
    /// By what the host signs in.
    pub way: Way,
    /// Password, client secret or private key; without it the one that is kept.
    #[serde(default)]
    pub secret: Option<String>,
    /// What the connection was when the form was opened: nothing is changed where it is something else by now. Without it whatever is there is.
    #[serde(default)]
    pub instead_of: Option<Settings>,
    /// Nothing was there when the form was opened: nothing is changed where somebody has made a connection of that name meanwhile.
    #[serde(default)]
    pub new: bool,
}

/// A connection.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupConnection)]
pub struct ConnectionRow {
    /// Its name.
    name: String,
    /// All but the secret.
    settings: Settings,
    /// By what the host signs in.
    way: Way,
    /// Where the secret lies, in words.
    kept: String,
    /// The running host has it as it stands here.
    live: bool,
}

/// Windows takes these for devices, whatever stands behind them.
fn is_device(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "con" | "prn" | "aux" | "nul")
        || matches!(name.strip_prefix("com").or_else(|| name.strip_prefix("lpt")), Some(rest) if rest.len() == 1)
}

/// What B1 has now.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupProvisions)]
pub struct Provisions {
    /// One line each.
    made: Vec<ProvisionRow>,
}

/// A thing that B1 needs.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupProvision)]
pub struct ProvisionRow {
    /// What.
    what: &'static str,
    /// It was there before.
    present: bool,
}

/// The connections that a configuration has. `runs` is what the host runs under.
pub fn rows(says: &Config, runs: &Config) -> Vec<ConnectionRow> {
    let companies = says.b1.iter().map(|(name, own)| ConnectionRow {
        name: name.clone(),
        settings: Settings::B1(Company::from(own)),
        way: Way::Password,
        kept: kept(&own.password),
        live: runs.b1.get(name) == Some(own),
    });
    let orgs = says.salesforce.iter().filter_map(|(name, own)| {
        let (way, secret) = way_of(own)?;
        Some(ConnectionRow {
            name: name.clone(),
            settings: Settings::Salesforce(Org::from(own)),
            way,
            kept: kept(secret),
            live: runs.salesforce.get(name) == Some(own),
        })
    });
    companies.chain(orgs).collect()
}

fn way_of(org: &SalesforceConfig) -> Option<(Way, &SecretSource)> {
    let key = org.private_key.as_ref().map(|own| (Way::PrivateKey, own));
    key.or_else(|| org.client_secret.as_ref().map(|own| (Way::ClientSecret, own)))
}

fn kept(secret: &SecretSource) -> String {
    match secret {
        SecretSource::Typed(_) => String::new(),
        kept => kept.to_string(),
    }
}

fn trust(tls: &TlsConfig) -> (Option<String>, Option<String>) {
    (tls.pin_sha256.clone(), tls.ca_file.as_ref().map(|path| path.display().to_string()))
}

impl Settings {
    /// As a connection is.
    fn is_of(&self, name: &str, says: &Config) -> bool {
        match self {
            Self::B1(own) => says.b1.get(name).is_some_and(|now| Company::from(now) == *own),
            Self::Salesforce(own) => says.salesforce.get(name).is_some_and(|now| Org::from(now) == *own),
        }
    }
}

impl From<&B1Config> for Company {
    fn from(own: &B1Config) -> Self {
        let (pin_sha256, ca_file) = trust(&own.tls);
        Self {
            url: own.url.clone(),
            company: own.company.clone(),
            user: own.user.clone(),
            time_zone: own.time_zone.clone(),
            pin_sha256,
            ca_file,
        }
    }
}

impl From<&SalesforceConfig> for Org {
    fn from(own: &SalesforceConfig) -> Self {
        let (pin_sha256, ca_file) = trust(&own.tls);
        Self {
            login_url: own.login_url.clone(),
            client_id: own.client_id.clone(),
            username: own.username.clone(),
            namespace: own.namespace.clone(),
            pubsub_url: Some(own.pubsub_url.clone()).filter(|url| *url != crate::config::pubsub_url()),
            pin_sha256,
            ca_file,
        }
    }
}

impl Wanted {
    fn kind(&self) -> &'static str {
        match self.settings {
            Settings::B1(_) => "b1",
            Settings::Salesforce(_) => "salesforce",
        }
    }

    /// The secret, where one was typed.
    fn typed(&self) -> Result<Option<&str>, Problem> {
        let typed = self.secret.as_deref().filter(|secret| !secret.is_empty());
        match typed {
            Some(long) if long.len() > LONGEST_SECRET => {
                Err(Problem::field("secret", format!("A secret has {LONGEST_SECRET} letters at most.")))
            }
            _ => Ok(typed),
        }
    }

    /// Where the secret is kept already, which is not sent to another address than it was meant for.
    fn kept<'a>(&self, name: &str, says: &'a Config) -> Option<&'a SecretSource> {
        match &self.settings {
            Settings::B1(own) => {
                says.b1.get(name).filter(|before| before.url == own.url).map(|before| &before.password)
            }
            Settings::Salesforce(own) => {
                let same = |before: &&SalesforceConfig| {
                    before.login_url == own.login_url && Org::from(*before).pubsub_url == own.pubsub_url
                };
                let before = says.salesforce.get(name).filter(same)?;
                way_of(before).filter(|(way, _)| *way == self.way).map(|(_, secret)| secret)
            }
        }
    }

    /// The keys of the section; null for those that it has not.
    fn keys(&self, secret: &SecretSource) -> Result<Map<String, Value>, Problem> {
        let source = source(secret);
        let filled =
            |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let tls = |pin: &Option<String>, ca: &Option<String>| {
            tls(&TlsConfig { pin_sha256: filled(pin), ca_file: filled(ca).map(PathBuf::from) })
        };
        let keys = match (&self.settings, self.way) {
            (Settings::B1(own), Way::Password) => json!({
                "url": own.url.trim(), "company": own.company.trim(), "user": own.user.trim(), "password": source,
                "time_zone": own.time_zone.trim(), "tls": tls(&own.pin_sha256, &own.ca_file),
            }),
            (Settings::Salesforce(own), Way::ClientSecret | Way::PrivateKey) => {
                let other = if self.way == Way::PrivateKey { Way::ClientSecret } else { Way::PrivateKey };
                let user = filled(&own.username).filter(|_| self.way == Way::PrivateKey);
                let mut keys = json!({
                    "login_url": own.login_url.trim(), "client_id": own.client_id.trim(), "username": user,
                    "namespace": filled(&Some(own.namespace.clone())), "pubsub_url": filled(&own.pubsub_url),
                    "tls": tls(&own.pin_sha256, &own.ca_file),
                });
                keys[self.way.key()] = source;
                keys[other.key()] = Value::Null;
                keys
            }
            _ => return Err(Problem::field("way", "This kind of system is not signed in to by that.")),
        };
        Ok(keys.as_object().cloned().unwrap_or_default())
    }

    /// The configuration with this connection, to be tried: its secret as it was typed, or as it is kept.
    pub fn tried(&self, name: &str, says: &Config, text: &str) -> Result<Config, Problem> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.chars().all(is_plain) || is_device(name) {
            let error = format!(
                "A connection is called by letters, digits, - and _, 1 to {LONGEST_NAME}, and not as a device of Windows."
            );
            return Err(Problem::field("name", error));
        }
        let mut names = says.b1.keys().chain(says.salesforce.keys());
        if let Some(other) = names.find(|other| *other != name && other.eq_ignore_ascii_case(name)) {
            return Err(Problem::field("name", format!("There is {other} already; give it another name.")));
        }
        let secret = match (self.typed()?, self.kept(name, says)) {
            (Some(typed), _) => SecretSource::Typed(Secret::from(typed.to_owned())),
            (None, Some(kept)) => kept.clone(),
            (None, None) => return Err(self.needs_secret(name, says)),
        };
        let text = section(text, self.kind(), name, &self.keys(&secret)?).map_err(Problem::conflict)?;
        let config = Config::parse(&text, &says.file);
        let mut config = config.map_err(|error| problem(self.kind(), name, &error.to_string()))?;
        if let Some(own) = config.b1.get_mut(name) {
            own.password = secret;
        } else if let Some(own) = config.salesforce.get_mut(name) {
            let (key, client) = if self.way == Way::PrivateKey { (Some(secret), None) } else { (None, Some(secret)) };
            (own.private_key, own.client_secret) = (key, client);
        }
        Ok(config)
    }

    fn needs_secret(&self, name: &str, says: &Config) -> Problem {
        let known = says.b1.contains_key(name) || says.salesforce.contains_key(name);
        Problem::field(
            "secret",
            match known {
                true => "Type it again: the one that is kept is not sent to another address, nor used in another way.",
                false => "It is missing.",
            },
        )
    }
}

/// Makes a connection, or changes it: in `tandem.toml`, which a running host takes up within seconds.
#[utoipa::path(put, path = "/setup/connections/{name}", tag = "set-up", params(("name" = String, Path)), request_body = Wanted,
    responses((status = 200, body = ConnectionRow), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn save(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<ConnectionRow>, Problem> {
    who.may_all(Role::Admin)?;
    let before = says(&console)?;
    // It can be used before anything is written: a host that is started anew must not stand still for it.
    let text = std::fs::read_to_string(&before.file).map_err(Problem::failed)?;
    let tried = wanted.tried(&name, &before, &text)?;
    connections::one(&name, &tried).map_err(|error| unusable(&error))?;
    // What is there now counts, in the turn of whoever writes: somebody else may have saved it meanwhile.
    let mut change = Change { wanted: &wanted, name: &name, before, written: None, refused: None };
    let file = change.before.file.clone();
    let releases = console.engine.releases();
    let now = match releases.change_config(&file, |text| change.of(text)).await {
        Ok(now) => now,
        Err(why) => {
            if let Some(kept) = &change.written {
                drop_secret(kept, &change.before);
            }
            return Err(change.refused.unwrap_or_else(|| problem(wanted.kind(), &name, &why)));
        }
    };
    if change.written.is_some() {
        drop_secrets(&name, &change.before, &now);
    }
    console.store.act(who.act("setup.connection", &name, Fate::Done)).await?;
    let row = rows(&now, console.engine.config()).into_iter().find(|row| row.name == name);
    row.map(Json).ok_or_else(|| Problem::conflict("Somebody changed tandem.toml meanwhile."))
}

/// A section that is written in the turn of whoever changes `tandem.toml`.
struct Change<'a> {
    wanted: &'a Wanted,
    name: &'a str,
    /// What the file says before.
    before: Config,
    /// The secret's file.
    written: Option<SecretSource>,
    /// Why it is not made.
    refused: Option<Problem>,
}

impl Change<'_> {
    /// The file's text with it. An error is told by `refused`, where that is there.
    fn of(&mut self, text: &str) -> Result<String, String> {
        self.before = Config::parse(text, &self.before.file).map_err(|error| error.to_string())?;
        match self.keys() {
            Ok(keys) => section(text, self.wanted.kind(), self.name, &keys),
            Err(problem) => {
                let why = problem.to_string();
                self.refused = Some(problem);
                Err(why)
            }
        }
    }

    fn keys(&mut self) -> Result<Map<String, Value>, Problem> {
        let Self { wanted, name, before, .. } = &*self;
        if wanted.new && (before.b1.contains_key(*name) || before.salesforce.contains_key(*name)) {
            let problem = Problem::conflict(format!("Somebody made a connection {name} meanwhile."));
            return Err(problem.mended("Take another name, or open that one: what you typed would replace it."));
        }
        if wanted.instead_of.as_ref().is_some_and(|seen| !seen.is_of(name, before)) {
            let problem = Problem::conflict(format!("Somebody changed {name} meanwhile."));
            return Err(problem.mended("Open it anew: what you typed would undo that."));
        }
        let secret = match wanted.typed()? {
            None => wanted.kept(name, before).cloned().ok_or_else(|| wanted.needs_secret(name, before))?,
            Some(typed) => {
                let kept = keep_secret(name, wanted.way.key(), typed, before).map_err(unwritten)?;
                self.written.insert(kept).clone()
            }
        };
        self.wanted.keys(&secret)
    }
}

/// Takes a connection out of `tandem.toml` that no flow uses, and its secret from the folder that the console keeps.
#[utoipa::path(delete, path = "/setup/connections/{name}", tag = "set-up", params(("name" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn forget(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    who.may_all(Role::Admin)?;
    let before = says(&console)?;
    let kind = match (before.b1.contains_key(&name), before.salesforce.contains_key(&name)) {
        (true, _) => "b1",
        (_, true) => "salesforce",
        _ => return Err(Problem::no(format_args!("connection {name:?}"))),
    };
    let uses = |flow: &FlowConfig| flow.connections.values().any(|own| *own == name);
    let users: Vec<&str> = before.flows.iter().filter(|(_, own)| uses(own)).map(|(flow, _)| flow.as_str()).collect();
    if !users.is_empty() {
        let problem = Problem::conflict(format!("It is used by {}.", users.join(", ")));
        return Err(problem.mended("Take these flows out first, or give them another connection."));
    }
    let changed = console.engine.releases().change_config(&before.file, |text| without(text, kind, &name)).await;
    let now = changed.map_err(Problem::conflict)?;
    drop_secrets(&name, &before, &now);
    console.store.act(who.act("setup.connection.remove", &name, Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn unwritten(why: String) -> Problem {
    Problem::conflict(format!("The secret cannot be written: {why}."))
}

/// What is wrong with a connection that cannot even be made.
fn unusable(error: &SetupError) -> Problem {
    let words = error.to_string();
    let field = match error {
        SetupError::Secret(..) => "secret",
        SetupError::Unusable(..) if words.contains("ca_file") => "ca_file",
        SetupError::Unusable(..) if words.contains("pin_sha256") => "pin_sha256",
        SetupError::Unusable(..) if words.contains("url") => "url",
        SetupError::Unusable(..) => "secret",
    };
    Problem::field(field, words)
}

/// Makes what B1 needs and does not have: the user fields and the table.
#[utoipa::path(post, path = "/setup/connections/{name}/provision", tag = "set-up", params(("name" = String, Path)),
    responses((status = 200, body = Provisions), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn provision(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<Provisions>, Problem> {
    who.may_all(Role::Admin)?;
    let no = || {
        Problem::no(format_args!("B1 connection {name:?}")).mended("A running host takes a new one up within seconds.")
    };
    let connection = console.connections.get(&name).cloned().ok_or_else(no)?;
    if !matches!(connection.as_ref(), Connection::B1(_)) {
        return Err(no());
    }
    // B1 may take minutes for a table; whoever asked may hang up, and ask again how far it is.
    let going_on = || Problem::conflict("It goes on.").mended("B1 may take minutes for a table; look again then.");
    let turn = PROVISIONING.try_acquire().map_err(|_| going_on())?;
    let work = tokio::spawn(guarded("what B1 needs", async move {
        let _turn = turn;
        let made = match connection.as_ref() {
            Connection::B1(b1) => b1.provision().await,
            Connection::Salesforce(_) => Ok(Vec::new()),
        };
        let outcome = if made.is_ok() { Fate::Done } else { Fate::Failed };
        if let Err(error) = console.store.act(who.act("setup.provision", &name, outcome)).await {
            tracing::error!(%error, "the audit trail lacks a line");
        }
        if let Err(error) = &made {
            tracing::error!(connection = name, %error, "what B1 needs could not be made");
        }
        made
    }));
    let made = work.await.map_err(Problem::failed)?.map_err(|error| match &error {
        CallError::Remote { .. } => Problem::conflict(format!("{error}.")).mended(EXCLUSIVE),
        _ => Problem::conflict(format!("{error}.")),
    })?;
    let made = made.into_iter().map(|own| ProvisionRow { what: own.what, present: own.present }).collect();
    Ok(Json(Provisions { made }))
}
