//! The audit trail's promises: whatever somebody does to a line shows, what is taken out by right does not break the chain.

use std::path::PathBuf;

use proptest::prelude::*;

use super::copy::{Look, make_fit, swap};
use super::*;
use crate::store::sql::trail;
use crate::store::trail::{Hash, Verdict, Verifier, Wrong, verify};
use crate::store::*;

struct Trail {
    _folder: tempfile::TempDir,
    path: PathBuf,
    store: SqliteStore,
}

impl Trail {
    /// Of so many lines.
    async fn of(lines: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tandem.db");
        let own = Self { _folder: folder, store: SqliteStore::open(&path, Access::Host).unwrap(), path };
        own.add(lines).await;
        own
    }

    async fn add(&self, lines: u32) {
        for line in 0..lines {
            self.store.act(act(line)).await.unwrap();
        }
    }

    /// What somebody does who can write the file.
    fn tampered(&self, sql: &str) {
        let db = rusqlite::Connection::open(&self.path).unwrap();
        db.execute_batch("DROP TRIGGER IF EXISTS acts_stay").unwrap();
        db.execute_batch(sql).unwrap();
    }

    async fn verdict(&self, kept: &[&str]) -> Verdict {
        verify(&self.store, kept.iter().map(|hash| hash.parse().unwrap()).collect()).await.unwrap()
    }

    async fn head(&self) -> String {
        self.store.trail_head().await.unwrap().unwrap().head
    }
}

fn act(number: u32) -> Act {
    Act {
        at: 1_767_225_600_000 + i64::from(number) * 1_000,
        why: number.is_multiple_of(2).then(|| format!("as agreed with Müller {number}")),
        address: Some("10.0.0.7".into()),
        ..Act::new("anna", Via::Session, "review.answer", format!("event {number}"))
    }
}

fn broken(verdict: &Verdict) -> Vec<(i64, Wrong)> {
    verdict.breaks.iter().map(|own| (own.line, own.wrong)).collect()
}

#[tokio::test]
async fn a_trail_that_nobody_touched_holds_and_every_head_is_found() {
    let trail = Trail::of(0).await;
    let empty = trail.verdict(&[]).await;
    assert!(empty.holds() && empty.lines == 0 && empty.head.is_none());
    let mut heads = Vec::new();
    for _ in 0..7 {
        trail.add(1).await;
        heads.push(trail.head().await);
    }
    let kept: Vec<&str> = heads.iter().map(String::as_str).collect();
    let verdict = trail.verdict(&kept).await;
    assert!(verdict.holds(), "{verdict:?}");
    assert_eq!((verdict.lines, verdict.chained_later), (7, None));
    assert_eq!(verdict.head.map(|head| (head.line, head.head)), Some((7, heads[6].clone())));
    heads.dedup();
    assert_eq!(heads.len(), 7);
}

#[tokio::test]
async fn whatever_is_done_to_a_line_is_named() {
    let swapped = "CREATE TABLE t AS SELECT * FROM acts WHERE id IN (4, 5); DELETE FROM acts WHERE id IN (4, 5); \
                   UPDATE t SET id = 9 - id; INSERT INTO acts SELECT * FROM t; DROP TABLE t;";
    let cases: &[(&str, &[(i64, Wrong)])] = &[
        ("UPDATE acts SET who = 'bert' WHERE id = 4", &[(4, Wrong::Changed)]),
        ("UPDATE acts SET outcome = 'refused' WHERE id = 7", &[(7, Wrong::Changed)]),
        ("UPDATE acts SET why = NULL WHERE id = 3", &[(3, Wrong::Changed)]),
        ("UPDATE acts SET at = at - 3600000 WHERE id = 5", &[(5, Wrong::OutOfOrder)]),
        ("UPDATE acts SET chain = zeroblob(32) WHERE id = 4", &[(4, Wrong::Changed)]),
        ("UPDATE acts SET chain = NULL WHERE id = 4", &[(4, Wrong::WithoutHash)]),
        ("UPDATE acts SET chain = 'none' WHERE id = 7", &[(7, Wrong::WithoutHash)]),
        ("UPDATE acts SET salts = x'00' WHERE id = 2", &[(2, Wrong::Changed)]),
        ("UPDATE acts SET what = x'ff' WHERE id = 2", &[(2, Wrong::Changed)]),
        ("DELETE FROM acts WHERE id = 1", &[(1, Wrong::Missing)]),
        ("DELETE FROM acts WHERE id IN (3, 4)", &[(3, Wrong::Missing)]),
        ("DELETE FROM acts WHERE id >= 6", &[(6, Wrong::Missing)]),
        ("DELETE FROM acts", &[(1, Wrong::Missing)]),
        (swapped, &[(4, Wrong::Changed), (5, Wrong::OutOfOrder), (6, Wrong::OutOfOrder)]),
        (
            "INSERT INTO acts (at, who, via, act, what, outcome) VALUES (1, 'x', 'session', 'a', '', 'done')",
            &[(8, Wrong::WithoutHash)],
        ),
        (
            "INSERT INTO acts SELECT 8, at, who, via, act, what, why, address, outcome, client, salts, chain FROM acts WHERE id = 7",
            &[(8, Wrong::Changed)],
        ),
        ("UPDATE acts SET id = -1 WHERE id = 7", &[(-1, Wrong::Changed), (1, Wrong::OutOfOrder), (7, Wrong::Missing)]),
    ];
    for (sql, expected) in cases {
        let trail = Trail::of(7).await;
        let head = trail.head().await;
        trail.tampered(sql);
        let verdict = trail.verdict(&[]).await;
        assert_eq!(broken(&verdict), *expected, "{sql}: {verdict:?}");
        // What is written later heals nothing.
        trail.add(2).await;
        let later = trail.verdict(&[]).await;
        assert!(!later.holds(), "{sql}: {later:?}");
        let cut = sql.starts_with("DELETE FROM acts WHERE id >= 6") || *sql == "DELETE FROM acts";
        let lost = broken(&trail.verdict(&[&head]).await).iter().any(|(_, wrong)| *wrong == Wrong::HeadNotFound);
        assert!(!cut || lost, "{sql}");
    }
}

#[tokio::test]
async fn an_end_that_was_cut_off_without_a_trace_is_seen_by_who_kept_a_head() {
    let trail = Trail::of(7).await;
    let head = trail.head().await;
    trail.tampered("DELETE FROM acts WHERE id >= 6; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'acts'");
    assert!(trail.verdict(&[]).await.holds(), "nothing in the database says so");
    assert_eq!(broken(&trail.verdict(&[&head]).await), [(5, Wrong::HeadNotFound)]);
    trail.add(3).await;
    assert!(trail.verdict(&[]).await.holds());
    assert_eq!(broken(&trail.verdict(&[&head]).await), [(8, Wrong::HeadNotFound)]);
}

/// A database of the format before with so many lines, of which the third is missing.
fn of_format_11(path: &Path, lines: u32) {
    let db = rusqlite::Connection::open(path).unwrap();
    for step in &MIGRATIONS[..11] {
        db.execute_batch(step).unwrap();
    }
    db.execute_batch("PRAGMA user_version = 11; BEGIN").unwrap();
    let mut put = db
        .prepare(
            "INSERT INTO acts (at, who, via, act, what, why, address, outcome) VALUES (?1, 'anna', 'session', 'review.answer', ?2, ?3, '10.0.0.7', 'done')",
        )
        .unwrap();
    for number in 0..lines {
        let act = act(number);
        put.execute(rusqlite::params![act.at, act.what, act.why]).unwrap();
    }
    drop(put);
    db.execute_batch("DELETE FROM acts WHERE id = 3; COMMIT").unwrap();
}

#[tokio::test]
async fn lines_of_before_get_their_hashes_and_what_was_missing_then_breaks_nothing() {
    assert_eq!(MIGRATIONS.len() as i64, trail::FORMAT, "this format's test");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    of_format_11(&path, 2_500);
    let trail = Trail { store: SqliteStore::open(&path, Access::Host).unwrap(), path, _folder: folder };
    trail.add(2).await;
    let verdict = trail.verdict(&[]).await;
    assert!(verdict.holds(), "{:?}", verdict.breaks);
    assert_eq!((verdict.lines, verdict.chained_later), (2_502, Some(2_500)));
    let told = trail.store.acts(ActFilter { q: Some("audit.chain".into()), limit: 10, ..ActFilter::default() }).await;
    let [told] = &told.unwrap()[..] else { panic!("one line says so") };
    assert_eq!((told.id, told.what.as_str()), (2_501, "lines 1 to 2500"));
    assert!(told.why.as_deref().is_some_and(|why| why.starts_with("2499 lines")), "{told:?}");

    trail.tampered("UPDATE acts SET why = 'mine' WHERE id = 1200; DELETE FROM acts WHERE id = 2502");
    let found = broken(&trail.verdict(&[]).await);
    assert_eq!(found, [(1_200, Wrong::Changed), (2_502, Wrong::Missing)]);
}

#[tokio::test]
async fn a_text_that_is_taken_out_leaves_the_chain_as_it_was_and_a_line_says_so() {
    let trail = Trail::of(5).await;
    let head = trail.head().await;
    let mask = |db: &Connection| {
        trail::mask(db, 3, "tandem forget", |text| text.contains("Müller"))?;
        // Of another nothing is told.
        trail::mask(db, 2, "tandem forget", |text| text.contains("Müller"))
    };
    trail.store.write(mask).await.unwrap();
    let verdict = trail.verdict(&[&head]).await;
    assert!(verdict.holds(), "{verdict:?}");
    let [masked] = &verdict.masked[..] else { panic!("{verdict:?}") };
    assert_eq!((masked.line, masked.texts.as_slice(), masked.told_by), (3, &["why"][..], 6));
    let acts = trail.store.acts(ActFilter { limit: 10, ..ActFilter::default() }).await.unwrap();
    let own = acts.iter().find(|act| act.id == 3).unwrap();
    assert!(own.why.as_deref().is_some_and(|why| why.starts_with("hashed:")) && own.what == "event 2", "{own:?}");

    // Who takes one out by hand is told of.
    let by_hand = "UPDATE acts SET why = (SELECT why FROM acts WHERE id = 3), \
                   salts = (SELECT salts FROM acts WHERE id = 3) WHERE id = 1";
    trail.tampered(by_hand);
    assert_eq!(broken(&trail.verdict(&[]).await)[0], (1, Wrong::Changed), "it is the hash of another text");
    let trail = Trail::of(5).await;
    let db = rusqlite::Connection::open(&trail.path).unwrap();
    let salts: Vec<u8> = db.query_row("SELECT salts FROM acts WHERE id = 1", [], |row| row.get(0)).unwrap();
    let why: String = db.query_row("SELECT why FROM acts WHERE id = 1", [], |row| row.get(0)).unwrap();
    let own = crate::store::trail::Text::Told { text: why, salt: salts[32..48].try_into().unwrap() }.masked();
    let mut left = salts;
    left[32..48].fill(0);
    db.execute("UPDATE acts SET why = ?1, salts = ?2 WHERE id = 1", rusqlite::params![own.into_row().0, left]).unwrap();
    assert_eq!(broken(&trail.verdict(&[]).await), [(1, Wrong::TakenOut)]);
}

#[tokio::test]
async fn nothing_else_of_a_line_is_changed_by_sql() {
    let trail = Trail::of(3).await;
    let db = rusqlite::Connection::open(&trail.path).unwrap();
    for set in ["who = 'x'", "at = 1", "why = 'x'", "chain = NULL", "outcome = 'failed'", "who = 'hashed:x'", "id = 9"]
    {
        let refused = db.execute(&format!("UPDATE acts SET {set} WHERE id = 1"), []).unwrap_err().to_string();
        assert!(refused.contains("does not change"), "{set}: {refused}");
    }
}

#[tokio::test]
async fn a_restored_backup_goes_on_with_the_trail_of_now_or_shows_to_who_kept_a_head() {
    let trail = Trail::of(3).await;
    trail.store.secret("host-id").await.unwrap();
    let (copy, early) = (trail.path.with_file_name("copy.db"), trail.head().await);
    std::fs::File::create(&copy).unwrap();
    trail.store.copy(&copy).await.unwrap();
    let elsewhere = trail.path.with_file_name("elsewhere.db");
    std::fs::copy(&copy, &elsewhere).unwrap();
    assert_eq!(Look::at(&copy).unwrap().trail_head().unwrap().map(|head| head.head), Some(early.clone()));
    trail.add(4).await;
    let late = trail.head().await;

    let Trail { _folder, path, store } = trail;
    drop(store);
    // The writing thread ends when its last handle is gone.
    while copy::hold(&path).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(make_fit(&copy, &path, crate::time::now()).unwrap());
    swap(&copy, &path, &path.with_file_name("kept.db")).unwrap();
    let trail = Trail { store: SqliteStore::open(&path, Access::Host).unwrap(), path: path.clone(), _folder };
    trail.add(1).await;
    let verdict = trail.verdict(&[&early, &late]).await;
    assert!(verdict.holds() && verdict.lines == 8, "{verdict:?}");

    assert!(!make_fit(&elsewhere, &path.with_file_name("none.db"), crate::time::now()).unwrap());
    let other = SqliteStore::open(&elsewhere, Access::Tool).unwrap();
    other.act(act(9)).await.unwrap();
    let kept = |hash: &str| vec![hash.parse::<Hash>().unwrap()];
    assert!(verify(&other, kept(&early)).await.unwrap().holds());
    assert_eq!(broken(&verify(&other, kept(&late)).await.unwrap()), [(4, Wrong::HeadNotFound)]);
}

#[tokio::test]
async fn a_sealed_database_is_checked_without_its_key_beside_its_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    let key = fresh_key().unwrap();
    let keys = Keys::of(move || Ok(key.clone())).unwrap();
    let store = SqliteStore::open_sealed(&path, Access::Host, keys).unwrap();
    for number in 0..3 {
        store.act(act(number)).await.unwrap();
    }
    let look = Look::at(&path).unwrap();
    let mut verifier = Verifier::new(Vec::new());
    let page = look.trail(verifier.after(), 10).unwrap();
    page.lines.iter().for_each(|found| verifier.line(found));
    let verdict = verifier.end(page.given);
    assert!(verdict.holds() && verdict.lines == 3, "{verdict:?}");
}

/// A trail in memory, and what is found in it.
fn verdict_in(db: &Connection) -> Verdict {
    let mut verifier = Verifier::new(Vec::new());
    let page = trail::page(db, verifier.after(), 1_000).unwrap();
    page.lines.iter().for_each(|found| verifier.line(found));
    verifier.end(page.given)
}

fn anything() -> impl Strategy<Value = rusqlite::types::Value> {
    use rusqlite::types::Value;
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        (0_i64..9).prop_map(Value::Integer),
        "\\PC{0,20}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..90).prop_map(Value::Blob),
        prop::collection::vec(any::<u8>(), 80).prop_map(Value::Blob),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_one_field_is_changed_to_is_found(line in 1_i64..7, column in 0_usize..12, value in anything(), flip in 0_usize..640) {
        let columns = ["id", "at", "via", "act", "outcome", "who", "what", "why", "address", "client", "salts", "chain"];
        let mut db = rusqlite::Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        for number in 0..6 {
            trail::add(&db, &act(number)).unwrap();
        }
        db.execute_batch("DROP TRIGGER acts_stay").unwrap();
        prop_assert!(verdict_in(&db).holds());
        let (name, get) = (columns[column], format!("SELECT {} FROM acts WHERE id = ?1", columns[column]));
        let read = |db: &rusqlite::Connection, id: i64| db.query_row(&get, [id], |row| row.get::<_, rusqlite::types::Value>(0)).ok();
        let before = read(&db, line);
        // One bit of what is a hash or a salt, and whatever else.
        let other = match &before {
            Some(rusqlite::types::Value::Blob(bytes)) if flip % 2 == 0 => {
                let mut bytes = bytes.clone();
                let place = flip % (bytes.len() * 8);
                bytes[place / 8] ^= 1 << (place % 8);
                rusqlite::types::Value::Blob(bytes)
            }
            _ => value,
        };
        let changed = db.execute(&format!("UPDATE acts SET {name} = ?2 WHERE id = ?1"), rusqlite::params![line, other]).is_ok();
        if changed && read(&db, line) != before {
            prop_assert!(!verdict_in(&db).holds(), "{name} of {line}: {before:?}");
        }
    }
}

/// `cargo test --release -- --ignored --nocapture a_million_lines`
#[tokio::test]
#[ignore = "measures"]
async fn a_million_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.db");
    of_format_11(&path, 1_000_000);
    let memory = || {
        std::fs::read_to_string("/proc/self/status")
            .unwrap_or_default()
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .map(str::to_owned)
    };
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len() / 1_000_000);
    println!("before: {} MB, {:?}", size(&path), memory());
    let began = Instant::now();
    let store = SqliteStore::open(&path, Access::Host).unwrap();
    println!(
        "chained: {:?}, {} MB, log {} MB, {:?}",
        began.elapsed(),
        size(&path),
        size(&path.with_extension("db-wal")),
        memory()
    );
    let began = Instant::now();
    let verdict = verify(&store, Vec::new()).await.unwrap();
    println!("verified: {} lines in {:?}, {:?}", verdict.lines, began.elapsed(), memory());
    assert!(verdict.holds());
}
