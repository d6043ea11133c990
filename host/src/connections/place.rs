//! Which record a call is about, as its path and its answer tell, and where that record is read.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::Answer;
use super::salesforce::{full_id, percent};

/// A record of one of the systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Entity set or sObject type.
    pub object: String,
    /// Its key, or its 18-letter id.
    pub id: String,
    /// Where it is read.
    pub path: String,
}

/// The property that is the key of an entity set.
pub fn key_of(set: &str) -> &'static str {
    match set {
        "BusinessPartners" => "CardCode",
        "Items" => "ItemCode",
        "Warehouses" => "WarehouseCode",
        _ if set.starts_with("U_") => "Code",
        _ => "DocEntry",
    }
}

impl Place {
    /// That of a call to a system of a kind, `b1` or `salesforce`; what a call makes is named by its answer.
    pub fn of_call(kind: &str, method: &str, path: &str, answer: Option<&Answer>) -> Option<Self> {
        let made = || answer.filter(|_| method != "GET");
        match kind {
            "b1" => Self::in_b1(path).or_else(|| made_in_b1(path, made()?)),
            "salesforce" => Self::in_salesforce(path).or_else(|| made_in_salesforce(path, made()?)),
            _ => None,
        }
    }

    /// A record by its key, whose form the entity set tells.
    pub fn b1(set: &str, key: &str) -> Self {
        let is_number = key_of(set) == "DocEntry" && !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
        Self::keyed(set, key, !is_number)
    }

    fn keyed(set: &str, key: &str, quoted: bool) -> Self {
        let literal = if quoted { format!("'{}'", percent(&key.replace('\'', "''"))) } else { key.to_owned() };
        Self { object: set.to_owned(), id: key.to_owned(), path: format!("/{set}({literal})") }
    }

    /// A record by its id; none for what is no id.
    pub fn salesforce(object: &str, id: &str) -> Option<Self> {
        let id = full_id(id).filter(|_| is_name(object))?;
        Some(Self { path: format!("/sobjects/{object}/{id}"), object: object.to_owned(), id })
    }

    /// `/Orders(7)`, `/BusinessPartners('C1')`, also with what is done to it behind; none where it has several keys.
    pub fn in_b1(path: &str) -> Option<Self> {
        let path = percent_decode_str(path.split('?').next()?).decode_utf8().ok()?;
        let (set, rest) = path.split_once('(')?;
        // An address has the way to the service before it.
        let set = set.rsplit('/').next().filter(|set| is_name(set))?;
        // `CardCode='C1'` is `'C1'`.
        let rest = match rest.split_once('=') {
            Some((name, value)) if is_name(name) => value,
            _ => rest,
        };
        let (key, quoted, behind) = match rest.strip_prefix('\'') {
            Some(text) => {
                let (key, behind) = until_quote(text)?;
                (key, true, behind)
            }
            None => {
                let end = rest.find(')').filter(|end| rest[..*end].bytes().all(|b| b.is_ascii_digit()))?;
                (rest[..end].to_owned(), false, &rest[end..])
            }
        };
        let behind = behind.strip_prefix(')').filter(|rest| rest.is_empty() || rest.starts_with('/'));
        (behind.is_some() && !key.is_empty()).then(|| Self::keyed(set, &key, quoted))
    }

    /// `/sobjects/Opportunity/006…`.
    fn in_salesforce(path: &str) -> Option<Self> {
        let path = percent_decode_str(path.split('?').next()?).decode_utf8().ok()?;
        let mut steps = path.split('/').skip_while(|step| *step != "sobjects").skip(1);
        Self::salesforce(steps.next()?, steps.next()?)
    }

    /// The same record, however its path is written.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.object, &self.id) == (&other.object, &other.id)
    }
}

/// A name of OData, or an sObject type.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The text before a closing quote, of which two are one, and what is behind it.
fn until_quote(text: &str) -> Option<(String, &str)> {
    let mut key = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('\'')?;
        key.push_str(part);
        match behind.strip_prefix('\'') {
            Some(more) => {
                key.push('\'');
                rest = more;
            }
            None => return Some((key, behind)),
        }
    }
}

/// `POST /Orders` and what came of it.
fn made_in_b1(path: &str, answer: &Answer) -> Option<Place> {
    let set = path.split('?').next()?.trim_matches('/');
    if !is_name(set) {
        return None;
    }
    let at = answer.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location"));
    if let Some(place) = at.and_then(|(_, at)| Place::in_b1(at)).filter(|place| place.object == set) {
        return Some(place);
    }
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    match &body[key_of(set)] {
        Value::Number(key) => Some(Place::keyed(set, &key.to_string(), false)),
        Value::String(key) => Some(Place::keyed(set, key, true)),
        _ => None,
    }
}

/// `POST /sobjects/Account`, `PATCH /sobjects/Account/Key__c/C1` and what came of it.
fn made_in_salesforce(path: &str, answer: &Answer) -> Option<Place> {
    let object = path.split('?').next()?.strip_prefix("/sobjects/")?.split('/').next()?;
    let body: Value = serde_json::from_str(&answer.body).ok()?;
    Place::salesforce(object, body["id"].as_str().or_else(|| body["Id"].as_str())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: Option<Place>) -> Option<(String, String, String)> {
        place.map(|place| (place.object, place.id, place.path))
    }

    fn is(object: &str, id: &str, path: &str) -> Option<(String, String, String)> {
        Some((object.into(), id.into(), path.into()))
    }

    fn answer(body: &str, location: Option<&str>) -> Answer {
        let headers = location.map(|at| ("Location".to_owned(), at.to_owned())).into_iter().collect();
        Answer { status: 201, headers, body: body.into() }
    }

    #[test]
    fn a_record_of_b1_is_told_by_its_path() {
        let of = |path: &str| told(Place::of_call("b1", "GET", path, None));
        assert_eq!(of("/Orders(7)"), is("Orders", "7", "/Orders(7)"));
        assert_eq!(of("/Orders(7)/Cancel"), is("Orders", "7", "/Orders(7)"));
        assert_eq!(of("/Orders(DocEntry=7)?$select=DocNum"), is("Orders", "7", "/Orders(7)"));
        assert_eq!(of("/BusinessPartners('C1')"), is("BusinessPartners", "C1", "/BusinessPartners('C1')"));
        assert_eq!(
            of("/Items('A%2F(1)''s')"),
            is("Items", "A/(1)'s", &format!("/Items('{}')", percent("A/(1)''s"))),
            "a key may have letters that a path has"
        );
        assert_eq!(of("/U_TANDEM('1')"), is("U_TANDEM", "1", "/U_TANDEM('1')"), "a text stays one, whatever it says");
        for none in [
            "/Orders",
            "/Orders?$filter=U_SF_Id eq '006(7)'",
            "/SpecialPrices(CardCode='C1',ItemCode='A1')",
            "/Orders(7",
            "/Orders()",
            "/Items('A",
            "/Orders(7)x",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_record_of_salesforce_is_told_by_its_path() {
        let id = "0065g00000ABCdeAAG";
        let of = |path: &str| told(Place::of_call("salesforce", "GET", path, None));
        let path = format!("/sobjects/Opportunity/{id}");
        assert_eq!(of(&path), is("Opportunity", id, &path));
        assert_eq!(of(&format!("{path}?fields=Name")), is("Opportunity", id, &path));
        let full = full_id("0065g00000ABCde").unwrap();
        assert_eq!(of("/sobjects/Opportunity/0065g00000ABCde").map(|(_, id, _)| id), Some(full));
        for none in ["/sobjects/Account/Key__c/C1", "/sobjects/Account/describe", "/query?q=SELECT Id FROM Account"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_was_made_is_told_by_the_answer() {
        let b1 = |path: &str, answer: &Answer| told(Place::of_call("b1", "POST", path, Some(answer)));
        let seven = is("Orders", "7", "/Orders(7)");
        assert_eq!(b1("/Orders", &answer(r#"{"DocEntry":7,"CardCode":"C1"}"#, None)), seven);
        assert_eq!(b1("/Orders", &answer("", Some("https://erp:50000/b1s/v2/Orders(7)"))), seven);
        let partner = answer(r#"{"CardCode":"C1"}"#, None);
        assert_eq!(b1("/BusinessPartners", &partner), is("BusinessPartners", "C1", "/BusinessPartners('C1')"));
        assert_eq!(b1("/Orders", &answer("", None)), None);
        assert_eq!(told(Place::of_call("b1", "GET", "/Orders", Some(&answer(r#"{"DocEntry":7}"#, None)))), None);
        let id = "0015g00000ABCdeAAG";
        let made = answer(&format!(r#"{{"id":"{id}","success":true}}"#), None);
        let account = is("Account", id, &format!("/sobjects/Account/{id}"));
        for (method, path) in [("POST", "/sobjects/Account"), ("PATCH", "/sobjects/Account/Key__c/C1")] {
            assert_eq!(told(Place::of_call("salesforce", method, path, Some(&made))), account, "{path}");
        }
    }

    #[test]
    fn the_form_of_a_key_follows_its_entity_set() {
        assert_eq!(Place::b1("Orders", "7").path, "/Orders(7)");
        assert_eq!(Place::b1("Items", "7").path, "/Items('7')");
        assert_eq!(Place::salesforce("Account", "C1"), None);
    }
}
