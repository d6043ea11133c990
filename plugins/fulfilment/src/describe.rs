//! What the plugin asks for and its settings.

use std::collections::BTreeMap;

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Description, Deserialize, JsonSchema, Keys, Method, Serialize, again, described, may_link, may_see_links,
    permission,
};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    /// Names of carriers by TransportationCode, such as `{ "1" = "DHL" }`; without one its code
    pub carriers: BTreeMap<String, String>,
    /// A user field of the delivery that says it arrived, such as U_Arrived; without it a shipped order never turns to Delivered
    pub delivered_field: Option<String>,
    /// Its value then
    pub delivered_value: String,
    /// Write the state on cases whose B1 Order Opportunity is this one
    pub cases: bool,
    pub look_again: again::Most,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            carriers: BTreeMap::new(),
            delivered_field: None,
            delivered_value: "Y".into(),
            cases: true,
            look_again: again::Most::default(),
        }
    }
}

impl Settings {
    /// The field of a delivery that says it arrived, and its value then.
    pub fn delivered(&self) -> Option<(&str, &str)> {
        Some((self.delivered_field.as_deref()?, self.delivered_value.as_str()))
    }
}

pub fn description() -> Description {
    let ask = permission;
    Description {
        permissions: [
            Chain::permissions(),
            vec![
                ask("b1", Method::Get, "/Orders", "reads what is still open of an order"),
                ask(
                    "salesforce",
                    Method::Get,
                    "/query?FROM=Account,Case,Opportunity,OpportunityLineItem,Tandem_Delivery__c",
                    "finds accounts and cases, and compares what was written",
                ),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Delivery__c/*", "changes delivery records"),
                ask(
                    "salesforce",
                    Method::Patch,
                    "/sobjects/Tandem_Delivery__c/Tandem_Key__c/*",
                    "makes delivery records",
                ),
                ask(
                    "salesforce",
                    Method::Patch,
                    "/sobjects/Opportunity/*",
                    "writes delivery state, tracking number and carrier",
                ),
                ask("salesforce", Method::Patch, "/sobjects/OpportunityLineItem/*", "writes the state of a line"),
                ask("salesforce", Method::Patch, "/sobjects/Case/*", "writes the delivery state on linked cases"),
                may_link("shipment", "remembers what it wrote of a delivery"),
                may_link("delivery-state", "remembers what it wrote on an opportunity"),
                may_link("line-state", "remembers what it wrote on a line"),
                may_link("case-state", "remembers what it wrote on a case"),
                may_see_links("order", "finds the opportunity of a delivery"),
                may_see_links("account", "finds the account of a delivery"),
            ],
        ]
        .concat(),
        topics: [
            "b1.DeliveryNotes",
            "b1.Returns",
            "b1.Invoices",
            "b1.CreditNotes",
            "b1.Orders",
            ORDER_LINKED,
            "salesforce.Case",
        ]
        .map(str::to_owned)
        .to_vec(),
        backfill: ["b1.DeliveryNotes", "b1.Returns"].map(str::to_owned).to_vec(),
        timers: vec![again::timer()],
        batch: 100,
        concurrency: 1,
        settings_schema: Settings::schema(),
        ..described("fulfilment", env!("CARGO_PKG_VERSION"), "Deliveries and returns on opportunity, lines and case")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/fulfilment.md")).unwrap();
    }
}
