//! Whether B1 would take an order: its customer is active, its items can be sold, its credit suffices (see [`credit`]).

use std::collections::BTreeMap;

use tandem_sdk::{Decimal, Map, Value, in_use, outcome_of, text};

use crate::credit::{self, Rates};
use crate::describe::Settings;
use crate::look::There;
use crate::plan::{Order, want_account};
use crate::{Step, Work, facts};

/// Holds what B1 would not take.
pub fn check_master_data(settings: &Settings, work: &mut [Work], there: &There) {
    let rates = match Rates::read(settings, work, there) {
        Ok(rates) => rates,
        Err(error) => {
            let open = work.iter_mut().filter(|w| order_of(w).is_some());
            return open.for_each(|w| w.finish(outcome_of(&error, "reading rates from B1")));
        }
    };
    // Orders of one batch for one customer add up.
    let mut used: BTreeMap<String, Decimal> = BTreeMap::new();
    for w in work.iter_mut() {
        let Some(order) = order_of(w) else { continue };
        let partner = there.partners.get(&field(&order.header, "CardCode"));
        let facts = facts::of_partner(partner, order, |code| there.items.get(code).cloned());
        let refused = check(order, &there.partners, &there.items).err();
        if partner.is_some_and(|partner| partner["CardType"] == "cLid") {
            // B1 takes an order of a lead, but no delivery: the accounts flow makes it a customer.
            let _ = want_account(w);
        }
        let held = match refused {
            Some(reason) => Some((reason, ["retry", "ignore"].as_slice())),
            None => credit::check(settings, &rates, w, there, &mut used)
                .err()
                .map(|reason| (reason, ["retry", "send anyway", "ignore"].as_slice())),
        };
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

/// What B1 would refuse.
fn check(order: &Order, partners: &BTreeMap<String, Value>, items: &BTreeMap<String, Value>) -> Result<(), String> {
    let card_code = field(&order.header, "CardCode");
    let partner = partners.get(&card_code).ok_or_else(|| {
        format!("B1 has no business partner {card_code}; correct B1 Card Code on the account, or create it in B1")
    })?;
    if !in_use(partner, &order.day) {
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
        if !in_use(item, &order.day) {
            return Err(format!("line {}: the item {code} is inactive in B1; replace it", index + 1));
        }
        if text(item, "SalesItem") == "tNO" {
            return Err(format!("line {}: the item {code} is not a sales item in B1", index + 1));
        }
    }
    Ok(())
}
