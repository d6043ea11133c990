//! The store's promises in SQL: see [`Store`]. Each method is a statement or two, or leads to the file that has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use ring::rand::SecureRandom;
use tokio::sync::watch;

use super::statement::{Connection, NONE, Row, params};
use super::{Base, SqlStore, events, packing, releases, retention, runs, search, sightings};
use crate::store::*;

/// Finished events are kept at least so long, however full the store is: a source may tell one again.
const TOLD_AGAIN: Millis = 3_600_000;
/// A clock that differs by so much from what was expected was set: a correction by less is no step.
pub(in crate::store) const STEP: Millis = 5_000;

#[async_trait]
impl<B: Base> Memory for SqlStore<B> {
    async fn storage_get(&self, flow: &str, key: &str) -> Result<Option<String>> {
        let (flow, key) = (flow.to_owned(), key.to_owned());
        self.read(move |db| {
            db.prepare("SELECT unseal('storage', flow, key, value) FROM storage WHERE flow = ?1 AND key = ?2")
                .first([flow, key], |row| row.get(0))
        })
        .await
    }

    async fn storage_scan(
        &self,
        flow: &str,
        prefix: &str,
        limit: u32,
        most: u64,
    ) -> Result<Option<Vec<(String, String)>>> {
        let (flow, prefix) = (flow.to_owned(), prefix.to_owned());
        self.read(move |db| {
            let select = db.prepare(
                "SELECT key, unseal('storage', flow, key, value) FROM storage WHERE flow = ?1 AND key >= ?2 \
                 AND substr(key, 1, length(?2)) = ?2 ORDER BY key LIMIT ?3",
            );
            let (mut entries, mut bytes) = (Vec::new(), 0);
            select.each(params![flow, prefix, limit], |row| {
                let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
                bytes += (key.len() + value.len()) as u64;
                entries.push((key, value));
                Ok(bytes <= most)
            })?;
            Ok((bytes <= most).then_some(entries))
        })
        .await
    }

    async fn storage_size(&self, flow: &str) -> Result<u64> {
        let flow = flow.to_owned();
        self.read(move |db| {
            let size: Option<i64> =
                db.prepare("SELECT bytes FROM storage_bytes WHERE flow = ?1").first([flow], |row| row.get(0))?;
            Ok(size.unwrap_or_default().unsigned_abs())
        })
        .await
    }

    async fn links_find(
        &self,
        scope: &str,
        kind: &str,
        side: Side,
        ids: &[String],
        most: u64,
    ) -> Result<Option<Vec<Option<Link>>>> {
        let (scope, kind, ids) = (scope.to_owned(), kind.to_owned(), ids.to_vec());
        self.read(move |db| {
            let (mut links, mut bytes) = (Vec::with_capacity(ids.len()), 0);
            for id in &ids {
                let link = runs::find_link(db, &scope, &kind, side, id)?;
                bytes += link.as_ref().map_or(0, |link| link.base.len() + link.b1_id.len() + link.salesforce_id.len());
                if bytes as u64 > most {
                    return Ok(None);
                }
                links.push(link);
            }
            Ok(Some(links))
        })
        .await
    }

    async fn wakes_planned(&self, flow: &str) -> Result<u64> {
        let flow = flow.to_owned();
        self.read(move |db| {
            let count = db.prepare("SELECT count(*) FROM wakes WHERE flow = ?1");
            Ok(count.one([flow], |row| row.get::<i64>(0))?.unsigned_abs())
        })
        .await
    }
}

#[async_trait]
impl<B: Base> Store for SqlStore<B> {
    async fn append(&self, intake: Intake) -> Result<u64> {
        self.base
            .take_in(intake.durability, move |db| {
                let now = crate::time::now();
                let mut fresh = 0;
                for event in &intake.events {
                    fresh += u64::from(events::insert(db, event, intake.lane, now)?.is_some());
                }
                if let Some((source, position)) = &intake.position {
                    db.prepare(
                        "INSERT INTO positions (source, position, at) VALUES (?1, ?2, ?3) \
                         ON CONFLICT (source) DO UPDATE SET position = ?2, at = ?3",
                    )
                    .execute(params![source, position, now])?;
                }
                if let Some((source, seen)) = &intake.seen {
                    sightings::note(db, source, seen)?;
                }
                Ok(fresh)
            })
            .await
    }

    async fn position(&self, source: &str) -> Result<Option<String>> {
        let source = source.to_owned();
        self.read(move |db| {
            db.prepare("SELECT position FROM positions WHERE source = ?1").first([source], |row| row.get(0))
        })
        .await
    }

    async fn seen(&self, source: &str, keys: Vec<String>) -> Result<Vec<Option<String>>> {
        let source = source.to_owned();
        self.read(move |db| sightings::of(db, &source, &keys)).await
    }

    async fn seen_count(&self, source: &str) -> Result<u64> {
        let source = source.to_owned();
        self.read(move |db| sightings::count(db, &source)).await
    }

    async fn seen_keys(&self, source: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let (source, after) = (source.to_owned(), after.to_owned());
        self.read(move |db| sightings::keys(db, &source, &after, limit)).await
    }

    async fn lease(&self, flow: &str, release: &str, max: u32, now: Millis) -> Result<Leased> {
        let (flow, release) = (flow.to_owned(), release.to_owned());
        self.base.take_in(Durability::WithNextCommit, move |db| leased(db, flow, release, max, now)).await
    }

    async fn lease_alone(&self, flow: &str, release: &str, max: u32, now: Millis) -> Result<Leased> {
        let (flow, release) = (flow.to_owned(), release.to_owned());
        let lease = move |db: &Connection| {
            let open = db.prepare("SELECT EXISTS (SELECT 1 FROM runs WHERE finished_at IS NULL AND flow = ?1)");
            match open.one([&flow], |row| row.get(0))? {
                true => Ok(Leased::Nothing),
                false => leased(db, flow, release, max, now),
            }
        };
        self.base.take_in(Durability::WithNextCommit, lease).await
    }

    async fn abandoned(&self, whose: Whose, at_start: bool) -> Result<Vec<Run>> {
        // All or nothing: a run that became this host's is given to it.
        self.write(move |db| {
            let ids = B::take_over(db, whose, at_start)?;
            ids.into_iter().filter_map(|id| runs::run(db, id).transpose()).collect()
        })
        .await
    }

    async fn next_due(&self, flow: &str) -> Result<Option<Millis>> {
        let flow = flow.to_owned();
        self.read(move |db| events::next_due(db, &flow)).await
    }

    async fn sweep(&self, now: Millis) -> Result<Vec<String>> {
        self.take_up_keys(now).await?;
        let before = self.swept.load(Ordering::Relaxed);
        // Sweeps follow each other within a second; a longer way is that of a clock that was set, or of a machine that slept.
        let stepped = if before > 0 { now - before } else { 0 };
        // Where others go by the same clock only a step of its own counts: however long this host was kept from looking, they were not.
        let since =
            std::mem::replace(&mut *self.swept_at.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        let stepped = match self.heard() {
            Some(_) if before > 0 => stepped - Millis::try_from(since.elapsed().as_millis()).unwrap_or(stepped),
            _ => stepped,
        };
        let sets_clocks = self.base.among().borrow().turn;
        let sweep = move |db: &Connection| {
            if !sets_clocks {
                // Another one does, which goes by the same clock.
            } else if stepped > STEP {
                events::clock_went_forward(db, stepped)?;
            } else if stepped < -STEP {
                events::clock_went_back(db, now, STEP)?;
            }
            events::sweep(db, now)
        };
        let touched = self.write(sweep).await?;
        self.swept.store(now, Ordering::Relaxed);
        Ok(touched)
    }

    async fn journal_write(&self, run: RunId, entries: Vec<JournalEntry>, durability: Durability) -> Result<()> {
        self.write_with(durability, move |db| runs::write_journal(db, run, &entries)).await
    }

    async fn journal_read(&self, run: RunId) -> Result<Vec<JournalEntry>> {
        self.read(move |db| packing::journal(db, run)).await
    }

    async fn pack(&self, keeps: &BTreeMap<String, Kept>) -> Result<u64> {
        let mut total = 0;
        loop {
            let packed = self.read(packing::unpacked).await?;
            if packed.is_empty() {
                break;
            }
            let (keeps, keys) = (keeps.clone(), self.keys.clone());
            total += self
                .write_with(Durability::WithNextCommit, move |db| packing::keep(db, &packed, &keeps, &keys))
                .await?;
        }
        for (flow, kept) in keeps.iter().filter(|(_, kept)| !kept.is_whole()) {
            self.reduce(flow, *kept).await?;
        }
        Ok(total)
    }

    async fn unpacked(&self) -> Result<u64> {
        self.read(|db| {
            let count: i64 = db
                .prepare(
                    "SELECT count(*) FROM runs INDEXED BY runs_unpacked WHERE packed = 0 AND finished_at IS NOT NULL",
                )
                .one(NONE, |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
        .await
    }

    async fn finish(&self, run: RunId, finish: Finish) -> Result<Vec<String>> {
        self.write(move |db| runs::finish(db, run, finish)).await
    }

    async fn keep_read(&self, read: PastRead) -> Result<EventId> {
        self.base.take_in(Durability::Now, move |db| runs::keep_read(db, read)).await
    }

    async fn links_of(&self, id: &str) -> Result<Vec<Link>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare(format!("SELECT {} FROM links WHERE b1_id = ?1 OR salesforce_id = ?1", runs::LINK_COLUMNS))
                .all([id], runs::link)
        })
        .await
    }

    async fn linked_ids(&self, salesforce: &str, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let (scope, from, to) = (format!("|{salesforce}"), after.max(prefix).to_owned(), format!("{prefix}~"));
        self.read(move |db| {
            db.prepare(
                "SELECT DISTINCT salesforce_id FROM links WHERE salesforce_id > ?1 AND salesforce_id < ?2 \
                     AND substr(scope, length(scope) - length(?3) + 1) = ?3 ORDER BY salesforce_id LIMIT ?4",
            )
            .all(params![from, to, scope, limit], |row| row.get(0))
        })
        .await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>> {
        self.read(move |db| events::list(db, &filter)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>> {
        self.read(move |db| {
            db.prepare(format!("SELECT {} FROM events WHERE id = ?1", events::EVENT_COLUMNS))
                .first([id.0], events::event)
        })
        .await
    }

    async fn runs_of(&self, event: EventId) -> Result<Vec<RunRecord>> {
        self.read(move |db| {
            db.prepare(
                "SELECT r.id, r.flow, r.release, r.started_at, r.finished_at, unseal('runs.error', r.id, r.error), \
                     (SELECT count(*) FROM run_events n WHERE n.run = r.id), r.kept \
                     FROM run_events e JOIN runs r ON r.id = e.run WHERE e.event = ?1 ORDER BY r.id",
            )
            .all([event.0], |row| {
                Ok(RunRecord {
                    id: RunId(row.get(0)?),
                    flow: row.get(1)?,
                    release: row.get(2)?,
                    started_at: row.get(3)?,
                    finished_at: row.get(4)?,
                    error: row.get(5)?,
                    events: row.get(6)?,
                    kept: events::kept(row, 7)?,
                })
            })
        })
        .await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>> {
        self.read(move |db| runs::run(db, id)).await
    }

    async fn runs_last(&self, flow: &str, events: u32) -> Result<Vec<RunId>> {
        let flow = flow.to_owned();
        self.read(move |db| runs::last(db, &flow, events)).await
    }

    async fn journal_about(&self, subject: &str, limit: u32) -> Result<Vec<(RunId, JournalEntry)>> {
        let subject = subject.to_owned();
        self.read(move |db| packing::about(db, &subject, limit)).await
    }

    async fn retry(&self, event: EventId, resolution: Option<String>, now: Millis) -> Result<bool> {
        self.write(move |db| events::retry(db, event, resolution, now)).await
    }

    async fn answer(&self, event: EventId, choice: &str, now: Millis) -> Result<Answered> {
        let choice = choice.to_owned();
        self.write(move |db| events::answer(db, event, choice, now)).await
    }

    async fn answer_by(
        &self,
        event: EventId,
        choices: &[String],
        answer: &str,
        other: NewEvent,
        now: Millis,
    ) -> Result<Answered> {
        let (choices, answer) = (choices.to_vec(), answer.to_owned());
        self.base.take_in(Durability::Now, move |db| events::answer_by(db, event, &choices, answer, &other, now)).await
    }

    async fn counts(&self) -> Result<Vec<Count>> {
        self.read(events::counts).await
    }

    async fn counts_of_backfill(&self, flow: &str) -> Result<Vec<Count>> {
        let flow = flow.to_owned();
        self.read(move |db| events::counts_of_backfill(db, &flow)).await
    }

    async fn questions_revision(&self) -> Result<u64> {
        self.read(|db| {
            let number: i64 =
                db.prepare("SELECT number FROM revisions WHERE name = 'review'").one(NONE, |row| row.get(0))?;
            Ok(number.unsigned_abs())
        })
        .await
    }

    async fn release_put(&self, release: ReleaseRow, contents: Vec<Content>) -> Result<()> {
        let packed = move || contents.into_iter().map(releases::packed).collect::<Result<Vec<_>>>();
        let packed = tokio::task::spawn_blocking(packed).await.map_err(|e| StoreError::Database(e.to_string()))??;
        self.write(move |db| releases::put(db, &release, &packed)).await
    }

    async fn release(&self, flow: &str, digest: &str) -> Result<Option<ReleaseRow>> {
        let (flow, digest) = (flow.to_owned(), digest.to_owned());
        self.read(move |db| releases::one(db, &flow, &digest)).await
    }

    async fn releases(&self, flow: &str) -> Result<Vec<ReleaseRow>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::of_flow(db, &flow)).await
    }

    async fn content(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let digest = digest.to_owned();
        self.read(move |db| releases::content(db, &digest)).await
    }

    async fn activations(&self, flow: &str, limit: u32) -> Result<Vec<Activation>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::activations(db, &flow, limit)).await
    }

    async fn activate(&self, activation: Activation, instead_of: Option<i64>) -> Result<bool> {
        self.write(move |db| releases::activate(db, &activation, instead_of)).await
    }

    async fn candidate(&self, flow: &str) -> Result<Option<Candidate>> {
        let flow = flow.to_owned();
        self.read(move |db| releases::candidate(db, &flow)).await
    }

    async fn candidate_put(&self, candidate: Candidate) -> Result<()> {
        self.write(move |db| releases::put_candidate(db, &candidate)).await
    }

    async fn grant(&self, grant: Grant) -> Result<()> {
        self.write(move |db| {
            db.prepare(
                "INSERT INTO grants (digest, plugin, permissions, granted_at) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT (digest) DO UPDATE SET plugin = ?2, permissions = ?3, granted_at = ?4",
            )
            .execute(params![grant.digest, grant.plugin, grant.permissions, grant.granted_at])?;
            Ok(())
        })
        .await
    }

    async fn granted(&self, digest: &str) -> Result<Option<Grant>> {
        let digest = digest.to_owned();
        self.read(move |db| {
            db.prepare("SELECT digest, plugin, permissions, granted_at FROM grants WHERE digest = ?1")
                .first([digest], grant)
        })
        .await
    }

    async fn last_grant(&self, plugin: &str) -> Result<Option<Grant>> {
        let plugin = plugin.to_owned();
        self.read(move |db| {
            db.prepare(
                "SELECT digest, plugin, permissions, granted_at FROM grants WHERE plugin = ?1 \
                     ORDER BY granted_at DESC LIMIT 1",
            )
            .first([plugin], grant)
        })
        .await
    }

    async fn secret(&self, name: &str) -> Result<Vec<u8>> {
        let name = name.to_owned();
        self.write(move |db| {
            let mut fresh = vec![0; 32];
            ring::rand::SystemRandom::new()
                .fill(&mut fresh)
                .map_err(|_| StoreError::Database("the system gives no random bytes".into()))?;
            db.prepare("INSERT INTO secrets (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                .execute(params![name, fresh])?;
            db.prepare("SELECT value FROM secrets WHERE name = ?1").one([name], |row| row.get(0))
        })
        .await
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        // What to remove is looked up beside the work; removed in bites, so that the work waits behind no long write.
        let mut total = Pruned::default();
        let mut after = 0;
        loop {
            let own = retention.clone();
            let runs = self.read(move |db| retention::finished_runs(db, after, &until(db, own, Millis::MAX)?)).await?;
            if runs.is_empty() {
                break;
            }
            let (removed, last) = self
                .write(move |db| {
                    let removed = retention::remove_runs(db, &runs)?;
                    Ok((removed, runs[..removed].last().copied()))
                })
                .await?;
            total.runs += removed as u64;
            after = last.unwrap_or(after);
        }
        let mut after = 0;
        loop {
            let own = retention.clone();
            let newest = crate::time::now() - TOLD_AGAIN;
            let old = self.read(move |db| retention::finished_events(db, after, &until(db, own, newest)?)).await?;
            if old.is_empty() {
                break;
            }
            let (removed, last) = self
                .write(move |db| {
                    let ids: Vec<i64> = old.iter().map(|(id, _)| *id).collect();
                    let removed = retention::remove_events(db, &ids)?;
                    Ok((removed, old[..removed].last().map(|(_, at)| *at)))
                })
                .await?;
            total.events += removed as u64;
            after = last.unwrap_or(after);
        }
        let before = retention.before.min(retention.of_flows.values().copied().min().unwrap_or(retention.before));
        self.write(move |db| releases::prune(db, before)).await?;
        self.write(move |db| search::forget_rates(db, crate::time::now())).await?;
        while self.write(|db| db.give_back()).await? {}
        Ok(total)
    }

    async fn copy(&self, into: &Path) -> Result<()> {
        self.base.copy(into).await
    }

    async fn trouble(&self) -> Option<StoreTrouble> {
        self.base.trouble().await
    }
}

#[async_trait]
impl<B: Base> Shared for SqlStore<B> {
    async fn hosts(&self) -> Result<Vec<HostSeen>> {
        self.base.hosts().await
    }

    fn among(&self) -> watch::Receiver<Among> {
        self.base.among()
    }

    fn fence(&self) -> Fence {
        self.base.fence()
    }

    fn take_turns(&self) {
        self.base.take_turns();
    }

    fn tell(&self, flows: &[String]) {
        self.base.tell(flows);
    }

    fn heard(&self) -> Option<Heard> {
        self.base.heard()
    }

    async fn leave(&self) {
        self.base.leave().await;
    }
}

/// See [`Store::lease`].
fn leased(db: &Connection, flow: String, release: String, max: u32, now: Millis) -> Result<Leased> {
    if releases::live(db, &flow)?.is_some_and(|live| live != release) {
        return Ok(Leased::NotLive);
    }
    Ok(events::lease(db, flow, release, max, now)?.map_or(Leased::Nothing, Leased::Run))
}

/// As it is asked for; where the store holds too much, what ended before `full` goes, too.
fn until(db: &Connection, mut retention: Retention, full: Millis) -> Result<Retention> {
    if db.used_bytes()? > retention.max_bytes {
        retention.before = retention.before.max(full);
        retention.of_flows.retain(|_, before| *before > full);
    }
    Ok(retention)
}

fn grant(row: &Row<'_>) -> Result<Grant> {
    Ok(Grant { digest: row.get(0)?, plugin: row.get(1)?, permissions: row.get(2)?, granted_at: row.get(3)? })
}
