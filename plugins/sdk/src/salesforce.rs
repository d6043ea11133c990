//! Salesforce over the `http` capability.

use crate::{Error, Method, Value, b1, http, list_of, lists, request};

/// A SOQL string literal: `'` and `\` are escaped, and the line breaks and tabs of a pasted text.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for c in text.chars() {
        match c {
            '\\' | '\'' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// True for a record's id in its 18 letters, of which the last three say which of the others are capitals. A query by what is none is
/// refused, with all else that it asks for.
pub fn is_id(text: &str) -> bool {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let Some((id, check)) = text.as_bytes().split_at_checked(15).filter(|(_, check)| check.len() == 3) else {
        return false;
    };
    let capitals =
        |five: &[u8]| five.iter().rev().fold(0, |bits, byte| bits << 1 | usize::from(byte.is_ascii_uppercase()));
    id.iter().all(u8::is_ascii_alphanumeric)
        && id.chunks(5).zip(check).all(|(five, letter)| LETTERS[capitals(five)] == letter.to_ascii_uppercase())
}

/// All rows of a query.
pub fn query(slot: &str, soql: &str) -> Result<Vec<Value>, Error> {
    rows_of(slot, "query", soql)
}

pub(crate) fn rows_of(slot: &str, verb: &str, soql: &str) -> Result<Vec<Value>, Error> {
    let path = format!("/{verb}?q={}", b1::encode(soql));
    let response = http::send(&request(slot, Method::Get, path, None, ""))?;
    list_of(&response, "records")
}

/// Rows of `SELECT <fields> FROM <from> WHERE <field> IN (…) <and>`, in as few queries as fit.
pub fn query_in(fields: &str, from: &str, field: &str, values: &[String], and: &str) -> Result<Vec<Value>, Error> {
    rows_in("query", fields, from, field, values, and)
}

/// The same with deleted and merged records.
pub fn query_all_in(fields: &str, from: &str, field: &str, values: &[String]) -> Result<Vec<Value>, Error> {
    rows_in("queryAll", fields, from, field, values, "")
}

/// Names and sub-queries, each once: SOQL refuses a field that is asked for twice, in whatever capitals.
pub(crate) fn each_once(fields: &str) -> String {
    let mut depth = 0_usize;
    let parts = fields.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    let mut known = std::collections::BTreeSet::new();
    let parts = parts.map(str::trim).filter(|part| known.insert(part.to_ascii_lowercase()));
    let parts: Vec<String> = parts.map(each_once_within).collect();
    parts.join(",")
}

/// `(SELECT Id,Id FROM OpportunityLineItems)` as `(SELECT Id FROM OpportunityLineItems)`.
fn each_once_within(part: &str) -> String {
    let within = part.strip_prefix("(SELECT ").and_then(|rest| rest.split_once(" FROM "));
    within.map_or_else(|| part.to_owned(), |(fields, rest)| format!("(SELECT {} FROM {rest}", each_once(fields)))
}

pub(crate) fn rows_in(
    verb: &str,
    fields: &str,
    from: &str,
    field: &str,
    values: &[String],
    and: &str,
) -> Result<Vec<Value>, Error> {
    let fields = each_once(fields);
    let soql =
        |list: &str| format!("SELECT {fields} FROM {from} WHERE {field} IN ({list}) {and}").trim_end().to_owned();
    let room = lists::SALESFORCE.saturating_sub(lists::length(&soql("")));
    let literals: Vec<String> = b1::distinct(values).iter().map(|value| quote(value)).collect();
    let mut rows = Vec::new();
    for run in lists::runs(&literals, 1, room, usize::MAX) {
        rows.extend(rows_of("salesforce", verb, &soql(&run.join(",")))?);
    }
    Ok(rows)
}

/// The time now, as a date-time field takes it.
pub fn now() -> Value {
    let at = i64::try_from(crate::clock::now()).ok().and_then(chrono::DateTime::from_timestamp_millis);
    at.map_or(Value::Null, |at| at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into())
}

/// The moment of a Salesforce date-time such as `2026-01-31T10:00:00.000+0000`, in milliseconds; 0 for what is none.
pub fn moment(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_default();
    let parsed = chrono::DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z");
    parsed.ok().and_then(|at| u64::try_from(at.timestamp_millis()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_asked_for_once_in_whatever_capitals() {
        assert_eq!(
            each_once(
                "Id,StageName,stagename,Account.Name,(SELECT Id, Quantity,quantity FROM OpportunityLineItems ORDER BY Id)"
            ),
            "Id,StageName,Account.Name,(SELECT Id,Quantity FROM OpportunityLineItems ORDER BY Id)"
        );
    }

    #[test]
    fn an_id_is_told_from_what_a_person_writes_in_its_place() {
        assert!(["0065g0000000003AAA", "001D000000IqhSLIAZ"].iter().all(|id| is_id(id)));
        assert!(
            !["", "by phone", "0065g0000000003", "0065g0000000003AAB", "0065g000000000\u{e9}AA", "order of Mr Smith!"]
                .iter()
                .any(|text| is_id(text))
        );
    }

    #[test]
    fn a_literal_holds_any_text() {
        assert_eq!(quote("O'Neil\\Co\t\r\n"), r"'O\'Neil\\Co\t\r\n'");
    }
}
