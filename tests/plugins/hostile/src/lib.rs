//! Does what the event's payload says: loop, bloat, trap, call what was not granted.

use tandem_sdk::{
    Batch, Description, Method, Outcome, Permission, Plugin, Slot, clock, events, from_json, http, log, mapping,
    random, request, storage, text, words,
};

struct Hostile;

impl Plugin for Hostile {
    fn describe() -> Description {
        let allow =
            |method, path: &str| Permission { slot: "b1".into(), method, path: path.into(), reason: "test".into() };
        Description {
            name: "hostile".into(),
            version: "0.1.0".into(),
            title: "Breaks every rule".into(),
            slots: vec![Slot { name: "b1".into(), kind: "b1".into() }],
            permissions: vec![allow(Method::Get, "/Items"), allow(Method::Post, "/U_NOWHERE")],
            topics: vec!["hostile".into(), "salesforce.Opportunity".into()],
            backfill: Vec::new(),
            batch: 0,
            concurrency: 0,
            timers: Vec::new(),
            settings_schema: r#"{"type":"object","properties":{}}"#.into(),
            default_mapping: String::new(),
            sections: Vec::new(),
            tools: Vec::new(),
        }
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        batch.events.iter().map(|event| act(text(&from_json(&event.payload), "do"), event.id)).collect()
    }
}

fn act(what: &str, id: u64) -> Outcome {
    match what {
        "loop" => loop {
            std::hint::black_box(0);
        },
        "bloat" => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
                std::hint::black_box(&hoard);
            }
        }
        "trap" => panic!("on purpose"),
        "calls" => loop {
            clock::now();
        },
        "log" => loop {
            log::log(log::Level::Info, &"x".repeat(10_000));
        },
        "emit" => {
            let mut count = 0;
            loop {
                count += 1;
                let emission = events::Emission {
                    topic: "hostile".into(),
                    key: "k".into(),
                    dedup: count.to_string(),
                    payload: "{}".into(),
                };
                if let Err(error) = events::emit(&emission) {
                    return Outcome::Done(format!("{error:?}"));
                }
            }
        }
        "forge" => {
            emit("b1.Items", "elsewhere", "erp:A1@2026-11-25 10:00:00", what);
            Outcome::Done("forged".into())
        }
        // Each event makes the next.
        "chain" => Outcome::Done(emit("hostile", &format!("chain-{id}"), &id.to_string(), what)),
        // Texts that stay with the host, each within its own limit.
        "hoard" => {
            let source = format!("\"{}\"", "x".repeat(8 << 20));
            for _ in 0..60 {
                let _ = mapping::apply("none", &source);
            }
            Outcome::Done("hoarded".into())
        }
        "store" => {
            for index in 0.. {
                if storage::set(&format!("k{index}"), &format!("\"{}\"", "x".repeat(100_000))).is_err() {
                    return Outcome::Done(format!("full after {index}"));
                }
            }
            Outcome::Done("never full".into())
        }
        "large request" => {
            let body = tandem_sdk::json!({ "Code": "x".repeat(5 << 20) });
            call(request("b1", Method::Post, "/U_NOWHERE", Some(&body), ""))
        }
        "large response" => call(request("b1", Method::Get, "/Items", None, "")),
        "ungranted" => call(request("b1", Method::Get, "/BusinessPartners", None, "")),
        "batch" => call(request("b1", Method::Post, "/$batch", None, "")),
        "climb" => call(request("b1", Method::Get, "/Items/../BusinessPartners", None, "")),
        "headers" => {
            let mut request = request("b1", Method::Get, "/Items", None, "");
            request.headers.push(http::Header { name: "Cookie".into(), value: "B1SESSION=stolen".into() });
            call(request)
        }
        "random" => Outcome::Done(format!("{:?} {}", random::bytes(4), clock::now())),
        _ => Outcome::Done("well behaved".into()),
    }
}

fn emit(topic: &str, key: &str, dedup: &str, what: &str) -> String {
    let payload = tandem_sdk::json!({ "do": what }).to_string();
    let emission = events::Emission { topic: topic.into(), key: key.into(), dedup: dedup.into(), payload };
    format!("{:?}", events::emit(&emission))
}

fn call(request: http::Request) -> Outcome {
    match http::send(&request) {
        Ok(_) => Outcome::Done("answered".into()),
        Err(error) => Outcome::Done(words(&error)),
    }
}

tandem_sdk::export!(Hostile with_types_in tandem_sdk::bindings);
