//! `tandem.toml` as it may be shown: every key, numbers, and of texts those that say where something is or how it is done.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::mask::{DOTS, Mask};

/// Keys whose texts are shown. Addresses of servers are; users, secrets, and what is not known are not.
const SHOWN: [&str; 33] = [
    "api_version",
    "at",
    "audience",
    "ca_file",
    "certificate",
    "company",
    "connections",
    "dpapi",
    "env",
    "file",
    "folder",
    "issuer",
    "key",
    "keys",
    "kind",
    "language",
    "listen",
    "login_url",
    "mapper",
    "mapping",
    "namespace",
    "path",
    "pin_sha256",
    "plugin",
    "plugins",
    "proxies",
    "pubsub_url",
    "release",
    "sweep",
    "time_zone",
    "topics",
    "url",
    "webhook_url",
];
/// The same of `[alerts]`.
const OF_ALERTS: [&str; 14] = [
    "ca_file",
    "credential",
    "digest",
    "dpapi",
    "encryption",
    "env",
    "file",
    "flows",
    "kind",
    "language",
    "pin_sha256",
    "server",
    "time_zone",
    "what",
];
/// What a flow's settings, and the tables of a flow, are called.
const SETTINGS: &str = "settings";
const CONNECTIONS: &str = "connections";
/// Tables whose very keys name groups of people.
const OF_GROUPS: [&str; 2] = ["console", "oidc"];

/// The file as TOML without comments. `known`: texts of the plugins' own schemas, which settings may show.
pub fn shown(file: &Table, known: &BTreeSet<String>, mask: &Mask) -> String {
    let mut text = String::new();
    table(file, &mut Vec::new(), known, mask, &mut text);
    text
}

/// Texts of flows' settings that no schema names: nobody knows what they say.
pub fn unknown_of(file: &Table, known: &BTreeSet<String>) -> Vec<String> {
    fn texts(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
            Value::Table(fields) => fields.iter().for_each(|(name, value)| {
                into.push(name.clone());
                texts(value, into);
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let flows = file.get("flows").and_then(Value::as_table).into_iter().flat_map(Table::values);
    flows.filter_map(|flow| flow.get(SETTINGS)).for_each(|settings| texts(settings, &mut found));
    found.retain(|text| !known.contains(text));
    found
}

/// Every text of a schema, and every name of a setting.
pub fn texts_of(schema: &Json, into: &mut BTreeSet<String>) {
    match schema {
        Json::String(text) => {
            into.insert(text.clone());
        }
        Json::Array(items) => items.iter().for_each(|item| texts_of(item, into)),
        Json::Object(fields) => fields.iter().for_each(|(name, value)| {
            into.insert(name.clone());
            texts_of(value, into);
        }),
        _ => {}
    }
}

fn table(own: &Table, path: &mut Vec<String>, known: &BTreeSet<String>, mask: &Mask, text: &mut String) {
    // Below a flow's settings a key may be somebody's name.
    let in_settings = path.iter().any(|part| part == SETTINGS);
    let (own, others): (Vec<_>, Vec<_>) = own.iter().partition(|(key, _)| !in_settings || known.contains(*key));
    let (tables, values): (Vec<_>, Vec<_>) = own.into_iter().partition(|(_, value)| value.is_table());
    if !path.is_empty() && !values.is_empty() {
        let _ = writeln!(text, "[{}]", path.join("."));
    }
    for (key, value) in values {
        let _ = writeln!(text, "{key} = {}", of(key, value, path, known, mask));
    }
    if !others.is_empty() {
        let _ = writeln!(text, "# {}: {} entries that the plugin's schema does not name", path.join("."), others.len());
    }
    for (key, value) in tables {
        let Value::Table(below) = value else { continue };
        if path.starts_with(&OF_GROUPS.map(str::to_owned)) && matches!(key.as_str(), "flows" | "roles") {
            let _ = writeln!(text, "# {}.{key}: {} entries", path.join("."), below.len());
            continue;
        }
        path.push(key.clone());
        table(below, path, known, mask, text);
        path.pop();
    }
}

fn of(key: &str, value: &Value, path: &[String], known: &BTreeSet<String>, mask: &Mask) -> String {
    match value {
        Value::String(text) if is_shown(key, text, path, known) => format!("{:?}", mask.text(&without_user(text))),
        Value::String(_) => format!("\"{DOTS}\""),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| of(key, item, path, known, mask)).collect();
            format!("[{}]", items.join(", "))
        }
        // In an array.
        Value::Table(_) => format!("\"{DOTS}\""),
        plain => plain.to_string(),
    }
}

fn is_shown(key: &str, text: &str, path: &[String], known: &BTreeSet<String>) -> bool {
    if path.iter().any(|part| part == SETTINGS) {
        return known.contains(text);
    }
    // A webhook's address may be its own password; people's addresses are theirs.
    if path.first().is_some_and(|part| part == "alerts") {
        return OF_ALERTS.contains(&key);
    }
    SHOWN.contains(&key) || path.last().is_some_and(|part| part == CONNECTIONS)
}

/// An address without the user and the password that may stand in it, also where it lacks its `http://`.
fn without_user(text: &str) -> String {
    let Some((user, rest)) = text.rsplit_once('@') else { return text.to_owned() };
    let scheme = user.split_once("://").map(|(scheme, _)| format!("{scheme}://"));
    format!("{}{rest}", scheme.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_shown_and_users_secrets_and_free_text_are_dots() {
        let file: Table = toml::from_str(
            "[b1.erp]\nurl = \"https://b1:50000/b1s/v2\" # of Anna Schmidt\ncompany = \"SBO\"\nuser = \"anna\"\npassword = { env = \"B1_PASSWORD\" }\n\
             proxy = { url = \"anna:geheim@1@proxy:3128\" }\nsessions = 3\n[flows.orders]\nplugin = \"orders\"\nconnections = { b1 = \"erp\" }\n\
             settings = { mode = \"never\", owner = \"Anna Schmidt\", days = 3, \"Anna Schmidt\" = { \"Anna\" = \"x\" } }\n[console.oidc]\nissuer = \"https://login\"\nclient_id = \"x-geheim\"\n\
             roles = { admin = [\"Anna Schmidt\"] }\nflows = { \"Anna Schmidt\" = [\"orders\"] }\n[alerts.team]\nkind = \"teams\"\nurl = \"https://hook/geheim\"\n\
             [alerts.mail]\nkind = \"smtp\"\nserver = \"anna@mail.intra:587\"\nto = [\"anna@intra\"]\nwhat = [\"outage\"]\n",
        )
        .unwrap();
        let mut known = BTreeSet::new();
        texts_of(
            &serde_json::json!({ "properties": { "mode": { "enum": ["never", "always"] }, "owner": {}, "days": {} } }),
            &mut known,
        );
        let told = shown(&file, &known, &Mask::new([]).unwrap());
        for gone in ["anna", "Anna", "Schmidt", "geheim"] {
            assert!(!told.contains(gone), "{gone}: {told}");
        }
        for there in [
            "https://b1:50000/b1s/v2",
            "B1_PASSWORD",
            "proxy:3128",
            "sessions = 3",
            "mode = \"never\"",
            "b1 = \"erp\"",
            "days = 3",
            "kind = \"teams\"",
            "server = \"mail.intra:587\"",
            "what = [\"outage\"]",
        ] {
            assert!(told.contains(there), "{there}: {told}");
        }
        assert!(toml::from_str::<Table>(&told).is_ok(), "{told}");
        assert_eq!(unknown_of(&file, &known), ["Anna Schmidt", "Anna", "x", "Anna Schmidt"]);
        assert_eq!(without_user("https://anna:geheim@proxy:3128/x"), "https://proxy:3128/x");
    }
}
