//! Availability on the lines of open opportunities: enough in stock, expected from a vendor by a day, or short.

use std::collections::{BTreeMap, BTreeSet};

use tandem_sdk::b1::Read;
use tandem_sdk::counterpart::Code;
use tandem_sdk::units::{self, Unit, Units};
use tandem_sdk::{
    Batch, Decimal, Error, Method, Outcomes, Request, Side, Value, b1, counterpart, decimal, json, mirror, refused,
    request, salesforce, say, storage, text,
};

use crate::describe::Settings;
use crate::stock::{Quantities, Stock};

const LINE: &str = "Id,OpportunityId,Product2Id,Product2.ProductCode,Product2.Tandem_Item_Code__c,Product2.Tandem_In_Stock__c,\
                    Product2.Tandem_Committed__c,Product2.Tandem_On_Order__c,Quantity,Tandem_Availability__c,\
                    Tandem_Expected_Date__c";

/// What vendors will deliver of one item: day and quantity, earliest first.
type Expected = BTreeMap<String, Vec<(String, Decimal)>>;

/// Before an item's code: a line of it could not be written, though its product shows its stock already.
const OPEN: &str = "open-lines:";

/// Whether lines of an item are to be looked at though its stock is as it was: one was refused, or could not be locked.
pub fn are_open(item_code: &str) -> bool {
    storage::get(&format!("{OPEN}{item_code}")).is_some()
}

/// Brings the lines of products whose stock changed, and of opportunities that changed, in step.
pub fn keep(batch: &Batch, stocks: &[Stock], settings: &Settings, outcomes: &mut Outcomes) {
    let failed = write(batch, stocks, settings, outcomes).unwrap_or_else(|(events, error)| {
        outcomes.fail(
            &events,
            &error,
            say("inventory.writing_availability_opportunities", "writing availability on opportunities", []),
        );
        stocks.iter().map(|stock| stock.product.clone()).collect()
    });
    for stock in stocks.iter().filter(|stock| stock.changed) {
        let key = format!("{OPEN}{}", stock.item_code);
        if failed.contains(&stock.product) {
            // Not kept they wait for the item's next change.
            let _ = storage::set(&key, "true");
        } else if are_open(&stock.item_code) {
            storage::delete(&key);
        }
    }
}

/// The products of lines that could not be written.
fn write(
    batch: &Batch,
    stocks: &[Stock],
    settings: &Settings,
    outcomes: &mut Outcomes,
) -> Result<BTreeSet<String>, (Vec<usize>, Error)> {
    let mut events: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for stock in stocks.iter().filter(|stock| stock.changed) {
        events.entry(stock.product.clone()).or_default().extend(&stock.events);
    }
    for (place, event, _) in outcomes.open(batch) {
        if event.topic == "salesforce.Opportunity" {
            events.entry(event.key.clone()).or_default().push(place);
        }
    }
    let mut open_products = BTreeSet::new();
    if events.is_empty() {
        return Ok(open_products);
    }
    let all: Vec<usize> = events.values().flatten().copied().collect();
    let failed = |error| (all.clone(), error);
    let ids: Vec<String> = events.keys().cloned().collect();
    let (opportunities, products): (Vec<String>, Vec<String>) = ids.into_iter().partition(|id| id.starts_with("006"));
    let open = "AND Opportunity.IsClosed = false";
    let products = on_open_lines(products).map_err(failed)?;
    let mut lines = salesforce::query_in(LINE, "OpportunityLineItem", "Product2Id", &products, open).map_err(failed)?;
    lines.extend(
        salesforce::query_in(LINE, "OpportunityLineItem", "OpportunityId", &opportunities, open).map_err(failed)?,
    );
    let short: Vec<String> = lines
        .iter()
        .filter(|line| quantities(line, stocks).is_some_and(|stock| quantity(line) > stock.available(settings)))
        .map(|line| item_code(line, settings).to_owned())
        .collect();
    let expected = expected(&short, stocks, settings).map_err(failed)?;
    let mut requests: Vec<Request> = Vec::new();
    let mut owners: Vec<(&str, &[usize])> = Vec::new();
    for line in &lines {
        let stock = quantities(line, stocks);
        let none = Vec::new();
        let coming = expected.get(&item_code(line, settings)).unwrap_or(&none);
        // What is not kept in stock, or not known to B1, is neither there nor short.
        let (state, day) = match &stock {
            Some(stock) => availability(quantity(line), stock, settings, coming),
            None => (Value::Null, Value::Null),
        };
        let fields = json!({ "Tandem_Availability__c": state, "Tandem_Expected_Date__c": day });
        let same =
            fields.as_object().into_iter().flatten().all(|(name, value)| mirror::same(value, &line[name.as_str()]));
        if same {
            continue;
        }
        let id = text(line, "Id");
        requests.push(request(
            "salesforce",
            Method::Patch,
            format!("/sobjects/OpportunityLineItem/{id}"),
            Some(&fields),
            text(line, "OpportunityId"),
        ));
        let own = events.get(text(line, "Product2Id")).or_else(|| events.get(text(line, "OpportunityId")));
        owners.push((text(line, "Product2Id"), own.map(Vec::as_slice).unwrap_or_default()));
    }
    for (((product, own), request), sent) in
        owners.into_iter().zip(&requests).zip(refused::send_all(&requests, |_, _| true))
    {
        match sent.answer {
            Ok(_) => {
                outcomes.note_all(own, "availability on an open opportunity changed");
                if !sent.left_out.is_empty() {
                    open_products.insert(product.to_owned());
                }
                let record = format!("a line of the opportunity {}", request.subject);
                refused::ask(outcomes, own, &record, Side::B1, &sent.left_out);
            }
            // The line went away meanwhile.
            Err(error) if mirror::is_gone(&error) => {}
            // Its opportunity may be what refuses: a line is saved with it.
            Err(error) => {
                open_products.insert(product.to_owned());
                let what = say(
                    "inventory.writing_availability_opportunity_line",
                    "writing availability on a line of the opportunity {opportunity}",
                    [("opportunity", request.subject.as_str().into())],
                );
                outcomes.fail(own, &error, what);
            }
        }
    }
    Ok(open_products)
}

/// Of many products those that stand on an open opportunity, by one call.
fn on_open_lines(products: Vec<String>) -> Result<Vec<String>, Error> {
    /// So many fit into one query anyway.
    const FEW: usize = 300;
    if products.len() <= FEW {
        return Ok(products);
    }
    let soql =
        "SELECT Product2Id product FROM OpportunityLineItem WHERE Opportunity.IsClosed = false GROUP BY Product2Id";
    let rows = salesforce::query("salesforce", soql)?;
    let open: BTreeSet<&str> = rows.iter().map(|row| text(row, "product")).collect();
    Ok(products.into_iter().filter(|id| open.contains(id.as_str())).collect())
}

fn quantity(line: &Value) -> Decimal {
    decimal(&line["Quantity"]).unwrap_or_default()
}

/// Empty for a product of another company, of which nothing is known here.
fn item_code(line: &Value, settings: &Settings) -> String {
    let carried = text(&line["Product2"], "Tandem_Item_Code__c");
    match counterpart::item_code(carried, text(&line["Product2"], "ProductCode"), &settings.keys) {
        Code::Own(code) => code,
        Code::Foreign(_) | Code::None => String::new(),
    }
}

/// As read from B1 in this run; else as the product shows it. None for a product that shows no stock.
fn quantities(line: &Value, stocks: &[Stock]) -> Option<Quantities> {
    if let Some(stock) = stocks.iter().find(|stock| stock.product == text(line, "Product2Id")) {
        return stock.total;
    }
    let shown = |field: &str| decimal(&line["Product2"][field]);
    Some(Quantities {
        in_stock: shown("Tandem_In_Stock__c")?,
        committed: shown("Tandem_Committed__c").unwrap_or_default(),
        ordered: shown("Tandem_On_Order__c").unwrap_or_default(),
    })
}

/// Units of items as read in this run, and of the others.
fn units_of(item_codes: &[String], stocks: &[Stock]) -> Result<BTreeMap<String, Unit>, Error> {
    let mut found: BTreeMap<String, Unit> =
        stocks.iter().map(|stock| (stock.item_code.clone(), stock.unit.clone())).collect();
    let missing: Vec<String> = item_codes.iter().filter(|code| !found.contains_key(*code)).cloned().collect();
    if !missing.is_empty() {
        let rows = b1::read(Read::texts("Items", "ItemCode", &missing, format!("ItemCode,{}", units::UNITS)))?;
        let units = Units::read(rows.iter())?;
        found.extend(missing.into_iter().map(|code| (code.clone(), units.of(&code))));
    }
    Ok(found)
}

fn expected(item_codes: &[String], stocks: &[Stock], settings: &Settings) -> Result<Expected, Error> {
    let mut expected = Expected::new();
    if item_codes.is_empty() {
        return Ok(expected);
    }
    let sold_in = units_of(item_codes, stocks)?;
    let select = "DocEntry,DocDueDate,DocumentLines";
    b1::each("PurchaseOrders", "DocEntry", "DocumentStatus eq 'bost_Open'", select, |order| {
        for line in b1::lines(order).iter().filter(|line| settings.counts(text(line, "WarehouseCode"))) {
            let code = text(line, "ItemCode");
            // A vendor's unit is another one.
            let left = units::pieces_of(line, "RemainingOpenQuantity");
            let left = sold_in.get(code).map_or(left, |unit| unit.of_pieces(left));
            if left > Decimal::ZERO && item_codes.iter().any(|wanted| wanted == code) {
                let day = [b1::day(&line["ShipDate"]), b1::day(&order["DocDueDate"])];
                let day = day.iter().find_map(Value::as_str).unwrap_or_default().to_owned();
                expected.entry(code.to_owned()).or_default().push((day, left));
            }
        }
    })?;
    for coming in expected.values_mut() {
        coming.sort();
    }
    Ok(expected)
}

/// Enough, expected on a day, or short.
fn availability(
    wanted: Decimal,
    stock: &Quantities,
    settings: &Settings,
    coming: &[(String, Decimal)],
) -> (Value, Value) {
    let free = stock.in_stock - stock.committed;
    if wanted <= stock.available(settings) && wanted <= free {
        return ("Enough".into(), Value::Null);
    }
    let mut covered = free;
    for (day, quantity) in coming {
        covered += *quantity;
        if wanted <= covered {
            return ("Expected".into(), day.as_str().into());
        }
    }
    if wanted <= stock.available(settings) { ("Enough".into(), Value::Null) } else { ("Short".into(), Value::Null) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_enough_expected_or_short() {
        let stock = Quantities { in_stock: 10.into(), committed: 4.into(), ordered: 5.into() };
        let settings = Settings::default();
        let coming = [("2026-05-01".to_owned(), Decimal::from(2)), ("2026-06-01".to_owned(), Decimal::from(3))];
        assert_eq!(availability(6.into(), &stock, &settings, &coming).0, "Enough");
        assert_eq!(availability(9.into(), &stock, &settings, &coming), ("Expected".into(), "2026-06-01".into()));
        assert_eq!(availability(12.into(), &stock, &settings, &coming).0, "Short");
    }
}
