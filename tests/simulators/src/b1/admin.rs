//! The admin endpoint of this simulator: settings, and what a clerk does at a desk in B1.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::Response;
use axum::routing::{post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::database::{Database, Key};
use super::documents::{self, Rules};
use super::odata::{self, decimal};
use super::{Refusal, Reply, Settings, Simulator, Version, payments};
use crate::admin::{self, Simulated, Wanted};
use crate::clock::Clock;
use crate::faults::Switchboard;
use crate::log::Log;

impl Simulated for Simulator {
    const PAGE: &'static str = include_str!("page.html");

    fn faults(&self) -> &Switchboard {
        &self.faults
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn log(&self) -> &Log {
        &self.log
    }

    fn wall_clock(&self) -> String {
        self.local_now().to_rfc3339()
    }

    fn snapshot(&self) -> String {
        self.db().snapshot().to_string()
    }

    fn restore(&self, snapshot: &str) -> Result<(), String> {
        let snapshot: Value = serde_json::from_str(snapshot).map_err(|e| e.to_string())?;
        self.db().restore(&snapshot)
    }

    fn records(&self, set: &str, wanted: &Wanted) -> Response<Body> {
        let db = self.db();
        let none = Default::default();
        wanted.of(db.tables.get(set).map_or(&none, |table| &table.records).values())
    }

    fn measured(&self) -> (&'static str, u64) {
        ("overlaps", self.overlaps.load(Ordering::Relaxed))
    }

    fn clear_log(&self) {
        self.log.clear();
        self.overlaps.store(0, Ordering::Relaxed);
    }
}

/// The page and everything below `/admin`.
pub fn routes() -> Router<Arc<Simulator>> {
    admin::routes()
        .route("/admin/settings", put(set_settings))
        .route("/admin/deliver/{order}", post(deliver))
        .route("/admin/invoice/{order}", post(invoice))
        .route("/admin/pay/{invoice}", post(pay))
        .route("/admin/approve/{draft}", post(approve))
        .route("/admin/reject/{draft}", post(reject))
        .route("/admin/duplicate/{set}/{entry}", post(duplicate))
}

async fn set_settings(State(simulator): State<Arc<Simulator>>, Json(settings): Json<Settings>) {
    simulator.webhooks.pause_ms.store(settings.webhook_pause_ms.unwrap_or(2_000), Ordering::Relaxed);
    // Neither outlives a change of the password.
    if settings.sign_in_refused || settings.password.is_some() {
        simulator.sessions().clear();
    }
    *simulator.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
}

fn answered(what: &str, result: Result<Key, Refusal>) -> Response<Body> {
    match result {
        Ok(key) => Reply::json(201, json!({ what: key.to_string() })).response(),
        Err(refusal) => refusal.reply(Version::V2).response(),
    }
}

async fn deliver(
    State(simulator): State<Arc<Simulator>>,
    Path(order): Path<i64>,
    Query(options): Query<HashMap<String, String>>,
) -> Response<Body> {
    let partly = options.contains_key("partly");
    answered("delivery", simulator.at_a_desk(|db, rules| documents::deliver(db, rules, order, partly)))
}

/// An invoice of what of an order is not delivered yet, or of its deliveries.
async fn invoice(State(simulator): State<Arc<Simulator>>, Path(order): Path<i64>) -> Response<Body> {
    answered("invoice", simulator.at_a_desk(|db, rules| documents::invoice(db, rules, order)))
}

/// A payment of what of an invoice is open.
async fn pay(State(simulator): State<Arc<Simulator>>, Path(invoice): Path<i64>) -> Response<Body> {
    let result = simulator.at_a_desk(|db, rules| {
        let found = db.get("Invoices", &Key::Number(invoice)).cloned().ok_or_else(Refusal::not_found)?;
        let number = |name: &str| found.get(name).and_then(decimal).unwrap_or_default();
        let open = odata::number_value(number("DocTotal") - number("PaidToDate"));
        let body = json!({ "CardCode": found["CardCode"], "TransferSum": open, "PaymentInvoices": [{ "DocEntry": invoice, "SumApplied": open, "InvoiceType": "it_Invoice" }] });
        payments::create(db, rules, &body.as_object().cloned().unwrap_or_default())
    });
    answered("payment", result)
}

/// *Duplicate*, as a clerk uses it for the next order of the same kind.
async fn duplicate(State(simulator): State<Arc<Simulator>>, Path((set, entry)): Path<(String, i64)>) -> Response<Body> {
    let result = simulator.at_a_desk(|db, rules| documents::duplicate(db, rules, &set, &Key::Number(entry)));
    answered("duplicate", result)
}

/// An approver says yes, and the order is made from the draft, which stays as a closed one; with `?only` its author is still to
/// add it.
async fn approve(
    State(simulator): State<Arc<Simulator>>,
    Path(draft): Path<i64>,
    Query(options): Query<HashMap<String, String>>,
) -> Response<Body> {
    let result = simulator.at_a_desk(|db, rules| {
        let rules = Rules { approval_over: None, ..rules.clone() };
        let key = Key::Number(draft);
        let mut order = db.get("Drafts", &key).cloned().ok_or_else(Refusal::not_found)?;
        if options.contains_key("only") {
            judged(db, draft, "dasApproved")?;
            return Ok(key);
        }
        // Computed anew.
        for name in ["DocNum", "DocTotal", "DocObjectCode", "AuthorizationStatus", "Series"] {
            order.remove(name);
        }
        // Components come anew.
        if let Some(lines) = order.get_mut("DocumentLines").and_then(Value::as_array_mut) {
            lines.retain(|line| line["TreeType"] != "iIngredient");
        }
        for line in order.get_mut("DocumentLines").and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(line) = line.as_object_mut() else { continue };
            for name in ["RemainingOpenQuantity", "LineTotal", "Price", "BaseType", "BaseEntry", "BaseLine"] {
                line.remove(name);
            }
        }
        let made = documents::create(db, &rules, "Orders", order)?;
        judged(db, draft, "dasGenerated")?;
        Ok(made)
    });
    answered("order", result)
}

/// An approver says no: the draft stays.
async fn reject(State(simulator): State<Arc<Simulator>>, Path(draft): Path<i64>) -> Response<Body> {
    let result = simulator.at_a_desk(|db, _| judged(db, draft, "dasRejected").map(|()| Key::Number(draft)));
    answered("draft", result)
}

/// Writes what became of a draft's approval, by the names of `DocumentAuthorizationStatusEnum`.
fn judged(db: &mut Database, draft: i64, status: &str) -> Result<(), Refusal> {
    let key = Key::Number(draft);
    let mut record = db.get("Drafts", &key).cloned().ok_or_else(Refusal::not_found)?;
    record.insert("AuthorizationStatus".into(), status.into());
    if status == "dasGenerated" {
        record.insert("DocumentStatus".into(), "bost_Close".into());
    }
    db.put("Drafts", key, record);
    Ok(())
}
