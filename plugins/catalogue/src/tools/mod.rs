//! The price of an item for a customer, asked of B1 when it is asked for.

mod prices;
mod told;

use tandem_sdk::b1::{self, Read};
use tandem_sdk::tools::{self, Asked, Offer, Offers, Refusal, reads};
use tandem_sdk::{Decimal, Deserialize, Error, JsonSchema, Number, PERIODS, Value, clock, text};

use crate::Catalogue;
use crate::books::Books;
use crate::describe::Settings;
use crate::special::{SELECT, holds};
use crate::terms::Terms;
use prices::{Prices, agreed_amount, listed};
use told::{Told, notes, told};

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "tandem_sdk::serde", deny_unknown_fields)]
#[schemars(crate = "tandem_sdk::schemars")]
struct Wanted {
    /// ItemCode of B1, such as `PUMP-01`
    item_code: String,
    /// CardCode of B1, such as `C20000`; without it the price of the flow's standard price list
    card_code: Option<String>,
    /// In the item's sales unit; the total is of so much, and the price the same for any
    quantity: Option<Number>,
    /// ISO code such as `EUR`; without it the currency in which B1 has the price. Nothing is converted
    currency: Option<String>,
}

impl Offers for Catalogue {
    type Settings = Settings;

    fn tools() -> Vec<Offer<Settings>> {
        vec![reads(
            "price-for",
            "Price of an item for a customer",
            "The price before tax of one sales unit of an item in SAP Business One today: the special price agreed \
             with the customer where one holds, else that of the customer's price list, and which of the two it is. \
             It is not what B1 computes for a document: period and volume discounts, discount groups and blanket \
             agreements are not looked at, and nothing is converted into another currency.",
            price_for,
        )]
    }
}

/// For whom.
struct Customer {
    card_code: String,
    /// PriceListNum
    list: i64,
    /// DiscountPercent
    discount: Decimal,
}

fn price_for(asked: &Asked<'_, Settings>, wanted: Wanted) -> Result<Told, Refusal> {
    let settings = asked.settings;
    let code = tools::named("item_code", &wanted.item_code)?;
    let card = wanted.card_code.as_deref().map(|own| tools::named("card_code", own)).transpose()?;
    let currency = wanted.currency.as_deref().map(|own| tools::named("currency", own)).transpose()?;
    if wanted.quantity.is_some_and(|quantity| *quantity <= Decimal::ZERO) {
        return Err(Refusal::Refused("quantity must be more than 0".into()));
    }
    let mut select: Vec<&str> =
        Terms::properties().chain(["ItemName", "SalesUnit", "SalesItem", "ItemPrices"]).collect();
    select.extend(PERIODS.split(','));
    let items = b1::read(Read::texts("Items", "ItemCode", &[code.to_owned()], select.join(",")))?;
    let item = items.first().ok_or_else(|| tools::no_item(code))?;
    let customer = card.map(customer).transpose()?;
    let (books, lists) = Books::told()?;
    let terms = Terms::read(&books, items.iter())?;
    let today = clock::today("b1");
    let list = customer.as_ref().map_or(settings.standard_price_list, |own| own.list);
    let mut agreed = None;
    if let Some(own) = &customer
        && let Some(price) = special_price(&own.card_code, text(item, "ItemCode"))?.filter(|price| holds(price, &today))
    {
        let amount = agreed_amount(settings, &books, &terms, &price, item)?;
        agreed = Some((price, amount));
    }
    let listed = match listed(settings, &books, &terms, item, list) {
        // What it costs beside what is agreed need not be known.
        Err(Refusal::Refused(_)) if agreed.is_some() => Vec::new(),
        listed => listed?,
    };
    let notes = notes(item, lists.iter().find(|own| own["PriceListNo"].as_i64() == Some(list)), &today);
    told(&books, item, customer, &Prices { list, listed, agreed }, currency, wanted.quantity, &notes)
}

fn customer(code: &str) -> Result<Customer, Refusal> {
    let select = "CardCode,CardType,PriceListNum,DiscountPercent";
    let found = b1::read(Read::texts("BusinessPartners", "CardCode", &[code.to_owned()], select))?;
    let partner = found.iter().find(|partner| partner["CardType"] != "cSupplier");
    let partner = partner.ok_or_else(|| tools::no_customer(code))?;
    let no_list = || Refusal::Refused(format!("the customer {code} has no price list in B1"));
    Ok(Customer {
        card_code: text(partner, "CardCode").to_owned(),
        list: partner["PriceListNum"].as_i64().ok_or_else(no_list)?,
        discount: b1::amount(partner, "DiscountPercent"),
    })
}

fn special_price(card: &str, item: &str) -> Result<Option<Value>, Error> {
    let of_item = format!("ItemCode eq {}", b1::quote(item));
    let read = Read::texts("SpecialPrices", "CardCode", &[card.to_owned()], SELECT).and(&of_item);
    Ok(b1::read(read)?.into_iter().next())
}
