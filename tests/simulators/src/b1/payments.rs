//! Incoming payments: applied to invoices, which close when they are paid; cancelled again. A payment changes an invoice's
//! `PaidToDate` and leaves its `UpdateDate` alone: who polls invoices must follow the payments.

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::documents::{Rules, change_partner};
use super::odata::decimal;
use super::{reconciliations, schema};

const SET: &str = "IncomingPayments";

/// `POST IncomingPayments`.
pub fn create(db: &mut Database, rules: &Rules, body: &Record) -> Result<Key, Refusal> {
    let mut payment = schema::check(db, "Payment", "ORCT", body)?;
    let card_code = payment.get("CardCode").and_then(Value::as_str).unwrap_or_default().to_owned();
    let partner = Key::Text(card_code.clone());
    let name = db.get("BusinessPartners", &partner).map(|partner| partner["CardName"].clone()).ok_or_else(|| {
        Refusal::new(400, -2028, format!("No matching records found (ODBC -2028) [BusinessPartners {card_code}]"))
    })?;
    let amount = |record: &Record, field: &str| record.get(field).and_then(decimal).unwrap_or_default();
    let total = amount(&payment, "CashSum") + amount(&payment, "TransferSum");
    if total <= Decimal::ZERO {
        return Err(Refusal::new(400, -5002, "Payment means total must be greater than zero [ORCT]".into()));
    }
    let lines = payment.get("PaymentInvoices").and_then(Value::as_array).cloned().unwrap_or_default();
    let applied: Decimal = lines.iter().filter_map(|line| decimal(&line["SumApplied"])).sum();
    if applied > total {
        return Err(Refusal::new(
            400,
            -5002,
            "Payment amount is less than the sum applied to invoices [RCT2.SumApplied]".into(),
        ));
    }
    for line in &lines {
        apply(db, line, &card_code, Decimal::ONE)?;
    }
    let entry = db.number("payments", 1);
    let number = db.number("payments DocNum", 20_001);
    let currency = payment.get("DocCurrency").cloned().unwrap_or_else(|| "EUR".into());
    let today = format!("{}T00:00:00Z", rules.today);
    for (field, value) in [
        ("DocEntry", entry.into()),
        ("DocNum", number.into()),
        ("CardName", name),
        ("Cancelled", "tNO".into()),
        ("DocCurrency", currency),
    ] {
        payment.insert(field.into(), value);
    }
    payment.entry("DocDate").or_insert(today.into());
    payment.entry("DocType").or_insert("rCustomer".into());
    let key = Key::Number(entry);
    db.put(SET, key.clone(), payment);
    change_partner(db, &partner, "CurrentAccountBalance", -total);
    Ok(key)
}

/// `POST IncomingPayments(key)/Cancel`.
pub fn cancel(db: &mut Database, key: &Key) -> Result<(), Refusal> {
    let mut payment = db.get(SET, key).cloned().ok_or_else(Refusal::not_found)?;
    if payment["Cancelled"] == "tYES" {
        return Err(Refusal::new(400, -5002, "Payment is already cancelled".into()));
    }
    let card_code = payment["CardCode"].as_str().unwrap_or_default().to_owned();
    for line in payment.get("PaymentInvoices").and_then(Value::as_array).cloned().unwrap_or_default() {
        apply(db, &line, &card_code, Decimal::NEGATIVE_ONE)?;
    }
    let total: Decimal =
        ["CashSum", "TransferSum"].iter().filter_map(|field| payment.get(*field).and_then(decimal)).sum();
    payment.insert("Cancelled".into(), "tYES".into());
    db.put(SET, key.clone(), payment);
    change_partner(db, &Key::Text(card_code), "CurrentAccountBalance", total);
    Ok(())
}

fn apply(db: &mut Database, line: &Value, card_code: &str, sign: Decimal) -> Result<(), Refusal> {
    let set = match line["InvoiceType"].as_str().unwrap_or("it_Invoice") {
        "it_CredItnote" => "CreditNotes",
        "it_DownPayment" => "DownPayments",
        _ => "Invoices",
    };
    let entry = line["DocEntry"].as_i64().unwrap_or_default();
    let sum = decimal(&line["SumApplied"]).unwrap_or_default() * sign;
    reconciliations::apply(db, set, entry, card_code, sum)
}
