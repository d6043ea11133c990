//! From invoices, credit memos, deliveries and returns back to the opportunities they come from, line by line.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

use super::orders_and_clerks::put_in_bin;

const FAST: &str = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"";

async fn world(plugins: &[&'static str]) -> Result<World> {
    let setup = Setup {
        plugins: plugins.to_vec(),
        b1: FAST.into(),
        flow: "settings = { credit_check = false }".into(),
        b1_arguments: ["--orders", "0"].map(str::to_owned).to_vec(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

/// Wins an opportunity; its order.
async fn won(world: &World, id: &str) -> Result<Value> {
    world.win(id).await?;
    world.until_state(id, "Synced").await?;
    Ok(world.orders_of(id).await?.remove(0))
}

/// A clerk's button on the simulator.
async fn clerk(world: &World, action: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{action}", world.b1), &json!({})).await?;
    ensure!(status < 300, "{action}: {status} {body}");
    Ok(())
}

async fn newest(world: &World, set: &str) -> Result<Value> {
    let all = world.b1_records(set).await?;
    Ok(all.into_iter().max_by_key(|record| record["DocEntry"].as_i64()).unwrap_or_default())
}

/// A document of all lines of others.
fn drawn(kind: i64, bases: &[&Value]) -> Value {
    let line = |base: &Value, line: &Value| json!({ "BaseType": kind, "BaseEntry": base["DocEntry"], "BaseLine": line["LineNum"] });
    let lines = bases
        .iter()
        .flat_map(|base| base["DocumentLines"].as_array().into_iter().flatten().map(move |own| line(base, own)));
    let lines: Vec<Value> = lines.collect();
    json!({ "CardCode": bases[0]["CardCode"], "DocCurrency": bases[0]["DocCurrency"], "DocumentLines": lines })
}

fn num(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn near(value: &Value, wanted: f64) -> bool {
    (num(value) - wanted).abs() < 0.005
}

/// The opportunity once a field has that value.
async fn until(world: &World, id: &str, field: &str, wanted: Value) -> Result<Value> {
    let what = format!("{field} = {wanted}");
    let holds = |own: &Value| {
        let is_so = wanted.as_f64().map_or(own[field] == wanted, |wanted| near(&own[field], wanted));
        own["Id"] == id && is_so
    };
    world.until_record("Opportunity", &what, holds).await
}

#[tokio::test]
async fn an_invoice_of_a_delivery_that_is_credited_leaves_nothing_invoiced_and_goods_returned() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Invoiced__c", order["DocTotal"].clone()).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    let invoice = newest(&world, "Invoices").await?;
    world.b1_post("/CreditNotes", drawn(13, &[&invoice])).await?;
    until(&world, &id, "Tandem_Invoiced__c", json!(0)).await?;
    until(&world, &id, "Tandem_Paid__c", json!(0)).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Returned")).await?;
    let is_memo = |own: &Value| own["Tandem_Type__c"] == "Credit memo" && own["Tandem_Opportunity__c"] == id.as_str();
    world.until_record("Tandem_Invoice__c", "the memo under the opportunity", is_memo).await?;
    Ok(())
}

#[tokio::test]
async fn a_return_that_is_credited_comes_back_once() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    // The third has several lines.
    let id = world.opportunities(3).await?.remove(2);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("deliver/{}?partly=true", order["DocEntry"])).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    let delivery = newest(&world, "DeliveryNotes").await?;
    let back = world.b1_post("/Returns", drawn(15, &[&delivery])).await?;
    let memo = world.b1_post("/CreditNotes", drawn(16, &[&back])).await?;
    until(&world, &id, "Tandem_Invoiced__c", json!(-num(&memo["DocTotal"]))).await?;
    world.until_record("Tandem_Delivery__c", "the return", |own| own["Tandem_Type__c"] == "Return").await?;
    world.settled().await?;
    assert_eq!(world.opportunity(&id).await?["Tandem_Delivery_State__c"], "Shipped", "a part of it is still there");
    Ok(())
}

#[tokio::test]
async fn a_cancelled_document_and_the_one_that_cancels_it_count_for_nothing() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Invoiced__c", order["DocTotal"].clone()).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    let invoice = newest(&world, "Invoices").await?;
    world.b1_call("POST", &format!("/Invoices({})/Cancel", invoice["DocEntry"]), Value::Null).await?;
    until(&world, &id, "Tandem_Invoiced__c", json!(0)).await?;
    until(&world, &id, "Tandem_Paid__c", json!(0)).await?;
    let both = async |world: &World| {
        let shown = world.records("Tandem_Invoice__c").await?;
        let shown =
            shown.iter().map(|own| json!([own["Tandem_Status__c"], own["Tandem_Open__c"], own["Tandem_Paid__c"]]));
        let nothing = json!(["Cancelled", 0, 0]);
        Ok((shown.collect::<Vec<_>>() == [nothing.clone(), nothing]).then_some(()))
    };
    world.until("both to count for nothing", std::time::Duration::from_secs(60), both).await?;
    world.settled().await?;
    let account = world.opportunity(&id).await?["AccountId"].clone();
    world
        .until_record("Account", "nothing owed", |own| own["Id"] == account && near(&own["Tandem_Open_Amount__c"], 0.0))
        .await?;
    // The goods are still away, until their delivery is cancelled, too.
    assert_eq!(world.opportunity(&id).await?["Tandem_Delivery_State__c"], "Shipped");
    let delivery = newest(&world, "DeliveryNotes").await?;
    world.b1_call("POST", &format!("/DeliveryNotes({})/Cancel", delivery["DocEntry"]), Value::Null).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Open")).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    Ok(())
}

#[tokio::test]
async fn an_invoice_that_a_bookkeeper_reconciles_shows_as_paid_with_the_customers_next_document() -> Result<()> {
    let world = world(&["orders", "invoices"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Invoiced__c", order["DocTotal"].clone()).await?;
    let invoice = newest(&world, "Invoices").await?;
    let (customer, total) = (invoice["CardCode"].clone(), num(&invoice["DocTotal"]));
    // A bonus, of just as much: nobody's invoice names it.
    let bonus = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": total, "VatGroup": "A0" });
    let memo = json!({ "CardCode": customer, "DocCurrency": invoice["DocCurrency"], "DocumentLines": [bonus] });
    let memo = world.b1_post("/CreditNotes", memo).await?;
    let shown = |kind: i64, document: &Value, status: &'static str| {
        let key = format!("erp:{kind}:{}", document["DocEntry"]);
        move |own: &Value| own["Tandem_Key__c"] == key.as_str() && own["Tandem_Status__c"] == status
    };
    world.until_record("Tandem_Invoice__c", "the bonus", shown(14, &memo, "Open")).await?;
    let row = |kind: &str, document: &Value, side: &str| {
        json!({ "Selected": "tYES", "ShortName": customer, "SrcObjTyp": kind, "SrcObjAbs": document["DocEntry"],
            "CreditOrDebit": side, "ReconcileAmount": total })
    };
    let rows = [row("13", &invoice, "codDebit"), row("14", &memo, "codCredit")];
    let body = json!({ "CardOrAccount": "coaCard", "InternalReconciliationOpenTransRows": rows });
    world.b1_post("/InternalReconciliations", body).await?;
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 10, "VatGroup": "A0" });
    let next = json!({ "CardCode": customer, "DocCurrency": invoice["DocCurrency"], "DocumentLines": [line] });
    world.b1_post("/Invoices", next).await?;
    let paid = world.until_record("Tandem_Invoice__c", "paid", shown(13, &invoice, "Paid")).await?;
    assert!(near(&paid["Tandem_Open__c"], 0.0) && near(&paid["Tandem_Paid__c"], total), "{paid}");
    world.until_record("Tandem_Invoice__c", "used", shown(14, &memo, "Paid")).await?;
    until(&world, &id, "Tandem_Paid__c", json!(total)).await?;
    let account = world.opportunity(&id).await?["AccountId"].clone();
    let owes = |own: &Value| own["Id"] == account && near(&own["Tandem_Open_Amount__c"], 10.0);
    world.until_record("Account", "only the next one", owes).await?;
    Ok(())
}

#[tokio::test]
async fn two_opportunities_in_one_delivery_and_invoice_show_each_its_own_amount() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let ids = world.opportunities(12).await?;
    let (a, b) = (&ids[0], &ids[3]);
    let account = world.opportunity(a).await?["AccountId"].clone();
    world.change("Opportunity", b, json!({ "AccountId": account })).await?;
    let (first, second) = (won(&world, a).await?, won(&world, b).await?);
    let delivery = world.b1_post("/DeliveryNotes", drawn(17, &[&first, &second])).await?;
    for id in [a, b] {
        until(&world, id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    }
    let invoice = world.b1_post("/Invoices", drawn(15, &[&delivery])).await?;
    for (id, order) in [(a, &first), (b, &second)] {
        until(&world, id, "Tandem_Invoiced__c", order["DocTotal"].clone()).await?;
    }
    assert_eq!((num(&first["DocTotal"]), num(&second["DocTotal"])), (949.27, 8358.51));
    // The record is one, and stands where most of it belongs, whichever order is looked at.
    world.b1_patch(&format!("/Invoices({})", invoice["DocEntry"]), json!({ "Comments": "looked at" })).await?;
    world.settled().await?;
    for object in ["Tandem_Invoice__c", "Tandem_Delivery__c"] {
        let under: Vec<Value> =
            world.records(object).await?.iter().map(|own| own["Tandem_Opportunity__c"].clone()).collect();
        assert_eq!(under, [json!(b)], "{object}");
    }
    // Half of it is paid: half of each.
    let half = (num(&invoice["DocTotal"]) * 50.0).floor() / 100.0;
    let applied = json!([{ "DocEntry": invoice["DocEntry"], "SumApplied": half, "InvoiceType": "it_Invoice" }]);
    let payment = json!({ "CardCode": invoice["CardCode"], "TransferSum": half, "PaymentInvoices": applied });
    world.b1_post("/IncomingPayments", payment).await?;
    let halved =
        |own: &Value, order: &Value| (num(&own["Tandem_Paid__c"]) * 2.0 - num(&order["DocTotal"])).abs() < 0.021;
    for (id, order) in [(a, &first), (b, &second)] {
        let is_half = |own: &Value| own["Id"] == id.as_str() && halved(own, order);
        world.until_record("Opportunity", "half of it", is_half).await?;
    }
    // A credit memo of all of it takes back what each has.
    world.b1_post("/CreditNotes", drawn(13, &[&newest(&world, "Invoices").await?])).await?;
    for id in [a, b] {
        until(&world, id, "Tandem_Invoiced__c", json!(0)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn instalments_age_by_their_own_days_and_two_in_one_payment_are_one_sum() -> Result<()> {
    let world = world(&["invoices"]).await?;
    let of = |own: &Value| own["Tandem_Card_Code__c"] == "C00011";
    let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 5305.22, "VatGroup": "A0" });
    let parts = json!([
        { "DueDate": "2020-01-31", "Percentage": 20 },
        { "DueDate": "2020-02-29", "Percentage": 20 },
        { "DueDate": "2099-01-31", "Percentage": 60 },
    ]);
    let invoice = json!({ "CardCode": "C00011", "DocDate": "2020-01-01", "DocDueDate": "2099-01-31", "DocumentLines": [line],
        "DocumentInstallments": parts });
    let invoice = world.b1_post("/Invoices", invoice).await?;
    let total = num(&invoice["DocTotal"]);
    let account =
        world.until_record("Account", "all open", |own| of(own) && near(&own["Tandem_Open_Amount__c"], total)).await?;
    let each = (total * 20.0).round() / 100.0;
    assert!(near(&account["Tandem_Overdue__c"], 2.0 * each), "two of three are overdue: {account}");
    let row = |id: i64, sum: f64| json!({ "DocEntry": invoice["DocEntry"], "SumApplied": sum, "InvoiceType": "it_Invoice", "InstallmentId": id });
    let pay = async |rows: Value, sum: f64| {
        let body = json!({ "CardCode": "C00011", "TransferSum": sum, "PaymentInvoices": rows });
        world.b1_post("/IncomingPayments", body).await
    };
    pay(json!([row(1, each)]), each).await?;
    world.until_record("Account", "one is paid", |own| of(own) && near(&own["Tandem_Overdue__c"], each)).await?;
    let cents = |amount: f64| (amount * 100.0).round() / 100.0;
    let rest = cents(total - each);
    pay(json!([row(2, each), row(3, cents(rest - each))]), rest).await?;
    world.until_record("Account", "all paid", |own| of(own) && near(&own["Tandem_Open_Amount__c"], 0.0)).await?;
    world.until_record("Tandem_Payment__c", "both parts", |own| near(&own["Tandem_Amount__c"], rest)).await?;
    world.settled().await?;
    let payments = world.records("Tandem_Payment__c").await?;
    let sum: f64 = payments.iter().map(|own| num(&own["Tandem_Amount__c"])).sum();
    assert_eq!((payments.len(), (sum * 100.0).round()), (2, 530_522.0));
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn a_duplicate_of_an_order_is_not_the_opportunitys() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until(&world, &id, "Tandem_Invoiced__c", order["DocTotal"].clone()).await?;
    clerk(&world, &format!("duplicate/Orders/{}", order["DocEntry"])).await?;
    let copy = newest(&world, "Orders").await?;
    assert_eq!((&copy["U_SF_Id"], copy["DocEntry"] == order["DocEntry"]), (&json!(id), false));
    clerk(&world, &format!("invoice/{}", copy["DocEntry"])).await?;
    let invoice = newest(&world, "Invoices").await?;
    let number = invoice["DocNum"].to_string();
    let shown = world
        .until_record("Tandem_Invoice__c", "the other invoice", |own| own["Tandem_Number__c"] == number.as_str())
        .await?;
    assert_eq!(shown["Tandem_Opportunity__c"], Value::Null);
    world.settled().await?;
    assert!(near(&world.opportunity(&id).await?["Tandem_Invoiced__c"], num(&order["DocTotal"])));
    Ok(())
}

#[tokio::test]
async fn what_came_while_the_partner_was_in_review_is_shown_once_it_has_its_account() -> Result<()> {
    let world = world(&["accounts", "invoices", "catalogue"]).await?;
    world.create("Account", json!({ "Name": "Quelle Nord", "Tandem_Email__c": "x@quellenord.example" })).await?;
    let partner = json!({ "CardCode": "CQN", "CardName": "Quarz Nordwerk", "CardType": "cCustomer", "Currency": "EUR",
        "EmailAddress": "y@quellenord.example" });
    world.b1_post("/BusinessPartners", partner).await?;
    let question = async |world: &World| {
        let open = world.tandem_json(&["review", "list"]).await?;
        // The account's own question, where it came later than the partner, names the partner too.
        let mine = |own: &&Value| own["reason"].as_str().is_some_and(|reason| reason.starts_with("Quarz"));
        Ok(open.as_array().into_iter().flatten().find(mine).map(|own| own["id"].to_string()))
    };
    let patience = std::time::Duration::from_secs(30);
    let review = world.until("the question", patience, question).await?;
    let line = |price: i64| json!([{ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": price }]);
    let open = json!({ "CardCode": "CQN", "DocumentLines": line(100) });
    let paid = json!({ "CardCode": "CQN", "DocumentLines": line(10) });
    world.b1_post("/Invoices", open).await?;
    let paid = world.b1_post("/Invoices", paid).await?;
    clerk(&world, &format!("pay/{}", paid["DocEntry"])).await?;
    let special = json!({ "CardCode": "CQN", "ItemCode": "A00001", "Price": 90, "Currency": "EUR" });
    world.b1_post("/SpecialPrices", special).await?;
    // Nobody could be shown them.
    let looked = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--limit", "50"]).await?;
        let told = |set: &str| events.as_array().into_iter().flatten().any(|own| own.to_string().contains(set));
        Ok((told("IncomingPayments") && told("SpecialPrices")).then_some(()))
    };
    world.until("payment and price to be seen", patience, looked).await?;
    world.settled().await?;
    for object in ["Tandem_Invoice__c", "Tandem_Special_Price__c"] {
        assert_eq!(world.records(object).await?, Vec::<Value>::new());
    }
    world.tandem(&["review", "resolve", "--choose", "create", review.trim_matches('"')]).await?;
    let account =
        world.until_record("Account", "the partner's", |own| own["Tandem_Card_Code__c"] == "CQN").await?["Id"].clone();
    let owes = |own: &Value| own["Id"] == account && near(&own["Tandem_Open_Amount__c"], 119.0);
    world.until_record("Account", "what it owes", owes).await?;
    for (status, total) in [("Open", 119.0), ("Paid", 11.9)] {
        let holds = |own: &Value| {
            own["Tandem_Account__c"] == account
                && own["Tandem_Status__c"] == status
                && near(&own["Tandem_Total__c"], total)
        };
        world.until_record("Tandem_Invoice__c", status, holds).await?;
    }
    world.until_record("Tandem_Payment__c", "the payment", |own| own["Tandem_Account__c"] == account).await?;
    let price = |own: &Value| own["Tandem_Account__c"] == account && near(&own["Tandem_Price__c"], 90.0);
    world.until_record("Tandem_Special_Price__c", "the special price", price).await?;
    Ok(())
}

/// Ends a host, and starts one that has forgotten all: invoices and deliveries are watched, and orders are not granted yet.
async fn forgotten(world: &mut World) -> Result<()> {
    world.settled().await?;
    world.kill().await?;
    world.database.forget(world.folder())?;
    for flow in ["invoices", "fulfilment"] {
        world.tandem(&["plugin", "grant", flow, "--yes"]).await?;
    }
    world.start()?;
    let looks = async |world: &World| {
        let begun =
            "SELECT count(*) FROM positions WHERE source IN ('b1:erp:Invoices:stamp', 'b1:erp:DeliveryNotes:stamp')";
        Ok((world.database.number(begun).unwrap_or_default() == 2).then_some(()))
    };
    world.until("both to be watched", std::time::Duration::from_secs(60), looks).await
}

/// What was stamped just now B1 is asked for once more.
async fn read_twice() {
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
}

async fn until_nobodys_invoice(world: &World) -> Result<()> {
    world.until_record("Tandem_Invoice__c", "under its account", |own| own["Tandem_Opportunity__c"].is_null()).await?;
    read_twice().await;
    Ok(())
}

/// A host that has forgotten its orders takes them over again; meanwhile their deliveries and invoices are nobody's.
#[tokio::test]
async fn what_followed_an_order_before_it_was_linked_is_shown_on_its_opportunity_once_it_is() -> Result<()> {
    let mut world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    forgotten(&mut world).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until_nobodys_invoice(&world).await?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    let total = newest(&world, "Invoices").await?["DocTotal"].clone();
    until(&world, &id, "Tandem_Invoiced__c", total).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    until(&world, &id, "Tandem_Order_Status__c", json!("Closed")).await?;
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// What one flow tells another waits for its grant.
#[tokio::test]
async fn what_followed_an_order_is_shown_also_by_a_flow_that_is_granted_after_it_was_linked() -> Result<()> {
    let mut world = world(&["orders", "invoices"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    world.settled().await?;
    world.kill().await?;
    world.database.forget(world.folder())?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.start()?;
    world.change("Opportunity", &id, json!({ "Tandem_PO_Number__c": "PO-NEW" })).await?;
    let told = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--flow", "invoices"]).await?;
        Ok(events.as_array().into_iter().flatten().any(|own| own["topic"] == "order.linked").then_some(()))
    };
    world.until("the order to be linked", std::time::Duration::from_secs(30), told).await?;
    assert_eq!(world.records("Tandem_Invoice__c").await?, Vec::<Value>::new());
    world.tandem(&["plugin", "grant", "invoices", "--yes"]).await?;
    let total = newest(&world, "Invoices").await?["DocTotal"].clone();
    until(&world, &id, "Tandem_Invoiced__c", total).await?;
    Ok(())
}

/// An order's own date may be any, and its customer is B1's, whatever account the opportunity has by now.
#[tokio::test]
async fn an_invoice_of_an_earlier_date_is_found_and_so_is_that_of_an_order_whose_opportunity_has_another_account()
-> Result<()> {
    let mut world = world(&["orders", "invoices", "fulfilment"]).await?;
    let ids = world.opportunities(2).await?;
    let orders = [won(&world, &ids[0]).await?, won(&world, &ids[1]).await?];
    forgotten(&mut world).await?;
    let mut early = drawn(17, &[&orders[0]]);
    early["DocDate"] = "2020-01-31".into();
    world.b1_post("/Invoices", early).await?;
    let early = newest(&world, "Invoices").await?;
    world.b1_post("/Invoices", drawn(17, &[&orders[1]])).await?;
    let other = newest(&world, "Invoices").await?;
    for invoice in [&early, &other] {
        let number = invoice["DocNum"].to_string();
        let is_nobodys = |own: &Value| own["Tandem_Number__c"] == number.as_str();
        world.until_record("Tandem_Invoice__c", "the invoice under its account", is_nobodys).await?;
    }
    read_twice().await;
    let accounts = world.records("Account").await?;
    let others =
        |own: &&Value| own["Tandem_Card_Code__c"].is_string() && own["Tandem_Card_Code__c"] != orders[1]["CardCode"];
    let account = accounts.iter().find(others).map(|own| own["Id"].clone());
    world.change("Opportunity", &ids[1], json!({ "AccountId": account })).await?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    until(&world, &ids[0], "Tandem_Invoiced__c", early["DocTotal"].clone()).await?;
    until(&world, &ids[1], "Tandem_Invoiced__c", other["DocTotal"].clone()).await?;
    Ok(())
}

/// B1 cancels no order of which goods have left: what it has of it is shown beside the question.
#[tokio::test]
async fn what_left_of_an_order_that_was_to_be_cancelled_is_shown_once_it_is_linked() -> Result<()> {
    let mut world = world(&["orders", "invoices", "fulfilment"]).await?;
    // The third has several lines.
    let id = world.opportunities(3).await?.remove(2);
    let order = won(&world, &id).await?;
    forgotten(&mut world).await?;
    clerk(&world, &format!("deliver/{}?partly=true", order["DocEntry"])).await?;
    let delivery = newest(&world, "DeliveryNotes").await?;
    world.b1_post("/Invoices", drawn(15, &[&delivery])).await?;
    until_nobodys_invoice(&world).await?;
    world.change("Opportunity", &id, json!({ "StageName": "Prospecting" })).await?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    world.until_state(&id, "Review").await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Partly shipped")).await?;
    until(&world, &id, "Tandem_Invoiced__c", newest(&world, "Invoices").await?["DocTotal"].clone()).await?;
    Ok(())
}

#[tokio::test]
async fn an_order_ends_as_shipped_closed_or_cancelled() -> Result<()> {
    let world = world(&["orders", "fulfilment"]).await?;
    let ids = world.opportunities(6).await?;
    // Invoiced without a delivery: services, and goods that go with their invoice.
    let invoiced = won(&world, &ids[0]).await?;
    clerk(&world, &format!("invoice/{}", invoiced["DocEntry"])).await?;
    until(&world, &ids[0], "Tandem_Delivery_State__c", json!("Shipped")).await?;
    // Partly delivered, and the rest closed by hand.
    let partly = won(&world, &ids[2]).await?;
    clerk(&world, &format!("deliver/{}?partly=true", partly["DocEntry"])).await?;
    until(&world, &ids[2], "Tandem_Delivery_State__c", json!("Partly shipped")).await?;
    world.b1_call("POST", &format!("/Orders({})/Close", partly["DocEntry"]), Value::Null).await?;
    until(&world, &ids[2], "Tandem_Delivery_State__c", json!("Closed")).await?;
    until(&world, &ids[2], "Tandem_Order_Status__c", json!("Closed")).await?;
    // Cancelled in B1.
    let cancelled = won(&world, &ids[3]).await?;
    world.b1_call("POST", &format!("/Orders({})/Cancel", cancelled["DocEntry"]), Value::Null).await?;
    until(&world, &ids[3], "Tandem_Delivery_State__c", json!("Cancelled")).await?;
    until(&world, &ids[3], "Tandem_Order_Status__c", json!("Cancelled")).await?;
    Ok(())
}

#[tokio::test]
async fn a_first_delivery_dated_before_its_order_is_not_forgotten_at_the_second() -> Result<()> {
    let world = world(&["orders", "fulfilment"]).await?;
    // The third has several lines.
    let id = world.opportunities(3).await?.remove(2);
    let order = won(&world, &id).await?;
    let mut first = drawn(17, &[&order]);
    let lines = first["DocumentLines"].as_array().cloned().unwrap_or_default();
    ensure!(lines.len() > 1, "several lines: {order}");
    first["DocumentLines"] = json!(lines[..1]);
    first["DocDate"] = json!("2020-01-31");
    world.b1_post("/DeliveryNotes", first).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Partly shipped")).await?;
    world.settled().await?;
    let mut second = drawn(17, &[&order]);
    second["DocumentLines"] = json!(lines[1..]);
    world.b1_post("/DeliveryNotes", second).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    // And it stays so when somebody looks at the order.
    world.settled().await?;
    for line in world.lines(&id).await? {
        assert_eq!(line["Tandem_Line_Status__c"], "Shipped", "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_invoiced_while_its_opportunity_is_deleted_stands_under_the_account_and_comes_back_to_it() -> Result<()>
{
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    put_in_bin(&world, "delete", &id).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    let invoice = newest(&world, "Invoices").await?;
    let number = invoice["DocNum"].to_string();
    let own = |record: &Value| record["Tandem_Number__c"] == number.as_str();
    let shown = world.until_record("Tandem_Invoice__c", "the invoice", own).await?;
    assert!(shown["Tandem_Account__c"].is_string() && shown["Tandem_Opportunity__c"].is_null(), "{shown}");
    world.until_record("Tandem_Delivery__c", "the delivery", |_| true).await?;
    world.settled().await?;
    let asked = world.tandem_json(&["review", "list"]).await?;
    let other = asked.as_array().into_iter().flatten().find(|item| item["flow"] != "orders");
    assert!(other.is_none(), "{asked}");
    put_in_bin(&world, "undelete", &id).await?;
    let back = |record: &Value| own(record) && record["Tandem_Opportunity__c"] == id.as_str();
    world.until_record("Tandem_Invoice__c", "its opportunity again", back).await?;
    let shipped = |record: &Value| record["Id"] == id.as_str() && record["Tandem_Delivery_State__c"] == "Shipped";
    world.until_record("Opportunity", "what was delivered meanwhile", shipped).await?;
    let line = |record: &Value| record["OpportunityId"] == id.as_str() && record["Tandem_Line_Status__c"] == "Shipped";
    world.until_record("OpportunityLineItem", "its lines", line).await?;
    Ok(())
}

#[tokio::test]
async fn documents_that_somebody_deleted_in_salesforce_are_made_again_by_a_backfill() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let order = won(&world, &id).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("pay/{}", newest(&world, "Invoices").await?["DocEntry"])).await?;
    let objects = ["Tandem_Delivery__c", "Tandem_Invoice__c", "Tandem_Payment__c"];
    let live = |own: &Value| own["IsDeleted"] != true;
    let mut keys = Vec::new();
    for object in objects {
        keys.push(world.until_record(object, "the first", live).await?["Tandem_Key__c"].clone());
    }
    world.settled().await?;
    for object in objects {
        for record in world.records(object).await? {
            let url =
                format!("{}/admin/delete/{object}/{}", world.salesforce, record["Id"].as_str().unwrap_or_default());
            ensure!(world.send("POST", &url, &json!({})).await?.0 < 300, "{object}");
        }
    }
    for flow in ["fulfilment", "invoices"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    for (object, key) in objects.into_iter().zip(&keys) {
        world.until_record(object, "it again", |own| live(own) && own["Tandem_Key__c"] == *key).await?;
    }
    world.settled().await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// An order whose opportunity hears of it only after ten seconds.
async fn order_that_is_told_late(world: &World) -> Result<(String, Value)> {
    let id = world.opportunities(1).await?.remove(0);
    world.settled().await?;
    world
        .salesforce_faults(
            json!([{ "path": "/sobjects/Opportunity/", "method": "PATCH", "kind": { "latency": 10_000 }, "times": 1 }]),
        )
        .await?;
    world.win(&id).await?;
    let made = async |world: &World| Ok(world.orders_of(&id).await?.pop());
    let order = world.until("the order", std::time::Duration::from_secs(20), made).await?;
    Ok((id, order))
}

/// The org answers late: a clerk is faster than the link.
#[tokio::test]
async fn what_follows_an_order_before_its_opportunity_could_be_told_is_shown_on_it() -> Result<()> {
    let world = world(&["orders", "invoices", "fulfilment"]).await?;
    let (id, order) = order_that_is_told_late(&world).await?;
    clerk(&world, &format!("deliver/{}", order["DocEntry"])).await?;
    clerk(&world, &format!("invoice/{}", order["DocEntry"])).await?;
    until_nobodys_invoice(&world).await?;
    let total = newest(&world, "Invoices").await?["DocTotal"].clone();
    until(&world, &id, "Tandem_Invoiced__c", total).await?;
    until(&world, &id, "Tandem_Delivery_State__c", json!("Shipped")).await?;
    until(&world, &id, "Tandem_Order_Status__c", json!("Closed")).await?;
    Ok(())
}

/// A down payment comes with the order, and nothing else follows it for weeks.
#[tokio::test]
async fn a_down_payment_drawn_before_its_opportunity_could_be_told_is_shown_on_it() -> Result<()> {
    let world = world(&["orders", "invoices"]).await?;
    let (id, order) = order_that_is_told_late(&world).await?;
    let mut down = drawn(17, &[&order]);
    down["DownPaymentType"] = "dptInvoice".into();
    world.b1_post("/DownPayments", down).await?;
    until_nobodys_invoice(&world).await?;
    let under = |own: &Value| own["Tandem_Opportunity__c"] == id.as_str();
    world.until_record("Tandem_Invoice__c", "the down payment under its opportunity", under).await?;
    Ok(())
}
