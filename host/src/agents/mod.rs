//! What people's assistants and programs may do: the tools that the flows' plugins offer, each held to who calls and to what the operator allows. Whatever
//! asks (MCP, the command line), a call passes here.

mod hidden;
mod own;
mod rates;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use self::own::Question;
pub use self::own::{Own, PREFIX};
pub use self::rates::{Calls, Rates, TooOften};
use crate::config::Config;
use crate::connections::Connections;
use crate::engine::Flow;
use crate::engine::calls::rows::{self, About, Rows};
use crate::engine::calls::{self, Answered, CallError, Judged, Policy, Ruling, Stands, Wanted};
use crate::plain::one_line;
use crate::releases::Releases;
use crate::sandbox::{CalledBy, Deed, Tool, digest_of, like};
use crate::store::{Act, Event, EventId, Fate, Inbox, Millis, Role, Via};
use crate::time::now;

/// Who is shown the texts of customers' records.
const LEAST: Role = Role::Reviewer;
/// Calls that are under way at once: flows have the rest of the places that runs have, and of what both systems bear.
const AT_ONCE: usize = 4;
/// So long a call waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// Letters of what the host is asked itself that the audit trail keeps.
const MOST_ASKED: usize = 200;
/// Letters of what a program calls itself.
const MOST_CLIENT: usize = 100;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As the audit trail calls them.
    pub who: String,
    /// What they may do.
    pub role: Role,
    /// With which flows; none: with all.
    pub flows: Option<BTreeSet<String>>,
    /// By which way.
    pub via: Via,
    /// The program that calls for them, as the company's provider knows it, where it does.
    pub program: Option<String>,
    /// Who made the token that they come with.
    pub owner: Option<String>,
    /// Where from, where that is known.
    pub address: Option<String>,
    /// Patterns of the tools that they keep to, where the rules allow these, too; none: all that the rules allow.
    pub tools: Option<Vec<String>>,
}

impl Caller {
    fn sees(&self, flow: &str) -> bool {
        self.flows.as_ref().is_none_or(|flows| flows.contains(flow))
    }

    fn keeps_to(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.iter().any(|own| like(own, tool)))
    }
}

/// A tool, as it is offered to somebody.
#[derive(Clone, Debug, Serialize)]
pub struct Offered {
    /// `<flow>_<tool>`: neither has an underscore.
    pub name: String,
    /// The flow.
    pub flow: String,
    /// Without the fields that are hidden from who asks.
    #[serde(flatten)]
    pub tool: Tool,
}

impl Offered {
    /// Whether what it answers may hold a field of that name, at whatever depth.
    pub fn gives(&self, field: &str) -> bool {
        rows::has_field(&self.tool.output, field)
    }

    /// Whether what it takes or answers may hold a field of that name.
    pub fn tells(&self, field: &str) -> bool {
        rows::has_field(&self.tool.input, field) || self.gives(field)
    }

    /// Why it is not for who sees only some records; none where it is. See `rows` of a rule.
    pub fn misses(&self, rows: &Rows) -> Option<String> {
        misses(&self.name, &self.tool, rows)
    }
}

/// How a call stands that did more than read.
#[derive(Clone, Debug)]
pub struct Made {
    /// How.
    pub stands: Stands,
    /// What is told of it.
    pub told: Value,
    /// When it was made.
    pub at: Millis,
}

/// Why a call was not made, or gave nothing. The text is for who calls, be it a model.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A role that does not see customers' records.
    #[error("{who} has the role {role}, from which customers' data is hidden; tools are called by a {LEAST} or more")]
    Role {
        /// Who.
        who: String,
        /// Theirs.
        role: Role,
    },
    /// Nothing of that name is offered to them.
    #[error("there is no tool {0:?}")]
    Unknown(String),
    /// The operator does not allow it.
    #[error("{tool} is not allowed to {who}: {by}")]
    Policy {
        /// Who.
        who: String,
        /// The tool.
        tool: String,
        /// What says so.
        by: String,
    },
    /// Its flow is not up.
    #[error(
        "the flow {0} does not run now: the host was just started or set up anew, or the flow is held; ask again in a moment"
    )]
    NotUp(String),
    /// Those before it take too long.
    #[error("too many calls are under way, and it did not begin; ask again in a while, and fewer at once")]
    Busy,
    /// Too many calls.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// The call itself.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The flows that run now.
pub type Flows = Box<dyn Fn() -> Vec<Arc<Flow>> + Send + Sync>;

/// See the module's words.
pub struct Gateway {
    config: Arc<Config>,
    connections: Arc<Connections>,
    flows: Flows,
    releases: Arc<Releases>,
    inbox: Arc<Inbox>,
    policy: Policy,
    rates: Rates,
    turns: Arc<Semaphore>,
}

impl Gateway {
    /// Over flows as they are when somebody calls.
    pub fn new(
        config: Arc<Config>,
        connections: Arc<Connections>,
        flows: Flows,
        releases: Arc<Releases>,
        inbox: Arc<Inbox>,
        calls: Arc<Calls>,
    ) -> Self {
        let own = &config.agents;
        let (policy, rates) = (Policy::of(own), Rates::new(own.calls_a_minute, own.calls_a_day, calls));
        Self { config, connections, flows, releases, inbox, policy, rates, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The flows that somebody sees.
    fn flows_of(&self, caller: &Caller) -> Vec<Arc<Flow>> {
        let mut flows = (self.flows)();
        flows.retain(|flow| caller.sees(&flow.name));
        flows
    }

    /// A tool of the flows that somebody sees, whether they may call it or not.
    pub fn known(&self, caller: &Caller, name: &str) -> Option<Offered> {
        all_tools(self.flows_of(caller).iter().map(Arc::as_ref)).into_iter().find(|own| own.name == name)
    }

    /// Each flow that somebody sees runs: what is offered to them now is all.
    pub fn is_whole(&self, caller: &Caller) -> bool {
        let up = self.flows_of(caller);
        self.config.flows.keys().filter(|name| caller.sees(name)).all(|name| up.iter().any(|flow| flow.name == **name))
    }

    /// What is offered to somebody: what they may call.
    pub fn offered(&self, caller: &Caller) -> Vec<Offered> {
        if caller.role < LEAST {
            return Vec::new();
        }
        let flows = self.flows_of(caller);
        let mut offered = all_tools(flows.iter().map(Arc::as_ref));
        offered.retain(|own| caller.keeps_to(&own.name));
        offered.retain_mut(|own| {
            let call = Judged { who: &caller.who, tool: &own.name, deed: own.tool.deed };
            hidden::hide_in_schema(&mut own.tool.output, &self.policy.hides(call));
            let is_allowed =
                is_how_a_call_stands(&own.name) || self.policy.rulings(call).iter().any(Ruling::is_allowed);
            is_allowed && own.misses(&self.policy.rows(call)).is_none()
        });
        // Who may call nothing that takes its time asks how nothing stands.
        if offered.iter().all(|own| own.tool.deed == Deed::Reads) {
            offered.retain(|own| !is_how_a_call_stands(&own.name));
        }
        offered
    }

    /// Makes a call; its event tells it. `client` is what the program calls itself; `once`: by which it knows the call, so that one which it makes again
    /// is the same one.
    pub async fn call(
        &self,
        caller: &Caller,
        client: &str,
        name: &str,
        input: Value,
        once: Option<String>,
    ) -> Result<Answered, Refused> {
        // Counted whatever comes of it: who is refused over and over is no less of a burden, and what is too often is not noted line by line.
        self.rates.call(&caller.who, now())?;
        let said = caller.program.iter().map(String::as_str).chain(Some(client)).filter(|said| !said.is_empty());
        let client: String = one_line(&said.collect::<Vec<_>>().join(", ")).chars().take(MOST_CLIENT).collect();
        let (tool, Veil { hides, rows, about }) = match self.may(caller, name, &input) {
            Ok(found) => found,
            Err(refused) => {
                self.note(caller, &client, name, &refused.to_string(), Fate::Refused).await;
                return Err(refused);
            }
        };
        match tool {
            Called::Own(Own::Answer, tool) => self.answer(caller, &client, (&tool, input), once, &hides).await,
            Called::Own(own, tool) => self.own(caller, &client, (own, &tool), input, &hides).await,
            Called::Theirs(flow, tool) => {
                let turns = self.turn(caller).await?;
                let (by, via) = (called_by(caller, &client), caller.via);
                let (releases, inbox) = (self.releases.clone(), self.inbox.clone());
                let asked = digest_of(input.to_string().as_bytes());
                // What was begun is kept, also where nobody waits for it any more.
                let call = tokio::spawn(async move {
                    let mut turns = Some(turns);
                    let wanted = Wanted { tool: &tool, input, by, via, once };
                    if flow.release.plugin.tool(&tool).is_some_and(|tool| tool.deed != Deed::Reads) {
                        // It has its turn in the flow's queue.
                        turns.take();
                        return queued(&inbox, &flow, wanted).await;
                    }
                    let _turns = turns;
                    calls::read(releases.runtime(), inbox.store().as_ref(), &flow, wanted).await
                });
                let ended = call.await.map_err(|_| CallError::Refused("the host failed over it".into()))?;
                let mut answered = match ended {
                    // Its words may name what is not theirs, and whether there is such a thing.
                    Err(CallError::Refused(_)) if about == About::Unsaid => {
                        return Err(CallError::Refused(rows::NOTHING.into()).into());
                    }
                    ended => ended?,
                };
                self.note_call(caller, &client, name, &asked, &answered).await;
                match answered.stands {
                    None if !rows::keep(&mut answered.result, &rows, about) => {
                        return Err(CallError::Refused(rows::NOTHING.into()).into());
                    }
                    None => {}
                    Some(_) => keep_result(&mut answered.result, &rows),
                }
                hide(&mut answered.result, &hides);
                Ok(answered)
            }
        }
    }

    /// How a call stands that somebody made; none where it is no call of theirs, or of a flow that they do not see any more.
    pub async fn call_of(&self, caller: &Caller, call: EventId) -> Result<Option<Made>, Refused> {
        let told = calls::told_of(self.inbox.store().as_ref(), call, &caller.who).await?;
        let Some(mut own) = told.filter(|own| caller.role >= LEAST && caller.sees(&own.flow)) else { return Ok(None) };
        let call = Judged { who: &caller.who, tool: &own.tool, deed: Deed::Writes };
        keep_result(&mut own.told, &self.policy.rows(call));
        hide(&mut own.told, &self.policy.hides(call));
        Ok(Some(Made { stands: own.stands, told: own.told, at: own.at }))
    }

    /// Takes a call back that waits to be approved; of one that is further nothing changes. False where it is no call of theirs.
    pub async fn withdraw(&self, caller: &Caller, call: EventId) -> Result<bool, Refused> {
        let Some(mut own) = calls::told_of(self.inbox.store().as_ref(), call, &caller.who).await? else {
            return Ok(false);
        };
        let mut call = call;
        // Of one that a person changed that is meant which it has become.
        while let Some(other) = own.told["instead"].as_i64().map(EventId) {
            match calls::told_of(self.inbox.store().as_ref(), other, &caller.who).await? {
                Some(next) => (call, own) = (other, next),
                None => break,
            }
        }
        if own.stands == Stands::Waits && calls::refuse(self.inbox.store().as_ref(), call).await? {
            self.inbox.ring(std::slice::from_ref(&own.flow));
            self.note(caller, "", &own.tool, &format!("call {call} is taken back"), Fate::Done).await;
        }
        Ok(true)
    }

    /// Has a question of a flow answered.
    async fn answer(
        &self,
        caller: &Caller,
        client: &str,
        (tool, input): (&Tool, Value),
        once: Option<String>,
        hides: &BTreeSet<String>,
    ) -> Result<Answered, Refused> {
        let problems = tool.problems_of(&input);
        if !problems.is_empty() {
            return Err(CallError::Unfit(problems).into());
        }
        let store = self.inbox.store();
        // Of what they do not see nothing is told, not even that it is there.
        let id = EventId(input["event"].as_i64().unwrap_or_default());
        let known = store.event(id).await.map_err(CallError::Store)?;
        if !known.is_some_and(|event| caller.sees(&event.flow)) {
            return Err(CallError::Refused(format!("there is no event {id}")).into());
        }
        let meant = calls::answer::meant(store, &input).await.map_err(CallError::Store)?;
        let (question, _) = meant.map_err(CallError::Refused)?;
        let (by, via) = (called_by(caller, client), caller.via);
        let (began, asked) = (Instant::now(), digest_of(input.to_string().as_bytes()));
        let wanted = Wanted { tool: Own::Answer.name(), input, by, via, once };
        let call = calls::ask_to_answer(&self.inbox, &question, wanted).await?;
        let mut answered = stands_of(&self.inbox, call, began).await?;
        self.note_call(caller, client, calls::answer::NAME, &asked, &answered).await;
        hide(&mut answered.result, hides);
        Ok(answered)
    }

    /// A question that waits for a person, with the records on both sides, as somebody may see it who may ask for such questions.
    pub fn question(&self, caller: &Caller, event: &Event) -> Result<Value, Refused> {
        let (_, Veil { hides, .. }) = self.may(caller, &format!("{PREFIX}_{}", Own::Reviews.name()), &Value::Null)?;
        if !caller.sees(&event.flow) {
            return Err(Refused::Unknown(format!("event {}", event.id)));
        }
        let mut told = own::told(event, &hides);
        // Both records have the names of their systems, not those of a tool: from whom something is hidden, all of them is.
        if hides.is_empty() {
            told["detail"] = serde_json::from_str(&event.detail).unwrap_or_default();
        }
        hidden::hide(&mut told, &hides);
        Ok(told)
    }

    /// A place among the calls that ask both systems, of who calls first, then of all: one who has many under way holds up nobody else.
    async fn turn(&self, caller: &Caller) -> Result<impl Send + 'static, Refused> {
        let turns = async { (self.rates.turn(&caller.who).await, self.turns.clone().acquire_owned().await) };
        tokio::time::timeout(TURN, turns).await.map_err(|_| Refused::Busy)
    }

    /// What the host is asked itself. It has no event: that it was asked stands in the audit trail.
    async fn own(
        &self,
        caller: &Caller,
        client: &str,
        (own, tool): (Own, &Tool),
        input: Value,
        hides: &BTreeSet<String>,
    ) -> Result<Answered, Refused> {
        let began = Instant::now();
        let problems = tool.problems_of(&input);
        if !problems.is_empty() {
            return Err(CallError::Unfit(problems).into());
        }
        let asked: String = input.to_string().chars().take(MOST_ASKED).collect();
        let flows = self.flows_of(caller);
        let (config, connections, releases) = (&self.config, &self.connections, &self.releases);
        let _turn = if own == Own::Reconcile { Some(self.turn(caller).await?) } else { None };
        let name = format!("{PREFIX}_{}", tool.name);
        if own == Own::Reconcile {
            // That both systems are read is noted also where nobody waits for the end of it.
            self.note(caller, client, &name, &asked, Fate::Done).await;
        }
        let answered = match own {
            // Of calls of others nothing is told, not even that they are there.
            Own::Call => {
                let call = input["call"].as_i64().unwrap_or_default();
                let made = self.call_of(caller, EventId(call)).await?;
                made.map(|made| made.told).ok_or_else(|| format!("you made no call {call}"))
            }
            _ => {
                let store = self.inbox.store();
                let question = Question { config, connections, releases, store, flows, caller, hides };
                question.answered(own, input).await.map_err(CallError::Store)?
            }
        };
        let fate = if answered.is_ok() { Fate::Done } else { Fate::Failed };
        if own != Own::Reconcile || answered.is_err() {
            self.note(caller, client, &name, &asked, fate).await;
        }
        let result = answered.map_err(CallError::Refused)?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Answered { result, event: None, stands: None, calls: 0, took_ms, away_ms: 0 })
    }

    /// The tool that somebody calls by its whole name, if they may.
    fn may(&self, caller: &Caller, name: &str, input: &Value) -> Result<(Called, Veil), Refused> {
        if caller.role < LEAST {
            return Err(Refused::Role { who: caller.who.clone(), role: caller.role });
        }
        let unknown = || Refused::Unknown(one_line(name).chars().take(MOST_CLIENT).collect());
        if !caller.keeps_to(name) {
            let tool = one_line(name).chars().take(MOST_CLIENT).collect();
            return Err(Refused::Policy { who: caller.who.clone(), tool, by: "its own `tools` do not name it".into() });
        }
        let (flow, tool) = name.split_once('_').ok_or_else(unknown)?;
        if let Some(own) = Own::named(tool).filter(|_| flow == PREFIX) {
            let tool = own.tool().map_err(CallError::Refused)?;
            let veil = self.veil(caller, name, &tool, input)?;
            return Ok((Called::Own(own, Box::new(tool)), veil));
        }
        let is_known = caller.sees(flow) && self.config.flows.contains_key(flow);
        let not_there = || if is_known { Refused::NotUp(flow.to_owned()) } else { unknown() };
        let flow = self.flows_of(caller).into_iter().find(|own| own.name == flow).ok_or_else(not_there)?;
        let veil = self.veil(caller, name, flow.release.plugin.tool(tool).ok_or_else(unknown)?, input)?;
        Ok((Called::Theirs(flow, tool.to_owned()), veil))
    }

    /// What somebody does not see of what a tool answers to that; an error where the operator does not allow them to call it so.
    fn veil(&self, caller: &Caller, name: &str, tool: &Tool, input: &Value) -> Result<Veil, Refused> {
        let call = Judged { who: &caller.who, tool: name, deed: tool.deed };
        if is_how_a_call_stands(name) {
            return Ok(Veil { hides: self.policy.hides(call), rows: Rows::new(), about: About::Theirs });
        }
        let ruling = match self.policy.asks_for_rehearsal(call) {
            // What a rehearsal shows decides once it was made: unless nothing that it shows could have the call made.
            true => self.policy.rulings(call).into_iter().find(Ruling::is_allowed),
            false => Some(self.policy.on(call, input, None)),
        };
        let refused = |by: String| Refused::Policy { who: caller.who.clone(), tool: name.to_owned(), by };
        let Some(ruling) = ruling else { return Err(refused("no rule of [agents] allows it".into())) };
        if !ruling.is_allowed() {
            return Err(refused(ruling.by));
        }
        let (hides, rows) = (self.policy.hides(call), self.policy.rows(call));
        let about = match misses(name, tool, &rows) {
            Some(why) => Err(why),
            None => rows::about(tool, input, &rows),
        };
        let about = about.map_err(|why| refused(format!("{}: {why}", ruling.by)))?;
        Ok(Veil { hides, rows, about })
    }

    /// A call that was made, by its event and by digests of what was asked and answered: the event may be gone one day, and changed by who can write the database.
    async fn note_call(&self, caller: &Caller, client: &str, name: &str, asked: &str, answered: &Answered) {
        let stands = answered.stands.map_or("answered", Stands::word);
        let event = answered.event.map(|event| format!("event {event}, ")).unwrap_or_default();
        let result = digest_of(answered.result.to_string().as_bytes());
        let why = format!("{event}{stands}; input sha256 {asked}; result sha256 {result}");
        self.note(caller, client, name, &why, Fate::Done).await;
    }

    /// What has no event stands in the audit trail.
    async fn note(&self, caller: &Caller, client: &str, name: &str, why: &str, outcome: Fate) {
        let tool = format!("tool {}", one_line(name).chars().take(MOST_CLIENT).collect::<String>());
        let act = Act {
            why: Some(why.to_owned()),
            address: caller.address.clone(),
            client: (!client.is_empty()).then(|| client.to_owned()),
            outcome,
            ..Act::new(&caller.who, caller.via, "tool.call", tool)
        };
        if let Err(error) = self.inbox.store().act(act).await {
            tracing::warn!(%error, "a call is not noted");
        }
    }
}

/// Why a tool is not for who sees only some records; none where it is.
fn misses(name: &str, tool: &Tool, rows: &Rows) -> Option<String> {
    // What the host itself tells has the names of its events, by which no records are told apart.
    let is_own = name.split_once('_').is_some_and(|(prefix, _)| prefix == PREFIX);
    match is_how_a_call_stands(name) {
        true => None,
        false if is_own && !rows.is_empty() => Some("it tells of all records alike, and not all may be seen".into()),
        false => rows::misses(tool, rows),
    }
}

/// Whoever made a call may know how it stands, whatever rules say: it was not made unless it was about what they see.
pub fn is_how_a_call_stands(name: &str) -> bool {
    name.split_once('_').is_some_and(|(prefix, own)| prefix == PREFIX && Own::named(own) == Some(Own::Call))
}

/// What of an answer who calls does not see.
struct Veil {
    /// Fields that are hidden.
    hides: BTreeSet<String>,
    /// Records that are not.
    rows: Rows,
    /// What the call is about.
    about: About,
}

/// Takes out of what is told of a call what is hidden from who calls.
fn hide(told: &mut Value, hides: &BTreeSet<String>) {
    hidden::hide(told, hides);
    if !hides.is_empty() {
        hidden::hide_plan(told);
    }
}

/// Leaves of what is told of a call that was made only what is about records that may be seen; what it would write has the names of both systems.
fn keep_result(told: &mut Value, rows: &Rows) {
    if rows.is_empty() {
        return;
    }
    hidden::hide_plan(told);
    let Some(told) = told.as_object_mut() else { return };
    if told.get_mut("result").is_some_and(|result| !rows::keep(result, rows, About::Theirs)) {
        told.remove("result");
        told.insert("why".into(), rows::NOTHING.into());
    }
}

/// Who calls, as the call's event says it.
fn called_by(caller: &Caller, client: &str) -> CalledBy {
    CalledBy { who: caller.who.clone(), client: client.to_owned(), owner: caller.owner.clone() }
}

/// So long who calls waits for what does not only read, before they are told that it is under way.
const PATIENCE: Duration = Duration::from_secs(20);

/// A call that goes through the flow's queue.
async fn queued(inbox: &Inbox, flow: &Flow, wanted: Wanted<'_>) -> Result<Answered, CallError> {
    let began = Instant::now();
    let call = calls::ask(inbox, flow, wanted).await?;
    stands_of(inbox, call, began).await
}

/// How it stands after a while.
async fn stands_of(inbox: &Inbox, call: EventId, began: Instant) -> Result<Answered, CallError> {
    let (stands, result) = calls::told(inbox.store().as_ref(), call, PATIENCE).await?;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Answered { result, event: Some(call), stands: Some(stands), calls: 0, took_ms, away_ms: 0 })
}

/// Why nobody of this role and with these flows calls a tool of that flow, whatever the rules say; none where they may.
pub fn out_of_reach(role: Role, flows: Option<&[String]>, flow: &str) -> Option<String> {
    if role < LEAST {
        return Some(format!("their role is {role}, and tools are called by a {LEAST} or more"));
    }
    let is_theirs = flow == PREFIX || flows.is_none_or(|flows| flows.iter().any(|own| own == flow));
    (!is_theirs).then(|| format!("the flow {flow} is none of theirs"))
}

/// All tools that there are, whoever may call them: the host's own, and those of these flows.
pub fn all_tools<'a>(flows: impl IntoIterator<Item = &'a Flow>) -> Vec<Offered> {
    let told = |tool: &Tool| {
        let mut told = tool.clone();
        if tool.deed != Deed::Reads {
            // How it stands is told before its result is there.
            told.output = calls::wrapped(&tool.output);
        }
        told
    };
    let own = Own::all().into_iter().map(|tool| (PREFIX.to_owned(), told(&tool)));
    let of_flow = |flow: &'a Flow| flow.release.plugin.tools().iter().map(move |tool| (flow.name.clone(), told(tool)));
    let mut offered: Vec<Offered> = Vec::new();
    for (flow, tool) in own.chain(flows.into_iter().flat_map(of_flow)) {
        let name = format!("{flow}_{}", tool.name);
        if offered.iter().all(|own| own.name != name) {
            offered.push(Offered { name, flow, tool });
        }
    }
    offered
}

/// What is called.
enum Called {
    /// The host itself.
    Own(Own, Box<Tool>),
    /// A flow's plugin, by the tool's name there.
    Theirs(Arc<Flow>, String),
}
