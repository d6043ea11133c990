//! Packs single-record writes: into sObject Collections, up to 200 in one call, each succeeding or failing alone
//! (`allOrNone: false`); very many of one kind into a Bulk API job. Source: REST API guide, sObject Collections.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::bulk;
use super::error::told;
use crate::connections::{Answer, Call, CallError, CallResult, Method};

/// Records of one call.
const MOST_RECORDS: usize = 200;

/// From so many writes of one kind a job costs fewer calls than collections do.
pub const BULK_ROWS: usize = 2_000;

/// A write to one record, read from its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Write {
    Create { object: String },
    Update { object: String, id: String },
    Upsert { object: String, field: String, value: String },
}

/// A call's place, the record it writes, and the fields.
pub(super) type Member = (usize, Write, Map<String, Value>);

/// Several calls that go out as one.
#[derive(Debug)]
pub struct Packed {
    /// What is sent.
    pub call: Call,
    /// The places of its records among the calls, in order.
    pub places: Vec<usize>,
    creates: bool,
}

/// Calls by the way they go out.
#[derive(Debug, Default)]
pub(super) struct Packs {
    /// Very many updates or upserts of one object.
    pub jobs: Vec<Vec<Member>>,
    /// Collections.
    pub packed: Vec<Packed>,
    /// Places of those that go alone.
    pub alone: Vec<usize>,
}

/// The object whose record a call writes; none where it writes none, or several.
pub(super) fn object_of(call: &Call) -> Option<String> {
    as_write(call).map(|(write, _)| match write {
        Write::Create { object } | Write::Update { object, .. } | Write::Upsert { object, .. } => object,
    })
}

/// Sorts calls by the way they go out.
pub(super) fn pack(calls: &[Call]) -> Packs {
    let mut packs = Packs::default();
    let mut groups: Vec<(String, HashSet<Write>, Vec<Member>)> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let Some((write, fields)) = as_write(call) else {
            packs.alone.push(place);
            continue;
        };
        // One object per call: mixed types are limited to ten runs of equal type, one type has no such limit.
        let name = match &write {
            Write::Create { object } => format!("POST {object}"),
            Write::Update { object, .. } => format!("PATCH {object}"),
            Write::Upsert { object, field, .. } => format!("UPSERT {object} {field}"),
        };
        let creates = matches!(write, Write::Create { .. });
        // The same record twice in one call is refused.
        let open = groups.iter_mut().find(|(group, seen, _)| *group == name && (creates || !seen.contains(&write)));
        match open {
            Some((_, seen, members)) => {
                seen.insert(write.clone());
                members.push((place, write, fields));
            }
            None => groups.push((name, HashSet::from([write.clone()]), vec![(place, write, fields)])),
        }
    }
    for (_, _, members) in groups {
        if members.len() >= BULK_ROWS && fits_a_job(&members) {
            let (cells, texts) = members.into_iter().partition(bulk::in_cells);
            packs.jobs.push(cells);
            packs.collect(texts);
        } else {
            packs.collect(members);
        }
    }
    packs.alone.sort_unstable();
    packs
}

/// True when a job can carry these rows: updates and upserts of plain values.
fn fits_a_job(members: &[Member]) -> bool {
    let plain = |value: &Value| !value.is_object() && !value.is_array();
    members.iter().all(|(_, write, fields)| !matches!(write, Write::Create { .. }) && fields.values().all(plain))
}

impl Packs {
    fn collect(&mut self, mut members: Vec<Member>) {
        while !members.is_empty() {
            let rest = members.split_off(members.len().min(MOST_RECORDS));
            match members.as_slice() {
                [(place, write, _)] if !in_body_only(write) => self.alone.push(*place),
                _ => self.packed.push(pack_group(members)),
            }
            members = rest;
        }
    }
}

/// Members of a job that could not be, as collections.
pub(super) fn collected(members: Vec<Member>) -> Packs {
    let mut packs = Packs::default();
    packs.collect(members);
    packs
}

/// A value that would have to be escaped in an address: servers differ in what they make of an escaped slash.
fn in_body_only(write: &Write) -> bool {
    matches!(write, Write::Upsert { value, .. } if value.contains(|c: char| !(c.is_ascii_alphanumeric() || "-._~:@".contains(c))))
}

fn pack_group(members: Vec<Member>) -> Packed {
    let mut places = Vec::with_capacity(members.len());
    let mut records = Vec::with_capacity(members.len());
    let mut target = (Method::Patch, "/composite/sobjects".to_owned());
    let mut creates = false;
    for (place, write, mut record) in members {
        places.push(place);
        let object = match write {
            Write::Create { object } => {
                target.0 = Method::Post;
                creates = true;
                object
            }
            Write::Update { object, id } => {
                record.insert("id".into(), id.into());
                object
            }
            Write::Upsert { object, field, value } => {
                target.1 = format!("/composite/sobjects/{object}/{field}");
                record.insert(field, value.into());
                object
            }
        };
        record.insert("attributes".into(), json!({ "type": object }));
        records.push(Value::Object(record));
    }
    let body = json!({ "allOrNone": false, "records": records });
    Packed { call: Call::write(target.0, target.1, &body), places, creates }
}

/// The result of each record, in the shape the single call would have had.
pub fn unpack(packed: &Packed, result: &CallResult) -> Vec<CallResult> {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return vec![Err(error.clone()); packed.places.len()],
    };
    let rows = match serde_json::from_str::<Value>(&answer.body) {
        Ok(Value::Array(rows)) if rows.len() == packed.places.len() => rows,
        _ => {
            let why = "Salesforce's answer to a collection does not fit the records sent";
            return vec![Err(CallError::Ambiguous(why.into())); packed.places.len()];
        }
    };
    rows.into_iter().map(|row| row_result(row, packed.creates)).collect()
}

fn row_result(row: Value, creates: bool) -> CallResult {
    if row["success"] == Value::Bool(true) {
        let created = creates || row["created"] == Value::Bool(true);
        return Ok(Answer {
            status: if created { 201 } else { 200 },
            headers: Vec::new(),
            body: json!({ "id": row["id"], "success": true, "errors": [], "created": created }).to_string(),
        });
    }
    let (code, message) = told(row["errors"].as_array().map(Vec::as_slice).unwrap_or_default());
    let message = if message.is_empty() { "refused without an explanation".to_owned() } else { message };
    Err(CallError::Remote { status: 400, code, message })
}

fn as_write(call: &Call) -> Option<(Write, Map<String, Value>)> {
    if !call.atomic_with.is_empty() || !call.headers.is_empty() {
        return None;
    }
    let fields = match serde_json::from_str(call.body.as_deref()?) {
        Ok(Value::Object(fields)) => fields,
        _ => return None,
    };
    let mut segments = call.path.strip_prefix("/sobjects/")?.split('/');
    let object = segments.next().filter(|s| !s.is_empty() && !s.contains('?'))?.to_owned();
    let rest: Vec<&str> = segments.collect();
    let write = match (call.method, rest.as_slice()) {
        (Method::Post, []) => Write::Create { object },
        (Method::Patch, [id]) => Write::Update { object, id: (*id).to_owned() },
        (Method::Patch, [field, value]) => {
            let value = percent_decode_str(value).decode_utf8().ok()?.into_owned();
            Write::Upsert { object, field: (*field).to_owned(), value }
        }
        _ => return None,
    };
    Some((write, fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(id: usize) -> Call {
        Call::write(Method::Patch, format!("/sobjects/Opportunity/006{id:015}"), &json!({ "Amount": 1 }))
    }

    #[test]
    fn two_hundred_and_one_updates_are_two_calls() {
        let calls: Vec<Call> = (0..201).map(update).collect();
        let Packs { packed, alone, .. } = pack(&calls);
        assert_eq!(packed.len(), 1);
        assert_eq!(packed[0].places.len(), 200);
        assert_eq!(alone, [200]);
    }

    #[test]
    fn two_thousand_updates_are_one_job() {
        let calls: Vec<Call> = (0..BULK_ROWS).map(update).collect();
        let packs = pack(&calls);
        assert_eq!((packs.jobs.len(), packs.packed.len(), packs.alone.len()), (1, 0, 0));
    }

    #[test]
    fn what_means_something_in_csv_goes_another_way() {
        let mut calls: Vec<Call> = (0..BULK_ROWS).map(update).collect();
        for (id, text) in ["#N/A", " #n/a ", "a\u{0}b", "a\tb\r\nc"].into_iter().enumerate() {
            let path = format!("/sobjects/Opportunity/006{:015}", BULK_ROWS + id);
            calls.push(Call::write(Method::Patch, path, &json!({ "Name": text })));
        }
        let packs = pack(&calls);
        assert_eq!(packs.jobs[0].len(), BULK_ROWS + 1, "blanks and line ends are plain text");
        assert_eq!(packs.packed[0].places, [BULK_ROWS, BULK_ROWS + 1, BULK_ROWS + 2]);
    }

    #[test]
    fn the_same_record_twice_never_shares_a_call() {
        let Packs { packed, alone, .. } = pack(&[update(1), update(1)]);
        assert!(packed.is_empty());
        assert_eq!(alone, [0, 1]);
    }

    #[test]
    fn an_external_id_with_a_slash_travels_in_the_body() {
        let call = Call::write(Method::Patch, "/sobjects/Product2/Tandem_Item_Code__c/N%201%2F%C3%BC", &json!({}));
        let Packs { packed, alone, .. } = pack(&[call]);
        assert!(alone.is_empty());
        let body: Value = serde_json::from_str(packed[0].call.body.as_deref().unwrap()).unwrap();
        assert_eq!(body["records"][0]["Tandem_Item_Code__c"], "N 1/ü");
    }

    #[test]
    fn one_refused_record_leaves_its_neighbour_done() {
        let packed = pack(&[update(1), update(2)]).packed;
        let body = json!([
            { "id": "006", "success": true, "errors": [] },
            { "success": false, "errors": [{ "statusCode": "STRING_TOO_LONG", "message": "long", "fields": ["Name"] }] },
        ]);
        let answer = Ok(Answer { status: 200, headers: vec![], body: body.to_string() });
        let rows = unpack(&packed[0], &answer);
        assert!(rows[0].is_ok());
        let refused =
            CallError::Remote { status: 400, code: "STRING_TOO_LONG".into(), message: "long [fields: Name]".into() };
        assert_eq!(rows[1].as_ref().err(), Some(&refused));
    }
}
