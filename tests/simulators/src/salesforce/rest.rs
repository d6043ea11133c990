//! The REST API: records, queries, collections, composite requests. Source: REST API Developer Guide and the shared facts.

use serde_json::{Value, json};

use super::Simulator;
use super::bulk;
use super::org::{Manner, Org, Record, RowError};
use super::query::Rows;
use super::schema;
use super::soql;
use super::transaction::Transaction;
use super::triggers::Change;
use crate::b1::odata::decode;

/// Records of a collection call.
const MOST_RECORDS: usize = 200;
/// Runs of one object in a collection call of mixed types.
const MOST_CHUNKS: usize = 10;
const MOST_SUBREQUESTS: usize = 25;
/// Queries and collections among the subrequests of a composite call. Source: REST API guide, Composite.
const MOST_LISTS: usize = 5;
const MOST_NODES: usize = 500;
const PAGE: usize = 2_000;

/// A request below `/services/data/vXX.0`.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    pub body: &'a str,
    pub content_type: &'a str,
    /// `Sforce-Query-Options: batchSize=`
    pub page: Option<usize>,
    pub manner: Manner,
}

/// What a body is made of.
pub enum Content {
    None,
    Json(Value),
    /// JSON whose numbers stand as they are to be written.
    Written(String),
    Csv(String),
    Xml(String),
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub content: Content,
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, content: if body.is_null() { Content::None } else { Content::Json(body) }, headers: Vec::new() }
    }

    pub fn written(text: String) -> Self {
        Self { status: 200, content: Content::Written(text), headers: Vec::new() }
    }

    pub fn csv(text: String) -> Self {
        Self { status: 200, content: Content::Csv(text), headers: Vec::new() }
    }

    pub fn xml(status: u16, text: String) -> Self {
        Self { status, content: Content::Xml(text), headers: Vec::new() }
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, json!([{ "message": message, "errorCode": code }]))
    }

    /// 201 with the address of the new record.
    fn made(object: &str, id: &str, body: Value) -> Self {
        Self::new(201, body).with("Location", format!("/services/data/v64.0/sobjects/{object}/{id}"))
    }

    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn row(error: &RowError) -> Self {
        let status = match error.code {
            "NOT_FOUND" | "ENTITY_IS_DELETED" => 404,
            _ => 400,
        };
        let fields = matches!(error.code, "INVALID_FIELD" | "MALFORMED_QUERY" | "INVALID_TYPE" | "NOT_FOUND")
            && error.fields.is_empty();
        let mut body = json!({ "message": error.message, "errorCode": error.code });
        if !fields {
            body["fields"] = error.fields.clone().into();
        }
        if let Some(result) = &error.duplicate_result {
            body["duplicateResult"] = (**result).clone();
        }
        Self::new(status, json!([body]))
    }

    fn json(self) -> Value {
        match self.content {
            Content::Json(value) => value,
            _ => Value::Null,
        }
    }
}

type Answered = Result<Answer, Answer>;

/// Answers a request.
pub fn answer(simulator: &std::sync::Arc<Simulator>, asked: &Asked<'_>) -> Answer {
    let segments: Vec<String> = asked.path.trim_matches('/').split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let overridden = parameter(asked.query, "_HttpMethod");
    let method = overridden.as_deref().filter(|_| asked.method == "POST").unwrap_or(asked.method);
    if segments.first() == Some(&"jobs") {
        return bulk::answer(simulator, method, &segments[1..], asked);
    }
    let writes = matches!(method, "POST" | "PATCH" | "PUT") && !asked.body.is_empty();
    if writes && !asked.content_type.is_empty() && !asked.content_type.contains("json") {
        let media = asked.content_type.split(';').next().unwrap_or_default();
        return Answer::error(415, "UNSUPPORTED_MEDIA_TYPE", &format!("Media type '{media}' is not supported"));
    }
    route(simulator, asked, method, &segments).unwrap_or_else(|error| error)
}

fn route(simulator: &std::sync::Arc<Simulator>, asked: &Asked<'_>, method: &str, segments: &[&str]) -> Answered {
    let manner = asked.manner;
    let parsed = || parse(asked.body);
    match (method, segments) {
        ("GET", ["query" | "queryAll"]) => run_query(simulator, asked, segments[0] == "queryAll"),
        ("GET", ["query" | "queryAll", locator]) => Ok(next_page(simulator, locator)),
        ("GET", ["limits"]) => Ok(Answer::new(200, limits(simulator))),
        ("GET", ["sobjects"]) => {
            let org = simulator.org();
            let rows: Vec<Value> =
                org.seen_by(manner).objects.iter().map(|(name, object)| schema::describe_head(name, object)).collect();
            Ok(Answer::new(200, json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": rows })))
        }
        ("GET", ["sobjects", object]) => {
            let org = simulator.org();
            let name = org.known_by(manner, object).ok_or_else(missing)?;
            let head = schema::describe_head(name, &org.seen_by(manner).objects[name]);
            Ok(Answer::new(200, json!({ "objectDescribe": head, "recentItems": [] })))
        }
        ("GET", ["sobjects", object, "describe"]) => {
            let org = simulator.org();
            let name = org.known_by(manner, object).ok_or_else(missing)?;
            schema::describe(org.seen_by(manner), name).map(|described| Answer::new(200, described)).ok_or_else(missing)
        }
        ("GET", ["sobjects", object, "updated" | "deleted"]) => changed_between(simulator, object, segments[2], asked),
        ("POST", ["sobjects", event]) if event.ends_with("__e") => {
            if manner.is_limited() && simulator.org().rights().is_some_and(|rights| !rights.of(event).create) {
                let why = format!("entity type cannot be inserted: {event}");
                return Err(Answer::error(400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", &why));
            }
            let mut bus = simulator.bus();
            let payload = bus.encode(event, &parsed()?).ok_or_else(missing)?;
            match bus.publish_raw(&format!("/event/{event}"), None, payload) {
                // What is answered is that the event was queued.
                Ok(_) => Ok(Answer::new(
                    201,
                    json!({ "id": "e00xx0000000001AAA", "success": true, "errors": [{ "statusCode": "OPERATION_ENQUEUED", "message": "operation enqueued", "fields": [] }] }),
                )),
                Err(code) => Err(Answer::error(400, code, "The hourly allocation of platform events is used up")),
            }
        }
        ("POST", ["sobjects", object]) => {
            let body = record(parsed()?)?;
            let id = write(simulator, |org, changes| org.insert(object, body, manner, changes))
                .map_err(|e| Answer::row(&e))?;
            Ok(Answer::made(object, &id, json!({ "id": id, "success": true, "errors": [] })))
        }
        ("GET", ["sobjects", object, id]) => read(simulator, object, id, asked),
        ("PATCH", ["sobjects", object, id]) => {
            let body = without(record(parsed()?)?, "Id")?;
            write(simulator, |org, changes| org.update(object, id, body, manner, changes))
                .map_err(|e| Answer::row(&e))?;
            Ok(Answer::new(204, Value::Null))
        }
        ("DELETE", ["sobjects", object, id]) => {
            write(simulator, |org, changes| org.delete(object, id, manner, changes)).map_err(|e| Answer::row(&e))?;
            Ok(Answer::new(204, Value::Null))
        }
        ("PATCH", ["sobjects", object, field, value]) => upsert(simulator, object, field, value, parsed()?, manner),
        // An upsert with an empty key makes a record.
        ("POST", ["sobjects", object, "Id"]) => {
            let body = record(parsed()?)?;
            let id = write(simulator, |org, changes| org.insert(object, body, manner, changes))
                .map_err(|e| Answer::row(&e))?;
            Ok(Answer::made(object, &id, json!({ "id": id, "success": true, "errors": [], "created": true })))
        }
        ("GET", ["sobjects", object, field, value]) => {
            let id = by_key(simulator, object, field, value)?;
            read(simulator, object, &id, asked)
        }
        ("DELETE", ["sobjects", object, field, value]) => {
            let id = by_key(simulator, object, field, value)?;
            write(simulator, |org, changes| org.delete(object, &id, manner, changes)).map_err(|e| Answer::row(&e))?;
            Ok(Answer::new(204, Value::Null))
        }
        ("POST" | "PATCH", ["composite", "sobjects"]) => collection(simulator, method, None, &parsed()?, manner),
        ("PATCH", ["composite", "sobjects", object, field]) => {
            collection(simulator, method, Some((object, field)), &parsed()?, manner)
        }
        ("DELETE", ["composite", "sobjects"]) => delete_many(simulator, asked.query, manner),
        ("GET", ["composite", "sobjects", object]) => {
            let list = |name: &str| {
                parameter(asked.query, name).unwrap_or_default().split(',').map(str::to_owned).collect::<Vec<_>>()
            };
            read_many(simulator, object, &list("ids"), &list("fields"), manner)
        }
        ("POST", ["composite", "sobjects", object]) => {
            let body = parsed()?;
            let list = |name: &str| {
                body[name]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|v| v.as_str().map(str::to_owned))
                    .collect::<Vec<_>>()
            };
            read_many(simulator, object, &list("ids"), &list("fields"), manner)
        }
        ("POST", ["composite", "tree", object]) => tree(simulator, object, &parsed()?, manner),
        ("POST", ["composite", "batch"]) => batch(simulator, &parsed()?, manner),
        ("POST", ["composite", "graph"]) => graphs(simulator, &parsed()?, manner),
        ("POST", ["composite"]) => {
            let body = parsed()?;
            let all_or_none = body["allOrNone"] == true;
            let subrequests = body["compositeRequest"]
                .as_array()
                .ok_or_else(|| Answer::error(400, "JSON_PARSER_ERROR", "compositeRequest is missing"))?;
            check_composite(subrequests)?;
            for (method, path) in subrequests.iter().filter_map(named) {
                simulator.log.count_inside(&format!("{method} {}", shape(path)));
            }
            let (answers, _) = composite(simulator, subrequests, all_or_none, manner);
            Ok(Answer::new(200, json!({ "compositeResponse": answers })))
        }
        (_, ["sobjects" | "query" | "queryAll" | "limits" | "composite", ..]) => Err(Answer::error(
            405,
            "METHOD_NOT_ALLOWED",
            &format!("HTTP Method '{method}' not allowed. Allowed are {}", allowed(segments)),
        )),
        _ => Err(missing()),
    }
}

fn allowed(segments: &[&str]) -> &'static str {
    match segments {
        ["sobjects", _] => "HEAD,GET,POST",
        ["sobjects", _, _] => "HEAD,GET,PATCH,DELETE",
        ["composite", ..] => "POST",
        _ => "HEAD,GET",
    }
}

fn missing() -> Answer {
    Answer::error(404, "NOT_FOUND", "The requested resource does not exist")
}

fn parse(body: &str) -> Result<Value, Answer> {
    serde_json::from_str(body).map_err(|e| {
        Answer::error(
            400,
            "JSON_PARSER_ERROR",
            &format!("Unexpected input at [line:{}, column:{}]: {e}", e.line(), e.column()),
        )
    })
}

/// What the header `Sforce-Query-Options` asks for: rows of a page.
pub fn page_size(header: &str) -> Option<usize> {
    header.strip_prefix("batchSize=")?.trim().parse().ok()
}

/// Whether the header `Sforce-Duplicate-Rule-Header` lets alerts pass.
pub fn allows_duplicates(header: &str) -> bool {
    header.replace(' ', "").contains("allowSave=true")
}

/// A parameter of a query string, decoded.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| decode(value))
}

/// What there is below a version, and who is asking.
pub fn resources(identity: &str) -> Answer {
    let names = ["sobjects", "query", "queryAll", "limits", "composite", "jobs"];
    let mut resources: serde_json::Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), format!("/services/data/v64.0/{name}").into())).collect();
    resources.insert("identity".into(), identity.into());
    Answer::new(200, resources.into())
}

/// Source: the Limits resource; the ones an integration looks at.
fn limits(simulator: &Simulator) -> Value {
    let (used, most) = simulator.usage();
    let room = |most: u64, left: u64| json!({ "Max": most, "Remaining": left });
    let (hour, day, published, left) = {
        let bus = simulator.bus();
        (bus.hourly_limit, bus.daily_limit, bus.published_this_hour(), bus.deliveries_left())
    };
    json!({
        "DailyApiRequests": room(most, most.saturating_sub(used)),
        "DailyBulkApiBatches": room(15_000, 15_000_u64.saturating_sub(simulator.async_jobs().batches())), "DailyBulkV2QueryJobs": room(10_000, 10_000),
        "DailyBulkV2QueryFileStorageMB": room(976_562, 976_562),
        "HourlyPublishedPlatformEvents": room(hour, hour.saturating_sub(published)),
        "DailyDeliveredPlatformEvents": room(day, left), "DataStorageMB": room(1_024, 1_000), "FileStorageMB": room(1_024, 1_000),
        "ConcurrentAsyncGetReportInstances": room(200, 200), "DailyStreamingApiEvents": room(1_000_000, 1_000_000),
    })
}

fn run_query(simulator: &Simulator, asked: &Asked<'_>, with_deleted: bool) -> Answered {
    let text =
        parameter(asked.query, "q").ok_or_else(|| Answer::error(400, "MALFORMED_QUERY", "unexpected token: <EOF>"))?;
    let parsed = soql::parse(&text, simulator.clock.now().date_naive())
        .map_err(|why| Answer::error(400, "MALFORMED_QUERY", &why))?;
    let found = simulator.org().query_by(asked.manner, &parsed, with_deleted).map_err(|error| Answer::row(&error))?;
    match found {
        Rows::Count(count) => Ok(Answer::new(200, json!({ "totalSize": count, "done": true, "records": [] }))),
        // The page is between 200 and 2,000 rows, whatever is asked for.
        Rows::Records(mut rows) => {
            let query = fastrand::u64(..);
            page_children(simulator, query, &mut rows, simulator.settings().child_page.max(1));
            Ok(page_of(simulator, query, rows, asked.page.map_or(PAGE, |page| page.clamp(200, PAGE))))
        }
    }
}

/// Cuts the child rows of sub-queries to a page: the outer answer is done all the same.
fn page_children(simulator: &Simulator, query: u64, rows: &mut [Value], size: usize) {
    let children = rows.iter_mut().filter_map(Value::as_object_mut).flat_map(|row| row.values_mut());
    for child in children {
        let Some(below) = child.get_mut("records").and_then(Value::as_array_mut) else { continue };
        page_children(simulator, query, below, size);
        if below.len() > size {
            let first = below[..size].to_vec();
            let locator = simulator.keep_cursor(query, std::mem::replace(below, first), size);
            child["done"] = false.into();
            child["nextRecordsUrl"] = format!("/services/data/v64.0/query/{locator}-{size}").into();
        }
    }
}

fn page_of(simulator: &Simulator, query: u64, mut rows: Vec<Value>, size: usize) -> Answer {
    let total = rows.len();
    if total <= size {
        return Answer::new(200, json!({ "totalSize": total, "done": true, "records": rows }));
    }
    let first: Vec<Value> = rows[..size].to_vec();
    rows.shrink_to_fit();
    let locator = simulator.keep_cursor(query, rows, size);
    let next = format!("/services/data/v64.0/query/{locator}-{size}");
    Answer::new(200, json!({ "totalSize": total, "done": false, "nextRecordsUrl": next, "records": first }))
}

fn next_page(simulator: &Simulator, locator: &str) -> Answer {
    let found = locator
        .rsplit_once('-')
        .and_then(|(cursor, from)| Some((simulator.cursor(cursor)?, from.parse::<usize>().ok()?, cursor)));
    let Some(((rows, size), from, cursor)) = found else {
        return Answer::error(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
    };
    let total = rows.len();
    let to = total.min(from + size);
    let mut body = json!({ "totalSize": total, "done": to == total, "records": rows[from.min(to)..to] });
    if to < total {
        body["nextRecordsUrl"] = format!("/services/data/v64.0/query/{cursor}-{to}").into();
    }
    Answer::new(200, body)
}

fn read(simulator: &Simulator, object: &str, id: &str, asked: &Asked<'_>) -> Answered {
    let org = simulator.org();
    let found = org.get(object, id).filter(|_| org.is_shared(asked.manner, id)).ok_or_else(missing)?;
    let name = org.known_by(asked.manner, object).ok_or_else(missing)?;
    let seen = org.seen_by(asked.manner);
    let wanted = parameter(asked.query, "fields");
    let mut row = Record::new();
    row.insert("attributes".into(), json!({ "type": name, "url": format!("/services/data/v64.0/sobjects/{name}/{}", found["Id"].as_str().unwrap_or_default()) }));
    match wanted {
        Some(fields) => {
            for given in fields.split(',').map(str::trim).filter(|given| !given.is_empty()) {
                let (field, _) = seen.field(name, given).ok_or_else(|| no_column(given, name))?;
                row.insert(field.to_owned(), found.get(field).cloned().unwrap_or_default());
            }
        }
        None => {
            for field in seen.objects[name].fields.keys() {
                row.insert(field.clone(), found.get(field).cloned().unwrap_or_default());
            }
        }
    }
    Ok(Answer::new(200, Value::Object(row)))
}

fn no_column(field: &str, object: &str) -> Answer {
    let why = format!(
        "No such column '{field}' on entity '{object}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
    );
    Answer::error(400, "INVALID_FIELD", &why)
}

fn read_many(simulator: &Simulator, object: &str, ids: &[String], fields: &[String], manner: Manner) -> Answered {
    let org = simulator.org();
    let name = org.known_by(manner, object).ok_or_else(missing)?;
    if let Some(field) = fields.iter().find(|field| org.seen_by(manner).field(name, field).is_none()) {
        return Err(no_column(field, name));
    }
    let row = |id: &String| match org.get(name, id) {
        None => Value::Null,
        Some(record) => {
            let mut row = Record::new();
            row.insert("attributes".into(), json!({ "type": name }));
            for field in fields {
                row.insert(field.clone(), record.get(field).cloned().unwrap_or_default());
            }
            Value::Object(row)
        }
    };
    Ok(Answer::new(200, ids.iter().map(row).collect()))
}

/// `updated` and `deleted`: ids of a span of time.
fn changed_between(simulator: &Simulator, object: &str, which: &str, asked: &Asked<'_>) -> Answered {
    let time = |name: &str| {
        let given = parameter(asked.query, name).and_then(|text| soql::date_time(&text));
        given.ok_or_else(|| Answer::error(400, "INVALID_REPLICATION_DATE", &format!("{name} is not a date-time")))
    };
    let (start, end) = (time("start")?, time("end")?);
    let org = simulator.org();
    let name = org.known_by(asked.manner, object).ok_or_else(missing)?;
    let records = org.tables[name].records.values().filter(|record| {
        let at = record["SystemModstamp"].as_str().unwrap_or_default().replace("+0000", "Z");
        at >= start && at < end && (record["IsDeleted"] == true) == (which == "deleted")
    });
    let body = if which == "deleted" {
        let rows: Vec<Value> =
            records.map(|record| json!({ "id": record["Id"], "deletedDate": record["SystemModstamp"] })).collect();
        json!({ "deletedRecords": rows, "earliestDateAvailable": start.replace('Z', "+0000"), "latestDateCovered": end.replace('Z', "+0000") })
    } else {
        json!({ "ids": records.map(|record| record["Id"].clone()).collect::<Vec<_>>(), "latestDateCovered": end.replace('Z', "+0000") })
    };
    Ok(Answer::new(200, body))
}

fn by_key(simulator: &Simulator, object: &str, field: &str, value: &str) -> Result<String, Answer> {
    let found = simulator.org().by_external_id(object, field, value);
    match found {
        Ok(Some(id)) => Ok(id),
        Ok(None) => Err(missing()),
        Err(many) => Err(several(object, &many)),
    }
}

/// 300 with the addresses of all records that match.
fn several(object: &str, ids: &[String]) -> Answer {
    let addresses: Vec<Value> =
        ids.iter().map(|id| format!("/services/data/v64.0/sobjects/{object}/{id}").into()).collect();
    Answer::new(300, addresses.into())
}

fn upsert(simulator: &Simulator, object: &str, field: &str, value: &str, body: Value, manner: Manner) -> Answered {
    let body = without(without(record(body)?, "Id")?, field)?;
    match upsert_row(simulator, object, field, value, body, manner) {
        Ok((id, created)) => {
            let body = json!({ "id": id, "success": true, "errors": [], "created": created });
            Ok(if created { Answer::made(object, &id, body) } else { Answer::new(200, body) })
        }
        Err(error) if error.code == "DUPLICATE_EXTERNAL_ID" => {
            let many = simulator.org().by_external_id(object, field, value).err().unwrap_or_default();
            Err(several(object, &many))
        }
        Err(error) => Err(Answer::row(&error)),
    }
}

/// Makes or changes the record with that external id; true when it was made.
pub fn upsert_row(
    simulator: &Simulator,
    object: &str,
    field: &str,
    value: &str,
    body: Record,
    manner: Manner,
) -> Result<(String, bool), RowError> {
    write(simulator, |org, changes| upsert_in(org, object, field, value, body, manner, changes))
}

fn upsert_in(
    org: &mut Org,
    object: &str,
    field: &str,
    value: &str,
    mut body: Record,
    manner: Manner,
    changes: &mut Vec<Change>,
) -> Result<(String, bool), RowError> {
    let not_found = || {
        RowError::new(
            "NOT_FOUND",
            format!("Provided external ID field does not exist or is not accessible: {field}"),
            &[],
        )
    };
    let name = org.known_by(manner, object).map(str::to_owned).ok_or_else(not_found)?;
    if field.eq_ignore_ascii_case("Id") {
        org.update(&name, value, body, manner, changes)?;
        return Ok((super::org::long_id(value), false));
    }
    let field = match org.seen_by(manner).field(&name, field) {
        Some((field, spec)) if spec.external_id => field.to_owned(),
        _ => return Err(not_found()),
    };
    if value.is_empty() {
        return Err(RowError::new("MISSING_ARGUMENT", format!("{field} not specified"), &[]));
    }
    match org.by_external_id(&name, &field, value) {
        Ok(Some(id)) => {
            body.retain(|own, _| !own.eq_ignore_ascii_case(&field));
            org.update(&name, &id, body, manner, changes)?;
            Ok((id, false))
        }
        Ok(None) => {
            body.insert(field, value.into());
            Ok((org.insert(&name, body, manner, changes)?, true))
        }
        Err(_) => Err(RowError::new(
            "DUPLICATE_EXTERNAL_ID",
            format!("More than one record found for external id field: {field}"),
            &[],
        )),
    }
}

/// Rows of one transaction: with `all_or_none` one failure takes all back. Gives id and whether it was made.
pub fn write_rows(simulator: &Simulator, all_or_none: bool, rows: Vec<Row>) -> Vec<Result<(String, bool), RowError>> {
    let mut results = Vec::with_capacity(rows.len());
    let mut changes = Vec::new();
    let _turn = simulator.turn();
    let mut org = simulator.org();
    let mark = org.begin();
    for row in rows {
        let result = if simulator.draw_lock() {
            Err(RowError::new(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record or 1 records",
                &[],
            ))
        } else {
            // A row that is refused leaves nothing behind.
            let (own, told) = (org.begin(), changes.len());
            let result = row.write(&mut org, &mut changes);
            if result.is_err() {
                org.roll_back(own);
                changes.truncate(told);
            }
            result
        };
        results.push(result);
    }
    if all_or_none && results.iter().any(Result::is_err) {
        org.roll_back(mark);
        let rolled_back = || {
            RowError::new(
                "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "Record rolled back because not all records were valid and the request was using AllOrNone header",
                &[],
            )
        };
        return results.into_iter().map(|result| result.and_then(|_| Err(rolled_back()))).collect();
    }
    org.commit(mark);
    drop(org);
    simulator.publish(changes);
    results
}

/// One row to write.
pub struct Row {
    pub operation: RowOperation,
    pub object: String,
    pub body: Record,
    pub manner: Manner,
}

/// What to do with a row.
pub enum RowOperation {
    Insert,
    Update(String),
    Upsert(String, String),
    Delete(String),
}

impl Row {
    fn write(self, org: &mut Org, changes: &mut Vec<Change>) -> Result<(String, bool), RowError> {
        let Self { operation, object, body, manner } = self;
        match operation {
            RowOperation::Insert => Ok((org.insert(&object, body, manner, changes)?, true)),
            RowOperation::Update(id) if id.is_empty() => {
                Err(RowError::new("MISSING_ARGUMENT", "Id not specified in an update call", &[]))
            }
            RowOperation::Update(id) => {
                org.update(&object, &id, body, manner, changes).map(|()| (super::org::long_id(&id), false))
            }
            RowOperation::Upsert(field, value) => upsert_in(org, &object, &field, &value, body, manner, changes),
            RowOperation::Delete(id) => {
                org.delete(&object, &id, manner, changes).map(|()| (super::org::long_id(&id), false))
            }
        }
    }
}

fn collection(simulator: &Simulator, method: &str, by: Option<(&str, &str)>, body: &Value, manner: Manner) -> Answered {
    let rows = body["records"]
        .as_array()
        .cloned()
        .ok_or_else(|| Answer::error(400, "JSON_PARSER_ERROR", "records is missing"))?;
    if rows.len() > MOST_RECORDS {
        return Err(Answer::error(
            400,
            "EXCEEDED_ID_LIMIT",
            &format!("record limit reached. cannot submit more than {MOST_RECORDS} records into this call"),
        ));
    }
    let object_of = |row: &Value| {
        row["attributes"]["type"].as_str().map(str::to_owned).or_else(|| by.map(|(object, _)| object.to_owned()))
    };
    let objects: Vec<Option<String>> = rows.iter().map(object_of).collect();
    let chunks = 1 + objects.windows(2).filter(|pair| pair[0] != pair[1]).count();
    if chunks > MOST_CHUNKS {
        return Err(Answer::error(
            400,
            "LIMIT_EXCEEDED",
            &format!(
                "Cannot have more than {MOST_CHUNKS} chunks in a single operation. Please rearrange the data to reduce chunking."
            ),
        ));
    }
    let id_of = |row: &Value| row["id"].as_str().or(row["Id"].as_str()).unwrap_or_default().to_owned();
    let ids: Vec<String> = rows.iter().map(id_of).filter(|id| !id.is_empty()).collect();
    if method == "PATCH" && by.is_none() && ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err(Answer::error(400, "DUPLICATE_VALUE", "duplicate id in the list of records to update"));
    }
    let mut to_write = Vec::with_capacity(rows.len());
    for (row, object) in rows.into_iter().zip(objects) {
        let object = object.ok_or_else(|| {
            Answer::error(400, "INVALID_FIELD", "Cannot determine the type of a record: attributes.type is missing")
        })?;
        let operation = match by {
            Some((_, field)) => {
                let given = row.as_object().and_then(|row| row.iter().find(|(own, _)| own.eq_ignore_ascii_case(field)));
                let value = given.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                RowOperation::Upsert(field.to_owned(), value.unwrap_or_default())
            }
            None if method == "POST" => RowOperation::Insert,
            None => RowOperation::Update(id_of(&row)),
        };
        to_write.push(Row { operation, object, body: record(row)?, manner });
    }
    let results = write_rows(simulator, body["allOrNone"] == true, to_write);
    let answers = results.into_iter().map(|result| match result {
        Ok((id, created)) if by.is_some() => json!({ "id": id, "success": true, "errors": [], "created": created }),
        Ok((id, _)) => json!({ "id": id, "success": true, "errors": [] }),
        Err(error) => json!({ "success": false, "errors": [error.json()] }),
    });
    Ok(Answer::new(200, answers.collect()))
}

fn delete_many(simulator: &Simulator, query: &str, manner: Manner) -> Answered {
    let ids: Vec<String> =
        parameter(query, "ids").unwrap_or_default().split(',').map(|id| id.trim().to_owned()).collect();
    if ids.len() > MOST_RECORDS {
        return Err(Answer::error(
            400,
            "EXCEEDED_ID_LIMIT",
            &format!("record limit reached. cannot submit more than {MOST_RECORDS} records into this call"),
        ));
    }
    let rows = ids
        .into_iter()
        .map(|id| {
            let object = simulator.org().object_of(&id).unwrap_or_default().to_owned();
            Row { operation: RowOperation::Delete(id), object, body: Record::new(), manner }
        })
        .collect();
    let all_or_none = parameter(query, "allOrNone").as_deref() == Some("true");
    let answers = write_rows(simulator, all_or_none, rows).into_iter().map(|result| match result {
        Ok((id, _)) => json!({ "id": id, "success": true, "errors": [] }),
        Err(error) => json!({ "success": false, "errors": [error.json()] }),
    });
    Ok(Answer::new(200, answers.collect()))
}

/// Nested records in one transaction, all or nothing.
fn tree(simulator: &Simulator, object: &str, body: &Value, manner: Manner) -> Answered {
    fn plant(
        org: &mut Org,
        object: &str,
        row: &Value,
        parent: Option<(&str, &str)>,
        manner: Manner,
        changes: &mut Vec<Change>,
        made: &mut Vec<Value>,
    ) -> Result<(), (String, RowError)> {
        let reference = row["attributes"]["referenceId"].as_str().unwrap_or_default().to_owned();
        let name = row["attributes"]["type"].as_str().unwrap_or(object).to_owned();
        let mut own = Record::new();
        let mut below = Vec::new();
        for (field, value) in row.as_object().into_iter().flatten() {
            match value["records"].as_array() {
                Some(rows) => below.push((field.clone(), rows.clone())),
                None => {
                    own.insert(field.clone(), value.clone());
                }
            }
        }
        if let Some((field, id)) = parent {
            own.insert(field.to_owned(), id.into());
        }
        let id = org.insert(&name, own, manner, changes).map_err(|error| (reference.clone(), error))?;
        made.push(json!({ "referenceId": reference, "id": id }));
        for (relation, rows) in below {
            let found =
                org.schema.children(&name, &relation).map(|(child, field, _)| (child.to_owned(), field.to_owned()));
            let (child, field) = found.ok_or_else(|| {
                (reference.clone(), RowError::new("INVALID_FIELD", format!("no relationship {relation}"), &[]))
            })?;
            for row in &rows {
                plant(org, &child, row, Some((&field, &id)), manner, changes, made)?;
            }
        }
        Ok(())
    }
    let rows = body["records"].as_array().cloned().unwrap_or_default();
    if rows.len() > MOST_RECORDS {
        return Err(Answer::error(400, "LIMIT_EXCEEDED", "The request holds more than 200 records"));
    }
    let (mut changes, mut made) = (Vec::new(), Vec::new());
    let _turn = simulator.turn();
    let mut org = simulator.org();
    let mark = org.begin();
    for row in &rows {
        if let Err((reference, error)) = plant(&mut org, object, row, None, manner, &mut changes, &mut made) {
            org.roll_back(mark);
            let failed = json!({ "referenceId": reference, "errors": [error.json()] });
            return Err(Answer::new(400, json!({ "hasErrors": true, "results": [failed] })));
        }
    }
    org.commit(mark);
    drop(org);
    simulator.publish(changes);
    Ok(Answer::new(201, json!({ "hasErrors": false, "results": made })))
}

/// Independent requests, each its own transaction.
fn batch(simulator: &std::sync::Arc<Simulator>, body: &Value, manner: Manner) -> Answered {
    let requests = body["batchRequests"].as_array().cloned().unwrap_or_default();
    if requests.len() > MOST_SUBREQUESTS {
        return Err(Answer::error(400, "LIMIT_EXCEEDED", "The number of subrequests must not exceed 25"));
    }
    let mut failed = false;
    let mut results = Vec::new();
    for request in requests {
        if failed && body["haltOnError"] == true {
            results.push(json!({ "statusCode": 412, "result": [{ "errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request" }] }));
            continue;
        }
        // `v64.0/sobjects/…`
        let url = request["url"].as_str().unwrap_or_default().trim_start_matches('/');
        let below = url.strip_prefix("services/data/").unwrap_or(url);
        let below = below.split_once('/').map_or("", |(_, below)| below);
        let answer = inner(
            simulator,
            request["method"].as_str().unwrap_or_default(),
            &format!("/{below}"),
            &request["richInput"],
            None,
            manner,
        );
        failed |= answer.status >= 400;
        results.push(json!({ "statusCode": answer.status, "result": answer.json() }));
    }
    Ok(Answer::new(200, json!({ "hasErrors": failed, "results": results })))
}

fn inner(
    simulator: &std::sync::Arc<Simulator>,
    method: &str,
    below: &str,
    body: &Value,
    page: Option<usize>,
    manner: Manner,
) -> Answer {
    let (path, query) = below.split_once('?').unwrap_or((below, ""));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    answer(simulator, &Asked { method, path, query, body: &body, content_type: "application/json", page, manner })
}

/// The first two steps of a path below a version: what calls are counted by.
pub fn shape(below: &str) -> String {
    below.split('/').take(3).collect::<Vec<_>>().join("/")
}

/// Method of a subrequest, and its path below the version, without the query.
fn named(subrequest: &Value) -> Option<(&str, &str)> {
    let url = subrequest["url"].as_str()?;
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    let below = path.strip_prefix("/services/data/")?;
    Some((subrequest["method"].as_str()?, &below[below.find('/')?..]))
}

/// The addresses that a composite call asks for, with their methods; empty for any other call.
pub fn asked_inside(path: &str, body: &str) -> Vec<(String, String)> {
    let is_composite = path.trim_end_matches('/').ends_with("/composite");
    let body: Value = if is_composite { serde_json::from_str(body).unwrap_or_default() } else { Value::Null };
    let subrequests = body["compositeRequest"].as_array().into_iter().flatten();
    subrequests
        .filter_map(|subrequest| {
            let path = subrequest["url"].as_str()?.split('?').next()?;
            Some((subrequest["method"].as_str()?.to_owned(), path.to_owned()))
        })
        .collect()
}

/// What refuses a composite call as a whole. Source: REST API guide, Composite and its request body. How it is said is known for
/// too many subrequests alone, from a log that others published: as one row without a reference; the others are taken to be
/// said likewise.
fn check_composite(subrequests: &[Value]) -> Result<(), Answer> {
    let refused = |code: &str, message: &str| {
        let body = json!([{ "errorCode": code, "message": message }]);
        let row = json!({ "body": body, "httpHeaders": {}, "httpStatusCode": 400, "referenceId": null });
        Err(Answer::new(400, json!({ "compositeResponse": [row] })))
    };
    if subrequests.len() > MOST_SUBREQUESTS {
        return refused(
            "LIMIT_EXCEEDED",
            &format!("The request can’t contain more than {MOST_SUBREQUESTS} operations."),
        );
    }
    let is_list = |path: &str| {
        let mut steps = path.trim_matches('/').split('/');
        matches!((steps.next(), steps.next()), (Some("query" | "queryAll"), _) | (Some("composite"), Some("sobjects")))
    };
    let lists = subrequests.iter().filter_map(named).filter(|(_, path)| is_list(path)).count();
    if lists > MOST_LISTS {
        let message =
            format!("The request can’t contain more than {MOST_LISTS} query or sObject Collections operations.");
        return refused("LIMIT_EXCEEDED", &message);
    }
    let mut references = std::collections::HashSet::new();
    for subrequest in subrequests {
        let reference = subrequest["referenceId"].as_str().unwrap_or_default();
        let valid = reference.starts_with(|c: char| c.is_ascii_alphanumeric())
            && reference.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid || !references.insert(reference) {
            return refused(
                "INVALID_INPUT",
                "referenceId: each subrequest needs one of its own, of letters, digits and _",
            );
        }
        let headers = subrequest["httpHeaders"].as_object().into_iter().flatten();
        let inherited = ["accept", "authorization", "content-type"];
        if headers.into_iter().any(|(name, _)| inherited.contains(&name.to_ascii_lowercase().as_str())) {
            return refused(
                "INVALID_INPUT",
                "httpHeaders: Accept, Authorization and Content-Type are those of the whole request",
            );
        }
    }
    Ok(())
}

/// Resources that a subrequest may name. Source: REST API guide, Composite.
fn supported(path: &str) -> bool {
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    matches!(steps.as_slice(), ["sobjects" | "query" | "queryAll", ..] | ["composite", "sobjects"])
}

/// Subrequests in order, later ones referring to earlier answers; the answers, and whether all went well.
fn composite(
    simulator: &std::sync::Arc<Simulator>,
    subrequests: &[Value],
    all_or_none: bool,
    manner: Manner,
) -> (Vec<Value>, bool) {
    let mut answers: Vec<Value> = Vec::new();
    let transaction = all_or_none.then(|| Transaction::begin(simulator));
    let mut well = true;
    for subrequest in subrequests {
        let reference = subrequest["referenceId"].clone();
        let url = subrequest["url"].as_str().unwrap_or_default();
        let below = format!("/{}", url.trim_start_matches('/').splitn(4, '/').nth(3).unwrap_or_default());
        let resolved = resolve(&below, &answers)
            .and_then(|below| Ok((below, resolve(&subrequest["body"].to_string(), &answers)?)));
        let answer = match resolved {
            Ok((below, _)) if !supported(below.split('?').next().unwrap_or_default()) => {
                Answer::error(400, "INVALID_INPUT", "The resource is not supported in a composite call")
            }
            Ok((below, body)) => {
                let body: Value = serde_json::from_str(&body).unwrap_or_default();
                let header = |wanted: &str| {
                    let headers = subrequest["httpHeaders"].as_object().into_iter().flatten();
                    let mut own = headers.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    own.next().and_then(|(_, value)| value.as_str())
                };
                let page = header("sforce-query-options").and_then(page_size);
                let allow_duplicates =
                    manner.allow_duplicates || header("sforce-duplicate-rule-header").is_some_and(allows_duplicates);
                let manner = Manner { allow_duplicates, ..manner };
                inner(simulator, subrequest["method"].as_str().unwrap_or_default(), &below, &body, page, manner)
            }
            Err(why) => Answer::error(400, "PROCESSING_HALTED", &why),
        };
        well &= answer.status < 400 && answer.status != 300;
        let status = answer.status;
        let headers: serde_json::Map<String, Value> =
            answer.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        answers.push(json!({ "body": answer.json(), "httpHeaders": headers, "httpStatusCode": status, "referenceId": reference }));
        if !well && all_or_none {
            break;
        }
    }
    if let Some(transaction) = transaction {
        transaction.end(well);
        if !well {
            let halted = || json!([{ "errorCode": "PROCESSING_HALTED", "message": "The transaction was rolled back since another operation in the same transaction failed." }]);
            let failed = answers.len() - 1;
            let mut all = Vec::new();
            for (place, subrequest) in subrequests.iter().enumerate() {
                all.push(if place == failed {
                    answers[failed].clone()
                } else {
                    json!({ "body": halted(), "httpHeaders": {}, "httpStatusCode": 400, "referenceId": subrequest["referenceId"] })
                });
            }
            answers = all;
        }
    }
    (answers, well)
}

/// Replaces `@{reference.path}` by what an earlier answer holds there.
fn resolve(text: &str, answers: &[Value]) -> Result<String, String> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("@{") {
        resolved.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else { break };
        let inside = &rest[at + 2..at + end];
        let (reference, path) = inside.split_once('.').unwrap_or((inside, ""));
        let answer = answers.iter().find(|answer| answer["referenceId"] == reference);
        let answer =
            answer.ok_or_else(|| format!("Invalid reference specified. No value for {inside} found in {reference}"))?;
        let pointer: String =
            path.replace('[', ".").replace(']', "").split('.').map(|step| format!("/{step}")).collect();
        let value = answer["body"].pointer(&pointer).filter(|value| !value.is_null());
        let value =
            value.ok_or_else(|| format!("Invalid reference specified. No value for {inside} found in {reference}"))?;
        resolved.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rest = &rest[at + end + 1..];
    }
    resolved.push_str(rest);
    Ok(resolved)
}

/// Each graph is a transaction of its own.
fn graphs(simulator: &std::sync::Arc<Simulator>, body: &Value, manner: Manner) -> Answered {
    let graphs = body["graphs"].as_array().cloned().unwrap_or_default();
    let nodes: usize = graphs.iter().map(|graph| graph["compositeRequest"].as_array().map_or(0, Vec::len)).sum();
    if nodes > MOST_NODES {
        return Err(Answer::error(400, "LIMIT_EXCEEDED", &format!("The request holds more than {MOST_NODES} nodes")));
    }
    let answers = graphs.iter().map(|graph| {
        let requests = graph["compositeRequest"].as_array().cloned().unwrap_or_default();
        let (answers, well) = composite(simulator, &requests, true, manner);
        json!({ "graphId": graph["graphId"], "graphResponse": { "compositeResponse": answers }, "isSuccessful": well })
    });
    Ok(Answer::new(200, json!({ "graphs": answers.collect::<Vec<_>>() })))
}

fn record(body: Value) -> Result<Record, Answer> {
    match body {
        Value::Object(record) => Ok(record),
        _ => Err(Answer::error(400, "JSON_PARSER_ERROR", "Unexpected input: an object is expected")),
    }
}

/// What the address says must not be said again. Source: REST API guide, sObject Rows and Rows by External ID.
fn without(record: Record, field: &str) -> Result<Record, Answer> {
    if record.keys().any(|name| name.eq_ignore_ascii_case(field)) {
        let message = format!("The {field} field should not be specified in the sobject data.");
        return Err(Answer::error(400, "INVALID_FIELD", &message));
    }
    Ok(record)
}

/// One transaction; its events are published after it is committed.
pub fn write<T>(
    simulator: &Simulator,
    change: impl FnOnce(&mut Org, &mut Vec<Change>) -> Result<T, RowError>,
) -> Result<T, RowError> {
    let _turn = simulator.turn();
    let mut changes = Vec::new();
    let mut org = simulator.org();
    let mark = org.begin();
    let result = change(&mut org, &mut changes);
    match result {
        Ok(_) => org.commit(mark),
        Err(_) => org.roll_back(mark),
    }
    drop(org);
    if result.is_ok() {
        simulator.publish(changes);
    }
    result
}
