//! What tools of several plugins look by, and how little they give.

use super::Refusal;
use crate::{Error, Header, Method, Request, Value, b1, http, request, salesforce, text};

/// Bytes of a text that is looked by, at most.
const MOST_TEXT: usize = 200;

/// A text to look by, without blanks around it. `name`: of the field of the input.
pub fn named<'a>(name: &str, given: &'a str) -> Result<&'a str, Refusal> {
    let given = given.trim();
    match given.len() {
        0 => Err(Refusal::Refused(format!("{name} is empty"))),
        1..=MOST_TEXT => Ok(given),
        _ => Err(Refusal::Refused(format!("{name} is longer than {MOST_TEXT} bytes"))),
    }
}

/// How a CardCode that B1 does not know may be found all the same.
pub const CARD_CODES: &str =
    "B1 may tell capitals apart; find-customer tries a CardCode in capitals and small letters, and finds by name";

/// There is no customer of that CardCode.
pub fn no_customer(code: &str) -> Refusal {
    Refusal::Refused(format!("there is no customer {code}: {CARD_CODES}"))
}

/// There is no item of that ItemCode.
pub fn no_item(code: &str) -> Refusal {
    Refusal::Refused(format!(
        "there is no item {code}: B1 may tell capitals apart, and an ItemCode is looked for as written; the lines of \
         orders-of tell those of what was ordered"
    ))
}

/// The id of a record in Salesforce.
pub fn record_id<'a>(name: &str, given: &'a str) -> Result<&'a str, Refusal> {
    let given = named(name, given)?;
    match salesforce::is_id(given) {
        true => Ok(given),
        false => Err(Refusal::Refused(format!("{name} must be the id of a record in Salesforce, in its 18 letters"))),
    }
}

/// The first records of an entity set in that order, so many at most, and whether there are more.
pub fn first(set: &str, filter: &str, select: &str, order: &str, most: usize) -> Result<(Vec<Value>, bool), Error> {
    Ok(few(b1::rows(http::send(&asking(set, filter, select, order, most)))?, most))
}

/// The same of several at once, each an entity set and a filter.
pub fn firsts(of: &[(&str, &str)], select: &str, order: &str, most: usize) -> Result<Vec<(Vec<Value>, bool)>, Error> {
    let asked: Vec<Request> = of.iter().map(|(set, filter)| asking(set, filter, select, order, most)).collect();
    http::send_all(&asked).into_iter().map(|answer| Ok(few(b1::rows(answer)?, most))).collect()
}

fn asking(set: &str, filter: &str, select: &str, order: &str, most: usize) -> Request {
    let (filter, order, top) = (b1::encode(filter), b1::encode(order), most + 1);
    let path = format!("/{set}?$filter={filter}&$select={select}&$orderby={order}&$top={top}");
    let mut request = request("b1", Method::Get, path, None, "");
    request.headers.push(Header { name: "Prefer".into(), value: format!("odata.maxpagesize={top}") });
    request
}

/// So many of them at most, and whether there are more.
pub fn few<T>(mut rows: Vec<T>, most: usize) -> (Vec<T>, bool) {
    let more = rows.len() > most;
    rows.truncate(most);
    (rows, more)
}

/// Text of a field; none where it is empty.
pub fn filled(record: &Value, field: &str) -> Option<String> {
    Some(text(record, field).to_owned()).filter(|text| !text.is_empty())
}

/// A day such as `2026-01-31`; none where it is empty.
pub fn day(record: &Value, field: &str) -> Option<String> {
    b1::day(&record[field]).as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_a_whole_page_are_not_looked_by() {
        assert_eq!(named("text", " C1 ").unwrap(), "C1");
        let long = "ü".repeat(101);
        for (given, why) in
            [("", "text is empty"), (" \t\n", "text is empty"), (&long, "text is longer than 200 bytes")]
        {
            assert!(matches!(named("text", given), Err(Refusal::Refused(told)) if told == why), "{given}");
        }
        assert!(named("text", &"ü".repeat(100)).is_ok());
    }

    #[test]
    fn a_code_that_is_not_known_is_refused_with_a_way_on() {
        let why = |refusal: Refusal| match refusal {
            Refusal::Refused(why) => why,
            Refusal::Failed(error) => panic!("{error:?}"),
        };
        let customer = why(no_customer("c1"));
        assert!(customer.starts_with("there is no customer c1: ") && customer.contains("find-customer"), "{customer}");
        let item = why(no_item("pump-01"));
        assert!(item.starts_with("there is no item pump-01: ") && !item.contains("find-customer"), "{item}");
        assert!([customer, item].iter().all(|why| why.contains("B1 may tell capitals apart")));
    }

    #[test]
    fn what_is_no_id_never_gets_into_a_query() {
        assert!(record_id("opportunity", "0065g0000000003AAA").is_ok());
        assert!(record_id("opportunity", "0065g0000000003").is_err());
        assert!(record_id("opportunity", "x' OR Name != '").is_err());
    }

    #[test]
    fn few_says_that_there_are_more() {
        assert_eq!(few(vec![1, 2, 3], 2), (vec![1, 2], true));
        assert_eq!(few(vec![1, 2], 2), (vec![1, 2], false));
    }
}
