//! A program that speaks MCP with the host, in the plainest way: one request, one answer.

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use crate::World;
use crate::console::Caller;

/// Speaks with `/mcp`.
#[derive(Clone)]
pub struct Mcp {
    /// Address of the host.
    pub base: String,
    /// What speaks with it.
    pub client: Client,
    /// The token that it brings.
    pub token: String,
}

impl Mcp {
    /// With a token of its own, which the admin makes.
    pub async fn new(world: &World, admin: &Caller, name: &str, role: &str, flows: Value) -> Result<Self> {
        let until = chrono::Utc::now() + chrono::Duration::days(1);
        let wanted =
            json!({ "name": name, "purpose": "tools", "role": role, "flows": flows, "expires_at": until.to_rfc3339() });
        let made = admin.post("/tokens", wanted).await?;
        let token = made["secret"].as_str().context("a secret")?.to_owned();
        Ok(Self { base: world.console.clone(), client: admin.client.clone(), token })
    }

    /// Status and body of an answer to this body.
    pub async fn say(&self, body: String) -> Result<(u16, Value)> {
        let request = self.client.post(format!("{}/mcp", self.base)).bearer_auth(&self.token).body(body);
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-06-18");
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        // An answer that signs of life came before is a stream, of which the last line is the answer.
        let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap_or(&text);
        Ok((status, serde_json::from_str(last).unwrap_or(Value::Null)))
    }

    /// The answer to a request.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value> {
        let (status, answer) =
            self.say(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()).await?;
        ensure!(status == 200, "{method}: {status} {answer}");
        Ok(answer)
    }

    /// The answer of today's version to a program that knows tasks; `name` is what the request is about.
    pub async fn ask_as_task(&self, method: &str, name: &str, params: Value) -> Result<Value> {
        let mut params = params;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "tasks", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.client.post(format!("{}/mcp", self.base)).bearer_auth(&self.token).body(body.to_string());
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .header("mcp-name", name);
        let text = request.send().await?.text().await?;
        let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap_or(&text);
        serde_json::from_str(last).with_context(|| text.clone())
    }

    /// The tools that are offered, by name.
    pub async fn tools(&self) -> Result<Vec<Value>> {
        let answer = self.ask("tools/list", json!({})).await?;
        answer["result"]["tools"].as_array().cloned().with_context(|| answer.to_string())
    }

    /// What a call gives: its result, with `isError`.
    pub async fn call(&self, tool: &str, input: Value) -> Result<Value> {
        let answer = self.ask("tools/call", json!({ "name": tool, "arguments": input })).await?;
        ensure!(answer["result"].is_object(), "{tool}: {answer}");
        Ok(answer["result"].clone())
    }

    /// What a call gives that must not fail.
    pub async fn got(&self, tool: &str, input: Value) -> Result<Value> {
        let result = self.call(tool, input).await?;
        ensure!(result["isError"] != true, "{tool}: {result}");
        Ok(result["structuredContent"].clone())
    }

    /// Why a call gives nothing.
    pub async fn refused(&self, tool: &str, input: Value) -> Result<String> {
        let result = self.call(tool, input).await?;
        ensure!(result["isError"] == true, "{tool}: {result}");
        Ok(result["content"][0]["text"].as_str().unwrap_or_default().to_owned())
    }
}
