//! Changes to a TOML text that people wrote: what is not changed stays as it stands, with its comments.

use toml_edit::{Item, Value};

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
