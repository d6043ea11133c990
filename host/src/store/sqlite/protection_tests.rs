//! The embedded store's promises about people's data: less is kept where less is wanted, what is forgotten is gone, what is sealed opens with its key.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::store::sql::{NONE, values};
use crate::store::*;

const NAME: &str = "Maierhofer";

fn event(flow: &str, key: &str, payload: Value) -> NewEvent {
    NewEvent {
        kind: "salesforce.Contact".into(),
        flow: flow.into(),
        topic: "salesforce.Contact".into(),
        key: key.into(),
        dedup: format!("{key}-{}", crate::time::fresh_trace()),
        payload: payload.to_string(),
        trace: "0".repeat(32),
        haste: Haste::AtOnce,
        held: None,
    }
}

fn call(seq: u32, subject: &str, body: Value) -> JournalEntry {
    let request =
        json!({ "slot": "b1", "method": "PATCH", "path": "/BusinessPartners('C1')", "body": body.to_string() });
    JournalEntry {
        seq,
        item: 0,
        kind: "http".into(),
        subject: subject.into(),
        request: request.to_string(),
        response: json!({ "sent": { "status": 200, "body": body.to_string() } }).to_string(),
        state: CallState::Done,
        at: 1,
        took: None,
    }
}

fn anna() -> Value {
    json!({ "Id": "003A", "FirstName": "Anna", "LastName": NAME, "Name": format!("Anna {NAME}"), "Email": "anna@maierhofer.example" })
}

fn silent() -> Progress {
    Arc::new(|_, _| {})
}

/// Whom a record is, where it is one.
async fn whom(store: &SqliteStore, record: &str) -> Whom {
    let mut found = store.meant(record, None).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn forget(store: &SqliteStore, record: &str, how: Forget) -> Forgotten {
    store.forget(whom(store, record).await, how, silent()).await.unwrap()
}

fn link(kind: &str, b1: &str, salesforce: &str, base: Value) -> LinkWrite {
    LinkWrite::Put(Link {
        scope: "erp|crm".into(),
        kind: kind.into(),
        b1_id: b1.into(),
        salesforce_id: salesforce.into(),
        base: base.to_string(),
    })
}

/// What B1 told of a record.
fn told(topic: &str, key: &str, payload: Value) -> NewEvent {
    let topic = format!("b1.{topic}");
    let dedup = format!("erp:{key}@{}", crate::time::fresh_trace());
    NewEvent { kind: topic.clone(), topic, dedup, ..event("accounts", key, payload) }
}

async fn newest(store: &SqliteStore, key: &str) -> Event {
    let filter = EventFilter { key: Some(key.into()), limit: 1, ..EventFilter::default() };
    store.events(filter).await.unwrap().remove(0)
}

async fn append(store: &SqliteStore, events: Vec<NewEvent>) {
    store.append(Intake { events, ..Intake::default() }).await.unwrap();
}

/// Runs what is due of a flow, with this journal; each event ends as it is told.
async fn run(store: &SqliteStore, flow: &str, journal: Vec<JournalEntry>, end: impl Fn(&Event) -> Verdict) -> Run {
    let run = store.lease(flow, "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    let verdicts = run.events.iter().map(|event| (event.id, end(event))).collect();
    store.finish(run.id, Finish { verdicts, journal, ..Finish::default() }).await.unwrap();
    run
}

fn done(_: &Event) -> Verdict {
    Verdict::Done(format!("changed Anna {NAME}"))
}

/// What the file, its log, and its packed journals hold.
async fn all_bytes(store: &SqliteStore, path: &Path) -> String {
    let mut text = String::new();
    for ending in ["", "-wal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        if let Ok(bytes) = std::fs::read(PathBuf::from(file)) {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    let runs: Vec<i64> =
        store.read(|db| db.prepare("SELECT run FROM packed").all(NONE, |row| row.get(0))).await.unwrap();
    for run in runs {
        for entry in store.journal_read(RunId(run)).await.unwrap() {
            text.push_str(&format!("{entry:?}"));
        }
    }
    text.to_lowercase()
}

fn at(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("tandem.db")
}

fn open(folder: &tempfile::TempDir) -> SqliteStore {
    SqliteStore::open(&at(folder), Access::Host).unwrap()
}

#[tokio::test]
async fn less_is_kept_of_what_is_finished_and_all_of_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let keeps = BTreeMap::from([("hashed".to_owned(), Kept::Hashed), ("none".to_owned(), Kept::Ids)]);
    for flow in ["hashed", "none", "whole"] {
        append(&store, vec![event(flow, "003A", anna()), event(flow, "003B", json!({ "Name": "Bert Asks" }))]).await;
        let journal = vec![call(0, "003A", anna())];
        let asks = |event: &Event| match event.key.as_str() {
            "003A" => done(event),
            _ => Verdict::Review(Question::retry_or_ignore("which?".into())),
        };
        let first = run(&store, flow, journal.clone(), asks).await;
        store.pack(&keeps).await.unwrap();
        let [anna_now, bert_now] = [0, 1].map(|place| first.events[place].id);
        let own = store.event(anna_now).await.unwrap().unwrap();
        assert_eq!(store.event(bert_now).await.unwrap().unwrap().kept, Kept::Whole, "{flow}: it waits for an answer");
        let kept = keeps.get(flow).copied().unwrap_or_default();
        assert_eq!(own.kept, kept);
        assert_eq!(own.payload.contains(NAME), kept.is_whole(), "{flow}: {}", own.payload);
        assert_eq!(own.reason.unwrap().contains(NAME), kept.is_whole(), "{flow}");
        assert_eq!(
            store.journal_read(first.id).await.unwrap(),
            journal,
            "{flow}: another event of the run is not finished"
        );

        assert!(store.retry(bert_now, None, crate::time::now()).await.unwrap());
        let second = run(&store, flow, vec![], |_| Verdict::Reject("never".into())).await;
        store.pack(&keeps).await.unwrap();
        let journal = store.journal_read(first.id).await.unwrap();
        match kept {
            Kept::Whole => assert!(journal[0].request.contains(NAME)),
            Kept::Hashed => {
                assert!(
                    journal[0].request.contains("/BusinessPartners('C1')") && !format!("{journal:?}").contains(NAME)
                );
            }
            _ => assert!(journal.is_empty()),
        }
        assert_eq!(store.run(first.id).await.unwrap().unwrap().kept, kept);
        let retried = store.retry(second.events[0].id, None, crate::time::now()).await.unwrap();
        assert_eq!(retried, kept.is_whole(), "{flow}: what is not kept is not run again");
        let words = |words: &str| Search {
            words: Some(words.into()),
            in_payloads: true,
            flows: Some(vec![flow.into()]),
            limit: 10,
            ..Search::default()
        };
        assert_eq!(store.find(words("anna")).await.unwrap().len(), usize::from(kept.is_whole()), "{flow}");
    }
}

#[tokio::test]
async fn each_flow_is_pruned_by_its_own_days() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    for flow in ["short", "long"] {
        append(&store, vec![event(flow, "003A", anna())]).await;
        run(&store, flow, vec![], done).await;
    }
    let soon = crate::time::now() + 1_000;
    let retention = Retention { of_flows: BTreeMap::from([("short".to_owned(), soon)]), ..Retention::of(0, u64::MAX) };
    assert_eq!(store.prune(&retention).await.unwrap(), Pruned { runs: 1, events: 1 });
    let left = store.events(EventFilter { limit: 10, ..EventFilter::default() }).await.unwrap();
    assert_eq!(left.iter().map(|event| event.flow.as_str()).collect::<Vec<_>>(), ["long"]);
}

#[tokio::test]
async fn a_person_who_is_forgotten_is_nowhere_in_the_file_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    append(
        &store,
        vec![
            event("accounts", "003A", anna()),
            event("accounts", "003B", json!({ "Id": "003B", "FirstName": "Anna", "LastName": "Other" })),
        ],
    )
    .await;
    let link = Link {
        scope: "erp|crm".into(),
        kind: "contact".into(),
        b1_id: "C1:17".into(),
        salesforce_id: "003A".into(),
        base: anna().to_string(),
    };
    let leased = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    let finish = Finish {
        verdicts: leased.events.iter().map(|event| (event.id, done(event))).collect(),
        journal: vec![call(0, "003A", anna()), call(1, "003B", json!({ "Id": "003B", "Name": "Anna Other" }))],
        links: vec![LinkWrite::Put(link)],
        storage: vec![StorageWrite::Set(
            "left".into(),
            json!({ "mail": "anna@maierhofer.example", "n": 7 }).to_string(),
        )],
        ..Finish::default()
    };
    store.finish(leased.id, finish).await.unwrap();
    // An order of somebody else that names her, and one that is not finished.
    let order = json!({ "Id": "006A", "Contact": { "Id": "003A", "Name": format!("Anna {NAME}") }, "Amount": 5 });
    append(&store, vec![event("orders", "006A", order.clone())]).await;
    let of_order = run(&store, "orders", vec![call(0, "006A", order.clone())], done).await;
    store
        .note_put(of_order.events[0].id, Note { note: Some(format!("call Anna {NAME}")), ..Note::default() })
        .await
        .unwrap();
    append(&store, vec![event("orders", "006B", order)]).await;
    for why in [format!("Anna {NAME} asked for it"), "as agreed".into()] {
        store.act(Act { why: Some(why), ..Act::new("boss", Via::Session, "review.note", "event 3") }).await.unwrap();
    }
    let head = store.trail_head().await.unwrap().unwrap().head;
    store.pack(&BTreeMap::new()).await.unwrap();
    assert!(all_bytes(&store, &at(&folder)).await.contains("maierhofer"));
    assert_eq!(store.dossier(whom(&store, "003A").await, silent()).await.unwrap().events.len(), 1);

    let counted = |told: &Forgotten| (told.events, told.named_in, told.journals, told.links, told.storage, told.notes);
    let rehearsed = forget(&store, "003A", Forget::Rehearse).await;
    assert_eq!(
        counted(&rehearsed),
        (0, 2, 0, 0, 1, 1),
        "what she is found by stays while an order is open: {rehearsed:?}"
    );
    assert_eq!((rehearsed.stays.open_named_in.len(), rehearsed.stays.kept_back), (1, 4));
    assert!(all_bytes(&store, &at(&folder)).await.contains("maierhofer"), "nothing was changed");

    // The open one is finished meanwhile.
    run(&store, "orders", vec![], done).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    let rehearsed = forget(&store, "003A", Forget::Rehearse).await;
    assert_eq!(counted(&rehearsed), (1, 3, 2, 1, 1, 1), "{rehearsed:?}");
    let gone = forget(&store, "003A", Forget::ForGood).await;
    assert!(gone.wiped && gone.stays.open_named_in.is_empty() && gone.stays.links == 1, "{gone:?}");
    assert_eq!((rehearsed.acts, gone.acts, gone.stays.acts), (1, 1, 0));
    let verdict = crate::store::trail::verify(&store, vec![head.parse().unwrap()]).await.unwrap();
    assert!(verdict.holds() && verdict.masked.len() == 1, "who did what stays, and can be checked: {verdict:?}");
    let left = all_bytes(&store, &at(&folder)).await;
    for planted in ["maierhofer", "anna@"] {
        let places: Vec<&str> = left
            .match_indices(planted)
            .take(3)
            .map(|(at, _)| &left[at.saturating_sub(60)..(at + 60).min(left.len())])
            .collect();
        assert!(places.is_empty(), "{planted}: {places:?}");
    }
    assert!(left.contains("anna other"), "somebody of the same first name stays");
    let own =
        &store.events(EventFilter { key: Some("003A".into()), limit: 1, ..EventFilter::default() }).await.unwrap()[0];
    assert_eq!((own.kept, own.payload.as_str()), (Kept::Forgotten, "{}"));
    let link = &store.links_of("003A").await.unwrap()[0];
    assert_eq!((link.b1_id.as_str(), link.base.as_str()), ("C1:17", "{}"));
    let order =
        &store.events(EventFilter { key: Some("006A".into()), limit: 1, ..EventFilter::default() }).await.unwrap()[0];
    assert!(order.payload.contains("\"Amount\":5") && order.payload.contains("006A"), "{}", order.payload);
    let again = forget(&store, "003A", Forget::Rehearse).await;
    assert!(again.is_nothing(), "{again:?}");
    assert!(
        store
            .find(Search { words: Some(NAME.into()), in_payloads: true, limit: 9, ..Search::default() })
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_an_agent_was_told_of_a_person_and_said_of_them_is_forgotten_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    append(&store, vec![event("accounts", "003A", anna())]).await;
    let of_her = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    let finish = Finish {
        verdicts: of_her.events.iter().map(|event| (event.id, done(event))).collect(),
        links: vec![link("contact", "C1:17", "003A", anna())],
        ..Finish::default()
    };
    store.finish(of_her.id, finish).await.unwrap();
    let flow = format!("{AGENT}desk");
    let question = json!({ "start": "question", "question": format!("What does Anna {NAME} owe?"), "by": "boss" });
    append(&store, vec![event(&flow, "asked 1", question)]).await;
    let entry = |seq, kind: &str, request: Value, response: Value| JournalEntry {
        kind: kind.into(),
        request: request.to_string(),
        response: response.to_string(),
        ..call(seq, "", Value::Null)
    };
    let found = json!({ "data": { "customers": [{ "card_name": format!("Anna {NAME}"), "email_address": "anna@maierhofer.example" }] } });
    let journal = vec![
        entry(
            1,
            "agent.model",
            Value::Null,
            json!({ "calls": [{ "tool": "accounts_find-customer", "input": { "text": format!("Anna {NAME}") } }] }),
        ),
        entry(
            2,
            "agent.tool",
            json!({ "tool": "accounts_find-customer", "input": { "text": format!("Anna {NAME}") } }),
            json!({ "told": found.to_string() }),
        ),
        entry(
            3,
            "agent.model",
            Value::Null,
            json!({ "text": format!("Anna {NAME} owes 5 EUR; write to anna@maierhofer.example.") }),
        ),
    ];
    run(&store, &flow, journal, |_| Verdict::Done("answered after 1 rounds of calls".into())).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    assert!(all_bytes(&store, &at(&folder)).await.contains("maierhofer"));
    forget(&store, "003A", Forget::ForGood).await;
    let left = all_bytes(&store, &at(&folder)).await;
    let place = left.find("maierhofer").map(|at| &left[at.saturating_sub(80)..(at + 40).min(left.len())]);
    assert_eq!(place, None);
    assert!(left.contains("owes 5 eur"), "what names nobody stays");
}

#[tokio::test]
async fn a_number_is_a_record_of_its_kind_and_nothing_else_that_bears_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let other = |key: &str| json!({ key: 17, "CardCode": "C9", "CardName": "Otto Anders", "Phone1": "0221 556677" });
    let employees = json!({ "CardCode": "C1", "CardName": "Works Ltd", "ContactEmployees": [
        { "InternalCode": 17, "FirstName": "Anna", "LastName": NAME, "MobilePhone": "0171 5544332" },
        { "InternalCode": 18, "FirstName": "Bert", "LastName": "Bleibt" } ] });
    append(
        &store,
        vec![
            told("BusinessPartners", "C1", employees.clone()),
            told("PriceLists", "17", other("PriceListNo")),
            told("PriceLists", "20000", other("PriceListNo")),
            told("BusinessPartners", "20000", json!({ "CardCode": "20000", "CardName": "Gunda Gehtweg" })),
            event("accounts", "003A", json!({ "Id": "003A", "LastName": NAME, "FirstName": "Anna" })),
        ],
    )
    .await;
    let order = json!({ "doc_num": "5", "header": { "Address": "Otto Anders\rWeg 1" }, "lines": [{ "id": "00k7", "num": 0, "fields": { "ItemCode": "A" } }] });
    let leased = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    let finish = Finish {
        verdicts: leased.events.iter().map(|event| (event.id, Verdict::Done("in step".into()))).collect(),
        journal: vec![
            call(0, "006A", other("DocEntry")),
            call(1, "17", other("PriceListNo")),
            call(2, "001A", employees),
            call(3, "", json!({ "said": "by 0171 5544332" })),
        ],
        links: vec![
            link("order", "17", "006A", order.clone()),
            link("pricebook", "17", "01sA", other("PriceListNo")),
            link("account", "20000", "001B", json!({ "Name": "Gunda Gehtweg" })),
            link("order", "20000", "006B", order.clone()),
            link("contact", "C1:17", "003A", json!({ "Name": format!("Anna {NAME}") })),
            link("contact", "C2:20000", "003C", json!({ "Name": "Carla Bleibt" })),
        ],
        ..Finish::default()
    };
    store.finish(leased.id, finish).await.unwrap();
    store.pack(&BTreeMap::new()).await.unwrap();

    // Of one key one after the other.
    run(&store, "accounts", vec![], |_| Verdict::Done("in step".into())).await;
    store.pack(&BTreeMap::new()).await.unwrap();

    // The code alone and with its partner mean the same one; a number of two things means neither.
    assert_eq!(whom(&store, "17").await, whom(&store, "C1:17").await);
    assert_eq!(whom(&store, "17").await, whom(&store, "003A").await);
    assert_eq!(store.meant("20000", None).await.unwrap().len(), 2, "a customer, and a contact of another");
    assert_eq!(store.meant("18", None).await.unwrap(), [], "known as nobody's");

    forget(&store, "17", Forget::ForGood).await;
    let left = all_bytes(&store, &at(&folder)).await;
    for gone in ["maierhofer", "0171 5544332"] {
        assert!(!left.contains(gone), "{gone}, which B1 alone has");
    }
    for others in ["otto anders", "0221 556677", "bert", "gunda gehtweg", "carla"] {
        assert!(left.contains(others), "{others}");
    }
    assert!(newest(&store, "17").await.kept.is_whole(), "a price list");

    forget(&store, "BusinessPartners('20000')", Forget::ForGood).await;
    let left = all_bytes(&store, &at(&folder)).await;
    assert!(!left.contains("gehtweg") && left.contains("carla") && left.contains("otto anders"));
    let of_20000 = store.events(EventFilter { key: Some("20000".into()), limit: 9, ..EventFilter::default() }).await;
    let kept = of_20000.unwrap().into_iter().map(|event| (event.topic, event.kept.is_whole()));
    let kept: BTreeMap<String, bool> = kept.collect();
    assert_eq!(kept, BTreeMap::from([("b1.BusinessPartners".into(), false), ("b1.PriceLists".into(), true)]));
    for (id, of) in [("006A", &order), ("006B", &order)] {
        assert_eq!(store.links_of(id).await.unwrap()[0].base, of.to_string());
    }
}

#[tokio::test]
async fn the_lines_of_an_order_are_known_by_their_ids_whatever_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    append(&store, vec![event("orders", "006A", json!({ "Id": "006A", "Name": format!("Garden of Anna {NAME}") }))])
        .await;
    let base = json!({ "header": { "Address": format!("Anna {NAME}") }, "lines": [{ "id": "00k7", "num": 0 }], "adding": [{ "id": "00k8", "num": null }] });
    let leased = store.lease("orders", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    let verdicts = leased.events.iter().map(|event| (event.id, done(event))).collect();
    let links = vec![link("order", "17", "006A", base)];
    store.finish(leased.id, Finish { verdicts, links, ..Finish::default() }).await.unwrap();
    store.pack(&BTreeMap::new()).await.unwrap();
    forget(&store, "006A", Forget::ForGood).await;
    let left: Value = serde_json::from_str(&store.links_of("006A").await.unwrap()[0].base).unwrap();
    assert_eq!(
        left,
        json!({ "header": {}, "lines": [{ "id": "00k7", "num": 0 }], "adding": [{ "id": "00k8", "num": null }] })
    );
}

#[tokio::test]
async fn what_was_unfinished_is_found_when_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let contact = json!({ "Contact": { "Id": "003A", "Name": format!("Anna {NAME}") } });
    append(
        &store,
        vec![event("accounts", "003A", anna()), event("orders", "006A", json!({ "said": format!("by Anna {NAME}") }))],
    )
    .await;
    run(&store, "accounts", vec![call(0, "003A", anna()), call(1, "001A", contact)], done).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    let first = forget(&store, "003A", Forget::ForGood).await;
    assert!(first.events == 0 && first.stays.open_named_in.len() == 1 && first.stays.kept_back > 0, "{first:?}");
    run(&store, "orders", vec![], done).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    let second = forget(&store, "003A", Forget::ForGood).await;
    assert!(second.events == 1 && second.named_in == 1 && second.stays.kept_back == 0, "{second:?}");
    assert!(!all_bytes(&store, &at(&folder)).await.contains("maierhofer"));
}

/// What a host does now and then: keys that were changed are taken up.
async fn look_at_keys(store: &SqliteStore) {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    store.sweep(crate::time::now()).await.unwrap();
}

/// Keys that lie in a file.
fn keys(file: &Path) -> Result<Keys> {
    let file = file.to_owned();
    Keys::of(move || std::fs::read_to_string(&file).map_err(|error| error.to_string()))
}

#[tokio::test]
async fn what_is_sealed_opens_with_its_key_alone_and_a_key_is_changed_beside_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    // Kept as it is at first.
    {
        let store = open(&folder);
        append(&store, vec![event("accounts", "003A", anna())]).await;
        run(&store, "accounts", vec![call(0, "003A", anna())], done).await;
        store.pack(&BTreeMap::new()).await.unwrap();
    }
    let first = fresh_key().unwrap();
    std::fs::write(&file, format!("# of the tests\n{first}\n")).unwrap();
    let store = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&file).unwrap()).unwrap();
    append(&store, vec![event("accounts", "003A", anna())]).await;
    let sealed = store.reseal(silent()).await.unwrap();
    assert!(sealed.values >= 3 && sealed.wiped, "payload, reason, journal: {sealed:?}");
    assert_eq!(store.reseal(silent()).await.unwrap().values, 0, "passes over what is done");
    let link = Link {
        scope: "erp|crm".into(),
        kind: "contact".into(),
        b1_id: "C1:17".into(),
        salesforce_id: "003A".into(),
        base: anna().to_string(),
    };
    let leased = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
    store.journal_write(leased.id, vec![call(0, "003A", anna())], Durability::Now).await.unwrap();
    let verdicts =
        vec![(leased.events[0].id, Verdict::Review(Question::retry_or_ignore(format!("is it Anna {NAME}?"))))];
    let storage = vec![StorageWrite::Set("a".into(), anna().to_string())];
    store
        .finish(leased.id, Finish { verdicts, links: vec![LinkWrite::Put(link.clone())], storage, ..Finish::default() })
        .await
        .unwrap();
    store.note_put(leased.events[0].id, Note { note: Some(NAME.into()), ..Note::default() }).await.unwrap();
    let raw = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).to_lowercase();
    let shown = || {
        raw(std::fs::read(at(&folder)).unwrap())
            + &raw(std::fs::read(folder.path().join("tandem.db-wal")).unwrap_or_default())
    };
    assert!(!shown().contains("maierhofer"), "nothing of it lies there to be read");

    // All is there for who has the key.
    assert_eq!(store.links_of("C1:17").await.unwrap(), [link]);
    assert!(store.storage_get("accounts", "a").await.unwrap().unwrap().contains(NAME));
    assert!(store.journal_read(leased.id).await.unwrap()[0].request.contains(NAME));
    let own = store.event(leased.events[0].id).await.unwrap().unwrap();
    assert!(own.reason.as_deref() == Some(&format!("is it Anna {NAME}?")) && own.payload.contains(NAME));
    assert_eq!(store.answer(own.id, "ignore", 5).await.unwrap(), Answered::Given);
    assert_eq!(store.event(own.id).await.unwrap().unwrap().decided().unwrap().asked, format!("is it Anna {NAME}?"));
    store.pack(&BTreeMap::new()).await.unwrap();
    let find = |words: &str| Search { words: Some(words.into()), in_payloads: true, limit: 9, ..Search::default() };
    assert_eq!(store.find(find("Maier")).await.unwrap().len(), 2, "by the beginning of a word");
    assert!(store.find(find("Schmidt")).await.unwrap().is_empty());

    // Another key, in front; what was read before is read still.
    let old = store.keys.current().unwrap();
    std::fs::write(&file, format!("{}\n{first}\n", fresh_key().unwrap())).unwrap();
    look_at_keys(&store).await;
    assert_ne!(store.keys.current().unwrap(), old, "taken up without a restart");
    assert_eq!(store.find(find("maierh")).await.unwrap().len(), 2, "found under either key");
    // Broken off behind the first row, and begun again.
    let first_row = vec![crate::store::sql::Value::Integer(1)];
    store.write(move |db| values::PAYLOADS.reseal(db, &first_row)).await.unwrap();
    assert_eq!(store.seals().await.unwrap().values.len(), 2, "some under each key");
    store.reseal(silent()).await.unwrap();
    let seals = store.seals().await.unwrap();
    assert_eq!(seals.used, [seals.current.clone().unwrap()]);
    assert_eq!(seals.values.keys().collect::<Vec<_>>(), [seals.current.as_ref().unwrap()], "{seals:?}");
    assert_eq!(store.find(find("maierhofer")).await.unwrap().len(), 2);

    // A value that was moved does not open.
    let swapped = store
        .write(|db| {
            db.prepare("UPDATE events SET payload = (SELECT payload FROM events WHERE id = 1) WHERE id = 2")
                .execute(NONE)
        })
        .await;
    swapped.unwrap();
    let moved = store.event(EventId(2)).await.unwrap_err().to_string();
    assert!(moved.contains("stands where it was not written"), "{moved}");
    drop(store);

    // Without the key, and with another.
    let id = seals.current.unwrap();
    let without = SqliteStore::open(&at(&folder), Access::Tool).err().unwrap().to_string();
    assert!(without.contains(&id), "{without}");
    std::fs::write(&file, &first).unwrap();
    let other = SqliteStore::open_sealed(&at(&folder), Access::Tool, keys(&file).unwrap()).err().unwrap().to_string();
    assert!(other.contains(&id), "{other}");
    std::fs::write(&file, "no key").unwrap();
    assert!(matches!(keys(&file), Err(StoreError::Key(_))));
}

/// How many rows of the index have such a word, as it is written.
async fn words_like(store: &SqliteStore, word: &'static str) -> i64 {
    let count = move |db: &Connection| {
        let sql = "SELECT count(*) FROM words WHERE words MATCH ?1";
        db.prepare(sql).one([format!("\"{word}\"*")], |row| row.get(0))
    };
    store.read(count).await.unwrap()
}

#[tokio::test]
async fn sealing_that_was_broken_off_before_the_words_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    {
        let store = open(&folder);
        append(&store, vec![event("accounts", "003A", anna()), event("accounts", "003B", anna())]).await;
        run(&store, "accounts", vec![call(0, "003A", anna())], done).await;
        store.pack(&BTreeMap::new()).await.unwrap();
        // The event is there longer than its run.
        store.write(|db| db.prepare("DELETE FROM run_events WHERE event = 2").execute(NONE)).await.unwrap();
        assert_eq!(words_like(&store, "maierhofer").await, 2);
    }
    std::fs::write(&file, fresh_key().unwrap()).unwrap();
    let store = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&file).unwrap()).unwrap();
    // All values, and then the power goes.
    for column in values::ALL {
        let rows = store.read(move |db| column.unsealed(db, "none", &column.start(), 100)).await.unwrap();
        let seal = move |db: &Connection| rows.iter().try_for_each(|row| column.reseal(db, row));
        store.write(seal).await.unwrap();
    }
    assert_eq!(store.seals().await.unwrap().words, None, "it is told that words are not sealed");
    assert_eq!(words_like(&store, "maierhofer").await, 2);
    assert_eq!(store.reseal(silent()).await.unwrap().values, 0);
    assert_eq!(words_like(&store, "maierhofer").await, 0, "also of events whose runs are gone");
    let seals = store.seals().await.unwrap();
    assert!(seals.words.is_some() && seals.words == seals.current);
    let find = Search { words: Some("maier".into()), in_payloads: true, limit: 9, ..Search::default() };
    assert_eq!(store.find(find).await.unwrap().len(), 2);

    // Another key, and back: what came meanwhile is under the other.
    let first = std::fs::read_to_string(&file).unwrap();
    let second = fresh_key().unwrap();
    for text in [format!("{second}\n{first}"), format!("{first}\n{second}")] {
        std::fs::write(&file, text).unwrap();
        look_at_keys(&store).await;
        assert_eq!(store.seals().await.unwrap().words, None);
    }
    store.reseal(silent()).await.unwrap();
    let seals = store.seals().await.unwrap();
    assert_eq!(seals.words, seals.current);
}

#[tokio::test]
async fn of_a_new_database_all_words_are_under_its_first_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    std::fs::write(&file, fresh_key().unwrap()).unwrap();
    let store = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&file).unwrap()).unwrap();
    let seals = store.seals().await.unwrap();
    assert!(seals.words.is_some() && seals.words == seals.current);
}

#[tokio::test]
async fn keys_that_lack_one_that_is_needed_are_not_taken_up_and_a_new_one_is_noted_before_it_seals() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    let first = fresh_key().unwrap();
    std::fs::write(&file, &first).unwrap();
    let store = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&file).unwrap()).unwrap();
    append(&store, vec![event("accounts", "003A", anna())]).await;
    let old = store.keys.current().unwrap();
    // Another key alone, no key, and no file.
    for (text, why) in
        [(Some(fresh_key().unwrap()), "sealed with the key"), (Some("none".into()), "no key"), (None, "cannot be read")]
    {
        match text {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        look_at_keys(&store).await;
        assert_eq!(store.keys.current(), Some(old), "{why}");
        let told = store.key_refused().unwrap();
        assert!(told.contains(why), "{why}: {told}");
        assert!(store.event(EventId(1)).await.unwrap().unwrap().payload.contains(NAME));
    }
    assert_eq!(store.seals().await.unwrap().used, [old.to_string()], "nothing was noted of what was refused");
    std::fs::write(&file, format!("{}\n{first}", fresh_key().unwrap())).unwrap();
    look_at_keys(&store).await;
    let new = store.keys.current().unwrap();
    assert!(new != old && store.key_refused().is_none());
    // Nothing was sealed with it yet, and a start without it is refused already.
    assert!(store.seals().await.unwrap().used.contains(&new.to_string()));
    assert!(!store.seals().await.unwrap().values.contains_key(&new.to_string()));
}

#[tokio::test]
async fn nothing_is_sealed_beside_a_host_that_has_not_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    let (first, second) = (fresh_key().unwrap(), fresh_key().unwrap());
    let host = open(&folder);
    append(&host, vec![event("accounts", "003A", anna())]).await;
    // One without a key, then one with another.
    std::fs::write(&file, &first).unwrap();
    let tool = || SqliteStore::open_sealed(&at(&folder), Access::Tool, keys(&file).unwrap()).unwrap();
    let refused = tool().reseal(silent()).await.unwrap_err().to_string();
    assert!(refused.contains("has no key") && refused.contains("start the host anew"), "{refused}");
    assert!(host.event(EventId(1)).await.unwrap().unwrap().payload.contains(NAME), "the host reads it still");
    drop(host);
    let own = folder.path().join("own.key");
    std::fs::write(&own, &first).unwrap();
    let host = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&own).unwrap()).unwrap();
    std::fs::write(&file, format!("{second}\n{first}")).unwrap();
    let refused = tool().reseal(silent()).await.unwrap_err().to_string();
    assert!(refused.contains(&host.keys.current().unwrap().to_string()), "{refused}");
    assert_eq!(host.seals().await.unwrap().values.get(""), Some(&1), "nothing was changed");
    // The same one.
    std::fs::write(&own, format!("{second}\n{first}")).unwrap();
    look_at_keys(&host).await;
    assert!(tool().reseal(silent()).await.unwrap().values > 0);
    assert!(host.event(EventId(1)).await.unwrap().unwrap().payload.contains(NAME));
    drop(host);
    assert_eq!(tool().reseal(silent()).await.unwrap().values, 0, "without a host nobody is asked");
}

#[tokio::test]
async fn why_a_run_failed_is_sealed_reduced_and_forgotten_like_all_else() {
    let error = |store: SqliteStore| async move { store.runs_of(EventId(1)).await.unwrap()[0].error.clone().unwrap() };
    let failed = async |store: &SqliteStore| {
        append(store, vec![event("accounts", "003A", anna())]).await;
        let run = store.lease("accounts", "digest", 10, crate::time::now()).await.unwrap().run().unwrap();
        let error = Some(format!("the plugin trapped; its last words: no city for Anna {NAME}"));
        let verdicts = vec![(run.events[0].id, Verdict::Reject("never".into()))];
        store.finish(run.id, Finish { verdicts, error, ..Finish::default() }).await.unwrap();
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.key");
    std::fs::write(&file, fresh_key().unwrap()).unwrap();
    let store = SqliteStore::open_sealed(&at(&folder), Access::Host, keys(&file).unwrap()).unwrap();
    failed(&store).await;
    assert!(!all_bytes(&store, &at(&folder)).await.contains("maierhofer"), "sealed");
    assert!(error(store).await.contains(NAME));

    for kept in [Kept::Hashed, Kept::Ids] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder);
        failed(&store).await;
        store.pack(&BTreeMap::from([("accounts".to_owned(), kept)])).await.unwrap();
        assert!(!error(store).await.contains(NAME), "{kept:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    failed(&store).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    assert_eq!(forget(&store, "003A", Forget::ForGood).await.errors, 1);
    assert!(!all_bytes(&store, &at(&folder)).await.contains("maierhofer"));
    assert!(error(store).await.contains("no city for"));
}

#[tokio::test]
async fn of_what_a_person_was_taken_out_of_less_is_kept_as_of_all_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let order = json!({ "Contact": { "Id": "003A", "Name": format!("Anna {NAME}") }, "Site": "Bert Bleibt" });
    append(&store, vec![event("accounts", "003A", anna()), event("orders", "006A", order.clone())]).await;
    run(&store, "accounts", vec![call(0, "003A", anna())], done).await;
    run(&store, "orders", vec![call(0, "006A", order)], done).await;
    store.pack(&BTreeMap::new()).await.unwrap();
    forget(&store, "003A", Forget::ForGood).await;
    assert!(newest(&store, "006A").await.payload.contains("Bert"));
    let keeps = BTreeMap::from([("orders".to_owned(), Kept::Hashed)]);
    store.pack(&keeps).await.unwrap();
    let reduced = newest(&store, "006A").await;
    assert!(reduced.kept == Kept::Hashed && !reduced.payload.contains("Bert"), "{}", reduced.payload);
    let journal = store.journal_read(RunId(2)).await.unwrap();
    assert!(!journal.is_empty() && !format!("{journal:?}").contains("Bert"), "the journal, too: {journal:?}");
    // Nothing is hashed twice, at no start.
    forget(&store, "003A", Forget::ForGood).await;
    drop(store);
    let store = open(&folder);
    store.pack(&keeps).await.unwrap();
    assert_eq!(newest(&store, "006A").await.payload, reduced.payload);
}
