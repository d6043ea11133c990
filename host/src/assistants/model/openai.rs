//! OpenAI's chat completions, as most servers speak them. Source: platform.openai.com/docs/api-reference/chat.

use serde_json::{Value, json};

use super::{Call, Said, Stop, Turn, Wanted};

/// What is sent. `is_its_own`: to OpenAI itself.
pub fn request(wanted: &Wanted<'_>, is_its_own: bool) -> Value {
    let mut messages = vec![json!({ "role": "system", "content": wanted.system })];
    for turn in wanted.talk {
        match turn {
            Turn::Asked(text) => messages.push(json!({ "role": "user", "content": text })),
            Turn::Said(said) => messages.push(spoken(said)),
            Turn::Came(results) => messages.extend(
                results.iter().map(|(id, text, _)| json!({ "role": "tool", "tool_call_id": id, "content": text })),
            ),
        }
    }
    let mut body = json!({ "model": wanted.model, "messages": messages });
    body[if is_its_own { "max_completion_tokens" } else { "max_tokens" }] = wanted.answer_tokens.into();
    if !wanted.tools.is_empty() {
        let tools = wanted.tools.iter().map(|own| {
            let function = json!({ "name": own.name, "description": own.description, "parameters": own.input });
            json!({ "type": "function", "function": function })
        });
        body["tools"] = tools.collect();
    }
    body
}

fn spoken(said: &Said) -> Value {
    let mut message = json!({ "role": "assistant", "content": said.text });
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|own| {
            let function = json!({ "name": own.tool, "arguments": own.input.to_string() });
            json!({ "id": own.id, "type": "function", "function": function })
        });
        message["tool_calls"] = calls.collect();
    }
    message
}

/// What an answer says; none where it is none.
pub fn said(answer: &Value) -> Option<Said> {
    let choice = answer["choices"].get(0)?;
    let message = choice["message"].as_object()?;
    let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let refusal = text("refusal");
    let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten().map(call).collect();
    let stop = match choice["finish_reason"].as_str() {
        _ if !refusal.is_empty() => Stop::Refused,
        Some("content_filter") => Stop::Refused,
        Some("length") => Stop::Length,
        _ => Stop::Ended,
    };
    let tokens = |key: &str| answer["usage"][key].as_u64().unwrap_or_default();
    let text = if refusal.is_empty() { text("content") } else { refusal };
    Some(Said { text, calls, stop, read: tokens("prompt_tokens"), written: tokens("completion_tokens") })
}

fn call(own: &Value) -> Call {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let arguments = text(&own["function"]["arguments"]);
    // A call without any has an empty text with some servers.
    let read: Result<Value, _> = serde_json::from_str(if arguments.trim().is_empty() { "{}" } else { &arguments });
    let (input, malformed) = match read {
        Ok(input) if input.is_object() => (input, None),
        Ok(_) => (Value::Null, Some("the arguments are no JSON object".to_owned())),
        Err(error) => (Value::Null, Some(format!("the arguments are not JSON: {error}"))),
    };
    Call { id: text(&own["id"]), tool: text(&own["function"]["name"]), input, malformed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_calls_and_what_is_wrong_with_them() {
        let answer = json!({
            "choices": [{ "finish_reason": "tool_calls", "message": { "content": null, "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "t", "arguments": "{\"x\": 1}" } },
                { "id": "b", "type": "function", "function": { "name": "t", "arguments": "{\"x\": " } },
            ] } }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 2 },
        });
        let said = said(&answer).unwrap();
        assert_eq!((said.calls[0].input.clone(), said.read, said.written), (json!({ "x": 1 }), 10, 2));
        assert!(said.calls[1].malformed.as_deref().is_some_and(|why| why.contains("not JSON")));
        assert_eq!(super::said(&json!({ "content": [] })), None);
    }
}
