//! A question as its record in the org shows it.

use serde_json::{Map, Value};

use super::{LONG, SHORT, lacks_field, short};
use crate::connections::CallError;
use crate::store::{Event, EventState};
use crate::time::iso;

/// Lengths of the fields.
const CHOICES: usize = 2_000;
const SAID: usize = 32_000;

/// Lookups of a question by the key prefix of the record that it is about. Source: the Object Reference's key prefixes.
const LOOKUPS: [(&str, &str); 2] = [("001", "Tandem_Account__c"), ("006", "Tandem_Opportunity__c")];

/// Keys and parameters of a question's reason, for the reader's language.
const SAID_FIELD: &str = "Tandem_Said__c";

/// Takes from a question what the org refuses of it.
pub(super) fn leave_out(refused: &CallError, fields: &mut Value) {
    let Some(fields) = fields.as_object_mut() else { return };
    if lacks_field(refused) {
        fields.remove(SAID_FIELD);
    } else {
        LOOKUPS.iter().for_each(|(_, lookup)| drop(fields.remove(*lookup)));
    }
}

/// What the plugin said of its reason beside the English, as JSON; none where that is longer than the field.
fn said(detail: &str) -> Option<String> {
    let detail: Value = serde_json::from_str(detail).ok()?;
    detail.get("said").map(Value::to_string).filter(|said| said.chars().count() <= SAID)
}

/// The fields of a question, with the record that it is about where that is one of the org's.
pub(super) fn question(event: &Event) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("Name", short(&format!("{} {}", event.flow, event.id), 80).into());
    set("Tandem_Flow__c", event.flow.as_str().into());
    set("Tandem_Reason__c", short(event.reason.as_deref().unwrap_or_default(), LONG).into());
    set(SAID_FIELD, said(&event.detail).into());
    set("Tandem_Choices__c", short(&event.choices.join("\n"), CHOICES).into());
    set("Tandem_State__c", "Open".into());
    set("Tandem_Answer__c", Value::Null);
    set("Tandem_Outcome__c", Value::Null);
    set("Tandem_Since__c", iso(event.created_at).into());
    if event.topic.starts_with("salesforce.") && event.key.len() == 18 {
        set("Tandem_Record_Id__c", event.key.as_str().into());
        if let Some((_, field)) = LOOKUPS.iter().find(|(prefix, _)| event.key.starts_with(prefix)) {
            set(field, event.key.as_str().into());
        }
    }
    fields.into()
}

/// Whether the org shows the same of both.
pub(super) fn is_same(before: &Event, now: &Event) -> bool {
    question(before) == question(now)
}

/// Whether a row of the org asks what its event asks now. Of the words only letters and digits count: what else a text has, an org may
/// store otherwise.
pub(super) fn asks(row: &Value, event: &Event) -> bool {
    let plain =
        |text: &Value| text.as_str().unwrap_or_default().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let now = question(event);
    ["Tandem_Reason__c", "Tandem_Choices__c"].iter().all(|field| plain(&row[*field]) == plain(&now[*field]))
}

/// The fields of a question that is open no more: what was answered on the host, or what became of its event.
pub(super) fn over(event: Option<&Event>) -> Value {
    let mut fields = Map::from_iter([("Tandem_State__c".to_owned(), Value::from("Closed"))]);
    let under_way = |event: &Event| matches!(event.state, EventState::Ready | EventState::Leased | EventState::Waiting);
    let answer = |event: &Event| event.resolution.clone().filter(|_| event.state != EventState::Superseded);
    let outcome = match event {
        None => "no longer kept".to_owned(),
        Some(event) if event.state == EventState::Review => "asked anew".to_owned(),
        Some(event) => {
            let why = event.reason.as_deref().unwrap_or_default();
            match answer(event) {
                Some(answer) => {
                    fields.insert("Tandem_Answer__c".into(), answer.as_str().into());
                    if under_way(event) {
                        format!("on the host: {answer}")
                    } else {
                        format!("on the host: {answer}; {why}")
                    }
                }
                // Its reason is still the question's.
                None if under_way(event) => "runs again".to_owned(),
                None => format!("{}: {why}", event.state.word()),
            }
        }
    };
    fields.insert("Tandem_Outcome__c".into(), short(&outcome, SHORT).into());
    fields.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{EventId, Kept};

    #[test]
    fn what_a_plugin_said_goes_along_whole_or_not_at_all() {
        assert_eq!(said(r#"{"b1":{},"said":[{"key":"a.b"}]}"#).as_deref(), Some(r#"[{"key":"a.b"}]"#));
        assert_eq!(said(&json!({ "said": [{ "text": "x".repeat(SAID) }] }).to_string()), None);
        for plain in ["", "null", "{}", "no JSON"] {
            assert_eq!(said(plain), None, "{plain}");
        }
    }

    #[test]
    fn a_question_that_is_over_says_what_was_answered_and_what_came_of_it() {
        let event = |state: EventState, reason: &str, resolution: Option<&str>| -> Event {
            Event {
                id: EventId(7),
                flow: "orders".into(),
                topic: "salesforce.Opportunity".into(),
                key: "006".into(),
                payload: "{}".into(),
                trace: String::new(),
                state,
                due_at: 0,
                attempts: 1,
                created_at: 0,
                finished_at: None,
                reason: Some(reason.into()),
                choices: Vec::new(),
                detail: String::new(),
                resolution: resolution.map(str::to_owned),
                kept: Kept::Whole,
            }
        };
        let told = |event: Event| {
            let fields = over(Some(&event));
            assert_eq!(fields["Tandem_State__c"], "Closed");
            (fields["Tandem_Answer__c"].clone(), fields["Tandem_Outcome__c"].as_str().unwrap_or_default().to_owned())
        };
        let send = Some("send anyway");
        let answer = json!("send anyway");
        assert_eq!(
            told(event(EventState::Ready, "over the limit", send)),
            (answer.clone(), "on the host: send anyway".into())
        );
        let made = "on the host: send anyway; order 7 created";
        assert_eq!(told(event(EventState::Done, "order 7 created", send)), (answer, made.into()));
        assert_eq!(told(event(EventState::Ready, "over the limit", None)), (Value::Null, "runs again".into()));
        assert_eq!(told(event(EventState::Done, "in step", None)), (Value::Null, "done: in step".into()));
        assert_eq!(over(None)["Tandem_Outcome__c"], "no longer kept");
    }

    #[test]
    fn an_org_gets_what_it_takes() {
        let refused = |code: &str| CallError::Remote { status: 400, code: code.into(), message: String::new() };
        let mut fields = json!({ SAID_FIELD: "[]", "Tandem_Opportunity__c": "006", "Tandem_Reason__c": "why" });
        leave_out(&refused("INVALID_FIELD"), &mut fields);
        assert_eq!(fields, json!({ "Tandem_Opportunity__c": "006", "Tandem_Reason__c": "why" }));
        leave_out(&refused("INVALID_CROSS_REFERENCE_KEY"), &mut fields);
        assert_eq!(fields, json!({ "Tandem_Reason__c": "why" }));
    }
}
