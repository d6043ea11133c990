//! Currencies and what they are worth: the company's own, rates of the day, and what is left of a row's worth.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

use super::Refusal;
use super::database::{Database, Key, Record};
use super::documents::Rules;
use super::odata::{decimal, number_value};

/// The company's own currency, unless a setting says otherwise.
pub const LOCAL: &str = "EUR";

/// Rates where no setting names others: what one of it is worth in the company's own currency.
pub fn usual_rates() -> BTreeMap<String, Decimal> {
    [("USD", 85), ("GBP", 117), ("CHF", 105)]
        .map(|(code, cents)| (code.to_owned(), Decimal::new(cents, 2)))
        .into_iter()
        .collect()
}

/// What holds for all rows of one document.
pub struct Terms<'a> {
    /// `DocCurrency`
    pub currency: &'a str,
    /// What one of it is worth in the company's own.
    pub rate: Decimal,
    /// `DocDate`, `2026-01-31`.
    pub day: &'a str,
    pub foreign: bool,
    rules: &'a Rules,
}

impl<'a> Terms<'a> {
    /// A currency without a rate for the day takes no document.
    pub fn of(rules: &'a Rules, currency: &'a str, day: &'a str) -> Result<Self, Refusal> {
        let rate = rate(rules, currency).ok_or_else(|| {
            Refusal::new(400, -5002, format!("Update the exchange rate, '{currency}' [ORDR.DocDate]"))
        })?;
        Ok(Self { currency, rate, day, foreign: currency != rules.local, rules })
    }

    /// The price of a partner's list, net, in the document's currency, of one of the item's units.
    pub fn list_price(&self, db: &Database, item: &Record, list: Decimal, tax: Decimal) -> Decimal {
        let prices = item["ItemPrices"].as_array().into_iter().flatten();
        let Some(found) = prices.into_iter().find(|price| decimal(&price["PriceList"]) == Some(list)) else {
            return Decimal::ZERO;
        };
        let price = decimal(&found["Price"]).unwrap_or_default();
        let own = rate(self.rules, found["Currency"].as_str().unwrap_or(LOCAL)).unwrap_or(Decimal::ONE);
        let gross = db
            .get("PriceLists", &Key::Number(list.try_into().unwrap_or_default()))
            .is_some_and(|list| list.get("IsGrossPrice").is_some_and(|gross| gross == "tYES"));
        let net = if gross { price * Decimal::ONE_HUNDRED / (Decimal::ONE_HUNDRED + tax) } else { price };
        (net * own / self.rate).round_dp(6)
    }
}

/// What one of a currency is worth in the company's own; none where nobody has entered it.
pub fn rate(rules: &Rules, currency: &str) -> Option<Decimal> {
    if currency == rules.local { Some(Decimal::ONE) } else { rules.rates.get(currency).copied() }
}

/// `SBOBobService_GetCurrencyRate`: a bare number.
pub fn asked_rate(db: &Database, rules: &Rules, body: &Record) -> Result<Value, Refusal> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let currency = text("Currency");
    if db.get("Currencies", &Key::Text(currency.to_owned())).is_none() {
        return Err(Refusal::new(400, -4002, format!("Invalid currency '{currency}'")));
    }
    if text("Date").len() < 8 {
        return Err(Refusal::new(400, -1000, "Date: a day is expected, such as 20260131".into()));
    }
    let missing = || Refusal::new(400, -4006, "Update the exchange rate".into());
    // It is asked for other currencies than the company's own.
    if currency == rules.local {
        return Err(Refusal::new(400, -4003, "The currency is the local currency".into()));
    }
    rate(rules, currency).map(number_value).ok_or_else(missing)
}

/// A partner's standing discount is its documents', unless they say another; rows that say none do not undo it.
pub fn default_discount(header: &mut Record, partner: &Record, rules: &Rules) {
    if let Some(forced) = rules.forced_discount {
        header.insert("DiscountPercent".into(), number_value(forced));
    }
    if header.get("DiscountPercent").is_none_or(Value::is_null) {
        let standing = partner.get("DiscountPercent").cloned().unwrap_or_else(|| 0.into());
        header.insert("DiscountPercent".into(), standing);
    }
}

/// Gross and tax of rows, by the property that has their totals (`LineTotal` in the company's currency, `RowTotalFC` in the document's).
pub fn totals(lines: &[Value], discount: Decimal, property: &str) -> (Decimal, Decimal) {
    let factor = (Decimal::ONE_HUNDRED - discount) / Decimal::ONE_HUNDRED;
    let mut net = Decimal::ZERO;
    let mut vat = Decimal::ZERO;
    for line in lines {
        let total = decimal(&line[property]).unwrap_or_default() * factor;
        net += total;
        vat += total * decimal(&line["TaxPercentagePerRow"]).unwrap_or_default() / Decimal::ONE_HUNDRED;
    }
    let vat = vat.round_dp(2);
    (net.round_dp(2) + vat, vat)
}

/// Writes a document's totals: in the company's currency, and in its own where that is another. The first, gross. Freight is net and
/// tax in the document's currency, and knows nothing of the discount.
pub fn write_totals(header: &mut Record, lines: &[Value], freight: (Decimal, Decimal), terms: &Terms) -> Decimal {
    let discount = header.get("DiscountPercent").and_then(decimal).unwrap_or_default();
    let with_freight = |(total, vat): (Decimal, Decimal), rate: Decimal| {
        let (net, tax) = ((freight.0 * rate).round_dp(2), (freight.1 * rate).round_dp(2));
        (total + net + tax, vat + tax)
    };
    let (total, vat) = with_freight(totals(lines, discount, "LineTotal"), terms.rate);
    let own = || with_freight(totals(lines, discount, "RowTotalFC"), Decimal::ONE);
    let (total_fc, vat_fc) = if terms.foreign { own() } else { Default::default() };
    for (name, value) in [("DocTotal", total), ("VatSum", vat), ("DocTotalFc", total_fc), ("VatSumFc", vat_fc)] {
        header.insert(name.into(), number_value(value.round_dp(6)));
    }
    total
}

/// What a quantity of a row adds to a balance of the partner: gross, after the document's discount, in the company's currency.
pub fn worth(header: &Record, line: &Value, quantity: Decimal) -> Decimal {
    let number = |value: Option<&Value>| value.and_then(decimal).unwrap_or_default();
    let whole = number(line.get("Quantity"));
    if whole.is_zero() {
        return Decimal::ZERO;
    }
    let share = number(line.get("LineTotal")) * quantity / whole;
    totals(
        &[serde_json::json!({ "LineTotal": number_value(share.round_dp(6)), "TaxPercentagePerRow": line["TaxPercentagePerRow"] })],
        number(header.get("DiscountPercent")),
        "LineTotal",
    )
    .0
}
