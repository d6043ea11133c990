//! Which fields tell of a person or a company, and their values wherever else they stand: told by name, since neither system says it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

/// In place of what is left out of a text.
pub const LEFT_OUT: &str = "[forgotten]";

/// Letters of a value that is looked for elsewhere.
const SHORTEST: usize = 3;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Personal {
    /// Words of a person, a company, an address; and the address itself.
    Words,
    /// An e-mail address.
    Mail,
    /// Of a telephone, a tax payer, a bank account.
    Number,
}

/// A field's name in small letters: `Tandem_Tax_Id__c` is `taxid`.
pub fn plain(field: &str) -> String {
    let own = field.strip_suffix("__c").unwrap_or(field);
    let own: String = own.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect();
    own.strip_prefix("tandem").map_or(own.clone(), str::to_owned)
}

/// What a field of that name holds; none where it is nobody's.
pub fn of_field(field: &str) -> Option<Personal> {
    let own = plain(field);
    let ends = |words: &[&str]| words.iter().any(|word| own.ends_with(word));
    let has = |words: &[&str]| words.iter().any(|word| own.contains(word));
    // Names of things, not of people.
    if ends(&[
        "itemname",
        "stagename",
        "unitname",
        "groupname",
        "warehousename",
        "fieldname",
        "tablename",
        "recordtypename",
    ]) || ends(&["countrycode", "statecode", "country", "state", "geocodeaccuracy"])
    {
        return None;
    }
    if ends(&["email", "emailaddress", "emailaddr"]) {
        return Some(Personal::Mail);
    }
    if has(&[
        "phone",
        "cellular",
        "mobile",
        "pager",
        "taxid",
        "vatid",
        "vatnum",
        "vatreg",
        "iban",
        "bankaccount",
        "accountno",
    ]) || ends(&["fax", "fax1", "creditcardnumber", "federaltax"])
    {
        return Some(Personal::Number);
    }
    let name = ends(&["name", "contact", "contactperson", "shipto", "billto", "payto", "shiptocode", "paytocode"]);
    let address =
        ends(&["address", "addresstype2", "street", "streetno", "city", "zip", "zipcode", "postalcode", "county"])
            || ends(&["block", "building", "buildingfloorroom", "website", "attention", "addresscodes"]);
    (name || address).then_some(Personal::Words)
}

/// Fields by which a record says which one it is.
const KEYS: [&str; 6] = ["Id", "CardCode", "InternalCode", "DocEntry", "ItemCode", "Code"];

/// Fields whose whole value is one person's or company's.
const NAMES: [&str; 13] = [
    "name",
    "fullname",
    "cardname",
    "cardforeignname",
    "foreignname",
    "aliasname",
    "firstname",
    "lastname",
    "accountname",
    "companyname",
    "contactname",
    "contactperson",
    "attention",
];

fn tells_alone(field: &str) -> bool {
    NAMES.contains(&field) || ["street", "address"].iter().any(|end| field.ends_with(end))
}

/// Records that are told along with one: who looks after it, what it is of.
const ALONG: [&str; 9] = [
    "owner",
    "createdby",
    "lastmodifiedby",
    "salesperson",
    "salesemployee",
    "manager",
    "user",
    "recordtype",
    "profile",
];

/// Another record, told along: it bears a key of its own, or is one of the API.
fn is_another(field: &str, fields: &serde_json::Map<String, Value>) -> bool {
    let own = plain(field);
    ALONG.iter().any(|name| own.ends_with(name))
        || fields.contains_key("attributes")
        || KEYS.iter().any(|key| fields.get(*key).is_some_and(|key| !key.is_null()))
}

/// What is known of one person: ids, and values of personal fields. A single word (a first name, a town) is others', too: it counts only beside
/// something that is theirs alone.
#[derive(Clone, Debug, Default)]
pub struct Values {
    ids: BTreeSet<String>,
    /// In small letters, theirs alone: whole names, e-mail addresses, numbers, lines of an address.
    own: BTreeSet<String>,
    /// In small letters, others', too.
    shared: BTreeSet<String>,
    /// Whoever it is of: other records that are told along with one count, too.
    anybody: bool,
}

impl Values {
    /// Of a record with these ids, of which nothing else is known yet.
    pub fn of(ids: impl IntoIterator<Item = String>) -> Self {
        Self { ids: ids.into_iter().collect(), ..Self::default() }
    }

    /// Of whoever is told of.
    pub fn of_anybody() -> Self {
        Self { anybody: true, ..Self::default() }
    }

    /// How many values are looked for.
    pub fn count(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Takes the personal values of a record's own data. Other records that are told along with it, such as its owner, are not it.
    pub fn learn(&mut self, value: &Value) {
        self.learn_in("", value);
    }

    /// Takes those of the parts of a text that are about the record: objects that bear one of its ids as their key.
    pub fn learn_about(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => match self.is_itself(fields) {
                true => self.learn(value),
                false => fields.values().for_each(|value| self.learn_about(value)),
            },
            Value::Array(items) => items.iter().for_each(|item| self.learn_about(item)),
            Value::String(text) => {
                if let Some(within) = json_in(text) {
                    self.learn_about(&within);
                }
            }
            _ => {}
        }
    }

    fn learn_in(&mut self, field: &str, value: &Value) {
        match value {
            Value::Object(fields)
                if !self.anybody && !field.is_empty() && !self.is_itself(fields) && is_another(field, fields) => {}
            Value::Object(fields) => {
                // `FirstName` and `LastName` say together what each of them does not.
                let named = |name: &str| {
                    fields.iter().find(|(own, _)| plain(own).ends_with(name)).and_then(|(_, value)| value.as_str())
                };
                if let (Some(first), Some(last)) = (named("firstname"), named("lastname")) {
                    for whole in [format!("{first} {last}"), format!("{last} {first}"), format!("{last}, {first}")] {
                        self.put("name", Personal::Words, &whole);
                    }
                }
                fields.iter().for_each(|(name, value)| self.learn_in(name, value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_in(field, item)),
            Value::String(text) => match (json_in(text), of_field(field)) {
                (Some(within), _) => self.learn_in("", &within),
                (None, Some(kind)) => self.put(field, kind, text),
                (None, None) => {}
            },
            _ => {}
        }
    }

    fn put(&mut self, field: &str, kind: Personal, text: &str) {
        let value = text.trim().to_lowercase();
        if value.chars().count() < SHORTEST || value.contains(LEFT_OUT) || self.ids.contains(text.trim()) {
            return;
        }
        let alone = match kind {
            Personal::Mail | Personal::Number => true,
            // A town, or the name that an address goes by, may have two words, too.
            Personal::Words => tells_alone(&plain(field)) && value.split_whitespace().count() > 1,
        };
        if alone {
            self.own.insert(value)
        } else {
            self.shared.insert(value)
        };
    }

    /// Takes the person's values out of a JSON text, or of any other; none where nothing of theirs is in it.
    pub fn without(&self, text: &str) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.take_out(&mut value).then(|| value.to_string()),
            Err(_) => match self.hidden(text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(text) => Some(text),
            },
        }
    }

    /// Takes them out of a value; true where something was.
    pub fn take_out(&self, value: &mut Value) -> bool {
        match value {
            Value::Object(fields) => {
                let itself = self.is_itself(fields);
                let beside = itself || fields.values().any(|value| self.is_theirs(value));
                let mut changed = false;
                for (name, value) in fields.iter_mut() {
                    let hide = value.as_str().is_some_and(|text| {
                        let text_is = |known: &BTreeSet<String>| known.contains(&text.trim().to_lowercase());
                        let said = !text.is_empty() && text != LEFT_OUT;
                        let personal = said && of_field(name).is_some() && !self.ids.contains(text);
                        json_in(text).is_none() && ((itself && personal) || (beside && text_is(&self.shared)))
                    });
                    if hide {
                        *value = LEFT_OUT.into();
                        changed = true;
                    } else {
                        changed |= self.take_out(value);
                    }
                }
                changed
            }
            Value::Array(items) => items.iter_mut().fold(false, |changed, item| self.take_out(item) | changed),
            Value::String(text) => {
                let other = match json_in(text) {
                    Some(mut within) => self.take_out(&mut within).then(|| within.to_string()),
                    None => match self.hidden(text) {
                        Cow::Borrowed(_) => None,
                        Cow::Owned(text) => Some(text),
                    },
                };
                match other {
                    Some(other) => {
                        *text = other;
                        true
                    }
                    None => false,
                }
            }
            _ => false,
        }
    }

    /// Whether a text holds anything of the person.
    pub fn is_in(&self, text: &str) -> bool {
        self.without(text).is_some()
    }

    /// Free text without what is the person's alone.
    pub fn hidden<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        // The longest first: one may stand within another.
        let mut values: Vec<&String> = self.own.iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values {
            if let Some(other) = replaced(&shown, value) {
                shown = Cow::Owned(other);
            }
        }
        shown
    }

    /// The same, with single words left out, too: of a text that is about the person.
    pub fn hidden_in_own(&self, text: &str) -> String {
        let mut shown = self.hidden(text).into_owned();
        for value in &self.shared {
            if let Some(other) = replaced(&shown, value) {
                shown = other;
            }
        }
        shown
    }

    fn is_itself(&self, fields: &serde_json::Map<String, Value>) -> bool {
        KEYS.iter().any(|key| match fields.get(*key) {
            Some(Value::String(id)) => self.ids.contains(id),
            Some(Value::Number(id)) => self.ids.contains(&id.to_string()),
            _ => false,
        })
    }

    fn is_theirs(&self, value: &Value) -> bool {
        value.as_str().is_some_and(|text| self.own.contains(&text.trim().to_lowercase()))
    }
}

/// An object or a list that is written into a text: the body of a call.
fn json_in(text: &str) -> Option<Value> {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins.then(|| serde_json::from_str(text).ok()).flatten()
}

/// The text with a value left out wherever it stands as whole words, in whichever case; none where it does not.
fn replaced(text: &str, value: &str) -> Option<String> {
    let small = text.to_lowercase();
    // Few letters have another length in small letters; of a text with one only what is written alike is found.
    let (hay, value): (&str, &str) = if small.len() == text.len() { (&small, value) } else { (text, value) };
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut done = String::new();
    let mut from = 0;
    let mut search = 0;
    while let Some(at) = hay.get(search..).and_then(|rest| rest.find(value)).map(|at| at + search) {
        let end = at + value.len();
        search = end;
        let whole = !is_word(hay[..at].chars().next_back()) && !is_word(hay[end..].chars().next());
        if whole && text.is_char_boundary(at) && text.is_char_boundary(end) {
            done.push_str(&text[from..at]);
            done.push_str(LEFT_OUT);
            from = end;
        }
    }
    if from == 0 {
        return None;
    }
    done.push_str(&text[from..]);
    Some(done)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn anna() -> Values {
        let mut values = Values::of(["003A".to_owned()]);
        values.learn(&json!({ "Id": "003A", "FirstName": "Anna", "LastName": "Maierhofer", "Email": "anna@maier.example", "MailingCity": "Bad Köln", "Description": "likes tea",
            "Owner": { "Name": "Max Sells" }, "Account": { "attributes": {}, "Name": "Maier Works Ltd" } }));
        values
    }

    #[test]
    fn a_person_is_taken_out_of_what_others_say_and_nobody_else_is() {
        let body = json!({ "Name": "Anna Maierhofer", "City": "Bad Köln" }).to_string();
        let mut value = json!({
            "contact": { "Id": "003A", "FirstName": "Anna", "Phone": "0221 1234" },
            "other": { "Id": "003B", "FirstName": "Anna", "MailingCity": "Bad Köln" },
            "why": "asked by anna maierhofer <Anna@Maier.example> of Maier Works Ltd, told by Max Sells",
            "body": body,
        });
        assert!(anna().take_out(&mut value));
        let text = value.to_string();
        for gone in ["Maierhofer", "maierhofer", "aier.example", "0221 1234"] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
        assert_eq!(value["other"], json!({ "Id": "003B", "FirstName": "Anna", "MailingCity": "Bad Köln" }));
        assert!(text.contains("Maier Works Ltd") && text.contains("Max Sells"), "{text}");
        let body: Value = serde_json::from_str(value["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({ "Name": LEFT_OUT, "City": LEFT_OUT }), "a town beside the name is theirs");
        assert!(anna().without(r#"{"Name":"Annabell Maier","Id":"003C"}"#).is_none());
    }

    #[test]
    fn values_are_learnt_of_what_bears_the_records_id() {
        let mut values = Values::of(["C1".to_owned()]);
        let answer = json!({ "value": [{ "CardCode": "C1", "CardName": "Meier Bau" }, { "CardCode": "C2", "CardName": "Other Ltd" }] });
        values.learn_about(&json!({ "sent": { "body": answer.to_string() } }));
        assert_eq!(values.hidden("MEIER BAU and Other Ltd"), "[forgotten] and Other Ltd");
        assert_eq!(values.count(), 1);
    }
}
