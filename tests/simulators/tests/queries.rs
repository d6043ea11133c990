//! Queries made by chance, answered by the simulators and by evaluators too simple to be wrong.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::NaiveDate;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tandem_simulators::b1::odata;
use tandem_simulators::clock::Clock;
use tandem_simulators::salesforce::org::{Manner, Org};
use tandem_simulators::salesforce::query::Rows;
use tandem_simulators::salesforce::soql;

/// A condition, before it is written in one language or the other.
#[derive(Clone, Debug)]
enum Cond {
    Number(&'static str, i64),
    Text(&'static str, String),
    Missing(bool),
    Starts(String),
    In(Vec<String>),
    And(Box<Cond>, Box<Cond>),
    Or(Box<Cond>, Box<Cond>),
    Not(Box<Cond>),
}

/// What both simulators hold: a name, and a number that may be missing.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    number: Option<i64>,
}

const OPS: [(&str, &str); 6] = [("eq", "="), ("ne", "!="), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")];

/// Few letters, so that values meet; a quote, so that escaping is met too.
fn word() -> impl Strategy<Value = String> {
    "[ab'][ab]{0,2}"
}

fn condition() -> impl Strategy<Value = Cond> {
    let op = || prop::sample::select(OPS.iter().map(|(word, _)| *word).collect::<Vec<_>>());
    let leaf = prop_oneof![
        (op(), -3_i64..3).prop_map(|(op, number)| Cond::Number(op, number)),
        (op(), word()).prop_map(|(op, text)| Cond::Text(op, text)),
        any::<bool>().prop_map(Cond::Missing),
        "[ab]{1,2}".prop_map(Cond::Starts),
        prop::collection::vec(word(), 1..4).prop_map(Cond::In),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Cond::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|a| Cond::Not(Box::new(a))),
        ]
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (word(), prop::option::of(-3_i64..3)).prop_map(|(name, number)| Row { name, number });
    prop::collection::vec(row, 1..12)
}

/// The meaning of a condition, as plainly as it can be said.
fn holds(cond: &Cond, row: &Row) -> bool {
    use std::cmp::Ordering;
    let by = |op: &str, order: Option<Ordering>| match (op, order) {
        ("eq", Some(order)) => order.is_eq(),
        // Nothing is not anything.
        ("ne", order) => order != Some(Ordering::Equal),
        ("lt", Some(order)) => order.is_lt(),
        ("le", Some(order)) => order.is_le(),
        ("gt", Some(order)) => order.is_gt(),
        ("ge", Some(order)) => order.is_ge(),
        _ => false,
    };
    match cond {
        Cond::Number(op, number) => by(op, row.number.map(|own| own.cmp(number))),
        Cond::Text(op, text) => by(op, Some(row.name.cmp(text))),
        Cond::Missing(missing) => row.number.is_none() == *missing,
        Cond::Starts(text) => row.name.starts_with(text),
        Cond::In(texts) => texts.contains(&row.name),
        Cond::And(a, b) => holds(a, row) && holds(b, row),
        Cond::Or(a, b) => holds(a, row) || holds(b, row),
        Cond::Not(a) => !holds(a, row),
    }
}

/// How a language writes its conditions.
struct Language {
    or: &'static str,
    and: &'static str,
    not: &'static str,
    /// AND binds tighter than OR; otherwise brackets must say which.
    precedence: bool,
    leaf: fn(&Cond) -> String,
}

/// Brackets only where they are needed, so that precedence is put to the test.
fn written(cond: &Cond, within: u8, language: &Language) -> String {
    let below_or = if language.precedence { 0 } else { 4 };
    let (text, own) = match cond {
        Cond::Or(a, b) => {
            let chained = if matches!(**a, Cond::Or(..)) { 0 } else { below_or };
            let right = below_or.max(1);
            (format!("{} {} {}", written(a, chained, language), language.or, written(b, right, language)), 0)
        }
        Cond::And(a, b) => (format!("{} {} {}", written(a, 1, language), language.and, written(b, 2, language)), 1),
        Cond::Not(a) => {
            (format!("{} ({})", language.not, written(a, 0, language)), if language.precedence { 2 } else { 4 })
        }
        other => ((language.leaf)(other), 4),
    };
    if own < within { format!("({text})") } else { text }
}

fn as_odata(cond: &Cond) -> String {
    written(cond, 0, &Language { or: "or", and: "and", not: "not", precedence: true, leaf: odata_leaf })
}

fn odata_leaf(cond: &Cond) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match cond {
        Cond::Number(op, number) => format!("Number {op} {number}"),
        Cond::Text(op, text) => format!("Name {op} {}", quoted(text)),
        Cond::Missing(missing) => format!("Number {} null", if *missing { "eq" } else { "ne" }),
        Cond::Starts(text) => format!("startswith(Name,{})", quoted(text)),
        Cond::In(texts) => {
            let each: Vec<String> = texts.iter().map(|text| format!("Name eq {}", quoted(text))).collect();
            format!("({})", each.join(" or "))
        }
        _ => String::new(),
    }
}

fn as_soql(cond: &Cond) -> String {
    written(cond, 0, &Language { or: "OR", and: "AND", not: "NOT", precedence: false, leaf: soql_leaf })
}

fn soql_leaf(cond: &Cond) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "\\'"));
    let symbol = |op: &str| OPS.iter().find(|(word, _)| *word == op).map_or("=", |(_, symbol)| symbol);
    match cond {
        Cond::Number(op, number) => format!("NumberOfEmployees {} {number}", symbol(op)),
        Cond::Text(op, text) => format!("Name {} {}", symbol(op), quoted(text)),
        Cond::Missing(missing) => format!("NumberOfEmployees {} null", if *missing { "=" } else { "!=" }),
        Cond::Starts(text) => format!("Name LIKE {}", quoted(&format!("{text}%"))),
        Cond::In(texts) => {
            let each: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            format!("Name IN ({})", each.join(","))
        }
        _ => String::new(),
    }
}

/// One org for all cases: its schema is read once.
static ORG: Mutex<Option<Org>> = Mutex::new(None);

fn with_accounts<T>(rows: &[Row], ask: impl FnOnce(&Org) -> T) -> T {
    let mut org = ORG.lock().unwrap_or_else(PoisonError::into_inner);
    let org = org.get_or_insert_with(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../salesforce-package/force-app/main/default");
        Org::load(&package, Clock::default()).expect("the package")
    });
    let mark = org.begin();
    for row in rows {
        let body = json!({ "Name": row.name, "NumberOfEmployees": row.number });
        let body = body.as_object().cloned().unwrap_or_default();
        org.insert("Account", body, Manner::default(), &mut Vec::new()).expect("an account");
    }
    let answer = ask(org);
    org.roll_back(mark);
    answer
}

fn names(org: &Org, soql: &str) -> Vec<String> {
    let today = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a day");
    let query = soql::parse(soql, today).unwrap_or_else(|error| panic!("{error}"));
    match org.query(&query, false) {
        Ok(Rows::Records(rows)) => rows.iter().map(|row| row["Name"].as_str().unwrap_or_default().to_owned()).collect(),
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn an_odata_filter_means_what_it_says(cond in condition(), rows in rows()) {
        let text = as_odata(&cond);
        let filter = odata::parse_filter(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        for row in &rows {
            let record: Map<String, Value> =
                json!({ "Name": row.name, "Number": row.number }).as_object().cloned().unwrap_or_default();
            prop_assert_eq!(filter.passes(&record), holds(&cond, row), "{} on {:?}", text, row);
        }
    }

    #[test]
    fn a_soql_query_gives_the_rows_it_asks_for_in_order(cond in condition(), rows in rows(), limit in 1_usize..8, offset in 0_usize..4) {
        let mut expected: Vec<&Row> = rows.iter().filter(|row| holds(&cond, row)).collect();
        expected.sort_by(|a, b| a.number.cmp(&b.number).then_with(|| b.name.cmp(&a.name)));
        let expected: Vec<String> = expected.into_iter().skip(offset).take(limit).map(|row| row.name.clone()).collect();
        let text = format!(
            "SELECT Name FROM Account WHERE {} ORDER BY NumberOfEmployees, Name DESC LIMIT {limit} OFFSET {offset}",
            as_soql(&cond)
        );
        let found = with_accounts(&rows, |org| names(org, &text));
        prop_assert_eq!(found, expected, "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused_but_never_more(text in "\\PC{0,60}") {
        let today = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a day");
        let _ = odata::parse_filter(&text);
        let _ = soql::parse(&text, today);
        let _ = soql::parse(&format!("SELECT Id FROM Account WHERE {text}"), today);
    }
}
