//! What was carried, step by step, for tools that show traces: the event, each run of it, each call of the run. Made of the journal, so that a run that
//! was taken up after a crash tells all of it; ids come of what they name, so that what is told twice is one. Of records only which objects they are of.

use ring::digest;
use serde_json::Value;

use super::compare::without_keys;
use crate::connections::CallError;
use crate::store::{CallState, Event, Finish, JournalEntry, Millis, Run, Verdict};
use crate::telemetry::{Attribute, Kind, Span};

/// The steps of a run that was committed.
pub(super) fn of_run(run: &Run, finish: &Finish, journal: &[JournalEntry], began: Millis, ended: Millis) -> Vec<Span> {
    let mut spans = Vec::new();
    for event in &run.events {
        let Some(trace) = trace_of(event) else { continue };
        let verdict = finish.verdicts.iter().find(|(id, _)| *id == event.id).map(|(_, verdict)| verdict);
        let (outcome, over) = match verdict {
            Some(Verdict::Done(_)) => ("done", true),
            // What a person is asked about goes on.
            Some(Verdict::Review(_)) => ("review", false),
            Some(Verdict::Reject(_)) => ("reject", true),
            Some(Verdict::Retry { .. }) => ("retry", false),
            Some(Verdict::Wait { .. }) => ("wait", false),
            None => ("none", false),
        };
        let whole = id_of("event", &[event.id.0]);
        let of_run = id_of("run", &[run.id.0, event.id.0]);
        if over {
            spans.push(Span {
                trace: trace.clone(),
                id: whole.clone(),
                parent: None,
                name: format!("{} for {}", event.topic, run.flow),
                kind: Kind::Consumer,
                start: event.created_at,
                end: ended,
                attributes: vec![
                    ("tandem.flow", Attribute::Text(run.flow.clone())),
                    ("tandem.event", Attribute::Number(event.id.0)),
                    ("tandem.topic", Attribute::Text(event.topic.clone())),
                    ("tandem.outcome", Attribute::Text(outcome.into())),
                    ("tandem.attempts", Attribute::Number(event.attempts.into())),
                ],
                failed: outcome == "reject",
            });
        }
        spans.push(Span {
            trace,
            id: of_run,
            parent: Some(whole),
            name: format!("run of {}", run.flow),
            kind: Kind::Internal,
            start: began,
            end: ended,
            attributes: vec![
                ("tandem.flow", Attribute::Text(run.flow.clone())),
                ("tandem.run", Attribute::Number(run.id.0)),
                ("tandem.release", Attribute::Text(crate::releases::short(&run.release).to_owned())),
                ("tandem.events", Attribute::Number(run.events.len() as i64)),
                ("tandem.outcome", Attribute::Text(outcome.into())),
            ],
            failed: finish.error.is_some(),
        });
    }
    spans.extend(journal.iter().filter_map(|entry| call(run, entry)));
    spans
}

/// A call, as a part of the event that it is about; of many the first.
fn call(run: &Run, entry: &JournalEntry) -> Option<Span> {
    if entry.kind != "http" || entry.state != CallState::Done {
        return None;
    }
    let own = run.events.iter().find(|event| event.key == entry.subject).or(run.events.first())?;
    let request: Value = serde_json::from_str(&entry.request).ok()?;
    let (method, slot) = (request["method"].as_str()?, request["slot"].as_str()?);
    let path = outline(&without_keys(request["path"].as_str()?));
    let response: Value = serde_json::from_str(&entry.response).unwrap_or_default();
    let (status, error) = ended(&response);
    let mut attributes = vec![
        ("http.request.method", Attribute::Text(method.to_owned())),
        ("url.template", Attribute::Text(path.clone())),
        ("peer.service", Attribute::Text(slot.to_owned())),
    ];
    attributes.extend(status.map(|status| ("http.response.status_code", Attribute::Number(status))));
    attributes.extend(error.clone().map(|error| ("error.type", Attribute::Text(error))));
    Some(Span {
        trace: trace_of(own)?,
        id: id_of("call", &[run.id.0, entry.seq.into(), entry.item.into()]),
        parent: Some(id_of("run", &[run.id.0, own.id.0])),
        name: format!("{method} {slot} {path}"),
        kind: Kind::Client,
        start: entry.at - Millis::from(entry.took.unwrap_or_default()),
        end: entry.at,
        attributes,
        failed: error.is_some(),
    })
}

/// The status that was answered, and by what it failed: the status, or the name of what there was in place of one. No words: they may name somebody.
fn ended(response: &Value) -> (Option<i64>, Option<String>) {
    let answered = ["sent", "probed"].iter().find_map(|way| response[*way]["status"].as_i64());
    if let Some(status) = answered {
        return (Some(status), (!(200..400).contains(&status)).then(|| status.to_string()));
    }
    if response.get("denied").is_some() {
        return (None, Some("not granted".into()));
    }
    let error = match serde_json::from_value(response["failed"].clone()) {
        Ok(CallError::Remote { status, .. }) => return (Some(status.into()), Some(status.to_string())),
        Ok(CallError::Throttled(_)) => "held back",
        Ok(CallError::Unreachable(_)) => "unreachable",
        Ok(CallError::SignIn(_)) => "sign-in refused",
        Ok(CallError::TooLarge(_)) => "too large",
        Ok(CallError::Invalid(_)) => "invalid",
        Ok(CallError::Unsettled(_) | CallError::Ambiguous(_) | CallError::Displaced(_)) => "answer lost",
        Err(_) => "unknown",
    };
    (None, Some(error.into()))
}

/// A path without what may be a record: parts with digits in them, but for the version of an API and the name of an object.
fn outline(path: &str) -> String {
    let is_version =
        |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'));
    let mut before = "";
    let parts = path.split('/').map(|part| {
        let is_name = before == "sobjects" && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        before = part;
        let tells = part.contains(|c: char| c.is_ascii_digit() || c == '@' || c == '%');
        if tells && !is_version(part) && !is_name { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// 32 hex digits; none where the source gave none.
fn trace_of(event: &Event) -> Option<String> {
    let id = event.trace.split('-').next().unwrap_or_default();
    let whole =
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && id.bytes().any(|byte| byte != b'0');
    whole.then(|| id.to_ascii_lowercase())
}

fn id_of(what: &str, numbers: &[i64]) -> String {
    let told = format!("{what} {numbers:?}");
    let digest = digest::digest(&digest::SHA256, told.as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{EventId, EventState, Kept, RunId};

    #[test]
    fn one_trace_goes_from_the_event_to_the_call_and_names_nobody() {
        let event = Event {
            id: EventId(7),
            flow: "orders".into(),
            topic: "salesforce.Opportunity".into(),
            key: "006A".into(),
            payload: "{\"Name\":\"Anna\"}".into(),
            trace: "0af7651916cd43dd8448eb211c80319c-1.9".into(),
            state: EventState::Leased,
            due_at: 0,
            attempts: 1,
            created_at: 10,
            finished_at: None,
            reason: None,
            choices: Vec::new(),
            detail: String::new(),
            resolution: None,
            kept: Kept::Whole,
        };
        let id = event.id;
        let run = Run {
            id: RunId(3),
            flow: "orders".into(),
            release: "d".repeat(64),
            events: vec![event],
            repeated: false,
            kept: Kept::Whole,
        };
        let entry = JournalEntry {
            seq: 1,
            item: 0,
            kind: "http".into(),
            subject: "006A".into(),
            request:
                json!({ "slot": "b1", "method": "PATCH", "path": "/BusinessPartners('Anna')?$x=Anna", "body": "Anna" })
                    .to_string(),
            response: json!({ "sent": { "status": 204, "body": "Anna" } }).to_string(),
            state: CallState::Done,
            at: 50,
            took: Some(20),
        };
        let finish = Finish { verdicts: vec![(id, Verdict::Done("Anna".into()))], ..Finish::default() };
        let spans = of_run(&run, &finish, &[entry], 20, 60);
        assert_eq!(spans.len(), 3);
        assert!(spans.iter().all(|span| span.trace == "0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(spans[1].parent.as_ref(), Some(&spans[0].id));
        assert_eq!(spans[2].parent.as_ref(), Some(&spans[1].id));
        assert_eq!((spans[2].name.as_str(), spans[2].start, spans[2].end), ("PATCH b1 /BusinessPartners(*)", 30, 50));
        assert!(!format!("{spans:?}").contains("Anna"));
        assert_eq!(outline("/services/apexrest/x/001A7/v64.0/Orders"), "/services/apexrest/x/*/v64.0/Orders");
        assert_eq!(outline("/sobjects/Product2/Tandem_Item_Code__c/A1"), "/sobjects/Product2/Tandem_Item_Code__c/*");
    }

    #[test]
    fn a_call_that_failed_says_how_and_not_in_whose_words() {
        let remote = CallError::Remote { status: 400, code: "-5002".into(), message: "Anna is frozen".into() };
        let failed = |error: &CallError| ended(&json!({ "failed": serde_json::to_value(error).unwrap() }));
        assert_eq!(failed(&remote), (Some(400), Some("400".into())));
        assert_eq!(failed(&CallError::Ambiguous("reset".into())), (None, Some("answer lost".into())));
        assert_eq!(ended(&json!({ "sent": { "status": 404 } })), (Some(404), Some("404".into())));
        assert_eq!(ended(&json!({ "sent": { "status": 204 } })), (Some(204), None));
        assert_eq!(ended(&json!({ "denied": "no such grant" })), (None, Some("not granted".into())));
    }
}
