//! Incoming payment → `Tandem_Payment__c`, one for each invoice it pays. A payment leaves its invoice's `UpdateDate` alone,
//! so the invoices it names are looked at again.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::chain::Name;
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Decimal, Map, Outcomes, Value, connection, fields, json, say, text};

use crate::describe::Settings;
use crate::documents::{Documents, Events};
use crate::wanted::{Wanted, unseen};

/// What is read of one.
pub const SELECT: &str = "DocEntry,DocNum,CardCode,DocDate,Cancelled,PaymentInvoices";

/// Payments of a batch, with their events.
#[derive(Default)]
pub struct Payments {
    rows: Vec<(Value, Vec<usize>)>,
}

pub const SET: &str = "IncomingPayments";

/// Reads the payments that a batch is about.
pub fn read(wanted: &mut Wanted, outcomes: &mut Outcomes) -> Payments {
    let mut events = wanted.take(SET);
    let entries: Vec<i64> = events.keys().copied().collect();
    let found = b1::read(Read::numbers(SET, "DocEntry", &entries, SELECT)).unwrap_or_else(|error| {
        let all: Vec<usize> = events.values().flatten().copied().collect();
        outcomes.fail(&all, &error, say("invoices.reading_incoming_payments", "reading incoming payments", []));
        Vec::new()
    });
    let mut own = |row: &Value| row["DocEntry"].as_i64().and_then(|entry| events.remove(&entry)).unwrap_or_default();
    let with_events = |row: Value| {
        let own = own(&row);
        (row, own)
    };
    Payments { rows: found.into_iter().map(with_events).collect() }
}

impl Payments {
    /// The documents that were paid, with the events.
    pub fn documents(&self) -> Events {
        let mut documents = Events::new();
        for (payment, events) in &self.rows {
            for document in applied(payment).into_keys() {
                documents.entry(document).or_default().extend(events);
            }
        }
        documents
    }
}

/// What a payment pays of each document: all its instalments together.
pub fn applied(payment: &Value) -> BTreeMap<Name, Decimal> {
    let mut applied: BTreeMap<Name, Decimal> = BTreeMap::new();
    for row in payment["PaymentInvoices"].as_array().into_iter().flatten() {
        let kind = match text(row, "InvoiceType") {
            "it_CredItnote" => code::CREDIT_MEMO,
            "it_DownPayment" => code::DOWN_PAYMENT,
            "it_Invoice" | "" => code::INVOICE,
            _ => continue,
        };
        if let Some(entry) = row["DocEntry"].as_i64() {
            *applied.entry((kind, entry)).or_default() += b1::amount(row, "SumApplied");
        }
    }
    applied
}

/// Brings the records of payments in step, once those of the invoices are there.
pub fn keep(batch: &Batch, settings: &Settings, payments: &Payments, documents: &Documents, outcomes: &mut Outcomes) {
    let mut rows = Vec::new();
    for (payment, events) in &payments.rows {
        let Some(number) = payment["DocEntry"].as_i64() else { continue };
        let card_code = text(payment, "CardCode");
        let Some(account) = documents.accounts.get(card_code) else {
            if !applied(payment).is_empty() {
                unseen(card_code, SET, number);
            }
            continue;
        };
        for ((kind, entry), amount) in applied(payment) {
            let Some(invoice) = documents.ids.get(&(kind, entry)) else { continue };
            let key = key(connection(batch, "b1"), number, (kind, entry));
            let mut fields = shown(payment, amount);
            fields.insert("Tandem_Account__c".into(), account.as_str().into());
            fields.insert("Tandem_Invoice__c".into(), invoice.as_str().into());
            fields.extend(settings.says("Tandem_Currency__c"));
            rows.push(
                Row::new("payment", &key, "Tandem_Payment__c", fields).external("Tandem_Key__c", &key).serving(events),
            );
        }
    }
    mirror::write_verified(batch, &rows, outcomes);
}

/// The key of the record of what a payment pays of a document.
pub fn key(company: &str, payment: i64, (kind, entry): Name) -> String {
    format!("{company}:{payment}:{kind}:{entry}")
}

/// The payment and the document of such a key; none of another company's.
pub fn named_by(company: &str, key: &str) -> Option<(i64, Name)> {
    let mut parts = key.strip_prefix(company)?.strip_prefix(':')?.split(':').map(|part| part.parse().ok());
    let all = (parts.next()??, (parts.next()??, parts.next()??));
    parts.next().is_none().then_some(all)
}

/// What the record shows of the payment itself.
pub fn shown(payment: &Value, amount: Decimal) -> Map<String, Value> {
    let number = b1::key_text(&payment["DocNum"]);
    fields(json!({
        "Name": format!("Payment {number}"), "Tandem_Number__c": number,
        "Tandem_Date__c": b1::day(&payment["DocDate"]), "Tandem_Amount__c": b1::number(amount),
        "Tandem_Cancelled__c": b1::yes(payment, "Cancelled"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_records_key_names_its_payment_and_what_it_pays() {
        let key = key("erp", 7, (13, 5));
        assert_eq!(named_by("erp", &key), Some((7, (13, 5))));
        assert_eq!([named_by("er", &key), named_by("erp", "erp:7:13"), named_by("erp", "erp:7:13:5:1")], [None; 3]);
    }

    #[test]
    fn instalments_of_one_invoice_in_one_payment_are_one_sum() {
        let part = |id: i64, sum: i64| json!({ "DocEntry": 5, "InvoiceType": "it_Invoice", "InstallmentId": id, "SumApplied": sum });
        let payment = json!({ "PaymentInvoices": [part(1, 30), part(2, 60), { "DocEntry": 5, "InvoiceType": "it_CredItnote", "SumApplied": 9 }] });
        assert_eq!(applied(&payment), BTreeMap::from([((13, 5), 90.into()), ((14, 5), 9.into())]));
    }
}
