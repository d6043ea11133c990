//! Incoming payments against the records that show them: one for each document that is paid, amounts by month.

use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, Which, row};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Decimal, Error, Side, Value, b1, chain, counterpart, decimal, mirror, text};

use crate::describe::Settings;
use crate::payments::{self, SELECT, SET};

/// Records of a page.
const RECORDS: usize = 1_000;
const PAYMENTS: usize = 200;

/// What is compared beside the amount.
const VALUES: [&str; 5] =
    ["Tandem_Account__c", "Tandem_Invoice__c", "Tandem_Number__c", "Tandem_Date__c", "Tandem_Cancelled__c"];
const AMOUNT: &str = "Tandem_Amount__c";

/// B1 stamps no change of a payment, such as that it was cancelled. So all are read, whatever is asked for.
pub fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let mut settings = Settings::read(&asked.flow.settings).map_err(Error::Invalid)?;
    settings.ask()?;
    match asked.side {
        Side::Salesforce => records(asked, &settings),
        Side::B1 => all_payments(asked, &settings),
    }
}

fn records(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let (found, next) = asked.which.whenever().objects(&Objects {
        fields: format!("Id,Name,Tandem_Key__c,LastModifiedDate,{AMOUNT},{}", VALUES.join(",")),
        from: "Tandem_Payment__c",
        filter: String::new(),
        key: "Tandem_Key__c",
        keys: None,
        dated: None,
        page: RECORDS,
    })?;
    let rows = found.iter().filter_map(|record| {
        let key = text(record, "Tandem_Key__c");
        let (entry, _) = payments::named_by(asked.connection("b1"), key)?;
        let own = row(text(record, "Id"), key, text(record, "Name")).told_by(format!("{SET}({entry})"));
        Some(with(own.changed_in_salesforce(record), record, decimal(&record[AMOUNT]), settings))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn all_payments(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let of = Entities {
        set: SET,
        select: format!("{SELECT},CardName"),
        filter: String::new(),
        id: &["DocEntry"],
        is_number: true,
        key: "CardCode",
        changed: "",
        page: PAYMENTS,
    };
    let which = asked.which.whenever();
    let Which::These { ids, keys } = &which else {
        let (found, next) = which.entities(&of)?;
        return Ok(Page { rows: shown(asked, settings, &found)?, next });
    };
    let entries = ids.iter().chain(*keys).filter_map(|key| payments::named_by(asked.connection("b1"), key));
    let entries: Vec<String> = entries.map(|(entry, _)| entry.to_string()).collect();
    let (found, _) = Which::These { ids: &b1::distinct(&entries), keys: &[] }.entities(&of)?;
    Ok(Page { rows: which.only(shown(asked, settings, &found)?), next: None })
}

fn shown(asked: &Asked<'_, Settings>, settings: &Settings, found: &[Value]) -> Result<Vec<Row>, Error> {
    let company = asked.connection("b1");
    let codes: Vec<String> = found.iter().map(|payment| text(payment, "CardCode").to_owned()).collect();
    let accounts = counterpart::accounts(&codes, &settings.keys)?;
    let paid: Vec<_> = found.iter().map(payments::applied).collect();
    let documents: Vec<String> =
        paid.iter().flat_map(|own| own.keys()).map(|name| chain::key(company, *name)).collect();
    let linked = mirror::linked("invoice", &b1::distinct(&documents));
    let mut rows = Vec::new();
    for (payment, paid) in found.iter().zip(paid) {
        let Some(entry) = payment["DocEntry"].as_i64() else { continue };
        let label = format!("Payment {}, {}", b1::key_text(&payment["DocNum"]), text(payment, "CardName"));
        for (document, amount) in paid {
            // The comparison of invoices says which documents lack a record, and that of accounts which customers lack one.
            let card_code = text(payment, "CardCode");
            let account = accounts.ids.get(card_code);
            let alone = if accounts.parted.contains(card_code) {
                "its customer's account was deleted"
            } else if account.is_none() {
                "its customer has no account"
            } else if !linked.contains_key(&chain::key(company, document)) {
                "what it pays has no record"
            } else {
                ""
            };
            let mut shown = payments::shown(payment, amount);
            let invoice = linked.get(&chain::key(company, document)).map(|link| link.salesforce_id.clone());
            shown.insert("Tandem_Account__c".into(), account.cloned().into());
            shown.insert("Tandem_Invoice__c".into(), invoice.into());
            let key = payments::key(company, entry, document);
            let own = row(key.as_str(), key.as_str(), label.as_str()).told_by(format!("{SET}({entry})")).alone(alone);
            rows.push(with(own, &Value::Object(shown), Some(amount), settings));
        }
    }
    Ok(rows)
}

fn with(own: Row, record: &Value, amount: Option<Decimal>, settings: &Settings) -> Row {
    let own = VALUES.into_iter().fold(own, |own, field| own.value(field, &record[field], None));
    match amount {
        Some(amount) => own.sum("paid", &settings.currency, text(record, "Tandem_Date__c"), amount, Decimal::ZERO),
        None => own,
    }
}
