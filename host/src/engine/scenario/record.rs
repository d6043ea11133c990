//! A scenario of what really happened: a past run's events, answers, links and storage out of its journal, with other names in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::disguise::Disguise;
use super::format::{
    Answered, Clock, Expected, ExpectedEffect, FlowScenario, Happened, Linked, Mapping, ScenarioError,
};
use super::{Tried, shown};
use crate::connections::{Answer, CallError};
use crate::engine::Flow;
use crate::engine::compare::rehearse;
use crate::engine::deeds::{Difference, Effect, differences};
use crate::engine::replay::whole;
use crate::sandbox::{RunError, Runtime, Unknown, readable};
use crate::store::{CallState, JournalEntry, Link, Run};

/// A scenario of a past run.
pub struct Recorded {
    /// It passes on the release that the run ran under.
    pub scenario: FlowScenario,
    /// What the release does otherwise in it than it did.
    pub differs: Vec<Difference>,
    /// Words of names and the like that may still be in it.
    pub left: Vec<String>,
}

/// Makes it. `mapper` is the file of the flow's mapping plugin.
pub async fn record(
    runtime: &Runtime,
    flow: &Flow,
    run: &Run,
    journal: &[JournalEntry],
    mapper: Option<PathBuf>,
) -> Result<Recorded, ScenarioError> {
    whole(run).map_err(|why| ScenarioError::Run(RunError::NotKept(why)))?;
    let release = &flow.release;
    let real = of_journal(flow, run, journal, mapper);
    let rehearsed = rehearse(runtime, flow, run, journal, Unknown::Refuse).await?;
    let deeds: Vec<Effect> = rehearsed.deeds.into_iter().map(shown).collect();
    let deeds = serde_json::to_value(deeds).unwrap_or_default();
    let outcomes = serde_json::to_value(rehearsed.outcomes).unwrap_or_default();
    let whole = serde_json::to_value(&real).unwrap_or_default();
    let mut disguise = Disguise::default();
    let topics = real.events.iter().map(|event| &event.topic);
    let kinds = real.links.iter().map(|link| &link.kind);
    let emitted = flow.bound.topics.keys();
    topics.chain(kinds).chain(emitted).chain(real.connections.values()).for_each(|text| disguise.spare(text));
    disguise.spare(&flow.name);
    let parts = ["events", "links", "storage", "answers"];
    parts.iter().for_each(|part| disguise.learn(&whole[*part]));
    disguise.learn(&deeds);
    let mut whole = whole;
    for part in parts {
        if let Some(value) = whole.get_mut(part) {
            *value = disguise.apply(part, value);
        }
    }
    let disguised = |e: serde_json::Error| ScenarioError::Invalid(format!("the scenario cannot be written: {e}"));
    let mut scenario: FlowScenario = serde_json::from_value(whole).map_err(disguised)?;
    let tried = scenario.run(runtime, &release.plugin, release.mapper.clone()).await?;
    if let Some(why) = tried.failed {
        scenario.expect = Some(Expected { fails: Some(why), ..Expected::default() });
        let left = disguise.left(&serde_json::to_value(&scenario).unwrap_or_default());
        return Ok(Recorded { scenario, differs: Vec::new(), left });
    }
    if let Some(call) = tried.unanswered.first() {
        return Err(ScenarioError::Invalid(format!("the scenario would have no answer to what the run asks: {call}")));
    }
    let then: Vec<Effect> = from(disguise.apply("", &deeds));
    let mut differs = differences(&then, &tried.effects);
    let then: Vec<String> = from(disguise.apply("", &outcomes));
    for ((event, then), now) in scenario.events.iter().zip(then).zip(&tried.outcomes) {
        if then != *now {
            differs.push(Difference {
                subject: event.key.clone(),
                call: "outcome".into(),
                field: String::new(),
                before: Some(then.into()),
                after: Some(now.as_str().into()),
            });
        }
    }
    scenario.expect = Some(expected(tried));
    let left = disguise.left(&serde_json::to_value(&scenario).unwrap_or_default());
    Ok(Recorded { scenario, differs, left })
}

fn from<T: serde::de::DeserializeOwned + Default>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_default()
}

fn expected(tried: Tried) -> Expected {
    let effect = |own: Effect| ExpectedEffect { call: own.call, subject: Some(own.subject), body: own.body };
    // An outcome's own `*` would stand for any text, which includes itself.
    Expected { outcomes: tried.outcomes, fails: None, effects: tried.effects.into_iter().map(effect).collect() }
}

fn of_journal(flow: &Flow, run: &Run, journal: &[JournalEntry], mapper: Option<PathBuf>) -> FlowScenario {
    let release = &flow.release;
    let done = || journal.iter().filter(|entry| entry.state == CallState::Done);
    let of = |kind: &'static str| done().filter(move |entry| entry.kind == kind);
    let mut clock: Vec<i64> = done()
        .filter(|own| ["clock.now", "wasi.start"].contains(&own.kind.as_str()))
        .filter_map(|own| own.response.parse().ok())
        .collect();
    if clock.is_empty() {
        clock.push(journal.first().map_or_else(crate::time::now, |entry| entry.at));
    }
    let now = match clock.as_slice() {
        [still] => Clock::Still(crate::time::iso(*still)),
        all => Clock::Goes(all.iter().map(|at| crate::time::iso(*at)).collect()),
    };
    let known: Vec<Link> = of("links.find")
        .flat_map(|entry| serde_json::from_str::<Vec<Option<Link>>>(&entry.response).unwrap_or_default())
        .flatten()
        .collect();
    let mut links: Vec<Linked> = Vec::new();
    for link in known {
        let same =
            |own: &Linked| (&own.kind, &own.b1, &own.salesforce) == (&link.kind, &link.b1_id, &link.salesforce_id);
        if !links.iter().any(same) {
            links.push(Linked {
                base: parsed(&link.base),
                kind: link.kind,
                b1: link.b1_id,
                salesforce: link.salesforce_id,
            });
        }
    }
    let mut storage: BTreeMap<String, Value> = BTreeMap::new();
    for entry in of("storage.get") {
        if let Ok(Some(value)) = serde_json::from_str::<Option<String>>(&entry.response) {
            storage.insert(entry.request.clone(), parsed(&value));
        }
    }
    for entry in of("storage.scan") {
        let rows: Vec<(String, String)> = serde_json::from_str(&entry.response).unwrap_or_default();
        storage.extend(rows.into_iter().map(|(key, value)| (key, parsed(&value))));
    }
    let random = of("random.bytes").map(|entry| {
        let bytes: Vec<u8> = serde_json::from_str(&entry.response).unwrap_or_default();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    });
    let events = run.events.iter().map(|event| Happened {
        id: Some(event.id.0),
        topic: event.topic.clone(),
        key: event.key.clone(),
        payload: parsed(&event.payload),
        attempt: event.attempts.max(1),
        resolution: event.resolution.clone(),
    });
    let taken: Vec<String> =
        flow.bound.topics.keys().filter(|topic| flow.bound.grants.check_emission(topic).is_ok()).cloned().collect();
    let settings = release.manifest.settings.as_object().cloned().unwrap_or_default();
    let lines = || Mapping::Lines(release.mapping_text.lines().map(str::to_owned).collect());
    FlowScenario {
        about: format!("{} of {}", first_topic(run), flow.name),
        flow: Some(flow.name.clone()),
        connections: flow.bound.named.clone(),
        settings,
        mapping: release.manifest.mapping.as_ref().map(|_| lines()),
        mapper: release.mapper.as_ref().and(mapper),
        now: Some(now),
        time_zone: flow.bound.zones.values().next().map(|zone| zone.name().to_owned()),
        random: random.collect(),
        taken: Some(taken),
        events: events.collect(),
        links,
        storage,
        answers: of("http").filter_map(answered).collect(),
        ..FlowScenario::default()
    }
}

fn first_topic(run: &Run) -> &str {
    run.events.first().map_or("nothing", |event| event.topic.as_str())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn answered(entry: &JournalEntry) -> Option<Answered> {
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let response: Value = serde_json::from_str(&entry.response).ok()?;
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let method = text("method");
    let (probed, came) = match (response.get("sent"), response.get("probed")) {
        (Some(came), _) => (false, Some(came)),
        (_, Some(came)) => (true, Some(came)),
        _ => (false, None),
    };
    let answer: Option<Answer> = came.and_then(|came| serde_json::from_value(came.clone()).ok());
    let error: Option<CallError> = response.get("failed").and_then(|error| serde_json::from_value(error.clone()).ok());
    if answer.is_none() && error.is_none() {
        return None;
    }
    let body = request["body"].as_str().map(parsed).filter(|_| method != "GET");
    Some(Answered {
        call: readable(&format!("{method} {} {}", text("slot"), text("path"))),
        with: body,
        status: answer.as_ref().map(|answer| answer.status),
        headers: answer.iter().flat_map(|answer| answer.headers.clone()).collect(),
        answer: answer
            .map_or(Value::Null, |answer| if answer.body.is_empty() { Value::Null } else { parsed(&answer.body) }),
        probed,
        error,
    })
}
