//! Changes an order of B1 as a clerk would, or cancels it. What an opportunity says of it is left to the flow, as with any clerk's change.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{Asked, Offer, Refusal, destroys, writes};
use tandem_sdk::{Deserialize, JsonSchema, Method, Number, Probe, Serialize, Value, http, json, request};

use super::{day, number, open_order, short};
use crate::describe::Settings;

/// Lines of one change.
const MOST: usize = 50;
/// Letters of NumAtCard, and of Comments.
const NUM_AT_CARD: usize = 100;
const COMMENTS: usize = 254;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// DocEntry of B1, as orders-of gives it; not the DocNum
    #[schemars(range(min = 1, max = 2147483647))]
    doc_entry: i64,
    /// DocDueDate of B1: the day on which the order is to be delivered, such as `2026-01-31`
    doc_due_date: Option<String>,
    /// NumAtCard of B1: the customer's own number of the order
    num_at_card: Option<String>,
    /// Comments of B1, in place of those that are there
    comments: Option<String>,
    /// Lines that change; the others stay as they are
    #[serde(default)]
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Line {
    /// LineNum of B1, as orders-of gives it
    #[schemars(range(min = 0))]
    line_num: i64,
    /// Quantity of B1, in the line's unit
    quantity: Option<Number>,
    /// ShipDate of B1, such as `2026-01-31`
    ship_date: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Changed {
    /// DocEntry of B1
    doc_entry: i64,
    /// DocNum of B1, as it stands on paper
    doc_num: i64,
}

/// Changes days, numbers, comments, quantities.
pub fn offer() -> Offer<Settings> {
    writes(
        "change-order",
        "Change an order in B1",
        "Changes an open sales order of SAP Business One, by its DocEntry: the day of delivery, the customer's own \
         number, the comments, and quantity or ship date of single lines. Lines are neither added nor removed, prices \
         stay as they are. An order of an opportunity is changed as a clerk would change it.",
        change,
    )
}

/// Cancels one.
pub fn cancelling() -> Offer<Settings> {
    destroys(
        "cancel-order",
        "Cancel an order in B1",
        "Cancels an open sales order of SAP Business One, by its DocEntry. It cannot be taken back: a cancelled order \
         stays cancelled. B1 refuses it for an order of which something is delivered.",
        cancel,
    )
}

fn change(_: &Asked<'_, Settings>, wanted: Wanted) -> Result<Changed, Refusal> {
    let mut body = json!({});
    if let Some(given) = &wanted.doc_due_date {
        body["DocDueDate"] = day("doc_due_date", given)?.into();
    }
    if let Some(given) = &wanted.num_at_card {
        body["NumAtCard"] = short("num_at_card", given, NUM_AT_CARD)?.into();
    }
    if let Some(given) = &wanted.comments {
        body["Comments"] = short("comments", given, COMMENTS)?.into();
    }
    let order = open_order(wanted.doc_entry, "DocumentLines")?;
    if !wanted.lines.is_empty() {
        body["DocumentLines"] = changed_lines(&wanted.lines, &order)?;
    }
    if body.as_object().is_none_or(|own| own.is_empty()) {
        return Err(Refusal::Refused("nothing changes: give what is to be another".into()));
    }
    let path = format!("/Orders({})", wanted.doc_entry);
    http::send(&request("b1", Method::Patch, path, Some(&body), &wanted.doc_entry.to_string()))?;
    Ok(Changed { doc_entry: wanted.doc_entry, doc_num: number(&order, "DocNum") })
}

/// Rows merge by their number: those that are not named stay.
fn changed_lines(wanted: &[Line], order: &Value) -> Result<Value, Refusal> {
    let refused = |why: String| Err(Refusal::Refused(why));
    if wanted.len() > MOST {
        return refused(format!("{} lines; at most {MOST} are changed at once", wanted.len()));
    }
    let mut rows: Vec<Value> = Vec::new();
    for line in wanted {
        let known = b1::lines(order).iter().find(|own| own["LineNum"].as_i64() == Some(line.line_num));
        let Some(known) = known else {
            return refused(format!("the order has no line {}; orders-of gives them with lines = true", line.line_num));
        };
        if known["LineStatus"] == "bost_Close" {
            return refused(format!("line {} is closed: it can be changed no more", line.line_num));
        }
        if rows.iter().any(|row| row["LineNum"] == line.line_num) {
            return refused(format!("line {} is given twice", line.line_num));
        }
        let mut row = json!({ "LineNum": line.line_num });
        if let Some(quantity) = line.quantity {
            if quantity.is_sign_negative() || quantity.is_zero() {
                return refused(format!(
                    "line {}: a quantity must be more than 0; an order without it is another order",
                    line.line_num
                ));
            }
            row["Quantity"] = b1::number(*quantity);
        }
        if let Some(given) = &line.ship_date {
            row["ShipDate"] = day("ship_date", given)?.into();
        }
        rows.push(row);
    }
    Ok(rows.into())
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Which {
    /// DocEntry of B1, as orders-of gives it; not the DocNum
    #[schemars(range(min = 1, max = 2147483647))]
    doc_entry: i64,
}

fn cancel(_: &Asked<'_, Settings>, Which { doc_entry }: Which) -> Result<Changed, Refusal> {
    // Cancelled already, by an earlier try of this very call perhaps: that is what was wanted.
    if let Some(order) = cancelled(doc_entry)? {
        return Ok(Changed { doc_entry, doc_num: number(&order, "DocNum") });
    }
    let order = open_order(doc_entry, "CardCode")?;
    let mut wanted = request("b1", Method::Post, format!("/Orders({doc_entry})/Cancel"), None, &doc_entry.to_string());
    let filter = b1::encode(&format!("DocEntry eq {doc_entry} and Cancelled eq 'tYES'"));
    wanted.probe = Some(Probe { path: format!("/Orders?$filter={filter}&$select=DocEntry"), found: "/value/0".into() });
    http::send(&wanted)?;
    Ok(Changed { doc_entry, doc_num: number(&order, "DocNum") })
}

fn cancelled(doc_entry: i64) -> Result<Option<Value>, Refusal> {
    let found = b1::read(Read::numbers("Orders", "DocEntry", &[doc_entry], "DocEntry,DocNum,Cancelled"))?;
    Ok(found.into_iter().find(|order| b1::yes(order, "Cancelled")))
}

#[cfg(test)]
mod tests {
    use tandem_sdk::from_json;

    use super::*;

    #[test]
    fn only_lines_that_are_there_and_open_change() {
        let order = json!({ "DocumentLines": [{ "LineNum": 0 }, { "LineNum": 1, "LineStatus": "bost_Close" }] });
        let line = |text: &str| -> Line { tandem_sdk::serde::Deserialize::deserialize(from_json(text)).unwrap() };
        let rows =
            changed_lines(&[line(r#"{"line_num":0,"quantity":2.50,"ship_date":"2026-01-31"}"#)], &order).unwrap();
        assert_eq!(rows, from_json(r#"[{"LineNum":0,"Quantity":2.5,"ShipDate":"2026-01-31"}]"#));
        for bad in [
            r#"{"line_num":1,"quantity":1}"#,
            r#"{"line_num":2,"quantity":1}"#,
            r#"{"line_num":0,"quantity":0}"#,
            r#"{"line_num":0,"quantity":-1}"#,
            r#"{"line_num":0,"ship_date":"soon"}"#,
        ] {
            assert!(changed_lines(&[line(bad)], &order).is_err(), "{bad}");
        }
        let twice = [line(r#"{"line_num":0,"quantity":1}"#), line(r#"{"line_num":0,"quantity":2}"#)];
        assert!(changed_lines(&twice, &order).is_err());
    }
}
