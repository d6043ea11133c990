//! The model of an agent: what it is told, what it says, and the way there. The one place that knows how models are spoken with, over the host's one
//! HTTP client; each of the two APIs has a file of its own.

mod anthropic;
mod openai;

use std::path::Path;
use std::time::Duration;

use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::{AgentConfig, ModelApi, Secret};
use crate::connections::proxy::Proxies;
use crate::connections::transport::{self, Raw, Routed};
use crate::connections::{CallError, Limit};
use crate::plain::one_line;

/// Bytes of an answer as it comes, and of the words in it.
const MOST_BODY: u64 = 1 << 20;
const MOST_TEXT: usize = 64 << 10;
/// Calls of tools in one answer.
const MOST_CALLS: usize = 16;
/// Bytes of what a call of a tool is told with.
const MOST_INPUT: usize = 64 << 10;
/// Letters of a model's name for a call, and of a tool's name.
const MOST_ID: usize = 200;
const MOST_NAME: usize = 64;
/// Letters of what its server says of a failure.
const MOST_WORDS: usize = 300;
/// So long a server may have itself waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A tool, as a model is told of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its whole name.
    pub name: String,
    /// What it does, in words.
    pub description: String,
    /// A JSON Schema of an object.
    pub input: Value,
}

/// A call of a tool that a model wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its name for the call.
    pub id: String,
    /// Which tool.
    pub tool: String,
    /// What it is called with.
    pub input: Value,
    /// What is wrong with the input, where that is no JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub malformed: Option<String>,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// It is whole.
    Ended,
    /// It was cut off, since it had as many tokens as it may have.
    Length,
    /// The model, or who watches it, will not answer.
    Refused,
}

/// What a model said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Its words.
    #[serde(default)]
    pub text: String,
    /// The tools that it wants called.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Why it ends.
    pub stop: Stop,
    /// Tokens that it read; 0 where its server does not say.
    #[serde(default)]
    pub read: u64,
    /// Tokens that it wrote.
    #[serde(default)]
    pub written: u64,
}

/// A part of the talk with a model.
#[derive(Clone, Debug)]
pub enum Turn {
    /// What it is asked.
    Asked(String),
    /// What it said.
    Said(Said),
    /// What came of the calls that it wanted: its name for each, what is told of it, and whether that is an error.
    Came(Vec<(String, String, bool)>),
}

/// Why a model did not answer. The text holds no key and no address.
#[derive(Clone, Debug, PartialEq)]
pub enum Unanswered {
    /// It may another time: after so long, where its server says so.
    Passing(String, Option<Duration>),
    /// It would be the same at each try.
    Ever(String),
}

/// What a request is made of.
struct Wanted<'a> {
    model: &'a str,
    answer_tokens: u32,
    system: &'a str,
    talk: &'a [Turn],
    tools: &'a [Shown],
}

/// See the module's words.
pub struct Model {
    client: Routed,
    api: ModelApi,
    url: String,
    name: String,
    answer_tokens: u32,
    key: Option<Secret>,
}

impl Model {
    /// As an agent names it; its key is read now. An error in words.
    pub fn of(agent: &AgentConfig, base: &Path) -> Result<Self, String> {
        let key = agent.key.as_ref().map(|key| key.read(base)).transpose().map_err(|error| error.to_string())?;
        let proxies = Proxies::new(agent.proxy.as_ref(), base, Proxies::from_environment());
        let proxies = proxies.map_err(|error| error.to_string())?;
        let client = transport::client(&agent.tls, proxies, base, Duration::from_secs(agent.timeout_seconds))?;
        let path = match agent.api {
            ModelApi::Openai => "chat/completions",
            ModelApi::Anthropic => "messages",
        };
        Ok(Self {
            client,
            api: agent.api,
            url: format!("{}/{path}", agent.url.trim_end_matches('/')),
            name: agent.model.clone(),
            answer_tokens: agent.answer_tokens,
            key,
        })
    }

    /// What is sent.
    pub fn request(&self, system: &str, talk: &[Turn], tools: &[Shown]) -> String {
        let wanted = Wanted { model: &self.name, answer_tokens: self.answer_tokens, system, talk, tools };
        let body = match self.api {
            ModelApi::Openai => openai::request(&wanted, self.is_of_openai()),
            ModelApi::Anthropic => anthropic::request(&wanted),
        };
        body.to_string()
    }

    /// Asks once.
    pub async fn ask(&self, body: String) -> Result<Said, Unanswered> {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let request = self.signed(request).body(body);
        let raw = self.client.fetch(request, Limit::from(MOST_BODY)).await.map_err(|error| match error {
            CallError::TooLarge(_) => Unanswered::Ever(format!("the model's answer is longer than {MOST_BODY} bytes")),
            CallError::Unreachable(why) => {
                Unanswered::Passing(self.veiled(&format!("the model is not reached: {why}")), None)
            }
            CallError::Ambiguous(why) => {
                Unanswered::Passing(self.veiled(&format!("the model's answer was lost: {why}")), None)
            }
            other => Unanswered::Ever(self.veiled(&format!("the model cannot be asked: {other}"))),
        })?;
        if !raw.done() {
            return Err(self.refused(&raw));
        }
        let said: Value = serde_json::from_str(&self.without_key(&raw.body))
            .map_err(|_| Unanswered::Passing("the model's server answered with what is no JSON".into(), None))?;
        let said = match self.api {
            ModelApi::Openai => openai::said(&said),
            ModelApi::Anthropic => anthropic::said(&said),
        };
        let said = said.ok_or_else(|| {
            Unanswered::Ever("the model's server answered with what is no answer of this API: is `api` right?".into())
        })?;
        bounded(said)
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        let key = self.key.as_ref().map(Secret::reveal);
        match self.api {
            ModelApi::Openai => match key {
                Some(key) => request.bearer_auth(key),
                None => request,
            },
            ModelApi::Anthropic => {
                let request = request.header("anthropic-version", anthropic::VERSION);
                match key {
                    Some(key) => request.header("x-api-key", key),
                    None => request,
                }
            }
        }
    }

    fn refused(&self, raw: &Raw) -> Unanswered {
        let said: Value = serde_json::from_str(&raw.body).unwrap_or_default();
        let words = said["error"]["message"].as_str().or(said["error"].as_str()).unwrap_or_default();
        let words = if words.is_empty() { String::new() } else { format!(": {words}") };
        let told = self.veiled(&format!("the model's server answered {}{words}", raw.status));
        let wait = raw.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        match raw.status {
            408 | 409 | 425 | 429 | 500.. => Unanswered::Passing(told, wait.map(|wait| wait.min(LONGEST_WAIT))),
            401 | 403 => Unanswered::Ever(format!("{told} (is its `key` right?)")),
            404 => Unanswered::Ever(format!("{told} (are `url` and `model` right?)")),
            _ => Unanswered::Ever(told),
        }
    }

    /// On one line, without the key: servers repeat what they were sent.
    fn veiled(&self, text: &str) -> String {
        one_line(&self.without_key(text)).chars().take(MOST_WORDS).collect()
    }

    fn without_key(&self, text: &str) -> String {
        match self.key.as_ref().map(Secret::reveal) {
            Some(key) => text.replace(key, "***"),
            None => text.to_owned(),
        }
    }

    /// OpenAI's own newer models know the limit of an answer by another name than all other servers.
    fn is_of_openai(&self) -> bool {
        let url = self.url.parse::<reqwest::Url>().ok();
        url.as_ref().and_then(reqwest::Url::host_str).is_some_and(|host| host.ends_with("openai.com"))
    }
}

/// What is too long for anybody is none; what would not be understood when it is sent back is mended.
fn bounded(mut said: Said) -> Result<Said, Unanswered> {
    if said.text.len() > MOST_TEXT {
        return Err(Unanswered::Ever(format!(
            "the model's answer has {} bytes; at most {MOST_TEXT} are taken",
            said.text.len()
        )));
    }
    said.calls.truncate(MOST_CALLS);
    for (place, call) in said.calls.iter_mut().enumerate() {
        if call.id.is_empty() || call.id.len() > MOST_ID {
            call.id = format!("call_{place}");
        }
        // Sent back as it is known: APIs take names of these letters alone.
        call.tool =
            call.tool.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(MOST_NAME).collect();
        if call.tool.is_empty() {
            call.tool = "nameless".into();
        }
        if call.malformed.is_none() && call.input.to_string().len() > MOST_INPUT {
            call.malformed = Some(format!("the input has more than {MOST_INPUT} bytes"));
        }
        if call.malformed.is_some() {
            call.input = Value::Object(serde_json::Map::new());
        }
    }
    // What is kept of it is read again by whoever takes the run up.
    let text = serde_json::to_string(&said).unwrap_or_default();
    match serde_json::from_str::<Said>(&text) {
        Ok(_) => Ok(said),
        Err(_) => Err(Unanswered::Ever("the model's answer holds what is nested too deep".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_answer_for_anybody_is_none_and_what_is_too_much_is_cut() {
        let said =
            |text: &str, calls: Vec<Call>| Said { text: text.into(), calls, stop: Stop::Ended, read: 1, written: 1 };
        assert!(matches!(bounded(said(&"x".repeat(MOST_TEXT + 1), vec![])), Err(Unanswered::Ever(_))));
        let call = Call {
            id: String::new(),
            tool: "a\nb".into(),
            input: Value::String("x".repeat(MOST_INPUT)),
            malformed: None,
        };
        let kept = bounded(said("ok", vec![call; 40])).unwrap();
        assert_eq!(
            (kept.calls.len(), kept.calls[3].id.as_str(), kept.calls[3].tool.as_str()),
            (MOST_CALLS, "call_3", "ab")
        );
        assert!(kept.calls[0].malformed.is_some() && kept.calls[0].input.is_object());
    }
}
