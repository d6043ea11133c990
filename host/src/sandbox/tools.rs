//! Tools that a plugin offers to people and agents: what it says of them, read whole and bounded, and one call of them, which is the run of an event.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use wasmtime::Store;

use super::bindings::v0_1::flow::tandem::plugin as flow_contract;
use super::bindings::v0_2::tooling::exports::tandem::plugin::tools as contract;
use super::bindings::v0_2::tooling::{NAME, ToolingPre};
use super::description::is_name;
use super::machine::named;
use super::run::{RawOutcome, RunState};
use super::runtime::exports;
use super::schema::{Kind, Schema};
use super::{Bound, Plugin, RunError};
use crate::config::Limits;
use crate::plain::{is_plain, one_line, readable};
use crate::store::{Run, TOOL};

/// What a journal calls the result of a call.
pub const RESULT: &str = "tool.result";

/// Tools of a plugin at most.
const MOST_TOOLS: usize = 50;
/// Bytes of a tool's title, and of what is said of it.
const TITLE_BYTES: usize = 200;
const DESCRIPTION_BYTES: usize = 4_000;
/// Bytes of the pointer to a key.
const POINTER_BYTES: usize = 200;
/// Bytes of an input. A model writes a page, not a book.
pub const MOST_INPUT: usize = 64 << 10;
/// Bytes of a result: more than that no model reads, and no person.
pub const MOST_RESULT: usize = 1 << 20;

/// What a call of a tool may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Nothing but read; the host holds it to that.
    Reads,
    /// Make or change records, or have that done.
    Writes,
    /// What cannot be taken back.
    Destroys,
}

impl Deed {
    /// The word stored and shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Destroys => "destroys",
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A tool that a plugin offers.
#[derive(Clone, Serialize)]
pub struct Tool {
    /// Lower case, digits and dashes. It is told with the flow's before it, so not here.
    #[serde(skip)]
    pub name: String,
    /// For people, in a few words.
    pub title: String,
    /// For people and for a model.
    pub description: String,
    /// JSON Schema of its input, an object.
    pub input: Value,
    /// JSON Schema of its result, an object.
    pub output: Value,
    /// What a call may do.
    pub deed: Deed,
    /// Where in the input the key of its event stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(skip)]
    takes: Arc<Schema>,
    #[serde(skip)]
    gives: Arc<Schema>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).field("deed", &self.deed).finish_non_exhaustive()
    }
}

impl Tool {
    /// One that is not a plugin's; held to the same bounds. `schemas`: of its input and of its result.
    pub fn own(
        name: &str,
        title: &str,
        description: &str,
        (input, output): (&Value, &Value),
        deed: Deed,
    ) -> Result<Self, String> {
        let raw = contract::Tool {
            name: name.into(),
            title: title.into(),
            description: description.into(),
            input: input.to_string(),
            output: output.to_string(),
            deed: match deed {
                Deed::Reads => contract::Deed::Reads,
                Deed::Writes => contract::Deed::Writes,
                Deed::Destroys => contract::Deed::Destroys,
            },
            key: None,
        };
        checked(vec![raw])?.pop().ok_or_else(|| format!("no tool {name}"))
    }

    /// What of an input does not fit its schema, in words; empty where it fits.
    pub fn problems_of(&self, input: &Value) -> Vec<String> {
        if !input.is_object() {
            return vec!["the input must be a JSON object".into()];
        }
        self.takes.problems(input)
    }

    /// The key of a call's event; none where it is in order with nothing.
    pub fn key_of(&self, input: &Value) -> Option<String> {
        let text = input.pointer(self.key.as_deref()?)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The topic of a call's event.
    pub fn topic(&self) -> String {
        format!("{TOOL}{}", self.name)
    }
}

impl Plugin {
    /// A tool by its name.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools().iter().find(|tool| tool.name == name)
    }

    /// What it offers, in its own order.
    pub fn tools(&self) -> &[Tool] {
        self.tooling.as_ref().map_or(&[], |tooling| &tooling.tools)
    }
}

/// What a component offers of tools.
pub(super) struct Tooling {
    pre: ToolingPre<RunState>,
    tools: Vec<Tool>,
}

impl Tooling {
    /// With what it says of them.
    pub fn of(pre: ToolingPre<RunState>, raw: Vec<contract::Tool>) -> Result<Self, String> {
        Ok(Self { pre, tools: checked(raw)? })
    }
}

/// How a component is asked for its tools; none where it offers none.
pub(super) fn offered(
    component: &wasmtime::component::Component,
    pre: &wasmtime::component::InstancePre<RunState>,
) -> wasmtime::Result<Option<ToolingPre<RunState>>> {
    exports(component, NAME).then(|| ToolingPre::new(pre.clone())).transpose()
}

/// Asks for them. A plugin that calls the host here breaks the contract, as in `describe`.
pub(super) async fn described(
    pre: &ToolingPre<RunState>,
    store: &mut Store<RunState>,
    limits: &Limits,
) -> Result<Vec<contract::Tool>, RunError> {
    let own = pre.instantiate_async(&mut *store).await.map_err(|e| named(e, limits))?;
    own.tandem_plugin_tools().call_offered(store).await.map_err(|e| named(e, limits))
}

/// Parses at the border: what a plugin says of a tool is shown to people, and read by models.
fn checked(raw: Vec<contract::Tool>) -> Result<Vec<Tool>, String> {
    if raw.len() > MOST_TOOLS {
        return Err(format!("{} tools; at most {MOST_TOOLS} are read", raw.len()));
    }
    let mut known: Vec<Tool> = Vec::with_capacity(raw.len());
    for tool in raw {
        if !is_name(&tool.name) || known.iter().any(|own| own.name == tool.name) {
            let name: String = tool.name.chars().take(80).collect();
            return Err(format!(
                "a tool called {name:?}: a name of its own is needed, of lower case letters, digits and dashes, at most 40"
            ));
        }
        let wrong = |what: &str, why: String| format!("tool {}: {what}: {why}", tool.name);
        let line = |what: &'static str, text: &str, most: usize, lines: bool| {
            let plain = |c: char| is_plain(c) || lines && c == '\n';
            let fits = !text.trim().is_empty() && text.len() <= most && text.chars().all(plain);
            let words = if lines { "a text" } else { "a line" };
            let why = || wrong(what, format!("{words} of at most {most} bytes without control characters is needed"));
            if fits { Ok(()) } else { Err(why()) }
        };
        line("title", &tool.title, TITLE_BYTES, false)?;
        line("description", &tool.description, DESCRIPTION_BYTES, true)?;
        let takes = Schema::read(&tool.input, Kind::Input).map_err(|why| wrong("input", why))?;
        let gives = Schema::read(&tool.output, Kind::Result).map_err(|why| wrong("output", why))?;
        for (what, schema) in [("input", takes.text()), ("output", gives.text())] {
            if schema["type"] != "object" {
                return Err(wrong(what, "a schema with \"type\": \"object\" is needed".into()));
            }
        }
        let deed = match tool.deed {
            contract::Deed::Reads => Deed::Reads,
            contract::Deed::Writes => Deed::Writes,
            contract::Deed::Destroys => Deed::Destroys,
        };
        if let Some(pointer) = &tool.key {
            if deed == Deed::Reads {
                return Err(wrong("key", "what reads waits for no event".into()));
            }
            if !pointer.starts_with('/') || pointer.len() > POINTER_BYTES {
                return Err(wrong("key", "a JSON Pointer such as /opportunity is needed".into()));
            }
        }
        known.push(Tool {
            name: tool.name,
            title: tool.title,
            description: tool.description,
            input: takes.text().clone(),
            output: gives.text().clone(),
            deed,
            key: tool.key,
            takes: Arc::new(takes),
            gives: Arc::new(gives),
        });
    }
    Ok(known)
}

/// What a call's event says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallPayload {
    /// What the tool gets.
    pub input: Value,
    /// Who calls.
    pub by: CalledBy,
}

/// Who calls a tool: what is known of them for certain, and what they say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CalledBy {
    /// The account or token that was checked, or the user of this server.
    pub who: String,
    /// The program that calls, as it calls itself; empty where it says nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// Who stands behind them, such as who made the token that they come with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A run that is a call.
pub(super) struct Call {
    pre: ToolingPre<RunState>,
    tool: Tool,
    input: Value,
}

impl Call {
    /// The call that a run is; none where it hands over events.
    pub fn of(plugin: &Plugin, run: &Run) -> Result<Option<Self>, RunError> {
        let Some((event, name)) = run.events.iter().find_map(|event| Some((event, event.topic.strip_prefix(TOOL)?)))
        else {
            return Ok(None);
        };
        if run.events.len() > 1 {
            return Err(RunError::Contract("a call of a tool is a run of its own".into()));
        }
        let tooling = plugin.tooling.as_ref();
        let found = tooling.and_then(|own| Some((own, own.tools.iter().find(|tool| tool.name == name)?)));
        let Some((tooling, tool)) = found else {
            return Err(RunError::Contract(format!("it offers no tool {}", one_line(name))));
        };
        let payload: CallPayload = serde_json::from_str(&event.payload)
            .map_err(|e| RunError::Contract(format!("the call cannot be read: {e}")))?;
        Ok(Some(Self { pre: tooling.pre.clone(), tool: tool.clone(), input: payload.input }))
    }

    /// It can do nothing but read.
    pub fn only_reads(&self) -> bool {
        self.tool.deed == Deed::Reads
    }

    /// Calls into a fresh instance; its result stands in the journal then.
    pub async fn answer(self, store: &mut Store<RunState>, limits: &Limits) -> Result<RawOutcome, RunError> {
        let flow = flow_of(&*store.data().bound()?);
        let own = self.pre.instantiate_async(&mut *store).await.map_err(|e| named(e, limits))?;
        let input = self.input.to_string();
        let answer = own.tandem_plugin_tools().call_call(&mut *store, &flow, &self.tool.name, &input).await;
        let answer = answer.map_err(|e| named(e, limits).saying(&store.data().last_words))?;
        let state = store.data_mut();
        match answer {
            Ok(result) => {
                let (bytes, result) = (result.len(), self.checked(&result)?);
                let seq = state.journal.begin();
                state.note((seq, 0), RESULT, "", String::new(), &result)?;
                Ok(RawOutcome::Done(format!("{}: answered in {bytes} bytes", self.tool.title)))
            }
            Err(error) => Ok(refused(error, state.trouble.outage)),
        }
    }

    /// What a plugin gives is what it said it would: who reads it relies on that.
    fn checked(&self, result: &str) -> Result<Value, RunError> {
        let name = &self.tool.name;
        if result.len() > MOST_RESULT {
            let why = format!("the result of {name} has {} bytes; at most {MOST_RESULT} are taken", result.len());
            return Err(RunError::Contract(why));
        }
        let value: Value = serde_json::from_str(result)
            .map_err(|e| RunError::Contract(format!("the result of {name} is no JSON: {e}")))?;
        match self.tool.gives.problems(&value).first() {
            None => Ok(value),
            // Not its value: that may be a customer's.
            Some(_) => {
                Err(RunError::Contract(format!("the result of {name} does not fit the schema that it gives of it")))
            }
        }
    }
}

/// What a plugin takes for decided while a connection is down is not decided.
fn refused(error: contract::Error, outage: bool) -> RawOutcome {
    const MOST: usize = 2_000;
    let short = |why: String| readable(why, MOST);
    let again =
        |after_ms: u64, why: String| RawOutcome::Retry(flow_contract::types::Retry { after_ms, why: short(why) });
    match error {
        contract::Error::Passing(passing) => again(passing.after_ms, passing.why),
        contract::Error::Failed(why) if outage => again(0, why),
        contract::Error::Refused(why) | contract::Error::Failed(why) => RawOutcome::Reject(short(why)),
        contract::Error::TooLarge(why) => RawOutcome::Reject(short(format!("{why}; ask for less at once"))),
    }
}

fn flow_of(bound: &Bound) -> contract::Flow {
    let binding = |(slot, connection): (&String, &String)| contract::Binding {
        slot: slot.clone(),
        connection: connection.clone(),
    };
    contract::Flow {
        name: bound.flow.clone(),
        connections: bound.named.iter().map(binding).collect(),
        settings: bound.settings.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw() -> contract::Tool {
        let schema = json!({ "type": "object", "properties": { "code": { "type": "string" } }, "required": ["code"] });
        contract::Tool {
            name: "find-customer".into(),
            title: "Find a customer".into(),
            description: "By name or code.\nNot by telephone.".into(),
            input: schema.to_string(),
            output: schema.to_string(),
            deed: contract::Deed::Reads,
            key: None,
        }
    }

    #[test]
    fn what_is_said_of_a_tool_is_bounded_and_an_input_is_held_against_it() {
        let tools = checked(vec![raw()]).unwrap();
        assert_eq!(tools[0].problems_of(&json!({ "code": "C1" })), Vec::<String>::new());
        for bad in [json!({}), json!([]), json!({ "code": 1 }), json!({ "code": "C1", "cod": "C2" })] {
            assert!(!tools[0].problems_of(&bad).is_empty(), "{bad}");
        }
        assert!(checked(vec![raw(), raw()]).is_err(), "two of one name");
        assert!(
            checked((0..=MOST_TOOLS).map(|n| contract::Tool { name: format!("t{n}"), ..raw() }).collect()).is_err()
        );
        let bad: [fn(&mut contract::Tool); 9] = [
            |tool| tool.name = "Find Customer".into(),
            |tool| tool.title = "two\nlines".into(),
            |tool| tool.title = String::new(),
            |tool| tool.description = "\u{1b}[2J".into(),
            |tool| tool.description = "x".repeat(DESCRIPTION_BYTES + 1),
            |tool| tool.input = "[]".into(),
            |tool| tool.output = r#"{"type":"array"}"#.into(),
            |tool| tool.key = Some("/code".into()),
            |tool| (tool.deed, tool.key) = (contract::Deed::Writes, Some("code".into())),
        ];
        for change in bad {
            let mut own = raw();
            change(&mut own);
            assert!(checked(vec![own]).is_err());
        }
    }

    #[test]
    fn a_call_is_in_order_with_the_events_of_its_key() {
        let write = contract::Tool { deed: contract::Deed::Writes, key: Some("/code".into()), ..raw() };
        let tools = checked(vec![write]).unwrap();
        assert_eq!(tools[0].key_of(&json!({ "code": "C1" })).as_deref(), Some("C1"));
        assert_eq!(tools[0].key_of(&json!({ "code": "" })), None);
        assert_eq!(tools[0].key_of(&json!({ "code": 7 })), None);
    }

    #[test]
    fn what_is_decided_while_a_connection_is_down_is_not_decided() {
        let error = || contract::Error::Failed("no answer".into());
        assert!(matches!(refused(error(), true), RawOutcome::Retry(_)));
        assert!(matches!(refused(error(), false), RawOutcome::Reject(_)));
    }
}
