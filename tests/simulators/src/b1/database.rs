//! The company database: records by entity set and key, user fields and tables, and transactions that can be undone.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::schema::{self, SETS};
pub use crate::records::Record;
use crate::records::Records;

/// A key as it stands in a URL: bare number, text, or several named ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Number(i64),
    Text(String),
    Many(Vec<Key>),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Many(keys) => {
                for (place, key) in keys.iter().enumerate() {
                    write!(f, "{}{key}", if place > 0 { "," } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl Key {
    /// The key of a record by the names of its key properties; `None` when one is missing.
    pub fn of(record: &Record, names: &[&str]) -> Option<Self> {
        let one = |name: &&str| match record.get(*name)? {
            Value::String(text) if !text.is_empty() => Some(Self::Text(text.clone())),
            Value::Number(number) => number.as_i64().map(Self::Number),
            _ => None,
        };
        match names {
            [name] => one(name),
            many => many.iter().map(one).collect::<Option<_>>().map(Self::Many),
        }
    }
}

/// An entity set.
#[derive(Default)]
pub struct Table {
    /// Names of the key properties.
    pub keys: &'static [&'static str],
    /// By key.
    pub records: Records<Key>,
    /// Keys by the value of `U_SF_Id`.
    by_sf_id: HashMap<String, Vec<Key>>,
}

/// A change of a transaction: what was there before.
#[derive(Clone, Debug)]
pub struct Undo {
    pub set: String,
    pub key: Key,
    pub before: Option<Record>,
}

/// One company.
pub struct Database {
    /// By entity set name.
    pub tables: BTreeMap<String, Table>,
    /// User fields by table and name: `ORDR` → `U_SF_Id` → its definition.
    user_fields: BTreeMap<String, BTreeMap<String, Record>>,
    /// Stock movements, in order: what OIVL shows.
    pub journal: Vec<Movement>,
    next: BTreeMap<String, i64>,
    undo: Option<Vec<Undo>>,
}

/// A stock movement.
#[derive(Clone, Debug)]
pub struct Movement {
    pub item: String,
    pub warehouse: String,
    pub quantity: rust_decimal::Decimal,
    /// Object code of the document: 15, 13, 16.
    pub kind: i64,
    pub entry: i64,
    pub day: String,
}

impl Database {
    /// Empty, with all entity sets.
    pub fn new() -> Self {
        let table = |keys| Table { keys, ..Table::default() };
        let tables = SETS.iter().map(|set| (set.name.to_owned(), table(set.keys))).collect();
        Self { tables, user_fields: BTreeMap::new(), journal: Vec::new(), next: BTreeMap::new(), undo: None }
    }

    /// The next number of a series.
    pub fn number(&mut self, series: &str, first: i64) -> i64 {
        let next = self.next.entry(series.to_owned()).or_insert(first);
        *next += 1;
        *next - 1
    }

    /// A record.
    pub fn get(&self, set: &str, key: &Key) -> Option<&Record> {
        self.tables.get(set)?.records.get(key)
    }

    /// Makes or replaces a record.
    pub fn put(&mut self, set: &str, key: Key, record: Record) {
        let Some(table) = self.tables.get_mut(set) else { return };
        if let Some(id) = record.get("U_SF_Id").and_then(Value::as_str) {
            let keys = table.by_sf_id.entry(id.to_owned()).or_default();
            if !keys.contains(&key) {
                keys.push(key.clone());
            }
        }
        let before = table.records.insert(key.clone(), record);
        if let Some(undo) = &mut self.undo {
            undo.push(Undo { set: set.to_owned(), key, before });
        }
    }

    /// Removes a record; false when there is none.
    pub fn remove(&mut self, set: &str, key: &Key) -> bool {
        let Some(before) = self.tables.get_mut(set).and_then(|table| table.records.remove(key)) else { return false };
        if let Some(undo) = &mut self.undo {
            undo.push(Undo { set: set.to_owned(), key: key.clone(), before: Some(before) });
        }
        true
    }

    /// Records that may pass a filter which pins `property` to `values`.
    pub fn candidates<'a>(&'a self, set: &str, property: &str, values: &[Key]) -> Option<Vec<&'a Record>> {
        let table = self.tables.get(set)?;
        let texts = values.iter().filter_map(|value| match value {
            Key::Text(text) => Some(text),
            _ => None,
        });
        let mut keys: Vec<Key> = if property == "U_SF_Id" {
            texts.filter_map(|value| table.by_sf_id.get(value)).flatten().cloned().collect()
        } else if table.keys == [property] {
            values.to_vec()
        } else {
            return None;
        };
        keys.sort();
        keys.dedup();
        Some(keys.iter().filter_map(|key| table.records.get(key)).collect())
    }

    /// Adds a user field; false when it is there.
    pub fn add_user_field(&mut self, table: &str, name: &str, definition: Record) -> bool {
        let fields = self.user_fields.entry(table.to_owned()).or_default();
        fields.insert(format!("U_{name}"), definition).is_none()
    }

    /// The definition of a user field.
    pub fn user_field(&self, table: &str, name: &str) -> Option<&Record> {
        self.user_fields.get(table)?.get(name)
    }

    /// Names and types of a table's user fields.
    pub fn user_field_types<'a>(&'a self, table: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields = self.user_fields.get(table).into_iter().flatten();
        fields.map(|(name, field)| (name.as_str(), field.get("Type").and_then(Value::as_str).unwrap_or("db_Alpha")))
    }

    /// Makes a user table.
    pub fn add_user_table(&mut self, name: &str) {
        self.tables.insert(format!("U_{name}"), Table { keys: &["Code"], ..Table::default() });
    }

    /// From here on changes can be undone.
    pub fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps the changes since [`begin`](Self::begin), and gives them.
    pub fn commit(&mut self) -> Vec<Undo> {
        self.undo.take().unwrap_or_default()
    }

    /// Undoes the changes since [`begin`](Self::begin).
    pub fn roll_back(&mut self) {
        for Undo { set, key, before } in self.undo.take().unwrap_or_default().into_iter().rev() {
            if let Some(table) = self.tables.get_mut(&set) {
                match before {
                    Some(record) => table.records.insert(key, record),
                    None => table.records.remove(&key),
                };
            }
        }
    }

    /// All records, to be put back by [`Self::restore`].
    pub fn snapshot(&self) -> Value {
        let tables: Map<String, Value> = self
            .tables
            .iter()
            .map(|(name, table)| {
                (name.clone(), table.records.values().map(|record| Value::Object(record.into_owned())).collect())
            })
            .collect();
        let journal: Vec<Value> = self
            .journal
            .iter()
            .map(|m| json!([m.item, m.warehouse, m.quantity.to_string(), m.kind, m.entry, m.day]))
            .collect();
        json!({ "tables": tables, "next": self.next, "journal": journal })
    }

    /// Puts a snapshot in the place of everything.
    pub fn restore(&mut self, snapshot: &Value) -> Result<(), String> {
        let tables = snapshot["tables"].as_object().ok_or("a snapshot has `tables`")?;
        let mut fresh = Self::new();
        fresh.next = serde_json::from_value(snapshot["next"].clone()).map_err(|e| format!("next: {e}"))?;
        for name in tables.keys().filter_map(|name| name.strip_prefix("U_")) {
            fresh.add_user_table(name);
        }
        for (name, records) in tables {
            let names = match schema::known_set(name) {
                Some(set) => set.keys,
                None => &["Code"],
            };
            for record in records.as_array().into_iter().flatten().filter_map(Value::as_object) {
                let key = Key::of(record, names).ok_or_else(|| format!("a record of {name} has no key"))?;
                if name == "UserFieldsMD" {
                    let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                    fresh.add_user_field(&text("TableName"), &text("Name"), record.clone());
                }
                fresh.put(name, key, record.clone());
            }
        }
        for row in snapshot["journal"].as_array().into_iter().flatten() {
            let text = |place: usize| row[place].as_str().unwrap_or_default().to_owned();
            fresh.journal.push(Movement {
                item: text(0),
                warehouse: text(1),
                quantity: text(2).parse().unwrap_or_default(),
                kind: row[3].as_i64().unwrap_or_default(),
                entry: row[4].as_i64().unwrap_or_default(),
                day: text(5),
            });
        }
        *self = fresh;
        Ok(())
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}
