//! The org's data at the start: the same company as in B1, with opportunities on their way.

use serde_json::{Value, json};

use super::org::{Manner, Org, Record, SALES_USER};
use crate::company::{Company, PRICE_LISTS};

/// Ids that later steps need.
#[derive(Default)]
pub struct Seeded {
    /// Account ids, in the company's order.
    pub accounts: Vec<String>,
    /// Custom price books, one per price list.
    pub books: Vec<String>,
    /// `entries[list][item]`
    pub entries: Vec<Vec<String>>,
    /// Places of the customers with room in their credit limit: those with a narrow one are for the tests that ask for them.
    roomy: Vec<usize>,
    /// Places of the items that can be sold.
    sellable: Vec<usize>,
}

/// Fills an empty org.
pub fn fill(org: &mut Org, company: &Company, opportunities: usize) -> anyhow::Result<Seeded> {
    let roomy = (0..company.customers.len()).filter(|place| company.customers[*place].credit_limit > 1_000).collect();
    let sellable = (0..company.items.len()).filter(|place| company.items[*place].active).collect();
    let mut seeded = Seeded { roomy, sellable, ..Seeded::default() };
    for customer in &company.customers {
        let (street, city, postcode, country) = &customer.address;
        let account = json!({
            "Name": customer.name, "BillingStreet": street, "BillingCity": city, "BillingPostalCode": postcode,
            "BillingCountry": country, "Tandem_Card_Code__c": customer.card_code,
            "CurrencyIsoCode": if customer.currency == "##" { "USD" } else { "EUR" },
        });
        let id = insert(org, "Account", account)?;
        for (first, last) in &customer.contacts {
            insert(org, "Contact", json!({ "FirstName": first, "LastName": last, "AccountId": id }))?;
        }
        seeded.accounts.push(id);
    }
    let standard =
        insert(org, "Pricebook2", json!({ "Name": "Standard Price Book", "IsActive": true, "IsStandard": true }))?;
    for (name, ..) in PRICE_LISTS {
        seeded.books.push(insert(org, "Pricebook2", json!({ "Name": name, "IsActive": true, "IsStandard": false }))?);
    }
    seeded.entries = vec![Vec::new(); PRICE_LISTS.len()];
    for item in &company.items {
        let product =
            insert(org, "Product2", json!({ "Name": item.name, "ProductCode": item.code, "IsActive": item.active }))?;
        for currency in ["EUR", "USD"] {
            insert(
                org,
                "PricebookEntry",
                json!({ "Pricebook2Id": standard, "Product2Id": product, "UnitPrice": cents(item.cents), "IsActive": true, "CurrencyIsoCode": currency }),
            )?;
        }
        for (list, (_, _, currency)) in PRICE_LISTS.iter().enumerate() {
            let price = Company::price(item, list as i64 + 1);
            let entry = json!({ "Pricebook2Id": seeded.books[list], "Product2Id": product, "UnitPrice": cents(price), "IsActive": true, "CurrencyIsoCode": currency });
            seeded.entries[list].push(insert(org, "PricebookEntry", entry)?);
        }
    }
    for n in 0..opportunities {
        add_opportunity(org, company, &seeded, n)?;
    }
    Ok(seeded)
}

/// An open opportunity with one to three lines; the same for the same number.
pub fn add_opportunity(org: &mut Org, company: &Company, seeded: &Seeded, n: usize) -> anyhow::Result<String> {
    let Seeded { roomy, sellable, .. } = seeded;
    let customer = roomy[n % roomy.len()];
    let list = company.customers[customer].price_list as usize - 1;
    let currency = PRICE_LISTS[list].2;
    let opportunity = json!({
        "Name": format!("{} {}", company.customers[customer].name, n + 1), "StageName": "Negotiation/Review",
        "CloseDate": "2027-01-29", "AccountId": seeded.accounts[customer], "Pricebook2Id": seeded.books[list],
        "CurrencyIsoCode": currency, "Tandem_PO_Number__c": format!("PO-{:05}", n + 1),
    });
    let id = insert(org, "Opportunity", opportunity)?;
    for k in 0..1 + n % 3 {
        let item = sellable[(n * 11 + k * 17) % sellable.len()];
        let line = json!({
            "OpportunityId": id, "PricebookEntryId": seeded.entries[list][item], "Quantity": 1 + (n + k) % 7,
            "UnitPrice": cents(Company::price(&company.items[item], list as i64 + 1)), "SortOrder": k,
            "Discount": if n.is_multiple_of(4) { json!(2.5) } else { Value::Null },
        });
        insert(org, "OpportunityLineItem", line)?;
    }
    Ok(id)
}

fn insert(org: &mut Org, object: &str, body: Value) -> anyhow::Result<String> {
    let mut body: Record = body.as_object().cloned().unwrap_or_default();
    if org.schema.field(object, "OwnerId").is_some() {
        body.insert("OwnerId".into(), SALES_USER.into());
    }
    let manner = Manner { silent: true, allow_duplicates: true, system: true };
    let id = org
        .insert(object, body, manner, &mut Vec::new())
        .map_err(|error| anyhow::anyhow!("{object}: {} {}", error.code, error.message))?;
    Ok(id)
}

fn cents(cents: i64) -> Value {
    super::org::number_value(rust_decimal::Decimal::new(cents, 2))
}
