//! Price list → `Pricebook2`.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{
    Batch, Error, Link, Map, Outcomes, Probe, Value, again, b1, clock, from_json, is_within, json, links, salesforce,
    storage, text,
};

use crate::describe::Settings;

/// A price list and its book.
pub struct Book {
    pub list: i64,
    pub id: String,
    /// Of prices that name none.
    pub currency: String,
}

/// All books.
#[derive(Default)]
pub struct Books {
    /// Id of the standard price book.
    pub standard: String,
    /// One for each price list that is shown.
    pub books: Vec<Book>,
    /// Lists whose prices are with tax.
    pub gross: BTreeSet<i64>,
    /// Names of all lists.
    pub names: BTreeMap<i64, String>,
}

impl Books {
    /// A list as a person knows it.
    pub fn name(&self, list: i64) -> String {
        self.names.get(&list).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| list.to_string())
    }

    /// As they are, without making any: a list that has no book yet has one without an id.
    pub fn look(settings: &Settings) -> Result<Self, Error> {
        let lists = read_lists()?;
        let shown: Vec<&Value> = lists.iter().filter(|list| is_shown(settings, list)).collect();
        let numbers: Vec<String> = shown.iter().map(|list| b1::key_text(&list["PriceListNo"])).collect();
        let linked = mirror::linked("pricebook", &numbers);
        let id = |number: &String| linked.get(number).map(|link| link.salesforce_id.clone()).unwrap_or_default();
        Ok(Self::of(&lists, &shown, standard()?, numbers.iter().map(|number| Some(id(number)))))
    }

    /// All lists, whatever becomes of them in Salesforce: books without ids. With the lists as B1 has them.
    pub fn told() -> Result<(Self, Vec<Value>), Error> {
        let lists = read_lists()?;
        let all: Vec<&Value> = lists.iter().collect();
        let books = Self::of(&lists, &all, String::new(), lists.iter().map(|_| Some(String::new())));
        Ok((books, lists))
    }

    /// `ids`: of the books of those that are shown, in their order; none where there can be none.
    fn of(lists: &[Value], shown: &[&Value], standard: String, ids: impl Iterator<Item = Option<String>>) -> Self {
        let book = |(list, id): (&&Value, Option<String>)| {
            Some(Book {
                list: list["PriceListNo"].as_i64()?,
                id: id?,
                currency: text(list, "DefaultPrimeCurrency").to_owned(),
            })
        };
        let gross =
            lists.iter().filter(|list| b1::yes(list, "IsGrossPrice")).filter_map(|list| list["PriceListNo"].as_i64());
        let named = |list: &Value| Some((list["PriceListNo"].as_i64()?, text(list, "PriceListName").to_owned()));
        Self {
            standard,
            books: shown.iter().zip(ids).filter_map(book).collect(),
            gross: gross.collect(),
            names: lists.iter().filter_map(named).collect(),
        }
    }
}

fn read_lists() -> Result<Vec<Value>, Error> {
    let select = "PriceListNo,PriceListName,Active,ValidFrom,ValidTo,DefaultPrimeCurrency,IsGrossPrice";
    b1::all("PriceLists", "", select)
}

/// Makes sure that every price list that is shown has a book.
pub fn keep(batch: &Batch, settings: &Settings, outcomes: &mut Outcomes) -> Result<Books, Error> {
    let about_lists: Vec<(usize, i64)> = outcomes
        .open(batch)
        .iter()
        .filter(|(_, event, _)| event.topic == "b1.PriceLists")
        .filter_map(|(place, _, payload)| Some((*place, payload["PriceListNo"].as_i64()?)))
        .collect();
    let lists = read_lists()?;
    let standard = standard()?;
    let today = clock::today("b1");
    let shown: Vec<&Value> = lists.iter().filter(|list| is_shown(settings, list)).collect();
    let there = as_they_are(batch, &shown)?;
    find_unlinked(&shown)?;
    let events: Vec<usize> = about_lists.iter().map(|(place, _)| *place).collect();
    let mut rows: Vec<Row> = shown.iter().map(|list| row(list, &today, &events)).collect();
    // A list that was deleted, or is left out by the setting.
    let told = lists.iter().filter_map(|list| list["PriceListNo"].as_i64());
    let numbers: BTreeSet<i64> = told.chain(about_lists.iter().map(|(_, number)| *number)).collect();
    let is_shown = |number: &i64| shown.iter().any(|list| list["PriceListNo"].as_i64() == Some(*number));
    rows.extend(numbers.into_iter().filter(|number| !is_shown(number)).map(|number| ended(number, &events)));
    let written = mirror::write(&rows, outcomes, &there);
    Ok(Books::of(&lists, &shown, standard, written.into_iter().map(|written| written.id)))
}

/// The org's one standard price book: asked for once.
pub fn standard() -> Result<String, Error> {
    const KEY: &str = "standard-book";
    if let Some(known) = storage::get(KEY) {
        return Ok(b1::key_text(&from_json(&known)));
    }
    let books = salesforce::query("salesforce", "SELECT Id FROM Pricebook2 WHERE IsStandard = true")?;
    let id = books.first().map(|book| text(book, "Id").to_owned()).unwrap_or_default();
    if !id.is_empty() {
        let _ = storage::set(KEY, &json!(id).to_string());
    }
    Ok(id)
}

fn is_shown(settings: &Settings, list: &Value) -> bool {
    let number = list["PriceListNo"].as_i64().unwrap_or(0);
    match &settings.price_lists {
        Some(wanted) => wanted.contains(&number),
        // A list that is switched off is shown as an inactive book, if it ever was shown.
        None => {
            b1::yes(list, "Active")
                || list["Active"].is_null()
                || !mirror::linked("pricebook", &[number.to_string()]).is_empty()
        }
    }
}

fn row(list: &Value, today: &str, events: &[usize]) -> Row {
    let name = text(list, "PriceListName");
    let active = list["Active"] != "tNO" && is_within(list, "ValidFrom", "ValidTo", today);
    let mut fields = Map::new();
    fields.insert("Name".into(), name.into());
    fields.insert("IsActive".into(), active.into());
    let mut row = Row::new("pricebook", b1::key_text(&list["PriceListNo"]), "Pricebook2", fields).serving(events);
    row.probe = Some(Probe { path: by_names(&[name.to_owned()]), found: "/records/0".into() });
    row
}

/// What Salesforce has of the books, when something is to be compared: one that somebody deleted is made again.
fn as_they_are(batch: &Batch, shown: &[&Value]) -> Result<BTreeMap<String, Value>, Error> {
    if !batch.events.iter().any(|event| again::verifies(event, &from_json(&event.payload))) {
        return Ok(BTreeMap::new());
    }
    let numbers: Vec<String> = shown.iter().map(|list| b1::key_text(&list["PriceListNo"])).collect();
    mirror::as_they_are("pricebook", &numbers, "Pricebook2", &["Name", "IsActive"].map(str::to_owned))
}

/// The book of a list that is shown no longer.
fn ended(list: i64, events: &[usize]) -> Row {
    let fields = Map::from_iter([("IsActive".to_owned(), Value::Bool(false))]);
    Row::new("pricebook", list.to_string(), "Pricebook2", fields).switched_off().serving(events)
}

/// Price books that people made are linked by their name.
fn find_unlinked(lists: &[&Value]) -> Result<(), Error> {
    let numbers: Vec<String> = lists.iter().map(|list| b1::key_text(&list["PriceListNo"])).collect();
    let linked = mirror::linked("pricebook", &numbers);
    let open: Vec<&&Value> =
        lists.iter().filter(|list| !linked.contains_key(&b1::key_text(&list["PriceListNo"]))).collect();
    let names: Vec<String> = open.iter().map(|list| text(list, "PriceListName").to_owned()).collect();
    let found = salesforce::query_in("Id,Name,IsActive", "Pricebook2", "Name", &names, "AND IsStandard = false")?;
    for list in open {
        let name = text(list, "PriceListName");
        let same: Vec<&Value> = found.iter().filter(|book| text(book, "Name").eq_ignore_ascii_case(name)).collect();
        if let [book] = same.as_slice() {
            links::put(&Link {
                kind: "pricebook".into(),
                b1_id: b1::key_text(&list["PriceListNo"]),
                salesforce_id: text(book, "Id").into(),
                base: json!({ "Name": book["Name"], "IsActive": book["IsActive"] }).to_string(),
            });
        }
    }
    Ok(())
}

fn by_names(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| salesforce::quote(name)).collect();
    let soql = format!("SELECT Id FROM Pricebook2 WHERE IsStandard = false AND Name IN ({})", names.join(","));
    format!("/query?q={}", b1::encode(&soql))
}
