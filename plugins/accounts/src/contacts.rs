//! Contact employees of a partner and contacts of its account: matched by e-mail, then by name; merged like accounts.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::{Link, Map, Outcomes, Side, Value, b1, from_json, json, links, say, text};

use crate::describe::Settings;
use crate::fields::{self, Plan};
use crate::gather::Subject;
use crate::meet;
use crate::person;
use crate::unseen;

/// What is to be written of one person.
pub struct Person {
    /// `InternalCode`; none for an employee that is to be made.
    pub code: Option<String>,
    /// Contact id; none for a contact that is to be made.
    pub id: Option<String>,
    /// The employee's unique name within the partner.
    pub name: String,
    /// Row of `ContactEmployees`; empty when B1 has everything.
    pub row: Map<String, Value>,
    /// Fields of the contact; empty when Salesforce has everything.
    pub contact: Map<String, Value>,
    pub base: Map<String, Value>,
    /// The base before.
    pub old: Map<String, Value>,
    /// The link's base has to be kept anew.
    pub changed: bool,
}

/// Plans the contacts of one subject. Partner or account may still be missing: then all of the other side are new.
pub fn plan(settings: &Settings, subject: &Subject, newest: Side, outcomes: &mut Outcomes) -> Vec<Person> {
    if !settings.contacts || person::is(&subject.account) {
        return Vec::new();
    }
    let employees: Vec<&Value> = subject.partner["ContactEmployees"].as_array().into_iter().flatten().collect();
    let contacts: Vec<&Value> = subject.account["Contacts"]["records"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|contact| contact["IsDeleted"] != true)
        .collect();
    let key = |employee: &Value| format!("{}:{}", subject.card_code(), b1::key_text(&employee["InternalCode"]));
    let keys: Vec<String> = employees.iter().map(|employee| key(employee)).collect();
    let ids: Vec<String> = contacts.iter().map(|contact| text(contact, "Id").to_owned()).collect();
    let by_key = links::find_all("contact", Side::B1, &keys);
    let by_id: BTreeMap<&str, bool> = ids
        .iter()
        .zip(links::find_all("contact", Side::Salesforce, &ids))
        .map(|(id, link)| (id.as_str(), link.is_some()))
        .collect();
    let mut free: Vec<&Value> =
        contacts.iter().filter(|contact| by_id.get(text(contact, "Id")) != Some(&true)).copied().collect();
    let unlinked = employees.iter().zip(&by_key).filter(|(_, link)| link.is_none()).map(|(employee, _)| *employee);
    let mut matches = meet::matches(&unlinked.collect::<Vec<_>>(), &mut free);
    let absent = |link: &&Link| !contacts.iter().any(|contact| text(contact, "Id") == link.salesforce_id);
    let absent: Vec<String> = by_key.iter().flatten().filter(absent).map(|link| link.salesforce_id.clone()).collect();
    let unseen = match if subject.account.is_null() { Ok(BTreeSet::new()) } else { unseen::of(&absent) } {
        Ok(unseen) => unseen,
        Err(error) => {
            outcomes.fail(
                &subject.events,
                &error,
                say("accounts.looking_contacts", "looking for contacts that their account does not show", []),
            );
            return Vec::new();
        }
    };
    let mut persons = Vec::new();
    for (employee, link) in employees.iter().zip(by_key) {
        let code = b1::key_text(&employee["InternalCode"]);
        let known =
            link.as_ref().and_then(|link| contacts.iter().find(|contact| text(contact, "Id") == link.salesforce_id));
        let person = match (link, known) {
            (Some(link), Some(contact)) => merged(subject, employee, contact, Some(&link), newest, outcomes),
            (Some(link), None) if unseen.contains(&link.salesforce_id) => {
                let name = text(employee, "Name");
                outcomes
                    .note_all(&subject.events, &format!("the contact {name} is not to be seen: left as it is in B1"));
                None
            }
            (Some(link), None) => vanished(settings, subject, employee, &link, outcomes),
            (None, _) => match matches.remove(&code) {
                Some(contact) => merged(subject, employee, contact, None, newest, outcomes),
                None => new_contact(subject, employee, outcomes),
            },
        };
        persons.extend(person.map(|person| Person { code: Some(code), ..person }));
    }
    let mut names: Vec<String> = employees.iter().map(|employee| text(employee, "Name").to_lowercase()).collect();
    for contact in free {
        persons.extend(new_employee(subject, contact, &mut names, outcomes));
    }
    persons
}

fn merged(
    subject: &Subject,
    employee: &Value,
    contact: &Value,
    link: Option<&Link>,
    newest: Side,
    outcomes: &mut Outcomes,
) -> Option<Person> {
    let old = link.map(|link| from_json(&link.base).as_object().cloned().unwrap_or_default()).unwrap_or_default();
    let plan = match fields::merged(&["contact"], employee, contact, &old, newest, subject.choice.as_deref()) {
        Ok(plan) => plan,
        Err(why) => {
            outcomes.hold(&subject.events, why);
            return None;
        }
    };
    if !plan.conflicts.is_empty() {
        let (reason, detail) = fields::question(text(employee, "Name"), &plan.conflicts);
        outcomes.ask(&subject.events, reason, &["keep B1's", "keep Salesforce's", "retry", "ignore"], &detail);
        return None;
    }
    let Plan { mut to_b1, mut to_salesforce, mut base, .. } = plan;
    if let Some(last) = to_salesforce.get("LastName").filter(|last| last.is_null()) {
        // Salesforce wants one.
        let last = last_name(employee).map(Value::from).unwrap_or_else(|| last.clone());
        to_salesforce.insert("LastName".into(), last);
    }
    let inactive = Value::Bool(employee["Active"] == "tNO");
    if old.get("Tandem_Inactive__c").unwrap_or(&Value::Bool(false)) != &inactive {
        to_salesforce.insert("Tandem_Inactive__c".into(), inactive.clone());
    }
    base.insert("Tandem_Inactive__c".into(), inactive);
    if !to_b1.is_empty() {
        to_b1.insert("InternalCode".into(), employee["InternalCode"].clone());
        to_b1.insert("Name".into(), employee["Name"].clone());
    }
    let changed = link.is_none() || base != old;
    Some(Person {
        code: None,
        id: Some(text(contact, "Id").to_owned()),
        name: text(employee, "Name").to_owned(),
        row: to_b1,
        contact: to_salesforce,
        base,
        old,
        changed,
    })
}

/// Answers to a contact that was deleted.
const INACTIVE: &str = "make inactive in B1";
const KEEP: &str = "keep in B1";

/// The contact was deleted, or moved to another account.
fn vanished(
    settings: &Settings,
    subject: &Subject,
    employee: &Value,
    link: &Link,
    outcomes: &mut Outcomes,
) -> Option<Person> {
    let base = from_json(&link.base).as_object().cloned().unwrap_or_default();
    if subject.account.is_null() || employee["Active"] == "tNO" {
        return None;
    }
    let name = text(employee, "Name");
    if base.get("gone").is_some_and(|gone| gone == true) {
        return None;
    }
    let choice = subject.choice.as_deref();
    let old = base.clone();
    let mut base = base;
    base.insert("gone".into(), true.into());
    let mut person = Person {
        code: None,
        id: Some(link.salesforce_id.clone()),
        name: name.to_owned(),
        row: Map::new(),
        contact: Map::new(),
        base,
        old,
        changed: true,
    };
    if choice == Some(KEEP) {
        return Some(person);
    }
    if settings.review_deleted && choice != Some(INACTIVE) {
        let reason = say(
            "accounts.contact_deleted",
            "the contact {contact} was deleted in Salesforce; what should become of the contact employee?",
            [("contact", name.into())],
        );
        let detail = json!({ "b1": { "CardCode": subject.card_code(), "Name": name, "E_Mail": employee["E_Mail"] } });
        outcomes.ask(&subject.events, reason, &[INACTIVE, KEEP, "retry"], &detail);
        return None;
    }
    outcomes.note_all(&subject.events, &format!("the contact {name} was deleted in Salesforce: inactive in B1"));
    person.row.insert("InternalCode".into(), employee["InternalCode"].clone());
    person.row.insert("Name".into(), name.into());
    person.row.insert("Active".into(), "tNO".into());
    Some(person)
}

fn new_contact(subject: &Subject, employee: &Value, outcomes: &mut Outcomes) -> Option<Person> {
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
    Some(Person {
        code: None,
        id: None,
        name: text(employee, "Name").to_owned(),
        row: Map::new(),
        contact,
        base,
        old: Map::new(),
        changed: true,
    })
}

/// The last word of the name.
fn last_name(employee: &Value) -> Option<String> {
    let own = text(employee, "LastName");
    let name = if own.is_empty() { text(employee, "Name") } else { own };
    name.split_whitespace().next_back().map(str::to_owned)
}

fn new_employee(
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
    Some(Person {
        code: None,
        id: Some(text(contact, "Id").to_owned()),
        name,
        row,
        contact: Map::new(),
        base,
        old: Map::new(),
        changed: true,
    })
}

/// Finds the codes of employees that were made just now.
pub fn learn_codes(persons: &mut [Person], partner: &Value) {
    for person in persons.iter_mut().filter(|person| person.code.is_none()) {
        let own = partner["ContactEmployees"].as_array().into_iter().flatten();
        let found = own.into_iter().find(|row| text(row, "Name").eq_ignore_ascii_case(&person.name));
        person.code = found.map(|row| b1::key_text(&row["InternalCode"]));
    }
}

/// The key of a contact's link.
pub fn key(card_code: &str, code: &str) -> String {
    format!("{card_code}:{code}")
}

/// Keeps the link of a person that is in step.
pub fn put_link(card_code: &str, person: &Person) {
    if let (Some(code), Some(id)) = (&person.code, &person.id) {
        links::put(&Link {
            kind: "contact".into(),
            b1_id: key(card_code, code),
            salesforce_id: id.clone(),
            base: json!(person.base).to_string(),
        });
    }
}
