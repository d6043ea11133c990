//! Invoices, credit memos and down payments against the records that show them, amounts by currency and month.

use tandem_sdk::chain;
use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, Which, row};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Decimal, Error, Side, Value, b1, counterpart, decimal, text};

use crate::describe::Settings;
use crate::documents::{self, SETS};

/// Records of a page.
const RECORDS: usize = 1_000;
const DOCUMENTS: usize = 500;

/// What is compared beside the amounts.
const VALUES: [&str; 6] = [
    "Tandem_Account__c",
    "Tandem_Number__c",
    "Tandem_Type__c",
    "Tandem_Date__c",
    "Tandem_Due_Date__c",
    "Tandem_Status__c",
];

/// What is added up, in the document's currency.
const SUMS: [(&str, &str); 3] =
    [("total", "Tandem_Total_Document__c"), ("paid", "Tandem_Paid_Document__c"), ("open", "Tandem_Open_Document__c")];

pub fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    match asked.side {
        Side::Salesforce => records(asked),
        Side::B1 => all_documents(asked),
    }
}

fn records(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let amounts = SUMS.map(|(_, field)| field).join(",");
    let currency = "Tandem_Currency__c";
    let (found, next) = asked.which.objects(&Objects {
        fields: format!("Id,Name,Tandem_Key__c,LastModifiedDate,{currency},{},{amounts}", VALUES.join(",")),
        from: "Tandem_Invoice__c",
        filter: String::new(),
        key: "Tandem_Key__c",
        keys: None,
        dated: Some("Tandem_Date__c"),
        page: RECORDS,
    })?;
    let rows = found.iter().filter_map(|record| {
        let key = text(record, "Tandem_Key__c");
        chain::named_by(asked.connection("b1"), key)?;
        let own = row(text(record, "Id"), key, text(record, "Name")).changed_in_salesforce(record);
        Some(with(own, record, text(record, currency)))
    });
    Ok(Page { rows: rows.collect(), next })
}

/// The documents of all sets.
fn all_documents(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let mut settings = Settings::read(&asked.flow.settings).map_err(Error::Invalid)?;
    settings.ask()?;
    let id_in = |place: usize, key: &str| {
        let (kind, entry) = chain::named_by(asked.connection("b1"), key)?;
        SETS.get(place).is_some_and(|(_, own, _)| *own == kind).then(|| entry.to_string())
    };
    asked.which.sets(SETS.len(), id_in, |place, which| documents_of(asked, &settings, place, which))
}

fn documents_of(
    asked: &Asked<'_, Settings>,
    settings: &Settings,
    place: usize,
    which: &Which<'_>,
) -> Result<Page, Error> {
    let Some((set, kind, word)) = SETS.get(place).copied() else { return Ok(Page { rows: Vec::new(), next: None }) };
    let (found, next) = which.entities(&Entities {
        set,
        select: selected(),
        filter: String::new(),
        id: &["DocEntry"],
        is_number: true,
        key: "CardCode",
        changed: "UpdateDate",
        page: DOCUMENTS,
    })?;
    let codes: Vec<String> = found.iter().map(|document| text(document, "CardCode").to_owned()).collect();
    // A customer without an account is the accounts flow's to tell.
    let accounts = counterpart::accounts(&codes, &settings.keys)?;
    let mut told = Vec::with_capacity(found.len());
    for document in &found {
        let Some(entry) = document["DocEntry"].as_i64() else { continue };
        let card_code = text(document, "CardCode");
        let account = accounts.ids.get(card_code).map_or("", String::as_str);
        let alone = match (account, accounts.doubled.contains_key(card_code)) {
            // Its records went with the account.
            _ if accounts.parted.contains(card_code) => "its customer's account was deleted",
            ("", false) => "its customer has no account",
            ("", true) => "several accounts carry its customer's CardCode",
            _ => "",
        };
        let currency = match text(document, "DocCurrency") {
            "" => settings.currency.clone(),
            code => settings.currencies.iso(code)?,
        };
        let word = if documents::is_request(document) { documents::REQUEST } else { word };
        let void = chain::is_void(document);
        let shown = documents::fields(settings, (kind, word, document), void, account, None, &currency);
        let key = chain::key(asked.connection("b1"), (kind, entry));
        let label = format!("{word} {}, {}", b1::key_text(&document["DocNum"]), text(document, "CardName"));
        let own = row(key.as_str(), key.as_str(), label).told_by(format!("{set}({entry})")).alone(alone);
        let own = own.changed_in_b1(document);
        told.push(with(own, &Value::Object(shown), &currency));
    }
    Ok(Page { rows: told, next })
}

/// What is compared, without the lines: a document of a thousand of them is one row.
fn selected() -> String {
    let fields = documents::fields_of(0);
    let own: Vec<&str> = fields.split(',').filter(|name| *name != "DocumentLines").collect();
    format!("{},CardName,UpdateDate,UpdateTime", own.join(","))
}

fn with(own: Row, record: &Value, currency: &str) -> Row {
    let own = VALUES.into_iter().fold(own, |own, field| own.value(field, &record[field], None));
    SUMS.into_iter().fold(own, |own, (what, field)| match decimal(&record[field]) {
        Some(amount) => own.sum(what, currency, text(record, "Tandem_Date__c"), amount, Decimal::ZERO),
        None => own,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_without_their_lines() {
        let fields = selected();
        assert!(!fields.contains("DocumentLines"), "{fields}");
        for name in ["DocEntry", "CancelStatus", "Cancelled", "PaidToDate", "DocumentStatus", "UpdateTime"] {
            assert!(fields.split(',').any(|own| own == name), "{name}: {fields}");
        }
    }
}
