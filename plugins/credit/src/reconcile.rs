//! What accounts show of their customers' credit against B1's balances.

use tandem_sdk::reconcile::{Asked, Comparison, Entities, Needs, Objects, Page, Reconciles, Row, comparison, row};
use tandem_sdk::{Decimal, Error, Side, Value, decimal, money, text};

use crate::describe::Settings;
use crate::state::{Credit, State};
use crate::{CreditPlugin, PARTNER};

/// Records of a page.
const ACCOUNTS: usize = 1_000;
const PARTNERS: usize = 500;

/// Accounts that carry a CardCode are what is read of Salesforce: who has none there has no such account.
const NO_ACCOUNT: &str = "no account carries its CardCode";

/// What is added up, in company currency.
const SUMS: [(&str, &str); 4] = [
    ("balance", "Tandem_Balance__c"),
    ("open orders", "Tandem_Open_Orders__c"),
    ("open deliveries", "Tandem_Open_Deliveries__c"),
    ("credit limit", "Tandem_Credit_Limit__c"),
];

impl Reconciles for CreditPlugin {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        vec![comparison("credit", "Credit of customers, and what accounts show of it", Some("credit"), Needs::B1)]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        let currency = money::company_currency(&asked.settings.currencies)?.unwrap_or_default();
        match asked.side {
            Side::Salesforce => accounts(asked, &currency),
            Side::B1 => partners(asked, &currency),
        }
    }
}

fn accounts(asked: &Asked<'_, Settings>, currency: &str) -> Result<Page, Error> {
    let amounts = SUMS.map(|(_, field)| field).join(",");
    let (found, next) = asked.which.objects(&Objects {
        fields: format!("Id,Name,Tandem_Card_Code__c,LastModifiedDate,{amounts}"),
        from: "Account",
        filter: "Tandem_Card_Code__c != null".into(),
        key: "Tandem_Card_Code__c",
        keys: Some(&asked.settings.keys),
        dated: None,
        page: ACCOUNTS,
    })?;
    let rows = found.iter().filter_map(|account| {
        let code = asked.settings.keys.own(text(account, "Tandem_Card_Code__c"))?;
        let own = row(text(account, "Id"), code, format!("{code}, {}", text(account, "Name")));
        Some(with(own.changed_in_salesforce(account), account, currency))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn partners(asked: &Asked<'_, Settings>, currency: &str) -> Result<Page, Error> {
    let (found, next) = asked.which.entities(&Entities {
        set: "BusinessPartners",
        select: PARTNER.into(),
        filter: "CardType ne 'cSupplier'".into(),
        id: &["CardCode"],
        is_number: false,
        key: "CardCode",
        // Its balances change without it.
        changed: "",
        page: PARTNERS,
    })?;
    let rows = found.iter().map(|partner| {
        let code = text(partner, "CardCode");
        // A customer without an account is the accounts flow's to tell.
        let own = row(code, code, format!("{code}, {}", text(partner, "CardName"))).alone(NO_ACCOUNT);
        with(own, &Value::Object(Credit::of(partner).fields(State::Ok, None)), currency)
    });
    Ok(Page { rows: rows.collect(), next })
}

fn with(own: Row, record: &Value, currency: &str) -> Row {
    SUMS.into_iter().fold(own, |own, (what, field)| match decimal(&record[field]) {
        Some(amount) => own.sum(what, currency, "", amount, Decimal::ZERO),
        None => own,
    })
}
