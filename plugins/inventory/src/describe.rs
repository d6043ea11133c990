//! What the plugin asks for and its settings.

use tandem_sdk::{
    Description, Keys, Method, Units, Value, again, described, json, may_link, may_see_links, permission,
};

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// Warehouses that count; none means all.
    pub warehouses: Option<Vec<String>>,
    /// What vendors will deliver counts as available.
    pub count_ordered: bool,
    /// One record per warehouse.
    pub per_warehouse: bool,
    /// Availability on open opportunities.
    pub opportunity_lines: bool,
    /// Records a day that are compared though nothing tells of them.
    pub look_again: usize,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        let flag = |name: &str, default| value[name].as_bool().unwrap_or(default);
        let codes = |list: &Vec<Value>| list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Self {
            keys: Keys::of(&value),
            warehouses: value["warehouses"].as_array().map(codes),
            count_ordered: flag("count_ordered", false),
            per_warehouse: flag("per_warehouse", true),
            opportunity_lines: flag("opportunity_lines", true),
            look_again: again::most(&value),
        }
    }

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
            ask("salesforce", Method::Get, "/query?FROM=Product2,OpportunityLineItem,Tandem_Stock__c", "finds products, their stock and lines of open opportunities"),
            ask("salesforce", Method::Patch, "/sobjects/Product2/*", "writes stock on the product"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Stock__c/*", "changes stock per warehouse"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Stock__c/Tandem_Key__c/*", "makes stock per warehouse"),
            ask("salesforce", Method::Patch, "/sobjects/OpportunityLineItem/*", "writes availability on open opportunities"),
            may_link("stock", "remembers what it wrote on a product"),
            may_link("warehouse-stock", "remembers what it wrote per warehouse"),
            may_see_links("product", "finds the product of an item"),
        ],
        topics,
        backfill: ["b1.ItemStock"].map(str::to_owned).to_vec(),
        batch: 1_000,
        concurrency: 1,
        timers: vec![again::timer()],
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "warehouses": { "type": "array", "items": { "type": "string" }, "description": "WarehouseCode of the warehouses that count; without it all" },
                "count_ordered": { "type": "boolean", "default": false, "description": "Available = in stock - committed + ordered from vendors; without it the last is left out" },
                "per_warehouse": { "type": "boolean", "default": true, "description": "Keep a B1 Stock record per item and warehouse" },
                "opportunity_lines": { "type": "boolean", "default": true, "description": "Write availability on the lines of open opportunities" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        ..described("inventory", env!("CARGO_PKG_VERSION"), "Stock on products and open opportunities")
    }
}
