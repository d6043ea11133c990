//! People who are on one side no more: a contact that was deleted, merged or moved leaves its employee inactive, an employee who was
//! removed leaves the contact marked. Tandem remembers whom it has made inactive, and wakes them when they come back.

use tandem_sdk::{Deleted, Link, Map, Outcomes, Said, Value, b1, from_json, json, links, say, storage, text};

use crate::contacts::{Person, key};
use crate::gather::Subject;
use crate::gone::MARK;
use crate::plan::Turn;
use crate::whereabouts::Whereabouts;

/// Answers to a person that was deleted on one side.
const INACTIVE: &str = "make inactive in B1";
const KEEP: &str = "keep in B1";
const UNMARKED: &str = "leave unmarked";

/// In a link's base: the other side is gone, and what became of it here.
const GONE: &str = "gone";
/// A human has said that it stays as it is.
const KEPT: &str = "kept";

/// An employee whose contact is with the account no more.
pub struct Left {
    pub link: Link,
    pub to: Whereabouts,
}

impl Left {
    /// What becomes of the employee.
    pub fn person(
        self,
        turn: &mut Turn<'_>,
        subject: &Subject,
        employee: &Value,
        outcomes: &mut Outcomes,
    ) -> Option<Person> {
        match &self.to {
            Whereabouts::Moved(account, keyed) => {
                let elsewhere = "moved to another account";
                let mut person = self.parted(subject, employee, elsewhere, outcomes);
                person.goes_to = Some(account.clone()).filter(|account| !account.is_empty());
                if *keyed && !turn.accounts.contains(account) {
                    // Else the employee's next contact would be this one.
                    person.contact.insert("Tandem_Contact_Key__c".into(), Value::Null);
                }
                Some(person)
            }
            Whereabouts::Merged(_) => Some(self.parted(subject, employee, "merged into another", outcomes)),
            Whereabouts::Deleted => self.deleted(turn, subject, employee, outcomes),
            Whereabouts::Unseen => None,
        }
    }

    /// The contact lives on with somebody else: the link ends.
    fn parted(&self, subject: &Subject, employee: &Value, how: &str, outcomes: &mut Outcomes) -> Person {
        let name = text(employee, "Name");
        let id = Some(self.link.salesforce_id.clone());
        let mut person = Person { id: id.clone(), unlinks: id, name: name.to_owned(), ..Person::default() };
        if employee["Active"] != "tNO" {
            outcomes.note_all(&subject.events, &format!("the contact {name} was {how}: inactive in B1"));
            person.row = inactive(employee);
            remember(&key(subject.card_code(), &b1::key_text(&employee["InternalCode"])));
        }
        person
    }

    fn deleted(
        &self,
        turn: &mut Turn<'_>,
        subject: &Subject,
        employee: &Value,
        outcomes: &mut Outcomes,
    ) -> Option<Person> {
        if employee["Active"] == "tNO" {
            return None;
        }
        let name = text(employee, "Name");
        let asked = Asked {
            code: &b1::key_text(&employee["InternalCode"]),
            name,
            marks: INACTIVE,
            keeps: KEEP,
            reason: say(
                "accounts.contact_deleted",
                "the contact {contact} was deleted in Salesforce; what should become of the contact employee?",
                [("contact", name.into())],
            ),
            detail: json!({ "b1": { "CardCode": subject.card_code(), "Name": name, "E_Mail": employee["E_Mail"] } }),
        };
        let (mut person, keeps) = asked.decided(turn, subject, &self.link, outcomes)?;
        person.id = Some(self.link.salesforce_id.clone());
        if !keeps {
            outcomes
                .note_all(&subject.events, &format!("the contact {name} was deleted in Salesforce: inactive in B1"));
            person.row = inactive(employee);
            // Its link does not tell it where B1's answer is lost.
            remember(&key(subject.card_code(), &b1::key_text(&employee["InternalCode"])));
            person.written.insert(GONE.into(), tandem_sdk::Side::B1);
        }
        Some(person)
    }
}

/// The employee of a contact was removed in B1: the contact is marked, once.
pub fn removed(
    turn: &mut Turn<'_>,
    subject: &Subject,
    contact: &Value,
    link: &Link,
    outcomes: &mut Outcomes,
) -> Option<Person> {
    let name = format!("{} {}", text(contact, "FirstName"), text(contact, "LastName")).trim().to_owned();
    let code = link.b1_id.rsplit_once(':').map(|(_, code)| code.to_owned()).unwrap_or_default();
    let asked = Asked {
        code: &code,
        name: &name,
        marks: MARK,
        keeps: UNMARKED,
        reason: say(
            "accounts.employee_removed",
            "the contact employee {contact} of {customer} was removed in B1; what should become of the contact?",
            [("contact", name.as_str().into()), ("customer", subject.card_code().into())],
        ),
        detail: json!({ "salesforce": { "Id": contact["Id"], "Name": name, "Email": contact["Email"] } }),
    };
    let (mut person, keeps) = asked.decided(turn, subject, link, outcomes)?;
    person.id = Some(text(contact, "Id").to_owned());
    if !keeps {
        outcomes.note_all(
            &subject.events,
            &format!("the contact employee {name} was removed in B1: the contact is marked"),
        );
        for (field, value) in [("Tandem_Inactive__c", true), (GONE, true)] {
            person.base.insert(field.into(), value.into());
            person.written.insert(field.into(), tandem_sdk::Side::Salesforce);
        }
        person.contact.insert("Tandem_Inactive__c".into(), true.into());
    }
    person.code = Some(code);
    Some(person)
}

/// What is asked about somebody who is gone on one side.
struct Asked<'a> {
    /// `InternalCode` of the employee.
    code: &'a str,
    name: &'a str,
    /// The answer by which the other side is marked.
    marks: &'a str,
    /// The answer by which it stays as it is.
    keeps: &'a str,
    reason: Said,
    detail: Value,
}

impl Asked<'_> {
    /// The person as it is remembered from now on, and whether the other side stays as it is; nothing where that is done already, or
    /// somebody is asked first.
    fn decided(
        self,
        turn: &mut Turn<'_>,
        subject: &Subject,
        link: &Link,
        outcomes: &mut Outcomes,
    ) -> Option<(Person, bool)> {
        let old = base_of(link);
        if old.contains_key(GONE) {
            return None;
        }
        let shown = gone(self.name);
        let answer = turn.questions.answer(turn.batch, subject);
        let choice = answer.about(self.code, &shown);
        let keeps = choice == Some(self.keeps);
        if turn.settings.deleted == Deleted::Review && !keeps && choice != Some(self.marks) {
            show(turn, subject, self.code, &shown, outcomes);
            outcomes.ask(&subject.events, self.reason, &[self.marks, self.keeps, "retry"], &self.detail);
            return None;
        }
        let mut base = old.clone();
        base.insert(GONE.into(), if keeps { KEPT.into() } else { true.into() });
        Some((Person { name: self.name.to_owned(), base, old, changed: true, ..Person::default() }, keeps))
    }
}

/// What a question shows of somebody who is gone: one answer is for one person.
fn gone(name: &str) -> [(String, Value, Value); 1] {
    [(GONE.to_owned(), name.into(), Value::Null)]
}

/// Keeps what is shown, unless something else is asked about the subject first.
fn show(turn: &mut Turn<'_>, subject: &Subject, code: &str, shown: &[(String, Value, Value)], outcomes: &Outcomes) {
    if subject.events.iter().all(|place| outcomes.is_open(*place)) {
        turn.questions.show(turn.batch, subject, code, shown);
    }
}

/// The link of an employee who is active though Tandem had made it inactive: a clerk has woken it, or Tandem has and the answer was lost. From
/// now on its state is a clerk's, whether its contact is `there` again or not.
pub fn awake(mut link: Link, employee: &Value, there: bool) -> Link {
    let mut base = base_of(&link);
    if employee["Active"] == "tNO" || base.get(GONE) != Some(&true.into()) {
        return link;
    }
    if there {
        base.remove(GONE);
    } else {
        base.insert(GONE.into(), KEPT.into());
    }
    link.base = json!(base).to_string();
    links::put(&link);
    link
}

/// B1 did not let a person be made inactive: it stays whose it is. Active and without a link it would get a second contact.
pub fn stays_active(person: &mut Person) {
    person.unlinks = None;
    person.base.remove(GONE);
    person.base.extend(person.old.get(GONE).map(|gone| (GONE.to_owned(), gone.clone())));
}

/// What a link keeps of somebody who is on both sides again: to wake him is remembered apart, until B1 has taken it.
pub fn is_back(base: &mut Map<String, Value>, new: &Map<String, Value>) {
    if !new.contains_key(GONE) {
        base.remove(GONE);
    }
}

/// True for an inactive employee whom Tandem has made so, since the contact was gone. A clerk's own word stands.
pub fn is_ours(employee: &Value, link: Option<&Link>, key: &str) -> bool {
    let by_link = || link.is_some_and(|link| base_of(link).get(GONE).is_some_and(|gone| gone != KEPT));
    employee["Active"] == "tNO" && (by_link() || storage::get(&left(key)).is_some())
}

/// Remembers that Tandem has made an employee inactive whose link does not tell it, or not any more.
pub fn remember(key: &str) {
    // Where the storage is full a person who comes back stays inactive, as a clerk sees.
    let _ = storage::set(&left(key), "true");
}

/// The employee is awake.
pub fn forget(key: &str) {
    storage::delete(&left(key));
}

/// So are all who are active and are not made inactive now, also where the answer to what woke them was lost.
pub fn forget_awake(card_code: &str, employees: &[&Value], persons: &[Person]) {
    let goes = |code: &str| {
        persons
            .iter()
            .any(|person| person.code.as_deref() == Some(code) && person.row.get("Active") == Some(&"tNO".into()))
    };
    if employees.is_empty() {
        return;
    }
    let kept = storage::scan(&left(&key(card_code, "")), u32::MAX);
    for employee in employees.iter().filter(|employee| employee["Active"] != "tNO") {
        let code = b1::key_text(&employee["InternalCode"]);
        let own = key(card_code, &code);
        if !goes(&code) && kept.iter().any(|entry| entry.key == left(&own)) {
            forget(&own);
        }
    }
}

/// What became of somebody whose other side is gone is decided: he stands alone.
pub fn is_parted(link: &Link) -> bool {
    base_of(link).contains_key(GONE)
}

fn left(key: &str) -> String {
    format!("left:{key}")
}

fn inactive(employee: &Value) -> Map<String, Value> {
    let mut row = Map::new();
    row.insert("InternalCode".into(), employee["InternalCode"].clone());
    row.insert("Name".into(), employee["Name"].clone());
    row.insert("Active".into(), "tNO".into());
    row
}

fn base_of(link: &Link) -> Map<String, Value> {
    from_json(&link.base).as_object().cloned().unwrap_or_default()
}
