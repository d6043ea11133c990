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

/// What is written where nothing is known: nobody's, however many records have it.
const NOTHING: [&str; 33] = [
    "n/a",
    "n.a.",
    "n. a.",
    "na",
    "none",
    "null",
    "nil",
    "nobody",
    "unknown",
    "not known",
    "not available",
    "not applicable",
    "tbd",
    "todo",
    "test",
    "dummy",
    "default",
    "empty",
    "missing",
    "xxx",
    "no name",
    "no mail",
    "no email",
    "no phone",
    "keine",
    "keiner",
    "kein",
    "k.a.",
    "k. a.",
    "keine angabe",
    "unbekannt",
    "nicht bekannt",
    "offen",
];

/// Digits that a number has which is somebody's.
const DIGITS: usize = 5;

fn is_street(field: &str) -> bool {
    ["street", "address"].iter().any(|end| field.ends_with(end))
}

fn is_town(field: &str) -> bool {
    ["city", "zip", "zipcode", "postalcode", "county"].iter().any(|end| field.ends_with(end))
}

/// What a field says of the record's person; of the house's own bank it is nobody's.
fn of_person(field: &str) -> Option<Personal> {
    if plain(field).starts_with("housebank") { None } else { of_field(field) }
}

/// Written where there is nothing to write.
fn is_nothing(value: &str) -> bool {
    let bare = value.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace());
    let mut letters = value.chars().filter(|c| c.is_alphanumeric());
    let first = letters.next();
    // `000`, `---`, `xxxx`
    letters.all(|c| Some(c) == first) || NOTHING.contains(&value) || NOTHING.contains(&bare)
}

/// A number by which one is told from others: no placeholder, and no extension.
fn is_telling(number: &str) -> bool {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let counted = |step: i16| digits.windows(2).all(|two| i16::from(two[1]) - i16::from(two[0]) == step);
    digits.len() >= DIGITS && ![0, 1, -1].into_iter().any(counted)
}

/// An address that is somebody's: `none@none.com` is nobody's.
fn is_mail(value: &str) -> bool {
    let Some((own, at)) = value.split_once('@') else { return false };
    let robot = ["noreply", "no-reply", "donotreply", "do-not-reply"].contains(&own);
    !own.is_empty() && at.contains('.') && !robot && !is_nothing(own)
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
fn is_another(field: &str, fields: &Fields) -> bool {
    let own = plain(field);
    ALONG.iter().any(|name| own.ends_with(name))
        || fields.contains_key("attributes")
        || KEYS.iter().any(|key| fields.get(*key).is_some_and(|key| !key.is_null()))
}

type Fields = serde_json::Map<String, Value>;

/// By what the records of one person are told, each with its kind: a number is that of many things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// Ids of Salesforce: no two things have the same.
    pub salesforce: BTreeSet<String>,
    /// CardCodes of business partners.
    pub partners: BTreeSet<String>,
    /// Contact employees: the CardCode of their partner, and the InternalCode.
    pub employees: BTreeSet<(String, String)>,
}

impl Keys {
    /// An id that is nothing but the record's.
    fn contains(&self, text: &str) -> bool {
        self.salesforce.contains(text) || self.partners.contains(text)
    }
}

/// Where a part of a call stands.
#[derive(Clone, Debug, Default)]
pub struct Within {
    /// The business partner that the path names.
    partner: Option<String>,
    /// The path names the person's own record: what is said there is of it, whether its key stands there or not.
    theirs: bool,
}

/// How a value goes.
#[derive(Clone, Copy, PartialEq)]
enum Leaving {
    /// It is seen that something was there.
    Marked,
    /// As if the field had never been: who compares takes a mark for a change that somebody made.
    Nothing,
}

/// What is known of one person: ids, and values of personal fields. What many have (a first name, a town, a street) counts only beside something that
/// is theirs alone, or where street and town stand together.
#[derive(Clone, Debug, Default)]
pub struct Values {
    keys: Keys,
    /// In small letters, theirs alone: whole names, e-mail addresses, numbers.
    own: BTreeSet<String>,
    /// In small letters, others', too.
    shared: BTreeSet<String>,
    /// Those of them that are streets, and towns.
    streets: BTreeSet<String>,
    towns: BTreeSet<String>,
    /// Whoever it is of: other records that are told along with one count, too.
    anybody: bool,
}

impl Values {
    /// Of a record with these keys, of which nothing else is known yet.
    pub fn of(keys: Keys) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Of whoever is told of.
    pub fn of_anybody() -> Self {
        Self { anybody: true, ..Self::default() }
    }

    /// How many values are looked for.
    pub fn count(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Where the answer to a call stands, by what was asked.
    pub fn within(&self, request: &str) -> Within {
        let asked = serde_json::from_str::<Value>(request).unwrap_or_default();
        asked.get("path").and_then(Value::as_str).map(|path| self.within_path(path)).unwrap_or_default()
    }

    fn within_path(&self, path: &str) -> Within {
        let path = path.split('?').next().unwrap_or_default();
        let key = path.split_once("BusinessPartners('").and_then(|(_, rest)| rest.rsplit_once("')"));
        let opened = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().replace("''", "'");
        let partner = key.map(|(code, _)| opened(code));
        let whole = key.is_some_and(|(_, rest)| rest.is_empty());
        let last = path.rsplit('/').next().unwrap_or_default();
        let theirs = self.keys.salesforce.contains(last)
            || whole && partner.as_ref().is_some_and(|partner| self.keys.partners.contains(partner));
        Within { partner, theirs }
    }

    /// Takes the personal values of a record's own data. Other records that are told along with it, such as its owner, are not it.
    pub fn learn(&mut self, value: &Value) {
        self.learn_in("", value, None);
    }

    /// Takes those of the parts of a text that are about the record: objects that bear one of its keys.
    pub fn learn_about(&mut self, value: &Value) {
        self.learn_about_in(value, &Within::default());
    }

    /// The same, of a part of a call.
    pub fn learn_about_in(&mut self, value: &Value, within: &Within) {
        match value {
            Value::Object(fields) if self.is_itself(fields, within.partner.as_deref()) => {
                self.learn_in("", value, within.partner.as_deref());
            }
            Value::Object(fields) => {
                let inner = self.inner(fields, within);
                for (name, value) in fields {
                    match value.as_str().and_then(json_in) {
                        Some(body) if inner.theirs && name == "body" => {
                            self.learn_in("", &body, inner.partner.as_deref());
                        }
                        Some(body) => self.learn_about_in(&body, &inner),
                        None => self.learn_about_in(value, &inner),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_about_in(item, within)),
            Value::String(text) => {
                if let Some(body) = json_in(text) {
                    self.learn_about_in(&body, within);
                }
            }
            _ => {}
        }
    }

    /// Where the fields of an object stand.
    fn inner(&self, fields: &Fields, within: &Within) -> Within {
        if let Some(path) = fields.get("path").and_then(Value::as_str) {
            return self.within_path(path);
        }
        match fields.get("CardCode").and_then(Value::as_str) {
            Some(code) => Within { partner: Some(code.to_owned()), ..within.clone() },
            None => within.clone(),
        }
    }

    fn learn_in(&mut self, field: &str, value: &Value, partner: Option<&str>) {
        match value {
            Value::Object(fields)
                if !self.anybody
                    && !field.is_empty()
                    && !self.is_itself(fields, partner)
                    && is_another(field, fields) => {}
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
                let partner = fields.get("CardCode").and_then(Value::as_str).or(partner);
                fields.iter().for_each(|(name, value)| self.learn_in(name, value, partner));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_in(field, item, partner)),
            Value::String(text) => match (json_in(text), of_person(field)) {
                (Some(body), _) => self.learn_in("", &body, partner),
                (None, Some(kind)) => self.put(field, kind, text),
                (None, None) => {}
            },
            _ => {}
        }
    }

    fn put(&mut self, field: &str, kind: Personal, text: &str) {
        let value = text.trim().to_lowercase();
        if value.chars().count() < SHORTEST || value.contains(LEFT_OUT) || self.keys.contains(text.trim()) {
            return;
        }
        if is_nothing(&value) {
            return;
        }
        let field = plain(field);
        let words = value.split_whitespace().count();
        let alone = match kind {
            Personal::Mail => is_mail(&value),
            Personal::Number => is_telling(&value),
            // A town, or the name that an address goes by, may have two words, too.
            Personal::Words => NAMES.contains(&field.as_str()) && words > 1,
        };
        if alone {
            self.own.insert(value);
            return;
        }
        if kind == Personal::Words && is_street(&field) && words > 1 {
            self.streets.insert(value.clone());
        }
        if kind == Personal::Words && is_town(&field) {
            self.towns.insert(value.clone());
        }
        self.shared.insert(value);
    }

    /// Takes the person's values out of a JSON text, or of any other; none where nothing of theirs is in it.
    pub fn without(&self, text: &str) -> Option<String> {
        self.left(text, &Within::default(), Leaving::Marked)
    }

    /// The same, of a part of a call.
    pub fn without_in(&self, text: &str, within: &Within) -> Option<String> {
        self.left(text, within, Leaving::Marked)
    }

    /// A JSON text as if the person's values had never been in it; none where none is.
    pub fn as_if_never_told(&self, text: &str) -> Option<String> {
        self.left(text, &Within::default(), Leaving::Nothing)
    }

    /// The same, of what is kept of their own record: whatever is personal goes.
    pub fn as_if_never_told_of_own(&self, text: &str) -> Option<String> {
        self.left(text, &Within { theirs: true, partner: None }, Leaving::Nothing)
    }

    fn left(&self, text: &str, within: &Within, leaving: Leaving) -> Option<String> {
        match serde_json::from_str::<Value>(text) {
            Ok(mut value) => self.take_out("", &mut value, within, leaving).then(|| value.to_string()),
            Err(_) => match self.hidden(text) {
                Cow::Borrowed(_) => None,
                Cow::Owned(text) => Some(text),
            },
        }
    }

    /// Takes them out of a value; true where something was.
    fn take_out(&self, field: &str, value: &mut Value, within: &Within, leaving: Leaving) -> bool {
        match value {
            Value::Object(fields) => {
                let has = |name| fields.contains_key(name);
                let is_call = has("path") || has("sent") || has("status") && has("body");
                let itself = self.is_itself(fields, within.partner.as_deref())
                    || within.theirs && !is_call && (field.is_empty() || !is_another(field, fields));
                let beside = itself || self.tells_of_them(fields);
                let inner = Within { theirs: itself || is_call && within.theirs, ..within.clone() };
                let inner = match itself {
                    true => Within { theirs: true, ..self.inner(fields, &inner) },
                    false => self.inner(fields, &inner),
                };
                let mut changed = false;
                let names: Vec<String> = fields.keys().cloned().collect();
                for name in names {
                    let Some(value) = fields.get_mut(&name) else { continue };
                    let gone = self.is_hidden(&name, value, itself, beside);
                    // A text in an object that is theirs may hold a call's body; other words are looked through as ever.
                    let before = (leaving == Leaving::Nothing && value.is_string() && !gone).then(|| value.clone());
                    let other = gone || self.take_out(&name, value, &inner, leaving);
                    changed |= other;
                    let plain_text =
                        before.as_ref().and_then(Value::as_str).is_some_and(|text| json_in(text).is_none());
                    if leaving == Leaving::Nothing && other && (gone || plain_text) {
                        fields.remove(&name);
                    } else if gone {
                        *value = LEFT_OUT.into();
                    }
                }
                changed
            }
            Value::Array(items) => {
                let mut changed = false;
                items.retain_mut(|item| {
                    let is_text = item.as_str().is_some_and(|text| json_in(text).is_none());
                    let other = self.take_out(field, item, within, leaving);
                    changed |= other;
                    !(other && is_text && leaving == Leaving::Nothing)
                });
                changed
            }
            Value::String(text) => {
                let other = match json_in(text) {
                    Some(mut body) => self.take_out("", &mut body, within, leaving).then(|| body.to_string()),
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

    /// A field's whole value goes: of the record itself whatever is personal, beside something of theirs what others have, too.
    fn is_hidden(&self, name: &str, value: &Value, itself: bool, beside: bool) -> bool {
        let text = match value {
            Value::String(text) => text,
            Value::Number(_) => return itself && of_person(name) == Some(Personal::Number),
            _ => return false,
        };
        if text.is_empty() || text == LEFT_OUT || json_in(text).is_some() {
            return false;
        }
        let personal = of_person(name).is_some() && !self.keys.contains(text);
        itself && personal || beside && self.shared.contains(&text.trim().to_lowercase())
    }

    /// Something that is theirs alone stands in it, or street and town.
    fn tells_of_them(&self, fields: &Fields) -> bool {
        let has = |known: &BTreeSet<String>| {
            let text_is =
                |value: &Value| value.as_str().is_some_and(|text| known.contains(&text.trim().to_lowercase()));
            !known.is_empty() && fields.values().any(text_is)
        };
        has(&self.own) || has(&self.streets) && has(&self.towns)
    }

    /// Whether a text holds anything of the person.
    pub fn is_in(&self, text: &str) -> bool {
        self.without(text).is_some()
    }

    /// Free text without what is the person's alone.
    pub fn hidden<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        let mut known: Vec<&String> = self.own.iter().collect();
        // A street with its town says whose it is.
        let stands = |known: &BTreeSet<String>| known.iter().any(|value| replaced(text, value).is_some());
        if !self.towns.is_empty() && stands(&self.streets) && stands(&self.towns) {
            known.extend(self.streets.iter().chain(&self.towns));
        }
        // The longest first: one may stand within another.
        known.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in known {
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

    /// Whether a text bears one of the record's keys where a record says which one it is.
    pub fn bears_key(&self, value: &Value) -> bool {
        match value {
            Value::Object(fields) => self.is_itself(fields, None) || fields.values().any(|value| self.bears_key(value)),
            Value::Array(items) => items.iter().any(|item| self.bears_key(item)),
            Value::String(text) => json_in(text).is_some_and(|body| self.bears_key(&body)),
            _ => false,
        }
    }

    /// By its own key. An employee is one by the partner, too: its number is that of other things.
    fn is_itself(&self, fields: &Fields, partner: Option<&str>) -> bool {
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(id)) => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        if text("Id").is_some_and(|id| self.keys.salesforce.contains(&id)) {
            return true;
        }
        let card = text("CardCode").or_else(|| partner.map(str::to_owned));
        match (text("InternalCode"), card) {
            (Some(code), Some(card)) => self.keys.employees.contains(&(card, code)),
            (Some(_), None) => false,
            (None, _) => text("CardCode").is_some_and(|card| self.keys.partners.contains(&card)),
        }
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

    fn keys(salesforce: &[&str], partners: &[&str], employees: &[(&str, &str)]) -> Keys {
        let all = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let pair = |(card, code): &(&str, &str)| ((*card).to_owned(), (*code).to_owned());
        Keys { salesforce: all(salesforce), partners: all(partners), employees: employees.iter().map(pair).collect() }
    }

    fn anna() -> Values {
        let mut values = Values::of(keys(&["003A"], &[], &[("C1", "17")]));
        values.learn(&json!({ "Id": "003A", "FirstName": "Anna", "LastName": "Maierhofer", "Email": "anna@maier.example", "MailingCity": "Bad Köln", "Description": "likes tea",
            "Owner": { "Name": "Max Sells" }, "Account": { "attributes": {}, "Name": "Maier Works Ltd" } }));
        values
    }

    #[test]
    fn a_person_is_taken_out_of_what_others_say_and_nobody_else_is() {
        let body = json!({ "Name": "Anna Maierhofer", "City": "Bad Köln" }).to_string();
        let value = json!({
            "contact": { "Id": "003A", "FirstName": "Anna", "Phone": "0221 1234" },
            "other": { "Id": "003B", "FirstName": "Anna", "MailingCity": "Bad Köln" },
            "why": "asked by anna maierhofer <Anna@Maier.example> of Maier Works Ltd, told by Max Sells",
            "body": body,
        });
        let text = anna().without(&value.to_string()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
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
        let mut values = Values::of(keys(&[], &["C1"], &[]));
        let answer = json!({ "value": [{ "CardCode": "C1", "CardName": "Meier Bau" }, { "CardCode": "C2", "CardName": "Other Ltd" }] });
        values.learn_about(&json!({ "sent": { "body": answer.to_string() } }));
        assert_eq!(values.hidden("MEIER BAU and Other Ltd"), "[forgotten] and Other Ltd");
        assert_eq!(values.count(), 1);
    }

    #[test]
    fn a_number_is_a_record_only_under_the_name_and_in_the_place_of_its_key() {
        let values = Values::of(keys(&[], &["20000"], &[("C1", "17")]));
        let mine = |value: Value| values.bears_key(&value);
        assert!(mine(json!({ "CardCode": "20000" })) && mine(json!({ "CardCode": "C1", "InternalCode": 17 })));
        for other in ["DocEntry", "Code", "ItemCode", "InternalCode", "Id"] {
            for number in [17, 20000] {
                let told = json!({ other: number, "CardName": "Others Ltd", "FirstName": "Bert" });
                assert!(!mine(told.clone()) && values.without(&told.to_string()).is_none(), "{told}");
            }
        }
        // The same number with another partner, and somebody else with the same one.
        assert!(!mine(json!({ "CardCode": "C2", "InternalCode": 17 })));
        assert!(!mine(json!({ "CardCode": "C1", "InternalCode": 18 })));
    }

    #[test]
    fn an_employee_is_found_within_the_partner_that_the_object_or_the_path_names() {
        let people =
            |n: u32, name: &str| json!({ "InternalCode": n, "Name": name, "MobilePhone": format!("0171 55443{n}") });
        let body = json!({ "ContactEmployees": [people(17, "Anna Only"), people(18, "Bert Bleibt")] });
        let request =
            json!({ "method": "PATCH", "path": "/BusinessPartners('C1')?$select=x", "body": body.to_string() });
        let answer = json!({ "sent": { "status": 200, "body": body.to_string() } }).to_string();
        let of = |card: &str| {
            let mut values = Values::of(keys(&[], &[], &[(card, "17")]));
            values.learn_about(&request);
            values.learn_about_in(&serde_json::from_str(&answer).unwrap(), &values.within(&request.to_string()));
            values
        };
        let anna = of("C1");
        assert_eq!(anna.count(), 2, "{anna:?}");
        let within = anna.within(&request.to_string());
        for text in [anna.without(&request.to_string()), anna.without_in(&answer, &within)] {
            let text = text.unwrap();
            assert!(!text.contains("Only") && !text.contains("0171 5544317") && text.contains("Bert Bleibt"), "{text}");
        }
        assert_eq!(of("C2").count(), 0, "another company's 17 is somebody else");
    }

    #[test]
    fn what_a_path_names_is_the_record_also_where_its_key_is_not_said() {
        let values = Values::of(keys(&["001A"], &["C1"], &[]));
        for path in ["/BusinessPartners('C1')", "/sobjects/Account/001A"] {
            let body = json!({ "Phone1": "12", "BPAddresses": [{ "Street": "Weg" }], "ContactEmployees": [{ "InternalCode": 5, "Name": "Bert" }] });
            let call = json!({ "path": path, "body": body.to_string() }).to_string();
            let left = values.without(&call).unwrap();
            assert!(!left.contains("Weg") && !left.contains("12") && left.contains("Bert"), "{left}");
        }
        let other = json!({ "path": "/BusinessPartners('C10')", "body": "{\"Phone1\":\"12\"}" }).to_string();
        assert!(values.without(&other).is_none());
    }

    #[test]
    fn what_many_have_is_taken_from_nobody_else() {
        let record = json!({ "CardCode": "C1", "CardName": "Anna Maierhofer", "Phone1": "000", "Phone2": "n/a", "Fax": "123456", "Cellular": "k.A.", "EmailAddress": "none@none.com",
            "FederalTaxID": "11111111", "HouseBankIBAN": "DE02120300000000202051", "HouseBankAccount": "998877665", "Street": "Am Markt 1", "City": "Köln", "AliasName": "not known" });
        let mut values = Values::of(keys(&[], &["C1"], &[]));
        values.learn(&record);
        let other = json!({ "CardCode": "C2", "CardName": "Bert Bleibt", "Phone1": "000", "Phone2": "n/a", "Fax": "123456", "Cellular": "k.A.", "EmailAddress": "none@none.com",
            "FederalTaxID": "11111111", "HouseBankIBAN": "DE02120300000000202051", "HouseBankAccount": "998877665", "Street": "Am Markt 1", "City": "Bonn", "AliasName": "not known" });
        assert_eq!(values.without(&other.to_string()), None);
        for said in
            ["none of them came, 000 in all", "Bert lives at Am Markt 1, Bonn", "paid to DE02120300000000202051"]
        {
            assert_eq!(values.hidden(said), said);
        }
        // Street and town together are theirs, in fields and in words; their own record loses all that is personal.
        let address = json!({ "ShipToStreet": "Am Markt 1", "ShipToCity": "Köln", "Weight": 7 }).to_string();
        assert_eq!(
            values.without(&address).unwrap(),
            json!({ "ShipToStreet": LEFT_OUT, "ShipToCity": LEFT_OUT, "Weight": 7 }).to_string()
        );
        assert_eq!(values.hidden("to am markt 1, 50667 Köln"), "to [forgotten], 50667 [forgotten]");
        let own = values.without(&record.to_string()).unwrap();
        assert!(!own.contains("Markt") && !own.contains("123456") && own.contains("DE0212"), "{own}");
    }

    #[test]
    fn what_is_compared_is_left_as_if_it_had_never_been_told() {
        let base = json!({ "Name": "Anna Maierhofer", "Limit": 5, "names": ["Anna Maierhofer", "Bert"], "said": "{\"Name\":\"Anna Maierhofer\",\"n\":1}" });
        let left = anna().as_if_never_told(&base.to_string()).unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&left).unwrap(),
            json!({ "Limit": 5, "names": ["Bert"], "said": "{\"n\":1}" })
        );
        assert_eq!(anna().as_if_never_told("{\"Name\":\"Bert\"}"), None);
    }
}
