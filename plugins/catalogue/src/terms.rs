//! By what a price of B1 becomes a price in Salesforce: net, and of the item's sales unit, as opportunity lines and orders are.

use std::collections::BTreeMap;

use tandem_sdk::{Decimal, Error, Said, Units, Value, money, say, text, units};

use crate::books::Books;

/// Of the items that were read for it.
#[derive(Default)]
pub struct Terms {
    units: Units,
    /// Percent by tax group.
    taxes: BTreeMap<String, Decimal>,
}

impl Terms {
    /// What an item has to be read with, for a `$select`.
    pub fn properties() -> impl Iterator<Item = &'static str> {
        ["ItemCode", "SalesVATGroup"].into_iter().chain(units::UNITS.split(','))
    }

    /// Of items that were read with [`Terms::properties`].
    pub fn read<'a>(books: &Books, items: impl Iterator<Item = &'a Value> + Clone) -> Result<Self, Error> {
        let units = Units::read(items.clone())?;
        let groups: Vec<String> = match books.gross.is_empty() {
            true => Vec::new(),
            false => items.map(|item| text(item, "SalesVATGroup").to_owned()).collect(),
        };
        let taxes = if groups.is_empty() { BTreeMap::new() } else { money::tax_rates(&groups)? };
        Ok(Self { units, taxes })
    }

    /// A price of a list.
    pub fn of_book(&self, books: &Books, list: i64, item: &Value, amount: Decimal) -> Result<Decimal, Said> {
        let amount = amount * self.units.of(text(item, "ItemCode")).of_list;
        if !books.gross.contains(&list) || amount.is_zero() {
            return Ok(amount);
        }
        let group = text(item, "SalesVATGroup");
        let tax = self.taxes.get(group).ok_or_else(|| {
            say(
                "catalogue.no_tax_rate",
                "the list's prices are with tax, and B1 tells no rate of the item's tax group {group}",
                [("group", group.into())],
            )
        })?;
        Ok((amount * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + tax)).round_dp(6))
    }
}

#[cfg(test)]
impl Terms {
    /// Where only taxes count.
    pub fn of_taxes(taxes: &[(&str, i64)]) -> Self {
        let taxes = taxes.iter().map(|(group, percent)| ((*group).to_owned(), Decimal::from(*percent))).collect();
        Self { taxes, ..Self::default() }
    }
}
