//! The Pub/Sub API over gRPC: flow control, replay presets, keep-alive, schemas by id. Source: the published protocol and
//! the shared facts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSub;
use salesforce_core_pubsubapi::eventbus::v1::{
    ConsumerEvent, Error, ErrorCode, FetchRequest, FetchResponse, ManagedFetchRequest, ManagedFetchResponse,
    ProducerEvent, PublishRequest, PublishResponse, PublishResult, ReplayPreset, SchemaInfo, SchemaRequest, TopicInfo,
    TopicRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::Simulator;

/// A stream whose token is gone is ended within this time.
const TOKEN_LOOK: Duration = Duration::from_millis(100);
/// An empty response is sent at least so often.
const KEEP_ALIVE: Duration = Duration::from_secs(270);
const MOST_REQUESTED: i32 = 100;
/// Events and bytes of one publish request.
const MOST_PUBLISHED: usize = 200;
const MOST_EVENT_BYTES: usize = 1 << 20;

/// The service.
pub struct Service(pub Arc<Simulator>);

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = request.metadata().get("accesstoken").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let complete = ["instanceurl", "tenantid"].iter().all(|name| request.metadata().contains_key(*name));
        if !complete || !self.0.token_is_known(token) {
            return Err(unauthenticated());
        }
        Ok(())
    }

    /// The topic as the bus keeps it.
    fn known_topic(&self, topic: &str) -> Result<String, Status> {
        let kept = self.0.namespace.stored(topic);
        if self.0.bus().knows(&kept) {
            return Ok(kept);
        }
        Err(failure(
            Code::NotFound,
            "sfdc.platform.eventbus.grpc.topic.not.found",
            &format!("The requested topic {topic} could not be found"),
        ))
    }

    fn take(&self, request: PublishRequest) -> Result<PublishResponse, Status> {
        let topic = self.known_topic(&request.topic_name)?;
        if !topic.starts_with("/event/") {
            return Err(failure(
                Code::PermissionDenied,
                "sfdc.platform.eventbus.grpc.topic.publish.not.allowed",
                &format!("You can't publish to {topic}"),
            ));
        }
        if request.events.is_empty() || request.events.len() > MOST_PUBLISHED {
            return Err(failure(
                Code::InvalidArgument,
                "sfdc.platform.eventbus.grpc.publish.batch.size",
                "A publish request holds 1 to 200 events",
            ));
        }
        let mut bus = self.0.bus();
        let mut results = Vec::with_capacity(request.events.len());
        for event in request.events {
            let refused = |code: ErrorCode, message: &str| PublishResult {
                replay_id: Vec::new(),
                error: Some(Error { code: code.into(), msg: message.to_owned() }),
                correlation_key: event.id.clone(),
            };
            results.push(if event.payload.len() > MOST_EVENT_BYTES {
                refused(ErrorCode::Publish, "The event is larger than 1 MB")
            } else if !bus.fits(&topic, &event.schema_id, &event.payload) {
                refused(ErrorCode::Publish, "The payload does not fit the schema")
            } else {
                let id = (!event.id.is_empty()).then(|| event.id.clone());
                match bus.publish_raw(&topic, id, event.payload.clone()) {
                    Ok(replay) => PublishResult {
                        replay_id: replay_bytes(replay),
                        error: None,
                        correlation_key: event.id.clone(),
                    },
                    Err(code) => refused(ErrorCode::Publish, code),
                }
            });
        }
        let schema_id = bus.schema_of(&topic).unwrap_or_default().to_owned();
        Ok(PublishResponse { results, schema_id, rpc_id: String::new() })
    }
}

fn unauthenticated() -> Status {
    failure(
        Code::Unauthenticated,
        "sfdc.platform.eventbus.grpc.service.auth.error",
        "An error occurred while getting the user's token",
    )
}

/// Source: Platform Events Developer Guide, *Platform Event Allocations*; the status beside the code is not documented.
fn used_up() -> Status {
    failure(
        Code::ResourceExhausted,
        "sfdc.platform.eventbus.grpc.subscription.limit.exceeded",
        "You have exceeded the event delivery limit for your org.",
    )
}

/// Salesforce puts its own error code into the trailers.
fn failure(code: Code, error_code: &'static str, message: &str) -> Status {
    let mut status = Status::new(code, format!("{message} ({error_code})"));
    status.metadata_mut().insert("error-code", tonic::metadata::MetadataValue::from_static(error_code));
    status
}

/// Opaque to clients, but some read it all the same: eight bytes, the highest first.
fn replay_bytes(replay: u64) -> Vec<u8> {
    replay.to_be_bytes().to_vec()
}

fn replay_number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

#[tonic::async_trait]
impl PubSub for Service {
    type SubscribeStream = Outgoing<FetchResponse>;
    type PublishStreamStream = Outgoing<PublishResponse>;
    type ManagedSubscribeStream = Outgoing<ManagedFetchResponse>;

    async fn subscribe(
        &self,
        request: Request<Streaming<FetchRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.check(&request)?;
        let token = request.metadata().get("accesstoken").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = token.to_owned();
        let mut incoming = request.into_inner();
        let first = incoming.next().await.ok_or_else(|| Status::invalid_argument("no fetch request"))??;
        let topic = self.known_topic(&first.topic_name)?;
        if !self.0.may_subscribe(&token, &topic) {
            return Err(failure(
                Code::PermissionDenied,
                "sfdc.platform.eventbus.grpc.topic.permission.denied",
                &format!("You don't have permission to subscribe to {}", first.topic_name),
            ));
        }
        check_requested(first.num_requested)?;
        let simulator = self.0.clone();
        simulator.log.count(&format!("SUBSCRIBE {topic}"));
        if simulator.bus().deliveries_left() == 0 {
            return Err(used_up());
        }
        let (mut at, mut tip, begun) = {
            let bus = simulator.bus();
            let at = match ReplayPreset::try_from(first.replay_preset) {
                Ok(ReplayPreset::Earliest) => bus.earliest(&topic),
                Ok(ReplayPreset::Custom) => match replay_number(&first.replay_id) {
                    Some(replay) if bus.is_valid(&topic, replay) => replay,
                    // No id of this bus: another org's.
                    found if found.is_none_or(|replay| !bus.was_given(replay)) => {
                        return Err(failure(
                            Code::InvalidArgument,
                            "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted",
                            "The Replay ID is corrupted",
                        ));
                    }
                    _ => {
                        return Err(failure(
                            Code::InvalidArgument,
                            "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed",
                            "The Replay ID validation failed",
                        ));
                    }
                },
                _ => bus.latest(&topic),
            };
            (at, bus.watch(), bus.begun())
        };
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut pending = first.num_requested;
            let mut look = tokio::time::interval(TOKEN_LOOK);
            let mut alive_until = tokio::time::Instant::now() + KEEP_ALIVE;
            loop {
                // A stream ends with the token it was opened with, and with its org.
                if !simulator.token_is_known(&token) || simulator.bus().begun() != begun {
                    let _ = sender.send(Err(unauthenticated())).await;
                    return;
                }
                let (mut events, left) = {
                    let bus = simulator.bus();
                    let events = if pending > 0 { bus.after(&topic, at, pending as usize) } else { Vec::new() };
                    (events, bus.deliveries_left())
                };
                if !events.is_empty() && left == 0 {
                    let _ = sender.send(Err(used_up())).await;
                    return;
                }
                events.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                if !events.is_empty() {
                    simulator.bus().count_deliveries(events.len() as u64);
                    pending -= events.len() as i32;
                    at = events.last().map_or(at, |(event, _)| event.replay);
                    let events = events
                        .into_iter()
                        .map(|(event, payload)| ConsumerEvent {
                            replay_id: replay_bytes(event.replay),
                            event: Some(ProducerEvent {
                                id: event.id,
                                schema_id: event.schema_id,
                                payload,
                                headers: Vec::new(),
                            }),
                        })
                        .collect();
                    if sender.send(Ok(response(events, at, pending))).await.is_err() {
                        return;
                    }
                    alive_until = tokio::time::Instant::now() + KEEP_ALIVE;
                    continue;
                }
                tokio::select! {
                    more = incoming.next() => match more {
                        Some(Ok(more)) => match check_more(&simulator.namespace.stored(&more.topic_name), &topic, &more) {
                            Ok(()) => pending += more.num_requested,
                            Err(status) => {
                                let _ = sender.send(Err(status)).await;
                                return;
                            }
                        },
                        _ => return,
                    },
                    changed = tip.changed() => if changed.is_err() { return },
                    _ = look.tick() => {}
                    _ = tokio::time::sleep_until(alive_until) => {
                        alive_until = tokio::time::Instant::now() + KEEP_ALIVE;
                        // Moves the replay id, but never over an event that is still to come.
                        let latest = {
                            let bus = simulator.bus();
                            if bus.after(&topic, at, 1).is_empty() { bus.latest(&topic) } else { at }
                        };
                        if sender.send(Ok(response(Vec::new(), latest, pending))).await.is_err() {
                            return;
                        }
                    }
                    _ = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn get_schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
        self.check(&request)?;
        let schema_id = request.into_inner().schema_id;
        let found = self.0.bus().schema(&schema_id).map(str::to_owned);
        let schema_json = found.ok_or_else(|| {
            failure(
                Code::NotFound,
                "sfdc.platform.eventbus.grpc.schema.not.found",
                "The requested schema could not be found",
            )
        })?;
        let schema_json = self.0.namespace.schema(&schema_json);
        Ok(Response::new(SchemaInfo { schema_json, schema_id, rpc_id: String::new() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        self.check(&request)?;
        let topic_name = request.into_inner().topic_name;
        let kept = self.known_topic(&topic_name)?;
        let schema_id = self.0.bus().schema_of(&kept).unwrap_or_default().to_owned();
        Ok(Response::new(TopicInfo {
            can_publish: topic_name.starts_with("/event/"),
            topic_name,
            tenant_guid: super::ORG_ID.to_owned(),
            can_subscribe: true,
            schema_id,
            rpc_id: String::new(),
        }))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        self.check(&request)?;
        self.take(request.into_inner()).map(Response::new)
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        self.check(&request)?;
        let service = Self(self.0.clone());
        let answers = request.into_inner().map(move |request| service.take(request?));
        Ok(Response::new(Box::pin(answers)))
    }

    async fn managed_subscribe(
        &self,
        _: Request<Streaming<ManagedFetchRequest>>,
    ) -> Result<Response<Self::ManagedSubscribeStream>, Status> {
        // A beta of its own, with a subscription made beforehand through the Tooling API: not simulated.
        Err(Status::unimplemented("ManagedSubscribe is not simulated"))
    }
}

fn response(events: Vec<ConsumerEvent>, latest: u64, pending: i32) -> FetchResponse {
    FetchResponse {
        events,
        latest_replay_id: replay_bytes(latest),
        rpc_id: String::new(),
        pending_num_requested: pending,
    }
}

/// Only the number is read of later requests, and a topic only when it is the same.
fn check_more(asked: &str, topic: &str, more: &FetchRequest) -> Result<(), Status> {
    if !asked.is_empty() && asked != topic {
        return Err(failure(
            Code::InvalidArgument,
            "sfdc.platform.eventbus.grpc.subscription.fetch.topic.change",
            "The topic of a subscription cannot change",
        ));
    }
    check_requested(more.num_requested)
}

fn check_requested(requested: i32) -> Result<(), Status> {
    if (1..=MOST_REQUESTED).contains(&requested) {
        return Ok(());
    }
    Err(failure(
        Code::InvalidArgument,
        "sfdc.platform.eventbus.grpc.subscription.fetch.requests.limit",
        "num_requested must be between 1 and 100",
    ))
}
