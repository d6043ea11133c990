//! How much of the org's event allocations is used, for `/metrics`: what may be published in an hour and delivered in a day.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::trouble::Troubles;
use crate::connections::{Call, CallError, Connection};

/// Salesforce's own numbers are minutes old.
const EVERY: Duration = Duration::from_secs(15 * 60);
const ANSWER_LIMIT: u64 = 1 << 20;
/// Salesforce's name of an allocation, and ours.
const ALLOCATIONS: [(&str, &str); 2] =
    [("HourlyPublishedPlatformEvents", "published"), ("DailyDeliveredPlatformEvents", "delivered")];

/// Looks now and then, until `stop` turns true.
pub async fn watch(name: String, connection: Arc<Connection>, mut stop: watch::Receiver<bool>) {
    let mut troubles = Troubles::default();
    while !*stop.borrow() {
        let looked = tokio::select! {
            looked = look(&name, &connection) => looked,
            _ = stop.changed() => return,
        };
        match looked {
            Err(error @ CallError::Remote { .. }) if troubles.begins("limits") => {
                tracing::info!(
                    connection = name,
                    %error,
                    "the org does not say how many events are used: /metrics lacks it; the integration user's right to see it is View Setup and Configuration"
                );
            }
            Err(error) => tracing::debug!(connection = name, %error, "the org's limits are not known"),
            Ok(()) => {}
        }
        tokio::select! { _ = tokio::time::sleep(EVERY) => {} _ = stop.changed() => {} }
    }
}

/// An allocation of events.
pub struct Usage {
    /// `published` or `delivered`.
    pub kind: &'static str,
    /// Of the hour or the day.
    pub used: f64,
    /// So many are allowed.
    pub allowed: f64,
}

impl Usage {
    /// Whether nothing of it is left.
    pub fn is_used_up(&self) -> bool {
        self.used >= self.allowed
    }
}

/// How much of its event allocations an org says is used; one that it counts in another way is left out.
pub async fn usage(connection: &Connection) -> Result<Vec<Usage>, CallError> {
    let answer = connection.send(Call::get("/limits"), ANSWER_LIMIT).await?;
    let limits: Value = serde_json::from_str(&answer.body)
        .map_err(|e| CallError::Invalid(format!("Salesforce sent limits that are not JSON: {e}")))?;
    let of = |(own, kind): (&str, &'static str)| {
        let (allowed, left) = (limits[own]["Max"].as_f64()?, limits[own]["Remaining"].as_f64()?);
        Some(Usage { kind, used: allowed - left, allowed })
    };
    Ok(ALLOCATIONS.into_iter().filter_map(of).collect())
}

async fn look(name: &str, connection: &Connection) -> Result<(), CallError> {
    for Usage { kind, used, allowed } in usage(connection).await? {
        let labels = [("connection", name.to_owned()), ("kind", kind.to_owned())];
        metrics::gauge!("tandem_salesforce_events_used", &labels).set(used);
        metrics::gauge!("tandem_salesforce_events_allowed", &labels).set(allowed);
    }
    Ok(())
}
