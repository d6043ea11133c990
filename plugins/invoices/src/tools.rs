//! What a customer owes, asked of B1 when it is asked for.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{self, Asked, Offer, Offers, Refusal, reads};
use tandem_sdk::{Decimal, Deserialize, Error, JsonSchema, Number, Serialize, Value, clock, days_between, money, text};

use crate::Invoices;
use crate::describe::Settings;
use crate::documents::{REQUEST, SETS, is_request, signed};
use crate::open::{IS_OPEN, parts};

/// Documents of one answer, unless fewer or more are asked for.
const USUAL: u32 = 20;
const MOST: u32 = 50;

const SELECT: &str = "DocEntry,DocNum,DocDate,DocDueDate,DocCurrency,DocTotal,DocTotalFc,PaidToDate,PaidToDateFC,\
                      DownPaymentType,DocumentInstallments";

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// CardCode of B1, such as `C20000`
    card_code: String,
    /// Documents at most; without it 20. The sums are of all
    #[schemars(range(min = 1, max = 50))]
    limit: Option<u32>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Owed {
    /// Open documents, those due first before others
    documents: Vec<Document>,
    /// There are more than are given
    more: bool,
    /// Of all open documents, one for each currency; empty where nothing is open
    sums: Vec<Sum>,
    /// The company's day by which days are counted, such as `2026-01-31`
    today: String,
    /// What is to be known of the answer
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Document {
    /// `Invoice`, `Credit memo`, `Down payment`, or `Down payment request`, for which nothing is owed until it is paid
    kind: String,
    /// DocEntry of B1, unique among documents of its kind
    doc_entry: i64,
    /// DocNum of B1, as it stands on paper
    doc_num: i64,
    /// DocDate of B1, such as `2026-01-31`
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_date: Option<String>,
    /// DocDueDate of B1; of one with instalments the last day of all
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_due_date: Option<String>,
    /// With tax; negative for a credit memo
    total: Number,
    /// What is not paid of it; negative for a credit memo
    open: Number,
    /// What of it is past its day, by instalments where it has some
    overdue: Number,
    /// ISO code of the document's currency, in which its amounts are
    currency: String,
    /// Days since the earliest open part was due; missing where nothing is overdue
    #[serde(skip_serializing_if = "Option::is_none")]
    days_overdue: Option<i64>,
    // The day by which it has its place.
    #[serde(skip)]
    due: String,
}

#[derive(Debug, Serialize, JsonSchema, PartialEq)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Sum {
    /// ISO code
    currency: String,
    /// Invoices and down payments less credit memos; requests for down payments are left out
    open: Number,
    /// What of that is past its day; credit memos take nothing off it
    overdue: Number,
}

impl Offers for Invoices {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![reads(
            "open-invoices",
            "Open invoices of a customer",
            "Invoices, credit memos and down payments of a customer of which something is open in SAP Business One \
             now, with days overdue, and their sums by currency. Ask it for what a customer owes, and what of that is \
             late. It does not tell payments on account that no invoice was matched with, and a card_code that B1 \
             does not know has nothing open.",
            open_invoices,
        )]
    }
}

fn open_invoices(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Owed, Refusal> {
    let codes = [tools::named("card_code", &wanted.card_code)?.to_owned()];
    let most = wanted.limit.unwrap_or(USUAL).clamp(1, MOST) as usize;
    let today = clock::today("b1");
    let found = b1::read_all(&SETS.map(|(set, ..)| Read::texts(set, "CardCode", &codes, SELECT).and(IS_OPEN)))?;
    let mut documents = Vec::new();
    for ((_, kind, word), rows) in SETS.into_iter().zip(found) {
        for row in rows {
            let currency = currency_of(asked.settings, &row)?;
            documents.extend(document((kind, word), &row, currency, &today));
        }
    }
    let note = match documents.is_empty() {
        true => never_invoiced(&codes[0])?,
        false => None,
    };
    Ok(owed(documents, most, today, note))
}

/// ISO code of a document's currency.
fn currency_of(settings: &Settings, row: &Value) -> Result<String, Refusal> {
    let code = text(row, "DocCurrency");
    if !code.is_empty() {
        return Ok(settings.currencies.iso(code)?);
    }
    if !settings.currency.is_empty() {
        return Ok(settings.currency.clone());
    }
    let own = money::company_currency(&settings.currencies)?;
    own.ok_or_else(|| Refusal::Refused("B1 tells no currency of a document, and not the company's own".into()))
}

/// A word for a code that may be misspelt.
fn never_invoiced(code: &str) -> Result<Option<String>, Error> {
    let (any, _) = tools::first("Invoices", &format!("CardCode eq {}", b1::quote(code)), "DocEntry", "DocEntry", 1)?;
    let why = || format!("B1 has no invoice at all of the card_code {code}: it may be misspelt. {}", tools::CARD_CODES);
    Ok(any.is_empty().then(why))
}

fn document((kind, word): (i64, &str), row: &Value, currency: String, today: &str) -> Option<Document> {
    // In company currency these are empty.
    let names = match b1::amount(row, "DocTotalFc").is_zero() {
        true => ["DocTotal", "PaidToDate", "Total"],
        false => ["DocTotalFc", "PaidToDateFC", "TotalFC"],
    };
    let (total, paid) = (b1::amount(row, names[0]), b1::amount(row, names[1]));
    let open = signed(kind, total - paid);
    let owes = open > Decimal::ZERO && !is_request(row);
    let parts = parts(row, names[2], total, paid);
    let late = parts.iter().filter_map(|(day, amount)| Some((days_between(day, today)?, *amount)));
    let late: Vec<(i64, Decimal)> = late.filter(|(days, _)| owes && *days > 0).collect();
    Some(Document {
        kind: if is_request(row) { REQUEST } else { word }.to_owned(),
        doc_entry: row["DocEntry"].as_i64()?,
        doc_num: row["DocNum"].as_i64()?,
        doc_date: tools::day(row, "DocDate"),
        doc_due_date: tools::day(row, "DocDueDate"),
        total: signed(kind, total).into(),
        open: open.into(),
        overdue: late.iter().map(|(_, amount)| amount).sum::<Decimal>().into(),
        currency,
        days_overdue: late.iter().map(|(days, _)| *days).max(),
        due: parts.into_iter().map(|(day, _)| day).min().unwrap_or_default(),
    })
}

fn owed(mut documents: Vec<Document>, most: usize, today: String, note: Option<String>) -> Owed {
    documents.sort_by(|a, b| (&a.due, a.doc_entry).cmp(&(&b.due, b.doc_entry)));
    let sums = sums(&documents);
    let (documents, more) = tools::few(documents, most);
    Owed { documents, more, sums, today, note }
}

fn sums(documents: &[Document]) -> Vec<Sum> {
    let mut sums: BTreeMap<&str, (Decimal, Decimal)> = BTreeMap::new();
    for own in documents.iter().filter(|own| own.kind != REQUEST) {
        let (open, overdue) = sums.entry(&own.currency).or_default();
        *open += *own.open;
        *overdue += *own.overdue;
    }
    let sum = |(currency, (open, overdue)): (&str, (Decimal, Decimal))| Sum {
        currency: currency.to_owned(),
        open: open.into(),
        overdue: overdue.into(),
    };
    sums.into_iter().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use tandem_sdk::{from_json, json};

    use super::*;

    const TODAY: &str = "2026-06-30";

    fn row(entry: i64, due: &str, more: &str) -> Value {
        from_json(&format!(
            r#"{{"DocEntry":{entry},"DocNum":{entry},"DocDate":"2026-01-31T00:00:00Z","DocDueDate":"{due}T00:00:00Z",{more}}}"#
        ))
    }

    fn of(place: usize, currency: &str, row: &Value) -> Document {
        let (_, kind, word) = SETS[place];
        document((kind, word), row, currency.into(), TODAY).unwrap()
    }

    #[test]
    fn days_are_counted_from_the_day_after_and_in_the_documents_own_currency() {
        let due = of(0, "EUR", &row(1, "2026-06-30", r#""DocTotal":119.10,"PaidToDate":19"#));
        assert_eq!((due.open.to_string(), due.days_overdue, due.overdue), ("100.1".into(), None, 0.into()));
        let late = of(
            0,
            "USD",
            &row(2, "2026-06-29", r#""DocTotal":90.10,"DocTotalFc":100.5,"PaidToDate":10,"PaidToDateFC":11"#),
        );
        assert_eq!((late.open.to_string(), late.days_overdue), ("89.5".into(), Some(1)));
        assert_eq!(late.doc_due_date.as_deref(), Some("2026-06-29"));
    }

    #[test]
    fn of_instalments_only_those_past_their_day_are_overdue() {
        let more = r#""DocTotal":90,"PaidToDate":40,"DocumentInstallments":[{"DueDate":"2026-05-31T00:00:00Z","Total":30},
            {"DueDate":"2026-06-20T00:00:00Z","Total":30},{"DueDate":"2026-07-31T00:00:00Z","Total":30}]"#;
        let own = of(0, "EUR", &row(1, "2026-07-31", more));
        assert_eq!((own.open, own.overdue, own.days_overdue), (50.into(), 20.into(), Some(10)));
    }

    #[test]
    fn sums_are_of_all_and_a_request_is_no_debt_and_a_memo_is_never_late() {
        let plain = r#""DocTotal":100,"PaidToDate":0"#;
        let request = r#""DocTotal":100,"PaidToDate":0,"DownPaymentType":"dptRequest""#;
        let documents = vec![
            of(0, "EUR", &row(1, "2026-07-31", plain)),
            of(0, "EUR", &row(2, "2026-05-31", plain)),
            of(1, "EUR", &row(3, "2026-04-30", r#""DocTotal":30.5,"PaidToDate":0"#)),
            of(2, "EUR", &row(4, "2026-05-30", request)),
            of(0, "USD", &row(5, "2026-05-31", plain)),
        ];
        assert_eq!((documents[2].open.to_string(), documents[2].days_overdue), ("-30.5".into(), None));
        assert_eq!((documents[3].kind.as_str(), documents[3].days_overdue), (REQUEST, None));
        let owed = owed(documents, 2, TODAY.into(), None);
        let entries: Vec<i64> = owed.documents.iter().map(|own| own.doc_entry).collect();
        assert_eq!((entries, owed.more), (vec![3, 4], true));
        let sums = json!(owed.sums);
        assert_eq!(
            sums,
            json!([
                { "currency": "EUR", "open": from_json("169.5"), "overdue": 100 },
                { "currency": "USD", "open": 100, "overdue": 100 },
            ])
        );
    }
}
