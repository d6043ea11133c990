//! The admin endpoint of this simulator: settings, rules, and what a salesperson or an administrator does in the org.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::options::Options;
use super::org::{Manner, Org, Record, RowError, Write};
use super::rest::Answer;
use super::triggers::{Change, Published};
use super::{Settings, Simulator, mass, org, rest, schema, seed, send};
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
        self.clock.now().to_rfc3339()
    }

    fn snapshot(&self) -> String {
        self.org().snapshot().to_string()
    }

    fn restore(&self, snapshot: &str) -> Result<(), String> {
        let snapshot: Value = serde_json::from_str(snapshot).map_err(|e| e.to_string())?;
        self.org().restore(&snapshot)
    }

    fn records(&self, object: &str, wanted: &Wanted) -> Response<Body> {
        let org = self.org();
        let none = Default::default();
        wanted.of(org.tables.get(object).map_or(&none, |table| &table.records).values())
    }

    fn measured(&self) -> (&'static str, u64) {
        ("api", self.calls.load(Ordering::Relaxed))
    }
}

/// The page and everything below `/admin`.
pub fn routes() -> Router<Arc<Simulator>> {
    admin::routes()
        .route("/admin/settings", put(set_settings))
        .route("/admin/rules", put(set_rules))
        .route("/admin/count/{object}/{field}", get(count_filled))
        .route("/admin/opportunities", post(add_opportunities))
        .route("/admin/update/{object}/{id}", post(user_update))
        .route("/admin/create/{object}", post(user_create))
        .route("/admin/delete/{object}/{id}", post(user_delete))
        .route("/admin/undelete/{object}/{id}", post(user_undelete))
        .route("/admin/merge/{object}/{master}/{loser}", post(user_merge))
        .route("/admin/mass/{object}", post(mass::change))
        .route("/admin/writes", get(take_writes).put(record_writes))
        .route("/admin/publish", post(publish_raw))
        .route("/admin/events/{event}/fields", post(add_event_field))
        .route("/admin/fields/{object}", post(add_field))
        .route("/admin/sync/{id}", post(sync_now))
        .route("/admin/usage", get(usage))
        .route("/admin/expire-tokens", post(expire_tokens))
        .route("/admin/refresh", post(refresh))
        .route("/admin/empty-bin", post(empty_bin))
}

async fn set_settings(State(simulator): State<Arc<Simulator>>, Json(settings): Json<Settings>) {
    {
        let mut bus = simulator.bus();
        bus.copies = settings.event_copies;
        bus.reverse = settings.event_reverse;
        bus.hourly_limit = settings.event_limit;
        bus.daily_limit = settings.delivery_limit;
        bus.refuse = settings.event_failures;
        bus.flush();
    }
    let (country_picklists, person_accounts) = (settings.country_picklists, settings.person_accounts);
    simulator.org().set_options(Options { country_picklists, person_accounts });
    simulator.org().share(settings.sharing);
    simulator.org().have_one_currency(settings.one_currency);
    if settings.sign_in_refused {
        simulator.tokens().clear();
    }
    *simulator.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
}

async fn set_rules(State(simulator): State<Arc<Simulator>>, Json(rules): Json<org::Rules>) -> Response<Body> {
    let set = simulator.org().set_rules(rules);
    match set {
        Ok(()) => send(&simulator, Answer::new(200, json!({}))),
        Err(why) => send(&simulator, Answer::error(400, "RULE", &why)),
    }
}

/// How many records of an object have a value in a field.
async fn count_filled(
    State(simulator): State<Arc<Simulator>>,
    Path((object, field)): Path<(String, String)>,
) -> Json<usize> {
    let org = simulator.org();
    let records = org.tables.get(&object).into_iter().flat_map(|table| table.records.values());
    Json(records.filter(|record| record.get(&field).is_some_and(|value| !value.is_null())).count())
}

/// From here on every update is noted with its time, for measuring.
async fn record_writes(State(simulator): State<Arc<Simulator>>) {
    simulator.org().writes = Some(Vec::new());
}

/// The updates since `PUT` or the last look: record, microseconds since 1970 UTC, and whether it was the integration's.
async fn take_writes(State(simulator): State<Arc<Simulator>>) -> Json<Vec<Write>> {
    Json(simulator.org().writes.as_mut().map(std::mem::take).unwrap_or_default())
}

/// Makes open opportunities: `{"count": 10}`; answers their ids.
async fn add_opportunities(State(simulator): State<Arc<Simulator>>, Json(body): Json<Value>) -> Response<Body> {
    let count = body["count"].as_u64().unwrap_or(1);
    let mut ids = Vec::new();
    for _ in 0..count {
        let n = simulator.opportunities.fetch_add(1, Ordering::Relaxed) as usize;
        match seed::add_opportunity(&mut simulator.org(), &simulator.company, &simulator.seeded, n) {
            Ok(id) => ids.push(id),
            Err(error) => return send(&simulator, Answer::error(400, "UNKNOWN", &error.to_string())),
        }
    }
    send(&simulator, Answer::new(200, json!(ids)))
}

/// Something a person does: triggers tell it.
fn by_a_person<T: serde::Serialize>(
    simulator: &Simulator,
    act: impl FnOnce(&mut Org, &mut Vec<Change>) -> Result<T, RowError>,
) -> Response<Body> {
    match rest::write(simulator, act) {
        Ok(value) => match serde_json::to_value(value) {
            Ok(Value::Null) | Err(_) => send(simulator, Answer::new(204, Value::Null)),
            Ok(id) => send(simulator, Answer::new(201, json!({ "id": id, "success": true }))),
        },
        Err(error) => send(
            simulator,
            Answer::new(400, json!([{ "errorCode": error.code, "message": error.message, "fields": error.fields }])),
        ),
    }
}

async fn user_update(
    State(simulator): State<Arc<Simulator>>,
    Path((object, id)): Path<(String, String)>,
    Json(body): Json<Record>,
) -> Response<Body> {
    by_a_person(&simulator, |org, changes| org.update(&object, &id, body, Manner::default(), changes))
}

async fn user_create(
    State(simulator): State<Arc<Simulator>>,
    Path(object): Path<String>,
    Json(body): Json<Record>,
) -> Response<Body> {
    by_a_person(&simulator, |org, changes| org.insert(&object, body, Manner::default(), changes))
}

async fn user_delete(
    State(simulator): State<Arc<Simulator>>,
    Path((object, id)): Path<(String, String)>,
) -> Response<Body> {
    by_a_person(&simulator, |org, changes| org.delete(&object, &id, Manner::default(), changes))
}

async fn user_undelete(
    State(simulator): State<Arc<Simulator>>,
    Path((object, id)): Path<(String, String)>,
) -> Response<Body> {
    by_a_person(&simulator, |org, changes| org.undelete(&object, &id, Manner::default(), changes))
}

async fn user_merge(
    State(simulator): State<Arc<Simulator>>,
    Path((object, master, loser)): Path<(String, String, String)>,
) -> Response<Body> {
    by_a_person(&simulator, |org, changes| org.merge(&object, &master, &loser, Manner::default(), changes))
}

/// Puts an event on the bus: `{"fields": {…}}` encoded as it should be, or `{"text": "…"}` as raw bytes.
async fn publish_raw(State(simulator): State<Arc<Simulator>>, Json(body): Json<Value>) {
    let mut bus = simulator.bus();
    let payload = match body["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => bus.encode("Tandem_Change__e", &body["fields"]).unwrap_or_default(),
    };
    let _ = bus.publish_raw("/event/Tandem_Change__e", None, payload);
}

/// A newer package: `{"name": "Extra__c", "type": "string"}`.
async fn add_event_field(
    State(simulator): State<Arc<Simulator>>,
    Path(event): Path<String>,
    Json(body): Json<Value>,
) -> Response<Body> {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    let added = simulator.bus().add_field(&event, text("name"), text("type"));
    match added {
        Ok(()) => send(&simulator, Answer::new(200, json!({}))),
        Err(error) => send(&simulator, Answer::error(400, "EVENT", &error.to_string())),
    }
}

/// A field of the customer's own, as an administrator makes it: `{"name": "Legacy_Id__c", "type": "string", "length": 40,
/// "externalId": true, "unique": false, "required": false, "picklist": ["A"], "restricted": true}`.
async fn add_field(
    State(simulator): State<Arc<Simulator>>,
    Path(object): Path<String>,
    Json(field): Json<schema::NewField>,
) -> Response<Body> {
    let added = {
        let mut org = simulator.org();
        let name = field.name.clone();
        let added = org.schema.add_field(&object, field);
        org.give(&object, &name);
        added
    };
    match added {
        Ok(()) => send(&simulator, Answer::new(201, json!({}))),
        Err(why) => send(&simulator, Answer::error(400, "FIELD", &why)),
    }
}

/// What the button *Sync now* does.
async fn sync_now(State(simulator): State<Arc<Simulator>>, Path(id): Path<String>) -> Response<Body> {
    let object = simulator.org().object_of(&id).map(str::to_owned);
    let Some(object) = object else {
        return send(&simulator, Answer::error(404, "NOT_FOUND", "The requested resource does not exist"));
    };
    let event = Published { record_id: id, object, operation: "SYNC", changed: Vec::new(), sequence: 0 };
    simulator.tell(&[event], simulator.settings().left);
    send(&simulator, Answer::new(204, Value::Null))
}

/// Events published this hour, and delivered today.
async fn usage(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let bus = simulator.bus();
    Json(json!({ "published": bus.published_this_hour(), "delivered": bus.delivered_today() }))
}

/// Deleted records are gone for good.
async fn empty_bin(State(simulator): State<Arc<Simulator>>) {
    simulator.org().empty_bin();
}

/// What a sandbox refresh ends: sessions, streams, replay ids.
async fn refresh(State(simulator): State<Arc<Simulator>>) {
    simulator.refresh();
}

async fn expire_tokens(State(simulator): State<Arc<Simulator>>) {
    simulator.tokens().clear();
}
