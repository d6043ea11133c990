//! Calls to connections. An effect goes through three steps: *intended* (durable), sent, *done*. Whenever it is not known
//! whether an effect was carried out, its probe is asked, and only when the probe finds nothing is it sent (again).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::connections::{
    Answer, Blame, Call, CallError, CallResult, Connection, Limit, Method, Pace, Part, pause_before_repeat,
};
use crate::sandbox::approved::says_twice;
use crate::sandbox::bindings::v0_1::flow::tandem::plugin::http as contract;
use crate::sandbox::journal::Known;
use crate::sandbox::run::RunState;
use crate::sandbox::{Bound, Denied, RunError, grants, past, paths, soql};
use crate::store::{CallState, Durability, JournalEntry};

/// Places in which an effect is looked for.
const PLACES: usize = 4;
/// Times an effect whose answer was lost is probed and sent again within one run.
const ROUNDS: u32 = 4;

/// A well-formed Salesforce id that no record has: that of what a dry run would make.
pub(in crate::sandbox) const NO_RECORD: &str = "000000000000000AAA";

/// Request headers a plugin may set. All others are the host's.
const OPEN_HEADERS: [&str; 6] = [
    "prefer",
    "if-match",
    "if-none-match",
    "b1s-replacecollectionsonpatch",
    "sforce-query-options",
    "sforce-duplicate-rule-header",
];

/// A request as it stands in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asked {
    slot: String,
    #[serde(flatten)]
    call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe: Option<Probe>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Probe {
    /// One, or several on a line each.
    path: String,
    found: String,
}

impl Probe {
    fn paths(&self) -> impl Iterator<Item = &str> {
        self.path.split('\n')
    }
}

/// A response as it stands in the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Came {
    Sent(Answer),
    Probed(Answer),
    Denied(String),
    Failed(CallError),
}

impl Came {
    fn error(&self) -> Option<&CallError> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// How a request is sent (again).
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// With its neighbours, packed as the system likes best.
    Together,
    /// Without its change set: alone it was not answered by the system itself. Tried once.
    Apart,
}

/// One request on its way.
struct Item {
    asked: Asked,
    subject: String,
    request: String,
    /// Sent in an earlier try of this run, or perhaps so.
    uncertain: bool,
    /// A host that is gone was about to send it, and perhaps did: by which way is not known.
    taken_up: bool,
    /// Sent in this run or by that host, and it is not known whether it was carried out.
    was_lost: bool,
    way: Way,
    came: Option<Came>,
    /// It came now, and was not recorded before.
    is_fresh: bool,
}

/// What is known of a call of which a part is there.
const HALF_DONE: &str =
    "a part of it is there, which a host that stopped in the middle of it may have put: it is looked for again";

impl Item {
    /// A part is there already, and the call it belongs to was not found: the part may have come alone, without its change set, before the host
    /// that sent it ended. It is nobody's word that the call was ever carried out.
    fn is_half_done(&self, error: &CallError) -> bool {
        self.taken_up && !self.asked.call.atomic_with.is_empty() && error.is_there_already()
    }

    fn effect(&self) -> bool {
        !self.asked.call.reads()
    }

    /// What its plugin is told. Nothing that keeps it from being tried again says that an earlier try was not carried out, late perhaps.
    fn told(&self, came: Came) -> Came {
        match came {
            // What the system broke over may have been the earlier try itself, which it is still at.
            Came::Failed(error) if self.was_lost && (error.is_outage() || is_broken(&error)) => {
                Came::Failed(CallError::Ambiguous(format!("it was tried again: {error}")))
            }
            came => came,
        }
    }

    /// The record that it is about, where its system breaks over it: its own, or that of the run's one event (many a read is the same for all
    /// events). None where that cannot be told.
    fn about<'a>(&'a self, event: Option<&'a str>) -> Option<&'a str> {
        Some(self.subject.as_str()).filter(|subject| !subject.is_empty()).or(event)
    }

    fn entry(&self, seq: u32, item: usize, state: CallState) -> JournalEntry {
        JournalEntry {
            seq,
            item: item as u32,
            kind: "http".into(),
            subject: self.subject.clone(),
            request: self.request.clone(),
            response: String::new(),
            state,
            at: crate::time::now(),
            took: None,
        }
    }
}

impl contract::Host for RunState {
    async fn send(
        &mut self,
        request: contract::Request,
    ) -> wasmtime::Result<Result<contract::Response, contract::Error>> {
        let mut results = self.send_all(vec![request]).await?;
        results.pop().ok_or_else(|| wasmtime::Error::msg("one request has one result"))
    }

    async fn send_all(
        &mut self,
        requests: Vec<contract::Request>,
    ) -> wasmtime::Result<Vec<Result<contract::Response, contract::Error>>> {
        let came = self.send_recorded(requests).await?;
        Ok(came.into_iter().map(raw_result).collect())
    }
}

/// Over which of these a system broke, and beside them which it carried out. `event`: what the run's one event is about.
fn note_breaks<'a>(bound: &Bound, event: Option<&str>, sent: impl Iterator<Item = (&'a Item, &'a CallResult)> + Clone) {
    let of = |item: &Item| bound.slots.get(&item.asked.slot).map(|connection| connection.suspects());
    let mut broken = BTreeSet::new();
    for (item, result) in sent.clone() {
        if let Err(CallError::Displaced(_)) = result {
            let (kind, about) = (kind_of(&item.asked.call), item.about(event));
            if let (Some(suspects), Some(about)) = (of(item), about) {
                suspects.broke(&kind, about);
            }
            broken.insert((kind, about));
        }
    }
    for (item, result) in sent {
        if let (Ok(_), Some(suspects)) = (result, of(item).filter(|suspects| !suspects.is_empty())) {
            // One that broke over a call beside this one is not well.
            let done = (kind_of(&item.asked.call), item.about(event));
            suspects.done(&done.0, done.1.filter(|_| !broken.contains(&done)));
        }
    }
}

/// What kind of call it is, for [`Suspects`](crate::connections::Suspects): by what it does to which objects. A record that cannot be made says
/// nothing of those that are changed.
fn kind_of(call: &Call) -> String {
    let how = if call.reads() { "read" } else { call.method.word() };
    let path = paths::path_of(&call.path);
    let read = grants::query_of(&call.path).and_then(|soql| soql::sources_of(&soql));
    let what = match read {
        Ok(objects) => objects.join(","),
        Err(_) => {
            // Without the key, and with what is done to its record: `/Orders(7)/Cancel`.
            let (set, rest) = path.split_once('(').unwrap_or((path, ""));
            let done = rest.rsplit_once(')').map_or("", |(_, done)| done);
            let parts = set.split('/').filter(|part| !part.is_empty()).take(2).chain(done.split('/'));
            parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
        }
    };
    format!("{how} {what}")
}

impl RunState {
    /// What a failed call says of the run: whose doing it may be.
    fn bear(&mut self, item: &Item, error: &CallError) {
        self.trouble.outage |= error.is_outage();
        self.trouble.too_large |= matches!(error, CallError::TooLarge(_));
        let connection = self.bound().ok().and_then(|bound| bound.slots.get(&item.asked.slot).cloned());
        match (error, connection) {
            // What was recorded, or is only tried, says nothing of how the system is now.
            (CallError::Displaced(_), Some(connection)) if item.is_fresh => {
                let kind = kind_of(&item.asked.call);
                let blame = item.about(self.about.as_deref()).map(|about| connection.suspects().blame(&kind, about));
                match blame.unwrap_or(Blame::Unknown(Duration::ZERO)) {
                    Blame::Record => self.trouble.lost = true,
                    Blame::Unknown(lasts) => self.trouble.suspect = self.trouble.suspect.max(Some(lasts)),
                }
            }
            _ => self.trouble.lost |= error.is_lost(),
        }
    }

    async fn send_recorded(&mut self, requests: Vec<contract::Request>) -> Result<Vec<Came>, RunError> {
        self.count_calls(requests.len())?;
        let seq = self.journal.begin();
        let mut items = Vec::with_capacity(requests.len());
        for (place, request) in requests.into_iter().enumerate() {
            let mut item = self.read_request(request)?;
            self.keep(item.request.len() + item.subject.len())?;
            if item.came.is_none() {
                match self.journal.known(seq, place as u32, "http", &item.request)? {
                    Known::Done(came) => item.came = Some(came),
                    Known::Intended => {
                        (item.uncertain, item.taken_up) = (true, true);
                        item.was_lost = item.asked.probe.is_some();
                    }
                    Known::New => item.uncertain = self.repeated && item.asked.probe.is_some(),
                }
            }
            if item.effect() && !matches!(item.came, Some(Came::Denied(_))) {
                self.journal.take_approved(&item.request)?;
            }
            items.push(item);
        }
        if self.journal.is_dry() {
            self.send_dry(seq, &mut items).await?;
        } else {
            self.send_live(seq, &mut items).await?;
        }
        let mut results = Vec::with_capacity(items.len());
        for (place, mut item) in items.into_iter().enumerate() {
            let not_sent = || Came::Failed(CallError::Unreachable("not sent".into()));
            let came = item.came.take().unwrap_or_else(not_sent);
            if let Some(error) = came.error() {
                self.bear(&item, error);
            }
            let came = item.told(came);
            if let (true, Came::Sent(answer) | Came::Probed(answer)) = (item.effect(), &came) {
                self.journal.came_of_approved(&answer.body);
            }
            self.note((seq, place as u32), "http", &item.subject, item.request, &came)?;
            results.push(came);
        }
        Ok(results)
    }

    /// Parses and checks grant, headers and size: whatever fails here is never sent.
    fn read_request(&mut self, request: contract::Request) -> Result<Item, RunError> {
        let bound = self.bound()?;
        let size = length(&request);
        let call = Call {
            method: request.method.into(),
            path: request.path,
            headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: request.body,
            atomic_with: request
                .atomic_with
                .into_iter()
                .map(|part| Part { method: part.method.into(), path: part.path, body: part.body })
                .collect(),
        };
        let probe = request.probe.map(|probe| Probe { path: probe.path, found: probe.found });
        let asked = Asked { slot: request.connection, call, probe };
        let came = self.refusal(&bound, &asked, size as u64).err();
        // What is not sent is only told apart from others later: nothing of its texts is kept.
        let (asked, subject) = match &came {
            Some(_) => (digest_of(asked)?, shortened(&request.subject)),
            None => (asked, request.subject),
        };
        self.room_for(size)?;
        let text = serde_json::to_string(&asked).map_err(|e| RunError::Contract(e.to_string()))?;
        Ok(Item {
            asked,
            subject,
            request: text,
            uncertain: false,
            taken_up: false,
            was_lost: false,
            way: Way::Together,
            came,
            is_fresh: false,
        })
    }

    fn refusal(&self, bound: &Bound, asked: &Asked, size: u64) -> Result<(), Came> {
        let invalid = |why: String| Came::Failed(CallError::Invalid(why));
        let denied = |error: Denied| Came::Denied(error.to_string());
        let call = &asked.call;
        if self.only_reads && !call.reads() {
            let what = format!("{} {}", call.method.word(), shortened(paths::shown(&call.path)));
            return Err(denied(Denied::OnlyReads(what)));
        }
        bound.grants.check(&asked.slot, call.method, &call.path).map_err(denied)?;
        for part in &call.atomic_with {
            bound.grants.check(&asked.slot, part.method, &part.path).map_err(denied)?;
            if part.method.reads() {
                return Err(invalid("only writes can be committed together".into()));
            }
        }
        if let Some(probe) = &asked.probe {
            if probe.paths().count() > PLACES {
                return Err(invalid(format!("a probe has more than {PLACES} paths")));
            }
            for path in probe.paths() {
                bound.grants.check(&asked.slot, Method::Get, path).map_err(denied)?;
            }
        }
        if !bound.named.contains_key(&asked.slot) {
            return Err(Came::Denied(format!("the flow binds no connection to the slot `{}`", asked.slot)));
        }
        for (name, value) in &call.headers {
            if value.chars().any(|c| !c.is_ascii_graphic() && c != ' ') {
                return Err(invalid(format!("the value of the header {name} is not one line of plain text")));
            }
            if !OPEN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(invalid(format!(
                    "the header {name} is not a plugin's to set; allowed: {}",
                    OPEN_HEADERS.join(", ")
                )));
            }
        }
        for body in call.atomic_with.iter().filter_map(|part| part.body.as_ref()).chain(&call.body) {
            serde_json::from_str::<serde::de::IgnoredAny>(body)
                .map_err(|e| invalid(format!("the body is not JSON: {e}")))?;
            if says_twice(body) {
                return Err(invalid("the body has a name twice in one object".into()));
            }
        }
        if size > bound.limits.request_bytes {
            return Err(Came::Failed(CallError::TooLarge(bound.limits.request_bytes)));
        }
        Ok(())
    }

    async fn send_live(&mut self, seq: u32, items: &mut [Item]) -> Result<(), RunError> {
        let bound = self.bound()?;
        // Answers share what is left of the run's budget: they are counted while they come in.
        let rest = AtomicU64::new(self.left());
        let limit = Limit::shared(bound.limits.response_bytes.min(self.left()), &rest);
        let pace = self.pace();
        for round in 1..=ROUNDS {
            ask_probes(&bound, items, limit, pace).await;
            let to_send: Vec<usize> = (0..items.len()).filter(|i| items[*i].came.is_none()).collect();
            if to_send.is_empty() {
                return Ok(());
            }
            let intents: Vec<JournalEntry> = to_send
                .iter()
                .filter(|i| items[**i].effect())
                .map(|i| items[*i].entry(seq, *i, CallState::Intended))
                .collect();
            if !intents.is_empty() && round == 1 {
                let again = |i: &usize| repeatable(&bound, &items[*i].asked);
                // What a power cut makes us forget was sent may be sent again only if that changes nothing.
                let durability = if to_send.iter().all(again) { Durability::WithNextCommit } else { Durability::Now };
                self.journal.intend(intents, durability).await?;
            }
            let wanted: Vec<&Item> = to_send.iter().map(|i| &items[*i]).collect();
            let alone = round > 1 || wanted.len() == 1;
            // What was lost among others may be the doing of one of them: it stands alone from now on.
            let results = if round > 1 {
                send_one_by_one(&bound.slots, &wanted, limit).await
            } else {
                send_by_slot(&bound.slots, &wanted, limit, pace).await
            };
            note_breaks(&bound, self.about.as_deref(), to_send.iter().map(|place| &items[*place]).zip(&results));
            let mut lost = false;
            for (place, result) in to_send.into_iter().zip(results) {
                let item = &mut items[place];
                item.is_fresh = true;
                if let Err(error) = &result
                    && item.is_half_done(error)
                {
                    item.came = Some(Came::Failed(CallError::Ambiguous(HALF_DONE.into())));
                    continue;
                }
                let again = matches!(&result, Err(error) if error.is_lost()) && item.asked.probe.is_some();
                // One whose own answer is lost apart may still be under way there: its parts stay, and it is looked for later.
                if again && round < ROUNDS && item.way == Way::Together {
                    (item.uncertain, item.was_lost) = (true, true);
                    lost = true;
                    if alone && matches!(result, Err(CallError::Displaced(_))) {
                        item.way = Way::Apart;
                    }
                } else {
                    item.came = Some(result.map_or_else(Came::Failed, Came::Sent));
                }
            }
            if !lost {
                return Ok(());
            }
            tokio::time::sleep(pause_before_repeat(round)).await;
        }
        Ok(())
    }

    /// Reads go out where they may, effects are kept; both answer as if.
    async fn send_dry(&mut self, seq: u32, items: &mut [Item]) -> Result<(), RunError> {
        let bound = self.bound()?;
        for (place, item) in items.iter_mut().enumerate() {
            if item.effect() && !matches!(item.came, Some(Came::Denied(_))) {
                let mut entry = item.entry(seq, place, CallState::Intended);
                if item.came.is_none() {
                    item.came = self.journal.known_like(&entry);
                }
                entry.response =
                    item.came.as_ref().and_then(|came| serde_json::to_string(came).ok()).unwrap_or_default();
                self.journal.capture(entry);
                item.came.get_or_insert_with(|| Came::Sent(imagined(&item.asked.call)));
            }
        }
        let mut reads = Vec::new();
        for (place, item) in items.iter_mut().enumerate().filter(|(_, item)| item.came.is_none()) {
            // A mapping that reads less asks for fewer fields of the same records.
            item.came = self.journal.known_wider(&item.entry(seq, place, CallState::Done));
            if item.came.is_some() {
                continue;
            }
            let Call { method, path, .. } = &item.asked.call;
            let canned = self.journal.is_canned();
            let path = if canned { path } else { paths::shown(path) };
            let what = format!("{} {} {path}", method.word(), item.asked.slot);
            if self.journal.may_read(&what, &item.entry(seq, place, CallState::Done)) {
                reads.push(place);
            } else {
                let why = if canned { "the scenario has no answer to it" } else { "the past run did not read it" };
                item.came = Some(Came::Failed(CallError::Unreachable(why.into())));
            }
        }
        let wanted: Vec<&Item> = reads.iter().map(|i| &items[*i]).collect();
        let results = send_by_slot(&bound.slots, &wanted, bound.limits.response_bytes.into(), Pace::AtOnce).await;
        for (place, result) in reads.into_iter().zip(results) {
            let then = self.journal.known_about(&items[place].entry(seq, place, CallState::Done));
            items[place].came = Some(match (then, result) {
                (Some(Came::Sent(then)), Ok(now)) => Came::Sent(completed(then, now)),
                (_, result) => result.map_or_else(Came::Failed, Came::Sent),
            });
        }
        Ok(())
    }
}

/// The answer of then, with the fields that were read only now.
fn completed(then: Answer, now: Answer) -> Answer {
    match (serde_json::from_str(&then.body), serde_json::from_str(&now.body)) {
        (Ok(before), Ok(after)) => Answer { body: past::with_more_fields(&before, &after).to_string(), ..then },
        _ => now,
    }
}

/// Bytes of all texts of a request.
fn length(request: &contract::Request) -> usize {
    let body = |body: &Option<String>| body.as_ref().map_or(0, String::len);
    let parts = request.atomic_with.iter().map(|part| part.path.len() + body(&part.body) + 64);
    let headers = request.headers.iter().map(|header| header.name.len() + header.value.len() + 64);
    let probe = request.probe.as_ref().map_or(0, |probe| probe.path.len() + probe.found.len());
    request.connection.len() + request.path.len() + body(&request.body) + probe + parts.chain(headers).sum::<usize>()
}

/// A refused request as the journal keeps it: what it was about, and the SHA-256 of the whole.
fn digest_of(asked: Asked) -> Result<Asked, RunError> {
    struct Hashed(ring::digest::Context);
    impl std::io::Write for Hashed {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut hashed = Hashed(ring::digest::Context::new(&ring::digest::SHA256));
    serde_json::to_writer(&mut hashed, &asked).map_err(|e| RunError::Contract(e.to_string()))?;
    let digest: String = hashed.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let body = serde_json::json!({ "refused": digest }).to_string();
    let mut call = Call::get(shortened(paths::shown(&asked.call.path)));
    call.method = asked.call.method;
    call.body = Some(body);
    Ok(Asked { slot: shortened(&asked.slot), call, probe: None })
}

/// A call that never left the host, by its response as it stands in the journal.
pub fn was_denied(response: &str) -> bool {
    matches!(serde_json::from_str(response), Ok(Came::Denied(_)))
}

/// A call that was carried out, or may have been, by its response as it stands in the journal.
pub fn may_be_done(response: &str) -> bool {
    match serde_json::from_str(response) {
        Ok(Came::Denied(_)) => false,
        Ok(Came::Failed(error)) => error.is_lost(),
        _ => true,
    }
}

/// The beginning of a text that may be of any length.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// Settles what is uncertain: found → done; nothing there → to be sent; cannot tell → ambiguous.
async fn ask_probes(bound: &Bound, items: &mut [Item], limit: Limit<'_>, pace: Pace) {
    let mut asking = Vec::new();
    for (place, item) in items.iter_mut().enumerate().filter(|(_, item)| item.came.is_none() && item.uncertain) {
        if item.asked.probe.is_some() {
            asking.push(place);
            continue;
        }
        if !repeatable(bound, &item.asked) {
            let why = "the host stopped while it was sent, and no probe was given".to_owned();
            item.came = Some(Came::Failed(CallError::Ambiguous(why)));
        }
    }
    let mut probes = Vec::new();
    let mut places = Vec::new();
    for place in asking {
        let asked = &items[place].asked;
        for path in asked.probe.iter().flat_map(Probe::paths) {
            let asked = Asked { slot: asked.slot.clone(), call: Call::get(path.to_owned()), probe: None };
            let (subject, request) = (String::new(), String::new());
            let (uncertain, taken_up, was_lost, is_fresh) = (false, false, false, false);
            let way = Way::Together;
            probes.push(Item { asked, subject, request, uncertain, taken_up, was_lost, way, is_fresh, came: None });
            places.push(place);
        }
    }
    let answers = send_by_slot(&bound.slots, &probes.iter().collect::<Vec<_>>(), limit, pace).await;
    // Nothing in any of its places, until one says else.
    for place in &places {
        items[*place].uncertain = false;
    }
    for (place, answer) in places.into_iter().zip(answers) {
        let item = &mut items[place];
        let pointer = item.asked.probe.as_ref().map(|probe| probe.found.clone()).unwrap_or_default();
        match (found(&answer, &pointer), &item.came) {
            (_, Some(Came::Probed(_))) | (Ok(None), _) => {}
            (Ok(Some(body)), _) => {
                tracing::info!(subject = item.subject, "the probe found it: not sent again");
                item.came = Some(Came::Probed(Answer { status: 200, headers: Vec::new(), body }));
            }
            (Err(why), _) => {
                item.came = Some(Came::Failed(CallError::Ambiguous(format!("the probe could not tell: {why}"))))
            }
        }
    }
}

/// Sending it a second time leaves the same state as sending it once.
fn repeatable(bound: &Bound, asked: &Asked) -> bool {
    bound.slots.get(&asked.slot).is_some_and(|connection| connection.repeatable(&asked.call))
}

/// In order, each alone.
async fn send_one_by_one(
    slots: &BTreeMap<String, Arc<Connection>>,
    items: &[&Item],
    limit: Limit<'_>,
) -> Vec<CallResult> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        results.push(match (slots.get(&item.asked.slot), item.way) {
            (None, _) => Err(CallError::Unreachable("not sent".into())),
            (Some(connection), Way::Together) => connection.send(item.asked.call.clone(), limit).await,
            (Some(connection), Way::Apart) => connection.send_apart(&item.asked.call, limit).await,
        });
    }
    results
}

/// Groups by connection, keeps the order of answers.
async fn send_by_slot(
    slots: &BTreeMap<String, Arc<Connection>>,
    items: &[&Item],
    limit: Limit<'_>,
    pace: Pace,
) -> Vec<CallResult> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, item) in items.iter().enumerate() {
        groups.entry(&item.asked.slot).or_default().push(place);
    }
    let mut results: Vec<CallResult> = vec![Err(CallError::Unreachable("not sent".into())); items.len()];
    let sent = groups.into_iter().map(|(slot, places)| async move {
        let Some(connection) = slots.get(slot) else { return (places, Vec::new()) };
        let calls = places.iter().map(|place| items[*place].asked.call.clone()).collect();
        let answers = connection.send_all(calls, limit, pace).await;
        (places, answers)
    });
    for (places, answers) in futures_util::future::join_all(sent).await {
        for (place, answer) in places.into_iter().zip(answers) {
            results[place] = answer;
        }
    }
    results
}

/// What a probe's answer says: the thing, nothing, or that it cannot tell.
fn found(answer: &CallResult, pointer: &str) -> Result<Option<String>, String> {
    match answer {
        Ok(answer) => {
            let body: Value = serde_json::from_str(&answer.body).map_err(|e| format!("its answer is not JSON: {e}"))?;
            Ok(body.pointer(pointer).filter(|value| !value.is_null()).map(Value::to_string))
        }
        Err(CallError::Remote { status: 404, .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The answer a dry run gives to a write: the body sent, with ids that cannot be mistaken for real ones.
fn imagined(call: &Call) -> Answer {
    let mut body: Value = call.body.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    if let Some(fields) = body.as_object_mut() {
        // A change keeps its record's id; what would be made has the one id that no record has.
        let id = match call.path.strip_prefix("/sobjects/").map(|rest| rest.split('/').collect::<Vec<_>>()).as_deref() {
            Some([_, id]) => (*id).to_owned(),
            _ => NO_RECORD.to_owned(),
        };
        for (name, value) in [("DocEntry", Value::from(0)), ("DocNum", Value::from(0)), ("id", Value::from(id))] {
            fields.entry(name).or_insert(value);
        }
    }
    let status = if call.method == Method::Post { 201 } else { 204 };
    Answer { status, headers: Vec::new(), body: if body.is_null() { String::new() } else { body.to_string() } }
}

fn is_broken(error: &CallError) -> bool {
    matches!(error, CallError::Remote { status, .. } if *status >= 500)
}

fn raw_result(came: Came) -> Result<contract::Response, contract::Error> {
    let response = |answer: Answer, via| contract::Response {
        status: answer.status,
        headers: answer.headers.into_iter().map(|(name, value)| contract::Header { name, value }).collect(),
        body: answer.body,
        via,
    };
    match came {
        Came::Sent(answer) => Ok(response(answer, contract::Via::Sent)),
        Came::Probed(answer) => Ok(response(answer, contract::Via::Probe)),
        Came::Denied(why) => Err(contract::Error::Denied(why)),
        Came::Failed(error) => Err(match error {
            CallError::Throttled(after) => contract::Error::Throttled(after),
            CallError::Unreachable(why) | CallError::Unsettled(why) => contract::Error::Unreachable(why),
            error @ CallError::SignIn(_) => contract::Error::Unreachable(error.to_string()),
            CallError::Remote { status, code, message } => {
                contract::Error::Remote(contract::RemoteError { status, code, message })
            }
            CallError::Ambiguous(why) | CallError::Displaced(why) => contract::Error::Ambiguous(why),
            CallError::TooLarge(limit) => contract::Error::TooLarge(limit),
            CallError::Invalid(why) => contract::Error::Invalid(why),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_lost_is_told_as_lost_though_it_could_not_be_tried_again() {
        let asked = Asked { slot: "b1".into(), call: Call::get("/Orders"), probe: None };
        let mut item = Item {
            asked,
            subject: String::new(),
            request: String::new(),
            uncertain: false,
            taken_up: false,
            was_lost: true,
            way: Way::Together,
            came: None,
            is_fresh: true,
        };
        let told = |item: &Item, error: CallError| item.told(Came::Failed(error)).error().cloned();
        let is_lost = |error: Option<CallError>| error.is_some_and(|error| error.is_lost());
        assert!(is_lost(told(&item, CallError::Unreachable("down".into()))));
        assert!(is_lost(told(&item, CallError::Throttled(1_000))));
        let broken = CallError::Remote { status: 500, code: "-1".into(), message: "lock".into() };
        assert!(is_lost(told(&item, broken)));
        // The system's own word settles it.
        let refused = CallError::Remote { status: 400, code: "-5002".into(), message: "no".into() };
        assert!(!is_lost(told(&item, refused)));
        item.was_lost = false;
        assert!(!is_lost(told(&item, CallError::Unreachable("down".into()))));
    }
}
