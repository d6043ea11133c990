//! Salesforce's Pub/Sub API over one outbound gRPC stream per topic. Events are stored before more are asked for, with
//! the replay id in the same transaction. When the replay id is refused (expired after 72 h, another org's), the gap is
//! read by `SystemModstamp`, deleted records included, and every linked record is looked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use salesforce_core_pubsubapi::eventbus::v1::pub_sub_client::PubSubClient;
use salesforce_core_pubsubapi::eventbus::v1::{
    ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset, SchemaRequest, TopicRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status};

use super::failed::Failed;
use super::sweep::{self, Asks, Place};
use super::trouble::Troubles;
use super::{Routes, change, missing};
use crate::config::SalesforceConfig;
use crate::connections::{CallError, Connection, Standing, salesforce::Salesforce, salesforce::Token};
use crate::store::{Durability, Inbox, Intake, Millis, NewEvent, StoreError};
use crate::time::backoff;

/// The most Salesforce gives per request.
const WINDOW: i32 = 100;
/// Ask for more when fewer are still to come.
const LOW_WATER: i32 = 50;
/// Keep-alives come at least every 270 s; a stream silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(330);
/// What the codes of all refusals of a replay id share: `…fetch.replayid.validation.failed`, `…fetch.replayid.corrupted`.
const REPLAY_ID: &str = ".replayid.";
/// The code of a used-up allocation of deliveries.
const USED_UP: &str = ".subscription.limit.exceeded";
/// The event that tells no change, but asks for a look.
const SINCE: &str = "Tandem_Since__e";
/// With a try-out.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events of 1 MB times 100 in one response, and some.
const MOST_MESSAGE: usize = 128 << 20;
const QUERY_LIMIT: u64 = 64 << 20;

/// Where a subscription stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Position {
    /// Base64; none before the first event.
    replay_id: Option<String>,
    /// Everything before this time, by the org's clock, was taken in.
    at: Millis,
}

/// Salesforce keeps events for so long. Source: Pub/Sub API, Event Message Durability.
const KEPT: Millis = 72 * 3_600_000;

/// What comes of a position that is taken up again at `now`.
pub(super) fn again(position: &str, now: Millis) -> Option<String> {
    let position: Position = serde_json::from_str(position).ok()?;
    let at = crate::time::iso(position.at);
    Some(match position.replay_id {
        Some(_) if now - position.at < KEPT => format!("all since {at} are told again, by the replay id"),
        Some(_) => format!(
            "the replay id of {at} is older than the 72 hours for which Salesforce keeps events: what changed or was deleted since is read by SystemModstamp"
        ),
        None => format!("what changed since {at} is read by SystemModstamp"),
    })
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Status(#[from] Box<Status>),
    #[error("cannot connect: {0}")]
    Connect(String),
    #[error("signing in: {0}")]
    SignIn(#[from] CallError),
    #[error("looking for what changed: {0}")]
    Look(#[from] Failed),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the stream was silent for {} s", SILENCE.as_secs())]
    Silent,
    #[error("Salesforce ended the stream")]
    Ended,
}

impl Broken {
    /// True when the org delivers no more events for now: it counts those of the last 24 hours, to all who listen.
    fn is_used_up(&self) -> bool {
        matches!(self, Self::Status(status) if says(status, USED_UP))
    }

    /// Likes have the same, whatever else their words say.
    fn kind(&self) -> String {
        match self {
            Self::Status(status) => format!("{:?}", status.code()),
            Self::Connect(_) => "connect".into(),
            Self::SignIn(CallError::SignIn(_)) => "refused".into(),
            Self::SignIn(_) => "sign-in".into(),
            Self::Look(_) => "look".into(),
            Self::Store(_) => "store".into(),
            Self::Silent => "silent".into(),
            Self::Ended => "ended".into(),
        }
    }
}

/// One topic of one org.
pub struct Subscription {
    /// Connection name.
    pub name: String,
    /// The org.
    pub connection: Arc<Connection>,
    /// Its configuration.
    pub config: SalesforceConfig,
    /// Such as `/event/Tandem_Change__e`.
    pub topic: String,
    /// Who takes its events.
    pub routes: Routes,
    /// Where events go.
    pub inbox: Arc<Inbox>,
    /// How the stream stands, for `/readyz` and the org.
    pub standing: watch::Sender<Standing>,
    /// How long to wait while the org delivers no more events.
    pub patience: Duration,
    /// Rung when a person answered a question in the org.
    pub answered: Arc<Notify>,
    /// What the org asks to be looked at again.
    pub asks: Arc<Asks>,
}

/// What one response of the bus amounts to.
#[derive(Default)]
struct Told {
    events: Vec<NewEvent>,
    /// A person answered a question.
    answered: bool,
    /// Objects to be looked at again, and since when.
    asked: Vec<(String, Millis)>,
}

#[derive(Clone)]
struct Credentials(Token);

impl tonic::service::Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let entries = [
            ("accesstoken", self.0.access_token.reveal()),
            ("instanceurl", &self.0.instance_url),
            ("tenantid", &self.0.org_id),
        ];
        for (name, value) in entries {
            let value = MetadataValue::try_from(value).map_err(|_| Status::internal(format!("{name} is not ASCII")))?;
            request.metadata_mut().insert(name, value);
        }
        Ok(request)
    }
}

type Client = PubSubClient<InterceptedService<Channel, Credentials>>;

impl Subscription {
    /// Subscribes, and subscribes again, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut failures = 0;
        let mut stale: Option<Token> = None;
        let mut troubles = Troubles::default();
        let mut looked = None;
        while !*stop.borrow() {
            let result = tokio::select! {
                result = self.subscribe(&mut stale, failures) => result,
                _ = stop.changed() => return,
            };
            let used_up = result.as_ref().is_err_and(Broken::is_used_up);
            let standing = if used_up { Standing::UsedUp } else { Standing::Down };
            if self.standing.send_replace(standing).is_up() {
                failures = 0;
                troubles = Troubles::default();
                looked = None;
            }
            if used_up {
                if self.tells_changes() {
                    self.look_instead(&mut looked, &mut troubles).await;
                }
                tokio::select! { _ = tokio::time::sleep(self.patience) => {} _ = stop.changed() => {} }
                continue;
            }
            failures += 1;
            metrics::counter!("tandem_pubsub_reconnects_total").increment(1);
            if stale.is_some() {
                // As often as tokens end: no fault.
                tracing::info!(
                    connection = self.name,
                    topic = self.topic,
                    "the stream ended with its token; subscribing again"
                );
            } else if let Err(error) = result {
                // It is tried twice a minute: the same trouble is told once, and that it is over with "subscribed".
                if troubles.begins(&error.kind()) {
                    tracing::warn!(connection = self.name, topic = self.topic, %error, "subscription broken; subscribing again");
                } else {
                    tracing::debug!(connection = self.name, topic = self.topic, %error, "subscription broken; subscribing again");
                }
            }
            let pause = backoff(failures, Duration::from_millis(200), Duration::from_secs(30));
            tokio::select! { _ = tokio::time::sleep(pause) => {} _ = stop.changed() => {} }
        }
    }

    /// Finds by query what is not delivered. The replay id stays: what is still kept comes once there are deliveries again.
    async fn look_instead(&self, looked: &mut Option<Millis>, troubles: &mut Troubles) {
        if troubles.begins("used up") {
            tracing::warn!(
                connection = self.name,
                topic = self.topic,
                "the org's event deliveries are used up (so many in 24 hours, for all who listen): changes are found by query meanwhile"
            );
        }
        let begun = self.now();
        let found = async {
            let stored = self.position().await?;
            self.catch_up(&Position { at: looked.unwrap_or(stored.at), replay_id: None }).await?;
            Ok::<(), Broken>(())
        };
        match found.await {
            Ok(()) => {
                *looked = Some(begun);
                troubles.over("look");
            }
            Err(error) if troubles.begins("look") => {
                tracing::warn!(connection = self.name, %error, "changes could not be looked for; it is tried again");
            }
            Err(error) => tracing::debug!(connection = self.name, %error, "changes could not be looked for"),
        }
    }

    async fn subscribe(&self, stale: &mut Option<Token>, failures: u32) -> Result<(), Broken> {
        let org = self.connection.org()?;
        let token = match stale.take() {
            Some(old) => org.renew(&old).await?,
            None => org.token().await?,
        };
        let mut client = connect(org, &self.config, token.clone()).await?;
        let position = self.position().await?;
        let result = self.follow(&mut client, position, failures).await;
        if let Err(Broken::Status(status)) = &result
            && status.code() == Code::Unauthenticated
        {
            *stale = Some(token);
        }
        result
    }

    /// By the org's clock: what it stamps is compared with this.
    fn now(&self) -> Millis {
        self.connection.clock().now()
    }

    /// A gap of the other topic's stream is covered by the one that tells changes: both are read by query then.
    fn tells_changes(&self) -> bool {
        !self.topic.ends_with(SINCE)
    }

    fn source(&self) -> String {
        format!("pubsub:{}:{}", self.name, self.topic)
    }

    /// The stored position; before the first subscription now, so that what happens from here on is never missed.
    async fn position(&self) -> Result<Position, Broken> {
        let stored = self.inbox.store().position(&self.source()).await?;
        if let Some(position) = stored.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(position);
        }
        let fresh = Position { replay_id: None, at: self.now() };
        self.take(Vec::new(), &fresh, Durability::Now).await?;
        Ok(fresh)
    }

    async fn take(&self, events: Vec<NewEvent>, position: &Position, durability: Durability) -> Result<(), Broken> {
        let position = serde_json::to_string(position).unwrap_or_default();
        let position = Some((self.source(), position));
        let seen = sweep::forget(&self.name, &events);
        self.inbox.take(Intake { events, position, seen, durability, ..Intake::default() }).await?;
        Ok(())
    }

    async fn follow(&self, client: &mut Client, mut position: Position, failures: u32) -> Result<(), Broken> {
        let start = position.replay_id.as_ref().and_then(|id| STANDARD.decode(id).ok());
        let preset = match start {
            Some(_) => ReplayPreset::Custom,
            // What changed meanwhile is read by query.
            None if self.tells_changes() => ReplayPreset::Latest,
            // What was asked meanwhile stands in the events alone.
            None => ReplayPreset::Earliest,
        };
        match self.stream(client, preset, start.unwrap_or_default(), &mut position, failures).await {
            Err(Broken::Status(status)) if preset == ReplayPreset::Custom && is_refused_position(&status) => {
                tracing::warn!(
                    connection = self.name,
                    topic = self.topic,
                    since = crate::time::iso(position.at),
                    refusal = status.message(),
                    "Salesforce refuses our replay id (kept for 72 h; after a sandbox refresh it is another org's): reading what changed since by SystemModstamp, then all events still kept"
                );
                let begun = self.now();
                if self.tells_changes() {
                    self.catch_up(&position).await?;
                    self.find_missing(&position).await?;
                }
                // The refused id is not tried again, also should the stream break before it gives another.
                let at = if self.tells_changes() { begun } else { position.at };
                let mut fresh = Position { replay_id: None, at };
                self.take(Vec::new(), &fresh, Durability::Now).await?;
                self.stream(client, ReplayPreset::Earliest, Vec::new(), &mut fresh, failures).await
            }
            other => other,
        }
    }

    /// The topic as the org calls it.
    fn topic_there(&self) -> Result<String, CallError> {
        Ok(self.connection.org()?.namespace().outward(&self.topic).into_owned())
    }

    async fn stream(
        &self,
        client: &mut Client,
        preset: ReplayPreset,
        replay_id: Vec<u8>,
        position: &mut Position,
        failures: u32,
    ) -> Result<(), Broken> {
        let first = FetchRequest {
            topic_name: self.topic_there()?,
            replay_preset: preset.into(),
            replay_id,
            num_requested: WINDOW,
            auth_refresh: String::new(),
        };
        let (requests, outgoing) = mpsc::channel(4);
        requests.send(first).await.map_err(|_| Broken::Ended)?;
        let mut stream = client.subscribe(ReceiverStream::new(outgoing)).await.map_err(Box::new)?.into_inner();
        if preset == ReplayPreset::Latest && self.tells_changes() {
            // A start without a replay id has a gap between the stored time and this moment.
            self.catch_up(position).await?;
        }
        self.standing.send_replace(Standing::Up);
        tracing::info!(
            connection = self.name,
            topic = self.topic,
            preset = preset.as_str_name(),
            failed_before = failures,
            "subscribed"
        );
        // Asked before that time, it was heard then, or is from before this host knew the org.
        let asked_from = if preset == ReplayPreset::Earliest { position.at } else { Millis::MIN };
        let mut schemas = HashMap::new();
        loop {
            let response = tokio::time::timeout(SILENCE, stream.message()).await.map_err(|_| Broken::Silent)?;
            let response = response.map_err(Box::new)?.ok_or(Broken::Ended)?;
            let pending = response.pending_num_requested;
            self.store_response(client, response, position, &mut schemas, asked_from).await?;
            if pending <= LOW_WATER {
                // Only now that what came is durable.
                let more = FetchRequest {
                    topic_name: self.topic_there()?,
                    num_requested: WINDOW - pending,
                    ..FetchRequest::default()
                };
                requests.send(more).await.map_err(|_| Broken::Ended)?;
            }
        }
    }

    async fn store_response(
        &self,
        client: &mut Client,
        response: FetchResponse,
        position: &mut Position,
        schemas: &mut HashMap<String, Schema>,
        asked_from: Millis,
    ) -> Result<(), Broken> {
        let last = response.events.last().map_or(&response.latest_replay_id, |event| &event.replay_id);
        if !last.is_empty() {
            position.replay_id = Some(STANDARD.encode(last));
        }
        position.at = self.now();
        let mut told = Told::default();
        for event in &response.events {
            self.read_event(client, event, schemas, &mut told).await?;
        }
        // Salesforce tells again what came after the replay id kept: should a power cut take both back, nothing is lost.
        let told_again = position.replay_id.is_some();
        let durability = if told_again { Durability::WithNextCommit } else { Durability::Now };
        told.asked.retain(|(_, since)| sweep::asked_by(*since) >= asked_from);
        if !told.asked.is_empty() {
            self.asks.ask(&told.asked, position.at).await?;
        }
        self.take(told.events, position, durability).await?;
        if told.answered {
            self.answered.notify_one();
        }
        Ok(())
    }

    async fn read_event(
        &self,
        client: &mut Client,
        consumed: &ConsumerEvent,
        schemas: &mut HashMap<String, Schema>,
        told: &mut Told,
    ) -> Result<(), Broken> {
        let Some(event) = &consumed.event else { return Ok(()) };
        // The id is given by the publisher and stays the same when the bus delivers twice.
        let dedup = if event.id.is_empty() {
            format!("replay:{}", STANDARD.encode(&consumed.replay_id))
        } else {
            event.id.clone()
        };
        let trace = trace_of(&event.id);
        if !schemas.contains_key(&event.schema_id) {
            let request = SchemaRequest { schema_id: event.schema_id.clone() };
            let info = client.get_schema(request).await.map_err(Box::new)?.into_inner();
            match Schema::parse_str(&self.connection.org()?.namespace().inward(&info.schema_json)) {
                Ok(schema) => schemas.insert(event.schema_id.clone(), schema),
                Err(error) => {
                    let why = format!("the event's schema {} cannot be read: {error}", event.schema_id);
                    let held =
                        change::unreadable(&self.routes.now(), &self.name, &dedup, &trace, &info.schema_json, &why);
                    told.events.extend(held);
                    return Ok(());
                }
            };
        }
        let size = event.payload.len();
        let read = if size > change::MOST_PAYLOAD {
            let most = change::MOST_PAYLOAD;
            Err(format!("the event has {size} bytes, more than the {most} a platform event may have"))
        } else {
            decode(&schemas[&event.schema_id], &event.payload)
        };
        if let Some(asked) = read.as_ref().ok().and_then(sweep::asked) {
            told.asked.push(asked);
            return Ok(());
        }
        match read.and_then(|payload| change::read(&payload, &dedup, &trace)) {
            Ok(change) => {
                if change.is_answer() {
                    told.answered = true;
                } else {
                    told.events.extend(change::route(&self.routes.now(), &self.name, &change));
                }
            }
            Err(why) => {
                tracing::error!(connection = self.name, event = dedup, why, "an event cannot be read: held for review");
                let raw = String::from_utf8_lossy(&event.payload);
                told.events.extend(change::unreadable(&self.routes.now(), &self.name, &dedup, &trace, &raw, &why));
            }
        }
        Ok(())
    }

    /// Reads every record changed or deleted since the last sign of life, of each object that some flow takes.
    async fn catch_up(&self, position: &Position) -> Result<(), Failed> {
        for object in &self.objects() {
            let mut found = 0;
            let mut place = Some(Place::seen_from(position.at.min(self.now())));
            while let Some(from) = place {
                let soql = from.query(object, &["Id", "SystemModstamp", "IsDeleted"]);
                let rows = self.connection.org()?.query_with_deleted(&soql, QUERY_LIMIT).await?;
                let events: Vec<NewEvent> =
                    rows.iter().filter_map(|row| self.found_change(object, row)).flatten().collect();
                let seen = sweep::forget(&self.name, &events);
                // The position stays: the stream's own events will move it.
                self.inbox.take(Intake { events, seen, ..Intake::default() }).await?;
                found += rows.len();
                place = from.behind(&rows);
            }
            if found > 0 {
                tracing::info!(connection = self.name, object, records = found, "caught up by query");
            }
        }
        // Questions may have been answered meanwhile.
        self.answered.notify_one();
        Ok(())
    }

    /// Objects that some flow takes.
    fn objects(&self) -> Vec<String> {
        let topics = self.routes.topics_of(&self.name);
        let mut objects: Vec<String> =
            topics.iter().filter_map(|topic| topic.strip_prefix("salesforce.")).map(str::to_owned).collect();
        objects.sort_unstable();
        objects.dedup();
        objects
    }

    /// Linked records that are not to be seen any more: their flows look.
    async fn find_missing(&self, position: &Position) -> Result<(), Failed> {
        for object in self.objects() {
            let store = self.inbox.store().as_ref();
            let missing = missing::look(&self.connection, store, &self.name, &object).await?;
            if missing.is_empty() {
                continue;
            }
            tracing::warn!(
                connection = self.name,
                object,
                records = missing.len(),
                "linked records are not to be seen any more"
            );
            let stamp = crate::time::iso(position.at);
            let told =
                |id: String| self.found_change(&object, &serde_json::json!({ "Id": id, "SystemModstamp": stamp }));
            let events: Vec<NewEvent> = missing.into_iter().filter_map(told).flatten().collect();
            let seen = sweep::forget(&self.name, &events);
            self.inbox.take(Intake { events, seen, ..Intake::default() }).await?;
        }
        Ok(())
    }

    fn found_change(&self, object: &str, row: &Value) -> Option<Vec<NewEvent>> {
        let (id, stamp) = (row["Id"].as_str()?, row["SystemModstamp"].as_str()?);
        let operation = if row["IsDeleted"] == true { "DELETE" } else { "CATCH_UP" };
        let payload = serde_json::json!({ "Record_Id__c": id, "Object__c": object, "Operation__c": operation });
        let change = change::read(&payload, &format!("catch-up:{id}:{stamp}"), &crate::time::fresh_trace()).ok()?;
        Some(change::route(&self.routes.now(), &self.name, &change))
    }
}

async fn connect(org: &Salesforce, config: &SalesforceConfig, token: Token) -> Result<Client, Broken> {
    let failed = |e: &dyn std::fmt::Display| Broken::Connect(e.to_string());
    let address: Uri = config.pubsub_url.parse().map_err(|e| failed(&e))?;
    let authority = address.authority().map(ToString::to_string).unwrap_or_default();
    // Proxy and TLS are the dialer's, as for REST: to tonic the way is plain.
    let endpoint = Endpoint::from_shared(format!("http://{authority}"))
        .map_err(|e| failed(&e))?
        .origin(address)
        .connect_timeout(Duration::from_secs(10))
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_while_idle(true);
    let dialer = org.bus().clone();
    let connector = tower::service_fn(move |_| {
        let dialer = dialer.clone();
        async move { dialer.dial().await.map(TokioIo::new) }
    });
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|e| failed(&crate::connections::transport::chain(&e)))?;
    let client = PubSubClient::with_interceptor(channel, Credentials(token));
    Ok(client.max_decoding_message_size(MOST_MESSAGE))
}

/// Goes the whole way of a subscription (proxy, TLS, sign-in, the right to the topic) and subscribes to nothing. An error is in
/// words.
pub async fn try_out(org: &Salesforce, config: &SalesforceConfig, topic: &str) -> Result<(), String> {
    let asked = async {
        let mut client = connect(org, config, org.token().await?).await?;
        let request = TopicRequest { topic_name: org.namespace().outward(topic).into_owned() };
        Ok::<_, Broken>(client.get_topic(request).await.map_err(Box::new)?.into_inner())
    };
    let answered = tokio::time::timeout(PATIENCE, asked).await;
    match answered.map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))? {
        Ok(found) if found.can_subscribe => Ok(()),
        Ok(_) => Err("the integration user may not subscribe to it".into()),
        Err(Broken::Status(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(error) => Err(error.to_string()),
    }
}

/// Whatever is wrong with the replay id, trying it again mends nothing.
fn is_refused_position(status: &Status) -> bool {
    says(status, REPLAY_ID)
}

/// Whether a status has this in its code, which stands in the trailer, or in its words.
fn says(status: &Status, part: &str) -> bool {
    let code = status.metadata().get("error-code").and_then(|value| value.to_str().ok()).unwrap_or_default();
    [code, status.message()].iter().any(|text| text.to_ascii_lowercase().contains(part))
}

/// The event's UUID is the trace id.
fn trace_of(event_id: &str) -> String {
    let digits: String = event_id.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == 32 { digits.to_ascii_lowercase() } else { crate::time::fresh_trace() }
}

fn decode(schema: &Schema, mut payload: &[u8]) -> Result<Value, String> {
    let value = GenericDatumReader::builder(schema)
        .build()
        .and_then(|reader| reader.read_value(&mut payload))
        .map_err(|e| format!("the event's payload does not fit its schema: {e}"))?;
    Value::try_from(value).map_err(|e| format!("the event's payload is not JSON: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_a_replay_id_is_known_as_one() {
        let told = |code: &'static str| {
            let mut status = Status::new(Code::InvalidArgument, "refused");
            status.metadata_mut().insert("error-code", MetadataValue::from_static(code));
            is_refused_position(&status)
        };
        for end in ["validation.failed", "corrupted", "corrupted.invalid", "expired"] {
            let code = format!("sfdc.platform.eventbus.grpc.subscription.fetch.replayid.{end}");
            assert!(told(code.leak()), "in the trailer");
        }
        assert!(
            is_refused_position(&Status::invalid_argument("sfdc.….fetch.replayid.corrupted: not valid")),
            "in words"
        );
        assert!(!told("sfdc.platform.eventbus.grpc.subscription.fetch.requests.limit"));
        assert!(!told("sfdc.platform.eventbus.grpc.service.auth.error"));
    }
}
