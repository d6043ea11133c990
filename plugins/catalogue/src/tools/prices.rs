//! What B1 has of an item's prices, and which of them it is.

use tandem_sdk::tools::Refusal;
use tandem_sdk::{Decimal, Said, Value, decimal, text};

use crate::books::Books;
use crate::describe::Settings;
use crate::special;
use crate::terms::Terms;

/// A price, and its currency by its ISO code.
pub type Amount = (Decimal, String);

/// What B1 has of an item.
pub struct Prices {
    /// The list that counts.
    pub list: i64,
    /// Its prices: the list's own, then those in additional currencies.
    pub listed: Vec<Amount>,
    /// The one that is agreed with the customer and holds, with its price before tax.
    pub agreed: Option<(Value, Amount)>,
}

/// The item's prices in a list. One of zero is none.
pub fn listed(
    settings: &Settings,
    books: &Books,
    terms: &Terms,
    item: &Value,
    list: i64,
) -> Result<Vec<Amount>, Refusal> {
    let rows = item["ItemPrices"].as_array().into_iter().flatten();
    let Some(row) = rows.into_iter().find(|row| row["PriceList"].as_i64() == Some(list)) else {
        return Ok(Vec::new());
    };
    let of_list = books.books.iter().find(|book| book.list == list).map_or("", |book| book.currency.as_str());
    let mut found = Vec::new();
    for (price, currency, usual) in [
        ("Price", "Currency", of_list),
        ("AdditionalPrice1", "AdditionalCurrency1", ""),
        ("AdditionalPrice2", "AdditionalCurrency2", ""),
    ] {
        let amount = decimal(&row[price]).unwrap_or_default();
        let code = [text(row, currency), usual].into_iter().find(|code| !code.is_empty()).unwrap_or_default();
        // An additional price without a currency of its own is none.
        if amount.is_zero() || code.is_empty() && price != "Price" {
            continue;
        }
        let amount = terms.of_book(books, list, item, amount).map_err(refused)?;
        found.push((amount, iso(settings, code)?));
    }
    Ok(found)
}

/// The price before tax that is agreed with a customer.
pub fn agreed_amount(
    settings: &Settings,
    books: &Books,
    terms: &Terms,
    price: &Value,
    item: &Value,
) -> Result<Amount, Refusal> {
    let amount = special::amount(terms, books, price, item).map_err(refused)?;
    Ok((decimal(&amount).unwrap_or_default(), iso(settings, text(price, "Currency"))?))
}

/// The ISO code of a currency; that of the company's own for none.
fn iso(settings: &Settings, code: &str) -> Result<String, Refusal> {
    if !code.is_empty() {
        return Ok(settings.currencies.iso(code)?);
    }
    let own = settings.own_currency()?.map(str::to_owned);
    own.ok_or_else(|| Refusal::Refused("the price has no currency, and B1 does not tell the company's own".into()))
}

fn refused(why: Said) -> Refusal {
    Refusal::Refused(why.english().to_owned())
}

/// What is agreed comes before the list, also where it is dearer. What B1 has in another currency it converts by the rate of
/// the day: that is not done here.
pub fn chosen(books: &Books, item: &str, prices: &Prices, currency: Option<&str>) -> Result<Amount, Refusal> {
    let is_asked = |own: &str| currency.is_none_or(|asked| own.eq_ignore_ascii_case(asked));
    let asked = currency.unwrap_or_default();
    if let Some((_, amount)) = &prices.agreed {
        let other = || format!("the special price of {item} is in {}, not in {asked}; nothing is converted", amount.1);
        return if is_asked(&amount.1) { Ok(amount.clone()) } else { Err(Refusal::Refused(other())) };
    }
    if let Some(amount) = prices.listed.iter().find(|(_, own)| is_asked(own)) {
        return Ok(amount.clone());
    }
    let list = books.name(prices.list);
    let known: Vec<&str> = prices.listed.iter().map(|(_, own)| own.as_str()).collect();
    Err(Refusal::Refused(match known.is_empty() {
        true => format!("the price list {list} has no price of {item}"),
        false => format!(
            "the price list {list} has no price of {item} in {asked}, but in {}; nothing is converted",
            known.join(", ")
        ),
    }))
}
