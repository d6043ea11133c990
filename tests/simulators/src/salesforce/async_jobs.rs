//! The first Bulk API, below `/services/async`, which many clients still use: jobs of batches, answered in XML or JSON, its session
//! in a header of its own. A batch is worked on after the answer. Source: Bulk API Developer Guide, and the clients that live on it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Simulator;
use super::bulk::{cells, columns_of, csv_of, row_of};
use super::org::{Manner, Record, RowError};
use super::query::Rows;
use super::rest::{Answer, Asked, Row, RowOperation, write_rows};
use super::soql;

/// The header that carries the session.
pub const SESSION: &str = "x-sfdc-session";
const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";
/// Rows a trigger sees at once, rows and bytes of a batch.
const CHUNK: usize = 200;
const MOST_ROWS: usize = 10_000;
const MOST_BYTES: usize = 10_000_000;

/// All jobs by id.
#[derive(Default)]
pub struct AsyncJobs {
    jobs: BTreeMap<String, Job>,
    next: u64,
    batches: u64,
}

impl AsyncJobs {
    /// Batches given so far: they count against an allocation of their own.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        super::org::make_id(prefix, self.next)
    }
}

struct Job {
    /// `jobInfo` as it is shown.
    info: Value,
    batches: Vec<Batch>,
    manner: Manner,
}

struct Batch {
    /// `batchInfo` as it is shown.
    info: Value,
    request: String,
    results: Results,
}

enum Results {
    None,
    /// Of a query: the id of its one result, the columns, the rows.
    Rows(String, Vec<String>, Vec<Value>),
    /// Of a write, row by row.
    Written(Vec<Result<(String, bool), RowError>>),
}

/// Why a request is refused: `exceptionCode` and words.
struct Refused(&'static str, String);

impl Refused {
    fn new(code: &'static str, why: impl Into<String>) -> Self {
        Self(code, why.into())
    }

    fn answer(self, in_json: bool) -> Answer {
        let error = json!({ "exceptionCode": self.0, "exceptionMessage": self.1 });
        shown("error", &error, in_json, 400)
    }
}

/// The session is gone: this API says so with 400.
pub fn no_session(content_type: &str) -> Answer {
    Refused::new("InvalidSessionId", "Invalid session id").answer(content_type.contains("json"))
}

/// Below `/services/async/vv.0`.
pub fn answer(simulator: &Arc<Simulator>, asked: &Asked<'_>) -> Answer {
    let segments: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    let in_json = asked.content_type.contains("json");
    let answered = match (asked.method, segments.as_slice()) {
        ("POST", ["job"]) => create(simulator, asked).map(|info| shown("jobInfo", &info, in_json, 201)),
        ("POST", ["job", id]) => set_state(simulator, id, asked).map(|info| shown("jobInfo", &info, in_json, 200)),
        ("GET", ["job", id]) => {
            with_job(simulator, id, |job| Ok(shown("jobInfo", &job.info, in_json || speaks_json(job), 200)))
        }
        ("POST", ["job", id, "batch"]) => add(simulator, id, asked),
        ("GET", ["job", id, "batch"]) => with_job(simulator, id, |job| Ok(list(job))),
        ("GET", ["job", id, "batch", batch]) => {
            with_batch(simulator, id, batch, |job, batch| Ok(shown("batchInfo", &batch.info, speaks_json(job), 200)))
        }
        ("GET", ["job", id, "batch", batch, "request"]) => {
            with_batch(simulator, id, batch, |job, batch| Ok(as_given(job, batch.request.clone())))
        }
        ("GET", ["job", id, "batch", batch, "result"]) => with_batch(simulator, id, batch, results),
        ("GET", ["job", id, "batch", batch, "result", result]) => {
            let dates = dates_of(simulator, id);
            with_batch(simulator, id, batch, |job, batch| rows(job, batch, result, &dates))
        }
        _ => Err(Refused::new("InvalidUrl", format!("{} {} is no resource of the API", asked.method, asked.path))),
    };
    answered.unwrap_or_else(|refused| refused.answer(in_json))
}

fn speaks_json(job: &Job) -> bool {
    job.info["contentType"] == "JSON"
}

/// An object as JSON or as XML, in which nothing stands for null.
fn shown(root: &str, info: &Value, in_json: bool, status: u16) -> Answer {
    if in_json {
        return Answer::new(status, info.clone());
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    element(&mut text, root, info);
    Answer::xml(status, text)
}

fn element(text: &mut String, root: &str, info: &Value) {
    let _ = write!(text, "<{root} xmlns=\"{NAMESPACE}\">");
    for (name, value) in info.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        let value = value.as_str().map_or_else(|| value.to_string(), escaped);
        let _ = write!(text, "<{name}>{value}</{name}>");
    }
    let _ = write!(text, "</{root}>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The fields of a body in XML or JSON.
fn fields(asked: &Asked<'_>) -> Result<Map<String, Value>, Refused> {
    if asked.content_type.contains("json") {
        let body = serde_json::from_str(asked.body).map_err(|e| Refused::new("InvalidJob", format!("JSON: {e}")))?;
        return match body {
            Value::Object(fields) => Ok(fields),
            _ => Err(Refused::new("InvalidJob", "an object is expected")),
        };
    }
    let body = asked.body.trim_start_matches('\u{feff}').trim_start();
    let xml = roxmltree::Document::parse(body).map_err(|e| Refused::new("InvalidXML", format!("XML: {e}")))?;
    let children = xml.root_element().children().filter(roxmltree::Node::is_element);
    Ok(children.map(|own| (own.tag_name().name().to_owned(), own.text().unwrap_or_default().into())).collect())
}

fn create(simulator: &Simulator, asked: &Asked<'_>) -> Result<Value, Refused> {
    let fields = fields(asked)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let operation = text("operation");
    if !["insert", "update", "upsert", "delete", "hardDelete", "query", "queryAll"].contains(&operation) {
        return Err(Refused::new("InvalidJob", format!("Unknown operation: {operation}")));
    }
    let content = if text("contentType").is_empty() { "XML" } else { text("contentType") };
    if !["CSV", "JSON"].contains(&content) {
        return Err(Refused::new("FeatureNotEnabled", format!("Batches in {content} are not simulated")));
    }
    let seen = simulator.org();
    let object = seen.known_by(asked.manner, text("object")).map(str::to_owned);
    let object =
        object.ok_or_else(|| Refused::new("InvalidJob", format!("Unable to find object: {}", text("object"))))?;
    let key = text("externalIdFieldName");
    if operation == "upsert"
        && !seen.schema.field(&object, key).is_some_and(|(_, field)| field.external_id || field.kind == "id")
    {
        return Err(Refused::new("InvalidJob", format!("InvalidJob : Field name not found : {key}")));
    }
    drop(seen);
    let now = now(simulator);
    let mut jobs = simulator.async_jobs();
    let id = jobs.id("750");
    let info = json!({
        "id": id, "operation": operation, "object": object, "createdById": super::user(asked.manner.silent).0, "createdDate": now,
        "systemModstamp": now, "state": "Open", "externalIdFieldName": if key.is_empty() { Value::Null } else { key.into() },
        "concurrencyMode": "Parallel", "contentType": content, "numberBatchesQueued": 0, "numberBatchesInProgress": 0,
        "numberBatchesCompleted": 0, "numberBatchesFailed": 0, "numberBatchesTotal": 0, "numberRecordsProcessed": 0,
        "numberRetries": 0, "apiVersion": 64.0, "numberRecordsFailed": 0, "totalProcessingTime": 0, "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    });
    jobs.jobs.insert(id, Job { info: info.clone(), batches: Vec::new(), manner: asked.manner });
    Ok(info)
}

fn now(simulator: &Simulator) -> String {
    simulator.clock.now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn no_job(id: &str) -> Refused {
    Refused::new("InvalidJob", format!("Invalid job id: {id}"))
}

fn with_job(
    simulator: &Simulator,
    id: &str,
    show: impl FnOnce(&Job) -> Result<Answer, Refused>,
) -> Result<Answer, Refused> {
    let id = super::org::long_id(id);
    simulator.async_jobs().jobs.get(&id).map_or_else(|| Err(no_job(&id)), show)
}

fn with_batch(
    simulator: &Simulator,
    id: &str,
    batch: &str,
    show: impl FnOnce(&Job, &Batch) -> Result<Answer, Refused>,
) -> Result<Answer, Refused> {
    let batch = super::org::long_id(batch);
    with_job(simulator, id, |job| match job.batches.iter().find(|own| own.info["id"] == batch.as_str()) {
        Some(own) => show(job, own),
        None => Err(Refused::new("InvalidBatch", format!("Unable to find batch: {batch}"))),
    })
}

fn set_state(simulator: &Simulator, id: &str, asked: &Asked<'_>) -> Result<Value, Refused> {
    let fields = fields(asked)?;
    let wanted = fields.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut jobs = simulator.async_jobs();
    let job = jobs.jobs.get_mut(&super::org::long_id(id)).ok_or_else(|| no_job(id))?;
    match (wanted.as_str(), job.info["state"].as_str().unwrap_or_default()) {
        ("Closed" | "Aborted", "Open") | ("Aborted", "Closed") => job.info["state"] = wanted.into(),
        (wanted, state) => {
            return Err(Refused::new("InvalidJobState", format!("A job that is {state} cannot be {wanted}")));
        }
    }
    Ok(job.info.clone())
}

fn add(simulator: &Arc<Simulator>, id: &str, asked: &Asked<'_>) -> Result<Answer, Refused> {
    if asked.body.len() > MOST_BYTES {
        return Err(Refused::new("InvalidBatch", "The batch is larger than 10 MB"));
    }
    let now = now(simulator);
    let mut jobs = simulator.async_jobs();
    let batch = jobs.id("751");
    jobs.batches += 1;
    let id = super::org::long_id(id);
    let job = jobs.jobs.get_mut(&id).ok_or_else(|| no_job(&id))?;
    if job.info["state"] != "Open" {
        return Err(Refused::new("InvalidJobState", "The job is not open"));
    }
    let info = json!({
        "id": batch, "jobId": id, "state": "Queued", "stateMessage": null, "createdDate": now, "systemModstamp": now,
        "numberRecordsProcessed": 0, "numberRecordsFailed": 0, "totalProcessingTime": 0, "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
    });
    job.batches.push(Batch { info: info.clone(), request: asked.body.to_owned(), results: Results::None });
    job.info["numberBatchesTotal"] = job.batches.len().into();
    let answer = shown("batchInfo", &info, speaks_json(job), 201);
    let simulator = simulator.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = tokio::task::spawn_blocking(move || work(&simulator, &id, &batch)).await;
    });
    Ok(answer)
}

fn list(job: &Job) -> Answer {
    if speaks_json(job) {
        let all: Vec<&Value> = job.batches.iter().map(|batch| &batch.info).collect();
        return Answer::new(200, json!({ "batchInfo": all }));
    }
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><batchInfoList xmlns=\"{NAMESPACE}\">");
    job.batches.iter().for_each(|batch| element(&mut text, "batchInfo", &batch.info));
    text.push_str("</batchInfoList>");
    Answer::xml(200, text)
}

/// What is data goes out in the job's own format.
fn as_given(job: &Job, text: String) -> Answer {
    if speaks_json(job) { Answer::new(200, serde_json::from_str(&text).unwrap_or_default()) } else { Answer::csv(text) }
}

fn is_query(job: &Job) -> bool {
    job.info["operation"].as_str().is_some_and(|operation| operation.starts_with("query"))
}

/// Carries a batch out.
fn work(simulator: &Simulator, id: &str, batch_id: &str) {
    let begun = {
        let mut jobs = simulator.async_jobs();
        let job = jobs.jobs.get_mut(id).filter(|job| job.info["state"] != "Aborted");
        job.and_then(|job| {
            let (info, manner, queries) = (job.info.clone(), job.manner, is_query(job));
            let batch = job.batches.iter_mut().find(|batch| batch.info["id"] == batch_id)?;
            batch.info["state"] = "InProgress".into();
            Some((info, manner, queries, batch.request.clone()))
        })
    };
    let Some((info, manner, queries, request)) = begun else { return };
    let done =
        if queries { query(simulator, &info, &request, manner) } else { write(simulator, &info, &request, manner) };
    let mut jobs = simulator.async_jobs();
    let result = jobs.id("752");
    let Some(job) = jobs.jobs.get_mut(id) else { return };
    let Some(batch) = job.batches.iter_mut().find(|batch| batch.info["id"] == batch_id) else { return };
    let (processed, failed) = match done {
        Ok(Results::Rows(_, columns, rows)) => {
            let found = rows.len();
            batch.results = Results::Rows(result, columns, rows);
            batch.info["state"] = "Completed".into();
            (found, 0)
        }
        Ok(results) => {
            let (all, failed) = match &results {
                Results::Written(rows) => (rows.len(), rows.iter().filter(|row| row.is_err()).count()),
                _ => (0, 0),
            };
            batch.results = results;
            batch.info["state"] = "Completed".into();
            (all, failed)
        }
        Err(why) => {
            batch.info["state"] = "Failed".into();
            batch.info["stateMessage"] = why.into();
            (0, 0)
        }
    };
    batch.info["numberRecordsProcessed"] = processed.into();
    batch.info["numberRecordsFailed"] = failed.into();
    let state = if batch.info["state"] == "Failed" { "numberBatchesFailed" } else { "numberBatchesCompleted" };
    for (name, more) in [(state, 1), ("numberRecordsProcessed", processed), ("numberRecordsFailed", failed)] {
        job.info[name] = (job.info[name].as_u64().unwrap_or_default() + more as u64).into();
    }
}

fn query(simulator: &Simulator, info: &Value, text: &str, manner: Manner) -> Result<Results, String> {
    let refused = |why: &str| format!("InvalidBatch : Failed to process query: {why}");
    let query = soql::parse(text.trim(), simulator.clock.now().date_naive())
        .map_err(|why| refused(&format!("MALFORMED_QUERY: {why}")))?;
    if !info["object"].as_str().is_some_and(|object| object.eq_ignore_ascii_case(&query.object)) {
        return Err(refused("the query is of another object than the job"));
    }
    let columns = columns_of(&query).map_err(|why| format!("FeatureNotEnabled : {why}"))?;
    let found = simulator.org().query_by(manner, &query, info["operation"] == "queryAll");
    match found {
        Ok(Rows::Records(rows)) => Ok(Results::Rows(String::new(), columns, rows)),
        Ok(Rows::Count(_)) => Err(refused("COUNT() is not supported")),
        Err(error) => Err(refused(&format!("{}: {}", error.code, error.message.trim()))),
    }
}

fn write(simulator: &Simulator, info: &Value, text: &str, manner: Manner) -> Result<Results, String> {
    let own = |name: &str| info[name].as_str().unwrap_or_default();
    let (object, operation, key) = (own("object"), own("operation"), own("externalIdFieldName"));
    let rows: Vec<Row> = if info["contentType"] == "JSON" {
        let records: Vec<Record> = serde_json::from_str(text).map_err(|e| format!("InvalidBatch : JSON: {e}"))?;
        records.into_iter().map(|record| json_row(object, operation, key, record, manner)).collect()
    } else {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header: Vec<String> = match reader.headers() {
            Ok(header) if !header.is_empty() => {
                header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect()
            }
            _ => return Err("InvalidBatch : The batch has no header".into()),
        };
        let unknown = {
            let org = simulator.org();
            let seen = org.seen_by(manner);
            header.iter().find(|name| !name.contains('.') && seen.field(object, name).is_none()).cloned()
        };
        if let Some(name) = unknown {
            return Err(format!("InvalidBatch : Field name not found : {name}"));
        }
        let rows: Result<Vec<Row>, csv::Error> = reader
            .records()
            .map(|cells| {
                let cells: Vec<String> = cells?.iter().map(str::to_owned).collect();
                Ok(row_of(object, operation, key, &header, &cells, manner))
            })
            .collect();
        rows.map_err(|e| format!("InvalidBatch : {e}"))?
    };
    if rows.len() > MOST_ROWS {
        return Err("InvalidBatch : Exceeded the limit of 10,000 records".into());
    }
    let mut written = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        written.extend(write_rows(simulator, false, rows.by_ref().take(CHUNK).collect()));
    }
    Ok(Results::Written(written))
}

fn json_row(object: &str, operation: &str, key: &str, record: Record, manner: Manner) -> Row {
    let cell = |name: &str| {
        let found = record.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    let operation = match operation {
        "insert" => RowOperation::Insert,
        "update" => RowOperation::Update(cell("Id")),
        "upsert" => RowOperation::Upsert(key.to_owned(), cell(key)),
        _ => RowOperation::Delete(cell("Id")),
    };
    Row { operation, object: object.to_owned(), body: record, manner }
}

/// Of a query the ids of its results, of a write what became of each row.
fn results(job: &Job, batch: &Batch) -> Result<Answer, Refused> {
    let in_json = speaks_json(job);
    match &batch.results {
        Results::None => Err(Refused::new("InvalidBatch", "Batch not completed")),
        Results::Rows(id, ..) if in_json => Ok(Answer::new(200, json!([id]))),
        Results::Rows(id, ..) => {
            Ok(Answer::xml(200, format!("<result-list xmlns=\"{NAMESPACE}\"><result>{id}</result></result-list>")))
        }
        Results::Written(rows) if in_json => {
            let rows = rows.iter().map(|row| match row {
                Ok((id, created)) => json!({ "success": true, "created": created, "id": id, "errors": [] }),
                Err(error) => {
                    let error = json!({ "message": error.message, "fields": error.fields, "statusCode": error.code, "extendedErrorDetails": null });
                    json!({ "success": false, "created": false, "id": null, "errors": [error] })
                }
            });
            Ok(Answer::new(200, rows.collect()))
        }
        Results::Written(rows) => {
            let header = ["Id", "Success", "Created", "Error"].map(str::to_owned);
            let rows: Vec<Vec<String>> = rows
                .iter()
                .map(|row| match row {
                    Ok((id, created)) => vec![id.clone(), "true".into(), created.to_string(), String::new()],
                    Err(error) => {
                        let error = format!("{}:{}:{} --", error.code, error.message, error.fields.join(", "));
                        vec![String::new(), "false".into(), "false".into(), error]
                    }
                })
                .collect();
            Ok(Answer::csv(csv_of(&header, &rows)))
        }
    }
}

/// The fields of a job's object that hold a moment or a day.
fn dates_of(simulator: &Simulator, id: &str) -> Vec<String> {
    let object = simulator.async_jobs().jobs.get(&super::org::long_id(id)).map(|job| job.info["object"].clone());
    let org = simulator.org();
    let schema = object.as_ref().and_then(Value::as_str).and_then(|object| org.schema.objects.get(object));
    let fields = schema.into_iter().flat_map(|schema| &schema.fields);
    fields
        .filter(|(_, field)| matches!(field.kind.as_str(), "date" | "datetime"))
        .map(|(name, _)| name.clone())
        .collect()
}

fn rows(job: &Job, batch: &Batch, result: &str, dates: &[String]) -> Result<Answer, Refused> {
    let Results::Rows(id, columns, rows) = &batch.results else {
        return Err(Refused::new("InvalidBatch", "the batch has no such result"));
    };
    if *id != super::org::long_id(result) {
        return Err(Refused::new("InvalidBatch", format!("Unable to find result: {result}")));
    }
    if !speaks_json(job) {
        // Without rows there is no header either.
        let text = if rows.is_empty() {
            "Records not found for this query\n".to_owned()
        } else {
            csv_of(columns, &rows.iter().map(|row| cells(columns, row)).collect::<Vec<_>>())
        };
        return Ok(Answer::csv(text));
    }
    let mut rows = Value::Array(rows.clone());
    super::options::as_written(&mut rows);
    // In JSON this API writes moments in milliseconds, unlike REST; for days that is assumed.
    for row in rows.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        for (_, value) in row.iter_mut().filter(|(name, _)| dates.contains(name)) {
            if let Some(text) = value.as_str() {
                *value = super::bus::millis_of(text).into();
            }
        }
    }
    Ok(Answer::written(rows.to_string()))
}
