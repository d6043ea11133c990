//! What the plugin asks for, its settings, and its default mapping.

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::{
    Currencies, Decimal, Description, Keys, Method, Only, Units, Value, Way, again, decimal, described, json, may_emit,
    may_link, may_see_links, money, permission, section,
};

use crate::told::{DRAWN, TOPIC};

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// Which records are this company's.
    pub only: Only,
    /// Hold orders of customers over their credit limit.
    pub credit_check: bool,
    /// The org has `CurrencyIsoCode` on its records.
    pub multi_currency: bool,
    /// Currency of records where the org has one currency.
    pub currency: String,
    /// B1's codes of currencies.
    pub currencies: Currencies,
    /// Difference of B1's total before tax from the opportunity's from which a person is asked; none only tells it.
    pub total_difference: Option<Decimal>,
    /// For lines that name none.
    pub warehouse: Option<String>,
    /// Between two looks at an order that awaits approval.
    pub approval_poll_minutes: u64,
    /// Where opportunity and clerk changed the same.
    pub lines: Wins,
    /// The order of a deleted opportunity is cancelled without asking.
    pub cancel_deleted: bool,
    /// Orders that are looked at again in a day.
    pub look_again: usize,
}

/// Whose change of a line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wins {
    Salesforce,
    B1,
    /// A person is asked.
    Review,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        Self {
            keys: Keys::of(&value),
            only: Only::of(&value),
            credit_check: value["credit_check"].as_bool().unwrap_or(true),
            multi_currency: value["multi_currency"].as_bool().unwrap_or(true),
            currency: value["currency"].as_str().unwrap_or("EUR").to_owned(),
            currencies: Currencies::of(&value),
            total_difference: decimal(&value["total_difference"]),
            warehouse: value["warehouse"].as_str().map(str::to_owned),
            approval_poll_minutes: value["approval_poll_minutes"].as_u64().unwrap_or(15),
            lines: match value["lines"].as_str() {
                Some("b1") => Wins::B1,
                Some("review") => Wins::Review,
                _ => Wins::Salesforce,
            },
            cancel_deleted: value["deleted"] == "cancel",
            look_again: again::most(&value),
        }
    }
}

const MAPPING: &str = r#"# Sales order <- Opportunity (header) and OpportunityLineItem (line).
# A field of the target and a CEL expression over `source`; a plain path copies the value digit for digit.
version = 1

[header]
NumAtCard = "source.Tandem_PO_Number__c"
Comments = "source.Tandem_Order_Notes__c"
ShipToCode = "source.Tandem_Ship_To__c"
PayToCode = "source.Tandem_Bill_To__c"

[line]
WarehouseCode = "source.Tandem_Warehouse__c"
VatGroup = "source.Tandem_Tax_Code__c"
ShipDate = "source.ServiceDate"
"#;

pub fn description() -> Description {
    let mut permissions = vec![Currencies::permission(), Units::permission()];
    permissions.extend(money::rate_permissions());
    permissions.extend(money::tax_permissions());
    permissions.extend(Chain::permissions());
    permissions.extend([
        permission(
            "salesforce",
            Method::Get,
            "/query?FROM=Opportunity,OpportunityLineItems",
            "reads the opportunity with its lines",
        ),
        permission(
            "salesforce",
            Method::Get,
            "/queryAll?FROM=Opportunity",
            "tells a deleted opportunity from one that it may not see",
        ),
        permission(
            "salesforce",
            Method::Patch,
            "/sobjects/Opportunity/*",
            "writes order number, status and messages back",
        ),
        permission("b1", Method::Get, "/BusinessPartners", "checks the customer: active, currency, credit"),
        permission("b1", Method::Get, "/Items", "checks that every item can be sold"),
        permission("b1", Method::Get, "/Orders", "finds an order that was already made"),
        permission("b1", Method::Get, "/Drafts", "finds an order that awaits approval"),
        permission("b1", Method::Get, "/U_TANDEM", "tells an order made here from a clerk's duplicate of one"),
        permission("b1", Method::Post, "/U_TANDEM", "notes each order in the ledger, so that none is made twice"),
        permission("b1", Method::Delete, "/U_TANDEM(*)", "takes the row of an order away that B1 never made"),
        permission("b1", Method::Post, "/Orders", "makes sales orders"),
        permission("b1", Method::Patch, "/Orders(*)", "changes an order when its opportunity changes"),
        permission("b1", Method::Post, "/Orders(*)/Cancel", "cancels an order when its opportunity is re-opened"),
        permission(
            "b1",
            Method::Delete,
            "/Drafts(*)",
            "removes an order that awaits approval when its opportunity is re-opened",
        ),
        permission("b1", Method::Get, "/UserFieldsMD", "sees whether rows can carry the line's id"),
        may_link("order", "remembers which opportunity is which order"),
        may_see_links("account", "finds the customer of an opportunity"),
        may_emit("accounts.wanted", "asks for a partner for an account that has none"),
        may_emit("credit.wanted", "asks for the customer's credit after an order"),
        may_emit("stock.wanted", "asks for the stock of what was ordered"),
        may_emit(ORDER_LINKED, "tells other flows of an order that was linked after it was made"),
    ]);
    Description {
        permissions,
        topics: ["salesforce.Opportunity", TOPIC, crate::waiting::TOPIC].into_iter().chain(DRAWN).map(str::to_owned).collect(),
        timers: vec![again::timer()],
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "only_field": Only::schema().0,
                "only_value": Only::schema().1,
                "credit_check": { "type": "boolean", "default": true, "description": "Hold orders of customers over their credit limit for review" },
                "multi_currency": { "type": "boolean", "default": true, "description": "The org has several currencies (CurrencyIsoCode on records)" },
                "currency": { "type": "string", "default": "EUR", "description": "Currency of the org's records when multi_currency is false" },
                "currencies": Currencies::schema(),
                "total_difference": { "type": "number", "minimum": 0, "description": "Amount, in the order's currency, from which on a total before tax that B1 sees otherwise is a question; without it it is only told" },
                "warehouse": { "type": "string", "description": "WarehouseCode of lines that name none; without it B1's default" },
                "approval_poll_minutes": { "type": "integer", "default": 15, "description": "Minutes between two looks at an order that awaits approval in B1" },
                "deleted": { "type": "string", "enum": ["review", "cancel"], "default": "review", "description": "The order of an opportunity that is deleted: a person is asked, or it is cancelled at once" },
                "lines": { "type": "string", "enum": ["salesforce", "b1", "review"], "default": "salesforce", "description": "Whose change counts where the opportunity and a clerk in B1 changed the same of a line; a clerk's own rows stay in any case" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        default_mapping: MAPPING.into(),
        sections: vec![
            section("header", Way::ToB1, "Orders", "Opportunity"),
            section("line", Way::ToB1, "Orders/DocumentLines", "OpportunityLineItem"),
        ],
        ..described("orders", env!("CARGO_PKG_VERSION"), "Won opportunities become sales orders")
    }
}
