//! What an order in B1 gets: the difference between the opportunity and what it was when both were last in step. What a
//! clerk did meanwhile stays: rows of B1's own always, values of ours unless the opportunity changed the same one.

use std::collections::BTreeMap;

use tandem_sdk::{Map, Said, Value, b1, decimal, json, say, text};

use crate::Work;
use crate::describe::{Settings, Wins};
use crate::linked::{LINE_ID, Linked, LinkedLine, alike, as_in, is_component, numbers, row};
use crate::plan::Order;

/// What a person may choose where both sides changed the same.
pub const KEEP_B1: &str = "keep B1's";
pub const KEEP_SALESFORCE: &str = "keep Salesforce's";

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
    pub notes: Vec<String>,
    /// What B1 will not have: a person must.
    pub left: Vec<Said>,
    /// Both sides changed it: place and field, B1's value, Salesforce's.
    pub conflicts: Vec<(Said, Value, Value)>,
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
        let wins = match w.event.resolution.as_deref() {
            Some(KEEP_B1) => Wins::B1,
            Some(KEEP_SALESFORCE) => Wins::Salesforce,
            _ => settings.lines,
        };
        let mut change = Self {
            body: different(&linked.header, &order.header),
            replace: false,
            adds: false,
            linked: Linked {
                header: order.header.clone(),
                asked: order.asked.clone(),
                lines: Vec::new(),
                adding: Vec::new(),
                ..linked.clone()
            },
            notes: Vec::new(),
            left: Vec::new(),
            conflicts: Vec::new(),
        };
        change.body.retain(|name, value| {
            let there = w.document.get(name.as_str());
            // An order of before it was said keeps the discount it got.
            let unsaid = name == "DiscountPercent" && !linked.header.contains_key(name) && *value == 0;
            !unsaid && !there.is_some_and(|there| alike(there, value))
        });
        let numbers = numbers(&w.document, &as_sent(order, linked), &linked.known(), false);
        let mut rows = Rows::default();
        for (place, (id, fields)) in order.lines.iter().enumerate() {
            let there = numbers.get(id).and_then(|num| row(&w.document, *num));
            let sent = linked.adding.iter().filter(|_| there.is_some());
            let old = linked.lines.iter().chain(sent).find(|line| line.id == *id);
            let name = line_of(place, shown(fields.get("ItemCode")));
            change.line(wins, &mut rows, &name, id, fields, old, there);
        }
        for old in linked.lines.iter().filter(|old| !order.lines.iter().any(|(id, _)| *id == old.id)) {
            let there = numbers.get(&old.id).and_then(|num| row(&w.document, *num));
            change.lost_line(wins, &mut rows, old, there);
        }
        change.put_rows(&w.document, rows);
        change
    }

    /// B1 gets nothing and nobody is asked.
    pub fn is_nothing(&self) -> bool {
        self.body.is_empty() && self.left.is_empty() && self.conflicts.is_empty()
    }

    #[expect(clippy::too_many_arguments, reason = "one line with all that is known of it")]
    fn line(
        &mut self,
        wins: Wins,
        rows: &mut Rows,
        name: &Said,
        id: &str,
        fields: &Map<String, Value>,
        old: Option<&LinkedLine>,
        there: Option<&Value>,
    ) {
        let num = there.and_then(|row| row["LineNum"].as_i64());
        let mut line = LinkedLine { id: id.to_owned(), num, fields: fields.clone() };
        match (there, num, old) {
            (Some(row), Some(num), _) => {
                // Without a base it was added by us, and the answer was lost.
                let base = old.map_or_else(|| as_in(row, fields), |old| old.fields.clone());
                let wanted = self.wanted(wins, name, row, &base, fields);
                if !wanted.is_empty() {
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
                            rows.changed.insert(num, marked(row, id, wanted));
                        }
                    }
                }
            }
            (_, _, Some(old)) if old.fields == *fields || wins == Wins::B1 => {
                self.notes.push(format!("{name} was removed in B1"));
                line.num = None;
            }
            (_, _, Some(_)) if wins == Wins::Review => {
                self.conflicts.push((name.clone(), "removed".into(), "changed".into()));
            }
            _ => rows.fresh.push(fresh(id, fields)),
        }
        self.linked.lines.push(line);
    }

    /// Fields that the opportunity changed, and that B1 is to have.
    fn wanted(
        &mut self,
        wins: Wins,
        name: &Said,
        row: &Value,
        base: &Map<String, Value>,
        fields: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut wanted = different(base, fields);
        wanted.retain(|field, value| {
            let there = &row[field.as_str()];
            if alike(there, value) {
                return false;
            }
            let before = base.get(field).unwrap_or(&Value::Null);
            // What B1 fills in by itself where we say nothing is no change of a clerk's.
            let clerk = !before.is_null() && !alike(there, before);
            match wins {
                Wins::B1 if clerk => {
                    self.notes.push(format!("{field} of {name} stays {there} as in B1"));
                    false
                }
                Wins::Review if clerk => {
                    let what = [("field", field.into()), ("line", name.clone().into())];
                    self.conflicts.push((
                        say("orders.field_of", "{field} of {line}", what),
                        there.clone(),
                        value.clone(),
                    ));
                    false
                }
                _ => true,
            }
        });
        wanted
    }

    /// A line that the opportunity has no longer.
    fn lost_line(&mut self, wins: Wins, rows: &mut Rows, old: &LinkedLine, there: Option<&Value>) {
        let Some((row, num)) = there.and_then(|row| Some((row, row["LineNum"].as_i64()?))) else { return };
        let item = shown(old.fields.get("ItemCode"));
        let name = say("orders.removed_line", "the removed line {item}", [("item", item.into())]);
        let clerk = old.fields.iter().any(|(field, value)| !alike(&row[field.as_str()], value));
        match (fixed(row), wins) {
            (Some(why), _) => {
                let (line, why) = (name.into(), why.into());
                self.left.push(say(
                    "orders.line_stays",
                    "{line} is {why} in B1 and stays there",
                    [("line", line), ("why", why)],
                ));
                self.linked.lines.push(old.clone());
            }
            (None, Wins::B1) if clerk => self.notes.push(format!("{name} was changed in B1 and stays there")),
            (None, Wins::Review) if clerk => {
                self.conflicts.push((name, "changed".into(), "removed".into()));
            }
            _ => rows.gone.push(num),
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

/// The line at a place of the opportunity.
fn line_of(place: usize, item: String) -> Said {
    say("orders.line", "line {number} ({item})", [("number", (place + 1).into()), ("item", item.into())])
}

fn shown(value: Option<&Value>) -> String {
    value.map(b1::key_text).unwrap_or_default()
}

/// Both sides of what both changed.
pub fn sides(conflicts: &[(Said, Value, Value)]) -> Value {
    let side = |own: fn(&(Said, Value, Value)) -> &Value| -> Map<String, Value> {
        conflicts.iter().map(|conflict| (conflict.0.to_string(), own(conflict).clone())).collect()
    };
    json!({ "b1": side(|conflict| &conflict.1), "salesforce": side(|conflict| &conflict.2) })
}
