//! Bulk API 2.0: ingest and query jobs. A job is worked on after the answer, in chunks as the real service does, so that
//! clients have to poll. Source: Bulk API 2.0 Developer Guide and the shared facts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Simulator;
use super::org::{Manner, Record};
use super::query::Rows;
use super::rest::{Answer, Asked, Row, RowOperation, parameter, write_rows};
use super::soql::{self, Operand, Query, Selected};

/// Rows a trigger sees at once.
const CHUNK: usize = 200;
/// Bytes of one upload.
const MOST_UPLOAD: usize = 150 << 20;

/// All jobs by id.
#[derive(Default)]
pub struct Jobs {
    jobs: BTreeMap<String, Job>,
    next: u64,
}

struct Job {
    query: bool,
    /// What describe of the job shows.
    info: Value,
    upload: Option<String>,
    succeeded: Vec<Vec<String>>,
    failed: Vec<Vec<String>>,
    /// Header of what was uploaded, or of a query's result.
    header: Vec<String>,
    manner: Manner,
}

/// Below `/jobs`.
pub fn answer(simulator: &Arc<Simulator>, method: &str, segments: &[&str], asked: &Asked<'_>) -> Answer {
    match (method, segments) {
        ("POST", ["ingest"]) => create_ingest(simulator, asked),
        ("POST", ["query"]) => create_query(simulator, asked),
        ("GET", ["ingest" | "query"]) => {
            let jobs = simulator.jobs();
            let rows: Vec<Value> = jobs
                .jobs
                .values()
                .filter(|job| job.query == (segments[0] == "query"))
                .map(|job| job.info.clone())
                .collect();
            Answer::new(200, json!({ "done": true, "records": rows, "nextRecordsUrl": null }))
        }
        ("PUT", ["ingest", id, "batches"]) => upload(simulator, id, asked),
        ("PATCH", ["ingest" | "query", id]) => set_state(simulator, id, asked),
        ("GET", ["ingest" | "query", id]) => with_job(simulator, id, |job| Answer::new(200, job.info.clone())),
        ("DELETE", ["ingest" | "query", id]) => {
            if simulator.jobs().jobs.remove(*id).is_some() {
                Answer::new(204, Value::Null)
            } else {
                no_job()
            }
        }
        ("GET", ["ingest", id, "successfulResults"]) => with_job(simulator, id, |job| {
            Answer::csv(csv_of(
                &[&["sf__Id".to_owned(), "sf__Created".to_owned()], job.header.as_slice()].concat(),
                &job.succeeded,
            ))
        }),
        ("GET", ["ingest", id, "failedResults"]) => with_job(simulator, id, |job| {
            Answer::csv(csv_of(
                &[&["sf__Id".to_owned(), "sf__Error".to_owned()], job.header.as_slice()].concat(),
                &job.failed,
            ))
        }),
        ("GET", ["ingest", id, "unprocessedrecords"]) => {
            with_job(simulator, id, |job| Answer::csv(csv_of(&job.header, &[])))
        }
        ("GET", ["query", id, "results"]) => results(simulator, id, asked),
        _ => Answer::error(405, "METHOD_NOT_ALLOWED", &format!("HTTP Method '{method}' not allowed")),
    }
}

fn no_job() -> Answer {
    Answer::error(404, "NOT_FOUND", "The requested resource does not exist")
}

fn invalid(code: &str, message: &str) -> Answer {
    Answer::error(400, code, message)
}

fn with_job(simulator: &Simulator, id: &str, show: impl FnOnce(&Job) -> Answer) -> Answer {
    simulator.jobs().jobs.get(id).map_or_else(no_job, show)
}

fn parse(asked: &Asked<'_>) -> Result<Value, Answer> {
    serde_json::from_str(asked.body).map_err(|e| invalid("JSON_PARSER_ERROR", &format!("Unexpected input: {e}")))
}

fn keep(simulator: &Simulator, query: bool, mut info: Value, manner: Manner) -> Value {
    let now = simulator.clock.now().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    let mut jobs = simulator.jobs();
    jobs.next += 1;
    let id = super::org::make_id("750", jobs.next);
    let user = if manner.silent { super::org::INTEGRATION_USER } else { super::org::SALES_USER };
    info["id"] = id.clone().into();
    for (name, value) in [("createdDate", now.clone()), ("systemModstamp", now), ("createdById", user.to_owned())] {
        info[name] = value.into();
    }
    for (name, value) in
        [("concurrencyMode", "Parallel"), ("contentType", "CSV"), ("apiVersion", "64.0"), ("columnDelimiter", "COMMA")]
    {
        if info[name].is_null() {
            info[name] = value.into();
        }
    }
    info["apiVersion"] = json!(64.0);
    if !query {
        info["contentUrl"] = format!("services/data/v64.0/jobs/ingest/{id}/batches").into();
    }
    let job = Job {
        query,
        info: info.clone(),
        upload: None,
        succeeded: Vec::new(),
        failed: Vec::new(),
        header: Vec::new(),
        manner,
    };
    jobs.jobs.insert(id, job);
    info
}

fn create_ingest(simulator: &Simulator, asked: &Asked<'_>) -> Answer {
    let body = match parse(asked) {
        Ok(body) => body,
        Err(error) => return error,
    };
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let operation = text("operation");
    if !["insert", "update", "upsert", "delete", "hardDelete"].contains(&operation) {
        return invalid("INVALIDOPERATION", &format!("Unknown operation: {operation}"));
    }
    let object = match simulator.org().known_by(asked.manner, text("object")) {
        Some(name) => name.to_owned(),
        None => return invalid("INVALIDENTITY", &format!("Unable to find object: {}", text("object"))),
    };
    let key = text("externalIdFieldName");
    if operation == "upsert" {
        let org = simulator.org();
        let known = org.schema.field(&object, key).is_some_and(|(_, field)| field.external_id || field.kind == "id");
        if !known {
            return invalid("INVALIDJOB", &format!("InvalidJob : Field name not found : {key}"));
        }
    }
    if !["", "CSV"].contains(&text("contentType")) {
        return invalid("INVALIDJOB", "InvalidJob : contentType must be CSV");
    }
    let ending = if text("lineEnding").is_empty() { "LF" } else { text("lineEnding") };
    let mut info = json!({ "object": object, "operation": operation, "state": "Open", "jobType": "V2Ingest", "lineEnding": ending, "columnDelimiter": body["columnDelimiter"] });
    if !key.is_empty() {
        info["externalIdFieldName"] = key.into();
    }
    Answer::new(200, keep(simulator, false, info, asked.manner))
}

fn upload(simulator: &Simulator, id: &str, asked: &Asked<'_>) -> Answer {
    if !asked.content_type.contains("csv") {
        return Answer::error(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be text/csv");
    }
    if asked.body.len() > MOST_UPLOAD {
        return Answer::error(413, "REQUEST_TOO_LARGE", "The upload is larger than 150 MB");
    }
    let mut jobs = simulator.jobs();
    let Some(job) = jobs.jobs.get_mut(id) else { return no_job() };
    if job.info["state"] != "Open" || job.upload.is_some() {
        return invalid("INVALIDJOBSTATE", "Job is not open, or its data was uploaded already");
    }
    job.upload = Some(asked.body.to_owned());
    Answer::new(201, Value::Null)
}

fn set_state(simulator: &Arc<Simulator>, id: &str, asked: &Asked<'_>) -> Answer {
    let body = match parse(asked) {
        Ok(body) => body,
        Err(error) => return error,
    };
    let mut jobs = simulator.jobs();
    let Some(job) = jobs.jobs.get_mut(id) else { return no_job() };
    match (body["state"].as_str().unwrap_or_default(), job.info["state"].as_str().unwrap_or_default()) {
        ("Aborted", "Open" | "UploadComplete" | "InProgress") => job.info["state"] = "Aborted".into(),
        ("UploadComplete", "Open") if !job.query => {
            if job.upload.is_none() {
                return invalid("INVALIDJOBSTATE", "No data was uploaded");
            }
            job.info["state"] = "UploadComplete".into();
            let (simulator, id) = (simulator.clone(), id.to_owned());
            let queued = Duration::from_millis(simulator.settings().job_delay_ms);
            tokio::spawn(async move {
                tokio::time::sleep(queued).await;
                let _ = tokio::task::spawn_blocking(move || ingest(&simulator, &id)).await;
            });
        }
        (wanted, state) => {
            return invalid(
                "INVALIDJOBSTATE",
                &format!("Job state {wanted} not allowed when current state is {state}"),
            );
        }
    }
    Answer::new(200, job.info.clone())
}

fn ingest(simulator: &Simulator, id: &str) {
    let started = std::time::Instant::now();
    let (info, text, manner) = {
        let mut jobs = simulator.jobs();
        let Some(job) = jobs.jobs.get_mut(id).filter(|job| job.info["state"] == "UploadComplete") else { return };
        job.info["state"] = "InProgress".into();
        (job.info.clone(), job.upload.take().unwrap_or_default(), job.manner)
    };
    let fail = |why: String| {
        if let Some(job) = simulator.jobs().jobs.get_mut(id) {
            job.info["state"] = "Failed".into();
            job.info["errorMessage"] = why.into();
        }
    };
    let delimiter = delimiter_of(&info);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(header) if !header.is_empty() => {
            header.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect()
        }
        _ => return fail("InvalidBatch : The upload has no header".into()),
    };
    let object = info["object"].as_str().unwrap_or_default().to_owned();
    let operation = info["operation"].as_str().unwrap_or_default().to_owned();
    let key = info["externalIdFieldName"].as_str().unwrap_or_default().to_owned();
    {
        let org = simulator.org();
        // `Account.Tandem_Card_Code__c` names a parent by its external id.
        let seen = org.seen_by(manner);
        let unknown = header.iter().find(|name| !name.contains('.') && seen.field(&object, name).is_none());
        if let Some(name) = unknown {
            drop(org);
            return fail(format!("InvalidBatch : Field name not found : {name}"));
        }
    }
    let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
    let mut chunk: Vec<Vec<String>> = Vec::new();
    let mut work = |chunk: &mut Vec<Vec<String>>| {
        let rows = chunk.iter().map(|cells| row_of(&object, &operation, &key, &header, cells, manner)).collect();
        for (cells, result) in chunk.drain(..).zip(write_rows(simulator, false, rows)) {
            match result {
                Ok((id, created)) => succeeded.push([vec![id, created.to_string()], cells].concat()),
                Err(error) => {
                    let fields = error.fields.join(", ");
                    failed.push(
                        [vec![String::new(), format!("{}:{}:{fields} --", error.code, error.message)], cells].concat(),
                    );
                }
            }
        }
    };
    for cells in reader.records() {
        let cells: Vec<String> = match cells {
            Ok(cells) => cells.iter().map(str::to_owned).collect(),
            Err(error) => return fail(format!("InvalidBatch : {error}")),
        };
        chunk.push(cells);
        if chunk.len() == CHUNK {
            work(&mut chunk);
            let aborted = simulator.jobs().jobs.get(id).is_none_or(|job| job.info["state"] == "Aborted");
            if aborted {
                return;
            }
        }
    }
    work(&mut chunk);
    if let Some(job) = simulator.jobs().jobs.get_mut(id) {
        let spent = started.elapsed().as_millis() as u64;
        job.info["numberRecordsProcessed"] = (succeeded.len() + failed.len()).into();
        job.info["numberRecordsFailed"] = failed.len().into();
        for name in ["totalProcessingTime", "apiActiveProcessingTime"] {
            job.info[name] = spent.into();
        }
        job.info["apexProcessingTime"] = 0.into();
        job.info["retries"] = 0.into();
        (job.header, job.succeeded, job.failed) = (header, succeeded, failed);
        job.info["state"] = "JobComplete".into();
    }
}

/// A line of a batch as the write it asks for.
pub fn row_of(object: &str, operation: &str, key: &str, header: &[String], cells: &[String], manner: Manner) -> Row {
    let mut body = Record::new();
    let (mut id, mut value) = (String::new(), String::new());
    for (name, cell) in header.iter().zip(cells) {
        if name.eq_ignore_ascii_case(key) {
            value.clone_from(cell);
        }
        if name.eq_ignore_ascii_case("Id") {
            id.clone_from(cell);
        } else if let Some((relation, field)) = name.split_once('.') {
            if !cell.is_empty() {
                body.insert(relation.to_owned(), json!({ field: cell }));
            }
        } else if cell == "#N/A" {
            body.insert(name.clone(), Value::Null);
        } else if !cell.is_empty() {
            // An empty cell leaves the field as it is.
            body.insert(name.clone(), cell.clone().into());
        }
    }
    let operation = match operation {
        "insert" => RowOperation::Insert,
        "update" => RowOperation::Update(id),
        "upsert" => RowOperation::Upsert(key.to_owned(), value),
        _ => RowOperation::Delete(id),
    };
    Row { operation, object: object.to_owned(), body, manner }
}

fn delimiter_of(info: &Value) -> u8 {
    match info["columnDelimiter"].as_str().unwrap_or_default() {
        "TAB" => b'\t',
        "SEMICOLON" => b';',
        "PIPE" => b'|',
        "CARET" => b'^',
        "BACKQUOTE" => b'`',
        _ => b',',
    }
}

fn create_query(simulator: &Arc<Simulator>, asked: &Asked<'_>) -> Answer {
    let body = match parse(asked) {
        Ok(body) => body,
        Err(error) => return error,
    };
    let operation = body["operation"].as_str().unwrap_or_default();
    if !["query", "queryAll"].contains(&operation) {
        return invalid("INVALIDOPERATION", &format!("Unknown operation: {operation}"));
    }
    let text = body["query"].as_str().unwrap_or_default();
    let query = match soql::parse(text, simulator.clock.now().date_naive()) {
        Ok(query) => query,
        Err(why) => return invalid("MALFORMED_QUERY", &why),
    };
    let columns = match columns_of(&query) {
        Ok(columns) => columns,
        Err(why) => return invalid("FEATURENOTENABLED", why),
    };
    let ending = body["lineEnding"].as_str().unwrap_or("LF");
    let info = json!({ "object": query.object, "operation": operation, "state": "UploadComplete", "jobType": "V2Query", "lineEnding": ending, "columnDelimiter": body["columnDelimiter"] });
    let info = keep(simulator, true, info, asked.manner);
    let id = info["id"].as_str().unwrap_or_default().to_owned();
    let (simulator, with_deleted) = (simulator.clone(), operation == "queryAll");
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = tokio::task::spawn_blocking(move || run(&simulator, &id, &query, with_deleted, &columns)).await;
    });
    Answer::new(200, info)
}

/// Bulk queries know neither child sub-queries nor aggregates.
pub fn columns_of(query: &Query) -> Result<Vec<String>, &'static str> {
    if !query.group.is_empty() {
        return Err("Group by is not supported in a bulk query");
    }
    query
        .fields
        .iter()
        .map(|field| match field {
            Selected::Operand(Operand::Field(path), _) => Ok(path.clone()),
            Selected::Operand(Operand::Aggregate(..), _) | Selected::Count => {
                Err("Aggregate functions are not supported in a bulk query")
            }
            Selected::Children(_) => Err("Nested queries are not supported in a bulk query"),
            _ => Err("This field expression is not supported in a bulk query"),
        })
        .collect()
}

fn run(simulator: &Simulator, id: &str, query: &Query, with_deleted: bool, columns: &[String]) {
    let Some(manner) = simulator.jobs().jobs.get(id).map(|job| job.manner) else { return };
    let found = simulator.org().query_by(manner, query, with_deleted);
    let mut jobs = simulator.jobs();
    let Some(job) = jobs.jobs.get_mut(id).filter(|job| job.info["state"] != "Aborted") else { return };
    match found {
        Ok(Rows::Records(rows)) => {
            job.succeeded = rows.iter().map(|row| cells(columns, row)).collect();
            job.header = columns.to_vec();
            job.info["numberRecordsProcessed"] = job.succeeded.len().into();
            job.info["totalProcessingTime"] = 1.into();
            job.info["retries"] = 0.into();
            job.info["state"] = "JobComplete".into();
        }
        Ok(Rows::Count(_)) => {}
        Err(error) => {
            job.info["state"] = "Failed".into();
            job.info["errorMessage"] = format!("{}: {}", error.code, error.message).into();
        }
    }
}

/// A row as CSV shows it: null is empty, a moment ends in `Z`.
pub fn cells(columns: &[String], row: &Value) -> Vec<String> {
    let cell = |path: &String| match path.split('.').fold(row, |at, step| find(at, step)) {
        Value::Null => String::new(),
        Value::String(text) => text.replace("+0000", "Z"),
        other => other.to_string(),
    };
    columns.iter().map(cell).collect()
}

fn find<'a>(value: &'a Value, name: &str) -> &'a Value {
    const NULL: Value = Value::Null;
    let fields = value.as_object();
    fields
        .and_then(|fields| fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value))
        .unwrap_or(&NULL)
}

fn results(simulator: &Simulator, id: &str, asked: &Asked<'_>) -> Answer {
    let from: usize = parameter(asked.query, "locator").and_then(|locator| decode_locator(&locator)).unwrap_or(0);
    let most: usize = parameter(asked.query, "maxRecords").and_then(|most| most.parse().ok()).unwrap_or(50_000);
    with_job(simulator, id, |job| {
        if job.info["state"] != "JobComplete" {
            return invalid("INVALIDJOBSTATE", &format!("Job {id} is {}", job.info["state"]));
        }
        let to = job.succeeded.len().min(from + most.max(1));
        let page = &job.succeeded[from.min(to)..to];
        let locator = if to < job.succeeded.len() { encode_locator(to) } else { "null".to_owned() };
        Answer::csv(csv_of(&job.header, page))
            .with("Sforce-Locator", locator)
            .with("Sforce-NumberOfRecords", page.len().to_string())
    })
}

fn encode_locator(from: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(from.to_string())
}

fn decode_locator(locator: &str) -> Option<usize> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(locator).ok()?;
    String::from_utf8(bytes).ok()?.parse().ok()
}

/// Every cell quoted, as the real service writes it.
pub fn csv_of(header: &[String], rows: &[Vec<String>]) -> String {
    let mut writer =
        csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).flexible(true).from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(header);
    for row in rows {
        let _ = writer.write_record(row);
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}
