//! Plugins that mean harm, or were damaged on their way: each is contained, named, and no neighbour's loss. What a plugin does while it is
//! loaded, what it says of itself, and what it does once it runs. How fast the neighbours stay is measured in `tests/bench`.

mod damaged;
mod raw;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::World;

/// Each of these takes a whole core, and looks at how long others wait.
static TURNS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

/// The most memory that the host may ever have held, in MB. The bench shows what it is in a release build.
#[cfg(target_os = "linux")]
fn assert_modest(world: &World) -> Result<()> {
    // A debug build holds some 50 MB more, and how much of it at once is a matter of luck.
    const MOST_MB: u64 = if cfg!(debug_assertions) { 400 } else { 300 };
    let id = world.host_id().unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak = peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(u64::MAX) / 1024;
    println!("the host's memory at its peak: {peak} MB");
    assert!(peak < MOST_MB, "the host held {peak} MB");
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn assert_modest(_: &World) -> Result<()> {
    Ok(())
}

/// One line that moves no cursor, and no longer than anyone reads.
pub fn assert_plain(text: &str) {
    let plain = |c: char| {
        !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    assert!(text.chars().all(plain), "{text:?}");
    assert!(text.len() < 3_000, "{} letters: {}", text.len(), &text[..200]);
}

/// Adds a flow of that name for each of these plugins.
fn add_flows<'a>(world: &World, names: impl IntoIterator<Item = &'a str>, lines: &str) -> Result<()> {
    let config = world.folder().join("tandem.toml");
    let mut text = std::fs::read_to_string(&config)?;
    for name in names {
        text.push_str(&format!(
            "\n[flows.{name}]\nplugin = \"{name}\"\nconnections = {{ b1 = \"erp\", s = \"crm\" }}\n{lines}\n"
        ));
    }
    Ok(std::fs::write(&config, text)?)
}

fn put_plugin(world: &World, name: &str, code: &[u8]) -> Result<()> {
    Ok(std::fs::write(world.folder().join(format!("plugins/{name}.wasm")), code)?)
}

/// What each says of itself, and a word of why it is not taken.
const LIES: [(&str, &str); 24] = [
    ("loops", "` was broken: more than"),
    ("hoards", "memory_mb"),
    ("recurses", "out of bounds"),
    ("traps", "trapped"),
    ("calls", "describe must not call the host"),
    ("logs", "` was broken: more than"),
    ("topics", "topics has 1000000 entries"),
    ("title", "title"),
    ("permissions", "permissions has 100000 entries"),
    ("twins", "two timers are called t"),
    ("never", "never comes"),
    ("escape-title", "control characters"),
    ("escape-version", "control characters"),
    ("escape-topic", "control characters"),
    ("deep", "settings-schema"),
    ("mapping", "line 3"),
    ("climbs", "it must not climb"),
    ("tools-twice", "a tool called \"look\""),
    ("tools-many", "200 tools; at most 50"),
    ("tools-escape", "title: a line of at most"),
    ("tools-long", "description: a text of at most"),
    ("tools-name", "a tool called \"../show\""),
    ("tools-loop", "` was broken: more than"),
    ("tools-call", "describe must not call the host"),
];

/// Components by hand: name, imports, pages of memory, items, a word of why they are not taken.
fn by_hand() -> Vec<(&'static str, &'static str, u32, String, &'static str)> {
    let describe = |body: &str| format!("(func (export \"describe\") (result i32) {body})");
    let sleep =
        "(import \"wasi:clocks/monotonic-clock@0.2.6\" \"subscribe-duration\" (func $wait (param i64) (result i32)))";
    vec![
        (
            "start-loops",
            "",
            1,
            format!("(func $f (loop (br 0))) (start $f) {}", describe("(call $say)")),
            "` was broken: more than",
        ),
        (
            "not-utf8",
            "",
            1,
            format!(
                "(data (i32.const 3000) \"\\ff\\fe\") {}",
                describe(
                    "(drop (call $say)) (i32.store (i32.const 216) (i32.const 3000)) (i32.store (i32.const 220) (i32.const 2)) (i32.const 200)",
                )
            ),
            "utf-8",
        ),
        (
            "outside",
            "",
            1,
            describe(
                "(drop (call $say)) (i32.store (i32.const 216) (i32.const -8)) (i32.store (i32.const 220) (i32.const 7)) (i32.const 200)",
            ),
            "out of bounds",
        ),
        (
            "endless-list",
            "",
            1,
            describe(
                "(drop (call $say)) (i32.store (i32.const 240) (i32.const 0)) (i32.store (i32.const 244) (i32.const 0x0fffffff)) (i32.const 200)",
            ),
            "bounds",
        ),
        ("nowhere", "", 1, describe("(i32.const -4)"), "bounds"),
        ("large-memory", "", 1_500, describe("(call $say)"), "memory_mb"),
        ("large-table", "", 1, format!("(table 5000000 funcref) {}", describe("(call $say)")), "table"),
        ("many-memories", "", 1, format!("{} {}", "(memory 1)".repeat(30), describe("(call $say)")), "memories"),
        (
            "sleeps",
            "import wasi:clocks/monotonic-clock@0.2.6;",
            1,
            format!(
                "{sleep} (import \"wasi:io/poll@0.2.6\" \"[method]pollable.block\" (func $block (param i32))) {}",
                describe("(call $block (call $wait (i64.const 0x7fffffffffffffff))) (call $say)"),
            ),
            "run_seconds",
        ),
        (
            "many-resources",
            "import wasi:clocks/monotonic-clock@0.2.6;",
            1,
            format!("{sleep} {}", describe("(loop (drop (call $wait (i64.const 1))) (br 0)) (call $say)"),),
            "table has no free keys",
        ),
        (
            "much-chance",
            "import wasi:random/random@0.2.6;",
            1,
            format!(
                "(import \"wasi:random/random@0.2.6\" \"get-random-bytes\" (func $bytes (param i64 i32))) {}",
                describe("(call $bytes (i64.const 0xfffffffff) (i32.const 8)) (call $say)"),
            ),
            "exceeds limit",
        ),
        (
            "exits",
            "import wasi:cli/exit@0.2.6;",
            1,
            format!(
                "(import \"wasi:cli/exit@0.2.6\" \"exit\" (func $exit (param i32))) (func $\"evil\\1b[2J\\0aforged\" (call $exit (i32.const 1))) {}",
                describe("(call $\"evil\\1b[2J\\0aforged\") (call $say)"),
            ),
            "exit",
        ),
        (
            "unknown-import",
            "import evil:host/files@1.0.0;",
            1,
            format!(
                "(import \"evil:host/files@1.0.0\" \"read\" (func $read)) {}",
                describe("(call $read) (call $say)"),
            ),
            "evil:host/files",
        ),
    ]
}

#[tokio::test]
async fn whatever_a_plugin_does_while_it_is_loaded_is_named_and_no_neighbour_waits_for_it() -> Result<()> {
    let _turn = TURNS.acquire().await?;
    let mut world = World::new().await?;
    let mut expected: Vec<(String, &str)> = Vec::new();
    for (lie, why) in LIES {
        put_plugin(&world, lie, &raw::hostile(lie, lie)?)?;
        expected.push((lie.to_owned(), why));
    }
    for (name, imports, pages, items, why) in by_hand() {
        put_plugin(&world, name, &raw::component(name, imports, pages, &items)?)?;
        expected.push((name.to_owned(), why));
    }
    let whole = raw::hostile("whole", "")?;
    for (name, code, why) in [
        ("empty", Vec::new(), "not a WebAssembly component"),
        ("text", b"#!/bin/sh\nrm -rf /\n".to_vec(), "not a WebAssembly component"),
        ("half", whole[..whole.len() / 2].to_vec(), "not a WebAssembly component"),
        ("module", wat::parse_str("(module)")?, "not a WebAssembly component"),
        ("no-exports", wat::parse_str("(component)")?, "does not fit the contract"),
        ("vast", vec![0; 200 << 20], "larger than"),
        ("misnamed", whole.clone(), "calls itself"),
    ] {
        put_plugin(&world, name, &code)?;
        expected.push((name.to_owned(), why));
    }
    add_flows(&world, expected.iter().map(|(name, _)| name.as_str()), "")?;

    let started = Instant::now();
    world.start()?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_all_told(&[id], Duration::from_secs(60)).await?;
    let first = started.elapsed();
    println!("the neighbour's first order: {} ms after the start", first.as_millis());

    let url = format!("{}/readyz", world.console);
    let held = async |world: &World| {
        let (_, told) = world.send("GET", &url, &Value::Null).await?;
        let all = expected.iter().all(|(name, _)| told["flows"][name]["state"] == "held");
        Ok(all.then_some(told))
    };
    let told = world.until("each to be held", Duration::from_secs(90), held).await?;
    println!("all are held {} ms after the start", started.elapsed().as_millis());
    let list = world.tandem_raw(&["--json", "plugin", "list"]).await?;
    let list: Value = serde_json::from_str(&list.1)?;
    let mut wrong = Vec::new();
    for (name, why) in &expected {
        let reason = told["flows"][name]["why"].as_str().unwrap_or_default();
        let row = list.as_array().into_iter().flatten().find(|row| row["name"] == name.as_str());
        let listed = row.and_then(|row| row["error"].as_str()).unwrap_or_default();
        println!("{name}: {reason}");
        for text in [reason, listed] {
            assert_plain(text);
            if !text.contains(why) || !text.contains(&format!("{name}.wasm")) {
                wrong.push(format!("{name}: not {why:?} but {text:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let log = world.log();
    for (name, _) in &expected {
        let lines = log.lines().filter(|line| line.contains(&format!("{name}.wasm"))).count();
        // One that takes long where the machine is busy is tried again, and told again.
        assert!((1..=4).contains(&lines), "{name}: {lines} lines of the log");
    }
    let ids = world.opportunities(10).await?;
    for id in &ids {
        world.win(id).await?;
    }
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await?;
    assert_modest(&world)
}

/// A host with the orders flow and two hostile ones that may emit and link.
async fn with_two() -> Result<World> {
    let mut world = World::new().await?;
    for name in ["hostile", "pong"] {
        put_plugin(&world, name, &raw::hostile(name, "modest")?)?;
    }
    let limits =
        "limits = { cpu_ms = 1500, run_seconds = 20, storage_bytes = 60000000, brought_about = 1500, wakes = 2000 }";
    add_flows(&world, ["hostile", "pong"], &format!("batch = 8\n{limits}"))?;
    for name in ["hostile", "pong"] {
        world.tandem(&["plugin", "grant", name, "--yes"]).await?;
    }
    world.up().await?;
    Ok(world)
}

fn key(n: usize) -> String {
    format!("006HOSTILE{n:08}")
}

/// Tells both flows to do `what` with a record of its own.
async fn tell(world: &World, n: usize, what: &str) -> Result<()> {
    let change =
        json!({ "Record_Id__c": key(n), "Object__c": "Opportunity", "Event_Id__c": format!("h{n}"), "do": what });
    assert_eq!(world.webhook(&change).await?, 202);
    Ok(())
}

/// What became of it in the flow `hostile`: its state, and why.
async fn became(world: &World, n: usize, what: &str, states: &[&str]) -> Result<(String, Value)> {
    let ended = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--key", &key(n)]).await?;
        let event = events[0].clone();
        let state = event["state"].as_str().unwrap_or_default().to_owned();
        Ok(states.contains(&state.as_str()).then_some((state, event)))
    };
    world.until(what, Duration::from_secs(40), ended).await
}

const ENDED: [&str; 3] = ["review", "done", "rejected"];

#[tokio::test]
async fn whatever_a_plugin_does_in_a_run_is_named_and_its_neighbours_make_every_order() -> Result<()> {
    let _turn = TURNS.acquire().await?;
    let world = with_two().await?;
    let mut orders = Vec::new();
    let mut wrong = Vec::new();
    for (n, (what, state, says)) in [
        ("loop", "review", "` was broken: more than"),
        ("bloat", "review", "memory_mb"),
        ("recurse", "review", "out of bounds"),
        ("trap", "review", "trapped"),
        ("calls", "review", "host_calls"),
        ("log", "review", "log_bytes"),
        ("emit", "review", "emitted_events"),
        ("forge", "review", "told by the host's own sources"),
        ("forge timer", "review", "told by the host's own sources"),
        ("forge link", "review", "/links/order on `tandem` was not granted"),
        ("hoard", "review", "run_bytes"),
        ("journal", "review", "run_bytes"),
        ("many values", "done", "larger than"),
        ("store", "review", "run_bytes"),
        ("long key", "review", "a key of storage has 1048576 bytes"),
        ("links", "review", "host_calls"),
        ("long link", "review", "an id of a link has 1048576 bytes"),
        ("large link", "done", "linked"),
        ("find", "review", "run_bytes"),
        ("ungranted", "done", "was not granted to hostile"),
        ("batch", "done", "the host packs calls itself"),
        ("climb", "done", "must not climb"),
        ("paths", "done", "0 of 22 went through"),
        ("queries", "done", "0 of 6 went through"),
        ("headers", "done", "not a plugin's to set"),
        ("split header", "done", "not one line of plain text"),
        ("method header", "done", "not a plugin's to set"),
        ("header name", "done", "not a plugin's to set"),
        ("ungranted probe", "done", "was not granted"),
        ("ungranted part", "done", "was not granted"),
        ("not json", "done", "not JSON"),
        ("large request", "done", "larger than"),
        ("many calls", "review", "host_calls"),
        ("trap after write", "review", "trapped"),
        ("trap after set", "review", "trapped"),
        ("was set", "done", "None false"),
        ("no outcome", "review", "0 outcomes for 1 events"),
        ("two outcomes", "review", "2 outcomes for 1 events"),
        ("long text", "done", "xxxx"),
        ("long reason", "review", "yyyy"),
        ("strange text", "done", "c"),
        ("strange reason", "review", "c"),
        ("choices", "review", "choices"),
        ("detail", "review", "look"),
        ("many details", "review", "detail"),
        ("reviews", "review", "emitted_events"),
        ("wait long", "review", "link"),
        ("wake ever", "done", "planned"),
        ("forged line", "done", "logged"),
    ]
    .into_iter()
    .enumerate()
    {
        tell(&world, 2 * n, what).await?;
        let id = world.opportunities(1).await?.remove(0);
        world.win(&id).await?;
        orders.push(id);
        let (found, event) = became(&world, 2 * n, what, &ENDED).await?;
        let reason = event["reason"].as_str().unwrap_or_default();
        if found != state || !reason.contains(says) {
            let reason: String = reason.chars().take(300).collect();
            wrong.push(format!("{what}: not {state} {says:?} but {found} {reason:?}"));
        }
        if reason.len() > 5_000 || event.to_string().len() > 300_000 {
            wrong.push(format!("{what}: {} bytes of reason, {} of the event", reason.len(), event.to_string().len()));
        }
        // Five runs that fail one after the other would have the flow left alone for a while.
        tell(&world, 2 * n + 1, "nothing").await?;
        became(&world, 2 * n + 1, "nothing", &ENDED).await?;
    }
    for (n, (what, state)) in [("retry never", "ready"), ("wait ever", "waiting")].into_iter().enumerate() {
        tell(&world, 1_000 + n, what).await?;
        became(&world, 1_000 + n, what, &[state]).await?;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for line in world.log().lines() {
        assert!(line.len() < 20_000, "a line of {} letters: {}", line.len(), &line[..500]);
        let parsed: Value = serde_json::from_str(line)?;
        assert!(!parsed["fields"]["message"].as_str().unwrap_or_default().starts_with("forged"), "{line}");
    }
    for command in [&["events", "list", "--limit", "500"][..], &["review", "list"]] {
        let (_, shown, _) = world.tandem_raw(command).await?;
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!shown.contains(bad), "{command:?}: {:?}", shown.chars().find(|c| bad(*c)));
    }
    world.until_all_told(&orders, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&orders).await?;
    assert_modest(&world)
}

#[tokio::test]
async fn what_multiplies_by_itself_comes_to_an_end() -> Result<()> {
    let _turn = TURNS.acquire().await?;
    let world = with_two().await?;
    let mut orders = Vec::new();
    for (n, what) in ["chain", "ping", "fan", "wake", "fill", "fill", "scan"].into_iter().enumerate() {
        tell(&world, n, what).await?;
        let id = world.opportunities(1).await?.remove(0);
        world.win(&id).await?;
        orders.push(id);
    }
    world.until_all_told(&orders, Duration::from_secs(60)).await?;
    world.assert_exactly_once(&orders).await?;
    // Nothing that one event brought about goes on for ever, nor fills the store.
    let db = rusqlite::Connection::open_with_flags(
        world.folder().join("data/tandem.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )?;
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let emitted = count("SELECT count(*) FROM events WHERE topic IN ('hostile', 'pong')")?;
    let (woken, planned) =
        (count("SELECT count(*) FROM events WHERE topic = 'timer.wake'")?, count("SELECT count(*) FROM wakes")?);
    println!("{emitted} events emitted, {woken} woken, {planned} planned");
    assert!(emitted < 12_000, "{emitted} events were emitted");
    assert!(planned <= 2 * 4_000, "{planned} wake-ups are planned");
    assert!(woken < 60_000, "{woken} events were woken");
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_modest(&world)
}
