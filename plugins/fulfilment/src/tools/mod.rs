//! What was delivered of an order, asked of B1 when it is asked for.

mod made;
mod told;

use std::collections::BTreeMap;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::chain;
use tandem_sdk::tools::{self, Asked, Offer, Offers, Refusal, reads};
use tandem_sdk::{Deserialize, Error, JsonSchema, Link, Serialize, Value, text};

use crate::Fulfilment;
use crate::describe::Settings;
use crate::documents::{self, order_fields};
use told::{Delivered, delivered};

/// Orders of one answer: an opportunity has one, and seldom another beside it.
const ORDERS: usize = 5;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// Id of an Opportunity in its 18 letters; either this or order_doc_entry
    opportunity: Option<String>,
    /// DocEntry (not DocNum) of a sales order of B1; either this or opportunity
    order_doc_entry: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Told {
    /// The newest first
    orders: Vec<Delivered>,
    /// There are older orders that are not given
    more: bool,
}

impl Offers for Fulfilment {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![reads(
            "deliveries-of",
            "Deliveries of an order",
            "Deliveries and returns of a sales order of SAP Business One, or of the order of an opportunity, with \
             tracking numbers, and what of each line left and is still to leave. Ask it where an order is. It does \
             not ask the carrier. Where the customer has had some 200 documents or more since the order, too many to \
             look through, it tells what the flow has noted of the order, and a note says so.",
            deliveries_of,
        )]
    }
}

/// Whose deliveries.
#[derive(Debug, PartialEq)]
enum Whose<'a> {
    Order(i64),
    Opportunity(&'a str),
}

impl<'a> Whose<'a> {
    fn of(wanted: &'a Wanted) -> Result<Self, Refusal> {
        match (&wanted.opportunity, wanted.order_doc_entry) {
            (None, Some(entry)) => Ok(Self::Order(entry)),
            (Some(id), None) => Ok(Self::Opportunity(tools::record_id("opportunity", id)?)),
            _ => Err(Refusal::Refused("give either opportunity or order_doc_entry".into())),
        }
    }
}

fn deliveries_of(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let whose = Whose::of(&wanted)?;
    let select = format!("{},U_SF_Id", order_fields());
    let (found, more) = match whose {
        Whose::Order(entry) => (b1::read(Read::numbers("Orders", "DocEntry", &[entry], select))?, false),
        Whose::Opportunity(id) => tools::first("Orders", &chain::of_opportunity(id), &select, "DocEntry desc", ORDERS)?,
    };
    if found.is_empty() {
        return Err(match whose {
            Whose::Order(entry) => Refusal::no("sales order with the DocEntry", entry),
            Whose::Opportunity(id) => Refusal::no("sales order of the opportunity", id),
        });
    }
    let mut told = with_all_made(asked.settings, found)?;
    told.sort_by_key(|own| std::cmp::Reverse(own.doc_entry));
    Ok(Told { orders: told, more })
}

/// With what became of them, also of orders that came from no opportunity.
fn with_all_made(settings: &Settings, found: Vec<Value>) -> Result<Vec<Delivered>, Error> {
    let orders: BTreeMap<i64, Value> =
        found.into_iter().filter_map(|order| Some((order["DocEntry"].as_i64()?, order))).collect();
    let made = made::read(settings, &orders)?;
    let mut linked: BTreeMap<i64, Link> = chain::linked(orders.keys().copied());
    for (entry, order) in &orders {
        linked.entry(*entry).or_insert_with(|| unlinked(*entry, order));
    }
    let documents = orders.into_iter().map(|(entry, order)| (entry.to_string(), order)).collect();
    let whole = documents::together(&documents, linked, made.rows, &made.chain);
    Ok(whole.iter().map(|order| delivered(settings, order, &made.chain, &made.partly)).collect())
}

fn unlinked(entry: i64, order: &Value) -> Link {
    let opportunity = text(order, "U_SF_Id").to_owned();
    Link { kind: "order".into(), b1_id: entry.to_string(), salesforce_id: opportunity, base: "{}".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_asked_for_by_one_thing() {
        let id = "0065g0000000003AAA".to_owned();
        let of = |opportunity: Option<&String>, order_doc_entry| Wanted {
            opportunity: opportunity.cloned(),
            order_doc_entry,
        };
        assert_eq!(Whose::of(&of(None, Some(7))).unwrap(), Whose::Order(7));
        assert_eq!(Whose::of(&of(Some(&id), None)).unwrap(), Whose::Opportunity(&id));
        for refused in [of(None, None), of(Some(&id), Some(7)), of(Some(&"x' or 1 eq 1".to_owned()), None)] {
            assert!(Whose::of(&refused).is_err());
        }
    }
}
