//! A call that waits for a person, or is under way, as a task of the protocol (its extension `io.modelcontextprotocol/tasks`): for programs that know tasks. Others
//! ask `tandem_call`.

use rmcp::model::{DetailedTask, JsonObject, Task, TaskPayload, TaskStatus};
use serde_json::Value;

use super::wrapped_result;
use crate::engine::calls::Stands;
use crate::store::EventId;

/// Between two looks of a program: a person takes minutes.
const POLL_MS: u64 = 5_000;
/// Before the number of a call.
const PREFIX: &str = "call-";

/// The id of the task that a call is.
pub fn id_of(call: EventId) -> String {
    format!("{PREFIX}{call}")
}

/// The call that a task is.
pub fn call_of(id: &str) -> Option<EventId> {
    id.strip_prefix(PREFIX)?.parse().ok().map(EventId)
}

/// A call that is not over yet.
pub fn begun(call: EventId, told: &Value, created: String) -> Task {
    let now = crate::time::iso(crate::time::now());
    let task = Task::new(id_of(call), TaskStatus::Working, created, now).with_poll_interval_ms(POLL_MS);
    match message(told) {
        Some(message) => task.with_status_message(message),
        None => task,
    }
}

/// How it stands.
pub fn detailed(call: EventId, stands: Stands, told: Value, created: String) -> DetailedTask {
    let task = begun(call, &told, created);
    let payload = match stands {
        Stands::UnderWay | Stands::Waits | Stands::Held => TaskPayload::Working,
        // That it was not made is a result, too: it says why.
        Stands::Done | Stands::NotDone | Stands::Partly => TaskPayload::Completed { result: result_of(call, told) },
    };
    DetailedTask::new(task, payload)
}

fn result_of(call: EventId, told: Value) -> JsonObject {
    match serde_json::to_value(wrapped_result(call, told)) {
        Ok(Value::Object(fields)) => fields,
        _ => JsonObject::new(),
    }
}

/// What a person is told meanwhile.
fn message(told: &Value) -> Option<String> {
    let state = told["state"].as_str()?;
    Some(match told["why"].as_str() {
        Some(why) => format!("{state}: {why}"),
        None => state.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_is_a_call_and_ends_with_it() {
        assert_eq!(call_of(&id_of(EventId(7))), Some(EventId(7)));
        for none in ["7", "call-", "call-x", "other-7"] {
            assert_eq!(call_of(none), None, "{none}");
        }
        let of = |stands, state: &str| {
            detailed(
                EventId(7),
                stands,
                json!({ "state": state, "call": 7, "why": "so" }),
                "2026-01-01T00:00:00Z".into(),
            )
        };
        assert_eq!(of(Stands::Waits, "waits for approval").status(), TaskStatus::Working);
        assert_eq!(of(Stands::NotDone, "not done").status(), TaskStatus::Completed);
        let told = serde_json::to_value(of(Stands::Done, "done")).unwrap();
        assert_eq!(
            (&told["status"], &told["result"]["structuredContent"]["call"]),
            (&json!("completed"), &json!(7)),
            "{told}"
        );
    }
}
