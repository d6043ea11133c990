//! Cancelling a document that has posted something: B1 makes a *cancellation document* of the same kind, whose lines name the
//! cancelled one as their base, closes both for good, takes the postings back and opens the base documents again. Source: SAP's
//! help ("Canceling Sales and Purchasing Documents"). Assumed: on a cancellation document `Cancelled` is `tNO` and only
//! `CancelStatus` tells, both documents count as paid in full, and user fields are copied with the rest.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Refusal;
use super::database::{Database, Key};
use super::documents::{self, Rules};
use super::odata::decimal;

/// Sets whose documents are cancelled by another document.
pub const SETS: [&str; 4] = ["DeliveryNotes", "Returns", "Invoices", "CreditNotes"];

/// `POST <set>(key)/Cancel` and `…/CreateCancellationDocument`.
pub fn cancel(db: &mut Database, rules: &Rules, set: &str, key: &Key) -> Result<Key, Refusal> {
    let refuse = |why: &str| Err(Refusal::new(400, -5002, why.to_owned()));
    let mut old = db.get(set, key).cloned().ok_or_else(Refusal::not_found)?;
    let lines = old["DocumentLines"].as_array().cloned().unwrap_or_default();
    if old["CancelStatus"] != "csNo" {
        return refuse("Document is already cancelled");
    }
    if lines.iter().any(|line| line["Quantity"] != line["RemainingOpenQuantity"]) {
        return refuse("Document has target documents; you cannot cancel it");
    }
    if old.get("PaidToDate").and_then(decimal).is_some_and(|paid| !paid.is_zero()) {
        return refuse("Document has payments; you cannot cancel it");
    }
    let (_, series, first, kind) = documents::document(set);
    let mut copy = old.clone();
    let mut copied = lines.clone();
    for line in &mut copied {
        line["BaseType"] = kind.into();
        line["BaseEntry"] = old["DocEntry"].clone();
        line["BaseLine"] = line["LineNum"].clone();
    }
    for name in ["DocNum", "Series", "HandWritten"] {
        copy.remove(name);
    }
    let currency = old["DocCurrency"].as_str().unwrap_or_default().to_owned();
    let day = format!("{}T00:00:00Z", rules.today);
    copy.remove("DocDueDate");
    let made = documents::store_document(db, rules, set, series, first, copy, copied, &currency, day);
    documents::post(db, rules, set, &made, &old, &lines, Decimal::NEGATIVE_ONE)?;
    let mut new = db.get(set, &made).cloned().unwrap_or_default();
    for (document, status) in [(&mut old, "csYes"), (&mut new, "csCancellation")] {
        let total = document["DocTotal"].clone();
        document.insert("PaidToDate".into(), total);
        document.insert("CancelStatus".into(), status.into());
        document.insert("DocumentStatus".into(), "bost_Close".into());
        for line in document.get_mut("DocumentLines").and_then(Value::as_array_mut).into_iter().flatten() {
            line["LineStatus"] = "bost_Close".into();
            line["RemainingOpenQuantity"] = json!(0);
        }
        document.insert("UpdateDate".into(), format!("{}T00:00:00Z", rules.today).into());
        document.insert("UpdateTime".into(), rules.now.clone().into());
    }
    old.insert("Cancelled".into(), "tYES".into());
    db.put(set, key.clone(), old);
    db.put(set, made.clone(), new);
    Ok(made)
}
