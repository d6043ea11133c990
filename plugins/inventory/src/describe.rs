//! What the plugin asks for and its settings.

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Description, Deserialize, JsonSchema, Keys, Method, Serialize, Units, again, described, may_link, may_see_links,
    permission,
};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    /// WarehouseCode of the warehouses that count, such as `["01", "02"]`; without it all
    pub warehouses: Option<Vec<String>>,
    /// Available = in stock - committed + ordered from vendors; without it the last is left out
    pub count_ordered: bool,
    /// Keep a B1 Stock record per item and warehouse
    pub per_warehouse: bool,
    /// Write availability on the lines of open opportunities
    pub opportunity_lines: bool,
    pub look_again: again::Most,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            warehouses: None,
            count_ordered: false,
            per_warehouse: true,
            opportunity_lines: true,
            look_again: again::Most::default(),
        }
    }
}

impl Settings {
    /// True for a warehouse that counts.
    pub fn counts(&self, warehouse: &str) -> bool {
        self.warehouses.as_ref().is_none_or(|counted| counted.iter().any(|own| own == warehouse))
    }
}

pub fn description() -> Description {
    let ask = permission;
    let documents = crate::DOCUMENTS.map(|set| format!("b1.{set}"));
    let mut topics =
        ["b1.ItemStock", "product.linked", "stock.wanted", "salesforce.Opportunity"].map(str::to_owned).to_vec();
    topics.extend(documents);
    Description {
        permissions: vec![
            ask("b1", Method::Get, "/Items", "reads quantities per warehouse"),
            Units::permission(),
            ask("b1", Method::Get, "/Warehouses", "reads the names of warehouses"),
            ask("b1", Method::Get, "/Orders", "finds the items of an order that changed"),
            ask("b1", Method::Get, "/DeliveryNotes", "finds the items of a delivery"),
            ask("b1", Method::Get, "/Returns", "finds the items of a return"),
            ask("b1", Method::Get, "/Invoices", "finds the items of an invoice"),
            ask("b1", Method::Get, "/CreditNotes", "finds the items of a credit memo"),
            ask("b1", Method::Get, "/PurchaseOrders", "finds what vendors will deliver, and when"),
            ask(
                "salesforce",
                Method::Get,
                "/query?FROM=Product2,OpportunityLineItem,Tandem_Stock__c",
                "finds products, their stock and lines of open opportunities",
            ),
            ask("salesforce", Method::Patch, "/sobjects/Product2/*", "writes stock on the product"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Stock__c/*", "changes stock per warehouse"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Stock__c/Tandem_Key__c/*", "makes stock per warehouse"),
            ask(
                "salesforce",
                Method::Patch,
                "/sobjects/OpportunityLineItem/*",
                "writes availability on open opportunities",
            ),
            may_link("stock", "remembers what it wrote on a product"),
            may_link("warehouse-stock", "remembers what it wrote per warehouse"),
            may_see_links("product", "finds the product of an item"),
        ],
        topics,
        backfill: ["b1.ItemStock"].map(str::to_owned).to_vec(),
        batch: 1_000,
        concurrency: 1,
        timers: vec![again::timer()],
        settings_schema: Settings::schema(),
        ..described("inventory", env!("CARGO_PKG_VERSION"), "Stock on products and open opportunities")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/inventory.md")).unwrap();
    }
}
