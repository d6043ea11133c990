//! Entries that a bookkeeper makes by hand move a customer's balance, and leave the partner's `UpdateDate` alone.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{Batch, Error, Outcomes, Value, text};

/// The topic of journal entries.
pub const TOPIC: &str = "b1.JournalEntries";

/// Partners (and accounts, which are no partners) on the rows of new entries, with the events' places.
pub fn customers(batch: &Batch, outcomes: &Outcomes) -> Result<Vec<(usize, String)>, Error> {
    let told: Vec<(usize, i64)> = outcomes
        .open(batch)
        .iter()
        .filter(|(_, event, _)| event.topic == TOPIC)
        .filter_map(|(place, _, payload)| Some((*place, payload["JdtNum"].as_i64()?)))
        .collect();
    let numbers: Vec<i64> = told.iter().map(|(_, number)| *number).collect();
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = b1::read(Read::numbers("JournalEntries", "JdtNum", &numbers, "JdtNum,JournalEntryLines"))?;
    let entries = b1::by_key(rows, "JdtNum");
    let names = |number: i64| -> Vec<String> {
        let lines = entries.get(&number.to_string()).and_then(|entry| entry["JournalEntryLines"].as_array());
        lines.into_iter().flatten().filter_map(named).collect()
    };
    Ok(told.into_iter().flat_map(|(place, number)| names(number).into_iter().map(move |name| (place, name))).collect())
}

/// A row of a partner has its code for a name, and the control account beside it.
fn named(line: &Value) -> Option<String> {
    let name = text(line, "ShortName");
    (!name.is_empty() && name != text(line, "AccountCode")).then(|| name.to_owned())
}
