//! What an order in B1 gets: the difference between the opportunity and what it was when both were last in step. What a
//! clerk did meanwhile stays: rows of B1's own always, values of ours unless the opportunity changed the same one.

use std::collections::BTreeMap;

use tandem_sdk::{Map, Said, Told, Value, b1, decimal, json, say, text};

use crate::Work;
use crate::complete::UNIT_FIELDS;
use crate::describe::{Settings, Wins};
use crate::linked::{LINE_ID, Linked, LinkedLine, alike, as_in, copies, is_component, numbers, row};
use crate::plan::Order;

/// What a person may choose where both sides changed the same.
pub const KEEP_B1: &str = "keep B1's";
pub const KEEP_SALESFORCE: &str = "keep Salesforce's";

/// In the words that tell of what a clerk did and what is left so.
pub const STAYS: &str = " stays ";

/// See the module.
pub struct Change {
    /// Of the PATCH.
    pub body: Map<String, Value>,
    /// Rows are taken away: those that the body does not name.
    pub replace: bool,
    /// Lines are added, which B1 gives a number.
    pub adds: bool,
    /// What is linked when it is carried out.
    pub linked: Linked,
    /// Worth telling.
    pub notes: Vec<Said>,
    /// What B1 will not have: a person must.
    pub left: Vec<Said>,
    /// Both sides changed it: place and field, B1's value, Salesforce's.
    pub conflicts: Vec<(Said, Value, Value)>,
}

/// Whose change counts.
#[derive(Clone, Copy)]
struct Policy {
    wins: Wins,
    /// A person said so.
    answered: bool,
    /// What both had before is not known.
    found: bool,
}

/// A row that B1 has of a line.
struct Row<'a> {
    row: &'a Value,
    num: i64,
    /// Rows that a clerk split off.
    copies: Vec<i64>,
}

impl<'a> Row<'a> {
    fn of(document: &Value, id: &str, row: (i64, &'a Value)) -> Self {
        Self { row: row.1, num: row.0, copies: copies(document, id, row.0) }
    }
}

/// A field that says, together with the others of its kind, how much of what at which price.
fn is_measure(field: &str) -> bool {
    matches!(field, "Quantity" | "UnitPrice") || UNIT_FIELDS.contains(&field)
}

/// Those of a line.
fn measures(fields: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    fields.iter().filter(|(field, _)| is_measure(field)).map(|(field, value)| (field.clone(), value.clone()))
}

/// Rows of the order while they are compared.
#[derive(Default)]
struct Rows {
    changed: BTreeMap<i64, Map<String, Value>>,
    fresh: Vec<Value>,
    gone: Vec<i64>,
}

impl Change {
    /// Between what is linked, what B1 has now, and the order as it should be.
    pub fn between(settings: &Settings, w: &Work, order: &Order, linked: &Linked) -> Self {
        let answered = match w.event.resolution.as_deref() {
            Some(KEEP_B1) => Some(Wins::B1),
            Some(KEEP_SALESFORCE) => Some(Wins::Salesforce),
            _ => None,
        };
        let policy =
            Policy { wins: answered.unwrap_or(settings.lines), answered: answered.is_some(), found: linked.found };
        let mut change = Self {
            body: Map::new(),
            replace: false,
            adds: false,
            linked: Linked {
                header: order.header.clone(),
                asked: order.asked.clone(),
                lines: Vec::new(),
                adding: Vec::new(),
                found: false,
                awaited: false,
                ..linked.clone()
            },
            notes: Vec::new(),
            left: Vec::new(),
            conflicts: Vec::new(),
        };
        change.body =
            change.wanted(policy, &say("orders.header", "the order", []), &w.document, &linked.header, &order.header);
        change.keep_customer(w);
        change.body.retain(|name, value| {
            // An order of before it was said keeps the discount it got.
            name != "DiscountPercent" || linked.header.contains_key(name) || *value != 0
        });
        let numbers = numbers(&w.document, &as_sent(order, linked), &linked.known(), false);
        let mut rows = Rows::default();
        for (place, (id, fields)) in order.lines.iter().enumerate() {
            let there = numbers.get(id).and_then(|num| Some((*num, row(&w.document, *num)?)));
            let sent = linked.adding.iter().filter(|_| there.is_some());
            let old = linked.lines.iter().chain(sent).find(|line| line.id == *id);
            let name = line_of(place, shown(fields.get("ItemCode")));
            let there = there.map(|row| Row::of(&w.document, id, row));
            change.line(policy, &mut rows, &name, id, fields, old, there);
        }
        for old in linked.lines.iter().filter(|old| !order.lines.iter().any(|(id, _)| *id == old.id)) {
            let there = numbers.get(&old.id).and_then(|num| Some((*num, row(&w.document, *num)?)));
            let there = there.map(|row| Row::of(&w.document, &old.id, row));
            change.lost_line(policy, &mut rows, old, there);
        }
        change.put_rows(&w.document, rows);
        change
    }

    /// B1 never lets the customer of an order be changed: all else is.
    fn keep_customer(&mut self, w: &Work) {
        let Some(wanted) = self.body.remove("CardCode") else { return };
        let there = w.document["CardCode"].clone();
        let with = [("there", b1::key_text(&there).into()), ("wanted", b1::key_text(&wanted).into())];
        self.linked.header.insert("CardCode".into(), there);
        self.left.push(say(
            "orders.customer_stays",
            "its customer is {there} and the opportunity's is {wanted}, which B1 does not change in an order: cancel the order in B1 and let a new one be created, or give the opportunity its account back",
            with,
        ));
    }

    /// Of an order that is over and is only looked at: nobody changed it now, so what differs is of a changed mapping, or was
    /// asked about when it was changed. B1 changes it no more, and there is nothing to ask.
    pub fn stays_closed(self, linked: &Linked) -> Self {
        let with = [("fields", self.fields().into())];
        let mut notes = self.notes;
        notes.push(say(
            "orders.closed_stays",
            "it is closed in B1 and stays as it is there: {fields} would be another",
            with,
        ));
        Self {
            body: Map::new(),
            replace: false,
            adds: false,
            linked: Linked { found: false, ..linked.clone() },
            notes,
            left: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    /// Names of what B1 is to get.
    pub fn fields(&self) -> String {
        let names: Vec<&str> = self.body.keys().map(String::as_str).collect();
        if names.is_empty() { "DocumentLines".into() } else { names.join(", ") }
    }

    /// B1 gets nothing and nobody is asked.
    pub fn is_nothing(&self) -> bool {
        self.body.is_empty() && self.left.is_empty() && self.conflicts.is_empty()
    }

    #[expect(clippy::too_many_arguments, reason = "one line with all that is known of it")]
    fn line(
        &mut self,
        policy: Policy,
        rows: &mut Rows,
        name: &Said,
        id: &str,
        fields: &Map<String, Value>,
        old: Option<&LinkedLine>,
        there: Option<Row>,
    ) {
        let wins = policy.wins;
        let num = there.as_ref().map(|row| row.num);
        let mut line = LinkedLine { id: id.to_owned(), num, fields: fields.clone() };
        match (there, old) {
            (Some(Row { row, num, copies }), _) => {
                // Without a base it was added by us, and the answer was lost.
                let base = old.map_or_else(|| as_in(row, fields), |old| old.fields.clone());
                let wanted = self.wanted(policy, name, row, &base, fields);
                if !wanted.is_empty() && !copies.is_empty() && wins == Wins::B1 {
                    let line = [("line", split(name, &copies).into())];
                    self.notes.push(say("orders.split_stays", "{line} stays as it is there", line));
                } else if !wanted.is_empty() && !copies.is_empty() && !policy.answered {
                    self.conflicts.push((split(name, &copies), "split".into(), "changed".into()));
                } else if !wanted.is_empty() {
                    match fixed(row) {
                        Some(why) => {
                            let with = [("line", name.clone().into()), ("why", why.into())];
                            self.left.push(say(
                                "orders.line_fixed",
                                "{line} is {why} in B1 and stays as it is there",
                                with,
                            ));
                            line.fields = base;
                        }
                        None => {
                            let mut wanted = wanted;
                            if !copies.is_empty() {
                                // All of it is in the one row again.
                                wanted.extend(measures(fields));
                            }
                            rows.gone.extend(copies);
                            rows.changed.insert(num, marked(row, id, wanted));
                        }
                    }
                }
            }
            (_, Some(old)) if old.fields == *fields || wins == Wins::B1 => {
                let with = [("line", name.clone().into())];
                self.notes.push(say("orders.line_removed", "{line} was removed in B1", with));
                line.num = None;
            }
            (_, Some(_)) if wins == Wins::Review => {
                self.conflicts.push((name.clone(), "removed".into(), "changed".into()));
            }
            _ => rows.fresh.push(fresh(id, fields)),
        }
        self.linked.lines.push(line);
    }

    /// Fields that the opportunity changed, and that B1 is to have.
    fn wanted(
        &mut self,
        policy: Policy,
        name: &Said,
        there: &Value,
        base: &Map<String, Value>,
        fields: &Map<String, Value>,
    ) -> Map<String, Value> {
        let what = |field: &str| {
            let with = [("field", field.into()), ("line", name.clone().into())];
            say("orders.field_of", "{field} of {line}", with)
        };
        let stays = |field: &str| {
            let with = [("what", what(field).into()), ("value", told(&there[field]))];
            say("orders.stays", "{what} stays {value} as in B1", with)
        };
        let mut wanted = different(base, fields);
        wanted.retain(|field, value| !alike(&there[field.as_str()], value));
        // In another unit a quantity or a price alone would be another quantity or price.
        let other_unit =
            UNIT_FIELDS.iter().any(|name| fields.get(*name).is_some_and(|value| !alike(&there[*name], value)));
        let measured = |field: &str| other_unit && is_measure(field);
        if wanted.keys().any(|field| measured(field)) {
            wanted.extend(measures(fields));
        }
        self.notes.extend(kept(there, base, fields).filter(|field| !wanted.contains_key(*field)).map(stays));
        wanted.retain(|field, value| {
            let there = &there[field.as_str()];
            let before = base.get(field).unwrap_or(&Value::Null);
            // What B1 fills in by itself where we say nothing is no change of a clerk's.
            let clerk = policy.found || measured(field) || (!before.is_null() && !alike(there, before));
            match policy.wins {
                Wins::B1 if clerk => {
                    self.notes.push(stays(field));
                    false
                }
                Wins::Review if clerk => {
                    if !alike(there, value) {
                        self.conflicts.push((what(field), there.clone(), value.clone()));
                    }
                    false
                }
                _ => {
                    if clerk && !policy.answered {
                        let with = [("what", what(field).into()), ("value", told(there))];
                        self.notes.push(say("orders.was", "{what} was {value} in B1", with));
                    }
                    true
                }
            }
        });
        wanted
    }

    /// A line that the opportunity has no longer.
    fn lost_line(&mut self, policy: Policy, rows: &mut Rows, old: &LinkedLine, there: Option<Row>) {
        let Some(Row { row, num, copies }) = there else { return };
        let item = shown(old.fields.get("ItemCode"));
        let name = say("orders.removed_line", "the removed line {item}", [("item", item.into())]);
        let clerk = old.fields.iter().any(|(field, value)| !alike(&row[field.as_str()], value));
        match (fixed(row), policy.wins) {
            (Some(why), _) => {
                let (line, why) = (name.into(), why.into());
                self.left.push(say(
                    "orders.line_stays",
                    "{line} is {why} in B1 and stays there",
                    [("line", line), ("why", why)],
                ));
                self.linked.lines.push(old.clone());
            }
            (None, _) if !copies.is_empty() && !policy.answered => {
                self.conflicts.push((split(&name, &copies), "split".into(), "removed".into()));
            }
            (None, Wins::B1) if clerk || !copies.is_empty() => {
                let line = [("line", name.into())];
                self.notes.push(say("orders.line_changed_there", "{line} was changed in B1 and stays there", line));
            }
            (None, Wins::Review) if clerk => {
                self.conflicts.push((name, "changed".into(), "removed".into()));
            }
            _ => {
                rows.gone.push(num);
                rows.gone.extend(copies);
            }
        }
    }

    fn put_rows(&mut self, document: &Value, mut rows: Rows) {
        let marks = b1::lines(document).iter().any(|row| row.get(LINE_ID).is_some());
        self.replace = !rows.gone.is_empty();
        self.adds = !rows.fresh.is_empty();
        let mut lines: Vec<Value> = Vec::new();
        let mut with_its_parent = false;
        for row in b1::lines(document) {
            let Some(num) = row["LineNum"].as_i64() else { continue };
            // Components of a sales BOM go with it.
            with_its_parent = if is_component(row) { with_its_parent } else { rows.gone.contains(&num) };
            let changed = rows.changed.remove(&num);
            if with_its_parent || (changed.is_none() && !self.replace) {
                continue;
            }
            let mut line = changed.unwrap_or_default();
            line.insert("LineNum".into(), num.into());
            lines.push(Value::Object(line));
        }
        for mut line in rows.fresh {
            if !marks && let Some(line) = line.as_object_mut() {
                line.remove(LINE_ID);
            }
            lines.push(line);
        }
        if !lines.is_empty() {
            self.body.insert("DocumentLines".into(), Value::Array(lines));
        }
    }
}

/// With the lines whose answer was lost as they were sent: so B1 has them, if at all.
fn as_sent(order: &Order, linked: &Linked) -> Order {
    let mut sent = order.clone();
    for (id, fields) in &mut sent.lines {
        if let Some(line) = linked.adding.iter().find(|line| line.id == *id) {
            *fields = line.fields.clone();
        }
    }
    sent
}

/// A line as a new row.
pub fn fresh(id: &str, fields: &Map<String, Value>) -> Value {
    let mut line = fields.clone();
    line.insert(LINE_ID.into(), id.into());
    Value::Object(line)
}

/// Values that differ; null where there is none any more: a row merges field by field, so what it lost must be emptied.
fn different(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let lost = old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(value));
    changed.map(|(name, value)| (name.clone(), value.clone())).chain(lost).collect()
}

/// Fields that only B1 has changed since both were in step.
fn kept<'a>(
    there: &'a Value,
    base: &'a Map<String, Value>,
    fields: &'a Map<String, Value>,
) -> impl Iterator<Item = &'a str> {
    let stays = |(field, value): &(&'a String, &'a Value)| {
        let in_b1 = &there[field.as_str()];
        base.get(*field) == Some(*value) && !value.is_null() && !in_b1.is_null() && !alike(in_b1, value)
    };
    fields.iter().filter(stays).map(|(field, _)| field.as_str())
}

/// With the line's id where the row lacks it and the field is there.
fn marked(row: &Value, id: &str, mut fields: Map<String, Value>) -> Map<String, Value> {
    if row.get(LINE_ID).is_some() && text(row, LINE_ID).is_empty() {
        fields.insert(LINE_ID.into(), id.into());
    }
    fields
}

/// Why a row is not changed.
fn fixed(row: &Value) -> Option<Said> {
    if row["LineStatus"] == "bost_Close" {
        return Some(say("orders.closed", "closed", []));
    }
    let (open, all) = (decimal(&row["RemainingOpenQuantity"])?, decimal(&row["Quantity"])?);
    (open != all).then(|| say("orders.delivered_in_part", "delivered in part", []))
}

/// A line of which B1 has several rows.
fn split(name: &Said, copies: &[i64]) -> Said {
    let with = [("line", name.clone().into()), ("rows", (copies.len() + 1).into())];
    say("orders.split", "{line}, which B1 has in {rows} rows", with)
}

/// The line at a place of the opportunity.
fn line_of(place: usize, item: String) -> Said {
    say("orders.line", "line {number} ({item})", [("number", (place + 1).into()), ("item", item.into())])
}

fn shown(value: Option<&Value>) -> String {
    value.map(b1::key_text).unwrap_or_default()
}

/// A value of B1's as a person is told it: a day without the midnight behind it.
fn told(value: &Value) -> Told {
    match value.as_str().and_then(|text| text.strip_suffix("T00:00:00Z")) {
        Some(day) => Said::day(day),
        None => b1::key_text(value).into(),
    }
}

/// Both sides of what both changed.
pub fn sides(conflicts: &[(Said, Value, Value)]) -> Value {
    let side = |own: fn(&(Said, Value, Value)) -> &Value| -> Map<String, Value> {
        conflicts.iter().map(|conflict| (conflict.0.to_string(), own(conflict).clone())).collect()
    };
    json!({ "b1": side(|conflict| &conflict.1), "salesforce": side(|conflict| &conflict.2) })
}
