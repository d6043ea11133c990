//! Invoice, credit memo, down payment → `Tandem_Invoice__c`.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, code};
use tandem_sdk::chain::{self, Chain, Name, Rows};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Decimal, Error, Map, Outcomes, Value, connection, counterpart, json, say, text};

use crate::describe::Settings;
use crate::open::{self, Open};
use crate::shares;
use crate::wanted::unseen;

/// Entity set, object code, word.
pub const SETS: [(&str, i64, &str); 3] = [
    ("Invoices", code::INVOICE, "Invoice"),
    ("CreditNotes", code::CREDIT_MEMO, "Credit memo"),
    ("DownPayments", code::DOWN_PAYMENT, "Down payment"),
];

const SELECT: &str = "DocNum,CardCode,DocDate,DocDueDate,DocCurrency,DocTotal,DocTotalFc,PaidToDate,PaidToDateFC,\
                      DownPaymentType,DocumentStatus";

/// The word of a down payment that is only asked for: nothing is owed for it until it is paid.
pub const REQUEST: &str = "Down payment request";

/// See [`REQUEST`].
pub fn is_request(row: &Value) -> bool {
    text(row, "DownPaymentType") == "dptRequest"
}

/// Places of events by document.
pub type Events = BTreeMap<Name, Vec<usize>>;

/// What was written, for those who follow.
#[derive(Default)]
pub struct Documents {
    /// `Tandem_Invoice__c` id by document.
    pub ids: BTreeMap<Name, String>,
    /// Events by `CardCode`.
    pub customers: BTreeMap<String, Vec<usize>>,
    /// Events by opportunity id.
    pub opportunities: BTreeMap<String, Vec<usize>>,
    /// Account ids by `CardCode`.
    pub accounts: BTreeMap<String, String>,
    /// Customers that are known to have no account, with their events.
    pub without: Vec<(String, Vec<usize>)>,
    /// What is open of them, by `CardCode`.
    pub open: BTreeMap<String, Vec<Open>>,
}

/// A credit memo gives back.
pub fn signed(kind: i64, amount: Decimal) -> Decimal {
    if kind == code::CREDIT_MEMO { -amount } else { amount }
}

/// Brings the records of documents in step, and of those of their and other customers that do not show what is open of them.
pub fn keep(
    batch: &Batch,
    settings: &Settings,
    customers: BTreeMap<String, Vec<usize>>,
    events: Events,
    outcomes: &mut Outcomes,
) -> Documents {
    let mut documents = Documents { customers, ..Documents::default() };
    if let Err(error) = all(batch, settings, events.clone(), &mut documents, outcomes) {
        let looked_at = documents.customers.values().flatten();
        let all: Vec<usize> = events.values().flatten().chain(looked_at).copied().collect();
        outcomes.fail(&all, &error, say("invoices.reading_invoices", "reading invoices", []));
    }
    documents
}

fn all(
    batch: &Batch,
    settings: &Settings,
    mut events: Events,
    documents: &mut Documents,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let mut rows = chain::documents(events.keys(), fields_of)?;
    for ((kind, entry), row) in &rows {
        let own = events.get(&(*kind, *entry)).into_iter().flatten();
        documents.customers.entry(text(row, "CardCode").to_owned()).or_default().extend(own);
    }
    let codes: Vec<String> = documents.customers.keys().cloned().collect();
    let accounts = counterpart::accounts(&codes, &settings.keys)?;
    let shown: Vec<String> = codes.into_iter().filter(|code| accounts.ids.contains_key(code)).collect();
    documents.open = open::read(&shown)?;
    let mut more: Events = open::stale(connection(batch, "b1"), &documents.open, &accounts.ids)?
        .into_iter()
        .filter_map(|(document, code)| Some((document, documents.customers.get(&code)?.clone())))
        .collect();
    let mut chain = Chain::default();
    chain.take(&rows);
    for (kind, entry, own) in cancelled(&chain, &rows, &events) {
        more.entry((kind, entry)).or_default().extend(own);
    }
    more.retain(|document, _| !rows.contains_key(document));
    rows.extend(chain::documents(more.keys(), fields_of)?);
    events.extend(more);
    chain.take(&rows);
    chain.read()?;
    let held = |code: &String| accounts.ids.contains_key(code) || accounts.doubled.contains_key(code);
    documents.without =
        documents.customers.iter().filter(|(code, _)| !held(code)).map(|(c, e)| (c.clone(), e.clone())).collect();
    documents.accounts = accounts.ids;
    write(batch, settings, &Looked { rows, events, chain, doubled: accounts.doubled }, documents, outcomes)
}

/// What is read of a document.
pub fn fields_of(_: i64) -> String {
    format!("{},{SELECT}", chain::FIELDS)
}

/// What cancellation documents cancel, with their events.
fn cancelled(chain: &Chain, rows: &Rows, events: &Events) -> Vec<(i64, i64, Vec<usize>)> {
    let cancelling = rows.iter().filter(|(_, row)| text(row, "CancelStatus") == "csCancellation");
    let bases = |kind: i64, row: &Value| -> Vec<i64> {
        let own = b1::lines(row).iter().filter(|line| line["BaseType"].as_i64() == Some(kind));
        own.filter_map(|line| line["BaseEntry"].as_i64()).filter(|base| chain.is_void(kind, *base)).collect()
    };
    cancelling
        .flat_map(|((kind, entry), row)| {
            let own = events.get(&(*kind, *entry)).cloned().unwrap_or_default();
            bases(*kind, row).into_iter().map(move |base| (*kind, base, own.clone()))
        })
        .collect()
}

/// What was read for a batch.
struct Looked {
    rows: Rows,
    events: Events,
    chain: Chain,
    doubled: BTreeMap<String, Vec<String>>,
}

fn write(
    batch: &Batch,
    settings: &Settings,
    looked: &Looked,
    documents: &mut Documents,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let numbers: Vec<Name> = looked.rows.keys().copied().collect();
    let mut targets = Vec::new();
    for (((kind, entry), row), shares) in looked.rows.iter().zip(shares::of(&looked.chain, &numbers)) {
        let events = looked.events.get(&(*kind, *entry)).cloned().unwrap_or_default();
        let card_code = text(row, "CardCode");
        if let Some(question) = counterpart::doubled(card_code, &looked.doubled) {
            outcomes.hold(&events, question);
            continue;
        }
        let (set, _, word) = SETS.iter().find(|(_, own, _)| own == kind).copied().unwrap_or(SETS[0]);
        let Some(account) = documents.accounts.get(card_code) else {
            unseen(card_code, set, *entry);
            outcomes.note_all(&events, &format!("no account carries the CardCode {card_code}: not shown"));
            continue;
        };
        let key = chain::key(connection(batch, "b1"), (*kind, *entry));
        let currency = match text(row, "DocCurrency") {
            "" => settings.currency.clone(),
            code => settings.currencies.iso(code)?,
        };
        let word = if is_request(row) { REQUEST } else { word };
        let void = looked.chain.is_void(*kind, *entry);
        let fields = fields(settings, (*kind, word, row), void, account, shares.shown_under.as_deref(), &currency);
        for opportunity in shares.note(&key, &fields) {
            documents.opportunities.entry(opportunity).or_default().extend(&events);
        }
        targets.push(
            Row::new("invoice", &key, "Tandem_Invoice__c", fields)
                .external("Tandem_Key__c", &key)
                .attached_by("Tandem_Opportunity__c")
                .serving(&events),
        );
    }
    let written = mirror::write_verified(batch, &targets, outcomes);
    for (row, written) in targets.iter().zip(written) {
        if let (Some(document), Some(id)) = (chain::named_by(connection(batch, "b1"), &row.b1_id), written.id) {
            documents.ids.insert(document, id);
        }
    }
    Ok(())
}

/// What its record shows.
pub fn fields(
    settings: &Settings,
    (kind, word, row): (i64, &str, &Value),
    void: bool,
    account: &str,
    opportunity: Option<&str>,
    currency: &str,
) -> Map<String, Value> {
    // In company currency these are empty.
    let foreign = !b1::amount(row, "DocTotalFc").is_zero();
    // A cancelled document and the one that cancels it are settled with each other: nobody has paid.
    let of = |name: &str| if void && name.starts_with("Paid") { Decimal::ZERO } else { b1::amount(row, name) };
    let (total, paid) = (of("DocTotal"), of("PaidToDate"));
    let (total_own, paid_own) = if foreign { (of("DocTotalFc"), of("PaidToDateFC")) } else { (total, paid) };
    let closed = row["DocumentStatus"] == "bost_Close";
    let open = |total: Decimal, paid: Decimal| if void || closed { Decimal::ZERO } else { total - paid };
    let status = match (void, closed) {
        (true, _) => "Cancelled",
        (_, true) => "Paid",
        _ => "Open",
    };
    let amount = |amount: Decimal| b1::number(signed(kind, amount));
    let mut fields = tandem_sdk::fields(json!({
        "Name": format!("{word} {}", b1::key_text(&row["DocNum"])),
        "Tandem_Account__c": account, "Tandem_Opportunity__c": opportunity, "Tandem_Type__c": word,
        "Tandem_Number__c": b1::key_text(&row["DocNum"]),
        "Tandem_Date__c": b1::day(&row["DocDate"]), "Tandem_Due_Date__c": b1::day(&row["DocDueDate"]),
        "Tandem_Total__c": amount(total), "Tandem_Total_Document__c": amount(total_own),
        "Tandem_Paid__c": amount(paid), "Tandem_Paid_Document__c": amount(paid_own),
        "Tandem_Open__c": amount(open(total, paid)),
        "Tandem_Open_Document__c": amount(open(total_own, paid_own)),
        "Tandem_Status__c": status,
    }));
    fields.extend((!currency.is_empty()).then(|| ("Tandem_Currency__c".to_owned(), currency.into())));
    fields.extend(settings.says("Tandem_Company_Currency__c"));
    fields
}

#[cfg(test)]
mod tests {
    use tandem_sdk::settings::Settings as _;

    use super::*;

    #[test]
    fn amounts_stand_in_both_currencies_and_a_credit_memo_gives_back() {
        let row = tandem_sdk::from_json(
            r#"{"DocNum":7,"DocCurrency":"USD","DocTotal":90.10,"DocTotalFc":100.5,"PaidToDate":10,"PaidToDateFC":11,"DocumentStatus":"bost_Open"}"#,
        );
        let settings = Settings::default();
        let invoice = fields(&settings, (code::INVOICE, "Invoice", &row), false, "001", None, "USD");
        assert_eq!(invoice["Tandem_Open__c"].to_string(), "80.1");
        assert_eq!(invoice["Tandem_Open_Document__c"].to_string(), "89.5");
        let memo = fields(&settings, (code::CREDIT_MEMO, "Credit memo", &row), false, "001", None, "USD");
        assert_eq!(memo["Tandem_Total__c"].to_string(), "-90.1");
    }

    #[test]
    fn where_b1_does_not_say_the_companys_currency_none_is_guessed() {
        let row = tandem_sdk::from_json(r#"{"DocNum":7,"DocTotal":90.10,"DocumentStatus":"bost_Open"}"#);
        let shown = |settings: &str| {
            let settings = Settings::read(settings).unwrap();
            fields(&settings, (code::INVOICE, "Invoice", &row), false, "001", None, &settings.currency)
        };
        let unknown = shown("{}");
        assert!(!unknown.keys().any(|field| field.contains("Currency")), "{unknown:?}");
        let known = shown(r#"{"currency":"USD"}"#);
        assert_eq!(
            (&known["Tandem_Currency__c"], &known["Tandem_Company_Currency__c"]),
            (&json!("USD"), &json!("USD"))
        );
    }
}
