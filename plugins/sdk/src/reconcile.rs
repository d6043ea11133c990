//! How the records of a flow are counted and compared: a plugin that says it implements [`Reconciles`], and adds two lines,
//! `#[cfg(target_arch = "wasm32")]` (a native build, such as that of tests, cannot link the names of an interface) and
//! `tandem_sdk::export_reconciling!(Type with_types_in tandem_sdk::reconcile::bindings)`. In these calls nothing is written, whatever the plugin was
//! granted.

use crate::again::beyond;
use crate::b1::{self, Read};
use crate::settings::Settings;
use crate::{
    Decimal, Error, Header, Keys, Method, Side, Value, clock, decimal, from_json, http, passing, request, salesforce,
    text,
};

/// The generated side of the contract. Use the names around it instead.
#[doc(hidden)]
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/0.2.0",
        world: "reconciling",
        pub_export_macro: true,
        default_bindings_module: "tandem_sdk::reconcile::bindings",
        export_macro_name: "export_reconciling",
    });
}

pub use bindings::exports::tandem::plugin::reconcile::{Comparison, Flow, Needs, Page, Row, Sum};

use bindings::exports::tandem::plugin::reconcile as contract;

/// What a plugin says of comparing.
pub trait Reconciles {
    /// The flow's settings.
    type Settings: Settings;

    /// Which things are compared; none where there is nothing to compare under these settings.
    fn plan(settings: &Self::Settings) -> Vec<Comparison>;

    /// The rows that are asked for.
    fn rows(asked: &Asked<'_, Self::Settings>) -> Result<Page, Error>;
}

/// What is to be read.
pub struct Asked<'a, S> {
    /// The flow's settings.
    pub settings: &'a S,
    /// The flow.
    pub flow: &'a Flow,
    /// The name of one of the comparisons that [`Reconciles::plan`] gave.
    pub comparison: &'a str,
    /// Of which side.
    pub side: Side,
    /// Which rows.
    pub which: Which<'a>,
}

impl<S> Asked<'_, S> {
    /// The connection that a slot of the flow is bound to; empty where there is none.
    pub fn connection(&self, slot: &str) -> &str {
        let bound = self.flow.connections.iter().find(|binding| binding.slot == slot);
        bound.map_or("", |binding| binding.connection.as_str())
    }
}

/// Which rows.
pub enum Which<'a> {
    /// The next ones.
    Next {
        /// Only those of things that were changed since, in milliseconds since 1970 UTC.
        since: Option<u64>,
        /// Behind these.
        cursor: Option<&'a str>,
        /// So many records at most.
        most: usize,
    },
    /// Those with one of these ids, or one of these keys, whenever they were changed.
    These {
        /// Ids.
        ids: &'a [String],
        /// Keys.
        keys: &'a [String],
    },
}

impl<T: Reconciles> contract::Guest for T {
    fn plan(flow: Flow) -> Result<Vec<Comparison>, String> {
        Ok(<T as Reconciles>::plan(&T::Settings::read(&flow.settings)?))
    }

    fn read_page(
        flow: Flow,
        comparison: String,
        side: contract::Side,
        since: Option<u64>,
        cursor: Option<String>,
        most: u32,
    ) -> Result<Page, contract::Error> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        asked::<T>(&flow, &comparison, side, Which::Next { since, cursor: cursor.as_deref(), most })
    }

    fn read_rows(
        flow: Flow,
        comparison: String,
        side: contract::Side,
        ids: Vec<String>,
        keys: Vec<String>,
    ) -> Result<Vec<Row>, contract::Error> {
        asked::<T>(&flow, &comparison, side, Which::These { ids: &ids, keys: &keys }).map(|page| page.rows)
    }
}

fn asked<T: Reconciles>(
    flow: &Flow,
    comparison: &str,
    side: contract::Side,
    which: Which<'_>,
) -> Result<Page, contract::Error> {
    let settings = T::Settings::read(&flow.settings).map_err(contract::Error::Failed)?;
    let side = match side {
        contract::Side::B1 => Side::B1,
        contract::Side::Salesforce => Side::Salesforce,
    };
    T::rows(&Asked { settings: &settings, flow, comparison, side, which }).map_err(|error| {
        let why = crate::words(&error);
        if matches!(error, Error::TooLarge(_)) {
            return contract::Error::TooLarge(why);
        }
        match passing::pause(&error) {
            Some(after_ms) => contract::Error::Passing(contract::Passing { after_ms, why }),
            None => contract::Error::Failed(why),
        }
    })
}

/// Things that are compared, and that are the same where they are linked so; else where they have the same key.
pub fn comparison(name: &str, title: &str, link_kind: Option<&str>, needs: Needs) -> Comparison {
    Comparison { name: name.into(), title: title.into(), link_kind: link_kind.map(str::to_owned), needs }
}

/// Records of the org.
pub struct Objects<'a> {
    /// The fields to read, `Id` among them.
    pub fields: String,
    /// The object.
    pub from: &'a str,
    /// A condition; empty for none.
    pub filter: String,
    /// The field with the row's key; `Id` where it is the key.
    pub key: &'a str,
    /// Before that field's values, where several companies share the org.
    pub keys: Option<&'a Keys>,
    /// A day that counts beside the time of the last change, such as `CloseDate`.
    pub dated: Option<&'a str>,
    /// Records of one page.
    pub page: usize,
}

/// Records of an entity set.
pub struct Entities<'a> {
    /// The entity set.
    pub set: &'a str,
    /// The properties to read, id and key among them.
    pub select: String,
    /// A condition; empty for none.
    pub filter: String,
    /// The set's key properties, by which it is ordered. By id a set is read by the first of them.
    pub id: &'a [&'a str],
    /// That one is a number.
    pub is_number: bool,
    /// The property with the row's key, a text.
    pub key: &'a str,
    /// The property with the day of the last change; empty where a record tells none: then all are read whatever the day.
    pub changed: &'a str,
    /// Records of one page.
    pub page: usize,
}

impl Which<'_> {
    /// The same whatever was changed when: of things of which nobody says when they were changed, all are read on both sides.
    pub fn whenever(&self) -> Which<'_> {
        match self {
            Which::Next { cursor, most, .. } => Which::Next { since: None, cursor: *cursor, most: *most },
            Which::These { ids, keys } => Which::These { ids, keys },
        }
    }

    /// Of rows that were read by what they hang on, such as an item's prices, those that are asked for.
    pub fn only(&self, mut rows: Vec<Row>) -> Vec<Row> {
        if let Which::These { ids, keys } = self {
            rows.retain(|row| ids.contains(&row.id) || keys.contains(&row.key));
        }
        rows
    }

    /// Rows of so many entity sets, one set after the other: a cursor names the set's place and how its own pages go on. `id_in`: the id in the set at a place
    /// of what is asked for by id or key; none where it is of another set. `read` reads of one.
    pub fn sets(
        &self,
        count: usize,
        id_in: impl Fn(usize, &str) -> Option<String>,
        read: impl Fn(usize, &Which<'_>) -> Result<Page, Error>,
    ) -> Result<Page, Error> {
        match self {
            Which::Next { since, cursor, most } => {
                let (place, last) = cursor.and_then(|cursor| cursor.split_once(':')).unwrap_or(("0", ""));
                let place: usize = place.parse().unwrap_or_default();
                if place >= count {
                    return Ok(Page { rows: Vec::new(), next: None });
                }
                let cursor = Some(last).filter(|last| !last.is_empty());
                let page = read(place, &Which::Next { since: *since, cursor, most: *most })?;
                let next = match page.next {
                    Some(last) => Some(format!("{place}:{last}")),
                    None => (place + 1 < count).then(|| format!("{}:", place + 1)),
                };
                Ok(Page { rows: page.rows, next })
            }
            Which::These { ids, keys } => {
                let mut rows = Vec::new();
                for place in 0..count {
                    let own = ids.iter().chain(*keys).filter_map(|named| id_in(place, named));
                    let own: std::collections::BTreeSet<String> = own.collect();
                    let own: Vec<String> = own.into_iter().collect();
                    if !own.is_empty() {
                        rows.extend(read(place, &Which::These { ids: &own, keys: &[] })?.rows);
                    }
                }
                Ok(Page { rows, next: None })
            }
        }
    }

    /// Records of the org, each once over all pages, and how it goes on.
    pub fn objects(&self, of: &Objects<'_>) -> Result<(Vec<Value>, Option<String>), Error> {
        self.objects_by("query", of)
    }

    /// The same where only `queryAll` is granted for the object: with deleted and merged ones.
    pub fn all_objects(&self, of: &Objects<'_>) -> Result<(Vec<Value>, Option<String>), Error> {
        self.objects_by("queryAll", of)
    }

    fn objects_by(&self, verb: &str, of: &Objects<'_>) -> Result<(Vec<Value>, Option<String>), Error> {
        let Objects { fields, from, filter, key, keys: prefix, dated, page } = of;
        match self {
            Which::Next { since, cursor, most } => {
                let page = page.min(most);
                let mut conditions: Vec<String> = Vec::new();
                conditions.extend(Some(filter.clone()).filter(|filter| !filter.is_empty()));
                conditions.extend(cursor.map(|id| format!("Id > {}", salesforce::quote(id))));
                if let Some((moment, day)) = since.and_then(moment) {
                    let changed = format!("SystemModstamp >= {moment}");
                    conditions.push(match dated {
                        Some(dated) => format!("({changed} OR {dated} >= {day})"),
                        None => changed,
                    });
                }
                let conditions =
                    if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
                let fields = salesforce::each_once(fields);
                let soql = format!("SELECT {fields} FROM {from} {conditions}ORDER BY Id LIMIT {page}");
                let rows = salesforce::rows_of("salesforce", verb, &soql)?;
                let last = rows.last().filter(|_| rows.len() >= *page);
                let next = last.map(|row| text(row, "Id").to_owned());
                Ok((rows, next))
            }
            Which::These { ids, keys } => {
                let and = if filter.is_empty() { String::new() } else { format!("AND {filter}") };
                let ids: Vec<String> = ids.iter().filter(|id| salesforce::is_id(id)).cloned().collect();
                let mut rows = if ids.is_empty() {
                    Vec::new()
                } else {
                    salesforce::rows_in(verb, fields, from, "Id", &ids, &and)?
                };
                let keys = keys.iter().filter(|own| *key != "Id" || salesforce::is_id(own));
                let keys: Vec<String> =
                    keys.map(|own| prefix.map_or_else(|| own.clone(), |prefix| prefix.carried(own))).collect();
                if !keys.is_empty() {
                    rows.extend(salesforce::rows_in(verb, fields, from, key, &keys, &and)?);
                }
                Ok((each_once(rows, &["Id"]), None))
            }
        }
    }

    /// Records of an entity set, each once over all pages, and how it goes on.
    pub fn entities(&self, of: &Entities<'_>) -> Result<(Vec<Value>, Option<String>), Error> {
        let Entities { set, select, filter, id, is_number, key, changed, page } = of;
        match self {
            Which::Next { since, cursor, most } => {
                let page = page.min(most);
                let mut conditions: Vec<String> = Vec::new();
                conditions.extend(Some(filter.clone()).filter(|filter| !filter.is_empty()));
                let after = cursor.and_then(|last| from_json(last).as_array().cloned());
                conditions.extend(after.map(|last| beyond(id, &last)));
                let day = since.filter(|_| !changed.is_empty()).and_then(moment).map(|(_, day)| day);
                conditions.extend(day.map(|day| format!("{changed} ge '{day}'")));
                let conditions = if conditions.is_empty() {
                    String::new()
                } else {
                    format!("$filter={}&", b1::encode(&conditions.join(" and ")))
                };
                let order = id.join(",");
                let path = format!("/{set}?{conditions}$select={select}&$orderby={order}&$top={page}");
                let mut request = request("b1", Method::Get, path, None, "");
                request.headers.push(Header { name: "Prefer".into(), value: format!("odata.maxpagesize={page}") });
                let rows = b1::rows(http::send(&request))?;
                let last = rows.last().filter(|_| rows.len() >= *page);
                let next = last.map(|row| Value::from_iter(id.iter().map(|name| row[*name].clone())).to_string());
                Ok((rows, next))
            }
            Which::These { ids, keys } => {
                // A number of more digits is the id of nothing, such as an item's bar code, and the Service Layer may refuse it: keys are of `Edm.Int32`.
                let (select, numbers): (&str, Vec<i64>) =
                    (select, ids.iter().filter_map(|id| id.parse::<i32>().ok().map(i64::from)).collect());
                let first = id.first().copied().unwrap_or_default();
                let by_id = if *is_number {
                    Read::numbers(set, first, &numbers, select)
                } else {
                    Read::texts(set, first, ids, select)
                };
                let reads = [by_id.and(filter), Read::texts(set, key, keys, select).and(filter)];
                Ok((each_once(b1::read_all(&reads)?.concat(), id), None))
            }
        }
    }
}

fn each_once(mut rows: Vec<Value>, id: &[&str]) -> Vec<Value> {
    let mut known = std::collections::BTreeSet::new();
    rows.retain(|row| known.insert(id.iter().map(|name| b1::key_text(&row[*name])).collect::<Vec<_>>()));
    rows
}

/// A moment as SOQL has it, and the day before it: by whatever calendar, what was changed since then was changed on that day or later.
fn moment(since: u64) -> Option<(String, String)> {
    let at = chrono::DateTime::from_timestamp_millis(i64::try_from(since).ok()?)?;
    let day = at.checked_sub_days(chrono::Days::new(1))?.format("%Y-%m-%d").to_string();
    Some((at.format("%Y-%m-%dT%H:%M:%SZ").to_string(), day))
}

/// A row with nothing to compare yet.
pub fn row(id: impl Into<String>, key: impl Into<String>, label: impl Into<String>) -> Row {
    Row {
        id: id.into(),
        key: key.into(),
        events: Vec::new(),
        label: label.into(),
        changed: None,
        sums: Vec::new(),
        values: Vec::new(),
        told: String::new(),
        alone: String::new(),
        incomparable: String::new(),
    }
}

impl Row {
    /// With a key of events about it, such as `Orders(7)`.
    pub fn told_by(mut self, key: impl Into<String>) -> Self {
        self.events.push(key.into());
        self
    }

    /// Changed last at that time of Salesforce.
    pub fn changed_in_salesforce(mut self, record: &Value) -> Self {
        self.changed = Some(salesforce::moment(&record["LastModifiedDate"])).filter(|at| *at > 0);
        self
    }

    /// Changed last on that day and time of the company.
    pub fn changed_in_b1(mut self, record: &Value) -> Self {
        self.changed = clock::company_time("b1", text(record, "UpdateDate"), text(record, "UpdateTime"));
        self
    }

    /// With an amount of a month: of `2026-11-30` that is `2026-11`.
    pub fn sum(mut self, what: &str, currency: &str, day: &str, amount: Decimal, rounding: Decimal) -> Self {
        self.sums.push(Sum {
            what: what.into(),
            currency: currency.into(),
            month: day.get(..7).unwrap_or_default().into(),
            amount: amount.to_string(),
            rounding: if rounding.is_zero() { String::new() } else { rounding.to_string() },
        });
        self
    }

    /// With a value.
    pub fn value(mut self, field: &str, value: &Value, other: Option<&Value>) -> Self {
        let is_number = value.is_number();
        self.values.push(contract::Value {
            field: field.into(),
            text: plain(value),
            other: other.map(plain),
            is_number,
        });
        self
    }

    /// It needs none on the other side, for this reason.
    pub fn alone(mut self, why: impl Into<String>) -> Self {
        self.alone = why.into();
        self
    }

    /// It cannot be compared, for this reason: with whatever it is paired, they are not in step.
    pub fn incomparable(mut self, why: impl Into<String>) -> Self {
        self.incomparable = why.into();
        self
    }

    /// With what people were told on the record, where that is a question, a wait or an error.
    pub fn told(mut self, state: &str, message: &str) -> Self {
        if !matches!(state, "" | "Synced") {
            self.told = format!("{state}: {message}");
        }
        self
    }
}

/// A value as it is compared: numbers by value, text without the blanks at its ends, nothing and blank text as one.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) => decimal(value).map_or_else(|| value.to_string(), |number| number.normalize().to_string()),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn values_are_compared_by_what_they_say() {
        assert_eq!([plain(&json!(1.50)), plain(&json!("  a ")), plain(&Value::Null)], ["1.5", "a", ""]);
        assert_eq!(plain(&crate::from_json("1.0E2")), "100");
    }

    #[test]
    fn sets_are_read_one_after_the_other_and_each_id_in_its_own() {
        let read = |place: usize, which: &Which<'_>| {
            let next = match which {
                Which::Next { cursor: None, .. } if place == 0 => Some("7".to_owned()),
                _ => None,
            };
            let named = match which {
                Which::These { ids, .. } => ids.join("+"),
                Which::Next { cursor, .. } => cursor.unwrap_or("first").to_owned(),
            };
            Ok(Page { rows: vec![row(format!("{place}/{named}"), "", "")], next })
        };
        let id_in = |place: usize, key: &str| key.strip_prefix(&format!("{place}:")).map(str::to_owned);
        let (mut cursor, mut seen) = (None, Vec::new());
        loop {
            let which = Which::Next { since: None, cursor: cursor.as_deref(), most: 9 };
            let page = which.sets(2, id_in, read).unwrap();
            seen.extend(page.rows.into_iter().map(|row| row.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["0/first", "0/7", "1/first"]);
        let keys = ["1:4", "0:3", "1:4", "x"].map(str::to_owned);
        let page = Which::These { ids: &keys, keys: &keys[..1] }.sets(2, id_in, read).unwrap();
        assert_eq!(page.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["0/3", "1/4"]);
        assert!(Which::Next { since: None, cursor: Some("9:"), most: 1 }.sets(2, id_in, read).unwrap().rows.is_empty());
    }

    #[test]
    fn a_day_before_the_moment_is_before_it_by_every_calendar() {
        assert_eq!(moment(1_767_225_600_000), Some(("2026-01-01T00:00:00Z".into(), "2025-12-31".into())));
    }
}
