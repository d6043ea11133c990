//! Currencies of an org: the corporate one, rates to it, and what a sum of amounts in several is. Source: Salesforce Help, *Manage Multiple Currencies*; SOQL
//! reference: an aggregate of a currency field answers in the org's default currency, whatever its records are in.

use anyhow::Context;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::org::{Org, Record, number_value};

const TYPES: &str = "CurrencyType";
const FIELD: &str = "CurrencyIsoCode";
/// What one euro is in each.
const CURRENCIES: [(&str, Decimal); 4] = [
    ("EUR", Decimal::ONE),
    ("USD", Decimal::from_parts(11, 0, 0, false, 1)),
    ("GBP", Decimal::from_parts(85, 0, 0, false, 2)),
    ("CHF", Decimal::from_parts(95, 0, 0, false, 2)),
];

impl Org {
    /// Makes the currencies, with this one as corporate.
    pub fn keep_currencies(&mut self, corporate: &str) -> anyhow::Result<()> {
        let of = |code: &str| CURRENCIES.iter().find(|(own, _)| *own == code).map(|(_, rate)| *rate);
        let one = of(corporate).with_context(|| format!("the simulator has no currency {corporate}"))?;
        for (code, rate) in CURRENCIES {
            let currency = json!({ "IsoCode": code, "ConversionRate": number_value((rate / one).round_dp(6)), "DecimalPlaces": 2, "IsActive": true, "IsCorporate": code == corporate });
            self.store(TYPES, currency.as_object().cloned().unwrap_or_default());
        }
        Ok(())
    }

    /// An org with one currency: no record shows a currency, and no list of currencies is there.
    pub fn have_one_currency(&mut self, one: bool) {
        if one == self.without_currencies.is_some() {
            return;
        }
        match self.without_currencies.take() {
            None => {
                let mut gone = self.schema.objects.clone();
                self.schema.objects.remove(TYPES);
                self.schema.objects.values_mut().for_each(|own| drop(own.fields.remove(FIELD)));
                for (_, own) in gone.iter_mut().filter(|(name, _)| *name != TYPES) {
                    own.fields.retain(|name, _| name == FIELD);
                }
                gone.retain(|name, own| name == TYPES || !own.fields.is_empty());
                self.without_currencies = Some(gone);
            }
            Some(gone) => {
                for (name, own) in gone {
                    match self.schema.objects.get_mut(&name) {
                        Some(there) => there.fields.extend(own.fields),
                        None => drop(self.schema.objects.insert(name, own)),
                    }
                }
            }
        }
        self.restrict();
    }

    /// What an aggregate takes of a record's field: an amount in a field of type *Currency* in the corporate currency.
    pub(super) fn in_corporate(&self, name: &str, record: &Record, path: &str, amount: Value) -> Value {
        let is_currency = self.schema.field(name, path).is_some_and(|(_, field)| field.kind == "currency");
        let code = record.get(FIELD).and_then(Value::as_str);
        match (code.filter(|_| is_currency).and_then(|code| self.rate(code)), amount.to_string().parse::<Decimal>()) {
            (Some(rate), Ok(number)) => number_value((number / rate).round_dp(2)),
            _ => amount,
        }
    }

    fn rate(&self, code: &str) -> Option<Decimal> {
        let mut all = self.tables.get(TYPES)?.records.values();
        let rate = all.find(|own| own["IsoCode"] == code)?["ConversionRate"].to_string().parse().ok()?;
        (rate > Decimal::ZERO).then_some(rate)
    }

    /// The corporate currency: that of a record which names none.
    pub(super) fn corporate(&self) -> Value {
        let mut all = self.tables.get(TYPES).into_iter().flat_map(|table| table.records.values());
        all.find(|own| own["IsCorporate"] == true).map_or("EUR".into(), |own| own["IsoCode"].clone())
    }
}
