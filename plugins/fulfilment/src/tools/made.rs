//! What was made of orders, looked for as if nothing of it were noted: what is noted is behind where the flow is paused, or an event waits.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1;
use tandem_sdk::chain::{self, Chain, Name, Rows};
use tandem_sdk::{Error, Value, text, tools};

use crate::describe::Settings;
use crate::documents::{self, KINDS};

/// Documents that are looked through beside those that are noted, and about how many lines of them: B1 gives far more than a hundred fields of each.
const DOCUMENTS: usize = 200;
const LINES: usize = 600;
/// Documents of one look.
const PIECE: usize = 20;

/// What was made of orders.
pub struct Made {
    pub rows: Rows,
    pub chain: Chain,
    /// Orders of which more may have been made than is noted, or was looked through.
    pub partly: BTreeSet<i64>,
}

/// Of orders by `DocEntry`.
pub fn read(settings: &Settings, orders: &BTreeMap<i64, Value>) -> Result<Made, Error> {
    let fields = |kind: i64| documents::fields(settings, kind);
    let noted: BTreeSet<Name> = orders.keys().flat_map(|entry| documents::noted(entry).unwrap_or_default()).collect();
    let (more, mut partly) = within(&noted, since(orders)?);
    let mut rows = chain::documents(&noted, fields)?;
    let more: Vec<Name> = more.into_iter().collect();
    if !look_through(&more, |piece| chain::documents(piece, fields), &mut rows)? {
        partly.extend(orders.keys());
    }
    own(&mut rows, orders);
    let mut chain = Chain::default();
    chain.take(&rows);
    // What other lines of these documents come from.
    chain.read()?;
    Ok(Made { rows, chain, partly })
}

/// What the customer of each order had since, the newest order first; none where that is too much.
type Since = Vec<(i64, Option<BTreeSet<Name>>)>;

fn since(orders: &BTreeMap<i64, Value>) -> Result<Since, Error> {
    let filters: Vec<(i64, String)> = orders.iter().rev().map(|(entry, order)| (*entry, filter(order))).collect();
    let sets = KINDS.map(|kind| chain::set_of(kind).unwrap_or_default());
    let asked: Vec<(&str, &str)> =
        filters.iter().flat_map(|(_, filter)| sets.map(|set| (set, filter.as_str()))).collect();
    let found = tools::firsts(&asked, "DocEntry", "DocEntry", DOCUMENTS)?;
    let names = |answers: &[(Vec<Value>, bool)]| {
        let of_kind = KINDS
            .iter()
            .zip(answers)
            .flat_map(|(kind, (rows, _))| rows.iter().filter_map(|row| Some((*kind, row["DocEntry"].as_i64()?))));
        let fits = answers.iter().all(|(_, over)| !over);
        fits.then(|| of_kind.collect::<BTreeSet<Name>>())
    };
    Ok(filters.iter().zip(found.chunks(KINDS.len())).map(|((entry, _), answers)| (*entry, names(answers))).collect())
}

/// What an order's customer had since it was made, by the day on which each was: its own date may be any.
fn filter(order: &Value) -> String {
    let customer = format!("CardCode eq {}", b1::quote(text(order, "CardCode")));
    match text(order, "CreationDate").get(..10) {
        Some(day) => format!("{customer} and CreationDate ge '{day}'"),
        None => customer,
    }
}

/// What is looked through beside what is noted, and the orders for which that would be too much.
fn within(noted: &BTreeSet<Name>, since: Since) -> (BTreeSet<Name>, BTreeSet<i64>) {
    let (mut more, mut partly) = (BTreeSet::new(), BTreeSet::new());
    for (order, found) in since {
        let all = found.map(|found| &(&found - noted) | &more).filter(|all| all.len() <= DOCUMENTS);
        match all {
            Some(all) => more = all,
            None => {
                partly.insert(order);
            }
        }
    }
    (more, partly)
}

/// Reads them, a few at a time; false where that was too much, and some are left.
fn look_through(names: &[Name], read: impl Fn(&[Name]) -> Result<Rows, Error>, rows: &mut Rows) -> Result<bool, Error> {
    let mut lines = 0;
    for piece in names.chunks(PIECE) {
        if lines > LINES {
            return Ok(false);
        }
        let found = match read(piece) {
            Err(Error::TooLarge(_)) => return Ok(false),
            found => found?,
        };
        lines += found.values().map(|document| b1::lines(document).len()).sum::<usize>();
        rows.extend(found);
    }
    Ok(true)
}

/// Keeps what leads to these orders: all that it comes from was made since, too.
fn own(rows: &mut Rows, orders: &BTreeMap<i64, Value>) {
    let mut chain = Chain::default();
    chain.take(rows);
    rows.retain(|(kind, entry), _| chain.orders(*kind, *entry).iter().any(|order| orders.contains_key(order)));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tandem_sdk::b1::code;
    use tandem_sdk::json;

    use super::*;

    fn deliveries(entries: impl IntoIterator<Item = i64>) -> BTreeSet<Name> {
        entries.into_iter().map(|entry| (code::DELIVERY, entry)).collect()
    }

    #[test]
    fn what_is_not_noted_yet_is_looked_for() {
        let (more, partly) = within(&deliveries([1]), vec![(7, Some(deliveries([1, 2])))]);
        assert_eq!((more, partly.len()), (deliveries([2]), 0));
        let order = json!({ "CardCode": "O'C", "CreationDate": "2026-01-31T00:00:00Z" });
        assert_eq!(filter(&order), "CardCode eq 'O''C' and CreationDate ge '2026-01-31'");
        assert_eq!(filter(&json!({ "CardCode": "C1" })), "CardCode eq 'C1'");
    }

    #[test]
    fn too_much_is_not_looked_through_and_what_two_orders_share_counts_once() {
        let most = DOCUMENTS as i64;
        let since = vec![
            (9, Some(deliveries(2..=most))),
            (8, Some(deliveries(1..=most))),
            (7, Some(deliveries(0..=most))),
            (6, None),
        ];
        let (more, partly) = within(&BTreeSet::new(), since.clone());
        assert_eq!((more, partly), (deliveries(1..=most), [6, 7].into()));
        let (more, partly) = within(&deliveries([0]), since);
        assert_eq!((more.len(), partly), (DOCUMENTS, [6].into()), "what is noted does not count");
    }

    #[test]
    fn long_documents_are_read_until_they_are_too_much() {
        let names: Vec<Name> = deliveries(0..100).into_iter().collect();
        let of = |lines: usize, largest: usize| {
            let looks = Cell::new(0);
            let read = |piece: &[Name]| {
                looks.set(looks.get() + 1);
                let document = json!({ "DocumentLines": vec![json!({}); lines] });
                match looks.get() > largest {
                    true => Err(Error::TooLarge(8)),
                    false => Ok(piece.iter().map(|name| (*name, document.clone())).collect()),
                }
            };
            let mut rows = Rows::new();
            let whole = look_through(&names, read, &mut rows).unwrap();
            (whole, rows.len())
        };
        assert_eq!(of(5, 100), (true, 100));
        assert_eq!(of(20, 100), (false, 40));
        assert_eq!(of(5, 3), (false, 60), "what was read is told all the same");
    }

    #[test]
    fn what_leads_to_the_orders_is_kept_of_all_that_their_customers_had() {
        let document = |kind: i64, base: i64| json!({ "DocEntry": 1, "DocumentLines": [{ "LineNum": 0, "BaseType": kind, "BaseEntry": base, "BaseLine": 0 }] });
        let mut returned = document(code::DELIVERY, 1);
        returned["DocEntry"] = json!(5);
        let mut other = document(code::ORDER, 8);
        other["DocEntry"] = json!(2);
        let mut rows: Rows = [
            ((code::DELIVERY, 1), document(code::ORDER, 7)),
            ((code::DELIVERY, 2), other),
            ((code::RETURN, 5), returned),
        ]
        .into();
        own(&mut rows, &[(7, Value::Null)].into());
        assert_eq!(rows.into_keys().collect::<Vec<_>>(), [(code::DELIVERY, 1), (code::RETURN, 5)]);
    }
}
