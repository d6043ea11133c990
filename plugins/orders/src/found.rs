//! What stands in B1 already for an opportunity that is linked with nothing: an order of a host that has lost its memory,
//! one whose answer was lost, one made from a draft that was approved. What is found is read: it is as B1 has it, whatever
//! the opportunity says today.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{Error, Map, Value, decimal, http, request, text};

use crate::plan::{Linked, Order};

/// Of orders that still stand.
const LIVE: &str = "Cancelled eq 'tNO'";

/// Drafts that await approval, by `U_SF_Id`. To be asked before [`orders`]: one that is approved in between is an order then.
pub fn drafts(ids: &[String]) -> Read<'static> {
    Read::texts("Drafts", "U_SF_Id", ids, "DocEntry,U_SF_Id")
}

/// Rows of orders that are to be changed, by `DocEntry`.
pub fn rows(entries: &[i64]) -> Read<'static> {
    Read::numbers("Orders", "DocEntry", entries, "DocEntry,DocumentLines")
}

/// Orders that stand, by `U_SF_Id`, with everything that `of` would give them.
pub fn orders<'a>(ids: &[String], of: impl IntoIterator<Item = &'a Order>) -> Read<'static> {
    Read::texts("Orders", "U_SF_Id", ids, select(of)).and(LIVE)
}

fn select<'a>(orders: impl IntoIterator<Item = &'a Order>) -> String {
    let mut fields: Vec<&str> = vec!["DocEntry", "DocNum", "DocumentStatus", "U_SF_Id", "DocumentLines"];
    for order in orders {
        fields.extend(order.header.keys().map(String::as_str));
    }
    fields.sort_unstable();
    fields.dedup();
    fields.join(",")
}

/// The address that finds the order of one opportunity, for a probe.
pub fn address(id: &str) -> String {
    let filter = b1::encode(&format!("U_SF_Id eq {} and {LIVE}", b1::quote(id)));
    format!("/Orders?$filter={filter}&$select=DocEntry,DocNum,DocumentStatus")
}

/// The order that stands for one opportunity, whole, as it is now.
pub fn order(id: &str, like: &Order) -> Result<Option<Value>, Error> {
    let filter = b1::encode(&format!("U_SF_Id eq {} and {LIVE}", b1::quote(id)));
    one(&format!("/Orders?$filter={filter}&$select={}", select([like])), id)
}

/// The draft of one opportunity.
pub fn draft(id: &str) -> Result<Option<Value>, Error> {
    let filter = b1::encode(&format!("U_SF_Id eq {}", b1::quote(id)));
    one(&format!("/Drafts?$filter={filter}&$select=DocEntry"), id)
}

/// The first row of an address.
pub fn one(path: &str, subject: &str) -> Result<Option<Value>, Error> {
    let rows = b1::rows(http::send(&request("b1", tandem_sdk::Method::Get, path, None, subject)))?;
    Ok(rows.into_iter().next())
}

/// `LineNum` of each line that is wanted, as B1 gave it: B1 may add rows of its own, such as the components of a kit.
pub fn numbers(made: &Value, order: &Order) -> Vec<Option<i64>> {
    pairs(b1::lines(made), order).into_iter().map(|line| line.and_then(|line| line["LineNum"].as_i64())).collect()
}

/// The found order as what was synced last: B1's values, not today's. `None` when it does not tell its numbers.
pub fn linked(found: &Value, order: &Order) -> Option<Linked> {
    let number = |line: &Value| line["LineNum"].as_i64().unwrap_or(0);
    let there = b1::lines(found);
    let next_line = there.iter().map(|line| number(line) + 1).max().unwrap_or(0);
    let rows = pairs(there, order);
    let known = order.lines.iter().zip(rows).filter_map(|((id, wanted), row)| {
        let line = row?;
        Some((id.clone(), number(line), Value::Object(as_there(line, wanted))))
    });
    let lines = known.collect();
    Some(Linked {
        doc_entry: found["DocEntry"].as_i64()?.to_string(),
        doc_num: found["DocNum"].as_i64()?.to_string(),
        cancelled: false,
        generation: order.generation,
        header: as_there(found, &order.header),
        lines,
        next_line,
        adding: Vec::new(),
    })
}

/// Whether a line of B1 can be one that is wanted.
type Fits = dyn Fn(&Value, &Map<String, Value>) -> bool;

/// B1's line of each line that is wanted: first those that are the same, then those of the same item.
fn pairs<'a>(there: &'a [Value], order: &Order) -> Vec<Option<&'a Value>> {
    let mut free: Vec<&Value> = there.iter().collect();
    let mut rows = vec![None; order.lines.len()];
    let item = |line: &Value, wanted: &Map<String, Value>| wanted.get("ItemCode") == Some(&line["ItemCode"]);
    let rules: [&Fits; 2] = [&is_as, &item];
    for fits in rules {
        for (row, (_, wanted)) in rows.iter_mut().zip(&order.lines).filter(|(row, _)| row.is_none()) {
            *row = free.iter().position(|line| fits(line, wanted)).map(|place| free.remove(place));
        }
    }
    rows
}

/// True when a row has every value that is wanted.
pub fn is_as(row: &Value, wanted: &Map<String, Value>) -> bool {
    wanted.iter().all(|(name, value)| equal(&row[name], value))
}

/// What a record has in the fields that are wanted; as wanted where it means the same.
fn as_there(record: &Value, wanted: &Map<String, Value>) -> Map<String, Value> {
    let there =
        |name: &String, value: &Value| if equal(&record[name], value) { value.clone() } else { record[name].clone() };
    wanted.iter().map(|(name, value)| (name.clone(), there(name, value))).collect()
}

/// True when B1's value means what was sent: numbers by value, a day whatever its time of day, empty and null alike.
fn equal(there: &Value, sent: &Value) -> bool {
    if there == sent {
        return true;
    }
    if let (Some(a), Some(b)) = (decimal(there), decimal(sent)) {
        return a == b;
    }
    let empty = |value: &Value| value.is_null() || value == "";
    let day = |value: &Value| value.as_str().and_then(|text| text.strip_suffix("T00:00:00Z")).map(str::to_owned);
    (empty(there) && empty(sent)) || day(there).is_some_and(|day| sent == &Value::String(day))
}

/// Rows by their `U_SF_Id`.
pub fn by_opportunity(rows: Vec<Value>) -> std::collections::BTreeMap<String, Value> {
    rows.into_iter().map(|row| (text(&row, "U_SF_Id").to_owned(), row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::json;

    fn fields(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_is_found_is_as_b1_has_it_and_not_as_it_is_wanted() {
        let line =
            |code: &str, quantity: i64| fields(json!({ "ItemCode": code, "Quantity": quantity, "UnitPrice": 5.5 }));
        let order = Order {
            header: fields(json!({ "CardCode": "C1", "DocDueDate": "2027-01-29", "NumAtCard": null })),
            lines: vec![("a".into(), line("X", 8)), ("b".into(), line("X", 2)), ("c".into(), line("Z", 1))],
            generation: 1,
        };
        let found = json!({
            "DocEntry": 7, "DocNum": 70, "CardCode": "C1", "DocDueDate": "2027-01-29T00:00:00Z", "NumAtCard": "",
            "DocumentLines": [
                { "LineNum": 0, "ItemCode": "X", "Quantity": 2.0, "UnitPrice": 5.50 },
                { "LineNum": 3, "ItemCode": "X", "Quantity": 1.0, "UnitPrice": 5.50 },
            ],
        });
        let linked = linked(&found, &order).unwrap();
        assert_eq!(linked.header, order.header, "it means the same");
        let lines: Vec<(&str, i64, &Value)> =
            linked.lines.iter().map(|(id, num, line)| (id.as_str(), *num, &line["Quantity"])).collect();
        assert_eq!(lines, [("a", 3, &json!(1.0)), ("b", 0, &json!(2))], "the same line first; the third is new");
        assert_eq!(linked.next_line, 4);
    }
}
