//! What is told of an order and its deliveries.

use std::collections::BTreeSet;

use tandem_sdk::b1::{self, code};
use tandem_sdk::chain::{self, Chain};
use tandem_sdk::tools;
use tandem_sdk::{Decimal, JsonSchema, Number, Serialize, decimal, text};

use crate::describe::Settings;
use crate::documents::{Order, Shipment};
use crate::state;
use crate::tell::carrier;

/// Lines of an order, its deliveries or returns, and lines of one of these.
const LINES: usize = 50;
const SHIPMENTS: usize = 20;
const SHIPMENT_LINES: usize = 20;

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Delivered {
    /// DocEntry of the order in B1
    pub doc_entry: i64,
    /// DocNum of the order in B1, as it stands on paper
    doc_num: i64,
    /// CardCode of B1
    card_code: String,
    /// `Open`, `Partly shipped`, `Shipped`, `Delivered` (only where the flow knows how arrival is told), `Returned`,
    /// `Closed` or `Cancelled`
    state: String,
    /// Lines of the order, each with what left and what is still to leave
    lines: Vec<Line>,
    /// It has more lines than are given
    more_lines: bool,
    /// Delivery notes, the newest first
    deliveries: Vec<Note>,
    /// There are older deliveries that are not given
    more_deliveries: bool,
    /// Returns, the newest first
    returns: Vec<Note>,
    /// There are older returns that are not given
    more_returns: bool,
    /// Why more may have been made of it than is told
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Line {
    /// LineNum of the order in B1
    line_num: i64,
    /// ItemCode of B1; missing for a service
    #[serde(skip_serializing_if = "Option::is_none")]
    item_code: Option<String>,
    /// ItemDescription of B1
    item_description: String,
    /// MeasureUnit of B1: the line's unit, in which its quantities are
    #[serde(skip_serializing_if = "Option::is_none")]
    measure_unit: Option<String>,
    /// Quantity of the order
    ordered: Number,
    /// What left: delivered, or invoiced without a delivery
    delivered: Number,
    /// What came back: returned, or credited without a return
    returned: Number,
    /// What is still to leave
    open: Number,
    /// As `state`, of this line
    state: String,
    /// ShipDate of B1: the day on which it is to leave
    #[serde(skip_serializing_if = "Option::is_none")]
    ship_date: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Note {
    /// DocEntry of B1
    doc_entry: i64,
    /// DocNum of B1, as it stands on paper
    doc_num: i64,
    /// DocDate of B1, such as `2026-01-31`
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_date: Option<String>,
    /// `Open` (not invoiced yet), `Closed` or `Cancelled`, which counts for nothing
    status: String,
    /// TrackingNumber of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<String>,
    /// Name of the carrier where the flow's settings have one, else TransportationCode of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
    /// Its lines, without those that are of another order
    lines: Vec<NoteLine>,
    /// It has more lines than are given
    more_lines: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct NoteLine {
    /// ItemCode of B1; missing for a service
    #[serde(skip_serializing_if = "Option::is_none")]
    item_code: Option<String>,
    /// In the line's own unit
    quantity: Number,
    /// MeasureUnit of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    measure_unit: Option<String>,
    /// LineNum of the order's line that it leads to, also through a delivery or an invoice; missing where it was made of
    /// nothing
    #[serde(skip_serializing_if = "Option::is_none")]
    order_line_num: Option<i64>,
}

const PARTLY: &str = "its customer has had too many documents since to look through all: told is what the flow has noted of \
                      it, and what it has not taken up yet may be missing. RemainingOpenQuantity of the order's lines in \
                      B1 says what is neither delivered nor invoiced";

/// Of an order with all that was made of it. `partly`: orders of which there may be more.
pub fn delivered(settings: &Settings, order: &Order, chain: &Chain, partly: &BTreeSet<i64>) -> Delivered {
    let progress = state::of_lines(order);
    let document = &order.document;
    let entry = document["DocEntry"].as_i64().unwrap_or_default();
    let lines = b1::lines(document).iter().filter_map(|row| {
        let own = progress.get(&row["LineNum"].as_i64()?)?;
        // B1 keeps what moved in pieces.
        let per_unit = decimal(&row["UnitsOfMeasurment"]).filter(|pieces| *pieces > Decimal::ZERO);
        let in_units = |pieces: Decimal| Number::from((pieces / per_unit.unwrap_or(Decimal::ONE)).round_dp(6));
        Some(Line {
            line_num: row["LineNum"].as_i64()?,
            item_code: tools::filled(row, "ItemCode"),
            item_description: text(row, "ItemDescription").to_owned(),
            measure_unit: tools::filled(row, "MeasureUnit"),
            ordered: b1::amount(row, "Quantity").into(),
            delivered: in_units(own.moved.shipped),
            returned: in_units(own.moved.returned),
            open: in_units(own.open()),
            state: own.word().to_owned(),
            ship_date: tools::day(row, "ShipDate"),
        })
    });
    let (lines, more_lines) = tools::few(lines.collect(), LINES);
    let notes = |kind: i64, shipments: &[Shipment]| {
        let mut notes: Vec<Note> =
            shipments.iter().filter_map(|own| note(settings, entry, chain, (kind, own))).collect();
        notes.sort_by_key(|own| std::cmp::Reverse(own.doc_entry));
        tools::few(notes, SHIPMENTS)
    };
    let (deliveries, more_deliveries) = notes(code::DELIVERY, &order.deliveries);
    let (returns, more_returns) = notes(code::RETURN, &order.returns);
    Delivered {
        doc_entry: entry,
        doc_num: document["DocNum"].as_i64().unwrap_or_default(),
        card_code: text(document, "CardCode").to_owned(),
        state: state::of_order(order, &progress, settings.delivered()).to_owned(),
        lines,
        more_lines,
        deliveries,
        more_deliveries,
        returns,
        more_returns,
        note: partly.contains(&entry).then(|| PARTLY.to_owned()),
    }
}

fn note(settings: &Settings, order: i64, chain: &Chain, (kind, shipment): (i64, &Shipment)) -> Option<Note> {
    let document = &shipment.document;
    let entry = document["DocEntry"].as_i64()?;
    let lines = b1::lines(document).iter().filter_map(|row| {
        let line = chain::Line { kind, entry, number: row["LineNum"].as_i64()? };
        let origin = chain.walk(line).order();
        origin.is_none_or(|origin| origin.entry == order).then(|| NoteLine {
            item_code: tools::filled(row, "ItemCode"),
            quantity: b1::amount(row, "Quantity").into(),
            measure_unit: tools::filled(row, "MeasureUnit"),
            order_line_num: origin.map(|origin| origin.number),
        })
    });
    let (lines, more_lines) = tools::few(lines.collect(), SHIPMENT_LINES);
    Some(Note {
        doc_entry: entry,
        doc_num: document["DocNum"].as_i64()?,
        doc_date: tools::day(document, "DocDate"),
        status: shipment.status().to_owned(),
        tracking_number: tools::filled(document, "TrackingNumber"),
        carrier: Some(carrier(settings, document)).filter(|carrier| !carrier.is_empty()),
        lines,
        more_lines,
    })
}

#[cfg(test)]
mod tests {
    use tandem_sdk::chain::Moved;
    use tandem_sdk::{Value, json};

    use super::super::unlinked;
    use super::*;

    fn shipment(entry: i64, mut lines: Value) -> Shipment {
        for (number, line) in lines.as_array_mut().unwrap().iter_mut().enumerate() {
            line["LineNum"] = json!(number);
        }
        let document = json!({
            "DocEntry": entry, "DocNum": entry + 100, "DocDate": "2026-03-01T00:00:00Z", "DocumentStatus": "bost_Open",
            "Cancelled": "tNO", "TrackingNumber": "T1", "TransportationCode": 1, "DocumentLines": lines,
        });
        Shipment { document, opportunity: "006".into() }
    }

    fn row(item: &str, quantity: i64, order: i64, line: i64) -> Value {
        json!({ "ItemCode": item, "Quantity": quantity, "BaseType": 17, "BaseEntry": order, "BaseLine": line })
    }

    fn based(item: &str, kind: i64, entry: i64, line: i64) -> Value {
        json!({ "ItemCode": item, "Quantity": 1, "BaseType": kind, "BaseEntry": entry, "BaseLine": line })
    }

    fn told(settings: &Settings, partly: &[i64]) -> Delivered {
        let own = order();
        let mut chain = Chain::default();
        // An invoice in reserve of two orders.
        let reserved = shipment(4, json!([row("A1", 1, 7, 3), row("B1", 1, 8, 1)])).document;
        chain.add(code::INVOICE, [&reserved]);
        chain.add(code::DELIVERY, own.deliveries.iter().map(|delivery| &delivery.document));
        chain.add(code::RETURN, own.returns.iter().map(|back| &back.document));
        delivered(settings, &own, &chain, &partly.iter().copied().collect())
    }

    fn order() -> Order {
        let line = json!({
            "LineNum": 3, "ItemCode": "A1", "Quantity": 2.5, "UnitsOfMeasurment": 12, "LineStatus": "bost_Open",
        });
        let document = json!({ "DocEntry": 7, "DocNum": 70, "CardCode": "C1", "DocumentLines": [line] });
        let moved = Moved { shipped: 12.into(), returned: 3.into(), touched: true, ..Moved::default() };
        Order {
            link: unlinked(7, &document),
            document,
            moved: [(3, moved)].into(),
            deliveries: vec![
                shipment(1, json!([row("A1", 1, 7, 3), row("B1", 9, 8, 0)])),
                shipment(2, json!([{ "ItemCode": "FREE", "Quantity": 1 }])),
                shipment(3, json!([based("B1", 13, 4, 1), based("A1", 13, 4, 0)])),
            ],
            returns: vec![shipment(5, json!([based("A1", 15, 1, 0), based("B1", 15, 1, 1), based("C1", 15, 9, 0)]))],
            made: Default::default(),
            changed: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn what_left_and_is_open_is_told_in_the_lines_own_unit() {
        let told = told(&Settings::default(), &[]);
        let line = &told.lines[0];
        assert_eq!(
            [line.ordered, line.delivered, line.returned, line.open].map(|own| own.to_string()),
            ["2.5", "1", "0.25", "1.5"]
        );
        assert_eq!((told.state.as_str(), line.state.as_str()), ("Partly shipped", "Partly shipped"));
    }

    #[test]
    fn of_a_delivery_for_several_orders_only_the_own_lines_are_told() {
        let settings = Settings { carriers: [("1".into(), "DHL".into())].into(), ..Settings::default() };
        let told = told(&settings, &[]);
        let entries: Vec<i64> = told.deliveries.iter().map(|own| own.doc_entry).collect();
        assert_eq!(entries, [3, 2, 1], "the newest first");
        let first = &told.deliveries[2];
        assert_eq!((first.lines.len(), first.lines[0].order_line_num), (1, Some(3)));
        assert_eq!(
            (first.carrier.as_deref(), first.tracking_number.as_deref(), first.status.as_str()),
            (Some("DHL"), Some("T1"), "Open")
        );
        assert_eq!((told.deliveries[1].lines.len(), told.deliveries[1].lines[0].order_line_num), (1, None));
    }

    #[test]
    fn lines_of_a_return_or_of_a_reserve_invoices_delivery_are_the_orders_that_they_lead_to() {
        let told = told(&Settings::default(), &[]);
        let of = |note: &Note| -> Vec<(Option<String>, Option<i64>)> {
            note.lines.iter().map(|line| (line.item_code.clone(), line.order_line_num)).collect()
        };
        assert_eq!(of(&told.deliveries[0]), [(Some("A1".into()), Some(3))]);
        // Where the delivery is that the last comes from nobody knows.
        assert_eq!(of(&told.returns[0]), [(Some("A1".into()), Some(3)), (Some("C1".into()), None)]);
    }

    #[test]
    fn that_more_may_have_been_made_is_said() {
        assert!(told(&Settings::default(), &[]).note.is_none());
        assert!(told(&Settings::default(), &[7]).note.is_some_and(|note| note.contains("may be missing")));
    }
}
