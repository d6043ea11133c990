//! What both sides say of customers and of their people: what is compared is what would be written.

mod accounts;
mod contacts;

use tandem_sdk::Error;
use tandem_sdk::reconcile::{Asked, Comparison, Needs, Page, Reconciles, Row, comparison};
use tandem_sdk::settings::Settings as _;

use crate::Accounts;
use crate::describe::Settings;
use crate::fields::Shown;
use crate::org::Org;

const ACCOUNTS: &str = "accounts";
const CONTACTS: &str = "contacts";

impl Reconciles for Accounts {
    type Settings = Settings;

    fn plan(settings: &Settings) -> Vec<Comparison> {
        let needs = if settings.create_in_salesforce { Needs::Both } else { Needs::Salesforce };
        let mut plan = vec![comparison(ACCOUNTS, "Business partners and accounts", Some("account"), needs)];
        if settings.contacts {
            plan.push(comparison(CONTACTS, "Contact employees and contacts", Some("contact"), Needs::Both));
        }
        plan
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        let mut settings = Settings::read(&asked.flow.settings).map_err(Error::Invalid)?;
        settings.org = Org::look()?;
        match asked.comparison {
            CONTACTS => contacts::rows(asked, &settings),
            _ => accounts::rows(asked, &settings),
        }
    }
}

/// With its values; of one that cannot be mapped it is told why.
fn with(row: Row, values: Result<Vec<Shown>, String>) -> Row {
    match values {
        Ok(values) => values.iter().fold(row, |row, (field, value, other)| row.value(field, value, other.as_ref())),
        Err(why) => row.incomparable(why),
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::reconcile::row;

    use super::*;

    #[test]
    fn what_cannot_be_mapped_is_not_in_step() {
        let row = with(row("C1", "C1", "C1"), Err("the mapping [account] Country: no such country".into()));
        assert!(row.incomparable.ends_with("no such country") && row.told.is_empty());
    }
}
