//! What an org has or lacks by its administrator's switches: state and country picklists, person accounts.
//! Source: Salesforce Help, *State and Country/Territory Picklists*, *Person Accounts*.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::org::{Org, Record, RowError};
use super::schema::standard_field;

/// The switches; all are off at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    /// `BillingCountryCode`, `BillingStateCode` … are there, and countries and states are those of a list.
    pub country_picklists: bool,
    /// `IsPersonAccount`, `FirstName`, `LastName` … of accounts.
    pub person_accounts: bool,
}

/// Fields of an address's object, and the words before them.
const ADDRESSES: [(&str, &str); 3] = [("Account", "Billing"), ("Account", "Shipping"), ("Contact", "Mailing")];
/// Countries whose states an org has at the start.
const WITH_STATES: [&str; 9] = ["AU", "BR", "CA", "CN", "IN", "IE", "IT", "MX", "US"];
const PERSON: [&str; 6] = [
    "IsPersonAccount:boolean=",
    "FirstName:string:40",
    "LastName:string:80",
    "PersonContactId:reference:18>Contact=",
    "PersonEmail:email:80",
    "PersonMobilePhone:phone:40",
];
/// Field of a person account, and of the contact behind it.
const BEHIND: [(&str, &str); 5] = [
    ("FirstName", "FirstName"),
    ("LastName", "LastName"),
    ("PersonEmail", "Email"),
    ("PersonMobilePhone", "MobilePhone"),
    ("Phone", "Phone"),
];

fn refused(what: &str, field: &str) -> RowError {
    let message = format!(
        "There's a problem with this {what}, even though it may appear correct. Please select a {what} from the list of valid {}.",
        if what == "state" { "states" } else { "countries" }
    );
    RowError::new("FIELD_INTEGRITY_EXCEPTION", message, &[field])
}

/// The label of a country in an org's list.
fn label(code: &str) -> Option<&'static str> {
    match code {
        "US" => Some("United States"),
        "GB" => Some("United Kingdom"),
        code => rust_iso3166::from_alpha2(code).map(|country| country.name),
    }
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str)
}

impl Org {
    /// Sets the switches.
    pub fn set_options(&mut self, options: Options) {
        if options == self.options {
            return;
        }
        self.options = options;
        let mut fields: Vec<(&str, String, bool)> = Vec::new();
        for (object, kind) in ADDRESSES {
            for part in ["StateCode:picklist:10", "CountryCode:picklist:10"] {
                fields.push((object, format!("{kind}{part}"), options.country_picklists));
            }
        }
        fields.extend(PERSON.map(|field| ("Account", field.to_owned(), options.person_accounts)));
        fields.push(("Contact", "IsPersonAccount:boolean=".into(), options.person_accounts));
        for (object, text, there) in fields {
            let (name, mut field) = standard_field(&text);
            if name.ends_with("CountryCode") {
                field.picklist = rust_iso3166::ALL_ALPHA2.iter().map(|code| (*code).to_owned()).collect();
            }
            let Some(own) = self.schema.objects.get_mut(object) else { continue };
            if there {
                own.fields.insert(name, field);
            } else {
                own.fields.remove(&name);
            }
        }
        if options.country_picklists {
            ADDRESSES.into_iter().for_each(|(object, kind)| self.convert(object, kind));
        }
        if options.person_accounts {
            ["Account", "Contact"].into_iter().for_each(|object| self.no_persons(object));
        }
        self.restrict();
    }

    /// Who is there already is no person: a checkbox is never without a value.
    fn no_persons(&mut self, object: &str) {
        let records: Vec<Record> =
            self.tables.get(object).into_iter().flat_map(|table| table.records.values().map(Cow::into_owned)).collect();
        for mut record in records {
            if !record.contains_key("IsPersonAccount") {
                record.insert("IsPersonAccount".into(), false.into());
                self.keep(object, record);
            }
        }
    }

    /// What an administrator does before the switch: codes and labels that are there become countries of the list.
    fn convert(&mut self, object: &str, kind: &str) {
        let records: Vec<Record> =
            self.tables.get(object).into_iter().flat_map(|table| table.records.values().map(Cow::into_owned)).collect();
        for mut record in records {
            let word = text(&record, &format!("{kind}Country")).unwrap_or_default().to_owned();
            let part = if label(&word).is_some() { "CountryCode" } else { "Country" };
            let mut place_of = Record::from_iter([(format!("{kind}{part}"), json!(word))]);
            if place(&mut place_of, None, kind).is_ok() {
                record.extend(place_of);
                self.keep(object, record);
            }
        }
    }

    /// What the switches make of fields that are written. `before` is the record as it was.
    pub fn by_options(&self, name: &str, body: &mut Record, before: Option<&Record>) -> Result<(), RowError> {
        if self.options.country_picklists {
            for (_, kind) in ADDRESSES.into_iter().filter(|(object, _)| *object == name) {
                place(body, before, kind)?;
            }
        }
        if self.options.person_accounts && name == "Account" {
            person(body, before)?;
        }
        let of_person = |body: &Record| {
            let account = self.get("Account", text(body, "AccountId")?)?;
            Some(account.get("IsPersonAccount") == Some(&Value::Bool(true)))
        };
        if self.options.person_accounts && name == "Contact" && before.is_none() {
            body.entry("IsPersonAccount").or_insert(false.into());
        }
        if name == "Contact" && of_person(body) == Some(true) {
            let message = "A contact cannot be associated with a person account.";
            return Err(RowError::new("FIELD_INTEGRITY_EXCEPTION", message, &["AccountId"]));
        }
        if let Some(id) = text(body, "RecordTypeId")
            && self.get("RecordType", id).is_none_or(|own| own["SobjectType"] != name)
        {
            let message = "Record Type ID: this ID value isn't valid for the user";
            return Err(RowError::new("INVALID_CROSS_REFERENCE_KEY", message, &["RecordTypeId"]));
        }
        Ok(())
    }

    /// Keeps the contact that stands behind a person account.
    pub fn keep_person(&mut self, name: &str, id: &str) {
        let Some(account) = self.get(name, id).filter(|own| own.get("IsPersonAccount") == Some(&Value::Bool(true)))
        else {
            return;
        };
        let mut account = account.clone();
        let known = text(&account, "PersonContactId").and_then(|contact| self.get("Contact", contact)).cloned();
        let is_new = known.is_none();
        let mut contact = known.unwrap_or_default();
        for (own, behind) in BEHIND {
            contact.insert(behind.into(), account.get(own).cloned().unwrap_or_default());
        }
        contact.insert("Name".into(), account["Name"].clone());
        contact.insert("AccountId".into(), id.into());
        contact.insert("IsPersonAccount".into(), true.into());
        if is_new {
            let contact = self.store("Contact", contact);
            account.insert("PersonContactId".into(), contact.into());
            self.keep(name, account);
        } else {
            self.keep("Contact", contact);
        }
    }
}

/// Code and label of country and state go together, and are of the list.
fn place(body: &mut Record, before: Option<&Record>, kind: &str) -> Result<(), RowError> {
    let field = |part: &str| format!("{kind}{part}");
    let (country, country_code) = (field("Country"), field("CountryCode"));
    let (state, state_code) = (field("State"), field("StateCode"));
    if body.contains_key(&country_code) || body.contains_key(&country) {
        let code = match (text(body, &country_code), text(body, &country)) {
            (Some(code), _) => Some(code.to_owned()),
            (None, Some(word)) => {
                let named = |own: &&&str| label(own).is_some_and(|label| label.eq_ignore_ascii_case(word));
                let code = rust_iso3166::ALL_ALPHA2.iter().find(named);
                Some((*code.ok_or_else(|| refused("country", &country))?).to_owned())
            }
            (None, None) => None,
        };
        let name =
            code.as_deref().map(|code| label(code).ok_or_else(|| refused("country", &country_code))).transpose()?;
        body.insert(country_code.clone(), json!(code));
        body.insert(country, json!(name));
    }
    if body.contains_key(&state_code) || body.contains_key(&state) {
        let own = text(body, &country_code).or_else(|| text(before?, &country_code)).unwrap_or_default().to_owned();
        let with_states = rust_iso3166::from_alpha2(&own).filter(|country| WITH_STATES.contains(&country.alpha2));
        let all = with_states.as_ref().and_then(|country| country.subdivisions()).unwrap_or_default();
        let found = match (text(body, &state_code), text(body, &state)) {
            (None, None) => None,
            (Some(code), _) => {
                Some(all.iter().find(|own| own.region_code == code).ok_or_else(|| refused("state", &state_code))?)
            }
            (None, Some(word)) => {
                let named = all.iter().find(|own| own.name.eq_ignore_ascii_case(word));
                Some(named.ok_or_else(|| refused("state", &state))?)
            }
        };
        body.insert(state_code, json!(found.map(|own| own.region_code)));
        body.insert(state, json!(found.map(|own| own.name)));
    }
    Ok(())
}

/// An account is a person's from its beginning, and its name is made of the person's.
fn person(body: &mut Record, before: Option<&Record>) -> Result<(), RowError> {
    let is_person = match before {
        Some(before) => before.get("IsPersonAccount") == Some(&Value::Bool(true)),
        None => text(body, "Name").is_none() && text(body, "LastName").is_some(),
    };
    let own: &[&str] =
        if is_person { &["Name"] } else { &["FirstName", "LastName", "PersonEmail", "PersonMobilePhone"] };
    if let Some(field) = own.iter().find(|field| body.get(**field).is_some_and(|value| !value.is_null())) {
        let message = format!(
            "Unable to create/update fields: {field}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
        );
        return Err(RowError::new("INVALID_FIELD_FOR_INSERT_UPDATE", message, &[field]));
    }
    if !is_person {
        body.entry("IsPersonAccount").or_insert(false.into());
        return Ok(());
    }
    let part = |field: &str| match body.get(field) {
        Some(value) => value.as_str(),
        None => before.and_then(|before| text(before, field)),
    };
    let Some(last) = part("LastName") else {
        return Err(RowError::new("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", &["LastName"]));
    };
    let name = format!("{} {last}", part("FirstName").unwrap_or_default()).trim().to_owned();
    body.insert("Name".into(), name.into());
    body.insert("IsPersonAccount".into(), true.into());
    Ok(())
}

/// A number in a record as the real service writes it: as Java does a double, from ten million on as `1.0E7`.
pub fn number_as_written(number: &serde_json::Number) -> Option<Value> {
    const FROM: f64 = 1e7;
    let double = number.as_f64().filter(|double| double.abs() >= FROM)?;
    let text = format!("{double:E}");
    let (digits, power) = text.split_once('E')?;
    let point = if digits.contains('.') { "" } else { ".0" };
    // Read anew it would be written in another way.
    Some(Value::Number(serde_json::Number::from_string_unchecked(format!("{digits}{point}E{power}"))))
}

/// The records of an answer, with their numbers as they are written.
pub fn as_written(value: &mut Value) {
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(as_written),
        Value::Object(fields) => {
            let is_record = fields.contains_key("attributes");
            for (_, field) in fields.iter_mut() {
                match field {
                    Value::Number(number) if is_record => {
                        if let Some(written) = number_as_written(number) {
                            *field = written;
                        }
                    }
                    other => as_written(other),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_is_written_with_a_power() {
        let mut rows = json!([{ "attributes": {}, "A": 10_000_000, "B": 9_999_999.5, "C": 1441209288.55 }, { "totalSize": 20_000_000 }]);
        as_written(&mut rows);
        assert_eq!(rows[0]["A"].to_string(), "1.0E7");
        assert_eq!(rows[0]["B"].to_string(), "9999999.5");
        assert_eq!(rows[0]["C"].to_string(), "1.44120928855E9");
        assert_eq!(rows[1]["totalSize"], 20_000_000);
    }
}
