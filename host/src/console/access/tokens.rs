//! Tokens, by which scripts use the API: for admins.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Who, checked_flows, checked_name, secret};
use crate::console::Console;
use crate::console::body::{Body, time};
use crate::console::problem::Problem;
use crate::sandbox::digest_of;
use crate::store::{Fate, Millis, Purpose, Role, Token};
use crate::time::{iso, now};

/// A token holds so long at most.
const LONGEST: Millis = 366 * 24 * 3_600_000;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(remove))
}

/// What a script signs in with.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenListed)]
pub struct Listed {
    /// By which it is taken back.
    id: String,
    /// What people call it.
    name: String,
    /// What it opens.
    purpose: Purpose,
    /// What it may do.
    role: Role,
    /// With which flows; null: with all.
    flows: Option<Vec<String>>,
    /// Who made it.
    by: String,
    /// When, ISO 8601.
    made_at: String,
    /// Until when it holds.
    expires_at: String,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

impl From<Token> for Listed {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            purpose: token.purpose,
            role: token.role,
            flows: token.flows,
            by: token.by,
            made_at: iso(token.made_at),
            expires_at: iso(token.expires_at),
            last_used: token.last_used.map(iso),
        }
    }
}

/// All tokens.
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// Newest first.
    tokens: Vec<Listed>,
}

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenWanted)]
pub struct Wanted {
    /// What people call it.
    name: String,
    /// What it opens; without it the API.
    #[serde(default)]
    purpose: Purpose,
    /// What it may do.
    role: Role,
    /// With which flows; null, which must be said: with all.
    #[serde(deserialize_with = "Option::deserialize")]
    flows: Option<Vec<String>>,
    /// Until when it holds, ISO 8601: a year at most.
    expires_at: String,
}

/// A new token.
#[derive(Serialize, ToSchema)]
pub struct Made {
    /// As it is listed.
    token: Listed,
    /// What the script sends as `Authorization: Bearer …`: shown once, and kept nowhere.
    secret: String,
}

/// All tokens.
#[utoipa::path(get, path = "/tokens", tag = "access",
    responses((status = 200, body = Tokens), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Tokens>, Problem> {
    who.may_all(Role::Admin)?;
    let tokens = console.access.store.tokens().await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(Listed::from).collect() }))
}

/// Makes a token.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = Wanted,
    responses((status = 200, body = Made), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn make(
    State(console): State<Arc<Console>>,
    who: Who,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Made>, Problem> {
    who.may_all(Role::Admin)?;
    let Some(session) = &who.session else {
        return Err(Problem::refused("A token makes no tokens.").mended("Sign in with an account."));
    };
    checked_name(&wanted.name)?;
    checked_flows(&wanted.flows, console.engine.config())?;
    // By its name rules, calls and the audit trail know who calls: two of one name would be one caller.
    if console.access.store.tokens().await?.iter().any(|own| own.name == wanted.name) {
        return Err(Problem::field("name", "There is a token of that name.")
            .mended("Take another name, or remove that token first."));
    }
    let now = now();
    let expires_at = time("expires_at", &wanted.expires_at)?;
    if !(now..=now + LONGEST).contains(&expires_at) {
        return Err(Problem::field("expires_at", "A token holds until some time within a year."));
    }
    // Told apart from other secrets by who looks for them in files.
    let secret = format!("tandem_{}", secret()?);
    let digest = digest_of(secret.as_bytes());
    let token = Token {
        id: digest[..16].to_owned(),
        name: wanted.name,
        purpose: wanted.purpose,
        digest,
        role: wanted.role,
        flows: wanted.flows,
        by: session.account.clone(),
        made_at: now,
        expires_at,
        last_used: None,
    };
    let store = &console.access.store;
    store.token_put(token.clone()).await?;
    let mut act = who.act("token.make", format!("token {}", token.name), Fate::Done);
    act.why = Some(format!("{}, for {}, until {}", token.role, token.purpose.word(), iso(expires_at)));
    store.act(act).await?;
    Ok(Json(Made { token: token.into(), secret }))
}

/// Takes a token back.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "access", params(("id" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn remove(State(console): State<Arc<Console>>, who: Who, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    who.may_all(Role::Admin)?;
    if !console.access.store.token_remove(&id).await? {
        return Err(Problem::no(format_args!("token {id:?}")));
    }
    console.access.store.act(who.act("token.remove", format!("token {id}"), Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}
