//! Anthropic's messages. Source: docs.anthropic.com/en/api/messages.

use serde_json::{Value, json};

use super::{Call, Said, Stop, Turn, Wanted};

/// Of the API; what is asked for here is in it since its first day.
pub const VERSION: &str = "2023-06-01";

/// What is sent.
pub fn request(wanted: &Wanted<'_>) -> Value {
    let messages = wanted.talk.iter().map(|turn| match turn {
        Turn::Asked(text) => json!({ "role": "user", "content": [{ "type": "text", "text": text }] }),
        Turn::Said(said) => spoken(said),
        Turn::Came(results) => {
            let parts = results.iter().map(|(id, text, is_error)| {
                json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error })
            });
            json!({ "role": "user", "content": parts.collect::<Vec<_>>() })
        }
    });
    let mut body = json!({
        "model": wanted.model,
        "max_tokens": wanted.answer_tokens,
        "system": wanted.system,
        "messages": messages.collect::<Vec<_>>(),
    });
    if !wanted.tools.is_empty() {
        let tools = wanted.tools.iter();
        body["tools"] = tools
            .map(|own| json!({ "name": own.name, "description": own.description, "input_schema": own.input }))
            .collect();
    }
    body
}

fn spoken(said: &Said) -> Value {
    // An empty text is refused there.
    let text = (!said.text.is_empty()).then(|| json!({ "type": "text", "text": said.text }));
    let calls = said.calls.iter();
    let calls = calls.map(|own| json!({ "type": "tool_use", "id": own.id, "name": own.tool, "input": own.input }));
    let mut parts: Vec<Value> = text.into_iter().chain(calls).collect();
    if parts.is_empty() {
        parts.push(json!({ "type": "text", "text": "(nothing)" }));
    }
    json!({ "role": "assistant", "content": parts })
}

/// What an answer says; none where it is none.
pub fn said(answer: &Value) -> Option<Said> {
    let parts = answer["content"].as_array()?;
    let stop = match answer["stop_reason"].as_str()? {
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "refusal" => Stop::Refused,
        _ => Stop::Ended,
    };
    let is = |part: &&Value, kind: &str| part["type"] == kind;
    let texts = parts.iter().filter(|part| is(part, "text")).filter_map(|part| part["text"].as_str());
    let calls = parts.iter().filter(|part| is(part, "tool_use")).map(call).collect();
    let tokens = |key: &str| answer["usage"][key].as_u64().unwrap_or_default();
    let text = texts.collect::<Vec<_>>().join("\n");
    Some(Said { text, calls, stop, read: tokens("input_tokens"), written: tokens("output_tokens") })
}

fn call(own: &Value) -> Call {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let malformed = (!own["input"].is_object()).then(|| "the input is no JSON object".to_owned());
    Call { id: text(&own["id"]), tool: text(&own["name"]), input: own["input"].clone(), malformed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_calls_and_why_it_ends() {
        let answer = json!({
            "content": [{ "type": "text", "text": "I look." }, { "type": "tool_use", "id": "a", "name": "t", "input": { "x": 1 } },
                { "type": "tool_use", "id": "b", "name": "t", "input": "x" }],
            "stop_reason": "tool_use", "usage": { "input_tokens": 10, "output_tokens": 2 },
        });
        let own = said(&answer).unwrap();
        assert_eq!(
            (own.text.as_str(), own.calls[0].input.clone(), own.stop),
            ("I look.", json!({ "x": 1 }), Stop::Ended)
        );
        assert!(own.calls[1].malformed.is_some());
        assert_eq!(said(&json!({ "content": [], "stop_reason": "refusal" })).unwrap().stop, Stop::Refused);
        assert_eq!(said(&json!({ "choices": [] })), None);
    }
}
