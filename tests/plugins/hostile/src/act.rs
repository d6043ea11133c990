//! What an event asks this plugin to do.

use tandem_sdk::{
    Batch, LinkQuery, Method, Outcome, Retry, ReviewRequest, Side, clock, events, from_json, http, links, log, mapping,
    random, request, review, schedule, storage, text, words,
};

use crate::role;

/// One outcome for each event, but where one asks for less or more.
pub fn all(batch: &Batch) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for event in &batch.events {
        let payload = from_json(&event.payload);
        match text(&payload, "do") {
            "no outcome" => {}
            "two outcomes" => outcomes.extend(["one", "two"].map(|what| Outcome::Done(what.into()))),
            what => outcomes.push(act(what, event.id)),
        }
    }
    outcomes
}

fn act(what: &str, id: u64) -> Outcome {
    let done = |text: String| Outcome::Done(text);
    match what {
        "loop" => spin(),
        "bloat" => hoard(),
        "recurse" => done(deeper(1).to_string()),
        "trap" => panic!("on purpose"),
        "calls" => loop {
            clock::now();
        },
        "log" => loop {
            log::log(log::Level::Info, &"x".repeat(10_000));
        },
        "forged line" => {
            log::log(log::Level::Info, "a\n2026-01-01T00:00:00Z ERROR forged: all is lost\r\u{1b}[2J\u{202e}b");
            done("logged".into())
        }
        "emit" => {
            let mut count = 0;
            loop {
                count += 1;
                if let Err(error) = emit(role::name(), "k", &count.to_string(), "nothing") {
                    return done(format!("{error:?}"));
                }
            }
        }
        "forge" => {
            let _ = emit("b1.Items", "elsewhere", "erp:A1@2026-11-25 10:00:00", what);
            done("forged".into())
        }
        "forge timer" => {
            let _ = emit("timer.night", "elsewhere", "1", what);
            done("forged".into())
        }
        // Each event makes the next.
        "chain" => done(format!("{:?}", emit(role::name(), &format!("chain-{id}"), &id.to_string(), what))),
        // Each event makes one for another flow, which makes one for this.
        "ping" => done(format!("{:?}", emit("pong", &format!("ping-{id}"), &id.to_string(), "pong"))),
        "pong" => done(format!("{:?}", emit("hostile", &format!("pong-{id}"), &id.to_string(), "ping"))),
        // Each event makes many, each of which makes many.
        "fan" => {
            for n in 0..900 {
                if let Err(error) = emit(role::name(), &format!("fan-{id}-{n}"), &format!("{id}-{n}"), what) {
                    return done(format!("{error:?}"));
                }
            }
            done("fanned".into())
        }
        "wake" => {
            for n in 0..900 {
                schedule::wake(0, &format!("wake-{id}-{n}"), r#"{"do":"wake"}"#);
            }
            done("woken".into())
        }
        "wake ever" => {
            schedule::wake(0, "past", "{}");
            schedule::wake(u64::MAX, "future", "{}");
            done("planned".into())
        }
        // Texts that stay with the host, each within its own limit.
        "hoard" => {
            let source = format!("\"{}\"", "x".repeat(800 << 10));
            for _ in 0..60 {
                let _ = mapping::apply("none", &source);
            }
            done("hoarded".into())
        }
        "journal" => {
            let key = "k".repeat(900);
            for _ in 0..1_000_000 {
                storage::get(&key);
            }
            done("journaled".into())
        }
        // A text that is many values: each takes far more room than its letters.
        "many values" => {
            let source = format!("{{\"a\":[{}0]}}", "0,".repeat(6 << 20));
            done(format!("{:?}", mapping::apply("none", &source).map_err(|error| error.message)))
        }
        "store" => {
            for index in 0.. {
                if storage::set(&format!("k{index}"), &format!("\"{}\"", "x".repeat(100_000))).is_err() {
                    return done(format!("full after {index}"));
                }
            }
            done("never full".into())
        }
        "fill" => {
            for index in 0..25 {
                let _ = storage::set(&format!("fill-{id}-{index}"), &format!("\"{}\"", "x".repeat(1_000_000)));
            }
            done("filled".into())
        }
        "scan" => {
            let mut bytes = 0;
            for _ in 0..20 {
                bytes += storage::scan("fill-", 10_000).iter().map(|entry| entry.value.len()).sum::<usize>();
            }
            done(format!("scanned {bytes}"))
        }
        "long key" => done(format!("{:?}", storage::set(&"k".repeat(1 << 20), "1"))),
        "links" => {
            for n in 0..1_000_000 {
                put("own", &format!("flood-{id}-{n}"), "{}");
            }
            done("linked".into())
        }
        "large link" => {
            put("own", "large", &format!("\"{}\"", "x".repeat(900_000)));
            done("linked".into())
        }
        "long link" => {
            put("own", &"1".repeat(1 << 20), "{}");
            done("linked".into())
        }
        // The same link over and over, in one call.
        "find" => {
            let found = links::find_all("own", Side::B1, &vec!["large".to_owned(); 2_000]);
            done(format!("found {}", found.len()))
        }
        "forge link" => {
            put("order", "1", "{}");
            done("forged".into())
        }
        "large request" => {
            let body = tandem_sdk::json!({ "Code": "x".repeat(5 << 20) });
            call(request("b1", Method::Post, "/U_NOWHERE", Some(&body), ""))
        }
        "large response" => get("/Items"),
        "ungranted" => get("/BusinessPartners"),
        "batch" => call(request("b1", Method::Post, "/$batch", None, "")),
        "climb" => get("/Items/../BusinessPartners"),
        "paths" => smuggled(&[
            "/Items/../BusinessPartners",
            "/Items/%2e%2e/BusinessPartners",
            "/Items/%252e%252e/BusinessPartners",
            "/Items/..;/BusinessPartners",
            "//evil.example/Items",
            "/Items//x",
            "http://evil.example/Items",
            "@evil.example/Items",
            ":8080/Items",
            "\\\\evil.example\\Items",
            "/Items\r\nX-Evil: 1",
            "/Items%0d%0aX-Evil: 1",
            "/Items\u{0}",
            "/Items#x",
            "/Items%3f$top=1",
            "/Items%2f..%2fUsers",
            "/items",
            "/Items ",
            " /Items",
            "/$batch",
            "/Login",
            "",
        ]),
        "queries" => smuggled(&[
            "/Items?a=1\r\nX-Evil: 1",
            "/Items?a=1 HTTP/1.1\r\n\r\nDELETE /b1s/v2/Orders(1) HTTP/1.1",
            "/Items?a#b",
            "/Items?a\u{2028}b",
            "/Items?a\u{0}b",
            "/BusinessPartners?x=/Items",
        ]),
        "headers" => header("Cookie", "B1SESSION=stolen"),
        "split header" => header("Prefer", "a\r\nCookie: B1SESSION=stolen"),
        "method header" => header("X-HTTP-Method-Override", "DELETE"),
        "header name" => header("Prefer: a\r\nCookie", "B1SESSION=stolen"),
        "ungranted probe" => {
            let mut request = request("b1", Method::Post, "/U_NOWHERE", Some(&tandem_sdk::json!({})), "");
            request.probe = Some(http::Probe { path: "/BusinessPartners".into(), found: "/value/0".into() });
            call(request)
        }
        "ungranted part" => {
            let mut request = request("b1", Method::Post, "/U_NOWHERE", Some(&tandem_sdk::json!({})), "");
            let part = http::Part { method: Method::Delete, path: "/Orders(1)".into(), body: None };
            request.atomic_with.push(part);
            call(request)
        }
        "not json" => {
            let mut request = request("b1", Method::Post, "/U_NOWHERE", None, "");
            request.body = Some("{ not json".into());
            call(request)
        }
        "many calls" => {
            let one = request("b1", Method::Get, "/Items", None, "");
            done(format!("answered {}", http::send_all(&vec![one; 100_000]).len()))
        }
        // An effect is on its way, and then there is no plugin any more.
        "trap after write" => {
            let body = tandem_sdk::json!({ "Code": "after" });
            let _ = http::send(&request("b1", Method::Post, "/U_NOWHERE", Some(&body), "after"));
            panic!("after the write")
        }
        "trap after set" => {
            let _ = storage::set("never", "1");
            put("own", "never", "{}");
            panic!("after the set")
        }
        "was set" => done(format!("{:?} {}", storage::get("never"), links::find("own", Side::B1, "never").is_some())),
        "long text" => done("x".repeat(20 << 20)),
        "long reason" => ask(&"y".repeat(20 << 20), "null", vec!["retry".into()]),
        "strange text" => done("a\u{0}b\u{1b}[2J\nc\u{202e}d".into()),
        "strange reason" => ask("a\u{0}b\u{1b}[2J\nc\u{202e}d", "null", vec!["\u{1b}[2J".into()]),
        "choices" => ask("which", "null", (0..10_000).map(|n| format!("choice {n}")).collect()),
        "detail" => ask("look", &format!("{{\"a\":{}", "[".repeat(200_000)), vec!["retry".into()]),
        "many details" => ask("look", &format!("{{\"a\":[{}0]}}", "0,".repeat(4 << 20)), vec!["retry".into()]),
        "reviews" => {
            for n in 0..1_000_000 {
                review::raise(&format!("006{id}{n}"), &question("again", "null", vec!["retry".into()]));
            }
            done("asked".into())
        }
        "retry never" => Outcome::Retry(Retry { after_ms: u64::MAX, why: "never".into() }),
        "wait ever" => {
            let (kind, id) = ("own".into(), format!("never-{id}"));
            Outcome::Wait(LinkQuery { kind, side: Side::B1, id, deadline_ms: u64::MAX })
        }
        "wait long" => {
            let (kind, id) = ("k".repeat(1 << 20), "i".repeat(1 << 20));
            Outcome::Wait(LinkQuery { kind, side: Side::B1, id, deadline_ms: 1_000 })
        }
        "random" => done(format!("{:?} {}", random::bytes(4), clock::now())),
        _ => done("well behaved".into()),
    }
}

/// For ever.
pub fn spin() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

/// All the memory there is.
pub fn hoard() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![1; 1 << 20]);
        std::hint::black_box(&hoard);
    }
}

/// Down without an end.
pub fn deeper(n: u64) -> u64 {
    let room = std::hint::black_box([n; 64]);
    if room[7] == 0 { 0 } else { deeper(room[7] + 1) + room[9] }
}

fn emit(topic: &str, key: &str, dedup: &str, what: &str) -> Result<(), events::Error> {
    let payload = tandem_sdk::json!({ "do": what }).to_string();
    events::emit(&events::Emission { topic: topic.into(), key: key.into(), dedup: dedup.into(), payload })
}

fn put(kind: &str, id: &str, base: &str) {
    let link = links::Link { kind: kind.into(), b1_id: id.into(), salesforce_id: id.into(), base: base.into() };
    links::put(&link);
}

fn question(reason: &str, detail: &str, choices: Vec<String>) -> ReviewRequest {
    ReviewRequest { reason: reason.into(), detail: detail.into(), choices }
}

fn ask(reason: &str, detail: &str, choices: Vec<String>) -> Outcome {
    Outcome::Review(question(reason, detail, choices))
}

fn get(path: &str) -> Outcome {
    call(request("b1", Method::Get, path, None, ""))
}

fn header(name: &str, value: &str) -> Outcome {
    let mut request = request("b1", Method::Get, "/Items", None, "");
    request.headers.push(http::Header { name: name.into(), value: value.into() });
    call(request)
}

fn call(request: http::Request) -> Outcome {
    match http::send(&request) {
        Ok(_) => Outcome::Done("answered".into()),
        Err(error) => Outcome::Done(words(&error)),
    }
}

/// Which of these addresses were asked for.
fn smuggled(paths: &[&str]) -> Outcome {
    let through = |path: &&&str| {
        let answer = http::send(&request("b1", Method::Get, **path, None, ""));
        !matches!(answer, Err(http::Error::Denied(_)))
    };
    let through: Vec<&&str> = paths.iter().filter(through).collect();
    Outcome::Done(format!("{} of {} went through: {through:?}", through.len(), paths.len()))
}
