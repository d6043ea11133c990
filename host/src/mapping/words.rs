//! What a rule may say, for whoever writes one: each word with an example that is tried by a test.

use serde::Serialize;

/// A word of the language of rules.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Word {
    /// As it is written.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it takes and gives.
    pub signature: &'static str,
    /// What it does.
    pub does: &'static str,
    /// A rule that uses it.
    pub example: &'static str,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `day(x)`
    Function,
    /// `x.size()`
    Method,
    /// `a + b`
    Operator,
    /// `source.X`
    Value,
}

const fn word(
    name: &'static str,
    kind: Kind,
    signature: &'static str,
    does: &'static str,
    example: &'static str,
) -> Word {
    Word { name, kind, signature, does, example }
}

/// All of them, the most used first.
pub const WORDS: &[Word] = &[
    word(
        "source",
        Kind::Value,
        "source.Field",
        "a field of the record, or of one it refers to",
        "source.Account.Region__c",
    ),
    word(
        "? :",
        Kind::Operator,
        "condition ? value : value",
        "one of two values",
        "source.Type == \"New Business\" ? \"N\" : \"R\"",
    ),
    word(
        "==",
        Kind::Operator,
        "value == value",
        "both are the same; also !=",
        "source.Ref__c == null ? \"\" : source.Ref__c",
    ),
    word(
        "null",
        Kind::Value,
        "null",
        "no value: a field that nobody filled in",
        "source.Ref__c != null ? source.Ref__c : null",
    ),
    word(
        "+",
        Kind::Operator,
        "text + text, number + number",
        "puts texts together, adds numbers; also - * /",
        "\"PO \" + source.Number",
    ),
    word(
        "tables",
        Kind::Value,
        "tables.name[code]",
        "the value of a code in a table of this file",
        "tables.region[source.Region__c]",
    ),
    word(
        "reverse",
        Kind::Value,
        "reverse.name[value]",
        "the code of a value in a table of this file",
        "reverse.region[source.Area]",
    ),
    word("day", Kind::Function, "day(text) -> text", "the bare day of a moment of B1", "day(source.DocDueDate)"),
    word(
        "country_name",
        Kind::Function,
        "country_name(text) -> text",
        "the name of a country by its code",
        "country_name(source.Country)",
    ),
    word(
        "country_code",
        Kind::Function,
        "country_code(text) -> text",
        "two letters of a country by its name or code",
        "country_code(source.BillingCountry)",
    ),
    word(
        "state_name",
        Kind::Function,
        "state_name(text, text) -> text",
        "the name of a state by its code and country",
        "state_name(source.State, source.Country)",
    ),
    word(
        "state_code",
        Kind::Function,
        "state_code(text, text) -> text",
        "the code of a state by its name and country",
        "state_code(source.BillingState, source.Country)",
    ),
    word(
        "contains",
        Kind::Method,
        "text.contains(text) -> yes or no",
        "a text has another in it",
        "source.Name.contains(\"GmbH\") ? \"1\" : \"0\"",
    ),
    word(
        "startsWith",
        Kind::Method,
        "text.startsWith(text) -> yes or no",
        "a text begins with another",
        "source.Name.startsWith(\"A\") ? \"A\" : \"other\"",
    ),
    word(
        "endsWith",
        Kind::Method,
        "text.endsWith(text) -> yes or no",
        "a text ends with another",
        "source.Name.endsWith(\"GmbH\") ? \"DE\" : \"\"",
    ),
    word(
        "matches",
        Kind::Method,
        "text.matches(pattern) -> yes or no",
        "a text is like a regular expression",
        "source.Name.matches(\"^[A-Z].*\") ? source.Name : \"\"",
    ),
    word(
        "size",
        Kind::Function,
        "size(text or list) -> number",
        "how many letters, or entries",
        "size(source.Name) > 100 ? \"long\" : source.Name",
    ),
    word(
        "&&",
        Kind::Operator,
        "condition && condition",
        "both hold; || either, ! not",
        "source.Type == \"New Business\" && source.Number != \"\" ? \"a\" : \"b\"",
    ),
    word(
        "in",
        Kind::Operator,
        "value in [values]",
        "a value is one of these",
        "source.Type in [\"New Business\", \"Upsell\"] ? \"N\" : \"R\"",
    ),
    word("string", Kind::Function, "string(value) -> text", "a value as text", "string(source.Quantity)"),
    word("int", Kind::Function, "int(value) -> number", "a whole number", "int(source.Number)"),
    word("double", Kind::Function, "double(value) -> number", "a number with decimals", "double(source.Number) / 2.0"),
    word(
        "has",
        Kind::Function,
        "has(source.Field) -> yes or no",
        "the record has the field",
        "has(source.Ref__c) ? \"yes\" : \"no\"",
    ),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mapping::Mapping;

    #[test]
    fn each_example_is_a_rule_that_gives_something() {
        let source = json!({
            "Account": { "Region__c": "N" }, "Type": "New Business", "Ref__c": "R", "Number": "17", "Region__c": "N", "Area": "North",
            "DocDueDate": "2026-11-27T00:00:00Z", "Country": "US", "BillingCountry": "Germany", "State": "CA", "BillingState": "California",
            "Name": "Alpha GmbH", "Quantity": 3,
        });
        for word in WORDS {
            let text = format!("version = 1\n[it]\nX = '''{}'''\n[tables.region]\nN = \"North\"\n", word.example);
            let mapping = Mapping::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", word.name));
            let given = mapping.apply("it", &source).unwrap_or_else(|e| panic!("{}: {e}", word.name));
            assert!(!given["X"].is_null(), "{}: {given}", word.name);
            assert!(word.example.contains(word.name.split(' ').next().unwrap()), "{}", word.name);
        }
    }
}
