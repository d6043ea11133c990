//! What the host shows in the org, for those who never see its server: `Tandem_Health__c` says how it is, a
//! `Tandem_Review__c` stands for each event that waits for a decision. An answer given there counts as one given by
//! `tandem review resolve`.

mod compared;
mod lost;
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use self::question::{leave_out, question};
use crate::connections::{Call, CallError, Connection, Method, Outage, Pace, Standing};
use crate::engine::calls::{Answerer, IN_SALESFORCE, may_answer};
use crate::engine::{Engine, FlowStatus};
use crate::reconcile::{Record as Compared, Together};
use crate::store::{Act, Answered, Event, EventFilter, EventId, EventState, Fate, Inbox, StoreError, Via};
use crate::time::{iso, now};

/// How often the host looks at itself; that costs the org nothing.
const LOOK: Duration = Duration::from_secs(2);
/// After Salesforce refused, such as for a package without these objects.
const AFTER_REFUSAL: Duration = Duration::from_secs(600);
/// How long a stop waits to say so.
const FAREWELL: Duration = Duration::from_secs(3);
/// Questions shown at once, newest first; the others are in `tandem review list`.
const MOST_SHOWN: usize = 200;
/// Events looked at for them.
const MOST_READ: u32 = 1_000;
const ANSWER_LIMIT: u64 = 4 << 20;
/// Lengths of the fields.
const LONG: usize = 4_000;
const SHORT: usize = 255;

/// One org, told by this host.
pub struct Reporter {
    /// Connection name.
    pub name: String,
    /// The org.
    pub connection: Arc<Connection>,
    /// Flows bound to it.
    pub flows: BTreeSet<String>,
    /// What its flows are bound to, itself included.
    pub bound: Vec<Arc<Connection>>,
    /// Its subscriptions and how they stand.
    pub sources: Vec<(String, watch::Receiver<Standing>)>,
    /// Knows how the flows are.
    pub engine: Arc<Engine>,
    /// Knows what waits, and rings the flow whose question was answered.
    pub inbox: Arc<Inbox>,
    /// Rung when a person answered.
    pub answered: Arc<Notify>,
    /// Says that it is well at least so often.
    pub every: Duration,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How the host is, as it is worth telling at once.
#[derive(PartialEq)]
struct Health {
    state: &'static str,
    message: String,
    questions: usize,
    /// How the last comparison of both sides went; none before the first.
    compared: Option<Together>,
}

/// What the org was told last.
#[derive(Default)]
struct Shown {
    health: Option<Health>,
    at: Option<Instant>,
    /// Open questions in the org; none before it was asked which there are.
    reviews: Option<BTreeSet<EventId>>,
    /// Those of the store as they were read last, and the revision they were read at.
    questions: BTreeMap<EventId, Event>,
    revision: u64,
    /// When to look for hosts that are seen no more; none while there is no other one.
    look: Option<Instant>,
}

/// The org has no such field, or does not let the integration user write it.
fn lacks_field(refused: &CallError) -> bool {
    matches!(refused, CallError::Remote { code, .. } if code.starts_with("INVALID_FIELD"))
}

impl Reporter {
    /// Tells until `stop` turns true, then that the host stops.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let host = match self.inbox.store().secret("host-id").await {
            Ok(secret) => secret.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>(),
            Err(error) => {
                tracing::error!(%error, "the host has no id: it is not shown in the org");
                return;
            }
        };
        let mut shown = Shown { look: Some(Instant::now()), ..Shown::default() };
        // An answer given while the host was off rang nobody.
        let mut answers = true;
        while !*stop.borrow() {
            let pause = match self.tell(&host, &mut shown, answers).await {
                Ok(()) => {
                    answers = false;
                    LOOK
                }
                Err(Failed::Call(error)) if !error.is_passing() => {
                    tracing::warn!(
                        connection = self.name,
                        %error,
                        "the org does not take what the host shows there; install the package that goes with this tandem, and give the integration user Tandem Integration"
                    );
                    AFTER_REFUSAL
                }
                Err(error) => {
                    tracing::debug!(connection = self.name, %error, "the org could not be told");
                    LOOK
                }
            };
            tokio::select! {
                _ = tokio::time::sleep(pause) => {}
                _ = self.answered.notified() => answers = true,
                _ = stop.changed() => {}
            }
        }
        let questions = self.questions().await.map_or(0, |questions| questions.len());
        let why = self.inbox.store().trouble().await.map(|trouble| format!("the store: {trouble}")).unwrap_or_default();
        let compared = self.compared().await.unwrap_or_default();
        let health = Health { state: "Stopped", message: why, questions, compared };
        let farewell = self.health(&host, &health);
        if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
            tracing::debug!(connection = self.name, "the org could not be told that the host stops");
        }
    }

    async fn tell(&self, host: &str, shown: &mut Shown, answers: bool) -> Result<(), Failed> {
        let mut open = match shown.reviews.take() {
            Some(open) => open,
            None => self.open_in_org(host, &mut shown.questions).await?,
        };
        let told = self.tell_all(host, shown, &mut open, answers).await;
        shown.reviews = Some(open);
        told
    }

    async fn tell_all(
        &self,
        host: &str,
        shown: &mut Shown,
        open: &mut BTreeSet<EventId>,
        answers: bool,
    ) -> Result<(), Failed> {
        if answers {
            self.take_answers(host, &shown.questions, open).await?;
        }
        let revision = self.inbox.store().questions_revision().await?;
        if revision != shown.revision {
            let questions = self.questions().await?;
            // Answered, and asked for another reason before this look: told anew.
            open.retain(|id| match (shown.questions.get(id), questions.get(id)) {
                (Some(before), Some(now)) => question::is_same(before, now),
                _ => true,
            });
            shown.questions = questions;
            shown.revision = revision;
        }
        let questions = &shown.questions;
        let (state, message) = self.state().await;
        let health = Health { state, message, questions: questions.len(), compared: self.compared().await? };
        let due = shown.at.is_none_or(|at| at.elapsed() >= self.every);
        // The numbers change all the time: they go along, and are no reason by themselves.
        if due || shown.health.as_ref() != Some(&health) {
            self.health(host, &health).await?;
            (shown.health, shown.at) = (Some(health), Some(Instant::now()));
        }
        self.tell_reviews(host, &shown.questions, open).await?;
        if shown.look.is_some_and(|at| at <= Instant::now()) {
            shown.look = self.close_lost(host).await?.then(|| Instant::now() + self.silence());
        }
        Ok(())
    }

    async fn state(&self) -> (&'static str, String) {
        let mut wrong: Vec<String> = Vec::new();
        wrong.extend(self.inbox.store().trouble().await.map(|trouble| format!("the store: {trouble}")));
        for (flow, status) in self.engine.status().into_iter().filter(|(flow, _)| self.flows.contains(flow)) {
            match status {
                FlowStatus::Running => {}
                FlowStatus::Starting => wrong.push(format!("flow {flow}: starting")),
                FlowStatus::Held(why) => wrong.push(format!("flow {flow}: {why}")),
            }
        }
        for connection in &self.bound {
            wrong.extend(connection.breaker().needs_person());
            let outage = connection.breaker().outage().filter(Outage::is_long);
            wrong.extend(outage.map(|outage| format!("connection {}: {outage}", connection.breaker().name())));
        }
        let down = self.sources.iter().filter_map(|(source, standing)| Some((source, standing.borrow().trouble()?)));
        wrong.extend(down.map(|(source, trouble)| format!("{source}: {trouble}")));
        let state = if wrong.is_empty() { "Ready" } else { "Not ready" };
        let old = self.engine.refused().into_iter().filter(|(flow, _)| self.flows.contains(flow));
        wrong.extend(old.map(|(flow, why)| format!("flow {flow} goes on with what it had: {why}")));
        (state, short(&wrong.join("\n"), LONG))
    }

    /// What waits for a decision, once for each record of a flow: the answer to what an answer has led to, else to the newest question,
    /// settles the others.
    async fn questions(&self) -> Result<BTreeMap<EventId, Event>, Failed> {
        let filter = EventFilter { state: Some(EventState::Review), limit: MOST_READ, ..EventFilter::default() };
        let mut asked = BTreeSet::new();
        let mut questions = BTreeMap::new();
        let mut open = self.inbox.store().events(filter).await?;
        open.sort_by_key(|event| event.resolution.is_none());
        for event in open {
            let own = self.flows.contains(&event.flow) && questions.len() < MOST_SHOWN;
            if own && asked.insert((event.flow.clone(), event.topic.clone(), event.key.clone())) {
                questions.insert(event.id, event);
            }
        }
        Ok(questions)
    }

    /// How the last comparison went of the flows that are bound to it.
    async fn compared(&self) -> Result<Option<Together>, StoreError> {
        Ok(Compared::of(self.inbox.store().as_ref()).await?.together(&self.flows))
    }

    async fn health(&self, host: &str, health: &Health) -> Result<(), Failed> {
        let Health { state, message, questions, compared } = health;
        let store = self.inbox.store();
        let mut newest = None;
        for flow in &self.flows {
            let filter = EventFilter { flow: Some(flow.clone()), limit: 1, ..EventFilter::default() };
            newest = newest.max(store.events(filter).await?.first().map(|event| event.created_at));
        }
        let under_way = [EventState::Ready, EventState::Leased, EventState::Waiting];
        let counts = store.counts().await?.into_iter();
        let waiting = counts.filter(|count| self.flows.contains(&count.flow) && under_way.contains(&count.state));
        let fields = json!({
            "Name": self.name, "Tandem_State__c": state, "Tandem_Message__c": message,
            "Tandem_Last_Seen__c": iso(now()), "Tandem_Last_Event__c": newest.map(iso),
            "Tandem_Waiting__c": waiting.map(|count| count.events).sum::<u64>(),
            "Tandem_Reviews__c": questions, "Tandem_Version__c": env!("CARGO_PKG_VERSION"),
        });
        self.tell_health(host, fields, compared.as_ref()).await
    }

    /// Says the same with how the last comparison went; without, in an org whose package is older.
    async fn tell_health(&self, host: &str, fields: Value, compared: Option<&Together>) -> Result<(), Failed> {
        let mut fields = fields.as_object().cloned().unwrap_or_default();
        compared::add(&mut fields, compared);
        match self.write_health(host, &fields).await {
            Err(refused) if compared::leave_out(&refused, &mut fields) => Ok(self.write_health(host, &fields).await?),
            told => Ok(told?),
        }
    }

    async fn write_health(&self, host: &str, fields: &Map<String, Value>) -> Result<(), CallError> {
        let path = format!("/sobjects/Tandem_Health__c/Tandem_Key__c/{host}:{}", self.name);
        self.connection.send(Call::write(Method::Patch, path, &json!(fields)), ANSWER_LIMIT).await.map(|_| ())
    }

    async fn rows(&self, soql: &str) -> Result<Vec<Value>, Failed> {
        Ok(self.connection.org()?.query(soql, ANSWER_LIMIT).await?)
    }

    /// Which questions are open in the org, and in `shown` what they ask there: one may be asked anew that the org could not be told of.
    async fn open_in_org(&self, host: &str, shown: &mut BTreeMap<EventId, Event>) -> Result<BTreeSet<EventId>, Failed> {
        let rows = self
            .rows(&format!(
                "SELECT Tandem_Key__c, Tandem_Reason__c, Tandem_Choices__c FROM Tandem_Review__c WHERE Tandem_State__c = 'Open' AND Tandem_Key__c LIKE '{host}:%'"
            ))
            .await?;
        let mut open = BTreeSet::new();
        for row in &rows {
            let Some(id) = event_of(row) else { continue };
            open.insert(id);
            let event = self.inbox.store().event(id).await?;
            let Some(event) = event else { continue };
            let as_shown = if question::asks(row, &event) {
                event
            } else {
                let reason = row["Tandem_Reason__c"].as_str().unwrap_or_default().to_owned();
                Event { reason: Some(reason), choices: Vec::new(), ..event }
            };
            shown.insert(id, as_shown);
        }
        Ok(open)
    }

    /// Runs again what a person answered in the org. What cannot be answered so is closed with the reason.
    async fn take_answers(
        &self,
        host: &str,
        shown: &BTreeMap<EventId, Event>,
        open: &mut BTreeSet<EventId>,
    ) -> Result<(), Failed> {
        let rows = self
            .rows(&format!(
                "SELECT Tandem_Key__c, Tandem_Answer__c, LastModifiedBy.Name, LastModifiedBy.Username FROM Tandem_Review__c WHERE Tandem_State__c = 'Open' AND Tandem_Answer__c != null AND Tandem_Key__c LIKE '{host}:%'"
            ))
            .await?;
        for row in rows {
            let Some(id) = event_of(&row) else { continue };
            let answer = row["Tandem_Answer__c"].as_str().unwrap_or_default();
            let who = row["LastModifiedBy"]["Name"].as_str().unwrap_or("somebody");
            let taken = short(&format!("{who}: {answer}"), SHORT);
            let taken = json!({ "Tandem_State__c": "Closed", "Tandem_Outcome__c": taken });
            let event = self.inbox.store().event(id).await?;
            // Of another org's flow, or of nobody's: this org decides nothing about it.
            let Some(event) = event.filter(|event| self.flows.contains(&event.flow)) else { continue };
            if event.state != EventState::Review {
                // It was taken, and the org could not be told.
                if event.resolution.as_deref() == Some(answer) {
                    open.remove(&id);
                    self.write_review(host, id, &taken).await?;
                }
                continue;
            }
            // What the event asked before; what it asks now is not shown yet.
            let is_shown = shown.get(&id).is_none_or(|before| question::is_same(before, &event));
            if !open.contains(&id) || !is_shown {
                continue;
            }
            if !event.choices.iter().any(|choice| choice == answer) {
                let outcome = format!("{answer} is none of the answers: {}", event.choices.join(", "));
                let fields = json!({ "Tandem_Answer__c": null, "Tandem_Outcome__c": short(&outcome, SHORT) });
                self.write_review(host, id, &fields).await?;
                continue;
            }
            // Without a username nobody is named: an approver's pattern has no blank.
            let username = row["LastModifiedBy"]["Username"].as_str().unwrap_or("(nobody knows who)");
            let named = format!("{IN_SALESFORCE}{username}");
            if let Some(why) = may_answer(
                self.engine.policy(),
                &event,
                Answerer { who: &named, owner: None, via: Via::Salesforce },
                answer,
            ) {
                let fields = json!({ "Tandem_Answer__c": null, "Tandem_Outcome__c": short(&why, SHORT) });
                self.write_review(host, id, &fields).await?;
                self.note(&named, id, answer, Some(&why)).await;
                continue;
            }
            if self.inbox.store().answer(id, answer, now()).await? == Answered::Given {
                tracing::info!(connection = self.name, event = id.0, answer, who, "answered in the org");
                self.note(&named, id, answer, None).await;
                self.inbox.ring(std::slice::from_ref(&event.flow));
                // Should the same event ask again, it is a question of its own.
                open.remove(&id);
                self.write_review(host, id, &taken).await?;
            }
        }
        Ok(())
    }

    /// Who answered what in the org stands in the audit trail, as what people do here does. `refused`: why they could not.
    async fn note(&self, who: &str, event: EventId, answer: &str, refused: Option<&str>) {
        let act = Act {
            why: Some(refused.map_or_else(|| answer.to_owned(), |why| format!("{answer}: {why}"))),
            outcome: if refused.is_some() { Fate::Refused } else { Fate::Done },
            ..Act::new(who, Via::Salesforce, "review.answer", format!("event {event}"))
        };
        if let Err(error) = self.inbox.store().act(act).await {
            tracing::error!(%error, "the audit trail lacks a line");
        }
    }

    /// Shows what waits now, and closes what waits no more.
    async fn tell_reviews(
        &self,
        host: &str,
        questions: &BTreeMap<EventId, Event>,
        open: &mut BTreeSet<EventId>,
    ) -> Result<(), Failed> {
        let fresh: Vec<&Event> = questions.values().filter(|event| !open.contains(&event.id)).collect();
        let calls = fresh.iter().map(|event| review_call(host, event.id, &question(event))).collect();
        for (event, result) in fresh.iter().zip(self.connection.send_all(calls, ANSWER_LIMIT, Pace::AtOnce).await) {
            match result {
                Ok(_) => {}
                Err(error) if error.is_passing() => return Err(error.into()),
                Err(error) => self.insist(host, event, error).await?,
            }
            open.insert(event.id);
        }
        let over: Vec<EventId> = open.iter().filter(|id| !questions.contains_key(id)).copied().collect();
        for id in over {
            let event = self.inbox.store().event(id).await?;
            self.write_review(host, id, &question::over(event.as_ref())).await?;
            open.remove(&id);
        }
        Ok(())
    }

    /// Shows a question all the same: the record that it is about may be gone, the package older than this host.
    async fn insist(&self, host: &str, event: &Event, refused: CallError) -> Result<(), Failed> {
        let mut fields = question(event);
        leave_out(&refused, &mut fields);
        match self.write_review(host, event.id, &fields).await {
            Err(Failed::Call(refused)) if !refused.is_passing() => {
                leave_out(&refused, &mut fields);
                self.write_review(host, event.id, &fields).await
            }
            told => told,
        }
    }

    async fn write_review(&self, host: &str, id: EventId, fields: &Value) -> Result<(), Failed> {
        self.connection.send(review_call(host, id, fields), ANSWER_LIMIT).await?;
        Ok(())
    }
}

fn review_call(host: &str, id: EventId, fields: &Value) -> Call {
    review_call_of(&format!("{host}:{id}"), fields)
}

fn review_call_of(key: &str, fields: &Value) -> Call {
    Call::write(Method::Patch, format!("/sobjects/Tandem_Review__c/Tandem_Key__c/{key}"), fields)
}

/// The event that a row stands for.
fn event_of(row: &Value) -> Option<EventId> {
    row["Tandem_Key__c"].as_str()?.split_once(':')?.1.parse().ok().map(EventId)
}

/// At most so many characters.
fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
