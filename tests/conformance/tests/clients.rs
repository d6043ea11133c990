//! Other people's clients, unchanged, over TLS. What each looks at stands in its own file beside this folder.

use anyhow::Result;
use salesforce_core_pubsubapi::eventbus::v1::pub_sub_client::PubSubClient;
use salesforce_core_pubsubapi::eventbus::v1::{
    FetchRequest, ProducerEvent, PublishRequest, ReplayPreset, SchemaRequest, TopicRequest,
};
use tandem_conformance::{Service, node, protocol, python, python_of};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

/// simple-salesforce: query, CRUD, upsert, both Bulk APIs, Composite.
#[tokio::test]
async fn simple_salesforce_takes_the_simulator_for_an_org() -> Result<()> {
    let service = Service::salesforce().await?;
    let authority = service.authority().display().to_string();
    let environment = [("SALESFORCE", service.addresses[0].as_str()), ("REQUESTS_CA_BUNDLE", &authority)];
    python("test_salesforce.py", &environment).await
}

/// The Singer tap: a refresh token, discovery, every record by REST and by the first Bulk API.
#[tokio::test]
async fn the_singer_tap_reads_the_same_by_rest_and_by_bulk() -> Result<()> {
    let service = Service::salesforce().await?;
    let authority = service.authority().display().to_string();
    let environment = [("SALESFORCE", service.addresses[0].as_str()), ("REQUESTS_CA_BUNDLE", &authority)];
    python_of("tap", "test_tap.py", &environment).await
}

/// The protocol's own Python sample: generated stubs, Apache's avro, a semaphore for flow control.
#[tokio::test]
async fn the_python_sample_of_the_protocol_follows_and_publishes_events() -> Result<()> {
    let service = Service::salesforce().await?;
    let authority = service.authority().display().to_string();
    let protocol = protocol().display().to_string();
    let pubsub = service.addresses[1].trim_start_matches("https://");
    let environment = [
        ("SALESFORCE", service.addresses[0].as_str()),
        ("PUBSUB", pubsub),
        ("PROTOCOL", &protocol),
        ("REQUESTS_CA_BUNDLE", &authority),
    ];
    python("test_pubsub.py", &environment).await
}

/// jsforce: describe, Collections, queries page after page, Composite, Bulk 2.0, deleted records.
#[tokio::test]
async fn jsforce_takes_the_simulator_for_an_org() -> Result<()> {
    let service = Service::salesforce().await?;
    let authority = service.authority().display().to_string();
    node("jsforce.mjs", &[("SALESFORCE", service.addresses[0].as_str()), ("NODE_EXTRA_CA_CERTS", &authority)]).await
}

/// salesforce-pubsub-api-client: subscribe, replay, publish, change data capture.
#[tokio::test]
async fn salesforce_pubsub_api_client_subscribes_replays_and_publishes() -> Result<()> {
    let service = Service::salesforce().await?;
    let authority = service.authority().display().to_string();
    let pubsub = service.addresses[1].trim_start_matches("https://").to_owned();
    let environment =
        [("SALESFORCE", service.addresses[0].as_str()), ("PUBSUB", &pubsub), ("NODE_EXTRA_CA_CERTS", &authority)];
    node("pubsub.mjs", &environment).await
}

/// b1sl-python, python-odata, pyodata, and the protocol as curl sees it.
#[tokio::test]
async fn service_layer_and_odata_clients_take_the_simulator_for_b1() -> Result<()> {
    let service = Service::b1().await?;
    let authority = service.authority().display().to_string();
    let environment =
        [("B1", service.addresses[0].as_str()), ("REQUESTS_CA_BUNDLE", &authority), ("SSL_CERT_FILE", &authority)];
    python("test_b1.py", &environment).await
}

/// The client generated from the published protocol, from crates.io: flow control, streams of publications, refusals.
#[tokio::test]
async fn generated_rust_client_keeps_to_flow_control() -> Result<()> {
    let service = Service::salesforce().await?;
    let token = service.token().await?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(std::fs::read(service.authority())?))
        .domain_name("localhost");
    let channel = Channel::from_shared(service.addresses[1].clone())?.tls_config(tls)?.connect().await?;
    let with_token = move |token: &str| {
        let token = token.to_owned();
        move |mut request: Request<()>| {
            for (name, value) in [("accesstoken", token.as_str()), ("instanceurl", "https://x"), ("tenantid", "00D")] {
                let value = MetadataValue::try_from(value).map_err(|e| tonic::Status::internal(e.to_string()))?;
                request.metadata_mut().insert(name, value);
            }
            Ok(request)
        }
    };
    let topic_name = "/event/Tandem_Change__e".to_owned();
    let mut stranger = PubSubClient::with_interceptor(channel.clone(), with_token("nonsense"));
    let refused = stranger.get_topic(TopicRequest { topic_name: topic_name.clone() }).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);

    let mut client = PubSubClient::with_interceptor(channel, with_token(&token));
    let topic = client.get_topic(TopicRequest { topic_name: topic_name.clone() }).await?.into_inner();
    assert!(topic.can_publish && topic.can_subscribe);
    let schema = client.get_schema(SchemaRequest { schema_id: topic.schema_id.clone() }).await?.into_inner();
    assert!(schema.schema_json.contains("Record_Id__c"));
    let unknown = client.get_topic(TopicRequest { topic_name: "/event/Nobody__e".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);

    // Ten events are published; five are asked for: five come, and the rest only when asked for.
    let http = service.client()?;
    for n in 0..10 {
        let body = format!(r#"{{"fields":{{"Record_Id__c":"006{n:015}","Object__c":"Opportunity"}}}}"#);
        let address = format!("{}/admin/publish", service.addresses[0]);
        http.post(address).header("content-type", "application/json").body(body).send().await?.error_for_status()?;
    }
    let (requests, outgoing) = tokio::sync::mpsc::channel(4);
    let ask = |count| FetchRequest {
        topic_name: topic_name.clone(),
        replay_preset: ReplayPreset::Earliest.into(),
        num_requested: count,
        ..FetchRequest::default()
    };
    requests.send(ask(5)).await?;
    let mut stream = client.subscribe(ReceiverStream::new(outgoing)).await?.into_inner();
    let first = stream.message().await?.expect("a response");
    assert_eq!((first.events.len(), first.pending_num_requested), (5, 0));
    let more = tokio::time::timeout(std::time::Duration::from_millis(300), stream.message()).await;
    assert!(more.is_err(), "no event that was not asked for");
    requests.send(ask(100)).await?;
    let second = stream.message().await?.expect("a response");
    assert_eq!((second.events.len(), second.pending_num_requested), (5, 95));
    let payload = second.events[0].event.clone().expect("an event").payload;

    // A stream of publications is answered one by one; a payload that does not fit is refused alone.
    let event = |payload: Vec<u8>, id: &str| ProducerEvent {
        id: id.into(),
        schema_id: topic.schema_id.clone(),
        payload,
        headers: Vec::new(),
    };
    let publish = |events| PublishRequest { topic_name: topic_name.clone(), events, auth_refresh: String::new() };
    let batches = vec![
        publish(vec![event(payload.clone(), "good"), event(b"nonsense".to_vec(), "bad")]),
        publish(vec![event(payload, "again")]),
    ];
    let mut answers = client.publish_stream(tokio_stream::iter(batches)).await?.into_inner();
    let answer = answers.message().await?.expect("an answer");
    assert!(answer.results[0].error.is_none() && answer.results[1].error.is_some());
    assert_eq!(answer.results[1].correlation_key, "bad");
    assert_eq!(answers.message().await?.expect("an answer").results.len(), 1);

    // Too much at once is refused.
    requests.send(ask(101)).await?;
    let refused = loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    Ok(())
}
