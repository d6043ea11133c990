//! What a duplicate rule of the org refuses is asked about: the record that it names is taken, or this one is saved all the
//! same, which the rule allows by a header where it only alerts.

use tandem_sdk::{Error, Header, Outcomes, Request, Said, Side, links, say};

/// The answer by which a new record is made although a rule alerts.
pub const CREATE: &str = "create all the same";

/// The answer by which a change is saved although a rule alerts.
const SAVE: &str = "save all the same";

/// Key prefix of account ids.
const ACCOUNT: &str = "001";

/// What was to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Another account may be taken in its place.
    NewAccount,
    /// A new contact.
    NewContact,
    /// Of a record that is there.
    Change,
}

fn is_wanted(choice: Option<&str>) -> bool {
    matches!(choice, Some(CREATE | SAVE))
}

/// Passes rules that only alert where a person wants it.
pub fn pass(choice: Option<&str>, request: &mut Request) {
    if is_wanted(choice) {
        let header = Header { name: "Sforce-Duplicate-Rule-Header".into(), value: "allowSave=true".into() };
        request.headers.push(header);
    }
}

/// Decides by a failed write.
pub fn fail(outcomes: &mut Outcomes, events: &[usize], error: &Error, what: Said, write: Write, choice: Option<&str>) {
    let message = match error {
        Error::Remote(remote) if remote.code == "DUPLICATES_DETECTED" => remote.message.as_str(),
        _ => return outcomes.fail(events, error, what),
    };
    let mut choices: Vec<String> = Vec::new();
    let mut linked: Vec<Said> = Vec::new();
    if write == Write::NewAccount {
        for id in accounts_in(message) {
            match links::find("account", Side::Salesforce, id) {
                None => choices.push(format!("link with {id}")),
                Some(link) => {
                    let with = [("account", id.into()), ("customer", link.b1_id.into())];
                    linked.push(say("accounts.duplicate_linked", "{account} is linked with {customer} already", with));
                }
            }
        }
    }
    // Refused in spite of the header: the rule would refuse again.
    let with = [("what", what.into()), ("why", message.into())];
    let reason = if is_wanted(choice) {
        say(
            "accounts.duplicate_blocked",
            "{what}: a duplicate rule of the org blocks it, whoever wants it saved: {why}",
            with,
        )
    } else {
        choices.push(if write == Write::Change { SAVE } else { CREATE }.to_owned());
        say("accounts.duplicate", "{what}: a duplicate rule of the org takes it for another record: {why}", with)
    };
    let reason = reason.and(Said::all(linked));
    choices.push("ignore".into());
    let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
    outcomes.ask(events, reason, &choices, &tandem_sdk::Value::Null);
}

/// Ids of accounts that the host put beside the org's words.
fn accounts_in(message: &str) -> impl Iterator<Item = &str> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| matches!(word.len(), 15 | 18) && word.starts_with(ACCOUNT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_out_of_the_words() {
        let ids: Vec<&str> =
            accounts_in("Use one of these records? (like 0015g0000000004AAA, 0035g0000000004AAA)").collect();
        assert_eq!(ids, ["0015g0000000004AAA"]);
    }
}
