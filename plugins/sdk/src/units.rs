//! Units of measure. Salesforce speaks of an item's sales unit: prices of the price lists, quantities of opportunity lines and
//! what is shown of stock. B1 keeps stock in pieces (the inventory unit).

use std::collections::BTreeMap;

use crate::b1::{self, Read};
use crate::{Decimal, Error, Method, Permission, Value, decimal, permission};

/// What [`Units::read`] looks at of an item, for a `$select`.
pub const UNITS: &str = "SalesItemsPerUnit,UoMGroupEntry,DefaultSalesUoMEntry,PricingUnit";

/// The group *Manual*: no group, units are written by hand.
const MANUAL: i64 = -1;

/// Sales units of items.
#[derive(Default)]
pub struct Units(BTreeMap<String, Unit>);

/// The unit in which an item is sold.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Pieces in one of it; 1 for an item that is sold by the piece.
    pub pieces: Decimal,
    /// `UoMEntry`, for an item of a UoM group.
    pub entry: Option<i64>,
    /// Prices of the price lists times this are prices of one of it: lists may be in another unit (*Pricing Unit*). Assumed:
    /// where an item names none they are in the sales unit.
    pub of_list: Decimal,
}

impl Default for Unit {
    fn default() -> Self {
        Self { pieces: Decimal::ONE, entry: None, of_list: Decimal::ONE }
    }
}

impl Unit {
    /// Pieces in this unit, never more than there are whole millionths of.
    pub fn of_pieces(&self, pieces: Decimal) -> Decimal {
        (pieces / self.pieces).round_dp_with_strategy(6, crate::RoundingStrategy::ToNegativeInfinity)
    }
}

impl Units {
    /// Of items that were read with [`UNITS`]; groups are asked of B1 where items have them.
    pub fn read<'a>(items: impl Iterator<Item = &'a Value> + Clone) -> Result<Self, Error> {
        let groups: Vec<i64> = items.clone().filter_map(group_of).collect();
        let rows = match groups.is_empty() {
            true => Vec::new(),
            false => b1::read(Read::numbers(
                "UnitOfMeasurementGroups",
                "AbsEntry",
                &groups,
                "AbsEntry,BaseUoM,UoMGroupDefinitionCollection",
            ))?,
        };
        let groups = b1::by_key(rows, "AbsEntry");
        Ok(Self(items.map(|item| (b1::key_text(&item["ItemCode"]), unit(item, &groups))).collect()))
    }

    /// Those of other items, too.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Of an item; by the piece where it is not known.
    pub fn of(&self, item_code: &str) -> Unit {
        self.0.get(item_code).cloned().unwrap_or_default()
    }

    /// What reading them needs beside the items.
    pub fn permission() -> Permission {
        permission("b1", Method::Get, "/UnitOfMeasurementGroups", "reads how many pieces a sales unit has")
    }
}

fn group_of(item: &Value) -> Option<i64> {
    item["UoMGroupEntry"].as_i64().filter(|group| *group != MANUAL)
}

fn unit(item: &Value, groups: &BTreeMap<String, Value>) -> Unit {
    let Some(group) = group_of(item) else {
        let pieces = decimal(&item["SalesItemsPerUnit"]).filter(|pieces| *pieces > Decimal::ZERO);
        return Unit { pieces: pieces.unwrap_or(Decimal::ONE), ..Unit::default() };
    };
    let none = Value::Null;
    let group = groups.get(&group.to_string()).unwrap_or(&none);
    // Without a sales unit of its own an item is sold in the group's base unit.
    let base = group["BaseUoM"].as_i64();
    let entry = item["DefaultSalesUoMEntry"].as_i64().filter(|entry| *entry > 0).or(base);
    let pieces = pieces_in(group, entry).unwrap_or(Decimal::ONE);
    let priced = item["PricingUnit"].as_i64().filter(|entry| *entry > 0);
    Unit { pieces, entry, of_list: pieces_in(group, priced).map_or(Decimal::ONE, |priced| pieces / priced) }
}

/// Pieces in a unit of a group: `AlternateQuantity` of it are `BaseQuantity` pieces.
fn pieces_in(group: &Value, entry: Option<i64>) -> Option<Decimal> {
    let units = group["UoMGroupDefinitionCollection"].as_array()?;
    let own = units.iter().find(|unit| entry.is_some() && unit["AlternateUoM"].as_i64() == entry)?;
    let pieces = decimal(&own["BaseQuantity"])?.checked_div(decimal(&own["AlternateQuantity"])?)?;
    (pieces > Decimal::ZERO).then_some(pieces)
}

/// Pieces of a document row's quantity (`Quantity`, `RemainingOpenQuantity`), which is in the row's unit.
pub fn pieces_of(line: &Value, property: &str) -> Decimal {
    let per_unit = decimal(&line["UnitsOfMeasurment"]).filter(|pieces| *pieces > Decimal::ZERO);
    b1::amount(line, property) * per_unit.unwrap_or(Decimal::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_sales_unit_has_pieces_by_hand_or_by_its_group() {
        let group = json!({ "AbsEntry": 3, "BaseUoM": 1, "UoMGroupDefinitionCollection": [
            { "AlternateUoM": 1, "AlternateQuantity": 1, "BaseQuantity": 1 },
            { "AlternateUoM": 7, "AlternateQuantity": 2, "BaseQuantity": 24 },
        ]});
        let groups = BTreeMap::from([("3".to_owned(), group)]);
        let unit = |item: Value| unit(&item, &groups);
        let box_of_12 = Unit { pieces: 12.into(), entry: Some(7), of_list: 1.into() };
        assert_eq!(unit(json!({ "UoMGroupEntry": 3, "DefaultSalesUoMEntry": 7 })), box_of_12);
        assert_eq!(unit(json!({ "UoMGroupEntry": 3 })), Unit { entry: Some(1), ..Unit::default() });
        assert_eq!(
            unit(json!({ "UoMGroupEntry": -1, "SalesItemsPerUnit": 12 })),
            Unit { pieces: 12.into(), ..Unit::default() }
        );
        let priced_by_the_piece = json!({ "UoMGroupEntry": 3, "DefaultSalesUoMEntry": 7, "PricingUnit": 1 });
        assert_eq!(unit(priced_by_the_piece).of_list, 12.into());
        for by_the_piece in [json!({}), json!({ "SalesItemsPerUnit": 0 }), json!({ "SalesItemsPerUnit": null })] {
            assert_eq!(unit(by_the_piece), Unit::default());
        }
        assert_eq!(box_of_12.of_pieces(50.into()).to_string(), "4.166666");
    }
}
