//! The differences of a kept report, page by page, by what they are about and why: however many there are, no more than a page is held at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tokio::sync::Semaphore;

use super::ReconcileError;
use super::files::{Folder, LINES, at, blocking};
use super::report::{Kind, Line, Why};

/// Which differences.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Only of these flows; none: of all.
    pub flows: Option<BTreeSet<String>>,
    /// Only of this comparison of a flow.
    pub comparison: Option<String>,
    /// Only of this sort.
    pub kind: Option<Kind>,
    /// Only with this reason.
    pub why: Option<Why>,
    /// Only those whose ids have these letters.
    pub words: Option<String>,
    /// Or by which people know the record.
    pub by_label: bool,
}

/// A page of differences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drilled {
    /// Each with its place in the report, by which it is found again.
    pub lines: Vec<(u64, Line)>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<u64>,
}

impl Folder {
    /// Differences of a report from a place on, `most` at once; none where there is no such report, or an older Tandem made it.
    pub async fn differences(
        &self,
        name: &str,
        which: Which,
        from: u64,
        most: usize,
    ) -> Result<Option<Drilled>, ReconcileError> {
        let Some(path) = self.file(name, LINES) else { return Ok(None) };
        let turn = TURNS.acquire().await.map_err(|e| ReconcileError::Broken(e.to_string()))?;
        let gone = Gone::default();
        let is_gone = gone.0.clone();
        blocking(move || {
            let _turn = turn;
            let file = File::open(&path).map_err(at(&path))?;
            page(file, &which, (from, most), &is_gone).map(Some).map_err(at(&path))
        })
        .await
    }
}

/// Looks through differences at once: each may read a file to its end.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Turns true when whoever asked has gone: nobody waits for what is found.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn page(file: File, which: &Which, (from, most): (u64, usize), is_gone: &AtomicBool) -> std::io::Result<Drilled> {
    if from >= file.metadata()?.len() {
        return Ok(Drilled::default());
    }
    let looks = Looks::of(which);
    let (mut file, mut text, mut place) = (BufReader::with_capacity(256 << 10, file), String::new(), from);
    if from > 0 {
        // From what is no beginning of a line on to the next one.
        place = file.seek(SeekFrom::Start(from - 1))?;
        place += file.read_until(b'\n', &mut Vec::new())? as u64;
    }
    let mut found = Drilled::default();
    loop {
        text.clear();
        let length = file.read_line(&mut text)? as u64;
        if length == 0 || is_gone.load(Ordering::Relaxed) {
            return Ok(found);
        }
        if looks.may_be(&text) {
            let line: Line = serde_json::from_str(&text)?;
            if which.has(&line) {
                if found.lines.len() == most {
                    found.next = Some(place);
                    return Ok(found);
                }
                found.lines.push((place, line));
            }
        }
        place += length;
    }
}

/// How a line looks that may be meant: most are passed over unread. Within a text of JSON no quote stands alone.
struct Looks(Vec<String>);

impl Looks {
    fn of(which: &Which) -> Self {
        let named = |name: &str, value: Option<String>| value.map(|value| format!("\"{name}\":{value}"));
        // Of several flows a line may name any.
        let flow = which.flows.as_ref().filter(|flows| flows.len() == 1).and_then(BTreeSet::first);
        let all = [
            named("flow", flow.map(json)),
            named("comparison", which.comparison.as_ref().map(json)),
            named("kind", which.kind.as_ref().map(json)),
            named("why", which.why.as_ref().map(json)),
        ];
        Self(all.into_iter().flatten().collect())
    }

    fn may_be(&self, line: &str) -> bool {
        self.0.iter().all(|part| line.contains(part))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl Which {
    fn has(&self, line: &Line) -> bool {
        let Line { flow, comparison, difference } = line;
        self.flows.as_ref().is_none_or(|flows| flows.contains(flow))
            && self.comparison.as_ref().is_none_or(|own| own == comparison)
            && self.kind.is_none_or(|kind| kind == difference.kind)
            && self.why.is_none_or(|why| why == difference.why)
            && self.words.as_deref().is_none_or(|words| {
                let words = words.to_lowercase();
                let label = self.by_label.then_some(&difference.label);
                let all = [&difference.salesforce, &difference.b1].into_iter().chain(label);
                all.map(|text| text.to_lowercase()).any(|text| text.contains(&words))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::{Difference, Field, Report};

    fn difference(n: usize, why: Why) -> Difference {
        Difference {
            kind: Kind::Differs,
            label: format!("Order {n} of \"Müller\""),
            salesforce: format!("006{n:012}"),
            b1: n.to_string(),
            fields: vec![Field { field: "net".into(), salesforce: "1".into(), b1: "\"why\":\"unexplained\"".into() }],
            why,
            reason: "as it is".into(),
            event: None,
        }
    }

    async fn kept(folder: &Folder, flows: &[(&str, Vec<Difference>)]) -> String {
        let draft = folder.begin(1_767_225_600_000, false).await.unwrap();
        for (flow, all) in flows {
            draft.differences(flow, "all", all).await.unwrap();
        }
        let report = Report { name: draft.name().into(), at: draft.at(), ..Report::default() };
        draft.finish(&report, 9).await.unwrap();
        report.name
    }

    fn ids(page: &Drilled) -> Vec<&str> {
        page.lines.iter().map(|(_, line)| line.difference.b1.as_str()).collect()
    }

    #[tokio::test]
    async fn nobody_is_looked_for_who_has_gone() {
        let beside = tempfile::tempdir().unwrap();
        let folder = Folder::at(beside.path());
        let name = kept(&folder, &[("orders", vec![difference(7, Why::Review)])]).await;
        let gone = Gone::default();
        let is_gone = gone.0.clone();
        let look = || {
            let file = File::open(folder.file(&name, LINES).unwrap()).unwrap();
            page(file, &Which::default(), (0, 9), &is_gone).unwrap()
        };
        assert_eq!(ids(&look()), ["7"]);
        drop(gone);
        assert!(look().lines.is_empty());
    }

    #[tokio::test]
    async fn differences_are_found_by_reason_and_words_and_each_again_by_its_place() {
        let beside = tempfile::tempdir().unwrap();
        let folder = Folder::at(beside.path());
        let orders = (0..500).map(|n| difference(n, if n % 100 == 7 { Why::Unexplained } else { Why::Review }));
        let name = kept(&folder, &[("orders", orders.collect()), ("accounts", vec![difference(7, Why::Told)])]).await;
        let look =
            async |which: Which, from, most| folder.differences(&name, which, from, most).await.unwrap().unwrap();
        let mut from = 0;
        let mut seen = Vec::new();
        loop {
            let page = look(Which::default(), from, 200).await;
            assert!(page.lines.len() <= 200);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(next) = page.next else { break };
            from = next;
        }
        assert_eq!((seen.len(), seen[0].as_str(), seen[499].as_str()), (501, "0", "499"), "each once");
        let open = Which { why: Some(Why::Unexplained), ..Which::default() };
        let page = look(open.clone(), 0, 3).await;
        assert_eq!(ids(&page), ["7", "107", "207"], "what only looks so in a text is none");
        assert_eq!(ids(&look(open.clone(), page.next.unwrap(), 3).await), ["307", "407"]);
        let (place, line) = page.lines[1].clone();
        assert_eq!(look(Which::default(), place, 1).await.lines, [(place, line)], "by its place");
        assert_eq!(ids(&look(Which::default(), place - 3, 1).await), ["107"], "within one: the next");
        assert!(look(Which::default(), u64::MAX, 1).await.lines.is_empty());
        let of = |flow: &str| Some(BTreeSet::from([flow.to_owned()]));
        assert_eq!(ids(&look(Which { flows: of("accounts"), ..Which::default() }, 0, 9).await), ["7"]);
        let words = |text: &str, by_label| Which { words: Some(text.into()), by_label, ..Which::default() };
        assert_eq!(ids(&look(words("order 41 of \"müller", true), 0, 9).await), ["41"]);
        assert!(look(words("order 41 of", false), 0, 9).await.lines.is_empty(), "nor by what is hidden");
        assert_eq!(ids(&look(words("006000000000041", false), 0, 9).await), ["41"]);
        assert_eq!(folder.differences("20260101-000000-009", Which::default(), 0, 1).await.unwrap(), None);
    }
}
