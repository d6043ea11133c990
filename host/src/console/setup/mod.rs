//! The set-up assistant: connections, plugins and flows as `tandem.toml` has them, and whether the running host has taken them up.

mod connection;
mod flow;
mod look;
mod plugin;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::connection::ConnectionRow;
use self::flow::FlowRow;
use self::plugin::PluginRow;
use super::Console;
use super::access::Who;
use super::problem::Problem;
use crate::config::Config;
use crate::config::section::fault;
use crate::store::Role;

/// What `tandem.toml` goes by among what the host refuses.
const FILE: &str = "tandem.toml";

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(setup))
        .merge(look::routes())
        .merge(connection::routes())
        .merge(plugin::routes())
        .merge(flow::routes())
}

/// All that is set up.
#[derive(Serialize, ToSchema)]
pub struct Setup {
    /// Where it stands.
    file: String,
    /// Why the host does not take up what the file says now.
    refused: Option<String>,
    /// This machine's time zone, as in the IANA database.
    time_zone: String,
    /// By name.
    connections: Vec<ConnectionRow>,
    /// In the plugins folder.
    plugins: Vec<PluginRow>,
    /// By name.
    flows: Vec<FlowRow>,
}

/// What is set up.
#[utoipa::path(get, path = "/setup", tag = "set-up", responses((status = 200, body = Setup), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn setup(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Setup>, Problem> {
    who.may_all(Role::Admin)?;
    let runs = console.engine.config();
    let (says, unread) = match Config::load(&runs.file) {
        Ok(says) => (says, None),
        Err(error) => ((**runs).clone(), Some(error.to_string())),
    };
    let mut flows = Vec::new();
    for name in says.flows.keys() {
        flows.extend(flow::row(&console, &says, name).await?);
    }
    Ok(Json(Setup {
        file: runs.file.display().to_string(),
        refused: unread.or_else(|| console.engine.refused().remove(FILE)),
        time_zone: iana_time_zone::get_timezone().unwrap_or_else(|_| "UTC".into()),
        connections: connection::rows(&says, runs),
        plugins: plugin::rows(&console).await,
        flows,
    }))
}

/// What the file says now, where it can be used.
fn says(console: &Console) -> Result<Config, Problem> {
    Config::load(&console.engine.config().file).map_err(|error| Problem::conflict(error.to_string()))
}

/// What is wrong with a section, as the field of a form that is at fault.
fn problem(kind: &str, name: &str, why: &str) -> Problem {
    match fault(kind, name, why) {
        None => Problem::conflict(why),
        Some((key, why)) if key.is_empty() => Problem::field("name", why),
        Some((key, why)) => Problem::field(&key, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_section_is_told_of_its_field() {
        let told = problem("b1", "erp", "/x/tandem.toml: line 3: [b1.erp] user is empty");
        assert_eq!((told.field.as_deref(), told.error.as_str()), (Some("user"), "user is empty"));
        let told = problem("b1", "erp", "/x/tandem.toml: line 9: [flows.orders] plugin is empty");
        assert_eq!(told.field, None);
    }
}
