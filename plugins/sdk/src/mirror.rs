//! One-way flows: records in Salesforce that show what B1 has. A row is compared with what was written last (the link's
//! base), and only fields that changed are sent; rows are packed 200 to a call by the host.

use std::collections::{BTreeMap, BTreeSet};

pub use crate::row::{Missing, Row, joined};

use crate::desired::sets_of;
use crate::{
    Batch, Error, Event, Link, Map, Method, Outcomes, Request, Said, Side, Value, again, b1, body_of, from_json, links,
    passing,
    refused::{self, LeftOut, Sent},
    request, salesforce,
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

/// Points rows to the records of others that they are shown on: the link only keeps what this flow wrote there. Where a row was shown on
/// another record before, such as the account that a partner had, that one shows it no more; rows whose old record cannot be reached just
/// now are left out, and their events decided.
fn point(rows: &[Row], bases: &mut [Option<Link>], outcomes: &mut Outcomes) -> BTreeSet<usize> {
    let mut moved: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        let Some(target) = &row.shown_on else { continue };
        match &bases[place] {
            Some(link) if link.salesforce_id == *target => {}
            Some(_) => moved.entry(row.object).or_default().push(place),
            None => bases[place] = Some(begin(row, target, None)),
        }
    }
    let mut left_out = BTreeSet::new();
    for (object, places) in moved {
        let links: Vec<Link> = places.iter().filter_map(|place| bases[*place].clone()).collect();
        for (place, taken) in places.into_iter().zip(taken_back(object, &links)) {
            let row = &rows[place];
            match taken {
                Err(error) if passing::pause(&error).is_some() => {
                    outcomes.fail(&row.events, &error, writing(object, &row.b1_id));
                    left_out.insert(place);
                    continue;
                }
                // The record that it is shown on from now on does not wait for that one.
                Err(error) => {
                    let id = bases[place].as_ref().map_or("", |link| link.salesforce_id.as_str());
                    let why = crate::words(&error);
                    outcomes.note_all(&row.events, &format!("{object} {id} still shows {}: {why}", row.b1_id));
                }
                Ok(()) => {}
            }
            let target = row.shown_on.clone().unwrap_or_default();
            let old = bases[place].take();
            if let Some(old) = &old {
                links::delete(row.kind, &old.salesforce_id);
            }
            bases[place] = Some(begin(row, &target, old.as_ref()));
        }
    }
    left_out
}

/// What is shown on the records of others and has none any more to be shown on, such as a partner whose account was unlinked: the record that
/// it was shown on shows it no more.
pub fn take_back(kind: &str, object: &str, of: &[(String, Vec<usize>)], outcomes: &mut Outcomes) {
    let keys: Vec<String> = of.iter().map(|(key, _)| key.clone()).collect();
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

/// Empties what was written on records, as far as it still stands there: what somebody else, such as another company's flow, has written since
/// is theirs. One that is not there, or not to be seen, shows nothing.
fn taken_back(object: &str, links: &[Link]) -> Vec<Result<(), Error>> {
    let written = |link: &Link| -> Map<String, Value> {
        let base = from_json(&link.base).as_object().cloned().unwrap_or_default();
        base.into_iter().filter(|(name, value)| name.ends_with("__c") && !value.is_null()).collect()
    };
    let mut names: Vec<String> =
        links.iter().flat_map(|link| written(link).into_iter().map(|(name, _)| name)).collect();
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
        let own = written(link).into_iter().filter(|(name, value)| same(value, &record[name.as_str()]));
        let empty: Map<String, Value> = own.map(|(name, _)| (name, Value::Null)).collect();
        if empty.is_empty() {
            continue;
        }
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

/// A row's first link with a record. What stands there of another row, whose link this takes the place of, is compared with what is to stand;
/// of the row's own the sets of what it desired go along.
fn begin(row: &Row, target: &str, old: Option<&Link>) -> Link {
    let mut base =
        old.map(|old| from_json(&sets_of(&old.base))).filter(Value::is_object).unwrap_or_else(|| crate::json!({}));
    let there = links::find(row.kind, Side::Salesforce, target).filter(|there| there.b1_id != row.b1_id);
    if let (Some(there), Some(base)) = (there, base.as_object_mut()) {
        let shown = from_json(&there.base).as_object().cloned().unwrap_or_default();
        base.extend(shown.into_iter().filter(|(name, _)| name.ends_with("__c")));
    }
    let link =
        Link { kind: row.kind.into(), b1_id: row.b1_id.clone(), salesforce_id: target.into(), base: base.to_string() };
    links::put(&link);
    link
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
    let unreached = point(rows, &mut bases, outcomes);
    let mut open: Vec<usize> = Vec::new();
    for (place, row) in rows.iter().enumerate().filter(|(place, _)| !unreached.contains(place)) {
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
            match plan(row, bases[place].as_ref(), verify) {
                Some(request) => {
                    places.push(place);
                    requests.push(request);
                }
                None => written[place].id = bases[place].as_ref().map(|link| link.salesforce_id.clone()),
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

/// The call that brings a row up to date; none when it is.
fn plan(row: &Row, link: Option<&Link>, verify: &BTreeMap<String, Value>) -> Option<Request> {
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
    let there = verify.get(&link.salesforce_id).unwrap_or(&base);
    let mut changed: Map<String, Value> = row
        .fields
        .iter()
        .filter(|(name, value)| !same(value, there.get(name.as_str()).unwrap_or(&Value::Null)))
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

/// Keeps what was written; of what was left out the base stays as it was.
fn put_base(row: &Row, link: Option<&Link>, id: &str, left_out: &[LeftOut]) {
    let mut base = link.map(|link| from_json(&link.base)).unwrap_or_default();
    if !base.is_object() {
        base = Value::Object(Map::new());
    }
    if let Some(base) = base.as_object_mut() {
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
        let request = plan(&row, Some(&link), &BTreeMap::new()).expect("B is new");
        assert_eq!((request.path.as_str(), request.body.as_deref()), ("/sobjects/Product2/01t", Some(r#"{"B":"x"}"#)));
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
