//! The proof that both sides agree: the reports that are kept, each difference with its reason, and one that is asked for now. Both systems are read, and
//! nothing is written.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Console;
use super::access::Who;
use super::body::{Asked, Body};
use super::problem::Problem;
use super::story::dots;
use crate::bare;
use crate::engine::first_load::Stage;
use crate::reconcile::report::{Difference, FlowReport, Kind, Line, Report, Verdict, Why};
use crate::reconcile::{self, Folder, KINDS, Progress, ReconcileError, Run, Since, Which, next_hour};
use crate::store::{Fate, Role};
use crate::time::iso;

/// Reports of one page at most: each is read.
const MOST_REPORTS: usize = 50;
/// Differences of one page at most.
const MOST: usize = 200;
/// Letters that are looked for at most.
const LONGEST_WORDS: usize = 200;
/// Bytes of a file that are held at once.
const CHUNK: u64 = 256 << 10;
/// The page that prints brings its own style, and nothing else.
const PRINTED: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";

/// All of this page.
pub fn routes() -> OpenApiRouter<Arc<Console>> {
    OpenApiRouter::new()
        .routes(routes!(standing, begin))
        .routes(routes!(stop))
        .routes(routes!(list))
        .routes(routes!(report))
        .routes(routes!(differences))
        .routes(routes!(file))
}

/// What is under way, and what comes next.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileStanding)]
pub struct Standing {
    /// The one that is under way, or was last since the host came up.
    run: Option<RunRow>,
    /// When all flows are compared next by themselves, or some of which another look is due, ISO 8601; null: that is off.
    next: Option<String>,
}

/// A comparison of both sides, under way or over.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileRun)]
pub struct RunRow {
    /// `goes-on`, `over`, `failed`, `stopped`.
    #[schema(value_type = String)]
    state: Stage,
    /// Who asked for it; null: its hour had come.
    by: Option<String>,
    /// ISO 8601.
    began_at: String,
    /// ISO 8601.
    ended_at: Option<String>,
    /// Only what was changed or dated since this day.
    since: Option<String>,
    /// Flows it goes through.
    total: usize,
    /// Of these it is through with.
    done: usize,
    /// What it does at present, or did last.
    progress: Progress,
    /// The report's name, once there is one.
    report: Option<String>,
    /// Why there is none.
    error: Option<String>,
}

impl RunRow {
    /// What somebody sees of it who is limited to some flows.
    fn of(run: Run, who: &Who) -> Self {
        let Run { by, began_at, ended_at, flows, since, stage, mut progress, report, mut error } = run;
        let at = flows.iter().position(|flow| *flow == progress.flow).unwrap_or_default();
        if !who.sees(&progress.flow) {
            progress = Progress::default();
        }
        // It may be of a flow of others.
        if !flows.iter().all(|flow| who.sees(flow)) {
            error = None;
        } else if who.is_masked() {
            error = error.map(|why| bare::words(&why));
        }
        Self {
            state: stage,
            by,
            began_at: iso(began_at),
            ended_at: ended_at.map(iso),
            since,
            total: flows.len(),
            done: if stage == Stage::Over { flows.len() } else { at },
            progress,
            report,
            error,
        }
    }
}

/// What is to be compared.
#[derive(Deserialize, ToSchema)]
#[schema(as = ReconcileWanted)]
pub struct Wanted {
    /// These flows; without it all that who asks may see.
    flows: Option<Vec<String>>,
    /// Only what was changed or dated since this day, such as `2026-01-31`.
    since: Option<String>,
}

/// A report, in a line.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileRow)]
pub struct Row {
    /// By which it is asked for: when it was begun, UTC.
    name: String,
    /// When it was begun, ISO 8601.
    at: String,
    /// How long it took.
    took_ms: u64,
    /// Only what was changed or dated since this day; null: everything.
    since: Option<String>,
    /// Flows it tells of.
    flows: Vec<String>,
    /// They are all that the host has; otherwise it says nothing of others.
    of_all: bool,
    /// What came of it, in a word.
    verdict: Verdict,
    /// The same in a sentence.
    words: String,
    /// Pairs that agree.
    in_step: u64,
    /// Differences.
    differences: u64,
    /// Of these, those that nothing explains.
    unexplained: u64,
    /// Flows of which not all was read that should have been.
    missed: Vec<String>,
    /// Flows that were not compared, since their plugins say nothing.
    unsaid: Vec<String>,
}

impl From<&Report> for Row {
    fn from(report: &Report) -> Self {
        let names = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Self {
            name: report.name.clone(),
            at: iso(report.at),
            took_ms: report.took_ms,
            since: report.since.clone(),
            flows: report.flows.iter().map(|flow| flow.flow.clone()).collect(),
            of_all: report.of_all,
            verdict: report.verdict(),
            words: report.words(),
            in_step: report.comparisons().map(|(_, own)| own.in_step).sum(),
            differences: report.differences(),
            unexplained: report.unexplained(),
            missed: names(report.missed()),
            unsaid: names(report.unsaid()),
        }
    }
}

/// A page of reports.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileReports)]
pub struct Reports {
    /// Newest first.
    reports: Vec<Row>,
    /// There are older ones.
    more: bool,
}

/// Which page of them.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Listed {
    /// Only older ones than that of this name.
    before: Option<String>,
    /// At most so many: 50.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

/// A report without its differences, which are asked for by themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileStated)]
pub struct Stated {
    /// In a line.
    summary: Row,
    /// The program that made it.
    tandem: String,
    /// Flow by flow.
    flows: Vec<FlowReport>,
    /// Files of it that who asks may have: all of them hold every flow.
    files: Vec<&'static str>,
}

/// Which differences, and where their page begins.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Looked {
    /// Only of this flow.
    flow: Option<String>,
    /// Only of this comparison of it.
    comparison: Option<String>,
    /// Only of this sort.
    kind: Option<Kind>,
    /// Only with this reason.
    why: Option<Why>,
    /// Only those whose ids, or by what people know the record, have these letters.
    q: Option<String>,
    /// From this place in the report on; with `limit=1` it is the difference that stands there.
    from: Option<u64>,
    /// At most so many: 200.
    #[param(value_type = Option<u64>)]
    limit: Option<u32>,
}

/// A difference and its place.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcilePlaced)]
pub struct Placed {
    /// Its place in the report, by which it is found again.
    place: u64,
    /// What it is.
    #[serde(flatten)]
    line: Line,
}

/// A page of differences.
#[derive(Serialize, ToSchema)]
#[schema(as = ReconcileDifferences)]
pub struct Differences {
    /// In the order of the report.
    differences: Vec<Placed>,
    /// Where the next page begins; null: this is the last.
    next: Option<u64>,
    /// What records say is hidden from this role.
    masked: bool,
}

impl From<ReconcileError> for Problem {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Store(error) => error.into(),
            ReconcileError::Busy(_) => Self::conflict("Another reconciliation is under way on this host.")
                .mended("Wait until it is over, or stop it."),
            ReconcileError::NoRoom { .. } => {
                Self::conflict(format!("{}.", capitalised(&error))).mended("Make room on that disk.")
            }
            other => Self::failed(format!("{}.", capitalised(&other))),
        }
    }
}

/// As a sentence begins.
fn capitalised(error: &ReconcileError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

/// What is under way, and what comes next.
#[utoipa::path(get, path = "/reconcile", tag = "reconcile",
    responses((status = 200, body = Standing), (status = 401, body = Problem)))]
async fn standing(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Standing>, Problem> {
    told(&console, &who).await
}

async fn told(console: &Console, who: &Who) -> Result<Json<Standing>, Problem> {
    let run = console.under_way.last();
    let goes_on = run.as_ref().is_some_and(|run| run.stage == Stage::GoesOn);
    let next = next_hour(console.engine.config(), console.store.as_ref(), goes_on).await?;
    Ok(Json(Standing { run: run.map(|run| RunRow::of(run, who)), next: next.map(iso) }))
}

/// Compares both sides now, beside everything else: both systems are read, and nothing is written.
#[utoipa::path(post, path = "/reconcile", tag = "reconcile", request_body = Wanted,
    responses((status = 200, body = Standing), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn begin(
    State(console): State<Arc<Console>>,
    who: Who,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Standing>, Problem> {
    who.may(Role::Operator)?;
    let config = console.engine.config();
    let is_known = |flow: &String| config.flows.contains_key(flow) && who.sees(flow);
    let flows = match wanted.flows.filter(|flows| !flows.is_empty()) {
        Some(flows) => match flows.iter().find(|flow| !is_known(flow)) {
            Some(flow) => return Err(Problem::field("flows", format!("There is no flow {flow:?}."))),
            None => flows,
        },
        // An account may name one that was taken out since.
        None => who.flows_of(None).unwrap_or_default().into_iter().filter(is_known).collect(),
    };
    // Who may see no flow at all compares none.
    if flows.is_empty() && who.flows.is_some() {
        return Err(Problem::refused("You may see no flow."));
    }
    let since = wanted.since.filter(|day| !day.is_empty()).map(|day| Since::of(&day, config)).transpose();
    let since = since.map_err(|why| Problem::field("since", format!("That is no day: {why}.")))?;
    let mut what = if flows.is_empty() { "all flows".to_owned() } else { flows.join(", ") };
    if let Some(since) = &since {
        what.push_str(&format!(", since {}", since.day));
    }
    let asked = reconcile::Asked { flows, since, by: Some(who.name.clone()) };
    console.under_way.begin(asked, console.live.stop()).await?;
    console.store.act(who.act("reconcile.begin", what, Fate::Done)).await?;
    told(&console, &who).await
}

/// Stops the one that is under way: there is no report of it.
#[utoipa::path(post, path = "/reconcile/stop", tag = "reconcile",
    responses((status = 200, body = Standing), (status = 401, body = Problem), (status = 403, body = Problem), (status = 409, body = Problem)))]
async fn stop(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Standing>, Problem> {
    who.may(Role::Operator)?;
    let over = || Problem::conflict("No reconciliation is under way.").mended("It may be over by now: look again.");
    let run = console.under_way.last().filter(|run| run.stage == Stage::GoesOn).ok_or_else(over)?;
    if !run.flows.iter().all(|flow| who.sees(flow)) {
        return Err(Problem::refused("It goes through flows that you may not use."));
    }
    if !console.under_way.stop(run.began_at, &who.name) {
        return Err(over());
    }
    let what = format!("that of {}", iso(run.began_at));
    console.store.act(who.act("reconcile.stop", what, Fate::Done)).await?;
    told(&console, &who).await
}

/// Reports, newest first.
#[utoipa::path(get, path = "/reconcile/reports", tag = "reconcile", params(Listed),
    responses((status = 200, body = Reports), (status = 401, body = Problem), (status = 422, body = Problem)))]
async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Asked(asked): Asked<Listed>,
) -> Result<Json<Reports>, Problem> {
    let limit = (asked.limit.unwrap_or(20) as usize).clamp(1, MOST_REPORTS);
    let folder = Folder::of(console.engine.config());
    let reports = blocking(move || {
        let names = folder.names().into_iter().filter(|name| asked.before.as_ref().is_none_or(|before| name < before));
        let mut reports = Vec::new();
        for name in names {
            match folder.report(&name) {
                // One of others' flows is not theirs, one that went meanwhile is none.
                Ok(report) => reports.extend(report.and_then(|report| seen(report, &who)).as_ref().map(Row::from)),
                Err(error) => tracing::warn!(%error, "a report cannot be read"),
            }
            if reports.len() > limit {
                break;
            }
        }
        reports
    });
    let mut reports = reports.await?;
    let more = reports.len() > limit;
    reports.truncate(limit);
    Ok(Json(Reports { reports, more }))
}

/// A report, without its differences.
#[utoipa::path(get, path = "/reconcile/reports/{report}", tag = "reconcile", params(("report" = String, Path)),
    responses((status = 200, body = Stated), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn report(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Json<Stated>, Problem> {
    let folder = Folder::of(console.engine.config());
    let no = || no_report(&name);
    let own = name.clone();
    let found = blocking(move || folder.report(&own)).await??;
    let mut report = found.and_then(|report| seen(report, &who)).ok_or_else(no)?;
    let summary = Row::from(&report);
    for own in report.flows.iter_mut().flat_map(|flow| &mut flow.comparisons) {
        own.more += std::mem::take(&mut own.differences).len() as u64;
    }
    // One that an older version made has fewer.
    let is_there = |file: &str| Folder::of(console.engine.config()).file(&name, file).is_some();
    let files = KINDS.iter().map(|(file, _)| *file).filter(|file| may_have_files(&who).is_ok() && is_there(file));
    let files = files.collect();
    Ok(Json(Stated { summary, tandem: report.tandem, flows: report.flows, files }))
}

/// Differences of a report.
#[utoipa::path(get, path = "/reconcile/reports/{report}/differences", tag = "reconcile", params(("report" = String, Path), Looked),
    responses((status = 200, body = Differences), (status = 401, body = Problem), (status = 404, body = Problem), (status = 422, body = Problem)))]
async fn differences(
    State(console): State<Arc<Console>>,
    who: Who,
    Path(name): Path<String>,
    Asked(asked): Asked<Looked>,
) -> Result<Json<Differences>, Problem> {
    let Looked { flow, comparison, kind, why, q, from, limit } = asked;
    let limit = (limit.unwrap_or(50) as usize).clamp(1, MOST);
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let words = said(q).map(|q| q.trim().chars().take(LONGEST_WORDS).collect());
    let flows = who.flows_of(flow.as_deref()).map(|flows| flows.into_iter().collect());
    let which = Which { flows, comparison: said(comparison), kind, why, words, by_label: !who.is_masked() };
    let folder = Folder::of(console.engine.config());
    let Some(found) = folder.differences(&name, which, from.unwrap_or_default(), limit).await? else {
        let own = name.clone();
        let is_older = blocking(move || folder.report(&own)).await??.is_some_and(|report| seen(report, &who).is_some());
        let older =
            || Problem::no("page through that report").mended("An older version made it: open its differences.csv.");
        return Err(if is_older { older() } else { no_report(&name) });
    };
    let masked = who.is_masked();
    let differences = found.lines.into_iter().map(|(place, mut line)| {
        if masked {
            hide(&mut line.difference);
        }
        Placed { place, line }
    });
    Ok(Json(Differences { differences: differences.collect(), next: found.next, masked }))
}

/// A file of a report: the page that prints, or a table. All of them hold every flow, and what records say.
#[utoipa::path(get, path = "/reconcile/reports/{report}/files/{file}", tag = "reconcile", params(("report" = String, Path), ("file" = String, Path)),
    responses((status = 200, content((String = "text/html"), (String = "text/csv"), (Report = "application/json"), (String = "application/x-ndjson"))),
        (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
async fn file(
    State(console): State<Arc<Console>>,
    who: Who,
    Path((name, file)): Path<(String, String)>,
) -> Result<Response, Problem> {
    may_have_files(&who)?;
    let path = Folder::of(console.engine.config()).file(&name, &file).ok_or_else(|| no_report(&name))?;
    let kind = KINDS.iter().find(|(own, _)| *own == file).map_or("application/octet-stream", |(_, kind)| *kind);
    let opened = blocking(move || File::open(path)).await?.map_err(Problem::failed)?;
    // A page is shown where it is opened; what is a table is kept.
    let how = if kind.starts_with("text/html") { "inline" } else { "attachment" };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("{how}; filename=\"tandem-{name}-{file}\"")),
        (header::CONTENT_SECURITY_POLICY, PRINTED.to_owned()),
    ];
    let parts = unfold(Some(opened), |file| async move {
        let mut file = file?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            (&mut file).take(CHUNK).read_to_end(&mut bytes).map(|_| (bytes, file))
        });
        match read.await.map_err(std::io::Error::other).and_then(|read| read) {
            Ok((bytes, _)) if bytes.is_empty() => None,
            Ok((bytes, file)) => Some((Ok(bytes), Some(file))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok((headers, Bytes::from_stream(parts)).into_response())
}

/// Files hold every flow, and what records say.
fn may_have_files(who: &Who) -> Result<(), Problem> {
    who.may_all(Role::Reviewer)
}

fn no_report(name: &str) -> Problem {
    Problem::no(format_args!("report {name:?}")).mended("The newest are kept, as many as [reconcile] keep says.")
}

/// What somebody sees of a report; none where it tells of no flow of theirs.
fn seen(mut report: Report, who: &Who) -> Option<Report> {
    let before = report.flows.len();
    report.flows.retain(|flow| who.sees(&flow.flow));
    report.of_all &= report.flows.len() == before;
    if report.flows.is_empty() && who.flows.is_some() {
        return None;
    }
    if who.is_masked() {
        for flow in &mut report.flows {
            // Why a plugin says nothing is the host's own sentence.
            if flow.failed {
                flow.unsaid = flow.unsaid.take().map(|why| bare::words(&why));
            }
            for own in &mut flow.comparisons {
                // What a month was sold for is a value, too.
                own.sums.clear();
                own.not_whole = own.not_whole.take().map(|why| bare::words(&why));
                own.left_out.iter_mut().for_each(|left| left.why = bare::words(&left.why));
                own.differences.iter_mut().for_each(hide);
            }
        }
    }
    Some(report)
}

/// What records say is hidden, and the reason's sentence with it; ids and what sort of reason it is are not.
fn hide(difference: &mut Difference) {
    difference.label.clear();
    difference.reason = difference.why.words().to_owned();
    for field in &mut difference.fields {
        for value in [&mut field.salesforce, &mut field.b1] {
            if let Value::String(hidden) = dots(Value::String(std::mem::take(value))) {
                *value = hidden;
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(Problem::failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::{Comparison, Field};
    use crate::store::Via;

    fn who(role: Role, flows: Option<&[&str]>) -> Who {
        Who {
            name: "somebody".into(),
            role,
            flows: flows.map(|flows| flows.iter().map(|flow| (*flow).to_owned()).collect()),
            via: Via::Token,
            has_password: false,
            session: None,
            token: None,
            owner: None,
            address: None,
        }
    }

    fn report() -> Report {
        let difference = Difference {
            kind: Kind::Differs,
            label: "Anna Schmidt".into(),
            salesforce: "001".into(),
            b1: "C1".into(),
            fields: vec![Field { field: "Phone".into(), salesforce: "030 1".into(), b1: String::new() }],
            why: Why::Review,
            reason: "held in review since yesterday: Anna Schmidt has two".into(),
            event: Some(7),
        };
        let flow = |name: &str, comparison: Comparison| FlowReport {
            flow: name.into(),
            comparisons: vec![comparison],
            ..FlowReport::default()
        };
        let differs = Comparison { differing: 1, in_step: 2, differences: vec![difference], ..Comparison::default() };
        let cut = Comparison { not_whole: Some("Anna Schmidt cannot be read".into()), ..Comparison::default() };
        Report { of_all: true, flows: vec![flow("accounts", differs), flow("orders", cut)], ..Report::default() }
    }

    #[test]
    fn whoever_has_some_flows_is_told_of_these_alone() {
        let own = seen(report(), &who(Role::Operator, Some(&["accounts"]))).unwrap();
        let row = Row::from(&own);
        assert_eq!(
            (row.flows.as_slice(), row.verdict, row.differences),
            (&["accounts".to_owned()][..], Verdict::Explained, 1)
        );
        assert!(row.missed.is_empty() && !row.words.contains("orders"), "{}", row.words);
        assert!(row.words.contains("only of accounts"), "{}", row.words);
        assert_eq!(Row::from(&report()).missed, ["orders"]);
        assert!(seen(report(), &who(Role::Operator, Some(&["stock"]))).is_none());
        assert!(may_have_files(&who(Role::Operator, Some(&["accounts"]))).is_err(), "a file holds every flow");
        assert!(may_have_files(&who(Role::Reviewer, None)).is_ok());
    }

    #[test]
    fn whoever_may_only_look_is_told_of_ids_and_reasons_and_of_nobody() {
        let viewer = who(Role::Viewer, None);
        let text = serde_json::to_string(&seen(report(), &viewer).unwrap()).unwrap();
        for hidden in ["Anna", "Schmidt", "030"] {
            assert!(!text.contains(hidden), "{text}");
        }
        assert!(text.contains("held in review") && text.contains("•") && text.contains("C1"), "{text}");
        assert!(may_have_files(&viewer).is_err());
        let whole = serde_json::to_string(&seen(report(), &who(Role::Reviewer, None)).unwrap()).unwrap();
        assert!(whole.contains("Anna Schmidt has two") && whole.contains("030 1"));
    }

    #[test]
    fn how_far_it_is_names_no_flow_of_others() {
        let run = Run {
            by: None,
            began_at: 0,
            ended_at: None,
            flows: vec!["accounts".into(), "orders".into(), "stock".into()],
            since: None,
            stage: Stage::GoesOn,
            progress: Progress { flow: "orders".into(), comparison: "Orders".into(), rows: 7, ..Progress::default() },
            report: None,
            error: None,
        };
        let run = Run { error: Some("no file for flow \"orders\"".into()), ..run };
        let own = RunRow::of(run.clone(), &who(Role::Viewer, Some(&["accounts"])));
        assert_eq!((own.done, own.total, own.progress, own.error), (1, 3, Progress::default(), None));
        assert_eq!(RunRow::of(run, &who(Role::Viewer, None)).progress.comparison, "Orders");
    }
}
