//! What customers owe: their open documents as B1 has them, by the day each part is due. A reconciliation or a payment leaves no
//! trace in a document's `UpdateDate`; records that do not show what is open now are looked at again.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::{self, Read, code};
use tandem_sdk::chain::{self, Name};
use tandem_sdk::{Decimal, Error, Side, Value, from_json, links, salesforce, text};

use crate::documents::{SETS, is_request, signed};

const FIELDS: &str = "DocEntry,CardCode,DocDueDate,DocTotal,PaidToDate,DownPaymentType,DocumentInstallments";
/// A condition of documents of which something is open.
pub const IS_OPEN: &str = "DocumentStatus eq 'bost_Open' and Cancelled eq 'tNO'";

/// Customers read at a time.
const CUSTOMERS: usize = 500;

/// A document of which something is open.
pub struct Open {
    /// Object code.
    pub kind: i64,
    /// `DocEntry`
    pub entry: i64,
    /// `PaidToDate`
    pub paid: Decimal,
    /// What is left, by the day it is due (`2026-01-31`; empty for none); nothing for what is only asked for.
    pub due: Vec<(String, Decimal)>,
}

/// Open documents by `CardCode`.
pub fn read(card_codes: &[String]) -> Result<BTreeMap<String, Vec<Open>>, Error> {
    let mut open: BTreeMap<String, Vec<Open>> = BTreeMap::new();
    for codes in card_codes.chunks(CUSTOMERS) {
        let reads = SETS.map(|(set, ..)| Read::texts(set, "CardCode", codes, FIELDS).and(IS_OPEN));
        for ((_, kind, _), rows) in SETS.iter().zip(b1::read_all(&reads)?) {
            for row in rows {
                let Some(entry) = row["DocEntry"].as_i64() else { continue };
                let paid = b1::amount(&row, "PaidToDate");
                let total = b1::amount(&row, "DocTotal");
                let due = if is_request(&row) { Vec::new() } else { parts(&row, "Total", total, paid) };
                let own = Open { kind: *kind, entry, paid, due };
                open.entry(text(&row, "CardCode").to_owned()).or_default().push(own);
            }
        }
    }
    Ok(open)
}

/// What is left of a document, by its instalments' days; `name`: of their amounts in the currency of the others. Assumed, since the
/// Service Layer does not tell it: what was paid has paid the earliest.
pub fn parts(row: &Value, name: &str, total: Decimal, mut paid: Decimal) -> Vec<(String, Decimal)> {
    let day = |value: &Value| b1::day(value).as_str().unwrap_or_default().to_owned();
    let mut parts: Vec<(String, Decimal)> = row["DocumentInstallments"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| (day(&part["DueDate"]), b1::amount(part, name)))
        .collect();
    if parts.iter().map(|(_, amount)| amount).sum::<Decimal>() != total || parts.is_empty() {
        return vec![(day(&row["DocDueDate"]), total - paid)];
    }
    parts.sort();
    for (_, amount) in &mut parts {
        let taken = paid.min(*amount);
        paid -= taken;
        *amount -= taken;
    }
    parts.retain(|(_, amount)| !amount.is_zero());
    parts
}

/// Documents whose records do not show what is open of them now, with their `CardCode`.
pub fn stale(
    connection: &str,
    open: &BTreeMap<String, Vec<Open>>,
    accounts: &BTreeMap<String, String>,
) -> Result<BTreeMap<Name, String>, Error> {
    let mut stale = BTreeMap::new();
    let there = || open.iter().flat_map(|(code, rows)| rows.iter().map(move |row| (code, row)));
    // Open in B1, and shown otherwise.
    let keys: Vec<String> = there().map(|(_, row)| chain::key(connection, (row.kind, row.entry))).collect();
    for ((code, row), link) in there().zip(links::find_all("invoice", Side::B1, &keys)) {
        let Some(link) = link else { continue };
        let shown = from_json(&link.base);
        let paid = b1::amount(&shown, "Tandem_Paid__c");
        if text(&shown, "Tandem_Status__c") != "Open" || paid != signed(row.kind, row.paid) {
            stale.insert((row.kind, row.entry), code.clone());
        }
    }
    // Shown as open, and closed in B1.
    let is_open: BTreeSet<Name> = there().map(|(_, row)| (row.kind, row.entry)).collect();
    let customers: BTreeMap<&String, &String> = accounts.iter().map(|(code, account)| (account, code)).collect();
    let ids: Vec<String> = accounts.values().cloned().collect();
    let fields = "Tandem_Key__c,Tandem_Account__c";
    let and = "AND Tandem_Status__c = 'Open'";
    for record in salesforce::query_in(fields, "Tandem_Invoice__c", "Tandem_Account__c", &ids, and)? {
        let document = chain::named_by(connection, text(&record, "Tandem_Key__c")).filter(|own| !is_open.contains(own));
        let customer = customers.get(&text(&record, "Tandem_Account__c").to_owned());
        if let (Some(document), Some(code)) = (document, customer) {
            stale.insert(document, (*code).clone());
        }
    }
    Ok(stale)
}

/// True for what lowers a customer's debt.
pub fn is_credit(row: &Open) -> bool {
    row.kind == code::CREDIT_MEMO
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::json;

    #[test]
    fn what_was_paid_has_paid_the_earliest_instalments() {
        let part = |day: &str, total: i64| json!({ "DueDate": format!("{day}T00:00:00Z"), "Total": total });
        let mut row = json!({ "DocDueDate": "2026-03-31T00:00:00Z", "DocTotal": 90, "PaidToDate": 40,
            "DocumentInstallments": [part("2026-03-31", 30), part("2026-01-31", 30), part("2026-02-28", 30)] });
        let due = |day: &str, amount: i64| (day.to_owned(), Decimal::from(amount));
        let parts = |row: &Value| parts(row, "Total", b1::amount(row, "DocTotal"), b1::amount(row, "PaidToDate"));
        assert_eq!(parts(&row), [due("2026-02-28", 20), due("2026-03-31", 30)]);
        // Where they do not add up, the document's own day holds.
        row["DocTotal"] = json!(100);
        assert_eq!(parts(&row), [due("2026-03-31", 60)]);
    }
}
