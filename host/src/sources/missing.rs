//! Records that left without a trace. After a gap that the bus no longer tells of, what changed is read by its stamp, deleted records
//! included, but only while the recycle bin has them (15 days, or until somebody empties it). So each linked record is looked for by its id.
//! That one is not found does not say that it is gone: it may only be out of the integration user's sight. A flow that is told decides.

use serde_json::Value;

use super::failed::Failed;
use crate::connections::{Call, CallError, Connection};
use crate::store::Store;

/// Ids of one query: 27 characters each in an address that holds 16,384.
const PAGE: u32 = 450;
const LIMIT: u64 = 8 << 20;
/// From so many on, when most are missing it is not they that left.
const MANY: usize = 50;

/// Ids of linked records of an object that the org does not show, not even deleted; none where most are missing: that is another org, or a
/// user without the right to see them.
pub(super) async fn look(
    connection: &Connection,
    store: &dyn Store,
    name: &str,
    object: &str,
) -> Result<Vec<String>, Failed> {
    let described: Value = match connection.send(Call::get(format!("/sobjects/{object}")), LIMIT).await {
        Ok(answer) => serde_json::from_str(&answer.body).unwrap_or_default(),
        // An object that the user may not see at all is found missing by `tandem check`.
        Err(CallError::Remote { .. }) => Value::Null,
        Err(error) => return Err(error.into()),
    };
    let Some(prefix) = described["objectDescribe"]["keyPrefix"].as_str().filter(|prefix| prefix.len() == 3) else {
        return Ok(Vec::new());
    };
    let (mut missing, mut all, mut after) = (Vec::new(), 0, String::new());
    loop {
        let ids = store.linked_ids(name, prefix, &after, PAGE).await?;
        let Some(last) = ids.last() else { break };
        after.clone_from(last);
        all += ids.len();
        let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        let soql = format!("SELECT Id FROM {object} WHERE Id IN ({})", list.join(","));
        let rows = connection.org()?.query_with_deleted(&soql, LIMIT).await?;
        let there = |id: &&String| rows.iter().any(|row| row["Id"].as_str() == Some(id.as_str()));
        missing.extend(ids.iter().filter(|id| !there(id)).cloned());
    }
    if missing.len() >= MANY && missing.len() * 2 > all {
        tracing::error!(
            connection = name,
            object,
            missing = missing.len(),
            linked = all,
            "most linked records are not to be seen: is this another org, or may the integration user no longer see them? Nothing is done about them"
        );
        missing.clear();
    }
    Ok(missing)
}
