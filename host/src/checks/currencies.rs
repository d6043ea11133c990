//! What `tandem check` finds of an org's currencies: whether it has one or several is a switch of the org (*Manage Currencies*), and a setting of the
//! flows. An org with one has no field `CurrencyIsoCode`; one with several has records in each, whatever a flow takes them for.

use serde_json::Value;

use crate::connections::CallError;
use crate::connections::salesforce::Salesforce;
use crate::engine::Flow;

const LIMIT: u64 = 1 << 20;
const SETTING: &str = "multi_currency";

/// Whether the org has several currencies.
pub async fn are_several(org: &Salesforce) -> Result<bool, CallError> {
    match org.query("SELECT CurrencyIsoCode FROM Opportunity LIMIT 1", LIMIT).await {
        Ok(_) => Ok(true),
        Err(CallError::Remote { code, .. }) if code == "INVALID_FIELD" => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a flow takes the org to have; none for a flow to which it is all the same.
pub fn taken_for(flow: &Flow) -> Option<bool> {
    let schema: Value = serde_json::from_str(&flow.release.plugin.description.settings_schema).ok()?;
    let default = schema["properties"][SETTING]["default"].as_bool()?;
    Some(flow.release.manifest.settings[SETTING].as_bool().unwrap_or(default))
}

/// What is wrong and its mend, where the two differ.
pub fn difference(several: bool, taken_for: bool) -> Option<(&'static str, &'static str)> {
    match (several, taken_for) {
        (false, true) => Some((
            "the org has one currency, and the settings speak of several: records without CurrencyIsoCode cannot be read",
            "set multi_currency = false, and say which currency it is (docs/flows/README.md)",
        )),
        (true, false) => Some((
            "the org has several currencies, and the settings speak of one: amounts in others would be taken for that one",
            "leave multi_currency = false out of the settings",
        )),
        _ => None,
    }
}
