//! What is told of a price.

use tandem_sdk::tools::{self, Refusal};
use tandem_sdk::{Decimal, JsonSchema, Number, Serialize, Value, b1, in_use, is_within, text};

use super::Customer;
use super::prices::{Prices, chosen};
use crate::books::Books;

/// What stands in every answer.
const NOT_LOOKED_AT: &str = "Not looked at: period and volume discounts, discount groups, blanket agreements. Where B1 \
                             has one of these for the item, its own price is another.";

#[derive(Debug, Serialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde")]
#[schemars(crate = "tandem_sdk::schemars")]
pub struct Told {
    /// ItemCode of B1
    item_code: String,
    /// ItemName of B1
    item_name: String,
    /// CardCode of B1; missing where none was asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    card_code: Option<String>,
    /// Before tax, for one sales unit
    price: Number,
    /// ISO code of the currency of all amounts but list_price
    currency: String,
    /// SalesUnit of B1; missing where the item has none by name
    #[serde(skip_serializing_if = "Option::is_none")]
    sales_unit: Option<String>,
    /// `special price`: agreed with the customer, and holds today; or `price list`
    from: String,
    /// PriceListNo of B1: the list that the price is of, or that a special price was made from
    #[serde(skip_serializing_if = "Option::is_none")]
    price_list_no: Option<i64>,
    /// PriceListName of B1
    #[serde(skip_serializing_if = "Option::is_none")]
    price_list_name: Option<String>,
    /// DiscountPercent of the special price, which is in its price already
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_percent: Option<Number>,
    /// First day of the special price; missing where it has none
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_from: Option<String>,
    /// Last day of the special price; missing where it has none
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<String>,
    /// Beside a special price: what the item costs by the customer's price list, before tax
    #[serde(skip_serializing_if = "Option::is_none")]
    list_price: Option<Number>,
    /// ISO code of the currency of list_price
    #[serde(skip_serializing_if = "Option::is_none")]
    list_currency: Option<String>,
    /// DiscountPercent of the customer: B1 takes it off the sum of a document, and it is not in the price
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_discount_percent: Option<Number>,
    /// As asked for
    #[serde(skip_serializing_if = "Option::is_none")]
    quantity: Option<Number>,
    /// Price times quantity, before tax and before the customer's discount, not rounded
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Number>,
    /// What is to be known of the price before it is promised
    note: String,
}

/// What is to be known of the price.
pub fn notes(item: &Value, list: Option<&Value>, today: &str) -> String {
    let mut notes = Vec::new();
    if item["SalesItem"] == "tNO" || !in_use(item, today) {
        notes.push("B1 does not sell the item today: it is no sales item, inactive or on hold.");
    }
    if list.is_some_and(|list| list["Active"] == "tNO" || !is_within(list, "ValidFrom", "ValidTo", today)) {
        notes.push("The price list is not active today.");
    }
    notes.push(NOT_LOOKED_AT);
    notes.join(" ")
}

/// The price that is chosen, and where it comes from.
pub fn told(
    books: &Books,
    item: &Value,
    customer: Option<Customer>,
    prices: &Prices,
    currency: Option<&str>,
    quantity: Option<Number>,
    note: &str,
) -> Result<Told, Refusal> {
    let (price, currency) = chosen(books, text(item, "ItemCode"), prices, currency)?;
    let agreed = prices.agreed.as_ref().map(|(price, _)| price);
    // A special price may be made from none.
    let list = match agreed {
        Some(price) => price["PriceListNum"].as_i64().filter(|list| *list > 0),
        None => Some(prices.list),
    };
    let beside = prices.listed.first().filter(|_| agreed.is_some());
    let discount = |amount: Decimal| Some(amount).filter(|amount| !amount.is_zero()).map(Number::from);
    Ok(Told {
        item_code: text(item, "ItemCode").to_owned(),
        item_name: text(item, "ItemName").to_owned(),
        price: price.into(),
        currency,
        sales_unit: tools::filled(item, "SalesUnit"),
        from: if agreed.is_some() { "special price" } else { "price list" }.to_owned(),
        price_list_no: list,
        price_list_name: list.map(|list| books.name(list)),
        discount_percent: agreed.and_then(|price| discount(b1::amount(price, "DiscountPercent"))),
        valid_from: agreed.and_then(|price| tools::day(price, "ValidFrom")),
        valid_to: agreed.and_then(|price| tools::day(price, "ValidTo")),
        list_price: beside.map(|(amount, _)| Number::from(*amount)),
        list_currency: beside.map(|(_, currency)| currency.clone()),
        customer_discount_percent: customer.as_ref().and_then(|own| discount(own.discount)),
        card_code: customer.map(|own| own.card_code),
        quantity,
        total: quantity.and_then(|quantity| price.checked_mul(*quantity)).map(Number::from),
        note: note.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use tandem_sdk::json;
    use tandem_sdk::settings::Settings as _;

    use super::super::prices::{agreed_amount, listed};
    use super::*;
    use crate::books::Book;
    use crate::describe::Settings;
    use crate::terms::Terms;

    fn books() -> Books {
        let book = |list, currency: &str| Book { list, id: String::new(), currency: currency.into() };
        let names = [(1, "Retail".to_owned()), (2, "Dealers".to_owned())].into();
        Books { books: vec![book(1, "EUR"), book(2, "$")], names, ..Books::default() }
    }

    fn settings() -> Settings {
        let currencies = tandem_sdk::Currencies::fixed(&[("EUR", "EUR"), ("$", "USD")]);
        Settings { currencies, ..Settings::read("{}").unwrap() }
    }

    fn item() -> Value {
        json!({ "ItemCode": "A1", "ItemName": "Pump", "SalesVATGroup": "A1", "SalesItem": "tYES", "ItemPrices": [
            { "PriceList": 1, "Price": 119, "Currency": "EUR" },
            { "PriceList": 2, "Price": 80.5, "Currency": "",
              "AdditionalPrice1": 70, "AdditionalCurrency1": "EUR", "AdditionalPrice2": 9 },
            { "PriceList": 3, "Price": 0, "Currency": "EUR" },
        ] })
    }

    fn in_list(list: i64) -> Prices {
        let listed = listed(&settings(), &books(), &Terms::default(), &item(), list).unwrap();
        Prices { list, listed, agreed: None }
    }

    fn agreed(price: Value, list: i64) -> Prices {
        let amount = agreed_amount(&settings(), &books(), &Terms::default(), &price, &item()).unwrap();
        Prices { agreed: Some((price, amount)), ..in_list(list) }
    }

    fn of(prices: &Prices, currency: Option<&str>) -> Result<Told, String> {
        let customer = Customer { card_code: "C1".into(), list: prices.list, discount: 5.into() };
        let told = told(&books(), &item(), Some(customer), prices, currency, Some(3.into()), "n");
        told.map_err(|refusal| match refusal {
            Refusal::Refused(why) => why,
            Refusal::Failed(error) => panic!("{error:?}"),
        })
    }

    #[test]
    fn the_price_of_the_customers_list_is_in_the_lists_currency_or_the_one_asked_for() {
        let own = of(&in_list(2), None).unwrap();
        assert_eq!(
            (own.price.to_string(), own.currency.as_str(), own.from.as_str()),
            ("80.5".into(), "USD", "price list")
        );
        assert_eq!((own.price_list_no, own.price_list_name.as_deref()), (Some(2), Some("Dealers")));
        assert_eq!(
            (own.total.map(|own| own.to_string()).as_deref(), own.customer_discount_percent),
            (Some("241.5"), Some(5.into()))
        );
        assert!(own.list_price.is_none() && own.valid_to.is_none());
        assert_eq!(of(&in_list(2), Some("eur")).unwrap().price, 70.into());
    }

    #[test]
    fn what_a_list_does_not_have_is_refused_with_what_it_has() {
        assert_eq!(
            of(&in_list(2), Some("GBP")).unwrap_err(),
            "the price list Dealers has no price of A1 in GBP, but in USD, EUR; nothing is converted"
        );
        assert_eq!(of(&in_list(3), None).unwrap_err(), "the price list 3 has no price of A1", "zero is none");
        assert_eq!(of(&in_list(9), None).unwrap_err(), "the price list 9 has no price of A1");
    }

    #[test]
    fn what_is_agreed_comes_before_the_list_and_is_told_with_its_days() {
        let price = json!({ "Price": 130.25, "Currency": "EUR", "DiscountPercent": 10, "PriceListNum": 1,
             "ValidTo": "2026-12-31T00:00:00Z" });
        let own = of(&agreed(price.clone(), 1), None).unwrap();
        assert_eq!(
            (own.price.to_string(), own.from.as_str(), own.price_list_name.as_deref()),
            ("130.25".into(), "special price", Some("Retail"))
        );
        assert_eq!(
            (own.valid_from, own.valid_to.as_deref(), own.discount_percent),
            (None, Some("2026-12-31"), Some(10.into()))
        );
        assert_eq!((own.list_price, own.list_currency.as_deref()), (Some(119.into()), Some("EUR")));
        assert!(
            of(&agreed(price, 2), Some("USD")).unwrap_err().contains("is in EUR, not in USD"),
            "the list's would be the wrong one"
        );
        let alone = of(&agreed(json!({ "Price": 7, "Currency": "EUR", "PriceListNum": 0 }), 3), None).unwrap();
        assert_eq!((alone.price_list_no, alone.list_price), (None, None));
    }

    #[test]
    fn prices_with_tax_are_told_without() {
        let mut books = books();
        books.gross.insert(1);
        let terms = Terms::of_taxes(&[("A1", 19)]);
        let net = listed(&settings(), &books, &terms, &item(), 1).unwrap();
        assert_eq!(net, [(100.into(), "EUR".to_owned())]);
        let unknown = listed(&settings(), &books, &Terms::default(), &item(), 1);
        assert!(matches!(unknown, Err(Refusal::Refused(why)) if why.contains("tax group A1")));
    }

    #[test]
    fn what_is_not_sold_or_not_active_is_said_and_what_is_never_looked_at_always() {
        let day = "2026-05-01";
        assert_eq!(notes(&item(), None, day), NOT_LOOKED_AT);
        let mut frozen = item();
        frozen["Frozen"] = json!("tYES");
        let over = json!({ "Active": "tYES", "ValidTo": "2026-04-30T00:00:00Z" });
        let all = notes(&frozen, Some(&over), day);
        assert!(
            all.contains("does not sell") && all.contains("list is not active") && all.ends_with(NOT_LOOKED_AT),
            "{all}"
        );
    }
}
