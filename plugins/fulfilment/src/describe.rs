//! What the plugin asks for and its settings.

use std::collections::BTreeMap;

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::{Description, Keys, Method, Value, again, described, json, may_link, may_see_links, permission};

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// Names of carriers by `TransportationCode`.
    pub carriers: BTreeMap<String, String>,
    /// A user field of the delivery that says it arrived, and its value.
    pub delivered: Option<(String, String)>,
    /// Cases that are linked with the opportunity are told, too.
    pub cases: bool,
    /// Orders that are looked at again in a day.
    pub look_again: usize,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        let names = value["carriers"].as_object().into_iter().flatten();
        let field = value["delivered_field"].as_str().map(str::to_owned);
        let equals = value["delivered_value"].as_str().unwrap_or("Y").to_owned();
        Self {
            keys: Keys::of(&value),
            carriers: names.filter_map(|(code, name)| Some((code.clone(), name.as_str()?.to_owned()))).collect(),
            delivered: field.map(|field| (field, equals)),
            cases: value["cases"].as_bool().unwrap_or(true),
            look_again: again::most(&value),
        }
    }
}

pub fn description() -> Description {
    let ask = permission;
    Description {
        permissions: [Chain::permissions(), vec![
            ask("b1", Method::Get, "/Orders", "reads what is still open of an order"),
            ask("salesforce", Method::Get, "/query?FROM=Account,Case,Opportunity,OpportunityLineItem,Tandem_Delivery__c", "finds accounts and cases, and compares what was written"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Delivery__c/*", "changes delivery records"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Delivery__c/Tandem_Key__c/*", "makes delivery records"),
            ask("salesforce", Method::Patch, "/sobjects/Opportunity/*", "writes delivery state, tracking number and carrier"),
            ask("salesforce", Method::Patch, "/sobjects/OpportunityLineItem/*", "writes the state of a line"),
            ask("salesforce", Method::Patch, "/sobjects/Case/*", "writes the delivery state on linked cases"),
            may_link("shipment", "remembers what it wrote of a delivery"),
            may_link("delivery-state", "remembers what it wrote on an opportunity"),
            may_link("line-state", "remembers what it wrote on a line"),
            may_link("case-state", "remembers what it wrote on a case"),
            may_see_links("order", "finds the opportunity of a delivery"),
            may_see_links("account", "finds the account of a delivery"),
        ]].concat(),
        topics: ["b1.DeliveryNotes", "b1.Returns", "b1.Invoices", "b1.CreditNotes", "b1.Orders", ORDER_LINKED, "salesforce.Case"].map(str::to_owned).to_vec(),
        backfill: ["b1.DeliveryNotes", "b1.Returns"].map(str::to_owned).to_vec(),
        timers: vec![again::timer()],
        batch: 100,
        concurrency: 1,
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "carriers": { "type": "object", "description": "Names of carriers by TransportationCode, such as { \"1\" = \"DHL\" }" },
                "delivered_field": { "type": "string", "description": "A user field of the delivery that says it arrived, such as U_Arrived; without it a shipped order never turns to Delivered" },
                "delivered_value": { "type": "string", "default": "Y", "description": "Its value then" },
                "cases": { "type": "boolean", "default": true, "description": "Write the state on cases whose B1 Order Opportunity is this one" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        ..described("fulfilment", env!("CARGO_PKG_VERSION"), "Deliveries and returns on opportunity, lines and case")
    }
}
