//! The org's outbox: `Tandem_Outbox__c` holds what its triggers could not publish. The host reads it in turn, stores each row as the
//! event that was lost, and deletes it then. Nothing in the org needs a schedule for it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::failed::Failed;
use super::trouble::Troubles;
use super::{Routes, change, sweep};
use crate::connections::{Call, CallError, Connection, Method};
use crate::store::{Inbox, Intake, NewEvent, StoreError};
use crate::time::{fresh_trace, seconds};

/// Rows of one query, and of one Collections delete.
const PAGE: usize = 200;
const ANSWER_LIMIT: u64 = 4 << 20;
/// Somebody else has deleted the row.
const GONE: [&str; 2] = ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"];

/// The outbox of one org.
pub struct Outbox {
    /// Connection name.
    pub name: String,
    /// The org.
    pub connection: Arc<Connection>,
    /// Who takes its changes.
    pub routes: Routes,
    /// Where events go.
    pub inbox: Arc<Inbox>,
    /// Rung when the change is a person's answer to a question.
    pub answered: Arc<Notify>,
    /// How often it is looked into.
    pub every: Duration,
}

impl Outbox {
    /// Takes what is there, until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut troubles = Troubles::default();
        // Before the first look that ends: so that one that never does is seen to stand still, too.
        self.looked_at_now();
        while !*stop.borrow() {
            let looked = tokio::select! {
                looked = self.look() => looked,
                _ = stop.changed() => return,
            };
            match looked {
                Ok(()) => {
                    if let Some(trouble) = troubles.over("outbox") {
                        tracing::info!(connection = self.name, times = trouble.times, "the outbox can be taken again");
                    }
                }
                Err(error) if troubles.begins("outbox") => {
                    tracing::warn!(connection = self.name, %error, "the outbox could not be taken: what the org could not publish waits there");
                }
                Err(error) => tracing::debug!(connection = self.name, %error, "the outbox could not be taken"),
            }
            tokio::select! { _ = tokio::time::sleep(self.every) => {} _ = stop.changed() => {} }
        }
    }

    /// Page by page, so that a row that cannot be deleted holds up none behind it.
    async fn look(&self) -> Result<(), Failed> {
        let mut after: Option<String> = None;
        let mut undeleted = None;
        let mut seen = 0;
        loop {
            let rows = self.page(after.as_deref()).await?;
            let ids: Vec<&str> = rows.iter().filter_map(|row| row["Id"].as_str()).collect();
            seen += rows.len();
            let Some(last) = ids.last() else { break };
            self.take(&rows).await?;
            if let Err(error) = self.delete(&ids).await {
                undeleted = Some(error);
            }
            if rows.len() < PAGE {
                break;
            }
            after = Some((*last).to_owned());
        }
        metrics::gauge!("tandem_outbox_rows", "connection" => self.name.clone()).set(seen as f64);
        if let Some(error) = undeleted {
            return Err(error.into());
        }
        self.looked_at_now();
        Ok(())
    }

    fn looked_at_now(&self) {
        let gauge = metrics::gauge!("tandem_outbox_looked_at_seconds", "connection" => self.name.clone());
        gauge.set(seconds(crate::time::now()));
    }

    /// Rows after this id, in the order of their ids.
    async fn page(&self, after: Option<&str>) -> Result<Vec<Value>, CallError> {
        let condition = after.map(|id| format!("WHERE Id > '{id}' ")).unwrap_or_default();
        let soql = format!(
            "SELECT Id, Tandem_Record_Id__c, Tandem_Object__c, Tandem_Operation__c FROM Tandem_Outbox__c \
             {condition}ORDER BY Id LIMIT {PAGE}"
        );
        self.connection.org()?.query(&soql, ANSWER_LIMIT).await
    }

    /// Stored once, however often a row is read: its id is what the event is known by.
    async fn take(&self, rows: &[Value]) -> Result<(), StoreError> {
        let routes = self.routes.now();
        let mut events: Vec<NewEvent> = Vec::new();
        let mut answered = false;
        for row in rows {
            let (dedup, trace) = (format!("outbox:{}", row["Id"].as_str().unwrap_or_default()), fresh_trace());
            let payload = json!({
                "Record_Id__c": row["Tandem_Record_Id__c"], "Object__c": row["Tandem_Object__c"],
                "Operation__c": row["Tandem_Operation__c"],
            });
            match change::read(&payload, &dedup, &trace) {
                Ok(change) if change.is_answer() => answered = true,
                Ok(change) => events.extend(change::route(&routes, &self.name, &change)),
                Err(why) => {
                    tracing::error!(
                        connection = self.name,
                        row = dedup,
                        why,
                        "a row of the outbox cannot be read: held for review"
                    );
                    let raw = payload.to_string();
                    events.extend(change::unreadable(&routes, &self.name, &dedup, &trace, &raw, &why));
                }
            }
        }
        let seen = sweep::forget(&self.name, &events);
        self.inbox.take(Intake { events, seen, ..Intake::default() }).await?;
        if answered {
            self.answered.notify_one();
        }
        tracing::info!(connection = self.name, changes = rows.len(), "taken from the outbox");
        Ok(())
    }

    /// Only now that they are stored. A row that somebody else deleted meanwhile is gone as well.
    async fn delete(&self, ids: &[&str]) -> Result<(), CallError> {
        let path = format!("/composite/sobjects?ids={}&allOrNone=false", ids.join(","));
        let answer = self.connection.send(Call { method: Method::Delete, ..Call::get(path) }, ANSWER_LIMIT).await?;
        let results: Vec<Value> = serde_json::from_str(&answer.body).unwrap_or_default();
        let errors = results.iter().filter(|result| result["success"] == false).map(|result| &result["errors"][0]);
        let mut refused = errors.map(|error| error["statusCode"].as_str().unwrap_or_default());
        match refused.find(|code| !GONE.contains(code)) {
            None => Ok(()),
            Some(code) => {
                let message = "rows that were taken could not be deleted".into();
                Err(CallError::Remote { status: answer.status, code: code.to_owned(), message })
            }
        }
    }
}
