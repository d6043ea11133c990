//! What the org has that others lack: state and country picklists, person accounts. Asked by a query, whose refusal says no, and
//! remembered for a day.

use tandem_sdk::{Error, Outcomes, Said, json, kept, mapping, salesforce, storage};

use crate::person;

/// See the module's words.
#[derive(Clone, Copy, Debug, Default)]
pub struct Org {
    /// `BillingCountryCode`, and what else the mapping's `[address_codes]` sets.
    pub address_codes: bool,
    /// `IsPersonAccount`.
    pub persons: bool,
}

/// Where the answer is kept.
const KEY: &str = "org";
const DAY_MS: u64 = 86_400_000;

impl Org {
    /// As it was within a day, or as it is.
    pub fn look() -> Result<Self, Error> {
        let known = kept::within(KEY, DAY_MS);
        if known.is_object() {
            return Ok(Self { address_codes: known["address_codes"] == true, persons: known["persons"] == true });
        }
        let codes = codes();
        let address_codes = !codes.is_empty() && has(&codes.join(","))?;
        let org = Self { address_codes, persons: has(&person::FIELDS.join(","))? };
        kept::keep(KEY, &json!({ "address_codes": address_codes, "persons": org.persons }));
        Ok(org)
    }

    /// Decides by a failed read. Where the org has lost what it had, it is asked anew and the events come again.
    pub fn failed(self, error: &Error, places: &[usize], what: Said, outcomes: &mut Outcomes) {
        let lost = |fields: Vec<String>| {
            let named =
                |field: &String| matches!(error, Error::Remote(remote) if remote.message.contains(field.as_str()));
            is_unknown_field(error) && fields.iter().any(named)
        };
        let persons = self.persons && lost(person::FIELDS.map(str::to_owned).to_vec());
        if persons || (self.address_codes && lost(codes())) {
            storage::delete(KEY);
            for place in places {
                outcomes
                    .decide(*place, tandem_sdk::retry(1_000, format!("{what}: the org has other fields than it had")));
            }
            return;
        }
        outcomes.fail(places, error, what);
    }

    /// The mapping's sections of an account.
    pub fn sections(self) -> [&'static str; 2] {
        ["account", if self.address_codes { "address_codes" } else { "address_words" }]
    }
}

fn has(fields: &str) -> Result<bool, Error> {
    match salesforce::query("salesforce", &format!("SELECT {fields} FROM Account LIMIT 1")) {
        Ok(_) => Ok(true),
        Err(error) if is_unknown_field(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fields that only an org with picklists has.
fn codes() -> Vec<String> {
    mapping::pairs("address_codes").into_iter().map(|pair| pair.salesforce).collect()
}

/// The org has no such field, or does not show it.
fn is_unknown_field(error: &Error) -> bool {
    matches!(error, Error::Remote(remote) if remote.code == "INVALID_FIELD")
}
