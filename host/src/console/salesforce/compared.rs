//! How the last comparison of both sides went, as the host's record in the org shows it.

use serde_json::{Map, Value, json};

use super::lacks_field;
use crate::connections::CallError;
use crate::reconcile::Together;
use crate::time::iso;

const FIELDS: [&str; 4] = ["Tandem_Compared__c", "Tandem_In_Step__c", "Tandem_Differences__c", "Tandem_Unexplained__c"];

/// Adds what there is to say; of what was never compared nothing.
pub(super) fn add(fields: &mut Map<String, Value>, together: Option<&Together>) {
    let values = match together {
        Some(own) => [own.whole.map(iso).into(), json!(own.in_step), json!(own.explained), json!(own.unexplained)],
        None => Default::default(),
    };
    fields.extend(FIELDS.into_iter().map(str::to_owned).zip(values));
}

/// Takes it away again where the org's package is older than this host, and has no such fields; false where it is refused for something else.
pub(super) fn leave_out(refused: &CallError, fields: &mut Map<String, Value>) -> bool {
    let before = fields.len();
    if lacks_field(refused) {
        fields.retain(|field, _| !FIELDS.contains(&field.as_str()));
    }
    fields.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_package_is_told_without_what_it_has_no_field_for() {
        let mut fields = Map::new();
        add(&mut fields, Some(&Together { whole: Some(0), in_step: 7, explained: 2, unexplained: 1 }));
        assert_eq!(fields["Tandem_Compared__c"], "1970-01-01T00:00:00.000Z");
        assert_eq!((&fields["Tandem_In_Step__c"], &fields["Tandem_Unexplained__c"]), (&json!(7), &json!(1)));
        let refused = |code: &str| CallError::Remote { status: 400, code: code.into(), message: String::new() };
        assert!(!leave_out(&refused("REQUIRED_FIELD_MISSING"), &mut fields) && fields.len() == 4);
        assert!(leave_out(&refused("INVALID_FIELD_FOR_INSERT_UPDATE"), &mut fields) && fields.is_empty());
        assert!(!leave_out(&refused("INVALID_FIELD"), &mut fields), "once");
        add(&mut fields, None);
        assert!(fields.values().all(Value::is_null) && fields.len() == 4, "{fields:?}");
    }
}
