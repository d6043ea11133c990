//! What a host left in the org that is seen no more: its database was lost, and with it what the host is called and what it
//! asked. The host that is there now closes it, or a person's answer would be heard by nobody.

use std::time::Duration;

use chrono::DateTime;
use serde_json::{Value, json};

use super::{ANSWER_LIMIT, Failed, Reporter, SHORT, review_call_of, short};
use crate::connections::Pace;
use crate::time::{iso, now};

/// Reports that a host leaves out before it counts as lost: an hour, as it is configured.
const SILENT: u32 = 12;
/// Begins the message of one whose questions were closed.
const CLOSED: &str = "Seen no more";

/// A host by its record of health.
#[derive(Debug, PartialEq)]
struct Other {
    id: String,
    seen: i64,
}

impl Reporter {
    /// How long another host must be silent, and when to look again.
    pub(super) fn silence(&self) -> Duration {
        self.every * SILENT
    }

    /// Closes what hosts left that told this org under this connection's name and are silent; true when there are others
    /// that may yet turn out to be so.
    pub(super) async fn close_lost(&self, host: &str) -> Result<bool, Failed> {
        let rows = self
            .rows("SELECT Name, Tandem_Key__c, Tandem_Message__c, Tandem_Last_Seen__c FROM Tandem_Health__c")
            .await?;
        let others: Vec<Other> = rows.iter().filter_map(|row| other(row, host, &self.name)).collect();
        let before = now() - i64::try_from(self.silence().as_millis()).unwrap_or(i64::MAX);
        let (lost, quiet): (Vec<&Other>, Vec<&Other>) = others.iter().partition(|other| other.seen < before);
        for other in lost {
            self.close(other).await?;
        }
        Ok(!quiet.is_empty())
    }

    async fn close(&self, lost: &Other) -> Result<(), Failed> {
        let (id, seen) = (&lost.id, iso(lost.seen));
        let open = self
            .rows(&format!(
                "SELECT Tandem_Key__c, Tandem_Answer__c FROM Tandem_Review__c WHERE Tandem_State__c = 'Open' AND Tandem_Key__c LIKE '{id}:%'"
            ))
            .await?;
        let calls = open.iter().filter_map(|row| {
            let late = if row["Tandem_Answer__c"].is_null() { "" } else { "Too late: " };
            let outcome = format!(
                "{late}the host that asked this was seen last at {seen}; what still needs an answer is asked anew"
            );
            let fields = json!({ "Tandem_State__c": "Closed", "Tandem_Outcome__c": short(&outcome, SHORT) });
            Some(review_call_of(row["Tandem_Key__c"].as_str()?, &fields))
        });
        for result in self.connection.send_all(calls.collect(), ANSWER_LIMIT, Pace::AtOnce).await {
            result?;
        }
        // Last: what failed before is tried again.
        let message = format!("{CLOSED}: another host is there now, and the questions of this one are closed.");
        let fields = json!({ "Tandem_State__c": "Stopped", "Tandem_Message__c": message, "Tandem_Reviews__c": 0 });
        // What it found when it compared both sides last is of then.
        self.tell_health(id, fields, None).await?;
        tracing::warn!(
            connection = self.name,
            host = id,
            seen,
            questions = open.len(),
            "a host is seen no more, such as one whose database was lost: its questions in the org are closed"
        );
        Ok(())
    }
}

/// Another host than `own` that tells this org under the same name, and is not closed.
fn other(row: &Value, own: &str, name: &str) -> Option<Other> {
    let (id, told_as) = row["Tandem_Key__c"].as_str()?.split_once(':')?;
    let plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let closed = row["Tandem_Message__c"].as_str().is_some_and(|text| text.starts_with(CLOSED));
    let seen = row["Tandem_Last_Seen__c"].as_str()?;
    let seen = DateTime::parse_from_rfc3339(seen).or_else(|_| DateTime::parse_from_str(seen, "%Y-%m-%dT%H:%M:%S%.f%z"));
    let seen = seen.ok()?.timestamp_millis();
    (plain && id != own && told_as == name && !closed).then(|| Other { id: id.to_owned(), seen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_of_the_same_name_that_is_not_closed_is_another() {
        let row = |key: &str, seen: &str, message: &str| json!({ "Tandem_Key__c": key, "Tandem_Last_Seen__c": seen, "Tandem_Message__c": message });
        let seen = "1970-01-01T00:00:01.000+0000";
        let found = other(&row("0b:crm", seen, ""), "0a", "crm");
        assert_eq!(found, Some(Other { id: "0b".into(), seen: 1_000 }));
        for (key, message) in
            [("0a:crm", ""), ("0b:other", ""), ("%:crm", ""), ("crm", ""), ("0b:crm", "Seen no more: x")]
        {
            assert_eq!(other(&row(key, seen, message), "0a", "crm"), None, "{key} {message}");
        }
    }
}
