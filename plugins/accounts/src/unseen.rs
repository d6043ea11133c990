//! A contact that its account does not show is deleted, moved, or only not to be seen by the integration user. What is not seen is not gone.

use std::collections::BTreeSet;

use tandem_sdk::{Error, salesforce, text};

/// Those of the ids that Salesforce does not show at all, not even as deleted.
pub fn of(ids: &[String]) -> Result<BTreeSet<String>, Error> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let rows = salesforce::query_all_in("Id", "Contact", "Id", ids)?;
    let there: BTreeSet<&str> = rows.iter().map(|row| text(row, "Id")).collect();
    Ok(ids.iter().filter(|id| !there.contains(id.as_str())).cloned().collect())
}
