//! The order an opportunity is linked with, as both sides had it when they were last in step: the base of a change.

use std::collections::BTreeMap;

use tandem_sdk::{Link, Map, Said, Value, b1, decimal, from_json, json, links, mirror, say, text};

use crate::complete;
use crate::plan::Order;

/// The user field of an order's rows with the `OpportunityLineItem` id; `tandem init` makes it.
pub const LINE_ID: &str = "U_SF_LineId";

/// See the module.
#[derive(Clone, Debug)]
pub struct Linked {
    pub doc_entry: String,
    pub doc_num: String,
    /// Open, Closed, Cancelled: as B1 had it last.
    pub status: String,
    /// It is over: winning again makes a new one.
    pub cancelled: bool,
    /// A person chose to leave it cancelled in B1.
    pub left: bool,
    pub generation: u64,
    pub header: Map<String, Value>,
    /// What the opportunity asked for where `header` has B1's own word.
    pub asked: Map<String, Value>,
    pub lines: Vec<LinkedLine>,
    /// What a person is asked about it until it is answered; empty for nothing.
    pub question: Said,
    /// Sent as new, and the answer lost: B1 may have them.
    pub adding: Vec<LinkedLine>,
    /// It was found in B1 and what was sent is not known: header and lines are B1's, and where the opportunity differs nobody can say
    /// who changed it.
    pub found: bool,
    /// It was waited for, made or approved while its opportunity may have changed: what differs is asked about also where it is over.
    pub awaited: bool,
}

/// One line of it.
#[derive(Clone, Debug)]
pub struct LinkedLine {
    /// `OpportunityLineItem` id.
    pub id: String,
    /// B1's `LineNum`, as B1 told it.
    pub num: Option<i64>,
    pub fields: Map<String, Value>,
}

impl Linked {
    /// From a link's base.
    pub fn read(doc_entry: &str, base: &str) -> Self {
        let base = from_json(base);
        let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let line = |line: &Value| LinkedLine {
            id: text(line, "id").to_owned(),
            num: line["num"].as_i64(),
            fields: fields(&line["fields"]),
        };
        Self {
            doc_entry: doc_entry.to_owned(),
            doc_num: text(&base, "doc_num").to_owned(),
            status: text(&base, "status").to_owned(),
            cancelled: base["cancelled"] == true,
            left: base["left"] == true,
            generation: base["generation"].as_u64().unwrap_or(1),
            header: fields(&base["header"]),
            asked: fields(&base["asked"]),
            lines: base["lines"].as_array().into_iter().flatten().map(line).collect(),
            question: Said::of_kept(&base["question"]),
            adding: base["adding"].as_array().into_iter().flatten().map(line).collect(),
            found: base["found"] == true,
            awaited: base["awaited"] == true,
        }
    }

    /// An order that B1 made of `order` just now.
    pub fn made(document: &Value, order: &Order) -> Option<Self> {
        let mut linked = Self::empty(document, order.generation)?;
        linked.header = order.header.clone();
        linked.asked = order.asked.clone();
        linked.lines = order
            .lines
            .iter()
            .map(|(id, fields)| LinkedLine { id: id.clone(), num: None, fields: fields.clone() })
            .collect();
        linked.number(document, order);
        Some(linked)
    }

    /// What is sent of an order, before B1 has answered.
    pub fn sent(order: &Order) -> String {
        let none = json!({ "DocEntry": 0, "DocNum": 0 });
        Self::made(&none, order).map(|linked| linked.base()).unwrap_or_default()
    }

    /// An order that was found in B1, of which [`Linked::sent`] is known: what B1 has else is a clerk's.
    pub fn found_as_sent(document: &Value, sent: &str, generation: u64) -> Option<Self> {
        let sent = Self::read("", sent);
        let lines = sent.lines.iter().map(|line| (line.id.clone(), line.fields.clone())).collect();
        let order = Order { lines, ..Order::default() };
        let numbers = numbers(document, &order, &BTreeMap::new(), true);
        let numbered = |line: LinkedLine| LinkedLine { num: numbers.get(&line.id).copied(), ..line };
        let mut linked = Self::empty(document, generation)?;
        linked.header = sent.header;
        linked.asked = sent.asked;
        linked.lines = sent.lines.into_iter().map(numbered).collect();
        Some(linked)
    }

    /// An order that was found in B1: what it has is the base.
    pub fn found(document: &Value, order: &Order, generation: u64) -> Option<Self> {
        let mut linked = Self::empty(document, generation)?;
        linked.found = true;
        linked.header = as_in(document, &order.header);
        linked.asked = order.asked.clone();
        let numbers = numbers(document, order, &BTreeMap::new(), true);
        for (id, fields) in &order.lines {
            if let Some(row) = numbers.get(id).and_then(|num| row(document, *num)) {
                linked.lines.push(LinkedLine {
                    id: id.clone(),
                    num: row["LineNum"].as_i64(),
                    fields: as_in(row, fields),
                });
            }
        }
        // Its opportunity has lost these lines since.
        for row in b1::lines(document) {
            let id = text(row, LINE_ID);
            if !id.is_empty() && !linked.lines.iter().any(|line| line.id == id) {
                let fields = tandem_sdk::fields(json!({ "ItemCode": row["ItemCode"] }));
                linked.lines.push(LinkedLine { id: id.to_owned(), num: row["LineNum"].as_i64(), fields });
            }
        }
        Some(linked)
    }

    /// Of a document of which nothing but itself is known.
    pub fn empty(document: &Value, generation: u64) -> Option<Self> {
        Some(Self {
            doc_entry: document["DocEntry"].as_i64()?.to_string(),
            doc_num: document["DocNum"].as_i64()?.to_string(),
            status: status_of(document).to_owned(),
            cancelled: false,
            left: false,
            generation,
            header: Map::new(),
            asked: Map::new(),
            lines: Vec::new(),
            question: Said::default(),
            adding: Vec::new(),
            found: false,
            awaited: false,
        })
    }

    /// Takes the rows' numbers from what B1 has.
    pub fn number(&mut self, document: &Value, order: &Order) {
        let numbers = numbers(document, order, &self.known(), false);
        for line in &mut self.lines {
            line.num = numbers.get(&line.id).copied().or(line.num);
        }
    }

    /// It is over, and a person wants no other.
    pub fn stays_cancelled(&self) -> Said {
        let number = [("number", self.doc_num.as_str().into())];
        say("orders.stays_cancelled", "order {number} stays cancelled, as decided", number)
    }

    /// Nothing is to be done about it.
    pub fn up_to_date(&self) -> Said {
        say("orders.up_to_date", "order {number} is up to date", [("number", self.doc_num.as_str().into())])
    }

    /// Number and `DocEntry`, as its opportunity shows them.
    pub fn told(&self) -> (String, String) {
        (self.doc_num.clone(), self.doc_entry.clone())
    }

    /// Numbers of lines by id.
    pub fn known(&self) -> BTreeMap<String, i64> {
        self.lines.iter().filter_map(|line| Some((line.id.clone(), line.num?))).collect()
    }

    /// True when the opportunity asks for nothing else than it did. B1 has not been asked about the order yet.
    pub fn same_as(&self, order: &Order) -> bool {
        let mut header = self.header.clone();
        header.extend(self.asked.clone());
        let currency = self.asked.get("DocCurrency");
        header == order.header
            && self.lines.len() == order.lines.len()
            && self
                .lines
                .iter()
                .zip(&order.lines)
                .all(|(old, (id, fields))| old.id == *id && complete::same_row(&old.fields, currency, fields))
    }

    /// Notes it as the opportunity's.
    pub fn put(&self, opportunity: &str) {
        links::put(&Link {
            kind: "order".into(),
            b1_id: self.doc_entry.clone(),
            salesforce_id: opportunity.into(),
            base: self.base(),
        });
    }

    fn base(&self) -> String {
        let line = |line: &LinkedLine| json!({ "id": line.id, "num": line.num, "fields": line.fields });
        let lines: Vec<Value> = self.lines.iter().map(line).collect();
        let adding: Vec<Value> = self.adding.iter().map(line).collect();
        let base = json!({
            "doc_num": self.doc_num, "status": self.status, "cancelled": self.cancelled, "left": self.left,
            "generation": self.generation, "header": self.header, "asked": self.asked, "lines": lines, "adding": adding,
            "question": self.question.kept(), "found": self.found, "awaited": self.awaited,
        });
        base.to_string()
    }
}

/// Open, Closed, Cancelled.
pub fn status_of(document: &Value) -> &'static str {
    if b1::yes(document, "Cancelled") {
        "Cancelled"
    } else if document["DocumentStatus"] == "bost_Close" {
        "Closed"
    } else {
        "Open"
    }
}

/// The row with that number.
pub fn row(document: &Value, num: i64) -> Option<&Value> {
    b1::lines(document).iter().find(|row| row["LineNum"].as_i64() == Some(num))
}

/// The fields' values in B1; where they say the same, as the opportunity writes it.
pub fn as_in(record: &Value, fields: &Map<String, Value>) -> Map<String, Value> {
    let own = |(name, value): (&String, &Value)| {
        let there = &record[name.as_str()];
        let value = if alike(there, value) { value } else { there };
        (!value.is_null()).then(|| (name.clone(), value.clone()))
    };
    fields.iter().filter_map(own).collect()
}

/// What B1 has is what was sent, as B1 keeps it: numbers by value, also in an alphanumeric field, and rounded to the company's decimal
/// places; days without their time.
pub fn alike(there: &Value, sent: &Value) -> bool {
    if mirror::same(there, sent) {
        return true;
    }
    if there.is_number() || sent.is_number() {
        return decimal(there).zip(decimal(sent)).is_some_and(|(there, sent)| mirror::is_rounded(there, sent));
    }
    day(there).is_some() && day(there) == day(sent)
}

/// A text without the midnight that B1 writes behind a day.
fn day(value: &Value) -> Option<&str> {
    value.as_str().map(|text| text.strip_suffix("T00:00:00Z").unwrap_or(text))
}

/// `LineNum` by line id: B1 numbers the rows itself, and puts rows of its own between ours (components of a sales BOM).
/// By the field with the line's id; by a number that B1 told before; where no row has the field filled, by item and
/// quantity in their order, and for an order that was `found` by item alone.
pub fn numbers(document: &Value, order: &Order, known: &BTreeMap<String, i64>, found: bool) -> BTreeMap<String, i64> {
    let rows = b1::lines(document);
    let num = |row: &Value| row["LineNum"].as_i64();
    let mut numbers: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows {
        let id = text(row, LINE_ID);
        // A row that a clerk duplicates takes the mark with it.
        if let Some(num) =
            num(row).filter(|num| !id.is_empty() && (!numbers.contains_key(id) || known.get(id) == Some(num)))
        {
            numbers.insert(id.to_owned(), num);
        }
    }
    let marked = !numbers.is_empty();
    for (id, own) in known {
        let there = rows.iter().any(|row| num(row) == Some(*own) && text(row, LINE_ID).is_empty());
        if there && !numbers.contains_key(id) {
            numbers.insert(id.clone(), *own);
        }
    }
    if marked {
        return numbers;
    }
    let alike_in =
        |row: &Value, line: &Map<String, Value>, name: &str| alike(&row[name], line.get(name).unwrap_or(&Value::Null));
    let rules: &[&[&str]] =
        if found { &[&["ItemCode", "Quantity"], &["ItemCode"]] } else { &[&["ItemCode", "Quantity"]] };
    for names in rules {
        for (id, line) in order.lines.iter().filter(|(id, _)| !known.contains_key(id)) {
            if numbers.contains_key(id) {
                continue;
            }
            let taken: Vec<i64> = numbers.values().copied().collect();
            let free = |row: &&Value| num(row).is_some_and(|num| !taken.contains(&num)) && !is_component(row);
            let own = rows.iter().filter(free).find(|row| names.iter().all(|name| alike_in(row, line, name)));
            numbers.extend(own.and_then(num).map(|num| (id.clone(), num)));
        }
    }
    numbers
}

/// Other rows with the mark of one: a clerk has split it.
pub fn copies(document: &Value, id: &str, own: i64) -> Vec<i64> {
    let marked = b1::lines(document).iter().filter(|row| text(row, LINE_ID) == id);
    marked.filter_map(|row| row["LineNum"].as_i64()).filter(|num| *num != own).collect()
}

/// A row that a sales BOM brought.
pub fn is_component(row: &Value) -> bool {
    row["TreeType"] == "iIngredient"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(lines: &[(&str, &str, i64)]) -> Order {
        let fields = |item: &str, quantity: i64| tandem_sdk::fields(json!({ "ItemCode": item, "Quantity": quantity }));
        Order {
            header: Map::new(),
            lines: lines.iter().map(|(id, item, quantity)| ((*id).into(), fields(item, *quantity))).collect(),
            generation: 1,
            ..Order::default()
        }
    }

    #[test]
    fn rows_are_found_by_their_mark_by_a_known_number_or_by_what_they_sell() {
        let none = BTreeMap::new();
        let wanted = order(&[("a", "A1", 1), ("b", "A2", 2), ("c", "A1", 3)]);
        // A component between ours, and a clerk's row behind them.
        let rows = json!({ "DocumentLines": [
            { "LineNum": 0, "ItemCode": "A1", "Quantity": 1.0 },
            { "LineNum": 1, "ItemCode": "A2", "Quantity": 2.0, "TreeType": "iIngredient" },
            { "LineNum": 2, "ItemCode": "A2", "Quantity": 2.0 },
            { "LineNum": 5, "ItemCode": "A1", "Quantity": 7.0 },
        ]});
        let found = numbers(&rows, &wanted, &none, false);
        assert_eq!(found, BTreeMap::from([("a".into(), 0), ("b".into(), 2)]));
        let found = numbers(&rows, &wanted, &none, true);
        assert_eq!(found.get("c"), Some(&5));
        let known = BTreeMap::from([("c".to_owned(), 5), ("gone".to_owned(), 9)]);
        let found = numbers(&rows, &wanted, &known, false);
        assert_eq!(found, BTreeMap::from([("a".into(), 0), ("b".into(), 2), ("c".into(), 5)]));
        let marked = json!({ "DocumentLines": [
            { "LineNum": 3, "ItemCode": "A1", "Quantity": 9, "U_SF_LineId": "a" },
            { "LineNum": 4, "ItemCode": "A2", "Quantity": 2, "U_SF_LineId": null },
        ]});
        assert_eq!(numbers(&marked, &wanted, &none, true), BTreeMap::from([("a".into(), 3)]));
    }

    #[test]
    fn days_and_numbers_are_alike_as_b1_keeps_them() {
        for (a, b) in [
            (json!("2027-01-29T00:00:00Z"), json!("2027-01-29")),
            (json!(9), json!(9.0)),
            (json!("0"), json!(0)),
            (json!(null), json!("")),
            (json!(1.23), json!(1.2345)),
            (json!(1.2), json!(1.19999)),
        ] {
            assert!(alike(&a, &b), "{a} {b}");
        }
        // A clerk's own.
        assert!(!alike(&json!(1.2), &json!(1.2345)) && !alike(&json!(1.24), &json!(1.2345)));
        assert!(
            !alike(&json!("A1"), &json!("A2")) && !alike(&json!(1), &json!(null)) && !alike(&json!(null), &json!("x"))
        );
    }

    #[test]
    fn an_echo_is_told_as_one_whatever_b1s_own_words_for_it_are() {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        let line = |more: Value| {
            let mut line = fields(json!({ "ItemCode": "A1", "Quantity": 5, "Currency": "USD" }));
            line.extend(fields(more));
            line
        };
        let asked = Order {
            header: fields(json!({ "DocCurrency": "USD", "DocDueDate": "2020-11-01" })),
            lines: vec![("a".into(), line(json!({})))],
            ..Order::default()
        };
        let mut sent = asked.clone();
        sent.replace("DocCurrency", "$".into());
        sent.replace("DocDueDate", "2026-11-26".into());
        sent.lines[0].1 = line(json!({ "Currency": "$", "UoMEntry": 7 }));
        let linked = Linked::made(&json!({ "DocEntry": 1, "DocNum": 2 }), &sent).unwrap();
        assert!(linked.same_as(&asked));
        for change in [json!({ "Quantity": 6 }), json!({ "Currency": "EUR" }), json!({ "WarehouseCode": "02" })] {
            let mut changed = asked.clone();
            changed.lines[0].1 = line(change.clone());
            assert!(!linked.same_as(&changed), "{change}");
        }
        let mut later = asked.clone();
        later.header.insert("DocDueDate".into(), "2027-01-01".into());
        assert!(!linked.same_as(&later));
    }
}
