//! What a person reads, said so that it can be read in any language: a reason is a key with named parameters, and its English
//! stands beside the key, in this one place. The English is what the contract carries as `reason`; keys and parameters travel
//! beside it in `detail`, as its member `said`:
//!
//! ```json
//! { "said": [{ "key": "orders.due_moved", "with": { "day": { "day": "2026-01-31" }, "asked": { "day": "2026-01-05" } } }] }
//! ```
//!
//! A parameter is a text (a JSON string) or says what it is: `{"number": "3"}`, `{"amount": "500", "currency": "EUR"}`,
//! `{"day": "2026-01-31"}`, `{"said": […]}` for a reason within a reason, an array for a list. What has no key is
//! `{"text": "…"}`: the words of a system, or of a plugin that says no keys.

use std::fmt;

use crate::{Decimal, Error, ReviewRequest, Value, from_json, json, text};

/// Between reasons that are told together.
const AND: &str = "; ";

/// Where a record shows what became of it, in English, and how long that may be.
const MESSAGE: (&str, usize) = ("Tandem_Sync_Message__c", 255);
/// Where it stands once more with keys, for the reader's language: see [`Said::kept`].
const SAID: (&str, usize) = ("Tandem_Sync_Said__c", 32_000);

/// One reason, or several told together. Makes itself of plain text, which then stands in every language as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    english: String,
    /// As in `said`.
    parts: Vec<Value>,
}

/// A parameter of a reason, of a kind that a language writes in its own way.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A name, a key, words of a system.
    Text(String),
    /// A number without a unit.
    Number(Decimal),
    /// An amount and the ISO code of its currency.
    Amount(Decimal, String),
    /// `2026-01-31`.
    Day(String),
    /// Several.
    List(Vec<Told>),
    /// A reason within a reason.
    Said(Said),
}

/// Says a reason: `say("orders.gone", "B1 has no order {number} any more", [("number", "17".into())])`. A key is the plugin's name and
/// a word, in small letters, digits and underscores.
pub fn say<const N: usize>(key: &'static str, english: &'static str, with: [(&'static str, Told); N]) -> Said {
    let filled = fill(english, |name| with.iter().find(|(own, _)| *own == name).map(|(_, told)| told.english()));
    let with: crate::Map<String, Value> = with.into_iter().map(|(name, told)| (name.into(), told.json())).collect();
    let part = if with.is_empty() { json!({ "key": key }) } else { json!({ "key": key, "with": with }) };
    Said { english: filled, parts: vec![part] }
}

/// Why the mapping gave no fields: of a rule that failed `told` says it; a mapping plugin's word on the record is its own.
pub fn of_mapping(error: crate::mapping::Error, told: impl FnOnce(Told, Told) -> Said) -> Said {
    match error.field.is_empty() {
        true => error.message.into(),
        false => told(error.field.into(), error.message.into()),
    }
}

/// The text with its places (`{name}`) filled in one go: what is filled in is not looked through again.
fn fill(english: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = english;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&value(name).unwrap_or_else(|| format!("{{{name}}}")));
        rest = behind;
    }
    filled + rest
}

impl Said {
    /// An amount in the currency with this ISO code.
    pub fn amount(amount: Decimal, currency: impl Into<String>) -> Told {
        Told::Amount(amount, currency.into())
    }

    /// A day, `2026-01-31`.
    pub fn day(day: impl Into<String>) -> Told {
        Told::Day(day.into())
    }

    /// What went wrong with a call.
    pub fn of_error(error: &Error) -> Self {
        match error {
            Error::Denied(why) => say("shared.denied", "not allowed: {why}", [("why", why.into())]),
            Error::Throttled(_) => say("shared.rate_limit", "held back by the rate limit", []),
            Error::Unreachable(why) => say("shared.unreachable", "unreachable: {why}", [("why", why.into())]),
            Error::Remote(remote) if remote.code.is_empty() => format!("{} {}", remote.status, remote.message).into(),
            Error::Remote(remote) => format!("{} ({})", remote.message, remote.code).into(),
            Error::Ambiguous(why) => say("shared.answer_lost", "the answer was lost: {why}", [("why", why.into())]),
            Error::TooLarge(limit) => {
                say("shared.too_large", "larger than the limit of {limit} bytes", [("limit", (*limit).into())])
            }
            Error::Invalid(why) => why.into(),
        }
    }

    /// What was tried, and what went wrong: `creating the order: Quantity falls into negative inventory (-10)`.
    pub fn failed(what: impl Into<Self>, error: &Error) -> Self {
        say("shared.failed", "{what}: {why}", [("what", what.into().into()), ("why", Self::of_error(error).into())])
    }

    /// This, and then that.
    #[must_use]
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        let more = more.into();
        if self.is_empty() {
            return more;
        }
        if !more.is_empty() {
            self.english = format!("{}{AND}{}", self.english, more.english);
            self.parts.extend(more.parts);
        }
        self
    }

    /// Several together; nothing for none.
    pub fn all(several: impl IntoIterator<Item = Self>) -> Self {
        several.into_iter().fold(Self::default(), Self::and)
    }

    /// A reason with this key is among what is said.
    pub fn says(&self, key: &str) -> bool {
        self.parts.iter().any(|part| part["key"] == key)
    }

    /// Whether this key is among them, with this text as a parameter.
    pub fn has(&self, key: &str, name: &str, value: &str) -> bool {
        self.parts.iter().any(|part| part["key"] == key && part["with"][name] == value)
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.english.is_empty()
    }

    /// In English.
    pub fn english(&self) -> &str {
        &self.english
    }

    /// To be kept with a link or in the storage, for [`Said::of_kept`].
    pub fn kept(&self) -> Value {
        if self.has_key() { json!({ "text": self.english, "said": self.parts }) } else { json!(self.english) }
    }

    /// What was kept; plain text where that is all there is.
    pub fn of_kept(kept: &Value) -> Self {
        match kept {
            Value::String(plain) => plain.into(),
            _ => Self {
                english: text(kept, "text").to_owned(),
                parts: kept["said"].as_array().cloned().unwrap_or_default(),
            },
        }
    }

    /// The fields of a record that shows it, both empty for nothing.
    pub fn shown(&self) -> crate::Map<String, Value> {
        let message: String = self.english.chars().take(MESSAGE.1).collect();
        let said = self.kept().to_string();
        let said = (self.has_key() && said.len() <= SAID.1).then_some(said);
        let filled = |text: String| if text.is_empty() { Value::Null } else { text.into() };
        [(MESSAGE.0.to_owned(), filled(message)), (SAID.0.to_owned(), said.map_or(Value::Null, Value::from))]
            .into_iter()
            .collect()
    }

    /// Whether a call failed since the org has no field for keys: its package is older than this. The English does then.
    pub fn is_unknown(error: &Error) -> bool {
        matches!(error, Error::Remote(remote) if remote.code == "INVALID_FIELD"
            && remote.message.contains(&format!("No such column '{}'", SAID.0)))
    }

    /// Takes the keys from a record's fields, for an org that [has no field for them](Said::is_unknown); false where none are.
    pub(crate) fn english_alone(fields: &mut crate::Map<String, Value>) -> bool {
        fields.remove(SAID.0).is_some()
    }

    /// What a record shows. Somebody else may have written the message alone.
    pub fn of_record(record: &Value) -> Self {
        let message = text(record, MESSAGE.0);
        let said = Self::of_kept(&from_json(text(record, SAID.0)));
        if !message.is_empty() && said.english.starts_with(message) { said } else { message.into() }
    }

    /// A review item that asks because of it, with what to decide by (an object, or null).
    pub fn ask(self, choices: &[&str], detail: &Value) -> ReviewRequest {
        let mut detail = detail.clone();
        if self.has_key() {
            if detail.is_null() {
                detail = json!({});
            }
            if let Some(detail) = detail.as_object_mut() {
                detail.insert("said".into(), self.parts.into());
            }
        }
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        ReviewRequest { reason: self.english, detail: detail.to_string(), choices }
    }

    /// What is asked already.
    pub fn asked(request: &ReviewRequest) -> Self {
        match from_json(&request.detail)["said"].as_array() {
            Some(parts) => Self { english: request.reason.clone(), parts: parts.clone() },
            None => (&request.reason).into(),
        }
    }

    fn has_key(&self) -> bool {
        self.parts.iter().any(|part| part.get("key").is_some())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl From<String> for Said {
    fn from(plain: String) -> Self {
        let parts = if plain.is_empty() { Vec::new() } else { vec![json!({ "text": plain })] };
        Self { english: plain, parts }
    }
}

impl From<&str> for Said {
    fn from(plain: &str) -> Self {
        plain.to_owned().into()
    }
}

impl From<&String> for Said {
    fn from(plain: &String) -> Self {
        plain.clone().into()
    }
}

impl From<&Said> for Said {
    fn from(said: &Said) -> Self {
        said.clone()
    }
}

impl From<Said> for String {
    fn from(said: Said) -> Self {
        said.english
    }
}

impl Told {
    fn english(&self) -> String {
        match self {
            Self::Text(text) | Self::Day(text) => text.clone(),
            Self::Number(number) => grouped(*number),
            Self::Amount(amount, currency) => {
                let places = amount.normalize().scale().max(2);
                let mut amount = amount.normalize();
                amount.rescale(places);
                format!("{} {currency}", grouped(amount)).trim_end().to_owned()
            }
            Self::List(list) => list.iter().map(Self::english).collect::<Vec<_>>().join(", "),
            Self::Said(said) => said.english.clone(),
        }
    }

    fn json(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::Number(number) => json!({ "number": number.to_string() }),
            Self::Amount(amount, currency) => json!({ "amount": amount.normalize().to_string(), "currency": currency }),
            Self::Day(day) => json!({ "day": day }),
            Self::List(list) => list.into_iter().map(Self::json).collect(),
            Self::Said(said) if said.has_key() => json!({ "said": said.parts }),
            Self::Said(said) => said.english.into(),
        }
    }
}

/// `-949,270.14`
fn grouped(number: Decimal) -> String {
    let text = number.abs().to_string();
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if number.is_sign_negative() && !number.is_zero() { "-" } else { "" };
    format!("{sign}{grouped}{rest}")
}

/// In English.
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english())
    }
}

impl From<&str> for Told {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Told {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Said> for Told {
    fn from(said: Said) -> Self {
        Self::Said(said)
    }
}

impl From<Decimal> for Told {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Told {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<usize> for Told {
    fn from(number: usize) -> Self {
        Self::Number(number.into())
    }
}

impl<T: Into<Told>> From<Vec<T>> for Told {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RemoteError;

    fn number(text: &str) -> Decimal {
        text.parse().unwrap_or_default()
    }

    #[test]
    fn a_reason_is_english_and_travels_as_its_key_with_parameters() {
        let limit = Said::amount(number("500"), "EUR");
        let used = Said::amount(number("949270.1400"), "EUR");
        let said = say(
            "test.limit",
            "{who}: {used} of {limit} on {day}, {who}",
            [("who", "{limit}".into()), ("limit", limit), ("used", used), ("day", Said::day("2026-01-31"))],
        );
        assert_eq!(said.english(), "{limit}: 949,270.14 EUR of 500.00 EUR on 2026-01-31, {limit}");
        let request = said.ask(&["retry"], &Value::Null);
        assert_eq!(
            from_json(&request.detail),
            json!({ "said": [{ "key": "test.limit", "with": {
                "who": "{limit}", "limit": { "amount": "500", "currency": "EUR" },
                "used": { "amount": "949270.14", "currency": "EUR" }, "day": { "day": "2026-01-31" },
            }}]})
        );
    }

    #[test]
    fn plain_text_stays_what_it_is_and_can_be_told_beside_a_key() {
        let plain = Said::from("as before").ask(&[], &Value::Null);
        assert_eq!((plain.reason.as_str(), plain.detail.as_str()), ("as before", "null"));
        let both = Said::asked(&plain).and(say("test.more", "more", []));
        assert_eq!(both.english(), "as before; more");
        let asked = both.clone().ask(&[], &json!({ "b1": { "CardCode": "C1" } }));
        let said = json!([{ "text": "as before" }, { "key": "test.more" }]);
        assert_eq!(from_json(&asked.detail), json!({ "b1": { "CardCode": "C1" }, "said": said }));
        assert_eq!((Said::asked(&asked), Said::of_kept(&both.kept())), (both.clone(), both));
        assert_eq!(Said::of_kept(&json!("of an older version")), "of an older version".into());
    }

    #[test]
    fn a_record_shows_english_and_beside_it_what_makes_other_languages_of_it() {
        let said = say("test.long", "{what}", [("what", "x".repeat(300).into())]);
        let mut record = Value::Object(said.shown());
        assert_eq!(text(&record, MESSAGE.0).len(), 255);
        assert_eq!(Said::of_record(&record), said, "the whole of it");
        // Somebody wrote the message alone.
        record[MESSAGE.0] = "by hand".into();
        assert_eq!(Said::of_record(&record), "by hand".into());
        record[MESSAGE.0] = Value::Null;
        assert_eq!(Said::of_record(&record), Said::default());
        assert!(Said::default().shown().values().all(Value::is_null));
        assert_eq!(Said::from("plain").shown()[SAID.0], Value::Null);
    }

    #[test]
    fn an_error_keeps_the_systems_own_words() {
        let error = Error::Remote(RemoteError { status: 400, code: "-10".into(), message: "Bestand zu klein".into() });
        let failed = Said::failed(say("test.doing", "creating the order", []), &error);
        assert_eq!(failed.english(), "creating the order: Bestand zu klein (-10)");
        let asked = from_json(&failed.ask(&[], &Value::Null).detail);
        assert_eq!(asked["said"][0]["with"]["why"], "Bestand zu klein (-10)");
        assert_eq!(asked["said"][0]["with"]["what"], json!({ "said": [{ "key": "test.doing" }] }));
    }

    #[test]
    fn numbers_are_grouped() {
        for (plain, shown) in [("0", "0"), ("999", "999"), ("-1000", "-1,000"), ("1234567.125", "1,234,567.125")] {
            assert_eq!(grouped(number(plain)), shown);
        }
        assert_eq!(Said::amount(number("0.1255"), "").english(), "0.1255");
    }
}
