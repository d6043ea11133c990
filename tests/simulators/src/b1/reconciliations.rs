//! Internal reconciliations: what is owed and what is credited of one partner closes each other, by hand or by a credit memo
//! that is made of an invoice. `PaidToDate` and the status of the documents change, their `UpdateDate` does not. The set's name
//! and the properties are the Service Layer's; that a copied credit memo is reconciled with its invoice is believed.

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::documents::Rules;
use super::odata::{decimal, number_value};
use super::schema;

const SET: &str = "InternalReconciliations";
const ROWS: &str = "InternalReconciliationOpenTransRows";

/// `POST InternalReconciliations`: the selected rows' debits and credits are of one sum.
pub fn create(db: &mut Database, rules: &Rules, body: &Record) -> Result<Key, Refusal> {
    let mut entry = schema::check(db, "InternalReconciliation", "", body)?;
    let sum = |kind: &str| -> Decimal {
        let of_kind = |row: &&Value| row["CreditOrDebit"] == kind;
        rows(&entry).iter().filter(of_kind).filter_map(|row| decimal(&row["ReconcileAmount"])).sum()
    };
    let (debit, credit) = (sum("codDebit"), sum("codCredit"));
    if debit <= Decimal::ZERO || debit != credit {
        return Err(Refusal::new(400, -5002, "Reconciliation difference must be zero [OITR]".into()));
    }
    apply_all(db, &entry, Decimal::ONE)?;
    let number = db.number("internal reconciliations", 1);
    entry.insert("ReconNum".into(), number.into());
    entry.insert("Total".into(), number_value(debit));
    entry.entry("ReconDate").or_insert(format!("{}T00:00:00Z", rules.today).into());
    let key = Key::Number(number);
    db.put(SET, key.clone(), entry);
    Ok(key)
}

/// `POST InternalReconciliations(key)/Cancel`: what was closed is open again.
pub fn cancel(db: &mut Database, key: &Key) -> Result<(), Refusal> {
    let entry = db.get(SET, key).cloned().ok_or_else(Refusal::not_found)?;
    apply_all(db, &entry, Decimal::NEGATIVE_ONE)?;
    db.remove(SET, key);
    Ok(())
}

/// The selected rows.
fn rows(entry: &Record) -> Vec<Value> {
    let all = entry.get(ROWS).and_then(Value::as_array).cloned().unwrap_or_default();
    all.into_iter().filter(|row| row["Selected"] == "tYES").collect()
}

fn apply_all(db: &mut Database, entry: &Record, sign: Decimal) -> Result<(), Refusal> {
    for row in rows(entry) {
        let set = match row["SrcObjTyp"].as_str().unwrap_or_default() {
            "13" => "Invoices",
            "14" => "CreditNotes",
            "203" => "DownPayments",
            // A payment on account, a journal entry: neither shows what of it is used.
            _ => continue,
        };
        let amount = decimal(&row["ReconcileAmount"]).unwrap_or_default();
        let document = row["SrcObjAbs"].as_i64().unwrap_or_default();
        apply(db, set, document, row["ShortName"].as_str().unwrap_or_default(), amount * sign)?;
    }
    Ok(())
}

/// What a credit memo takes off the invoices that its lines come from, as far as those are open.
pub fn settle_memo(db: &mut Database, memo: i64, card_code: &str) -> Result<(), Refusal> {
    let document = db.get("CreditNotes", &Key::Number(memo)).cloned().unwrap_or_default();
    let mut invoices: Vec<i64> = document["DocumentLines"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|line| line["BaseType"] == 13)
        .filter_map(|line| line["BaseEntry"].as_i64())
        .collect();
    invoices.dedup();
    for invoice in invoices {
        let open = |db: &Database, set: &str, entry: i64| -> Decimal {
            let record = db.get(set, &Key::Number(entry)).cloned().unwrap_or_default();
            let number = |name: &str| record.get(name).and_then(decimal).unwrap_or_default();
            number("DocTotal") - number("PaidToDate")
        };
        let amount = open(db, "Invoices", invoice).min(open(db, "CreditNotes", memo));
        if amount > Decimal::ZERO {
            apply(db, "Invoices", invoice, card_code, amount)?;
            apply(db, "CreditNotes", memo, card_code, amount)?;
        }
    }
    Ok(())
}

/// Adds to a document's `PaidToDate`, or takes away; it closes when all is paid and opens again when not.
pub fn apply(db: &mut Database, set: &str, entry: i64, card_code: &str, amount: Decimal) -> Result<(), Refusal> {
    let key = Key::Number(entry);
    let mut document =
        db.get(set, &key).filter(|document| document["CardCode"] == card_code).cloned().ok_or_else(|| {
            Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [{set} {entry}]"))
        })?;
    let total = decimal(&document["DocTotal"]).unwrap_or_default();
    let before = decimal(&document["PaidToDate"]).unwrap_or_default();
    let paid = before + amount;
    let is_over = document["CancelStatus"] == "csYes" || document["CancelStatus"] == "csCancellation";
    if paid > total || (amount > Decimal::ZERO && before >= total) || is_over {
        return Err(Refusal::new(
            400,
            -5002,
            format!("Invoice {} is already closed or has less open [RCT2.DocEntry]", document["DocNum"]),
        ));
    }
    document.insert("PaidToDate".into(), number_value(paid));
    if let Some(total_fc) = document.get("DocTotalFc").and_then(decimal).filter(|fc| !fc.is_zero() && !total.is_zero())
    {
        document.insert("PaidToDateFC".into(), number_value((paid * total_fc / total).round_dp(2)));
    }
    let status = if paid >= total { "bost_Close" } else { "bost_Open" };
    document.insert("DocumentStatus".into(), status.into());
    db.put(set, key, document);
    Ok(())
}
