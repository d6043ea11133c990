//! Who may sign in, and what they may: for admins.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Who, checked_flows, checked_name, is_admin};
use crate::console::Console;
use crate::console::body::Body;
use crate::console::problem::Problem;
use crate::store::{Account, Fate, Role};
use crate::time::{iso, now};

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, remove))
}

/// Somebody who may sign in.
#[derive(Serialize, ToSchema)]
pub struct Person {
    /// By which they sign in.
    name: String,
    /// What they may do.
    role: Role,
    /// With which flows; null: with all.
    flows: Option<Vec<String>>,
    /// When it was made, ISO 8601.
    made_at: String,
    /// When they were last seen, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen: Option<String>,
    /// Where they sign in: `local`, with a password of this host, or `oidc`, at the company's provider.
    from: &'static str,
}

impl From<Account> for Person {
    fn from(account: Account) -> Self {
        let from = if account.outside.is_some() { "oidc" } else { "local" };
        Self {
            name: account.name,
            role: account.role,
            flows: account.flows,
            made_at: iso(account.made_at),
            last_seen: account.last_seen.map(iso),
            from,
        }
    }
}

/// Who may sign in.
#[derive(Serialize, ToSchema)]
pub struct People {
    /// By name.
    accounts: Vec<Person>,
}

/// What somebody may from now on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountWanted)]
pub struct Wanted {
    /// What they may do.
    role: Role,
    /// With which flows; null, which must be said: with all.
    #[serde(deserialize_with = "Option::deserialize")]
    flows: Option<Vec<String>>,
    /// A new password: needed for a new account.
    #[serde(default)]
    password: Option<String>,
}

/// Who may sign in.
#[utoipa::path(get, path = "/accounts", tag = "access",
    responses((status = 200, body = People), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn list(State(console): State<Arc<Console>>, who: Who) -> Result<Json<People>, Problem> {
    who.may_all(Role::Admin)?;
    let accounts = console.access.store.accounts().await?;
    Ok(Json(People { accounts: accounts.into_iter().map(Person::from).collect() }))
}

/// Makes an account, or changes it: its sessions end.
#[utoipa::path(put, path = "/accounts/{name}", tag = "access", params(("name" = String, Path)), request_body = Wanted,
    responses((status = 200, body = Person), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn put(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Person>, Problem> {
    by_a_person(&who)?;
    let (access, store) = (&console.access, &console.access.store);
    checked_name(&name)?;
    checked_flows(&wanted.flows, console.engine.config())?;
    let before = store.account(&name).await?;
    if before.as_ref().is_some_and(|before| before.outside.is_some()) {
        let problem = Problem::conflict(format!(
            "{name} signs in at the company's provider: their groups there say what they may."
        ));
        return Err(problem.mended("Change their groups there; it holds from their next sign-in. To end their sessions and tokens now, remove the account."));
    }
    if before.as_ref().is_some_and(|before| is_admin(before.role, &before.flows))
        && !is_admin(wanted.role, &wanted.flows)
    {
        another_admin(&console, &name).await?;
    }
    let password = match (&wanted.password, before.as_ref().and_then(|before| before.password.clone())) {
        (Some(password), _) => Some(access.passwords.hash(&name, password).await?),
        (None, Some(kept)) => Some(kept),
        (None, None) => return Err(Problem::field("password", "A new account needs a password.")),
    };
    let made = before.is_none();
    let account = Account {
        name: name.clone(),
        role: wanted.role,
        flows: wanted.flows,
        password,
        outside: None,
        made_at: before.as_ref().map_or_else(now, |before| before.made_at),
        last_seen: before.and_then(|before| before.last_seen),
    };
    let own = who.session.as_ref().filter(|session| session.account == name).map(|session| session.id.clone());
    if !store.account_put(account.clone(), own).await? {
        return Err(Problem::conflict(format!(
            "Somebody who signs in at the company's provider has the name {name} since."
        )));
    }
    let may = account.flows.as_ref().map_or_else(|| "all flows".to_owned(), |flows| flows.join(", "));
    let mut act = who.act(if made { "account.make" } else { "account.change" }, format!("account {name}"), Fate::Done);
    act.why =
        Some(format!("{} for {may}{}", account.role, if wanted.password.is_some() { ", a new password" } else { "" }));
    store.act(act).await?;
    Ok(Json(account.into()))
}

/// Removes an account; its sessions end, its tokens are taken back.
#[utoipa::path(delete, path = "/accounts/{name}", tag = "access", params(("name" = String, Path)),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
async fn remove(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    by_a_person(&who)?;
    let store = &console.access.store;
    let account = store.account(&name).await?.ok_or_else(|| Problem::no(format_args!("account {name:?}")))?;
    if is_admin(account.role, &account.flows) {
        another_admin(&console, &name).await?;
    }
    store.account_remove(&name).await?;
    store.act(who.act("account.remove", format!("account {name}"), Fate::Done)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who may sign in is said by who has signed in: else a token would make more of itself.
fn by_a_person(who: &Who) -> Result<(), Problem> {
    who.may_all(Role::Admin)?;
    match &who.session {
        Some(_) => Ok(()),
        None => Err(Problem::refused("A token changes no accounts.").mended("Sign in with an account.")),
    }
}

/// An error where nobody else could give rights any more.
async fn another_admin(console: &Console, name: &str) -> Result<(), Problem> {
    let all = console.access.store.accounts().await?;
    // Who was let in by a way that is closed now gives none.
    let gives = |own: &Account| is_admin(own.role, &own.flows) && console.access.stands(own);
    if all.iter().any(|account| account.name != name && gives(account)) {
        return Ok(());
    }
    let problem = Problem::conflict(format!("{name} is the only admin of all flows who can sign in."));
    Err(problem.mended("Make another one first."))
}
