//! Credit limit, exposure and headroom of SAP Business One on the account; a state with hysteresis, and one task per crossing.

mod describe;
mod journal;
mod reconcile;
mod state;
mod tools;

use std::collections::BTreeMap;

use tandem_sdk::again::{self, Walk};
use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Batch, Description, Documents, Error, Link, Map, Method, Outcome, Outcomes, Plugin, Probe, Request, Response, Side,
    Value, body_of, clock, counterpart, from_json, http, json, links, money, request, salesforce, say, text,
};

use crate::describe::Settings;
use crate::state::{Credit, State};

const PARTNER: &str =
    "CardCode,CardName,CardType,CreditLimit,CurrentAccountBalance,OpenOrdersBalance,OpenDeliveryNotesBalance";
/// Documents that move a customer's exposure.
const DOCUMENTS: [&str; 7] =
    ["Orders", "DeliveryNotes", "Returns", "Invoices", "CreditNotes", "DownPayments", "IncomingPayments"];

/// Where the account shows how its customer is judged.
const SHOWN: &str = "Tandem_Credit_State__c";
/// In a link's base: the same, where the account does not take that.
const JUDGED: &str = "state";

/// Customers, in turn.
const WALKS: [Walk; 1] = [Walk {
    only: Some("CardType ne 'cSupplier'"),
    ..Walk::in_turn("b1.BusinessPartners", "BusinessPartners", &["CardCode"])
}];

struct CreditPlugin;

impl Plugin for CreditPlugin {
    fn describe() -> Description {
        describe::description()
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        let settings = match Settings::of(&batch) {
            Ok(settings) => settings,
            Err(outcomes) => return outcomes,
        };
        let mut outcomes = Outcomes::new(&batch);
        let all: Vec<usize> = (0..batch.events.len()).collect();
        again::keep(&batch, &WALKS, settings.look_again, &mut outcomes);
        if let Err(error) =
            customers(&batch, &mut outcomes).and_then(|customers| keep(&batch, &settings, &customers, &mut outcomes))
        {
            outcomes.fail(&all, &error, say("credit.reading", "reading credit", []));
        }
        outcomes.into_vec()
    }
}

tandem_sdk::export!(CreditPlugin with_types_in tandem_sdk::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_reconciling!(CreditPlugin with_types_in tandem_sdk::reconcile::bindings);
#[cfg(target_arch = "wasm32")]
tandem_sdk::export_tooling!(CreditPlugin with_types_in tandem_sdk::tools::bindings);

/// The customers that events are about, with the events' places.
fn customers(batch: &Batch, outcomes: &mut Outcomes) -> Result<BTreeMap<String, Vec<usize>>, Error> {
    let mut customers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, _, payload) in outcomes.open(batch) {
        let code = text(&payload, "CardCode");
        if !code.is_empty() {
            customers.entry(code.to_owned()).or_default().push(place);
        }
    }
    for (place, code) in journal::customers(batch, outcomes)? {
        customers.entry(code).or_default().push(place);
    }
    for document in Documents::told(batch, outcomes, &DOCUMENTS).read("DocEntry,CardCode")? {
        customers.entry(text(&document.row, "CardCode").to_owned()).or_default().extend(document.events);
    }
    Ok(customers)
}

/// An alert that a crossing asks for.
struct Alert {
    card_code: String,
    /// Its customer's, the one of now last: a task that was made and not answered may be at any.
    accounts: Vec<String>,
    subject: String,
    text: String,
    /// The state that was crossed into.
    state: State,
    /// The one that was told last, or needed no telling.
    from: State,
    /// It was to be told by an earlier run, which may have done so.
    is_pending: bool,
    events: Vec<usize>,
}

impl Alert {
    /// Where its task is found.
    fn path(&self) -> String {
        format!("/query?q={}", b1::encode(&task(&self.accounts, &self.subject)))
    }
}

fn task(accounts: &[String], subject: &str) -> String {
    let accounts: Vec<String> = accounts.iter().map(|own| salesforce::quote(own)).collect();
    let (accounts, subject) = (accounts.join(","), salesforce::quote(subject));
    format!("SELECT Id FROM Task WHERE WhatId IN ({accounts}) AND Subject = {subject}")
}

/// The task of an alert that is kept was made, though its answer was lost.
fn is_there(alert: &Value) -> Result<bool, Error> {
    let accounts = texts(&alert["accounts"]);
    if accounts.is_empty() {
        return Ok(false);
    }
    Ok(!salesforce::query("salesforce", &task(&accounts, text(alert, "subject")))?.is_empty())
}

fn keep(
    batch: &Batch,
    settings: &Settings,
    customers: &BTreeMap<String, Vec<usize>>,
    outcomes: &mut Outcomes,
) -> Result<(), Error> {
    let codes: Vec<String> = customers.keys().cloned().collect();
    if codes.is_empty() {
        return Ok(());
    }
    let partners = b1::by_key(b1::read(Read::texts("BusinessPartners", "CardCode", &codes, PARTNER))?, "CardCode");
    let accounts = counterpart::accounts(&codes, &settings.keys)?;
    let currency = money::company_currency(&settings.currencies)?;
    let last = mirror::last_shown("credit", &codes);
    let now = clock::now();
    let (mut rows, mut alerts, mut over, mut without) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut states = BTreeMap::new();
    for (code, events) in customers {
        let Some(partner) = partners.get(code) else { continue };
        if partner["CardType"] == "cSupplier" {
            continue;
        }
        if let Some(question) = counterpart::doubled(code, &accounts.doubled) {
            outcomes.hold(events, question);
            continue;
        }
        let Some(account) = accounts.ids.get(code) else {
            outcomes.note_all(events, &format!("no account carries the CardCode {code}: not shown"));
            without.push((code.clone(), events.clone()));
            continue;
        };
        // Its own, whichever account has shown it.
        let last = last.get(code).cloned().unwrap_or_default();
        let before = judged(&last);
        let credit = Credit::of(partner);
        let state = credit.state(settings, before);
        let fields = credit.fields(state, currency.as_deref());
        // An alert that could not be told yet is told now, under its own subject, unless another crossing takes its place, or the customer
        // has fallen back meanwhile.
        let mut alert = last["alert"].clone();
        let from = match alert["from"].as_str() {
            Some(from) => State::read(from),
            None if alert.is_object() => State::read(text(&alert, "state")),
            None => before,
        };
        let mut crosses = settings.alerts && state.graver_than(before);
        if alert.is_object() && !crosses && (!settings.alerts || State::read(text(&alert, "state")) > state) {
            outcomes.note_all(events, &format!("not told any more: {}", text(&alert, "subject")));
            // It has not fallen as far as it was before: of that nobody knows yet, unless the answer to the telling was lost.
            crosses = settings.alerts && state.graver_than(from) && !is_there(&alert)?;
            alert = Value::Null;
            if !crosses {
                over.push(code.clone());
            }
        }
        let is_pending = alert.is_object() && !crosses;
        if crosses {
            let day = clock::today("b1");
            // To the second: by its subject the alert is found again.
            let second = now / 1000 % 86_400;
            let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
            let subject = format!("Credit {}: {} ({day}, {time} UTC)", state.word(), text(partner, "CardName"));
            let currency = currency.as_deref().unwrap_or_default();
            let text = credit.words(state, code, currency);
            alert = json!({ "subject": subject, "text": text, "state": state.word(), "from": from.word() });
        }
        if alert.is_object() {
            let mut accounts = texts(&alert["accounts"]);
            accounts.retain(|own| own != account);
            accounts.push(account.clone());
            alerts.push(Alert {
                card_code: code.clone(),
                accounts,
                subject: text(&alert, "subject").to_owned(),
                text: text(&alert, "text").to_owned(),
                state: State::read(text(&alert, "state")),
                from,
                is_pending,
                events: events.clone(),
            });
        }
        states.insert(code.clone(), state);
        rows.push(
            Row::shown_on("credit", code, "Account", account, fields).stamped("Tandem_Synced_At__c").serving(events),
        );
    }
    mirror::take_back("credit", "Account", &without, outcomes);
    let written = mirror::write_verified(batch, &rows, outcomes);
    // Only what the account shows is told.
    let shown: Vec<&str> =
        rows.iter().zip(&written).filter(|(_, own)| own.id.is_some()).map(|(row, _)| row.b1_id.as_str()).collect();
    alerts.retain(|alert| shown.contains(&alert.card_code.as_str()));
    states.retain(|code, _| shown.contains(&code.as_str()));
    keep_states(&states);
    over.retain(|code| shown.contains(&code.as_str()));
    over.iter().for_each(|code| keep_alert(code, Value::Null));
    for Alert { card_code, accounts, subject, text, state, from, .. } in &alerts {
        let (state, from) = (state.word(), from.word());
        let alert = json!({ "subject": subject, "text": text, "accounts": accounts, "state": state, "from": from });
        keep_alert(card_code, alert);
    }
    tell(settings, alerts, outcomes);
    Ok(())
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// How the customer was judged last: as its account shows it, or, where the org does not take that field, as it was kept.
fn judged(last: &Value) -> State {
    let kept = text(last, JUDGED);
    State::read(if kept.is_empty() { text(last, SHOWN) } else { kept })
}

/// Keeps how these customers are judged where their accounts do not show it.
fn keep_states(states: &BTreeMap<String, State>) {
    let codes: Vec<String> = states.keys().cloned().collect();
    let linked = mirror::linked("credit", &codes);
    for (state, link) in states.iter().filter_map(|(code, state)| Some((*state, linked.get(code)?.clone()))) {
        let mut base = from_json(&link.base);
        if judged(&base) != state {
            base[JUDGED] = state.word().into();
            links::put(&Link { base: base.to_string(), ..link });
        }
    }
}

/// What is to be told yet of a customer; null when it was.
fn keep_alert(code: &str, alert: Value) {
    let Some(link) = links::find("credit", Side::B1, code) else { return };
    let mut base = from_json(&link.base);
    base["alert"] = alert;
    links::put(&Link { base: base.to_string(), ..link });
}

/// One task per crossing: its subject is unique, by which it is found after a lost answer.
fn tell(settings: &Settings, alerts: Vec<Alert>, outcomes: &mut Outcomes) {
    let (pending, mut due): (Vec<Alert>, Vec<Alert>) = alerts.into_iter().partition(|alert| alert.is_pending);
    let looks: Vec<_> =
        pending.iter().map(|own| request("salesforce", Method::Get, own.path(), None, &own.card_code)).collect();
    for (alert, found) in pending.into_iter().zip(send_all(&looks)) {
        match found {
            Ok(found) if body_of(&found)["records"][0].is_object() => told(&alert, outcomes),
            Ok(_) => due.push(alert),
            Err(error) => failed(&alert, &error, outcomes),
        }
    }
    let requests: Vec<_> = due
        .iter()
        .map(|alert| {
            let mut task: Map<String, Value> = tandem_sdk::fields(json!({
                "Subject": alert.subject, "Description": alert.text, "WhatId": alert.accounts.last(),
                "Status": "Not Started", "Priority": "High",
            }));
            if let Some(owner) = &settings.alert_owner {
                task.insert("OwnerId".into(), owner.as_str().into());
            }
            let mut request =
                request("salesforce", Method::Post, "/sobjects/Task", Some(&Value::Object(task)), &alert.card_code);
            request.probe = Some(Probe { path: alert.path(), found: "/records/0".into() });
            request
        })
        .collect();
    for (alert, answer) in due.iter().zip(send_all(&requests)) {
        match answer {
            Ok(_) => told(alert, outcomes),
            Err(error) => failed(alert, &error, outcomes),
        }
    }
}

fn send_all(requests: &[Request]) -> Vec<Result<Response, Error>> {
    if requests.is_empty() { Vec::new() } else { http::send_all(requests) }
}

fn told(alert: &Alert, outcomes: &mut Outcomes) {
    outcomes.note_all(&alert.events, &format!("alert: {}", alert.subject));
    keep_alert(&alert.card_code, Value::Null);
}

fn failed(alert: &Alert, error: &Error, outcomes: &mut Outcomes) {
    outcomes.fail(&alert.events, error, say("credit.writing_alert", "writing the credit alert", []));
}
