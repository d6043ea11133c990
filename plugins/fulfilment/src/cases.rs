//! A case that was linked with an opportunity shows at once what became of its order.

use std::collections::BTreeMap;

use tandem_sdk::mirror::{self, Row};
use tandem_sdk::{Batch, Outcomes, b1, fields, json, salesforce, say};

/// Writes the opportunity's delivery state on the cases that were told.
pub fn tell(batch: &Batch, outcomes: &mut Outcomes) {
    let mut told: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, event, _) in outcomes.open(batch) {
        if event.topic == "salesforce.Case" {
            told.entry(event.key.clone()).or_default().push(place);
        }
    }
    if told.is_empty() {
        return;
    }
    let ids: Vec<String> = told.keys().cloned().collect();
    let asked = "Id,Tandem_Delivery_State__c,Tandem_Opportunity__r.Tandem_Delivery_State__c";
    let there = match salesforce::query_in(asked, "Case", "Id", &ids, "") {
        Ok(rows) => b1::by_key(rows, "Id"),
        Err(error) => {
            let events: Vec<usize> = told.into_values().flatten().collect();
            return outcomes.fail(&events, &error, say("fulfilment.reading_cases", "reading cases", []));
        }
    };
    let mut rows = Vec::new();
    for (id, events) in &told {
        match there.get(id) {
            Some(case) => {
                let state = &case["Tandem_Opportunity__r"]["Tandem_Delivery_State__c"];
                let shown = fields(json!({ "Tandem_Delivery_State__c": state }));
                rows.push(Row::shown_on("case-state", id, "Case", id, shown).serving(events));
            }
            None => outcomes.note_all(events, "the case is gone"),
        }
    }
    mirror::write(&rows, outcomes, &there);
}
