//! What the store keeps of a flow's differences from one look to the next: what a person left as it is, for as long as it is as he left it, however long the
//! question itself is kept; and what was seen, since when. Nothing of a record stands in it: digests, numbers of events and times.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::Kind;
use super::tally::{Found, Known};
use crate::sandbox::digest_of;
use crate::store::{Intake, Millis, Store, StoreError};

/// Of each sort at most: what is beyond is looked up anew each time.
const MOST: usize = 50_000;

/// See the module's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The event that was answered with *ignore*, and when that was.
    left: BTreeMap<String, (i64, Millis)>,
    /// When it was seen first.
    seen: BTreeMap<String, Millis>,
}

impl Kept {
    /// Of a flow, as it is kept.
    pub async fn of(store: &dyn Store, flow: &str) -> Result<Self, StoreError> {
        let kept = store.position(&name(flow)).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Keeps it.
    pub async fn keep(&self, store: &dyn Store, flow: &str) -> Result<(), StoreError> {
        let text = serde_json::to_string(self).unwrap_or_default();
        store.append(Intake { position: Some((name(flow), text)), ..Intake::default() }).await.map(|_| ())
    }

    /// With what another look has kept: of that which could not be read now it is still so.
    pub fn and(mut self, before: &Self) -> Self {
        for (digest, own) in &before.left {
            self.left.entry(digest.clone()).or_insert(*own);
        }
        for (digest, at) in &before.seen {
            self.seen.entry(digest.clone()).or_insert(*at);
        }
        self
    }

    /// The event by which it was left as it is now, and when.
    pub fn left(&self, comparison: &str, found: &Found) -> Option<(i64, Millis)> {
        self.left.get(&as_it_is(comparison, found)).copied()
    }

    /// It was left as it is.
    pub fn leave(&mut self, comparison: &str, found: &Found, event: i64, at: Millis) {
        if self.left.len() < MOST {
            self.left.insert(as_it_is(comparison, found), (event, at));
        }
    }

    /// Since when Salesforce shows what it shows in this difference, as far as it was seen.
    pub fn seen(&self, comparison: &str, found: &Found) -> Option<Millis> {
        self.seen.get(&as_shown(comparison, found)).copied()
    }

    /// It was seen, and first at this time.
    pub fn see(&mut self, comparison: &str, found: &Found, first: Millis) {
        if self.seen.len() < MOST {
            self.seen.insert(as_shown(comparison, found), first);
        }
    }
}

fn name(flow: &str) -> String {
    format!("reconcile:{flow}")
}

/// Another where one of the values that differ is another; of a record that has no other, where one of its own is.
fn as_it_is(comparison: &str, found: &Found) -> String {
    let mut all = of(comparison, found);
    if found.kind == Kind::Differs {
        all.extend(found.fields.iter().flat_map(|own| [&own.field, &own.salesforce, &own.b1].map(Clone::clone)));
    } else {
        all.extend([&found.salesforce, &found.b1].into_iter().flatten().map(|known| known.digest.clone()));
    }
    digest(&all)
}

/// Another where what Salesforce shows is another: B1's amounts may move all day.
fn as_shown(comparison: &str, found: &Found) -> String {
    let mut all = of(comparison, found);
    all.extend(found.fields.iter().flat_map(|own| [own.field.clone(), own.salesforce.clone()]));
    digest(&all)
}

fn of(comparison: &str, found: &Found) -> Vec<String> {
    let id = |known: &Option<Known>| known.as_ref().map(|known| known.id.clone()).unwrap_or_default();
    vec![comparison.to_owned(), found.kind.words().to_owned(), id(&found.salesforce), id(&found.b1)]
}

fn digest(all: &[String]) -> String {
    let text = serde_json::to_string(all).unwrap_or_default();
    digest_of(text.as_bytes()).chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::report::Field;

    fn found(salesforce: &str, b1: &str) -> Found {
        let field = Field { field: "Name".into(), salesforce: salesforce.into(), b1: b1.into() };
        Found { kind: Kind::Differs, salesforce: None, b1: None, fields: vec![field] }
    }

    #[test]
    fn what_was_left_is_so_while_its_values_stay_and_what_was_seen_while_salesforce_shows_the_same() {
        let mut kept = Kept::default();
        kept.leave("accounts", &found("a", "b"), 7, 100);
        kept.see("accounts", &found("a", "b"), 100);
        let text = serde_json::to_string(&kept).unwrap();
        assert!(!text.contains("\"a\"") && !text.contains("Name"), "{text}");
        let kept: Kept = serde_json::from_str(&text).unwrap();
        assert_eq!(kept.left("accounts", &found("a", "b")), Some((7, 100)));
        assert_eq!(kept.left("accounts", &found("a", "c")), None);
        assert_eq!(kept.left("contacts", &found("a", "b")), None);
        assert_eq!(kept.seen("accounts", &found("a", "c")), Some(100));
        assert_eq!(kept.seen("accounts", &found("d", "b")), None);
        assert_eq!(Kept::default().and(&kept), kept);
    }
}
