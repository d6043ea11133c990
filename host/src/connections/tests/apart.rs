//! What calls that share a request do to each other: nothing. See `salesforce/shared.rs`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::shared::*;
use super::*;

/// True the first time.
fn once() -> impl Fn() -> bool {
    let done = AtomicBool::new(false);
    move || !done.swap(true, Ordering::Relaxed)
}

fn is_shared(text: &str) -> bool {
    text.contains("compositeRequest")
}

fn has_shared(served: &Served) -> usize {
    served.requests().iter().filter(|(_, calls)| *calls > 1).count()
}

#[tokio::test]
async fn the_end_of_the_run_that_sends_for_others_leaves_them_their_answers() {
    let served = Served::by(|text: &str| org(content)(text).slow(if is_shared(text) { 1_000 } else { 0 })).await;
    // The first to wait is the first to send, after 400 ms; its run is cut off while the answer is on its way.
    let first = tokio::time::timeout(Duration::from_millis(700), served.runs(vec![rename(ACCOUNT, "first")]));
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        served.runs(vec![read("a"), rename(OPPORTUNITY, "x")]).await
    };
    let (first, others) = tokio::join!(first, others);
    assert!(first.is_err() && others.iter().all(Result::is_ok), "{others:?}");
    assert_eq!(served.requests(), [shared(3)], "nothing is sent twice: an older write would come after a newer one");
}

#[tokio::test]
async fn after_a_lost_shared_request_calls_go_apart_for_a_while() {
    let first = once();
    let served = Served::by(move |text: &str| match is_shared(text) && first() {
        true => reply(502, "<html/>").with("Content-Type", "text/html"),
        false => org(content)(text),
    })
    .await;
    for _ in 0..2 {
        let results = served.runs(vec![read("a"), rename(ACCOUNT, "x")]).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
    assert_eq!(has_shared(&served), 1, "whatever brought it about does so once: {:?}", served.requests());
}

#[tokio::test]
async fn a_write_that_had_to_wait_for_others_takes_none_along_for_a_while() {
    let served = Served::by(|text: &str| org(content)(text).slow(if is_shared(text) { 2_100 } else { 0 })).await;
    for _ in 0..2 {
        let urgent = served.run(vec![rename(OPPORTUNITY, "urgent")], Pace::AtOnce);
        let (one, urgent) = tokio::join!(served.runs(vec![read("slow")]), urgent);
        assert!(one.iter().chain(&urgent).all(Result::is_ok), "{one:?} {urgent:?}");
    }
    let mut requests = served.requests();
    requests[1..].sort();
    let urgent = format!("PATCH {OPPORTUNITY}");
    assert_eq!(requests, [shared(2), alone("GET /query?q=slow"), alone(&urgent)]);
}

#[tokio::test]
async fn a_write_that_somebody_waits_for_takes_a_few_calls_along_and_no_more() {
    let served = Served::by(org(content)).await;
    let record = |n: usize| rename(&format!("/sobjects/Account/001{n:012}AAA"), "x");
    let urgent = served.run(vec![rename(OPPORTUNITY, "urgent")], Pace::AtOnce);
    let (others, urgent) = tokio::join!(served.runs((0..12).map(record).collect()), urgent);
    assert!(others.iter().chain(&urgent).all(Result::is_ok));
    assert_eq!(served.requests(), [shared(6), shared(7)]);
}

#[tokio::test]
async fn what_one_run_has_left_to_read_is_no_others_business() {
    let large = |asked: Asked<'_>| match asked.1 {
        path if path.starts_with("/query?q=large") => {
            (200, json!({ "done": true, "records": [{ "Name": "x".repeat(600) }] }))
        }
        _ => content(asked),
    };
    let served = Served::by(org(large)).await;
    let rest = AtomicU64::new(1_500);
    let greedy = (0..3).map(|n| read(&format!("large{n}"))).collect();
    let greedy = served.connections["crm"].send_all(greedy, Limit::shared(1_000, &rest), Pace::WithOthers);
    let (greedy, other) = tokio::join!(greedy, served.runs(vec![read("large3"), read("a")]));
    assert!(other.iter().all(Result::is_ok), "{other:?}");
    let bytes: usize = greedy.iter().flatten().map(|answer| answer.body.len()).sum();
    assert!((1..=1_500).contains(&bytes), "{bytes} bytes");
    assert!(greedy.iter().filter_map(|result| result.as_ref().err()).all(|e| *e == CallError::TooLarge(1_000)));
    assert!(greedy.iter().any(Result::is_err));
    let write =
        served.connections["crm"].send_all(vec![rename(ACCOUNT, "x")], Limit::shared(1_000, &rest), Pace::WithOthers);
    let (write, _) = tokio::join!(write, served.runs(vec![read("b")]));
    assert!(write[0].is_ok(), "what became of a write is known: {write:?}");
}

#[tokio::test]
async fn a_token_that_is_gone_is_renewed_for_all_or_for_one() {
    let gone = || json!([{ "errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid" }]);
    let (all, one) = (once(), once());
    let inside = org(move |asked| match asked.1 {
        "/query?q=gone" if one() => (401, gone()),
        _ => content(asked),
    });
    let served =
        Served::by(move |text: &str| if is_shared(text) && all() { reply(401, gone()) } else { inside(text) }).await;
    let results = served.runs(vec![read("gone"), rename(ACCOUNT, "x"), read("a")]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(served.requests(), [shared(3), shared(3), alone("GET /query?q=gone")]);
}

#[tokio::test]
async fn a_limit_that_is_reached_holds_all_of_a_shared_request_without_asking_again() {
    let served = Served::by(|_: &str| reply(429, "").with("Retry-After", "300")).await;
    let results = served.runs(vec![read("a"), rename(ACCOUNT, "x"), read("b")]).await;
    assert!(results.iter().all(|result| matches!(result, Err(CallError::Throttled(_)))), "{results:?}");
    assert_eq!(served.requests(), [shared(3)]);
    let limit = json!([{ "errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded." }]);
    let served = Served::by(org(move |asked| match asked.1 {
        "/query?q=a" => (403, limit.clone()),
        _ => content(asked),
    }))
    .await;
    let results = served.runs(vec![read("a"), rename(ACCOUNT, "x"), read("b")]).await;
    assert!(matches!(results[0], Err(CallError::Throttled(_))), "said inside, it counts as said alone: {results:?}");
    assert!(results[1..].iter().all(Result::is_ok), "{results:?}");
    assert!(matches!(served.connections["crm"].state(), BreakerState::Open(_)));
}

#[tokio::test]
async fn an_answer_that_says_done_for_fewer_than_were_asked_or_for_others_is_none() {
    let row = json!({ "httpStatusCode": 204, "body": null, "referenceId": "call1" });
    for wrong in [json!([]), json!([row, row])] {
        let served = Served::by(move |text: &str| match is_shared(text) {
            true => reply(200, json!({ "compositeResponse": wrong })),
            false => org(content)(text),
        })
        .await;
        let results = served.runs(vec![rename(ACCOUNT, "x"), rename(OPPORTUNITY, "y")]).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        assert_eq!(served.requests().len(), 3, "each by itself");
    }
}
