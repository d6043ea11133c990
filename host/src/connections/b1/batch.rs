//! `$batch`: many operations in one `multipart/mixed` request. Every write is a change set of its own (one transaction);
//! reads stand between them. Source: OData 4.0 Part 1, 11.7, and the Service Layer manual.

use crate::connections::transport::Raw;
use crate::connections::{Call, Method};

/// Writes the body. `root` is the path of the service, such as `/b1s/v2`.
pub fn encode(calls: &[Call], boundary: &str, root: &str) -> String {
    let mut text = String::new();
    for (index, call) in calls.iter().enumerate() {
        text.push_str(&format!("--{boundary}\r\n"));
        if call.reads() {
            operation(&mut text, None, call.method, &call.path, &call.headers, call.body.as_deref(), root);
            continue;
        }
        let change_set = format!("{boundary}_cs{index}");
        text.push_str(&format!("Content-Type: multipart/mixed; boundary={change_set}\r\n\r\n"));
        for (content_id, part) in call.atomic_with.iter().enumerate() {
            text.push_str(&format!("--{change_set}\r\n"));
            operation(&mut text, Some(content_id + 1), part.method, &part.path, &[], part.body.as_deref(), root);
        }
        text.push_str(&format!("--{change_set}\r\n"));
        let last = call.atomic_with.len() + 1;
        operation(&mut text, Some(last), call.method, &call.path, &call.headers, call.body.as_deref(), root);
        text.push_str(&format!("--{change_set}--\r\n"));
    }
    text.push_str(&format!("--{boundary}--\r\n"));
    text
}

fn operation(
    text: &mut String,
    content_id: Option<usize>,
    method: Method,
    path: &str,
    headers: &[(String, String)],
    body: Option<&str>,
    root: &str,
) {
    text.push_str("Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n");
    if let Some(id) = content_id {
        text.push_str(&format!("Content-ID: {id}\r\n"));
    }
    // A request line holds no blanks: OData queries are full of them.
    let target = format!("{root}{path}").replace(' ', "%20");
    text.push_str(&format!("\r\n{} {target} HTTP/1.1\r\n", method.word()));
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        text.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body.unwrap_or_default());
    text.push_str("\r\n");
}

/// Reads the answer, which must be whole: what is missing at its end may have been carried out. For each operation or change set in order the response of its last operation (for a failed change
/// set its one error). Shorter than the calls when the server stopped early.
pub fn decode(content_type: &str, body: &str) -> Result<Vec<Raw>, String> {
    let boundary = boundary_of(content_type).ok_or("the answer to $batch is not multipart")?;
    if !body.contains(&format!("--{boundary}--")) {
        return Err("the answer to $batch ends in the middle".into());
    }
    parts(body, &boundary)
        .into_iter()
        .map(|part| {
            let (head, content) = split_head(part);
            match header(head, "content-type").map(|value| (boundary_of(value), value)) {
                Some((Some(inner), value)) if value.to_ascii_lowercase().starts_with("multipart/") => {
                    let last = parts(content, &inner).pop().ok_or("an empty change set in the $batch answer")?;
                    let (_, content) = split_head(last);
                    response(content)
                }
                _ => response(content),
            }
        })
        .collect()
}

fn boundary_of(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let value = content_type[at..].split(';').next()?.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

fn parts<'a>(body: &'a str, boundary: &str) -> Vec<&'a str> {
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut start = None;
    for (at, _) in body.match_indices(&delimiter) {
        let after = &body[at + delimiter.len()..];
        // A longer boundary that begins with this one (a change set's) is not this one.
        if !(after.is_empty() || after.starts_with("--") || after.starts_with(['\r', '\n'])) {
            continue;
        }
        if let Some(start) = start {
            let part: &str = &body[start..at];
            found.push(part.trim_matches(['\r', '\n']));
        }
        if after.starts_with("--") {
            break;
        }
        start = Some(at + delimiter.len());
    }
    found
}

fn split_head(text: &str) -> (&str, &str) {
    text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n")).unwrap_or((text, ""))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn response(text: &str) -> Result<Raw, String> {
    let (head, body) = split_head(text);
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split_whitespace().nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or("a response in the $batch answer has no status line")?;
    let headers = ["location", "etag"]
        .into_iter()
        .filter_map(|name| header(head, name).map(|value| (name.to_owned(), value.to_owned())))
        .collect();
    Ok(Raw {
        status,
        content_type: header(head, "content-type").unwrap_or_default().to_owned(),
        cookies: Vec::new(),
        date: None,
        headers,
        body: body.trim_matches(['\r', '\n']).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_only_answers_stands_among_the_reads_with_its_parameters() {
        let rate =
            Call::write(Method::Post, "/SBOBobService_GetCurrencyRate", &serde_json::json!({ "Currency": "USD" }));
        assert!(rate.reads());
        let text = encode(&[rate], "b", "/b1s/v2");
        assert!(!text.contains("_cs0") && text.contains("{\"Currency\":\"USD\"}"), "{text}");
        for acts in
            ["/Orders", "/Orders(1)/Cancel", "/SBOBobService_SetCurrencyRate", "/Orders('Service_Get')", "/Service_Get"]
        {
            assert!(!Call::write(Method::Post, acts, &serde_json::json!({})).reads(), "{acts}");
        }
    }

    #[test]
    fn reads_and_change_sets_are_answered_in_order() {
        let body = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n\
                    --b\r\nContent-Type: multipart/mixed; boundary=b_cs1\r\n\r\n\
                    --b_cs1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 201 Created\r\n\r\n{}\r\n\
                    --b_cs1\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\nHTTP/1.1 201 Created\r\nLocation: /b1s/v2/Orders(7)\r\n\r\n{\"DocEntry\":7}\r\n\
                    --b_cs1--\r\n\
                    --b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n{\"error\":{\"code\":\"-10\"}}\r\n--b--\r\n";
        let answers = decode("multipart/mixed;boundary=b", body).unwrap();
        assert_eq!(answers.iter().map(|raw| raw.status).collect::<Vec<_>>(), [200, 201, 400]);
        assert_eq!(answers[1].body, "{\"DocEntry\":7}");
        assert_eq!(answers[1].header("location"), Some("/b1s/v2/Orders(7)"));
    }

    #[test]
    fn an_answer_without_its_end_is_no_answer() {
        let body = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--b\r\n";
        assert!(decode("multipart/mixed;boundary=b", body).is_err());
        assert_eq!(
            decode("multipart/mixed;boundary=b", &format!("{}--b--", body.trim_end_matches("--b\r\n"))).unwrap().len(),
            1
        );
    }

    #[test]
    fn a_body_length_counts_bytes_not_letters() {
        let call = Call::write(Method::Post, "/Orders", &serde_json::json!({"Comments": "für Müller"}));
        let text = encode(&[call], "x", "/b1s/v2");
        let body = "{\"Comments\":\"für Müller\"}";
        assert!(text.contains(&format!("Content-Length: {}\r\n\r\n{body}", body.len())), "{text}");
    }
}
