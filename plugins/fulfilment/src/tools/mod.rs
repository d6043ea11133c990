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
/// Orders of one number: each numbering series may have one.
const NUMBERED: usize = 10;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// Id of an Opportunity in its 18 letters
    opportunity: Option<String>,
    /// DocNum of a sales order of B1, as it stands on paper, such as 10041: each order of that number, since every
    /// numbering series may have one
    #[schemars(range(min = 1, max = 2147483647))]
    order_doc_num: Option<i64>,
    /// DocEntry (not DocNum) of a sales order of B1, as orders-of tells it
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
            "Deliveries and returns of a sales order of SAP Business One by exactly one of order_doc_num (several \
             orders may have one), order_doc_entry and opportunity, with tracking numbers, and what of each line left \
             and is still to leave. Ask it where an order is. It does not ask the carrier. Where the customer \
             has had some 200 documents or more since the order, too many to look through, it tells what the flow has \
             noted of the order, and a note says so.",
            deliveries_of,
        )]
    }
}

/// Whose deliveries.
#[derive(Debug, PartialEq)]
enum Whose<'a> {
    Order(i64),
    Numbered(i64),
    Opportunity(&'a str),
}

impl<'a> Whose<'a> {
    fn of(wanted: &'a Wanted) -> Result<Self, Refusal> {
        match (&wanted.opportunity, wanted.order_doc_num, wanted.order_doc_entry) {
            (None, None, Some(entry)) => Ok(Self::Order(entry)),
            (None, Some(number), None) => Ok(Self::Numbered(number)),
            (Some(id), None, None) => Ok(Self::Opportunity(tools::record_id("opportunity", id)?)),
            _ => Err(Refusal::Refused("give exactly one of opportunity, order_doc_num and order_doc_entry".into())),
        }
    }

    fn read(&self, select: &str) -> Result<(Vec<Value>, bool), Error> {
        let first = |filter: &str, most| tools::first("Orders", filter, select, "DocEntry desc", most);
        match self {
            Self::Order(entry) => Ok((b1::read(Read::numbers("Orders", "DocEntry", &[*entry], select))?, false)),
            Self::Numbered(number) => first(&format!("DocNum eq {number}"), NUMBERED),
            Self::Opportunity(id) => first(&chain::of_opportunity(id), ORDERS),
        }
    }

    /// There is none.
    fn none(&self) -> Refusal {
        Refusal::Refused(match self {
            Self::Order(entry) => format!(
                "there is no sales order with DocEntry {entry}: if it is the number on paper, give it as order_doc_num"
            ),
            Self::Numbered(number) => format!(
                "there is no sales order with DocNum {number}: it may be the number of another kind of document or of \
                 a draft, or the customer's own; orders-of finds orders by customer and by the customer's own number"
            ),
            Self::Opportunity(id) => format!(
                "there is no sales order of the opportunity {id}: one that was made by hand is found by its \
                 order_doc_num"
            ),
        })
    }
}

fn deliveries_of(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let whose = Whose::of(&wanted)?;
    let select = format!("{},U_SF_Id", order_fields());
    let (found, more) = whose.read(&select)?;
    if found.is_empty() {
        return Err(whose.none());
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
            ..Wanted::default()
        };
        let numbered = |own: Wanted| Wanted { order_doc_num: Some(10041), ..own };
        assert_eq!(Whose::of(&of(None, Some(7))).unwrap(), Whose::Order(7));
        assert_eq!(Whose::of(&of(Some(&id), None)).unwrap(), Whose::Opportunity(&id));
        assert_eq!(Whose::of(&numbered(Wanted::default())).unwrap(), Whose::Numbered(10041));
        for refused in [
            of(None, None),
            of(Some(&id), Some(7)),
            of(Some(&"x' or 1 eq 1".to_owned()), None),
            numbered(of(None, Some(7))),
            numbered(of(Some(&id), None)),
        ] {
            assert!(Whose::of(&refused).is_err());
        }
    }

    #[test]
    fn an_order_that_is_not_there_is_refused_with_a_way_on() {
        for (whose, named, way) in [
            (Whose::Order(10041), "DocEntry 10041", "order_doc_num"),
            (Whose::Numbered(10041), "DocNum 10041", "orders-of"),
            (Whose::Opportunity("0065g0000000003AAA"), "the opportunity 0065g0000000003AAA", "order_doc_num"),
        ] {
            let Refusal::Refused(why) = whose.none() else { panic!("{whose:?}") };
            assert!(why.contains(&format!("{named}: ")) && why.contains(way), "{why}");
        }
    }
}
