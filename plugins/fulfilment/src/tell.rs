//! Writes delivery records, and the state of opportunity, lines and cases.

use tandem_sdk::b1;
use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Error, Outcomes, Value, connection, counterpart, fields, from_json, json, salesforce, text};

use crate::describe::Settings;
use crate::documents::{Order, Shipment};
use crate::state;

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
        for (kind, word, documents) in [(15, "Delivery", &order.deliveries), (16, "Return", &order.returns)] {
            rows.extend(
                documents.iter().map(|document| shipment(batch, settings, order, account, kind, word, document)),
            );
        }
        let lines = state::of_lines(order);
        let word = state::of_order(order, &lines, settings.delivered());
        let tracking = |delivery: &Value| text(delivery, "TrackingNumber").to_owned();
        let carrier = |delivery: &Value| carrier(settings, delivery);
        let opportunity = &order.link.salesforce_id;
        let mut show = |kind, id: &str, object, shown| {
            rows.push(Row::shown_on(kind, id, object, id, fields(shown)).serving(&order.events));
        };
        let shown = json!({
            "Tandem_Delivery_State__c": word,
            "Tandem_Tracking_Number__c": state::joined(&order.deliveries, tracking, 255),
            "Tandem_Carrier__c": state::joined(&order.deliveries, carrier, 100),
        });
        show("delivery-state", opportunity, "Opportunity", shown);
        // The orders flow notes which line is which.
        for line in from_json(&order.link.base)["lines"].as_array().into_iter().flatten() {
            let progress = line["num"].as_i64().and_then(|number| lines.get(&number));
            if let (Some(progress), false) = (progress, text(line, "id").is_empty()) {
                let shown = json!({ "Tandem_Line_Status__c": progress.word() });
                show("line-state", text(line, "id"), "OpportunityLineItem", shown);
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

fn carrier(settings: &Settings, delivery: &Value) -> String {
    let code = b1::key_text(&delivery["TransportationCode"]);
    settings.carriers.get(&code).cloned().unwrap_or_else(|| if code == "-1" { String::new() } else { code })
}

fn shipment(
    batch: &Batch,
    settings: &Settings,
    order: &Order,
    account: Option<&String>,
    kind: i64,
    word: &str,
    shipment: &Shipment,
) -> Row {
    let document = &shipment.document;
    let key = format!("{}:{kind}:{}", connection(batch, "b1"), b1::key_text(&document["DocEntry"]));
    let number = b1::key_text(&document["DocNum"]);
    let fields = fields(json!({
        "Name": format!("{word} {number}"), "Tandem_Account__c": account,
        "Tandem_Opportunity__c": shipment.opportunity, "Tandem_Type__c": word, "Tandem_Number__c": number,
        "Tandem_Date__c": b1::day(&document["DocDate"]), "Tandem_Carrier__c": carrier(settings, document),
        "Tandem_Tracking_Number__c": document["TrackingNumber"], "Tandem_Status__c": shipment.status(),
    }));
    Row::new("shipment", &key, "Tandem_Delivery__c", fields)
        .external("Tandem_Key__c", &key)
        .attached_by("Tandem_Opportunity__c")
        .serving(&order.events)
}
