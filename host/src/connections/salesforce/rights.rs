//! Rights of the integration user on objects and fields: what the org says where one is lacking, and the mend. An org says of a field that may not be
//! seen that it is not there, so a field that is really not there is told in the same words. Source: Salesforce help, "Field-Level
//! Security"; REST API guide, status codes.

/// The permission set of the package that grants all of its fields.
pub const PERMISSION_SET: &str = "Tandem Integration";
/// The one that is deployed beside the package: rights on standard objects and on what is below them.
pub const STANDARD_SET: &str = "Tandem Integration: standard objects";
/// The one that is needed where records are private to their owners.
pub const PRIVATE_SET: &str = "Tandem Integration: private sharing";

/// The org's words, with the mend where they are about a field or an object.
pub fn with_mend(code: &str, message: &str) -> String {
    let message = message.trim();
    let of_object = match code {
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => message.starts_with("entity type cannot be"),
        "INVALID_TYPE" => message.contains("is not supported"),
        _ => false,
    };
    if of_object {
        return format!(
            "{}. May the integration user do that with this object? Assign it the permission sets {PERMISSION_SET} and {STANDARD_SET}",
            message.trim_end_matches('.')
        );
    }
    // Of a record that is seen, or named as a parent: its owner, or rights on its object.
    if matches!(code, "INSUFFICIENT_ACCESS_OR_READONLY" | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY") {
        return format!(
            "{}. May the integration user change records that somebody else owns? Where Sharing Settings say Private or Public Read Only, assign it the permission set {PRIVATE_SET}, too; `tandem check` says what it lacks",
            message.trim_end_matches('.')
        );
    }
    let what = match code {
        "INVALID_FIELD_FOR_INSERT_UPDATE" => "write it",
        // The code stands for other things, too, such as a malformed filter.
        "INVALID_FIELD" if message.contains("No such column") || message.contains("__c'") => "see it",
        _ => return message.to_owned(),
    };
    let end = if message.ends_with('.') { "" } else { "." };
    format!(
        "{message}{end} Is it there, and may the integration user {what}? Assign it the permission set {PERMISSION_SET}; a field of your own needs one that grants it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_may_not_be_seen_or_written_is_told_with_the_permission_set() {
        let seen = with_mend("INVALID_FIELD", "\nNo such column 'Tandem_PO_Number__c' on entity 'Opportunity'");
        assert!(seen.starts_with("No such column 'Tandem_PO_Number__c'") && seen.contains(PERMISSION_SET), "{seen}");
        let written = with_mend("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: A__c.");
        assert!(written.contains("fields: A__c. Is it there") && written.contains(PERMISSION_SET), "{written}");
        for (code, message) in [
            ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: Contact"),
            ("INVALID_TYPE", "sObject type 'Contact' is not supported."),
        ] {
            let told = with_mend(code, message);
            assert!(told.starts_with(message) && told.contains(STANDARD_SET), "{told}");
        }
        for code in ["INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"] {
            let told = with_mend(code, "insufficient access rights on object id");
            assert!(told.starts_with("insufficient access") && told.contains(PRIVATE_SET), "{told}");
        }
        for (code, message) in [("INVALID_FIELD", "The Id field should not be specified"), ("STRING_TOO_LONG", "x")] {
            assert_eq!(with_mend(code, message), message);
        }
    }
}
