//! One-way flows: records in Salesforce that show what B1 has. A row is compared with what was written last (the link's
//! base), and only fields that changed are sent; rows are packed 200 to a call by the host.

use std::collections::{BTreeMap, BTreeSet};

pub use crate::row::{Missing, Row, joined};

use crate::{
    Batch, Decimal, Error, Event, Link, Map, Method, Outcomes, Request, RoundingStrategy, Said, Side, Value, again, b1,
    body_of, from_json, links, passing,
    refused::{self, LeftOut, Sent},
    request, salesforce, storage,
};

/// What became of a row.
pub struct Written {
    /// The record's id; none when it could not be written.
    pub id: Option<String>,
    /// It was there and had all fields already, or nothing was sent for another reason.
    pub unchanged: bool,
    /// It was made.
    pub created: bool,
}

/// The ids that rows of one kind are linked with, by B1's key.
pub fn linked(kind: &str, b1_ids: &[String]) -> BTreeMap<String, Link> {
    let found = links::find_all(kind, Side::B1, b1_ids);
    found.into_iter().flatten().map(|link| (link.b1_id.clone(), link)).collect()
}

/// In a link's base, while the record that its row is shown on was not written yet: what the row showed when it was written last.
const BEFORE: &str = "before";
/// Beside it: what may stand on the record besides that, each as a whole: another row's, or what was sent and not answered.
const OVER: &str = "over";
/// So many of them.
const MOST_OVER: usize = 4;
/// Several flows show it beside their amounts: it does not say whose they are.
const CURRENCY: &str = "Tandem_Currency__c";
/// Where the storage has what a row showed whose record another row has taken, by kind and B1's key.
const LEFT: &str = "left:";

/// What rows of a kind showed when they were written last, whatever became of their records: fields, and what else their links keep of them.
pub fn last_shown(kind: &str, b1_ids: &[String]) -> BTreeMap<String, Value> {
    let mut shown = left(kind, b1_ids);
    shown.extend(linked(kind, b1_ids).into_iter().map(|(key, link)| (key, Value::Object(last_of(&link.base)))));
    shown
}

/// The same of those whose records other rows have taken: few, if any.
fn left(kind: &str, b1_ids: &[String]) -> BTreeMap<String, Value> {
    let prefix = left_key(kind, "");
    let all = storage::scan(&prefix, u32::MAX).into_iter();
    let own = all.filter_map(|entry| Some((entry.key.strip_prefix(&prefix)?.to_owned(), from_json(&entry.value))));
    own.filter(|(key, _)| b1_ids.contains(key)).collect()
}

fn last_of(base: &str) -> Map<String, Value> {
    let mut base = from_json(base).as_object().cloned().unwrap_or_default();
    base.remove(OVER);
    if let Some(Value::Object(before)) = base.remove(BEFORE) {
        base.retain(|name, _| !is_field(name));
        base.extend(before);
    }
    base
}

/// The base of a link with a record of which it is not known what stands there: nothing is taken for standing, and all is written.
fn begun(last: Map<String, Value>, over: Vec<Value>) -> Value {
    let (before, mut base): (Map<String, Value>, Map<String, Value>) =
        last.into_iter().partition(|(name, _)| is_field(name));
    base.insert(BEFORE.into(), before.into());
    if !over.is_empty() {
        base.insert(OVER.into(), over.into());
    }
    base.into()
}

/// What may stand on a link's record, each as a whole.
fn standing(base: &str) -> Vec<Map<String, Value>> {
    let base = from_json(base);
    let fields = |shown: &Value| -> Map<String, Value> {
        let shown = shown.as_object().into_iter().flatten().filter(|(name, _)| is_field(name));
        shown.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    match &base[BEFORE] {
        Value::Null => vec![fields(&base)],
        before => std::iter::once(before).chain(base[OVER].as_array().into_iter().flatten()).map(fields).collect(),
    }
}

/// Of a record of somebody else's it is not known whether it has what was sent.
fn keep_sent(row: &Row, link: &Link) {
    let sent = Value::from(row.fields.clone());
    let base = from_json(&link.base);
    let before = base[OVER].as_array().into_iter().flatten().filter(|own| **own != sent).cloned();
    let over: Vec<Value> = std::iter::once(sent.clone()).chain(before).take(MOST_OVER).collect();
    links::put(&Link { base: begun(last_of(&link.base), over).to_string(), ..link.clone() });
}

fn is_field(name: &str) -> bool {
    name.ends_with("__c")
}

/// What came of pointing rows to their records.
#[derive(Default)]
struct Pointed {
    /// Rows whose old record cannot be reached just now: they are left out, and their events decided.
    unreached: BTreeSet<usize>,
    /// Records that rows have left: what was read of them before holds no more.
    freed: BTreeSet<String>,
}

/// Points rows to the records of others that they are shown on: the link only keeps what this flow wrote there. Where a row was shown on
/// another record before, such as the account that a partner had, that one shows it no more. Rows may take each other's places: all are taken
/// from where they were before the first is put where it is from now on.
fn point(rows: &[Row], bases: &mut [Option<Link>], outcomes: &mut Outcomes) -> Pointed {
    let mut pointed = Pointed::default();
    let mut moved: BTreeMap<&str, Vec<(usize, Link)>> = BTreeMap::new();
    let mut places = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let Some(target) = &row.shown_on else { continue };
        match &bases[place] {
            Some(link) if link.salesforce_id == *target => {}
            Some(link) => moved.entry(row.object).or_default().push((place, link.clone())),
            None => places.push(place),
        }
    }
    for (object, moved) in moved {
        let links: Vec<Link> = moved.iter().map(|(_, link)| link.clone()).collect();
        for ((place, old), taken) in moved.into_iter().zip(taken_back(object, &links)) {
            let row = &rows[place];
            match taken {
                Err(error) if passing::pause(&error).is_some() => {
                    outcomes.fail(&row.events, &error, writing(object, &row.b1_id));
                    pointed.unreached.insert(place);
                    continue;
                }
                // The record that it is shown on from now on does not wait for that one.
                Err(error) => {
                    let (id, why) = (&old.salesforce_id, crate::words(&error));
                    outcomes.note_all(&row.events, &format!("{object} {id} still shows {}: {why}", row.b1_id));
                }
                Ok(()) => {}
            }
            links::delete(row.kind, &old.salesforce_id);
            pointed.freed.insert(old.salesforce_id);
            places.push(place);
        }
    }
    let mut kinds: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    places.into_iter().for_each(|place| kinds.entry(rows[place].kind).or_default().push(place));
    for (kind, places) in kinds {
        begin(kind, &places, rows, bases);
    }
    pointed
}

/// Rows' first links with their records.
fn begin(kind: &str, places: &[usize], rows: &[Row], bases: &mut [Option<Link>]) {
    let target = |place: &usize| rows[*place].shown_on.clone().unwrap_or_default();
    let targets: Vec<String> = places.iter().map(target).collect();
    let new: Vec<String> =
        places.iter().filter(|place| bases[**place].is_none()).map(|place| rows[*place].b1_id.clone()).collect();
    let mut left = if new.is_empty() { BTreeMap::new() } else { left(kind, &new) };
    let others = links::find_all(kind, Side::Salesforce, &targets);
    for ((place, target), other) in places.iter().zip(targets).zip(others) {
        let row = &rows[*place];
        let other = other.filter(|other| other.b1_id != row.b1_id);
        // It has a record of its own again later, and is to go on where it was.
        if let Some(other) = &other {
            let _ = storage::set(&left_key(kind, &other.b1_id), &Value::Object(last_of(&other.base)).to_string());
        }
        let last = match bases[*place].take() {
            Some(own) => last_of(&own.base),
            None => left.remove(&row.b1_id).and_then(|left| left.as_object().cloned()).map_or_else(Map::new, |left| {
                storage::delete(&left_key(kind, &row.b1_id));
                left
            }),
        };
        let over = other.iter().flat_map(|other| standing(&other.base)).map(Value::from).collect();
        let base = begun(last, over).to_string();
        let link = Link { kind: kind.into(), b1_id: row.b1_id.clone(), salesforce_id: target, base };
        links::put(&link);
        bases[*place] = Some(link);
    }
}

fn left_key(kind: &str, b1_id: &str) -> String {
    format!("{LEFT}{kind}:{b1_id}")
}

/// What is shown on the records of others and has none any more to be shown on, such as a partner whose account was unlinked: the record that
/// it was shown on shows it no more.
pub fn take_back(kind: &str, object: &str, of: &[(String, Vec<usize>)], outcomes: &mut Outcomes) {
    if of.is_empty() {
        return;
    }
    let keys: Vec<String> = of.iter().map(|(key, _)| key.clone()).collect();
    left(kind, &keys).keys().for_each(|key| storage::delete(&left_key(kind, key)));
    let linked = linked(kind, &keys);
    let (links, events): (Vec<Link>, Vec<&Vec<usize>>) =
        of.iter().filter_map(|(key, events)| Some((linked.get(key)?.clone(), events))).unzip();
    for ((link, events), taken) in links.iter().zip(events).zip(taken_back(object, &links)) {
        match taken {
            Ok(()) => links::delete(kind, &link.salesforce_id),
            Err(error) => outcomes.fail(events, &error, writing(object, &link.b1_id)),
        }
    }
}

/// Empties what was written on records. Where somebody else, such as another company's flow, has written any of it since, the record shows
/// theirs, and all of it stays. One that is not there, or not to be seen, shows nothing.
fn taken_back(object: &str, links: &[Link]) -> Vec<Result<(), Error>> {
    let shown: Vec<Vec<Map<String, Value>>> = links.iter().map(|link| standing(&link.base)).collect();
    let mut names: Vec<String> = shown.iter().flatten().flat_map(Map::keys).cloned().collect();
    names.push("Id".into());
    names.sort_unstable();
    names.dedup();
    let ids: Vec<String> = links.iter().map(|link| link.salesforce_id.clone()).collect();
    let there = match salesforce::query_in(&names.join(","), object, "Id", &ids, "") {
        Ok(rows) => b1::by_key(rows, "Id"),
        Err(error) => return links.iter().map(|_| Err(error.clone())).collect(),
    };
    let mut results: Vec<Result<(), Error>> = links.iter().map(|_| Ok(())).collect();
    let (mut places, mut requests) = (Vec::new(), Vec::new());
    for (place, link) in links.iter().enumerate() {
        let Some(record) = there.get(&link.salesforce_id) else { continue };
        let empty = shown[place].iter().map(|written| emptied(written, record)).find(|empty| !empty.is_empty());
        let Some(empty) = empty else { continue };
        let path = format!("/sobjects/{object}/{}", link.salesforce_id);
        places.push(place);
        requests.push(request("salesforce", Method::Patch, path, Some(&Value::Object(empty)), &link.b1_id));
    }
    for (place, sent) in places.into_iter().zip(refused::send_all(&requests, |_, _| true)) {
        results[place] = match sent.answer {
            Err(error) if !is_gone(&error) => Err(error),
            _ => Ok(()),
        };
    }
    results
}

/// What takes a row from a record that has it as it was written; nothing where it has anything else.
fn emptied(written: &Map<String, Value>, record: &Value) -> Map<String, Value> {
    let filled = |name: &str| !same(&record[name], &Value::Null);
    let is_theirs = |(name, value): &(&String, &Value)| filled(name) && !stands(value, &record[name.as_str()]);
    // Beside another's currency they are ours where an amount says so: a nothing, or a word, may be anybody's.
    let says = |name: &str| crate::decimal(&record[name]).is_some_and(|amount| !amount.is_zero());
    let is_another = |own: &(&String, &Value)| {
        is_theirs(own) && (own.0 != CURRENCY || !written.keys().any(|name| name != CURRENCY && says(name)))
    };
    if written.iter().any(|own| is_another(&own)) {
        return Map::new();
    }
    let own = written.iter().filter(|own| filled(own.0) && !is_theirs(own));
    own.map(|(name, _)| (name.clone(), Value::Null)).collect()
}

fn writing(object: &str, b1_id: &str) -> Said {
    crate::say("shared.writing", "writing {record}", [("record", format!("{object} {b1_id}").into())])
}

/// Unlinks records of the flow's own that a whole read (by id) does not show: they are made again.
pub fn forget_missing<'a>(links: impl Iterator<Item = &'a Link>, records: &BTreeMap<String, Value>) {
    for link in links.filter(|link| !records.contains_key(&link.salesforce_id)) {
        links::delete(&link.kind, &link.salesforce_id);
    }
}

/// What Salesforce has of linked records, by id, for [`write()`] to compare with. One of the flow's own that is not there is linked no more.
pub fn as_they_are(
    kind: &str,
    b1_ids: &[String],
    object: &str,
    fields: &[String],
) -> Result<BTreeMap<String, Value>, Error> {
    let linked = linked(kind, b1_ids);
    let ids: Vec<String> = linked.values().map(|link| link.salesforce_id.clone()).collect();
    let mut fields: Vec<&str> = fields.iter().map(String::as_str).chain(["Id"]).collect();
    fields.sort_unstable();
    fields.dedup();
    let found = b1::by_key(salesforce::query_in(&fields.join(","), object, "Id", &ids, "")?, "Id");
    forget_missing(linked.values(), &found);
    Ok(found)
}

/// The same as [`write()`]; where their events ask for it, such as in a backfill, records are compared with what Salesforce has: what
/// somebody deleted or changed there is made good.
pub fn write_verified(batch: &Batch, rows: &[Row], outcomes: &mut Outcomes) -> Vec<Written> {
    let verifies = |row: &Row| {
        let asks = |event: &Event| again::verifies(event, &from_json(&event.payload));
        !row.is_switched_off() && row.events.iter().any(|place| asks(&batch.events[*place]))
    };
    let mut verified: BTreeMap<(&str, &str), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| verifies(row)) {
        verified.entry((row.kind, row.object)).or_default().push(row);
    }
    let mut there = BTreeMap::new();
    for ((kind, object), rows) in verified {
        let ids: Vec<String> = rows.iter().map(|row| row.b1_id.clone()).collect();
        let fields: Vec<String> = rows.iter().flat_map(|row| row.fields.keys().cloned()).collect();
        match as_they_are(kind, &ids, object, &fields) {
            Ok(found) => there.extend(found),
            Err(error) => {
                let events: Vec<usize> = rows.iter().flat_map(|row| row.events.clone()).collect();
                let what =
                    crate::say("shared.comparing", "reading {object} to compare it", [("object", object.into())]);
                outcomes.fail(&events, &error, what);
            }
        }
    }
    write(rows, outcomes, &there)
}

/// Writes what differs; decides the events of rows that fail, and notes what was written. What is refused of a row is asked
/// about, and tried again with the row's next event. `verify` gives what Salesforce has by record id: then that is compared,
/// and not what was written last.
pub fn write(rows: &[Row], outcomes: &mut Outcomes, verify: &BTreeMap<String, Value>) -> Vec<Written> {
    let mut written: Vec<Written> =
        rows.iter().map(|_| Written { id: None, unchanged: true, created: false }).collect();
    let mut bases: Vec<Option<Link>> = vec![None; rows.len()];
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let places: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].kind == kind).collect();
        let ids: Vec<String> = places.iter().map(|place| rows[*place].b1_id.clone()).collect();
        for (place, link) in places.into_iter().zip(links::find_all(kind, Side::B1, &ids)) {
            bases[place] = link;
        }
    }
    let pointed = point(rows, &mut bases, outcomes);
    let there = |id: &str| verify.get(id).filter(|_| !pointed.freed.contains(id));
    let mut open: Vec<usize> = Vec::new();
    for (place, row) in rows.iter().enumerate().filter(|(place, _)| !pointed.unreached.contains(place)) {
        match row.missing {
            Missing::Tell if bases[place].is_none() => tell_gone(row, outcomes),
            Missing::Leave if bases[place].is_none() => {}
            _ => open.push(place),
        }
    }
    let twins = twins(rows, &bases);
    open.retain(|place| !twins.contains_key(place));
    for (place, other) in twins {
        let (own, other) = (&rows[place], &rows[other]);
        outcomes.hold(&own.events, crate::twin_words(&own.b1_id, &other.b1_id));
    }
    let mut detached: BTreeMap<usize, Row> = BTreeMap::new();
    // Twice at most: a record of the flow's own that was deleted in Salesforce is made again, and one below a record that is gone stands
    // by itself.
    for last in [false, true] {
        let mut places = Vec::new();
        let mut requests = Vec::new();
        for place in open {
            let row = detached.get(&place).unwrap_or(&rows[place]);
            let link = bases[place].as_ref();
            match plan(row, link, link.and_then(|link| there(&link.salesforce_id))) {
                Some(request) => {
                    places.push(place);
                    requests.push(request);
                }
                None => {
                    if let Some(link) = link.filter(|link| from_json(&link.base)[BEFORE].is_object()) {
                        put_base(row, Some(link), &link.salesforce_id, &[]);
                    }
                    written[place].id = link.map(|link| link.salesforce_id.clone());
                }
            }
        }
        if requests.is_empty() {
            break;
        }
        open = Vec::new();
        let may = |at: usize, field: &str| {
            let row = &rows[places[at]];
            !row.whole && row.external.as_ref().is_none_or(|(key, _)| *key != field)
        };
        for (place, Sent { answer, left_out }) in places.iter().copied().zip(refused::send_all(&requests, may)) {
            let row = &rows[place];
            match answer {
                Ok(response) => {
                    let body = body_of(&response);
                    let known = bases[place].as_ref().map(|link| link.salesforce_id.clone());
                    let told = body["id"].as_str().or(body["Id"].as_str()).map(str::to_owned);
                    let Some(id) = told.or(known) else {
                        let why = format!("{} {}: Salesforce did not tell the record's id", row.object, row.b1_id);
                        row.events.iter().for_each(|event| outcomes.decide(*event, crate::retry(2_000, why.clone())));
                        continue;
                    };
                    let created = bases[place].is_none() && (response.status == 201 || body["created"] == true);
                    let verb = if created { "created" } else { "changed" };
                    outcomes.note_all(&row.events, &format!("{} {} {verb}", row.object, row.b1_id));
                    refused::ask(outcomes, &row.events, format!("{} {}", row.object, row.b1_id), Side::B1, &left_out);
                    put_base(detached.get(&place).unwrap_or(row), bases[place].as_ref(), &id, &left_out);
                    written[place] = Written { id: Some(id), unchanged: false, created };
                }
                Err(error) if !last && names_what_it_is_below(row, &error) => {
                    let field = row.attached.unwrap_or_default();
                    let what = format!("{} {}: what {field} names is gone or not to be seen", row.object, row.b1_id);
                    outcomes.note_all(&row.events, &format!("{what}: shown without it"));
                    detached.insert(place, row.detached());
                    open.push(place);
                }
                Err(error) if bases[place].is_some() && is_gone(&error) && !last => {
                    if let Some(link) = bases[place].take() {
                        links::delete(row.kind, &link.salesforce_id);
                    }
                    match row.missing {
                        Missing::Make => open.push(place),
                        Missing::Tell => tell_gone(row, outcomes),
                        Missing::Leave => {}
                    }
                }
                // What is made cannot be deleted itself: what it belongs to is, and whoever makes that anew shows it again.
                Err(Error::Remote(remote)) if bases[place].is_none() && remote.code == "ENTITY_IS_DELETED" => {
                    let what = format!("{} {}: what it belongs to was deleted in Salesforce", row.object, row.b1_id);
                    outcomes.note_all(&row.events, &format!("{what}: not shown"));
                }
                Err(error) => {
                    let other = bases[place].as_ref().filter(|_| row.shown_on.is_some());
                    if let (Some(link), true) = (other, passing::pause(&error).is_some()) {
                        keep_sent(row, link);
                    }
                    outcomes.fail(&row.events, &error, writing(row.object, &row.b1_id));
                }
            }
        }
    }
    written
}

/// The refusal is about the record that the row is attached to.
fn names_what_it_is_below(row: &Row, error: &Error) -> bool {
    let code = |code: &str| {
        matches!(
            code,
            "ENTITY_IS_DELETED" | "INVALID_CROSS_REFERENCE_KEY" | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        )
    };
    let Some(field) = row.attached.filter(|field| !row.fields.get(*field).is_none_or(Value::is_null)) else {
        return false;
    };
    matches!(error, Error::Remote(remote) if code(&remote.code) && remote.message.contains(field))
}

fn tell_gone(row: &Row, outcomes: &mut Outcomes) {
    outcomes.note_all(&row.events, &format!("the {} of {} is no longer there: not shown", row.object, row.b1_id));
}

/// Rows that are not linked and whose external id Salesforce takes for that of another row, with that row's place: the one
/// that has its record already, or the first. Sent, they would make one record of two.
fn twins(rows: &[Row], bases: &[Option<Link>]) -> BTreeMap<usize, usize> {
    let key = |row: &Row| {
        let (field, value) = row.external.as_ref()?;
        Some((row.object, *field, value.to_lowercase()))
    };
    let (mut owners, mut twins) = (BTreeMap::new(), BTreeMap::new());
    let linked_first = [true, false].map(|linked| (0..rows.len()).filter(move |at| bases[*at].is_some() == linked));
    for place in linked_first.into_iter().flatten() {
        let Some(key) = key(&rows[place]) else { continue };
        let owner = *owners.entry(key).or_insert(place);
        if bases[place].is_none() && rows[owner].external != rows[place].external {
            twins.insert(place, owner);
        }
    }
    twins
}

/// The call that brings a row up to date; none when it is. `there` is what Salesforce has of it, where that was read.
fn plan(row: &Row, link: Option<&Link>, there: Option<&Value>) -> Option<Request> {
    let Some(link) = link else {
        let mut fields = row.on_create.clone();
        fields.extend(row.fields.clone());
        stamp(row, &mut fields);
        let (method, path) = match &row.external {
            Some((field, value)) => {
                fields.remove(*field);
                (Method::Patch, format!("/sobjects/{}/{field}/{}", row.object, segment(value)))
            }
            None => (Method::Post, format!("/sobjects/{}", row.object)),
        };
        let mut request = request("salesforce", method, path, Some(&Value::Object(fields)), &row.b1_id);
        request.probe = row.probe.clone();
        return Some(request);
    };
    let base = from_json(&link.base);
    let is_there = |name: &str, value: &Value| match there {
        // As it was written, also where the field keeps fewer decimal places.
        Some(there) => same(value, &there[name]) || (same(value, &base[name]) && stands(value, &there[name])),
        None => base[BEFORE].is_null() && same(value, &base[name]),
    };
    let mut changed: Map<String, Value> = row
        .fields
        .iter()
        .filter(|(name, value)| !is_there(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if changed.is_empty() {
        return None;
    }
    stamp(row, &mut changed);
    let path = format!("/sobjects/{}/{}", row.object, link.salesforce_id);
    Some(request("salesforce", Method::Patch, path, Some(&Value::Object(changed)), &row.b1_id))
}

fn stamp(row: &Row, fields: &mut Map<String, Value>) {
    if let Some(field) = row.stamp {
        fields.insert(field.into(), salesforce::now());
    }
}

/// The same value in JSON: numbers by value; text without the blanks at its ends, which Salesforce does not keep, and blank text
/// as null.
pub fn same(a: &Value, b: &Value) -> bool {
    if a.is_number() && b.is_number() {
        return crate::decimal(a) == crate::decimal(b);
    }
    let text =
        |value: &Value| if value.is_null() { Some(String::new()) } else { value.as_str().map(|t| t.trim().to_owned()) };
    match (text(a), text(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// What was written stands there as Salesforce keeps it: rounded to the field's decimal places.
fn stands(written: &Value, there: &Value) -> bool {
    let numbers = || crate::decimal(there).zip(crate::decimal(written)).filter(|_| there.is_number());
    same(written, there) || numbers().is_some_and(|(there, written)| is_rounded(there, written))
}

/// The number that was sent, rounded to some number of decimal places from two to six: how many a system keeps of it is a setting of the
/// company or of the field.
pub fn is_rounded(there: Decimal, sent: Decimal) -> bool {
    let to = |places| sent.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    there == sent || (2..=6).any(|places| to(places) == there)
}

/// Keeps what was written; of what was left out the base stays as it was.
fn put_base(row: &Row, link: Option<&Link>, id: &str, left_out: &[LeftOut]) {
    let mut base = link.map(|link| from_json(&link.base)).unwrap_or_default();
    if !base.is_object() {
        base = Value::Object(Map::new());
    }
    if let Some(base) = base.as_object_mut() {
        base.remove(BEFORE);
        base.remove(OVER);
        let taken = |field: &str| left_out.iter().all(|own| own.field != field);
        base.extend(row.fields.clone().into_iter().filter(|(field, _)| taken(field)));
    }
    links::put(&Link {
        kind: row.kind.into(),
        b1_id: row.b1_id.clone(),
        salesforce_id: id.into(),
        base: base.to_string(),
    });
}

/// The record is not there (any more).
pub fn is_gone(error: &Error) -> bool {
    let code = |code: &str| matches!(code, "ENTITY_IS_DELETED" | "NOT_FOUND" | "INVALID_CROSS_REFERENCE_KEY");
    matches!(error, Error::Remote(remote) if remote.status == 404 || code(&remote.code))
}

/// A value as one segment of a path.
pub fn segment(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn numbers_are_the_same_by_value_and_empty_text_is_null() {
        assert!(same(&json!(5), &crate::from_json("5.0")));
        assert!(same(&json!(""), &Value::Null) && same(&json!(" "), &Value::Null));
        assert!(same(&json!("ACME "), &json!("ACME")) && !same(&json!("A B"), &json!("AB")));
        assert!(!same(&json!("5"), &json!(5)));
    }

    #[test]
    fn only_changed_fields_are_sent() {
        let fields = crate::fields(json!({ "A": 1, "B": "x" }));
        let row = Row::new("product", "A1", "Product2", fields);
        let link = Link {
            kind: "product".into(),
            b1_id: "A1".into(),
            salesforce_id: "01t".into(),
            base: r#"{"A":1.0}"#.into(),
        };
        let request = plan(&row, Some(&link), None).expect("B is new");
        assert_eq!((request.path.as_str(), request.body.as_deref()), ("/sobjects/Product2/01t", Some(r#"{"B":"x"}"#)));
    }

    fn sent(row: &Row, base: &Value, there: Option<&Value>) -> Option<Value> {
        let link =
            Link { kind: "credit".into(), b1_id: "C1".into(), salesforce_id: "001".into(), base: base.to_string() };
        plan(row, Some(&link), there).map(|request| from_json(&request.body.unwrap_or_default()))
    }

    #[test]
    fn a_row_that_moves_takes_nothing_for_standing_and_keeps_what_it_showed() {
        let last =
            json!({ "State__c": "exceeded", "Limit__c": 5, "alert": { "subject": "s" }, "rows:warehouse": ["01"] });
        let own = last.as_object().cloned().unwrap();
        let other = json!({ "State__c": "near", "Limit__c": 9 });
        let base = begun(own.clone(), vec![other.clone()]);
        assert_eq!(
            (&base["alert"], &base["rows:warehouse"], &base["State__c"]),
            (&last["alert"], &last["rows:warehouse"], &Value::Null)
        );
        assert_eq!(last_of(&base.to_string()), own);
        assert_eq!(
            last_of(&begun(own.clone(), Vec::new()).to_string()),
            own,
            "also when it moves once more before it is written"
        );
        let row =
            Row::new("credit", "C1", "Account", crate::fields(json!({ "State__c": "exceeded", "Limit__c": null })));
        // What stands there of another row, or of another company, is overwritten, with nothing, too.
        let all = Some(json!({ "State__c": "exceeded", "Limit__c": null }));
        assert_eq!((sent(&row, &base, None), sent(&row, &begun(own, Vec::new()), None)), (all.clone(), all));
        assert_eq!(
            sent(&row, &base, Some(&json!({ "State__c": "exceeded", "Limit__c": 9 }))),
            Some(json!({ "Limit__c": null }))
        );
    }

    #[test]
    fn what_a_field_keeps_in_fewer_decimal_places_stands_as_it_was_written() {
        let amount = |text: &str| from_json(&format!(r#"{{"A__c":{text}}}"#));
        let row = Row::new("credit", "C1", "Account", crate::fields(amount("100.125")));
        assert_eq!(sent(&row, &amount("100.125"), Some(&amount("100.13"))), None);
        assert_eq!(sent(&row, &amount("100.13"), Some(&amount("100.13"))), Some(amount("100.125")), "not written yet");
        assert!(sent(&row, &amount("100.125"), Some(&amount("100.12"))).is_some(), "somebody else's");
    }

    #[test]
    fn a_record_is_emptied_where_it_shows_what_was_written_and_left_whole_where_it_shows_anothers() {
        let written = crate::fields(from_json(r#"{"A__c":100.125,"B__c":0,"C__c":"EUR","D__c":null}"#));
        let all = json!({ "A__c": null, "B__c": null, "C__c": null });
        let emptied = |record: &str| Value::Object(emptied(&written, &from_json(record)));
        assert_eq!(emptied(r#"{"A__c":100.13,"B__c":0.0,"C__c":"EUR","D__c":null}"#), all);
        assert_eq!(
            emptied(r#"{"A__c":100.13,"B__c":0.0,"C__c":null,"D__c":null}"#),
            json!({ "A__c": null, "B__c": null })
        );
        for another in [r#"{"A__c":7,"B__c":0,"C__c":"EUR"}"#, r#"{"A__c":100.13,"B__c":0,"C__c":"EUR","D__c":5}"#] {
            assert_eq!(emptied(another), json!({}), "{another}");
        }
    }

    #[test]
    fn of_a_record_that_was_not_written_it_is_known_what_may_stand_there() {
        let fields = |value: Value| crate::fields(value);
        let [last, other] = [fields(json!({ "A__c": 1 })), fields(json!({ "A__c": 2 }))];
        assert_eq!(standing(r#"{"A__c":1,"alert":{}}"#), vec![last.clone()]);
        let base = begun(last.clone(), vec![other.clone().into()]).to_string();
        assert_eq!(standing(&base), [last, other]);
    }

    #[test]
    fn the_currency_that_flows_share_does_not_say_whose_the_amounts_are() {
        let written = crate::fields(json!({ "A__c": 5, "Tandem_Currency__c": "EUR" }));
        let emptied = |record: Value| Value::Object(emptied(&written, &record));
        let theirs = json!({ "A__c": 5, "Tandem_Currency__c": "USD" });
        assert_eq!(emptied(theirs), json!({ "A__c": null }), "it is another's, and the amount is not");
        assert_eq!(emptied(json!({ "A__c": 7, "Tandem_Currency__c": "EUR" })), json!({}));
        let zeros = crate::fields(json!({ "A__c": 0, "B__c": null, "C__c": "ok", "Tandem_Currency__c": "EUR" }));
        let there = |currency: &str| json!({ "A__c": 0.0, "B__c": null, "C__c": "ok", "Tandem_Currency__c": currency });
        assert_eq!(super::emptied(&zeros, &there("USD")), Map::new(), "another company's zeros");
        assert_eq!(super::emptied(&zeros, &there("EUR")).len(), 3);
    }

    #[test]
    fn a_row_whose_external_id_differs_in_capitals_only_is_not_sent() {
        let row = |code: &str| Row::new("product", code, "Product2", Map::new()).external("Code__c", code);
        let rows = [row("PUMP-X1"), row("PUMP-x1"), row("PUMP-X2"), row("PUMP-X1")];
        assert_eq!(twins(&rows, &[None, None, None, None]), BTreeMap::from([(1, 0)]));
        let link =
            Link { kind: "product".into(), b1_id: "PUMP-x1".into(), salesforce_id: "01t".into(), base: "{}".into() };
        assert_eq!(twins(&rows, &[None, Some(link), None, None]), BTreeMap::from([(0, 1), (3, 1)]));
    }
}
