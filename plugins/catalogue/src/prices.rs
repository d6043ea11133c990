//! Item price → `PricebookEntry`. Salesforce wants a price in the standard book before one in another, in each currency.

use std::collections::BTreeMap;

use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Decimal, Error, Link, Map, Outcomes, Probe, Units, Value, b1, decimal, json, links, money, salesforce, text,
};

use crate::books::Books;
use crate::describe::Settings;
use crate::products::Product;

/// A price as B1 has it.
#[derive(Clone, Debug, PartialEq)]
struct Price {
    /// `PriceListNo`; 0 for the standard book.
    list: i64,
    currency: String,
    amount: Decimal,
}

/// Brings the entries of these products in step.
pub fn keep(settings: &Settings, books: &Books, products: &[Product], outcomes: &mut Outcomes) {
    let mut rows = Vec::new();
    let terms = match Terms::read(books, products) {
        Ok(terms) => terms,
        Err(error) => {
            let all: Vec<usize> = products.iter().flat_map(|product| product.events.clone()).collect();
            return outcomes.fail(&all, &error, "reading units and taxes");
        }
    };
    for product in products {
        match prices(settings, books, &terms, &product.item) {
            Err(Held::Failed(error)) => outcomes.fail(&product.events, &error, "reading currencies"),
            Ok(prices) => rows.extend(prices.iter().filter_map(|price| row(settings, books, product, price))),
            Err(Held::Wrong(why)) => outcomes.hold(&product.events, format!("{}: {why}", product.item_code)),
        }
    }
    let verify: Vec<&Product> = products.iter().filter(|product| product.verify).collect();
    let there = match find_unlinked(settings, &rows, products).and_then(|()| as_they_are(&verify)) {
        Ok(there) => there,
        Err(error) => {
            let all: Vec<usize> = products.iter().flat_map(|product| product.events.clone()).collect();
            return outcomes.fail(&all, &error, "reading prices");
        }
    };
    // A price of zero is none: it ends an entry, and begins none.
    let keys: Vec<String> = rows.iter().map(|row| row.b1_id.clone()).collect();
    let known = mirror::linked("price", &keys);
    rows.retain(|row| row.fields["IsActive"] == true || known.contains_key(&row.b1_id));
    let (standard, custom): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.b1_id.contains("@0@"));
    for rows in [standard, custom] {
        mirror::write(&rows, outcomes, &there);
    }
}

/// By what a price of a list becomes a price of the book: net, and of the sales unit.
#[derive(Default)]
struct Terms {
    units: Units,
    /// Percent by tax group.
    taxes: BTreeMap<String, Decimal>,
}

impl Terms {
    fn read(books: &Books, products: &[Product]) -> Result<Self, Error> {
        let units = Units::read(products.iter().map(|product| &product.item))?;
        let groups: Vec<String> = match books.gross.is_empty() {
            true => Vec::new(),
            false => products.iter().map(|product| text(&product.item, "SalesVATGroup").to_owned()).collect(),
        };
        let taxes = if groups.is_empty() { BTreeMap::new() } else { money::tax_rates(&groups)? };
        Ok(Self { units, taxes })
    }

    fn of_book(&self, books: &Books, list: i64, item: &Value, amount: Decimal) -> Result<Decimal, String> {
        let amount = amount * self.units.of(text(item, "ItemCode")).of_list;
        if !books.gross.contains(&list) || amount.is_zero() {
            return Ok(amount);
        }
        let group = text(item, "SalesVATGroup");
        let tax = self.taxes.get(group).ok_or_else(|| {
            format!("the list's prices are with tax, and B1 tells no rate of the item's tax group {group:?}")
        })?;
        Ok((amount * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + tax)).round_dp(6))
    }
}

/// Why an item's prices are not shown.
#[derive(Debug)]
enum Held {
    /// A person must see to it.
    Wrong(String),
    Failed(Error),
}

/// All prices of an item that are shown, those of the standard book among them.
fn prices(settings: &Settings, books: &Books, terms: &Terms, item: &Value) -> Result<Vec<Price>, Held> {
    let mut found: Vec<Price> = Vec::new();
    for row in item["ItemPrices"].as_array().into_iter().flatten() {
        let Some(list) = row["PriceList"].as_i64() else { continue };
        let book = books.books.iter().find(|book| book.list == list);
        if book.is_none() && list != settings.standard_price_list {
            continue;
        }
        for (price, currency) in [
            ("Price", "Currency"),
            ("AdditionalPrice1", "AdditionalCurrency1"),
            ("AdditionalPrice2", "AdditionalCurrency2"),
        ] {
            let Some(amount) = decimal(&row[price]) else { continue };
            let own = text(row, currency);
            let listed = book.map_or("", |book| book.currency.as_str());
            let currency = [own, listed, settings.currency.as_str()].into_iter().find(|c| !c.is_empty());
            let currency = settings.currencies.iso(currency.unwrap_or_default()).map_err(Held::Failed)?;
            if (own.is_empty() && amount.is_zero()) || (!settings.multi_currency && currency != settings.currency) {
                continue;
            }
            let amount = terms
                .of_book(books, list, item, amount)
                .and_then(|amount| told(settings, amount))
                .map_err(|why| Held::Wrong(format!("price list {list}: {why}")))?;
            if book.is_some() {
                found.push(Price { list, currency: currency.clone(), amount });
            }
            if list == settings.standard_price_list {
                found.push(Price { list: 0, currency, amount });
            }
        }
    }
    // A currency that the standard list does not have: its first price stands in the standard book, too.
    let missing: Vec<Price> = found
        .iter()
        .filter(|price| !price.amount.is_zero())
        .filter(|price| !found.iter().any(|other| other.list == 0 && other.currency == price.currency))
        .cloned()
        .collect();
    for price in missing {
        if !found.iter().any(|other| other.list == 0 && other.currency == price.currency) {
            found.push(Price { list: 0, ..price });
        }
    }
    Ok(found)
}

/// The amount as the org can hold it.
fn told(settings: &Settings, amount: Decimal) -> Result<Decimal, String> {
    if amount < Decimal::ZERO {
        return Err(format!("the price {amount} is negative"));
    }
    let strategy = tandem_sdk::RoundingStrategy::MidpointAwayFromZero;
    let rounded = amount.round_dp_with_strategy(settings.price_decimals, strategy);
    if rounded != amount && settings.review_rounded {
        return Err(format!(
            "the price {amount} has more decimals than the {} that the org keeps",
            settings.price_decimals
        ));
    }
    if rounded.is_zero() && !amount.is_zero() {
        return Err(format!("the price {amount} would be rounded to zero"));
    }
    Ok(rounded)
}

fn row(settings: &Settings, books: &Books, product: &Product, price: &Price) -> Option<Row> {
    let book = match price.list {
        0 => &books.standard,
        list => &books.books.iter().find(|book| book.list == list)?.id,
    };
    let mut on_create = Map::new();
    on_create.insert("Pricebook2Id".into(), book.as_str().into());
    on_create.insert("Product2Id".into(), product.id.as_str().into());
    if settings.multi_currency {
        on_create.insert("CurrencyIsoCode".into(), price.currency.as_str().into());
    }
    let mut fields = Map::new();
    let active = !price.amount.is_zero();
    fields.insert("IsActive".into(), active.into());
    if active {
        fields.insert("UnitPrice".into(), b1::number(price.amount));
    }
    let key = format!("{}@{}@{}", product.item_code, price.list, price.currency);
    let mut row = Row::new("price", key, "PricebookEntry", fields).whole().serving(&product.events);
    let currency = if settings.multi_currency {
        format!(" AND CurrencyIsoCode = {}", salesforce::quote(&price.currency))
    } else {
        String::new()
    };
    let soql = format!(
        "SELECT Id FROM PricebookEntry WHERE Pricebook2Id = {} AND Product2Id = {}{currency}",
        salesforce::quote(book),
        salesforce::quote(&product.id)
    );
    row.probe = Some(Probe { path: format!("/query?q={}", b1::encode(&soql)), found: "/records/0".into() });
    row.on_create = on_create;
    Some(row)
}

/// Links prices with entries that are there already.
fn find_unlinked(settings: &Settings, rows: &[Row], products: &[Product]) -> Result<(), Error> {
    let keys: Vec<String> = rows.iter().map(|row| row.b1_id.clone()).collect();
    let linked = mirror::linked("price", &keys);
    let open: Vec<&Row> = rows.iter().filter(|row| !linked.contains_key(&row.b1_id)).collect();
    // A product that was made just now has none.
    let old = |id: &Value| products.iter().any(|product| *id == product.id.as_str() && !product.created);
    let ids: Vec<String> =
        open.iter().map(|row| &row.on_create["Product2Id"]).filter(|id| old(id)).map(b1::key_text).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let currency = if settings.multi_currency { ",CurrencyIsoCode" } else { "" };
    let fields = format!("Id,Pricebook2Id,Product2Id,UnitPrice,IsActive{currency}");
    let found = salesforce::query_in(&fields, "PricebookEntry", "Product2Id", &ids, "")?;
    let mut entries: BTreeMap<(String, String, String), &Value> = BTreeMap::new();
    for entry in &found {
        let part = |name: &str| text(entry, name).to_owned();
        entries.insert((part("Pricebook2Id"), part("Product2Id"), part("CurrencyIsoCode")), entry);
    }
    for row in open {
        let part = |name: &str| row.on_create.get(name).map(b1::key_text).unwrap_or_default();
        let Some(entry) = entries.get(&(part("Pricebook2Id"), part("Product2Id"), part("CurrencyIsoCode"))) else {
            continue;
        };
        links::put(&Link {
            kind: "price".into(),
            b1_id: row.b1_id.clone(),
            salesforce_id: text(entry, "Id").into(),
            base: json!({ "UnitPrice": entry["UnitPrice"], "IsActive": entry["IsActive"] }).to_string(),
        });
    }
    Ok(())
}

fn as_they_are(products: &[&Product]) -> Result<BTreeMap<String, Value>, Error> {
    let ids: Vec<String> = products.iter().map(|product| product.id.clone()).collect();
    let rows = salesforce::query_in("Id,UnitPrice,IsActive", "PricebookEntry", "Product2Id", &ids, "")?;
    Ok(b1::by_key(rows, "Id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::books::Book;

    fn books() -> Books {
        let book = |list, currency: &str| Book { list, id: format!("01s{list}"), currency: currency.into() };
        Books { standard: "01s".into(), books: vec![book(1, "EUR"), book(4, "USD")], gross: Default::default() }
    }

    fn settings(text: &str) -> Settings {
        let currencies = tandem_sdk::Currencies::fixed(&[("EUR", "EUR"), ("USD", "USD"), ("$", "USD")]);
        Settings { currencies, ..Settings::read(text) }
    }

    #[test]
    fn a_currency_without_standard_price_gets_one() {
        let item = json!({ "ItemPrices": [{ "PriceList": 1, "Price": 10, "Currency": "EUR" }, { "PriceList": 4, "Price": 12, "Currency": "USD" }] });
        let prices = prices(&settings("{}"), &books(), &Terms::default(), &item).unwrap();
        let standard: Vec<_> =
            prices.iter().filter(|price| price.list == 0).map(|price| price.currency.as_str()).collect();
        assert_eq!(standard, ["EUR", "USD"]);
    }

    #[test]
    fn negative_prices_are_held_and_six_decimals_are_rounded_or_held() {
        let item = |price: &str| {
            tandem_sdk::from_json(&format!(r#"{{"ItemPrices":[{{"PriceList":1,"Price":{price},"Currency":"EUR"}}]}}"#))
        };
        let held = |wanted: &'static str| move |held: Held| matches!(held, Held::Wrong(why) if why.contains(wanted));
        assert!(prices(&settings("{}"), &books(), &Terms::default(), &item("-1")).is_err_and(held("negative")));
        assert_eq!(
            prices(&settings("{}"), &books(), &Terms::default(), &item("1.234567")).unwrap()[0].amount.to_string(),
            "1.23"
        );
        assert!(
            prices(&settings(r#"{"more_decimals":"review"}"#), &books(), &Terms::default(), &item("1.234567")).is_err()
        );
        assert!(prices(&settings("{}"), &books(), &Terms::default(), &item("0.001")).is_err_and(held("zero")));
    }

    #[test]
    fn a_price_of_the_book_is_net_in_the_orgs_currency_and_of_the_sales_unit() {
        let item = json!({ "ItemCode": "A1", "SalesVATGroup": "A1", "ItemPrices": [{ "PriceList": 1, "Price": 119, "Currency": "$" }] });
        let mut books = books();
        let one =
            |books: &Books, terms: &Terms| prices(&settings("{}"), books, terms, &item).map(|prices| prices[0].clone());
        let terms = Terms { taxes: BTreeMap::from([("A1".to_owned(), 19.into())]), ..Terms::default() };
        let net = one(&books, &terms).unwrap();
        assert_eq!((net.currency.as_str(), net.amount), ("USD", 119.into()));
        books.gross.insert(1);
        assert_eq!(one(&books, &terms).unwrap().amount, 100.into());
        assert!(one(&books, &Terms::default()).is_err(), "nobody knows how much of it is tax");
    }
}
