//! The company database: records by entity set and key, user fields and tables, and transactions that can be undone.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

/// A record.
pub type Record = Map<String, Value>;

/// A key as it stands in a URL: bare number or text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Number(i64),
    Text(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

/// An entity set.
#[derive(Default)]
pub struct Table {
    /// Name of the key property.
    pub key: &'static str,
    /// By key.
    pub records: BTreeMap<Key, Record>,
    /// Keys by the value of `U_SF_Id`.
    by_sf_id: HashMap<String, Vec<Key>>,
}

impl Table {
    /// Empty, with that key property.
    pub fn new(key: &'static str) -> Self {
        Self { key, ..Self::default() }
    }
}

/// One company.
pub struct Database {
    /// By entity set name.
    pub tables: BTreeMap<String, Table>,
    /// User fields by system table, such as `ORDR` → `U_SF_Id`.
    pub user_fields: BTreeMap<String, Vec<String>>,
    /// Next number by series name.
    pub next: HashMap<&'static str, i64>,
    undo: Option<Vec<(String, Key, Option<Record>)>>,
}

impl Database {
    /// Empty, with the entity sets Tandem uses.
    pub fn new() -> Self {
        let sets: [(&str, &'static str); 17] = [
            ("BusinessPartners", "CardCode"),
            ("Items", "ItemCode"),
            ("Warehouses", "WarehouseCode"),
            ("PriceLists", "PriceListNo"),
            ("Currencies", "Code"),
            ("Orders", "DocEntry"),
            ("Quotations", "DocEntry"),
            ("DeliveryNotes", "DocEntry"),
            ("Returns", "DocEntry"),
            ("Invoices", "DocEntry"),
            ("CreditNotes", "DocEntry"),
            ("DownPayments", "DocEntry"),
            ("Drafts", "DocEntry"),
            ("IncomingPayments", "DocEntry"),
            ("SalesTaxCodes", "Code"),
            ("UserFieldsMD", "FieldID"),
            ("UserTablesMD", "TableName"),
        ];
        let tables = sets.into_iter().map(|(name, key)| (name.to_owned(), Table::new(key))).collect();
        Self { tables, user_fields: BTreeMap::new(), next: HashMap::new(), undo: None }
    }

    /// The next number of a series.
    pub fn number(&mut self, series: &'static str, first: i64) -> i64 {
        let next = self.next.entry(series).or_insert(first);
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
            undo.push((set.to_owned(), key, before));
        }
    }

    /// Removes a record; false when there is none.
    pub fn remove(&mut self, set: &str, key: &Key) -> bool {
        let Some(before) = self.tables.get_mut(set).and_then(|table| table.records.remove(key)) else { return false };
        if let Some(undo) = &mut self.undo {
            undo.push((set.to_owned(), key.clone(), Some(before)));
        }
        true
    }

    /// Records that may pass a filter which pins `property` to `values`.
    pub fn candidates<'a>(&'a self, set: &str, property: &str, values: &[String]) -> Option<Vec<&'a Record>> {
        let table = self.tables.get(set)?;
        let mut keys: Vec<Key> = if property == "U_SF_Id" {
            values.iter().filter_map(|value| table.by_sf_id.get(value)).flatten().cloned().collect()
        } else if property == table.key {
            values.iter().map(|value| Key::Text(value.clone())).collect()
        } else {
            return None;
        };
        keys.sort();
        keys.dedup();
        Some(keys.iter().filter_map(|key| table.records.get(key)).collect())
    }

    /// From here on changes can be undone.
    pub fn begin(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Keeps the changes since [`begin`](Self::begin).
    pub fn commit(&mut self) {
        self.undo = None;
    }

    /// Undoes the changes since [`begin`](Self::begin).
    pub fn roll_back(&mut self) {
        for (set, key, before) in self.undo.take().unwrap_or_default().into_iter().rev() {
            if let Some(table) = self.tables.get_mut(&set) {
                match before {
                    Some(record) => table.records.insert(key, record),
                    None => table.records.remove(&key),
                };
            }
        }
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}
