//! Deliveries and returns of orders that came from an opportunity against the records that show them, and what these orders have come to against what
//! opportunities and their lines show.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1;
use tandem_sdk::chain::{self, Chain, Rows};
use tandem_sdk::reconcile::{
    Asked, Comparison, Entities, Needs, Objects, Page, Reconciles, Row, Which, comparison, row,
};
use tandem_sdk::{Error, Link, Side, Value, json, links, salesforce, text};

use crate::describe::Settings;
use crate::documents::{self, Order, Shipment};
use crate::{Fulfilment, state, tell};

/// Records of a page.
const RECORDS: usize = 1_000;
/// Documents of a page, which come with their lines.
const DOCUMENTS: usize = 200;

const DELIVERIES: &str = "deliveries";
const STATES: &str = "states";

/// What is compared of a record.
const VALUES: [&str; 6] = [
    "Tandem_Type__c",
    "Tandem_Number__c",
    "Tandem_Date__c",
    "Tandem_Status__c",
    "Tandem_Carrier__c",
    "Tandem_Tracking_Number__c",
];

const STATE: &str = "Tandem_Delivery_State__c";
/// What is compared of an opportunity beside its state.
const SHOWN: [&str; 2] = ["Tandem_Tracking_Number__c", "Tandem_Carrier__c"];
const LINE_STATE: &str = "Tandem_Line_Status__c";

impl Reconciles for Fulfilment {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        vec![
            comparison(
                DELIVERIES,
                "Deliveries and returns, and the records that show them",
                Some("shipment"),
                Needs::Both,
            ),
            // By the opportunity: an order from before the flow is linked, and shows nothing yet.
            comparison(STATES, "What orders have come to, on opportunities and lines", None, Needs::Both),
        ]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        match (asked.comparison, asked.side) {
            (STATES, Side::Salesforce) => opportunities(asked),
            (STATES, Side::B1) => orders(asked),
            (_, Side::Salesforce) => records(asked),
            (_, Side::B1) => shipments(asked),
        }
    }
}

fn records(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let (found, next) = asked.which.objects(&Objects {
        fields: format!("Id,Name,Tandem_Key__c,LastModifiedDate,{}", VALUES.join(",")),
        from: "Tandem_Delivery__c",
        filter: String::new(),
        key: "Tandem_Key__c",
        keys: None,
        dated: Some("Tandem_Date__c"),
        page: RECORDS,
    })?;
    let rows = found.iter().filter_map(|record| {
        let key = text(record, "Tandem_Key__c");
        chain::named_by(asked.connection("b1"), key)?;
        Some(with(row(text(record, "Id"), key, text(record, "Name")).changed_in_salesforce(record), record))
    });
    Ok(Page { rows: rows.collect(), next })
}

fn with(own: Row, record: &Value) -> Row {
    VALUES.into_iter().fold(own, |own, field| own.value(field, &record[field], None))
}

/// The documents of both sets.
fn shipments(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let id_in = |place: usize, key: &str| {
        let (kind, entry) = chain::named_by(asked.connection("b1"), key)?;
        tell::SHOWN.get(place).is_some_and(|(_, own, _)| *own == kind).then(|| entry.to_string())
    };
    asked.which.sets(tell::SHOWN.len(), id_in, |place, which| shipments_of(asked, place, which))
}

fn shipments_of(asked: &Asked<'_, Settings>, place: usize, which: &Which<'_>) -> Result<Page, Error> {
    let Some((set, kind, word)) = tell::SHOWN.get(place).copied() else {
        return Ok(Page { rows: Vec::new(), next: None });
    };
    let (found, next) = which.entities(&Entities {
        set,
        select: format!("CardName,{}", documents::fields(asked.settings, kind)),
        filter: String::new(),
        id: &["DocEntry"],
        is_number: true,
        key: "CardCode",
        changed: "UpdateDate",
        page: DOCUMENTS,
    })?;
    let read: Rows =
        found.into_iter().filter_map(|document| Some(((kind, document["DocEntry"].as_i64()?), document))).collect();
    let mut chain = Chain::default();
    chain.take(&read);
    chain.read()?;
    let linked =
        chain::linked(read.keys().flat_map(|(kind, entry)| chain.orders(*kind, *entry)).collect::<BTreeSet<_>>());
    let mut ours = documents::shipments(&chain, read.clone(), &linked);
    let under: Vec<String> = ours.values().filter_map(|(_, opportunity)| opportunity.clone()).collect();
    let there: BTreeSet<String> = there(&under)?.into_iter().collect();
    let rows = read.into_iter().map(|(name, document)| {
        let key = chain::key(asked.connection("b1"), name);
        let label = format!("{word} {}, {}", b1::key_text(&document["DocNum"]), text(&document, "CardName"));
        let own = row(key.as_str(), key.as_str(), label).told_by(format!("{set}({})", name.1)).changed_in_b1(&document);
        let opportunity = ours.remove(&name).and_then(|(_, opportunity)| opportunity);
        let own = match &opportunity {
            // One whose order had an opportunity once may have a record all the same.
            None => own.alone("it did not come from an opportunity"),
            Some(opportunity) if there.contains(opportunity) => own,
            Some(_) => own.alone(GONE),
        };
        let shipment = Shipment { document, opportunity: opportunity.unwrap_or_default() };
        with(own, &Value::Object(tell::shipment(asked.settings, word, &shipment)))
    });
    Ok(Page { rows: rows.collect(), next })
}

const GONE: &str = "its opportunity is deleted, or not to be seen";

/// Those of these opportunities that are to be seen.
fn there(ids: &[String]) -> Result<Vec<String>, Error> {
    let ids = b1::distinct(ids);
    let found = if ids.is_empty() { Vec::new() } else { salesforce::query_in("Id", "Opportunity", "Id", &ids, "")? };
    Ok(found.iter().map(|opportunity| text(opportunity, "Id").to_owned()).collect())
}

/// What lines of opportunities show, by both ids; of each opportunity, also of one without lines.
fn lines_of(opportunities: &[String]) -> Result<BTreeMap<String, BTreeMap<String, String>>, Error> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> =
        opportunities.iter().map(|id| (id.clone(), BTreeMap::new())).collect();
    if opportunities.is_empty() {
        return Ok(all);
    }
    let fields = format!("Id,OpportunityId,{LINE_STATE}");
    for line in salesforce::query_in(&fields, "OpportunityLineItem", "OpportunityId", opportunities, "")? {
        let own = all.entry(text(&line, "OpportunityId").to_owned()).or_default();
        own.insert(text(&line, "Id").to_owned(), text(&line, LINE_STATE).to_owned());
    }
    Ok(all)
}

/// Opportunities that have an order in this company.
fn opportunities(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let (found, next) = asked.which.objects(&Objects {
        fields: format!("Id,Name,LastModifiedDate,{STATE},{}", SHOWN.join(",")),
        from: "Opportunity",
        filter: "Tandem_Order_Doc_Entry__c != null".into(),
        key: "Id",
        keys: None,
        dated: None,
        page: RECORDS,
    })?;
    let ids: Vec<String> = found.iter().map(|opportunity| text(opportunity, "Id").to_owned()).collect();
    let linked = links::find_all("order", Side::Salesforce, &ids);
    let mut lines_of = lines_of(&ids)?;
    let rows = found.iter().zip(linked).filter_map(|(opportunity, link)| {
        let link = link?;
        let id = text(opportunity, "Id");
        let noted: BTreeSet<String> = state::noted_lines(&link).into_iter().map(|(line, _)| line).collect();
        let mut lines = lines_of.remove(id).unwrap_or_default();
        lines.retain(|line, _| noted.contains(line));
        let own = row(id, id, text(opportunity, "Name")).changed_in_salesforce(opportunity);
        Some(compared(own, opportunity, &lines))
    });
    Ok(Page { rows: rows.collect(), next })
}

/// What nobody has said is open.
fn or_open(state: &str) -> &str {
    if state.is_empty() { "Open" } else { state }
}

fn compared(own: Row, shown: &Value, lines: &BTreeMap<String, String>) -> Row {
    let own = own.value(STATE, &json!(or_open(text(shown, STATE))), None);
    let own = SHOWN.into_iter().fold(own, |own, field| own.value(field, &shown[field], None));
    let lines: Vec<String> = lines.iter().map(|(id, word)| format!("{id} {}", or_open(word))).collect();
    own.value(LINE_STATE, &json!(lines.join(", ")), None)
}

/// Orders that are linked with an opportunity, with what was made of each.
fn orders(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    match &asked.which {
        Which::Next { .. } => orders_of(asked, &asked.which),
        Which::These { ids, keys } => {
            let of = links::find_all("order", Side::Salesforce, keys).into_iter().flatten().map(|link| link.b1_id);
            let all: Vec<String> = ids.iter().cloned().chain(of).collect();
            orders_of(asked, &Which::These { ids: &b1::distinct(&all), keys: &[] })
        }
    }
}

fn orders_of(asked: &Asked<'_, Settings>, which: &Which<'_>) -> Result<Page, Error> {
    let (found, next) = which.entities(&Entities {
        set: "Orders",
        select: documents::order_fields(),
        filter: "U_SF_Id ne null".into(),
        id: &["DocEntry"],
        is_number: true,
        key: "CardCode",
        // A delivery need not change the order that it is made of.
        changed: "",
        page: DOCUMENTS,
    })?;
    let linked: BTreeMap<i64, Link> = chain::linked(found.iter().filter_map(|order| order["DocEntry"].as_i64()));
    let ids: Vec<String> = linked.values().map(|link| link.salesforce_id.clone()).collect();
    let there = lines_of(&there(&ids)?)?;
    let is_linked = |order: &Value| order["DocEntry"].as_i64().is_some_and(|entry| linked.contains_key(&entry));
    let own: Vec<Value> = found.into_iter().filter(is_linked).collect();
    let whole = documents::whole(asked.settings, own, linked, Rows::new(), Chain::default())?;
    let since = if let Which::Next { since, .. } = which { *since } else { None };
    let is_meant = |order: &&Order| since.is_none_or(|since| order.changed.is_none_or(|changed| changed >= since));
    let rows = whole.iter().filter(is_meant).map(|order| {
        let (entry, opportunity) = (b1::key_text(&order.document["DocEntry"]), order.link.salesforce_id.as_str());
        let label = format!("order {}", b1::key_text(&order.document["DocNum"]));
        let mut own =
            row(entry.as_str(), opportunity, label).told_by(format!("Orders({entry})")).told_by(entry.as_str());
        own.changed = order.changed;
        for (kind, made) in &order.made {
            own = own.told_by(format!("{}({made})", chain::set_of(*kind).unwrap_or_default()));
        }
        let lines = state::of_lines(order);
        let summary = tell::summary(asked.settings, order, &lines);
        let Some(shown) = there.get(opportunity) else { return compared(own.alone(GONE), &summary, &BTreeMap::new()) };
        // A line that is gone on either side says nothing.
        let words = state::noted_lines(&order.link).into_iter().filter_map(|(line, number)| {
            let shown = shown.get(&line)?;
            let word = lines.get(&number).map_or_else(|| shown.clone(), |progress| progress.word().to_owned());
            Some((line, word))
        });
        compared(own, &summary, &words.collect())
    });
    Ok(Page { rows: rows.collect(), next })
}
