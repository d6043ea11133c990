//! Bulk API 2.0: very many updates or upserts of one object as one job. A job that sets values may be sent again, so a lost
//! answer does no harm. Source: Bulk API 2.0 guide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Salesforce;
use super::collections::{self, Member, Write};
use super::error::told;
use crate::connections::{Answer, Call, CallError, CallResult, Limit, Method};

/// Rows of one job: its CSV stays far below the 150 MB that are allowed.
const MOST_ROWS: usize = 10_000;
/// A job that takes longer is aborted, and its rows are tried again.
const PATIENCE: Duration = Duration::from_secs(150);
const FIRST_LOOK: Duration = Duration::from_millis(200);
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// In CSV: the field is emptied.
const NULL: &str = "#N/A";
/// Bytes of a job's results.
const RESULTS: u64 = 256 << 20;

/// Jobs that the host has begun. One whose end nobody saw may run hours later, and would write what is old by then over what is new: it is taken
/// back before anything else is written.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Under way in this process.
    running: BTreeSet<String>,
    /// Left behind, with nobody who waits for them, and how often each could not be taken back.
    left: BTreeMap<String, u32>,
    /// A host begins to write: what others before it have left is looked for before its first write, and not only before its first job.
    takes_over: bool,
    /// What hosts before this one may have left, by object, once that was looked for; what is taken is to be taken back.
    before: Option<BTreeMap<String, Vec<String>>>,
    /// How often the org did not say.
    not_said: u32,
    /// Until then jobs are of no use: the queue is too long to wait in, or the org does not say how they stand.
    slow_until: Option<Instant>,
}

impl Jobs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, path: String) -> UnderWay<'_> {
        self.known().running.insert(path.clone());
        UnderWay { jobs: self, path, is_over: false }
    }

    fn left(&self) -> Vec<String> {
        self.known().left.keys().cloned().collect()
    }
}

/// A job that somebody waits for: where that ends before the job does, whatever the cause, it is left behind.
struct UnderWay<'a> {
    jobs: &'a Jobs,
    path: String,
    is_over: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut known = self.jobs.known();
        known.running.remove(&self.path);
        if !self.is_over {
            known.left.insert(self.path.clone(), 0);
        }
    }
}

/// Times that an org refuses to take a job back before writes go on without.
const MOST_TRIES: u32 = 50;
/// Where a job was not done in time, the next ones are sent another way for so long.
const SLOW: Duration = Duration::from_secs(600);

/// States of a job that may still write.
const OPEN: [&str; 3] = ["Open", "UploadComplete", "InProgress"];

/// Why there are no results.
pub(super) enum NoJob {
    /// The org does not take the job; collections may do.
    Refused(String),
    /// An outage.
    Failed(CallError),
}

impl From<CallError> for NoJob {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Remote { code, message, .. } => Self::Refused(format!("{message} ({code})")),
            CallError::Displaced(why) => Self::Refused(why),
            // What sets values may be sent again.
            CallError::Ambiguous(why) => Self::Failed(CallError::Unsettled(why)),
            other => Self::Failed(other),
        }
    }
}

impl NoJob {
    /// The job was begun: its rows may be written.
    fn perhaps(self) -> Self {
        match self {
            Self::Failed(error) => Self::Failed(CallError::Unsettled(error.to_string())),
            refused => refused,
        }
    }
}

/// The key column and its value.
fn key_of(write: &Write) -> (&str, &str) {
    match write {
        Write::Update { id, .. } => ("Id", id),
        Write::Upsert { field, value, .. } => (field, value),
        Write::Create { .. } => ("", ""),
    }
}

impl Salesforce {
    /// Sends the rows as jobs; the result of each by its place.
    pub(super) async fn job(&self, members: &[Member], limit: Limit<'_>) -> Result<Vec<(usize, CallResult)>, NoJob> {
        if self.jobs.known().slow_until.is_some_and(|until| Instant::now() < until) {
            return Err(NoJob::Refused("the last one was of no use".into()));
        }
        // Which of several hosts has left a job cannot be told, and one that lives must not lose its own to another.
        if self.wire.hosts().get() > 1 {
            return Err(NoJob::Refused("several hosts write to the org".into()));
        }
        let mut results = Vec::with_capacity(members.len());
        for chunk in members.chunks(MOST_ROWS) {
            match self.one_job(chunk, limit).await {
                Ok(own) => results.extend(own),
                Err(why) if results.is_empty() => return Err(why),
                Err(why) => return Err(why.perhaps()),
            }
        }
        Ok(results)
    }

    async fn one_job(&self, members: &[Member], limit: Limit<'_>) -> Result<Vec<(usize, CallResult)>, NoJob> {
        let Some((_, first, _)) = members.first() else { return Ok(Vec::new()) };
        let mut job = json!({ "contentType": "CSV", "lineEnding": "LF" });
        match first {
            Write::Update { object, .. } => {
                job["object"] = object.as_str().into();
                job["operation"] = "update".into();
            }
            Write::Upsert { object, field, .. } => {
                job["object"] = object.as_str().into();
                job["operation"] = "upsert".into();
                job["externalIdFieldName"] = field.as_str().into();
            }
            Write::Create { .. } => return Err(NoJob::Refused("creates are not sent as jobs".into())),
        }
        let table = csv_of(members).map_err(NoJob::Refused)?;
        let object = job["object"].as_str().unwrap_or_default().to_owned();
        self.look_for_left(BTreeSet::from([object]), limit).await.map_err(NoJob::Failed)?;
        self.take_back_left(limit).await.map_err(NoJob::Failed)?;
        let made = self.ask(Call::write(Method::Post, "/jobs/ingest", &job), limit).await?;
        let id = made["id"].as_str().ok_or_else(|| NoJob::Refused("the job has no id".into()))?;
        let path = format!("/jobs/ingest/{id}");
        let mut under_way = self.jobs.begin(path.clone());
        let upload = Call {
            method: Method::Put,
            path: format!("{path}/batches"),
            headers: vec![("Content-Type".into(), "text/csv".into())],
            body: Some(table),
            atomic_with: Vec::new(),
        };
        self.ask(upload, limit).await?;
        self.ask(Call::write(Method::Patch, &path, &json!({ "state": "UploadComplete" })), limit).await?;
        let ended = self.until_over(&path, limit).await?;
        under_way.is_over = true;
        ended.map_err(NoJob::Refused)?;
        let mut results: HashMap<String, CallResult> = HashMap::with_capacity(members.len());
        let key = key_of(first).0.to_owned();
        for (kind, good) in [("successfulResults", true), ("failedResults", false)] {
            let answer = self.single(&Call::get(format!("{path}/{kind}")), RESULTS.into()).await;
            let answer = answer.map_err(|error| NoJob::from(error).perhaps())?;
            for row in rows_of(&answer.body).map_err(NoJob::Refused)? {
                let own = row.get(&key).cloned().unwrap_or_default();
                results.insert(own, if good { written(&row) } else { Err(refused(&row)) });
            }
        }
        let missing = || Err(CallError::Unsettled("the job ended without a word about this record".into()));
        Ok(members
            .iter()
            .map(|(place, write, _)| {
                // As the answer was read.
                let own = self.namespace.inward(key_of(write).1);
                (*place, results.remove(own.as_ref()).unwrap_or_else(missing))
            })
            .collect())
    }

    /// Before something is written: no job that was left behind writes what is old over it. An error where the org cannot be asked: then nothing may
    /// be written yet.
    pub(super) async fn nothing_left(&self, calls: &[Call], limit: Limit<'_>) -> Result<(), CallError> {
        if self.jobs.known().takes_over {
            self.look_for_left(calls.iter().filter_map(collections::object_of).collect(), limit).await?;
        }
        self.take_back_left(limit).await
    }

    /// From now on a host writes.
    pub fn take_over(&self) {
        self.jobs.known().takes_over = true;
    }

    async fn take_back_left(&self, limit: Limit<'_>) -> Result<(), CallError> {
        for path in self.jobs.left() {
            let abort = Call::write(Method::Patch, path.as_str(), &json!({ "state": "Aborted" }));
            match self.single(&abort, limit).await {
                Ok(_) => self.is_taken_back(&path),
                Err(CallError::Remote { status, code, .. }) if status == 404 || code == "INVALIDJOBSTATE" => {
                    self.is_taken_back(&path);
                }
                // While the org is away its jobs stand still, too.
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => {
                    let mut known = self.jobs.known();
                    let tries = known.left.entry(path.clone()).or_default();
                    *tries += 1;
                    if *tries < MOST_TRIES {
                        drop(known);
                        return Err(CallError::Unreachable(error.to_string()));
                    }
                    // One job does not keep an org from being written to for ever.
                    known.left.remove(&path);
                    tracing::error!(job = path, %error, "a Bulk API job cannot be taken back: what it holds may be written late; abort it in Setup, Bulk Data Load Jobs");
                }
            }
        }
        Ok(())
    }

    /// It is over, or gone: the org says so.
    fn is_taken_back(&self, path: &str) {
        tracing::info!(job = path, "a Bulk API job that was left behind writes nothing any more");
        self.jobs.known().left.remove(path);
    }

    /// A host that was killed may have left jobs of its own, which are this user's: of the objects that are to be written they are to be taken back.
    /// Looked for once.
    async fn look_for_left(&self, objects: BTreeSet<String>, limit: Limit<'_>) -> Result<(), CallError> {
        if objects.is_empty() {
            return Ok(());
        }
        if self.jobs.known().before.is_none() {
            let own = self.auth.token().await?.user_id;
            let listed = match self.single(&Call::get("/jobs/ingest?jobType=V2Ingest"), limit).await {
                Ok(answer) => serde_json::from_str(&answer.body).unwrap_or_default(),
                // Who may not see jobs has left none.
                Err(CallError::Remote { message, .. }) => {
                    tracing::debug!(message, "Bulk API jobs are not shown");
                    Value::Null
                }
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => {
                    let mut known = self.jobs.known();
                    known.not_said += 1;
                    if known.not_said < MOST_TRIES {
                        return Err(CallError::Unreachable(error.to_string()));
                    }
                    tracing::error!(%error, "the org does not say which Bulk API jobs are open: one that was left behind may write late; see Setup, Bulk Data Load Jobs");
                    Value::Null
                }
            };
            let mut before = BTreeMap::<String, Vec<String>>::new();
            for job in listed["records"].as_array().into_iter().flatten() {
                let is_open = job["state"].as_str().is_some_and(|state| OPEN.contains(&state));
                let is_own = job["createdById"].as_str().is_some_and(|id| id == own);
                let (Some(id), Some(object)) = (job["id"].as_str(), job["object"].as_str()) else { continue };
                if is_open && is_own {
                    before.entry(object.to_owned()).or_default().push(format!("/jobs/ingest/{id}"));
                }
            }
            self.jobs.known().before.get_or_insert(before);
        }
        let mut known = self.jobs.known();
        let Known { before: Some(before), running, left, .. } = &mut *known else { return Ok(()) };
        let found = objects.iter().filter_map(|object| before.remove(object)).flatten();
        left.extend(found.filter(|path| !running.contains(path)).map(|path| (path, 0)));
        Ok(())
    }

    /// How it ended; an error where that is not known.
    async fn until_over(&self, path: &str, limit: Limit<'_>) -> Result<Result<(), String>, NoJob> {
        let until = Instant::now() + PATIENCE;
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            // Whatever is answered but its state, the job goes on.
            let state = self.ask(Call::get(path), limit).await.map_err(|error| match error {
                NoJob::Refused(why) => {
                    self.jobs.known().slow_until = Some(Instant::now() + SLOW);
                    NoJob::Failed(CallError::Unsettled(why))
                }
                failed => failed.perhaps(),
            })?;
            match state["state"].as_str().unwrap_or_default() {
                "JobComplete" => return Ok(Ok(())),
                "Failed" | "Aborted" => {
                    return Ok(Err(state["errorMessage"].as_str().unwrap_or("the job failed").to_owned()));
                }
                _ if Instant::now() > until => {
                    let why = format!("a Bulk API job was not done after {} s", PATIENCE.as_secs());
                    self.jobs.known().slow_until = Some(Instant::now() + SLOW);
                    let abort = Call::write(Method::Patch, path, &json!({ "state": "Aborted" }));
                    return match self.single(&abort, limit).await {
                        // Its rows set the same values another way.
                        Ok(_) => Ok(Err(why)),
                        // It is left behind, and taken back before anything else is written.
                        Err(_) => Err(NoJob::Failed(CallError::Unsettled(why))),
                    };
                }
                _ => pause = (pause * 2).min(LONGEST_LOOK),
            }
        }
    }

    async fn ask(&self, call: Call, limit: Limit<'_>) -> Result<Value, NoJob> {
        let answer = self.single(&call, limit).await?;
        Ok(serde_json::from_str(&answer.body).unwrap_or_default())
    }
}

/// True for a record whose texts a cell can carry: what means *empty* there is a text like any other in JSON, and control
/// characters are none of CSV's.
pub(super) fn in_cells(member: &Member) -> bool {
    let (_, write, fields) = member;
    let plain = |text: &str| {
        !text.trim().eq_ignore_ascii_case(NULL) && !text.contains(|c: char| c.is_control() && !"\t\r\n".contains(c))
    };
    plain(key_of(write).1) && fields.values().filter_map(Value::as_str).all(plain)
}

/// The rows as CSV. A field that a row does not have is left empty, which leaves it as it is; null empties it.
fn csv_of(members: &[Member]) -> Result<String, String> {
    let mut columns: BTreeSet<&str> = BTreeSet::new();
    for (_, _, fields) in members {
        columns.extend(fields.keys().map(String::as_str));
    }
    let key = members.first().map(|(_, write, _)| key_of(write).0).unwrap_or_default();
    columns.remove(key);
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let failed = |e: csv::Error| e.to_string();
    writer.write_record([key].into_iter().chain(columns.iter().copied())).map_err(failed)?;
    for (_, write, fields) in members {
        let cells = columns.iter().map(|column| fields.get(*column).map_or_else(String::new, cell));
        writer.write_record([key_of(write).1.to_owned()].into_iter().chain(cells)).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => NULL.into(),
        // Blank text is null in an org; an empty cell would leave the field as it is.
        Value::String(text) if text.trim().is_empty() => NULL.into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn rows_of(text: &str) -> Result<Vec<BTreeMap<String, String>>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().collect::<Result<_, csv::Error>>().map_err(|e| format!("a job's results are not CSV: {e}"))
}

fn written(row: &BTreeMap<String, String>) -> CallResult {
    let created = row.get("sf__Created").is_some_and(|flag| flag == "true");
    let body = json!({ "id": row.get("sf__Id"), "success": true, "errors": [], "created": created });
    Ok(Answer { status: if created { 201 } else { 200 }, headers: Vec::new(), body: body.to_string() })
}

/// `FIELD_CUSTOM_VALIDATION_EXCEPTION:Ask first:Name --`: code, words, the fields that are refused.
fn refused(row: &BTreeMap<String, String>) -> CallError {
    let text = row.get("sf__Error").map(String::as_str).unwrap_or_default().trim_end_matches("--").trim_end();
    let (code, rest) = text.split_once(':').unwrap_or(("", text));
    let (words, named) = rest.rsplit_once(':').unwrap_or((rest, ""));
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let fields: Vec<&str> = named.split(',').map(str::trim).collect();
    let (words, fields) = match fields.iter().all(|name| is_name(name)) {
        true => (words, fields),
        // Words that hold a colon, or nothing behind it.
        false => (if named.trim().is_empty() { words } else { rest }, Vec::new()),
    };
    let (code, message) = told(&[json!({ "statusCode": code, "message": words, "fields": fields })]);
    CallError::Remote { status: 400, code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_tells_null_from_unchanged() {
        let member = |place: usize, value: Value| {
            let write = Write::Upsert { object: "A".into(), field: "K__c".into(), value: format!("k,{place}") };
            (place, write, value.as_object().cloned().unwrap_or_default())
        };
        let members = [member(0, json!({ "B": null, "C": 1.50 })), member(1, json!({ "B": "x\"y\nz" }))];
        assert_eq!(csv_of(&members).unwrap(), "K__c,B,C\n\"k,0\",#N/A,1.5\n\"k,1\",\"x\"\"y\nz\",\n");
    }

    #[test]
    fn a_refusal_has_code_and_words() {
        let row =
            BTreeMap::from([("sf__Error".to_owned(), "STRING_TOO_LONG:City: data value too large:City --".to_owned())]);
        let CallError::Remote { code, message, .. } = refused(&row) else { panic!("a refusal") };
        assert_eq!((code.as_str(), message.as_str()), ("STRING_TOO_LONG", "City: data value too large [fields: City]"));
    }
}
