//! `$batch`: operations in order; each change set one transaction, answered by one error part when it fails.

use super::{Refusal, Reply, Simulator, Version};

/// A part of the request.
pub enum Operation {
    /// On its own.
    Single(HttpText),
    /// All or nothing.
    ChangeSet(Vec<HttpText>),
}

/// An HTTP request written as text inside a part.
pub struct HttpText {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub content_id: Option<String>,
}

/// Reads the body; the error is the whole batch's.
pub fn parse(content_type: &str, body: &str) -> Result<Vec<Operation>, Refusal> {
    let malformed = |why: &str| Refusal::new(400, -1000, format!("Malformed batch request: {why}"));
    let boundary = boundary(content_type).ok_or_else(|| malformed("no boundary in the content type"))?;
    let mut operations = Vec::new();
    let parts = parts(body, &boundary).ok_or_else(|| malformed("the boundary is not closed"))?;
    for part in parts {
        let (head, content) = split(part);
        let kind = header(head, "content-type").unwrap_or_default();
        if let Some(inner) = boundary_of_multipart(&kind) {
            let members = self::parts(content, &inner).ok_or_else(|| malformed("a change set is not closed"))?;
            let requests: Option<Vec<HttpText>> = members.into_iter().map(http_text).collect();
            operations.push(Operation::ChangeSet(requests.ok_or_else(|| malformed("a request cannot be read"))?));
        } else {
            operations.push(Operation::Single(http_text(part).ok_or_else(|| malformed("a request cannot be read"))?));
        }
    }
    Ok(operations)
}

/// Carries the operations out, in order, and writes the answer.
pub fn run(simulator: &Simulator, version: Version, operations: Vec<Operation>, go_on: bool) -> Reply {
    let boundary = format!("batchresponse_{:016x}", fastrand::u64(..));
    let mut text = String::new();
    for (index, operation) in operations.into_iter().enumerate() {
        text.push_str(&format!("--{boundary}\r\n"));
        let failed = match operation {
            Operation::Single(request) => {
                let reply = simulator.transaction(version, std::slice::from_ref(&request)).map_or_else(
                    |refusal| refusal.reply(version),
                    |mut replies| replies.pop().unwrap_or_else(|| Reply::empty(204)),
                );
                write_part(&mut text, &reply, None);
                reply.status >= 400
            }
            Operation::ChangeSet(requests) => match simulator.transaction(version, &requests) {
                Ok(replies) => {
                    let inner = format!("changesetresponse_{index}_{:08x}", fastrand::u32(..));
                    text.push_str(&format!("Content-Type: multipart/mixed; boundary={inner}\r\n\r\n"));
                    for (reply, request) in replies.iter().zip(&requests) {
                        text.push_str(&format!("--{inner}\r\n"));
                        write_part(&mut text, reply, request.content_id.as_deref());
                    }
                    text.push_str(&format!("--{inner}--\r\n"));
                    false
                }
                // What was committed before stays committed; nobody is told.
                Err(refusal) if simulator.breaks_the_batch(&refusal) => return Reply::balancer(502),
                Err(refusal) => {
                    write_part(&mut text, &refusal.reply(version), None);
                    true
                }
            },
        };
        if failed && !go_on {
            break;
        }
    }
    text.push_str(&format!("--{boundary}--\r\n"));
    Reply { status: 202, headers: vec![("Content-Type", format!("multipart/mixed; boundary={boundary}"))], body: text }
}

fn write_part(text: &mut String, reply: &Reply, content_id: Option<&str>) {
    text.push_str("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    if let Some(id) = content_id {
        text.push_str(&format!("Content-ID: {id}\r\n"));
    }
    text.push_str(&format!("\r\nHTTP/1.1 {} {}\r\n", reply.status, reason(reply.status)));
    for (name, value) in &reply.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{}\r\n", reply.body.len(), reply.body));
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        400 => "Bad Request",
        404 => "Not Found",
        412 => "Precondition Failed",
        _ => "Error",
    }
}

fn boundary(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let value = content_type[at..].split(';').next()?.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

fn boundary_of_multipart(kind: &str) -> Option<String> {
    if kind.to_ascii_lowercase().starts_with("multipart/mixed") { boundary(kind) } else { None }
}

fn parts<'a>(body: &'a str, boundary: &str) -> Option<Vec<&'a str>> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut start = None;
    for (at, _) in body.match_indices(&delimiter) {
        let after = &body[at + delimiter.len()..];
        if !(after.is_empty() || after.starts_with("--") || after.starts_with(['\r', '\n'])) {
            continue;
        }
        if let Some(start) = start {
            found.push(body[start..at].trim_start_matches(['\r', '\n']));
        }
        if after.starts_with("--") {
            return Some(found);
        }
        start = Some(at + delimiter.len());
    }
    None
}

fn split(text: &str) -> (&str, &str) {
    text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")).unwrap_or((text, ""))
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

fn http_text(part: &str) -> Option<HttpText> {
    let (head, content) = split(part);
    let (request, body) = split(content.trim_start_matches(['\r', '\n']));
    let mut lines = request.lines();
    let mut words = lines.next()?.split_whitespace();
    let method = words.next()?.to_owned();
    let target = words.next()?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let content_id = header(head, "content-id");
    Some(HttpText { method, target, headers, body: body.trim_end_matches(['\r', '\n']).to_owned(), content_id })
}
