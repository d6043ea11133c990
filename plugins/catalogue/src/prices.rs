//! Item price → `PricebookEntry`. Salesforce wants a price in the standard book before one in another, in each currency.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::desired::{Desired, Keys};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Decimal, Error, Map, Outcomes, Probe, Said, Value, b1, decimal, salesforce, say, text};

use crate::books::Books;
use crate::describe::{MoreDecimals, Settings, UNTOLD};
use crate::entries;
use crate::products::Product;
use crate::terms::Terms;

/// A price as B1 has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// `PriceListNo`; 0 for the standard book.
    pub list: i64,
    pub currency: String,
    pub amount: Decimal,
    /// In the standard book, though it is another list's.
    pub lent: bool,
}

/// An item's prices: the link of its product keeps which entries stand.
pub const PRICES: Desired = Desired { owners: "product", rows: "price" };

/// Brings the entries of these products in step.
pub fn keep(settings: &Settings, books: &Books, products: &[Product], outcomes: &mut Outcomes) {
    let terms = match Terms::read(books, products.iter().map(|product| &product.item)) {
        Ok(terms) => terms,
        Err(error) => {
            let all: Vec<usize> = products.iter().flat_map(|product| product.events.clone()).collect();
            return outcomes.fail(
                &all,
                &error,
                say("catalogue.reading_units_and_taxes", "reading units and taxes", []),
            );
        }
    };
    let mut rows = Vec::new();
    let mut told: Vec<&Product> = Vec::new();
    let mut untold: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    // In the standard book though its own list may have that price: made where nothing stands.
    let mut lent = Keys::new();
    for product in products {
        // Prices that were not told are not known to be gone.
        if !product.item["ItemPrices"].is_array() {
            outcomes.note_all(&product.events, "B1 told no prices: they are left as they are");
            continue;
        }
        match prices(settings, books, &terms, &product.item) {
            Err(Held::Failed(error)) => {
                outcomes.fail(&product.events, &error, say("catalogue.reading_currencies", "reading currencies", []))
            }
            Err(Held::Wrong(why)) => {
                let with = [("item", product.item_code.as_str().into()), ("why", why.into())];
                outcomes.hold(&product.events, say("catalogue.item", "{item}: {why}", with));
            }
            Ok(prices) => {
                for list in &prices.untold {
                    let list = books.name(*list);
                    outcomes.note_all(&product.events, &format!("a price of price list {list}: {UNTOLD}"));
                }
                let own = |price| row(settings, books, product, price);
                rows.extend(prices.known.iter().filter_map(own));
                if prices.untold.contains(&settings.standard_price_list) {
                    let all = prices.known.iter().filter(|price| price.lent);
                    lent.extend(all.filter_map(own).map(|row| row.b1_id));
                }
                untold.insert(&product.item_code, prices.untold);
                told.push(product);
            }
        }
    }
    let (there, mut standing) = match entries::read(settings, &rows, &told) {
        Ok(found) => found,
        Err(error) => {
            let all: Vec<usize> = told.iter().flat_map(|product| product.events.clone()).collect();
            return outcomes.fail(&all, &error, say("catalogue.reading_prices", "reading prices", []));
        }
    };
    rows.retain(|row| {
        let stands = || standing.get(item_of(&row.b1_id)).is_some_and(|keys| keys.contains(&row.b1_id));
        !(lent.contains(&row.b1_id) && stands())
    });
    // A price of zero is none: it ends an entry, and begins none.
    let zero: Vec<String> = rows.iter().filter(|row| !is_active(row)).map(|row| row.b1_id.clone()).collect();
    let linked = mirror::linked("price", &zero);
    rows.retain(|row| is_active(row) || linked.contains_key(&row.b1_id));
    // So does what stands and is told no more: another currency, a list that is gone or shown no longer.
    let wanted: Keys = rows.iter().map(|row| row.b1_id.clone()).collect();
    for product in &told {
        let stands = standing.entry(product.item_code.clone()).or_default();
        let lists = untold.get(product.item_code.as_str());
        let is_left = |key: &&String| lists.is_some_and(|lists| is_left(key, lists));
        rows.extend(stands.difference(&wanted).filter(|key| !is_left(key)).map(|key| ended(key, product)));
    }
    // Salesforce wants a price in the standard book before, and as long as, there is one in another.
    let (standard, custom): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.b1_id.contains("@0@"));
    let (begun, ended): (Vec<Row>, Vec<Row>) = standard.into_iter().partition(is_active);
    for rows in [begun, custom, ended] {
        for (row, written) in rows.iter().zip(mirror::write(&rows, outcomes, &there)) {
            let Some(stands) = standing.get_mut(item_of(&row.b1_id)) else { continue };
            // One that could not be ended is tried again.
            let ended = || written.id.is_some() || row.events.iter().all(|event| outcomes.is_open(*event));
            if !is_active(row) && ended() {
                stands.remove(&row.b1_id);
            } else if written.id.is_some() {
                stands.insert(row.b1_id.clone());
            }
        }
    }
    PRICES.keep(&standing);
}

fn is_active(row: &Row) -> bool {
    row.fields["IsActive"] == true
}

/// The item of a price's key, such as `A1@2@EUR`.
pub fn item_of(key: &str) -> &str {
    key.rsplitn(3, '@').nth(2).unwrap_or_default()
}

/// The list of a price's key; `0` is the standard book.
pub fn list_of(key: &str) -> &str {
    key.rsplit('@').nth(1).unwrap_or_default()
}

/// The currency of a price's key.
pub fn currency_of(key: &str) -> &str {
    key.rsplit('@').next().unwrap_or_default()
}

/// The key of a price.
pub fn key(item: &str, list: &str, currency: &str) -> String {
    format!("{item}@{list}@{currency}")
}

/// Whether an entry that stands may be that of a price without a known currency: one of the same list, or of the standard book, which has
/// prices of all lists.
pub fn is_left(key: &str, untold: &BTreeSet<i64>) -> bool {
    let list: Option<i64> = list_of(key).parse().ok();
    !untold.is_empty() && list.is_some_and(|list| list == 0 || untold.contains(&list))
}

/// An entry that B1 has no price for.
fn ended(key: &str, product: &Product) -> Row {
    let fields = Map::from_iter([("IsActive".to_owned(), Value::Bool(false))]);
    Row::new("price", key, "PricebookEntry", fields).switched_off().serving(&product.events)
}

/// Why an item's prices are not shown.
#[derive(Debug)]
pub enum Held {
    /// A person must see to it.
    Wrong(Said),
    Failed(Error),
}

/// An item's prices.
#[derive(Debug, Default)]
pub struct Prices {
    /// All that are shown, those of the standard book among them.
    pub known: Vec<Price>,
    /// Lists with a price of which nobody knows the currency.
    pub untold: BTreeSet<i64>,
}

/// The prices that an item should have in the books.
pub fn prices(settings: &Settings, books: &Books, terms: &Terms, item: &Value) -> Result<Prices, Held> {
    let mut found: Vec<Price> = Vec::new();
    let mut untold = BTreeSet::new();
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
            if own.is_empty() && amount.is_zero() {
                continue;
            }
            let listed = book.map_or("", |book| book.currency.as_str());
            let currency = match [own, listed].into_iter().find(|code| !code.is_empty()) {
                Some(code) => settings.currencies.iso(code).map(Some),
                None => settings.own_currency().map(|own| own.map(str::to_owned)),
            };
            let Some(currency) = currency.map_err(Held::Failed)? else {
                untold.insert(list);
                continue;
            };
            if !settings.multi_currency && currency != settings.currency {
                continue;
            }
            let amount =
                terms.of_book(books, list, item, amount).and_then(|amount| told(settings, amount)).map_err(|why| {
                    let with = [("list", books.name(list).into()), ("why", why.into())];
                    Held::Wrong(say("catalogue.list", "price list {list}: {why}", with))
                })?;
            if book.is_some() {
                found.push(Price { list, currency: currency.clone(), amount, lent: false });
            }
            if list == settings.standard_price_list {
                found.push(Price { list: 0, currency, amount, lent: false });
            }
        }
    }
    // A currency that the standard list has no price in, or one of zero: the first of another list stands in the standard book, too.
    for price in found.clone().into_iter().filter(|price| !price.amount.is_zero()) {
        match found.iter_mut().find(|other| other.list == 0 && other.currency == price.currency) {
            Some(standard) if standard.amount.is_zero() => *standard = Price { list: 0, lent: true, ..price },
            Some(_) => {}
            None => found.push(Price { list: 0, lent: true, ..price }),
        }
    }
    Ok(Prices { known: found, untold })
}

/// The amount as the org can hold it.
fn told(settings: &Settings, amount: Decimal) -> Result<Decimal, Said> {
    if amount < Decimal::ZERO {
        return Err(say("catalogue.negative", "the price {price} is negative", [("price", amount.into())]));
    }
    let strategy = tandem_sdk::RoundingStrategy::MidpointAwayFromZero;
    let rounded = amount.round_dp_with_strategy(settings.price_decimals, strategy);
    if rounded != amount && settings.more_decimals == MoreDecimals::Review {
        return Err(say(
            "catalogue.decimals",
            "the price {price} has more decimals than the {kept} that the org keeps",
            [("price", amount.into()), ("kept", (settings.price_decimals as usize).into())],
        ));
    }
    if rounded.is_zero() && !amount.is_zero() {
        return Err(say("catalogue.zero", "the price {price} would be rounded to zero", [("price", amount.into())]));
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
    let key = key(&product.item_code, &price.list.to_string(), &price.currency);
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

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use tandem_sdk::settings::Settings as _;

    use super::*;
    use crate::books::Book;

    fn books() -> Books {
        let book = |list, currency: &str| Book { list, id: format!("01s{list}"), currency: currency.into() };
        Books { standard: "01s".into(), books: vec![book(1, "EUR"), book(4, "USD")], ..Books::default() }
    }

    fn settings(text: &str) -> Settings {
        let currencies = tandem_sdk::Currencies::fixed(&[("EUR", "EUR"), ("USD", "USD"), ("$", "USD")]);
        Settings { currencies, ..Settings::read(text).unwrap() }
    }

    #[test]
    fn a_currency_without_standard_price_gets_one() {
        let item = json!({ "ItemPrices": [{ "PriceList": 1, "Price": 10, "Currency": "EUR" }, { "PriceList": 4, "Price": 12, "Currency": "USD" }] });
        let prices = prices(&settings("{}"), &books(), &Terms::default(), &item).unwrap().known;
        let standard: Vec<_> =
            prices.iter().filter(|price| price.list == 0).map(|price| price.currency.as_str()).collect();
        assert_eq!(standard, ["EUR", "USD"]);
    }

    #[test]
    fn what_the_standard_list_gives_away_has_another_lists_price_in_the_standard_book() {
        let item = json!({ "ItemPrices": [{ "PriceList": 1, "Price": 0, "Currency": "EUR" }, { "PriceList": 4, "Price": 8, "Currency": "EUR" }] });
        let prices = prices(&settings("{}"), &books(), &Terms::default(), &item).unwrap().known;
        let amount = |list| prices.iter().find(|price| price.list == list).map(|price| price.amount);
        assert_eq!([0, 1, 4].map(amount), [8, 0, 8].map(|amount| Some(Decimal::from(amount))));
    }

    #[test]
    fn negative_prices_are_held_and_six_decimals_are_rounded_or_held() {
        let item = |price: &str| {
            tandem_sdk::from_json(&format!(r#"{{"ItemPrices":[{{"PriceList":1,"Price":{price},"Currency":"EUR"}}]}}"#))
        };
        let held =
            |wanted: &'static str| move |held: Held| matches!(held, Held::Wrong(why) if why.english().contains(wanted));
        let named = Books { names: [(1, "Retail".to_owned())].into(), ..books() };
        assert!(prices(&settings("{}"), &named, &Terms::default(), &item("-1")).is_err_and(held("price list Retail:")));
        assert!(prices(&settings("{}"), &books(), &Terms::default(), &item("-1")).is_err_and(held("negative")));
        assert_eq!(
            prices(&settings("{}"), &books(), &Terms::default(), &item("1.234567")).unwrap().known[0]
                .amount
                .to_string(),
            "1.23"
        );
        assert!(
            prices(&settings(r#"{"more_decimals":"review"}"#), &books(), &Terms::default(), &item("1.234567")).is_err()
        );
        assert!(prices(&settings("{}"), &books(), &Terms::default(), &item("0.001")).is_err_and(held("zero")));
    }

    #[test]
    fn a_price_without_a_known_currency_leaves_the_entries_of_its_list_and_of_the_standard_book() {
        let lists = BTreeSet::from([4]);
        let left = |key: &str| is_left(key, &lists);
        assert!(left("A@1@4@EUR") && left("A1@0@EUR"));
        assert!(!left("A1@1@EUR"), "another list's are known");
        assert!(!is_left("A1@0@EUR", &BTreeSet::new()));
    }

    #[test]
    fn a_price_of_the_book_is_net_in_the_orgs_currency_and_of_the_sales_unit() {
        let item = json!({ "ItemCode": "A1", "SalesVATGroup": "A1", "ItemPrices": [{ "PriceList": 1, "Price": 119, "Currency": "$" }] });
        let mut books = books();
        let one = |books: &Books, terms: &Terms| {
            prices(&settings("{}"), books, terms, &item).map(|prices| prices.known[0].clone())
        };
        let terms = Terms::of_taxes(&[("A1", 19)]);
        let net = one(&books, &terms).unwrap();
        assert_eq!((net.currency.as_str(), net.amount), ("USD", 119.into()));
        books.gross.insert(1);
        assert_eq!(one(&books, &terms).unwrap().amount, 100.into());
        assert!(one(&books, &Terms::default()).is_err(), "nobody knows how much of it is tax");
    }
}
