//! What people's assistants and programs may do: the tools that the flows' plugins offer, each held to who calls and to what the operator allows. Whatever
//! asks (MCP, the command line), a call passes here.

mod own;
mod policy;
mod rates;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use tokio::sync::Semaphore;

use self::own::Question;
pub use self::own::{Own, PREFIX};
pub use self::policy::{Policy, Ruling};
pub use self::rates::{Rates, TooOften};
use crate::config::Config;
use crate::engine::Flow;
use crate::engine::calls::{self, Answered, CallError, Wanted};
use crate::plain::one_line;
use crate::releases::Releases;
use crate::sandbox::{CalledBy, Deed, Tool};
use crate::store::{Act, Fate, Role, Store, Via};
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
    /// Where from, where that is known.
    pub address: Option<String>,
}

impl Caller {
    fn sees(&self, flow: &str) -> bool {
        self.flows.as_ref().is_none_or(|flows| flows.contains(flow))
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
        policy::has_field(&self.tool.output, field)
    }
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
    flows: Flows,
    releases: Arc<Releases>,
    store: Arc<dyn Store>,
    policy: Policy,
    rates: Rates,
    turns: Arc<Semaphore>,
}

impl Gateway {
    /// Over flows as they are when somebody calls.
    pub fn new(config: Arc<Config>, flows: Flows, releases: Arc<Releases>, store: Arc<dyn Store>) -> Self {
        let own = &config.agents;
        let (policy, rates) = (Policy::of(own), Rates::new(own.calls_a_minute, own.calls_a_day));
        Self { config, flows, releases, store, policy, rates, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The flows that somebody sees.
    fn flows_of(&self, caller: &Caller) -> Vec<Arc<Flow>> {
        let mut flows = (self.flows)();
        flows.retain(|flow| caller.sees(&flow.name));
        flows
    }

    /// What is offered to somebody: what they may call.
    pub fn offered(&self, caller: &Caller) -> Vec<Offered> {
        if caller.role < LEAST {
            return Vec::new();
        }
        let flows = self.flows_of(caller);
        let mut offered = all_tools(flows.iter().map(Arc::as_ref));
        offered.retain_mut(|own| {
            let ruling = self.policy.on(&caller.who, &own.name, own.tool.deed);
            policy::hide_in_schema(&mut own.tool.output, &ruling.hides);
            // What does more than read is called only once a person can see beforehand what it would do.
            ruling.allowed && own.tool.deed == Deed::Reads
        });
        offered
    }

    /// Makes a call; its event tells it. `client` is what the program calls itself.
    pub async fn call(&self, caller: &Caller, client: &str, name: &str, input: Value) -> Result<Answered, Refused> {
        // Counted whatever comes of it: who is refused over and over is no less of a burden, and what is too often is not noted line by line.
        self.rates.call(&caller.who, now())?;
        let said = caller.program.iter().map(String::as_str).chain(Some(client)).filter(|said| !said.is_empty());
        let client: String = one_line(&said.collect::<Vec<_>>().join(", ")).chars().take(MOST_CLIENT).collect();
        let (tool, ruling) = match self.may(caller, name) {
            Ok(found) => found,
            Err(refused) => {
                self.note(caller, &client, name, &refused.to_string(), Fate::Refused).await;
                return Err(refused);
            }
        };
        match tool {
            Called::Own(own) => self.own(caller, &client, own, input, &ruling.hides).await,
            Called::Theirs(flow, tool) => {
                // Of who calls first, then of all: one who has many under way holds up nobody else.
                let turns = async { (self.rates.turn(&caller.who).await, self.turns.clone().acquire_owned().await) };
                let turns = tokio::time::timeout(TURN, turns).await.map_err(|_| Refused::Busy)?;
                let (who, releases, store) = (caller.who.clone(), self.releases.clone(), self.store.clone());
                // What was begun is kept, also where nobody waits for it any more.
                let call = tokio::spawn(async move {
                    let _turns = turns;
                    let wanted = Wanted { tool: &tool, input, by: CalledBy { who, client } };
                    calls::read(releases.runtime(), store.as_ref(), &flow, wanted).await
                });
                let ended = call.await.map_err(|_| CallError::Refused("the host failed over it".into()))?;
                let mut answered = ended?;
                policy::hide(&mut answered.result, &ruling.hides);
                Ok(answered)
            }
        }
    }

    /// What the host is asked itself. It has no event: that it was asked stands in the audit trail.
    async fn own(
        &self,
        caller: &Caller,
        client: &str,
        own: Own,
        input: Value,
        hides: &BTreeSet<String>,
    ) -> Result<Answered, Refused> {
        let began = Instant::now();
        let tool = own.tool().map_err(CallError::Refused)?;
        let problems = tool.problems_of(&input);
        if !problems.is_empty() {
            return Err(CallError::Unfit(problems).into());
        }
        let asked: String = input.to_string().chars().take(MOST_ASKED).collect();
        let flows = self.flows_of(caller);
        let (config, releases, store) = (&self.config, &self.releases, &self.store);
        let answered = Question { config, releases, store, flows, caller, hides }.answered(own, input).await;
        let answered = answered.map_err(CallError::Store)?;
        let fate = if answered.is_ok() { Fate::Done } else { Fate::Failed };
        self.note(caller, client, &format!("{PREFIX}_{}", tool.name), &asked, fate).await;
        let result = answered.map_err(CallError::Refused)?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Answered { result, event: None, calls: 0, took_ms, away_ms: 0 })
    }

    /// The tool that somebody calls by its whole name, if they may.
    fn may(&self, caller: &Caller, name: &str) -> Result<(Called, Ruling), Refused> {
        if caller.role < LEAST {
            return Err(Refused::Role { who: caller.who.clone(), role: caller.role });
        }
        let unknown = || Refused::Unknown(one_line(name).chars().take(MOST_CLIENT).collect());
        let (flow, tool) = name.split_once('_').ok_or_else(unknown)?;
        let (called, deed) = match Own::named(tool).filter(|_| flow == PREFIX) {
            Some(own) => (Called::Own(own), Deed::Reads),
            None => {
                let flow = self.flows_of(caller).into_iter().find(|own| own.name == flow).ok_or_else(unknown)?;
                let deed = flow.release.plugin.tool(tool).ok_or_else(unknown)?.deed;
                (Called::Theirs(flow, tool.to_owned()), deed)
            }
        };
        let ruling = self.policy.on(&caller.who, name, deed);
        if !ruling.allowed {
            return Err(Refused::Policy { who: caller.who.clone(), tool: name.to_owned(), by: ruling.by });
        }
        Ok((called, ruling))
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
        if let Err(error) = self.store.act(act).await {
            tracing::warn!(%error, "a call is not noted");
        }
    }
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
    let own = Own::all().into_iter().map(|tool| (PREFIX.to_owned(), tool));
    let of_flow = |flow: &'a Flow| flow.release.plugin.tools().iter().map(|tool| (flow.name.clone(), tool.clone()));
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
    Own(Own),
    /// A flow's plugin, by the tool's name there.
    Theirs(Arc<Flow>, String),
}
