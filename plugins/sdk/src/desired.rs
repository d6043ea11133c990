//! What an owner should have is a set: an item its prices, an item its warehouses. The owner's own link keeps which rows stand for it
//! in Salesforce; a row that stands and is wanted no longer is switched off. Only what was read whole may be taken for wanted.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Link, Side, Value, from_json, json, links};

/// Keys of rows, as their links have them on B1's side.
pub type Keys = BTreeSet<String>;

/// Names of bases that hold sets and no fields.
const PREFIX: &str = "rows:";

/// Rows of one kind that hang on owners of another.
pub struct Desired {
    /// Kind of the owners' links: one that this flow puts.
    pub owners: &'static str,
    /// Kind of the rows' links.
    pub rows: &'static str,
}

impl Desired {
    fn name(&self) -> String {
        format!("{PREFIX}{}", self.rows)
    }

    /// Which rows stand, by the owner's key in B1. An owner that nothing is known of is not among them: it is new, its record was
    /// made again, or nobody kept sets when it was linked. Then Salesforce is asked for its records, and [`Desired::of_records`] tells.
    pub fn standing(&self, owners: &[String]) -> BTreeMap<String, Keys> {
        let found = links::find_all(self.owners, Side::B1, owners);
        let set = |link: &Link| {
            let keys = from_json(&link.base)[self.name()].as_array().cloned()?;
            Some(keys.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        };
        found.iter().flatten().filter_map(|link| Some((link.b1_id.clone(), set(link)?))).collect()
    }

    /// The rows whose records these ids are; records that this flow did not make have none.
    pub fn of_records(&self, ids: &[String]) -> BTreeMap<String, String> {
        let found = links::find_all(self.rows, Side::Salesforce, ids);
        found.into_iter().flatten().map(|link| (link.salesforce_id, link.b1_id)).collect()
    }

    /// Keeps what stands now, where that is another set than before.
    pub fn keep(&self, standing: &BTreeMap<String, Keys>) {
        let owners: Vec<String> = standing.keys().cloned().collect();
        for mut link in links::find_all(self.owners, Side::B1, &owners).into_iter().flatten() {
            let mut base = from_json(&link.base);
            let Some(keys) = standing.get(&link.b1_id) else { continue };
            let keys = json!(keys);
            if base[self.name()] != keys {
                base[self.name()] = keys;
                link.base = base.to_string();
                links::put(&link);
            }
        }
    }
}
