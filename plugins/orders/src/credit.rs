//! Whether an order fits into its customer's credit limit. Limit and balances are in the company's own currency, with tax; so is
//! the order, by B1's rate of the day and the rates of its tax groups.

use std::collections::BTreeMap;

use tandem_sdk::{Decimal, Error, Map, Said, Told, Value, b1, money, say, text};

use crate::check::{field, named, order_of};
use crate::describe::Settings;
use crate::look::There;
use crate::plan::Order;
use crate::total;
use crate::{Step, Work};

/// What orders are valued by.
#[derive(Default)]
pub struct Rates {
    /// The company's own currency, B1's code; none where B1 does not say.
    local: Option<String>,
    /// By currency and day; none where B1 has no rate.
    currencies: BTreeMap<(String, String), Option<Decimal>>,
    /// Percent by tax group.
    taxes: BTreeMap<String, Decimal>,
}

/// An order's worth, with what is not known of it.
struct Worth {
    amount: Decimal,
    /// Rows without a known tax group: they count without tax.
    untaxed: bool,
}

impl Rates {
    /// Asks B1 for what the orders in question need; for nothing where no order is to be checked.
    pub fn read(settings: &Settings, work: &[Work], there: &There) -> Result<Self, Error> {
        let orders: Vec<(&Order, &Value)> = work
            .iter()
            .filter(|w| is_checked(settings, w))
            .filter_map(|w| {
                let order = order_of(w)?;
                let partner = there.partners.get(&field(&order.header, "CardCode"))?;
                (!limit(partner).is_zero()).then_some((order, partner))
            })
            .collect();
        let mut rates = Self::default();
        if orders.is_empty() {
            return Ok(rates);
        }
        rates.local = money::local_currency()?;
        // An order is not valued then, and says so.
        let Some(local) = &rates.local else { return Ok(rates) };
        for (order, _) in &orders {
            let key = (field(&order.header, "DocCurrency"), order.day.clone());
            if key.0 != *local && !rates.currencies.contains_key(&key) {
                let rate = money::rate(&key.0, &key.1)?;
                rates.currencies.insert(key, rate);
            }
        }
        let mut groups: Vec<String> = Vec::new();
        for (order, partner) in &orders {
            groups.extend(order.lines.iter().map(|(_, line)| tax_group(line, partner, there)));
        }
        rates.taxes = money::tax_rates(&groups)?;
        Ok(rates)
    }

    /// An order's worth, or why it is not known.
    fn worth<'a>(
        &self,
        order: &Order,
        header: &Map<String, Value>,
        lines: impl Iterator<Item = &'a Map<String, Value>>,
        partner: &Value,
        there: &There,
    ) -> Result<Worth, Said> {
        let Some(local) = &self.local else {
            return Err(say(
                "orders.credit_unvalued",
                "credit was not checked: B1 does not tell the company's own currency; give the Service Layer user the right to CompanyService_GetAdminInfo",
                [],
            ));
        };
        let key = (field(&order.header, "DocCurrency"), order.day.clone());
        let rate = if key.0 == *local { Some(Decimal::ONE) } else { self.currencies.get(&key).copied().flatten() };
        let Some(rate) = rate else {
            let with = [("currency", key.0.into()), ("day", Said::day(key.1.as_str()))];
            return Err(say(
                "orders.credit_unchecked",
                "credit was not checked: B1 has no rate for {currency} on {day}",
                with,
            ));
        };
        let mut worth = Worth { amount: Decimal::ZERO, untaxed: false };
        for line in lines {
            let tax = self.taxes.get(&tax_group(line, partner, there));
            worth.untaxed |= tax.is_none();
            let gross = Decimal::ONE + tax.copied().unwrap_or_default() / Decimal::ONE_HUNDRED;
            worth.amount += total::net(header, std::iter::once(line)) * gross * rate;
        }
        Ok(worth)
    }
}

fn is_checked(settings: &Settings, w: &Work) -> bool {
    settings.credit_check && order_of(w).is_some() && w.event.resolution.as_deref() != Some("send anyway")
}

fn limit(partner: &Value) -> Decimal {
    b1::amount(partner, "CreditLimit")
}

/// The tax group of a row: its own, else the customer's, else the item's.
fn tax_group(line: &Map<String, Value>, partner: &Value, there: &There) -> String {
    let own = ["VatGroup", "TaxCode"].map(|name| field(line, name));
    let item = there.items.get(&field(line, "ItemCode")).map_or("", |item| text(item, "SalesVATGroup"));
    let found = own.iter().map(String::as_str).chain([text(partner, "VatGroup"), item]).find(|group| !group.is_empty());
    found.unwrap_or_default().to_owned()
}

/// What keeps an order, or what is added to one, within the limit; a person may send it all the same. Orders of one batch for one
/// customer add up in `used`.
pub fn check(
    settings: &Settings,
    rates: &Rates,
    w: &mut Work,
    there: &There,
    used: &mut BTreeMap<String, Decimal>,
) -> Result<(), Said> {
    if !is_checked(settings, w) {
        return Ok(());
    }
    let Some(order) = order_of(w) else { return Ok(()) };
    let card_code = field(&order.header, "CardCode");
    let Some(partner) = there.partners.get(&card_code).filter(|partner| !limit(partner).is_zero()) else {
        return Ok(());
    };
    let currency = field(&order.header, "DocCurrency");
    let lines = order.lines.iter().map(|(_, line)| line);
    let worth = match rates.worth(order, &order.header, lines, partner, there) {
        Ok(worth) => worth,
        Err(note) => {
            if let Some(order) = order_mut(w) {
                order.notes.push(note);
            }
            return Ok(());
        }
    };
    // What the order had before is in the balances already.
    let before = match &w.step {
        Step::Update(_, linked) => {
            let lines = linked.lines.iter().map(|line| &line.fields);
            rates.worth(order, &linked.header, lines, partner, there).ok().map(|worth| worth.amount)
        }
        _ => None,
    };
    let more = worth.amount - before.unwrap_or_default();
    if more <= Decimal::ZERO {
        return Ok(());
    }
    let balances = ["CurrentAccountBalance", "OpenOrdersBalance", "OpenDeliveryNotesBalance"];
    let in_batch = used.entry(card_code.clone()).or_default();
    let taken = balances.iter().map(|name| b1::amount(partner, name)).sum::<Decimal>() + *in_batch;
    if taken + more > limit(partner) {
        let own = rates.local.as_deref().unwrap_or_default();
        let local = settings.currencies.iso(own).unwrap_or_else(|_| own.to_owned());
        let amount = |amount: Decimal| Said::amount(amount.round_dp(2), local.as_str());
        let tax: Told = if worth.untaxed {
            say("orders.before_tax", "before tax", []).into()
        } else {
            say("orders.with_tax", "with tax", []).into()
        };
        let with = [
            ("customer", named(partner).into()),
            ("limit", amount(limit(partner))),
            ("used", amount(taken)),
            ("more", amount(more)),
            ("tax", tax),
        ];
        let over = match before {
            None => say(
                "orders.over_limit",
                "{customer} would exceed the credit limit of {limit}: {used} used, this order {more} {tax}",
                with,
            ),
            Some(_) => say(
                "orders.change_over_limit",
                "{customer} would exceed the credit limit of {limit}: {used} used, this change adds {more} {tax}",
                with,
            ),
        };
        let rate = || {
            let with = [("currency", currency.as_str().into()), ("day", Said::day(order.day.as_str()))];
            say("orders.at_rate", "the order is in {currency}, taken at B1's rate of {day}", with)
        };
        return Err(if currency == own { over } else { over.and(rate()) });
    }
    *in_batch += more;
    Ok(())
}

fn order_mut(w: &mut Work) -> Option<&mut Order> {
    match &mut w.step {
        Step::Create(order) | Step::Update(order, _) => Some(order),
        _ => None,
    }
}
