//! Carries the plan out in B1: creates with a ledger row in one change set, changes, cancels, removes drafts; and
//! understands what B1 answers.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{
    Error, Header, Map, Method, Part, Probe, Request, Response, Said, Told, Value, Via, body_of, http, json,
    outcome_of, passing, request, say, schedule, storage,
};

use crate::change::{self, Change, KEEP_B1, KEEP_SALESFORCE};
use crate::describe::Settings;
use crate::linked::{LINE_ID, Linked, LinkedLine};
use crate::plan::Order;
use crate::{News, Step, Work, adopt, approval, branch, facts, ledger, look, own, total};

/// Sends what was planned, all at once.
pub fn carry_out(flow: &str, settings: &Settings, work: &mut [Work]) {
    work.iter_mut().for_each(ask_about_conflicts);
    let marks = work.iter().any(|w| matches!(w.step, Step::Create(_))) && line_ids();
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate() {
        let request = match (&w.step, &w.change) {
            (Step::Create(order), _) => create(flow, w, order, marks),
            (Step::Update(_, linked), Some(change)) if !change.body.is_empty() => update(w, linked, change),
            (Step::Cancel(linked), _) => cancel(w, linked),
            (Step::Remove(draft), _) => approval::remove(w, *draft),
            _ => continue,
        };
        places.push(place);
        requests.push(request);
    }
    let mut answers: Vec<Option<Result<Response, Error>>> = work.iter().map(|_| None).collect();
    if !requests.is_empty() {
        for (place, answer) in places.into_iter().zip(http::send_all(&requests)) {
            answers[place] = Some(answer);
        }
    }
    let mut added = Vec::new();
    for (w, answer) in work.iter_mut().zip(answers) {
        match (std::mem::replace(&mut w.step, Step::Open), answer) {
            (Step::Create(order), Some(answer)) => created(flow, settings, w, &order, answer),
            (Step::Update(order, linked), answer) => {
                if let Some(linked) = updated(settings, w, &order, &linked, answer) {
                    added.push((w.id().to_owned(), order, linked));
                }
            }
            (Step::Cancel(linked), Some(answer)) => cancelled(w, *linked, answer),
            (Step::Remove(draft), Some(answer)) => approval::removed(settings, w, draft, answer),
            (other, _) => w.step = other,
        }
    }
    number_added(added);
}

/// Rows can carry the line's id: asked of B1 until it says so.
fn line_ids() -> bool {
    const KNOWN: &str = "line-ids";
    if storage::get(KNOWN).is_some() {
        return true;
    }
    let name = LINE_ID.trim_start_matches("U_").to_owned();
    let read = Read::texts("UserFieldsMD", "Name", &[name], "TableName,Name").and("TableName eq 'RDR1'");
    // A user who may not read it does without.
    let there = b1::read(read).is_ok_and(|rows| !rows.is_empty());
    if there {
        let _ = storage::set(KNOWN, "true");
    }
    there
}

/// Both sides changed a line, and a person is to say whose counts.
fn ask_about_conflicts(w: &mut Work) {
    let Some(change) = w.change.as_ref().filter(|change| !change.conflicts.is_empty()) else { return };
    let names: Vec<Told> = change.conflicts.iter().map(|(name, ..)| name.clone().into()).collect();
    let reason = say(
        "orders.both_changed",
        "order {number}: both sides changed {what}",
        [("number", change.linked.doc_num.as_str().into()), ("what", Told::List(names))],
    );
    let sides = change::sides(&change.conflicts);
    w.hold_by(reason, &[KEEP_B1, KEEP_SALESFORCE, "ignore"], &sides);
}

/// A live order of the opportunity, or else the draft as which B1 keeps it for an approver, besides those that are not its own. One that is approved
/// between the two looks is a draft that is closed.
fn made_for(id: &str, order: &Order) -> String {
    let path = |set: &str, besides: &str, others: &[i64], select: &str| {
        let others: String = others.iter().map(|entry| format!(" and DocEntry ne {entry}")).collect();
        let filter = b1::encode(&format!("U_SF_Id eq {}{besides}{others}", b1::quote(id)));
        format!("/{set}?$filter={filter}&$select={select}")
    };
    let orders = path("Orders", " and Cancelled eq 'tNO'", &order.beside, "DocEntry,DocNum,DocumentStatus");
    format!("{orders}\n{}", path("Drafts", "", &order.drafts, approval::DRAFT))
}

fn create(flow: &str, w: &Work, order: &Order, marks: bool) -> Request {
    let mut body = order.header.clone();
    let line = |(id, line): &(String, Map<String, Value>)| {
        if marks { change::fresh(id, line) } else { Value::Object(line.clone()) }
    };
    body.insert("DocumentLines".into(), order.lines.iter().map(line).collect());
    let mut request = request("b1", Method::Post, "/Orders", Some(&Value::Object(body)), w.id());
    request.atomic_with.push(Part {
        method: Method::Post,
        path: "/U_TANDEM".into(),
        body: Some(ledger::row(flow, w, order.generation)),
    });
    request.probe = Some(Probe { path: made_for(w.id(), order), found: "/value/0".into() });
    request
}

/// Rows merge by their number, and one without a number is new. Only where one of ours goes are all others named, with what
/// B1 had when it was read: a row that a clerk adds in between is not lost to it.
fn update(w: &Work, linked: &Linked, change: &Change) -> Request {
    let body = Value::Object(change.body.clone());
    let mut request = request("b1", Method::Patch, format!("/Orders({})", linked.doc_entry), Some(&body), w.id());
    if change.replace {
        request.headers.push(Header { name: "B1S-ReplaceCollectionsOnPatch".into(), value: "true".into() });
        if let Some(tag) = w.document["@odata.etag"].as_str() {
            request.headers.push(Header { name: "If-Match".into(), value: tag.to_owned() });
        }
    }
    request
}

fn cancel(w: &Work, linked: &Linked) -> Request {
    let mut request = request("b1", Method::Post, format!("/Orders({})/Cancel", linked.doc_entry), None, w.id());
    let filter = b1::encode(&format!("DocEntry eq {} and Cancelled eq 'tYES'", linked.doc_entry));
    request.probe =
        Some(Probe { path: format!("/Orders?$filter={filter}&$select=DocEntry"), found: "/value/0".into() });
    request
}

/// An order that was made just now, as B1 answered it.
fn link(settings: &Settings, w: &mut Work, order: &Order, document: &Value) {
    let Some(mut linked) = Linked::made(document, order) else {
        return w.finish(tandem_sdk::retry(2_000, "B1 made the order but did not tell its number; looking again"));
    };
    linked.put(w.id());
    own::forget(w.id());
    w.has_order();
    tell_ordered(w, order, &linked.doc_entry);
    let mut told = vec![say("orders.created", "order {number} created", [("number", linked.doc_num.as_str().into())])];
    told.extend(order.notes.iter().chain(&order.due_note).cloned());
    total::tell(settings, w, &mut linked, told, total::difference(document, order));
}

/// Stock and credit that the order took are shown at once, where flows want it, and not at the next look.
fn tell_ordered(w: &Work, order: &Order, doc_entry: &str) {
    let tell = |topic: &str, record: &str, field: &str, code: &Value| {
        let key = b1::key_text(code);
        tandem_sdk::tell(
            topic,
            &key,
            &format!("{key}:{doc_entry}:{}", w.event.id),
            &json!({ "record": record, field: code }),
        )
    };
    let _ =
        order.header.get("CardCode").is_some_and(|code| tell("credit.wanted", "b1.BusinessPartners", "CardCode", code));
    let items = order.lines.iter().filter_map(|(_, line)| line.get("ItemCode"));
    let _ = items.take_while(|code| tell("stock.wanted", "b1.Items", "ItemCode", code)).count();
}

fn created(flow: &str, settings: &Settings, w: &mut Work, order: &Order, answer: Result<Response, Error>) {
    match answer {
        Ok(response) if response.via == Via::Sent => link(settings, w, order, &body_of(&response)),
        // It was made and the answer lost, in this try or in an earlier one, of what the opportunity was then: it is read, and brought
        // in step, or cancelled where the opportunity is not won any more.
        Ok(response) => {
            if own::sent(w.id()).is_none() {
                own::send(w.id(), order);
            }
            approval::note_kept(w.id(), &body_of(&response));
            w.finish(tandem_sdk::retry(100, "the order was there already: taking it over"));
        }
        // The ledger has its row: the order was made before.
        Err(Error::Remote(remote)) if remote.code == "-2035" => match approval::find_order(w.id()) {
            Ok(Some(_)) => w.finish(tandem_sdk::retry(100, "the order was there already: taking it over")),
            Ok(_) if ledger::stands_alone(flow, w, order) => {}
            Ok(_) => {
                let reason = say(
                    "orders.made_before",
                    "B1's ledger says that an order was made for this opportunity, but there is no open one; was it cancelled in B1?",
                    [],
                );
                w.hold(reason, &[look::MAKE_NEW, "ignore"]);
            }
            Err(error) => {
                let what = say("orders.looking", "looking for the order that is there already", []);
                w.finish(outcome_of(&error, what));
            }
        },
        Err(error @ Error::Remote(_)) if code_of(&error) == "-2028" => {
            own::send(w.id(), order);
            approval::stored_or_refused(settings, w, order, &error);
        }
        Err(error) => {
            match &error {
                Error::Ambiguous(_) => own::send(w.id(), order),
                // There is none of an earlier try, unless B1 is still at that: then it is looked for once more, whatever is answered.
                Error::Remote(_) if passing::pause(&error).is_none() => match own::missed(w.id()) {
                    Some(due) => schedule::wake(due, w.id(), "{}"),
                    None => own::forget(w.id()),
                },
                _ => {}
            }
            match branch::question(order, &error) {
                Some(question) => w.hold(question, &["retry", "ignore"]),
                None => w.fail(&error, creating()),
            }
        }
    }
}

/// What is tried when B1 gets a new order.
pub fn creating() -> Said {
    say("orders.creating", "creating the order", [])
}

fn code_of(error: &Error) -> &str {
    match error {
        Error::Remote(remote) => &remote.code,
        _ => "",
    }
}

/// What is linked, when lines were added whose numbers B1 did not tell.
fn updated(
    settings: &Settings,
    w: &mut Work,
    order: &Order,
    linked: &Linked,
    answer: Option<Result<Response, Error>>,
) -> Option<Linked> {
    let mut change = w.change.take()?;
    w.b1 = facts::of_order(linked);
    let doc_num = &linked.doc_num;
    match answer {
        None | Some(Ok(_)) => {
            let asks_total = total::is_asked(w, &change.linked);
            let number = [("number", doc_num.into())];
            let told = w.adopted.take().unwrap_or_else(|| say("orders.changed", "order {number} changed", number));
            let mut told = vec![told];
            told.extend(change.notes);
            told.extend(order.notes.clone());
            told.extend(order.due_note.clone().filter(|_| change.body.contains_key("DocDueDate")));
            change.linked.put(w.id());
            if change.left.is_empty() && asks_total {
                let entries: Vec<i64> = change.linked.doc_entry.parse().into_iter().collect();
                let documents = adopt::read_again(&entries).unwrap_or_default();
                let difference = documents.first().and_then(|document| total::difference(document, order));
                total::tell(settings, w, &mut change.linked, told, difference);
            } else if change.left.is_empty() {
                let message = Said::all(told);
                w.news = Some(News::synced(&change.linked, &message).loud());
                w.done(message);
            } else {
                let left = Said::all(change.left);
                let reason =
                    say("orders.left", "order {number}: {what}", [("number", doc_num.into()), ("what", left.into())]);
                w.hold(reason, &["retry", "ignore"]);
                w.shows(&change.linked);
            }
            change.adds.then_some(change.linked)
        }
        Some(Err(error)) => {
            match &error {
                Error::Remote(_) if passing::pause(&error).is_none() => {
                    let reason = say(
                        "orders.no_change_of",
                        "B1 does not let {fields} of order {number} be changed: {why}",
                        [
                            ("fields", change.fields().into()),
                            ("number", doc_num.into()),
                            ("why", Said::of_error(&error).into()),
                        ],
                    );
                    w.hold(reason, &["retry", "ignore"]);
                    w.shows(linked);
                }
                // Whatever of it was done is found when the order is read again.
                _ => {
                    let new = |line: &&LinkedLine| !linked.lines.iter().any(|old| old.id == line.id);
                    let adding: Vec<LinkedLine> = change.linked.lines.iter().filter(new).cloned().collect();
                    if !adding.is_empty() {
                        Linked { adding, ..linked.clone() }.put(w.id());
                    }
                    let what = say("orders.changing", "changing order {number}", [("number", doc_num.into())]);
                    w.fail(&error, what);
                }
            }
            None
        }
    }
}

/// B1 numbers new rows itself. Where they cannot be read now they are found by the next change.
fn number_added(added: Vec<(String, Order, Linked)>) {
    let entries: Vec<i64> = added.iter().filter_map(|(_, _, linked)| linked.doc_entry.parse().ok()).collect();
    if entries.is_empty() {
        return;
    }
    let Ok(documents) = adopt::read_again(&entries) else { return };
    for (id, order, mut linked) in added {
        let own = documents.iter().find(|document| b1::key_text(&document["DocEntry"]) == linked.doc_entry);
        if let Some(document) = own {
            linked.number(document, &order);
            linked.put(&id);
        }
    }
}

fn cancelled(w: &mut Work, mut linked: Linked, answer: Result<Response, Error>) {
    w.b1 = facts::of_order(&linked);
    let done = match &answer {
        Ok(_) => true,
        // Somebody was faster in B1.
        Err(Error::Remote(_)) => is_cancelled(&linked),
        Err(_) => false,
    };
    if done {
        linked.cancelled = true;
        linked.status = "Cancelled".into();
        linked.put(w.id());
        let number = [("number", linked.doc_num.as_str().into())];
        let message = if w.opportunity.is_null() {
            say(
                "orders.cancelled_decided",
                "order {number} cancelled, as decided: its opportunity is deleted or not to be seen",
                number,
            )
        } else {
            say("orders.cancelled_here", "order {number} cancelled: the opportunity is no longer won", number)
        };
        w.news = Some(News::synced(&linked, &message));
        w.done(message);
        return;
    }
    let Err(error) = answer else { return };
    let number = linked.doc_num.as_str().into();
    match &error {
        Error::Remote(_) if passing::pause(&error).is_none() => {
            let reason = say(
                "orders.no_cancel",
                "the opportunity is no longer won, but B1 does not let order {number} be cancelled: {why}",
                [("number", number), ("why", Said::of_error(&error).into())],
            );
            w.hold(reason, &["retry", "ignore"]);
            w.shows(&linked);
        }
        _ => w.fail(&error, say("orders.cancelling", "cancelling order {number}", [("number", number)])),
    }
}

fn is_cancelled(linked: &Linked) -> bool {
    let entries: Vec<i64> = linked.doc_entry.parse().into_iter().collect();
    let found = adopt::read_again(&entries).unwrap_or_default();
    found.first().is_some_and(|document| b1::yes(document, "Cancelled"))
}
