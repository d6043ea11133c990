//! What the answers to a question do, in the words of the Salesforce package's labels: `tests/package` keeps both the same.

/// Answers of the flows that go with Tandem. A choice is given as its flow has worded it.
const CHOICES: [(&str, &str); 18] = [
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
    ("refuse", "Do not do it"),
];

/// `link with C20000`
const LINK_WITH: &str = "link with ";
/// `approve 0123456789abcdef`: what a call would write, by the digest of its rehearsal.
const APPROVE: &str = "approve ";

/// What a choice does; empty for one of a plugin of the company's own, which says it itself.
pub fn does(choice: &str) -> String {
    if let Some(record) = choice.strip_prefix(LINK_WITH) {
        return format!("It is the same as {record}");
    }
    if choice.starts_with(APPROVE) {
        return "Do it, as it was rehearsed".to_owned();
    }
    let own = CHOICES.iter().find(|(own, _)| *own == choice);
    own.map(|(_, does)| (*does).to_owned()).unwrap_or_default()
}

/// What the answers of one question do, for all that ask the same of other records.
pub fn mends(choices: &[String]) -> Vec<String> {
    let mut mends: Vec<String> = Vec::new();
    for choice in choices {
        let says = match (choice.strip_prefix(LINK_WITH), does(choice)) {
            (Some(_), _) => "It is the same as a record that is there".to_owned(),
            (None, does) if does.is_empty() => choice.clone(),
            (None, does) => does,
        };
        if !mends.contains(&says) {
            mends.push(says);
        }
    }
    mends
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

    #[test]
    fn what_mends_a_kind_names_no_record_of_one_of_it() {
        let choices = ["link with C1", "link with C2", "create", "ask the warehouse"].map(str::to_owned);
        let mends = ["It is the same as a record that is there", "Create a new record", "ask the warehouse"];
        assert_eq!(super::mends(&choices), mends);
    }
}
