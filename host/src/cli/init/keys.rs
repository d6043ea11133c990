//! The keys of a file of answers: which there are, and what `tandem.toml` says already, otherwise than the file.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::flows::{are_several, settings_of};
use crate::plain::nearest;

const B1: [&str; 10] =
    ["name", "url", "pin_sha256", "ca_file", "trust", "company", "user", "password", "time_zone", "provision"];
const SALESFORCE: [&str; 14] = [
    "name",
    "login_url",
    "pin_sha256",
    "ca_file",
    "trust",
    "client_id",
    "way",
    "client_secret",
    "private_key",
    "username",
    "namespace",
    "pubsub_url",
    "currency",
    "lacking",
];
const SECRETS: [&str; 3] = [".password", ".client_secret", ".private_key"];
/// Of each flow.
const FLOW: [&str; 2] = ["grant", "rehearse"];
const ON: &str = "flows.on";

/// What may be answered: for each kind of system, and for the flows of these plugins.
pub struct Keys {
    known: BTreeSet<String>,
    plugins: BTreeSet<String>,
}

impl Keys {
    /// `plugins`: those that came along or are there, and flows that have a section.
    pub fn of(plugins: impl IntoIterator<Item = String>) -> Self {
        let plugins: BTreeSet<String> = plugins.into_iter().collect();
        let mut known = BTreeSet::from([ON.to_owned()]);
        known.extend(B1.iter().map(|key| format!("b1.{key}")));
        known.extend(SALESFORCE.iter().map(|key| format!("salesforce.{key}")));
        for plugin in &plugins {
            known.extend(FLOW.into_iter().chain(settings_of(plugin)).map(|key| format!("flows.{plugin}.{key}")));
        }
        Self { known, plugins }
    }

    /// It is asked for.
    pub fn has(&self, key: &str) -> bool {
        self.known.contains(key)
    }

    /// What of a file of answers cannot be used, whatever either system has: a line for each, with what was probably meant.
    pub fn misspelt(&self, given: &BTreeMap<String, Value>) -> Vec<String> {
        let mut told: Vec<String> = given.iter().filter_map(|(key, answer)| self.problem(key, answer)).collect();
        let plugins: Vec<&str> = self.plugins.iter().map(String::as_str).collect();
        let on = given.get(ON).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        told.extend(on.filter(|name| !self.plugins.contains(*name)).map(|name| {
            let meant = match nearest(name, &plugins) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there are {}", plugins.join(", ")),
            };
            format!("{ON}: there is no plugin {name:?}; {meant}")
        }));
        told
    }

    fn problem(&self, key: &str, answer: &Value) -> Option<String> {
        if self.known.contains(key) {
            let wanted = wanted(key);
            return (!wanted.fits(answer)).then(|| format!("the answer {key} is to be {}", wanted.words()));
        }
        // What is meant is looked for among what stands beside it.
        let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
        let beside: Vec<&str> = self
            .known
            .iter()
            .filter_map(|own| own.strip_prefix(section)?.strip_prefix('.').filter(|own| !own.contains('.')))
            .collect();
        let meant = match nearest(name, &beside) {
            Some(near) => format!("did you mean {section}.{near}?"),
            None if !section.is_empty() && !beside.is_empty() => format!("[{section}] has {}", beside.join(", ")),
            None => format!(
                "there are [b1], [salesforce], [flows] and [flows.<plugin>] of {}",
                self.plugins.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
            ),
        };
        Some(format!("nothing asks for {key}; {meant}"))
    }
}

/// What an answer is written as.
enum Wanted {
    Text,
    Truth,
    List,
    /// Said when it is asked for: what stands there may be the secret itself.
    Secret,
}

fn wanted(key: &str) -> Wanted {
    match key.rsplit('.').next().unwrap_or_default() {
        "provision" | "grant" | "rehearse" => Wanted::Truth,
        "on" => Wanted::List,
        name if are_several(name) => Wanted::List,
        _ if SECRETS.iter().any(|own| key.ends_with(own)) => Wanted::Secret,
        _ => Wanted::Text,
    }
}

impl Wanted {
    fn fits(&self, answer: &Value) -> bool {
        match self {
            Self::Text => matches!(answer, Value::String(_) | Value::Integer(_)),
            Self::Truth => answer.is_bool(),
            Self::List => answer.is_array(),
            Self::Secret => true,
        }
    }

    fn words(&self) -> &'static str {
        match self {
            Self::Text | Self::Secret => "a text, such as \"x\"",
            Self::Truth => "true or false",
            Self::List => "a list, such as [\"x\"]",
        }
    }
}

/// Where `tandem.toml` says otherwise than an answer that nothing asked for, since it was there: a line for each. `text`: the file.
pub fn otherwise(unused: &BTreeMap<String, Value>, text: &str) -> Vec<String> {
    let Ok(file) = text.parse::<Table>() else { return Vec::new() };
    let told = unused.iter().filter_map(|(key, answer)| {
        let there = there(&file, key)?;
        let differs = there != answer && written(there) != written(answer);
        // Where a secret lies is told; an answer that is none may be the secret itself.
        let answer = if answer.is_table() || !SECRETS.iter().any(|own| key.ends_with(own)) {
            written(answer)
        } else {
            "\u{2026}".into()
        };
        let there = written(there);
        differs.then(|| {
            format!("{key} = {answer} was not asked for: tandem.toml has {there}, which stays; change it there")
        })
    });
    told.collect()
}

/// What the file says where a question would have been asked; none where it says nothing of it.
fn there<'a>(file: &'a Table, key: &str) -> Option<&'a Value> {
    let (kind, rest) = key.split_once('.')?;
    let of_kind = file.get(kind)?.as_table()?;
    if kind == "flows" {
        let (plugin, setting) = rest.split_once('.')?;
        let flow = of_kind
            .values()
            .filter_map(Value::as_table)
            .find(|own| own.get("plugin").and_then(Value::as_str) == Some(plugin))?;
        return flow.get("settings")?.as_table()?.get(setting);
    }
    // The first one is asked for, as long as there is one only.
    let own = of_kind.values().next()?.as_table()?;
    match rest {
        "pin_sha256" | "ca_file" => own.get("tls")?.as_table()?.get(rest),
        _ => own.get(rest),
    }
}

/// A number may be written as a text.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(keys: &[(&str, Value)]) -> BTreeMap<String, Value> {
        keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    #[test]
    fn what_nothing_asks_for_is_told_with_what_was_meant() {
        let keys = Keys::of(["orders", "inventory"].map(str::to_owned));
        let list = |names: &[&str]| Value::Array(names.iter().map(|name| (*name).into()).collect());
        let good = given(&[
            ("b1.url", "https://b1".into()),
            ("salesforce.way", "private_key".into()),
            ("flows.on", list(&["orders"])),
            ("flows.orders.branch", 2.into()),
            ("flows.inventory.warehouses", list(&["01"])),
        ]);
        assert_eq!(keys.misspelt(&good), Vec::<String>::new());
        let bad = given(&[
            ("b1.pasword", "x".into()),
            ("flows.inventory.warehouse", "01".into()),
            ("flows.inventory.warehouses", "01".into()),
            ("flows.orders.series", 1.into()),
            ("b1.provision", "yes".into()),
            ("b1.url", true.into()),
            ("flows.on", list(&["order", "payroll"])),
            ("flows.payroll.grant", true.into()),
            ("colour", "red".into()),
        ]);
        let told = keys.misspelt(&bad).join("\n");
        for words in [
            "b1.pasword; did you mean b1.password?",
            "flows.inventory.warehouse; did you mean flows.inventory.warehouses?",
            "flows.orders.series; [flows.orders] has branch, grant, rehearse, warehouse",
            "\"order\"; did you mean orders?",
            "\"payroll\"; there are inventory, orders",
            "nothing asks for flows.payroll.grant; there are [b1]",
            "nothing asks for colour; there are [b1]",
            "b1.provision is to be true or false",
            "flows.inventory.warehouses is to be a list",
            "b1.url is to be a text",
        ] {
            assert!(told.contains(words), "{words}: {told}");
        }
    }

    #[test]
    fn only_what_the_file_says_otherwise_is_told() {
        let file = "[b1.erp]\nurl = \"https://b1/b1s/v2\"\nuser = \"tandem\"\npassword = { file = \"p\" }\ntls = { pin_sha256 = \"ab\" }\n\
                    [flows.our-orders]\nplugin = \"orders\"\n[flows.our-orders.settings]\nwarehouse = \"01\"\n";
        let secret = |name: &str| Value::Table(Table::from_iter([("file".to_owned(), name.into())]));
        let same = given(&[
            ("b1.url", "https://b1/b1s/v2".into()),
            ("b1.password", secret("p")),
            ("b1.pin_sha256", "ab".into()),
            ("b1.provision", true.into()),
            ("flows.orders.warehouse", "01".into()),
            ("flows.orders.grant", true.into()),
        ]);
        assert_eq!(otherwise(&same, file), Vec::<String>::new());
        let other = given(&[
            ("b1.user", "manager".into()),
            ("flows.orders.warehouse", 2.into()),
            ("b1.pin_sha256", "cd".into()),
        ]);
        let told = otherwise(&other, file).join("\n");
        for words in ["b1.user = manager", "tandem.toml has tandem", "flows.orders.warehouse = 2", "b1.pin_sha256 = cd"]
        {
            assert!(told.contains(words), "{words}: {told}");
        }
    }
}
