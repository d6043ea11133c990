//! What the plugin asks for, its settings, and its default mapping.

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Deleted, Description, Deserialize, JsonSchema, Keys, Method, Number, Only, Serialize, Way, described, may_emit,
    may_link, permission, section,
};

use crate::look;
use crate::org::Org;

/// Which accounts without a partner get one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "tandem_sdk::schemars")]
pub enum Create {
    // Those that an order needs.
    #[default]
    Wanted,
    All,
    Never,
}

/// What new partners are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "tandem_sdk::schemars")]
pub enum Kind {
    #[default]
    Customer,
    Lead,
}

impl Kind {
    /// As B1's `CardType`.
    pub fn card_type(self) -> &'static str {
        match self {
            Self::Customer => "cCustomer",
            Self::Lead => "cLid",
        }
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    #[serde(flatten)]
    pub only: Only,
    /// Accounts without a partner get one: those that an order needs, all, or none
    pub create_in_b1: Create,
    /// Partners (customers and leads) without an account get one
    pub create_in_salesforce: bool,
    /// B1 numbering series of new partners; without it the mapping `[new_partner]` gives CardCode
    pub series: Option<i64>,
    /// What new partners are
    pub new_partners: Kind,
    /// A lead becomes a customer when an order needs it
    pub convert_leads: bool,
    /// Contact employees and contacts, too
    pub contacts: bool,
    /// What was deleted on one side is marked on the other, or goes to review; it is never deleted
    pub deleted: Deleted,
    /// The org has several currencies (CurrencyIsoCode on records); new partners then get all currencies (`##`)
    pub multi_currency: bool,
    /// What each match rule counts, and from where a candidate is linked or asked about
    #[serde(rename = "match")]
    pub weights: Weights,
    // What the org has; read at the start of a run.
    #[serde(skip)]
    pub org: Org,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            only: Only::default(),
            create_in_b1: Create::Wanted,
            create_in_salesforce: true,
            series: None,
            new_partners: Kind::Customer,
            convert_leads: true,
            contacts: true,
            deleted: Deleted::Mark,
            multi_currency: true,
            weights: Weights::default(),
            org: Org::default(),
        }
    }
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default, deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Weights {
    /// The same tax id
    pub tax_id: Number,
    /// The same name and postcode
    pub name_postcode: Number,
    /// The same e-mail domain
    pub email_domain: Number,
    /// A single candidate with so much or more is linked
    pub link_from: Number,
    /// Others with so much or more go to review
    pub ask_from: Number,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            tax_id: 100.into(),
            name_postcode: 100.into(),
            email_domain: 40.into(),
            link_from: 100.into(),
            ask_from: 40.into(),
        }
    }
}

const MAPPING: &str = r#"# BusinessPartner <-> Account. Two-way rules, named after B1's field: the other side's field, the direction
# ("both", "to_salesforce", "to_b1"), and whose value wins when both changed ("b1", "salesforce", "newest", "review").
# `to_salesforce` and `to_b1` are CEL expressions over `source`; without them the value is copied.
# BillTo and ShipTo are the partner's default addresses.
version = 1

[account]
CardName = { salesforce = "Name" }
Phone1 = { salesforce = "Phone" }
Website = { salesforce = "Website" }
EmailAddress = { salesforce = "Tandem_Email__c" }
FederalTaxID = { salesforce = "Tandem_Tax_Id__c" }
"BillTo.Street" = { salesforce = "BillingStreet" }
"BillTo.City" = { salesforce = "BillingCity" }
"BillTo.ZipCode" = { salesforce = "BillingPostalCode" }
"ShipTo.Street" = { salesforce = "ShippingStreet" }
"ShipTo.City" = { salesforce = "ShippingCity" }
"ShipTo.ZipCode" = { salesforce = "ShippingPostalCode" }

# Of an account, too: the first of these sections whose fields the org has.
[alternatives]
address = ["address_codes", "address_words"]

# An org with state and country picklists. It has the states of nine countries at the start; add those that were added.
[address_codes]
"BillTo.State" = { salesforce = "BillingStateCode", to_salesforce = 'source.BillTo.Country in ["AU", "BR", "CA", "CN", "IE", "IN", "IT", "MX", "US"] ? source.BillTo.State : null' }
"BillTo.Country" = { salesforce = "BillingCountryCode" }
"ShipTo.State" = { salesforce = "ShippingStateCode", to_salesforce = 'source.ShipTo.Country in ["AU", "BR", "CA", "CN", "IE", "IN", "IT", "MX", "US"] ? source.ShipTo.State : null' }
"ShipTo.Country" = { salesforce = "ShippingCountryCode" }

# One without: names of ISO 3166
[address_words]
"BillTo.State" = { salesforce = "BillingState", to_salesforce = 'state_name(source.BillTo.State, source.BillTo.Country)', to_b1 = 'state_code(source.BillingState, source.BillingCountry)' }
"BillTo.Country" = { salesforce = "BillingCountry", to_salesforce = 'country_name(source.BillTo.Country)', to_b1 = 'country_code(source.BillingCountry)' }
"ShipTo.State" = { salesforce = "ShippingState", to_salesforce = 'state_name(source.ShipTo.State, source.ShipTo.Country)', to_b1 = 'state_code(source.ShippingState, source.ShippingCountry)' }
"ShipTo.Country" = { salesforce = "ShippingCountry", to_salesforce = 'country_name(source.ShipTo.Country)', to_b1 = 'country_code(source.ShippingCountry)' }

# ContactEmployee <-> Contact
[contact]
FirstName = { salesforce = "FirstName" }
LastName = { salesforce = "LastName" }
E_Mail = { salesforce = "Email" }
Phone1 = { salesforce = "Phone" }
MobilePhone = { salesforce = "MobilePhone" }
Position = { salesforce = "Title" }

# Of a new partner only. CardCode is needed where no numbering series is set; B1 keeps 15 letters.
[new_partner]
"#;

pub fn description() -> Description {
    let ask = permission;
    Description {
        permissions: vec![
            ask("b1", Method::Get, "/BusinessPartners", "reads partners, and finds the one an account belongs to"),
            ask("b1", Method::Post, "/BusinessPartners", "makes a partner for an account"),
            ask("b1", Method::Post, "/U_TANDEM", "notes each partner made in the ledger, so that none is made twice"),
            ask("b1", Method::Patch, "/BusinessPartners(*)", "changes a partner when its account changes"),
            ask(
                "salesforce",
                Method::Get,
                "/query?FROM=Account,Contacts",
                "reads accounts and contacts, and finds the one a partner belongs to",
            ),
            ask("salesforce", Method::Get, "/queryAll?FROM=Account,Contact,Contacts", "sees merges and deletes"),
            ask("salesforce", Method::Patch, "/sobjects/Account/*", "changes accounts"),
            ask(
                "salesforce",
                Method::Patch,
                "/sobjects/Account/Tandem_Card_Code__c/*",
                "makes an account for a partner",
            ),
            ask("salesforce", Method::Patch, "/sobjects/Contact/*", "changes contacts"),
            ask("salesforce", Method::Patch, "/sobjects/Contact/Tandem_Contact_Key__c/*", "makes contacts"),
            may_link("account", "remembers which partner is which account"),
            may_link("contact", "remembers which contact employee is which contact"),
            may_emit("account.linked", "tells other flows of an account that has its partner now"),
            may_emit(look::TOPIC, "looks again at an account whose partner is missing, or that a contact has moved to"),
            may_emit(crate::questions::ASKED, "tells other flows of an account that a person is asked about"),
        ],
        topics: ["b1.BusinessPartners", "salesforce.Account", "salesforce.Contact", "accounts.wanted", look::TOPIC]
            .map(str::to_owned)
            .to_vec(),
        backfill: ["b1.BusinessPartners", "salesforce.Account"].map(str::to_owned).to_vec(),
        batch: 600,
        concurrency: 1,
        timers: vec![look::timer()],
        settings_schema: Settings::schema(),
        default_mapping: MAPPING.into(),
        sections: vec![
            section("account", Way::Both, "BusinessPartners", "Account"),
            section("address_codes", Way::Both, "BusinessPartners", "Account"),
            section("address_words", Way::Both, "BusinessPartners", "Account"),
            section("contact", Way::Both, "BusinessPartners/ContactEmployees", "Contact"),
            section("new_partner", Way::ToB1, "BusinessPartners", "Account"),
        ],
        ..described("accounts", env!("CARGO_PKG_VERSION"), "Business partners and accounts, contacts, both ways")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_of_the_weights_is_as_by_default() {
        let weights = |text: &str| {
            let weights = Settings::read(text).unwrap().weights;
            [weights.tax_id, weights.email_domain, weights.ask_from].map(|weight| weight.to_string())
        };
        assert_eq!(weights("{}"), ["100", "40", "40"]);
        assert_eq!(weights(r#"{ "match": { "email_domain": 12.5 } }"#), ["100", "12.5", "40"]);
    }

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/accounts.md")).unwrap();
    }
}
