//! Both connections against a server that answers what a test says: what comes back to a caller, and what went out.

mod apart;
mod shared;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::Config;

/// One answer: status, headers, body.
struct Reply(u16, Vec<(&'static str, String)>, String);

fn reply(status: u16, body: impl ToString) -> Reply {
    Reply(status, Vec::new(), body.to_string())
}

impl Reply {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.1.push((name, value.to_owned()));
        self
    }

    /// After so long.
    fn slow(self, millis: u64) -> Self {
        self.with("X-Test-Slow", &millis.to_string())
    }

    fn text(&self) -> String {
        let headers: String = self.1.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {} Test\r\n{headers}Content-Length: {}\r\n\r\n{}", self.0, self.2.len(), self.2)
    }
}

/// A B1 and an org at one address, and what they were asked after the sign-in, in the order in which it was answered.
struct Served {
    connections: Connections,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Served {
    async fn by(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::after(Vec::new(), answer).await
    }

    /// The first sign-ins are answered with these, in turn.
    async fn after(sign_ins: Vec<Reply>, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer, instance) = (asked.clone(), Arc::new(answer), address.clone());
        let sign_ins = Arc::new(Mutex::new(VecDeque::from(sign_ins)));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(socket, noted.clone(), sign_ins.clone(), answer.clone(), instance.clone()));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        let file = folder.path().join("tandem.toml");
        let text = format!(
            "[b1.erp]\nurl = \"{address}/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = {{ file = \"secret\" }}\n\
             [salesforce.crm]\nlogin_url = \"{address}\"\nclient_id = \"c\"\nclient_secret = {{ file = \"secret\" }}\npubsub_url = \"{address}\"\n"
        );
        std::fs::write(&file, text).unwrap();
        Self { connections: connect(&Config::load(&file).unwrap()).unwrap(), asked }
    }

    async fn send(&self, connection: &str, call: Call) -> CallResult {
        self.connections[connection].send(call, 1 << 20).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn converse(
    mut socket: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    sign_ins: Arc<Mutex<VecDeque<Reply>>>,
    answer: Arc<impl Fn(&str) -> Reply>,
    instance: String,
) {
    let (mut buffer, mut text) = (vec![0; 1 << 16], String::new());
    loop {
        let Ok(read @ 1..) = socket.read(&mut buffer).await else { return };
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            continue;
        }
        let next_sign_in = || sign_ins.lock().unwrap().pop_front();
        let reply = if text.contains("/b1s/v2/Login") {
            next_sign_in().unwrap_or_else(|| reply(200, json!({ "SessionId": "a" })))
        } else if text.contains("/oauth2/token") {
            let token = json!({ "access_token": "t", "instance_url": instance, "id": "a/b/c" });
            next_sign_in().unwrap_or_else(|| reply(200, token))
        } else {
            let reply = answer(&text);
            if let Some((_, millis)) = reply.1.iter().find(|(name, _)| *name == "X-Test-Slow") {
                tokio::time::sleep(Duration::from_millis(millis.parse().unwrap())).await;
            }
            asked.lock().unwrap().push(text.clone());
            reply
        };
        text.clear();
        if socket.write_all(reply.text().as_bytes()).await.is_err() {
            return;
        }
    }
}

fn rename(path: &str, name: &str) -> Call {
    Call::write(Method::Patch, path, &json!({ "Name": name }))
}

const PARTNER: &str = "/BusinessPartners('C1')";
const ACCOUNT: &str = "/sobjects/Account/001000000000001AAA";

/// The answer to a `$batch`, part by part.
fn batch_answer(parts: &[&str]) -> Reply {
    let parts: String =
        parts.iter().map(|part| format!("--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 {part}\r\n")).collect();
    reply(202, format!("{parts}--b--\r\n")).with("Content-Type", "multipart/mixed; boundary=b")
}

#[tokio::test]
async fn a_redirect_is_no_success_on_either_side() {
    let served = Served::by(|_| reply(302, "").with("Location", "https://elsewhere.example/login?user=jane")).await;
    for (connection, path) in [("erp", PARTNER), ("crm", ACCOUNT)] {
        let made = served.send(connection, Call::write(Method::Post, path, &json!({}))).await.unwrap_err();
        assert!(matches!(made, CallError::Ambiguous(_)), "{connection}: {made:?}");
        assert!(made.to_string().contains("https://elsewhere.example"), "{made}");
        assert!(!made.to_string().contains("jane"), "{made}");
        let changed = served.send(connection, rename(path, "x")).await.unwrap_err();
        assert!(changed.is_passing(), "{connection}: {changed:?}");
        let read = served.send(connection, Call::get(path)).await.unwrap_err();
        assert!(matches!(read, CallError::Unreachable(_)), "{connection}: {read:?}");
    }
}

#[tokio::test]
async fn what_passes_at_a_sign_in_is_no_refusal_and_the_next_call_signs_in() {
    let lock = json!({ "error": { "code": "131", "message": "lock wait timeout (ODBC 131)" } });
    let b1 = vec![reply(400, lock), reply(429, ""), reply(502, "<html>"), reply(302, "")];
    let busy = json!({ "error": "server_error", "error_description": "busy" });
    let page = reply(403, "<html>blocked by the network</html>").with("Content-Type", "text/html");
    let salesforce = vec![reply(400, busy), reply(429, ""), page, reply(302, "")];
    for (connection, path, passing) in [("erp", PARTNER, b1), ("crm", ACCOUNT, salesforce)] {
        let count = passing.len();
        let served = Served::after(passing, |_| reply(200, json!({ "Id": "1" }))).await;
        let mut answers = Vec::new();
        while answers.len() <= count && !matches!(answers.last(), Some(Ok(_))) {
            answers.push(served.send(connection, Call::get(path)).await);
        }
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        let wrong: Vec<_> = errors.filter(|error| !matches!(error, CallError::Unreachable(_))).collect();
        assert!(wrong.is_empty() && matches!(answers.last(), Some(Ok(_))), "{connection}: {answers:?}");
    }
}

#[tokio::test]
async fn a_redirect_inside_a_batch_or_a_composite_call_is_no_success() {
    let served = Served::by(|text| match text {
        _ if text.contains("$batch") => batch_answer(&[
            "204 No Content\r\n\r\n",
            "302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n",
            "304 Not Modified\r\n\r\n",
        ]),
        _ => reply(200, json!({ "compositeResponse": [{ "httpStatusCode": 201, "body": {} }, { "httpStatusCode": 302, "body": null }] })),
    })
    .await;
    let calls = vec![rename("/Items('A')", "x"), rename("/Items('B')", "x"), rename("/Items('C')", "x")];
    let results = served.connections["erp"].send_all(calls, 1 << 20, Pace::AtOnce).await;
    assert!(results[0].is_ok(), "{results:?}");
    assert!(results[1..].iter().all(|result| matches!(result, Err(CallError::Ambiguous(_)))), "{results:?}");
    let mut call = rename(ACCOUNT, "x");
    call.atomic_with = vec![Part { method: Method::Post, path: "/sobjects/Task".into(), body: Some("{}".into()) }];
    let result = served.send("crm", call).await;
    assert!(matches!(result, Err(CallError::Remote { status: 302, .. })), "{result:?}");
}

#[tokio::test]
async fn an_answer_that_somebody_in_between_put_there_or_that_is_cut_off_is_none() {
    for (kind, body) in
        [("text/html; charset=utf-8", "<html>Sign in</html>"), ("application/json", "{\"value\":[{\"Ite")]
    {
        let served = Served::by(move |_| reply(200, body).with("Content-Type", kind)).await;
        for (connection, path) in [("erp", PARTNER), ("crm", ACCOUNT)] {
            let made = served.send(connection, Call::write(Method::Post, path, &json!({}))).await;
            assert!(matches!(made, Err(CallError::Ambiguous(_))), "{connection}: {made:?}");
            let read = served.send(connection, Call::get(path)).await;
            assert!(matches!(read, Err(CallError::Unreachable(_))), "{connection}: {read:?}");
        }
    }
}

#[tokio::test]
async fn unchanged_answers_only_a_read_that_asked_for_changes() {
    let served = Served::by(|_| reply(304, "")).await;
    for connection in ["erp", "crm"] {
        let mut call = Call::get("/Items");
        call.headers.push(("If-None-Match".into(), "W/\"1\"".into()));
        assert_eq!(served.send(connection, call).await.map(|answer| answer.status), Ok(304));
        assert!(served.send(connection, Call::get("/Items")).await.is_err());
        assert!(served.send(connection, rename("/Items('A')", "x")).await.is_err());
        assert_eq!(served.connections[connection].state(), BreakerState::Closed, "{connection} has answered");
    }
}

#[tokio::test]
async fn a_read_with_child_rows_is_whole_or_fails() {
    let lines =
        |next: &str| json!({ "totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{ "Id": "00k1" }] });
    let served = Served::by(move |text| {
        let rest = json!({ "totalSize": 2, "done": true, "records": [{ "Id": "00k2" }] });
        let opportunity = |next| json!({ "totalSize": 1, "done": true, "records": [{ "Id": "006", "OpportunityLineItems": lines(next) }] });
        match text {
            _ if text.contains("/query?q=whole") => reply(200, opportunity("/services/data/v64.0/query/01gA-199")),
            _ if text.contains("/query/01gA-199") => reply(200, rest),
            _ if text.contains("/query?q=cut") => reply(200, opportunity("/services/data/v64.0/query/01gB-199")),
            _ if text.contains("/query?q=empty") => reply(200, "{}"),
            _ => reply(400, json!([{ "errorCode": "INVALID_QUERY_LOCATOR", "message": "invalid query locator" }])),
        }
    })
    .await;
    let answer = served.send("crm", Call::get("/query?q=whole")).await.unwrap();
    let rows: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let lines = &rows["records"][0]["OpportunityLineItems"];
    assert_eq!(lines["records"], json!([{ "Id": "00k1" }, { "Id": "00k2" }]));
    assert_eq!(lines["done"], true);
    for cut in ["/query?q=cut", "/query?q=empty"] {
        let error = served.send("crm", Call::get(cut)).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn two_writes_of_one_record_in_one_list_keep_their_order() {
    let served = Served::by(|text| {
        let slow = if text.contains("first") { 200 } else { 0 };
        match text {
            _ if text.contains("$batch") => {
                let parts = vec!["204 No Content\r\n\r\n"; text.matches("PATCH ").count()];
                batch_answer(&parts).slow(slow)
            }
            _ if text.contains("/composite/sobjects") => {
                reply(200, json!([{ "success": true, "errors": [] }, { "success": true, "errors": [] }])).slow(slow)
            }
            _ => reply(204, "").slow(slow),
        }
    })
    .await;
    let same = [
        ("erp", PARTNER, "/BusinessPartners(CardCode='C1')", "/BusinessPartners('C2')"),
        ("crm", ACCOUNT, "/sobjects/Account/001000000000001", "/sobjects/Account/001000000000002AAA"),
    ];
    for (connection, one, again, other) in same {
        served.asked.lock().unwrap().clear();
        let calls = vec![rename(one, "first"), rename(again, "second"), rename(other, "third"), rename(one, "fourth")];
        let results = served.connections[connection].send_all(calls, 1 << 20, Pace::AtOnce).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let asked = served.asked();
        let request = |word: &str| asked.iter().position(|text| text.contains(word)).unwrap();
        assert!(request("first") < request("second") && request("second") < request("fourth"), "{asked:#?}");
        assert_eq!(request("first"), request("third"), "what writes other records goes out at once");
    }
}

#[tokio::test]
async fn a_later_write_does_not_overtake_one_whose_answer_was_lost() {
    let served = Served::by(|text| {
        let lost = text.contains("first");
        if lost { reply(502, "<html/>").with("Content-Type", "text/html") } else { reply(204, "") }
    })
    .await;
    for (connection, path) in [("erp", PARTNER), ("crm", ACCOUNT)] {
        served.asked.lock().unwrap().clear();
        let results = served.connections[connection]
            .send_all(vec![rename(path, "first"), rename(path, "second")], 1 << 20, Pace::AtOnce)
            .await;
        assert!(results.iter().all(|result| matches!(result, Err(error) if error.is_passing())), "{results:?}");
        assert!(!served.asked().iter().any(|text| text.contains("second")), "{connection}");
    }
}

#[tokio::test]
async fn a_write_whose_answer_is_too_large_is_ambiguous() {
    let served = Served::by(|text| match text {
        _ if text.contains("$batch") => {
            reply(202, "x".repeat(5_000)).with("Content-Type", "multipart/mixed; boundary=b")
        }
        _ if text.contains("small") => reply(200, "{}"),
        _ => reply(200, "x".repeat(5_000)),
    })
    .await;
    for connection in ["erp", "crm"] {
        for method in [Method::Post, Method::Patch] {
            let result = served.connections[connection].send(Call::write(method, "/X('A')", &json!({})), 1_000).await;
            assert!(matches!(result, Err(CallError::Ambiguous(_))), "{connection} {method:?}: {result:?}");
        }
        let result = served.connections[connection].send(Call::get("/X"), 1_000).await;
        assert_eq!(result, Err(CallError::TooLarge(1_000)), "what only reads may be asked for less");
    }
    let calls = vec![Call::get("/Items/small"), Call::get("/Items"), Call::write(Method::Post, "/Orders", &json!({}))];
    let results = served.connections["erp"].send_all(calls, 1_000, Pace::AtOnce).await;
    assert!(results[0].is_ok(), "alone it fits: {results:?}");
    assert_eq!(results[1], Err(CallError::TooLarge(1_000)));
    assert!(matches!(results[2], Err(CallError::Ambiguous(_))), "{results:?}");
}

#[tokio::test]
async fn the_answers_of_one_list_share_what_is_left_however_many_they_are() {
    let served = Served::by(|_| reply(200, format!("{{\"value\":[\"{}\"]}}", "x".repeat(5_000)))).await;
    let rest = std::sync::atomic::AtomicU64::new(22_000);
    let reads = (0..40).map(|n| Call::get(format!("/sobjects/Account/{n}"))).collect();
    let results = served.connections["crm"].send_all(reads, Limit::shared(6_000, &rest), Pace::AtOnce).await;
    let read: usize = results.iter().flatten().map(|answer| answer.body.len()).sum();
    assert!((5_000..=22_000).contains(&read), "{read} bytes in memory");
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|e| *e == CallError::TooLarge(6_000)));
    let write = Call::write(Method::Patch, "/sobjects/Account/1", &json!({}));
    let written = served.connections["crm"].send(write, Limit::shared(6_000, &rest)).await;
    assert!(written.is_ok(), "what became of a write is known: {written:?}");
}

#[tokio::test]
async fn a_header_or_path_that_no_request_can_carry_is_its_callers_fault_alone() {
    let served = Served::by(|_| reply(200, "{}")).await;
    for connection in ["erp", "crm"] {
        for value in ["\u{1}", "a\r\nb: c"] {
            let mut call = Call::get("/Items");
            call.headers.push(("If-Match".into(), value.into()));
            let results = served.connections[connection]
                .send_all(vec![call.clone(), Call::get("/Items")], 1 << 20, Pace::AtOnce)
                .await;
            assert!(matches!(results[0], Err(CallError::Invalid(_))), "{connection}: {results:?}");
            for _ in 0..5 {
                let result = served.send(connection, call.clone()).await;
                assert!(matches!(result, Err(CallError::Invalid(_))), "{connection}: {result:?}");
            }
        }
        let mut call = rename("/Items('A')", "x");
        call.atomic_with = vec![Part { method: Method::Post, path: "/U_T?\r\nIf-Match: *".into(), body: None }];
        for call in [call, Call::get("/Items?\nIf-Match: *")] {
            let result = served.send(connection, call).await;
            assert!(matches!(result, Err(CallError::Invalid(_))), "{connection}: {result:?}");
        }
        assert_eq!(served.connections[connection].state(), BreakerState::Closed);
    }
    assert!(served.asked().iter().all(|text| !text.contains("if-match") && !text.contains("If-Match")));
}

#[tokio::test]
async fn a_pause_that_a_system_asks_for_holds_all_calls_of_the_connection() {
    for (status, body) in [(429, ""), (503, "<html/>")] {
        let served =
            Served::by(move |_| reply(status, body).with("Retry-After", "300").with("Content-Type", "text/html")).await;
        for (connection, path) in [("erp", PARTNER), ("crm", ACCOUNT)] {
            served.asked.lock().unwrap().clear();
            assert!(served.send(connection, Call::write(Method::Post, path, &json!({}))).await.is_err());
            let BreakerState::Open(left) = served.connections[connection].state() else {
                panic!("{connection} is held")
            };
            assert!(left > Duration::from_secs(290) && left <= Duration::from_secs(300), "{left:?}");
            for _ in 0..3 {
                let result = served.send(connection, Call::get(path)).await;
                assert!(matches!(result, Err(CallError::Throttled(290_000..=300_000))), "{connection}: {result:?}");
            }
            assert_eq!(served.asked().len(), 1, "{connection}");
        }
    }
}

#[tokio::test]
async fn the_last_calls_of_the_day_are_left_to_the_orgs_people() {
    let served =
        Served::by(|_| reply(200, json!({ "records": [] })).with("Sforce-Limit-Info", "api-usage=14900/15000")).await;
    for n in 0..50 {
        let result = served.send("crm", Call::get("/query?q=x")).await;
        assert!(
            (n == 0) == result.is_ok() && (n == 0 || matches!(result, Err(CallError::Throttled(_)))),
            "{n}: {result:?}"
        );
    }
    assert_eq!(served.asked().len(), 1);
    assert!(matches!(served.connections["crm"].state(), BreakerState::Open(_)), "no flow takes events meanwhile");
}

#[tokio::test]
async fn an_error_holds_no_address_and_each_cause_once() {
    let client = transport::client(
        &Default::default(),
        super::proxy::Proxies::Direct,
        std::path::Path::new("."),
        Duration::from_secs(5),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dropped = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = socket.read(&mut buffer).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut").await;
    });
    let query = "/services/data/v64.0/query?q=SELECT+Id+FROM+Contact+WHERE+Email='jane@example.com'";
    let cut = transport::fetch(client.get(format!("http://{address}{query}")), 1_000).await.unwrap_err();
    dropped.await.unwrap();
    let refused = transport::fetch(client.get(format!("http://{address}{query}")), 1_000).await.unwrap_err();
    let unwritable = transport::fetch(client.get(format!("http://[{query}")), 1_000).await.unwrap_err();
    assert!(matches!(cut, CallError::Ambiguous(_)), "{cut:?}");
    assert!(matches!(refused, CallError::Unreachable(_)), "{refused:?}");
    assert!(matches!(unwritable, CallError::Invalid(_)), "{unwritable:?}");
    for error in [cut, refused, unwritable] {
        let text = error.to_string();
        assert!(!text.contains("jane") && !text.contains("services/data"), "{text}");
    }
}

#[tokio::test]
async fn a_failure_at_the_proxy_names_the_proxy_and_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let own = crate::config::ProxyConfig { url: proxy.clone(), user: None, password: None };
    let proxies = super::proxy::Proxies::new(Some(&own), std::path::Path::new("."), super::proxy::Proxies::Direct);
    let client =
        transport::client(&Default::default(), proxies.unwrap(), std::path::Path::new("."), Duration::from_secs(5));
    let client = client.unwrap();
    let ask = async || {
        let request = client.get("https://b1.invalid:50000/b1s/v2/Orders?$filter=CardName eq 'Miller'");
        let error = client.fetch(request, 1_000).await.unwrap_err();
        assert!(matches!(error, CallError::Unreachable(_)), "{error:?}");
        assert!(error.to_string().contains(&format!("the proxy {proxy}")), "{error}");
        assert!(!error.to_string().contains("Miller"), "{error}");
        error.to_string()
    };
    for (answer, told) in [
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "opens no way to the server"),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("HTTP/1.1 200 Connection established\r\n\r\n", "through the proxy"),
    ] {
        let answered = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            let _ = socket.read(&mut buffer).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        };
        let (error, ()) = tokio::join!(ask(), answered);
        assert!(error.contains(told), "{error}");
    }
    drop(listener);
    let error = ask().await;
    assert!(error.contains("is not reached") && error.contains("refused"), "{error}");
}

#[test]
fn a_missing_secret_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.toml");
    let text = "[b1.erp]\nurl = \"http://localhost/b1s/v2\"\ncompany = \"X\"\nuser = \"u\"\npassword = { env = \"TANDEM_TEST_UNSET\" }\n";
    std::fs::write(&file, text).unwrap();
    let Err(error) = connect(&Config::load(&file).unwrap()) else { panic!("there is no password") };
    for told in [format!("{:#}", anyhow::Error::from(error)), transport::chain(&Doubled(NotThere))] {
        assert!(told.matches("is not set").count() == 1, "{told}");
    }
}

/// An error that says its cause and hands it on as well.
#[derive(Debug, thiserror::Error)]
#[error("the setting: {0}")]
struct Doubled(#[source] NotThere);

#[derive(Debug, thiserror::Error)]
#[error("it is not set")]
struct NotThere;

#[test]
fn a_record_has_one_name_however_its_address_is_written() {
    let name = |method, path| b1::written(method, path);
    assert_eq!(
        name(Method::Patch, "/BusinessPartners('C%2F1')"),
        name(Method::Delete, "/BusinessPartners(CardCode='C/1')?x=1")
    );
    assert_eq!(name(Method::Post, "/Orders(12)/Close"), name(Method::Patch, "/Orders(12)"));
    assert_ne!(name(Method::Patch, "/Orders(12)"), name(Method::Patch, "/Orders(123)"));
    assert_eq!(name(Method::Post, "/Orders"), None);
    let name = |method, path, body| salesforce::written(method, path, body);
    assert_eq!(name(Method::Patch, "/sobjects/Account/001000000000001", None), name(Method::Delete, ACCOUNT, None));
    assert_eq!(
        name(Method::Patch, "/sobjects/Account/Code__c/c%201", None),
        name(Method::Patch, "/composite/sobjects/Account/Code__c", Some(r#"{"records":[{"Code__c":"C 1"}]}"#)),
    );
    assert_eq!(name(Method::Post, "/sobjects/Account", None), Vec::<String>::new());
}

/// The first try is lost, and nothing is reached by the others: it may be there.
#[tokio::test]
async fn a_change_that_was_perhaps_carried_out_is_not_told_as_one_that_was_not() {
    let served = Served::by(|_| reply(503, "[{\"errorCode\":\"SERVER_UNAVAILABLE\",\"message\":\"no\"}]")).await;
    let crm = &served.connections["crm"];
    let change = crm.send(rename(ACCOUNT, "first"), 1 << 20).await.unwrap_err();
    assert!(matches!(change, CallError::Unsettled(_)) && change.is_outage() && !change.is_for_nothing(), "{change:?}");
    let read = crm.send(Call::get(ACCOUNT), 1 << 20).await.unwrap_err();
    assert!(matches!(read, CallError::Unreachable(_)) && read.is_for_nothing(), "{read:?}");
}
