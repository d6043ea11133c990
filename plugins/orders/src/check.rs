//! Whether B1 would take an order: its customer is active, its items can be sold, its credit suffices (see [`credit`]).

use std::collections::BTreeMap;

use tandem_sdk::{Decimal, Map, Said, Side, Value, in_use, links, outcome_of, say, text};

use crate::credit::{self, Rates};
use crate::describe::Settings;
use crate::linked::LinkedLine;
use crate::look::There;
use crate::plan::{Order, want_account};
use crate::{Step, Work, facts};

/// Holds what B1 would not take.
pub fn check_master_data(settings: &Settings, work: &mut [Work], there: &There) {
    let rates = match Rates::read(settings, work, there) {
        Ok(rates) => rates,
        Err(error) => {
            let open = work.iter_mut().filter(|w| order_of(w).is_some());
            return open
                .for_each(|w| w.finish(outcome_of(&error, say("orders.reading_rates", "reading rates from B1", []))));
        }
    };
    // Orders of one batch for one customer add up.
    let mut used: BTreeMap<String, Decimal> = BTreeMap::new();
    for w in work.iter_mut() {
        let Some(order) = order_of(w) else { continue };
        let partner = there.partners.get(&field(&order.header, "CardCode"));
        let facts = facts::of_partner(partner, order, |code| there.items.get(code).cloned());
        let had = match &w.step {
            Step::Update(_, linked) => linked.lines.as_slice(),
            _ => &[],
        };
        let refused = check(order, had, &there.partners, &there.items).err();
        let is_wanted = match partner {
            // B1 takes an order of a lead, but no delivery: the accounts flow makes it a customer.
            Some(partner) => partner["CardType"] == "cLid",
            // Deleted since: the account says so at once, and not only after the night's look.
            None => links::find("account", Side::Salesforce, text(&w.opportunity, "AccountId")).is_some(),
        };
        if is_wanted {
            want_account(w);
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

/// A partner as a person knows it: `Maxi-Teq (C20000)`.
pub fn named(partner: &Value) -> String {
    match text(partner, "CardName") {
        "" => text(partner, "CardCode").to_owned(),
        name => format!("{name} ({})", text(partner, "CardCode")),
    }
}

/// What B1 would refuse. A row that stays as it was agreed is not asked for again.
fn check(
    order: &Order,
    had: &[LinkedLine],
    partners: &BTreeMap<String, Value>,
    items: &BTreeMap<String, Value>,
) -> Result<(), Said> {
    let card_code = field(&order.header, "CardCode");
    let partner = partners.get(&card_code).ok_or_else(|| {
        let customer = [("customer", card_code.as_str().into())];
        say(
            "orders.no_customer",
            "B1 has no business partner {customer}; correct B1 Card Code on the account, or create it in B1",
            customer,
        )
    })?;
    if text(partner, "CardType") == "cSupplier" {
        let customer = [("customer", named(partner).into())];
        return Err(say(
            "orders.supplier",
            "{customer} is a supplier in B1, which takes no sales order; correct B1 Card Code on the account",
            customer,
        ));
    }
    if !in_use(partner, &order.day) {
        let customer = [("customer", named(partner).into())];
        return Err(say(
            "orders.customer_frozen",
            "the business partner {customer} is inactive or frozen in B1",
            customer,
        ));
    }
    let currency = field(&order.header, "DocCurrency");
    let own = text(partner, "Currency");
    // In the opportunity's own words, and not in B1's for it.
    let asked = order.asked.get("DocCurrency").and_then(Value::as_str).unwrap_or(&currency);
    if own != "##" && !own.is_empty() && own != currency {
        return Err(say(
            "orders.currency_differs",
            "the opportunity is in {currency}, but {customer} trades in {own}; change the currency on one side",
            [("currency", asked.into()), ("customer", named(partner).into()), ("own", own.into())],
        ));
    }
    let stays =
        |(id, fields): &(String, Map<String, Value>)| had.iter().any(|old| old.id == *id && old.fields == *fields);
    for (index, (_, line)) in order.lines.iter().enumerate().filter(|(_, line)| !stays(line)) {
        let code = field(line, "ItemCode");
        let place = || [("line", (index + 1).into()), ("item", code.as_str().into())];
        let item =
            items.get(&code).ok_or_else(|| say("orders.no_item", "line {line}: B1 has no item {item}", place()))?;
        if !in_use(item, &order.day) {
            return Err(say(
                "orders.item_inactive",
                "line {line}: the item {item} is inactive in B1; replace it",
                place(),
            ));
        }
        if text(item, "SalesItem") == "tNO" {
            return Err(say("orders.not_for_sale", "line {line}: the item {item} is not a sales item in B1", place()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;

    use super::*;

    #[test]
    fn a_supplier_takes_no_order_and_a_row_that_stays_is_not_asked_for_again() {
        let fields = |value: Value| value.as_object().cloned().unwrap_or_default();
        let line = fields(json!({ "ItemCode": "A1", "Quantity": 1 }));
        let order = Order {
            header: fields(json!({ "CardCode": "C1", "DocCurrency": "EUR" })),
            lines: vec![("00k1".into(), line.clone())],
            ..Order::default()
        };
        let partner = |kind: &str| {
            let own =
                json!({ "CardCode": "C1", "CardName": "Acme", "CardType": kind, "Currency": "EUR", "Valid": "tYES" });
            BTreeMap::from([("C1".to_owned(), own)])
        };
        let items =
            BTreeMap::from([("A1".to_owned(), json!({ "ItemCode": "A1", "Valid": "tYES", "SalesItem": "tNO" }))]);
        let why = |had: &[LinkedLine], kind: &str| check(&order, had, &partner(kind), &items).err().unwrap_or_default();
        assert!(why(&[], "cSupplier").english().starts_with("Acme (C1) is a supplier"));
        assert!(why(&[], "cCustomer").english().contains("is not a sales item"));
        let had = |fields| [LinkedLine { id: "00k1".into(), num: Some(0), fields }];
        assert!(why(&had(line.clone()), "cCustomer").is_empty());
        let changed = fields(json!({ "ItemCode": "A1", "Quantity": 2 }));
        assert!(!why(&had(changed), "cCustomer").is_empty());
    }
}
