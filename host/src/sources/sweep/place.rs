//! Where the records of an object are read on: by (`SystemModstamp`, `Id`), since many share a stamp, page by page.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::SPAN_MS;
use crate::store::Millis;

/// The most rows of one page.
const PAGE: usize = 2_000;

/// Where the records of an object are read from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// By the org's clock.
    pub since: Millis,
    /// Stamp and id of the record read last.
    pub after: Option<(String, String)>,
}

impl Place {
    /// Before all that was stamped from then on.
    pub fn since(since: Millis) -> Self {
        Self { since, after: None }
    }

    /// Before all that may have come into sight from then on.
    pub fn seen_from(at: Millis) -> Self {
        Self::since(at - SPAN_MS)
    }

    /// What asks for the page that begins here.
    pub fn query(&self, object: &str, columns: &[&str]) -> String {
        let (columns, condition) = (columns.join(", "), self.condition());
        format!("SELECT {columns} FROM {object} WHERE {condition} ORDER BY SystemModstamp, Id LIMIT {PAGE}")
    }

    /// Behind a page, all of its rows, whatever is made of them; none where it is the last.
    pub fn behind(&self, rows: &[Value]) -> Option<Self> {
        let last = rows.last().filter(|_| rows.len() >= PAGE)?;
        let text = |name: &str| last[name].as_str().map(str::to_owned);
        Some(Self { since: self.since, after: Some((text("SystemModstamp")?, text("Id")?)) })
    }

    fn condition(&self) -> String {
        match &self.after {
            None => format!("SystemModstamp >= {}", crate::time::iso(self.since)),
            Some((stamp, id)) => {
                let stamp = stamp.replace("+0000", "Z");
                format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{id}'))")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(count: usize) -> Vec<Value> {
        let stamp = "2026-01-01T00:00:00.000+0000";
        (0..count).map(|number| json!({ "Id": format!("{number:018}"), "SystemModstamp": stamp })).collect()
    }

    #[test]
    fn a_full_page_is_read_on_from_its_last_row_and_one_that_is_not_full_is_the_last() {
        let next = Place::since(7).behind(&rows(PAGE)).unwrap();
        assert_eq!((next.since, next.after.clone().unwrap().1), (7, format!("{:018}", PAGE - 1)));
        let asked = next.query("Account", &["Id", "SystemModstamp"]);
        let (stamp, last) = ("2026-01-01T00:00:00.000Z", format!("{:018}", PAGE - 1));
        let behind = format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{last}'))");
        assert!(asked.contains(&format!("WHERE {behind} ORDER BY SystemModstamp, Id LIMIT {PAGE}")), "{asked}");
        assert_eq!(Place::since(7).behind(&rows(PAGE - 1)), None);
    }

    #[test]
    fn what_came_into_sight_from_a_time_on_was_stamped_by_the_longest_transaction_before_it() {
        let asked = Place::seen_from(1_767_225_600_000).query("Account", &["Id"]);
        assert!(asked.contains("SystemModstamp >= 2025-12-31T23:49:00"), "{asked}");
    }
}
