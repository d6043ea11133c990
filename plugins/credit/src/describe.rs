//! What the plugin asks for and its settings.

use tandem_sdk::{
    Currencies, Decimal, Description, Keys, Method, Value, again, decimal, described, json, may_link, may_see_links,
    money, permission,
};

/// Read with defaults filled in.
pub struct Settings {
    /// B1's codes as Salesforce carries them.
    pub keys: Keys,
    /// B1's codes of currencies.
    pub currencies: Currencies,
    /// Percent of the limit from which a customer is near it.
    pub near_percent: Decimal,
    /// Percent of the limit from which it is exceeded.
    pub exceeded_percent: Decimal,
    /// Percent of the limit that the exposure must fall below a threshold before it is left.
    pub hysteresis_percent: Decimal,
    /// Write a task when a threshold is crossed upwards.
    pub alerts: bool,
    /// User id of the task's owner.
    pub alert_owner: Option<String>,
    /// Customers that are looked at again in a day.
    pub look_again: usize,
}

impl Settings {
    /// From the flow's settings; the host has checked them against the schema.
    pub fn read(text: &str) -> Self {
        let value: Value = tandem_sdk::from_json(text);
        let percent = |name: &str, default: i64| decimal(&value[name]).unwrap_or_else(|| default.into());
        Self {
            keys: Keys::of(&value),
            currencies: Currencies::of(&value),
            near_percent: percent("near_percent", 80),
            exceeded_percent: percent("exceeded_percent", 100),
            hysteresis_percent: percent("hysteresis_percent", 5),
            alerts: value["alerts"].as_bool().unwrap_or(true),
            alert_owner: value["alert_owner"].as_str().map(str::to_owned),
            look_again: again::most(&value),
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
        settings_schema: json!({
            "type": "object",
            "properties": {
                "key_prefix": Keys::schema(),
                "currencies": Currencies::schema(),
                "near_percent": { "type": "number", "default": 80, "description": "Percent of the limit from which a customer is near it" },
                "exceeded_percent": { "type": "number", "default": 100, "description": "Percent of the limit from which it counts as exceeded" },
                "hysteresis_percent": { "type": "number", "default": 5, "description": "Percent of the limit that exposure must fall below a threshold before it is left again" },
                "alerts": { "type": "boolean", "default": true, "description": "Write one task when a threshold is crossed upwards" },
                "alert_owner": { "type": "string", "description": "User id of the task's owner; without it the integration user" },
                "look_again": again::schema()
            }
        })
        .to_string(),
        ..described("credit", env!("CARGO_PKG_VERSION"), "Credit limit and exposure on the account")
    }
}
