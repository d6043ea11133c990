//! What the plugin asks for and its settings.

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::{
    Currencies, Description, Error, Keys, Method, Timer, Value, again, described, json, may_link, may_see_links, money,
    permission,
};

use crate::wanted::LINKED;

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// B1's codes of currencies.
    pub currencies: Currencies,
    /// Currency of the company, that of amounts without a document currency of their own; empty until [`Settings::ask`] has asked B1,
    /// and where B1 does not say.
    pub currency: String,
    /// Currency of the org that has one; empty for the company's.
    pub org_currency: String,
    /// The org has `CurrencyIsoCode` on its records.
    pub multi_currency: bool,
    /// Documents of each kind that are looked at again in a day.
    pub look_again: usize,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        Self {
            keys: Keys::of(&value),
            currencies: Currencies::of(&value),
            currency: value["currency"].as_str().unwrap_or_default().to_owned(),
            org_currency: value["org_currency"].as_str().unwrap_or_default().to_owned(),
            multi_currency: value["multi_currency"].as_bool().unwrap_or(true),
            look_again: again::most(&value),
        }
    }

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
                ask("salesforce", Method::Get, "/query?FROM=Account,Opportunity,Tandem_Invoice__c,Tandem_Payment__c", "finds accounts, and sums up what an opportunity was invoiced"),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Invoice__c/*", "changes invoice records"),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Invoice__c/Tandem_Key__c/*", "makes invoice records"),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Payment__c/*", "changes payment records"),
                ask("salesforce", Method::Patch, "/sobjects/Tandem_Payment__c/Tandem_Key__c/*", "makes payment records"),
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
        topics: ["b1.Invoices", "b1.CreditNotes", "b1.DownPayments", "b1.IncomingPayments", LINKED, ORDER_LINKED].map(str::to_owned).to_vec(),
        backfill: ["b1.Invoices", "b1.CreditNotes", "b1.DownPayments", "b1.IncomingPayments"].map(str::to_owned).to_vec(),
        batch: 200,
        concurrency: 1,
        timers: vec![Timer { name: "ageing".into(), cron: "15 5 * * *".into() }, again::timer()],
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "currency": { "type": "string", "description": "The company's currency; without it the one that B1 says" },
                "org_currency": { "type": "string", "description": "The org's currency when multi_currency is false; without it the company's" },
                "currencies": Currencies::schema(),
                "multi_currency": { "type": "boolean", "default": true, "description": "The org has several currencies (CurrencyIsoCode on records)" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        ..described("invoices", env!("CARGO_PKG_VERSION"), "Invoices and payments under account and opportunity")
    }
}
