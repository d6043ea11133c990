//! Who a customer is, asked of B1 when it is asked for.

use std::collections::BTreeSet;

use tandem_sdk::counterpart::{self, Accounts};
use tandem_sdk::tools::{self, Asked, Offer, Refusal, reads};
use tandem_sdk::{Deserialize, JsonSchema, PERIODS, Serialize, Value, b1, clock, in_use, lists, matching, text};

use crate::describe::Settings;
use crate::gather;
use crate::search::{head, spellings};

/// Customers of one answer.
const MOST: usize = 20;

const SELECT: &str = "CardCode,CardName,CardType,FederalTaxID,EmailAddress,Phone1,Phone2,Cellular,BilltoDefault,\
                      ShipToDefault,BPAddresses";
const TELEPHONES: [&str; 3] = ["Phone1", "Phone2", "Cellular"];

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// CardCode, words of the name, tax id, e-mail or telephone, such as `C20000` or `Miller Ltd`
    text: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Found {
    /// Those whose CardCode, tax id, e-mail or name is the text come first
    customers: Vec<Customer>,
    /// There are more than are given: ask with more of the name
    more: bool,
    /// What was looked for, where nothing is found
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What is told where nothing is found.
const NOTHING: &str = "names are found by what stands in them as written, in capitals, in small letters, and with a \
                       capital at the head of each word, and each of the first four words must be in it: try one \
                       telling word, or a part of it. ItemCode and DocNum are not looked for";

#[derive(Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
struct Customer {
    /// CardCode of B1, by which other tools ask for the customer
    card_code: String,
    /// CardName of B1
    card_name: String,
    /// CardType of B1: `cCustomer`, or `cLid` for a lead
    card_type: String,
    /// FederalTaxID of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    federal_tax_id: Option<String>,
    /// EmailAddress of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    email_address: Option<String>,
    /// Phone1 of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    phone1: Option<String>,
    /// City of the address that bills go to
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<String>,
    /// Code of the country of the address that bills go to, such as `DE`
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    /// B1 takes no documents of the customer today: it is inactive or on hold
    blocked: bool,
    /// Id of its Account in Salesforce; missing where it has none
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    /// Why no Account is given though there may be one
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// See the module's words.
pub fn offer() -> Offer<Settings> {
    reads(
        "find-customer",
        "Find a customer",
        "Finds customers and leads of SAP Business One, at most 20, by CardCode or what it begins with, by words \
         of the name (each of the first four must be in it), by tax id, by e-mail, or by telephone (its longest \
         run of digits). Ask this first where another tool wants a card_code. Codes and names are found as \
         written, in capitals, in small letters, and with a capital at the head of each word: B1 may tell capitals \
         apart. Suppliers, contact persons, items and documents are not found.",
        find,
    )
}

fn find(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Found, Refusal> {
    let wanted = tools::named("text", &wanted.text)?;
    let select = format!("{SELECT},{PERIODS}");
    let read = |condition: &str| {
        let filter = format!("CardType ne 'cSupplier' and ({condition})");
        tools::first("BusinessPartners", &filter, &select, "CardCode", MOST)
    };
    // Who is meant is found however many are like it; and by its code, however many have the name.
    let (mut rows, mut more) = (Vec::new(), false);
    for condition in [is_code(wanted), is_same(wanted), alike(wanted)] {
        let (found, over) = read(&condition)?;
        rows.extend(found);
        more |= over;
    }
    let mut known = BTreeSet::new();
    rows.retain(|row| known.insert(text(row, "CardCode").to_owned()));
    // As B1 has ordered them within one rank.
    rows.sort_by_key(|row| rank(row, wanted));
    let (rows, over) = tools::few(rows, MOST);
    let codes: Vec<String> = rows.iter().map(|row| text(row, "CardCode").to_owned()).collect();
    let accounts = counterpart::accounts(&codes, &asked.settings.keys)?;
    let today = clock::today("b1");
    let customers = rows.into_iter().map(|row| customer(gather::flat(row), &accounts, &today)).collect();
    Ok(found_of(customers, more || over))
}

fn found_of(customers: Vec<Customer>, more: bool) -> Found {
    let note = customers.is_empty().then(|| NOTHING.to_owned());
    Found { customers, more, note }
}

/// How a word may be spelt.
type Spelt = fn(&str) -> Vec<String>;

/// In small letters, too: it may stand within a longer word.
fn all_spellings(word: &str) -> Vec<String> {
    let mut all = spellings(word);
    all.push(word.to_lowercase());
    b1::distinct(&all)
}

/// With all spellings, unless that makes an address too long.
fn fitting(condition: impl Fn(Spelt) -> String) -> String {
    let whole = condition(all_spellings);
    match lists::length(&whole) < lists::B1 {
        true => whole,
        false => condition(spellings),
    }
}

/// A CardCode in any of the spellings that people use.
fn is_code(wanted: &str) -> String {
    fitting(|spelt| {
        let any: Vec<String> = spelt(wanted).iter().map(|code| is("CardCode", code)).collect();
        any.join(" or ")
    })
}

/// A name, an e-mail or a tax id, in any of the spellings that people use.
fn is_same(wanted: &str) -> String {
    fitting(|spelt| is_same_in(wanted, spelt))
}

fn is_same_in(wanted: &str, spelt: Spelt) -> String {
    /// Letters of the longest tax id.
    const TAX: usize = 32;
    let heads: Vec<String> = wanted.split_whitespace().map(head).collect();
    let mut names = spelt(wanted);
    names.push(heads.join(" "));
    let mut any: Vec<String> = b1::distinct(&names).iter().map(|name| is("CardName", name)).collect();
    if is_address(wanted) {
        let addresses = b1::distinct(&[wanted.to_owned(), wanted.to_lowercase()]);
        any.extend(addresses.iter().map(|address| is("EmailAddress", address)));
    }
    let bare = matching::tax_id(wanted);
    if !bare.is_empty() && wanted.chars().count() <= TAX {
        let ids = b1::distinct(&[wanted.to_owned(), wanted.to_uppercase(), bare]);
        any.extend(ids.iter().map(|id| is("FederalTaxID", id)));
    }
    any.join(" or ")
}

fn is(field: &str, text: &str) -> String {
    format!("{field} eq {}", b1::quote(text))
}

/// What may be a part of an e-mail.
fn is_address(wanted: &str) -> bool {
    !wanted.contains(char::is_whitespace) && wanted.contains(['@', '.'])
}

/// A condition of whom the text may mean.
fn alike(wanted: &str) -> String {
    fitting(|spelt| alike_in(wanted, spelt))
}

fn alike_in(wanted: &str, spelt: Spelt) -> String {
    /// Words of a name that are looked for: more make an address too long.
    const WORDS: usize = 4;
    /// Letters of the longest CardCode.
    const CODE: usize = 15;
    /// Digits that tell a tax id or a telephone from a number in a name.
    const DIGITS: usize = 4;
    let is_one_word = !wanted.contains(char::is_whitespace);
    let contains = |field: &str, text: &str| format!("contains({field},{})", b1::quote(text));
    let mut any = Vec::new();
    if is_one_word && wanted.chars().count() <= CODE {
        any.extend(spelt(wanted).iter().map(|code| format!("startswith(CardCode,{})", b1::quote(code))));
    }
    let words: Vec<String> = wanted
        .split_whitespace()
        .take(WORDS)
        .map(|word| {
            let any: Vec<String> = spelt(word).iter().map(|word| contains("CardName", word)).collect();
            format!("({})", any.join(" or "))
        })
        .collect();
    any.push(format!("({})", words.join(" and ")));
    if is_address(wanted) {
        any.push(contains("EmailAddress", wanted));
        let small = wanted.to_lowercase();
        any.extend((small != wanted).then(|| contains("EmailAddress", &small)));
    }
    let is_number = |run: &str| run.chars().filter(char::is_ascii_digit).count() >= DIGITS;
    let run = matching::longest_run(wanted);
    any.extend(is_number(run).then(|| contains("FederalTaxID", run)));
    let bare = matching::tax_id(wanted);
    any.extend((!bare.is_empty() && bare != run).then(|| contains("FederalTaxID", &bare)));
    let digits = wanted.split(|c: char| !c.is_ascii_digit()).max_by_key(|run| run.len()).unwrap_or_default();
    if is_number(digits) {
        any.extend(TELEPHONES.map(|field| contains(field, digits)));
    }
    any.join(" or ")
}

/// How far from what was asked; the least comes first.
fn rank(row: &Value, wanted: &str) -> u8 {
    let same = |field: &str| text(row, field).to_lowercase() == wanted.to_lowercase();
    let same_tax = || {
        let own = matching::tax_id(text(row, "FederalTaxID"));
        !own.is_empty() && own == matching::tax_id(wanted)
    };
    if same("CardCode") {
        0
    } else if same_tax() || same("EmailAddress") || same("CardName") {
        1
    } else if matching::name(text(row, "CardName")) == matching::name(wanted) {
        2
    } else {
        3
    }
}

fn customer(row: Value, accounts: &Accounts, today: &str) -> Customer {
    let code = text(&row, "CardCode");
    let note = if accounts.parted.contains(code) {
        Some("its Account was deleted in Salesforce".to_owned())
    } else {
        counterpart::doubled(code, &accounts.doubled).map(|why| why.english().to_owned())
    };
    Customer {
        card_code: code.to_owned(),
        card_name: text(&row, "CardName").to_owned(),
        card_type: text(&row, "CardType").to_owned(),
        federal_tax_id: tools::filled(&row, "FederalTaxID"),
        email_address: tools::filled(&row, "EmailAddress"),
        phone1: tools::filled(&row, "Phone1"),
        city: tools::filled(&row["BillTo"], "City"),
        country: tools::filled(&row["BillTo"], "Country"),
        blocked: !in_use(&row, today),
        account: accounts.ids.get(code).filter(|_| note.is_none()).cloned(),
        note,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tandem_sdk::json;

    use super::*;

    #[test]
    fn each_word_of_a_name_is_looked_for_in_each_spelling_and_quoted() {
        let condition = alike("o'neil bau");
        let first = "(contains(CardName,'O''NEIL') or contains(CardName,'O''neil') or contains(CardName,'o''neil'))";
        assert!(condition.contains(&format!("{first} and (contains(CardName,'BAU')")), "{condition}");
        assert!(!condition.contains("CardCode") && !condition.contains("Phone") && !condition.contains("EmailAddress"));
    }

    #[test]
    fn a_word_with_capitals_is_looked_for_within_a_longer_one_too() {
        for (word, small) in [("Hydraulik", "hydraulik"), ("FÖRDERTECHNIK", "fördertechnik")] {
            let condition = alike(word);
            assert!(condition.contains(&format!("contains(CardName,'{small}')")), "{condition}");
        }
        let both = alike("FÖRDERTECHNIK AG");
        assert!(both.contains("contains(CardName,'fördertechnik')) and ("), "{both}");
        assert!(is_code("KdA1").contains("CardCode eq 'kda1'"));
        assert_eq!(all_spellings("4711"), ["4711"], "each once");
    }

    #[test]
    fn who_finds_nobody_is_told_how_names_are_found() {
        let note = found_of(Vec::new(), false).note.unwrap();
        assert!(note.contains("small letters") && note.contains("ItemCode and DocNum are not"), "{note}");
        let row = json!({ "CardCode": "C1", "Valid": "tYES", "Frozen": "tNO" });
        let accounts = Accounts { ids: BTreeMap::new(), doubled: BTreeMap::new(), parted: BTreeSet::new() };
        let found = found_of(vec![customer(row, &accounts, "2026-05-01")], false);
        assert!(json!(found).get("note").is_none());
    }

    #[test]
    fn a_code_an_address_and_numbers_are_looked_for_where_the_text_may_be_one() {
        assert!(alike("c2000").contains("startswith(CardCode,'C2000')"));
        assert!(alike("Info@X.example").contains("contains(EmailAddress,'info@x.example')"));
        let number = alike("+49 30 123456-7");
        assert!(
            number.contains("contains(Phone1,'123456')") && number.contains("contains(Cellular,'123456')"),
            "{number}"
        );
        let grouped = alike("DE 811.569.869");
        assert!(grouped.contains("contains(FederalTaxID,'DE811569869')") && !grouped.contains("'811'"), "{grouped}");
        assert!(alike("DE811569869").contains("contains(FederalTaxID,'DE811569869')"));
        assert!(is_code("x'1").contains("CardCode eq 'X''1'"));
    }

    #[test]
    fn who_has_the_very_name_address_or_tax_id_is_looked_for_apart_from_who_is_like_it() {
        let name = is_same("o'neil  bau");
        for own in ["O''NEIL  BAU", "O''neil Bau", "o''neil  bau"] {
            assert!(name.contains(&format!("CardName eq '{own}'")), "{name}");
        }
        assert!(!name.contains("EmailAddress") && !name.contains("FederalTaxID"), "{name}");
        let address = is_same("Info@X.example");
        for own in ["Info@X.example", "info@x.example"] {
            assert!(address.contains(&format!("EmailAddress eq '{own}'")), "{address}");
        }
        let tax = is_same("de 811.569.869");
        for own in ["de 811.569.869", "DE 811.569.869", "DE811569869"] {
            assert!(tax.contains(&format!("FederalTaxID eq '{own}'")), "{tax}");
        }
    }

    #[test]
    fn the_longest_text_makes_an_address_that_b1_takes() {
        for text in [
            "ü".repeat(100),
            "'".repeat(200),
            "9".repeat(200),
            "a@b.".repeat(50),
            "ü@".repeat(66),
            "ab1234. ".repeat(25),
            "Üü".repeat(50),
            "Üü ".repeat(40),
            "Üü@".repeat(40),
            "Aa''.".repeat(40),
            "''''Aa".repeat(33),
            format!("Ü{}", "ü".repeat(99)),
            format!("aÜ{} ", "ü".repeat(22)).repeat(4),
        ] {
            let text = tools::named("text", &text).unwrap();
            for condition in [is_code(text), is_same(text), alike(text)] {
                let length = tandem_sdk::lists::length(&condition);
                assert!(length < 3_500, "{length} of {condition}");
            }
        }
    }

    #[test]
    fn who_is_meant_comes_before_who_is_like_it() {
        let row =
            |code: &str, name: &str, tax: &str| json!({ "CardCode": code, "CardName": name, "FederalTaxID": tax });
        let mut rows = [
            row("C3", "Miller & Sons Ltd", ""),
            row("C2", "Miller Inc.", ""),
            row("C1", "Miller", ""),
            row("MILLER", "Other", ""),
        ];
        rows.sort_by_key(|row| rank(row, "Miller"));
        assert_eq!(rows.each_ref().map(|row| text(row, "CardCode")), ["MILLER", "C1", "C2", "C3"]);
        assert_eq!(rank(&row("C4", "X", "DE 811 569 869"), "de811569869"), 1);
    }

    #[test]
    fn an_account_that_was_deleted_or_is_one_of_two_is_not_given() {
        let accounts = Accounts {
            ids: [("C1", "001A"), ("C2", "001B")].map(|(code, id)| (code.into(), id.into())).into(),
            doubled: BTreeMap::from([("C3".into(), vec!["001C".into(), "001D".into()])]),
            parted: ["C2".into()].into(),
        };
        let of = |code: &str| {
            let row = json!({ "CardCode": code, "Valid": "tYES", "Frozen": if code == "C1" { "tYES" } else { "tNO" } });
            customer(gather::flat(row), &accounts, "2026-05-01")
        };
        assert_eq!(of("C1").account.as_deref(), Some("001A"));
        assert!(of("C1").blocked && !of("C2").blocked);
        assert!(of("C2").account.is_none() && of("C2").note.is_some_and(|note| note.contains("deleted")));
        assert!(of("C3").account.is_none() && of("C3").note.is_some_and(|note| note.contains("001D")));
        assert!(of("C4").account.is_none() && of("C4").note.is_none());
    }
}
