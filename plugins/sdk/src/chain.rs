//! The chain of base documents, walked once and by line: from a line of an invoice, credit memo, delivery, return or down payment
//! down to the order's line that it comes from (`BaseType`, `BaseEntry`, `BaseLine`). The core is pure: rows in, answers out;
//! [`Chain::read`] gets the rows, in a bounded number of requests however long the chain is.

use std::collections::{BTreeMap, BTreeSet};

use crate::b1::{self, Read, code};
use crate::{Decimal, Error, Link, Method, Permission, Side, Value, links, permission, text, units};

#[cfg(test)]
mod tests;

/// Documents that lines are followed through, with their object codes. A walk ends at an order: what that comes from (a
/// quotation) is nobody's delivery or invoice.
const SETS: [(&str, i64); 5] = [
    ("Invoices", code::INVOICE),
    ("CreditNotes", code::CREDIT_MEMO),
    ("DeliveryNotes", code::DELIVERY),
    ("Returns", code::RETURN),
    ("DownPayments", code::DOWN_PAYMENT),
];

/// The topic of an order that became an opportunity's some time after it was made, `{"DocEntry": 17, "CardCode": "C1",
/// "CreationDate": "2026-01-31"}`, all as B1 has it: what followed it meanwhile belonged to nobody.
pub const ORDER_LINKED: &str = "order.linked";

/// What a walk looks at of a document, for a `$select`.
pub const FIELDS: &str = "DocEntry,Cancelled,CancelStatus,ReserveInvoice,DiscountPercent,DocumentLines";

/// Rounds of reading, each of one request to a kind of documents: the longest chain that B1 makes has four documents, and one
/// more where a document is cancelled.
const ROUNDS: usize = 8;

/// What names a document: its object code and `DocEntry`.
pub type Name = (i64, i64);

/// The key of the record that shows a document: connection of the company, object code and `DocEntry`, such as `erp:15:7`.
pub fn key(connection: &str, (kind, entry): Name) -> String {
    format!("{connection}:{kind}:{entry}")
}

/// The document of such a key; none of another company's.
pub fn named_by(connection: &str, key: &str) -> Option<Name> {
    let (kind, entry) = key.strip_prefix(connection)?.strip_prefix(':')?.split_once(':')?;
    Some((kind.parse().ok()?, entry.parse().ok()?))
}

/// Documents by their names.
pub type Rows = BTreeMap<Name, Value>;

/// The object code of the documents that a topic tells of, such as `b1.Invoices`.
pub fn kind_of(topic: &str) -> Option<i64> {
    let set = topic.strip_prefix("b1.")?;
    SETS.iter().find(|(own, _)| *own == set).map(|(_, kind)| *kind)
}

/// The entity set of an object code that lines are followed through.
pub fn set_of(kind: i64) -> Option<&'static str> {
    SETS.iter().find(|(_, own)| *own == kind).map(|(set, _)| *set)
}

/// Reads documents; `fields` says what of each kind.
pub fn documents<'a>(names: impl IntoIterator<Item = &'a Name>, fields: impl Fn(i64) -> String) -> Result<Rows, Error> {
    let names: Vec<&Name> = names.into_iter().collect();
    read(&SETS.map(|(set, kind)| {
        let entries: Vec<i64> = names.iter().filter(|(own, _)| *own == kind).map(|(_, entry)| *entry).collect();
        Read::numbers(set, "DocEntry", &entries, fields(kind))
    }))
}

/// Reads the documents of some kinds that customers had since a day, by the day on which each was made: its own date may be any. All of
/// theirs where the day is empty.
pub fn since(day: &str, customers: &[String], kinds: &[i64], fields: impl Fn(i64) -> String) -> Result<Rows, Error> {
    let made = if day.is_empty() { String::new() } else { format!("CreationDate ge '{day}'") };
    read(&SETS.map(|(set, kind)| {
        let customers = if kinds.contains(&kind) { customers } else { &[] };
        Read::texts(set, "CardCode", customers, fields(kind)).and(&made)
    }))
}

fn read(reads: &[Read<'_>; SETS.len()]) -> Result<Rows, Error> {
    let found = SETS.iter().zip(b1::read_all(reads)?);
    let rows = found.flat_map(|((_, kind), rows)| rows.into_iter().map(move |row| (*kind, row)));
    Ok(rows.filter_map(|(kind, row)| Some(((kind, row["DocEntry"].as_i64()?), row))).collect())
}

/// The links of those orders that have one, by `DocEntry`.
pub fn linked(orders: impl IntoIterator<Item = i64>) -> BTreeMap<i64, Link> {
    let orders: Vec<i64> = orders.into_iter().collect();
    let keys: Vec<String> = orders.iter().map(i64::to_string).collect();
    let found = links::find_all("order", Side::B1, &keys);
    orders.into_iter().zip(found).filter_map(|(entry, link)| Some((entry, link?))).collect()
}

/// A filter of the orders of an opportunity: those that carry its id, and the one that it is linked with, which need not.
pub fn of_opportunity(id: &str) -> String {
    let linked = links::find_all("order", Side::Salesforce, &[id.to_owned()]).into_iter().flatten();
    either(id, linked.filter_map(|link| link.b1_id.parse().ok()))
}

fn either(id: &str, linked: impl Iterator<Item = i64>) -> String {
    linked.fold(format!("U_SF_Id eq {}", b1::quote(id)), |any, entry| format!("{any} or DocEntry eq {entry}"))
}

/// One line of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Object code, as `BaseType` has it.
    pub kind: i64,
    /// `DocEntry`
    pub entry: i64,
    /// `LineNum`
    pub number: i64,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At an order's line: the walk's last.
    Order,
    /// At a line that comes from nothing, or from a kind of document that leads to no order.
    Nothing,
    /// A document or line is not there (any more).
    Missing,
    /// The lines name each other in a ring.
    Ring,
}

/// From a line, which is the first, down to where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walk {
    /// The lines, each the base of the one before it.
    pub steps: Vec<Line>,
    /// How it ended.
    pub end: End,
}

impl Walk {
    /// The order's line it leads to.
    pub fn order(&self) -> Option<Line> {
        self.steps.last().copied().filter(|_| self.end == End::Order)
    }
}

/// How much of a document, or of what was moved, belongs to something.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// In pieces.
    pub quantity: Decimal,
    /// After the document's discount and with tax, in company currency.
    pub value: Decimal,
}

/// What became of an order's line, in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moved {
    /// Has left: delivered, or invoiced without a delivery.
    pub shipped: Decimal,
    /// Invoiced in reserve: still to be delivered, also where the order's line is closed by it.
    pub reserved: Decimal,
    /// Came back: returned, or credited without a return.
    pub returned: Decimal,
    /// Something of it has left, also where the line has no quantity (documents of type *Service*).
    pub touched: bool,
}

#[derive(Clone, Debug, Default)]
struct Document {
    void: bool,
    cancels: bool,
    reserves: bool,
    rows: BTreeMap<i64, Row>,
}

#[derive(Clone, Debug)]
struct Row {
    base: Option<Line>,
    share: Share,
    stays: bool,
}

/// Documents, and how their lines hang together.
#[derive(Default)]
pub struct Chain {
    /// `None` is looked for and not there.
    documents: BTreeMap<(i64, i64), Option<Document>>,
    /// Named by a cancellation document.
    cancelled: BTreeSet<(i64, i64)>,
}

impl Chain {
    /// Takes documents of one object code, read with [`FIELDS`].
    pub fn add<'a>(&mut self, kind: i64, documents: impl IntoIterator<Item = &'a Value>) {
        for document in documents {
            if let Some(entry) = document["DocEntry"].as_i64() {
                let parsed = parsed(document);
                let bases = parsed.rows.values().filter_map(|row| row.base).filter(|base| base.kind == kind);
                if parsed.cancels {
                    self.cancelled.extend(bases.map(|base| (kind, base.entry)));
                }
                self.documents.insert((kind, entry), Some(parsed));
            }
        }
    }

    /// Takes documents that were read with [`FIELDS`].
    pub fn take(&mut self, rows: &Rows) {
        rows.iter().for_each(|((kind, _), row)| self.add(*kind, [row]));
    }

    /// Reads what the documents that are there come from.
    pub fn read(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let missing = self.missing();
            if missing.is_empty() {
                break;
            }
            self.take(&documents(&missing, |_| FIELDS.to_owned())?);
            for gone in missing {
                self.documents.entry(gone).or_insert(None);
            }
        }
        Ok(())
    }

    /// What reading needs.
    pub fn permissions() -> Vec<Permission> {
        SETS.iter()
            .map(|(set, _)| {
                permission("b1", Method::Get, &format!("/{set}"), "follows a document's lines to their order")
            })
            .collect()
    }

    /// Documents that lines come from and that nobody has looked for.
    fn missing(&self) -> BTreeSet<(i64, i64)> {
        let rows = self.documents.values().flatten().flat_map(|document| document.rows.values());
        let bases = rows.filter_map(|row| row.base).map(|base| (base.kind, base.entry));
        let is_followed = |kind: i64| SETS.iter().any(|(_, own)| *own == kind);
        bases.filter(|base| is_followed(base.0) && !self.documents.contains_key(base)).collect()
    }

    /// Where a line comes from.
    pub fn walk(&self, from: Line) -> Walk {
        let mut steps = vec![from];
        loop {
            let at = steps[steps.len() - 1];
            if at.kind == code::ORDER {
                return Walk { steps, end: End::Order };
            }
            if !SETS.iter().any(|(_, kind)| *kind == at.kind) {
                return Walk { steps, end: End::Nothing };
            }
            let document = self.documents.get(&(at.kind, at.entry)).and_then(Option::as_ref);
            let Some(row) = document.and_then(|document| document.rows.get(&at.number)) else {
                return Walk { steps, end: End::Missing };
            };
            match row.base {
                None => return Walk { steps, end: End::Nothing },
                Some(base) if steps.contains(&base) => return Walk { steps, end: End::Ring },
                Some(base) => steps.push(base),
            }
        }
    }

    /// True for a document that is cancelled, or cancels another: it counts for nothing.
    pub fn is_void(&self, kind: i64, entry: i64) -> bool {
        let own = self.documents.get(&(kind, entry)).and_then(Option::as_ref);
        own.is_some_and(|document| document.void) || self.cancelled.contains(&(kind, entry))
    }

    /// The orders that a document leads to, void or not: by `DocEntry`.
    pub fn orders(&self, kind: i64, entry: i64) -> BTreeSet<i64> {
        self.lines(kind, entry).filter_map(|(line, _)| self.walk(line).order()).map(|line| line.entry).collect()
    }

    /// The documents that lead to orders, void or not: object code and `DocEntry` by the order's `DocEntry`.
    pub fn made_of(&self) -> BTreeMap<i64, BTreeSet<(i64, i64)>> {
        let mut made: BTreeMap<i64, BTreeSet<(i64, i64)>> = BTreeMap::new();
        for (kind, entry) in self.documents.keys().copied() {
            for order in self.orders(kind, entry) {
                made.entry(order).or_default().insert((kind, entry));
            }
        }
        made
    }

    /// What of a document belongs to which order, by the order's `DocEntry`, and what all of it is. A void document has nothing.
    pub fn shares(&self, kind: i64, entry: i64) -> (BTreeMap<i64, Share>, Share) {
        let (mut shares, mut whole) = (BTreeMap::<i64, Share>::new(), Share::default());
        if self.is_void(kind, entry) {
            return (shares, whole);
        }
        for (line, row) in self.lines(kind, entry) {
            whole.add(row.share);
            if let Some(order) = self.walk(line).order() {
                shares.entry(order.entry).or_default().add(row.share);
            }
        }
        (shares, whole)
    }

    /// What became of orders' lines: each piece counts once, by the first document that moved it.
    pub fn moved(&self) -> BTreeMap<Line, Moved> {
        let mut moved: BTreeMap<Line, Moved> = BTreeMap::new();
        for (kind, entry) in self.documents.keys().copied() {
            for (line, row) in self.lines(kind, entry) {
                let walk = self.walk(line);
                let Some(origin) = walk.order() else { continue };
                if walk.steps.iter().any(|step| self.is_void(step.kind, step.entry)) {
                    continue;
                }
                let bases = &walk.steps[1..];
                let own = moved.entry(origin).or_default();
                if self.ships(line) && !bases.iter().any(|step| self.ships(*step)) {
                    own.shipped += row.share.quantity;
                    own.touched = true;
                }
                if self.reserves(line) {
                    own.reserved += row.share.quantity;
                }
                let is_back = |step: &Line| self.returns(*step) || step.kind == code::DOWN_PAYMENT;
                if self.returns(line) && !bases.iter().any(is_back) {
                    own.returned += row.share.quantity;
                }
            }
        }
        moved
    }

    /// A delivery, or an invoice that is not one of reserve: goods leave with it, and services are done.
    fn ships(&self, line: Line) -> bool {
        line.kind == code::DELIVERY || line.kind == code::INVOICE && !self.reserves(line)
    }

    fn reserves(&self, line: Line) -> bool {
        let document = self.documents.get(&(line.kind, line.entry)).and_then(Option::as_ref);
        line.kind == code::INVOICE && document.is_some_and(|document| document.reserves)
    }

    /// A return, or a credit memo that is not about the price alone.
    fn returns(&self, line: Line) -> bool {
        let document = self.documents.get(&(line.kind, line.entry)).and_then(Option::as_ref);
        let stays = document.and_then(|document| document.rows.get(&line.number)).is_some_and(|row| row.stays);
        line.kind == code::RETURN || line.kind == code::CREDIT_MEMO && !stays
    }

    fn lines(&self, kind: i64, entry: i64) -> impl Iterator<Item = (Line, &Row)> {
        let document = self.documents.get(&(kind, entry)).and_then(Option::as_ref);
        let rows = document.into_iter().flat_map(|document| &document.rows);
        rows.map(move |(number, row)| (Line { kind, entry, number: *number }, row))
    }
}

impl Share {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.quantity += other.quantity;
        self.value += other.value;
    }
}

/// Parts of a document's amount by shares of the whole, each rounded to cents as if it were a document of its own: the value itself
/// where the amount is that of all rows, but for rounding; else in proportion (freight, a part that was paid, another currency).
/// By quantity where nothing has a value.
pub fn split(amount: Decimal, shares: &[Share], whole: Share) -> Vec<Decimal> {
    /// What B1's rounding of taxes makes of many rows, at most.
    const ROUNDING: Decimal = Decimal::from_parts(5, 0, 0, false, 2);
    let is_all = (amount.abs() - whole.value).abs() <= ROUNDING;
    let part = |share: &Share| match (is_all, whole.value.is_zero(), whole.quantity.is_zero()) {
        (true, false, _) if amount.is_sign_negative() => -share.value,
        (true, false, _) => share.value,
        (false, false, _) => amount * share.value / whole.value,
        (_, true, false) => amount * share.quantity / whole.quantity,
        (_, true, true) => amount / Decimal::from(shares.len()),
    };
    shares.iter().map(|share| part(share).round_dp(2)).collect()
}

/// True for a document that is cancelled, or that cancels another.
pub fn is_void(document: &Value) -> bool {
    b1::yes(document, "Cancelled") || matches!(text(document, "CancelStatus"), "csYes" | "csCancellation")
}

fn parsed(document: &Value) -> Document {
    let discount = (Decimal::ONE_HUNDRED - b1::amount(document, "DiscountPercent")) / Decimal::ONE_HUNDRED;
    let row = |line: &Value| {
        let number = line["LineNum"].as_i64()?;
        let base = line["BaseType"].as_i64().zip(line["BaseEntry"].as_i64()).filter(|(kind, _)| *kind > 0);
        let base = base.map(|(kind, entry)| Line { kind, entry, number: line["BaseLine"].as_i64().unwrap_or(0) });
        let net = b1::amount(line, "LineTotal") * discount;
        let tax = net * b1::amount(line, "TaxPercentagePerRow") / Decimal::ONE_HUNDRED;
        let share = Share { quantity: units::pieces_of(line, "Quantity"), value: net + tax };
        Some((number, Row { base, share, stays: b1::yes(line, "WithoutInventoryMovement") }))
    };
    Document {
        void: is_void(document),
        cancels: text(document, "CancelStatus") == "csCancellation",
        reserves: b1::yes(document, "ReserveInvoice"),
        rows: b1::lines(document).iter().filter_map(row).collect(),
    }
}
