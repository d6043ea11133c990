//! Many records in one transaction, as a job of the org changes them: with triggers, in chunks of 200 under the limits of one
//! transaction; or without, as mass address changes and replaced picklist values are made.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use serde::Deserialize;
use serde_json::json;

use super::org::{Manner, Record, RowError};
use super::rest::Answer;
use super::since;
use super::triggers::Change;
use super::{Simulator, send};

/// `POST /admin/mass/{object}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mass {
    ids: Vec<String>,
    fields: Record,
    /// Whether triggers run.
    #[serde(default)]
    triggers: bool,
    /// The transaction ends only then, after its triggers ran: what was published at once is told long before.
    #[serde(default)]
    commit_after_ms: u64,
    /// The transaction is taken back at its end.
    #[serde(default)]
    fails: bool,
}

impl Simulator {
    /// What the transaction would change; nothing is changed yet.
    fn attempt(&self, object: &str, mass: &Mass) -> Result<Vec<Change>, RowError> {
        let manner = Manner { system: !mass.triggers, ..Manner::default() };
        let mut changes = Vec::new();
        let mut org = self.org();
        let mark = org.begin();
        let done: Result<Vec<()>, RowError> =
            mass.ids.iter().map(|id| org.update(object, id, mass.fields.clone(), manner, &mut changes)).collect();
        org.roll_back(mark);
        done.map(|_| changes)
    }
}

/// Answers how many records were told after the commit, and which objects are to be looked at again.
pub async fn change(
    State(simulator): State<Arc<Simulator>>,
    Path(object): Path<String>,
    Json(mass): Json<Mass>,
) -> Response<Body> {
    let changes = match simulator.attempt(&object, &mass) {
        Ok(changes) => changes,
        Err(error) => return send(&simulator, Answer::new(400, json!([error.json()]))),
    };
    // The statement that changes the records has its rows, too.
    let left = simulator.settings().left.beside(mass.ids.len());
    let decided = since::decide(&simulator.org().triggers, &changes, left);
    simulator.ask(&decided.asked);
    tokio::time::sleep(Duration::from_millis(mass.commit_after_ms)).await;
    if !mass.fails {
        let _turn = simulator.turn();
        {
            let mut org = simulator.org();
            for change in &changes {
                org.keep(&change.object, change.after.clone());
            }
        }
        simulator.tell(&decided.told, decided.left);
        simulator.bus().capture(&changes);
    }
    send(&simulator, Answer::new(200, json!({ "told": decided.told.len(), "asked": decided.asked })))
}
