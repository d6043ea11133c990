//! What would be different: recorded runs, run again under their own release and under another one over the same journal, with nothing sent. Both are
//! pure functions of events and journal, so whatever differs is the other release's doing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::deeds::{Difference, Effect, deeds_of, differences, words};
use super::replay::whole;
use super::{BindError, Flow};
use crate::config::Config;
use crate::connections::Connections;
use crate::releases::{Release, ReleaseError, Releases, short};
use crate::sandbox::{Journal, RunError, Runtime, Unknown, Unread};
use crate::store::{JournalEntry, Run, RunId, StoreError};

/// What stands for the call where an event ends otherwise.
pub const OUTCOME: &str = "outcome";

/// Groups keep so many examples.
const EXAMPLES: usize = 3;

/// What a comparison of many runs found.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// Recorded runs gone through.
    pub runs: u64,
    /// Events of theirs.
    pub events: u64,
    /// Events that end the same, with the same effects.
    pub same: u64,
    /// Events that do not.
    pub different: u64,
    /// Events of which it cannot be told: the other release reads what the past run did not.
    pub untold: u64,
    /// Reads that answered as things are now, not as they were.
    pub read_now: u64,
    /// What differs, by kind, the most frequent first.
    pub groups: Vec<Group>,
    /// Reads that the past runs did not make, with how many runs would.
    pub unread: BTreeMap<String, u64>,
    /// Sections of the mapping that differ and that none of the events used: of these the comparison says nothing.
    pub unused: Vec<String>,
}

/// One kind of difference.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The call with its record's key left out: `PATCH b1 /Orders(*)`; `outcome`.
    pub call: String,
    /// The field with the places in lists left out: `DocumentLines[].Price`.
    pub field: String,
    /// How many differences are of this kind.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// One difference and the event it is of.
#[derive(Debug, Serialize)]
pub struct Example {
    /// The event, where it is known which of its run it was.
    pub event: Option<i64>,
    /// Run of both.
    pub run: i64,
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
}

/// Why a comparison cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The release that a past run ran under.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Either release cannot be bound to the flow as it is configured now.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A rehearsal.
    #[error("run {0}: {1}")]
    Run(RunId, #[source] RunError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares a release with those that past runs of its flow ran under.
pub struct Comparer<'a> {
    config: &'a Config,
    connections: &'a Connections,
    releases: &'a Releases,
    other: Flow,
    unknown: Unknown,
    /// The flow under the releases that past runs ran under, by their digests.
    own: HashMap<String, Flow>,
    found: Comparison,
    places: HashMap<(String, String), usize>,
    /// Sections of the mapping that any of the runs used, under either release.
    used: HashSet<String>,
}

/// A run over its journal, with nothing sent.
pub(super) struct Rehearsed {
    /// What would become of each event, in words.
    pub outcomes: Vec<String>,
    /// What it would do.
    pub deeds: Vec<Effect>,
    /// What it would read that the past run did not.
    pub unread: Unread,
    /// Sections of the mapping that it uses.
    pub sections: HashSet<String>,
    /// It fails: what it would have read or done is not known.
    pub failed: bool,
}

/// Rehearses a run over a journal. A run that fails ends each of its events so.
pub(super) async fn rehearse(
    runtime: &Runtime,
    flow: &Flow,
    run: &Run,
    journal: &[JournalEntry],
    unknown: Unknown,
) -> Result<Rehearsed, RunError> {
    let dry = Journal::dry(journal, unknown);
    match runtime.run(&flow.release.plugin, flow.bound.clone(), run, dry).await {
        Ok(report) => Ok(Rehearsed {
            outcomes: report.outcomes.iter().map(words).collect(),
            deeds: deeds_of(&report),
            sections: sections_of(&report.journal),
            unread: report.unread,
            failed: false,
        }),
        Err(error) if error.blames_plugin() => Ok(Rehearsed {
            outcomes: vec![format!("the run fails: {error}"); run.events.len()],
            deeds: Vec::new(),
            sections: HashSet::new(),
            unread: Unread::default(),
            failed: true,
        }),
        Err(error) => Err(error),
    }
}

/// The sections that a run applied: an entry of it begins with their name.
fn sections_of(journal: &[JournalEntry]) -> HashSet<String> {
    let applied = journal.iter().filter(|entry| entry.kind == "mapping.apply");
    applied.filter_map(|entry| entry.request.split(' ').next()).map(str::to_owned).collect()
}

impl<'a> Comparer<'a> {
    /// With the release to look at. `unknown`: whether it may read now what past runs did not.
    pub async fn new(
        flow: &str,
        other: Arc<Release>,
        config: &'a Config,
        connections: &'a Connections,
        releases: &'a Releases,
        unknown: Unknown,
    ) -> Result<Self, BindError> {
        let other = Flow::for_rehearsal(flow, other, config, connections, releases).await?;
        let (own, found, places, used) = Default::default();
        Ok(Self { config, connections, releases, other, unknown, own, found, places, used })
    }

    /// The last runs of the flow that ended well, newest first, that together had so many events.
    pub async fn last_runs(&self, events: u32) -> Result<Vec<RunId>, StoreError> {
        self.releases.store().runs_last(&self.other.name, events).await
    }

    /// Adds a run; one that was removed meanwhile says nothing.
    pub async fn add(&mut self, id: RunId) -> Result<(), CompareError> {
        let store = self.releases.store();
        let Some(run) = store.run(id).await? else { return Ok(()) };
        if let Err(why) = whole(&run) {
            self.cannot_tell(&run, [format!("the run itself: {why}")]);
            return Ok(());
        }
        if !self.own.contains_key(&run.release) {
            let flow = &self.other.name;
            let release = match self.releases.of_run(flow, &run.release, self.config).await {
                Err(ReleaseError::Unknown { .. }) => {
                    self.cannot_tell(&run, [format!("release {}, which is not kept any more", short(&run.release))]);
                    return Ok(());
                }
                release => release?,
            };
            let own = Flow::for_rehearsal(flow, release, self.config, self.connections, self.releases).await?;
            self.own.insert(run.release.clone(), own);
        }
        let journal = store.journal_read(id).await?;
        self.compare(&run, &journal).await.map_err(|error| CompareError::Run(id, error))
    }

    async fn compare(&mut self, run: &Run, journal: &[JournalEntry]) -> Result<(), RunError> {
        let runtime = self.releases.runtime();
        let before = rehearse(runtime, &self.own[&run.release], run, journal, Unknown::Refuse).await?;
        let after = rehearse(runtime, &self.other, run, journal, self.unknown).await?;
        self.used.extend(before.sections);
        self.used.extend(after.sections);
        self.found.read_now += after.unread.asked.saturating_sub(before.unread.asked);
        // What the run's own release did not find either is not the other one's doing: its journal is not whole.
        let refused: HashSet<String> = after.unread.refused.into_iter().collect();
        if !refused.is_empty() || !before.unread.refused.is_empty() || before.failed {
            self.cannot_tell(run, refused.into_iter().chain(before.unread.refused));
            return Ok(());
        }
        let events = run.events.len() as u64;
        self.found.runs += 1;
        self.found.events += events;
        let mut unattributed = false;
        let mut touched: HashSet<i64> = HashSet::new();
        for ((event, old), new) in run.events.iter().zip(&before.outcomes).zip(&after.outcomes) {
            if old != new {
                touched.insert(event.id.0);
                let difference = Difference {
                    subject: event.key.clone(),
                    call: OUTCOME.into(),
                    field: String::new(),
                    before: Some(old.as_str().into()),
                    after: Some(new.as_str().into()),
                };
                self.note(Some(event.id.0), run.id, difference);
            }
        }
        for difference in differences(&before.deeds, &after.deeds) {
            let event = self.event_of(run, &difference.subject).await?;
            touched.extend(event);
            unattributed |= event.is_none();
            self.note(event, run.id, difference);
        }
        let others = events - touched.len() as u64;
        self.found.different += touched.len() as u64;
        // Whose doing a difference is that no event names, nobody knows: it may be that of any other.
        if unattributed {
            self.found.untold += others;
        } else {
            self.found.same += others;
        }
        Ok(())
    }

    /// A run of whose events nothing can be said, for what lacks.
    fn cannot_tell(&mut self, run: &Run, lacks: impl IntoIterator<Item = String>) {
        let events = run.events.len() as u64;
        self.found.runs += 1;
        self.found.events += events;
        self.found.untold += events;
        for what in lacks {
            *self.found.unread.entry(what).or_default() += 1;
        }
    }

    /// Which event of a run an effect is of: the one of its record, of the record that this one is linked to, or the only one.
    async fn event_of(&self, run: &Run, subject: &str) -> Result<Option<i64>, RunError> {
        let of = |key: &str| run.events.iter().find(|event| event.key == key).map(|event| event.id.0);
        if let ([only], _) | (_, Some(only)) = (run.events.as_slice(), run.events.iter().find(|e| e.key == subject)) {
            return Ok(Some(only.id.0));
        }
        let links = self.releases.store().links_of(subject).await.map_err(RunError::Store)?;
        Ok(links.iter().find_map(|link| of(&link.b1_id).or_else(|| of(&link.salesforce_id))))
    }

    fn note(&mut self, event: Option<i64>, run: RunId, difference: Difference) {
        let kind = (without_keys(&difference.call), without_places(&difference.field));
        let place = *self.places.entry(kind.clone()).or_insert_with(|| {
            let (call, field) = kind;
            self.found.groups.push(Group { call, field, count: 0, examples: Vec::new() });
            self.found.groups.len() - 1
        });
        let group = &mut self.found.groups[place];
        group.count += 1;
        if group.examples.len() < EXAMPLES {
            group.examples.push(Example { event, run: run.0, difference });
        }
    }

    /// What was found.
    pub fn done(mut self) -> Comparison {
        self.found.groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let other = &self.other.release;
        let changed = self.own.values().flat_map(|own| {
            let mut changed = own.release.mapping.sections_other_than(&other.mapping);
            // Another mapping plugin may treat any section that it is asked about otherwise: only what was used says that it does not.
            if own.release.manifest.mapper != other.manifest.mapper {
                let asked = |section: &str| own.release.asks_mapper(section) || other.asks_mapper(section);
                changed.extend(own.release.plugin.description.reserved().into_keys().filter(|section| asked(section)));
            }
            changed
        });
        let unused: BTreeSet<String> = changed.filter(|section| !self.used.contains(section)).collect();
        self.found.unused = unused.into_iter().collect();
        self.found
    }
}

impl Comparison {
    /// Nothing differs, of nothing it cannot be told, nothing was read that is of today, and what differs in the mapping was used.
    pub fn is_same(&self) -> bool {
        self.groups.is_empty() && self.untold == 0 && self.read_now == 0 && self.unused.is_empty()
    }
}

/// `PATCH b1 /Orders(17)?…` → `PATCH b1 /Orders(*)`; `/sobjects/Account/001…` → `/sobjects/Account/*`.
pub(super) fn without_keys(call: &str) -> String {
    let call = call.split('?').next().unwrap_or_default();
    let mut parts: Vec<String> = call.split('/').map(str::to_owned).collect();
    let objects = parts.iter().position(|part| part == "sobjects");
    for (place, part) in parts.iter_mut().enumerate() {
        if let (Some(open), Some(close)) = (part.find('('), part.rfind(')'))
            && open < close
        {
            part.replace_range(open..=close, "(*)");
        }
        // Behind the object its id, or a field and its value.
        if objects.is_some_and(|objects| place > objects + 1) {
            "*".clone_into(part);
        }
    }
    parts.join("/")
}

fn without_places(field: &str) -> String {
    let mut text = String::new();
    let mut within = false;
    for letter in field.chars() {
        match letter {
            '[' => {
                within = true;
                text.push_str("[]");
            }
            ']' => within = false,
            _ if within => {}
            other => text.push(other),
        }
    }
    text
}

/// A value as one line tells it.
pub fn told(value: Option<&Value>) -> String {
    match value {
        None => "–".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_grouped_by_what_they_are_not_by_which_record_they_are_of() {
        assert_eq!(without_keys("PATCH b1 /BusinessPartners('C(1)')"), "PATCH b1 /BusinessPartners(*)");
        assert_eq!(without_keys("PATCH s /sobjects/Account/Tandem_Card_Code__c/C1"), "PATCH s /sobjects/Account/*/*");
        assert_eq!(without_keys("POST b1 /Orders(17)/Cancel"), "POST b1 /Orders(*)/Cancel");
        assert_eq!(without_keys("POST s /composite?x=1"), "POST s /composite");
        assert_eq!(without_places("DocumentLines[12].U[3].Price"), "DocumentLines[].U[].Price");
    }
}
