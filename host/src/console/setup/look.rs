//! A connection tried before it is kept: first the certificate, and only to a server that is trusted the secret.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connection::Wanted;
use super::says;
use crate::checks::{self, Finding};
use crate::config::{Config, ProxyConfig, TlsConfig};
use crate::connections::certificate::{Shown, shown};
use crate::connections::proxy::Proxies;
use crate::connections::{self, Connection};
use crate::console::Console;
use crate::console::access::Who;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::ending::guarded;
use crate::store::{Fate, Role};
use crate::time::iso;

/// Seconds that an answer of the system may take; a person waits.
const PATIENCE: u64 = 10;
/// What helps where a server's certificate is not trusted, and a person sees it.
const COMPARE: &str =
    "compare its fingerprint with that on the server itself, and trust it; or give the file of your own authority";
/// Until it is told what was found so far.
const WHOLE: Duration = Duration::from_secs(15);

/// This part of the page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(look))
}

/// What is tried.
#[derive(Deserialize, ToSchema)]
#[schema(as = LookWanted)]
pub struct Tried {
    /// The connection's name.
    name: String,
    #[serde(flatten)]
    wanted: Wanted,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub struct Look {
    /// One line for each thing.
    findings: Vec<FindingRow>,
    /// What the server shows, where it is not trusted yet or is trusted by its fingerprint.
    certificate: Option<CertificateRow>,
}

/// A line.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupFinding)]
pub struct FindingRow {
    /// What was looked at.
    what: String,
    /// `good`, `soon`, `wrong`.
    state: &'static str,
    /// What was found.
    says: String,
    /// What to do about it.
    mend: String,
}

impl From<Finding> for FindingRow {
    fn from(own: Finding) -> Self {
        let state = match (own.good, own.mend.is_empty()) {
            (true, true) => "good",
            (true, false) => "soon",
            (false, _) => "wrong",
        };
        Self { what: own.what, state, says: own.says, mend: own.mend }
    }
}

/// A server's certificate.
#[derive(Serialize, ToSchema)]
#[schema(as = SetupCertificate)]
pub struct CertificateRow {
    /// Its fingerprint, hex.
    sha256: String,
    /// Whose it says it is.
    subject: String,
    /// Who signed it.
    issuer: String,
    /// For which names it is.
    names: Vec<String>,
    /// ISO 8601.
    from: String,
    /// ISO 8601.
    until: String,
    /// It is signed by nobody else.
    self_signed: bool,
    /// It is trusted as the settings say.
    trusted: bool,
}

impl From<&Shown> for CertificateRow {
    fn from(own: &Shown) -> Self {
        Self {
            sha256: own.sha256.clone(),
            subject: own.subject.clone(),
            issuer: own.issuer.clone(),
            names: own.names.clone(),
            from: iso(own.from.saturating_mul(1_000)),
            until: iso(own.until.saturating_mul(1_000)),
            self_signed: own.is_self_signed(),
            trusted: own.distrust.is_none(),
        }
    }
}

/// Tries a connection as it is to be: it signs in once, and writes nothing.
#[utoipa::path(post, path = "/setup/look", tag = "set-up", request_body = Tried,
    responses((status = 200, body = Look), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn look(State(console): State<Arc<Console>>, who: Who, Body(tried): Body<Tried>) -> Result<Json<Look>, Problem> {
    who.may_all(Role::Admin)?;
    let before = says(&console)?;
    let text = std::fs::read_to_string(&before.file).map_err(Problem::failed)?;
    let mut config = tried.wanted.tried(&tried.name, &before, &text)?;
    config.b1.values_mut().for_each(|own| own.timeout_seconds = PATIENCE.min(own.timeout_seconds));
    config.salesforce.values_mut().for_each(|own| own.timeout_seconds = PATIENCE.min(own.timeout_seconds));
    console.store.act(who.act("setup.look", &tried.name, Fate::Done)).await?;
    Ok(Json(of(&tried.name, &config).await))
}

async fn of(name: &str, config: &Config) -> Look {
    let mut findings = Vec::new();
    let certificate = match certificate(name, config, &mut findings).await {
        Ok(certificate) => certificate,
        Err(certificate) => return told(findings, certificate),
    };
    match connections::one(name, config) {
        Ok(connection) => {
            let looked = checks::look(name, &connection, config, &mut findings);
            if tokio::time::timeout(WHOLE, looked).await.is_err() {
                let says = format!("not all was looked at within {} s", WHOLE.as_secs());
                findings.push(Finding::bad(format!("connection {name}"), says, "`tandem check` takes its time"));
                // It gives its session back, though nobody waits for that.
                tokio::spawn(guarded("log-out", async move {
                    if let Connection::B1(b1) = &connection {
                        b1.log_out().await;
                    }
                }));
            }
        }
        Err(error) => findings.push(Finding::bad(format!("connection {name}"), error, "")),
    }
    told(findings, certificate)
}

fn told(findings: Vec<Finding>, certificate: Option<CertificateRow>) -> Look {
    Look { findings: findings.into_iter().map(FindingRow::from).collect(), certificate }
}

/// What the server shows, where a person should see it. An error where it must not be sent a secret.
async fn certificate(
    name: &str,
    config: &Config,
    findings: &mut Vec<Finding>,
) -> Result<Option<CertificateRow>, Option<CertificateRow>> {
    let own = |url: &str, tls: &TlsConfig| url.parse::<Url>().ok().map(|url| (url, tls.clone()));
    let (server, proxy): (_, Option<&ProxyConfig>) = match (config.b1.get(name), config.salesforce.get(name)) {
        (Some(b1), _) => (own(&b1.url, &b1.tls), b1.proxy.as_ref()),
        (None, Some(org)) => (own(&org.login_url, &org.tls), org.proxy.as_ref()),
        (None, None) => (None, None),
    };
    let Some((url, tls)) = server.filter(|(url, _)| url.scheme() == "https") else { return Ok(None) };
    // Behind a proxy the sign-in tells of it.
    let by_environment = config.salesforce.contains_key(name) && Proxies::from_environment().hop(&url).is_some();
    if proxy.is_some() || by_environment {
        return Ok(None);
    }
    let what = format!("connection {name}: the server");
    match shown(&url, &tls, &config.base).await {
        Err(why) => {
            findings.push(Finding::bad(what, why, checks::UNREACHED));
            Err(None)
        }
        Ok(own) => match &own.distrust {
            Some(why) => {
                findings.push(Finding::bad(what, format!("its certificate is not trusted: {why}"), COMPARE));
                Err(Some((&own).into()))
            }
            None => {
                findings.push(Finding::good(what, "answers, and its certificate is trusted"));
                Ok(tls.pin_sha256.is_some().then(|| (&own).into()))
            }
        },
    }
}
