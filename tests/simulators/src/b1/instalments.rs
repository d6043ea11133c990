//! `DocumentInstallments`: the parts in which an invoice is due, each on a day of its own. Without any an invoice has one. What
//! of a part is paid the Service Layer does not tell.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Refusal;
use super::database::Record;
use super::odata::{decimal, number_value};

const OF_DOCUMENT: &str = "DocumentInstallments";

/// Numbers the parts and gives each its total, by `Total` or `Percentage`; the last takes what is left.
pub fn finish(header: &mut Record, total: Decimal, due: &str) -> Result<(), Refusal> {
    let given = header.get(OF_DOCUMENT).and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let mut rows = given.cloned().unwrap_or_else(|| vec![json!({ "DueDate": due, "Percentage": 100 })]);
    let (last, mut left) = (rows.len() - 1, total);
    for (place, row) in rows.iter_mut().enumerate() {
        let percentage = decimal(&row["Percentage"]);
        let asked = decimal(&row["Total"])
            .or_else(|| percentage.map(|percent| (total * percent / Decimal::ONE_HUNDRED).round_dp(2)));
        let own = if place == last { left } else { asked.unwrap_or_default() };
        if asked.is_some_and(|asked| (asked - own).abs() > Decimal::new(5, 2)) {
            return Err(Refusal::new(400, -5002, "Total of installments differs from the document's [INV6]".into()));
        }
        left -= own;
        row["InstallmentId"] = (place + 1).into();
        row["Total"] = number_value(own);
        if row["DueDate"].is_null() {
            row["DueDate"] = due.into();
        }
    }
    header.insert(OF_DOCUMENT.into(), rows.into());
    Ok(())
}
