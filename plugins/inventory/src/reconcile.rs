//! What products show of stock against B1's quantities, item by item and added up.

use tandem_sdk::reconcile::{Asked, Comparison, Entities, Needs, Objects, Page, Reconciles, Row, comparison, row};
use tandem_sdk::units::{self, Units};
use tandem_sdk::{Decimal, Error, Side, Value, decimal, text};

use crate::Inventory;
use crate::describe::Settings;
use crate::stock::{FIELDS, Quantities};

/// Records of a page.
const PRODUCTS: usize = 1_000;
const ITEMS: usize = 500;

/// Products that carry an item code are what is read of Salesforce: what has none there has no such product.
const NO_PRODUCT: &str = "no product carries its item code";

/// What is added up, in the items' sales units.
const WHAT: [&str; 4] = ["in stock", "committed", "on order", "available"];

impl Reconciles for Inventory {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        vec![comparison("stock", "Stock of items, and what products show of it", Some("stock"), Needs::B1)]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        match asked.side {
            Side::Salesforce => products(asked),
            Side::B1 => items(asked),
        }
    }
}

fn products(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let fields = format!("Id,Name,Tandem_Item_Code__c,LastModifiedDate,{}", FIELDS.join(","));
    let (found, next) = asked.which.objects(&Objects {
        fields,
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
        let shown = FIELDS.map(|field| decimal(&product[field]));
        Some(with(own.changed_in_salesforce(product), shown))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn items(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let settings = asked.settings;
    let (found, next) = asked.which.entities(&Entities {
        set: "Items",
        select: format!("ItemCode,ItemName,InventoryItem,ItemWarehouseInfoCollection,{}", units::UNITS),
        filter: String::new(),
        id: &["ItemCode"],
        is_number: false,
        key: "ItemCode",
        // Its quantities change without it.
        changed: "",
        page: ITEMS,
    })?;
    let units = Units::read(found.iter())?;
    let mut rows = Vec::with_capacity(found.len());
    for item in &found {
        let code = text(item, "ItemCode");
        // The catalogue flow says which items lack a product.
        let own = row(code, code, format!("{code}, {}", text(item, "ItemName"))).alone(NO_PRODUCT);
        let kept = text(item, "InventoryItem") != "tNO";
        rows.push(with(own, if kept { told(settings, item, &units) } else { [None; 4] }));
    }
    Ok(Page { rows, next })
}

fn told(settings: &Settings, item: &Value, units: &Units) -> [Option<Decimal>; 4] {
    let rows = item["ItemWarehouseInfoCollection"].as_array().into_iter().flatten();
    let total = Quantities::counted(settings, rows).in_units(&units.of(text(item, "ItemCode")));
    [total.in_stock, total.committed, total.ordered, total.available(settings)].map(Some)
}

fn with(own: Row, amounts: [Option<Decimal>; 4]) -> Row {
    let amounts = WHAT.into_iter().zip(amounts).filter_map(|(what, amount)| Some((what, amount?)));
    // The org keeps fewer places than a third of a box has.
    amounts.fold(own, |own, (what, amount)| own.sum(what, "", "", amount, Decimal::new(5, 3)))
}
