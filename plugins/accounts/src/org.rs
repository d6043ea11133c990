//! What the org has that others lack: state and country picklists, person accounts. Asked by a query, whose refusal says no, and
//! remembered for a day.

use tandem_sdk::{Error, json, kept, mapping, salesforce, storage};

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
        let codes: Vec<String> = mapping::pairs("address_codes").into_iter().map(|pair| pair.salesforce).collect();
        let address_codes = !codes.is_empty() && has(&codes.join(","))?;
        let org = Self { address_codes, persons: has(&person::FIELDS.join(","))? };
        kept::keep(KEY, &json!({ "address_codes": address_codes, "persons": org.persons }));
        Ok(org)
    }

    /// For an org that says now that a field is not there.
    pub fn forget() {
        storage::delete(KEY);
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

/// The org has no such field, or does not show it.
pub fn is_unknown_field(error: &Error) -> bool {
    matches!(error, Error::Remote(remote) if remote.code == "INVALID_FIELD")
}
