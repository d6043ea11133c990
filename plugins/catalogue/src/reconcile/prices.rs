//! Item prices against the entries of the price books, each price list and currency for itself.

use std::collections::BTreeMap;

use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, Which, row};
use tandem_sdk::{Error, Side, Value, b1, counterpart, json, links, salesforce, text};

use crate::books::{self, Books};
use crate::describe::{Settings, UNTOLD};
use crate::prices::{self, Held, PRICES};
use crate::terms::Terms;

/// Records of a page.
const ENTRIES: usize = 1_000;
const ITEMS: usize = 200;

/// Nobody says when a price was changed: an item keeps its `UpdateDate`. So all are read, whatever is asked for.
pub fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let which = asked.which.whenever();
    match asked.side {
        Side::Salesforce => entries(asked.settings, &which),
        Side::B1 => of_items(asked.settings, &which),
    }
}

/// Items named by keys such as `A1@2@EUR`.
fn items_of(ids: &[String], keys: &[String]) -> Vec<String> {
    let items: Vec<String> = ids.iter().chain(keys).map(|key| prices::item_of(key).to_owned()).collect();
    b1::distinct(&items)
}

fn entries(settings: &Settings, which: &Which<'_>) -> Result<Page, Error> {
    let currency = if settings.multi_currency { ",CurrencyIsoCode" } else { "" };
    let own =
        "Id,Pricebook2Id,Product2Id,Product2.IsActive,Product2.Tandem_Item_Code__c,UnitPrice,IsActive,LastModifiedDate";
    let of = Objects {
        fields: format!("{own}{currency}"),
        from: "PricebookEntry",
        filter: String::new(),
        key: "Id",
        keys: None,
        dated: None,
        page: ENTRIES,
    };
    let Which::These { ids, keys } = which else {
        let (found, next) = which.objects(&of)?;
        return Ok(Page { rows: shown(settings, &found)?, next });
    };
    let (mut found, _) = Which::These { ids, keys: &[] }.objects(&of)?;
    let products: Vec<String> = counterpart::products(&items_of(&[], keys), &settings.keys)?.into_values().collect();
    found.extend(salesforce::query_in(&of.fields, of.from, "Product2Id", &products, "")?);
    let found: Vec<Value> = b1::by_key(found, "Id").into_values().collect();
    Ok(Page { rows: which.only(shown(settings, &found)?), next: None })
}

/// Entries of the flow's own products and price books. Others are none of its prices.
fn shown(settings: &Settings, entries: &[Value]) -> Result<Vec<Row>, Error> {
    let standard = books::standard()?;
    let by = |kind: &str, name: &str| {
        let ids: Vec<String> = entries.iter().map(|entry| text(entry, name).to_owned()).collect();
        links::find_all(kind, Side::Salesforce, &ids)
    };
    let (products, books, linked) = (by("product", "Product2Id"), by("pricebook", "Pricebook2Id"), by("price", "Id"));
    let rows = entries.iter().zip(products).zip(books).zip(linked).filter_map(|(((entry, product), book), linked)| {
        let carried = || settings.keys.own(text(&entry["Product2"], "Tandem_Item_Code__c")).map(str::to_owned);
        let item = product.map(|link| link.b1_id).or_else(carried)?;
        let list = match book {
            Some(book) => book.b1_id,
            None if text(entry, "Pricebook2Id") == standard => "0".into(),
            None => return None,
        };
        let currency =
            if settings.multi_currency { text(entry, "CurrencyIsoCode") } else { settings.currency.as_str() };
        let alone = if entry["IsActive"] != true {
            "the entry is not active"
        } else if entry["Product2"]["IsActive"] == false {
            "its product is not active"
        } else if linked.is_none() {
            "it was made in Salesforce, and B1 has no price of that list and currency"
        } else {
            ""
        };
        let key = prices::key(&item, &list, currency);
        let own = row(text(entry, "Id"), key, label(&item, &list, currency)).told_by(item);
        Some(with(own.changed_in_salesforce(entry).alone(alone), &entry["UnitPrice"], &entry["IsActive"]))
    });
    Ok(rows.collect())
}

fn of_items(settings: &Settings, which: &Which<'_>) -> Result<Page, Error> {
    let mut select: Vec<&str> = vec!["ItemCode", "ItemPrices"];
    select.extend(Terms::properties().filter(|name| *name != "ItemCode"));
    let of = Entities {
        set: "Items",
        select: select.join(","),
        filter: String::new(),
        id: &["ItemCode"],
        is_number: false,
        key: "ItemCode",
        changed: "",
        page: ITEMS,
    };
    let (found, next) = match which {
        Which::Next { .. } => which.entities(&of)?,
        Which::These { ids, keys } => Which::These { ids: &items_of(ids, keys), keys: &[] }.entities(&of)?,
    };
    let books = Books::look(settings)?;
    Ok(Page { rows: which.only(of_b1(settings, &books, &found)?), next })
}

/// The prices of items: those that are to be shown, and those that stand though nobody can say what they should be.
fn of_b1(settings: &Settings, books: &Books, items: &[Value]) -> Result<Vec<Row>, Error> {
    let terms = Terms::read(books, items.iter())?;
    let codes: Vec<String> = items.iter().map(|item| text(item, "ItemCode").to_owned()).collect();
    let (products, standing) = (counterpart::products(&codes, &settings.keys)?, PRICES.standing(&codes));
    let mut rows = Vec::new();
    for (item, code) in items.iter().zip(&codes) {
        // The comparison of products says which items lack one.
        let alone = if products.contains_key(code) { "" } else { "its item has no product" };
        let stands = standing.get(code).cloned().unwrap_or_default();
        let mut own: BTreeMap<String, Row> = BTreeMap::new();
        let mut put = |key: String, amount: Option<Value>, why: String| {
            let label = label(code, prices::list_of(&key), prices::currency_of(&key));
            let new = row(key.as_str(), key.as_str(), label).told_by(code).alone(alone).incomparable(why);
            own.entry(key).or_insert(match amount {
                Some(amount) => with(new, &amount, &json!(true)),
                None => new,
            });
        };
        match prices::prices(settings, books, &terms, item) {
            Err(Held::Failed(error)) => return Err(error),
            Err(Held::Wrong(why)) => {
                // Where none stands yet, one row tells of all.
                let all = if stands.is_empty() { [prices::key(code, "", "")].into() } else { stands };
                all.into_iter().for_each(|key| put(key, None, why.english().into()));
            }
            Ok(prices) => {
                for price in prices.known.iter().filter(|price| !price.amount.is_zero()) {
                    let key = prices::key(code, &price.list.to_string(), &price.currency);
                    // The standard list may have that price, of which nobody knows the currency.
                    let is_open = price.lent && prices.untold.contains(&settings.standard_price_list);
                    let why = if is_open && stands.contains(&key) { UNTOLD } else { "" };
                    put(key, Some(b1::number(price.amount)), why.into());
                }
                let left = stands.into_iter().filter(|key| prices::is_left(key, &prices.untold));
                left.for_each(|key| put(key, None, UNTOLD.into()));
            }
        }
        rows.extend(own.into_values());
    }
    Ok(rows)
}

fn label(item: &str, list: &str, currency: &str) -> String {
    match list {
        "" => format!("{item}, its prices"),
        "0" => format!("{item}, standard price book, {currency}"),
        list => format!("{item}, price list {list}, {currency}"),
    }
}

fn with(own: Row, price: &Value, is_active: &Value) -> Row {
    own.value("UnitPrice", price, None).value("IsActive", is_active, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_item_whatever_the_items_code_is() {
        let keys = ["A@1@2@EUR", "A@1@0@USD", "B@1@EUR"].map(str::to_owned);
        assert_eq!(items_of(&keys[..2], &keys), ["A@1", "B"]);
        assert_eq!((prices::list_of(&keys[0]), prices::currency_of(&keys[1])), ("2", "USD"));
    }
}
