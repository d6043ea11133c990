//! Carries the plan out in B1: creates with a ledger row in one change set, changes, cancels; and understands what B1
//! answers.

use tandem_sdk::{
    Error, Header, Link, Map, Method, Outcome, Part, Probe, Request, Response, Value, Via, b1, body_of, clock, events,
    http, json, links, outcome_of, request, schedule, storage,
};

use crate::describe::Settings;
use crate::plan::{Linked, Order, awaits};
use crate::{News, Step, Work, facts, found};

/// Sends what was planned, all at once.
pub fn carry_out(flow: &str, settings: &Settings, work: &mut [Work]) {
    for w in work.iter_mut() {
        match std::mem::replace(&mut w.step, Step::Open) {
            Step::Adopt(order, found) => adopt(flow, w, order, &found),
            Step::Await => await_approval(settings, w),
            Step::Awaited(order) => decided(flow, w, order),
            Step::Withdraw => withdraw(settings, w),
            other => w.step = other,
        }
    }
    let mut places = Vec::new();
    let mut requests = Vec::new();
    for (place, w) in work.iter().enumerate() {
        let request = match &w.step {
            Step::Create(order) => create(flow, w, order),
            Step::Update(order, linked) => update(w, order, linked),
            Step::Cancel(linked) => cancel(w, linked),
            _ => continue,
        };
        places.push(place);
        requests.push(request);
    }
    if requests.is_empty() {
        return;
    }
    let answers = http::send_all(&requests);
    for (place, answer) in places.into_iter().zip(answers) {
        let w = &mut work[place];
        match std::mem::replace(&mut w.step, Step::Open) {
            Step::Create(order) => created(flow, settings, w, order, answer),
            Step::Update(order, linked) => updated(w, order, linked, answer),
            Step::Cancel(linked) => cancelled(w, linked, answer),
            other => w.step = other,
        }
    }
}

fn create(flow: &str, w: &Work, order: &Order) -> Request {
    let mut body = order.header.clone();
    let lines: Vec<Value> = order.lines.iter().map(|(_, line)| Value::Object(line.clone())).collect();
    body.insert("DocumentLines".into(), Value::Array(lines));
    let mut request = request("b1", Method::Post, "/Orders", Some(&Value::Object(body)), w.id());
    request.atomic_with.push(Part {
        method: Method::Post,
        path: "/U_TANDEM".into(),
        body: Some(ledger_row(flow, w, order).to_string()),
    });
    request.probe = Some(Probe { path: found::address(w.id()), found: "/value/0".into() });
    request
}

/// The ledger's key makes a second order impossible, even for a host that has lost its memory.
fn ledger_row(flow: &str, w: &Work, order: &Order) -> Value {
    let purpose = match w.event.resolution.as_deref() {
        Some("create again") => format!("order-e{}", w.event.id),
        _ => format!("order-{}", order.generation),
    };
    let code = format!("{flow}:{}:{purpose}", w.id());
    json!({ "Code": code, "Name": code })
}

/// Takes over an order that stands in B1 as it is there, with its row in the ledger, and brings it in step.
fn adopt(flow: &str, w: &mut Work, order: Order, found: &Value) {
    let Some(linked) = found::linked(found, &order) else {
        return w.finish(tandem_sdk::retry(2_000, "B1 did not tell the number of the order that is there"));
    };
    // One that was approved has no row yet; any other has: that it is there already is as good.
    let row = ledger_row(flow, w, &order);
    let _ = http::send(&request("b1", Method::Post, "/U_TANDEM", Some(&row), w.id()));
    w.rows = b1::lines(found).to_vec();
    put_link(w.id(), &linked);
    let approved = storage::get(&awaits(w.id())).is_some();
    storage::delete(&awaits(w.id()));
    tell_flows(w, &order, &linked.doc_entry);
    if linked.same_as(&order) {
        let how = if approved { "approved in B1" } else { "was there already: linked" };
        let message = format!("order {} {how}", linked.doc_num);
        w.news = Some(News::synced(&linked.doc_num, &linked.doc_entry, "Open", message.clone()));
        return w.finish(Outcome::Done(message));
    }
    // What was changed meanwhile.
    let answer = http::send(&update(w, &order, &linked));
    updated(w, order, linked, answer);
}

/// Where a line of the opportunity stands in B1's order.
enum Row {
    /// In this row, which was in step with these fields last.
    There(i64, Map<String, Value>),
    /// Somebody removed its row in B1, and nobody in Salesforce has said anything else since.
    Removed(i64),
    New,
}

/// The rows of the lines that are wanted.
fn rows(w: &Work, order: &Order, linked: &Linked) -> Vec<Row> {
    let number = |row: &Value| row["LineNum"].as_i64();
    let known = |num: i64| linked.lines.iter().any(|(_, own, _)| *own == num);
    let mut foreign: Vec<&Value> = w.rows.iter().filter(|row| number(row).is_some_and(|num| !known(num))).collect();
    let there = |num: i64| w.rows.is_empty() || w.rows.iter().any(|row| number(row) == Some(num));
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut row_of = |(id, line): &(String, Map<String, Value>)| {
        match linked.lines.iter().find(|(own, ..)| own == id) {
            Some((_, num, old)) if there(*num) => return Row::There(*num, fields(old)),
            Some((_, num, old)) if fields(old) == *line => return Row::Removed(*num),
            _ => {}
        }
        // Sent before, and its answer lost.
        let sent = linked.adding.iter().find(|(own, _)| own == id).map(|(_, sent)| fields(sent));
        for before in [Some(line.clone()), sent].into_iter().flatten() {
            if let Some(place) = foreign.iter().position(|row| found::is_as(row, &before)) {
                return number(foreign.remove(place)).map_or(Row::New, |num| Row::There(num, before));
            }
        }
        Row::New
    };
    order.lines.iter().map(&mut row_of).collect()
}

/// What changed in Salesforce since the last time, and nothing else: what a clerk did in B1 meanwhile stays.
fn update(w: &Work, order: &Order, linked: &Linked) -> Request {
    // B1 refuses to change `CardCode`, and it did not change: an order of another customer is another order.
    let mut body = changed(&linked.header, &order.header);
    let numbers: Vec<i64> = w.rows.iter().filter_map(|row| row["LineNum"].as_i64()).collect();
    let mut next = numbers.iter().map(|num| num + 1).fold(linked.next_line, i64::max);
    let mut named: Vec<i64> = linked.lines.iter().map(|(_, num, _)| *num).collect();
    let mut lines: Vec<Value> = Vec::new();
    for (row, (_, line)) in rows(w, order, linked).into_iter().zip(&order.lines) {
        let (num, mut fields) = match row {
            Row::There(num, before) => (num, changed(&before, line)),
            Row::Removed(_) => continue,
            Row::New => {
                next += 1;
                (next - 1, line.clone())
            }
        };
        fields.insert("LineNum".into(), num.into());
        named.push(num);
        lines.push(Value::Object(fields));
    }
    // Rows of others, such as those of a clerk or the components of a kit: what is not named is removed.
    lines.extend(numbers.iter().filter(|num| !named.contains(num)).map(|num| json!({ "LineNum": num })));
    body.insert("DocumentLines".into(), Value::Array(lines));
    let path = format!("/Orders({})", linked.doc_entry);
    let mut request = request("b1", Method::Patch, path, Some(&Value::Object(body)), w.id());
    request.headers.push(Header { name: "B1S-ReplaceCollectionsOnPatch".into(), value: "true".into() });
    request
}

/// Fields that are not what they were; what is lost is emptied.
fn changed(before: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let lost = before.keys().filter(|name| !now.contains_key(*name)).map(|name| (name.clone(), Value::Null));
    let fresh = now.iter().filter(|(name, value)| before.get(*name) != Some(value));
    fresh.map(|(name, value)| (name.clone(), value.clone())).chain(lost).collect()
}

fn cancel(w: &Work, linked: &Linked) -> Request {
    let mut request = request("b1", Method::Post, format!("/Orders({})/Cancel", linked.doc_entry), None, w.id());
    let filter = b1::encode(&format!("DocEntry eq {} and Cancelled eq 'tYES'", linked.doc_entry));
    request.probe =
        Some(Probe { path: format!("/Orders?$filter={filter}&$select=DocEntry"), found: "/value/0".into() });
    request
}

fn link(w: &mut Work, order: &Order, made: &Value, doc_entry: String, doc_num: String) {
    let message = format!("order {doc_num} created");
    let given = found::numbers(made, order);
    let next_line = b1::lines(made).iter().filter_map(|line| line["LineNum"].as_i64()).map(|num| num + 1).max();
    let linked = Linked {
        doc_entry: doc_entry.clone(),
        doc_num: doc_num.clone(),
        cancelled: false,
        generation: order.generation,
        header: order.header.clone(),
        lines: order
            .lines
            .iter()
            .zip(given)
            .enumerate()
            .map(|(place, ((id, line), num))| (id.clone(), num.unwrap_or(place as i64), Value::Object(line.clone())))
            .collect(),
        next_line: next_line.unwrap_or(order.lines.len() as i64),
        adding: Vec::new(),
    };
    put_link(w.id(), &linked);
    tell_flows(w, order, &doc_entry);
    w.news = Some(News::synced(&doc_num, &doc_entry, "Open", message.clone()));
    w.finish(Outcome::Done(message));
}

/// Stock and credit that the order took are shown at once, where flows want it, and not at the next look.
fn tell_flows(w: &Work, order: &Order, doc_entry: &str) {
    let tell = |topic: &str, field: &str, code: &Value| {
        let key = b1::key_text(code);
        let emission = events::Emission {
            topic: topic.into(),
            dedup: format!("{key}:{doc_entry}:{}", w.event.id),
            key,
            payload: json!({ field: code }).to_string(),
        };
        // Nobody wants it: nothing to tell.
        events::emit(&emission).is_ok()
    };
    let _ = order.header.get("CardCode").is_some_and(|code| tell("credit.wanted", "CardCode", code));
    let items = order.lines.iter().filter_map(|(_, line)| line.get("ItemCode"));
    let _ = items.take_while(|code| tell("stock.wanted", "ItemCode", code)).count();
}

fn put_link(id: &str, linked: &Linked) {
    links::put(&Link {
        kind: "order".into(),
        b1_id: linked.doc_entry.clone(),
        salesforce_id: id.into(),
        base: linked.base(),
    });
}

fn entry_and_number(order: &Value) -> Option<(String, String)> {
    Some((order["DocEntry"].as_i64()?.to_string(), order["DocNum"].as_i64()?.to_string()))
}

fn created(flow: &str, settings: &Settings, w: &mut Work, order: Order, answer: Result<Response, Error>) {
    match answer {
        // Not sent: what a probe found is not yet what is wanted now.
        Ok(response) if response.via == Via::Probe => look_again(flow, w, order, CREATED_BEFORE),
        Ok(response) => {
            let made = body_of(&response);
            match entry_and_number(&made) {
                Some((entry, number)) => link(w, &order, &made, entry, number),
                None => {
                    w.finish(tandem_sdk::retry(2_000, "B1 made the order but did not tell its number; looking again"));
                }
            }
        }
        // The ledger has its row: the order was made before.
        Err(Error::Remote(remote)) if remote.code == "-2035" => look_again(flow, w, order, CREATED_BEFORE),
        // Missing master data, or the trap: an approval procedure stored a draft.
        Err(Error::Remote(remote)) if remote.code == "-2028" => match found::draft(w.id()) {
            Ok(Some(_)) => await_approval(settings, w),
            Ok(None) => {
                w.hold(format!("B1 refused the order: {} ({})", remote.message, remote.code), &["retry", "ignore"])
            }
            Err(error) => w.finish(outcome_of(&error, "looking for a draft that awaits approval")),
        },
        Err(error) => fail(w, &error, "creating the order"),
    }
}

/// What is asked when the ledger knows of an order that does not stand.
const CREATED_BEFORE: (&str, &[&str]) = (
    "B1's ledger says that an order was made for this opportunity, but there is no open one; was it cancelled in B1?",
    &["create again", "ignore"],
);

/// An order that must be there: taken over as it is; asked about when it is not there.
fn look_again(flow: &str, w: &mut Work, order: Order, else_ask: (&str, &[&str])) {
    match found::order(w.id(), &order) {
        Ok(Some(found)) => adopt(flow, w, order, &found),
        Ok(None) => w.hold(else_ask.0, else_ask.1),
        Err(error) => w.finish(outcome_of(&error, "looking for the order that is there already")),
    }
}

fn fail(w: &mut Work, error: &Error, what: &str) {
    match outcome_of(error, what) {
        Outcome::Review(request) => {
            let choices: Vec<&str> = request.choices.iter().map(String::as_str).collect();
            w.hold(request.reason.clone(), &choices);
        }
        other => w.finish(other),
    }
}

fn updated(w: &mut Work, order: Order, mut linked: Linked, answer: Result<Response, Error>) {
    w.b1 = facts::of_order(&linked);
    let rows = rows(w, &order, &linked);
    match answer {
        Ok(_) => {
            let mut fresh = Vec::new();
            if rows.iter().any(|row| matches!(row, Row::New)) {
                let mut before: Vec<i64> = w.rows.iter().filter_map(|row| row["LineNum"].as_i64()).collect();
                before.extend(linked.lines.iter().map(|(_, num, _)| *num));
                match fresh_line_numbers(w.id(), &linked, &before) {
                    Ok(numbers) => fresh = numbers,
                    Err(error) => return w.finish(outcome_of(&error, "reading the numbers of new order lines")),
                }
            }
            let mut fresh = fresh.into_iter();
            let mut next = linked.next_line;
            let mut lines = Vec::with_capacity(rows.len());
            for (row, (id, line)) in rows.into_iter().zip(&order.lines) {
                let num = match row {
                    Row::There(num, _) | Row::Removed(num) => num,
                    Row::New => fresh.next().unwrap_or(next),
                };
                next = next.max(num + 1);
                lines.push((id.clone(), num, Value::Object(line.clone())));
            }
            (linked.lines, linked.next_line, linked.header, linked.adding) = (lines, next, order.header, Vec::new());
            put_link(w.id(), &linked);
            let message = format!("order {} changed", linked.doc_num);
            w.news = Some(News::synced(&linked.doc_num, &linked.doc_entry, "Open", message.clone()));
            w.finish(Outcome::Done(message));
        }
        Err(Error::Remote(remote)) if remote.status < 500 => w.hold(
            format!("B1 does not let order {} be changed: {} ({})", linked.doc_num, remote.message, remote.code),
            &["retry", "ignore"],
        ),
        Err(error) => {
            // Whether the new lines are there is seen by what they say: they are not added a second time.
            let sent = rows.iter().zip(&order.lines).filter(|(row, _)| matches!(row, Row::New));
            let sent: Vec<(String, Value)> =
                sent.map(|(_, (id, line))| (id.clone(), Value::Object(line.clone()))).collect();
            if !sent.is_empty() {
                linked.adding = sent;
                put_link(w.id(), &linked);
            }
            fail(w, &error, &format!("changing order {}", linked.doc_num));
        }
    }
}

/// The numbers B1 gave to lines that were added: whether it takes the `LineNum` sent with a new line is not documented.
fn fresh_line_numbers(subject: &str, linked: &Linked, before: &[i64]) -> Result<Vec<i64>, Error> {
    let filter = b1::encode(&format!("DocEntry eq {}", linked.doc_entry));
    let order = found::one(&format!("/Orders?$filter={filter}&$select=DocEntry,DocumentLines"), subject)?;
    let order = order.unwrap_or_default();
    let numbers = order["DocumentLines"].as_array().into_iter().flatten().filter_map(|line| line["LineNum"].as_i64());
    let mut fresh: Vec<i64> = numbers.filter(|num| !before.contains(num)).collect();
    fresh.sort_unstable();
    Ok(fresh)
}

fn cancelled(w: &mut Work, mut linked: Linked, answer: Result<Response, Error>) {
    w.b1 = facts::of_order(&linked);
    let done = match &answer {
        Ok(_) => true,
        // Somebody was faster in B1.
        Err(Error::Remote(_)) => is_cancelled(w.id(), &linked),
        Err(_) => false,
    };
    if done {
        linked.cancelled = true;
        put_link(w.id(), &linked);
        let message = format!("order {} cancelled: the opportunity is no longer won", linked.doc_num);
        w.news = Some(News::synced(&linked.doc_num, &linked.doc_entry, "Cancelled", message.clone()));
        w.finish(Outcome::Done(message));
        return;
    }
    match answer {
        Err(Error::Remote(remote)) if remote.status < 500 => w.hold(
            format!(
                "the opportunity is no longer won, but B1 does not let order {} be cancelled: {} ({})",
                linked.doc_num, remote.message, remote.code
            ),
            &["retry", "ignore"],
        ),
        Err(error) => fail(w, &error, &format!("cancelling order {}", linked.doc_num)),
        Ok(_) => {}
    }
}

fn is_cancelled(subject: &str, linked: &Linked) -> bool {
    let filter = b1::encode(&format!("DocEntry eq {} and Cancelled eq 'tYES'", linked.doc_entry));
    matches!(found::one(&format!("/Orders?$filter={filter}&$select=DocEntry"), subject), Ok(Some(_)))
}

fn await_approval(settings: &Settings, w: &mut Work) {
    look_later(settings, w);
    let message = "the order awaits approval in B1; what changes until then follows when it is approved".to_owned();
    w.news = Some(News::synced("", "", "Awaiting approval", message.clone()));
    w.finish(Outcome::Done(message));
}

fn look_later(settings: &Settings, w: &Work) {
    let _ = storage::set(&awaits(w.id()), "true");
    schedule::wake(clock::now() + settings.approval_poll_minutes * 60_000, w.id(), "{}");
}

/// The draft that waited is gone. Whether it was refused only a look at the orders tells that comes after.
fn decided(flow: &str, w: &mut Work, order: Order) {
    look_again(
        flow,
        w,
        order,
        ("the order awaited approval in B1, and its draft is gone: it was refused", &["retry", "ignore"]),
    );
    if matches!(&w.step, Step::Finished(Outcome::Review(_))) {
        storage::delete(&awaits(w.id()));
    }
}

/// No longer won, or deleted, while its draft waits: B1 lets nobody take a draft out of its approval, so that what becomes of it
/// is watched, and an order is cancelled.
fn withdraw(settings: &Settings, w: &mut Work) {
    let nothing = Order { header: Map::new(), lines: Vec::new(), generation: 1 };
    let seen = found::draft(w.id()).and_then(|draft| Ok((draft, found::order(w.id(), &nothing)?)));
    match seen {
        Err(error) => w.finish(outcome_of(&error, "looking for the draft of an opportunity that is no longer won")),
        Ok((_, Some(made))) => match found::linked(&made, &nothing) {
            Some(linked) => {
                storage::delete(&awaits(w.id()));
                put_link(w.id(), &linked);
                w.step = Step::Cancel(linked);
            }
            None => w.finish(tandem_sdk::retry(2_000, "B1 did not tell the number of the order that is there")),
        },
        Ok((Some(draft), None)) => {
            look_later(settings, w);
            let message = format!(
                "no longer won, but its order awaits approval in B1 as draft {}: refuse it there; approved all the same, it is cancelled",
                b1::key_text(&draft["DocEntry"])
            );
            w.news = Some(News { state: "Review", ..News::synced("", "", "Awaiting approval", message.clone()) });
            w.finish(Outcome::Done(message));
        }
        Ok((None, None)) => {
            storage::delete(&awaits(w.id()));
            let message = "no longer won; the draft that awaited approval in B1 is gone".to_owned();
            w.news = Some(News::synced("", "", "Cancelled", message.clone()));
            w.finish(Outcome::Done(message));
        }
    }
}
