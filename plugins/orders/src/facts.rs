//! What a question is decided by: the opportunity and, beside it, what is known of its customer, items and order in B1.

use tandem_sdk::{Map, Value, b1, json, text};

use crate::linked::Linked;
use crate::plan::Order;

/// Both sides of a question; `{"salesforce": …, "b1": …}`, without a side of which nothing is known.
pub fn both(opportunity: &Value, b1: &Map<String, Value>) -> Value {
    let sides = [("salesforce", of_opportunity(opportunity)), ("b1", b1.clone())];
    Value::Object(
        sides
            .into_iter()
            .filter(|(_, fields)| !fields.is_empty())
            .map(|(side, fields)| (side.to_owned(), fields.into()))
            .collect(),
    )
}

/// Its own fields, those of its account, and its lines in words.
fn of_opportunity(opportunity: &Value) -> Map<String, Value> {
    let mut facts = Map::new();
    for (name, value) in opportunity.as_object().into_iter().flatten() {
        match value {
            _ if ["attributes", "Tandem_Sync_Said__c"].contains(&name.as_str()) => {}
            Value::Null | Value::Array(_) => {}
            Value::Object(related) if related.contains_key("records") => {
                for (place, row) in related["records"].as_array().into_iter().flatten().enumerate() {
                    let item = match text(&row["Product2"], "Tandem_Item_Code__c") {
                        "" => text(&row["Product2"], "ProductCode"),
                        code => code,
                    };
                    facts.insert(line(place), json!(in_words(item, &row["Quantity"], &row["UnitPrice"])));
                }
            }
            Value::Object(related) => {
                let own = related.iter().filter(|(name, value)| *name != "attributes" && !value.is_null());
                facts.extend(own.map(|(below, value)| (format!("{name}.{below}"), value.clone())));
            }
            value => {
                facts.insert(name.clone(), value.clone());
            }
        }
    }
    facts
}

/// The customer as B1 has it, and each line's item.
pub fn of_partner(partner: Option<&Value>, order: &Order, item: impl Fn(&str) -> Option<Value>) -> Map<String, Value> {
    let mut facts = partner.and_then(Value::as_object).cloned().unwrap_or_default();
    facts.retain(|name, value| !name.contains('@') && !value.is_null());
    for (place, (_, fields)) in order.lines.iter().enumerate() {
        let code = fields.get("ItemCode").and_then(Value::as_str).unwrap_or_default();
        let told = match item(code) {
            None => format!("{code}: B1 has no such item"),
            Some(item) => {
                let mut flags =
                    ["Valid", "Frozen", "SalesItem"].map(|name| format!("{name} {}", text(&item, name))).to_vec();
                let days = ["ValidFrom", "ValidTo", "FrozenFrom", "FrozenTo"];
                flags
                    .extend(days.iter().filter_map(|name| Some(format!("{name} {}", b1::day(&item[*name]).as_str()?))));
                format!("{code}: {}", flags.join(", "))
            }
        };
        facts.insert(line(place), told.into());
    }
    facts
}

/// The order as it was synced last.
pub fn of_order(linked: &Linked) -> Map<String, Value> {
    let mut facts = linked.header.clone();
    facts.insert("DocEntry".into(), linked.doc_entry.as_str().into());
    facts.insert("DocNum".into(), linked.doc_num.as_str().into());
    for (place, own) in linked.lines.iter().enumerate() {
        let field = |name: &str| own.fields.get(name).cloned().unwrap_or_default();
        let item = field("ItemCode");
        let told = in_words(item.as_str().unwrap_or_default(), &field("Quantity"), &field("UnitPrice"));
        facts.insert(line(place), told.into());
    }
    facts
}

fn line(place: usize) -> String {
    format!("line {}", place + 1)
}

fn in_words(item: &str, quantity: &Value, price: &Value) -> String {
    format!("{item}: {quantity} at {price}")
}

#[cfg(test)]
mod tests {
    use tandem_sdk::from_json;

    use super::*;

    #[test]
    fn the_opportunity_is_told_flat_and_its_lines_in_words() {
        let opportunity = from_json(
            r#"{"attributes":{"type":"Opportunity"},"Id":"006","Name":"Pumps","Tandem_PO_Number__c":null,
                "Account":{"attributes":{"type":"Account"},"Name":"Miller"},
                "OpportunityLineItems":{"done":true,"records":[{"Quantity":2.50,"UnitPrice":9.90,
                "Product2":{"ProductCode":"P1","Tandem_Item_Code__c":"A1"}},{"Quantity":1,"UnitPrice":null,"Product2":{"ProductCode":"P2","Tandem_Item_Code__c":null}}]}}"#,
        );
        let b1 = Map::new();
        let told = both(&opportunity, &b1);
        assert_eq!(
            told,
            json!({ "salesforce": { "Id": "006", "Name": "Pumps", "Account.Name": "Miller",
                "line 1": "A1: 2.50 at 9.90", "line 2": "P2: 1 at null" } })
        );
        assert_eq!(both(&Value::Null, &b1), json!({}));
    }

    #[test]
    fn the_customer_and_each_item_stand_on_b1s_side() {
        let fields = |code: &str| from_json(&format!(r#"{{"ItemCode":"{code}"}}"#)).as_object().cloned().unwrap();
        let order = Order {
            header: Map::new(),
            lines: vec![("1".into(), fields("A1")), ("2".into(), fields("A2"))],
            generation: 1,
            ..Order::default()
        };
        let partner = json!({ "@odata.etag": "x", "CardCode": "C1", "Frozen": "tYES", "Currency": null });
        let item =
            |code: &str| (code == "A1").then(|| json!({ "Valid": "tYES", "Frozen": "tNO", "SalesItem": "tYES" }));
        let told = Value::Object(of_partner(Some(&partner), &order, item));
        assert_eq!(
            told,
            json!({ "CardCode": "C1", "Frozen": "tYES", "line 1": "A1: Valid tYES, Frozen tNO, SalesItem tYES",
                "line 2": "A2: B1 has no such item" })
        );
    }
}
