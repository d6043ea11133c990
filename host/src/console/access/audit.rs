//! The audit trail: who did what, by which way, and what became of it. For admins.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Who;
use crate::console::Console;
use crate::console::body::Asked;
use crate::console::problem::Problem;
use crate::store::trail::{Break, verify};
use crate::store::{Act, ActFilter, Fate, Role, Via};
use crate::time::iso;

/// Lines of one page at most, and of a file.
const MOST: u32 = 500;
const MOST_IN_A_FILE: u32 = 100_000;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(file)).routes(routes!(chain))
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Letters of the act, its target or the reason.
    q: Option<String>,
    /// Only theirs.
    who: Option<String>,
    /// Only older ones than this line.
    before: Option<i64>,
    /// At most so many.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

/// One line.
#[derive(Serialize, ToSchema)]
pub struct Line {
    /// Its place in time.
    id: i64,
    /// When, ISO 8601.
    at: String,
    /// Who.
    who: String,
    /// By which way.
    via: Via,
    /// What was done.
    act: String,
    /// To what.
    what: String,
    /// Why, in their words.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Where from: an IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What became of it.
    outcome: Fate,
    /// With which program, as it calls itself or as the company's provider knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

impl From<Act> for Line {
    fn from(act: Act) -> Self {
        let Act { id, at, who, via, act, what, why, address, outcome, client } = act;
        Self { id, at: iso(at), who, via, act, what, why, address, outcome, client }
    }
}

/// A page of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditLines)]
pub struct Lines {
    /// Newest first.
    acts: Vec<Line>,
    /// There are older ones.
    more: bool,
}

/// The audit trail.
#[utoipa::path(get, path = "/audit", tag = "access", params(Filter),
    responses((status = 200, body = Lines), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Lines>, Problem> {
    who.may_all(Role::Admin)?;
    let limit = filter.limit.unwrap_or(100).clamp(1, MOST);
    let filter = ActFilter { who: filter.who, q: filter.q, before: filter.before, limit: limit + 1 };
    let mut acts = console.access.store.acts(filter).await?;
    let more = acts.len() > limit as usize;
    acts.truncate(limit as usize);
    Ok(Json(Lines { acts: acts.into_iter().map(Line::from).collect(), more }))
}

/// The audit trail as a file for a spreadsheet.
#[utoipa::path(get, path = "/audit.csv", tag = "access", params(Filter),
    responses((status = 200, content_type = "text/csv", body = String), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn file(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(filter): Asked<Filter>,
) -> Result<Response, Problem> {
    who.may_all(Role::Admin)?;
    let limit = filter.limit.unwrap_or(MOST_IN_A_FILE).clamp(1, MOST_IN_A_FILE);
    let filter = ActFilter { who: filter.who, q: filter.q, before: filter.before, limit };
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["at", "who", "via", "act", "what", "why", "address", "outcome", "client"])
        .map_err(Problem::failed)?;
    for act in console.access.store.acts(filter).await? {
        let [why, address, client] = [act.why, act.address, act.client].map(Option::unwrap_or_default);
        let at = iso(act.at);
        let line = [&at, &act.who, act.via.word(), &act.act, &act.what, &why, &address, act.outcome.word(), &client];
        csv.write_record(line.map(as_text)).map_err(Problem::failed)?;
    }
    let text = csv.into_inner().map_err(Problem::failed)?;
    let name = "attachment; filename=\"tandem-audit.csv\"";
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, name)], text).into_response())
}

/// Whether the audit trail is as it was written: each line is bound by a hash to all before it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditChain)]
pub struct Chain {
    /// No line was changed, and none is missing, as far as the trail itself shows that.
    holds: bool,
    /// How many lines there are.
    lines: u64,
    /// The newest line.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_line: Option<i64>,
    /// Its hash: who keeps it elsewhere sees later whether the end was cut off (`tandem audit verify --head`).
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// Where the chain breaks.
    breaks: Vec<Break>,
    /// How many more of these there are.
    breaks_more: u64,
}

/// Goes through the whole audit trail, and says whether its chain holds.
#[utoipa::path(get, path = "/audit/chain", tag = "access",
    responses((status = 200, body = Chain), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn chain(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Chain>, Problem> {
    who.may_all(Role::Admin)?;
    let verdict = verify(console.access.store.as_ref(), Vec::new()).await?;
    let holds = verdict.holds();
    let (last_line, head) = verdict.head.map(|head| (head.line, head.head)).unzip();
    let (breaks, breaks_more) = (verdict.breaks, verdict.breaks_more);
    Ok(Json(Chain { holds, lines: verdict.lines, last_line, head, breaks, breaks_more }))
}

/// A spreadsheet takes for a formula what begins like one.
fn as_text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::as_text;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(1)", "\t=1"] {
            assert_eq!(as_text(cell), format!("'{cell}"));
        }
        assert_eq!(as_text("review.answer"), "review.answer");
    }
}
