//! What a system refused of a partner, an account or a person is asked about once, on the side that has the value; the base
//! stays as it was for it, so that the next change tries again.

use tandem_sdk::mapping::{self, Direction};
use tandem_sdk::refused::{self, LeftOut};
use tandem_sdk::{Batch, Map, Outcomes, Said, Side, Value};

use crate::contacts::Person;
use crate::fields::{DECIDED, Plan};
use crate::left;

/// Where the base keeps what was refused last: a question about it is open already.
const REFUSED: &str = "refused";

/// Of one record.
pub struct Refused {
    /// `the account of C00005`
    pub record: Said,
    /// The side that has the values.
    pub from: Side,
    pub fields: Vec<LeftOut>,
}

impl Refused {
    /// None when everything was taken.
    pub fn of(record: Said, from: Side, fields: Vec<LeftOut>) -> Option<Self> {
        (!fields.is_empty()).then_some(Self { record, from, fields })
    }
}

/// Salesforce's fields that say what belongs together.
pub fn may_of_salesforce(field: &str) -> bool {
    !matches!(field, "Tandem_Card_Code__c" | "Tandem_Contact_Key__c" | "AccountId")
}

/// B1's properties that a partner cannot be without.
pub fn may_of_b1(made: bool, property: &str) -> bool {
    let key = matches!(property, "CardCode" | "CardType" | "Series" | "U_SF_Id" | "Currency");
    !(key || made && property == "CardName")
}

/// Takes back from a base what Salesforce did not take.
pub fn in_salesforce(
    base: &mut Map<String, Value>,
    old: &Map<String, Value>,
    decided: &Map<String, Value>,
    fields: &[LeftOut],
) {
    fields.iter().for_each(|own| as_it_was(base, old, decided, &own.field));
}

/// Takes back from the bases of account and people, and from what was written of these, what B1 did not take.
pub fn in_b1(plan: &mut Plan, old: &Map<String, Value>, persons: &mut [Person], fields: &[LeftOut]) {
    for own in fields {
        if let Some(property) = own.field.strip_prefix("ContactEmployees.") {
            for person in persons.iter_mut().filter(|person| person.row.contains_key(property)) {
                base_names("contact", |b1| b1 == property)
                    .iter()
                    .for_each(|name| as_it_was(&mut person.base, &person.old, &person.decided, name));
                if person.row.remove(property) == Some("tNO".into()) && property == "Active" {
                    left::stays_active(person);
                }
            }
            continue;
        }
        let part = own.field.strip_prefix("BPAddresses");
        let is_own = |b1: &str| match part {
            Some(part) => (b1.starts_with("BillTo.") || b1.starts_with("ShipTo.")) && b1.ends_with(part),
            None => b1 == own.field,
        };
        let names = base_names("account", |b1| is_own(b1) && plan.to_b1.contains_key(b1));
        names.iter().for_each(|name| as_it_was(&mut plan.base, old, &plan.decided, name));
    }
}

/// Names in the base of the pairs of a section, by B1's property.
fn base_names(section: &str, is_own: impl Fn(&str) -> bool) -> Vec<String> {
    let own = mapping::pairs(section).into_iter().filter(|pair| is_own(&pair.b1));
    own.map(|pair| if pair.direction == Direction::ToB1 { format!("b1:{}", pair.b1) } else { pair.salesforce })
        .collect()
}

fn as_it_was(base: &mut Map<String, Value>, old: &Map<String, Value>, decided: &Map<String, Value>, name: &str) {
    if let Some(decided) = decided.get(name) {
        base.insert(format!("{DECIDED}{name}"), decided.clone());
    }
    match old.get(name) {
        Some(value) => base.insert(name.to_owned(), value.clone()),
        None => base.remove(name),
    };
}

/// Asks, and keeps in `base` what was asked. An event of the other side only meets again what is asked already: it asks
/// nothing, so that the question ends with the value that is mended. Gives what the account is to show.
pub fn ask(
    batch: &Batch,
    refused: &[Refused],
    old: &Map<String, Value>,
    base: &mut Map<String, Value>,
    events: &[usize],
    outcomes: &mut Outcomes,
) -> Option<Said> {
    let mut kept = Map::new();
    for own in refused {
        let known = |left: &LeftOut| old.get(REFUSED).and_then(|r| r.get(name(own, left))) == Some(&left.value);
        let here: Vec<usize> = events.iter().copied().filter(|place| comes_from(batch, *place) == own.from).collect();
        let asked = own.fields.iter().all(known);
        match (here.is_empty(), asked) {
            (true, true) => outcomes.note_all(events, refused::reason(&own.record, &own.fields).english()),
            (true, false) => refused::ask(outcomes, events, &own.record, own.from, &own.fields),
            (false, _) => refused::ask(outcomes, &here, &own.record, own.from, &own.fields),
        }
        kept.extend(own.fields.iter().map(|left| (name(own, left), left.value.clone())));
    }
    if kept.is_empty() {
        return None;
    }
    base.insert(REFUSED.into(), Value::Object(kept));
    Some(Said::all(refused.iter().map(|own| refused::reason(&own.record, &own.fields))))
}

fn name(own: &Refused, left: &LeftOut) -> String {
    format!("{}: {}", own.record, left.field)
}

fn comes_from(batch: &Batch, place: usize) -> Side {
    if batch.events[place].topic.starts_with("b1.") { Side::B1 } else { Side::Salesforce }
}
