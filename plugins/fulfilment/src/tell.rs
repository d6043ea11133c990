//! Writes delivery records, and the state of opportunity, lines and cases.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, code};
use tandem_sdk::chain;
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Error, Map, Outcomes, Value, connection, counterpart, fields, json, salesforce, text};

use crate::describe::Settings;
use crate::documents::{Order, Shipment};
use crate::state::{self, Progress};

/// Kinds of documents that are shown as records: their entity set, their object code, and what they are called.
pub const SHOWN: [(&str, i64, &str); 2] =
    [("DeliveryNotes", code::DELIVERY, "Delivery"), ("Returns", code::RETURN, "Return")];

/// Brings everything that shows an order's delivery in step.
pub fn keep(batch: &Batch, settings: &Settings, orders: &[Order], outcomes: &mut Outcomes) -> Result<(), Error> {
    if orders.is_empty() {
        return Ok(());
    }
    let customers: Vec<String> = orders.iter().map(|order| text(&order.document, "CardCode").to_owned()).collect();
    let accounts = counterpart::accounts(&customers, &settings.keys)?;
    let opportunities: Vec<String> = orders.iter().map(|order| order.link.salesforce_id.clone()).collect();
    let cases = if settings.cases {
        salesforce::query_in("Id,Tandem_Opportunity__c", "Case", "Tandem_Opportunity__c", &opportunities, "")?
    } else {
        Vec::new()
    };
    let mut rows = Vec::new();
    for order in orders {
        let account = accounts.ids.get(text(&order.document, "CardCode"));
        for ((_, kind, word), documents) in SHOWN.into_iter().zip([&order.deliveries, &order.returns]) {
            rows.extend(documents.iter().map(|document| {
                let entry = document.document["DocEntry"].as_i64().unwrap_or_default();
                let key = chain::key(connection(batch, "b1"), (kind, entry));
                let mut shown = shipment(settings, word, document);
                shown.insert("Tandem_Account__c".into(), json!(account));
                Row::new("shipment", &key, "Tandem_Delivery__c", shown)
                    .external("Tandem_Key__c", &key)
                    .attached_by("Tandem_Opportunity__c")
                    .serving(&order.events)
            }));
        }
        let opportunity = &order.link.salesforce_id;
        let mut show = |kind, id: &str, object, shown| {
            rows.push(Row::shown_on(kind, id, object, id, fields(shown)).serving(&order.events));
        };
        let lines = state::of_lines(order);
        let shown = summary(settings, order, &lines);
        let word = shown["Tandem_Delivery_State__c"].clone();
        show("delivery-state", opportunity, "Opportunity", shown);
        for (line, number) in state::noted_lines(&order.link) {
            if let Some(progress) = lines.get(&number) {
                let shown = json!({ "Tandem_Line_Status__c": progress.word() });
                show("line-state", &line, "OpportunityLineItem", shown);
            }
        }
        for case in cases.iter().filter(|case| text(case, "Tandem_Opportunity__c") == opportunity) {
            show("case-state", text(case, "Id"), "Case", json!({ "Tandem_Delivery_State__c": word }));
        }
    }
    let rows = mirror::joined(rows);
    mirror::write_verified(batch, &rows, outcomes);
    Ok(())
}

/// The carrier of a delivery; empty where it has none.
pub fn carrier(settings: &Settings, delivery: &Value) -> String {
    let code = b1::key_text(&delivery["TransportationCode"]);
    settings.carriers.get(&code).cloned().unwrap_or_else(|| if code == "-1" { String::new() } else { code })
}

/// What an opportunity shows of its order.
pub fn summary(settings: &Settings, order: &Order, lines: &BTreeMap<i64, Progress>) -> Value {
    let tracking = |delivery: &Value| text(delivery, "TrackingNumber").to_owned();
    let carrier = |delivery: &Value| carrier(settings, delivery);
    json!({
        "Tandem_Delivery_State__c": state::of_order(order, lines, settings.delivered()),
        "Tandem_Tracking_Number__c": state::joined(&order.deliveries, tracking, 255),
        "Tandem_Carrier__c": state::joined(&order.deliveries, carrier, 100),
    })
}

/// What the record of a delivery or return shows beside its account.
pub fn shipment(settings: &Settings, word: &str, shipment: &Shipment) -> Map<String, Value> {
    let document = &shipment.document;
    let number = b1::key_text(&document["DocNum"]);
    fields(json!({
        "Name": format!("{word} {number}"), "Tandem_Opportunity__c": shipment.opportunity,
        "Tandem_Type__c": word, "Tandem_Number__c": number, "Tandem_Date__c": b1::day(&document["DocDate"]),
        "Tandem_Carrier__c": carrier(settings, document), "Tandem_Tracking_Number__c": document["TrackingNumber"],
        "Tandem_Status__c": shipment.status(),
    }))
}
