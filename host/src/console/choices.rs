//! What the answers to a question do, in the words of the Salesforce package's labels: `tests/package` keeps both the same.

/// Answers of the flows that go with Tandem. A choice is given as its flow has worded it.
const CHOICES: [(&str, &str); 17] = [
    ("retry", "Try again, once the cause is mended"),
    ("ignore", "Leave it as it is"),
    ("send anyway", "Send although over the limit"),
    ("cancel the order", "Cancel the order in SAP Business One"),
    ("create", "Create a new record"),
    ("create all the same", "Create although it looks like a duplicate"),
    ("save all the same", "Save although it looks like a duplicate"),
    ("create a new order", "Create a new order"),
    ("leave it cancelled", "Leave the order cancelled"),
    ("keep B1's", "Take the value of SAP Business One"),
    ("keep Salesforce's", "Take the value of Salesforce"),
    ("keep in B1", "Keep it in SAP Business One"),
    ("make inactive in B1", "Make the contact employee inactive in SAP Business One"),
    ("keep it so", "Leave both totals as they are"),
    ("mark", "Mark it as gone in B1"),
    ("leave unmarked", "Leave the contact as it is"),
    ("unlink", "They do not belong together"),
];

/// `link with C20000`
const LINK_WITH: &str = "link with ";

/// What a choice does; empty for one of a plugin of the company's own, which says it itself.
pub fn does(choice: &str) -> String {
    if let Some(record) = choice.strip_prefix(LINK_WITH) {
        return format!("It is the same as {record}");
    }
    let own = CHOICES.iter().find(|(own, _)| *own == choice);
    own.map(|(_, does)| (*does).to_owned()).unwrap_or_default()
}

/// Choices as rows: the answer, and what it does.
pub fn rows(choices: &[String]) -> Vec<Vec<String>> {
    choices.iter().map(|choice| vec![choice.clone(), does(choice)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_says_what_it_does() {
        assert_eq!(does("send anyway"), "Send although over the limit");
        assert_eq!(does("link with C20000"), "It is the same as C20000");
        assert_eq!(does("ask the warehouse"), "");
    }
}
