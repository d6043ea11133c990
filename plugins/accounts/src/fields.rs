//! The fields of a linked pair, merged three ways, and what each side gets.

use std::collections::BTreeMap;

use tandem_sdk::mapping::{self, Direction, Pair, Policy};
use tandem_sdk::merge::{self, Field, Merged};
use tandem_sdk::mirror::same;
use tandem_sdk::{Map, Said, Side, Told, Value, from_json, json, of_mapping, say};

use crate::seen::Answer;

/// What a merge came to.
#[derive(Debug, Default)]
pub struct Plan {
    /// Fields for B1, flat: `BillTo.Street`.
    pub to_b1: Map<String, Value>,
    /// Fields for Salesforce.
    pub to_salesforce: Map<String, Value>,
    /// The base when both are written.
    pub base: Map<String, Value>,
    /// Which of its fields stand in the base only when a side has taken them.
    pub written: BTreeMap<String, Side>,
    /// What was decided of them: B1's value, Salesforce's, and whose is kept.
    pub decided: Map<String, Value>,
    /// Fields that a human must decide, with both values.
    pub conflicts: Vec<(String, Value, Value)>,
}

impl Plan {
    /// The base after a write of which only some sides took their part. What was decided of the rest is kept beside it.
    pub fn kept(&self, old: &Map<String, Value>, taken: impl Fn(Side) -> bool) -> Map<String, Value> {
        let mut base = merge::kept(old, &self.base, &self.written, &taken);
        // How a value is spelt goes with the value, and so does what was decided of it.
        let goes_along = |name: &str| name.starts_with(SPELT) || name.starts_with(DECIDED);
        base.retain(|name, _| !goes_along(name) || self.base.contains_key(name));
        let open = |name: &String| self.written.get(name).is_some_and(|side| !taken(*side));
        let decided = self.decided.iter().filter(|(name, _)| open(name));
        base.extend(decided.map(|(name, value)| (format!("{DECIDED}{name}"), value.clone())));
        base
    }
}

/// Before the name of a field in the base: what B1 has for a value that people wrote in another way.
const SPELT: &str = "spelt:";

/// Before the name of a field in the base: what was decided of a value that its system did not take.
pub const DECIDED: &str = "decided:";

/// A field of both sides, in one representation.
struct Compared {
    pair: Pair,
    /// Its name in the base.
    name: String,
    base: Value,
    has_base: bool,
    /// B1's value, as it is to be compared.
    b1: Value,
    /// As it is to be written into Salesforce.
    written: Value,
    salesforce: Value,
    /// As it is to be written into B1.
    to_b1: Value,
    /// Whose value is kept, where these two values were decided before and not taken: Tandem's own write has moved that side's time
    /// since, and must not turn the decision round.
    held: Option<Side>,
}

impl Compared {
    fn field(&self) -> Field<'_> {
        Field { base: self.has_base.then_some(&self.base), b1: &self.b1, salesforce: &self.salesforce }
    }

    fn differs(&self) -> bool {
        !same(&self.b1, &self.salesforce)
    }

    /// What it is a part of; its own name when it stands for itself.
    fn whole(&self) -> &str {
        match self.pair.b1.split_once('.') {
            Some((address @ ("BillTo" | "ShipTo"), _)) if self.pair.direction == Direction::Both => address,
            _ => &self.name,
        }
    }
}

/// Merges sections of a record (`account`, or a contact employee's number); addresses whole. `answer` is what a human answered to
/// its conflicts.
pub fn merged(
    sections: &[&str],
    record: &str,
    partner: &Value,
    account: &Value,
    base: &Map<String, Value>,
    newest: Side,
    answer: &Answer,
) -> Result<Plan, Said> {
    let mut plan = Plan::default();
    let mut compared: Vec<Compared> = Vec::new();
    for section in sections {
        compared.extend(compare(&mut plan, section, partner, account, base)?);
    }
    while let Some(first) = compared.first() {
        let whole = first.whole().to_owned();
        let (own, rest): (Vec<Compared>, Vec<Compared>) = compared.into_iter().partition(|own| own.whole() == whole);
        compared = rest;
        take(&mut plan, record, own, newest, answer);
    }
    Ok(plan)
}

/// The fields of a section; those that are two words for one thing are in the plan's base already.
fn compare(
    plan: &mut Plan,
    section: &str,
    partner: &Value,
    account: &Value,
    base: &Map<String, Value>,
) -> Result<Vec<Compared>, Said> {
    let there = apply(section, Side::Salesforce, partner)?;
    let here = apply(section, Side::B1, account)?;
    let null = Value::Null;
    let mut compared = Vec::new();
    for pair in mapping::pairs(section) {
        let own = pair.b1.split('.').try_fold(partner, |at, step| at.get(step)).unwrap_or(&null);
        let (name, b1, salesforce) = match pair.direction {
            // Compared as B1 writes it: Salesforce's field may have no way back.
            Direction::ToB1 => (format!("b1:{}", pair.b1), own, here.get(&pair.b1).unwrap_or(&null)),
            _ => (
                pair.salesforce.clone(),
                there.get(&pair.salesforce).unwrap_or(&null),
                account.get(&pair.salesforce).unwrap_or(&null),
            ),
        };
        let spelt = format!("{SPELT}{name}");
        // Two words for what is one thing in B1 are in step, and stay as people wrote them.
        if pair.direction == Direction::Both && !same(b1, salesforce) && same(own, here.get(&pair.b1).unwrap_or(&null))
        {
            plan.base.insert(spelt, b1.clone());
            plan.base.insert(name, salesforce.clone());
            continue;
        }
        let unchanged = base.get(&spelt).is_some_and(|old| same(old, b1));
        let own = if unchanged { base.get(&name).unwrap_or(b1) } else { b1 };
        compared.push(Compared {
            base: base.get(&name).cloned().unwrap_or_default(),
            has_base: base.contains_key(&name),
            b1: own.clone(),
            written: b1.clone(),
            salesforce: salesforce.clone(),
            to_b1: here.get(&pair.b1).cloned().unwrap_or_default(),
            held: held(base.get(&format!("{DECIDED}{name}")), b1, salesforce),
            pair,
            name,
        });
    }
    Ok(compared)
}

/// A value of a record in words that both sides may be compared by: what it is called, as Salesforce would have it (B1, where it only goes there),
/// and as B1 has it, where it goes both ways.
pub type Shown = (String, Value, Option<Value>);

/// The values of records of a side, as they are compared with the other side's; of a record that cannot be mapped, why.
pub fn shown(sections: &[&str], side: Side, records: &[Value]) -> Vec<Result<Vec<Shown>, String>> {
    let mut all: Vec<Result<Vec<Shown>, String>> = records.iter().map(|_| Ok(Vec::new())).collect();
    let way = if side == Side::B1 { "to-salesforce" } else { "to-b1" };
    let sources: Vec<String> = records.iter().map(Value::to_string).collect();
    for section in sections {
        let pairs = mapping::pairs(section);
        let mapped = mapping::apply_all(&format!("{section}.{way}"), &sources);
        for ((record, mapped), all) in records.iter().zip(mapped).zip(&mut all) {
            let mapped = match mapped {
                Ok(mapped) => from_json(&mapped),
                Err(error) => {
                    *all = Err(format!("the mapping [{section}] {}: {}", error.field, error.message));
                    continue;
                }
            };
            if let Ok(all) = all {
                all.extend(pairs.iter().map(|pair| one_shown(pair, side, record, &mapped)));
            }
        }
    }
    all
}

fn one_shown(pair: &Pair, side: Side, record: &Value, mapped: &Value) -> Shown {
    let null = Value::Null;
    let own = if side == Side::B1 { &pair.b1 } else { &pair.salesforce };
    let own = own.split('.').try_fold(record, |at, step| at.get(step)).unwrap_or(&null).clone();
    let other = if side == Side::B1 { &pair.salesforce } else { &pair.b1 };
    let other = mapped.get(other).cloned().unwrap_or_default();
    let name = format!("{} / {}", pair.b1, pair.salesforce);
    let (in_salesforce, in_b1) = if side == Side::B1 { (other, own) } else { (own, other) };
    match pair.direction {
        Direction::ToSalesforce => (name, in_salesforce, None),
        Direction::ToB1 => (name, in_b1, None),
        Direction::Both => (name, in_salesforce, Some(in_b1)),
    }
}

fn held(decided: Option<&Value>, b1: &Value, salesforce: &Value) -> Option<Side> {
    let decided = decided.filter(|own| same(&own[0], b1) && same(&own[1], salesforce))?;
    Some(if decided[2] == "b1" { Side::B1 } else { Side::Salesforce })
}

/// What becomes of one value by the rules alone.
fn merge_of(whole: &[Compared], policy: Policy, newest: Side) -> Merged {
    let fields: Vec<Field<'_>> = whole.iter().map(Compared::field).collect();
    match fields.as_slice() {
        [one] => merge::merge(one, whole[0].pair.direction, policy, newest),
        many => merge::merge_whole(many, policy, newest),
    }
}

/// Takes what is one value into the plan.
fn take(plan: &mut Plan, record: &str, whole: Vec<Compared>, newest: Side, answer: &Answer) {
    let policies = || whole.iter().filter(|own| own.differs()).map(|own| own.pair.policy);
    // Of the parts of one value the most careful policy counts.
    let policy = policies().find(|own| *own == Policy::Review).or_else(|| policies().next()).unwrap_or(Policy::Newest);
    let held =
        whole.iter().filter(|own| own.differs()).map(|own| own.held).reduce(|a, b| if a == b { a } else { None });
    // A mapping that names a side since has the word.
    let open = whole.iter().all(|own| own.pair.direction == Direction::Both);
    let open = open && matches!(policy, Policy::Newest | Policy::Review);
    let decided = match held.flatten().filter(|_| open) {
        Some(Side::B1) => Merged::ToSalesforce,
        Some(Side::Salesforce) => Merged::ToB1,
        None => merge_of(&whole, policy, newest),
    };
    let decided = if decided == Merged::Conflict {
        let shown = |own: &Compared| {
            (format!("{} / {}", own.pair.b1, own.pair.salesforce), own.written.clone(), own.salesforce.clone())
        };
        let conflicts: Vec<_> = whole.iter().filter(|own| own.differs()).map(shown).collect();
        match answer.decides(record, &conflicts) {
            Some(Side::B1) => Merged::ToSalesforce,
            Some(Side::Salesforce) => Merged::ToB1,
            None => {
                plan.conflicts.extend(conflicts);
                return;
            }
        }
    } else {
        decided
    };
    for own in whole {
        let (differs, Compared { pair, name, written, salesforce, to_b1, .. }) = (own.differs(), own);
        match decided {
            Merged::ToSalesforce if differs => {
                plan.decided.insert(name.clone(), json!([written, salesforce, "b1"]));
                plan.to_salesforce.insert(pair.salesforce, written.clone());
                plan.written.insert(name.clone(), Side::Salesforce);
                plan.base.insert(name, written);
            }
            Merged::ToB1 if differs => {
                plan.decided.insert(name.clone(), json!([written, salesforce, "salesforce"]));
                plan.to_b1.insert(pair.b1, to_b1);
                plan.written.insert(name.clone(), Side::B1);
                plan.base.insert(name, salesforce);
            }
            _ => {
                plan.base.insert(name, written);
            }
        }
    }
}

/// Everything that one side has, for a record that is made on the other.
pub fn for_new(sections: &[&str], side: Side, source: &Value) -> Result<Plan, Said> {
    let mut plan = Plan::default();
    for section in sections {
        new_section(&mut plan, section, side, source)?;
    }
    Ok(plan)
}

fn new_section(plan: &mut Plan, section: &str, side: Side, source: &Value) -> Result<(), Said> {
    let (there, here) = match side {
        Side::Salesforce => (apply(section, side, source)?, Map::new()),
        Side::B1 => (Map::new(), apply(section, side, source)?),
    };
    for pair in mapping::pairs(section) {
        match side {
            // A mapping plugin may give it all the same.
            Side::Salesforce if matches!(pair.direction, Direction::ToB1) => {}
            Side::B1 if matches!(pair.direction, Direction::ToSalesforce) => {}
            Side::Salesforce => {
                if let Some(value) = there.get(&pair.salesforce) {
                    plan.base.insert(pair.salesforce.clone(), value.clone());
                    if !value.is_null() && *value != "" {
                        plan.to_salesforce.insert(pair.salesforce, value.clone());
                    }
                }
            }
            Side::B1 => {
                let Some(value) = here.get(&pair.b1) else { continue };
                let (name, base) = match pair.direction {
                    Direction::ToB1 => (format!("b1:{}", pair.b1), value.clone()),
                    _ => (pair.salesforce.clone(), source[pair.salesforce.as_str()].clone()),
                };
                plan.base.insert(name, base);
                if !value.is_null() && *value != "" {
                    plan.to_b1.insert(pair.b1, value.clone());
                }
            }
        }
    }
    Ok(())
}

/// The section's fields for one side. An error names the field of both sides.
fn apply(section: &str, side: Side, source: &Value) -> Result<Map<String, Value>, Said> {
    let way = if side == Side::Salesforce { "to-salesforce" } else { "to-b1" };
    let target = mapping::apply(&format!("{section}.{way}"), &source.to_string()).map_err(|e| {
        let own = |pair: &Pair| e.field == if side == Side::Salesforce { pair.salesforce.as_str() } else { &pair.b1 };
        let pair = mapping::pairs(section).into_iter().find(own);
        let both = pair.map(|pair| format!("{} / {}", pair.b1, pair.salesforce));
        of_mapping(e, |field, why| {
            let with = [("section", section.into()), ("field", both.map_or(field, Told::from)), ("why", why)];
            say("accounts.mapping", "the mapping [{section}] {field}: {why}", with)
        })
    })?;
    Ok(from_json(&target).as_object().cloned().unwrap_or_default())
}

/// Flat fields as a partner's body: addresses by their row, new ones by name.
pub fn partner_body(fields: &Map<String, Value>, partner: &Value) -> Map<String, Value> {
    let mut body = Map::new();
    let mut addresses: Vec<Value> = Vec::new();
    for (section, kind) in [("BillTo", "bo_BillTo"), ("ShipTo", "bo_ShipTo")] {
        let prefix = format!("{section}.");
        let mut row: Map<String, Value> = fields
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix.as_str())?.to_owned(), value.clone())))
            .collect();
        if row.is_empty() {
            continue;
        }
        let known = &partner[section];
        row.insert("AddressType".into(), kind.into());
        if known["AddressName"].is_string() {
            row.insert("AddressName".into(), known["AddressName"].clone());
            if !known["RowNum"].is_null() {
                row.insert("RowNum".into(), known["RowNum"].clone());
            }
        } else {
            row.insert("AddressName".into(), if section == "BillTo" { "Bill to" } else { "Ship to" }.into());
        }
        addresses.push(Value::Object(row));
    }
    for (name, value) in fields.iter().filter(|(name, _)| !name.contains('.')) {
        // B1 empties text with an empty one.
        body.insert(name.clone(), if value.is_null() { json!("") } else { value.clone() });
    }
    if !addresses.is_empty() {
        body.insert("BPAddresses".into(), Value::Array(addresses));
    }
    body
}

/// What a conflict of fields is told as.
pub fn question(name: &str, conflicts: &[(String, Value, Value)]) -> (Said, Value) {
    let fields: Vec<&str> = conflicts.iter().map(|(field, ..)| field.as_str()).collect();
    let reason = say(
        "accounts.both_changed",
        "{name}: both sides changed {fields} to different values",
        [("name", name.into()), ("fields", fields.into())],
    );
    let side = |b1: bool| -> Map<String, Value> {
        conflicts
            .iter()
            .map(|(field, own, other)| (field.clone(), if b1 { own.clone() } else { other.clone() }))
            .collect()
    };
    (reason, json!({ "b1": side(true), "salesforce": side(false) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A phone that was `1`, is `2` in B1 and `3` in Salesforce, and of which this was decided before.
    fn phone(policy: Policy, direction: Direction, decided: &Value) -> Compared {
        let pair = Pair { b1: "Phone1".into(), salesforce: "Phone".into(), direction, policy };
        Compared {
            name: pair.salesforce.clone(),
            pair,
            base: "1".into(),
            has_base: true,
            b1: "2".into(),
            written: "2".into(),
            salesforce: "3".into(),
            to_b1: "3".into(),
            held: held(Some(decided), &"2".into(), &"3".into()),
        }
    }

    fn taken(policy: Policy, direction: Direction, decided: &Value) -> Plan {
        let mut plan = Plan::default();
        take(&mut plan, "account", vec![phone(policy, direction, decided)], Side::B1, &Answer::default());
        plan
    }

    #[test]
    fn what_was_decided_holds_until_a_value_changes_or_the_mapping_names_a_side() {
        let decided = json!(["2", "3", "salesforce"]);
        for policy in [Policy::Newest, Policy::Review] {
            assert_eq!(taken(policy, Direction::Both, &decided).to_b1["Phone1"], "3");
        }
        assert_eq!(
            taken(Policy::Newest, Direction::Both, &json!(["2", "4", "salesforce"])).to_salesforce["Phone"],
            "2"
        );
        for (policy, direction) in [(Policy::B1, Direction::Both), (Policy::Newest, Direction::ToSalesforce)] {
            let plan = taken(policy, direction, &decided);
            assert!(plan.to_b1.is_empty() && plan.to_salesforce["Phone"] == "2", "{plan:?}");
        }
    }

    #[test]
    fn what_was_decided_ends_when_its_system_takes_the_value() {
        let plan = taken(Policy::Newest, Direction::Both, &json!(["2", "3", "salesforce"]));
        let old = plan.kept(&Map::from_iter([("Phone".to_owned(), json!("1"))]), |_| false);
        assert_eq!((&old["Phone"], &old["decided:Phone"]), (&json!("1"), &json!(["2", "3", "salesforce"])));
        // B1 takes it, while Salesforce does not take something else: a clerk may put the old number back.
        let base = plan.kept(&old, |side| side == Side::B1);
        assert_eq!(Value::Object(base), json!({ "Phone": "3" }));
        // B1 leaves it out of what it takes.
        let mut plan = plan;
        plan.base = old.clone();
        assert_eq!(plan.kept(&old, |side| side == Side::B1), old);
    }
}
