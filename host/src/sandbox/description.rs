//! What a plugin says of itself, read whole and bounded before anything of it is used.

use serde::Serialize;
use serde_json::Value;

use super::bindings::v0_1::flow::tandem::plugin as contract;
use super::schema::{self, Kind, Schema};
use super::{HOST_SLOT, Permission, grants};
use crate::connections::Method;
use crate::mapping::Reserved;
use crate::plain::is_plain;

/// Events in one run that a plugin may like.
const MOST_BATCH: u32 = 2_000;
/// Runs at once that a plugin may like: each may hold all the memory a run may have.
const MOST_CONCURRENCY: u32 = 4;

/// A timer a plugin asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Timer {
    /// Its event's topic is `timer.<name>`.
    pub name: String,
    /// Cron.
    pub cron: String,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// Also the file's name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// For people.
    pub title: String,
    /// Slot name and kind.
    pub slots: Vec<(String, String)>,
    /// What it asks for.
    pub permissions: Vec<Permission>,
    /// What it has of the host's own without asking: see [`Permission::unasked`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Permission>,
    /// Topics it takes.
    pub topics: Vec<String>,
    /// Topics whose records a backfill goes through, in this order.
    pub backfill: Vec<String>,
    /// Events it likes to have in one run; 0 leaves it to the host.
    pub batch: u32,
    /// Runs it likes to have at once; 0 leaves it to the host.
    pub concurrency: u32,
    /// Timers it asks for.
    pub timers: Vec<Timer>,
    /// JSON Schema text.
    pub settings_schema: String,
    /// Text of a mapping file.
    pub default_mapping: String,
    /// The sections of the mapping that it applies.
    pub sections: Vec<Section>,
}

/// A section of a mapping: what its rules read and set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Rules set fields of B1.
    pub to_b1: bool,
    /// Rules set fields of Salesforce.
    pub to_salesforce: bool,
    /// Entity set, and the collection within it: `Orders/DocumentLines`.
    pub b1: String,
    /// sObject type.
    pub salesforce: String,
}

impl Description {
    /// What does not fit its schema of the flow's settings, in words. A schema that cannot be followed, such as one that refers to itself, says only
    /// which settings there are: plugins of before it was followed go on.
    pub fn problems_of(&self, settings: &Value) -> Vec<String> {
        match Schema::read(&self.settings_schema, Kind::Settings) {
            Ok(schema) => schema.problems(settings),
            Err(_) => schema::unknown_of(&self.settings_schema, settings),
        }
    }

    /// Why its schema cannot be followed; none where it can.
    pub fn schema_problem(&self) -> Option<String> {
        Schema::read(&self.settings_schema, Kind::Settings).err()
    }

    /// Fields that no rule of a mapping may set: which record it is, what the host finds it by, and the collections that
    /// sections of their own make.
    pub fn reserved(&self) -> Reserved {
        let mut reserved = Reserved::new();
        for section in &self.sections {
            let both = section.to_b1 && section.to_salesforce;
            let direction = |to: &str| if both { format!("{}.{to}", section.name) } else { section.name.clone() };
            if section.to_b1 {
                let mut fields: Vec<String> = ["U_SF_Id", "DocEntry", "DocNum"].map(str::to_owned).into();
                let within = format!("{}/", section.b1);
                fields
                    .extend(self.sections.iter().filter_map(|other| other.b1.strip_prefix(&within)).map(str::to_owned));
                match section.b1.split_once('/') {
                    Some((_, "DocumentLines")) => fields.push("LineNum".into()),
                    Some(_) => {}
                    // A partner that is made may get its code by a rule; one that is there keeps it.
                    None if section.b1 != "BusinessPartners" || both => fields.push("CardCode".into()),
                    None => {}
                }
                reserved.insert(direction("to-b1"), fields);
            }
            if section.to_salesforce {
                reserved.insert(direction("to-salesforce"), vec!["Id".into()]);
            }
        }
        reserved
    }
}

/// A plugin's name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 40
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Parses at the border: what a plugin says of itself is not trusted until it was read whole.
pub(super) fn checked(raw: contract::description::Description) -> Result<Description, String> {
    bounded(&raw)?;
    if !is_name(&raw.name) {
        let name: String = raw.name.chars().take(80).collect();
        return Err(format!("name = {name:?}: lower case letters, digits and dashes, at most 40"));
    }
    let slots: Vec<(String, String)> = raw.slots.into_iter().map(|slot| (slot.name, slot.kind)).collect();
    if let Some((name, kind)) = slots.iter().find(|(_, kind)| kind != "b1" && kind != "salesforce") {
        return Err(format!("slot {name} has the kind {kind:?}; known are b1 and salesforce"));
    }
    let permissions: Vec<Permission> = raw
        .permissions
        .into_iter()
        .map(|p| Permission { slot: p.slot, method: p.method.into(), path: p.path, reason: p.reason })
        .collect();
    let is_slot = |slot: &str| slots.iter().any(|(name, _)| name == slot);
    let of_host = |permission: &Permission| permission.slot == HOST_SLOT && !is_slot(HOST_SLOT);
    for permission in &permissions {
        if of_host(permission) {
            match grants::problem_of_own(permission) {
                Some(problem) => return Err(problem),
                None => continue,
            }
        }
        if !is_slot(&permission.slot) {
            return Err(format!(
                "permission {} names the slot {:?}, which is not declared",
                permission.path, permission.slot
            ));
        }
        if let Some(problem) = grants::problem_of(permission) {
            return Err(problem);
        }
    }
    serde_json::from_str::<serde_json::Map<String, Value>>(&raw.settings_schema)
        .map_err(|e| format!("settings-schema is not a JSON object: {e}"))?;
    crate::mapping::Mapping::parse(&raw.default_mapping).map_err(|e| e.to_string())?;
    for (place, timer) in raw.timers.iter().enumerate() {
        let wrong = |why: String| format!("timer {} = {:?}: {why}", timer.name, timer.cron);
        let cron = timer.cron.parse::<croner::Cron>().map_err(|e| wrong(e.to_string()))?;
        cron.find_next_occurrence(&chrono::Utc::now(), false).map_err(|_| wrong("it never comes".into()))?;
        if raw.timers[..place].iter().any(|other| other.name == timer.name) {
            return Err(format!("two timers are called {}", timer.name));
        }
    }
    let unasked = if permissions.iter().any(of_host) { Vec::new() } else { Permission::unasked() };
    Ok(Description {
        name: raw.name,
        version: raw.version,
        title: raw.title,
        slots,
        permissions,
        unasked,
        topics: raw.topics,
        backfill: raw.backfill,
        // What it likes is no more than a like: an operator may say more.
        batch: raw.batch.min(MOST_BATCH),
        concurrency: raw.concurrency.min(MOST_CONCURRENCY),
        timers: raw.timers.into_iter().map(|t| Timer { name: t.name, cron: t.cron }).collect(),
        settings_schema: raw.settings_schema,
        default_mapping: raw.default_mapping,
        sections: raw.sections.into_iter().map(section).collect(),
    })
}

fn section(raw: contract::description::Section) -> Section {
    use contract::description::Way;
    Section {
        name: raw.name,
        to_b1: raw.way != Way::ToSalesforce,
        to_salesforce: raw.way != Way::ToB1,
        b1: raw.b1,
        salesforce: raw.salesforce,
    }
}

impl From<contract::http::Method> for Method {
    fn from(method: contract::http::Method) -> Self {
        match method {
            contract::http::Method::Get => Self::Get,
            contract::http::Method::Post => Self::Post,
            contract::http::Method::Put => Self::Put,
            contract::http::Method::Patch => Self::Patch,
            contract::http::Method::Delete => Self::Delete,
        }
    }
}

/// No field is longer than anyone needs, nor could write over the screen of the person who reads it.
fn bounded(raw: &contract::description::Description) -> Result<(), String> {
    const LINE: usize = 1_000;
    const TEXT: usize = 512 << 10;
    let lists = [
        ("slots", raw.slots.len(), 16),
        ("permissions", raw.permissions.len(), 500),
        ("topics", raw.topics.len(), 200),
        ("backfill", raw.backfill.len(), 200),
        ("timers", raw.timers.len(), 50),
        ("sections", raw.sections.len(), 200),
        ("tools", raw.tools.len(), 100),
    ];
    if let Some((name, length, most)) = lists.into_iter().find(|(_, length, most)| length > most) {
        return Err(format!("{name} has {length} entries; at most {most} are read"));
    }
    let line = |name: &'static str, text: &str, most: usize| match text {
        _ if text.len() > most => Err(format!("{name}: a text of {} bytes; at most {most} are read", text.len())),
        _ if !text.chars().all(is_plain) => Err(format!("{name}: {text:?} has control characters or line breaks")),
        _ => Ok(()),
    };
    line("version", &raw.version, 100)?;
    line("title", &raw.title, LINE)?;
    for slot in &raw.slots {
        line("slot", &slot.name, 100)?;
    }
    for permission in &raw.permissions {
        line("permission", &permission.slot, 100)?;
        line("permission", &permission.path, LINE)?;
        line("permission", &permission.reason, LINE)?;
    }
    for topic in raw.topics.iter().chain(&raw.backfill) {
        line("topic", topic, 200)?;
    }
    for timer in &raw.timers {
        line("timer", &timer.name, 100)?;
        line("timer", &timer.cron, 100)?;
    }
    for section in &raw.sections {
        for text in [&section.name, &section.b1, &section.salesforce] {
            line("section", text, 200)?;
        }
    }
    for tool in &raw.tools {
        line("tool", &tool.name, 100)?;
        line("tool", &tool.title, LINE)?;
    }
    let texts = [("settings-schema", &raw.settings_schema), ("default-mapping", &raw.default_mapping)];
    let schemas = raw.tools.iter().map(|tool| ("tool", &tool.input_schema));
    match texts.into_iter().chain(schemas).find(|(_, text)| text.len() > TEXT) {
        Some((name, text)) => Err(format!("{name}: a text of {} bytes; at most {TEXT} are read", text.len())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> contract::description::Description {
        contract::description::Description {
            name: "mine".into(),
            version: "1.0.0".into(),
            title: "Mine".into(),
            slots: Vec::new(),
            permissions: Vec::new(),
            topics: Vec::new(),
            backfill: Vec::new(),
            batch: 0,
            concurrency: 0,
            timers: Vec::new(),
            settings_schema: "{}".into(),
            default_mapping: String::new(),
            sections: Vec::new(),
            tools: Vec::new(),
        }
    }

    #[test]
    fn every_field_is_bounded_and_plain() {
        assert!(checked(description()).is_ok());
        let greedy = contract::description::Description { batch: u32::MAX, concurrency: u32::MAX, ..description() };
        let greedy = checked(greedy).unwrap();
        assert!(
            (greedy.batch, greedy.concurrency) == (MOST_BATCH, MOST_CONCURRENCY),
            "no plugin gives itself the host"
        );
        let long = |text: &str| text.repeat(600 << 10);
        let timer = |name: &str, cron: &str| contract::description::Timer { name: name.into(), cron: cron.into() };
        for bad in [
            contract::description::Description { title: long("x"), ..description() },
            contract::description::Description { title: "\u{1b}[2J".into(), ..description() },
            contract::description::Description { topics: vec![long("x")], ..description() },
            contract::description::Description { topics: vec!["x".into(); 100_000], ..description() },
            contract::description::Description { settings_schema: long(" "), ..description() },
            contract::description::Description { default_mapping: long("#"), ..description() },
            contract::description::Description { title: "turned \u{202e} around".into(), ..description() },
            contract::description::Description { timers: vec![timer("t", "0 * * * *"); 2], ..description() },
            contract::description::Description { timers: vec![timer("t", "0 0 30 2 *")], ..description() },
        ] {
            assert!(checked(bad).is_err());
        }
    }
}
