//! Contact employees of a partner and contacts of its account: who is whom, by link, then by e-mail and name; merged like accounts.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::{Link, Map, Outcomes, Side, Value, b1, from_json, json, links, say, text};

use crate::gather::Subject;
use crate::left::{self, Left};
use crate::plan::{Turn, newest_of};
use crate::seen::{KEEP_B1, KEEP_SALESFORCE};
use crate::whereabouts::{self, Whereabouts};
use crate::{fields, meet, newcomers, person};

/// What is to be written of one person.
#[derive(Default)]
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
    /// Which fields of the base stand there only when a side has taken them.
    pub written: BTreeMap<String, Side>,
    /// What was decided of its fields: see [`fields::Plan`].
    pub decided: Map<String, Value>,
    /// The base before.
    pub old: Map<String, Value>,
    /// The link's base has to be kept anew.
    pub changed: bool,
    /// Salesforce did not take what was to be written.
    pub refused: bool,
    /// Contact whose link ends: it is gone, or belongs to somebody else.
    pub unlinks: Option<String>,
    /// `CardCode` whose link with this contact has to end first.
    pub comes_from: Option<String>,
    /// The account that the contact has moved to.
    pub goes_to: Option<String>,
}

/// Whose a contact of the account is, by its link.
enum Standing {
    /// Nobody's.
    Free,
    /// That of an employee who is there.
    Linked,
    /// That of an employee whom B1 has no more.
    Removed(Link),
    /// That of an employee of another partner: the contact has moved here.
    Foreign(String),
}

/// Whom an employee's link leads to.
enum Known<'a> {
    Nobody,
    /// A contact that is there.
    Met(Link, &'a Value),
    /// The one that its contact was merged into.
    Master(Link, &'a Value),
    /// One of the account that the partner had before.
    Another(Link),
    Unseen,
    Left(Left),
}

/// Plans the contacts of one subject. Partner or account may still be missing: then all of the other side are new.
pub fn plan(turn: &mut Turn<'_>, subject: &Subject, outcomes: &mut Outcomes) -> Vec<Person> {
    if !turn.settings.contacts || person::is(&subject.account) {
        return Vec::new();
    }
    let employees: Vec<&Value> = subject.partner["ContactEmployees"].as_array().into_iter().flatten().collect();
    let contacts = subject.account["Contacts"]["records"].as_array().into_iter().flatten();
    let contacts: Vec<&Value> = contacts.filter(|contact| contact["IsDeleted"] != true).collect();
    let mut standings = standings(subject, &employees, &contacts);
    let known = match known(subject, &employees, &contacts, &standings) {
        Ok(known) => known,
        Err(error) => {
            let what = say("accounts.looking_contacts", "looking for contacts that their account does not show", []);
            outcomes.fail(&subject.events, &error, what);
            return Vec::new();
        }
    };
    for known in &known {
        if let Known::Master(_, master) = known {
            standings.insert(text(master, "Id").to_owned(), Standing::Linked);
        }
    }
    let mut free: Vec<&Value> = contacts
        .iter()
        .filter(|contact| !matches!(standings.get(text(contact, "Id")), Some(Standing::Linked)))
        .copied()
        .collect();
    let seeks = |known: &Known<'_>| matches!(known, Known::Nobody | Known::Another(_) | Known::Left(_));
    let seekers = employees.iter().zip(&known).filter(|(_, known)| seeks(known)).map(|(employee, _)| *employee);
    // Of two of one name the active one is meant.
    let (active, inactive): (Vec<&Value>, Vec<&Value>) = seekers.partition(|employee| employee["Active"] != "tNO");
    let mut matches = meet::matches(&[active, inactive].concat(), &mut free);
    let mut persons = Vec::new();
    for (employee, known) in employees.iter().zip(known) {
        let code = b1::key_text(&employee["InternalCode"]);
        let key = key(subject.card_code(), &code);
        let found = matches.remove(&code);
        let person = match (known, found) {
            (Known::Met(link, contact), _) => {
                let wakes = left::is_ours(employee, Some(&link), &key);
                merged(turn, subject, (employee, contact), Some(&link), wakes, outcomes)
            }
            (Known::Master(link, contact), _) => {
                let person = merged(turn, subject, (employee, contact), None, false, outcomes);
                person.map(|person| Person { unlinks: Some(link.salesforce_id), ..person })
            }
            (Known::Unseen, _) => {
                let name = text(employee, "Name");
                outcomes
                    .note_all(&subject.events, &format!("the contact {name} is not to be seen: left as it is in B1"));
                None
            }
            (known, Some(contact)) => {
                let old = match known {
                    Known::Left(Left { link, .. }) | Known::Another(link) => Some(link),
                    _ => None,
                };
                let from = foreign(&standings, contact);
                if from.as_deref().is_some_and(|code| !turn.lets_go(code)) {
                    continue;
                }
                let wakes = left::is_ours(employee, old.as_ref(), &key);
                let person = merged(turn, subject, (employee, contact), None, wakes, outcomes);
                let unlinks = old.map(|link| link.salesforce_id).filter(|id| id != text(contact, "Id"));
                person.map(|person| Person { comes_from: from, unlinks, ..person })
            }
            (Known::Left(left), None) => left.person(turn, subject, employee, outcomes),
            (Known::Another(link), None) => newcomers::contact(subject, employee, outcomes)
                .map(|person| Person { unlinks: Some(link.salesforce_id), ..person }),
            (_, None) => newcomers::contact(subject, employee, outcomes),
        };
        persons.extend(person.map(|person| Person { code: Some(code), ..person }));
    }
    left::forget_awake(subject.card_code(), &employees, &persons);
    let mut names: Vec<String> = employees.iter().map(|employee| text(employee, "Name").to_lowercase()).collect();
    for contact in free {
        match standings.remove(text(contact, "Id")) {
            Some(Standing::Removed(link)) => persons.extend(left::removed(turn, subject, contact, &link, outcomes)),
            Some(Standing::Foreign(code)) if !turn.lets_go(&code) => {}
            standing => {
                let comes_from = if let Some(Standing::Foreign(code)) = standing { Some(code) } else { None };
                let person = newcomers::employee(subject, contact, &mut names, outcomes);
                persons.extend(person.map(|person| Person { comes_from, ..person }));
            }
        }
    }
    persons
}

fn foreign(standings: &BTreeMap<String, Standing>, contact: &Value) -> Option<String> {
    match standings.get(text(contact, "Id")) {
        Some(Standing::Foreign(code)) => Some(code.clone()),
        _ => None,
    }
}

fn standings(subject: &Subject, employees: &[&Value], contacts: &[&Value]) -> BTreeMap<String, Standing> {
    let there: BTreeSet<String> = employees.iter().map(|employee| b1::key_text(&employee["InternalCode"])).collect();
    let ids: Vec<String> = contacts.iter().map(|contact| text(contact, "Id").to_owned()).collect();
    let standing = |link: Option<Link>| {
        let Some(link) = link else { return Standing::Free };
        match link.b1_id.rsplit_once(':') {
            Some((partner, code)) if partner == subject.card_code() => {
                if there.contains(code) {
                    Standing::Linked
                } else {
                    Standing::Removed(link)
                }
            }
            Some((partner, _)) => Standing::Foreign(partner.to_owned()),
            None => Standing::Free,
        }
    };
    let found = links::find_all("contact", Side::Salesforce, &ids);
    ids.into_iter().zip(found).map(|(id, link)| (id, standing(link))).collect()
}

/// Whom each employee's link leads to, in the employees' order.
fn known<'a>(
    subject: &Subject,
    employees: &[&Value],
    contacts: &[&'a Value],
    standings: &BTreeMap<String, Standing>,
) -> Result<Vec<Known<'a>>, tandem_sdk::Error> {
    let code = |employee: &&Value| key(subject.card_code(), &b1::key_text(&employee["InternalCode"]));
    let keys: Vec<String> = employees.iter().map(code).collect();
    let links = links::find_all("contact", Side::B1, &keys);
    let there = |id: &str| contacts.iter().find(|contact| text(contact, "Id") == id).copied();
    let absent = links.iter().flatten().filter(|link| there(&link.salesforce_id).is_none());
    let absent: Vec<String> = absent.map(|link| link.salesforce_id.clone()).collect();
    let whereabouts = if subject.account.is_null() { BTreeMap::new() } else { whereabouts::of(&absent)? };
    let met = subject.met();
    let known = |(link, employee): (Option<Link>, &&Value)| {
        let Some(link) = link else { return Known::Nobody };
        let contact = there(&link.salesforce_id);
        let link = left::awake(link, employee, contact.is_some());
        if let Some(contact) = contact {
            return Known::Met(link, contact);
        }
        let to = whereabouts.get(&link.salesforce_id).cloned().unwrap_or(Whereabouts::Unseen);
        match &to {
            Whereabouts::Merged(master) => match (there(master), standings.get(master)) {
                (Some(contact), Some(Standing::Free | Standing::Removed(_))) => Known::Master(link, contact),
                _ => Known::Left(Left { link, to }),
            },
            // The partner has another account than it had, with other contacts; who was linked since is one of this account's.
            _ if subject.is_fresh() && !met.contains(link.b1_id.as_str()) => Known::Another(link),
            Whereabouts::Unseen => Known::Unseen,
            _ => Known::Left(Left { link, to }),
        }
    };
    Ok(links.into_iter().zip(employees).map(known).collect())
}

/// An employee and a contact who are one person. `wakes` when Tandem had made the employee inactive, since the contact was gone.
fn merged(
    turn: &mut Turn<'_>,
    subject: &Subject,
    (employee, contact): (&Value, &Value),
    link: Option<&Link>,
    wakes: bool,
    outcomes: &mut Outcomes,
) -> Option<Person> {
    let code = b1::key_text(&employee["InternalCode"]);
    let old = link.map(|link| from_json(&link.base).as_object().cloned().unwrap_or_default()).unwrap_or_default();
    // B1 stamps no contact employee: all it knows is when the partner was changed last.
    let newest = newest_of(&subject.partner, contact);
    let answer = turn.questions.answer(turn.batch, subject);
    let mut plan = match fields::merged(&["contact"], &code, employee, contact, &old, newest, &answer) {
        Ok(plan) => plan,
        Err(why) => {
            outcomes.hold(&subject.events, why);
            return None;
        }
    };
    if !plan.conflicts.is_empty() {
        if subject.events.iter().all(|place| outcomes.is_open(*place)) {
            turn.questions.show(turn.batch, subject, &code, &plan.conflicts);
        }
        let (reason, detail) = fields::question(text(employee, "Name"), &plan.conflicts);
        outcomes.ask(&subject.events, reason, &[KEEP_B1, KEEP_SALESFORCE, "retry", "ignore"], &detail);
        return None;
    }
    if let Some(last) = plan.to_salesforce.get("LastName").filter(|last| last.is_null()) {
        // Salesforce wants one.
        let last = newcomers::last_name(employee).map(Value::from).unwrap_or_else(|| last.clone());
        plan.to_salesforce.insert("LastName".into(), last);
    }
    if wakes {
        plan.to_b1.insert("Active".into(), "tYES".into());
        // Whatever becomes of the link until B1 has taken it.
        left::remember(&key(subject.card_code(), &code));
    }
    let inactive = Value::Bool(employee["Active"] == "tNO" && !wakes);
    if old.get("Tandem_Inactive__c").unwrap_or(&contact["Tandem_Inactive__c"]) != &inactive {
        plan.to_salesforce.insert("Tandem_Inactive__c".into(), inactive.clone());
        plan.written.insert("Tandem_Inactive__c".into(), Side::Salesforce);
    }
    plan.base.insert("Tandem_Inactive__c".into(), inactive);
    // Another employee's key would lead that one's next contact here.
    let carried = turn.settings.keys.carried(&key(subject.card_code(), &code));
    if !matches!(text(contact, "Tandem_Contact_Key__c"), "" | " ") && contact["Tandem_Contact_Key__c"] != *carried {
        plan.to_salesforce.insert("Tandem_Contact_Key__c".into(), carried.into());
    }
    if !plan.to_b1.is_empty() {
        plan.to_b1.insert("InternalCode".into(), employee["InternalCode"].clone());
        plan.to_b1.insert("Name".into(), employee["Name"].clone());
    }
    Some(Person {
        id: Some(text(contact, "Id").to_owned()),
        name: text(employee, "Name").to_owned(),
        changed: link.is_none() || plan.base != old,
        row: plan.to_b1,
        contact: plan.to_salesforce,
        base: plan.base,
        written: plan.written,
        decided: plan.decided,
        old,
        ..Person::default()
    })
}

/// B1 has taken what was to be written: who was woken is awake.
pub fn awake(card_code: &str, persons: &[Person]) {
    for person in persons.iter().filter(|person| person.row.get("Active").is_some_and(|active| active == "tYES")) {
        person.code.iter().for_each(|code| left::forget(&key(card_code, code)));
    }
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

/// Keeps the link of a person, with what was taken of it.
pub fn put_link(card_code: &str, person: &Person, taken: impl Fn(Side) -> bool) {
    let (Some(code), Some(id)) = (&person.code, &person.id) else { return };
    let base = if [Side::B1, Side::Salesforce].into_iter().all(&taken) {
        person.base.clone()
    } else {
        let (base, written, decided) = (person.base.clone(), person.written.clone(), person.decided.clone());
        let mut kept = fields::Plan { base, written, decided, ..fields::Plan::default() }.kept(&person.old, taken);
        left::is_back(&mut kept, &person.base);
        kept
    };
    links::put(&Link {
        kind: "contact".into(),
        b1_id: key(card_code, code),
        salesforce_id: id.clone(),
        base: json!(base).to_string(),
    });
}
