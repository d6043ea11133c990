//! Which records a caller sees: what of an answer is about others is not in it, and what cannot be told apart is not given at all.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::{Deed, Tool, like};

/// A field, and the patterns of which its value has to fit one.
pub type Rows = BTreeMap<String, Vec<String>>;

/// What is told in the place of an answer of which nothing may be seen: the same whether there is nothing, or nothing for them.
pub const NOTHING: &str = "nothing that you may see answers this";

/// What a call is about, by what it is called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A record that may be seen.
    Theirs,
    /// It does not say.
    Unsaid,
}

/// What a call is about; why it is not made, where that is another record, or one that only what it writes to would tell.
pub fn about(tool: &Tool, input: &Value, rows: &Rows) -> Result<About, String> {
    match kept(&mut input.clone(), rows, (false, Lists::AllOrNothing)) {
        _ if rows.is_empty() => Ok(About::Theirs),
        Kept::Record => Ok(About::Theirs),
        Kept::Nameless if tool.deed == Deed::Reads => Ok(About::Unsaid),
        Kept::Nameless | Kept::Other => Err(named(rows)),
    }
}

/// Leaves what is about records that fit: an object with one of the fields is a record, and what stands in it belongs to it. False where nothing is left
/// that names a record, or comes of a call about one.
pub fn keep(answer: &mut Value, rows: &Rows, about: About) -> bool {
    let is_theirs = about == About::Theirs;
    match kept(answer, rows, (is_theirs, Lists::LeaveOut)) {
        Kept::Record => true,
        Kept::Nameless => is_theirs,
        Kept::Other => false,
    }
}

/// `card_code = C2* or C30001`.
fn named(rows: &Rows) -> String {
    let told: Vec<String> = rows.iter().map(|(name, patterns)| format!("{name} = {}", patterns.join(" or "))).collect();
    format!("only of records with {}", told.join(", "))
}

/// What became of a part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// It is about a record that may be seen, or holds one.
    Record,
    /// It names none.
    Nameless,
    /// It is about another, and what it stands in goes with it, up to a list.
    Other,
}

/// What becomes of a list of which some may not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    /// They are left out: so it is with an answer.
    LeaveOut,
    /// It is as if all of it was about another: what is done, is done with all that a call names.
    AllOrNothing,
}

/// `within`: it belongs to a record that may be seen.
fn kept(part: &mut Value, rows: &Rows, (within, lists): (bool, Lists)) -> Kept {
    match part {
        Value::Object(fields) => {
            let mut own = None;
            for (name, patterns) in rows {
                let Some(value) = fields.get(name) else { continue };
                let fits = text_of(value).is_some_and(|text| patterns.iter().any(|pattern| like(pattern, &text)));
                if !fits {
                    return Kept::Other;
                }
                own = Some(name);
            }
            // One of several fields says too little, unless the others were said around it.
            let is_whole = within || rows.keys().all(|name| fields.contains_key(name));
            if own.is_some() && !is_whole {
                return Kept::Other;
            }
            let is_record = own.is_some();
            let mut found = if is_record { Kept::Record } else { Kept::Nameless };
            for value in fields.values_mut() {
                match kept(value, rows, (within || is_record, lists)) {
                    Kept::Other => return Kept::Other,
                    Kept::Record => found = Kept::Record,
                    Kept::Nameless => {}
                }
            }
            found
        }
        Value::Array(items) => {
            let mut found = Kept::Nameless;
            if lists == Lists::AllOrNothing {
                for item in items {
                    match kept(item, rows, (within, lists)) {
                        Kept::Record => found = Kept::Record,
                        Kept::Nameless if within || !item.is_object() => {}
                        Kept::Nameless | Kept::Other => return Kept::Other,
                    }
                }
                return found;
            }
            items.retain_mut(|item| match kept(item, rows, (within, lists)) {
                Kept::Record => {
                    found = Kept::Record;
                    true
                }
                Kept::Nameless => within,
                Kept::Other => false,
            });
            found
        }
        _ => Kept::Nameless,
    }
}

/// A number is compared as it is written.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Why a tool cannot be called by who sees only some records, whatever it is called with; none where it may be. The record is named in what it takes, or, by
/// one that only reads, in what it answers.
pub fn misses(tool: &Tool, rows: &Rows) -> Option<String> {
    let is_there =
        |name: &str| has_field(&tool.input, name) || (tool.deed == Deed::Reads && has_field(&tool.output, name));
    let missing: Vec<&str> = rows.keys().map(String::as_str).filter(|name| !is_there(name)).collect();
    (!missing.is_empty()).then(|| format!("{}, and it tells no {}", named(rows), missing.join(" and no ")))
}

/// Whether a schema speaks of a field of that name, at whatever depth.
pub fn has_field(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(keywords) => {
            keywords.get("properties").is_some_and(|fields| fields.get(name).is_some())
                || keywords.values().any(|part| has_field(part, name))
        }
        Value::Array(parts) => parts.iter().any(|part| has_field(part, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(fields: &[(&str, &[&str])]) -> Rows {
        let texts = |all: &[&str]| all.iter().map(|own| (*own).to_owned()).collect();
        fields.iter().map(|(name, patterns)| ((*name).to_owned(), texts(patterns))).collect()
    }

    #[test]
    fn rows_of_others_go_and_what_belongs_to_a_record_stays_with_it() {
        let north = rows(&[("card_code", &["C2*", "C30001"])]);
        let mut found = json!({ "customers": [{ "card_code": "C20000" }, { "card_code": "C9" }, { "card_code": "C30001", "notes": ["x"] }], "more": false });
        assert!(keep(&mut found, &north, About::Unsaid));
        assert_eq!(
            found,
            json!({ "customers": [{ "card_code": "C20000" }, { "card_code": "C30001", "notes": ["x"] }], "more": false })
        );
        let mut orders =
            json!({ "card_code": "C20000", "orders": [{ "doc_num": 1, "lines": [{ "item_code": "A" }] }] });
        let before = orders.clone();
        assert!(keep(&mut orders, &north, About::Unsaid));
        assert_eq!(orders, before);
        // The customer stands beside its orders, not around them: they cannot be told apart.
        let mut beside = json!({ "customer": { "card_code": "C20000" }, "orders": [{ "doc_num": 1 }] });
        assert!(keep(&mut beside, &north, About::Unsaid));
        assert_eq!(beside["orders"], json!([]));
    }

    #[test]
    fn an_answer_about_another_and_one_that_names_nobody_are_not_given() {
        let north = rows(&[("card_code", &["C2*"])]);
        for mut other in [
            json!({ "card_code": "C9", "balance": 1 }),
            json!({ "customer": { "card_code": "C9" }, "orders": [] }),
            json!({ "customers": [{ "card_code": "C9" }], "note": "Nine Ltd" }),
            json!({ "customers": [], "more": false }),
            json!({ "card_code": ["C20000"] }),
            json!({ "card_code": null }),
            json!({ "code": "C20000" }),
            json!([]),
            json!("C20000"),
        ] {
            assert!(!keep(&mut other, &north, About::Unsaid), "{other}");
        }
        // All of several fields.
        let both = rows(&[("card_code", &["C2*"]), ("currency", &["EUR"])]);
        assert!(keep(&mut json!({ "card_code": "C2", "currency": "EUR" }), &both, About::Unsaid));
        for mut other in [
            json!({ "card_code": "C2", "currency": "USD" }),
            json!({ "card_code": "C2" }),
            json!({ "currency": "EUR" }),
        ] {
            assert!(!keep(&mut other, &both, About::Unsaid), "{other}");
        }
    }

    fn tool(deed: Deed, input: Value, output: Value) -> Tool {
        Tool::own("t", "T", "Tells.", (&input, &output), deed).unwrap()
    }

    #[test]
    fn a_call_about_another_is_not_made_and_what_writes_says_whom_it_is_about() {
        let north = rows(&[("card_code", &["C2*"])]);
        let schema = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } } });
        let [reads, writes] = [Deed::Reads, Deed::Writes].map(|deed| tool(deed, schema("card_code"), schema("items")));
        assert_eq!(about(&reads, &json!({ "card_code": "C20000" }), &north), Ok(About::Theirs));
        assert_eq!(about(&reads, &json!({ "item_code": "A" }), &north), Ok(About::Unsaid));
        assert_eq!(about(&reads, &json!({ "item_code": "A" }), &Rows::new()), Ok(About::Theirs));
        for other in [json!({ "card_code": "C9" }), json!({ "card_code": { "x": "C2" } })] {
            assert!(about(&reads, &other, &north).is_err_and(|why| why.contains("card_code = C2*")), "{other}");
        }
        assert!(about(&writes, &json!({ "doc_num": 9 }), &north).is_err());
        // All that a call names has to be theirs.
        for several in [
            json!({ "orders": [{ "card_code": "C20000" }, { "card_code": "C9" }] }),
            json!({ "card_code": "C20000", "also": [{ "card_code": "C9" }] }),
            json!({ "orders": [{ "card_code": "C20000" }, { "doc_num": 9 }] }),
        ] {
            assert!(about(&writes, &several, &north).is_err() && about(&reads, &several, &north).is_err(), "{several}");
        }
        let own = json!({ "card_code": "C20000", "lines": [{ "item_code": "A" }], "also": [{ "card_code": "C21" }] });
        assert_eq!(about(&writes, &own, &north), Ok(About::Theirs));
        assert_eq!(about(&writes, &json!({ "card_code": "C2" }), &north), Ok(About::Theirs));
        // What it answers then is about that record, unless it names another.
        assert!(keep(&mut json!({ "items": [] }), &north, About::Theirs));
        assert!(!keep(&mut json!({ "card_code": "C9" }), &north, About::Theirs));
        assert_eq!((misses(&reads, &north), misses(&writes, &north)), (None, None));
        let [by_answer, writes] =
            [Deed::Reads, Deed::Writes].map(|deed| tool(deed, schema("text"), schema("card_code")));
        assert!(misses(&by_answer, &north).is_none() && misses(&writes, &north).is_some());
    }

    proptest::proptest! {
        /// Whatever the answer is like, nothing that names another record is left in it.
        #[test]
        fn no_other_record_is_left(codes in proptest::collection::vec(("[AB]", 0u8..4), 1..12)) {
            let mut answer = json!({});
            for (code, shape) in codes {
                answer = match shape {
                    0 => json!({ "card_code": code, "of": answer }),
                    1 => json!({ "rows": [answer, { "card_code": code }] }),
                    2 => json!([{ "card_code": code, "rows": [answer] }]),
                    _ => json!({ "beside": { "card_code": code }, "rest": [answer] }),
                };
            }
            if keep(&mut answer, &rows(&[("card_code", &["A"])]), About::Unsaid) {
                proptest::prop_assert!(!answer.to_string().contains("\"B\""), "{answer}");
            }
        }
    }
}
