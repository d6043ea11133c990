//! Other words in the place of people's and companies' names, addresses, e-mail addresses, telephone and tax numbers: the same ones for the same
//! everywhere in a scenario, so that what matched before still does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::connections::salesforce::full_id;
use crate::personal::{Personal, of_field, plain};

/// See the module's words.
#[derive(Default)]
pub struct Disguise {
    /// Words of names and addresses, in small letters.
    words: BTreeMap<String, String>,
    /// Numbers and e-mail addresses, as they were written; and numbers without what stands between the digits.
    values: BTreeMap<String, String>,
    /// Names with words too short to be told from others elsewhere, whole, in small letters: `o'brien`.
    wholes: BTreeSet<String>,
    /// Words that say nothing of whose they are, here: of topics, of kinds of links.
    plain: BTreeSet<String>,
    /// How many of each were given.
    given: usize,
}

/// What such a name or address is full of, and says nothing of whose it is.
const COMMON: [&str; 38] = [
    "ag",
    "and",
    "bv",
    "co",
    "company",
    "corp",
    "corporation",
    "das",
    "de",
    "der",
    "die",
    "for",
    "gmbh",
    "group",
    "holding",
    "inc",
    "kg",
    "la",
    "le",
    "limited",
    "llc",
    "llp",
    "ltd",
    "mbh",
    "nv",
    "of",
    "ohg",
    "oy",
    "plc",
    "sa",
    "sarl",
    "se",
    "spa",
    "srl",
    "street",
    "the",
    "und",
    "von",
];

/// Ends of the names of fields whose value is one of a list, which a name may share a word with.
const LISTED: [&str; 10] =
    ["type", "status", "stagename", "topic", "kind", "country", "state", "currency", "countrycode", "statecode"];

/// What flows write as it is in a segment of a path.
const WRITTEN: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');

/// The part of a scenario whose keys are what a plugin made of records.
const STORAGE: &str = "storage";

/// A word of fewer letters is replaced in names only: elsewhere it may be anything.
const SHORT: usize = 3;

impl Disguise {
    /// Takes the words of topics, kinds and connections for what they are, also in a name.
    pub fn spare(&mut self, text: &str) {
        self.plain.extend(runs(text).map(str::to_lowercase));
    }

    /// Finds what is personal in a value.
    pub fn learn(&mut self, value: &Value) {
        self.learn_in("", value);
    }

    fn learn_in(&mut self, field: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                let named = fields.iter().filter(|(name, _)| !is_coded(fields, name));
                named.for_each(|(name, value)| self.learn_in(name, value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn_in(field, item)),
            Value::String(text) => match of_field(field) {
                Some(Personal::Words) => {
                    runs(text).for_each(|run| self.learn_word(run));
                    if runs(text).count() > 1 && runs(text).any(|run| run.chars().count() < SHORT) {
                        self.wholes.insert(text.trim().to_lowercase());
                    }
                }
                Some(Personal::Mail) => self.learn_mail(text),
                Some(Personal::Number) => self.learn_number(text),
                // An address of the API has numbers of records, and what is searched for, which stands in other places, too.
                None if field == "call" => mails(text).for_each(|mail| self.learn_mail(mail)),
                None => {
                    mails(text).for_each(|mail| self.learn_mail(mail));
                    for number in numbers(field, text) {
                        self.learn_value(&number);
                    }
                }
            },
            _ => {}
        }
    }

    fn next(&mut self) -> usize {
        self.given += 1;
        self.given
    }

    fn learn_word(&mut self, word: &str) {
        let small = word.to_lowercase();
        let common = COMMON.contains(&small.as_str()) || self.plain.contains(&small) || is_id(word);
        if common || self.words.contains_key(&small) {
            return;
        }
        let number = self.next();
        let other = match small.get(..1) {
            // The first digit of a postal code is a part of the country, which rules go by, and no place.
            Some(region) if is_number(&small) && small.len() > SHORT => {
                format!("{region}{}", digits(&small[1..], number))
            }
            _ if is_number(&small) => digits(&small, number),
            _ => invented(number),
        };
        self.words.insert(small, other);
    }

    fn learn_mail(&mut self, text: &str) {
        let small = text.trim().to_lowercase();
        if !small.is_empty() && !self.values.contains_key(&small) {
            let number = self.next();
            self.values.insert(small.clone(), format!("person{number}@example.com"));
            // What a name is in one place is a name in another.
            let before = small.split('@').next().unwrap_or_default().to_owned();
            runs(&before).filter(|word| word.len() > SHORT).for_each(|word| self.learn_word(word));
            let host = small.split('@').nth(1).unwrap_or_default().to_owned();
            let host = host.rsplit_once('.').map_or("", |(host, _)| host).to_owned();
            runs(&host).filter(|word| word.len() > SHORT).for_each(|word| self.learn_word(word));
        }
    }

    fn learn_number(&mut self, text: &str) {
        let text = text.trim();
        if let Some(other) = self.learn_value(text) {
            // Elsewhere it may be written without what stands between the digits.
            let only = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            self.values.entry(only(text).to_lowercase()).or_insert_with(|| only(&other));
        }
    }

    /// Gives a number another one of the same shape, which is returned where it is new.
    fn learn_value(&mut self, text: &str) -> Option<String> {
        let small = text.to_lowercase();
        if small.is_empty() || self.values.contains_key(&small) {
            return None;
        }
        let number = self.next();
        let other = digits(text, number);
        self.values.insert(small, other.clone());
        Some(other)
    }

    /// The same value in other words; `part` is the scenario's that it stands in.
    pub fn apply(&self, part: &str, value: &Value) -> Value {
        self.apply_in(part, value)
    }

    fn apply_in(&self, field: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) if field == STORAGE => {
                // Its keys are the plugin's own words, and no names of fields.
                fields.iter().map(|(key, value)| (self.text(key), self.apply_in("", value))).collect()
            }
            Value::Object(fields) => {
                let other = |name: &String, value: &Value| match is_coded(fields, name) {
                    true => self.apply_in("", value),
                    false => self.apply_in(name, value),
                };
                fields.iter().map(|(name, value)| (name.clone(), other(name, value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.apply_in(field, item)).collect(),
            Value::String(text) => match (field, of_field(field)) {
                // An address holds records' keys and what is searched for between quotes or behind a field, and names of fields elsewhere.
                ("call", _) => self.external_id(&between_quotes(text, |part| self.text(part))).into(),
                (_, Some(Personal::Words)) => self.replaced(text, 1).into(),
                (_, Some(_)) => self.text(text).into(),
                (_, None) if self.is_nobodys(field, text) => text.as_str().into(),
                (_, None) => self.text(text).into(),
            },
            other => other.clone(),
        }
    }

    /// `PATCH salesforce /sobjects/Account/Tandem_Card_Code__c/MEIER` with another code.
    fn external_id(&self, call: &str) -> String {
        let told = call.split_once("/sobjects/").and_then(|(before, path)| {
            let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
            let [object, field, value] = path.splitn(3, '/').collect::<Vec<_>>().try_into().ok()?;
            let written = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
            let other = self.text(&written);
            let other = percent_encoding::utf8_percent_encode(&other, WRITTEN).to_string();
            (written != self.text(&written)).then(|| format!("{before}/sobjects/{object}/{field}/{other}{query}"))
        });
        told.unwrap_or_else(|| call.to_owned())
    }

    /// One of a list, a record's id, or the address of a record in the API; but for what was found to be somebody's.
    fn is_nobodys(&self, field: &str, text: &str) -> bool {
        let own = plain(field);
        let listed = LISTED.iter().any(|end| own.ends_with(end));
        let of_record = is_id(text) || (own.ends_with("id") && is_short_id(text));
        (listed || of_record || (field == "url" && text.starts_with("/services/")))
            && !self.values.contains_key(&text.to_lowercase())
    }

    /// Any text: whole numbers and addresses first, then words.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest first: one may stand within another.
        let mut values: Vec<(&String, &String)> = self.values.iter().filter(|(value, _)| value.len() >= 5).collect();
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        for (value, other) in values {
            text = replaced_anywhere(&text, value, |_| other.clone());
        }
        let mut wholes: Vec<&String> = self.wholes.iter().collect();
        wholes.sort_by_key(|whole| std::cmp::Reverse(whole.len()));
        for whole in wholes {
            text = replaced_anywhere(&text, whole, |name| self.replaced(name, 1));
        }
        if let Some(other) = self.values.get(&text.to_lowercase()) {
            return other.clone();
        }
        self.replaced(&text, SHORT)
    }

    /// Each whole word of at least so many letters.
    fn replaced(&self, text: &str, least: usize) -> String {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(char::is_alphanumeric) {
            let (before, from) = rest.split_at(start);
            done.push_str(before);
            let end = from.find(|c: char| !c.is_alphanumeric()).unwrap_or(from.len());
            let (word, after) = from.split_at(end);
            // `bost_Open` and `U_Region` are one word each.
            let joined = before.ends_with('_') || after.starts_with('_');
            let number = is_number(word);
            let other = self.words.get(&word.to_lowercase());
            // A number beside a name that is replaced is that place's or street's: `50667 Köln`.
            let beside = |run: Option<&str>| {
                run.is_some_and(|run| !is_number(run) && self.words.contains_key(&run.to_lowercase()))
            };
            let of_place = number
                && word.len() > SHORT
                && (beside(runs(after).next()) || beside(runs(&text[..text.len() - from.len()]).last()));
            match other.filter(|_| word.chars().count() >= least && !(least > 1 && (number && !of_place || joined))) {
                Some(other) => done.push_str(&spelt_like(word, other)),
                None => done.push_str(word),
            }
            rest = after;
        }
        done.push_str(rest);
        done
    }

    /// What is still there of what was to be replaced, but for what is too short to be told from anything else.
    pub fn left(&self, value: &Value) -> Vec<String> {
        let mut found = BTreeSet::new();
        self.left_in("", value, &mut found);
        found.into_iter().collect()
    }

    fn left_in(&self, field: &str, value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if field == STORAGE {
                        self.left_of(name, found);
                    }
                    self.left_in(name, value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.left_in(field, item, found)),
            Value::String(text) if !self.is_nobodys(field, text) => self.left_of(text, found),
            _ => {}
        }
    }

    fn left_of(&self, text: &str, found: &mut BTreeSet<String>) {
        let small = text.to_lowercase();
        let long = |word: &&str| word.chars().count() > SHORT && !is_number(word);
        let words = small.split(|c: char| !c.is_alphanumeric() && c != '_');
        found.extend(words.filter(long).filter(|word| self.words.contains_key(*word)).map(str::to_owned));
        found.extend(self.values.keys().filter(|value| value.len() >= 5 && small.contains(*value)).cloned());
    }
}

/// A row of a table of codes, such as a user table of B1, and a description of a field call what they are of by a name.
fn is_coded(fields: &serde_json::Map<String, Value>, name: &str) -> bool {
    name == "Name" && ["Code", "TableName"].iter().any(|key| fields.contains_key(*key))
}

/// Of a record in Salesforce: it names nobody, and other parts of a scenario go by it. Its last three letters say which of the others are capitals, as tax and
/// citizens' numbers of that length do not.
fn is_id(word: &str) -> bool {
    let own = word.get(..15).filter(|_| word.len() == 18);
    own.is_some_and(|own| is_short_id(own) && full_id(own).as_deref() == Some(word))
}

/// That without those letters.
fn is_short_id(word: &str) -> bool {
    let plain = word.len() == 15 && word.chars().all(|c| c.is_ascii_alphanumeric());
    plain && word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(|c: char| c.is_ascii_alphabetic())
}

fn is_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}

/// Letters and digits in a row.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty())
}

/// What looks like an e-mail address.
fn mails(text: &str) -> impl Iterator<Item = &str> {
    let stops = |c: char| c.is_whitespace() || "<>()[]{}\"',;:".contains(c);
    text.split(stops).filter(|word| {
        word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.trim_end_matches('.').contains('.'))
    })
}

/// Patterns of numbers in texts.
struct Shapes {
    /// Of days and times, which telephone numbers look like.
    moments: Regex,
    /// Of a telephone, a tax payer or a bank account, among other words.
    numbers: Regex,
    /// Those that a text of one word cannot be anything else than.
    alone: Regex,
    /// Those that it may be where it is no code.
    dialled: Regex,
}

impl Shapes {
    fn all() -> Option<&'static Self> {
        static ALL: LazyLock<Option<Shapes>> = LazyLock::new(|| Shapes::new().ok());
        ALL.as_ref()
    }

    fn new() -> Result<Self, regex::Error> {
        // DE89 3704 0044 0532 0130 00
        let account = r"(?i:\b[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?\b)";
        // DE 123 456 789, ATU12345678, NL123456789B01, ESX1234567X, CHE-123.456.789; 12/345/67890; 12-3456789
        let tax = r"\b(?:AT|BE|BG|CH|CHE|CY|CZ|DE|DK|EE|EL|ES|FI|FR|GB|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK|XI)[ -]?[A-Z]?\d(?:[ .]?\d){6,11}(?:B\d{2}|[A-Z])?\b";
        let office = r"\b\d{2,3}/\d{3}/\d{4,5}\b|\b\d{2}-\d{7}\b";
        // +49 30 12345-0, (030) 123456, 030/123456, 01712345678
        let own =
            r"\+\d[\d ()/.-]{5,}\d|\(\+?0\d[\d ()/.-]{4,}\d|\b0\d{1,5}[ /.-][\d /.-]{3,}\d|\b(?:0|00)[1-9]\d{8,12}\b";
        // (555) 123-4567, 555-123-4567
        let telephone = format!(r"{own}|(?:\(\d{{3}}\) ?|\b\d{{3}}[-. ])\d{{3}}[-. ]\d{{4}}\b");
        Ok(Self {
            moments: Regex::new(
                r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?)?|\b\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})\b|\b\d{1,2}:\d{2}(?::\d{2})?",
            )?,
            numbers: Regex::new(&format!("{account}|{tax}|{office}|{telephone}"))?,
            alone: Regex::new(&format!(r"^(?:\p{{L}}{{1,12}}[.:=]+)?({account}|{tax}|\+\d{{7,15}})$"))?,
            dialled: Regex::new(&format!(r"^(?:\p{{L}}{{1,12}}[.:=]+)?({own})$"))?,
        })
    }
}

/// Ends of the names of fields that hold codes and numbers of records, which may look like a telephone's.
const CODED: [&str; 8] = ["code", "num", "number", "key", "entry", "reference", "ref", "no"];

/// What looks like the number of a telephone, a tax payer or a bank account in a text.
fn numbers(field: &str, text: &str) -> Vec<String> {
    let Some(shapes) = Shapes::all() else { return Vec::new() };
    let timeless = without_moments(shapes, text);
    if !text.trim().contains(char::is_whitespace) {
        let coded = CODED.iter().any(|end| plain(field).ends_with(end));
        let found = shapes.alone.captures(timeless.trim());
        let found = found.or_else(|| (!coded).then(|| shapes.dialled.captures(timeless.trim())).flatten());
        return found.and_then(|found| found.get(1)).map(|number| number.as_str().to_owned()).into_iter().collect();
    }
    shapes.numbers.find_iter(&timeless).map(|found| found.as_str().to_owned()).collect()
}

/// With letters of another kind for days and times, so that nothing that stood apart grows together. What looks like a day within a longer number is none.
fn without_moments(shapes: &Shapes, text: &str) -> String {
    let (mut done, mut from) = (String::with_capacity(text.len()), 0);
    for found in shapes.moments.find_iter(text) {
        let (before, after) = (&text[..found.start()], &text[found.end()..]);
        let joins = |c: char| c.is_ascii_digit() || "./-+".contains(c);
        let goes_on = {
            let mut next = after.chars();
            next.next().is_some_and(joins) && next.next().is_some_and(|c| c.is_ascii_digit())
        };
        if before.ends_with(joins) || goes_on {
            continue;
        }
        done.push_str(&text[from..found.start()]);
        done.push('_');
        from = found.end();
    }
    done.push_str(&text[from..]);
    done
}

/// A number of the same shape: its last digits count, those before are 0; letters behind the first two are X.
fn digits(text: &str, number: usize) -> String {
    let count = text.chars().filter(char::is_ascii_digit).count();
    let written = format!("{number:0count$}");
    let mut written = written[written.len() - count.min(written.len())..].chars();
    let letters = |place: usize| place < 2;
    text.chars()
        .enumerate()
        .map(|(place, letter)| match letter {
            letter if letter.is_ascii_digit() => written.next().unwrap_or('0'),
            letter if letter.is_alphabetic() && !letters(place) => 'X',
            letter => letter,
        })
        .collect()
}

/// A word that nobody is called.
fn invented(number: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ka", "lo", "mi", "ru", "te", "no", "sa", "vi", "du", "pe", "ga", "zo", "bi", "fu", "re", "ha"];
    let mut word = String::new();
    let mut rest = number + 16;
    while rest > 0 {
        word.push_str(SYLLABLES[rest % 16]);
        rest /= 16;
    }
    word.push('x');
    word
}

fn spelt_like(word: &str, other: &str) -> String {
    let upper = |c: &char| c.is_uppercase();
    if word.chars().filter(|c| c.is_alphabetic()).count() > 1
        && word.chars().filter(|c| c.is_alphabetic()).all(|c| upper(&c))
    {
        return other.to_uppercase();
    }
    if word.chars().next().is_some_and(|c| upper(&c)) {
        let mut letters = other.chars();
        return letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect());
    }
    other.to_owned()
}

/// In any spelling of its letters.
fn replaced_anywhere(text: &str, value: &str, other: impl Fn(&str) -> String) -> String {
    let small = text.to_lowercase();
    // Of some letters the small one has another length: then only the very spelling is found.
    let within = if small.len() == text.len() { &small } else { text };
    let mut done = String::new();
    let mut from = 0;
    while let Some(found) = within.get(from..).and_then(|rest| rest.find(value)) {
        let (start, end) = (from + found, from + found + value.len());
        done.push_str(text.get(from..start).unwrap_or_default());
        done.push_str(&other(text.get(start..end).unwrap_or_default()));
        from = end;
    }
    done.push_str(text.get(from..).unwrap_or_default());
    done
}

/// Applies `change` to what stands between single quotes; `\'` is no quote.
fn between_quotes(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut done = String::new();
    let (mut part, mut within, mut escaped) = (String::new(), false, false);
    for letter in text.chars() {
        if letter == '\'' && !escaped {
            done.push_str(&if within { change(&part) } else { part.clone() });
            done.push('\'');
            part.clear();
            within = !within;
        } else {
            part.push(letter);
        }
        escaped = letter == '\\' && !escaped;
    }
    done.push_str(&if within { change(&part) } else { part });
    done
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_is_the_same_everywhere_and_nothing_real_is_left() {
        let before = json!({
            "answers": [
                {
                    "call": "GET salesforce /query?q=SELECT Id,Name FROM Account WHERE Name = 'O\\'Brien Bolts GmbH' AND Phone LIKE '%25493012345%25'",
                    "answer": { "records": [{
                        "attributes": { "type": "Account", "url": "/x/Account/001" }, "Id": "001", "Name": "O'Brien Bolts GmbH",
                        "BillingStreet": "Hauptstraße 12", "BillingCity": "Köln", "BillingPostalCode": "50667", "BillingCountry": "Germany",
                        "Phone": "+49 30 12345", "Tandem_Tax_Id__c": "DE123456789", "StageName": "Closed Won"
                    }] }
                },
                { "call": "GET b1 /BusinessPartners('BOLTS')", "answer": {
                    "U_Mobil": "0171-2345678", "U_Haus": "030/777667", "U_Buero": "(0221)998878", "U_Fr": "Tél:06.12.34.56.78", "U_At": "+43-171-2345679",
                    "U_More": "call 01712345670 or 06.12.34.56.79, +33.6.12.34.56.80, +49-30-9876543 on 12.11.2026", "ItemCode": "0100-2233445",
                    "FederalTaxID": "27AAPFU0939F1ZV", "GSTIN": "27AAPFU0939F1ZV", "U_Citizen_Id": "11010519491231002X is IBAN CN11 0105 1949 1231 002X",
                    "U_Link_Url": "https://bolts.example", "U_Kunden_Id": "BOLTS",
                    "CardCode": "BOLTS", "CardName": "O'BRIEN BOLTS GMBH", "EmailAddress": "Mary@Bolts.example",
                    "FreeText": "ask mary@bolts.example, or call Bolts in 50667 Köln", "Comments": "Call +49 (221) 998877-0 or 555-123-4567; VAT DE 811 907 980, IBAN DE89 3704 0044 0532 0130 00",
                    "Reference": "PO 2026-000123 of 2026-01-31 08:15:00, PO 20260001 of 01.02.2026, DIN 7984 3334567",
                    "U_Hotline": "+493098765432", "U_Reg": "DE811907981",
                    "Notes": "(555) 987-6543 or 030/777666; EIN 98-7651239, St.-Nr. 21/354/67891, NL765456780B01, ESX7654321X, CHE-323.456.788, de12 3704 0044 0532 0130 01", "DocumentStatus": "bost_Bolts"
                } }
            ],
            "more": [{ "call": "PATCH salesforce /sobjects/Account/Tandem_Card_Code__c/BOLTS?x=1" }, { "call": "PATCH salesforce /sobjects/Account/0015g0000000001AAA" }],
            "storage": { "name:bolts": "bolts" },
            "expect": { "outcomes": ["done: O'Brien Bolts GmbH is in step"] }
        });
        let mut disguise = Disguise::default();
        disguise.learn(&before);
        let after = disguise.apply("", &before);
        let text = after.to_string().to_lowercase();
        for real in [
            "brien",
            "mary",
            "hauptstra",
            "köln",
            "123456789",
            "12345",
            "o'br",
            "998877",
            "555-123",
            "811 907",
            "3704 0044",
            "50667",
            "98765432",
            "811907981",
            "987-6543",
            "777666",
            "7651239",
            "67891",
            "765456780",
            "7654321",
            "323.456.788",
            "2345678",
            "777667",
            "998878",
            "12.34.56",
            "2345679",
            "01712345670",
            "27aapfu0939f1zv",
            "9876543",
            "bolts.example",
        ] {
            assert!(!text.contains(real), "{real}: {after:#}");
        }
        assert_eq!(disguise.left(&after), Vec::<String>::new());
        let account = &after["answers"][0]["answer"]["records"][0];
        let name = account["Name"].as_str().unwrap();
        assert!(name.ends_with(" GmbH"), "{name}");
        let partner = &after["answers"][1]["answer"];
        assert_eq!(partner["CardName"].as_str().map(str::to_lowercase), Some(name.to_lowercase()));
        assert_eq!(after["expect"]["outcomes"][0], format!("done: {name} is in step"));
        let code = partner["CardCode"].as_str().unwrap();
        assert_eq!(after["answers"][1]["call"], format!("GET b1 /BusinessPartners('{code}')"));
        assert_eq!(
            after["more"][0]["call"],
            format!("PATCH salesforce /sobjects/Account/Tandem_Card_Code__c/{code}?x=1")
        );
        assert_eq!(after["more"][1], before["more"][1]);
        assert_eq!(partner["U_Kunden_Id"], code);
        assert_eq!(partner["ItemCode"], "0100-2233445", "a code is a code");
        assert!(partner["U_More"].as_str().unwrap().ends_with("on 12.11.2026"), "{partner}");
        assert!(after["storage"].get(format!("name:{}", code.to_lowercase())).is_some(), "{after:#}");
        assert_eq!(account["StageName"], "Closed Won");
        let postal_code = account["BillingPostalCode"].as_str().unwrap();
        assert!(postal_code.starts_with("50") && postal_code != "50667" && postal_code.len() == 5, "{postal_code}");
        assert_eq!(account["BillingCountry"], "Germany");
        assert_eq!(partner["DocumentStatus"], "bost_Bolts");
        let reference = &before["answers"][1]["answer"]["Reference"];
        assert_eq!(partner["Reference"], *reference, "numbers of documents and days are nobody's");
        assert!(account["Tandem_Tax_Id__c"].as_str().unwrap().starts_with("DE0"), "{account}");
        assert!(partner["FreeText"].as_str().unwrap().contains("@example.com"), "{partner}");
    }
}
