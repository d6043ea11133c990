//! Invoice, credit memo, down payment → `Tandem_Invoice__c`.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Decimal, Error, Map, Outcomes, Value, connection, json, salesforce, text};

use crate::chain;
use crate::describe::Settings;

/// Entity set, object code, word.
pub const SETS: [(&str, i64, &str); 3] = [
    ("Invoices", code::INVOICE, "Invoice"),
    ("CreditNotes", code::CREDIT_MEMO, "Credit memo"),
    ("DownPayments", code::DOWN_PAYMENT, "Down payment"),
];

const SELECT: &str = "DocEntry,DocNum,CardCode,CardName,DocDate,DocDueDate,DocCurrency,DocTotal,DocTotalFc,PaidToDate,\
                      PaidToDateFC,DownPaymentType,DocumentStatus,Cancelled,DocumentLines";

/// The word of a down payment that is only asked for: nothing is owed for it until it is paid.
pub const REQUEST: &str = "Down payment request";

/// See [`REQUEST`].
pub fn is_request(row: &Value) -> bool {
    text(row, "DownPaymentType") == "dptRequest"
}

/// What was written, for those who follow.
#[derive(Default)]
pub struct Documents {
    /// `Tandem_Invoice__c` id by object code and `DocEntry`.
    pub ids: BTreeMap<(i64, i64), String>,
    /// Events by `CardCode`.
    pub customers: BTreeMap<String, Vec<usize>>,
    /// Events by opportunity id.
    pub opportunities: BTreeMap<String, Vec<usize>>,
    /// Account ids by `CardCode`.
    pub accounts: BTreeMap<String, String>,
}

/// The key of a document's record.
pub fn key(batch: &Batch, kind: i64, entry: i64) -> String {
    format!("{}:{kind}:{entry}", connection(batch, "b1"))
}

/// Brings the records of changed documents in step, and of those that `paid` names by object code and `DocEntry`.
pub fn keep(
    batch: &Batch,
    settings: &Settings,
    paid: BTreeMap<(i64, i64), Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Documents {
    let mut wanted = paid;
    for (place, event, payload) in outcomes.open(batch) {
        let set = SETS.iter().find(|(set, ..)| event.topic.strip_prefix("b1.") == Some(*set));
        if let (Some((_, kind, _)), Some(entry)) = (set, payload["DocEntry"].as_i64()) {
            wanted.entry((*kind, entry)).or_default().push(place);
        }
    }
    let mut documents = Documents::default();
    if !wanted.is_empty()
        && let Err(error) = write(batch, settings, &wanted, &mut documents, outcomes)
    {
        let all: Vec<usize> = wanted.into_values().flatten().collect();
        outcomes.fail(&all, &error, "reading invoices");
    }
    documents
}

fn write(
    batch: &Batch,
    settings: &Settings,
    wanted: &BTreeMap<(i64, i64), Vec<usize>>,
    documents: &mut Documents,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let reads: Vec<Read<'_>> = SETS
        .iter()
        .map(|(set, kind, _)| {
            let entries: Vec<i64> = wanted.keys().filter(|(own, _)| own == kind).map(|(_, entry)| *entry).collect();
            Read::numbers(set, "DocEntry", &entries, SELECT)
        })
        .collect();
    let found = b1::read_all(&reads)?;
    let rows: Vec<(i64, &str, &Value)> = SETS
        .iter()
        .zip(&found)
        .flat_map(|((_, kind, word), rows)| rows.iter().map(move |row| (*kind, *word, row)))
        .collect();
    let card_codes: Vec<String> = rows.iter().map(|(_, _, row)| text(row, "CardCode").to_owned()).collect();
    let accounts = salesforce::accounts(&card_codes, &settings.keys)?;
    let opportunities = chain::opportunities(&rows.iter().map(|(_, _, row)| *row).collect::<Vec<_>>())?;
    let mut targets = Vec::new();
    for ((kind, word, row), opportunity) in rows.iter().zip(&opportunities) {
        let Some(entry) = row["DocEntry"].as_i64() else { continue };
        let events = wanted.get(&(*kind, entry)).cloned().unwrap_or_default();
        let card_code = text(row, "CardCode");
        if let Some(ids) = accounts.doubled.get(card_code) {
            outcomes.hold(&events, doubled(card_code, ids));
            continue;
        }
        let Some(account) = accounts.ids.get(card_code) else {
            outcomes.note_all(&events, &format!("no account carries the CardCode {card_code}: not shown"));
            continue;
        };
        documents.customers.entry(card_code.to_owned()).or_default().extend(&events);
        if let Some(opportunity) = opportunity {
            documents.opportunities.entry(opportunity.clone()).or_default().extend(&events);
        }
        let key = key(batch, *kind, entry);
        let currency = match text(row, "DocCurrency") {
            "" => settings.currency.clone(),
            code => settings.currencies.iso(code)?,
        };
        let word = if is_request(row) { REQUEST } else { word };
        let fields = fields(settings, *kind, word, row, account, opportunity.as_deref(), &currency);
        targets.push(
            Row::new("invoice", &key, "Tandem_Invoice__c", fields).external("Tandem_Key__c", &key).serving(&events),
        );
    }
    documents.accounts = accounts.ids;
    let written = mirror::write(&targets, outcomes, &BTreeMap::new());
    for (row, written) in targets.iter().zip(written) {
        let mut parts = row.b1_id.rsplit(':').filter_map(|part| part.parse::<i64>().ok());
        if let (Some(entry), Some(kind), Some(id)) = (parts.next(), parts.next(), written.id) {
            documents.ids.insert((kind, entry), id);
        }
    }
    Ok(())
}

/// What to do about a `CardCode` that several accounts carry.
pub fn doubled(card_code: &str, ids: &[String]) -> String {
    format!(
        "{} accounts carry the CardCode {card_code} ({}); merge them, or empty B1 Card Code on all but one",
        ids.len(),
        ids.join(", ")
    )
}

fn fields(
    settings: &Settings,
    kind: i64,
    word: &str,
    row: &Value,
    account: &str,
    opportunity: Option<&str>,
    currency: &str,
) -> Map<String, Value> {
    // A credit memo gives back.
    let sign = if kind == code::CREDIT_MEMO { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
    // In company currency these are empty.
    let foreign = !b1::amount(row, "DocTotalFc").is_zero();
    let cancelled = b1::yes(row, "Cancelled");
    let (total, paid) = (b1::amount(row, "DocTotal"), b1::amount(row, "PaidToDate"));
    let (total_own, paid_own) =
        if foreign { (b1::amount(row, "DocTotalFc"), b1::amount(row, "PaidToDateFC")) } else { (total, paid) };
    let closed = row["DocumentStatus"] == "bost_Close";
    let open = |total: Decimal, paid: Decimal| if cancelled || closed { Decimal::ZERO } else { total - paid };
    let status = match (cancelled, closed) {
        (true, _) => "Cancelled",
        (_, true) => "Paid",
        _ => "Open",
    };
    let mut fields = json!({
        "Name": format!("{word} {}", b1::key_text(&row["DocNum"])),
        "Tandem_Account__c": account, "Tandem_Opportunity__c": opportunity, "Tandem_Type__c": word,
        "Tandem_Number__c": b1::key_text(&row["DocNum"]),
        "Tandem_Date__c": b1::day(&row["DocDate"]), "Tandem_Due_Date__c": b1::day(&row["DocDueDate"]),
        "Tandem_Currency__c": currency,
        "Tandem_Total__c": b1::number(sign * total), "Tandem_Total_Document__c": b1::number(sign * total_own),
        "Tandem_Paid__c": b1::number(sign * paid), "Tandem_Paid_Document__c": b1::number(sign * paid_own),
        "Tandem_Open__c": b1::number(sign * open(total, paid)),
        "Tandem_Open_Document__c": b1::number(sign * open(total_own, paid_own)),
        "Tandem_Status__c": status,
    })
    .as_object()
    .cloned()
    .unwrap_or_default();
    if settings.multi_currency {
        fields.insert("CurrencyIsoCode".into(), settings.currency.as_str().into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_stand_in_both_currencies_and_a_credit_memo_gives_back() {
        let row = tandem_sdk::from_json(
            r#"{"DocNum":7,"DocCurrency":"USD","DocTotal":90.10,"DocTotalFc":100.5,"PaidToDate":10,"PaidToDateFC":11,"DocumentStatus":"bost_Open"}"#,
        );
        let settings = Settings::read("{}");
        let invoice = fields(&settings, code::INVOICE, "Invoice", &row, "001", None, "USD");
        assert_eq!(invoice["Tandem_Open__c"].to_string(), "80.1");
        assert_eq!(invoice["Tandem_Open_Document__c"].to_string(), "89.5");
        let memo = fields(&settings, code::CREDIT_MEMO, "Credit memo", &row, "001", None, "USD");
        assert_eq!(memo["Tandem_Total__c"].to_string(), "-90.1");
    }
}
