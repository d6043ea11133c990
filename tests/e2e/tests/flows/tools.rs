//! What the flows' tools tell of a customer, an order, its goods and its money is what both systems have, at each step of its way.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tandem_e2e::{ALL, Setup, World};

async fn world() -> Result<World> {
    let b1 = "poll_seconds = 1\nstock_scan_seconds = 1\nprice_scan_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { plugins: ALL.into(), b1, ..Setup::default() }).await?;
    world.up().await?;
    Ok(world)
}

/// What a tool answers.
async fn asked(world: &World, tool: &str, input: Value) -> Result<Value> {
    let answer = world.tandem_json(&["tool", "call", tool, &input.to_string()]).await?;
    ensure!(answer["event"].is_i64(), "{tool}: {answer}");
    Ok(answer["result"].clone())
}

/// Why it does not.
async fn refused(world: &World, tool: &str, input: Value) -> Result<String> {
    let (code, _, why) = world.tandem_raw(&["tool", "call", tool, &input.to_string()]).await?;
    ensure!(code == 1, "{tool}: {code} {why}");
    Ok(why)
}

async fn clerk(world: &World, action: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{action}", world.b1), &json!({})).await?;
    ensure!(status < 300, "{action}: {status} {body}");
    Ok(())
}

async fn of(world: &World, set: &str, key: &str, value: &Value) -> Result<Value> {
    let all = world.b1_records(set).await?;
    all.into_iter().find(|record| record[key] == *value).with_context(|| format!("{set} {value}"))
}

/// Numbers are the same however they are written.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_an_order_its_goods_and_its_money_are_told_as_they_are() -> Result<()> {
    let world = world().await?;
    // The third has several lines.
    let id = world.opportunities(3).await?.remove(2);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let order = world.orders_of(&id).await?.remove(0);
    let (code, entry) = (order["CardCode"].clone(), order["DocEntry"].clone());
    let partner = of(&world, "BusinessPartners", "CardCode", &code).await?;

    // The customer, by its code, and by a word of its name in small letters.
    let account = world.opportunity(&id).await?["AccountId"].clone();
    let name = partner["CardName"].as_str().context("a name")?;
    for text in [code.as_str().unwrap_or_default(), name] {
        let found = asked(&world, "accounts_find-customer", json!({ "text": text })).await?;
        let first = &found["customers"][0];
        assert_eq!(
            (&first["card_code"], &first["account"], &first["blocked"]),
            (&code, &account, &json!(false)),
            "{found}"
        );
    }
    let none = asked(&world, "accounts_find-customer", json!({ "text": "no such customer anywhere" })).await?;
    assert_eq!((&none["customers"], &none["more"]), (&json!([]), &json!(false)));
    assert!(none["note"].as_str().is_some_and(|note| note.contains("DocNum")), "{none}");
    // A word with a capital, in a name where it stands in small letters within a longer one.
    let long = name.split_whitespace().next().filter(|word| word.chars().count() > 6).context("a long word")?;
    let within: String = long.chars().skip(2).collect();
    let capital = within.chars().next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    let word: String = capital.chars().chain(within.chars().skip(1)).collect();
    let found = asked(&world, "accounts_find-customer", json!({ "text": word })).await?;
    assert!(found["customers"].as_array().is_some_and(|all| !all.is_empty()), "{word}: {found}");
    assert!(refused(&world, "accounts_find-customer", json!({ "text": "  " })).await?.contains("text is empty"));

    // The order, by its customer and by its opportunity.
    let by_code = asked(&world, "orders_orders-of", json!({ "card_code": code })).await?;
    let by_id = asked(&world, "orders_orders-of", json!({ "opportunity": id, "lines": true })).await?;
    for told in [&by_code["orders"][0], &by_id["orders"][0]] {
        assert_eq!(
            (&told["doc_entry"], &told["doc_num"], &told["status"]),
            (&entry, &order["DocNum"], &json!("open")),
            "{told}"
        );
        assert_eq!((number(&told["total"]), &told["opportunity"]), (number(&order["DocTotal"]), &json!(id)), "{told}");
    }
    let lines = order["DocumentLines"].as_array().context("lines")?;
    let told = by_id["orders"][0]["lines"].as_array().context("lines that are told")?;
    assert_eq!(told.len(), lines.len());
    for (told, line) in told.iter().zip(lines) {
        assert_eq!((&told["item_code"], number(&told["quantity"])), (&line["ItemCode"], number(&line["Quantity"])));
    }
    let by_number = asked(&world, "orders_orders-of", json!({ "doc_num": order["DocNum"] })).await?;
    assert_eq!(by_number["orders"][0]["doc_entry"], entry, "{by_number}");
    let by_theirs = asked(&world, "orders_orders-of", json!({ "num_at_card": order["NumAtCard"] })).await?;
    assert_eq!(by_theirs["orders"][0]["doc_entry"], entry, "{by_theirs}");
    assert!(refused(&world, "orders_orders-of", json!({ "doc_num": 999_999 })).await?.contains("999999"));
    let delivered = asked(&world, "fulfilment_deliveries-of", json!({ "order_doc_num": order["DocNum"] })).await?;
    assert_eq!(delivered["orders"][0]["doc_entry"], entry, "{delivered}");
    assert!(refused(&world, "orders_orders-of", json!({})).await?.contains("opportunity"));
    assert!(
        refused(&world, "orders_orders-of", json!({ "card_code": "NOBODY" })).await?.contains("no customer NOBODY")
    );

    // The price that the order's item has for that customer, and what is on stock of it.
    let line = &lines[0];
    let item = of(&world, "Items", "ItemCode", &line["ItemCode"]).await?;
    let list = &partner["PriceListNum"];
    let prices = item["ItemPrices"].as_array().context("prices")?;
    let own = prices.iter().find(|price| price["PriceList"] == *list).context("a price of the customer's list")?;
    let price =
        asked(&world, "catalogue_price-for", json!({ "item_code": line["ItemCode"], "card_code": code })).await?;
    if price["from"] == "price list" {
        assert_eq!((number(&price["price"]), &price["price_list_no"]), (number(&own["Price"]), list), "{price}");
    }
    let stock = asked(&world, "inventory_stock-of", json!({ "item_code": line["ItemCode"] })).await?;
    let rows = item["ItemWarehouseInfoCollection"].as_array().context("warehouses")?;
    let total = |field: &str| rows.iter().map(|row| number(&row[field])).sum::<f64>();
    assert_eq!(number(&stock["in_stock"]), total("InStock"), "{stock}");
    assert_eq!(number(&stock["committed"]), total("Committed"), "{stock}");
    assert!(
        refused(&world, "inventory_stock-of", json!({ "item_code": "NO-SUCH" })).await?.contains("no item NO-SUCH")
    );

    // What the customer owes.
    let told = asked(&world, "credit_credit-of", json!({ "card_code": code })).await?;
    let partner = of(&world, "BusinessPartners", "CardCode", &code).await?;
    assert_eq!(number(&told["balance"]), number(&partner["CurrentAccountBalance"]), "{told}");
    assert_eq!(number(&told["open_orders"]), number(&partner["OpenOrdersBalance"]), "{told}");
    assert!(refused(&world, "credit_credit-of", json!({ "card_code": "NOBODY" })).await?.contains("NOBODY"));

    // Nothing of it yet, a part of it, all of it.
    let delivered = async |world: &World| -> Result<(f64, f64, usize)> {
        let told = asked(world, "fulfilment_deliveries-of", json!({ "order_doc_entry": entry })).await?;
        let own = &told["orders"][0];
        let lines = own["lines"].as_array().context("lines")?;
        let sum = |field: &str| lines.iter().map(|line| number(&line[field])).sum::<f64>();
        Ok((sum("delivered"), sum("open"), own["deliveries"].as_array().map_or(0, Vec::len)))
    };
    let ordered: f64 = lines.iter().map(|line| number(&line["Quantity"])).sum();
    assert_eq!(delivered(&world).await?, (0.0, ordered, 0));
    let reaches = async |state: &'static str| {
        world
            .until_record("Opportunity", state, |record| {
                record["Id"] == id.as_str() && record["Tandem_Delivery_State__c"] == state
            })
            .await
    };
    clerk(&world, &format!("deliver/{entry}?partly=true")).await?;
    reaches("Partly shipped").await?;
    let (part, open, count) = delivered(&world).await?;
    assert!(part > 0.0 && open > 0.0 && part + open == ordered && count == 1, "{part} {open} {count}");
    clerk(&world, &format!("deliver/{entry}")).await?;
    reaches("Shipped").await?;
    assert_eq!(delivered(&world).await?, (ordered, 0.0, 2));
    let by_id = asked(&world, "fulfilment_deliveries-of", json!({ "opportunity": id })).await?;
    assert_eq!(by_id["orders"][0]["doc_entry"], entry, "{by_id}");

    // Invoiced: open; paid: open no more.
    clerk(&world, &format!("invoice/{entry}")).await?;
    let invoices = world.b1_records("Invoices").await?;
    let invoice = invoices.iter().max_by_key(|own| own["DocEntry"].as_i64()).context("an invoice")?;
    let told = asked(&world, "invoices_open-invoices", json!({ "card_code": code })).await?;
    let own = told["documents"].as_array().into_iter().flatten().find(|own| own["doc_entry"] == invoice["DocEntry"]);
    let own = own.with_context(|| told.to_string())?;
    assert_eq!(
        (number(&own["open"]), number(&own["total"])),
        (number(&invoice["DocTotal"]), number(&invoice["DocTotal"])),
        "{told}"
    );
    clerk(&world, &format!("pay/{}", invoice["DocEntry"])).await?;
    let told = asked(&world, "invoices_open-invoices", json!({ "card_code": code })).await?;
    let is_open = told["documents"].as_array().into_iter().flatten().any(|own| own["doc_entry"] == invoice["DocEntry"]);
    assert!(!is_open, "{told}");

    // Nothing of all that was asked has changed anything, or is in a queue.
    world.settled().await?;
    world.assert_exactly_once(std::slice::from_ref(&id)).await?;
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_is_told_though_the_flow_has_not_heard_of_it() -> Result<()> {
    let mut world = world().await?;
    let id = world.opportunities(3).await?.remove(2);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let entry = world.orders_of(&id).await?.remove(0)["DocEntry"].clone();
    clerk(&world, &format!("deliver/{entry}?partly=true")).await?;
    let partly = |record: &Value| record["Id"] == id.as_str() && record["Tandem_Delivery_State__c"] == "Partly shipped";
    world.until_record("Opportunity", "partly shipped", partly).await?;
    world.settled().await?;
    world.stop().await?;
    clerk(&world, &format!("deliver/{entry}")).await?;
    let told = asked(&world, "fulfilment_deliveries-of", json!({ "order_doc_entry": entry })).await?;
    let own = &told["orders"][0];
    let open: f64 = own["lines"].as_array().into_iter().flatten().map(|line| number(&line["open"])).sum();
    assert_eq!((open, own["deliveries"].as_array().map_or(0, Vec::len)), (0.0, 2), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_a_record_never_becomes_a_question_to_a_system() -> Result<()> {
    let world = world().await?;
    for text in
        ["' or 1 eq 1 or '", "C1') or (CardCode ne '", "%' OR Name LIKE '%", "\\", "*", "a&$select=*", "ü\u{1F600}\t\n"]
    {
        let found = asked(&world, "accounts_find-customer", json!({ "text": text })).await?;
        assert!(found["customers"].as_array().is_some_and(Vec::is_empty), "{text}: {found}");
        for (tool, name) in [
            ("orders_orders-of", "card_code"),
            ("credit_credit-of", "card_code"),
            ("inventory_stock-of", "item_code"),
            ("catalogue_price-for", "item_code"),
        ] {
            let why = refused(&world, tool, json!({ name: text })).await?;
            assert!(why.contains("there is no"), "{tool} {text}: {why}");
        }
        let why = refused(&world, "orders_orders-of", json!({ "opportunity": text })).await?;
        assert!(why.contains("must be the id"), "{text}: {why}");
    }
    Ok(())
}

/// Customers by their CardCode in what `accounts_find-customer` answers.
fn codes(found: &Value) -> Vec<&str> {
    found["customers"].as_array().into_iter().flatten().filter_map(|own| own["card_code"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sees_some_customers_alone_is_told_of_no_other_by_any_tool() -> Result<()> {
    let world = world().await?;
    // The first two customers that have won something.
    let ids = world.opportunities(2).await?;
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        world.until_state(id, "Synced").await?;
    }
    let orders = [world.orders_of(&ids[0]).await?.remove(0), world.orders_of(&ids[1]).await?.remove(0)];
    let [own, other] = [&orders[0], &orders[1]].map(|order| order["CardCode"].as_str().unwrap_or_default());
    ensure!(own != other && !own.is_empty());
    let everybody = asked(&world, "accounts_find-customer", json!({ "text": "C" })).await?;
    assert!(codes(&everybody).len() > 1, "{everybody}");

    let file = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&file)?;
    let rule = format!(
        "[agents]\n[[agents.rules]]\ntools = [\"accounts_*\", \"credit_*\", \"orders_*\", \"tandem_*\", \"inventory_*\"]\nthen = \"allow\"\nrows = {{ card_code = [\"{own}\"] }}\n"
    );
    std::fs::write(&file, format!("{text}\n{rule}"))?;
    let found = asked(&world, "accounts_find-customer", json!({ "text": "C" })).await?;
    assert_eq!(codes(&found), [own], "{found}");
    assert_eq!(asked(&world, "credit_credit-of", json!({ "card_code": own })).await?["card_code"], own);
    let theirs = asked(&world, "orders_orders-of", json!({ "opportunity": ids[0] })).await?;
    assert_eq!(theirs["orders"][0]["doc_entry"], orders[0]["DocEntry"], "{theirs}");
    // Of another nothing is told, not even that there is such a one.
    for (there, missing) in [
        (json!({ "opportunity": ids[1] }), json!({ "opportunity": "006000000000000AAA" })),
        (json!({ "doc_num": orders[1]["DocNum"] }), json!({ "doc_num": 999_999 })),
        (json!({ "num_at_card": orders[1]["NumAtCard"] }), json!({ "num_at_card": "nowhere" })),
    ] {
        let [there, missing] = [there, missing].map(|input| refused(&world, "orders_orders-of", input));
        let (there, missing) = (there.await?, missing.await?);
        assert!(there.contains("nothing that you may see") && there == missing, "{there}\n{missing}");
    }
    let why = refused(&world, "accounts_find-customer", json!({ "text": other })).await?;
    assert!(why.contains("nothing that you may see") && !why.contains(other), "{why}");
    for (tool, input) in [
        ("credit_credit-of", json!({ "card_code": other })),
        ("orders_orders-of", json!({ "card_code": other })),
        // What writes says whom it is about, and these do not.
        ("orders_cancel-order", json!({ "doc_num": orders[1]["DocNum"] })),
        ("orders_create-order", json!({ "card_code": other, "num_at_card": "x", "lines": [] })),
        // By these records cannot be told apart.
        ("inventory_stock-of", json!({ "item_code": "A" })),
        ("tandem_why", json!({ "record": ids[1] })),
        ("tandem_reviews", json!({})),
    ] {
        let (code, _, why) = world.tandem_raw(&["tool", "call", tool, &input.to_string()]).await?;
        let words =
            if tool.starts_with("tandem_") { "of all records alike".to_owned() } else { format!("card_code = {own}") };
        assert!(code != 0 && why.contains(&words), "{tool}: {why}");
    }
    let listed = world.tandem_json(&["tool", "list"]).await?.to_string();
    assert!(listed.contains("orders_create-order") && !listed.contains("cancel-order"), "{listed}");
    assert!(!listed.contains("tandem_why") && listed.contains("tandem_call"), "{listed}");
    let user = ["agent", "can", "token x", "orders_cancel-order"];
    let (_, told, errors) = world.tandem_raw(&user).await?;
    assert!(told.contains("tells no card_code") || errors.contains("token x"), "{told}{errors}");
    // One that no tool can hold to is found before anybody relies on it.
    std::fs::write(&file, format!("{text}\n{}", rule.replace("card_code", "cardcode")))?;
    let (code, checked, _) = world.tandem_raw(&["check"]).await?;
    assert!(code == 3 && checked.contains("tells records apart by \"cardcode\""), "{checked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_made_of_an_account_once_when_somebody_asks_for_it() -> Result<()> {
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let more = "[agents]\n[[agents.rules]]\ntools = [\"accounts_make-customer\"]\nthen = \"allow\"\n".into();
    let flows = vec![("accounts", "settings = { series = 11 }")];
    let mut world = World::with(Setup { plugins: vec!["accounts"], flows, b1, more, ..Setup::default() }).await?;
    world.up().await?;
    let fields = json!({ "Name": "Seehafen Logistik GmbH", "BillingCity": "Bremen", "BillingPostalCode": "28195" });
    let id = world.create("Account", fields).await?;
    let account = async |world: &World| {
        let all = world.records("Account").await?;
        Ok(all.into_iter().find(|own| own["Id"] == json!(id)).filter(|own| own["Tandem_Card_Code__c"].is_string()))
    };
    // By itself it gets none: nothing needs one.
    world.settled().await?;
    assert_eq!(account(&world).await?, None);
    let told = asked(&world, "accounts_make-customer", json!({ "account": id })).await?;
    assert_eq!(
        (&told["state"], &told["result"]["account_name"]),
        (&json!("done"), &json!("Seehafen Logistik GmbH")),
        "{told}"
    );
    let found = world.until("the account's customer", std::time::Duration::from_secs(60), account).await?;
    let code = found["Tandem_Card_Code__c"].clone();
    let partner = of(&world, "BusinessPartners", "CardCode", &code).await?;
    assert_eq!((&partner["CardName"], &partner["CardType"]), (&json!("Seehafen Logistik GmbH"), &json!("cCustomer")));
    // It has one: another is not made, whatever is asked.
    let told = asked(&world, "accounts_make-customer", json!({ "account": id })).await?;
    let why = told["why"].as_str().unwrap_or_default();
    assert!(told["state"] == "not done" && why.contains(code.as_str().unwrap_or_default()), "{told}");
    let same = world.b1_records("BusinessPartners").await?;
    assert_eq!(same.iter().filter(|own| own["CardName"] == "Seehafen Logistik GmbH").count(), 1);
    let told = asked(&world, "accounts_make-customer", json!({ "account": "001000000000000AAA" })).await?;
    assert!(told["why"].as_str().is_some_and(|why| why.contains("there is no account")), "{told}");
    Ok(())
}
