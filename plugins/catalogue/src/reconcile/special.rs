//! Special prices against the records that show them.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::reconcile::{Asked, Entities, Objects, Page, Row, Which, row};
use tandem_sdk::{Error, Side, Value, clock, counterpart, text};

use crate::books::Books;
use crate::describe::{Settings, UNTOLD};
use crate::special::{self, SELECT};
use crate::terms::Terms;

/// Records of a page.
const RECORDS: usize = 1_000;
const PRICES: usize = 500;

/// What is compared.
const VALUES: [&str; 8] = [
    "Tandem_Account__c",
    "Tandem_Product__c",
    "Tandem_Price__c",
    "Tandem_Currency__c",
    "Tandem_Discount__c",
    "Tandem_Valid_From__c",
    "Tandem_Valid_To__c",
    "Tandem_Active__c",
];

/// B1 does not say when one was changed. So all are read, whatever is asked for.
pub fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    match asked.side {
        Side::Salesforce => records(asked),
        Side::B1 => special_prices(asked),
    }
}

fn records(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let (found, next) = asked.which.whenever().objects(&Objects {
        fields: format!("Id,Name,Tandem_Key__c,LastModifiedDate,{}", VALUES.join(",")),
        from: "Tandem_Special_Price__c",
        filter: String::new(),
        key: "Tandem_Key__c",
        keys: None,
        dated: None,
        page: RECORDS,
    })?;
    let rows = found.iter().filter_map(|record| {
        let key = text(record, "Tandem_Key__c");
        let (card, item) = special::named_by(asked.connection("b1"), key).next()?;
        // What was ended in B1 is switched off here.
        let alone = if record["Tandem_Active__c"] == true { "" } else { "it is not active" };
        let own = row(text(record, "Id"), key, text(record, "Name")).told_by(format!("{card},{item}"));
        Some(with(own.changed_in_salesforce(record).alone(alone), record))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn special_prices(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let of = Entities {
        set: "SpecialPrices",
        select: SELECT.into(),
        filter: String::new(),
        id: &["CardCode", "ItemCode"],
        is_number: false,
        key: "CardCode",
        changed: "",
        page: PRICES,
    };
    let which = asked.which.whenever();
    let Which::These { ids, keys } = &which else {
        let (found, next) = which.entities(&of)?;
        return Ok(Page { rows: shown(asked, &found)?, next });
    };
    let mut items: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (card, item) in ids.iter().chain(*keys).flat_map(|key| special::named_by(asked.connection("b1"), key)) {
        items.entry(format!("CardCode eq {}", b1::quote(card))).or_default().push(item.to_owned());
    }
    let reads: Vec<Read<'_>> =
        items.iter().map(|(card, items)| Read::texts(of.set, "ItemCode", items, SELECT).and(card)).collect();
    Ok(Page { rows: which.only(shown(asked, &b1::read_all(&reads)?.concat())?), next: None })
}

fn shown(asked: &Asked<'_, Settings>, found: &[Value]) -> Result<Vec<Row>, Error> {
    let settings = asked.settings;
    let each = |name: &str| found.iter().map(|price| text(price, name).to_owned()).collect::<Vec<_>>();
    let (cards, codes) = (each("CardCode"), each("ItemCode"));
    let accounts = counterpart::accounts(&cards, &settings.keys)?;
    let products = counterpart::products(&codes, &settings.keys)?;
    let books = Books::look(settings)?;
    let items = special::read_items(&codes)?;
    let terms = Terms::read(&books, items.values())?;
    let today = clock::today("b1");
    let mut rows = Vec::with_capacity(found.len());
    for ((price, card), code) in found.iter().zip(&cards).zip(&codes) {
        let key = special::key(asked.connection("b1"), card, code);
        let label = format!("{code} for {card}");
        let own = row(key.as_str(), key.as_str(), label).told_by(format!("{card},{code}"));
        let (Some(account), Some(product)) = (accounts.ids.get(card), products.get(code)) else {
            let why =
                if accounts.ids.contains_key(card) { "its item has no product" } else { "its customer has no account" };
            rows.push(own.alone(why));
            continue;
        };
        if accounts.parted.contains(card) {
            rows.push(own.alone("its customer's account was deleted"));
            continue;
        }
        let item = items.get(code).unwrap_or(&Value::Null);
        rows.push(match special::amount(&terms, &books, price, item) {
            Err(why) => own.incomparable(why.english()),
            Ok(amount) => match special::shown(settings, price, amount, account, product, &today)? {
                Some(fields) => with(own, &fields),
                None if special::holds(price, &today) => own.incomparable(UNTOLD),
                // Of what holds no longer all that is known is that nothing needs to be shown.
                None => continue,
            },
        });
    }
    Ok(rows)
}

fn with(own: Row, record: &Value) -> Row {
    VALUES.into_iter().fold(own, |own, field| own.value(field, &record[field], None))
}
