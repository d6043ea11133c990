//! Which addresses may be asked for at all. A path is read here the way every server on its way may read it, escaped or
//! not; one that could mean something else to a server than to the grant is refused, whoever asks.

use percent_encoding::percent_decode_str;

/// Times a text may be escaped over: beyond that it is no address of anything.
const ROUNDS: usize = 4;

/// Why the whole of a path, with its query, is not plain; `None` when it is.
pub fn problem_of(target: &str) -> Option<&'static str> {
    // A line break in a query, too, would end the line it is written on inside a packed call.
    if target.chars().any(|c| c.is_control() || matches!(c, '#' | '\u{2028}' | '\u{2029}')) {
        return Some("control characters, line breaks and # are not allowed");
    }
    let path = path_of(target);
    if !path.starts_with('/') {
        return Some("it must start with /");
    }
    if path.contains("//") || path.contains('\\') {
        return Some("empty segments and backslashes are not allowed");
    }
    let Ok(decoded) = percent_decode_str(path).decode_utf8() else { return Some("its escapes must be UTF-8") };
    if decoded.chars().any(char::is_control) {
        return Some("control characters, line breaks and # are not allowed");
    }
    if climbs(path) {
        return Some("it must not climb");
    }
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let hidden =
        segments.iter().enumerate().any(|(place, segment)| !is_external_id(&segments, place) && hides(segment));
    if hidden {
        return Some("escaped dots, slashes and percent signs are allowed in a quoted key only");
    }
    let first = decoded.trim_start_matches('/').split(['/', ';', '(']).next().unwrap_or_default().to_ascii_lowercase();
    match first.as_str() {
        // Packing is the host's business: inside a packed call no single grant could be checked.
        "$batch" | "composite" | "services" => {
            Some("the host packs calls itself; send them one by one or with send-all")
        }
        "login" | "logout" => Some("the host signs in"),
        _ => None,
    }
}

/// The path without its query.
pub fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// What of an address may be told to people: nothing of its query, which is customers' data, however its beginning is written.
pub fn shown(target: &str) -> &str {
    let lower = target.to_ascii_lowercase();
    let begins = ["?", "#", "%3f", "%23", "%25"].iter().filter_map(|sign| lower.find(sign)).min();
    begins.and_then(|end| target.get(..end)).unwrap_or(target)
}

/// True when a server that takes the escapes off first, once or more often, would find a segment that is only dots.
fn climbs(path: &str) -> bool {
    let dots = |piece: &str| matches!(piece.split(';').next().unwrap_or_default().trim(), "." | "..");
    let mut text = path.to_owned();
    for _ in 0..ROUNDS {
        if text.split(['/', '\\']).any(dots) {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    true
}

/// The value in `/sobjects/<object>/<field>/<value>`: of any text, since it travels in a body where it has to be escaped.
fn is_external_id(segments: &[&str], place: usize) -> bool {
    segments.len() == 4 && segments[0] == "sobjects" && place == 3
}

/// True when a segment has more segments in it once its escapes are off: outside the quotes of a key, whether a server
/// looks for the quotes before it takes the escapes off, or after.
fn hides(segment: &str) -> bool {
    let decoded = percent_decode_str(segment).decode_utf8_lossy();
    let (Some(written), Some(meant)) = (outside_quotes(segment), outside_quotes(&decoded)) else { return true };
    let written = written.to_ascii_lowercase();
    ["%2e", "%2f", "%5c", "%25", "%23", "%3f"].iter().any(|code| written.contains(code))
        || meant.contains(['/', '\\', '%', '?', '#'])
}

/// A segment without the literals of its key, such as `BusinessPartners()` of `BusinessPartners('A/1')`; `None` when
/// quotes are left open or stand where no key is.
fn outside_quotes(segment: &str) -> Option<String> {
    let mut outside = String::with_capacity(segment.len());
    let (mut depth, mut quoted) = (0_u32, false);
    for c in segment.chars() {
        match c {
            // A quote inside a literal is written twice: closed, and open again.
            '\'' if depth == 0 => return None,
            '\'' => quoted = !quoted,
            _ if quoted => {}
            _ => {
                match c {
                    '(' => depth += 1,
                    ')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                outside.push(c);
            }
        }
    }
    (!quoted).then_some(outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_hold_any_text_in_quotes() {
        for path in [
            "/BusinessPartners('A%2F1')",
            "/BusinessPartners('50%25')",
            "/BusinessPartners('O''Brien%2FSons')",
            "/BusinessPartners('O%27%27Brien%20%26%20Co.')",
            "/SpecialPrices(CardCode='A%2F1',ItemCode='1.5%25')",
            "/Items('v1.2')/ItemPrices",
            "/Orders?$filter=Comments eq 'a/../b'",
            "/query?q=SELECT%20Id%20FROM%20Account",
            "/sobjects/Product2/Tandem_Item_Code__c/N%201%2F2",
        ] {
            assert_eq!(problem_of(path), None, "{path}");
        }
    }

    #[test]
    fn what_a_server_could_read_otherwise_is_refused() {
        for path in [
            "Orders",
            "/Orders/../Users",
            "/Orders/%2e%2E/Users",
            "/Orders/..;x=1/Users",
            "/Orders%2f..%2fUsers",
            "/Orders%252f..%252fUsers",
            "/Orders/%c0%ae%c0%ae/Users",
            "/Orders%3Fx",
            "/Orders%0d%0aX",
            "/Orders?x\tHTTP/1.1\r\nX-HTTP-Method-Override: DELETE",
            "/Orders?a\u{2028}b",
            "/Orders?a#b",
            "/Orders'%2F'",
            "/BusinessPartners('A%2F..%2F..%2FUsers')",
            "/BusinessPartners('A%252F..%252FUsers')",
            "/BusinessPartners('x%27)%2FUsers(%27y')",
            "/BusinessPartners('x')%2FUsers('y')",
            "/BusinessPartners('open",
            "/sobjects/Account/Ext__c/..",
            "/sobjects/Account/Ext__c/%2e%2e",
            "/sobjects/Account/Ext__c/%2e%2e%2f%2e%2e%2fUser%2f005",
            "/sobjects/Account/Ext__c/%252e%252e%252fUser",
            "/sobjects/Account/Ext__c/a#b",
            "/sobjects/Account%2FExt__c/x",
            "/%24batch",
            "/$BATCH",
            "/Composite/sobjects",
            "/services/data",
            "/Login",
            "/logout;x",
        ] {
            assert!(problem_of(path).is_some(), "{path}");
        }
    }
}
