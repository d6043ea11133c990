//! Does what the event's payload says: loop, bloat, trap, flood, call what was not granted. What it says of itself is as its role has it.

mod act;
mod reconcile;
mod role;
mod tools;

use tandem_sdk::{Batch, Description, Method, Outcome, Permission, Plugin, Slot};

struct Hostile;

impl Plugin for Hostile {
    fn describe() -> Description {
        role::misbehave();
        let allow =
            |method, path: &str| Permission { slot: "b1".into(), method, path: path.into(), reason: "test".into() };
        role::lie(Description {
            name: role::name().into(),
            version: "0.1.0".into(),
            title: "Breaks every rule".into(),
            slots: vec![Slot { name: "b1".into(), kind: "b1".into() }],
            permissions: vec![allow(Method::Get, "/Items"), allow(Method::Post, "/U_NOWHERE")],
            topics: vec![role::name().into(), "salesforce.Opportunity".into()],
            backfill: Vec::new(),
            batch: 0,
            concurrency: 0,
            timers: Vec::new(),
            settings_schema: r#"{"type":"object","properties":{"reconcile":{"type":"string"}}}"#.into(),
            default_mapping: String::new(),
            sections: Vec::new(),
            tools: Vec::new(),
        })
    }

    fn handle(batch: Batch) -> Vec<Outcome> {
        act::all(&batch)
    }
}

tandem_sdk::export!(Hostile with_types_in tandem_sdk::bindings);
tandem_sdk::export_reconciling!(Hostile with_types_in tandem_sdk::reconcile::bindings);
tandem_sdk::export_tooling!(Hostile with_types_in tandem_sdk::tools::bindings);
