//! Requests that runs share: see `salesforce/shared.rs`.

use serde_json::Value;

use super::*;

pub(super) const OPPORTUNITY: &str = "/sobjects/Opportunity/006000000000001AAA";

/// What is asked for, as the org sees it: method, path and query below the version, body.
pub(super) type Asked<'a> = (&'a str, &'a str, &'a Value);

/// An org that answers each call with status and body, one that comes inside of a composite call like one that comes alone.
pub(super) fn org(answer: impl Fn(Asked<'_>) -> (u16, Value)) -> impl Fn(&str) -> Reply {
    move |text| {
        let (method, address) = first_line(text);
        let body = body_of(text);
        let Some(subrequests) = body["compositeRequest"].as_array() else {
            let (status, body) = answer((method, below(address), &body));
            return reply(status, if body.is_null() { String::new() } else { body.to_string() });
        };
        let rows = subrequests.iter().map(|one| {
            let (status, body) =
                answer((one["method"].as_str().unwrap(), below(one["url"].as_str().unwrap()), &one["body"]));
            json!({ "body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": one["referenceId"] })
        });
        reply(200, json!({ "compositeResponse": rows.collect::<Vec<_>>() }))
    }
}

fn first_line(text: &str) -> (&str, &str) {
    let mut words = text.split(' ');
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

fn body_of(text: &str) -> Value {
    serde_json::from_str(text.split_once("\r\n\r\n").map_or("", |(_, body)| body)).unwrap_or_default()
}

fn below(address: &str) -> &str {
    address.splitn(5, '/').nth(4).map_or("", |rest| &address[address.len() - rest.len() - 1..])
}

/// A query is answered with its own text, so that everybody knows whose answer it has; a collection with success.
pub(super) fn content((method, path, body): Asked<'_>) -> (u16, Value) {
    match (method, body["records"].as_array()) {
        ("GET", _) => (200, json!({ "totalSize": 1, "done": true, "records": [{ "Name": path }] })),
        (_, Some(rows)) => {
            (200, rows.iter().map(|row| json!({ "id": row["id"], "success": true, "errors": [] })).collect())
        }
        _ => (204, Value::Null),
    }
}

impl Served {
    /// One run's calls.
    pub(super) async fn run(&self, calls: Vec<Call>, pace: Pace) -> Vec<CallResult> {
        self.connections["crm"].send_all(calls, 1_000, pace).await
    }

    /// Runs of one call each, all at once.
    pub(super) async fn runs(&self, calls: Vec<Call>) -> Vec<CallResult> {
        let runs = calls.into_iter().map(|call| self.run(vec![call], Pace::WithOthers));
        futures_util::future::join_all(runs).await.into_iter().flatten().collect()
    }

    /// Method and path below the version of each request, and how many calls share it.
    pub(super) fn requests(&self) -> Vec<(String, usize)> {
        let request = |text: &String| {
            let (method, address) = first_line(text);
            let shared = body_of(text)["compositeRequest"].as_array().map_or(1, Vec::len);
            (format!("{method} {}", below(address)), shared)
        };
        self.asked().iter().map(request).collect()
    }
}

pub(super) fn read(name: &str) -> Call {
    Call::get(format!("/query?q={name}"))
}

fn name_in(result: &CallResult) -> String {
    let body: Value = serde_json::from_str(&result.as_ref().unwrap().body).unwrap();
    body["records"][0]["Name"].as_str().unwrap().to_owned()
}

pub(super) fn shared(calls: usize) -> (String, usize) {
    ("POST /composite".to_owned(), calls)
}

pub(super) fn alone(request: &str) -> (String, usize) {
    (request.to_owned(), 1)
}

#[tokio::test]
async fn calls_of_several_runs_share_one_request_and_each_has_its_own_answer() {
    let served = Served::by(org(content)).await;
    let results = served.runs(vec![read("a"), rename(ACCOUNT, "x"), read("b")]).await;
    assert_eq!((name_in(&results[0]), name_in(&results[2])), ("/query?q=a".into(), "/query?q=b".into()));
    let written = results[1].as_ref().unwrap();
    assert_eq!((written.status, written.body.as_str()), (204, ""), "as if it had gone alone");
    assert_eq!(served.requests(), [shared(3)]);
    let body = body_of(&served.asked()[0]);
    assert_eq!((&body["allOrNone"], &body["collateSubrequests"]), (&json!(false), &json!(false)));
}

#[tokio::test]
async fn one_refused_among_five_is_its_callers_error_alone() {
    let refusal = json!([{ "errorCode": "MALFORMED_QUERY", "message": "unexpected token" }]);
    let served = Served::by(org(move |asked| match asked.1 {
        "/query?q=wrong" => (400, refusal.clone()),
        _ => content(asked),
    }))
    .await;
    let calls = vec![read("a"), rename(ACCOUNT, "x"), read("wrong"), rename(OPPORTUNITY, "y"), read("b")];
    let results = served.runs(calls).await;
    for (place, result) in results.iter().enumerate() {
        let refused = matches!(result, Err(CallError::Remote { status: 400, code, .. }) if code == "MALFORMED_QUERY");
        assert!(if place == 2 { refused } else { result.is_ok() }, "{place}: {result:?}");
    }
    assert_eq!(served.requests(), [shared(5), alone("GET /query?q=wrong")], "its refusal is heard from the org itself");
}

#[tokio::test]
async fn a_collection_with_a_refused_row_is_sent_again_by_itself() {
    let served = Served::by(|text: &str| {
        let together = text.contains("compositeRequest");
        org(move |asked: Asked<'_>| match content(asked) {
            (status, Value::Array(mut rows)) if together => {
                rows[1] = json!({ "success": false, "errors": [{ "statusCode": "APEX", "message": "Too many SOQL queries" }] });
                (status, rows.into())
            }
            other => other,
        })(text)
    })
    .await;
    let two = vec![rename(ACCOUNT, "x"), rename("/sobjects/Account/001000000000002AAA", "x")];
    let (written, other) = tokio::join!(served.run(two, Pace::WithOthers), served.runs(vec![read("a")]));
    assert!(
        written.iter().chain(&other).all(Result::is_ok),
        "what the others brought about is not its error: {written:?}"
    );
    assert_eq!(served.requests(), [shared(2), alone("PATCH /composite/sobjects")]);
}

/// Two runs in turn, before an org that answers what they share with 400 and this body: each gets its answers, and no more is shared.
async fn asked_apart(refusal: Value) {
    let served = Served::by(move |text: &str| match text {
        _ if text.contains("compositeRequest") => reply(400, refusal.clone()),
        _ => org(content)(text),
    })
    .await;
    for _ in 0..2 {
        let results = served.runs(vec![read("a"), rename(ACCOUNT, "x")]).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    let together = served.requests().iter().filter(|(_, calls)| *calls > 1).count();
    assert_eq!((together, served.requests().len()), (1, 5));
}

/// Salesforce tells its errors in a list, where its answers are objects.
#[tokio::test]
async fn a_request_that_is_refused_with_a_list_of_errors_is_asked_apart_too() {
    asked_apart(json!([{ "errorCode": "API_DISABLED", "message": "no" }])).await;
}

#[tokio::test]
async fn a_request_that_is_refused_as_a_whole_is_asked_apart_and_no_more_are_shared_for_now() {
    let body = json!([{ "errorCode": "LIMIT_EXCEEDED", "message": "no" }]);
    let row = json!({ "body": body, "httpStatusCode": 400, "referenceId": null });
    asked_apart(json!({ "compositeResponse": [row] })).await;
}

#[tokio::test]
async fn a_lost_answer_of_a_shared_request_leaves_each_with_what_its_own_call_comes_to() {
    // All is lost but what reads `a` alone.
    let served = Served::by(|text: &str| match text {
        _ if text.starts_with("GET") && text.contains("q=a") => org(content)(text),
        _ => reply(502, "<html/>").with("Content-Type", "text/html"),
    })
    .await;
    let results = served.runs(vec![read("a"), read("b"), rename(ACCOUNT, "x")]).await;
    assert_eq!(name_in(&results[0]), "/query?q=a");
    assert!(matches!(results[1], Err(CallError::Unreachable(_))), "a read changes nothing: {results:?}");
    assert!(matches!(results[2], Err(CallError::Unsettled(_))), "a write that may be repeated for ever: {results:?}");
    assert_eq!(served.requests()[0], shared(3));
    assert!(served.requests()[1..].iter().all(|(_, calls)| *calls == 1), "{:?}", served.requests());
}

#[tokio::test]
async fn an_answer_too_large_is_asked_apart_and_blamed_on_the_one_that_is() {
    let large = "x".repeat(10_000);
    let served = Served::by(org(move |asked| match asked.1 {
        "/query?q=large" => (200, json!({ "done": true, "records": [{ "Name": large }] })),
        "/query?q=fits" => (200, json!({ "done": true, "records": [{ "Name": "x".repeat(900) }] })),
        _ => content(asked),
    }))
    .await;
    let results = served.runs(vec![read("fits"), read("large"), read("a")]).await;
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert_eq!(results[1], Err(CallError::TooLarge(1_000)), "as large as its own limit allows");
}

#[tokio::test]
async fn a_read_that_somebody_waits_for_does_not_wait() {
    let served = Served::by(org(content)).await;
    let urgent = served.run(vec![read("urgent")], Pace::AtOnce);
    let (followers, urgent) = tokio::join!(served.runs(vec![read("a"), rename(ACCOUNT, "x")]), urgent);
    assert!(followers.iter().all(Result::is_ok));
    assert_eq!(name_in(&urgent[0]), "/query?q=urgent");
    assert_eq!(served.requests(), [alone("GET /query?q=urgent"), shared(2)]);
}

#[tokio::test]
async fn a_write_that_somebody_waits_for_takes_along_those_that_wait_for_others_and_is_done_first() {
    let served = Served::by(org(content)).await;
    // What stays does so before the write is looked at.
    let urgent = served.run(vec![rename(OPPORTUNITY, "urgent")], Pace::AtOnce);
    let (followers, urgent) = tokio::join!(served.runs(vec![read("a"), rename(ACCOUNT, "x")]), urgent);
    assert!(followers.iter().chain(&urgent).all(Result::is_ok));
    assert_eq!(served.requests(), [shared(3)]);
    let first = &body_of(&served.asked()[0])["compositeRequest"][0];
    assert!(first["url"].as_str().unwrap().ends_with(OPPORTUNITY), "{first}");
}

#[tokio::test]
async fn writes_of_one_record_keep_their_order_in_shared_requests_too() {
    let served = Served::by(org(content)).await;
    let calls = vec![rename(ACCOUNT, "first"), rename(ACCOUNT, "second"), rename(ACCOUNT, "third")];
    let (results, _) = tokio::join!(served.run(calls, Pace::WithOthers), served.runs(vec![read("a"), read("b")]));
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let asked = served.asked();
    let request = |word: &str| asked.iter().position(|text| text.contains(word)).unwrap();
    assert!(request("first") < request("second") && request("second") < request("third"), "{asked:#?}");
    assert_eq!(served.requests()[0], shared(3));
}

#[tokio::test]
async fn no_request_is_larger_than_the_org_allows() {
    let served = Served::by(org(content)).await;
    let results = served.runs((0..12).map(|n| read(&n.to_string())).collect()).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(name_in(result), format!("/query?q={n}"));
    }
    let sizes: Vec<usize> = served.requests().into_iter().map(|(_, calls)| calls).collect();
    assert!(sizes.iter().all(|calls| *calls <= 5) && sizes.len() <= 4, "{sizes:?}");
    served.asked.lock().unwrap().clear();
    let record = |n: usize| rename(&format!("/sobjects/Account/001{n:012}AAA"), "x");
    assert!(served.runs((0..30).map(record).collect()).await.iter().all(Result::is_ok));
    let sizes: Vec<usize> = served.requests().into_iter().map(|(_, calls)| calls).collect();
    assert_eq!(sizes, [25, 5]);
}

#[tokio::test]
async fn a_write_that_somebody_waits_for_takes_no_long_work_along() {
    let served = Served::by(org(content)).await;
    let many =
        |from: usize| (from..from + 14).map(|n| rename(&format!("/sobjects/Account/001{n:012}AAA"), "x")).collect();
    let urgent = served.run(vec![rename(OPPORTUNITY, "urgent")], Pace::AtOnce);
    let (one, other, urgent) =
        tokio::join!(served.run(many(0), Pace::WithOthers), served.run(many(14), Pace::WithOthers), urgent);
    assert!(one.iter().chain(&other).chain(&urgent).all(Result::is_ok));
    let rows = |text: &String| text.matches("attributes").count();
    let requests: Vec<usize> = served.asked().iter().map(rows).collect();
    assert_eq!(requests, [14, 14], "fourteen records at once, fourteen later: {:?}", served.requests());
    assert_eq!(served.requests()[0], shared(2));
}

#[tokio::test]
async fn what_may_not_be_sent_twice_or_read_otherwise_in_a_shared_request_goes_alone_and_at_once() {
    let served = Served::by(org(content)).await;
    let mut paged = read("paged");
    paged.headers.push(("Sforce-Query-Options".into(), "batchSize=200".into()));
    let calls = vec![
        Call::write(Method::Post, "/sobjects/Case", &json!({ "Subject": "new" })),
        rename(ACCOUNT, "@{call0.records[0].Name}"),
        read("@%7Bcall0.id}"),
        // Taken off twice, its escapes would ask for something else.
        read("Name%20LIKE%20%27a%25%27"),
        read("Email%3D%27a%2Bb%40example.com%27"),
        read("Name%3D%27A%26B%27"),
        read("Name%3D%27M%C3%BCller%27"),
        paged,
        Call::get("/sobjects/Account/describe"),
        Call { method: Method::Delete, ..Call::get(OPPORTUNITY) },
    ];
    let most = calls.len();
    let _ = tokio::join!(served.runs(calls), served.runs(vec![read("a"), read("b")]));
    let requests = served.requests();
    assert_eq!(requests.iter().filter(|(_, calls)| *calls == 1).count(), most, "{requests:?}");
    assert_eq!(requests.last(), Some(&shared(2)), "those that can share are last, as they waited");
}

#[tokio::test]
async fn a_shared_read_is_whole_too() {
    let next = "/services/data/v64.0/query/01gA-2000";
    let served = Served::by(org(move |asked| match asked.1 {
        "/query?q=long" => {
            (200, json!({ "totalSize": 2, "done": false, "nextRecordsUrl": next, "records": [{ "Id": 1 }] }))
        }
        "/query/01gA-2000" => (200, json!({ "totalSize": 2, "done": true, "records": [{ "Id": 2 }] })),
        "/query?q=empty" => (200, json!({})),
        _ => content(asked),
    }))
    .await;
    let results = served.runs(vec![read("long"), read("empty"), read("a")]).await;
    let body: Value = serde_json::from_str(&results[0].as_ref().unwrap().body).unwrap();
    assert_eq!(body["records"], json!([{ "Id": 1 }, { "Id": 2 }]));
    assert!(matches!(results[1], Err(CallError::Unreachable(_))), "no answer is not the same as no rows: {results:?}");
}

#[tokio::test]
async fn what_a_run_that_has_ended_waited_with_is_not_sent() {
    let served = Served::by(org(content)).await;
    let ended = tokio::time::timeout(Duration::from_millis(50), served.runs(vec![rename(ACCOUNT, "ended")]));
    let (ended, others) = tokio::join!(ended, served.runs(vec![read("a"), read("b")]));
    assert!(ended.is_err() && others.iter().all(Result::is_ok));
    assert!(!served.asked().iter().any(|text| text.contains("ended")));
    assert_eq!(served.requests(), [shared(2)]);
}
