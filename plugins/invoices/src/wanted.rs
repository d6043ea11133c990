//! Which documents a batch is about: those that events tell, and, once a customer has its account, those that came before it.

use std::collections::BTreeMap;

use tandem_sdk::again::{self, Walk};
use tandem_sdk::b1::{self, Read};
use tandem_sdk::chain::{self, ORDER_LINKED};
use tandem_sdk::{Batch, Error, Outcomes, Value, from_json, json, say, storage, text};

use crate::documents::{self, Events};

/// The topic of customers that have an account now.
pub const LINKED: &str = "account.linked";

/// The sets that are shown.
const SETS: [&str; 4] = ["Invoices", "CreditNotes", "DownPayments", "IncomingPayments"];

/// Documents whose records somebody may have deleted or changed in Salesforce: all in turn.
pub const WALKS: [Walk; 4] = [
    Walk::in_turn("b1.Invoices", SETS[0], &["DocEntry"]),
    Walk::in_turn("b1.CreditNotes", SETS[1], &["DocEntry"]),
    Walk::in_turn("b1.DownPayments", SETS[2], &["DocEntry"]),
    Walk::in_turn("b1.IncomingPayments", SETS[3], &["DocEntry"]),
];

/// Places of events by `DocEntry`.
pub type Entries = BTreeMap<i64, Vec<usize>>;

/// Orders of one customer that were linked.
struct Followed {
    /// The day on which the first of them was made; empty where it is not known.
    since: String,
    /// Places of their events.
    events: Vec<usize>,
}

/// Documents by entity set.
pub struct Wanted(BTreeMap<&'static str, Entries>);

impl Wanted {
    /// Of a batch's open events.
    pub fn of(batch: &Batch, outcomes: &mut Outcomes) -> Self {
        let mut wanted = Self(BTreeMap::new());
        let mut linked: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let mut followed: BTreeMap<String, Followed> = BTreeMap::new();
        for (place, event, payload) in outcomes.open(batch) {
            let topic = again::topic(event, &payload);
            let set = SETS.into_iter().find(|set| topic.strip_prefix("b1.") == Some(*set));
            if let (Some(set), Some(entry)) = (set, payload["DocEntry"].as_i64()) {
                wanted.add(set, entry, &[place]);
            } else if topic == LINKED {
                linked.entry(text(&payload, "CardCode").to_owned()).or_default().push(place);
            } else if topic == ORDER_LINKED {
                let day = text(&payload, "CreationDate");
                let own = followed.entry(text(&payload, "CardCode").to_owned());
                let own = own.or_insert_with(|| Followed { since: day.to_owned(), events: Vec::new() });
                own.since = day.min(&own.since).to_owned();
                own.events.push(place);
            }
        }
        if let Err(error) = wanted.followed(&followed) {
            let all: Vec<usize> = followed.into_values().flat_map(|own| own.events).collect();
            let what = say("invoices.reading_before_order", "reading what came before the order was linked", []);
            outcomes.fail(&all, &error, what);
        }
        if let Err(error) = wanted.earlier(&linked) {
            let all: Vec<usize> = linked.into_values().flatten().collect();
            outcomes.fail(
                &all,
                &error,
                say("invoices.reading_before_account", "reading what came before the account", []),
            );
        }
        wanted
    }

    /// Those that are shown as invoices, beside others.
    pub fn documents(&mut self, mut others: Events) -> Events {
        for (set, kind, _) in documents::SETS {
            for (entry, places) in self.take(set) {
                others.entry((kind, entry)).or_default().extend(places);
            }
        }
        others
    }

    /// Those of one set.
    pub fn take(&mut self, set: &str) -> Entries {
        self.0.remove(set).unwrap_or_default()
    }

    fn add(&mut self, set: &'static str, entry: i64, events: &[usize]) {
        self.0.entry(set).or_default().entry(entry).or_default().extend(events);
    }

    /// Documents that customers had since their orders were made, by the day on which each was made itself (its own date may be any):
    /// what followed the orders is among them.
    fn followed(&mut self, followed: &BTreeMap<String, Followed>) -> Result<(), Error> {
        let codes: Vec<String> = followed.keys().cloned().collect();
        let first = followed.values().map(|own| own.since.as_str()).min().unwrap_or_default();
        let kinds = documents::SETS.map(|(_, kind, _)| kind);
        let rows = chain::since(first, &codes, &kinds, |_| "DocEntry,CardCode,CreationDate".to_owned())?;
        for ((kind, entry), row) in rows {
            let own = followed.get(text(&row, "CardCode"));
            let own = own.filter(|own| text(&row, "CreationDate") >= own.since.as_str());
            let set = documents::SETS.iter().find(|(_, own, _)| *own == kind);
            if let (Some((set, ..)), Some(own)) = (set, own) {
                self.add(set, entry, &own.events);
            }
        }
        Ok(())
    }

    /// Documents of linked customers from the first on that nobody could be shown.
    fn earlier(&mut self, linked: &BTreeMap<String, Vec<usize>>) -> Result<(), Error> {
        let first: BTreeMap<&String, Value> =
            linked.keys().filter_map(|code| Some((code, from_json(&storage::get(&key(code))?)))).collect();
        for set in SETS {
            let since = |code: &String| first.get(code).and_then(|first| first[set].as_i64());
            let codes: Vec<String> = linked.keys().filter(|code| since(code).is_some()).cloned().collect();
            let Some(least) = codes.iter().filter_map(since).min() else { continue };
            let later = format!("DocEntry ge {least}");
            for row in b1::read(Read::texts(set, "CardCode", &codes, "DocEntry,CardCode").and(&later))? {
                let code = text(&row, "CardCode").to_owned();
                if let (Some(entry), Some(events)) = (row["DocEntry"].as_i64(), linked.get(&code))
                    && since(&code).is_some_and(|since| entry >= since)
                {
                    self.add(set, entry, events);
                }
            }
        }
        Ok(())
    }
}

/// Notes the first document of each set that a customer without an account has: little, however many follow.
pub fn unseen(card_code: &str, set: &str, entry: i64) {
    let mut noted = storage::get(&key(card_code)).map_or_else(|| json!({}), |text| from_json(&text));
    if noted[set].as_i64().is_none_or(|first| entry < first) {
        noted[set] = entry.into();
        let _ = storage::set(&key(card_code), &noted.to_string());
    }
}

/// What came before their accounts is shown: nothing is noted of it any more, unless it is to be done again.
pub fn seen(batch: &Batch, outcomes: &Outcomes) {
    for (_, event, payload) in outcomes.open(batch) {
        if event.topic == LINKED {
            storage::delete(&key(text(&payload, "CardCode")));
        }
    }
}

fn key(card_code: &str) -> String {
    format!("unseen:{card_code}")
}
