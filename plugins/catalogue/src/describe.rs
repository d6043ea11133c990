//! What the plugin asks for, its settings, and its default mapping.

use std::cell::OnceCell;

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Currencies, Deleted, Description, Deserialize, Error, JsonSchema, Keys, Method, Serialize, Units, Way, again,
    described, may_emit, may_link, may_see_links, money, permission, section,
};

/// What becomes of a price with more decimals than the org keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "tandem_sdk::schemars")]
pub enum MoreDecimals {
    #[default]
    Round,
    Review,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    /// PriceListNo whose prices are the standard prices
    pub standard_price_list: i64,
    /// PriceListNo of the lists that become price books, such as `[1, 2]`; without it all active ones
    pub price_lists: Option<Vec<i64>>,
    /// The org has several currencies (CurrencyIsoCode on records)
    pub multi_currency: bool,
    /// Currency of the org's records when multi_currency is false: prices in others are left out
    pub currency: String,
    pub currencies: Currencies,
    /// Decimals that the org's UnitPrice keeps
    pub price_decimals: u32,
    /// Prices with more decimals are rounded half up, or go to review
    pub more_decimals: MoreDecimals,
    /// The product of an item deleted in B1 is deactivated and marked, or goes to review
    pub deleted: Deleted,
    pub look_again: again::Most,
    /// See [`Settings::own_currency`].
    #[serde(skip)]
    pub company: OnceCell<Option<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            standard_price_list: 1,
            price_lists: None,
            multi_currency: true,
            currency: "EUR".into(),
            currencies: Currencies::default(),
            price_decimals: 2,
            more_decimals: MoreDecimals::Round,
            deleted: Deleted::Mark,
            look_again: again::Most::default(),
            company: OnceCell::new(),
        }
    }
}

impl Settings {
    /// The ISO code that a price without a currency is in: the company's own. Where B1 does not say, that of an org with one currency; else
    /// none, see [`UNTOLD`].
    pub fn own_currency(&self) -> Result<Option<&str>, Error> {
        if let Some(known) = self.company.get() {
            return Ok(known.as_deref());
        }
        let unsaid = || (!self.multi_currency).then(|| self.currency.clone());
        let own = money::company_currency(&self.currencies)?.or_else(unsaid);
        Ok(self.company.get_or_init(|| own).as_deref())
    }
}

/// What is told of a price of which nobody knows the currency, after what it is.
pub const UNTOLD: &str = "it has no currency, and B1 does not tell the company's own (the Service Layer user lacks the right to CompanyService_GetAdminInfo): it is not shown, and what stands is left as it is";

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
    let [own_currency, _] = money::rate_permissions();
    Description {
        permissions: vec![
            ask("b1", Method::Get, "/Items", "reads items with their prices"),
            ask("b1", Method::Get, "/PriceLists", "reads price lists: name, validity, currency"),
            Currencies::permission(),
            Units::permission(),
            tax_of_groups,
            tax_of_codes,
            own_currency,
            ask("b1", Method::Get, "/SpecialPrices", "reads prices agreed with a customer"),
            ask(
                "b1",
                Method::Get,
                "/BusinessPartners",
                "reads which price list a customer has, where its price is asked for",
            ),
            ask(
                "salesforce",
                Method::Get,
                "/query?FROM=Product2,Pricebook2,PricebookEntry,Account,Tandem_Special_Price__c",
                "finds products, price books, entries, special prices and customers that are there already",
            ),
            ask("salesforce", Method::Patch, "/sobjects/Product2/*", "changes products"),
            ask("salesforce", Method::Patch, "/sobjects/Product2/Tandem_Item_Code__c/*", "makes products by item code"),
            ask("salesforce", Method::Post, "/sobjects/Pricebook2", "makes a price book per price list"),
            ask("salesforce", Method::Patch, "/sobjects/Pricebook2/*", "renames and deactivates price books"),
            ask("salesforce", Method::Post, "/sobjects/PricebookEntry", "makes prices"),
            ask("salesforce", Method::Patch, "/sobjects/PricebookEntry/*", "changes prices"),
            ask("salesforce", Method::Patch, "/sobjects/Tandem_Special_Price__c/*", "changes special prices"),
            ask(
                "salesforce",
                Method::Patch,
                "/sobjects/Tandem_Special_Price__c/Tandem_Key__c/*",
                "makes special prices",
            ),
            may_link("product", "remembers which item is which product"),
            may_link("pricebook", "remembers which price list is which price book"),
            may_link("price", "remembers which price is which entry"),
            may_link("special-price", "remembers what it wrote of special prices"),
            may_see_links("account", "finds the customer of a special price"),
            may_emit(
                "product.linked",
                "tells other flows of a product that was linked, so that they show on it what they have",
            ),
        ],
        topics: ["b1.Items", "b1.ItemPrices", "b1.PriceLists", "b1.SpecialPrices", "account.linked"]
            .map(str::to_owned)
            .to_vec(),
        backfill: ["b1.Items", "b1.SpecialPrices"].map(str::to_owned).to_vec(),
        batch: 200,
        concurrency: 1,
        timers: vec![again::timer()],
        settings_schema: Settings::schema(),
        default_mapping: MAPPING.into(),
        sections: vec![section("product", Way::ToSalesforce, "Items", "Product2")],
        ..described("catalogue", env!("CARGO_PKG_VERSION"), "Items and price lists become products and price books")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/catalogue.md")).unwrap();
    }
}
