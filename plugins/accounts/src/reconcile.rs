//! Partners against accounts, and the values of the mapping's pairs: what is compared is what would be written.

use tandem_sdk::reconcile::{Asked, Comparison, Entities, Needs, Objects, Page, Reconciles, Row, comparison, row};
use tandem_sdk::settings::Settings as _;
use tandem_sdk::{Error, Side, Value, links, text};

use crate::Accounts;
use crate::describe::{Create, Settings};
use crate::fields::{self, Shown};
use crate::gather;
use crate::org::Org;

/// Records of a page.
const ACCOUNTS: usize = 1_000;
const PARTNERS: usize = 500;

impl Reconciles for Accounts {
    type Settings = Settings;

    fn plan(settings: &Settings) -> Vec<Comparison> {
        let needs = if settings.create_in_salesforce { Needs::Both } else { Needs::Salesforce };
        vec![comparison("accounts", "Business partners and accounts", Some("account"), needs)]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        let mut settings = Settings::read(&asked.flow.settings).map_err(Error::Invalid)?;
        settings.org = Org::look()?;
        match asked.side {
            Side::Salesforce => accounts(asked, &settings),
            Side::B1 => partners(asked, &settings),
        }
    }
}

fn accounts(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let mut names = gather::own_fields(settings);
    names.push("Tandem_Sync_Message__c".into());
    let (mut found, next) = asked.which.objects(&Objects {
        fields: names.join(","),
        from: "Account",
        filter: String::new(),
        key: "Tandem_Card_Code__c",
        keys: Some(&settings.keys),
        dated: None,
        page: ACCOUNTS,
    })?;
    let ids: Vec<String> = found.iter().map(|account| text(account, "Id").to_owned()).collect();
    let linked = links::find_all("account", Side::Salesforce, &ids);
    // An account that nobody has asked for a partner of needs none.
    let counts = |account: &Value, is_linked: bool| {
        let carried = text(account, "Tandem_Card_Code__c");
        match settings.keys.own(carried) {
            Some(_) => true,
            None if !carried.is_empty() => false,
            None => is_linked || settings.create_in_b1 == Create::All && settings.only.holds(account),
        }
    };
    let mut linked = linked.into_iter();
    found.retain(|account| counts(account, linked.next().flatten().is_some()));
    let values = fields::shown(&settings.org.sections(), Side::Salesforce, &found);
    let rows = found.iter().zip(values).map(|(account, values)| {
        let key = settings.keys.own(text(account, "Tandem_Card_Code__c")).unwrap_or_default();
        let (state, message) = (text(account, "Tandem_Sync_State__c"), text(account, "Tandem_Sync_Message__c"));
        let row = row(text(account, "Id"), key, text(account, "Name"));
        with(row.changed_in_salesforce(account).told(state, message), values)
    });
    Ok(Page { rows: rows.collect(), next })
}

fn partners(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let names = gather::partner_fields();
    let names: Vec<&str> = names.split(',').filter(|name| *name != "ContactEmployees").collect();
    let (found, next) = asked.which.entities(&Entities {
        set: "BusinessPartners",
        select: names.join(","),
        filter: "CardType ne 'cSupplier'".into(),
        id: "CardCode",
        is_number: false,
        key: "CardCode",
        changed: "UpdateDate",
        page: PARTNERS,
    })?;
    let found: Vec<Value> = found.into_iter().map(gather::flat).collect();
    let values = fields::shown(&settings.org.sections(), Side::B1, &found);
    let rows = found.iter().zip(values).map(|(partner, values)| {
        let code = text(partner, "CardCode");
        let label = format!("{code}, {}", text(partner, "CardName"));
        with(row(code, code, label).changed_in_b1(partner), values)
    });
    Ok(Page { rows: rows.collect(), next })
}

/// With its values; of one that cannot be mapped it is told why.
fn with(mut row: Row, values: Result<Vec<Shown>, String>) -> Row {
    match values {
        Ok(values) => values.iter().fold(row, |row, (field, value, other)| row.value(field, value, other.as_ref())),
        Err(why) => {
            if row.told.is_empty() {
                row.told = why;
            }
            row
        }
    }
}
