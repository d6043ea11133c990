//! What is open and overdue, by age, on the account; what was invoiced and paid, on the opportunity.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Decimal, Error, Map, Outcomes, Value, clock, days_between, decimal, json, money, salesforce, storage, text,
};

use crate::describe::Settings;
use crate::documents::{Documents, REQUEST, is_request};

const OPEN: &str = "DocEntry,CardCode,DocDueDate,DocTotal,PaidToDate,DownPaymentType";
const IS_OPEN: &str = "DocumentStatus eq 'bost_Open' and Cancelled eq 'tNO'";

/// Upper ends of the buckets, in days, and their fields; the last has no end.
const BUCKETS: [(i64, &str); 4] = [
    (30, "Tandem_Ageing_30__c"),
    (60, "Tandem_Ageing_60__c"),
    (90, "Tandem_Ageing_90__c"),
    (i64::MAX, "Tandem_Ageing_Over_90__c"),
];

/// Brings the sums of customers and opportunities in step, of all that owe something when the day turns.
pub fn keep(batch: &Batch, settings: &Settings, documents: &Documents, outcomes: &mut Outcomes) {
    let mut customers = documents.customers.clone();
    let turns: Vec<usize> = outcomes
        .open(batch)
        .iter()
        .filter(|(_, event, _)| event.topic == "timer.ageing")
        .map(|(place, ..)| *place)
        .collect();
    if !turns.is_empty() {
        // Everybody who owed something when it was looked at last.
        for entry in storage::scan("owes:", 100_000) {
            let card_code = entry.key.trim_start_matches("owes:").to_owned();
            customers.entry(card_code).or_default().extend(&turns);
        }
    }
    let all: Vec<usize> = customers.values().flatten().copied().collect();
    if let Err(error) = on_accounts(settings, &customers, outcomes) {
        outcomes.fail(&all, &error, "summing up open invoices");
    }
    let all: Vec<usize> = documents.opportunities.values().flatten().copied().collect();
    if let Err(error) = on_opportunities(settings, &documents.opportunities, outcomes) {
        outcomes.fail(&all, &error, "summing up the opportunity's invoices");
    }
}

fn on_accounts(
    settings: &Settings,
    customers: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let codes: Vec<String> = customers.keys().cloned().collect();
    if codes.is_empty() {
        return Ok(());
    }
    let found = b1::read_all(&[
        Read::texts("Invoices", "CardCode", &codes, OPEN).and(IS_OPEN),
        Read::texts("DownPayments", "CardCode", &codes, OPEN).and(IS_OPEN),
        Read::texts("CreditNotes", "CardCode", &codes, OPEN).and(IS_OPEN),
    ])?;
    let accounts = salesforce::accounts(&codes, &settings.keys)?;
    let today = clock::today("b1");
    let mut rows = Vec::new();
    for (code, events) in customers {
        let Some(account) = accounts.ids.get(code) else { continue };
        let own = |place: usize| found[place].iter().filter(|row| text(row, "CardCode") == code && !is_request(row));
        let fields = sums(own(0).chain(own(1)), own(2), &today);
        let owes = fields["Tandem_Open_Amount__c"] != 0;
        let key = format!("owes:{code}");
        if owes {
            let _ = storage::set(&key, "true");
        } else {
            storage::delete(&key);
        }
        mirror::shown_on("receivables", code, account);
        rows.push(Row::new("receivables", code, "Account", fields).serving(events));
    }
    mirror::write(&rows, outcomes, &BTreeMap::new());
    Ok(())
}

/// Open, overdue, and by age; credit memos are taken off what is open.
fn sums<'a>(
    due: impl Iterator<Item = &'a Value>,
    credits: impl Iterator<Item = &'a Value>,
    today: &str,
) -> Map<String, Value> {
    let left = |row: &Value| b1::amount(row, "DocTotal") - b1::amount(row, "PaidToDate");
    let mut open = Decimal::ZERO;
    let mut overdue = Decimal::ZERO;
    let mut buckets = [Decimal::ZERO; 4];
    for row in due {
        let amount = left(row);
        open += amount;
        let days = b1::day(&row["DocDueDate"]).as_str().and_then(|day| days_between(day, today)).unwrap_or(0);
        if days > 0 {
            overdue += amount;
            let place = BUCKETS.iter().position(|(end, _)| days <= *end).unwrap_or(3);
            buckets[place] += amount;
        }
    }
    open -= credits.map(left).sum::<Decimal>();
    let mut fields = Map::new();
    fields.insert("Tandem_Open_Amount__c".into(), b1::number(open));
    fields.insert("Tandem_Overdue__c".into(), b1::number(overdue));
    for ((_, field), amount) in BUCKETS.iter().zip(buckets) {
        fields.insert((*field).into(), b1::number(amount));
    }
    fields
}

/// In the opportunity's own currency: the documents' amounts where they are in it, else the company's, by B1's rate of today.
fn on_opportunities(
    settings: &Settings,
    opportunities: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    const AMOUNTS: &str = "Id,Tandem_Opportunity__c,Tandem_Type__c,Tandem_Currency__c,Tandem_Total__c,Tandem_Total_Document__c,\
                           Tandem_Paid__c,Tandem_Paid_Document__c";
    let ids: Vec<String> = opportunities.keys().cloned().collect();
    if ids.is_empty() {
        return Ok(());
    }
    // Not summed up by Salesforce: that would turn them into the org's own currency.
    let live = "AND Tandem_Status__c != 'Cancelled'";
    let invoices = salesforce::query_in(AMOUNTS, "Tandem_Invoice__c", "Tandem_Opportunity__c", &ids, live)?;
    let currencies: BTreeMap<String, Value> = match settings.multi_currency {
        true => b1::by_key(salesforce::query_in("Id,CurrencyIsoCode", "Opportunity", "Id", &ids, "")?, "Id"),
        false => BTreeMap::new(),
    };
    let mut rates: BTreeMap<String, Option<Decimal>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (id, events) in opportunities {
        let own = currencies.get(id).map_or("", |record| text(record, "CurrencyIsoCode"));
        let own = if own.is_empty() { settings.currency.as_str() } else { own };
        let invoices: Vec<&Value> = invoices
            .iter()
            .filter(|row| text(row, "Tandem_Opportunity__c") == id && text(row, "Tandem_Type__c") != REQUEST)
            .collect();
        let converts = own != settings.currency && invoices.iter().any(|row| text(row, "Tandem_Currency__c") != own);
        if converts && !rates.contains_key(own) {
            let rate = money::rate(&settings.currencies.code(own, &[])?, &clock::today("b1"))?;
            rates.insert(own.to_owned(), rate);
        }
        let rate = rates.get(own).copied().flatten();
        let amount = |name: &str| {
            let sum: Option<Decimal> =
                invoices.iter().map(|row| in_currency(row, name, own, &settings.currency, rate)).sum();
            sum.map_or(Value::Null, |sum| b1::number(sum.round_dp(2)))
        };
        if converts && rate.is_none() {
            outcomes.note_all(events, &format!("B1 has no rate for {own} today: what was invoiced is not shown"));
        }
        let fields = json!({ "Tandem_Invoiced__c": amount("Total"), "Tandem_Paid__c": amount("Paid") });
        mirror::shown_on("invoiced", id, id);
        let fields = fields.as_object().cloned().unwrap_or_default();
        rows.push(Row::new("invoiced", id, "Opportunity", fields).serving(events));
    }
    mirror::write(&rows, outcomes, &BTreeMap::new());
    Ok(())
}

/// An amount of an invoice record (`Total`, `Paid`) in a currency; `None` where it takes a rate that nobody has entered.
fn in_currency(row: &Value, name: &str, own: &str, company: &str, rate: Option<Decimal>) -> Option<Decimal> {
    let amount = |field: String| decimal(&row[field]).unwrap_or_default();
    if own == company {
        Some(amount(format!("Tandem_{name}__c")))
    } else if text(row, "Tandem_Currency__c") == own {
        Some(amount(format!("Tandem_{name}_Document__c")))
    } else {
        amount(format!("Tandem_{name}__c")).checked_div(rate?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_into_buckets_and_credit_memos_lower_what_is_open() {
        let row = |day: &str, total: i64| json!({ "DocDueDate": format!("{day}T00:00:00Z"), "DocTotal": total, "PaidToDate": 0 });
        let due = [
            row("2026-06-30", 1),
            row("2026-06-29", 2),
            row("2026-05-31", 4),
            row("2026-05-30", 8),
            row("2026-04-01", 16),
            row("2026-03-31", 32),
            row("2026-07-01", 64),
        ];
        let credits = [row("2026-06-01", 100)];
        let sums = sums(due.iter(), credits.iter(), "2026-06-30");
        assert_eq!(sums["Tandem_Open_Amount__c"], 27);
        assert_eq!(sums["Tandem_Overdue__c"], 62);
        let buckets: Vec<&Value> = BUCKETS.iter().map(|(_, field)| &sums[*field]).collect();
        assert_eq!(buckets, [&json!(6), &json!(8), &json!(16), &json!(32)]);
    }

    #[test]
    fn what_was_invoiced_is_told_in_the_opportunitys_own_currency() {
        let row = |currency: &str| json!({ "Tandem_Currency__c": currency, "Tandem_Total__c": 85, "Tandem_Total_Document__c": 100 });
        let rate = Some(Decimal::new(85, 2));
        assert_eq!(in_currency(&row("USD"), "Total", "USD", "EUR", None), Some(100.into()));
        assert_eq!(in_currency(&row("USD"), "Total", "EUR", "EUR", None), Some(85.into()));
        assert_eq!(in_currency(&row("EUR"), "Total", "USD", "EUR", rate), Some(100.into()));
        assert_eq!(in_currency(&row("EUR"), "Total", "USD", "EUR", None), None);
    }
}
