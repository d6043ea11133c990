//! What the Service Layer's refusals mean. Source: shared facts on its error table; codes count, words never do, since
//! messages come in the company's language.

use serde_json::Value;

use super::provision;
use crate::connections::{CallError, transport::Raw};

/// How a refusal is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Log in again and repeat.
    Session,
    /// A lock wait or deadlock, rolled back: repeat.
    Lock,
    /// The balancer or a worker is down: no word from B1 itself.
    Balancer,
    /// Neither done nor refused, such as a redirect: no word from B1 either.
    Astray,
    /// Too many requests: nothing was done.
    Limit,
    /// B1 has decided.
    Refused,
}

/// Reads a response that is not 2xx.
pub fn read(raw: &Raw) -> (Class, CallError) {
    if let Some(message) = raw.astray() {
        return (Class::Astray, CallError::Remote { status: raw.status, code: String::new(), message });
    }
    let (code, message) = code_and_message(&raw.body);
    let class = classify(raw.status, &code, raw.content_type.to_ascii_lowercase().contains("html"));
    let message = if class == Class::Balancer && message.is_empty() {
        format!("the load balancer answered {} in place of B1", raw.status)
    } else {
        provision::with_mend(&code, message)
    };
    (class, CallError::Remote { status: raw.status, code, message })
}

fn classify(status: u16, code: &str, html: bool) -> Class {
    match (status, code) {
        (401, _) | (_, "301") => Class::Session,
        // HANA 131 and 133, SQL Server 1205.
        (_, "131" | "133" | "1205" | "-131" | "-133" | "-1205") => Class::Lock,
        (429, _) => Class::Limit,
        (502..=504, _) => Class::Balancer,
        (500.., _) if html => Class::Balancer,
        _ => Class::Refused,
    }
}

/// Code and message of an error body, v1 or v2. The number in an `(ODBC -NNNN)` suffix wins over a bare -1, under which
/// some servers hide the true one.
fn code_and_message(body: &str) -> (String, String) {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return (String::new(), String::new()) };
    let error = &value["error"];
    let message = match &error["message"] {
        Value::String(text) => text.clone(),
        object => object["value"].as_str().unwrap_or_default().to_owned(),
    };
    let code = match &error["code"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let code = match odbc_suffix(&message) {
        Some(true_code) if code == "-1" || code.is_empty() => true_code,
        _ => code,
    };
    (code, message)
}

fn odbc_suffix(message: &str) -> Option<String> {
    let rest = &message[message.rfind("(ODBC ")? + "(ODBC ".len()..];
    let number = rest.strip_suffix(')')?.trim();
    number.parse::<i64>().ok().map(|_| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(status: u16, content_type: &str, body: &str) -> Raw {
        Raw { status, content_type: content_type.into(), body: body.into(), ..Raw::default() }
    }

    #[test]
    fn both_versions_of_an_error_body_are_read() {
        let v1 =
            r#"{"error":{"code":-2028,"message":{"lang":"en-us","value":"No matching records found (ODBC -2028)"}}}"#;
        let v2 = r#"{"error":{"code":"-2028","message":"No matching records found (ODBC -2028)","details":[]}}"#;
        for body in [v1, v2] {
            let (class, error) = read(&raw(404, "application/json", body));
            assert_eq!(class, Class::Refused);
            assert!(matches!(error, CallError::Remote { status: 404, code, .. } if code == "-2028"));
        }
    }

    #[test]
    fn the_true_number_hidden_in_the_text_is_found() {
        let body = r#"{"error":{"code":"-1","message":"Dieser Eintrag existiert bereits (ODBC -2035)"}}"#;
        assert!(
            matches!(read(&raw(400, "application/json", body)).1, CallError::Remote { code, .. } if code == "-2035")
        );
    }

    #[test]
    fn an_html_page_is_the_balancer_speaking() {
        assert_eq!(read(&raw(502, "text/html", "<html>Bad Gateway</html>")).0, Class::Balancer);
    }

    #[test]
    fn a_deadlock_is_a_lock_and_a_lost_session_a_session() {
        let lock = r#"{"error":{"code":"-1","message":"transaction rolled back by lock wait timeout (ODBC 131)"}}"#;
        assert_eq!(read(&raw(400, "application/json", lock)).0, Class::Lock);
        let gone = r#"{"error":{"code":"301","message":"Invalid session or session already timeout."}}"#;
        assert_eq!(read(&raw(401, "application/json", gone)).0, Class::Session);
    }
}
