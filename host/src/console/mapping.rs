//! The mapping editor: a mapping as rules, tables and fields of both systems; changed in its text, checked, and tried on real records. Nothing is kept
//! here: a mapping that is good becomes a draft of a release.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::{Asked, Body};
use super::problem::Problem;
use super::releases::{base, checked, known, problem};
use crate::engine::Flow;
use crate::engine::fit::{self, Choice, Field, FitError, Grade, Proposed, Sample, Way};
use crate::mapping::edit::{Edit, edited};
use crate::mapping::outline::{Outline, Rule, check};
use crate::mapping::words::WORDS;
use crate::mapping::{Direction, Policy};
use crate::releases::{Instead, Part, Release, ReleaseError};
use crate::sandbox::Section;
use crate::store::Role;

/// Changes of one request, records that are tried at once.
const MOST_EDITS: usize = 500;
const MOST_RECORDS: usize = 10;
/// Letters of an expression that is looked at.
const LONGEST: usize = 20_000;

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(mapping))
        .routes(routes!(edit))
        .routes(routes!(fields))
        .routes(routes!(checked_text))
        .routes(routes!(records))
        .routes(routes!(previewed))
        .routes(routes!(table))
        .routes(routes!(expression))
        .routes(routes!(words))
}

/// A mapping as it is edited.
#[derive(Serialize, ToSchema)]
pub struct MappingDoc {
    /// Digest of the release whose mapping it is; null for a text that was edited.
    release: Option<String>,
    /// As it is written.
    text: String,
    /// Why it cannot be read at all; then it has no sections here.
    problem: Option<Trouble>,
    /// What the plugin applies, in its order.
    sections: Vec<SectionRow>,
    /// Code tables: value by code.
    tables: BTreeMap<String, BTreeMap<String, String>>,
}

/// What is wrong with a text.
#[derive(Serialize, ToSchema)]
pub struct Trouble {
    /// The line, where it is known.
    line: Option<usize>,
    /// In words.
    error: String,
}

/// A section of the mapping.
#[derive(Serialize, ToSchema)]
pub struct SectionRow {
    /// Its name.
    name: String,
    /// Entity set, and the collection within it: `Orders/DocumentLines`.
    b1: String,
    /// sObject type.
    salesforce: String,
    /// `to-b1`, `to-salesforce`, `both`.
    way: &'static str,
    /// Fields that the flow itself sets.
    reserved: ReservedRow,
    /// In the order of the file.
    rules: Vec<RuleRow>,
}

/// Fields that no rule sets.
#[derive(Serialize, ToSchema)]
pub struct ReservedRow {
    /// Of B1.
    to_b1: Vec<String>,
    /// Of Salesforce.
    to_salesforce: Vec<String>,
}

/// A rule.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum RuleRow {
    /// Sets a field of the target.
    OneWay {
        /// The target field.
        field: String,
        /// The expression.
        rule: String,
        /// Paths below `source` that it reads.
        reads: Vec<String>,
        /// Its line in the text.
        line: usize,
        /// What is wrong with it.
        problem: Option<String>,
    },
    /// Keeps a pair of fields in step.
    Both {
        /// B1's field.
        field: String,
        /// Salesforce's field.
        salesforce: String,
        /// `both`, `to_salesforce`, `to_b1`.
        #[schema(value_type = String)]
        direction: Direction,
        /// `newest`, `b1`, `salesforce`, `review`.
        #[schema(value_type = String)]
        policy: Policy,
        /// An expression over B1's record; null where the value is copied.
        to_salesforce: Option<String>,
        /// An expression over Salesforce's record; null where the value is copied.
        to_b1: Option<String>,
        /// Paths below `source` that its expressions read.
        reads: Vec<String>,
        /// Its line in the text.
        line: usize,
        /// What is wrong with it.
        problem: Option<String>,
    },
}

/// Which release's mapping.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfRelease {
    /// The beginning of its digest; without it the live one.
    release: Option<String>,
}

/// The mapping of a flow.
#[utoipa::path(get, path = "/flows/{flow}/mapping", tag = "mapping", params(("flow" = String, Path), OfRelease),
    responses((status = 200, body = MappingDoc), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn mapping(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Asked(asked): Asked<OfRelease>,
) -> Result<Json<MappingDoc>, Problem> {
    known(&console, &who, &flow)?;
    // What runs is what the next one goes live instead of, whatever the files say.
    let release = base(&console, &flow, asked.release.as_deref()).await?;
    Ok(Json(document(&release, release.mapping_text.clone(), Some(release.digest.clone()))))
}

fn document(release: &Release, text: String, of: Option<String>) -> MappingDoc {
    let description = &release.plugin.description;
    let reserved = description.reserved();
    let mut outline = Outline::of(&text, &reserved);
    let own = |name: &str| reserved.get(name).cloned().unwrap_or_default();
    let sections = description.sections.iter().map(|section| {
        let Section { name, b1, salesforce, .. } = section;
        let (way, to_b1, to_salesforce) = match (section.to_b1, section.to_salesforce) {
            (true, true) => ("both", own(&format!("{name}.to-b1")), own(&format!("{name}.to-salesforce"))),
            (false, true) => ("to-salesforce", Vec::new(), own(name)),
            _ => ("to-b1", own(name), Vec::new()),
        };
        SectionRow {
            rules: outline.sections.remove(name).unwrap_or_default().into_iter().map(RuleRow::from).collect(),
            name: name.clone(),
            b1: b1.clone(),
            salesforce: salesforce.clone(),
            way,
            reserved: ReservedRow { to_b1, to_salesforce },
        }
    });
    MappingDoc {
        sections: sections.collect(),
        release: of,
        problem: outline.problem.map(|problem| Trouble { line: problem.line, error: problem.words }),
        tables: outline.tables,
        text,
    }
}

impl From<crate::mapping::outline::Outlined> for RuleRow {
    fn from(own: crate::mapping::outline::Outlined) -> Self {
        let (reads, line, problem) = (own.reads, own.line, own.problem);
        match own.rule {
            Rule::OneWay { field, rule } => Self::OneWay { field, rule, reads, line, problem },
            Rule::TwoWay { field, salesforce, direction, policy, to_salesforce, to_b1 } => {
                Self::Both { field, salesforce, direction, policy, to_salesforce, to_b1, reads, line, problem }
            }
        }
    }
}

/// A text and what is to be changed in it.
#[derive(Deserialize, ToSchema)]
pub struct Edits {
    /// The mapping.
    text: String,
    /// `{"do": "put", "section", "rule", "instead_of"?}`, `{"do": "remove", "section", "field"}`, `{"do": "table", "name", "rows", "instead_of"?}`.
    #[schema(value_type = Vec<Object>)]
    edits: Vec<EditRow>,
}

/// One change, as it is sent.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum EditRow {
    Put {
        section: String,
        rule: Rule,
        #[serde(default)]
        instead_of: Option<String>,
    },
    Remove {
        section: String,
        field: String,
    },
    Table {
        name: String,
        rows: Option<serde_json::Map<String, Value>>,
        #[serde(default)]
        instead_of: Option<String>,
    },
}

impl EditRow {
    fn checked(self) -> Result<Edit, Problem> {
        Ok(match self {
            Self::Put { section, rule, instead_of } => Edit::Put { section, rule, instead_of },
            Self::Remove { section, field } => Edit::Remove { section, field },
            Self::Table { name, rows, instead_of } => {
                let row = |(code, value): (String, Value)| match value {
                    Value::String(value) => Ok((code, value)),
                    other => {
                        Err(Problem::field("edits", format!("The value of {code:?} in {name} is {other}, no text.")))
                    }
                };
                let rows = rows.map(|rows| rows.into_iter().map(row).collect::<Result<_, _>>()).transpose()?;
                Edit::Table { name, rows, instead_of }
            }
        })
    }
}

/// Changes a text, and nothing else of it: comments and order stay. Nothing is kept.
#[utoipa::path(post, path = "/flows/{flow}/mapping/edit", tag = "mapping", params(("flow" = String, Path)), request_body = Edits,
    responses((status = 200, body = MappingDoc), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn edit(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(Edits { text, edits }): Body<Edits>,
) -> Result<Json<MappingDoc>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    if edits.len() > MOST_EDITS {
        return Err(Problem::field("edits", format!("{MOST_EDITS} changes at most are made at once.")));
    }
    let text = checked(&flow, if text.trim().is_empty() { "version = 1\n".into() } else { text })?.content;
    let edits = edits.into_iter().map(EditRow::checked).collect::<Result<_, _>>()?;
    let text = edited(&text, edits).map_err(|why| Problem::field("edits", why))?;
    let release = base(&console, &flow, None).await?;
    Ok(Json(document(&release, text, None)))
}

/// Of which section.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfSection {
    /// Its name.
    section: String,
    /// Instead of the section's own sObject type one that it refers to; then no fields of B1 are told.
    object: Option<String>,
    /// `to-b1` or `to-salesforce`, for records.
    way: Option<String>,
}

/// Fields of both systems.
#[derive(Serialize, ToSchema)]
pub struct Fields {
    /// Properties of the section's entity set.
    b1: Vec<Field>,
    /// Fields of the sObject type.
    salesforce: Vec<Field>,
    /// Why a side could not be read; it is empty then.
    unread: Option<String>,
}

/// Fields of both systems as they are now, for the rules of a section.
#[utoipa::path(get, path = "/flows/{flow}/mapping/fields", tag = "mapping", params(("flow" = String, Path), OfSection),
    responses((status = 200, body = Fields), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn fields(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Asked(asked): Asked<OfSection>,
) -> Result<Json<Fields>, Problem> {
    known(&console, &who, &flow)?;
    let (flow, section) = live(&console, &flow, &asked.section).await?;
    let schema = console.schemas.of(&flow);
    let mut schema = schema.lock().await;
    if let Some(object) = &asked.object {
        // Each is a call of the org's day.
        who.may(Role::Operator)?;
        if !object.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Problem::field("object", format!("{object:?} is no sObject type.")));
        }
        let salesforce = schema.salesforce(&flow, object).await.map_err(unfit)?.to_vec();
        return Ok(Json(Fields { b1: Vec::new(), salesforce, unread: None }));
    }
    let (b1, salesforce) = (schema.b1(&flow, &section.b1).await, schema.salesforce(&flow, &section.salesforce).await);
    let unread = [b1.as_ref().err(), salesforce.as_ref().err()].into_iter().flatten().map(ToString::to_string);
    let unread: Vec<String> = unread.collect();
    Ok(Json(Fields {
        b1: b1.map(|own| own.to_vec()).unwrap_or_default(),
        salesforce: salesforce.map(|own| own.to_vec()).unwrap_or_default(),
        unread: (!unread.is_empty()).then(|| unread.join("; ")),
    }))
}

/// A flow as it runs, with one of its sections.
async fn live(console: &Console, flow: &str, section: &str) -> Result<(Flow, Section), Problem> {
    let release = base(console, flow, None).await?;
    bound(console, flow, release, section).await
}

async fn bound(
    console: &Console,
    flow: &str,
    release: Arc<Release>,
    section: &str,
) -> Result<(Flow, Section), Problem> {
    let flow = bind(console, flow, release).await?;
    let section = fit::section(&flow, section).map_err(unfit)?.clone();
    Ok((flow, section))
}

async fn bind(console: &Console, flow: &str, release: Arc<Release>) -> Result<Flow, Problem> {
    let (config, releases) = (console.engine.config(), console.engine.releases());
    let bound = Flow::for_rehearsal(flow, release, config, &console.connections, releases).await;
    bound.map_err(|error| Problem::conflict(error.to_string()))
}

/// The live release with another mapping, which nobody keeps.
async fn with_text(console: &Console, flow: &str, text: Part<String>) -> Result<Arc<Release>, ReleaseError> {
    let releases = console.engine.releases();
    let live = releases.live_or_files(flow, console.engine.config()).await?;
    let instead = Instead { mapping: Some(text), ..Instead::default() };
    Ok(releases.with(flow, &live, instead).await?.release)
}

fn unfit(error: FitError) -> Problem {
    let words = error.to_string();
    match error {
        FitError::NoSection { .. } => Problem::field("section", words),
        FitError::NoId(_) => Problem::field("records", words),
        FitError::NotFound(_) => Problem::no("such record").mended(words),
        _ => Problem::conflict(words).mended("The overview tells how the connections are."),
    }
}

/// A text.
#[derive(Deserialize, ToSchema)]
pub struct Text {
    /// The mapping.
    text: String,
}

/// What is found about a mapping.
#[derive(Serialize, ToSchema)]
pub struct Findings {
    /// What is wrong comes first.
    findings: Vec<FindingRow>,
    /// Why the fields of both systems could not be looked at.
    unread: Option<String>,
}

/// Something about a rule, or a section.
#[derive(Serialize, ToSchema)]
pub struct FindingRow {
    /// The section; empty where it is about the text as a whole.
    section: String,
    /// The field; empty where it is about the section.
    field: String,
    /// Its line, where it is known.
    line: Option<usize>,
    /// `error`, `warning`, `note`.
    grade: &'static str,
    /// In words.
    finding: String,
}

/// Holds a text against the fields both systems have now.
#[utoipa::path(post, path = "/flows/{flow}/mapping/check", tag = "mapping", params(("flow" = String, Path)), request_body = Text,
    responses((status = 200, body = Findings), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn checked_text(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Findings>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    // A plugin that maps nothing has no text of its own.
    let text = if text.trim().is_empty() { "version = 1\n".to_owned() } else { text };
    let part = checked(&flow, text).map_err(|told| told.of("text"))?;
    let live = base(&console, &flow, None).await?;
    let outline = Outline::of(&part.content, &live.plugin.description.reserved());
    let error = |section: &str, field: &str, line: Option<usize>, words: &str| FindingRow {
        section: section.to_owned(),
        field: field.to_owned(),
        line,
        grade: "error",
        finding: words.to_owned(),
    };
    let mut findings: Vec<FindingRow> = Vec::new();
    findings.extend(outline.problem.as_ref().map(|own| error("", "", own.line, &own.words)));
    for (section, rules) in &outline.sections {
        let wrong = rules.iter().filter_map(|own| Some((own, own.problem.as_ref()?)));
        findings.extend(wrong.map(|(own, words)| error(section, own.rule.field(), Some(own.line), words)));
    }
    if !findings.is_empty() {
        return Ok(Json(Findings { findings, unread: None }));
    }
    let release = match with_text(&console, &flow, part).await {
        Ok(release) => release,
        Err(ReleaseError::Store(store)) => return Err(store.into()),
        Err(told) => {
            let told = match told {
                ReleaseError::MappingFile { cause, .. } => cause,
                other => other.to_string(),
            };
            return Ok(Json(Findings { findings: vec![error("", "", None, &told)], unread: None }));
        }
    };
    let bound = bind(&console, &flow, release).await?;
    let line = |section: &str, field: &str| {
        let rules = outline.sections.get(section)?;
        let of = |rule: &Rule| match rule {
            Rule::OneWay { field, .. } => vec![field.clone()],
            Rule::TwoWay { field, salesforce, .. } => vec![field.clone(), salesforce.clone()],
        };
        let own = rules.iter().find(|own| of(&own.rule).iter().any(|name| name == field));
        own.or_else(|| rules.iter().find(|own| own.reads.iter().any(|read| read == field))).map(|own| own.line)
    };
    let (found, unread) = match fit::check(&bound, &mut *console.schemas.of(&bound).lock().await).await {
        Ok(found) => (found, None),
        Err(why) => (Vec::new(), Some(why.to_string())),
    };
    let mut findings: Vec<(Grade, FindingRow)> = found
        .into_iter()
        .map(|own| {
            let grade = match own.grade {
                Grade::Error => "error",
                Grade::Warning => "warning",
                Grade::Note => "note",
            };
            let line = line(&own.section, &own.field);
            (own.grade, FindingRow { section: own.section, field: own.field, line, grade, finding: own.words })
        })
        .collect();
    findings.sort_by_key(|(grade, _)| *grade as u8);
    Ok(Json(Findings { findings: findings.into_iter().map(|(_, row)| row).collect(), unread }))
}

/// Records that rules may be tried on.
#[derive(Serialize, ToSchema)]
pub struct Records {
    /// The newest first.
    records: Vec<Sample>,
}

/// The newest records of a section's source.
#[utoipa::path(get, path = "/flows/{flow}/mapping/records", tag = "mapping", params(("flow" = String, Path), OfSection),
    responses((status = 200, body = Records), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn records(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Asked(asked): Asked<OfSection>,
) -> Result<Json<Records>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let (flow, section) = live(&console, &flow, &asked.section).await?;
    let way = way(&section, asked.way.as_deref())?;
    let records = fit::samples(&flow, &section, way).await.map_err(unfit)?;
    Ok(Json(Records { records }))
}

fn way(section: &Section, asked: Option<&str>) -> Result<Way, Problem> {
    match (asked, section.to_b1, section.to_salesforce) {
        (Some("to-b1"), true, _) | (None, true, false) => Ok(Way::ToB1),
        (Some("to-salesforce"), _, true) | (None, false, _) => Ok(Way::ToSalesforce),
        (None, true, true) => Ok(Way::ToB1),
        _ => Err(Problem::field("way", format!("The section {} does not go that way.", section.name))),
    }
}

/// What is tried.
#[derive(Deserialize, ToSchema)]
pub struct Tried {
    /// The mapping.
    text: String,
    /// Name of the section.
    section: String,
    /// `to-b1` or `to-salesforce`; where the section goes but one way, that one.
    way: Option<String>,
    /// Ids or keys, ten at most.
    records: Vec<String>,
}

/// What was tried.
#[derive(Serialize, ToSchema)]
pub struct Previews {
    /// In the order of the request.
    records: Vec<Previewed>,
}

/// What the rules give for one record.
#[derive(Serialize, ToSchema)]
pub struct Previewed {
    /// Its id or key.
    record: String,
    /// What was read of it.
    source: Value,
    /// Why it could not be read, or why the mapping plugin gives nothing for it.
    error: Option<String>,
    /// A mapping plugin has the last word.
    mapper: bool,
    /// By target field.
    values: Vec<ValueRow>,
}

/// What one field gets.
#[derive(Serialize, ToSchema)]
pub struct ValueRow {
    /// The target field.
    field: String,
    /// The rule; empty where the mapping plugin sets it.
    rule: String,
    /// Null for none.
    value: Value,
    /// Why the rule gives none.
    error: Option<String>,
    /// The mapping plugin sets it.
    by_plugin: bool,
    /// It is put together by the plugin when it runs.
    not_here: bool,
}

/// Applies a section of a text to real records; nothing is written.
#[utoipa::path(post, path = "/flows/{flow}/mapping/preview", tag = "mapping", params(("flow" = String, Path)), request_body = Tried,
    responses((status = 200, body = Previews), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn previewed(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(tried): Body<Tried>,
) -> Result<Json<Previews>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    if tried.records.len() > MOST_RECORDS {
        return Err(Problem::field("records", format!("{MOST_RECORDS} records at most are tried at once.")));
    }
    let text = checked(&flow, tried.text).map_err(|told| told.of("text"))?;
    let release = with_text(&console, &flow, text).await.map_err(|error| problem(error).of("text"))?;
    let (flow, section) = bound(&console, &flow, release, &tried.section).await?;
    let way = way(&section, tried.way.as_deref())?;
    let one = async |record: String| {
        let nothing = |error: String| Previewed {
            record: record.clone(),
            source: Value::Null,
            error: Some(error),
            mapper: false,
            values: Vec::new(),
        };
        match fit::preview(&flow, &section, way, record.trim()).await {
            Ok(found) => Previewed {
                source: found.source,
                error: found.failed,
                mapper: flow.bound.mapper.is_some(),
                values: found.values.into_iter().map(ValueRow::from).collect(),
                record: record.clone(),
            },
            Err(error) => nothing(error.to_string()),
        }
    };
    let mut records = Vec::new();
    for record in tried.records {
        records.push(one(record).await);
    }
    Ok(Json(Previews { records }))
}

impl From<fit::Given> for ValueRow {
    fn from(given: fit::Given) -> Self {
        let (value, error) = match given.value {
            Ok(value) => (value, None),
            Err(words) => (Value::Null, Some(words)),
        };
        Self {
            by_plugin: given.rule.is_none(),
            rule: given.rule.unwrap_or_default(),
            not_here: given.is_put_together,
            field: given.field,
            value,
            error,
        }
    }
}

/// Two fields that a code table is to stand between.
#[derive(Deserialize, ToSchema)]
pub struct Between {
    /// Name of the section.
    section: String,
    /// B1's field.
    b1: String,
    /// Salesforce's field, also of a record that the section's own refers to: `Account.Industry`.
    salesforce: String,
}

/// What both systems may hold, and what goes together.
#[derive(Serialize, ToSchema)]
pub struct TableProposal {
    /// Values of B1's field; empty where it has no list.
    b1: Vec<Choice>,
    /// Values of Salesforce's field.
    salesforce: Vec<Choice>,
    /// Rows: the code is what the source has, B1 where the section goes both ways.
    rows: Vec<Proposed>,
}

/// Proposes a code table from the lists of both systems.
#[utoipa::path(post, path = "/flows/{flow}/mapping/table", tag = "mapping", params(("flow" = String, Path)), request_body = Between,
    responses((status = 200, body = TableProposal), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn table(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(flow): Path<String>,
    Body(between): Body<Between>,
) -> Result<Json<TableProposal>, Problem> {
    who.may(Role::Operator)?;
    known(&console, &who, &flow)?;
    let (flow, section) = live(&console, &flow, &between.section).await?;
    let schema = console.schemas.of(&flow);
    let mut schema = schema.lock().await;
    let properties = schema.b1(&flow, &section.b1).await.map_err(unfit)?;
    let no = |name: &str, field: &str| Problem::field(field, format!("There is no field {name}."));
    let own = properties.iter().find(|field| field.name == between.b1).ok_or_else(|| no(&between.b1, "b1"))?;
    let b1 = fit::choices(&flow, &section, own).await.map_err(unfit)?;
    let mut object = section.salesforce.clone();
    let mut steps: Vec<&str> = between.salesforce.split('.').collect();
    let last = steps.pop().unwrap_or_default();
    for step in steps {
        let fields = schema.salesforce(&flow, &object).await.map_err(unfit)?;
        let mut relations = fields.iter().filter_map(|field| field.relation.as_ref());
        let found = relations.find(|relation| relation.name == step);
        object = found.ok_or_else(|| no(&between.salesforce, "salesforce"))?.object.clone();
    }
    let fields = schema.salesforce(&flow, &object).await.map_err(unfit)?;
    let theirs = fields.iter().find(|field| field.name == last).ok_or_else(|| no(&between.salesforce, "salesforce"))?;
    let salesforce = theirs.values.clone().unwrap_or_default();
    let rows = match section.to_salesforce {
        true => fit::propose(&b1, &salesforce),
        false => fit::propose(&salesforce, &b1),
    };
    Ok(Json(TableProposal { b1, salesforce, rows }))
}

/// An expression that somebody writes.
#[derive(Deserialize, ToSchema)]
pub struct Typed {
    /// As it stands.
    text: String,
    /// Names of the code tables there are.
    #[serde(default)]
    tables: Option<Vec<String>>,
}

/// What is with an expression.
#[derive(Serialize, ToSchema)]
pub struct Judged {
    /// It is one.
    ok: bool,
    /// What is wrong.
    error: Option<String>,
    /// Where, in letters from its beginning.
    at: Option<usize>,
    /// Paths below `source` that it reads.
    reads: Vec<String>,
}

/// Whether a text is an expression.
#[utoipa::path(post, path = "/expression", tag = "mapping", request_body = Typed,
    responses((status = 200, body = Judged), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn expression(_: State<Arc<Console>>, who: Who, Body(typed): Body<Typed>) -> Result<Json<Judged>, Problem> {
    who.may(Role::Operator)?;
    if typed.text.len() > LONGEST {
        return Err(Problem::field("text", format!("It has {LONGEST} letters at most.")));
    }
    let wrong = |at, error| Judged { ok: false, error: Some(error), at, reads: Vec::new() };
    Ok(Json(match check(&typed.text) {
        Err((at, error)) => wrong(at, error),
        Ok(reads) => match typed.tables.and_then(|known| unknown_table(&typed.text, &known)) {
            Some((at, name)) => wrong(Some(at), format!("there is no code table {name}")),
            None => Judged { ok: true, error: None, at: None, reads },
        },
    }))
}

/// A code table that an expression names and that is not there, and where.
fn unknown_table(text: &str, known: &[String]) -> Option<(usize, String)> {
    let named = ["tables.", "reverse."].into_iter().flat_map(|word| text.match_indices(word));
    named
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .map(|(at, word)| {
            let name = text[at + word.len()..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            (text[..at].chars().count(), name)
        })
        .find(|(_, name): &(usize, String)| !known.contains(name))
}

/// What an expression may say.
#[derive(Serialize, ToSchema)]
pub struct Words {
    /// The most used first.
    #[schema(value_type = Vec<Object>)]
    words: &'static [crate::mapping::words::Word],
}

/// What an expression may say, with examples.
#[utoipa::path(get, path = "/expression/words", tag = "mapping", responses((status = 200, body = Words), (status = 401, body = Problem)))]
async fn words(_: State<Arc<Console>>, _: Who) -> Json<Words> {
    Json(Words { words: WORDS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_there_is_told() {
        let known = ["region".to_owned()];
        assert_eq!(
            unknown_table("tables.region[source.X] + reverse.area[source.Y]", &known),
            Some((26, "area".into()))
        );
        assert_eq!(unknown_table("source.tables.x + tables.region[source.X]", &known), None);
    }
}
