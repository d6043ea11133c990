//! Salesforce over the `http` capability.

use std::collections::BTreeMap;

use crate::{Error, Keys, Method, Side, Value, b1, http, links, list_of, lists, request, text};

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

/// All rows of a query.
pub fn query(slot: &str, soql: &str) -> Result<Vec<Value>, Error> {
    rows_of(slot, "query", soql)
}

fn rows_of(slot: &str, verb: &str, soql: &str) -> Result<Vec<Value>, Error> {
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

fn rows_in(
    verb: &str,
    fields: &str,
    from: &str,
    field: &str,
    values: &[String],
    and: &str,
) -> Result<Vec<Value>, Error> {
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

/// Account ids by `CardCode`: by link, and where there is none by the field *B1 Card Code*. A `CardCode` that two accounts
/// carry is told in `doubled` and has no entry.
pub struct Accounts {
    /// Account id by `CardCode`.
    pub ids: BTreeMap<String, String>,
    /// Carried by several accounts, with their ids.
    pub doubled: BTreeMap<String, Vec<String>>,
}

/// See [`Accounts`].
pub fn accounts(card_codes: &[String], keys: &Keys) -> Result<Accounts, Error> {
    let card_codes = b1::distinct(card_codes);
    let mut found = Accounts { ids: BTreeMap::new(), doubled: BTreeMap::new() };
    for (code, link) in card_codes.iter().zip(links::find_all("account", Side::B1, &card_codes)) {
        found.ids.extend(link.map(|link| (code.clone(), link.salesforce_id)));
    }
    let unlinked = card_codes.into_iter().filter(|code| !found.ids.contains_key(code));
    let unlinked: Vec<String> = unlinked.map(|code| keys.carried(&code)).collect();
    let mut by_code: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in query_in("Id,Tandem_Card_Code__c", "Account", "Tandem_Card_Code__c", &unlinked, "")? {
        if let Some(code) = keys.own(text(&row, "Tandem_Card_Code__c")) {
            by_code.entry(code.to_owned()).or_default().push(text(&row, "Id").to_owned());
        }
    }
    for (code, mut ids) in by_code {
        match ids.len() {
            1 => found.ids.extend(ids.pop().map(|id| (code, id))),
            _ => {
                found.doubled.insert(code, ids);
            }
        }
    }
    Ok(found)
}

/// `Product2` ids by `ItemCode`: by link, and where there is none by *B1 Item Code*, then by product code. A code that
/// several active products carry has no entry.
pub fn products(item_codes: &[String], keys: &Keys) -> Result<BTreeMap<String, String>, Error> {
    let item_codes = b1::distinct(item_codes);
    let mut found = BTreeMap::new();
    for (code, link) in item_codes.iter().zip(links::find_all("product", Side::B1, &item_codes)) {
        found.extend(link.map(|link| (code.clone(), link.salesforce_id)));
    }
    // A product code is what people gave: it carries no prefix.
    for (field, keys) in [("Tandem_Item_Code__c", keys), ("ProductCode", &Keys::default())] {
        let unlinked = item_codes.iter().filter(|code| !found.contains_key(*code));
        let unlinked: Vec<String> = unlinked.map(|code| keys.carried(code)).collect();
        let mut by_code: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in query_in(&format!("Id,{field}"), "Product2", field, &unlinked, "")? {
            if let Some(code) = keys.own(text(&row, field)) {
                by_code.entry(code.to_owned()).or_default().push(text(&row, "Id").to_owned());
            }
        }
        for (code, mut ids) in by_code {
            if let (1, Some(id)) = (ids.len(), ids.pop()) {
                found.insert(code, id);
            }
        }
    }
    Ok(found)
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
    fn a_literal_holds_any_text() {
        assert_eq!(quote("O'Neil\\Co\t\r\n"), r"'O\'Neil\\Co\t\r\n'");
    }
}
