//! `tandem backfill <flow> [--since DAY] [--dry-run]`

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::failure::Failure;
use super::output::{Output, short};
use super::service::Parts;
use crate::engine::first_load::{self, LoadError, Stage, WINDOW};
use crate::engine::{Flow, Rehearsal};
use crate::sources::backfill::{self, Topic};
use crate::store::{Access, EventState, Store, StoreError};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Args)]
pub struct Options {
    /// The flow.
    flow: String,
    /// Only records changed since this day, such as 2026-01-31; what leaves no trace of a change (stock, special prices) is
    /// taken whole.
    #[arg(long, value_parser = day)]
    since: Option<String>,
    /// Say what would be linked, made, changed and asked, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Begin anew, also where an earlier one was broken off.
    #[arg(long)]
    restart: bool,
    /// Do not ask before it begins.
    #[arg(long, short)]
    yes: bool,
}

impl Options {
    /// All of a flow's records, with nothing written.
    pub fn rehearsal(flow: &str) -> Self {
        Self { flow: flow.to_owned(), since: None, dry_run: true, restart: false, yes: true }
    }
}

pub async fn run(config: &Path, options: Options, output: &Output) -> Result<ExitCode> {
    let parts = Parts::open(config, Access::Tool).await?;
    let connections = parts.connect()?;
    let flow = parts.flow(&options.flow, &connections).await?;
    let topics = match first_load::topics(&flow, &connections, options.since.as_deref()) {
        Err(error @ LoadError::NotOffered(_)) => return Err(Failure::WrongUsage(error.to_string()).into()),
        topics => topics?,
    };
    let mut total = 0;
    let mut rows = Vec::new();
    for topic in &topics {
        let records = topic.count().await.with_context(|| format!("counting {}", topic.name))?;
        total += records;
        rows.push(vec![topic.name.clone(), records.to_string()]);
    }
    let runs = total.div_ceil(u64::from(flow.batch()));
    if !output.is_json() {
        output.facts(&["records of", "how many"], rows);
        output.say(format!(
            "{total} records in about {runs} runs of {}: some {} to {} Salesforce API calls where everything is new, fewer where it is in step",
            flow.batch(),
            runs * 2,
            runs * 8
        ));
    }
    if options.dry_run {
        return rehearse(&parts, &flow, &topics, total, output).await;
    }
    if !options.yes && !output.is_json() && !super::plugin::confirmed("begin?")? {
        output.say("nothing was begun");
        return Ok(ExitCode::FAILURE);
    }
    if !parts.store.has_host().await? {
        return Err(Failure::NotFound(NO_HOST.into()).into());
    }
    load(&parts, &flow, &topics, total, options.restart, output).await
}

/// Records are taken in by this command and worked through by the host.
const NO_HOST: &str = "no host runs on this database: start `tandem run`, then repeat the command";

/// A day as `--since` takes it.
fn day(text: &str) -> Result<String, String> {
    text.parse::<chrono::NaiveDate>().map(|day| day.to_string()).map_err(|_| "write it like 2026-01-31".into())
}

fn bar(total: u64, output: &Output) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = if output.is_json() { ProgressBar::hidden() } else { ProgressBar::new(total) };
    bar.with_style(style)
}

/// Takes the records in and waits for the host to work through them.
async fn load(
    parts: &Parts,
    flow: &Flow,
    topics: &[Topic],
    total: u64,
    restart: bool,
    output: &Output,
) -> Result<ExitCode> {
    let (store, config) = (parts.store.as_ref(), &parts.config);
    if first_load::last(store, &flow.name).await?.is_some_and(|load| load.stage == Stage::GoesOn) {
        return Err(
            LoadError::GoesOn(format!("{}, asked for in the console, which shows how far it is", flow.name)).into()
        );
    }
    let of = first_load::through(topics, config);
    let unfinished = first_load::broken_off(store, &flow.name, &of).await?.filter(|_| !restart);
    let mut place = match unfinished {
        Some(place) => {
            output.say(format!("going on behind {} records (--restart begins anew)", place.records));
            place
        }
        None => first_load::fresh(of),
    };
    let progress = bar(total, output).with_message(flow.name.clone());
    let before = Tally::of(store, &flow.name).await?;
    let mut watch = Watch::default();
    let mut all_taken = false;
    let after = loop {
        let now = Tally::of(store, &flow.name).await?;
        progress.set_position(place.records.saturating_sub(now.open));
        if all_taken && now.open == 0 {
            break now;
        }
        if !all_taken && now.open < WINDOW {
            match backfill::step(store, &flow.name, topics, &place).await.context("going through the records")? {
                Some(next) => place = next,
                None => all_taken = true,
            }
            continue;
        }
        if watch.stands_still(now.open) {
            if !store.has_host().await? {
                progress.finish_and_clear();
                let open = now.open;
                return Err(Failure::NotFound(format!("{open} records wait, and {NO_HOST}")).into());
            }
            progress.suspend(|| output.say(format!("{} records wait, and nothing moved for 30 s", now.open)));
        }
        tokio::time::sleep(PAUSE).await;
    };
    progress.finish_and_clear();
    let (done, review) = (after.done - before.done, after.review.saturating_sub(before.review));
    // What an open question asks already is not asked again; others wait for a record of another flow.
    let others = place.records.saturating_sub(done + review);
    if output.is_json() {
        output.value(&json!({ "records": place.records, "done": done, "review": review, "others": others }));
    } else {
        output.say(format!("{} records: {done} done, {review} to review (`tandem review list`)", place.records));
        if others > 0 {
            output.say(format!(
                "{others} more were asked about before, or wait for another record: `tandem review list`, `tandem events list --state waiting`"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Notices when nothing moves.
#[derive(Default)]
struct Watch {
    open: u64,
    looks: u32,
}

impl Watch {
    /// True once, after 30 seconds without a change.
    fn stands_still(&mut self, open: u64) -> bool {
        self.looks = if open == self.open { self.looks + 1 } else { 0 };
        self.open = open;
        self.looks == 120
    }
}

/// How many events of a flow stand where.
#[derive(Default)]
struct Tally {
    /// Not finished and nobody's turn but the host's.
    open: u64,
    /// Done.
    done: u64,
    /// A person's turn.
    review: u64,
}

impl Tally {
    /// As it is now.
    async fn of(store: &dyn Store, flow: &str) -> Result<Self, StoreError> {
        let mut tally = Self::default();
        for count in store.counts().await?.into_iter().filter(|count| count.flow == flow) {
            match count.state {
                EventState::Ready | EventState::Leased => tally.open += count.events,
                EventState::Done => tally.done += count.events,
                EventState::Review => tally.review += count.events,
                _ => {}
            }
        }
        Ok(tally)
    }
}

/// The report of a first load: what it would link, make, change and ask.
async fn rehearse(parts: &Parts, flow: &Flow, topics: &[Topic], total: u64, output: &Output) -> Result<ExitCode> {
    /// Questions shown.
    const SHOWN: usize = 50;
    let progress = bar(total, output).with_message("rehearsal");
    let releases = parts.releases().await?;
    let told = |_: &Rehearsal<'_>, done| {
        progress.set_position(done);
        true
    };
    let rehearsal = first_load::rehearse(releases.runtime(), flow, topics, told).await?;
    progress.finish_and_clear();
    if output.is_json() {
        output.value(&rehearsal);
        return Ok(ExitCode::SUCCESS);
    }
    let rows =
        |counts: &BTreeMap<String, u64>| counts.iter().map(|(what, n)| vec![what.clone(), n.to_string()]).collect();
    output.rows(&(), &["would write", "records"], rows(&rehearsal.effects), "nothing to write");
    output.rows(&(), &["would link", "pairs"], rows(&rehearsal.links), "nothing to link");
    output.rows(
        &(),
        &["outcome", "records looked at"],
        rows(&rehearsal.outcomes),
        "nothing to look at: there are no records",
    );
    if rehearsal.changes_nothing() {
        output.say("nothing to do: everything is in step");
    }
    let questions: Vec<Vec<String>> =
        rehearsal.questions.iter().take(SHOWN).map(|(key, why)| vec![key.clone(), short(why, 140)]).collect();
    output.rows(&(), &["would ask about", "why"], questions, "nothing to ask");
    output.say("nothing was written; what is in step already is not counted");
    Ok(ExitCode::SUCCESS)
}
