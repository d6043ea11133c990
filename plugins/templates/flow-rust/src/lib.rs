//! Gives each item of B1 that has no label one: reacts to one topic, writes one field.
//!
//! Make it yours from the top: what it asks for, what it reads, what it writes.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{
    Batch, Description, Method, Outcome, Outcomes, Plugin, described, http, json, may_emit, permission, request, tell, text,
};

/// The field it writes: a user field of the item master data, which must be there in B1.
const LABEL: &str = "U_Label";

/// The topic of the events by which it tells.
const LABELLED: &str = "my-plugin.labelled";

struct Mine;

impl Plugin for Mine {
    /// What it is and what it wants to be allowed. The operator reads each reason; what does not stand here is denied.
    fn describe() -> Description {
        Description {
            permissions: vec![
                permission("b1", Method::Get, "/Items", "reads the items that changed"),
                permission("b1", Method::Patch, "/Items(*)", "writes the label of items that have none"),
                // Events for other flows and links between records are asked for, too.
                may_emit(LABELLED, "tells flows that want to know"),
            ],
            topics: vec!["b1.Items".into()],
            // B1 alone is bound: this flow needs no connection to Salesforce.
            slots: vec![tandem_sdk::Slot { name: "b1".into(), kind: "b1".into() }],
            ..described("my-plugin", env!("CARGO_PKG_VERSION"), "Gives items without a label one")
        }
    }

    /// Many events at once, never two of one key; one outcome for each. An event says: look at this record.
    fn handle(batch: Batch) -> Vec<Outcome> {
        let mut outcomes = Outcomes::new(&batch);
        let open = outcomes.open(&batch);
        let codes: Vec<String> = open.iter().map(|(_, event, _)| event.key.clone()).collect();
        // All of them in few calls. A read is whole: what is absent in the answer is absent in B1.
        let items = match b1::read(Read::texts("Items", "ItemCode", &codes, format!("ItemCode,ItemName,{LABEL}"))) {
            Ok(rows) => b1::by_key(rows, "ItemCode"),
            Err(error) => {
                let places: Vec<usize> = open.iter().map(|(place, ..)| *place).collect();
                outcomes.fail(&places, &error, "reading items");
                return outcomes.into_vec();
            }
        };
        for (place, event, _payload) in open {
            let Some(item) = items.get(&event.key) else {
                outcomes.note(place, format!("item {} is not there any more", event.key));
                continue;
            };
            // In step already, also when this very flow wrote it: then the change that it made comes back as an event.
            if !text(item, LABEL).is_empty() {
                outcomes.note(place, format!("item {} has its label", event.key));
                continue;
            }
            let label = label_of(text(item, "ItemName"));
            let path = format!("/Items({})", b1::encode(&b1::quote(&event.key)));
            let change = request("b1", Method::Patch, path, Some(&json!({ LABEL: label })), &event.key);
            // An update that sets a value may be sent twice. What makes a record needs a probe: see the guide.
            match http::send(&change) {
                Ok(_) => {
                    tell(LABELLED, &event.key, &format!("{}:{label}", event.key), &json!({ "ItemCode": event.key }));
                    outcomes.note(place, format!("item {} is labelled {label}", event.key));
                }
                Err(error) => outcomes.fail(&[place], &error, format!("the label of item {}", event.key)),
            }
        }
        outcomes.into_vec()
    }
}

/// The first word of a name, in capitals.
fn label_of(name: &str) -> String {
    name.split_whitespace().next().unwrap_or("NONE").to_uppercase()
}

tandem_sdk::export!(Mine with_types_in tandem_sdk::bindings);
