//! A question as its record in the org shows it.

use serde_json::{Map, Value};

use super::{LONG, short};
use crate::connections::CallError;
use crate::store::Event;
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
    // A field that the org has not, or does not let the integration user write.
    if matches!(refused, CallError::Remote { code, .. } if code.starts_with("INVALID_FIELD")) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_plugin_said_goes_along_whole_or_not_at_all() {
        assert_eq!(said(r#"{"b1":{},"said":[{"key":"a.b"}]}"#).as_deref(), Some(r#"[{"key":"a.b"}]"#));
        assert_eq!(said(&json!({ "said": [{ "text": "x".repeat(SAID) }] }).to_string()), None);
        for plain in ["", "null", "{}", "no JSON"] {
            assert_eq!(said(plain), None, "{plain}");
        }
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
