//! Who belongs to whom, for every plugin in the same order:
//!
//! 1. A code that the record in Salesforce carries (*B1 Card Code*, *B1 Item Code*) says it by itself, a person's hand included. With the
//!    prefix of another company it says that the record is that company's, and nothing else is asked. An account that is linked with another
//!    customer than it carries is nobody's business until the accounts flow has followed, or a person has said which of the two it is: see
//!    [`undecided`].
//! 2. The link. The accounts and the catalogue flow keep it in step with the code, so from B1's side it is asked first.
//! 3. For a product that carries no item code, its product code, with the prefix of its company, too: without one it is a code of the company
//!    that has none.

use std::collections::{BTreeMap, BTreeSet};

use crate::salesforce::query_in;
use crate::{Error, Keys, Link, Said, Side, Value, b1, from_json, links, say, text};

/// The B1 code of a record in Salesforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Code {
    /// This company's.
    Own(String),
    /// Another company's, as the record carries it.
    Foreign(String),
    /// It has none.
    None,
}

/// The `CardCode` of an account by what it carries and by its link.
pub fn card_code(carried: &str, linked: Option<&str>, keys: &Keys) -> Code {
    match (keys.own(carried), linked) {
        (Some(own), _) => Code::Own(own.to_owned()),
        (None, _) if !carried.is_empty() => Code::Foreign(carried.to_owned()),
        (None, Some(linked)) => Code::Own(linked.to_owned()),
        (None, None) => Code::None,
    }
}

/// The codes that an account carries and is linked with, where these are two customers of this company.
pub fn undecided<'a>(carried: &'a str, linked: Option<&'a str>, keys: &Keys) -> Option<(&'a str, &'a str)> {
    let (own, linked) = (keys.own(carried)?, linked?);
    (own.to_lowercase() != linked.to_lowercase()).then_some((own, linked))
}

/// The `ItemCode` of a product: by what it carries, else by its product code.
pub fn item_code(carried: &str, product_code: &str, keys: &Keys) -> Code {
    card_code(if carried.is_empty() { product_code } else { carried }, None, keys)
}

/// Account ids by `CardCode`: by link, else by *B1 Card Code* of an account that no other customer is linked with. A `CardCode` that two
/// accounts carry is told in `doubled` and has no entry.
pub struct Accounts {
    /// Account id by `CardCode`.
    pub ids: BTreeMap<String, String>,
    /// Carried by several accounts, with their ids.
    pub doubled: BTreeMap<String, Vec<String>>,
    /// Linked with an account that was deleted, and that is known.
    pub parted: BTreeSet<String>,
}

/// In the base of an account's link: the account was deleted, and the customer stays.
pub const PARTED: &str = "gone";

/// See [`PARTED`].
pub fn is_parted(link: &Link) -> bool {
    from_json(&link.base)[PARTED] == true
}

/// What a person is asked about a `CardCode` that several accounts carry.
pub fn doubled(card_code: &str, doubled: &BTreeMap<String, Vec<String>>) -> Option<Said> {
    let with = [("accounts", doubled.get(card_code)?.clone().into()), ("code", card_code.into())];
    Some(say(
        "shared.same_code",
        "the accounts {accounts} all carry the CardCode {code}; merge them, or empty B1 Card Code on all but one",
        with,
    ))
}

/// See [`Accounts`].
pub fn accounts(card_codes: &[String], keys: &Keys) -> Result<Accounts, Error> {
    let card_codes = b1::distinct(card_codes);
    let linked: Vec<Link> = links::find_all("account", Side::B1, &card_codes).into_iter().flatten().collect();
    let parted = linked.iter().filter(|link| is_parted(link)).map(|link| link.b1_id.clone()).collect();
    let ids = linked.into_iter().map(|link| (link.b1_id, link.salesforce_id)).collect();
    let mut found = Accounts { ids, doubled: BTreeMap::new(), parted };
    let unlinked = card_codes.into_iter().filter(|code| !found.ids.contains_key(code));
    let unlinked: Vec<String> = unlinked.map(|code| keys.carried(&code)).collect();
    let rows = query_in("Id,Tandem_Card_Code__c", "Account", "Tandem_Card_Code__c", &unlinked, "")?;
    let ids: Vec<String> = rows.iter().map(|row| text(row, "Id").to_owned()).collect();
    let mut by_code: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((row, id), link) in rows.iter().zip(ids.iter()).zip(links::find_all("account", Side::Salesforce, &ids)) {
        let carried = text(row, "Tandem_Card_Code__c");
        // Another customer's, until it is decided which of the two it is.
        if undecided(carried, link.as_ref().map(|link| link.b1_id.as_str()), keys).is_some() {
            continue;
        }
        if let Some(code) = keys.own(carried) {
            by_code.entry(code.to_owned()).or_default().push(id.clone());
        }
    }
    for (code, mut ids) in by_code {
        match ids.len() {
            1 => found.ids.extend(ids.pop().map(|id| (code, id))),
            _ => {
                found.doubled.insert(code, ids);
            }
        }
    }
    Ok(found)
}

/// `Product2` ids by `ItemCode`: by link, else by what carries the code. One that several products carry has no entry.
pub fn products(item_codes: &[String], keys: &Keys) -> Result<BTreeMap<String, String>, Error> {
    let item_codes = b1::distinct(item_codes);
    let mut found = by_link("product", &item_codes);
    let unlinked: Vec<String> = item_codes.into_iter().filter(|code| !found.contains_key(code)).collect();
    let mut by_code: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (code, row) in products_carrying(&unlinked, keys, "Id")? {
        by_code.entry(code).or_default().push(text(&row, "Id").to_owned());
    }
    for code in unlinked {
        if let Some([id]) = by_code.get(&code).map(Vec::as_slice) {
            found.insert(code, id.clone());
        }
    }
    Ok(found)
}

/// Products that carry one of these `ItemCode`s, with the code as they spell it; by their product code only where none carries it as its
/// item code. `fields` are read beside what tells it.
pub fn products_carrying(item_codes: &[String], keys: &Keys, fields: &str) -> Result<Vec<(String, Value)>, Error> {
    let fields = format!("{fields},ProductCode,Tandem_Item_Code__c");
    let carried: Vec<String> = item_codes.iter().map(|code| keys.carried(code)).collect();
    let mut found: Vec<(String, Value)> = Vec::new();
    for row in query_in(&fields, "Product2", "Tandem_Item_Code__c", &carried, "")? {
        if let Some(code) = keys.own(text(&row, "Tandem_Item_Code__c")).map(str::to_owned) {
            found.push((code, row));
        }
    }
    let open = item_codes.iter().filter(|code| !found.iter().any(|(found, _)| found == *code));
    let open: Vec<String> = open.map(|code| keys.carried(code)).collect();
    for row in query_in(&fields, "Product2", "ProductCode", &open, "")? {
        if let Code::Own(code) = item_code(text(&row, "Tandem_Item_Code__c"), text(&row, "ProductCode"), keys)
            && text(&row, "Tandem_Item_Code__c").is_empty()
        {
            found.push((code, row));
        }
    }
    Ok(found)
}

fn by_link(kind: &str, b1_ids: &[String]) -> BTreeMap<String, String> {
    let found = b1_ids.iter().zip(links::find_all(kind, Side::B1, b1_ids));
    found.filter_map(|(code, link)| link.map(|link| (code.clone(), link.salesforce_id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(prefix: &str) -> Keys {
        Keys::of(prefix)
    }

    #[test]
    fn what_a_record_carries_comes_before_its_link_and_another_companys_code_ends_it() {
        let us = keys("us:");
        let own = |code: &str| Code::Own(code.into());
        assert_eq!(card_code("us:C2", Some("C1"), &us), own("C2"));
        assert_eq!(card_code("", Some("C1"), &us), own("C1"));
        assert_eq!(card_code("C1", Some("C1"), &us), Code::Foreign("C1".into()));
        assert_eq!(card_code("", None, &us), Code::None);
        assert_eq!(card_code("C2", None, &keys("")), own("C2"));
    }

    #[test]
    fn an_account_that_carries_another_customer_than_it_is_linked_with_is_undecided() {
        let us = keys("us:");
        assert_eq!(undecided("us:FREE", Some("H1"), &us), Some(("FREE", "H1")));
        assert_eq!(undecided("us:h1", Some("H1"), &us), None, "spelt in other capitals");
        assert_eq!(undecided("us:FREE", None, &us), None);
        assert_eq!(undecided("", Some("H1"), &us), None, "emptied: the link still says it");
        assert_eq!(undecided("FREE", Some("H1"), &us), None, "another company's");
    }

    #[test]
    fn a_product_code_counts_only_where_there_is_no_item_code() {
        let us = keys("us:");
        assert_eq!(item_code("us:A1", "X", &us), Code::Own("A1".into()));
        assert_eq!(item_code("A1", "A1", &us), Code::Foreign("A1".into()));
        assert_eq!(item_code("", "A1", &us), Code::Foreign("A1".into()), "of the company without a prefix");
        assert_eq!(item_code("", "us:A1", &us), Code::Own("A1".into()));
        assert_eq!(item_code("", "A1", &keys("")), Code::Own("A1".into()));
        assert_eq!(item_code("", "", &us), Code::None);
    }
}
