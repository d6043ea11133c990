//! What the plugin asks for and its settings.

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Currencies, Description, Deserialize, Error, JsonSchema, Keys, Method, Serialize, Timer, Value, again, described,
    may_link, may_see_links, money, permission,
};

use crate::wanted::LINKED;

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    /// The company's currency; without it the one that B1 says
    // Empty until [`Settings::ask`] has asked B1, and where B1 does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub currency: String,
    /// The org's currency when multi_currency is false; without it the company's
    #[serde(skip_serializing_if = "String::is_empty")]
    pub org_currency: String,
    pub currencies: Currencies,
    /// The org has several currencies (CurrencyIsoCode on records)
    pub multi_currency: bool,
    pub look_again: again::Most,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            currency: String::new(),
            org_currency: String::new(),
            currencies: Currencies::default(),
            multi_currency: true,
            look_again: again::Most::default(),
        }
    }
}

impl Settings {
    /// Asks B1 for what the settings leave open.
    pub fn ask(&mut self) -> Result<(), Error> {
        if self.currency.is_empty() {
            self.currency = money::company_currency(&self.currencies)?.unwrap_or_default();
        }
        if self.org_currency.is_empty() {
            self.org_currency.clone_from(&self.currency);
        }
        Ok(())
    }

    /// The field that says of which currency amounts in the company's are; none where B1 does not say: what stands there stays.
    pub fn says(&self, field: &str) -> Option<(String, Value)> {
        (!self.currency.is_empty()).then(|| (field.to_owned(), self.currency.as_str().into()))
    }
}

pub fn description() -> Description {
    let ask = permission;
    let [local, rates] = money::rate_permissions();
    Description {
        permissions: [
            Chain::permissions(),
            vec![
                ask("b1", Method::Get, "/IncomingPayments", "reads what was paid of which invoice"),
                Currencies::permission(),
                local,
                rates,
                ask(
                    "salesforce",
                    Method::Get,
                    "/query?FROM=Account,Opportunity,Tandem_Invoice__c,Tandem_Payment__c",
                    "finds accounts, and sums up what an opportunity was invoiced",
                ),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Invoice__c/*", "changes invoice records"),
                ask(
                    "salesforce",
                    Method::Patch,
                    "/sobjects/Tandem_Invoice__c/Tandem_Key__c/*",
                    "makes invoice records",
                ),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Payment__c/*", "changes payment records"),
                ask(
                    "salesforce",
                    Method::Patch,
                    "/sobjects/Tandem_Payment__c/Tandem_Key__c/*",
                    "makes payment records",
                ),
                ask("salesforce", Method::Patch, "/sobjects/Account/*", "writes open and overdue amounts"),
                ask("salesforce", Method::Patch, "/sobjects/Opportunity/*", "writes invoiced and paid amounts"),
                may_link("invoice", "remembers what it wrote of an invoice"),
                may_link("payment", "remembers what it wrote of a payment"),
                may_link("receivables", "remembers what it wrote on an account"),
                may_link("invoiced", "remembers what it wrote on an opportunity"),
                may_see_links("account", "finds the account of a customer"),
                may_see_links("order", "finds the opportunity of an order"),
            ],
        ]
        .concat(),
        topics: ["b1.Invoices", "b1.CreditNotes", "b1.DownPayments", "b1.IncomingPayments", LINKED, ORDER_LINKED]
            .map(str::to_owned)
            .to_vec(),
        backfill: ["b1.Invoices", "b1.CreditNotes", "b1.DownPayments", "b1.IncomingPayments"]
            .map(str::to_owned)
            .to_vec(),
        batch: 200,
        concurrency: 1,
        timers: vec![Timer { name: "ageing".into(), cron: "15 5 * * *".into() }, again::timer()],
        settings_schema: Settings::schema(),
        ..described("invoices", env!("CARGO_PKG_VERSION"), "Invoices and payments under account and opportunity")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/invoices.md")).unwrap();
    }
}
