//! The ledger in B1, the user table `TANDEM`: one row for each order that was sent, in one change set with it. Its key makes a second
//! order impossible, even for a host that has lost its memory.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::{Error, Method, Value, clock, http, json, outcome_of, request, say, text};

use crate::plan::Order;
use crate::{News, Work, own};

/// The row of an order that is to be made, or was.
pub fn row(flow: &str, w: &Work, generation: u64) -> String {
    let code = code(flow, w, generation);
    json!({ "Code": code, "Name": code }).to_string()
}

/// Its key.
fn code(flow: &str, w: &Work, generation: u64) -> String {
    let number = if w.makes_new { format!("e{}", w.event.id) } else { generation.to_string() };
    format!("{flow}:{}:order-{number}", w.id())
}

/// How many rows there are of the opportunity's orders: those that a person wanted beside another among them.
pub fn rows(flow: &str, id: &str) -> Result<u64, Error> {
    let own = format!("{flow}:{id}:order-");
    let found = b1::all("U_TANDEM", &format!("startswith(Code,{})", b1::quote(&own)), "Code")?;
    Ok(found.iter().filter(|row| text(row, "Code").starts_with(&own)).count() as u64)
}

/// True while B1 may still be at an order whose answer was lost and that was not found, from the first look on: it is looked for again.
pub fn is_under_way(w: &mut Work) -> bool {
    let Some(due) = own::missed(w.id()) else { return false };
    let message = say(
        "orders.under_way",
        "the answer to the order was lost, and B1 may still be at it: it is looked for again in a few minutes",
        [],
    );
    w.news = Some(News::of("", "Waiting", &message));
    w.finish(tandem_sdk::retry(due.saturating_sub(clock::now()), message));
    true
}

/// True where the row of an order that is to be made is there and its order is not, not even a cancelled one (those that are there are
/// of earlier rows), and the answer to it was lost: sent without a change set, where B1 lets none through, the row may have come alone. Once B1 can no longer be at it the row goes,
/// and the order is made anew.
pub fn stands_alone(flow: &str, w: &mut Work, order: &Order) -> bool {
    if !own::may_have_row(w.id()) {
        return false;
    }
    let looked = b1::read(Read::texts("Orders", "U_SF_Id", &[w.id().to_owned()], "DocEntry,Cancelled"));
    match looked {
        Ok(found) => {
            let is_beside = |own: &Value| own["DocEntry"].as_i64().is_some_and(|entry| order.beside.contains(&entry));
            let is_earlier = |own: &Value| own["Cancelled"] == "tYES" || is_beside(own);
            if found.len() as u64 >= order.generation || !found.iter().all(is_earlier) {
                return false;
            }
        }
        Err(error) => {
            w.finish(outcome_of(&error, say("orders.looking", "looking for the order that is there already", [])));
            return true;
        }
    }
    if is_under_way(w) {
        return true;
    }
    let path = format!("/U_TANDEM({})", b1::encode(&b1::quote(&code(flow, w, order.generation))));
    let taken = http::send(&request("b1", Method::Delete, path, None, w.id()));
    match taken {
        Err(error) if !matches!(&error, Error::Remote(remote) if remote.status == 404) => {
            let what = say("orders.row_alone", "taking the row of an order that was never made out of B1's ledger", []);
            w.finish(outcome_of(&error, what));
        }
        _ => {
            own::forget(w.id());
            w.finish(tandem_sdk::retry(100, "B1 never made the order that was sent: it is made anew"));
        }
    }
    true
}
