//! What the plugin asks for and its settings.

use tandem_sdk::settings::Settings as _;
use tandem_sdk::{
    Currencies, Description, Deserialize, JsonSchema, Keys, Method, Number, Serialize, again, described, may_link,
    may_see_links, money, permission,
};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", default)]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Settings {
    #[serde(rename = "key_prefix")]
    pub keys: Keys,
    pub currencies: Currencies,
    /// Percent of the limit from which a customer is near it
    pub near_percent: Number,
    /// Percent of the limit from which it counts as exceeded
    pub exceeded_percent: Number,
    /// Percent of the limit that exposure must fall below a threshold before it is left again
    pub hysteresis_percent: Number,
    /// Write one task when a threshold is crossed upwards
    pub alerts: bool,
    /// User id of the task's owner; without it the integration user
    pub alert_owner: Option<String>,
    pub look_again: again::Most,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            currencies: Currencies::default(),
            near_percent: 80.into(),
            exceeded_percent: 100.into(),
            hysteresis_percent: 5.into(),
            alerts: true,
            alert_owner: None,
            look_again: again::Most::default(),
        }
    }
}

pub fn description() -> Description {
    let [local_currency, _] = money::rate_permissions();
    let mut permissions = vec![permission("b1", Method::Get, "/BusinessPartners", "reads limit and balances")];
    permissions.extend(
        crate::DOCUMENTS.map(|set| {
            permission("b1", Method::Get, &format!("/{set}"), "finds the customer of a document that changed")
        }),
    );
    permissions.extend([
        local_currency,
        Currencies::permission(),
        permission("b1", Method::Get, "/JournalEntries", "finds the customers of entries made by hand"),
        permission(
            "salesforce",
            Method::Get,
            "/query?FROM=Account,Task",
            "finds accounts by CardCode, and an alert that is there already",
        ),
        permission("salesforce", Method::Patch, "/sobjects/Account/*", "writes credit on the account"),
        permission("salesforce", Method::Post, "/sobjects/Task", "tells a crossing"),
        may_link("credit", "remembers what it wrote on an account"),
        may_see_links("account", "finds the account of a customer"),
    ]);
    let mut topics: Vec<String> = crate::DOCUMENTS.map(|set| format!("b1.{set}")).to_vec();
    topics.extend(["b1.BusinessPartners", crate::journal::TOPIC, "account.linked", "credit.wanted"].map(str::to_owned));
    Description {
        permissions,
        topics,
        backfill: ["b1.BusinessPartners"].map(str::to_owned).to_vec(),
        timers: vec![again::timer()],
        batch: 200,
        concurrency: 1,
        settings_schema: Settings::schema(),
        ..described("credit", env!("CARGO_PKG_VERSION"), "Credit limit and exposure on the account")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_settings_as_they_are() {
        Settings::is_documented_in(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/flows/credit.md")).unwrap();
    }
}
