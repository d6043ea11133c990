//! What the plugin asks for, its settings, and its default mapping.

use tandem_sdk::{
    Currencies, Description, Keys, Method, Units, Value, Way, again, described, json, may_emit, may_link,
    may_see_links, money, permission, section,
};

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// The price list whose prices are the standard prices.
    pub standard_price_list: i64,
    /// Price lists that become price books; none means all active ones.
    pub price_lists: Option<Vec<i64>>,
    /// The org has `CurrencyIsoCode` on its records.
    pub multi_currency: bool,
    /// B1's codes of currencies.
    pub currencies: Currencies,
    /// Currency of the org's records when it has one.
    pub currency: String,
    /// Decimals that the org's `UnitPrice` keeps.
    pub price_decimals: u32,
    /// Prices with more decimals go to review instead of being rounded half up.
    pub review_rounded: bool,
    /// What becomes of the product of an item that was deleted in B1: `mark` or `review`.
    pub review_deleted: bool,
    /// Records a day that are compared though nothing tells of them.
    pub look_again: usize,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        let list = |value: &Value| value.as_array().map(|lists| lists.iter().filter_map(Value::as_i64).collect());
        Self {
            keys: Keys::of(&value),
            standard_price_list: value["standard_price_list"].as_i64().unwrap_or(1),
            price_lists: list(&value["price_lists"]),
            multi_currency: value["multi_currency"].as_bool().unwrap_or(true),
            currencies: Currencies::of(&value),
            currency: value["currency"].as_str().unwrap_or("EUR").to_owned(),
            price_decimals: value["price_decimals"].as_u64().unwrap_or(2) as u32,
            review_rounded: value["more_decimals"] == "review",
            review_deleted: value["deleted"] == "review",
            look_again: again::most(&value),
        }
    }
}

const MAPPING: &str = r#"# Product2 <- Item. A field of the target and a CEL expression over `source`; a plain path copies the value digit for digit.
version = 1

[product]
Name = "source.ItemName"
ProductCode = "source.ItemCode"
Description = "source.User_Text"
QuantityUnitOfMeasure = "source.SalesUnit"
"#;

pub fn description() -> Description {
    let ask = permission;
    let [tax_of_groups, tax_of_codes] = money::tax_permissions();
    Description {
        permissions: vec![
            ask("b1", Method::Get, "/Items", "reads items with their prices"),
            ask("b1", Method::Get, "/PriceLists", "reads price lists: name, validity, currency"),
            Currencies::permission(),
            Units::permission(),
            tax_of_groups,
            tax_of_codes,
            ask("b1", Method::Get, "/SpecialPrices", "reads prices agreed with a customer"),
            ask("salesforce", Method::Get, "/query?FROM=Product2,Pricebook2,PricebookEntry,Account,Tandem_Special_Price__c", "finds products, price books, entries, special prices and customers that are there already"),
            ask("salesforce", Method::Patch, "/sobjects/Product2/*", "changes products"),
            ask("salesforce", Method::Patch, "/sobjects/Product2/Tandem_Item_Code__c/*", "makes products by item code"),
            ask("salesforce", Method::Post, "/sobjects/Pricebook2", "makes a price book per price list"),
            ask("salesforce", Method::Patch, "/sobjects/Pricebook2/*", "renames and deactivates price books"),
            ask("salesforce", Method::Post, "/sobjects/PricebookEntry", "makes prices"),
            ask("salesforce", Method::Patch, "/sobjects/PricebookEntry/*", "changes prices"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Special_Price__c/*", "changes special prices"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Special_Price__c/Tandem_Key__c/*", "makes special prices"),
            may_link("product", "remembers which item is which product"),
            may_link("pricebook", "remembers which price list is which price book"),
            may_link("price", "remembers which price is which entry"),
            may_link("special-price", "remembers what it wrote of special prices"),
            may_see_links("account", "finds the customer of a special price"),
            may_emit("product.linked", "tells other flows of a product that was linked, so that they show on it what they have"),
        ],
        topics: ["b1.Items", "b1.ItemPrices", "b1.PriceLists", "b1.SpecialPrices", "account.linked"].map(str::to_owned).to_vec(),
        backfill: ["b1.Items", "b1.SpecialPrices"].map(str::to_owned).to_vec(),
        batch: 200,
        concurrency: 1,
        timers: vec![again::timer()],
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "standard_price_list": { "type": "integer", "default": 1, "description": "PriceListNo whose prices are the standard prices" },
                "price_lists": { "type": "array", "items": { "type": "integer" }, "description": "PriceListNo of the lists that become price books; without it all active ones" },
                "multi_currency": { "type": "boolean", "default": true, "description": "The org has several currencies (CurrencyIsoCode on records)" },
                "currency": { "type": "string", "default": "EUR", "description": "Currency of the org's records when multi_currency is false: prices in others are left out" },
                "currencies": Currencies::schema(),
                "price_decimals": { "type": "integer", "default": 2, "description": "Decimals that the org's UnitPrice keeps" },
                "more_decimals": { "type": "string", "enum": ["round", "review"], "default": "round", "description": "Prices with more decimals are rounded half up, or go to review" },
                "deleted": { "type": "string", "enum": ["mark", "review"], "default": "mark", "description": "The product of an item deleted in B1 is deactivated and marked, or goes to review" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        default_mapping: MAPPING.into(),
        sections: vec![section("product", Way::ToSalesforce, "Items", "Product2")],
        ..described("catalogue", env!("CARGO_PKG_VERSION"), "Items and price lists become products and price books")
    }
}
