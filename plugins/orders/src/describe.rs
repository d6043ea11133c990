//! What the plugin asks for, its settings, and its default mapping.

use tandem_sdk::chain::{Chain, ORDER_LINKED};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Currencies, Description, Deserialize, JsonSchema, Keys, Method, Number, Only, Serialize, Units, Way, again,
    described, may_emit, may_link, may_see_links, money, permission, section,
};

use crate::told::{DRAWN, TOPIC};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    #[serde(flatten)]
    pub only: Only,
    /// Hold orders of customers over their credit limit for review, and changes that go over it
    pub credit_check: bool,
    /// The org has several currencies (CurrencyIsoCode on records)
    pub multi_currency: bool,
    /// Currency of the org's records when multi_currency is false
    pub currency: String,
    pub currencies: Currencies,
    /// Amount, in the order's currency, from which on a total before tax that B1 sees otherwise is a question; without it it is
    /// only told
    #[schemars(range(min = 0))]
    pub total_difference: Option<Number>,
    /// WarehouseCode of lines that name none; without it B1's default
    pub warehouse: Option<String>,
    /// Minutes between two looks at an order that awaits approval in B1
    pub approval_poll_minutes: u32,
    /// The order of an opportunity that is deleted: a person is asked, or it is cancelled at once
    pub deleted: Deleted,
    /// Whose change counts where the opportunity and a clerk in B1 changed the same of a line or of the header; a clerk's own
    /// rows stay in any case
    pub lines: Wins,
    pub look_again: again::Most,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            only: Only::default(),
            credit_check: true,
            multi_currency: true,
            currency: "EUR".into(),
            currencies: Currencies::default(),
            total_difference: None,
            warehouse: None,
            approval_poll_minutes: 15,
            deleted: Deleted::Review,
            lines: Wins::Salesforce,
            look_again: again::Most::default(),
        }
    }
}

/// What becomes of the order of a deleted opportunity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "tandem_sdk::schemars")]
pub enum Deleted {
    #[default]
    Review,
    Cancel,
}

/// Whose change of a line counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", rename_all = "lowercase")]
#[schemars(crate = "tandem_sdk::schemars")]
pub enum Wins {
    #[default]
    Salesforce,
    B1,
    // A person is asked.
    Review,
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
        topics: ["salesforce.Opportunity", TOPIC, crate::waiting::TOPIC]
            .into_iter()
            .chain(DRAWN)
            .map(str::to_owned)
            .collect(),
        timers: vec![again::timer()],
        settings_schema: Settings::schema(),
        default_mapping: MAPPING.into(),
        sections: vec![
            section("header", Way::ToB1, "Orders", "Opportunity"),
            section("line", Way::ToB1, "Orders/DocumentLines", "OpportunityLineItem"),
        ],
        ..described("orders", env!("CARGO_PKG_VERSION"), "Won opportunities become sales orders")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/orders.md")).unwrap();
    }
}
