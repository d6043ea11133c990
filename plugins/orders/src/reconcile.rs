//! Every won opportunity against exactly one order, net totals to the cent: what is compared is what the order would be made of.

use std::collections::BTreeMap;

use tandem_sdk::counterpart::Code;
use tandem_sdk::reconcile::{Asked, Comparison, Entities, Needs, Objects, Page, Reconciles, Row, comparison, row};
use tandem_sdk::{Decimal, Error, Side, Value, b1, counterpart, decimal, links, salesforce, text};

use crate::check::field;
use crate::describe::Settings;
use crate::{Orders, beside, change, plan, total};

/// Opportunities of a page: each comes with its lines.
const OPPORTUNITIES: usize = 500;
const ORDERS: usize = 1_000;

impl Reconciles for Orders {
    type Settings = Settings;

    fn plan(_: &Settings) -> Vec<Comparison> {
        vec![comparison("orders", "Won opportunities and sales orders", Some("order"), Needs::Both)]
    }

    fn rows(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
        match asked.side {
            Side::Salesforce => opportunities(asked),
            Side::B1 => orders(asked),
        }
    }
}

fn opportunities(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let settings = asked.settings;
    let (mut fields, lines) = plan::fields(settings);
    fields.extend(["LastModifiedDate".into(), lines]);
    fields.retain(|field| !field.ends_with("Tandem_Sync_Said__c"));
    let (mut found, next) = asked.which.objects(&Objects {
        fields: fields.join(","),
        from: "Opportunity",
        filter: "IsWon = true".into(),
        key: "Id",
        keys: None,
        dated: Some("CloseDate"),
        page: OPPORTUNITIES,
    })?;
    found.retain(|opportunity| settings.only.holds(opportunity));
    let accounts: Vec<String> = b1::distinct(&texts(&found, "AccountId"));
    let linked: BTreeMap<String, String> = (accounts.iter().cloned())
        .zip(links::find_all("account", Side::Salesforce, &accounts))
        .filter_map(|(id, link)| link.map(|link| (id, link.b1_id)))
        .collect();
    let is_foreign = |opportunity: &Value| {
        let carried = text(&opportunity["Account"], "Tandem_Card_Code__c");
        let linked = linked.get(text(opportunity, "AccountId")).map(String::as_str);
        matches!(counterpart::card_code(carried, linked, &settings.keys), Code::Foreign(_))
    };
    found.retain(|opportunity| !is_foreign(opportunity));
    Ok(Page { rows: found.iter().map(|own| of_opportunity(settings, own)).collect(), next })
}

fn of_opportunity(settings: &Settings, opportunity: &Value) -> Row {
    let id = text(opportunity, "Id");
    let label = format!("{}, {}", text(opportunity, "Name"), text(&opportunity["Account"], "Name"));
    let (state, message) = (text(opportunity, "Tandem_Sync_State__c"), text(opportunity, "Tandem_Sync_Message__c"));
    let mut row = row(id, id, label).changed_in_salesforce(opportunity).told(state, message);
    // The order is there, and the opportunity says what B1, or a clerk, has made of it.
    if row.told.is_empty() && [total::TOLD, change::STAYS].iter().any(|words| message.contains(words)) {
        row.told = message.to_owned();
    }
    match plan::wanted(settings, opportunity) {
        Ok(order) => {
            let net = total::net(&order.header, order.lines.iter().map(|(_, line)| line)).round_dp(2);
            let cents = Decimal::new(1, 2) * Decimal::from(order.lines.len().max(1));
            row.sum("net total", &field(&order.header, "DocCurrency"), text(opportunity, "CloseDate"), net, cents)
        }
        Err(why) => row.incomparable(why),
    }
}

fn orders(asked: &Asked<'_, Settings>) -> Result<Page, Error> {
    let settings = asked.settings;
    let (mut found, next) = asked.which.entities(&Entities {
        set: "Orders",
        select: "DocEntry,DocNum,DocDate,CardCode,CardName,DocCurrency,DocTotal,VatSum,DocTotalFc,VatSumFc,DocumentAdditionalExpenses,U_SF_Id,UpdateDate,UpdateTime"
            .into(),
        filter: "Cancelled eq 'tNO' and U_SF_Id ne null".into(),
        id: &["DocEntry"],
        is_number: true,
        key: "U_SF_Id",
        changed: "UpdateDate",
        page: ORDERS,
    })?;
    found.retain(|order| salesforce::is_id(text(order, "U_SF_Id")));
    others_left_out(settings, &mut found)?;
    let mut rows = Vec::with_capacity(found.len());
    for order in &found {
        rows.push(of_order(settings, order)?);
    }
    Ok(Page { rows, next })
}

/// Orders of opportunities that another company's flow looks after stay out, where a field tells whose they are.
fn others_left_out(settings: &Settings, orders: &mut Vec<Value>) -> Result<(), Error> {
    let Some(field) = settings.only.field() else { return Ok(()) };
    let ids = b1::distinct(&texts(orders, "U_SF_Id"));
    let found = b1::by_key(salesforce::query_in(&format!("Id,{field}"), "Opportunity", "Id", &ids, "")?, "Id");
    orders.retain(|order| found.get(text(order, "U_SF_Id")).is_none_or(|own| settings.only.holds(own)));
    Ok(())
}

fn of_order(settings: &Settings, order: &Value) -> Result<Row, Error> {
    let label = format!("Order {}, {}", b1::key_text(&order["DocNum"]), text(order, "CardName"));
    let entry = b1::key_text(&order["DocEntry"]);
    let event = format!("Orders({entry})");
    let id = text(order, "U_SF_Id");
    // What a clerk has made for himself is neither the opportunity's order nor a second one.
    let aside = beside::put_aside(id, order);
    let (key, alone) = aside.map_or((id, ""), |why| ("", why));
    let row = row(entry, key, label).told_by(event).told_by(id).changed_in_b1(order).alone(alone);
    let (currency, net) = net_of(settings, order)?;
    Ok(row.sum("net total", &currency, text(order, "DocDate"), net, Decimal::ZERO))
}

/// Before tax and without the order's freight, which no opportunity has; in the document's currency. Assumed: a foreign document tells freight in its
/// own currency as `LineTotalFC`, and where that is missing as `LineTotal`.
fn net_of(settings: &Settings, order: &Value) -> Result<(String, Decimal), Error> {
    let is_foreign = !b1::amount(order, "DocTotalFc").is_zero();
    let (total, tax) = if is_foreign { ("DocTotalFc", "VatSumFc") } else { ("DocTotal", "VatSum") };
    let expenses = order["DocumentAdditionalExpenses"].as_array().into_iter().flatten();
    let freight: Decimal = expenses
        .map(|own| match own["LineTotalFC"].is_null() || !is_foreign {
            true => b1::amount(own, "LineTotal"),
            false => b1::amount(own, "LineTotalFC"),
        })
        .sum();
    let net = decimal(&order[total]).unwrap_or_default() - b1::amount(order, tax) - freight;
    Ok((settings.currencies.iso(text(order, "DocCurrency"))?, net))
}

fn texts(records: &[Value], name: &str) -> Vec<String> {
    records.iter().map(|record| text(record, name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use tandem_sdk::{Currencies, json};

    use super::*;

    #[test]
    fn an_order_in_another_currency_counts_in_that_before_tax() {
        let settings =
            Settings { currencies: Currencies::fixed(&[("$", "USD"), ("EUR", "EUR")]), ..Settings::default() };
        let net = |order: &Value| {
            let (currency, net) = net_of(&settings, order).unwrap();
            format!("{net} {currency}")
        };
        assert_eq!(net(&json!({ "DocCurrency": "EUR", "DocTotal": 119, "VatSum": 19 })), "100 EUR");
        let foreign =
            json!({ "DocCurrency": "$", "DocTotal": 85, "VatSum": 0, "DocTotalFc": 150.25, "VatSumFc": 0.25 });
        assert_eq!(net(&foreign), "150.00 USD");
        let freight = json!([{ "LineTotal": 15.5 }, { "LineTotal": 4.5 }]);
        let order =
            json!({ "DocCurrency": "EUR", "DocTotal": 142.8, "VatSum": 22.8, "DocumentAdditionalExpenses": freight });
        assert_eq!(net(&order), "100.0 EUR", "freight is nothing that was sold");
    }
}
