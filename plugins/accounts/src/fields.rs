//! The fields of a linked pair, merged three ways, and what each side gets.

use tandem_sdk::mapping::{self, Direction, Pair};
use tandem_sdk::merge::{self, Field, Merged};
use tandem_sdk::mirror::same;
use tandem_sdk::{Map, Said, Side, Value, from_json, json, say};

/// What a merge came to.
#[derive(Debug, Default)]
pub struct Plan {
    /// Fields for B1, flat: `BillTo.Street`.
    pub to_b1: Map<String, Value>,
    /// Fields for Salesforce.
    pub to_salesforce: Map<String, Value>,
    /// The base when both are written.
    pub base: Map<String, Value>,
    /// Fields that a human must decide, with both values.
    pub conflicts: Vec<(String, Value, Value)>,
}

/// Merges sections. `choice` is what a human answered to their conflicts.
pub fn merged(
    sections: &[&str],
    partner: &Value,
    account: &Value,
    base: &Map<String, Value>,
    newest: Side,
    choice: Option<&str>,
) -> Result<Plan, Said> {
    let mut plan = Plan::default();
    for section in sections {
        merge_section(&mut plan, section, partner, account, base, newest, choice)?;
    }
    Ok(plan)
}

fn merge_section(
    plan: &mut Plan,
    section: &str,
    partner: &Value,
    account: &Value,
    base: &Map<String, Value>,
    newest: Side,
    choice: Option<&str>,
) -> Result<(), Said> {
    let there = apply(section, Side::Salesforce, partner)?;
    let here = apply(section, Side::B1, account)?;
    let null = Value::Null;
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
        let spelt = format!("spelt:{name}");
        let written = b1;
        // Two words for what is one thing in B1 are in step, and stay as people wrote them.
        if pair.direction == Direction::Both && !same(b1, salesforce) && same(own, here.get(&pair.b1).unwrap_or(&null))
        {
            plan.base.insert(spelt, b1.clone());
            plan.base.insert(name, salesforce.clone());
            continue;
        }
        let unchanged = base.get(&spelt).is_some_and(|old| same(old, b1));
        let b1 = if unchanged { base.get(&name).unwrap_or(b1) } else { b1 };
        let field = Field { base: base.get(&name), b1, salesforce };
        let decided = match merge::merge(&field, pair.direction, pair.policy, newest) {
            Merged::Conflict => match choice {
                Some("keep B1's") => Merged::ToSalesforce,
                Some("keep Salesforce's") => Merged::ToB1,
                _ => Merged::Conflict,
            },
            other => other,
        };
        take(plan, &pair, &name, decided, written, salesforce, &here);
    }
    Ok(())
}

fn take(
    plan: &mut Plan,
    pair: &Pair,
    name: &str,
    decided: Merged,
    b1: &Value,
    salesforce: &Value,
    here: &Map<String, Value>,
) {
    let base = match decided {
        Merged::InStep => b1,
        Merged::ToSalesforce => {
            plan.to_salesforce.insert(pair.salesforce.clone(), b1.clone());
            b1
        }
        Merged::ToB1 => {
            plan.to_b1.insert(pair.b1.clone(), here.get(&pair.b1).cloned().unwrap_or_default());
            salesforce
        }
        Merged::Conflict => {
            plan.conflicts.push((format!("{} / {}", pair.b1, pair.salesforce), b1.clone(), salesforce.clone()));
            return;
        }
    };
    plan.base.insert(name.to_owned(), base.clone());
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
        let field = pair.map_or(e.field.clone(), |pair| format!("{} / {}", pair.b1, pair.salesforce));
        let with = [("section", section.into()), ("field", field.into()), ("why", e.message.into())];
        say("accounts.mapping", "the mapping [{section}] {field}: {why}", with)
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
