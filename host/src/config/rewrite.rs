//! Changes to a TOML text that people wrote: what is not changed stays as it stands, with its comments.

use serde_json::{Map, Value as Json};
use toml_edit::{DocumentMut, Item, Table, Value};

/// A text with keys of the section `[kind.name]` set, or taken out where their value is null; the section is made where there is none.
pub fn section(text: &str, kind: &str, name: &str, keys: &Map<String, Json>) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    // What stands before nothing at all would stand behind it.
    let head = if document.is_empty() {
        document.trailing().as_str().unwrap_or_default().trim_end().to_owned()
    } else {
        String::new()
    };
    if !head.is_empty() {
        document.set_trailing("");
    }
    let all = document.entry(kind).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let all = all.as_table_like_mut().ok_or_else(|| format!("{kind} is no table"))?;
    let own = all.entry(name).or_insert_with(|| Item::Table(Table::new()));
    let own = own.as_table_like_mut().ok_or_else(|| format!("{kind}.{name} is no table"))?;
    for (key, value) in keys {
        match (value, own.get_mut(key)) {
            (Json::Null, _) => {
                own.remove(key);
            }
            (Json::Object(fields), Some(there)) if there.is_table_like() => merge(there, fields)?,
            (value, Some(there)) => replace(there, toml_of(value)?),
            (value, None) => {
                own.insert(key, Item::Value(toml_of(value)?));
            }
        }
    }
    let changed = if head.is_empty() { document.to_string() } else { format!("{head}\n\n{document}") };
    Ok(with_line_ends_of(text, changed))
}

/// Another value in the same place; what stands beside it stays, and so does one that is the same.
pub fn replace(there: &mut Item, mut value: Value) {
    if let Some(old) = there.as_value() {
        if old.as_str().is_some() && old.as_str() == value.as_str() {
            return;
        }
        *value.decor_mut() = old.decor().clone();
    }
    *there = Item::Value(value);
}

/// Commas and spaces of a table within a line, after entries came or went; one that a person spread over lines stays so.
pub fn tidy(there: &mut Item) {
    if let Some(table) = there.as_inline_table_mut()
        && !table.to_string().contains('\n')
    {
        table.fmt();
    }
}

/// A text with the line ends that the one it was made of has: what writes TOML knows but one kind.
pub fn with_line_ends_of(before: &str, text: String) -> String {
    if before.contains("\r\n") { text.replace("\r\n", "\n").replace('\n', "\r\n") } else { text }
}

/// Makes a table say what an object does.
pub fn merge(whole: &mut Item, wanted: &Map<String, Json>) -> Result<(), String> {
    let table = whole.as_table_like_mut().ok_or("the settings in tandem.toml are no table")?;
    let gone: Vec<String> =
        table.iter().map(|(key, _)| key.to_owned()).filter(|key| !wanted.contains_key(key)).collect();
    let mut moved = !gone.is_empty();
    for key in gone {
        table.remove(&key);
    }
    for (key, value) in wanted {
        match (value, table.get_mut(key)) {
            (value, Some(there)) if json_of(there)? == *value => {}
            (Json::Object(fields), Some(there)) if there.is_table_like() => merge(there, fields)?,
            (value, there) => {
                let new = toml_of(value).map_err(|why| format!("the setting {key}: {why}"))?;
                match there {
                    Some(there) => replace(there, new),
                    None => {
                        table.insert(key, Item::Value(new));
                        moved = true;
                    }
                }
            }
        }
    }
    if moved {
        tidy(whole);
    }
    Ok(())
}

fn json_of(item: &Item) -> Result<Json, String> {
    let mut one = toml_edit::DocumentMut::new();
    one.insert("it", item.clone());
    let read: toml::Table = toml::from_str(&one.to_string()).map_err(|e| e.to_string())?;
    serde_json::to_value(&read["it"]).map_err(|e| e.to_string())
}

/// A value of JSON in a line of TOML.
fn toml_of(value: &Json) -> Result<Value, String> {
    Ok(match value {
        Json::Null => return Err("TOML has no null: leave it out".into()),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(float)) => float.into(),
            (None, None) => return Err(format!("{number} is too large")),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => {
            let items: Vec<Value> = items.iter().map(toml_of).collect::<Result<_, _>>()?;
            items.into_iter().collect::<toml_edit::Array>().into()
        }
        Json::Object(fields) => {
            let mut table = toml_edit::InlineTable::new();
            for (key, value) in fields {
                table.insert(key, toml_of(value)?);
            }
            table.into()
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(text: &str, keys: Json) -> String {
        section(text, "b1", "erp", keys.as_object().unwrap()).unwrap()
    }

    #[test]
    fn a_section_is_made_and_changed_and_comments_stay() {
        let made = set("# ours\n", json!({ "url": "https://b1:50000/b1s/v2", "tls": { "pin_sha256": "ab" } }));
        assert_eq!(made, "# ours\n\n[b1.erp]\nurl = \"https://b1:50000/b1s/v2\"\ntls = { pin_sha256 = \"ab\" }\n");
        let there = "[b1.erp]\nurl = \"a\" # the old one\n# why\nuser = \"u\"\ntls = { ca_file = \"x\" }\n\n[b1.us]\nurl = \"c\"\n";
        let changed = set(there, json!({ "url": "b", "user": "u", "tls": { "pin_sha256": "ab" } }));
        let wanted = there.replace("\"a\"", "\"b\"").replace("ca_file = \"x\"", "pin_sha256 = \"ab\"");
        assert_eq!(changed, wanted);
        assert_eq!(set(there, json!({ "tls": null })), there.replace("tls = { ca_file = \"x\" }\n", ""));
        assert_eq!(set(&there.replace('\n', "\r\n"), json!({ "url": "a" })), there.replace('\n', "\r\n"));
        assert!(section("b1 = 5\n", "b1", "erp", &Map::new()).is_err());
    }
}
