//! Whether B1 would take an order: its customer is active, its items can be sold, its credit suffices.

use std::collections::BTreeMap;

use tandem_sdk::{Decimal, Map, Value, decimal, text};

use crate::describe::Settings;
use crate::look::There;
use crate::plan::{Order, want_account};
use crate::{Step, Work, facts};

/// Holds what B1 would not take.
pub fn check_master_data(settings: &Settings, work: &mut [Work], there: &There) {
    // Orders of one batch for one customer add up.
    let mut used: BTreeMap<String, Decimal> = BTreeMap::new();
    for w in work.iter_mut() {
        let Some(order) = order_of(w) else { continue };
        let partner = there.partners.get(&field(&order.header, "CardCode"));
        if partner.is_some_and(|partner| partner["CardType"] == "cLid") {
            // B1 takes an order of a lead, but no delivery: the accounts flow makes it a customer.
            let _ = want_account(w);
        }
        let held = match check(order, &there.partners, &there.items) {
            Err(reason) => Some((reason, ["retry", "ignore"].as_slice())),
            Ok(partner) => check_credit(settings, w, order, partner, &mut used)
                .err()
                .map(|reason| (reason, ["retry", "send anyway", "ignore"].as_slice())),
        };
        let facts = facts::of_partner(partner, order, |code| there.items.get(code).cloned());
        w.b1.extend(facts);
        if let Some((reason, choices)) = held {
            w.hold(reason, choices);
        }
    }
}

/// The order that is to be made or changed.
pub fn order_of(w: &Work) -> Option<&Order> {
    match &w.step {
        Step::Create(order) | Step::Update(order, _) => Some(order),
        _ => None,
    }
}

/// A text of an order's header or line.
pub fn field(record: &Map<String, Value>, name: &str) -> String {
    record.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The order's business partner, when B1 would take the order from it.
fn check<'a>(
    order: &Order,
    partners: &'a BTreeMap<String, Value>,
    items: &BTreeMap<String, Value>,
) -> Result<&'a Value, String> {
    let card_code = field(&order.header, "CardCode");
    let partner = partners.get(&card_code).ok_or_else(|| {
        format!("B1 has no business partner {card_code}; correct B1 Card Code on the account, or create it in B1")
    })?;
    if text(partner, "Valid") == "tNO" || text(partner, "Frozen") == "tYES" {
        return Err(format!("the business partner {card_code} is inactive or frozen in B1"));
    }
    let currency = field(&order.header, "DocCurrency");
    let own = text(partner, "Currency");
    if own != "##" && !own.is_empty() && own != currency {
        return Err(format!(
            "the opportunity is in {currency}, but {card_code} trades in {own}; change the currency on one side"
        ));
    }
    for (index, (_, line)) in order.lines.iter().enumerate() {
        let code = field(line, "ItemCode");
        let item = items.get(&code).ok_or_else(|| format!("line {}: B1 has no item {code}", index + 1))?;
        if text(item, "Valid") == "tNO" || text(item, "Frozen") == "tYES" {
            return Err(format!("line {}: the item {code} is inactive in B1; replace it", index + 1));
        }
        if text(item, "SalesItem") == "tNO" {
            return Err(format!("line {}: the item {code} is not a sales item in B1", index + 1));
        }
    }
    Ok(partner)
}

/// What keeps an order within the partner's credit limit; a person may send it all the same.
fn check_credit(
    settings: &Settings,
    w: &Work,
    order: &Order,
    partner: &Value,
    used: &mut BTreeMap<String, Decimal>,
) -> Result<(), String> {
    let card_code = field(&order.header, "CardCode");
    let limit = decimal(&partner["CreditLimit"]).unwrap_or_default();
    let creates = matches!(w.step, Step::Create(_));
    let waived = w.event.resolution.as_deref() == Some("send anyway");
    if settings.credit_check && creates && !limit.is_zero() && !waived {
        let amount = |name: &str| decimal(&partner[name]).unwrap_or_default();
        let before = amount("CurrentAccountBalance") + amount("OpenOrdersBalance") + amount("OpenDeliveryNotesBalance");
        let total: Decimal = order.lines.iter().map(|(_, line)| line_total(line)).sum();
        let in_batch = used.entry(card_code.clone()).or_default();
        if before + *in_batch + total > limit {
            return Err(format!(
                "{card_code} would exceed the credit limit of {limit}: {} used, this order {}",
                (before + *in_batch).round_dp(2),
                total.round_dp(2)
            ));
        }
        *in_batch += total;
    }
    Ok(())
}

fn line_total(line: &Map<String, Value>) -> Decimal {
    let number = |name: &str| line.get(name).and_then(decimal).unwrap_or_default();
    number("Quantity") * number("UnitPrice") * (Decimal::ONE_HUNDRED - number("DiscountPercent")) / Decimal::ONE_HUNDRED
}
