//! An opportunity that waits for its customer says for whom, and why it takes long.

use tandem_sdk::{
    Error, Method, Outcome, Said, Value, clock, from_json, outcome_of, refused, request, salesforce, say, schedule,
    text,
};

use crate::describe::Settings;
use crate::{News, Work};

/// The accounts flow asks a person about an account, or will never have a customer for it: `{"AccountId": …, "reason": …, "never": true}`,
/// the reason as [`Said::kept`] has it,
/// under the account's key; `{"AccountId": …, "decided": true}` where nothing is asked any more.
pub const TOPIC: &str = "account.asked";

/// State of an opportunity that nothing is wrong with itself.
const WAITING: &str = "Waiting";

const FIELDS: [&str; 4] = ["Id", "Account.Name", "Tandem_Sync_Message__c", "Tandem_Sync_Said__c"];

/// Keys of what an opportunity shows that waits for its customer.
const WAITS: [&str; 2] = ["orders.waits", "orders.waits_asked"];

/// What an opportunity shows from the moment it waits: whether its customer is in review is known then, or told later by
/// [`TOPIC`].
pub fn news(opportunity: &Value) -> News {
    let account = &opportunity["Account"];
    let asked = match text(account, "Tandem_Sync_State__c") {
        "Review" => Said::of_record(account),
        _ => Said::default(),
    };
    News { order: None, status: None, state: WAITING, message: message(text(account, "Name"), asked), loud: false }
}

fn message(customer: &str, asked: Said) -> Said {
    let customer = customer.into();
    if asked.is_empty() {
        let with = [("customer", customer)];
        return say("orders.waits", "waits for the customer {customer}, who is being brought into B1", with);
    }
    let with = [("customer", customer), ("asked", asked.into())];
    say("orders.waits_asked", "waits for the customer {customer}, about whom a decision is open: {asked}", with)
}

/// Key of what an opportunity is asked while it is to be decided whose its account is.
pub const UNDECIDED: &str = "orders.undecided";

/// An opportunity that waits does so for its customer, and for nothing that a clerk or B1 is still to do.
fn is_for_it(opportunity: &Value) -> bool {
    let shown = Said::of_record(opportunity);
    shown.is_empty() || WAITS.iter().any(|key| shown.says(key))
}

/// Tells the opportunities that wait for an account in review.
pub fn tell(settings: &Settings, work: &mut [Work]) {
    for w in work.iter_mut().filter(|w| w.is_open() && w.event.topic == TOPIC) {
        let payload = from_json(&w.event.payload);
        let account = text(&payload, "AccountId");
        let decided = payload["decided"] == true;
        let concerns = if decided { asks_whose } else { is_for_it };
        let is_ours = |opportunity: &Value| settings.only.holds(opportunity) && concerns(opportunity);
        let waiting: Vec<Value> = match of_account(settings, account, if decided { "Review" } else { WAITING }) {
            Ok(waiting) => waiting.into_iter().filter(is_ours).collect(),
            Err(error) => {
                w.finish(outcome_of(
                    &error,
                    say("orders.looking_waiting", "looking for opportunities that wait for a customer", []),
                ));
                continue;
            }
        };
        if decided {
            waiting.iter().for_each(|opportunity| schedule::wake(clock::now(), text(opportunity, "Id"), "{}"));
            w.finish(Outcome::Done(format!(
                "{} opportunities that waited for a decision are looked at",
                waiting.len()
            )));
            continue;
        }
        let requests: Vec<_> = waiting
            .iter()
            .map(|opportunity| {
                let id = text(opportunity, "Id");
                let (customer, reason) = (text(&opportunity["Account"], "Name"), Said::of_kept(&payload["reason"]));
                let (state, words) = if payload["never"] == true {
                    let with = [("customer", customer.into()), ("why", reason.into())];
                    (
                        "Review",
                        say(
                            "orders.waits_in_vain",
                            "waits for the customer {customer} in vain: {why}. Write the CardCode into the account's B1 Card Code",
                            with,
                        ),
                    )
                } else {
                    (WAITING, message(customer, reason))
                };
                let mut fields = words.shown();
                fields.insert("Tandem_Sync_State__c".into(), state.into());
                let path = format!("/sobjects/Opportunity/{id}");
                request("salesforce", Method::Patch, path, Some(&Value::Object(fields)), id)
            })
            .collect();
        let told = requests.len();
        let failed = refused::send_all(&requests, |_, _| false).into_iter().find_map(|sent| sent.answer.err());
        w.finish(match failed {
            // What an opportunity refuses to show stands in the queue all the same.
            Some(error) => match outcome_of(&error, "telling opportunities that wait for a customer") {
                Outcome::Review(request) => Outcome::Done(request.reason),
                other => other,
            },
            None => Outcome::Done(format!("{told} opportunities that wait for this customer are told why")),
        });
    }
}

/// It was to be decided whose its account is.
fn asks_whose(opportunity: &Value) -> bool {
    Said::of_record(opportunity).says(UNDECIDED)
}

/// An account's opportunities that show this state.
fn of_account(settings: &Settings, account: &str, state: &str) -> Result<Vec<Value>, Error> {
    let and = format!("AND Tandem_Sync_State__c = {}", salesforce::quote(state));
    let account = [account.to_owned()];
    let mut fields: Vec<String> = FIELDS.iter().map(|field| (*field).to_owned()).collect();
    fields.extend(settings.only.field());
    let read = |fields: &[String]| salesforce::query_in(&fields.join(","), "Opportunity", "AccountId", &account, &and);
    match read(&fields) {
        // Of an org with an older package those are told that show nothing.
        Err(error) if Said::is_unknown(&error) => {
            fields.retain(|field| field != "Tandem_Sync_Said__c");
            read(&fields)
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    #[test]
    fn only_an_opportunity_that_waits_for_its_customer_is_told_what_is_asked_about_that() {
        let shows = |said: Said| is_for_it(&Value::Object(said.shown()));
        assert!(shows(message("Miller", Said::default())) && shows(message("Miller", "which one?".into())));
        assert!(is_for_it(&json!({ "Tandem_Sync_Message__c": null })), "it could not be shown");
        assert!(!shows("the order is approved in B1, and draft 7 is still to be added there".into()));
    }
}
