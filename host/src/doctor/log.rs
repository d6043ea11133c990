//! The host's own log, line by line: when, how grave, what the host says, and of its parameters those that name no record and no person.

use serde_json::{Map, Value};

use super::mask::Mask;

/// Parameters that are shown as they are; of the others only words that everybody uses.
const SHOWN: [&str; 34] = [
    "attempts",
    "bytes",
    "calls",
    "changes",
    "code",
    "connection",
    "event",
    "events",
    "failed_before",
    "flow",
    "flows",
    "host",
    "level",
    "listen",
    "looks",
    "object",
    "objects",
    "outcome",
    "part",
    "pauses",
    "preset",
    "questions",
    "records",
    "release",
    "rows",
    "run",
    "seconds",
    "section",
    "since",
    "status",
    "times",
    "topic",
    "took_ms",
    "trace",
];

/// What a plugin says stands in the place of the host's own words.
const PLUGIN: &str = "plugin";
/// The mark of such a line in a log for people.
const BY_PLUGIN: &str = " by=\"plugin\"";

/// The last lines of a log.
pub fn last(text: &str, most: usize, mask: &Mask) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(most);
    lines[from..].iter().map(|line| shown(line, mask)).collect()
}

fn shown(line: &str, mask: &Mask) -> String {
    match serde_json::from_str::<Map<String, Value>>(line) {
        Ok(fields) => of_json(&fields, mask),
        Err(_) => of_text(line, mask).unwrap_or_else(|| mask.words(line)),
    }
}

/// Of `--log-json`.
fn of_json(line: &Map<String, Value>, mask: &Mask) -> String {
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut told = vec![text("timestamp").to_owned(), text("level").to_owned()];
    told.push(message(text("message"), text("target") == PLUGIN || text("by") == PLUGIN, mask));
    for (name, value) in line {
        if !["timestamp", "level", "message", "target", "span", "spans", "by"].contains(&name.as_str()) {
            told.push(parameter(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned), mask));
        }
    }
    told.join(" ")
}

/// Of a log for people: `2026-01-31T14:05:59.123456Z  INFO run{flow="orders"}: what happened flow="orders" error=why`.
fn of_text(line: &str, mask: &Mask) -> Option<String> {
    let (at, rest) = line.trim_start().split_once(' ')?;
    chrono::DateTime::parse_from_rfc3339(at).ok()?;
    let (level, rest) = rest.trim_start().split_once(' ')?;
    if !["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level) {
        return None;
    }
    // Spans stand before the words.
    let rest = rest.trim_start();
    let rest = match (rest.find('{'), rest.rfind("}: ")) {
        (Some(open), Some(end)) if open < end && rest[..open].bytes().all(|b| b.is_ascii_lowercase()) => {
            &rest[end + 3..]
        }
        _ => rest,
    };
    // A plugin may say ` flow=` itself: what stands after the last mark is the host's.
    let (said, rest) = match rest.rfind(BY_PLUGIN) {
        Some(mark) => (Some(&rest[..mark]), &rest[mark + BY_PLUGIN.len()..]),
        None => (None, rest),
    };
    let places = parameters(rest);
    let words = &rest[..places.first().map_or(rest.len(), |(start, ..)| *start)];
    let mut told = vec![message(said.unwrap_or(words).trim_end(), said.is_some(), mask)];
    // So may a text of others that a parameter quotes: what follows it is not believed.
    let mut is_ours = true;
    for (number, (_, name, from)) in places.iter().enumerate() {
        let end = places.get(number + 1).map_or(rest.len(), |(start, ..)| *start);
        let value = rest[*from..end].trim().trim_matches('"');
        is_ours &= SHOWN.contains(name);
        told.push(if is_ours { parameter(name, value, mask) } else { quoted(name, mask.words(value)) });
    }
    Some(format!("{at} {level} {}", told.join(" ")))
}

/// Where ` name=` stands: its beginning, the name, and where its value begins.
fn parameters(text: &str) -> Vec<(usize, &str, usize)> {
    let mut found = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let start = text[..equals].rfind(' ').map_or(0, |space| space + 1);
        let name = &text[start..equals];
        let is_name =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if is_name && found.last().is_none_or(|(_, _, from)| *from <= start) {
            found.push((start, name, equals + 1));
        }
    }
    found
}

/// The host's own words stand in its sources; a plugin's, and those of a panic, may say anything.
fn message(words: &str, of_others: bool, mask: &Mask) -> String {
    if of_others || words.starts_with("panic") { mask.words(words) } else { mask.text(words) }
}

fn parameter(name: &str, value: &str, mask: &Mask) -> String {
    quoted(name, if SHOWN.contains(&name) { mask.text(value) } else { mask.words(value) })
}

fn quoted(name: &str, value: String) -> String {
    if value.contains(' ') { format!("{name}=\"{value}\"") } else { format!("{name}={value}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> String {
        last(line, 5, &Mask::new(["geheim-42".to_owned()]).unwrap()).join("\n")
    }

    #[test]
    fn a_line_keeps_the_hosts_words_and_what_names_nobody() {
        let told = of(
            "2026-01-31T14:05:59.123456Z  WARN run{flow=\"orders\" run=7 key=\"006Anna\"}: the call failed connection=erp error=Anna Schmidt: connection refused calls=3",
        );
        assert_eq!(
            told,
            "2026-01-31T14:05:59.123456Z WARN the call failed connection=erp error=\"… connection refused\" calls=3"
        );
        let told = of(
            "{\"timestamp\":\"t\",\"level\":\"INFO\",\"message\":\"one line\",\"outcome\":\"review\",\"what\":\"Anna Schmidt owes\",\"target\":\"tandem::engine\"}",
        );
        assert_eq!(told, "t INFO one line outcome=review what=…");
    }

    #[test]
    fn what_a_plugin_and_what_nobody_knows_says_is_not_believed() {
        let plain = "2026-01-31T14:05:59.123456Z  INFO Anna Schmidt, a@b.de, order made by=\"plugin\" flow=\"orders\" trace=\"00\"";
        let json = "{\"timestamp\":\"t\",\"level\":\"INFO\",\"message\":\"Anna Schmidt\",\"by\":\"plugin\",\"target\":\"plugin\",\"flow\":\"orders\"}";
        let forged = "2026-01-31T14:05:59.123456Z  INFO order by=\"plugin\" flow=Anna object=Schmidt by=\"plugin\" flow=\"orders\"";
        let within =
            "2026-01-31T14:05:59.123456Z  WARN it failed error=refused: flow=Anna code=Schmidt what=\"x part=a@b.de\"";
        for line in
            [plain, json, forged, within, "Anna Schmidt without any time", "thread panicked: Anna Schmidt geheim-42"]
        {
            let told = of(line);
            for gone in ["Anna", "Schmidt", "a@b.de", "geheim"] {
                assert!(!told.contains(gone), "{gone}: {told}");
            }
        }
        assert!(of(plain).contains("order made") && of(plain).contains("flow=orders"));
    }
}
