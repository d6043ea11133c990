//! Items against products, field by field: what is compared is what would be written.

use std::collections::BTreeSet;

use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, row};
use tandem_sdk::{Error, Side, Value, clock, mapping, text};

use crate::describe::Settings;
use crate::products;

/// Records of a page.
const PRODUCTS: usize = 1_000;
const ITEMS: usize = 500;

pub fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    match asked.side {
        Side::Salesforce => of_products(asked),
        Side::B1 => of_items(asked),
    }
}

/// What is compared of a product.
fn targets() -> BTreeSet<String> {
    mapping::target_fields("product").into_iter().chain(products::GONE.map(str::to_owned)).collect()
}

fn of_products(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let targets = targets();
    let names = ["Id", "Name", "ProductCode", "Tandem_Item_Code__c", "LastModifiedDate"].map(str::to_owned);
    let names: BTreeSet<String> = names.into_iter().chain(targets.iter().cloned()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let (found, next) = asked.which.objects(&Objects {
        fields: names.join(","),
        from: "Product2",
        filter: "Tandem_Item_Code__c != null".into(),
        key: "Tandem_Item_Code__c",
        keys: Some(&asked.settings.keys),
        dated: None,
        page: PRODUCTS,
    })?;
    let rows = found.iter().filter_map(|product| {
        let code = asked.settings.keys.own(text(product, "Tandem_Item_Code__c"))?;
        let own = row(text(product, "Id"), code, format!("{code}, {}", text(product, "Name")));
        Some(with(own.changed_in_salesforce(product), &targets, product))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn of_items(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let mut select = vec!["ItemCode".to_owned(), "UpdateDate".into(), "UpdateTime".into()];
    select.extend(products::selected().into_iter().filter(|name| name != "ItemPrices"));
    select.sort();
    select.dedup();
    let (found, next) = asked.which.entities(&Entities {
        set: "Items",
        select: select.join(","),
        filter: String::new(),
        id: &["ItemCode"],
        is_number: false,
        key: "ItemCode",
        changed: "UpdateDate",
        page: ITEMS,
    })?;
    let (targets, today) = (targets(), clock::today("b1"));
    let rows = found.iter().map(|item| {
        let code = text(item, "ItemCode");
        let own = row(code, code, format!("{code}, {}", text(item, "ItemName"))).changed_in_b1(item);
        match products::product(asked.settings, item, &today) {
            Ok(fields) => with(own, &targets, &Value::Object(fields)),
            Err(why) => own.incomparable(why),
        }
    });
    Ok(Page { rows: rows.collect(), next })
}

fn with(own: Row, targets: &BTreeSet<String>, record: &Value) -> Row {
    targets.iter().fold(own, |own, field| own.value(field, &record[field.as_str()], None))
}
