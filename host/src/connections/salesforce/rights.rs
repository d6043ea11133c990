//! Rights of the integration user on fields: what the org says where one is lacking, and the mend. An org says of a field that may not be
//! seen that it is not there, so a field that is really not there is told in the same words. Source: Salesforce help, "Field-Level
//! Security"; REST API guide, status codes.

/// The permission set of the package that grants all of its fields.
pub const PERMISSION_SET: &str = "Tandem Integration";

/// The org's words, with the mend where they are about a field.
pub fn with_mend(code: &str, message: &str) -> String {
    let message = message.trim();
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
        for (code, message) in [("INVALID_FIELD", "The Id field should not be specified"), ("STRING_TOO_LONG", "x")] {
            assert_eq!(with_mend(code, message), message);
        }
    }
}
