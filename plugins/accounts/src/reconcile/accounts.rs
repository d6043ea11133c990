//! Partners against accounts, and the values of the mapping's pairs: what is compared is what would be written.

use std::collections::BTreeSet;

use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, row};
use tandem_sdk::{Error, Side, Value, counterpart, links, salesforce, text};

use super::with;
use crate::describe::{Create, Settings};
use crate::{fields, gather, gone, person};

/// Records of a page.
const ACCOUNTS: usize = 1_000;
const PARTNERS: usize = 500;

pub fn rows(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    match asked.side {
        Side::Salesforce => accounts(asked, settings),
        Side::B1 => partners(asked, settings),
    }
}

fn accounts(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let mut names = gather::own_fields(settings);
    names.extend(["Tandem_Sync_Message__c", gone::TYPE].map(str::to_owned));
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
        let alone =
            if account[gone::TYPE] == gone::DELETED { "its partner was deleted in B1, and it says so" } else { "" };
        with(row.changed_in_salesforce(account).told(state, message).alone(alone), values)
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
        id: &["CardCode"],
        is_number: false,
        key: "CardCode",
        changed: "UpdateDate",
        page: PARTNERS,
    })?;
    let mut found: Vec<Value> = found.into_iter().map(gather::flat).collect();
    if settings.org.persons {
        named_as_persons(settings, &mut found)?;
    }
    let codes: Vec<String> = found.iter().map(|partner| text(partner, "CardCode").to_owned()).collect();
    let linked = links::find_all("account", Side::B1, &codes);
    let values = fields::shown(&settings.org.sections(), Side::B1, &found);
    let rows = found.iter().zip(values).zip(linked).map(|((partner, values), linked)| {
        let code = text(partner, "CardCode");
        let label = format!("{code}, {}", text(partner, "CardName"));
        let parted = linked.is_some_and(|link| counterpart::is_parted(&link));
        let alone = if parted { "its account was deleted in Salesforce, and the partner stays" } else { "" };
        with(row(code, code, label).changed_in_b1(partner).alone(alone), values)
    });
    Ok(Page { rows: rows.collect(), next })
}

/// Partners that are persons in Salesforce are compared as they are written: by their two names.
fn named_as_persons(settings: &Settings, partners: &mut [Value]) -> Result<(), Error> {
    let codes: Vec<String> = partners.iter().map(|partner| text(partner, "CardCode").to_owned()).collect();
    let accounts = counterpart::accounts(&codes, &settings.keys)?.ids;
    let ids: Vec<String> = accounts.values().cloned().collect();
    let persons = persons_of(&ids)?;
    put_names(partners, |code| accounts.get(code).is_some_and(|id| persons.contains(id)));
    Ok(())
}

/// Which of these accounts are persons.
pub fn persons_of(ids: &[String]) -> Result<BTreeSet<String>, Error> {
    let persons = salesforce::query_in("Id", "Account", "Id", ids, "AND IsPersonAccount = true")?;
    Ok(persons.iter().map(|account| text(account, "Id").to_owned()).collect())
}

fn put_names(partners: &mut [Value], is_person: impl Fn(&str) -> bool) {
    for own in partners.iter_mut().filter(|own| is_person(text(own, "CardCode"))) {
        *own = person::partner(own);
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    #[test]
    fn a_person_is_compared_by_its_two_names() {
        let mut partners = [
            json!({ "CardCode": "P1", "CardName": "Muster, Erika" }),
            json!({ "CardCode": "C1", "CardName": "Muster, Meier & Co" }),
        ];
        put_names(&mut partners, |code| code == "P1");
        assert_eq!(partners.each_ref().map(|own| text(own, "CardName")), ["Erika Muster", "Muster, Meier & Co"]);
    }
}
