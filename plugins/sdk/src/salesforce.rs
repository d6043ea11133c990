//! Salesforce over the `http` capability.

use crate::{Error, Method, Value, body_of, http, request};

/// A SOQL string literal: `'` and `\` are escaped.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// All rows of a query.
pub fn query(slot: &str, soql: &str) -> Result<Vec<Value>, Error> {
    let path = format!("/query?q={}", crate::b1::encode(soql));
    let response = http::send(&request(slot, Method::Get, path, None, ""))?;
    Ok(body_of(&response)["records"].as_array().cloned().unwrap_or_default())
}
