//! What a caller does not see of an answer, and of the schema that tells of it.

use std::collections::BTreeSet;

use serde_json::Value;

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

/// Takes out what a call would write, and the words that tell it: they have the names of both systems, not those of a tool, so that nothing of them can be
/// hidden alone.
pub fn hide_plan(told: &mut Value) {
    if let Some(fields) = told.as_object_mut()
        && fields.remove("plan").is_some()
    {
        fields.remove("why");
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::calls::rows::has_field;

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
