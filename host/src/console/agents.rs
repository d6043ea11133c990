//! Agents of one's own: which there are, what they have used, what they were asked and how they came to their answers. They are asked here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::{Asked, Body};
use super::problem::Problem;
use crate::assistants::{self, Spent, Step, Told};
use crate::config::AgentConfig;
use crate::store::{AGENT, EventId, Fate, Role};
use crate::time::now;

/// Runs of one page at most.
const MOST: u32 = 100;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(runs)).routes(routes!(run)).routes(routes!(ask))
}

/// An agent.
#[derive(Serialize, ToSchema)]
pub struct Agent {
    /// As `[agents.<name>]` calls it.
    name: String,
    /// It is at work.
    enabled: bool,
    /// Its model, as its server calls it.
    model: String,
    /// Patterns of the tools that it may call.
    tools: Vec<String>,
    /// It proposes an answer to each question that waits for a person.
    reviews: bool,
    /// When it is started, as cron.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    /// What it has used today, by UTC.
    today: Today,
    /// What it proposed to people.
    hits: Hits,
}

/// What is used of a day.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentToday)]
pub struct Today {
    /// Calls to its model.
    calls: u64,
    /// Of so many.
    calls_a_day: u64,
    /// Tokens, read and written.
    tokens: u64,
    /// Of so many.
    tokens_a_day: u64,
    /// Money.
    money: f64,
    /// Of so much.
    #[serde(skip_serializing_if = "Option::is_none")]
    money_a_day: Option<f64>,
}

/// How often people answered as it had proposed.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentHits)]
pub struct Hits {
    /// Proposals.
    proposed: usize,
    /// That a person has answered.
    answered: usize,
    /// As it had proposed.
    as_proposed: usize,
}

/// All agents that somebody sees.
#[derive(Serialize, ToSchema)]
pub struct Agents {
    /// By name.
    agents: Vec<Agent>,
}

/// Whether somebody sees an agent: one that works with flows which they do not see would tell them of these.
fn sees(who: &Who, agent: &AgentConfig) -> bool {
    who.flows.is_none() || agent.flows.as_ref().is_some_and(|flows| flows.iter().all(|flow| who.sees(flow)))
}

fn one<'a>(console: &'a Console, who: &Who, name: &str) -> Result<&'a AgentConfig, Problem> {
    let found = console.engine.config().agents.own.get(name).filter(|agent| sees(who, agent));
    found.ok_or_else(|| Problem::no(format_args!("agent {name:?}")))
}

/// Agents, with what they have used today.
#[utoipa::path(get, path = "/agents", tag = "agents",
    responses((status = 200, body = Agents), (status = 401, body = Problem)))]
async fn list(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Agents>, Problem> {
    let mut agents = Vec::new();
    for (name, own) in console.engine.config().agents.own.iter().filter(|(_, own)| sees(&who, own)) {
        let spent = Spent::of(console.store.as_ref(), name, now()).await?;
        let [proposed, answered, as_proposed] = match own.reviews() {
            true => assistants::hit_counts(&assistants::hits(console.store.as_ref(), name).await?),
            false => [0; 3],
        };
        agents.push(Agent {
            name: name.clone(),
            enabled: own.enabled,
            model: own.model.clone(),
            tools: own.tools(),
            reviews: own.reviews(),
            schedule: own.schedule.clone(),
            today: Today {
                calls: spent.calls,
                calls_a_day: own.calls_a_day,
                tokens: spent.read + spent.written,
                tokens_a_day: own.tokens_a_day,
                money: spent.money(own),
                money_a_day: own.money_a_day,
            },
            hits: Hits { proposed, answered, as_proposed },
        });
    }
    Ok(Json(Agents { agents }))
}

/// What an agent was asked.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentRuns)]
pub struct Runs {
    /// The newest first.
    runs: Vec<Told>,
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// At most so many: 100.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

/// What an agent was asked, and what it answered.
#[utoipa::path(get, path = "/agents/{name}/runs", tag = "agents", params(("name" = String, Path), Filter),
    responses((status = 200, body = Runs), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn runs(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Asked(filter): Asked<Filter>,
) -> Result<Json<Runs>, Problem> {
    who.may(Role::Reviewer)?;
    one(&console, &who, &name)?;
    let limit = filter.limit.unwrap_or(20).clamp(1, MOST);
    Ok(Json(Runs { runs: assistants::runs(console.store.as_ref(), &[name.as_str()], limit).await? }))
}

/// One run, step by step.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentRunSteps)]
pub struct WithSteps {
    /// How it stands.
    #[serde(flatten)]
    told: Told,
    /// What its model said, which tools it called, and what came of it.
    steps: Vec<Step>,
}

/// One run, step by step.
#[utoipa::path(get, path = "/agents/{name}/runs/{id}", tag = "agents", params(("name" = String, Path), ("id" = i64, Path)),
    responses((status = 200, body = WithSteps), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn run(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((name, id)): Path<(String, i64)>,
) -> Result<Json<WithSteps>, Problem> {
    who.may(Role::Reviewer)?;
    one(&console, &who, &name)?;
    let store = console.store.as_ref();
    let event = store.event(EventId(id)).await?.filter(|event| event.flow.strip_prefix(AGENT) == Some(name.as_str()));
    let event = event.ok_or_else(|| Problem::no(format_args!("run {id} of {name:?}")))?;
    let told = assistants::told(store, &event).await?;
    Ok(Json(WithSteps { told, steps: assistants::steps_of(store, event.id).await? }))
}

/// A question.
#[derive(Deserialize, ToSchema)]
#[schema(as = AgentQuestion)]
pub struct Question {
    /// In one's own words.
    question: String,
}

/// Asks an agent; the answer is its run's, which is asked for until it is over. It works with its own rights: what it would write somebody else approves.
#[utoipa::path(post, path = "/agents/{name}/questions", tag = "agents", params(("name" = String, Path)), request_body = Question,
    responses((status = 200, body = Told), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn ask(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Body(asked): Body<Question>,
) -> Result<Json<Told>, Problem> {
    who.may(Role::Reviewer)?;
    let agent = one(&console, &who, &name)?;
    if let Some(why) = assistants::refuses(&name, agent, &asked.question) {
        return Err(Problem::field("question", why));
    }
    let store = console.store.as_ref();
    // Who made a token stands behind it: what they have asked for they do not approve.
    let by = who.owner.as_deref().unwrap_or(&who.name);
    let taken = assistants::ask(store, &name, &asked.question, by).await?;
    let id = taken.ok_or_else(|| Problem::conflict("The question was not taken in; ask it again."))?;
    store.act(who.act("agent.ask", format!("event {id}"), Fate::Done)).await?;
    let event = store.event(id).await?.ok_or_else(|| Problem::no(format_args!("event {id}")))?;
    Ok(Json(assistants::told(store, &event).await?))
}
