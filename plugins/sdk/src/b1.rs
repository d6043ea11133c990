//! SAP Business One over the `http` capability.

use crate::{Error, Header, Method, Request, Response, Value, body_of, request};

/// A literal in a `$filter` or a key: `'` is doubled.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Percent-encodes what may not stand in a query.
pub fn encode(query: &str) -> String {
    let mut encoded = String::with_capacity(query.len());
    for byte in query.bytes() {
        match byte {
            b'%' | b'&' | b'+' | b'#' | b'"' | b'<' | b'>' | b' ' | 0x80.. => encoded.push_str(&format!("%{byte:02X}")),
            other => encoded.push(char::from(other)),
        }
    }
    encoded
}

/// Reads of an entity set by many key values, as few filters as fit: ask with `send_all`, read with [`rows`].
pub fn by_values(slot: &str, set: &str, field: &str, values: &[String], select: &str) -> Vec<Request> {
    /// Values per filter: keeps the address below 2,000 characters.
    const VALUES: usize = 25;
    values
        .chunks(VALUES)
        .map(|chunk| {
            let filter: Vec<String> = chunk.iter().map(|value| format!("{field} eq {}", quote(value))).collect();
            let path = format!("/{set}?$filter={}&$select={select}", encode(&filter.join(" or ")));
            let mut request = request(slot, Method::Get, path, None, "");
            request.headers.push(Header { name: "Prefer".into(), value: "odata.maxpagesize=0".into() });
            request
        })
        .collect()
}

/// The rows of an answered read.
pub fn rows(answer: Result<Response, Error>) -> Result<Vec<Value>, Error> {
    let body = body_of(&answer?);
    Ok(body["value"].as_array().cloned().unwrap_or_default())
}
