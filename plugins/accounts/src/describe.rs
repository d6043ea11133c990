//! What the plugin asks for, its settings, and its default mapping.

use tandem_sdk::{
    Decimal, Description, Keys, Method, Only, Value, Way, decimal, described, json, may_emit, may_link, permission,
    section,
};

use crate::look;
use crate::org::Org;

/// Which accounts without a partner get one.
#[derive(Clone, Copy, PartialEq)]
pub enum Create {
    /// Those that an order needs.
    Wanted,
    All,
    Never,
}

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// Which records are this company's.
    pub only: Only,
    /// What the org has.
    pub org: Org,
    pub create_in_b1: Create,
    pub create_in_salesforce: bool,
    /// Numbering series of new partners; without it the mapping gives the `CardCode`.
    pub series: Option<i64>,
    /// `cCustomer` or `cLid`: what new partners are.
    pub new_type: String,
    /// A lead becomes a customer when an order wants it.
    pub convert_leads: bool,
    pub contacts: bool,
    /// What became of a record deleted on the other side is asked, and not only marked.
    pub review_deleted: bool,
    pub multi_currency: bool,
    pub weights: Weights,
}

/// What each match rule counts, and from where a candidate is linked or asked about.
pub struct Weights {
    pub tax_id: Decimal,
    pub name_postcode: Decimal,
    pub email_domain: Decimal,
    pub link_from: Decimal,
    pub ask_from: Decimal,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        let flag = |name: &str, default| value[name].as_bool().unwrap_or(default);
        let weight = |name: &str, default: i64| decimal(&value["match"][name]).unwrap_or_else(|| default.into());
        Self {
            keys: Keys::of(&value),
            only: Only::of(&value),
            org: Org::default(),
            create_in_b1: match value["create_in_b1"].as_str() {
                Some("all") => Create::All,
                Some("never") => Create::Never,
                _ => Create::Wanted,
            },
            create_in_salesforce: flag("create_in_salesforce", true),
            series: value["series"].as_i64(),
            new_type: if value["new_partners"] == "lead" { "cLid" } else { "cCustomer" }.to_owned(),
            convert_leads: flag("convert_leads", true),
            contacts: flag("contacts", true),
            review_deleted: value["deleted"] == "review",
            multi_currency: flag("multi_currency", true),
            weights: Weights {
                tax_id: weight("tax_id", 100),
                name_postcode: weight("name_postcode", 100),
                email_domain: weight("email_domain", 40),
                link_from: weight("link_from", 100),
                ask_from: weight("ask_from", 40),
            },
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
            ask("salesforce", Method::Get, "/query?FROM=Account,Contacts", "reads accounts and contacts, and finds the one a partner belongs to"),
            ask("salesforce", Method::Get, "/queryAll?FROM=Account,Contact,Contacts", "sees merges and deletes"),
            ask("salesforce", Method::Patch, "/sobjects/Account/*", "changes accounts"),
            ask("salesforce", Method::Patch, "/sobjects/Account/Tandem_Card_Code__c/*", "makes an account for a partner"),
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
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "only_field": Only::schema().0,
                "only_value": Only::schema().1,
                "create_in_b1": { "type": "string", "enum": ["wanted", "all", "never"], "default": "wanted", "description": "Accounts without a partner get one: those that an order needs, all, or none" },
                "create_in_salesforce": { "type": "boolean", "default": true, "description": "Partners (customers and leads) without an account get one" },
                "series": { "type": "integer", "description": "B1 numbering series of new partners; without it the mapping [new_partner] gives CardCode" },
                "new_partners": { "type": "string", "enum": ["customer", "lead"], "default": "customer", "description": "What new partners are" },
                "convert_leads": { "type": "boolean", "default": true, "description": "A lead becomes a customer when an order needs it" },
                "contacts": { "type": "boolean", "default": true, "description": "Contact employees and contacts, too" },
                "deleted": { "type": "string", "enum": ["mark", "review"], "default": "mark", "description": "What was deleted on one side is marked on the other, or goes to review; it is never deleted" },
                "multi_currency": { "type": "boolean", "default": true, "description": "The org has several currencies (CurrencyIsoCode on records)" },
                "match": { "type": "object", "description": "Weights of the match rules tax_id (100), name_postcode (100), email_domain (40); a single candidate with link_from (100) or more is linked, others with ask_from (40) or more go to review" }
            }
        })
        .to_string(),
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
