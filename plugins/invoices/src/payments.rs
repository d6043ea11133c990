//! Incoming payment → `Tandem_Payment__c`, one for each invoice it pays. A payment leaves its invoice's `UpdateDate` alone,
//! so the invoices it names are looked at again.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, code};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Documents, Map, Outcomes, Value, connection, json, text};

use crate::documents::Documents as Shown;

const SELECT: &str = "DocEntry,DocNum,CardCode,DocDate,Cancelled,PaymentInvoices";

/// Payments of a batch, with their events.
#[derive(Default)]
pub struct Payments {
    rows: Vec<(Value, Vec<usize>)>,
}

/// Reads the payments that events are about.
pub fn read(batch: &Batch, outcomes: &mut Outcomes) -> Payments {
    let told = Documents::told(batch, outcomes, &["IncomingPayments"]);
    match told.read(SELECT) {
        Ok(read) => Payments { rows: read.into_iter().map(|payment| (payment.row, payment.events)).collect() },
        Err(error) => {
            outcomes.fail(&told.events(), &error, "reading incoming payments");
            Payments::default()
        }
    }
}

impl Payments {
    /// The documents that were paid, by object code and `DocEntry`, with the events.
    pub fn documents(&self) -> BTreeMap<(i64, i64), Vec<usize>> {
        let mut documents: BTreeMap<(i64, i64), Vec<usize>> = BTreeMap::new();
        for (payment, events) in &self.rows {
            for (kind, entry, _) in applied(payment) {
                documents.entry((kind, entry)).or_default().extend(events);
            }
        }
        documents
    }
}

/// Object code, `DocEntry` and the row of everything a payment pays.
fn applied(payment: &Value) -> Vec<(i64, i64, &Value)> {
    payment["PaymentInvoices"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| {
            let kind = match text(row, "InvoiceType") {
                "it_CredItnote" => code::CREDIT_MEMO,
                "it_DownPayment" => code::DOWN_PAYMENT,
                "it_Invoice" | "" => code::INVOICE,
                _ => return None,
            };
            Some((kind, row["DocEntry"].as_i64()?, row))
        })
        .collect()
}

/// Brings the records of payments in step, once those of the invoices are there.
pub fn keep(batch: &Batch, payments: &Payments, documents: &Shown, outcomes: &mut Outcomes) {
    let mut rows = Vec::new();
    for (payment, events) in &payments.rows {
        let number = b1::key_text(&payment["DocNum"]);
        let Some(account) = documents.accounts.get(text(payment, "CardCode")) else { continue };
        for (kind, entry, row) in applied(payment) {
            let Some(invoice) = documents.ids.get(&(kind, entry)) else { continue };
            let key = format!("{}:{}:{kind}:{entry}", connection(batch, "b1"), b1::key_text(&payment["DocEntry"]));
            let fields: Map<String, Value> = json!({
                "Name": format!("Payment {number}"), "Tandem_Account__c": account, "Tandem_Invoice__c": invoice,
                "Tandem_Number__c": number, "Tandem_Date__c": b1::day(&payment["DocDate"]),
                "Tandem_Amount__c": b1::number(b1::amount(row, "SumApplied")),
                "Tandem_Cancelled__c": b1::yes(payment, "Cancelled"),
            })
            .as_object()
            .cloned()
            .unwrap_or_default();
            rows.push(
                Row::new("payment", &key, "Tandem_Payment__c", fields).external("Tandem_Key__c", &key).serving(events),
            );
        }
    }
    mirror::write(&rows, outcomes, &BTreeMap::new());
}
