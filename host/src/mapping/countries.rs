//! Countries and their states by the names of ISO 3166, for rules: B1 keeps two letters, an org without picklists words.
//!
//! | function | gives |
//! |---|---|
//! | `country_name("DE")` | `"Germany"` |
//! | `country_code("Germany")` | `"DE"`; also for two or three letters, and for names that are in common use |
//! | `state_name("CA", "US")` | `"California"`; a code that ISO 3166-2 does not have stays as it is |
//! | `state_code("California", "US")` | `"CA"`; three letters and less are a code already |
//!
//! Null and blank text give null. What is no country is an error that names it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::Value;
use cel::{Context, ExecutionError};
use rust_iso3166::iso3166_2::Subdivision;

/// Names that are written in the place of those of ISO 3166-1: shorter, or all that tells two countries apart.
const WRITTEN: [(&str, &str); 7] = [
    ("US", "United States"),
    ("GB", "United Kingdom"),
    ("KR", "South Korea"),
    ("KP", "North Korea"),
    ("CD", "Democratic Republic of the Congo"),
    ("VG", "British Virgin Islands"),
    ("VI", "US Virgin Islands"),
];

/// Names that are read besides.
const READ: [(&str, &str); 13] = [
    ("US", "USA"),
    ("GB", "UK"),
    ("GB", "Great Britain"),
    ("KR", "Korea, Republic of"),
    ("CZ", "Czech Republic"),
    ("RU", "Russia"),
    ("TR", "Turkey"),
    ("VN", "Vietnam"),
    ("LA", "Laos"),
    ("SY", "Syria"),
    ("CI", "Ivory Coast"),
    ("VA", "Vatican City"),
    ("MO", "Macau"),
];

/// Codes of B1's column for states.
const LONGEST_STATE_CODE: usize = 3;

/// Code by name, in the form in which names are compared.
static CODES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut codes = HashMap::new();
    for country in rust_iso3166::ALL {
        for name in [country.alpha2, country.alpha3, country.name, shown(country.alpha2, country.name)] {
            codes.insert(bare(name), country.alpha2);
        }
    }
    codes.extend(WRITTEN.iter().chain(&READ).map(|(code, name)| (bare(name), *code)));
    codes
});

/// Without case and without what is no letter.
fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The name that is written: `Netherlands (Kingdom of the)` without its explanation, or that of [`WRITTEN`].
fn shown(code: &'static str, name: &'static str) -> &'static str {
    let common = WRITTEN.iter().find(|(own, _)| *own == code).map(|(_, common)| *common);
    common.unwrap_or_else(|| name.split(" (").next().unwrap_or(name))
}

/// Adds the functions to a context.
pub fn grant(context: &mut Context<'static, 'static>) -> Result<(), cel::DeclarationError> {
    context.add_function("country_name", |code: Value| {
        with(&code, "country_name", |code| {
            let country = rust_iso3166::from_alpha2(&code.to_uppercase());
            country.map(|country| shown(country.alpha2, country.name).to_owned()).ok_or_else(|| unknown(code))
        })
    })?;
    context.add_function("country_code", |name: Value| {
        with(&name, "country_code", |name| code_of(name).map(str::to_owned).ok_or_else(|| unknown(name)))
    })?;
    context.add_function("state_name", |code: Value, country: Value| {
        with(&code, "state_name", |code| {
            let own = |state: &&Subdivision| state.region_code.eq_ignore_ascii_case(code);
            Ok(states(&country).iter().find(own).map_or(code, |state| state.name).to_owned())
        })
    })?;
    context.add_function("state_code", |name: Value, country: Value| {
        with(&name, "state_code", |name| {
            let own = |state: &&Subdivision| bare(state.name) == bare(name);
            match states(&country).iter().find(own) {
                Some(state) => Ok(state.region_code.to_owned()),
                None if name.chars().count() <= LONGEST_STATE_CODE => Ok(name.to_owned()),
                None => Err(format!("{name:?} is no state of that country as ISO 3166-2 names it, and no code of one")),
            }
        })
    })
}

fn code_of(name: &str) -> Option<&'static str> {
    CODES.get(&bare(name)).copied()
}

/// States of a country, named by code or name.
fn states(country: &Value) -> &'static [Subdivision] {
    let Value::String(country) = country else { return &[] };
    let code = code_of(country).unwrap_or_default();
    rust_iso3166::iso3166_2::SUBDIVISION_COUNTRY_MAP.get(code).copied().unwrap_or_default()
}

fn unknown(name: &str) -> String {
    format!(
        "{name:?} is no country as ISO 3166 names it: write that name or its two letters, or map your own words by a code table"
    )
}

/// The answer for a text; null for null and blank text.
fn with(
    value: &Value,
    function: &str,
    answer: impl FnOnce(&str) -> Result<String, String>,
) -> Result<Value, ExecutionError> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Value::String(text) => match answer(text.trim()) {
            Ok(text) => Ok(Value::String(Arc::new(text))),
            Err(why) => Err(ExecutionError::function_error(function, why)),
        },
        _ => Err(ExecutionError::function_error(function, "takes a text")),
    }
}
