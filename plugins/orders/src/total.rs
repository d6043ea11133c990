//! Whether B1's total is what the opportunity's lines come to. Discounts, freight, components and rounding of B1's own make
//! it another one, and then somebody must hear of it.

use tandem_sdk::{Decimal, Map, Said, Value, b1, decimal, say};

use crate::check::field;
use crate::describe::Settings;
use crate::linked::Linked;
use crate::plan::Order;
use crate::{News, Work};

/// How the words begin that tell of an order whose total differs.
pub const TOLD: &str = "B1's total before tax is ";

/// A person's choice about an order whose total differs.
const KEEP: &str = "keep it so";

/// An order whose total B1 sees otherwise.
#[derive(Debug, PartialEq)]
pub struct Difference {
    /// B1's less the opportunity's, in the document's currency, before tax.
    pub amount: Decimal,
    /// For the opportunity.
    pub words: Said,
}

/// What the rows come to, before tax, in the document's currency.
pub fn net<'a>(header: &Map<String, Value>, lines: impl Iterator<Item = &'a Map<String, Value>>) -> Decimal {
    let number = |record: &Map<String, Value>, name: &str| record.get(name).and_then(decimal).unwrap_or_default();
    let left =
        |record: &Map<String, Value>| (Decimal::ONE_HUNDRED - number(record, "DiscountPercent")) / Decimal::ONE_HUNDRED;
    let rows: Decimal = lines.map(|line| number(line, "Quantity") * number(line, "UnitPrice") * left(line)).sum();
    rows * left(header)
}

/// None where both come to the same, to the cent a row that is rounded away; and where B1 did not tell its total.
pub fn difference(document: &Value, order: &Order) -> Option<Difference> {
    let foreign = !b1::amount(document, "DocTotalFc").is_zero();
    let (total, tax) = if foreign { ("DocTotalFc", "VatSumFc") } else { ("DocTotal", "VatSum") };
    let there = decimal(&document[total])? - b1::amount(document, tax);
    let wanted = net(&order.header, order.lines.iter().map(|(_, line)| line)).round_dp(2);
    let rounding = Decimal::new(1, 2) * Decimal::from(order.lines.len().max(1));
    let amount = there - wanted;
    let asked = field(&order.asked, "DocCurrency");
    let currency = if asked.is_empty() { field(&order.header, "DocCurrency") } else { asked };
    (amount.abs() > rounding).then(|| Difference {
        amount,
        words: say(
            "orders.total",
            "B1's total before tax is {there}, the opportunity's {wanted}",
            [("there", Said::amount(there, currency.as_str())), ("wanted", Said::amount(wanted, currency.as_str()))],
        ),
    })
}

/// Ends with the order in step, and with a question where the totals differ by more than the setting allows. The link keeps the
/// question, so that an echo of the opportunity does not answer it.
pub fn tell(
    settings: &Settings,
    w: &mut Work,
    linked: &mut Linked,
    mut told: Vec<Said>,
    difference: Option<Difference>,
) {
    let most = settings.total_difference;
    let asks = difference.as_ref().is_some_and(|found| most.is_some_and(|most| found.amount.abs() >= *most));
    let question = match &difference {
        Some(found) if asks => say(
            "orders.total_differs",
            "order {number}: {totals}; correct one of them, or keep it so",
            [("number", linked.doc_num.as_str().into()), ("totals", found.words.clone().into())],
        ),
        _ => Said::default(),
    };
    if question != linked.question {
        linked.question.clone_from(&question);
        linked.put(w.id());
    }
    if asks {
        return ask(w, linked, question);
    }
    told.extend(difference.map(|found| found.words));
    let loud = told.len() > 1;
    let message = Said::all(told);
    let news = News::synced(linked, &message);
    w.news = Some(if loud { news.loud() } else { news });
    w.done(message);
}

/// Asks, beside the order's number.
pub fn ask(w: &mut Work, linked: &Linked, question: Said) {
    w.hold(question, &["retry", KEEP]);
    w.shows(linked);
}

/// True where the totals are to be compared again.
pub fn is_asked(w: &Work, linked: &Linked) -> bool {
    match w.event.resolution.as_deref() {
        Some(KEEP) => false,
        Some("retry") => true,
        _ => w.adopted.is_some() || !linked.question.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use tandem_sdk::{from_json, json};

    use super::*;

    fn order() -> Order {
        let fields = |text: &str| from_json(text).as_object().cloned().unwrap_or_default();
        Order {
            header: fields(r#"{"DocCurrency":"EUR","DiscountPercent":0}"#),
            lines: vec![
                ("a".into(), fields(r#"{"Quantity":3,"UnitPrice":33.333,"DiscountPercent":0}"#)),
                ("b".into(), fields(r#"{"Quantity":1,"UnitPrice":100,"DiscountPercent":50}"#)),
            ],
            ..Order::default()
        }
    }

    #[test]
    fn a_total_that_is_rounded_is_the_same_and_one_with_a_discount_of_b1s_is_told() {
        assert_eq!(difference(&json!({ "DocTotal": 178.50, "VatSum": 28.50 }), &order()), None);
        let found = difference(&json!({ "DocTotal": 169.58, "VatSum": 27.08 }), &order()).unwrap();
        assert_eq!(found.amount.to_string(), "-7.50");
        assert_eq!(found.words.english(), "B1's total before tax is 142.50 EUR, the opportunity's 150.00 EUR");
        assert_eq!(difference(&json!({}), &order()), None);
    }

    #[test]
    fn a_document_in_another_currency_is_compared_in_that() {
        let document = json!({ "DocTotal": 85, "VatSum": 0, "DocTotalFc": 150, "VatSumFc": 0 });
        assert_eq!(difference(&document, &order()), None);
    }
}
