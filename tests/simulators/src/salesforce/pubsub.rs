//! The Pub/Sub API over gRPC: flow control, replay presets, keep-alive, schemas by id. Source: the published protocol and
//! the shared facts.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use salesforce_core_pubsubapi::eventbus::v1::pub_sub_server::PubSub;
use salesforce_core_pubsubapi::eventbus::v1::{
    ConsumerEvent, FetchRequest, FetchResponse, ManagedFetchRequest, ManagedFetchResponse, ProducerEvent,
    PublishRequest, PublishResponse, PublishResult, ReplayPreset, SchemaInfo, SchemaRequest, TopicInfo, TopicRequest,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use super::Simulator;

/// An empty response is sent at least so often.
const KEEP_ALIVE: Duration = Duration::from_secs(270);
const MOST_REQUESTED: i32 = 100;
const TOPIC: &str = "/event/Tandem_Change__e";

/// The service.
pub struct Service(pub Arc<Simulator>);

type Outgoing<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let token = request.metadata().get("accesstoken").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let complete = ["instanceurl", "tenantid"].iter().all(|name| request.metadata().contains_key(*name));
        if !complete || !self.0.token_is_known(token) {
            return Err(failure(
                Code::Unauthenticated,
                "sfdc.platform.eventbus.grpc.service.auth.error",
                "An error occurred while getting the user's token",
            ));
        }
        Ok(())
    }
}

/// Salesforce puts its own error code into the trailers.
fn failure(code: Code, error_code: &'static str, message: &str) -> Status {
    let mut status = Status::new(code, format!("{message} ({error_code})"));
    status.metadata_mut().insert("error-code", tonic::metadata::MetadataValue::from_static(error_code));
    status
}

fn known_topic(topic: &str) -> Result<(), Status> {
    if topic == TOPIC {
        return Ok(());
    }
    Err(failure(
        Code::NotFound,
        "sfdc.platform.eventbus.grpc.topic.not.found",
        &format!("The requested topic {topic} could not be found"),
    ))
}

fn replay_bytes(replay: u64) -> Vec<u8> {
    // Opaque: ten bytes, as the real ones.
    [&[0, 0][..], &replay.to_be_bytes()].concat()
}

fn replay_number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(2..)?.try_into().ok()?))
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
        let mut incoming = request.into_inner();
        let first = incoming.next().await.ok_or_else(|| Status::invalid_argument("no fetch request"))??;
        known_topic(&first.topic_name)?;
        check_requested(first.num_requested)?;
        let simulator = self.0.clone();
        let (mut at, mut tip) = {
            let bus = simulator.bus();
            let at = match ReplayPreset::try_from(first.replay_preset) {
                Ok(ReplayPreset::Earliest) => bus.earliest(),
                Ok(ReplayPreset::Custom) => match replay_number(&first.replay_id) {
                    Some(replay) if bus.is_valid(replay) => replay,
                    _ => {
                        return Err(failure(
                            Code::InvalidArgument,
                            "sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed",
                            "The Replay ID validation failed",
                        ));
                    }
                },
                _ => bus.latest(),
            };
            (at, bus.watch())
        };
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut pending = first.num_requested;
            loop {
                let events = if pending > 0 { simulator.bus().after(at, pending as usize) } else { Vec::new() };
                if !events.is_empty() {
                    pending -= events.len() as i32;
                    at = events.last().map_or(at, |event| event.replay);
                    let events = events
                        .into_iter()
                        .map(|event| ConsumerEvent {
                            replay_id: replay_bytes(event.replay),
                            event: Some(ProducerEvent {
                                id: event.id,
                                schema_id: event.schema_id,
                                payload: event.payload,
                                headers: Vec::new(),
                            }),
                        })
                        .collect();
                    if sender.send(Ok(response(events, at, pending))).await.is_err() {
                        return;
                    }
                    continue;
                }
                tokio::select! {
                    more = incoming.next() => match more {
                        Some(Ok(more)) => match check_requested(more.num_requested) {
                            Ok(()) => pending += more.num_requested,
                            Err(status) => {
                                let _ = sender.send(Err(status)).await;
                                return;
                            }
                        },
                        _ => return,
                    },
                    changed = tip.changed() => if changed.is_err() { return },
                    _ = tokio::time::sleep(KEEP_ALIVE) => {
                        let latest = simulator.bus().latest();
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
        let wanted = request.into_inner().schema_id;
        let bus = self.0.bus();
        if wanted != bus.schema_id {
            return Err(failure(
                Code::NotFound,
                "sfdc.platform.eventbus.grpc.schema.not.found",
                "The requested schema could not be found",
            ));
        }
        Ok(Response::new(SchemaInfo { schema_json: bus.schema_json.clone(), schema_id: wanted, rpc_id: String::new() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        self.check(&request)?;
        let topic_name = request.into_inner().topic_name;
        known_topic(&topic_name)?;
        let schema_id = self.0.bus().schema_id.clone();
        let org = super::ORG_ID.to_owned();
        Ok(Response::new(TopicInfo {
            topic_name,
            tenant_guid: org,
            can_publish: true,
            can_subscribe: true,
            schema_id,
            rpc_id: String::new(),
        }))
    }

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<PublishResponse>, Status> {
        self.check(&request)?;
        let request = request.into_inner();
        known_topic(&request.topic_name)?;
        let mut bus = self.0.bus();
        let results = request
            .events
            .into_iter()
            .map(|event| {
                bus.publish_raw(event.payload);
                PublishResult { replay_id: replay_bytes(bus.latest()), error: None, correlation_key: event.id }
            })
            .collect();
        Ok(Response::new(PublishResponse { results, schema_id: bus.schema_id.clone(), rpc_id: String::new() }))
    }

    async fn publish_stream(
        &self,
        _: Request<Streaming<PublishRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        Err(Status::unimplemented("PublishStream is not simulated"))
    }

    async fn managed_subscribe(
        &self,
        _: Request<Streaming<ManagedFetchRequest>>,
    ) -> Result<Response<Self::ManagedSubscribeStream>, Status> {
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
