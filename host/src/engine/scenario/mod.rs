//! A scenario: what a plugin meets and what it must do then, as a file. It runs in the real sandbox, over the scenario's own answers; nothing is sent.

mod disguise;
mod format;
mod record;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::Value;

use self::format::{Expected, Happened, Mapping as MappingOf};
pub use self::format::{FlowScenario, MapperScenario, Scenario, ScenarioError};
pub use self::record::{Recorded, record};
use super::deeds::{Difference, Effect, deeds_of, differences, words};
use crate::config::Limits;
use crate::mapping::Mapping;
use crate::sandbox::{
    Bound, Canned, CannedAnswer, Grants, HOST_SLOT, Journal, Mapper, MapperCode, Plugin, RunError, Runtime, Taker,
    like, readable,
};
use crate::store::{
    Event, EventId, EventState, Haste, JournalEntry, Kept, Link, Memory, Run, RunId, Side, StoreError, WAKE,
};

/// What a run of a scenario found.
#[derive(Debug, Default, Serialize)]
pub struct Tried {
    /// What it did, as it stands in `expect.effects`.
    pub effects: Vec<Effect>,
    /// What became of each event; for a mapping plugin its one answer.
    pub outcomes: Vec<String>,
    /// Expected and got, field by field.
    #[serde(skip)]
    pub differences: Vec<Difference>,
    /// What it asked that the scenario has no answer to.
    pub unanswered: Vec<String>,
    /// Answers of the scenario that nothing asked for: no fault, and they say nothing.
    pub unused: Vec<String>,
    /// The run failed as a whole.
    pub failed: Option<String>,
}

impl Tried {
    /// It did what it must, and asked for nothing else.
    pub fn passed(&self) -> bool {
        self.differences.is_empty() && self.unanswered.is_empty() && self.failed.is_none()
    }
}

/// Any text or value, where something is expected.
const ANY: &str = "*";

/// What is expected, with what came in the place of each star; where nothing came it stays.
fn filled(wanted: &Value, got: &Value) -> Value {
    match (wanted, got) {
        (Value::String(any), got) if any == ANY => got.clone(),
        (Value::Object(wanted), Value::Object(got)) => {
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), got.get(name).map_or_else(|| value.clone(), |got| filled(value, got)))
            };
            wanted.iter().map(field).collect()
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            wanted.iter().zip(got).map(|(wanted, got)| filled(wanted, got)).collect()
        }
        _ => wanted.clone(),
    }
}

impl FlowScenario {
    /// Runs it. `mapper` is the mapping plugin that it names.
    pub async fn run(
        &self,
        runtime: &Runtime,
        plugin: &Plugin,
        mapper: Option<Arc<MapperCode>>,
    ) -> Result<Tried, ScenarioError> {
        let bound = self.bound(runtime, plugin, mapper)?;
        self.check_events(plugin)?;
        let answers = self.answers()?;
        let zones = bound.zones.clone();
        let journal = Journal::canned(Canned::new(answers.clone(), &self.now()?, zones, self.random()?));
        let told = journal.told();
        let run = self.events_as_run(&bound.flow)?;
        let mut tried = Tried::default();
        match runtime.run(plugin, Arc::new(bound), &run, journal).await {
            Ok(report) => {
                tried.outcomes = report.outcomes.iter().map(words).collect();
                tried.effects = deeds_of(&report).into_iter().map(shown).collect();
                tried.unanswered = report.unread.refused.iter().map(|call| readable(call)).collect();
            }
            Err(error) if error.blames_plugin() => {
                tried.failed = Some(error.to_string());
                tried.unanswered = unanswered(&told.take());
            }
            Err(error) => return Err(error.into()),
        }
        tried.unused = answers.into_iter().filter(|own| !own.was_given()).map(|own| own.call).collect();
        if let Some(expected) = &self.expect {
            tried.differences = self.differences(expected, &tried);
            // What is expected is no fault, nor what it was not answered by then.
            if expected.fails.is_some() && tried.failed.take().is_some() {
                tried.unanswered.clear();
            }
        }
        Ok(tried)
    }

    /// What a host never hands to the plugin: two events of one record at once, and what it does not take.
    fn check_events(&self, plugin: &Plugin) -> Result<(), ScenarioError> {
        let description = &plugin.description;
        let timers = description.timers.iter().map(|timer| format!("timer.{}", timer.name));
        // A wake-up that it planned comes whatever it takes.
        let taken = description.topics.iter().cloned().chain(timers).chain([WAKE.to_owned()]);
        let taken: Vec<String> = taken.collect();
        let mut keys = HashSet::new();
        if let Some(event) = self.events.iter().find(|event| !keys.insert(&event.key)) {
            let why = format!("two events have the key {:?}: a batch never has two of one", event.key);
            return Err(ScenarioError::Invalid(why));
        }
        match self.events.iter().find(|event| !taken.contains(&event.topic)) {
            None => Ok(()),
            Some(Happened { topic, .. }) => {
                let (name, taken) = (&description.name, taken.join(", "));
                Err(ScenarioError::Invalid(format!("{name} takes no events of {topic}: it takes {taken}")))
            }
        }
    }

    fn differences(&self, expected: &Expected, tried: &Tried) -> Vec<Difference> {
        let mut found = Vec::new();
        if let Some(wanted) = &expected.fails {
            let got = tried.failed.clone().unwrap_or_else(|| "the run ends well".into());
            if !like(wanted, &got) {
                found.push(Difference {
                    subject: String::new(),
                    call: "the run".into(),
                    field: String::new(),
                    before: Some(wanted.as_str().into()),
                    after: Some(got.into()),
                });
            }
            return found;
        }
        let outcomes = expected.outcomes.len().max(tried.outcomes.len());
        for place in 0..outcomes {
            let (wanted, got) = (expected.outcomes.get(place), tried.outcomes.get(place));
            if wanted.zip(got).is_some_and(|(wanted, got)| like(wanted, got)) {
                continue;
            }
            found.push(Difference {
                subject: self.events.get(place).map(|event| event.key.clone()).unwrap_or_default(),
                call: "outcome".into(),
                field: String::new(),
                before: wanted.cloned().map(Value::from),
                after: got.cloned().map(Value::from),
            });
        }
        let mut wanted: Vec<Effect> = Vec::new();
        let mut free: Vec<&Effect> = tried.effects.iter().collect();
        for own in &expected.effects {
            let call = readable(&own.call);
            let fits =
                |got: &&Effect| got.call == call && own.subject.as_ref().is_none_or(|subject| *subject == got.subject);
            let taken = free.iter().position(fits).map(|place| free.remove(place));
            let subject = own.subject.clone().or_else(|| taken.map(|got| got.subject.clone())).unwrap_or_default();
            let body = taken.map_or_else(|| own.body.clone(), |got| filled(&own.body, &got.body));
            wanted.push(Effect { subject, call, body });
        }
        found.extend(differences(&wanted, &tried.effects));
        found
    }

    fn bound(
        &self,
        runtime: &Runtime,
        plugin: &Plugin,
        mapper: Option<Arc<MapperCode>>,
    ) -> Result<Bound, ScenarioError> {
        let description = &plugin.description;
        let settings = Value::Object(self.settings.clone());
        let problems = description.problems_of(&settings);
        if !problems.is_empty() {
            return Err(ScenarioError::Invalid(format!("settings: {}", problems.join("; "))));
        }
        let text = match &self.mapping {
            Some(MappingOf::Lines(lines)) => lines.join("\n"),
            Some(MappingOf::File(file)) => {
                let path = self.folder.join(file);
                std::fs::read_to_string(&path)
                    .map_err(|e| ScenarioError::Invalid(format!("mapping {}: {e}", path.display())))?
            }
            None => description.default_mapping.clone(),
        };
        let mapping = Mapping::parse_for(&text, description.reserved())
            .map_err(|e| ScenarioError::Invalid(format!("mapping: {e}")))?;
        let mapping = match &mapper {
            Some(code) => {
                code.within(mapping).map_err(|cause| ScenarioError::Invalid(format!("the mapping plugin: {cause}")))?
            }
            None => mapping,
        };
        let zone: Tz = match &self.time_zone {
            Some(name) => name.parse().map_err(|_| ScenarioError::Invalid(format!("time_zone: {name:?} is none")))?,
            None => Tz::UTC,
        };
        let named: BTreeMap<String, String> = description
            .slots
            .iter()
            .map(|(slot, _)| (slot.clone(), self.connections.get(slot).unwrap_or(slot).clone()))
            .collect();
        let zones = description.slots.iter().filter(|(_, kind)| kind == "b1").map(|(slot, _)| (slot.clone(), zone));
        let may: Vec<_> = description.permissions.iter().chain(&description.unasked).cloned().collect();
        // Somebody takes what it emits.
        let asked = may.iter().filter(|own| own.slot == HOST_SLOT).filter_map(|own| own.path.strip_prefix("/events/"));
        let taken = self.taken.clone().unwrap_or_else(|| asked.map(str::to_owned).collect());
        let taker = || Taker { flow: String::new(), haste: Haste::AtOnce };
        let topics = taken.into_iter().map(|topic| (topic, vec![taker()]));
        let limits = Limits::default();
        Ok(Bound {
            flow: self.flow.clone().unwrap_or_else(|| description.name.clone()),
            grants: Grants::new(&description.name, may),
            slots: BTreeMap::new(),
            named,
            zones: zones.collect(),
            scope: SCOPE.into(),
            mapping: Arc::new(mapping),
            mapper: mapper.map(|code| Arc::new(Mapper::new(runtime, code, limits.clone()))),
            settings: settings.to_string(),
            limits,
            haste: Haste::AtOnce,
            topics: topics.collect(),
            store: Arc::new(self.before()),
        })
    }

    fn before(&self) -> Before {
        let link = |own: &format::Linked| Link {
            scope: SCOPE.into(),
            kind: own.kind.clone(),
            b1_id: own.b1.clone(),
            salesforce_id: own.salesforce.clone(),
            base: own.base.to_string(),
        };
        let stored = self.storage.iter().map(|(key, value)| (key.clone(), value.to_string()));
        Before { links: self.links.iter().map(link).collect(), storage: stored.collect() }
    }

    fn answers(&self) -> Result<Vec<CannedAnswer>, ScenarioError> {
        self.answers.iter().map(format::Answered::canned).collect()
    }

    fn events_as_run(&self, flow: &str) -> Result<Run, ScenarioError> {
        let now = self.now()?.first().copied().unwrap_or_default();
        let event = |(place, own): (usize, &Happened)| Event {
            id: EventId(own.id.unwrap_or(place as i64 + 1)),
            flow: flow.to_owned(),
            topic: own.topic.clone(),
            key: own.key.clone(),
            payload: own.payload.to_string(),
            trace: format!("{:032x}", place + 1),
            state: EventState::Leased,
            due_at: now,
            attempts: own.attempt,
            created_at: now,
            finished_at: None,
            reason: None,
            choices: Vec::new(),
            detail: String::new(),
            resolution: own.resolution.clone(),
            kept: Kept::Whole,
        };
        let events = self.events.iter().enumerate().map(event).collect();
        Ok(Run {
            id: RunId(0),
            flow: flow.to_owned(),
            release: String::new(),
            events,
            repeated: false,
            kept: Kept::Whole,
        })
    }
}

impl MapperScenario {
    /// Runs it.
    pub async fn run(&self, runtime: &Runtime, mapper: Arc<MapperCode>) -> Result<Tried, ScenarioError> {
        let invalid = |why: String| Err(ScenarioError::Invalid(why));
        if self.expect.fields.is_none() && self.expect.review.is_none() {
            return invalid("expect names neither fields nor a review: whatever comes would be right".into());
        }
        // It would not be asked, and what the rules gave would come back.
        if let Some(own) = mapper.description.as_ref().filter(|own| own.section(&self.section).is_none()) {
            let named = own.names().collect::<Vec<_>>().join(", ");
            return invalid(format!("the mapping plugin names no section {:?}; it has {named}", self.section));
        }
        let mapper = Mapper::new(runtime, mapper, Limits::default());
        let (source, mapped) = (self.source.to_string(), Value::Object(self.mapped.clone()).to_string());
        let mut tried = Tried::default();
        let effect = |fields: Value| Effect {
            subject: String::new(),
            call: format!("fields of {}", self.section),
            body: fields,
        };
        match mapper.map(&self.section, &source, &mapped).await {
            Ok(Ok(fields)) => {
                tried.effects.push(effect(serde_json::from_str(&fields).unwrap_or_default()));
                tried.outcomes.push("fields".into());
            }
            Ok(Err(why)) => tried.outcomes.push(format!("review: {why}")),
            Err(error) if error.blames_plugin() => tried.failed = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        let (fields, review) = (&self.expect.fields, &self.expect.review);
        let wanted = review.as_ref().map_or_else(|| "fields".to_owned(), |why| format!("review: {why}"));
        let got = tried.outcomes.first().cloned().unwrap_or_default();
        if tried.failed.is_none() && !like(&wanted, &got) {
            tried.differences.push(Difference {
                subject: String::new(),
                call: "outcome".into(),
                field: String::new(),
                before: Some(wanted.into()),
                after: Some(got.into()),
            });
        }
        if let (Some(fields), false) = (fields, tried.effects.is_empty()) {
            let got = tried.effects.first().map(|effect| effect.body.clone()).unwrap_or_default();
            let wanted = effect(filled(&Value::Object(fields.clone()), &got));
            tried.differences.extend(differences(&[wanted], &tried.effects));
        }
        Ok(tried)
    }
}

impl From<RunError> for ScenarioError {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

/// An effect as a scenario writes it.
fn shown(effect: Effect) -> Effect {
    let call = match effect.call.strip_prefix("event ") {
        // To whom it is told depends on the host's other flows.
        Some(rest) => format!("event {}", rest.split(" for ").next().unwrap_or(rest)),
        None => readable(&effect.call),
    };
    Effect { call, ..effect }
}

/// The reads of a failed run that nothing answered.
fn unanswered(entries: &[JournalEntry]) -> Vec<String> {
    let refused =
        entries.iter().filter(|entry| entry.kind == "http" && entry.response.contains("the scenario has no answer"));
    let call = |entry: &JournalEntry| {
        let request: Value = serde_json::from_str(&entry.request).ok()?;
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        Some(readable(&format!("{} {} {}", text("method"), text("slot"), text("path"))))
    };
    refused.filter_map(call).collect()
}

/// Links are between the two sides of the scenario.
const SCOPE: &str = "b1|salesforce";

/// What was kept before.
struct Before {
    links: Vec<Link>,
    storage: BTreeMap<String, String>,
}

#[async_trait::async_trait]
impl Memory for Before {
    async fn storage_get(&self, _: &str, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.storage.get(key).cloned())
    }

    async fn storage_scan(
        &self,
        _: &str,
        prefix: &str,
        limit: u32,
        most: u64,
    ) -> Result<Option<Vec<(String, String)>>, StoreError> {
        let own = self.storage.iter().filter(|(key, _)| key.starts_with(prefix)).take(limit as usize);
        let entries: Vec<(String, String)> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        Ok((bytes as u64 <= most).then_some(entries))
    }

    async fn storage_size(&self, _: &str) -> Result<u64, StoreError> {
        Ok(self.storage.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }

    async fn links_find(
        &self,
        _: &str,
        kind: &str,
        side: Side,
        ids: &[String],
        _: u64,
    ) -> Result<Option<Vec<Option<Link>>>, StoreError> {
        let of = |link: &Link| match side {
            Side::B1 => link.b1_id.clone(),
            Side::Salesforce => link.salesforce_id.clone(),
        };
        let find = |id: &String| self.links.iter().find(|link| link.kind == kind && of(link) == *id).cloned();
        Ok(Some(ids.iter().map(find).collect()))
    }

    async fn wakes_planned(&self, _: &str) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// Reads a scenario.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|e| ScenarioError::Unreadable(path.to_owned(), e))?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let scenario = Scenario::parse(&text, folder).map_err(|e| ScenarioError::Malformed(path.to_owned(), e))?;
    match &scenario {
        Scenario::Flow(flow) if flow.expect.is_none() => Err(ScenarioError::Invalid(format!(
            "the scenario {} has no `expect`: what must come of it",
            path.display()
        ))),
        _ => Ok(scenario),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scenario(expect: Value) -> FlowScenario {
        let text =
            json!({ "about": "", "events": [{ "topic": "b1.Items", "key": "A" }], "expect": expect }).to_string();
        match Scenario::parse(&text, Default::default()) {
            Ok(Scenario::Flow(flow)) => *flow,
            _ => panic!("a flow's scenario"),
        }
    }

    fn tried() -> Tried {
        Tried {
            outcomes: vec!["done: item A".into()],
            effects: vec![
                effect("PATCH b1 /Items('A')", "A", json!({ "U": "x", "At": 17 })),
                effect("store", "last", json!({ "value": 1 })),
            ],
            ..Tried::default()
        }
    }

    fn effect(call: &str, subject: &str, body: Value) -> Effect {
        Effect { subject: subject.into(), call: call.into(), body }
    }

    fn found(expect: Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let scenario = scenario(expect);
        let expected = scenario.expect.as_ref().unwrap();
        let found = scenario.differences(expected, &tried());
        found.into_iter().map(|own| (format!("{} {}", own.call, own.field), own.before, own.after)).collect()
    }

    #[test]
    fn a_star_does_not_hide_the_order_of_what_is_done_to_a_record() {
        let own = |call: &str, body: Value| json!({ "call": call, "subject": "A", "body": body });
        let turned =
            [own("POST b1 /X", json!({ "n": 1 })), own("PATCH b1 /Items(%27A%27)", json!({ "U": "*", "At": "*" }))];
        let scenario = scenario(json!({ "outcomes": ["done: *"], "effects": turned }));
        let effects = vec![
            effect("PATCH b1 /Items('A')", "A", json!({ "U": "x", "At": 17 })),
            effect("POST b1 /X", "A", json!({ "n": 1 })),
        ];
        let tried = Tried { effects, outcomes: vec!["done: x".into()], ..Tried::default() };
        let found = scenario.differences(scenario.expect.as_ref().unwrap(), &tried);
        assert_eq!((found.len(), found[0].call.as_str()), (1, "order of calls"), "{found:?}");
    }

    #[test]
    fn what_is_expected_is_all_of_it_and_a_star_is_anything() {
        let patch = |body: Value| json!({ "call": "PATCH b1 /Items(%27A%27)", "body": body });
        let store = json!({ "call": "store", "subject": "last", "body": "*" });
        let same = json!({ "outcomes": ["done: *"], "effects": [patch(json!({ "U": "x", "At": "*" })), store] });
        assert_eq!(found(same), []);
        let differs =
            json!({ "outcomes": ["review: *"], "effects": [patch(json!({ "U": "y", "At": "*", "More": "*" }))] });
        assert_eq!(
            found(differs),
            [
                ("outcome ".into(), Some(json!("review: *")), Some(json!("done: item A"))),
                ("PATCH b1 /Items('A') More".into(), Some(json!("*")), None),
                ("PATCH b1 /Items('A') U".into(), Some(json!("y")), Some(json!("x"))),
                ("store ".into(), None, Some(json!({ "value": 1 }))),
            ]
        );
    }
}
