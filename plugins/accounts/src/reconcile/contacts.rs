//! Contact employees of partners that have an account against the contacts of accounts that have a partner.

use std::collections::BTreeSet;

use tandem_sdk::counterpart::Accounts;
use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, Which, row};
use tandem_sdk::{Error, Side, Value, b1, counterpart, links, mapping, text};

use super::{accounts, with};
use crate::describe::Settings;
use crate::{contacts, fields, gather, left, newcomers};

/// Records of a page.
const CONTACTS: usize = 1_000;
const PARTNERS: usize = 200;

/// What is mapped, and that somebody is there no more.
const SECTIONS: [&str; 1] = ["contact"];
const INACTIVE: &str = "Tandem_Inactive__c";
const CUSTOMER: &str = "CardCode";

pub fn rows(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    match asked.side {
        Side::Salesforce => of_salesforce(asked, settings),
        Side::B1 => employees(asked, settings),
    }
}

fn of_salesforce(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let mut names = gather::contact_fields();
    names.extend(["AccountId", "Account.Tandem_Card_Code__c"].map(str::to_owned));
    // Whoever is a person account is compared as an account.
    let person = if settings.org.persons { " AND IsPersonAccount != true" } else { "" };
    let (mut found, next) = asked.which.all_objects(&Objects {
        fields: names.join(","),
        from: "Contact",
        filter: format!("IsDeleted = false AND AccountId != null{person}"),
        key: "Tandem_Contact_Key__c",
        keys: Some(&settings.keys),
        dated: None,
        page: CONTACTS,
    })?;
    let each = |name: &str| found.iter().map(|contact| text(contact, name).to_owned()).collect::<Vec<_>>();
    let mut partners = links::find_all("account", Side::Salesforce, &each("AccountId")).into_iter();
    let mut partner_of = |contact: &Value| {
        let carried = || settings.keys.own(text(&contact["Account"], "Tandem_Card_Code__c")).map(str::to_owned);
        partners.next().flatten().map(|link| link.b1_id).or_else(carried)
    };
    let partners: Vec<Option<String>> = found.iter().map(&mut partner_of).collect();
    let linked = links::find_all("contact", Side::Salesforce, &each("Id"));
    let mut about = partners.into_iter().zip(linked);
    let mut kept = Vec::new();
    found.retain(|_| match about.next() {
        // An account without a partner has nobody in B1.
        Some((Some(partner), linked)) => {
            kept.push((partner, linked));
            true
        }
        _ => false,
    });
    let values = fields::shown(&SECTIONS, Side::Salesforce, &found);
    let rows = found.iter().zip(values).zip(kept).map(|((contact, values), (card_code, linked))| {
        let key = settings.keys.own(text(contact, "Tandem_Contact_Key__c")).unwrap_or_default();
        let name = format!("{} {}", text(contact, "FirstName"), text(contact, "LastName"));
        let parted = linked.as_ref().is_some_and(left::is_parted);
        let own = row(text(contact, "Id"), key, format!("{}, of {card_code}", name.trim()))
            .told_by(card_code.as_str())
            .told_by(text(contact, "AccountId"))
            // Whose he is: somebody who was moved is not in step.
            .value(CUSTOMER, &card_code.into(), None)
            .alone(if parted { "its contact employee was removed in B1" } else { "" });
        with(own.changed_in_salesforce(contact).value(INACTIVE, &contact[INACTIVE], None), values)
    });
    Ok(Page { rows: rows.collect(), next })
}

fn employees(asked: &Asked<'_, Settings>, settings: &Settings) -> Result<Page, Error> {
    let of = Entities {
        set: "BusinessPartners",
        select: "CardCode,CardName,ContactEmployees,UpdateDate,UpdateTime".into(),
        filter: "CardType ne 'cSupplier'".into(),
        id: &["CardCode"],
        is_number: false,
        key: "CardCode",
        changed: "UpdateDate",
        page: PARTNERS,
    };
    let Which::These { ids, keys } = &asked.which else {
        let (found, next) = asked.which.entities(&of)?;
        return Ok(Page { rows: shown(settings, &found)?, next });
    };
    let codes = ids.iter().chain(*keys).filter_map(|key| Some(key.rsplit_once(':')?.0.to_owned()));
    let (found, _) = Which::These { ids: &b1::distinct(&codes.collect::<Vec<_>>()), keys: &[] }.entities(&of)?;
    Ok(Page { rows: asked.which.only(shown(settings, &found)?), next: None })
}

fn shown(settings: &Settings, partners: &[Value]) -> Result<Vec<Row>, Error> {
    let codes: Vec<String> = partners.iter().map(|partner| text(partner, "CardCode").to_owned()).collect();
    let Accounts { ids: mut accounts, parted, .. } = counterpart::accounts(&codes, &settings.keys)?;
    accounts.retain(|code, _| !parted.contains(code));
    let persons = match settings.org.persons {
        true => accounts::persons_of(&accounts.values().cloned().collect::<Vec<_>>())?,
        false => BTreeSet::new(),
    };
    let mut people: Vec<(&Value, Value)> = Vec::new();
    for partner in partners {
        let own = partner["ContactEmployees"].as_array().into_iter().flatten();
        people.extend(own.map(|employee| (partner, named(employee))));
    }
    let keys: Vec<String> = people.iter().map(|(partner, employee)| key(partner, employee)).collect();
    let linked = links::find_all("contact", Side::B1, &keys);
    let own: Vec<Value> = people.iter().map(|(_, employee)| employee.clone()).collect();
    let values = fields::shown(&SECTIONS, Side::B1, &own);
    let rows = people.iter().zip(keys).zip(linked).zip(values).map(|((((partner, employee), key), linked), values)| {
        let card_code = text(partner, "CardCode");
        let is_inactive = employee["Active"] == "tNO";
        let alone = match accounts.get(card_code) {
            None => "its partner has no account",
            Some(account) if persons.contains(account) => "its partner is a person in Salesforce",
            // Nobody needs to hear of somebody who left before they met, and who was made inactive is gone there.
            Some(_) if is_inactive => "it is not active",
            Some(_) if linked.as_ref().is_some_and(left::is_parted) => "its contact was deleted, and a person kept it",
            Some(_) => "",
        };
        let own = row(key.as_str(), key.as_str(), format!("{}, of {card_code}", text(employee, "Name")))
            .told_by(card_code)
            .value(CUSTOMER, &card_code.into(), None)
            .alone(alone);
        with(own.changed_in_b1(partner).value(INACTIVE, &is_inactive.into(), None), values)
    });
    Ok(rows.collect())
}

fn key(partner: &Value, employee: &Value) -> String {
    contacts::key(text(partner, "CardCode"), &b1::key_text(&employee["InternalCode"]))
}

/// With the last name that its contact is given where it has none of its own: Salesforce wants one.
fn named(employee: &Value) -> Value {
    let mut employee = employee.clone();
    let is_mapped =
        mapping::pairs(SECTIONS[0]).iter().any(|pair| pair.b1 == "LastName" && pair.salesforce == "LastName");
    if is_mapped && text(&employee, "LastName").trim().is_empty() {
        let last = newcomers::last_name(&employee);
        employee["LastName"] = last.into();
    }
    employee
}
