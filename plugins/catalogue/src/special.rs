//! Special price → `Tandem_Special_Price__c`: a price of one item for one customer, which a price book cannot hold.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Error, Map, Outcomes, Said, Value, again, clock, connection, counterpart, decimal, is_within, json, say,
    text,
};

use crate::books::Books;
use crate::describe::{Settings, UNTOLD};
use crate::products::Product;
use crate::terms::Terms;

/// What is read of one.
pub const SELECT: &str = "CardCode,ItemCode,Price,Currency,DiscountPercent,PriceListNum,Valid,ValidFrom,ValidTo";

/// Places of events by `CardCode` and `ItemCode`.
type Wanted = BTreeMap<(String, String), Vec<usize>>;

/// Brings in step the special prices of all events about them, and those of products and customers that are linked only now.
pub fn keep(batch: &Batch, settings: &Settings, books: &Books, linked: &[&Product], outcomes: &mut Outcomes) {
    let mut wanted = Wanted::new();
    let mut partners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, event, payload) in outcomes.open(batch) {
        match again::topic(event, &payload) {
            "b1.SpecialPrices" => {
                let key = (text(&payload, "CardCode").to_owned(), text(&payload, "ItemCode").to_owned());
                wanted.entry(key).or_default().push(place);
            }
            "account.linked" => partners.entry(text(&payload, "CardCode").to_owned()).or_default().push(place),
            _ => {}
        }
    }
    let items = linked.iter().map(|product| (product.item_code.clone(), product.events.clone())).collect();
    if let Err((events, error)) =
        held_back("CardCode", &partners, &mut wanted).and_then(|()| held_back("ItemCode", &items, &mut wanted))
    {
        return outcomes.fail(&events, &error, say("catalogue.reading_special_prices", "reading special prices", []));
    }
    if wanted.is_empty() {
        return;
    }
    match rows(batch, settings, books, &wanted, outcomes) {
        Ok(rows) => _ = mirror::write_verified(batch, &rows, outcomes),
        Err(error) => {
            let all: Vec<usize> = wanted.into_values().flatten().collect();
            outcomes.fail(&all, &error, say("catalogue.reading_special_prices", "reading special prices", []));
        }
    }
}

/// Special prices of partners or items that could not be shown before.
fn held_back(
    field: &str,
    owners: &BTreeMap<String, Vec<usize>>,
    wanted: &mut Wanted,
) -> Result<(), (Vec<usize>, Error)> {
    let codes: Vec<String> = owners.keys().cloned().collect();
    let read = b1::read(Read::texts("SpecialPrices", field, &codes, "CardCode,ItemCode"));
    for row in read.map_err(|error| (owners.values().flatten().copied().collect(), error))? {
        let key = (text(&row, "CardCode").to_owned(), text(&row, "ItemCode").to_owned());
        wanted.entry(key).or_default().extend(owners.get(text(&row, field)).into_iter().flatten());
    }
    Ok(())
}

fn rows(
    batch: &Batch,
    settings: &Settings,
    books: &Books,
    wanted: &Wanted,
    outcomes: &mut Outcomes,
) -> Result<Vec<Row>, Error> {
    let card_codes: Vec<String> = wanted.keys().map(|(card, _)| card.clone()).collect();
    let item_codes: Vec<String> = wanted.keys().map(|(_, item)| item.clone()).collect();
    let found = b1::read(Read::texts("SpecialPrices", "CardCode", &card_codes, SELECT))?;
    let accounts = counterpart::accounts(&card_codes, &settings.keys)?;
    let products = counterpart::products(&item_codes, &settings.keys)?;
    let items = read_items(&item_codes)?;
    let terms = Terms::read(books, items.values())?;
    let today = clock::today("b1");
    let mut rows = Vec::new();
    for ((card, item), events) in wanted {
        let key = key(connection(batch, "b1"), card, item);
        let price = found.iter().find(|row| row["CardCode"] == card.as_str() && row["ItemCode"] == item.as_str());
        let fields = match (price, accounts.ids.get(card), products.get(item)) {
            (None, ..) if mirror::linked("special-price", std::slice::from_ref(&key)).is_empty() => {
                outcomes.note_all(events, "the special price is gone and was never shown");
                continue;
            }
            (None, ..) => off(),
            (Some(price), Some(account), Some(product)) => {
                let row = items.get(item).unwrap_or(&Value::Null);
                match amount(&terms, books, price, row) {
                    Ok(amount) => match shown(settings, price, amount, account, product, &today)? {
                        Some(fields) => fields,
                        None => {
                            outcomes.note_all(events, &format!("special price of {item} for {card}: {UNTOLD}"));
                            // One that holds no longer needs no currency for that.
                            if holds(price, &today) {
                                continue;
                            }
                            off()
                        }
                    },
                    Err(why) => {
                        let with = [("item", item.into()), ("customer", card.into()), ("why", why.into())];
                        outcomes.hold(
                            events,
                            say("catalogue.special_price", "special price of {item} for {customer}: {why}", with),
                        );
                        continue;
                    }
                }
            }
            (Some(_), None, _) => {
                outcomes.note_all(events, &format!("no account carries the CardCode {card}: not shown"));
                continue;
            }
            (Some(_), _, None) => {
                outcomes.note_all(events, &format!("no product carries the ItemCode {item}: not shown"));
                continue;
            }
        };
        let is_off = fields == off();
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
        let row = Row::new("special-price", &key, "Tandem_Special_Price__c", fields)
            .external("Tandem_Key__c", &key)
            .whole()
            .serving(events);
        // Gone in B1, or holds no longer: only switched off, and nothing to be switched off where it went with its account.
        rows.push(if is_off { row.switched_off() } else { row });
    }
    Ok(rows)
}

/// Items with what their prices are told by.
pub fn read_items(codes: &[String]) -> Result<BTreeMap<String, Value>, Error> {
    let select: Vec<&str> = Terms::properties().collect();
    Ok(b1::by_key(b1::read(Read::texts("Items", "ItemCode", codes, select.join(",")))?, "ItemCode"))
}

/// The key of its record.
pub fn key(company: &str, card: &str, item: &str) -> String {
    format!("{company}:{card}:{item}")
}

/// Colons that a code may have: each way to read a key is looked up.
const MOST_COLONS: usize = 10;

/// `CardCode` and `ItemCode` of a key of that company: each way to read it, where one of them has a colon.
pub fn named_by<'a>(company: &str, key: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let own = key.strip_prefix(company).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
    own.match_indices(':').take(MOST_COLONS).map(move |(at, _)| (&own[..at], &own[at + 1..]))
}

/// Its amount, as Salesforce has prices.
pub fn amount(terms: &Terms, books: &Books, price: &Value, item: &Value) -> Result<Value, Said> {
    let list = price["PriceListNum"].as_i64().unwrap_or(0);
    terms.of_book(books, list, item, decimal(&price["Price"]).unwrap_or_default()).map(b1::number)
}

/// The fields of one that is only switched off.
fn off() -> Value {
    json!({ "Tandem_Active__c": false })
}

/// It holds on that day.
pub fn holds(price: &Value, today: &str) -> bool {
    price["Valid"] != "tNO" && is_within(price, "ValidFrom", "ValidTo", today)
}

/// Its fields; none where nobody knows the currency of its price.
pub fn shown(
    settings: &Settings,
    price: &Value,
    amount: Value,
    account: &str,
    product: &str,
    today: &str,
) -> Result<Option<Value>, Error> {
    let (from, to) = (b1::day(&price["ValidFrom"]), b1::day(&price["ValidTo"]));
    let currency = match text(price, "Currency") {
        "" => settings.own_currency()?.map(str::to_owned),
        own => Some(settings.currencies.iso(own)?),
    };
    let Some(currency) = currency else { return Ok(None) };
    Ok(Some(json!({
        "Name": format!("{} {}", text(price, "CardCode"), text(price, "ItemCode")),
        "Tandem_Account__c": account, "Tandem_Product__c": product, "Tandem_Price__c": amount,
        "Tandem_Currency__c": currency,
        "Tandem_Discount__c": price["DiscountPercent"], "Tandem_Valid_From__c": from.clone(), "Tandem_Valid_To__c": to.clone(),
        "Tandem_Active__c": holds(price, today),
    })))
}
