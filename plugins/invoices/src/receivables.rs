//! What is open and overdue, by age, on the account; what was invoiced and paid, on the opportunity.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Decimal, Error, Map, Outcomes, Value, clock, days_between, decimal, json, salesforce, storage, text,
};

use crate::describe::Settings;
use crate::documents::Documents;

const OPEN: &str = "DocEntry,CardCode,DocDueDate,DocTotal,PaidToDate";
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
    if let Err(error) = on_opportunities(&documents.opportunities, outcomes) {
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
        let own = |place: usize| found[place].iter().filter(|row| text(row, "CardCode") == code);
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

fn on_opportunities(opportunities: &BTreeMap<String, Vec<usize>>, outcomes: &mut Outcomes) -> Result<(), Error> {
    let ids: Vec<String> = opportunities.keys().cloned().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sums = salesforce::query_in(
        "Tandem_Opportunity__c opportunity, SUM(Tandem_Total__c) invoiced, SUM(Tandem_Paid__c) paid",
        "Tandem_Invoice__c",
        "Tandem_Opportunity__c",
        &ids,
        "AND Tandem_Status__c != 'Cancelled' GROUP BY Tandem_Opportunity__c",
    )?;
    let mut rows = Vec::new();
    for (id, events) in opportunities {
        let sum = sums.iter().find(|row| text(row, "opportunity") == id);
        let amount = |name: &str| sum.and_then(|row| decimal(&row[name])).unwrap_or_default();
        let fields = json!({ "Tandem_Invoiced__c": b1::number(amount("invoiced")), "Tandem_Paid__c": b1::number(amount("paid")) });
        mirror::shown_on("invoiced", id, id);
        let fields = fields.as_object().cloned().unwrap_or_default();
        rows.push(Row::new("invoiced", id, "Opportunity", fields).serving(events));
    }
    mirror::write(&rows, outcomes, &BTreeMap::new());
    Ok(())
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
}
