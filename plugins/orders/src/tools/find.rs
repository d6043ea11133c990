//! The orders of a customer, an opportunity or a number, asked of B1 when they are asked for.

use tandem_sdk::b1::{self, Read};
use tandem_sdk::chain;
use tandem_sdk::tools::{self, Asked, Offer, Refusal, reads};
use tandem_sdk::{Deserialize, Error, JsonSchema, Number, Serialize, Value, money, salesforce, text};

use crate::beside;
use crate::describe::Settings;
use crate::linked::status_of;

/// Orders of one answer, and where their lines are asked for, too.
const MOST: usize = 20;
const WITH_LINES: usize = 5;
/// Lines of one order.
const LINES: usize = 50;

const SELECT: &str = "DocEntry,DocNum,NumAtCard,CardCode,CardName,DocDate,DocDueDate,DocumentStatus,Cancelled,\
                      DocCurrency,DocTotal,DocTotalFc,VatSum,VatSumFc,U_SF_Id";

#[derive(Default, Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// CardCode of B1, such as `C20000`: orders of that customer, the newest first
    card_code: Option<String>,
    /// Id of an Opportunity in its 18 letters: the orders that carry it as U_SF_Id, and the one that it is
    /// linked with
    opportunity: Option<String>,
    /// DocNum of B1, as it stands on paper, such as 10041: each order of that number, since every numbering series
    /// may have one
    #[schemars(range(min = 1, max = 2147483647))]
    doc_num: Option<i64>,
    /// NumAtCard of B1, the customer's own number of the order, such as `PO-1001`: as B1 has it, to the letter
    num_at_card: Option<String>,
    /// The lines, too; then at most 5 orders
    #[serde(default)]
    lines: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Told {
    /// The newest first; empty where there is none
    orders: Vec<Order>,
    /// There are older ones that are not given
    more: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Order {
    /// DocEntry of B1, by which other tools ask for the order
    doc_entry: i64,
    /// DocNum of B1, as it stands on paper
    doc_num: i64,
    /// NumAtCard of B1: the customer's own number of the order
    #[serde(skip_serializing_if = "Option::is_none")]
    num_at_card: Option<String>,
    /// CardCode of B1
    card_code: String,
    /// CardName of B1
    card_name: String,
    /// DocDate of B1, such as `2026-01-31`
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_date: Option<String>,
    /// DocDueDate of B1: of an order the day on which it is to be delivered
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_due_date: Option<String>,
    /// `open`, `closed` (delivered or invoiced, or closed by hand) or `cancelled`
    status: String,
    /// With tax
    total: Number,
    /// Tax within it
    vat_sum: Number,
    /// ISO code of the order's currency, in which its amounts are
    currency: String,
    /// U_SF_Id of B1: the id of the Opportunity it came from; missing where it carries none
    #[serde(skip_serializing_if = "Option::is_none")]
    opportunity: Option<String>,
    /// Why it does not count as its opportunity's order
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Only where they were asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<Line>>,
    /// It has more lines than are given
    more_lines: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Line {
    /// LineNum of B1
    line_num: i64,
    /// ItemCode of B1; missing for a service
    #[serde(skip_serializing_if = "Option::is_none")]
    item_code: Option<String>,
    /// ItemDescription of B1
    item_description: String,
    /// In the line's unit
    quantity: Number,
    /// RemainingOpenQuantity of B1: what is neither delivered nor invoiced
    remaining_open_quantity: Number,
    /// MeasureUnit of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    measure_unit: Option<String>,
    /// Before tax, after DiscountPercent, for the whole line, in the order's currency
    line_total: Number,
    /// DiscountPercent of B1
    discount_percent: Number,
    /// ShipDate of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    ship_date: Option<String>,
    /// WarehouseCode of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    warehouse_code: Option<String>,
    /// `open` or `closed`
    status: String,
}

/// Orders as B1 has them.
pub fn offer() -> Offer<Settings> {
    reads(
        "orders-of",
        "Orders of a customer, an opportunity or a number",
        "Sales orders of SAP Business One by exactly one of card_code, opportunity, doc_num and num_at_card (the \
         customer's own number), the newest 20: numbers, days, status and total; their lines where they are asked \
         for. Ask it for what was ordered and when it is to be delivered. Several orders may have one number. \
         It does not show drafts that await approval, nor what was delivered.",
        orders_of,
    )
}

/// Whose orders.
#[derive(Debug, PartialEq)]
enum Whose<'a> {
    Customer(&'a str),
    Opportunity(&'a str),
    DocNum(i64),
    NumAtCard(&'a str),
}

impl<'a> Whose<'a> {
    fn of(wanted: &'a Wanted) -> Result<Self, Refusal> {
        match (&wanted.card_code, &wanted.opportunity, wanted.doc_num, &wanted.num_at_card) {
            (Some(code), None, None, None) => Ok(Self::Customer(tools::named("card_code", code)?)),
            (None, Some(id), None, None) => Ok(Self::Opportunity(tools::record_id("opportunity", id)?)),
            (None, None, Some(number), None) => Ok(Self::DocNum(number)),
            (None, None, None, Some(number)) => Ok(Self::NumAtCard(tools::named("num_at_card", number)?)),
            _ => Err(Refusal::Refused("give exactly one of card_code, opportunity, doc_num and num_at_card".into())),
        }
    }

    /// `of`: a filter of the orders of an opportunity.
    fn filter(&self, of: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::Customer(code) => format!("CardCode eq {}", b1::quote(code)),
            Self::Opportunity(id) => of(id),
            Self::DocNum(number) => format!("DocNum eq {number}"),
            Self::NumAtCard(number) => format!("NumAtCard eq {}", b1::quote(number)),
        }
    }

    /// Why it has no orders, where that is no answer.
    fn none(&self) -> Result<(), Refusal> {
        match self {
            Self::Customer(code) => {
                let codes = [(*code).to_owned()];
                let partners = b1::read(Read::texts("BusinessPartners", "CardCode", &codes, "CardCode,CardType"))?;
                match partners.iter().all(|partner| partner["CardType"] == "cSupplier") {
                    true => Err(tools::no_customer(code)),
                    false => Ok(()),
                }
            }
            Self::Opportunity(_) => Ok(()),
            Self::DocNum(number) => Err(Refusal::Refused(format!(
                "there is no sales order with DocNum {number}: it may be the number of another kind of document or of \
                 a draft, or the customer's own (num_at_card); card_code gives all orders of a customer"
            ))),
            Self::NumAtCard(number) => Err(Refusal::Refused(format!(
                "there is no sales order with NumAtCard {number}: it is looked for as written, to the letter; \
                 card_code gives all orders of a customer, each with its NumAtCard"
            ))),
        }
    }
}

fn orders_of(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let whose = Whose::of(&wanted)?;
    let (select, most) = match wanted.lines {
        true => (format!("{SELECT},DocumentLines"), WITH_LINES),
        false => (SELECT.to_owned(), MOST),
    };
    let (found, more) = tools::first("Orders", &whose.filter(chain::of_opportunity), &select, "DocEntry desc", most)?;
    if found.is_empty() {
        whose.none()?;
    }
    let orders: Result<Vec<Option<Order>>, Error> = found.iter().map(|own| order(asked.settings, own)).collect();
    let mut orders: Vec<Order> = orders?.into_iter().flatten().collect();
    for (own, document) in orders.iter_mut().zip(&found) {
        let id = own.opportunity.as_deref();
        own.note = id.and_then(|id| beside::put_aside(id, document)).map(str::to_owned);
    }
    Ok(Told { orders, more })
}

fn order(settings: &Settings, document: &Value) -> Result<Option<Order>, Error> {
    let Some((doc_entry, doc_num)) = document["DocEntry"].as_i64().zip(document["DocNum"].as_i64()) else {
        return Ok(None);
    };
    let is_foreign = !b1::amount(document, "DocTotalFc").is_zero();
    let [total, tax] = if is_foreign { ["DocTotalFc", "VatSumFc"] } else { ["DocTotal", "VatSum"] };
    let told = document["DocumentLines"].as_array();
    let lines = told.map(|rows| rows.iter().take(LINES).filter_map(|row| line(row, is_foreign)).collect());
    Ok(Some(Order {
        doc_entry,
        doc_num,
        num_at_card: tools::filled(document, "NumAtCard"),
        card_code: text(document, "CardCode").to_owned(),
        card_name: text(document, "CardName").to_owned(),
        doc_date: tools::day(document, "DocDate"),
        doc_due_date: tools::day(document, "DocDueDate"),
        status: status_of(document).to_lowercase(),
        total: b1::amount(document, total).into(),
        vat_sum: b1::amount(document, tax).into(),
        currency: match text(document, "DocCurrency") {
            "" => money::company_currency(&settings.currencies)?.unwrap_or_default(),
            code => settings.currencies.iso(code)?,
        },
        // A person may have written anything there.
        opportunity: tools::filled(document, "U_SF_Id").filter(|id| salesforce::is_id(id)),
        note: None,
        lines,
        more_lines: told.is_some_and(|rows| rows.len() > LINES),
    }))
}

fn line(row: &Value, is_foreign: bool) -> Option<Line> {
    Some(Line {
        line_num: row["LineNum"].as_i64()?,
        item_code: tools::filled(row, "ItemCode"),
        item_description: text(row, "ItemDescription").to_owned(),
        quantity: b1::amount(row, "Quantity").into(),
        remaining_open_quantity: b1::amount(row, "RemainingOpenQuantity").into(),
        measure_unit: tools::filled(row, "MeasureUnit"),
        line_total: b1::amount(row, if is_foreign { "RowTotalFC" } else { "LineTotal" }).into(),
        discount_percent: b1::amount(row, "DiscountPercent").into(),
        ship_date: tools::day(row, "ShipDate"),
        warehouse_code: tools::filled(row, "WarehouseCode"),
        status: if text(row, "LineStatus") == "bost_Close" { "closed" } else { "open" }.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use tandem_sdk::{Currencies, json};

    use super::*;

    fn wanted(card_code: Option<&str>, opportunity: Option<&str>) -> Wanted {
        let [card_code, opportunity] = [card_code, opportunity].map(|own| own.map(str::to_owned));
        Wanted { card_code, opportunity, ..Wanted::default() }
    }

    #[test]
    fn orders_are_asked_for_by_one_thing_and_no_text_becomes_more_of_a_filter() {
        let id = "0065g0000000003AAA";
        let of = |id: &str| format!("U_SF_Id eq '{id}' or DocEntry eq 7");
        let filter = |wanted: &Wanted| Whose::of(wanted).map(|whose| whose.filter(of)).ok();
        assert_eq!(
            filter(&wanted(Some("x' or 'a' eq 'a"), None)).as_deref(),
            Some("CardCode eq 'x'' or ''a'' eq ''a'")
        );
        assert_eq!(filter(&wanted(None, Some(id))), Some(of(id)));
        let by_doc_num = |own: Wanted| Wanted { doc_num: Some(10041), ..own };
        let by_num_at_card = |number: &str, own: Wanted| Wanted { num_at_card: Some(number.into()), ..own };
        assert_eq!(filter(&by_doc_num(Wanted::default())).as_deref(), Some("DocNum eq 10041"));
        let number = by_num_at_card(" PO' or 'a' eq 'a ", Wanted::default());
        assert_eq!(filter(&number).as_deref(), Some("NumAtCard eq 'PO'' or ''a'' eq ''a'"));
        for refused in [
            wanted(None, None),
            wanted(Some("C1"), Some(id)),
            wanted(Some(" "), None),
            wanted(None, Some("006")),
            by_doc_num(wanted(Some("C1"), None)),
            by_doc_num(by_num_at_card("PO-1", Wanted::default())),
            by_num_at_card("PO-1", wanted(None, Some(id))),
            by_num_at_card("\t", Wanted::default()),
        ] {
            assert_eq!(filter(&refused), None);
        }
    }

    #[test]
    fn a_number_that_no_order_has_is_refused_with_a_way_on() {
        let why = |whose: Whose<'_>| match whose.none() {
            Err(Refusal::Refused(why)) => why,
            other => panic!("{other:?}"),
        };
        let told = why(Whose::DocNum(10041));
        assert!(
            told.starts_with("there is no sales order with DocNum 10041: ") && told.contains("card_code"),
            "{told}"
        );
        let told = why(Whose::NumAtCard("PO-1"));
        assert!(told.starts_with("there is no sales order with NumAtCard PO-1: "), "{told}");
        assert!(Whose::Opportunity("0065g0000000003AAA").none().is_ok(), "it may have none");
    }

    fn euro() -> Settings {
        Settings { currencies: Currencies::fixed(&[("$", "USD"), ("EUR", "EUR")]), ..Settings::default() }
    }

    #[test]
    fn amounts_are_in_the_orders_own_currency() {
        let row = json!({ "LineNum": 0, "ItemCode": "A1", "Quantity": 2, "LineTotal": 85, "RowTotalFC": 100.10 });
        let mut document = json!({
            "DocEntry": 7, "DocNum": 70, "NumAtCard": "PO-1", "DocDate": "2026-01-31T00:00:00Z", "DocCurrency": "$",
            "DocTotal": 101.15, "DocTotalFc": 119.12, "VatSum": 16.15, "VatSumFc": 19.02,
            "DocumentStatus": "bost_Open", "Cancelled": "tNO", "U_SF_Id": "by phone", "DocumentLines": [row],
        });
        let foreign = order(&euro(), &document).unwrap().unwrap();
        let lines = foreign.lines.unwrap();
        assert_eq!(
            (foreign.currency.as_str(), foreign.total.to_string(), lines[0].line_total.to_string()),
            ("USD", "119.12".into(), "100.1".into())
        );
        assert_eq!(
            (foreign.opportunity, foreign.doc_date.as_deref(), foreign.status.as_str()),
            (None, Some("2026-01-31"), "open")
        );
        assert_eq!(foreign.num_at_card.as_deref(), Some("PO-1"));
        document["DocTotalFc"] = json!(0);
        document["Cancelled"] = json!("tYES");
        document["DocCurrency"] = json!("EUR");
        let own = order(&euro(), &document).unwrap().unwrap();
        assert_eq!(
            (own.total.to_string(), own.vat_sum.to_string(), own.status.as_str()),
            ("101.15".into(), "16.15".into(), "cancelled")
        );
    }

    #[test]
    fn a_long_order_says_that_it_has_more_lines() {
        let lines: Vec<Value> = (0..60).map(|number| json!({ "LineNum": number })).collect();
        let own = order(&euro(), &json!({ "DocEntry": 1, "DocNum": 1, "DocCurrency": "EUR", "DocumentLines": lines }));
        let own = own.unwrap().unwrap();
        assert_eq!((own.lines.map(|lines| lines.len()), own.more_lines), (Some(LINES), true));
        let without = order(&euro(), &json!({ "DocEntry": 1, "DocNum": 1, "DocCurrency": "EUR" })).unwrap().unwrap();
        assert!(without.lines.is_none() && !without.more_lines);
    }
}
