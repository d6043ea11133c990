//! SAP Business One over the `http` capability.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Decimal, Error, Header, Method, Request, Response, Value, decimal, http, list_of, lists, request, text};

/// A literal in a `$filter` or a key: `'` is doubled.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Percent-encodes a value of a query: all that may not stand in one as it is (RFC 3986), control characters of a pasted text
/// among it, and what would begin another value.
pub fn encode(query: &str) -> String {
    let mut encoded = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => encoded.push(char::from(byte)),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b';' | b'=' | b':' | b'@'
            | b'/' | b'?' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// Reads of an entity set by many key values (literals), as few filters as fit.
fn by_literals(slot: &str, set: &str, field: &str, literals: &[String], more: &str, select: &str) -> Vec<Request> {
    /// Values per filter.
    const VALUES: usize = 25;
    let frame = set.len() + lists::length(more) + select.len() + "/?$filter=()%20and%20&$select=".len();
    // ` or CardCode eq `
    let joint = field.len() + 4 + "%20or%20%20eq%20".len();
    lists::runs(literals, joint, lists::B1.saturating_sub(frame), VALUES)
        .into_iter()
        .map(|chunk| {
            let any: Vec<String> = chunk.iter().map(|value| format!("{field} eq {value}")).collect();
            let any = any.join(" or ");
            let filter = if more.is_empty() { any } else { format!("({any}) and {more}") };
            let path = format!("/{set}?$filter={}&$select={select}", encode(&filter));
            let mut request = request(slot, Method::Get, path, None, "");
            request.headers.push(Header { name: "Prefer".into(), value: "odata.maxpagesize=0".into() });
            request
        })
        .collect()
}

/// Reads of an entity set by many text keys, as few filters as fit: ask with `send_all`, read with [`rows`].
pub fn by_values(slot: &str, set: &str, field: &str, values: &[String], select: &str) -> Vec<Request> {
    let literals: Vec<String> = values.iter().map(|value| quote(value)).collect();
    by_literals(slot, set, field, &literals, "", select)
}

/// The rows of an answered read.
pub fn rows(answer: Result<Response, Error>) -> Result<Vec<Value>, Error> {
    list_of(&answer?, "value")
}

/// What to read of an entity set, in one request with others.
pub struct Read<'a> {
    /// Entity set.
    pub set: &'a str,
    /// The property asked for.
    pub field: &'a str,
    /// Values as they stand in a filter: see [`quote`].
    pub literals: Vec<String>,
    /// A further condition; empty for none.
    pub and: &'a str,
    /// Properties.
    pub select: String,
}

impl<'a> Read<'a> {
    /// By text keys.
    pub fn texts(set: &'a str, field: &'a str, values: &[String], select: impl Into<String>) -> Self {
        Self {
            set,
            field,
            literals: distinct(values).iter().map(|value| quote(value)).collect(),
            and: "",
            select: select.into(),
        }
    }

    /// By number keys.
    pub fn numbers(set: &'a str, field: &'a str, values: &[i64], select: impl Into<String>) -> Self {
        let mut values = values.to_vec();
        values.sort_unstable();
        values.dedup();
        Self { set, field, literals: values.iter().map(i64::to_string).collect(), and: "", select: select.into() }
    }

    /// With a further condition.
    pub fn and(mut self, condition: &'a str) -> Self {
        self.and = condition;
        self
    }
}

/// Reads many things at once; answers in the order of `reads`.
pub fn read_all(reads: &[Read<'_>]) -> Result<Vec<Vec<Value>>, Error> {
    let mut requests = Vec::new();
    let mut owners = Vec::new();
    for (place, read) in reads.iter().enumerate() {
        for request in by_literals("b1", read.set, read.field, &read.literals, read.and, &read.select) {
            requests.push(request);
            owners.push(place);
        }
    }
    let mut found = vec![Vec::new(); reads.len()];
    if requests.is_empty() {
        return Ok(found);
    }
    for (place, answer) in owners.into_iter().zip(http::send_all(&requests)) {
        found[place].extend(rows(answer)?);
    }
    Ok(found)
}

/// Reads one thing.
pub fn read(read: Read<'_>) -> Result<Vec<Value>, Error> {
    Ok(read_all(&[read])?.pop().unwrap_or_default())
}

/// Which of these codes B1 has, spelt exactly so: on HANA it tells `PUMP-x1` and `PUMP-X1` apart, on SQL Server it finds the
/// one by the other.
pub fn spelt_so(set: &str, key: &str, codes: &[String]) -> Result<BTreeSet<String>, Error> {
    if codes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found = read(Read::texts(set, key, codes, key))?;
    Ok(found.iter().map(|row| text(row, key).to_owned()).filter(|code| codes.contains(code)).collect())
}

/// All records of an entity set, or those of a filter.
pub fn all(set: &str, filter: &str, select: &str) -> Result<Vec<Value>, Error> {
    let filter = if filter.is_empty() { String::new() } else { format!("$filter={}&", encode(filter)) };
    in_pages(format!("/{set}?{filter}$select={select}"))
}

fn in_pages(path: String) -> Result<Vec<Value>, Error> {
    let mut request = request("b1", Method::Get, path, None, "");
    request.headers.push(Header { name: "Prefer".into(), value: "odata.maxpagesize=500".into() });
    rows(http::send(&request))
}

/// All records of a small entity set with all properties: for those whose properties differ from version to version.
pub fn every(set: &str) -> Result<Vec<Value>, Error> {
    in_pages(format!("/{set}"))
}

/// Goes through all records of a filter, page by page in the order of a number key, and keeps none: for what may be too
/// much to hold.
pub fn each(set: &str, key: &str, filter: &str, select: &str, mut look: impl FnMut(&Value)) -> Result<(), Error> {
    /// Records of one page.
    const PAGE: usize = 200;
    let mut last = i64::MIN;
    loop {
        let more = if last == i64::MIN { String::new() } else { format!(" and {key} gt {last}") };
        let filter = encode(&format!("{filter}{more}"));
        let path = format!("/{set}?$filter={filter}&$select={select}&$orderby={key}&$top={PAGE}");
        let mut request = request("b1", Method::Get, path, None, "");
        request.headers.push(Header { name: "Prefer".into(), value: format!("odata.maxpagesize={PAGE}") });
        let page = rows(http::send(&request))?;
        page.iter().for_each(&mut look);
        match page.last().and_then(|row| row[key].as_i64()) {
            Some(newest) if page.len() == PAGE => last = newest,
            _ => return Ok(()),
        }
    }
}

/// Rows by the text or number of one property.
pub fn by_key(rows: Vec<Value>, key: &str) -> BTreeMap<String, Value> {
    rows.into_iter().map(|row| (key_text(&row[key]), row)).collect()
}

/// A key as text: `C00001`, `12`.
pub fn key_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Sorted, each once.
pub fn distinct(values: &[String]) -> Vec<String> {
    let mut values: Vec<String> = values.iter().filter(|value| !value.is_empty()).cloned().collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// `2026-01-31` of `2026-01-31T00:00:00Z`; null when empty.
pub fn day(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.get(..10)) {
        Some(day) => day.into(),
        None => Value::Null,
    }
}

/// True for `tYES`.
pub fn yes(record: &Value, field: &str) -> bool {
    text(record, field) == "tYES"
}

/// An amount; zero when it is empty.
pub fn amount(record: &Value, field: &str) -> Decimal {
    decimal(&record[field]).unwrap_or_default()
}

/// An exact JSON number.
pub fn number(value: Decimal) -> Value {
    crate::from_json(&value.normalize().to_string())
}

/// The lines of a document.
pub fn lines(document: &Value) -> &[Value] {
    document["DocumentLines"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Object codes of documents, as `BaseType` has them.
pub mod code {
    /// Sales order.
    pub const ORDER: i64 = 17;
    /// Delivery.
    pub const DELIVERY: i64 = 15;
    /// Return.
    pub const RETURN: i64 = 16;
    /// A/R invoice.
    pub const INVOICE: i64 = 13;
    /// A/R credit memo.
    pub const CREDIT_MEMO: i64 = 14;
    /// A/R down payment.
    pub const DOWN_PAYMENT: i64 = 203;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_makes_a_query_that_is_none() {
        let all: String = (0_u8..=0x7f).map(char::from).chain(['\u{85}', '\u{2028}', 'ü']).collect();
        let encoded = encode(&all);
        let plain = |c: char| c.is_ascii_graphic() && !"\"#<>[\\]^`{|}&+".contains(c);
        assert!(encoded.chars().all(plain), "{encoded}");
        assert_eq!(encode("Name eq 'a\tb\u{7f}\n'"), "Name%20eq%20'a%09b%7F%0A'");
    }
}
