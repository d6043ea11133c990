//! Settings against the schema that a plugin gives for them.

use serde_json::Value;

/// What does not fit: unknown settings, wrong types, missing ones. Understands the part of JSON Schema that settings are
/// made of: `properties`, `type`, `enum`, `required`.
pub fn problems_of(schema: &str, settings: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let known = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut problems = Vec::new();
    for (name, value) in settings.as_object().into_iter().flatten() {
        let Some(rule) = known.get(name) else {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            problems.push(format!("unknown setting `{name}`; known: {}", names.join(", ")));
            continue;
        };
        let fits = match rule["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !fits {
            problems.push(format!("`{name}` = {value} must be of type {}", rule["type"]));
        }
        if let Some(allowed) = rule["enum"].as_array()
            && !allowed.contains(value)
        {
            problems.push(format!("`{name}` = {value} must be one of {}", rule["enum"]));
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if settings.get(name).is_none() {
            problems.push(format!("the setting `{name}` is missing"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_told_with_the_known_ones() {
        let schema = r#"{"properties":{"tax_code":{"type":"string"},"mode":{"enum":["a","b"]}},"required":["mode"]}"#;
        let problems = problems_of(schema, &serde_json::json!({"taxcode": "X", "tax_code": 1}));
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems.iter().any(|p| p.contains("taxcode") && p.contains("tax_code")), "{problems:?}");
    }
}
