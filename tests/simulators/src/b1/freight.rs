//! Freight: `DocumentAdditionalExpenses` of a document and `DocumentLineAdditionalExpenses` of a row, by `ExpenseCode`. It counts
//! into `DocTotal` with its own tax and knows nothing of the document's discount. Source: shared facts; the codes of the
//! refusals are assumed.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Refusal;
use super::database::{Database, Key, Record};
use super::odata::{decimal, number_value};

/// Freight at the start: `ExpensCode` (so B1 spells it), `Name`, `OutputVATGroup`.
pub const SEEDED: [(i64, &str, &str); 2] = [(1, "Freight", "A1"), (2, "Insurance", "A0")];

const OF_DOCUMENT: &str = "DocumentAdditionalExpenses";
const OF_LINE: &str = "DocumentLineAdditionalExpenses";

/// Finishes the freight rows of a document: numbers, tax. Net and tax of all of it.
pub fn finish(db: &Database, header: &mut Record, lines: &mut [Value]) -> Result<(Decimal, Decimal), Refusal> {
    let (mut net, mut tax) = (Decimal::ZERO, Decimal::ZERO);
    let mut add = |(own, of_it): (Decimal, Decimal)| {
        net += own;
        tax += of_it;
    };
    for (number, row) in rows_of(header.get_mut(OF_DOCUMENT)).enumerate() {
        add(finished(db, row, "LineNum", number)?);
    }
    for line in lines {
        for (number, row) in rows_of(line.get_mut(OF_LINE)).enumerate() {
            add(finished(db, row, "LineNumber", number)?);
        }
    }
    Ok((net, tax.round_dp(2)))
}

fn rows_of(rows: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    rows.and_then(Value::as_array_mut).into_iter().flatten()
}

fn finished(db: &Database, row: &mut Value, number_field: &str, number: usize) -> Result<(Decimal, Decimal), Refusal> {
    let not_found = |what: String| Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [{what}]"));
    let code = row["ExpenseCode"].as_i64().unwrap_or_default();
    let expense = db
        .get("AdditionalExpenses", &Key::Number(code))
        .ok_or_else(|| not_found(format!("AdditionalExpenses {code}")))?;
    let total = decimal(&row["LineTotal"]).unwrap_or_default();
    if total.is_sign_negative() {
        return Err(Refusal::new(400, -5002, "Freight must not be negative [RDR3.LineTotal]".into()));
    }
    let group = row["VatGroup"].as_str().or(expense["OutputVATGroup"].as_str()).unwrap_or("A1").to_owned();
    let rate = db.get("SalesTaxCodes", &Key::Text(group.clone())).and_then(|tax| decimal(&tax["Rate"]));
    let rate = rate.ok_or_else(|| not_found(format!("VatGroups {group}")))?;
    let tax = (total * rate / Decimal::ONE_HUNDRED).round_dp(2);
    for (name, value) in [
        ("VatGroup", json!(group)),
        ("TaxPercent", number_value(rate)),
        ("TaxSum", number_value(tax)),
        ("LineGross", number_value(total + tax)),
    ] {
        row[name] = value;
    }
    if row[number_field].is_null() {
        row[number_field] = number.into();
    }
    Ok((total, tax))
}

/// The document's freight rows after a change: they merge by `LineNum`; with `replace` those that are not sent go.
pub fn merged(header: &Record, body: &mut Record, replace: bool) {
    let Some(Value::Array(given)) = body.get_mut(OF_DOCUMENT) else { return };
    let mut rows = match header.get(OF_DOCUMENT).and_then(Value::as_array) {
        Some(old) if !replace => old.clone(),
        _ => Vec::new(),
    };
    let mut next = rows.iter().filter_map(|row| row["LineNum"].as_i64()).max().unwrap_or(-1) + 1;
    for mut row in std::mem::take(given) {
        let same = |own: &&mut Value| !row["LineNum"].is_null() && own["LineNum"] == row["LineNum"];
        match (rows.iter_mut().find(same).and_then(Value::as_object_mut), row.as_object_mut()) {
            (Some(old), Some(new)) => old.append(new),
            (None, Some(_)) => {
                row["LineNum"] = next.into();
                next += 1;
                rows.push(row);
            }
            _ => {}
        }
    }
    *given = rows;
}
