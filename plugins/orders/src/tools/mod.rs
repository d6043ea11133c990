//! What people and agents may ask of orders: to find them, to make, change and cancel one, to have an opportunity looked at again.

mod change;
mod find;
mod look;
mod make;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{Offer, Offers, Refusal};
use tandem_sdk::{Value, text};

use crate::Orders;
use crate::describe::Settings;
use crate::linked::status_of;

impl Offers for Orders {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![find::offer(), make::offer(), change::offer(), change::cancelling(), look::offer()]
    }
}

/// An order that can be changed still, with these fields of it.
fn open_order(doc_entry: i64, select: &str) -> Result<Value, Refusal> {
    let select = format!("DocEntry,DocNum,DocumentStatus,Cancelled,{select}");
    let found = b1::read(Read::numbers("Orders", "DocEntry", &[doc_entry], select))?;
    let order = found.into_iter().next().ok_or_else(|| {
        Refusal::Refused(format!(
            "there is no sales order with DocEntry {doc_entry}; its DocNum is another number: orders-of gives both"
        ))
    })?;
    match status_of(&order) {
        "Open" => Ok(order),
        other => {
            let what = other.to_lowercase();
            Err(Refusal::Refused(format!(
                "order {} is {what}: it can be changed no more",
                b1::key_text(&order["DocNum"])
            )))
        }
    }
}

/// A day as B1 takes it.
fn day<'a>(name: &str, given: &'a str) -> Result<&'a str, Refusal> {
    let plain = given.len() == 10
        && given.char_indices().all(|(at, c)| if at == 4 || at == 7 { c == '-' } else { c.is_ascii_digit() });
    let is_day = plain && tandem_sdk::days_between("1970-01-01", given).is_some();
    if is_day { Ok(given) } else { Err(Refusal::Refused(format!("{name} must be a day such as 2026-01-31"))) }
}

/// B1's own number of an answer.
fn number(document: &Value, field: &str) -> i64 {
    document[field].as_i64().unwrap_or_default()
}

/// A text as B1 keeps it, no longer than its field.
fn short<'a>(name: &str, given: &'a str, most: usize) -> Result<&'a str, Refusal> {
    let given = given.trim();
    match given.chars().count() {
        0 => Err(Refusal::Refused(format!("{name} is empty"))),
        letters if letters > most => Err(Refusal::Refused(format!("{name} has {letters} letters; B1 takes {most}"))),
        _ => Ok(given),
    }
}

/// The customer, where orders of it can be made.
fn customer(card_code: &str) -> Result<Value, Refusal> {
    let codes = [card_code.to_owned()];
    let select = format!("CardCode,CardName,CardType,{}", tandem_sdk::PERIODS);
    let found = b1::read(Read::texts("BusinessPartners", "CardCode", &codes, select))?;
    let known = found.into_iter().find(|own| own["CardType"] == "cCustomer");
    known.filter(|own| text(own, "CardCode") == card_code).ok_or_else(|| tandem_sdk::tools::no_customer(card_code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        assert_eq!(day("x", "2026-02-28").ok(), Some("2026-02-28"));
        for bad in ["2026-02-30", "2026-2-28", "28.02.2026", "", "2026-02-28T00:00:00Z", "20260-2-28"] {
            assert!(day("x", bad).is_err(), "{bad}");
        }
    }
}
