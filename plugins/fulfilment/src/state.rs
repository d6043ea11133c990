//! How far an order is: of each line what was ordered, shipped and came back.

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, code};
use tandem_sdk::{Decimal, Value};

use crate::documents::Order;

/// Quantities of one order line.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub ordered: Decimal,
    pub shipped: Decimal,
    pub returned: Decimal,
}

impl Progress {
    /// As line and opportunity show it.
    pub fn word(&self) -> &'static str {
        if self.shipped > Decimal::ZERO && self.returned >= self.shipped {
            "Returned"
        } else if self.shipped <= Decimal::ZERO {
            "Open"
        } else if self.shipped < self.ordered {
            "Partly shipped"
        } else {
            "Shipped"
        }
    }
}

/// Progress by the order's `LineNum`.
pub fn of_lines(order: &Order) -> BTreeMap<i64, Progress> {
    let mut lines: BTreeMap<i64, Progress> = BTreeMap::new();
    for line in b1::lines(&order.document) {
        if let Some(number) = line["LineNum"].as_i64() {
            lines.entry(number).or_default().ordered = b1::amount(line, "Quantity");
        }
    }
    let entry = order.document["DocEntry"].as_i64();
    // Where a delivery's line came from: (delivery, line) → the order's line.
    let mut origin: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for delivery in order.deliveries.iter().filter(|delivery| !b1::yes(delivery, "Cancelled")) {
        for line in b1::lines(delivery) {
            if line["BaseType"].as_i64() != Some(code::ORDER) || line["BaseEntry"].as_i64() != entry {
                continue;
            }
            let Some(number) = line["BaseLine"].as_i64() else { continue };
            lines.entry(number).or_default().shipped += b1::amount(line, "Quantity");
            if let (Some(delivery), Some(own)) = (delivery["DocEntry"].as_i64(), line["LineNum"].as_i64()) {
                origin.insert((delivery, own), number);
            }
        }
    }
    for back in order.returns.iter().filter(|back| !b1::yes(back, "Cancelled")) {
        for line in b1::lines(back) {
            let base = (line["BaseEntry"].as_i64().unwrap_or(-1), line["BaseLine"].as_i64().unwrap_or(-1));
            if let Some(number) = origin.get(&base) {
                lines.entry(*number).or_default().returned += b1::amount(line, "Quantity");
            }
        }
    }
    lines
}

/// The whole order: its lines together, and delivered when every delivery arrived.
pub fn of_order(order: &Order, lines: &BTreeMap<i64, Progress>, delivered: Option<&(String, String)>) -> &'static str {
    let mut words: Vec<&str> = lines.values().map(Progress::word).collect();
    words.sort_unstable();
    words.dedup();
    let word = match words.as_slice() {
        [] => "Open",
        [one] => one,
        // What came back was shipped.
        ["Returned", "Shipped"] => "Shipped",
        _ => "Partly shipped",
    };
    let arrived = |(field, value): &(String, String)| {
        let live = || order.deliveries.iter().filter(|delivery| !b1::yes(delivery, "Cancelled"));
        live().next().is_some() && live().all(|delivery| b1::key_text(&delivery[field.as_str()]) == *value)
    };
    match word {
        "Shipped" if delivered.is_some_and(arrived) => "Delivered",
        "Open" => "Open",
        "Partly shipped" => "Partly shipped",
        "Returned" => "Returned",
        _ => "Shipped",
    }
}

/// Values of all deliveries, each once, joined.
pub fn joined(deliveries: &[Value], value: impl Fn(&Value) -> String, most: usize) -> String {
    let mut values: Vec<String> = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| !b1::yes(delivery, "Cancelled")) {
        let value = value(delivery);
        if !value.is_empty() && !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(", ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::{Link, json};

    fn order(deliveries: Value, returns: Value) -> Order {
        let list = |value: Value| value.as_array().cloned().unwrap_or_default();
        let lines = json!([{ "LineNum": 0, "Quantity": 5 }, { "LineNum": 1, "Quantity": 2 }]);
        Order {
            document: json!({ "DocEntry": 7, "DocumentLines": lines }),
            link: Link { kind: "order".into(), b1_id: "7".into(), salesforce_id: "006".into(), base: "{}".into() },
            deliveries: list(deliveries),
            returns: list(returns),
            events: Vec::new(),
        }
    }

    fn delivery(entry: i64, line: i64, quantity: i64) -> Value {
        json!({ "DocEntry": entry, "U_Arrived": "Y", "DocumentLines": [{ "LineNum": 0, "BaseType": 17, "BaseEntry": 7, "BaseLine": line, "Quantity": quantity }] })
    }

    fn word(order: &Order, delivered: Option<&(String, String)>) -> &'static str {
        of_order(order, &of_lines(order), delivered)
    }

    #[test]
    fn open_partly_shipped_shipped_delivered_returned() {
        assert_eq!(word(&order(json!([]), json!([])), None), "Open");
        assert_eq!(word(&order(json!([delivery(1, 0, 3)]), json!([])), None), "Partly shipped");
        let all = json!([delivery(1, 0, 3), delivery(2, 0, 2), delivery(3, 1, 2)]);
        assert_eq!(word(&order(all.clone(), json!([])), None), "Shipped");
        let arrived = ("U_Arrived".to_owned(), "Y".to_owned());
        assert_eq!(word(&order(all.clone(), json!([])), Some(&arrived)), "Delivered");
        let back = |entry, quantity| json!({ "DocumentLines": [{ "BaseType": 15, "BaseEntry": entry, "BaseLine": 0, "Quantity": quantity }] });
        assert_eq!(word(&order(all.clone(), json!([back(3, 2)])), None), "Shipped");
        assert_eq!(word(&order(all, json!([back(1, 3), back(2, 2), back(3, 2)])), None), "Returned");
    }
}
