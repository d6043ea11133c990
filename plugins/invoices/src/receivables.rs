//! What is open and overdue, by age, on the account; what was invoiced and paid, on the opportunity.

use std::collections::BTreeMap;

use tandem_sdk::again;
use tandem_sdk::b1;
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Decimal, Error, Map, Outcomes, Value, clock, days_between, fields, json, money, salesforce, say, schedule,
    storage, text,
};

use crate::describe::Settings;
use crate::documents::{Documents, REQUEST};
use crate::open::{Open, is_credit};
use crate::shares::{self, in_currency};
use crate::wanted::LINKED;

/// Upper ends of the buckets, in days, and their fields; the last has no end.
const BUCKETS: [(i64, &str); 4] = [
    (30, "Tandem_Ageing_30__c"),
    (60, "Tandem_Ageing_60__c"),
    (90, "Tandem_Ageing_90__c"),
    (i64::MAX, "Tandem_Ageing_Over_90__c"),
];

/// Customers looked at when the day turns, in one run; the next ones are looked at in the next.
const AT_A_TIME: usize = 1_000;

/// Customers that a batch looks at whatever documents it tells, with its events: those that have an account now, and, when the day
/// turns, all that owed something when they were looked at last, some at a time.
#[derive(Default)]
pub struct LookedAt {
    /// Events by `CardCode`.
    pub customers: BTreeMap<String, Vec<usize>>,
    /// Events of which more is to be looked at, with the last `CardCode` that was.
    more: Vec<(usize, String)>,
}

impl LookedAt {
    /// Of a batch's open events.
    pub fn of(batch: &Batch, outcomes: &Outcomes) -> Self {
        let mut looked_at = Self::default();
        for (place, event, payload) in outcomes.open(batch) {
            match again::topic(event, &payload) {
                LINKED => looked_at.add(text(&payload, "CardCode").to_owned(), place),
                "timer.ageing" => looked_at.owing("", place),
                "timer.wake" if payload[AFTER].is_string() => looked_at.owing(text(&payload, AFTER), place),
                _ => {}
            }
        }
        looked_at
    }

    /// Some of those that owed something, behind that `CardCode`.
    fn owing(&mut self, after: &str, place: usize) {
        let owing = storage::scan("owes:", 10_000).into_iter();
        let owing = owing.map(|entry| entry.key.trim_start_matches("owes:").to_owned());
        let (slice, more) = slice(owing, after, AT_A_TIME);
        self.more.extend(slice.last().filter(|_| more).map(|last| (place, last.clone())));
        slice.into_iter().for_each(|code| self.add(code, place));
    }

    fn add(&mut self, card_code: String, place: usize) {
        self.customers.entry(card_code).or_default().push(place);
    }

    /// The next ones are looked at in a run of their own, once these are done.
    pub fn go_on(&self, outcomes: &Outcomes) {
        for (_, last) in self.more.iter().filter(|(place, _)| outcomes.is_open(*place)) {
            schedule::wake(clock::now(), "ageing", &json!({ AFTER: last }).to_string());
        }
    }
}

/// Where a wake says how far the look has come: the last `CardCode` before it.
const AFTER: &str = "after";

/// So many of an ordered list after one of them, and whether there are more.
fn slice(all: impl Iterator<Item = String>, after: &str, most: usize) -> (Vec<String>, bool) {
    let mut rest = all.skip_while(|code| code.as_str() <= after);
    let slice: Vec<String> = rest.by_ref().take(most).collect();
    (slice, rest.next().is_some())
}

/// Brings the sums of customers and opportunities in step.
pub fn keep(batch: &Batch, settings: &Settings, documents: &Documents, outcomes: &mut Outcomes) {
    on_accounts(batch, settings, documents, outcomes);
    let all: Vec<usize> = documents.opportunities.values().flatten().copied().collect();
    if let Err(error) = on_opportunities(batch, settings, &documents.opportunities, outcomes) {
        outcomes.fail(
            &all,
            &error,
            say("invoices.summing_opportunity_invoices", "summing up the opportunity's invoices", []),
        );
    }
}

fn on_accounts(batch: &Batch, settings: &Settings, documents: &Documents, outcomes: &mut Outcomes) {
    let today = clock::today("b1");
    let mut rows = Vec::new();
    for (code, events) in &documents.customers {
        let Some(account) = documents.accounts.get(code) else { continue };
        let mut fields = sums(documents.open.get(code).map(Vec::as_slice).unwrap_or_default(), &today);
        fields.extend(settings.says("Tandem_Currency__c"));
        let owes = fields["Tandem_Open_Amount__c"] != 0;
        let key = format!("owes:{code}");
        if owes {
            let _ = storage::set(&key, "true");
        } else {
            storage::delete(&key);
        }
        rows.push(Row::shown_on("receivables", code, "Account", account, fields).serving(events));
    }
    mirror::take_back("receivables", "Account", &documents.without, outcomes);
    mirror::write_verified(batch, &rows, outcomes);
}

/// Open, overdue, and by age; credit memos are taken off what is open.
fn sums(documents: &[Open], today: &str) -> Map<String, Value> {
    let mut open = Decimal::ZERO;
    let mut overdue = Decimal::ZERO;
    let mut buckets = [Decimal::ZERO; 4];
    for document in documents {
        for (day, amount) in &document.due {
            if is_credit(document) {
                open -= amount;
                continue;
            }
            open += amount;
            let days = days_between(day, today).unwrap_or(0);
            if days > 0 {
                overdue += amount;
                let place = BUCKETS.iter().position(|(end, _)| days <= *end).unwrap_or(3);
                buckets[place] += amount;
            }
        }
    }
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
    batch: &Batch,
    settings: &Settings,
    opportunities: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let ids: Vec<String> = opportunities.keys().cloned().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let amounts = shares::amounts(&ids)?;
    let currencies: BTreeMap<String, Value> = match settings.multi_currency {
        true => b1::by_key(salesforce::query_in("Id,CurrencyIsoCode", "Opportunity", "Id", &ids, "")?, "Id"),
        false => BTreeMap::new(),
    };
    let mut rates: BTreeMap<String, Option<Decimal>> = BTreeMap::new();
    let mut rows = Vec::new();
    for (id, events) in opportunities {
        let own = currencies.get(id).map_or("", |record| text(record, "CurrencyIsoCode"));
        let own = if own.is_empty() { settings.org_currency.as_str() } else { own };
        let invoices = amounts.get(id).into_iter().flatten();
        let invoices: Vec<&Value> = invoices.filter(|row| text(row, "Tandem_Type__c") != REQUEST).collect();
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
        let fields = fields(json!({ "Tandem_Invoiced__c": amount("Total"), "Tandem_Paid__c": amount("Paid") }));
        rows.push(Row::shown_on("invoiced", id, "Opportunity", id, fields).serving(events));
    }
    mirror::write_verified(batch, &rows, outcomes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_looked_at_some_at_a_time_and_each_once() {
        let all = || ["C1", "C2", "C3", "C4", "C5"].into_iter().map(str::to_owned);
        let (mut after, mut seen) = (String::new(), Vec::new());
        loop {
            let (slice, more) = slice(all(), &after, 2);
            after = slice.last().cloned().unwrap_or_default();
            seen.extend(slice);
            if !more {
                break;
            }
        }
        assert_eq!(seen, all().collect::<Vec<_>>());
        // One that has paid since is gone from the list.
        assert_eq!(slice(all(), "C31", 9).0, ["C4", "C5"]);
        assert_eq!(slice(all(), "C9", 9), (Vec::new(), false));
    }

    #[test]
    fn ages_fall_into_buckets_and_credit_memos_lower_what_is_open() {
        let open = |kind: i64, day: &str, amount: i64| Open {
            kind,
            entry: 1,
            paid: Decimal::ZERO,
            due: vec![(day.to_owned(), amount.into())],
        };
        let documents = [
            open(13, "2026-06-30", 1),
            open(13, "2026-06-29", 2),
            open(13, "2026-05-31", 4),
            open(203, "2026-05-30", 8),
            open(13, "2026-04-01", 16),
            open(13, "2026-03-31", 32),
            open(13, "2026-07-01", 64),
            open(14, "2026-06-01", 100),
        ];
        let sums = sums(&documents, "2026-06-30");
        assert_eq!(sums["Tandem_Open_Amount__c"], 27);
        assert_eq!(sums["Tandem_Overdue__c"], 62);
        let buckets: Vec<&Value> = BUCKETS.iter().map(|(_, field)| &sums[*field]).collect();
        assert_eq!(buckets, [&json!(6), &json!(8), &json!(16), &json!(32)]);
    }
}
