//! A model server that says what a script has it say, over OpenAI's chat completions and Anthropic's messages, and keeps what it was asked. Its faults are
//! those of models and of the way to them.
//!
//! `PUT /admin/script` takes a list of talks, of which the first counts whose `for` stands in what a conversation began with:
//!
//! ```json
//! [{ "for": "where is", "steps": [
//!     [{ "status": 429, "retry_after": 1 }, { "calls": [{ "tool": "orders_orders-of", "input": { "opportunity": "006…" } }] }],
//!     { "text": "It is confirmed." }
//! ] }]
//! ```
//!
//! A step is what is said when so many answers stand in the conversation; a list of several are its tries, one after the other, the last for ever. The last
//! step goes on for ever, too. `$key` in a text stands for the key that came along.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use crate::faults::Kind;
use crate::server::{dropped, spoiled};

/// See the module's words.
#[derive(Default)]
pub struct Simulator {
    state: Mutex<Scripted>,
}

#[derive(Default)]
struct Scripted {
    script: Vec<Value>,
    /// How often a step of a talk was asked for.
    tries: BTreeMap<(usize, usize), usize>,
    asked: Vec<Value>,
}

#[derive(Clone, Copy, PartialEq)]
enum Api {
    Openai,
    Anthropic,
}

/// The server.
pub fn router(simulator: Arc<Simulator>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(|own, headers, body| answer(own, Api::Openai, headers, body)))
        .route("/v1/messages", post(|own, headers, body| answer(own, Api::Anthropic, headers, body)))
        .route("/admin/script", put(script))
        .route("/admin/asked", get(asked))
        .with_state(simulator)
}

async fn script(State(own): State<Arc<Simulator>>, body: Bytes) -> Response<Body> {
    match serde_json::from_slice::<Vec<Value>>(&body) {
        Ok(script) => {
            let mut state = own.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.script, state.tries) = (script, BTreeMap::new());
            said(200, &json!({}))
        }
        Err(error) => said(400, &json!({ "error": error.to_string() })),
    }
}

/// All requests: `api`, `key`, `step`, `body`.
async fn asked(State(own): State<Arc<Simulator>>) -> Response<Body> {
    let state = own.state.lock().unwrap_or_else(PoisonError::into_inner);
    said(200, &json!(state.asked))
}

async fn answer(State(own): State<Arc<Simulator>>, api: Api, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return failed(400, "the body is not JSON");
    };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let key = match api {
        Api::Openai => header("authorization").trim_start_matches("Bearer ").to_owned(),
        Api::Anthropic => header("x-api-key"),
    };
    let wrong = wrong_with(api, &header("anthropic-version"), &body);
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let step = messages.iter().filter(|message| message["role"] == "assistant").count();
    let begins =
        messages.iter().find(|message| message["role"] == "user").map(|message| message["content"].to_string());
    let (words, wrong) = {
        let mut state = own.state.lock().unwrap_or_else(PoisonError::into_inner);
        let api = if api == Api::Openai { "openai" } else { "anthropic" };
        state.asked.push(json!({ "api": api, "key": key, "step": step, "body": body }));
        (state.words(&begins.unwrap_or_default(), step), wrong)
    };
    if let Some(wrong) = wrong {
        return failed(400, wrong);
    }
    let Some(words) = words else { return failed(500, "the script has nothing for this conversation") };
    tokio::time::sleep(Duration::from_millis(words["latency"].as_u64().unwrap_or_default())).await;
    if let Some(status) = words["status"].as_u64() {
        let message = words["message"].as_str().unwrap_or("on purpose").replace("$key", &key);
        let mut answer = failed(u16::try_from(status).unwrap_or(500), &message);
        if let Some(seconds) = words["retry_after"].as_u64() {
            answer.headers_mut().insert("retry-after", seconds.into());
        }
        return answer;
    }
    let text = |name: &str| words[name].as_str().unwrap_or_default().replace("$key", &key);
    let long = "x".repeat(words["long"].as_u64().unwrap_or_default() as usize);
    let text = format!("{}{long}", text("text"));
    let whole = match api {
        Api::Openai => openai(&words, &text, step),
        Api::Anthropic => anthropic(&words, &text, step),
    };
    let whole = said(200, &whole);
    match words["fault"].as_str() {
        Some("cut") => spoiled(Some(Kind::Truncate), whole, dropped).await,
        Some("reset") => dropped(),
        _ => whole,
    }
}

impl Scripted {
    /// What is said then.
    fn words(&mut self, begins: &str, step: usize) -> Option<Value> {
        let place = self.script.iter().position(|talk| talk["for"].as_str().is_none_or(|own| begins.contains(own)))?;
        let steps = self.script[place]["steps"].as_array()?;
        let words = steps.get(step).or(steps.last())?;
        let Some(tries) = words.as_array() else { return Some(words.clone()) };
        let tried = self.tries.entry((place, step)).or_default();
        let words = tries.get(*tried).or(tries.last()).cloned();
        *tried += 1;
        words
    }
}

/// What the real server would refuse.
fn wrong_with(api: Api, version: &str, body: &Value) -> Option<&'static str> {
    let messages = body["messages"].as_array()?;
    if !body["model"].is_string() {
        return Some("model: Field required");
    }
    match api {
        Api::Anthropic if version.is_empty() => Some("anthropic-version: header is required"),
        Api::Anthropic if !body["max_tokens"].is_number() => Some("max_tokens: Field required"),
        Api::Anthropic => {
            let ids = |message: &Value, kind: &str, key: &str| -> Vec<String> {
                let parts = message["content"].as_array().into_iter().flatten();
                let parts = parts.filter(|part| part["type"] == kind);
                parts.map(|part| part[key].as_str().unwrap_or_default().to_owned()).collect()
            };
            let unanswered = messages.iter().enumerate().any(|(place, message)| {
                let wanted = ids(message, "tool_use", "id");
                let next = messages.get(place + 1).map(|next| ids(next, "tool_result", "tool_use_id"));
                !wanted.is_empty() && next.is_none_or(|next| next != wanted)
            });
            unanswered.then_some("`tool_use` ids were found without `tool_result` blocks immediately after")
        }
        Api::Openai => {
            let wanted = messages.iter().flat_map(|message| message["tool_calls"].as_array().into_iter().flatten());
            let mut wanted = wanted.map(|call| &call["id"]);
            let has = |id: &Value| messages.iter().any(|own| own["role"] == "tool" && own["tool_call_id"] == *id);
            wanted
                .any(|id| !has(id))
                .then_some("An assistant message with 'tool_calls' must be followed by tool messages")
        }
    }
}

fn calls(words: &Value) -> impl Iterator<Item = (usize, &Value)> {
    words["calls"].as_array().into_iter().flatten().enumerate()
}

fn openai(words: &Value, text: &str, step: usize) -> Value {
    let called: Vec<Value> = calls(words)
        .map(|(place, call)| {
            let arguments = call["arguments"].as_str().map_or_else(|| call["input"].to_string(), str::to_owned);
            json!({ "id": format!("call_{step}_{place}"), "type": "function", "function": { "name": call["tool"], "arguments": arguments } })
        })
        .collect();
    let mut message = json!({ "role": "assistant", "content": text, "refusal": Value::Null });
    let mut reason = if called.is_empty() { "stop" } else { "tool_calls" };
    if !called.is_empty() {
        message["tool_calls"] = called.into();
    }
    if words["refusal"].is_string() {
        (message["refusal"], message["content"]) = (words["refusal"].clone(), Value::Null);
    }
    if words["cut_off"] == true {
        reason = "length";
    }
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "scripted",
        "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120 },
    })
}

fn anthropic(words: &Value, text: &str, step: usize) -> Value {
    let mut parts: Vec<Value> = Vec::new();
    let refusal = words["refusal"].as_str();
    if let Some(text) = Some(refusal.unwrap_or(text)).filter(|text| !text.is_empty()) {
        parts.push(json!({ "type": "text", "text": text }));
    }
    parts.extend(calls(words).map(|(place, call)| {
        // Over this API an input is JSON always; what is none of an object is a text.
        let input = call["arguments"].as_str().map_or_else(|| call["input"].clone(), |text| json!(text));
        json!({ "type": "tool_use", "id": format!("toolu_{step}_{place}"), "name": call["tool"], "input": input })
    }));
    let reason = match () {
        () if refusal.is_some() => "refusal",
        () if words["cut_off"] == true => "max_tokens",
        () if words["calls"].is_array() => "tool_use",
        () => "end_turn",
    };
    json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "scripted", "content": parts, "stop_reason": reason,
        "usage": { "input_tokens": 100, "output_tokens": 20 },
    })
}

fn failed(status: u16, message: &str) -> Response<Body> {
    said(status, &json!({ "type": "error", "error": { "type": "scripted", "message": message } }))
}

fn said(status: u16, body: &Value) -> Response<Body> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Body::from(body.to_string())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_goes_by_its_beginning_and_a_step_by_its_tries() {
        let script = json!([
            { "for": "order", "steps": [[{ "status": 500 }, { "text": "a" }], { "text": "b" }] },
            { "steps": [{ "text": "c" }] },
        ]);
        let mut own = Scripted { script: script.as_array().cloned().unwrap_or_default(), ..Scripted::default() };
        assert_eq!(own.words("an order", 0), Some(json!({ "status": 500 })));
        assert_eq!(own.words("an order", 0), Some(json!({ "text": "a" })));
        assert_eq!(own.words("an order", 0), Some(json!({ "text": "a" })));
        assert_eq!(own.words("an order", 7), Some(json!({ "text": "b" })));
        assert_eq!(own.words("else", 3), Some(json!({ "text": "c" })));
    }
}
