//! What only B1 can say of an order that the opportunity asks for: B1's own code of the currency, the unit of each row, and the
//! first day on which it may be due. An order keeps what the opportunity asked for beside it, so that an echo is told as one
//! without asking B1.

use tandem_sdk::{Decimal, Error, Map, Said, Value, b1, clock, json, say, text};

use crate::check::field;
use crate::describe::Settings;
use crate::linked::{LinkedLine, status_of};
use crate::look::There;
use crate::plan::Order;
use crate::{Step, Work};

/// Fields that say in which unit a row is.
pub const UNIT_FIELDS: [&str; 3] = ["UoMEntry", "UoMCode", "UseBaseUnits"];

/// Completes every order that is to be made or changed.
pub fn orders(settings: &Settings, work: &mut [Work], there: &There) {
    if !work.iter().any(|w| matches!(w.step, Step::Create(_) | Step::Update(..))) {
        return;
    }
    let today = clock::today("b1");
    for w in work.iter_mut() {
        let id = w.id().to_owned();
        let (order, document, had) = match &mut w.step {
            Step::Create(order) => (order, there.made_for(&id).find(|document| is_live(document)), &[][..]),
            // One that is over may have another in its place; otherwise a new one is made, today.
            Step::Update(order, linked) => {
                let own = there.linked(linked).filter(|document| is_live(document));
                let document = own.or_else(|| there.made_for(&id).find(|document| is_live(document)));
                (order, document, linked.lines.as_slice())
            }
            _ => continue,
        };
        for (id, line) in &mut order.lines {
            match had.iter().find(|had| had.id == *id) {
                Some(had) => keep_unit(line, had),
                None => give_unit(line, there),
            }
        }
        if let Err(error) = complete(settings, order, document, there, &today) {
            w.fail(&error, say("orders.reading_currencies", "reading currencies from B1", []));
        }
    }
}

pub fn is_live(document: &Value) -> bool {
    status_of(document) != "Cancelled"
}

fn complete(
    settings: &Settings,
    order: &mut Order,
    document: Option<&Value>,
    there: &There,
    today: &str,
) -> Result<(), Error> {
    let none = Value::Null;
    let document = document.unwrap_or(&none);
    let asked = field(&order.header, "DocCurrency");
    let partner = there.partners.get(&field(&order.header, "CardCode")).unwrap_or(&none);
    let code = settings.currencies.code(&asked, &[text(document, "DocCurrency"), text(partner, "Currency")])?;
    if code != asked {
        for (_, line) in order.lines.iter_mut().filter(|(_, line)| line.get("Currency") == Some(&json!(asked))) {
            line.insert("Currency".into(), code.as_str().into());
        }
        order.replace("DocCurrency", code.into());
    }
    order.day = [b1::day(&document["DocDate"]), order.header.get("DocDate").map(b1::day).unwrap_or_default()]
        .iter()
        .find_map(Value::as_str)
        .unwrap_or(today)
        .to_owned();
    // B1 takes no due date before the document's own.
    let due = field(&order.header, "DocDueDate");
    if due.get(..10).is_some_and(|due| due < order.day.as_str()) {
        let days = [("day", Said::day(order.day.as_str())), ("asked", Said::day(&due[..10]))];
        order.due_note = Some(say("orders.due_moved", "due {day} in B1, since {asked} is past", days));
        order.replace("DocDueDate", order.day.clone().into());
    }
    Ok(())
}

/// A row keeps the unit in which its quantity and price were agreed, whatever the item is sold in today.
fn keep_unit(line: &mut Map<String, Value>, had: &LinkedLine) {
    if !UNIT_FIELDS.iter().any(|name| line.contains_key(*name)) {
        line.extend(UNIT_FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), had.fields.get(*name)?.clone()))));
    }
}

/// Says that the quantity is in the sales unit: B1 would take another one, where a partner or a clerk's setting has one.
fn give_unit(line: &mut Map<String, Value>, there: &There) {
    if UNIT_FIELDS.iter().any(|name| line.contains_key(*name)) {
        return;
    }
    let unit = there.units.of(&field(line, "ItemCode"));
    match unit.entry {
        Some(entry) => line.insert("UoMEntry".into(), entry.into()),
        None if unit.pieces != Decimal::ONE => line.insert("UseBaseUnits".into(), "tNO".into()),
        None => None,
    };
}

/// True when an opportunity asks for just these fields of a row, whatever unit was added to them.
pub fn same_row(had: &Map<String, Value>, asked_currency: Option<&Value>, asks: &Map<String, Value>) -> bool {
    let as_asked = |name: &str| match (name, asked_currency) {
        ("Currency", Some(asked)) => Some(asked),
        _ => had.get(name),
    };
    asks.iter().all(|(name, value)| as_asked(name) == Some(value))
        && had.keys().all(|name| asks.contains_key(name) || UNIT_FIELDS.contains(&name.as_str()))
}
