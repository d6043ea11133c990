//! What is asked about an opportunity without an order holds its order up: whoever is asked may make it by hand meanwhile, and so may who has
//! ignored it. What a person ignored is the opportunity as it stood at that moment: nothing that comes later makes an order of that, whoever told
//! it and when. He says that it goes on, or changes what the opportunity asks for; a look, a night or a catch-up makes nothing by itself.

use std::collections::BTreeSet;

use tandem_sdk::{
    Event, Map, Outcome, ReviewRequest, Said, Side, Value, from_json, json, links, mapping, mirror, outcome_of,
    passing, salesforce, say, storage, text,
};

use crate::describe::Settings;
use crate::linked::Linked;
use crate::{Step, Work, anew, beside, look, own, plan, waiting};

/// Of the opportunity an order is made of these, and of what the mapping reads.
const HEADER: [&str; 4] = [ACCOUNT, "CloseDate", "CurrencyIsoCode", "Tandem_Requested_Date__c"];
/// The same of its lines.
const LINE: [&str; 3] = ["Quantity", "UnitPrice", "Discount"];
/// An account that is merged into another takes its opportunities along, which no trigger tells.
const ACCOUNT: &str = "AccountId";
/// Key of what is asked of one that was ignored while it could not be read, and changed since: only its answer goes on.
const UNREAD: &str = "orders.ignored_unread";
/// What older versions kept in [`plan::later`] of a question that was ignored.
const OLD: &str = "ignored";

/// What was asked last, or ignored.
#[derive(Default)]
struct Asked {
    ignored: bool,
    question: Said,
    choices: Vec<String>,
    /// What to decide it by.
    detail: Value,
    /// What the opportunity asked for then; null where it could not be read as a whole.
    wanted: Value,
    /// Where it was ignored: what is no wish to have an order all the same.
    before: Vec<Before>,
}

/// An event that was a wish before something was ignored, by the answer that it had then; or, by whatever answer, one that asks why the
/// opportunity could not be looked at since.
#[derive(Clone, PartialEq)]
struct Before {
    event: u64,
    answer: Option<String>,
}

impl Before {
    fn read(list: &Value) -> Vec<Self> {
        let of = |own: &Value| {
            Some(Self { event: own["event"].as_u64()?, answer: own["answer"].as_str().map(str::to_owned) })
        };
        list.as_array().into_iter().flatten().filter_map(of).collect()
    }

    fn kept(all: &[Self]) -> Value {
        all.iter().map(|own| json!({ "event": own.event, "answer": own.answer })).collect()
    }

    /// As the event is now.
    fn of(event: &Event) -> Self {
        Self { event: event.id, answer: Some(event.resolution.clone().unwrap_or_default()) }
    }

    fn is(&self, event: &Event) -> bool {
        let answer = event.resolution.as_deref().unwrap_or_default();
        self.event == event.id && self.answer.as_deref().is_none_or(|own| own == answer)
    }
}

impl Asked {
    fn last(id: &str) -> Option<Self> {
        let kept = storage::get(&key(id)).map(|kept| from_json(&kept));
        let kept = kept.or_else(|| is_old(id).then(|| json!({ "ignored": true })))?;
        let choices = kept["choices"].as_array().into_iter().flatten();
        let question = Said::of_kept(&kept["question"]);
        Some(Self {
            ignored: kept["ignored"] == true || question.says(UNREAD),
            question,
            choices: choices.filter_map(Value::as_str).map(str::to_owned).collect(),
            detail: kept["detail"].clone(),
            wanted: kept["wanted"].clone(),
            before: Before::read(&kept["before"]),
        })
    }

    /// What was ignored could not be read, and is changed: whether an order is wanted is asked until a person says so.
    fn asks_whether(&self) -> bool {
        self.ignored && self.question.says(UNREAD)
    }

    fn keep(&self, id: &str) {
        forget(id);
        let kept = json!({
            "ignored": self.ignored, "question": self.question.kept(), "choices": self.choices, "detail": self.detail,
            "wanted": self.wanted, "before": Before::kept(&self.before),
        });
        // Not kept it holds up nothing.
        let _ = storage::set(&key(id), &kept.to_string());
    }
}

fn key(id: &str) -> String {
    format!("aside:{id}")
}

/// A person wants it: he has answered, or pressed *Sync now*.
pub fn is_wish(event: &Event) -> bool {
    event.resolution.is_some() || from_json(&event.payload)["Operation__c"] == "SYNC"
}

/// Wishes about an opportunity that wait, or have led to a question.
fn wishes(id: &str) -> String {
    format!("wishes:{id}")
}

fn wished(id: &str) -> Vec<Before> {
    storage::get(&wishes(id)).map(|kept| Before::read(&from_json(&kept))).unwrap_or_default()
}

/// A wish that waits goes on after whatever is ignored meanwhile, and is none against that.
pub fn waits(event: &Event) {
    if !is_wish(event) {
        return;
    }
    let mut all = wished(&event.key);
    if !all.contains(&Before::of(event)) {
        all.push(Before::of(event));
        // Not kept it goes on as a wish.
        let _ = storage::set(&wishes(&event.key), &Before::kept(&all).to_string());
    }
}

fn is_old(id: &str) -> bool {
    storage::get(&plan::later(id)).as_deref() == Some(OLD)
}

/// Keeps what is asked. What was ignored stays so, whatever else is asked meanwhile, such as why the opportunity cannot be read: an answer to that is
/// no wish to have an order.
pub fn remember(event: &Event, opportunity: &Value, request: &ReviewRequest) {
    waits(event);
    if let Some(mut asked) = Asked::last(&event.key).filter(|asked| asked.ignored && !is_lifted(asked, event)) {
        match Said::asked(request) {
            whether if whether.says(UNREAD) => {
                asked.question = whether;
                // Its answer is a wish, whatever the event asked before.
                asked.before.retain(|own| own.event != event.id);
            }
            _ => asked.before.push(Before { event: event.id, answer: None }),
        }
        return asked.keep(&event.key);
    }
    let (question, choices) = (Said::asked(request), request.choices.clone());
    let (detail, mut wanted) = (from_json(&request.detail), wanted(opportunity, &Made::of_mapping()));
    if wanted.is_null() {
        // It cannot be read now.
        wanted = Asked::last(&event.key).map(|asked| asked.wanted).unwrap_or_default();
    }
    Asked { question, choices, detail, wanted, ..Asked::default() }.keep(&event.key);
}

/// A person wants the order though it was ignored.
fn is_lifted(asked: &Asked, event: &Event) -> bool {
    let says_so = event.resolution.as_deref() == Some(look::MAKE_NEW);
    says_so || (is_wish(event) && !asked.before.iter().any(|own| own.is(event)))
}

/// Keeps what persons have ignored: each opportunity as it is now, whatever it was when that was asked.
pub fn ignore(settings: &Settings, work: &mut [Work]) {
    let is_about_one = |w: &Work| matches!(w.event.topic.as_str(), "salesforce.Opportunity" | "timer.wake");
    let ignores = |w: &Work| {
        matches!(w.step, Step::Ignored) && is_about_one(w) && salesforce::is_id(w.id()) && !has_order(w.id())
    };
    let ids: Vec<String> = work.iter().filter(|w| ignores(w)).map(|w| w.id().to_owned()).collect();
    let mut read = plan::read_each(settings, &ids);
    let made = Made::of_mapping();
    for w in work.iter_mut().filter(|w| matches!(w.step, Step::Ignored)) {
        match read.remove(w.id()) {
            Some(Err(error)) if passing::pause(&error).is_some() => {
                w.finish(outcome_of(&error, plan::reading(&error)));
                continue;
            }
            // What is asked of one that is not won is nothing that an order of it waits for.
            Some(Ok(opportunity)) if opportunity.is_object() && opportunity["IsWon"] != true => over(w.id()),
            Some(found) => {
                let mut wanted = found.map(|opportunity| wanted(&opportunity, &made)).unwrap_or_default();
                if wanted.is_null() {
                    // It is away by now, and may come back as it was.
                    wanted = Asked::last(w.id()).map(|asked| asked.wanted).unwrap_or_default();
                }
                let mut before = wished(w.id());
                before.retain(|own| own.event != w.event.id);
                Asked { ignored: true, wanted, before, ..Asked::default() }.keep(w.id());
            }
            None => {}
        }
        anew::forget(w.id());
        beside::leave(w.id());
        tandem_sdk::keep_ignored(w.id());
        w.finish(Outcome::Done("ignored, as decided in review".into()));
    }
}

fn has_order(id: &str) -> bool {
    let link = links::find("order", Side::Salesforce, id);
    link.is_some_and(|link| !Linked::read(&link.b1_id, &link.base).cancelled)
}

/// What was asked is over. What was ignored stays so.
pub fn end(id: &str) {
    if Asked::last(id).is_some_and(|asked| !asked.ignored) {
        forget(id);
    }
}

/// It has an order, or is to have none: nobody's wish waits.
pub fn over(id: &str) {
    forget(id);
    storage::delete(&wishes(id));
}

/// It is over, what was ignored, too.
pub fn forget(id: &str) {
    storage::delete(&key(id));
    if is_old(id) {
        storage::delete(&plan::later(id));
    }
}

/// One of these is asked about it, and not ignored.
pub fn asks_any(id: &str, keys: &[&str]) -> bool {
    Asked::last(id).is_some_and(|asked| !asked.ignored && keys.iter().any(|key| asked.question.says(key)))
}

/// The same as [`holds`], while it was not looked for in B1 yet.
pub fn holds_unseen(w: &mut Work) -> bool {
    // What B1 has is taken over.
    holds_where(w, |w| !from_json(&w.event.payload)["order"].is_string() && !own::may_be_there(w.id()))
}

/// True where no order is made of it, and B1 has none: what was asked is asked still, or was ignored.
pub fn holds(w: &mut Work) -> bool {
    holds_where(w, |_| true)
}

/// True where what keeps an order from being made was ignored: it is not asked anew. What lifts that has done so in [`holds_unseen`].
pub fn is_ignored(w: &mut Work) -> bool {
    matches!(w.step, Step::Create(_)) && leaves(w)
}

/// The same, whatever was to be done.
pub fn leaves(w: &mut Work) -> bool {
    match Asked::last(w.id()).filter(|asked| w.is_orderless && asked.ignored) {
        Some(asked) if asked.asks_whether() => ask_whether(w),
        Some(_) => leave(w),
        None => return false,
    }
    true
}

fn holds_where(w: &mut Work, may: impl Fn(&Work) -> bool) -> bool {
    let Some(asked) = Asked::last(w.id()) else { return false };
    if goes_on(&asked, &w.event, &w.opportunity, &Made::of_mapping()) {
        if asked.ignored {
            forget(w.id());
        }
        return false;
    }
    if !may(w) {
        return false;
    }
    if asked.asks_whether() || (asked.ignored && may_differ(&asked, &w.event)) {
        ask_whether(w);
    } else if asked.ignored {
        leave(w);
    } else {
        let choices: Vec<&str> = asked.choices.iter().map(String::as_str).collect();
        w.hold_by(asked.question, &choices, &asked.detail);
    }
    true
}

fn leave(w: &mut Work) {
    w.done("what was asked about it was ignored, as decided in review: nothing is made until the opportunity changes");
}

/// What it was when it was ignored nobody knows, and somebody has changed it since: what he wants by that is asked.
fn ask_whether(w: &mut Work) {
    let reason = say(
        "orders.ignored_unread",
        "what was asked about this opportunity was ignored while it could not be read, and it was changed since: is an order of it wanted?",
        [],
    );
    w.hold(reason, &["retry", "ignore"]);
}

fn may_differ(asked: &Asked, event: &Event) -> bool {
    // A wish of before is no change.
    asked.wanted.is_null() && is_told(event) && !is_wish(event)
}

/// What a query found may have been changed by anybody, Tandem among them, or not at all.
fn is_told(event: &Event) -> bool {
    let payload = from_json(&event.payload);
    let is_found = payload["found"] == true || payload["Operation__c"] == "CATCH_UP";
    event.topic == "salesforce.Opportunity" && !is_found
}

fn goes_on(asked: &Asked, event: &Event, opportunity: &Value, made: &Made) -> bool {
    let is_told = is_told(event);
    if is_lifted(asked, event) {
        return true;
    }
    let is_other = || !asked.wanted.is_null() && differs(&asked.wanted, &wanted(opportunity, made), is_told, made);
    match asked.ignored {
        true => !asked.asks_whether() && is_other(),
        // Whose its account is decides itself elsewhere.
        false => is_told || is_other() || asked.question.says(waiting::UNDECIDED),
    }
}

/// The fields that an order is made of: of the opportunity, and of its lines. A stage or a name is none of them, unless the mapping reads it.
struct Made {
    header: BTreeSet<String>,
    line: BTreeSet<String>,
}

impl Made {
    fn of_mapping() -> Self {
        Self::with(mapping::source_fields("header"), mapping::source_fields("line"))
    }

    fn with(header: Vec<String>, line: Vec<String>) -> Self {
        let all = |own: &[&str], mapped: Vec<String>| own.iter().map(|name| (*name).to_owned()).chain(mapped).collect();
        Self { header: all(&HEADER, header), line: all(&LINE, line) }
    }
}

/// What the opportunity asks for: the values that are its own and its lines'.
fn wanted(opportunity: &Value, made: &Made) -> Value {
    let Some(lines) = opportunity.get("OpportunityLineItems") else { return Value::Null };
    let lines = lines["records"].as_array().into_iter().flatten();
    let lines: Map<String, Value> =
        lines.map(|line| (text(line, "Id").to_owned(), own(line, &made.line).into())).collect();
    json!({ "fields": own(opportunity, &made.header), "lines": lines })
}

fn own(record: &Value, names: &BTreeSet<String>) -> Map<String, Value> {
    let fields = record.as_object().into_iter().flatten();
    let fields = fields.filter(|(name, value)| names.contains(*name) && !value.is_object());
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// By what was read both times: a mapping that gains a field changes no opportunity.
fn differs(before: &Value, now: &Value, is_told: bool, made: &Made) -> bool {
    let fields = |of: &Value| of.as_object().cloned().unwrap_or_default();
    let other = |before: &Value, now: &Value, names: &BTreeSet<String>| {
        // A merge gives none an account that had none.
        let counts = |name: &str, value: &Value| is_told || name != ACCOUNT || value.as_str().unwrap_or_default() == "";
        let is_other = |name: &str, value: &Value| now.get(name).is_some_and(|now| !mirror::same(value, now));
        let mut before = fields(before);
        before.retain(|name, _| names.contains(name));
        before.iter().any(|(name, value)| counts(name, value) && is_other(name, value))
    };
    let (old, new) = (fields(&before["lines"]), fields(&now["lines"]));
    other(&before["fields"], &now["fields"], &made.header)
        || old.len() != new.len()
        || old.iter().any(|(id, line)| new.get(id).is_none_or(|now| other(line, now, &made.line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Made {
        Made::with(vec!["Tandem_PO_Number__c".into()], vec!["Description".into()])
    }

    fn opportunity() -> Value {
        json!({
            "Id": "006", "Name": "One", "StageName": "Closed Won", "Tandem_PO_Number__c": "7", "AccountId": "001", "CloseDate": "2027-01-31", "Tandem_Sync_State__c": "Review",
            "Account": { "Name": "Miller", "Tandem_Card_Code__c": "FREE" },
            "OpportunityLineItems": { "records": [
                { "Id": "00k1", "Quantity": 2, "SortOrder": 1, "Description": "x", "Product2": { "Tandem_Item_Code__c": null } }, { "Id": "00k2", "Quantity": 1 },
            ] },
        })
    }

    fn changed(path: &str, value: Value) -> Value {
        let mut own = opportunity();
        *own.pointer_mut(path).expect("it is there") = value;
        own
    }

    fn event(topic: &str, payload: Value) -> Event {
        Event {
            id: 7,
            topic: topic.into(),
            key: "006".into(),
            payload: payload.to_string(),
            attempt: 1,
            trace: String::new(),
            resolution: None,
        }
    }

    fn told() -> Event {
        event("salesforce.Opportunity", json!({ "Operation__c": "UPDATE" }))
    }

    fn unasked() -> [Event; 3] {
        [
            event("timer.wake", json!({})),
            event("salesforce.Opportunity", json!({ "Operation__c": "UPDATE", "found": true })),
            event("salesforce.Opportunity", json!({ "Operation__c": "CATCH_UP" })),
        ]
    }

    fn asked(ignored: bool, question: &str, opportunity: &Value) -> Asked {
        Asked { ignored, question: question.into(), wanted: wanted(opportunity, &made()), ..Asked::default() }
    }

    #[test]
    fn what_tandem_writes_and_what_is_decided_about_the_account_is_no_change() {
        let is_change =
            |now: &Value, is_told| differs(&wanted(&opportunity(), &made()), &wanted(now, &made()), is_told, &made());
        for (path, value) in [
            ("/Tandem_Sync_State__c", json!("Synced")),
            // Another won stage, another name, another place of a line: no order is another by that.
            ("/StageName", json!("Delivered")),
            ("/Name", json!("Two")),
            ("/OpportunityLineItems/records/0/SortOrder", json!(2)),
            ("/Account/Tandem_Card_Code__c", json!("H1")),
            ("/OpportunityLineItems/records/0/Product2/Tandem_Item_Code__c", json!("A1")),
            ("/OpportunityLineItems/records/0/Quantity", json!(2.0)),
        ] {
            assert!(!is_change(&changed(path, value), true), "{path}");
        }
        for (path, value) in [
            ("/CloseDate", json!("2027-02-01")),
            ("/Tandem_PO_Number__c", json!("8")),
            ("/OpportunityLineItems/records/0/Description", json!("y")),
            ("/OpportunityLineItems/records/1/Quantity", json!(3)),
            ("/OpportunityLineItems/records/1/Id", json!("00k3")),
            ("/OpportunityLineItems/records", json!([])),
            ("/OpportunityLineItems", Value::Null),
        ] {
            assert!(is_change(&changed(path, value), false), "{path}");
        }
        let merged = changed("/AccountId", json!("002"));
        assert!(is_change(&merged, true) && !is_change(&merged, false));
        let none = wanted(&changed("/AccountId", Value::Null), &made());
        assert!(differs(&none, &wanted(&opportunity(), &made()), false, &made()), "it has got one");
        let mut gains = opportunity();
        gains["Region__c"] = json!("South");
        assert!(!is_change(&gains, true), "it is read only now");
    }

    #[test]
    fn nothing_but_a_change_or_a_persons_wish_lifts_what_was_ignored() {
        let ignored = asked(true, "which?", &opportunity());
        let other = changed("/CloseDate", json!("2027-02-01"));
        for event in unasked().iter().chain([&told()]) {
            assert!(!goes_on(&ignored, event, &opportunity(), &made()), "{}", event.payload);
            assert!(goes_on(&ignored, event, &other, &made()), "{}", event.payload);
        }
        let sync = event("salesforce.Opportunity", json!({ "Operation__c": "SYNC" }));
        let retry = Event { resolution: Some("retry".into()), ..event("timer.wake", json!({})) };
        assert!(
            goes_on(&ignored, &sync, &opportunity(), &made()) && goes_on(&ignored, &retry, &opportunity(), &made())
        );
        // They were wishes before it was ignored, or answer something else.
        let before = vec![Before::of(&sync), Before::of(&retry)];
        let earlier = Asked { before, ..asked(true, "which?", &opportunity()) };
        assert!(
            !goes_on(&earlier, &sync, &opportunity(), &made()) && !goes_on(&earlier, &retry, &opportunity(), &made())
        );
        assert!(goes_on(&earlier, &Event { id: 8, ..sync.clone() }, &opportunity(), &made()), "a new one");
        assert!(goes_on(&earlier, &sync, &other, &made()), "it asks for something else by now");
        let answered = Event { resolution: Some("retry".into()), ..sync.clone() };
        let later = Asked { before: vec![Before::of(&sync)], ..asked(true, "which?", &opportunity()) };
        assert!(goes_on(&later, &answered, &opportunity(), &made()), "it was answered since");
        let unread = Asked { before: vec![Before { event: 7, answer: None }], ..later };
        assert!(!goes_on(&unread, &answered, &opportunity(), &made()), "it asked something else");
        let new = Event { resolution: Some(look::MAKE_NEW.into()), ..answered };
        assert!(goes_on(&unread, &new, &opportunity(), &made()));
        // What it was is not known.
        let unknown = asked(true, "which?", &json!({ "Id": "006" }));
        assert!(may_differ(&unknown, &told()) && !may_differ(&unknown, &sync) && !may_differ(&ignored, &told()));
        assert!(unasked().iter().chain([&told()]).all(|event| !goes_on(&unknown, event, &opportunity(), &made())));
        assert!(unasked().iter().all(|event| !may_differ(&unknown, event)));
        let whether = Asked { question: tandem_sdk::say(UNREAD, "is it?", []), ..asked(true, "", &opportunity()) };
        assert!(unasked().iter().chain([&told()]).all(|event| !goes_on(&whether, event, &other, &made())));
        assert!(goes_on(&whether, &retry, &opportunity(), &made()));
    }

    #[test]
    fn an_open_question_is_left_to_its_answer_by_all_that_nobody_told() {
        let open = asked(false, "not yet", &opportunity());
        assert!(goes_on(&open, &told(), &opportunity(), &made()));
        assert!(unasked().iter().all(|event| !goes_on(&open, event, &opportunity(), &made())));
        let undecided = Asked { question: tandem_sdk::say(waiting::UNDECIDED, "which?", []), ..open };
        assert!(unasked().iter().all(|event| goes_on(&undecided, event, &opportunity(), &made())));
    }
}
