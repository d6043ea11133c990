//! How far an order is: of each line what was ordered, left and came back.

use std::collections::BTreeMap;

use tandem_sdk::b1;
use tandem_sdk::chain::Moved;
use tandem_sdk::{Decimal, Link, Value, from_json, text, units};

use crate::documents::{Order, Shipment};

/// One order line, in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub ordered: Decimal,
    pub moved: Moved,
    /// B1 has closed it: what has not left does not leave any more, unless an invoice in reserve has it.
    pub closed: bool,
    /// The order is cancelled.
    pub cancelled: bool,
}

impl Progress {
    /// What is still to leave. Of a line that B1 has closed only what an invoice in reserve has of it.
    pub fn open(&self) -> Decimal {
        let Moved { shipped, reserved, returned, .. } = self.moved;
        let leaves = match (self.cancelled, self.closed) {
            (true, _) => Decimal::ZERO,
            (false, true) => (reserved - returned).min(self.ordered),
            (false, false) => self.ordered,
        };
        (leaves - shipped).max(Decimal::ZERO)
    }

    /// As line and opportunity show it.
    pub fn word(&self) -> &'static str {
        let Moved { shipped, reserved, returned, touched } = self.moved;
        let nothing_left = self.closed && shipped.max(reserved - returned) < self.ordered;
        if self.cancelled {
            "Cancelled"
        } else if shipped > Decimal::ZERO && returned >= shipped {
            "Returned"
        } else if touched && shipped >= self.ordered && (self.closed || shipped > Decimal::ZERO) {
            "Shipped"
        } else if nothing_left {
            "Closed"
        } else if touched {
            "Partly shipped"
        } else {
            "Open"
        }
    }
}

/// Progress by the order's `LineNum`.
pub fn of_lines(order: &Order) -> BTreeMap<i64, Progress> {
    let cancelled = b1::yes(&order.document, "Cancelled");
    let line = |line: &Value| {
        let number = line["LineNum"].as_i64()?;
        let progress = Progress {
            ordered: units::pieces_of(line, "Quantity"),
            moved: order.moved.get(&number).copied().unwrap_or_default(),
            closed: text(line, "LineStatus") == "bost_Close",
            cancelled,
        };
        Some((number, progress))
    };
    b1::lines(&order.document).iter().filter_map(line).collect()
}

/// Which line of the opportunity is which of the order, by its `LineNum`: the orders flow notes that.
pub fn noted_lines(link: &Link) -> Vec<(String, i64)> {
    let noted = from_json(&link.base);
    let noted = noted["lines"].as_array().into_iter().flatten();
    let named = noted.filter_map(|line| Some((text(line, "id").to_owned(), line["num"].as_i64()?)));
    named.filter(|(id, _)| !id.is_empty()).collect()
}

/// The whole order: its lines together, and delivered when every delivery arrived.
pub fn of_order(order: &Order, lines: &BTreeMap<i64, Progress>, delivered: Option<(&str, &str)>) -> &'static str {
    let mut words: Vec<&str> = lines.values().map(Progress::word).collect();
    words.sort_unstable();
    words.dedup();
    let only = |known: &[&str]| words.iter().all(|word| known.contains(word));
    let word = match words.as_slice() {
        [] => "Open",
        [one] => one,
        // What came back was shipped.
        ["Returned", "Shipped"] => "Shipped",
        ["Closed", "Returned"] => "Returned",
        _ if only(&["Closed", "Returned", "Shipped"]) => "Closed",
        _ if only(&["Closed", "Open"]) => "Open",
        _ => "Partly shipped",
    };
    let arrived = |(field, value): (&str, &str)| {
        let live = || order.deliveries.iter().filter(|delivery| delivery.is_live());
        live().next().is_some() && live().all(|delivery| b1::key_text(&delivery.document[field]) == value)
    };
    match word {
        "Shipped" if delivered.is_some_and(arrived) => "Delivered",
        "Open" => "Open",
        "Partly shipped" => "Partly shipped",
        "Returned" => "Returned",
        "Closed" => "Closed",
        "Cancelled" => "Cancelled",
        _ => "Shipped",
    }
}

/// Values of all deliveries, each once, joined.
pub fn joined(deliveries: &[Shipment], value: impl Fn(&Value) -> String, most: usize) -> String {
    let mut values: Vec<String> = Vec::new();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_live()) {
        let value = value(&delivery.document);
        if !value.is_empty() && !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(", ").chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_sdk::json;

    /// An order of five and of two pieces, of which so many (left, came back) have moved, and the lines that B1 has closed.
    fn order(moved: [(i64, i64); 2], closed: &[i64]) -> Order {
        let line = |number: i64, pieces: i64| {
            let status = if closed.contains(&number) { "bost_Close" } else { "bost_Open" };
            json!({ "LineNum": number, "Quantity": pieces, "LineStatus": status })
        };
        let moved = (0..).zip(moved).map(|(number, (shipped, returned))| {
            let touched = shipped > 0;
            (number, Moved { shipped: shipped.into(), returned: returned.into(), touched, ..Moved::default() })
        });
        Order {
            document: json!({ "DocEntry": 7, "DocumentLines": [line(0, 5), line(1, 2)] }),
            link: Link { kind: "order".into(), b1_id: "7".into(), salesforce_id: "006".into(), base: "{}".into() },
            moved: moved.collect(),
            deliveries: vec![Shipment { document: json!({ "U_Arrived": "Y" }), opportunity: "006".into() }],
            returns: Vec::new(),
            made: Default::default(),
            changed: None,
            events: Vec::new(),
        }
    }

    fn word(order: &Order) -> &'static str {
        of_order(order, &of_lines(order), None)
    }

    #[test]
    fn open_partly_shipped_shipped_delivered_returned() {
        assert_eq!(word(&order([(0, 0), (0, 0)], &[])), "Open");
        assert_eq!(word(&order([(3, 0), (0, 0)], &[])), "Partly shipped");
        let all = order([(5, 0), (2, 0)], &[0, 1]);
        assert_eq!(word(&all), "Shipped");
        assert_eq!(of_order(&all, &of_lines(&all), Some(("U_Arrived", "Y"))), "Delivered");
        assert_eq!(word(&order([(5, 0), (2, 2)], &[0, 1])), "Shipped");
        assert_eq!(word(&order([(5, 5), (2, 2)], &[0, 1])), "Returned");
    }

    #[test]
    fn what_is_closed_by_hand_or_cancelled_ends_in_a_state_that_says_so() {
        assert_eq!(word(&order([(3, 0), (0, 0)], &[0, 1])), "Closed");
        assert_eq!(word(&order([(5, 0), (0, 0)], &[0, 1])), "Closed");
        assert_eq!(word(&order([(3, 3), (0, 0)], &[0, 1])), "Returned");
        // The other line may still leave.
        assert_eq!(word(&order([(5, 0), (0, 0)], &[0])), "Partly shipped");
        assert_eq!(word(&order([(0, 0), (0, 0)], &[0])), "Open");
        let mut cancelled = order([(0, 0), (0, 0)], &[0, 1]);
        cancelled.document["Cancelled"] = "tYES".into();
        assert_eq!(word(&cancelled), "Cancelled");
    }

    #[test]
    fn what_is_closed_or_cancelled_leaves_no_more() {
        let line = |shipped: i64, closed, cancelled| Progress {
            ordered: 5.into(),
            moved: Moved { shipped: shipped.into(), ..Moved::default() },
            closed,
            cancelled,
        };
        let open = |line: Progress| line.open();
        assert_eq!(open(line(3, false, false)), Decimal::from(2));
        assert_eq!(open(line(7, false, false)), Decimal::ZERO, "more was delivered than ordered");
        assert_eq!((open(line(3, true, false)), open(line(0, true, true))), (Decimal::ZERO, Decimal::ZERO));
    }

    #[test]
    fn what_an_invoice_in_reserve_has_is_still_to_leave() {
        let reserved = |shipped: i64, returned: i64| Progress {
            ordered: 5.into(),
            moved: Moved {
                shipped: shipped.into(),
                reserved: 5.into(),
                returned: returned.into(),
                touched: shipped > 0,
            },
            closed: true,
            cancelled: false,
        };
        assert_eq!(reserved(0, 0).word(), "Open");
        assert_eq!(reserved(3, 0).word(), "Partly shipped");
        assert_eq!(reserved(5, 0).word(), "Shipped");
        assert_eq!(reserved(0, 5).word(), "Closed");
        assert_eq!(
            [(0, 0), (3, 0), (5, 0), (0, 5)].map(|(a, b)| reserved(a, b).open()),
            [5, 2, 0, 0].map(Decimal::from)
        );
        // A row of a service document has no quantity.
        let service =
            |closed| Progress { moved: Moved { touched: true, ..Moved::default() }, closed, ..Progress::default() };
        assert_eq!((service(true).word(), service(false).word()), ("Shipped", "Partly shipped"));
    }
}
