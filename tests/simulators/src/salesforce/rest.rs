//! The REST API: sign-in, records, queries, collections, composite.

use serde_json::{Value, json};

use super::org::{Record, RowError};
use super::soql::{self, Selected};
use super::{ORG_ID, Simulator};
use crate::b1::odata::decode;

/// Records of a collection call.
const MOST_RECORDS: usize = 200;
const MOST_SUBREQUESTS: usize = 25;
const PAGE: usize = 2_000;

/// An answer: status and JSON, null for none.
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body }
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, json!([{ "message": message, "errorCode": code }]))
    }

    fn row(error: &RowError) -> Self {
        let status = match error.code {
            "NOT_FOUND" | "ENTITY_IS_DELETED" => 404,
            _ => 400,
        };
        Self::new(status, json!([{ "message": error.message, "errorCode": error.code, "fields": error.fields }]))
    }
}

/// Below `/services/data/vXX.0`. `silent` is the integration user's: its changes are not told.
pub fn answer(
    simulator: &Simulator,
    method: &str,
    path: &str,
    query: &str,
    page: Option<usize>,
    body: &str,
    silent: bool,
) -> Answer {
    let segments: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let parsed = || -> Result<Value, Answer> {
        serde_json::from_str(body)
            .map_err(|e| Answer::error(400, "JSON_PARSER_ERROR", &format!("Unexpected input: {e}")))
    };
    let result = match (method, segments.as_slice()) {
        ("GET", ["query" | "queryAll"]) => run_query(simulator, query, page, segments[0] == "queryAll"),
        ("GET", ["query" | "queryAll", locator]) => Ok(next_page(simulator, locator)),
        ("GET", ["limits"]) => {
            let (used, most) = simulator.usage();
            Ok(Answer::new(200, json!({ "DailyApiRequests": { "Max": most, "Remaining": most.saturating_sub(used) } })))
        }
        ("GET", ["sobjects"]) => {
            let org = simulator.org();
            let rows: Vec<Value> =
                org.objects.iter().map(|(name, object)| json!({ "name": name, "keyPrefix": object.prefix })).collect();
            Ok(Answer::new(200, json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": rows })))
        }
        ("GET", ["sobjects", object, "describe"]) => describe(simulator, object),
        ("POST", ["sobjects", object]) => parsed().and_then(|body| insert(simulator, object, body, silent)),
        ("GET", ["sobjects", object, id]) => read(simulator, object, id),
        ("PATCH", ["sobjects", object, id]) => parsed().and_then(|body| update(simulator, object, id, body, silent)),
        ("DELETE", ["sobjects", object, id]) => delete(simulator, object, id, silent),
        ("PATCH", ["sobjects", object, field, value]) => {
            parsed().and_then(|body| upsert(simulator, object, field, value, body, silent))
        }
        ("GET", ["sobjects", object, field, value]) => read_by(simulator, object, field, value),
        ("POST" | "PATCH", ["composite", "sobjects"]) => {
            parsed().and_then(|body| collection(simulator, method, None, &body, silent))
        }
        ("PATCH", ["composite", "sobjects", object, field]) => {
            parsed().and_then(|body| collection(simulator, method, Some((object, field)), &body, silent))
        }
        ("POST", ["composite"]) => parsed().and_then(|body| composite(simulator, &body, silent)),
        _ => Err(Answer::error(404, "NOT_FOUND", "The requested resource does not exist")),
    };
    result.unwrap_or_else(|error| error)
}

/// `POST /services/oauth2/token`
pub fn sign_in(simulator: &Simulator, instance_url: &str, form: &str) -> Answer {
    let field = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.split_once('=').filter(|(own, _)| *own == name))
            .map(|(_, value)| decode(value))
            .unwrap_or_default()
    };
    let refuse =
        |error: &str, description: &str| Answer::new(400, json!({ "error": error, "error_description": description }));
    simulator.count("LOGIN");
    let integration = match field("grant_type").as_str() {
        "client_credentials" => {
            if field("client_id") != simulator.client.0 || field("client_secret") != simulator.client.1 {
                return refuse("invalid_client", "invalid client credentials");
            }
            true
        }
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            if let Err(why) = simulator.check_assertion(&field("assertion"), instance_url) {
                return refuse("invalid_grant", why);
            }
            true
        }
        // What a person's tools use; their changes are told.
        "password" => false,
        _ => return refuse("unsupported_grant_type", "grant type not supported"),
    };
    let token = simulator.new_token(integration);
    Answer::new(
        200,
        json!({
            "access_token": token, "instance_url": instance_url, "id": format!("{instance_url}/id/{ORG_ID}/0055g00000ABCDEAA4"),
            "token_type": "Bearer", "scope": "api", "issued_at": chrono::Utc::now().timestamp_millis().to_string(),
        }),
    )
}

fn run_query(simulator: &Simulator, query: &str, page: Option<usize>, with_deleted: bool) -> Result<Answer, Answer> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("q=")).map(decode).unwrap_or_default();
    let parsed = soql::parse(&text)
        .map_err(|why| Answer::error(400, "MALFORMED_QUERY", &format!("\n{text}\n^\nERROR: {why}")))?;
    let counts = matches!(parsed.fields.as_slice(), [Selected::Count]);
    let rows = simulator.org().query(&parsed, with_deleted).map_err(|error| Answer::row(&error))?;
    if counts {
        return Ok(Answer::new(200, json!({ "totalSize": rows.len(), "done": true, "records": [] })));
    }
    Ok(page_of(simulator, rows, 0, page.unwrap_or(PAGE)))
}

fn page_of(simulator: &Simulator, rows: Vec<Value>, from: usize, size: usize) -> Answer {
    let total = rows.len();
    let to = total.min(from + size);
    let mut body = json!({ "totalSize": total, "done": to == total, "records": rows[from..to] });
    if to < total {
        let locator = simulator.keep_cursor(rows, size);
        body["nextRecordsUrl"] = format!("/services/data/v64.0/query/{locator}-{to}").into();
    }
    Answer::new(200, body)
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

fn describe(simulator: &Simulator, object: &str) -> Result<Answer, Answer> {
    let org = simulator.org();
    let missing = || Answer::error(404, "NOT_FOUND", "The requested resource does not exist");
    let name = org.real_name(object).ok_or_else(missing)?;
    let fields: Vec<Value> = org.objects[name]
        .fields
        .iter()
        .map(|(name, field)| {
            json!({ "name": name, "type": field.kind, "length": field.length.unwrap_or(0), "nillable": !field.required,
                "externalId": field.external_id, "unique": field.unique, "updateable": !field.read_only, "custom": name.ends_with("__c") })
        })
        .collect();
    Ok(Answer::new(200, json!({ "name": name, "keyPrefix": org.objects[name].prefix, "fields": fields })))
}

fn insert(simulator: &Simulator, object: &str, body: Value, silent: bool) -> Result<Answer, Answer> {
    let id = write(simulator, |org| org.insert(object, record(body), silent)).map_err(|error| Answer::row(&error))?;
    Ok(Answer::new(201, json!({ "id": id, "success": true, "errors": [] })))
}

fn read(simulator: &Simulator, object: &str, id: &str) -> Result<Answer, Answer> {
    let org = simulator.org();
    let missing = || Answer::error(404, "NOT_FOUND", "The requested resource does not exist");
    let mut row = org.get(object, id).cloned().ok_or_else(missing)?;
    row.insert("attributes".into(), json!({ "type": org.real_name(object) }));
    Ok(Answer::new(200, Value::Object(row)))
}

fn read_by(simulator: &Simulator, object: &str, field: &str, value: &str) -> Result<Answer, Answer> {
    let found = simulator.org().by_external_id(object, field, value);
    match found {
        Ok(Some(id)) => read(simulator, object, &id),
        Ok(None) => Err(Answer::error(404, "NOT_FOUND", "The requested resource does not exist")),
        Err(_) => Err(Answer::new(300, json!([]))),
    }
}

fn update(simulator: &Simulator, object: &str, id: &str, body: Value, silent: bool) -> Result<Answer, Answer> {
    write(simulator, |org| org.update(object, id, record(body), silent).map(|events| ((), events)))
        .map_err(|error| Answer::row(&error))?;
    Ok(Answer::new(204, Value::Null))
}

fn delete(simulator: &Simulator, object: &str, id: &str, silent: bool) -> Result<Answer, Answer> {
    write(simulator, |org| org.delete(object, id, silent).map(|events| ((), events)))
        .map_err(|error| Answer::row(&error))?;
    Ok(Answer::new(204, Value::Null))
}

fn upsert(
    simulator: &Simulator,
    object: &str,
    field: &str,
    value: &str,
    body: Value,
    silent: bool,
) -> Result<Answer, Answer> {
    match upsert_row(simulator, object, field, value, record(body), silent) {
        Ok((id, true)) => Ok(Answer::new(201, json!({ "id": id, "success": true, "errors": [], "created": true }))),
        Ok((id, false)) => Ok(Answer::new(200, json!({ "id": id, "success": true, "errors": [], "created": false }))),
        Err(error) if error.code == "DUPLICATE_EXTERNAL_ID" => Err(Answer::new(300, json!([]))),
        Err(error) => Err(Answer::row(&error)),
    }
}

fn upsert_row(
    simulator: &Simulator,
    object: &str,
    field: &str,
    value: &str,
    mut body: Record,
    silent: bool,
) -> Result<(String, bool), RowError> {
    let is_external = {
        let org = simulator.org();
        org.real_name(object)
            .and_then(|name| org.objects[name].fields.get(field))
            .is_some_and(|field| field.external_id)
    };
    if !is_external {
        return Err(RowError::new("NOT_FOUND", "Provided external ID field does not exist or is not accessible", &[]));
    }
    let found = simulator.org().by_external_id(object, field, value);
    match found {
        Ok(Some(id)) => {
            body.remove(field);
            write(simulator, |org| org.update(object, &id, body, silent).map(|events| ((), events)))?;
            Ok((id, false))
        }
        Ok(None) => {
            body.insert(field.to_owned(), value.into());
            Ok((write(simulator, |org| org.insert(object, body, silent))?, true))
        }
        Err(_) => Err(RowError::new("DUPLICATE_EXTERNAL_ID", "more than one record found for external id field", &[])),
    }
}

fn collection(
    simulator: &Simulator,
    method: &str,
    by: Option<(&&str, &&str)>,
    body: &Value,
    silent: bool,
) -> Result<Answer, Answer> {
    let rows = body["records"].as_array().cloned().unwrap_or_default();
    if rows.len() > MOST_RECORDS {
        return Err(Answer::error(
            400,
            "EXCEEDED_ID_LIMIT",
            &format!("record limit reached. cannot submit more than {MOST_RECORDS} records into this call"),
        ));
    }
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str().or(row["Id"].as_str())).collect();
    if ids.iter().enumerate().any(|(at, id)| ids[..at].contains(id)) {
        return Err(Answer::error(400, "DUPLICATE_VALUE", "Duplicate id in the list of records"));
    }
    let mut answers = Vec::new();
    for row in rows {
        let object = row["attributes"]["type"].as_str().unwrap_or_default().to_owned();
        let id = row["id"].as_str().or(row["Id"].as_str()).unwrap_or_default().to_owned();
        let locked = simulator.draw_lock();
        let result = match (method, by) {
            _ if locked => Err(RowError::new(
                "UNABLE_TO_LOCK_ROW",
                "unable to obtain exclusive access to this record or 1 records",
                &[],
            )),
            ("POST", _) => write(simulator, |org| org.insert(&object, record(row), silent)).map(|id| (id, true)),
            (_, Some((object, field))) => {
                let value = row[*field].as_str().unwrap_or_default().to_owned();
                upsert_row(simulator, object, field, &value, record(row), silent)
            }
            _ => write(simulator, |org| org.update(&object, &id, record(row), silent).map(|events| ((), events)))
                .map(|()| (id, false)),
        };
        answers.push(match result {
            Ok((id, created)) if by.is_some() => json!({ "id": id, "success": true, "errors": [], "created": created }),
            Ok((id, _)) => json!({ "id": id, "success": true, "errors": [] }),
            Err(error) => json!({ "success": false, "errors": [error.json()] }),
        });
    }
    Ok(Answer::new(200, Value::Array(answers)))
}

fn composite(simulator: &Simulator, body: &Value, silent: bool) -> Result<Answer, Answer> {
    let subrequests = body["compositeRequest"].as_array().cloned().unwrap_or_default();
    if subrequests.len() > MOST_SUBREQUESTS {
        return Err(Answer::error(400, "LIMIT_EXCEEDED", "The number of subrequests exceeds 25"));
    }
    let mut answers: Vec<Value> = Vec::new();
    for subrequest in subrequests {
        let url = subrequest["url"].as_str().unwrap_or_default();
        let below = url.splitn(5, '/').nth(4).unwrap_or_default().to_owned();
        let mut body = subrequest["body"].to_string();
        let mut below = format!("/{below}");
        for answer in &answers {
            let reference = format!("@{{{}.id}}", answer["referenceId"].as_str().unwrap_or_default());
            let id = answer["body"]["id"].as_str().unwrap_or_default();
            body = body.replace(&reference, id);
            below = below.replace(&reference, id);
        }
        let (path, query) = below.split_once('?').unwrap_or((&below, ""));
        let answer = self::answer(
            simulator,
            subrequest["method"].as_str().unwrap_or_default(),
            path,
            query,
            None,
            &body,
            silent,
        );
        answers.push(json!({ "body": answer.body, "httpHeaders": {}, "httpStatusCode": answer.status, "referenceId": subrequest["referenceId"] }));
    }
    Ok(Answer::new(200, json!({ "compositeResponse": answers })))
}

fn record(body: Value) -> Record {
    match body {
        Value::Object(record) => record,
        _ => Record::new(),
    }
}

/// One transaction: its events are published after it is committed.
fn write<T>(
    simulator: &Simulator,
    change: impl FnOnce(&mut super::org::Org) -> Result<(T, Vec<super::org::Published>), RowError>,
) -> Result<T, RowError> {
    let (value, events) = change(&mut simulator.org())?;
    simulator.bus().publish(&events);
    Ok(value)
}
