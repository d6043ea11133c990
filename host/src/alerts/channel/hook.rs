//! Messages over HTTP: an Adaptive Card for a workflow of Microsoft Teams, a text for Slack, and for a webhook of one's own a signed document.
//! Who knows such an address may write there: it stands in no error and no log.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream;
use reqwest::{Body, Url};
use ring::hmac;
use serde_json::{Value, json};

use super::{Fault, Going, Sent, Unsent};
use crate::alerts::words::{Line, Message};
use crate::config::{ChannelConfig, Secret};
use crate::connections::proxy::Proxies;
use crate::connections::{CallError, transport};
use crate::time::now;

/// Bytes of an answer.
const LIMIT: u64 = 64 << 10;
/// Letters of a part of an address that may be its secret.
const TELLING: usize = 6;

/// Sends a document; `key`: what it is signed with.
pub async fn post(
    channel: &ChannelConfig,
    base: &Path,
    body: Value,
    key: Option<&Secret>,
    going: Arc<dyn Going>,
) -> Result<Sent, Unsent> {
    let url = url(channel, base)?;
    let proxies = Proxies::new(channel.proxy.as_ref(), base, Proxies::from_environment())?;
    let timeout = Duration::from_secs(channel.timeout_seconds);
    let client =
        transport::client(&channel.tls, proxies, base, timeout).map_err(|e| Unsent::new(Fault::Certificate, e))?;
    let text = body.to_string();
    let mut request = client
        .post(url.clone())
        .header("content-type", "application/json")
        .header("content-length", text.len().to_string());
    if let Some(key) = key {
        let timestamp = (now() / 1_000).to_string();
        request = request.header("x-tandem-signature", signature(key, &timestamp, &text));
        request = request.header("x-tandem-timestamp", timestamp);
    }
    let has_gone = Arc::new(AtomicBool::new(false));
    let body = Body::wrap_stream(stream::once(asked_first(text, going, has_gone.clone())));
    let raw = client.fetch(request.body(body), LIMIT).await.map_err(|error| {
        let unsent = match error {
            CallError::Unreachable(why) | CallError::Ambiguous(why) => Unsent::connecting(veiled(&why, &url)),
            other => Unsent::new(Fault::Refused, veiled(&other.to_string(), &url)),
        };
        Unsent { unsure: has_gone.load(Ordering::SeqCst), ..unsent }
    })?;
    let said = veiled(&raw.body, &url);
    match raw.astray() {
        None if raw.done() => Ok(Sent { says: super::said(&format!("{} {said}", raw.status)), missed: None }),
        None => {
            let unsent = Unsent::new(Fault::Refused, format!("answered {}: {said}", raw.status));
            // Who answers is one in between, whom who is meant did not answer in time.
            Err(Unsent { unsure: raw.status == 504, ..unsent })
        }
        Some(why) => Err(Unsent::new(Fault::Refused, why)),
    }
}

/// A body that is read when the way there is open, and not before: until then nothing arrives.
async fn asked_first(text: String, going: Arc<dyn Going>, has_gone: Arc<AtomicBool>) -> io::Result<String> {
    if !going.goes().await {
        return Err(io::Error::other("it is not to be sent any more"));
    }
    has_gone.store(true, Ordering::SeqCst);
    Ok(text)
}

/// Where it goes.
pub fn url(channel: &ChannelConfig, base: &Path) -> Result<Url, Unsent> {
    let Some(source) = &channel.url else { return Err(Unsent::new(Fault::Secret, "the channel has no url")) };
    address(source.read(base)?.reveal()).map_err(|why| Unsent::new(Fault::Secret, why))
}

/// `sha256=` and in hex the HMAC-SHA256 of `<timestamp>.<body>`.
fn signature(key: &Secret, timestamp: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes());
    let tag = hmac::sign(&key, format!("{timestamp}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// It is never repeated.
fn address(text: &str) -> Result<Url, &'static str> {
    let url: Url = text.trim().parse().map_err(|_| "the secret of url is no address; it begins with https://")?;
    let own = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if own => Ok(url),
        _ => Err("the secret of url is no https address: the message would go in the open"),
    }
}

/// A text without anything of the address: servers repeat what they were asked.
fn veiled(text: &str, url: &Url) -> String {
    let decoded = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy().into_owned();
    let query: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
    let mut parts: Vec<&str> = vec![url.as_str(), url.path(), &decoded];
    parts.extend(url.query());
    parts.extend(query.iter().map(String::as_str));
    parts.extend(url.path().split('/'));
    parts.extend(decoded.split('/'));
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let mut text = text.to_owned();
    for part in parts.into_iter().filter(|part| part.len() >= TELLING) {
        text = text.replace(part, "…");
    }
    text
}

/// An Adaptive Card in the envelope that a workflow's webhook takes.
/// Source: Microsoft, *Create incoming webhooks with Workflows for Microsoft Teams*; schema 1.4 is shown by every client.
pub fn card(message: &Message) -> Value {
    let mut body = vec![block(&message.subject, json!({ "weight": "Bolder", "size": "Medium" }))];
    let alone = message.lines.len() == 1;
    for line in &message.lines {
        if !alone {
            let colour = if line.is_bad() { "Attention" } else { "Default" };
            body.push(block(&line.title, json!({ "weight": "Bolder", "color": colour, "separator": true })));
        }
        for text in [&line.text, &line.mend].into_iter().filter(|text| !text.is_empty()) {
            body.push(block(text, json!({ "spacing": "Small" })));
        }
        if let Some(link) = &line.link {
            // Nothing else in a card's text leads anywhere.
            let way = format!("[{link}]({link})");
            body.push(json!({ "type": "TextBlock", "wrap": true, "spacing": "Small", "text": way }));
        }
    }
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
        "msteams": { "width": "Full" }, "body": body,
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": content,
    });
    json!({ "type": "message", "attachments": [attachment] })
}

fn block(text: &str, more: Value) -> Value {
    // A card's text is a part of Markdown: what stands in it is shown as it is.
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '*' | '_' | '[' | ']' | '`' | '#') {
            plain.push('\\');
        }
        plain.push(letter);
        if letter == '\n' {
            plain.push('\n');
        }
    }
    let mut block = json!({ "type": "TextBlock", "wrap": true, "text": plain });
    if let (Some(block), Value::Object(more)) = (block.as_object_mut(), more) {
        block.extend(more);
    }
    block
}

/// What Slack's incoming webhook takes. Source: Slack, *Formatting text for app surfaces*: these three letters are escaped, no others.
pub fn text(message: &Message) -> Value {
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut all = vec![format!("*{}*", plain(&message.subject))];
    let alone = message.lines.len() == 1;
    for line in &message.lines {
        let title = if alone { "" } else { &line.title };
        let parts = [title, &line.text, &line.mend].into_iter().filter(|part| !part.is_empty()).map(plain);
        let parts = parts.chain(line.link.iter().map(|link| format!("<{link}>")));
        all.push(parts.collect::<Vec<_>>().join("\n"));
    }
    json!({ "text": all.join("\n\n") })
}

/// For programs.
pub fn document(message: &Message) -> Value {
    let line = |line: &Line| {
        let mut own = json!(line);
        if let Some(news) = own.get_mut("news").and_then(Value::as_object_mut) {
            for moment in ["since", "until"] {
                if let Some(at) = news.get(moment).and_then(Value::as_i64) {
                    news.insert(moment.to_owned(), crate::time::iso(at).into());
                }
            }
        }
        own
    };
    let lines: Vec<Value> = message.lines.iter().map(line).collect();
    json!({ "id": message.id, "at": crate::time::iso(now()), "subject": message.subject, "lines": lines })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::super::Withdrawn;
    use super::*;
    use crate::alerts::AtOnce;
    use crate::config::Config;

    fn message() -> Message {
        let line = |title: &str| Line {
            title: title.into(),
            text: "<b>& [x](https://evil.example)".into(),
            mend: "mend".into(),
            link: Some("https://tandem.example.com/".into()),
            news: None,
        };
        Message { id: "1".into(), subject: "Tandem: *two*".into(), lines: vec![line("one"), line("two")] }
    }

    /// Takes what is sent to it, and answers nothing.
    async fn silent() -> (std::net::SocketAddr, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard).await;
            String::from_utf8_lossy(&heard).into_owned()
        });
        (address, served)
    }

    async fn posted(address: std::net::SocketAddr, going: Arc<dyn Going>) -> Result<Sent, Unsent> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("url"), format!("http://{address}/hook")).unwrap();
        let text = "[alerts.ops]\nkind = \"slack\"\nurl = { file = \"url\" }\ntimeout_seconds = 1\n";
        let config = Config::parse(text, &folder.path().join("tandem.toml")).unwrap();
        super::super::send(&config.alerts.channels["ops"], &config.base, &message(), None, going).await
    }

    #[tokio::test]
    async fn what_was_sent_and_not_answered_may_have_arrived_and_nothing_else() {
        let (address, served) = silent().await;
        let unsent = posted(address, Arc::new(AtOnce)).await.unwrap_err();
        assert!(unsent.unsure && unsent.fault == Fault::TooSlow, "{unsent:?}");
        let heard = served.await.unwrap().to_ascii_lowercase();
        assert!(heard.contains("content-length: ") && !heard.contains("transfer-encoding"), "{heard}");
        assert!(heard.contains("tandem: *two*"), "{heard}");
        let (address, served) = silent().await;
        let unsent = posted(address, Arc::new(Withdrawn)).await.unwrap_err();
        assert!(!unsent.unsure && !served.await.unwrap().contains("Tandem:"), "nothing of it arrives: {unsent:?}");
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let unsent = posted(gone, Arc::new(AtOnce)).await.unwrap_err();
        assert!(!unsent.unsure && unsent.fault == Fault::NotReached, "{unsent:?}");
    }

    #[test]
    fn an_address_is_never_repeated() {
        let url: Url = "https://hooks.slack.com/services/T0001234/B0005678/s3cr%20tPart?sig=AbCdEfGh".parse().unwrap();
        let echoed = format!("Cannot POST {} nor {} with AbCdEfGh of B0005678 'services' s3cr tPart", url, url.path());
        let told = veiled(&echoed, &url);
        for secret in ["T0001234", "B0005678", "s3cr", "AbCdEfGh"] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(told.contains("Cannot POST"), "{told}");
        for wrong in ["http://hooks.example.com/secret", "ftp://secret", "no address"] {
            assert!(!address(wrong).unwrap_err().contains("//secret") && address(wrong).is_err(), "{wrong}");
        }
        assert!(address("http://127.0.0.1:9/x").is_ok() && address(" https://x.example/y\n").is_ok());
    }

    #[test]
    fn what_stands_in_a_message_formats_and_links_nothing() {
        let card = card(&message()).to_string();
        assert!(card.contains(r"Tandem: \\*two\\*") && card.contains(r"\\[x\\](https://evil.example)"), "{card}");
        assert!(card.contains("[https://tandem.example.com/](https://tandem.example.com/)"), "{card}");
        let text = text(&message()).to_string();
        assert!(text.contains("&lt;b&gt;&amp;") && text.contains("<https://tandem.example.com/>"), "{text}");
    }

    #[test]
    fn a_document_is_signed_over_time_and_body() {
        // Made with: printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let signed = signature(&Secret::from("key".to_owned()), "1700000000", "{}");
        assert_eq!(signed.len(), "sha256=".len() + 64);
        assert_ne!(signed, signature(&Secret::from("key".to_owned()), "1700000001", "{}"));
        assert_eq!(signed, format!("sha256={EXPECTED}"));
    }

    const EXPECTED: &str = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
}
