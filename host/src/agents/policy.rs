//! What the operator allows: rules of `[agents]`, of which the first that speaks of a call decides.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::{AgentsConfig, RuleConfig, Then};
use crate::sandbox::{Deed, like};

/// See the module's words.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<RuleConfig>,
}

/// What becomes of a call, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// It is made.
    pub allowed: bool,
    /// Which rule says so, in words.
    pub by: String,
    /// What is taken out of the answer.
    pub hides: BTreeSet<String>,
}

impl Policy {
    /// As `tandem.toml` has it.
    pub fn of(config: &AgentsConfig) -> Self {
        Self { rules: config.rules.clone() }
    }

    /// What becomes of the call of a tool, by its whole name.
    pub fn on(&self, who: &str, tool: &str, deed: Deed) -> Ruling {
        let speaks = |rule: &RuleConfig| {
            rule.who.iter().any(|own| like(own, who)) && rule.tools.iter().any(|own| like(own, tool))
        };
        match self.rules.iter().enumerate().find(|(_, rule)| speaks(rule)) {
            Some((place, rule)) => Ruling {
                allowed: rule.then == Then::Allow,
                by: format!("rule {} of [agents]", place + 1),
                hides: rule.hide.iter().cloned().collect(),
            },
            None => Ruling {
                allowed: deed == Deed::Reads,
                by: "no rule of [agents] speaks of it, and then only what reads is allowed".into(),
                hides: BTreeSet::new(),
            },
        }
    }
}

/// Takes fields out of what is answered, wherever they stand.
pub fn hide(value: &mut Value, hidden: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !hidden.contains(name));
            fields.values_mut().for_each(|field| hide(field, hidden));
        }
        Value::Array(rows) => rows.iter_mut().for_each(|row| hide(row, hidden)),
        _ => {}
    }
}

/// The schema of an answer without these fields: who holds the answer against it finds them neither there nor missing.
pub fn hide_in_schema(schema: &mut Value, hidden: &BTreeSet<String>) {
    let Value::Object(keywords) = schema else {
        if let Value::Array(parts) = schema {
            parts.iter_mut().for_each(|part| hide_in_schema(part, hidden));
        }
        return;
    };
    if let Some(Value::Array(required)) = keywords.get_mut("required") {
        required.retain(|name| !name.as_str().is_some_and(|name| hidden.contains(name)));
    }
    for (keyword, part) in keywords.iter_mut() {
        match (keyword.as_str(), part) {
            // Their names are fields, not keywords.
            ("properties", Value::Object(fields)) => {
                fields.retain(|name, _| !hidden.contains(name));
                fields.values_mut().for_each(|field| hide_in_schema(field, hidden));
            }
            ("const" | "enum" | "default" | "examples", _) => {}
            (_, part) => hide_in_schema(part, hidden),
        }
    }
}

/// Whether a schema speaks of a field of that name, at whatever depth.
pub fn has_field(schema: &Value, name: &str) -> bool {
    match schema {
        Value::Object(keywords) => {
            keywords.get("properties").is_some_and(|fields| fields.get(name).is_some())
                || keywords.values().any(|part| has_field(part, name))
        }
        Value::Array(parts) => parts.iter().any(|part| has_field(part, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(who: &str, tools: &str, then: Then, hide: &[&str]) -> RuleConfig {
        RuleConfig {
            who: vec![who.into()],
            tools: vec![tools.into()],
            then,
            hide: hide.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn the_first_rule_that_speaks_of_a_call_decides_and_without_one_only_reading_is_allowed() {
        let rules =
            vec![rule("token desk", "orders_*", Then::Allow, &["phone"]), rule("token *", "*", Then::Refuse, &[])];
        let policy = Policy { rules };
        let allowed = |who: &str, tool: &str, deed| policy.on(who, tool, deed).allowed;
        assert!(allowed("token desk", "orders_orders-of", Deed::Reads));
        assert!(!allowed("token desk", "credit_credit-of", Deed::Reads), "the second one speaks of it");
        assert!(!allowed("token other", "orders_orders-of", Deed::Reads));
        assert!(allowed("anna", "orders_orders-of", Deed::Reads), "none speaks of her");
        assert!(!allowed("anna", "orders_cancel-order", Deed::Destroys));
        assert!(!allowed("anna", "orders_make-order", Deed::Writes));
        let ruling = policy.on("token desk", "orders_x", Deed::Reads);
        assert_eq!((ruling.by.as_str(), ruling.hides.contains("phone")), ("rule 1 of [agents]", true));
    }

    #[test]
    fn what_is_hidden_is_neither_in_the_answer_nor_missed_by_who_holds_it_against_its_schema() {
        let hidden = BTreeSet::from(["phone".to_owned()]);
        let mut answer = json!({ "rows": [{ "name": "A", "phone": "1" }], "phone": "2" });
        hide(&mut answer, &hidden);
        assert_eq!(answer, json!({ "rows": [{ "name": "A" }] }));
        let mut schema = json!({
            "type": "object", "required": ["rows", "phone"],
            "properties": {
                "phone": { "type": "string" },
                "required": { "type": "string", "enum": ["phone"] },
                "rows": { "type": "array", "items": { "properties": { "phone": {}, "name": {} }, "required": ["phone", "name"] } },
            },
        });
        hide_in_schema(&mut schema, &hidden);
        let rows = &schema["properties"]["rows"]["items"];
        assert_eq!((&schema["required"], &rows["required"]), (&json!(["rows"]), &json!(["name"])));
        assert_eq!(schema["properties"]["required"]["enum"], json!(["phone"]), "a value is no field");
        assert!(!has_field(&schema, "phone") && has_field(&schema, "name"));
        assert!(schema["properties"].get("phone").is_none() && rows["properties"].get("phone").is_none());
    }
}
