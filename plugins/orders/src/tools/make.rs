//! Makes an order in B1 that comes from no opportunity. The customer's own number tells it from any other: of one customer's number there is one order, for
//! ever.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{self, Asked, Offer, Refusal, writes};
use tandem_sdk::{
    Decimal, Deserialize, Error, JsonSchema, Method, Number, Part, Probe, Serialize, Value, body_of, clock, http,
    in_use, json, request, text,
};

use super::{customer, day, number, short};
use crate::describe::Settings;

/// Lines of one order.
const MOST: usize = 50;
/// Letters of NumAtCard, and of Comments.
const NUM_AT_CARD: usize = 100;
const COMMENTS: usize = 254;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// CardCode of B1, such as `C20000`
    card_code: String,
    /// NumAtCard of B1: the customer's own number of the order, such as `PO-1001`. Of one number of a customer one order
    /// is made, however often this is called
    num_at_card: String,
    /// DocDueDate of B1: the day on which it is to be delivered, such as `2026-01-31`
    doc_due_date: String,
    /// Comments of B1
    comments: Option<String>,
    /// What is ordered
    lines: Vec<Line>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Line {
    /// ItemCode of B1, such as `PUMP-01`
    item_code: String,
    /// In the item's sales unit
    quantity: Number,
    /// Before tax, for one, in the customer's currency; without it B1's own price for the customer counts
    unit_price: Option<Number>,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Made {
    /// DocEntry of B1; 0 in a rehearsal
    doc_entry: i64,
    /// DocNum of B1, as it stands on paper; 0 in a rehearsal
    doc_num: i64,
    /// With tax, as B1 has it; missing in a rehearsal
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Number>,
    /// The sum of the lines before tax; missing where a line's price is B1's own
    #[serde(skip_serializing_if = "Option::is_none")]
    net: Option<Number>,
}

/// See the module's words.
pub fn offer() -> Offer<Settings> {
    writes(
        "create-order",
        "Make an order in B1",
        "Makes a sales order in SAP Business One for a customer who ordered otherwise than by an opportunity (by \
         telephone, by e-mail). It comes from no opportunity and shows on none: a won opportunity makes its own order, \
         so never call this for one. Prices are B1's own where none is given.",
        make,
    )
}

fn make(_: &Asked<'_, Settings>, wanted: Wanted) -> Result<Made, Refusal> {
    let refused = |why: String| Err(Refusal::Refused(why));
    let card_code = tools::named("card_code", &wanted.card_code)?;
    let own_number = short("num_at_card", &wanted.num_at_card, NUM_AT_CARD)?;
    let due = day("doc_due_date", &wanted.doc_due_date)?;
    let today = clock::today("b1");
    if due < today.as_str() {
        return refused(format!("doc_due_date {due} is past: today is {today} where B1 stands"));
    }
    if wanted.lines.is_empty() || wanted.lines.len() > MOST {
        return refused(format!("an order has 1 to {MOST} lines"));
    }
    if !in_use(&customer(card_code)?, &today) {
        return refused(format!("the customer {card_code} is inactive in B1"));
    }
    let before = format!("CardCode eq {} and NumAtCard eq {}", b1::quote(card_code), b1::quote(own_number));
    const KNOWN: &str = "DocEntry,DocNum,DocTotal,DocDueDate,Cancelled,DocumentLines";
    if let Some(known) = tools::first("Orders", &before, KNOWN, "DocEntry desc", 1)?.0.first() {
        // Made already, by an earlier try of this very call perhaps: that is what was wanted.
        if !b1::yes(known, "Cancelled") && b1::day(&known["DocDueDate"]) == due && is_same(&wanted.lines, known) {
            let total = Some(b1::amount(known, "DocTotal").into());
            return Ok(Made {
                doc_entry: number(known, "DocEntry"),
                doc_num: number(known, "DocNum"),
                total,
                net: None,
            });
        }
        return refused(format!(
            "the customer's number {own_number} is that of order {} (DocEntry {}) already; give another number where another order is meant",
            b1::key_text(&known["DocNum"]),
            b1::key_text(&known["DocEntry"])
        ));
    }
    let items = items_of(&wanted.lines, &today)?;
    let mut lines = Vec::new();
    for line in &wanted.lines {
        let item_code = line.item_code.trim();
        if line.quantity.is_sign_negative() || line.quantity.is_zero() {
            return refused(format!("{item_code}: a quantity must be more than 0"));
        }
        if !items.iter().any(|item| item == item_code) {
            return Err(tools::no_item(item_code));
        }
        let mut row = json!({ "ItemCode": item_code, "Quantity": b1::number(*line.quantity) });
        if let Some(price) = line.unit_price {
            if price.is_sign_negative() {
                return refused(format!("{item_code}: a price is not less than 0"));
            }
            row["UnitPrice"] = b1::number(*price);
        }
        lines.push(row);
    }
    let net = wanted
        .lines
        .iter()
        .try_fold(Decimal::ZERO, |sum, line| sum.checked_add(line.unit_price?.checked_mul(*line.quantity)?));
    let mut body = json!({ "CardCode": card_code, "NumAtCard": own_number, "DocDueDate": due, "DocumentLines": lines });
    if let Some(given) = &wanted.comments {
        body["Comments"] = short("comments", given, COMMENTS)?.into();
    }
    let document = send(card_code, own_number, &body, &before)?;
    let total = document.get("DocTotal").map(|_| b1::amount(&document, "DocTotal").into());
    Ok(Made {
        doc_entry: number(&document, "DocEntry"),
        doc_num: number(&document, "DocNum"),
        total,
        net: net.map(Number::from),
    })
}

/// With a row of the ledger in one change set: its key makes a second order of that number impossible, whatever answer was lost.
fn send(card_code: &str, own_number: &str, body: &Value, before: &str) -> Result<Value, Refusal> {
    let code = code_of(card_code, own_number);
    let mut wanted = request("b1", Method::Post, "/Orders", Some(body), card_code);
    wanted.atomic_with.push(Part {
        method: Method::Post,
        path: "/U_TANDEM".into(),
        body: Some(json!({ "Code": code, "Name": code }).to_string()),
    });
    let filter = b1::encode(before);
    wanted.probe = Some(Probe {
        path: format!("/Orders?$filter={filter}&$select=DocEntry,DocNum,DocTotal"),
        found: "/value/0".into(),
    });
    match http::send(&wanted) {
        Ok(response) => {
            let body = body_of(&response);
            // Found by the probe it stands in a list.
            Ok(body["value"].get(0).cloned().unwrap_or(body))
        }
        Err(Error::Remote(remote)) if remote.code == "-2035" => Err(Refusal::Refused(format!(
            "an order of the customer's number {own_number} was made before, and is not there any more: give another number"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Whether an order is of just these items, quantities and prices.
fn is_same(wanted: &[Line], order: &Value) -> bool {
    let rows = b1::lines(order);
    let same = |(line, row): (&Line, &Value)| {
        let price = line.unit_price.is_none_or(|price| b1::amount(row, "UnitPrice") == *price);
        text(row, "ItemCode") == line.item_code.trim() && b1::amount(row, "Quantity") == *line.quantity && price
    };
    rows.len() == wanted.len() && wanted.iter().zip(rows).all(same)
}

/// The key of the ledger's row, which has 50 letters at most: FNV-1a of 128 bits over both, as https://datatracker.ietf.org/doc/draft-eastlake-fnv/ has it.
fn code_of(card_code: &str, own_number: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = card_code.bytes().chain([0]).chain(own_number.bytes());
    let digest = bytes.fold(BASIS, |digest, byte| (digest ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("call-{digest:032x}")
}

/// The codes of those items that can be sold.
fn items_of(lines: &[Line], today: &str) -> Result<Vec<String>, Refusal> {
    let codes: Vec<String> = lines.iter().map(|line| line.item_code.trim().to_owned()).collect();
    let select = format!("ItemCode,SalesItem,{}", tandem_sdk::PERIODS);
    let found = b1::read(Read::texts("Items", "ItemCode", &b1::distinct(&codes), select))?;
    let sold = found.into_iter().filter(|item| b1::yes(item, "SalesItem") && in_use(item, today));
    Ok(sold.map(|item| text(&item, "ItemCode").to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customers_number_has_one_row_of_the_ledger() {
        assert_eq!(code_of("C1", "PO-1"), code_of("C1", "PO-1"));
        assert_ne!(code_of("C1", "PO-1"), code_of("C1P", "O-1"));
        assert_eq!(code_of("C1", &"x".repeat(100)).len(), 37);
    }
}
