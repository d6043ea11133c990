//! People whom one side has and the other has not: made there.

use tandem_sdk::{Outcomes, Side, Value, b1, say, text};

use crate::contacts::Person;
use crate::fields;
use crate::gather::Subject;

/// The contact of an employee.
pub fn contact(subject: &Subject, employee: &Value, outcomes: &mut Outcomes) -> Option<Person> {
    // Nobody needs to hear of somebody who left before they met.
    if employee["Active"] == "tNO" {
        return None;
    }
    let plan = match fields::for_new(&["contact"], Side::Salesforce, employee) {
        Ok(plan) => plan,
        Err(why) => {
            outcomes.hold(&subject.events, why);
            return None;
        }
    };
    let mut contact = plan.to_salesforce;
    let mut base = plan.base;
    if contact.get("LastName").is_none_or(Value::is_null) {
        match last_name(employee) {
            Some(last) => {
                contact.insert("LastName".into(), last.into());
            }
            None => {
                let code = b1::key_text(&employee["InternalCode"]);
                let why = say(
                    "accounts.no_last_name",
                    "the contact employee {employee} of {customer} has no name; Salesforce needs a last name",
                    [("employee", code.into()), ("customer", subject.card_code().into())],
                );
                outcomes.hold(&subject.events, why);
                return None;
            }
        }
    }
    base.insert("Tandem_Inactive__c".into(), false.into());
    Some(Person { name: text(employee, "Name").to_owned(), contact, base, changed: true, ..Person::default() })
}

/// The last word of the name.
pub fn last_name(employee: &Value) -> Option<String> {
    let own = text(employee, "LastName");
    let name = if own.is_empty() { text(employee, "Name") } else { own };
    name.split_whitespace().next_back().map(str::to_owned)
}

/// The employee of a contact, with a name that the partner has not yet: `names`, in small letters.
pub fn employee(
    subject: &Subject,
    contact: &Value,
    names: &mut Vec<String>,
    outcomes: &mut Outcomes,
) -> Option<Person> {
    let plan = match fields::for_new(&["contact"], Side::B1, contact) {
        Ok(plan) => plan,
        Err(why) => {
            outcomes.hold(&subject.events, why);
            return None;
        }
    };
    let full = format!("{} {}", text(contact, "FirstName"), text(contact, "LastName")).trim().to_owned();
    // B1 keeps 90 letters, and no name twice within a partner.
    let full: String = full.chars().take(85).collect();
    let mut name = full.clone();
    let mut number = 2;
    while names.contains(&name.to_lowercase()) {
        name = format!("{full} {number}");
        number += 1;
    }
    names.push(name.to_lowercase());
    let mut row = plan.to_b1;
    row.insert("Name".into(), name.as_str().into());
    row.insert("Active".into(), "tYES".into());
    let mut base = plan.base;
    base.insert("Tandem_Inactive__c".into(), false.into());
    Some(Person { id: Some(text(contact, "Id").to_owned()), name, row, base, changed: true, ..Person::default() })
}
