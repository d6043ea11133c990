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

/// A text without the section `[kind.name]` and the comment right above it; comments that a blank line keeps from it stay.
pub fn without(text: &str, kind: &str, name: &str) -> Result<String, String> {
    let plain = text.replace("\r\n", "\n");
    let mut document: DocumentMut = plain.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    let all = document.get_mut(kind).and_then(Item::as_table_like_mut);
    let gone = all.and_then(|all| all.remove(name)).ok_or_else(|| format!("there is no [{kind}.{name}]"))?;
    // One with a header of its own stays, with what is written above it.
    if document.get(kind).and_then(Item::as_table).is_some_and(|all| all.is_empty() && all.is_implicit()) {
        document.remove(kind);
    }
    if let Item::Table(gone) = gone {
        let above = gone.decor().prefix().and_then(|own| own.as_str()).unwrap_or_default();
        let lines: Vec<&str> = above.lines().map(str::trim_end).collect();
        let kept =
            lines.iter().rposition(|line| line.is_empty()).map(|blank| lines[..blank].join("\n")).unwrap_or_default();
        let kept = kept.trim_matches('\n');
        let place = gone.position().unwrap_or_default();
        if !kept.is_empty() {
            match first_behind(document.as_table(), place).and_then(|next| table_at(document.as_table_mut(), next)) {
                Some(next) => {
                    let own = next.decor().prefix().and_then(|own| own.as_str()).unwrap_or_default();
                    let own = format!("{kept}\n\n{}", own.trim_start_matches('\n'));
                    next.decor_mut().set_prefix(if place == 0 { own } else { format!("\n{own}") });
                }
                None => {
                    let end = document.trailing().as_str().unwrap_or_default().trim_start_matches('\n').to_owned();
                    document.set_trailing(format!("\n{kept}\n{end}"));
                }
            }
        }
    }
    Ok(with_line_ends_of(text, document.to_string().trim_start_matches('\n').to_owned()))
}

/// Where the first table stands that stands behind this place.
fn first_behind(table: &Table, place: isize) -> Option<isize> {
    let below = table.iter().filter_map(|(_, item)| match item {
        Item::Table(own) => first_behind(own, place),
        Item::ArrayOfTables(all) => all.iter().filter_map(|own| first_behind(own, place)).min(),
        _ => None,
    });
    // What has no header of its own is nowhere.
    let own = table.position().filter(|at| *at > place && !table.is_implicit() && !table.is_dotted());
    below.chain(own).min()
}

fn table_at(table: &mut Table, place: isize) -> Option<&mut Table> {
    if table.position() == Some(place) && !table.is_implicit() && !table.is_dotted() {
        return Some(table);
    }
    table.iter_mut().find_map(|(_, item)| match item {
        Item::Table(own) => table_at(own, place),
        Item::ArrayOfTables(all) => all.iter_mut().find_map(|own| table_at(own, place)),
        _ => None,
    })
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

    #[test]
    fn a_section_goes_with_its_comment_and_what_stands_around_stays() {
        let head = "# ours\n\n";
        let (erp, us) =
            ("# the first\n[b1.erp]\nurl = \"a\"\ntls = { ca_file = \"x\" }\n", "# the second\n[b1.us]\nurl = \"c\"\n");
        let text = format!("{head}{erp}\n{us}\n[host]\nlisten = \"127.0.0.1:1\"\n");
        let without = |name: &str| without(&text, "b1", name).unwrap();
        assert_eq!(without("us"), format!("{head}{erp}\n[host]\nlisten = \"127.0.0.1:1\"\n"));
        assert_eq!(without("erp"), format!("{head}{us}\n[host]\nlisten = \"127.0.0.1:1\"\n"));
        let spread = "[b1.erp]\nurl = \"a\"\n\n[b1.erp.tls]\nca_file = \"x\"\n";
        assert_eq!(super::without(spread, "b1", "erp").unwrap(), "");
        let last = format!("[host]\n\n# to do\n\n{us}");
        assert_eq!(super::without(&last, "b1", "us").unwrap(), "[host]\n\n# to do\n");
        let crlf = text.replace('\n', "\r\n");
        for name in ["us", "erp"] {
            assert_eq!(super::without(&crlf, "b1", name).unwrap(), without(name).replace('\n', "\r\n"));
        }
        let headed = "# ours\n[b1]\n\n[b1.erp]\nurl = \"a\"\n";
        assert_eq!(super::without(headed, "b1", "erp").unwrap(), "# ours\n[b1]\n");
        assert!(super::without(&text, "b1", "no").is_err() && super::without(&text, "flows", "erp").is_err());
    }
}
