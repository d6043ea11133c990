//! The proof that both sides agree: a company in step is told so, each difference with its reason, and nothing is written for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::console::with_admin;
use tandem_e2e::in_step::text;
use tandem_e2e::mcp::Mcp;
use tandem_e2e::reconcile::{about, comparison, reconcile};
use tandem_e2e::{Setup, World, programs, root};

const PATIENCE: Duration = Duration::from_secs(60);

/// Everything that is compared of the flows below.
const COMPARISONS: [(&str, &str); 10] = [
    ("orders", "orders"),
    ("accounts", "accounts"),
    ("accounts", "contacts"),
    ("catalogue", "products"),
    ("catalogue", "prices"),
    ("catalogue", "special-prices"),
    ("credit", "credit"),
    ("inventory", "stock"),
    ("invoices", "invoices"),
    ("invoices", "payments"),
];

fn setup() -> Setup {
    Setup {
        plugins: vec!["orders", "accounts", "catalogue", "credit", "inventory", "invoices"],
        flows: vec![("accounts", "settings = { series = 11, create_in_b1 = \"all\" }")],
        b1: "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into(),
        ..Setup::default()
    }
}

/// A comparison of a flow.
fn of<'a>(report: &'a Value, flow: &str) -> &'a Value {
    let flows = report["flows"].as_array().into_iter().flatten();
    flows.filter(|own| own["flow"] == flow).map(|own| &own["comparisons"][0]).next().unwrap_or(&Value::Null)
}

fn reasons(comparison: &Value) -> BTreeMap<String, u64> {
    let reasons = comparison["reasons"].as_array().into_iter().flatten();
    reasons.map(|own| (text(own, "reason").to_owned(), own["count"].as_u64().unwrap_or_default())).collect()
}

async fn loaded() -> Result<(World, Vec<String>)> {
    let mut world = World::with(setup()).await?;
    world.up().await?;
    for flow in ["accounts", "catalogue", "inventory", "credit", "invoices"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    let ids = world.opportunities(6).await?;
    for id in &ids[..3] {
        world.win(id).await?;
    }
    world.until_all_told(&ids[..3], PATIENCE).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await?;
    Ok((world, ids))
}

fn reports(world: &World) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(world.folder().join("data/reports")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_company_in_step_is_told_so_and_each_difference_has_its_reason() -> Result<()> {
    let (mut world, ids) = loaded().await?;
    let (code, report) = reconcile(&world, &[]).await?;
    for (flow, name) in COMPARISONS {
        let own = comparison(&report, flow, name);
        assert!(own["not_whole"].is_null() && own["title"].is_string(), "{name}: {report:#}");
        assert_eq!(own["differences"], json!([]), "{name}");
        let may_be_none = flow == "invoices" || name == "special-prices";
        assert!(may_be_none || own["in_step"].as_u64() > Some(0), "{name}: {own}");
    }
    assert_eq!(code, 0, "{report:#}");
    let orders = of(&report, "orders");
    assert_eq!([&orders["salesforce"], &orders["b1"], &orders["in_step"]], [3, 3, 3]);
    for sum in orders["sums"].as_array().context("sums")? {
        assert_eq!(sum["differences"].as_str().and_then(|own| own.parse::<f64>().ok()), Some(0.0), "{sum}");
    }
    // It is kept, and a person may file it.
    let [kept] = reports(&world).try_into().map_err(|all| anyhow::anyhow!("{all:?}"))?;
    for file in ["report.json", "report.html", "differences.csv", "differences.jsonl", "sums.csv"] {
        assert!(kept.join(file).is_file(), "{file}");
    }
    let page = std::fs::read_to_string(kept.join("report.html"))?;
    assert!(page.contains("Both sides agree.") && !page.contains("<script"), "{page}");
    let kept: Value = serde_json::from_slice(&std::fs::read(kept.join("report.json"))?)?;
    assert_eq!(kept, report);

    // What the clerk agreed with the customer stays, and is told on the opportunity.
    let order = world.orders_of(&ids[0]).await?.remove(0);
    let price = json!({ "DocumentLines": [{ "LineNum": 0, "UnitPrice": 1 }] });
    world.b1_patch(&format!("/Orders({})", order["DocEntry"]), price).await?;
    // Won, and asked about.
    for line in world.lines(&ids[3]).await? {
        world.change("OpportunityLineItem", text(&line, "Id"), json!({ "Quantity": 0 })).await?;
    }
    world.win(&ids[3]).await?;
    world.until_state(&ids[3], "Review").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await?;
    world.change("Opportunity", &ids[0], json!({ "Tandem_PO_Number__c": "AGAIN" })).await?;
    let told = async |world: &World| {
        Ok(text(&world.opportunity(&ids[0]).await?, "Tandem_Sync_Message__c")
            .contains("stays 1 as in B1")
            .then_some(()))
    };
    world.until("the price to be told", PATIENCE, told).await?;
    world.settled().await?;
    // B1 may be polled late for what the clerk did: until that is done it is under way.
    let quiet = async |world: &World| {
        let (code, report) = reconcile(world, &["orders"]).await?;
        let is_under_way = about(of(&report, "orders"), &ids[0]).is_some_and(|own| own["why"] == "under-way");
        Ok((!is_under_way).then_some((code, report)))
    };
    let (code, report) = world.until("nothing under way", PATIENCE, quiet).await?;
    let own = of(&report, "orders");
    let asked = about(own, &ids[3]).context("the one in review")?;
    assert!(asked["why"] == "review" && asked["kind"] == "missing-in-b1", "{asked}");
    assert!(text(asked, "reason").starts_with("held in review since 20"), "{asked}");
    let differs = about(own, &ids[0]).context("the clerk's")?;
    assert!(differs["kind"] == "differs" && differs["why"] == "told", "{differs}");
    assert_eq!((code, &own["unexplained"]), (0, &json!(0)), "{own}");

    // What happens while no host runs is not read yet.
    world.stop().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.win(&ids[4]).await?;
    let partner = world.b1_records("BusinessPartners").await?.into_iter().find(|own| own["CardType"] == "cCustomer");
    let code = text(&partner.context("a customer")?, "CardCode").to_owned();
    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "Phone1": "+1 555 0100" })).await?;
    let order = world.orders_of(&ids[1]).await?.remove(0);
    let line = &order["DocumentLines"][0];
    let again = json!({ "CardCode": order["CardCode"], "DocDueDate": order["DocDueDate"], "U_SF_Id": ids[1],
        "DocumentLines": [{ "ItemCode": line["ItemCode"], "Quantity": 1, "UnitPrice": 1 }] });
    let twin = world.b1_post("/Orders", again.clone()).await?;
    let mut foreign = again;
    foreign["U_SF_Id"] = json!(ids[5]);
    let foreign = world.b1_post("/Orders", foreign).await?;
    let (_, report) = reconcile(&world, &["orders", "accounts"]).await?;
    let own = of(&report, "orders");
    let unread = about(own, &ids[4]).context("the one that was just won")?;
    assert!(unread["why"] == "not-read" && text(unread, "reason").ends_with("no host runs"), "{unread}");
    let twin = about(own, &twin["DocEntry"].to_string()).context("the second order")?;
    assert!(twin["kind"] == "double-in-b1" && twin["why"] == "not-read", "{twin}");
    let foreign = about(own, &foreign["DocEntry"].to_string()).context("an order of what is not won")?;
    assert_eq!(foreign["kind"], "missing-in-salesforce", "{foreign}");
    let changed = about(of(&report, "accounts"), &code).context("the customer")?;
    assert_eq!(changed["fields"][0]["field"], "Phone1 / Phone", "{changed}");
    assert!(changed["why"] == "not-read" && text(changed, "reason").starts_with("changed in B1 on 20"), "{changed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_explains_is_found_told_and_over_when_it_is_mended() -> Result<()> {
    let more = "[reconcile]\ngrace_minutes = 0\nkeep = 2\n".into();
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { more, b1, ..Setup::default() }).await?;
    let ids = world.opportunities(3).await?;
    // Before the flow ran.
    world.win(&ids[0]).await?;
    let (code, report) = reconcile(&world, &[]).await?;
    let own = of(&report, "orders");
    assert_eq!((code, reasons(own)), (0, BTreeMap::from([("never-linked".to_owned(), 1)])), "{report:#}");
    world.up().await?;
    world.win(&ids[1]).await?;
    world.until_all_told(&ids[..2], PATIENCE).await?;
    // What the host wrote comes back as events, too: none is to be left open when it stops.
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await?;
    assert_eq!(reconcile(&world, &[]).await?.0, 0);
    world.stop().await?;
    // A change that nobody is told of, and that bears the time of before.
    world.days_later(-2).await?;
    let line = world.lines(&ids[1]).await?.remove(0);
    world.change("OpportunityLineItem", text(&line, "Id"), json!({ "UnitPrice": 4711 })).await?;
    let (code, report) = reconcile(&world, &[]).await?;
    let own = of(&report, "orders");
    let open = about(own, &ids[1]).with_context(|| format!("{own:#}"))?;
    assert_eq!((code, &open["why"], &own["unexplained"]), (3, &json!("unexplained"), &json!(1)), "{open}");
    assert!(text(open, "reason").contains("nothing explains it; event"), "{open}");
    assert_eq!(reports(&world).len(), 2, "as many as are kept");
    let table = std::fs::read_to_string(reports(&world)[1].join("differences.csv"))?;
    assert!(table.contains("net total") && table.contains("NOT EXPLAINED"), "{table}");
    let (_, shown, _) = world.tandem_raw(&["reconcile"]).await?;
    assert!(shown.contains("1 difference, which is not explained") && shown.contains("kept in"), "{shown}");
    world.change("OpportunityLineItem", text(&line, "Id"), json!({ "UnitPrice": line["UnitPrice"] })).await?;
    assert_eq!(reconcile(&world, &[]).await?.0, 0);
    let (code, _, errors) = world.tandem_raw(&["reconcile", "nothing"]).await?;
    assert!(code == 4 && errors.contains("known: orders"), "{code} {errors}");
    Ok(())
}

/// Deliveries against their records, and what orders have come to against opportunities and their lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_delivered_is_compared_with_what_records_opportunities_and_lines_show() -> Result<()> {
    let more = "[reconcile]\ngrace_minutes = 0\n".into();
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { plugins: vec!["orders", "fulfilment"], more, b1, ..Setup::default() }).await?;
    let ids = world.opportunities(4).await?;
    world.up().await?;
    for id in &ids[..3] {
        world.win(id).await?;
    }
    world.until_all_told(&ids[..3], PATIENCE).await?;
    for (id, how) in [(&ids[0], ""), (&ids[1], "?partly")] {
        let entry = world.orders_of(id).await?.remove(0)["DocEntry"].clone();
        world.send("POST", &format!("{}/admin/deliver/{entry}{how}", world.b1), &json!({})).await?;
    }
    let all = world.b1_records("DeliveryNotes").await?;
    let first = world.orders_of(&ids[0]).await?.remove(0)["DocEntry"].clone();
    let of_first = |own: &&Value| own["DocumentLines"][0]["BaseEntry"] == first;
    let delivery = all.iter().find(of_first).context("the first's delivery")?["DocEntry"].clone();
    world.b1_patch(&format!("/DeliveryNotes({delivery})"), json!({ "TrackingNumber": "TRACK 1" })).await?;
    let shown = async |world: &World| {
        let [one, other] = [world.opportunity(&ids[0]).await?, world.opportunity(&ids[1]).await?];
        let is_shown =
            one["Tandem_Tracking_Number__c"] == "TRACK 1" && other["Tandem_Delivery_State__c"] == "Partly shipped";
        Ok(is_shown.then_some(()))
    };
    world.until("deliveries to be shown", PATIENCE, shown).await?;
    world.settled().await?;
    let named = |report: &Value, name: &str| comparison(report, "fulfilment", name).clone();
    let (code, report) = reconcile(&world, &["fulfilment"]).await?;
    for (name, in_step) in [("deliveries", 2), ("states", 3)] {
        let own = named(&report, name);
        assert_eq!((&own["in_step"], &own["differences"]), (&json!(in_step), &json!([])), "{name}: {report:#}");
        assert!(own["not_whole"].is_null(), "{own}");
    }
    assert_eq!(code, 0, "{report:#}");
    let alone = named(&report, "deliveries")["alone"].as_u64().context("those of nobody")?;
    // One of a clerk's order, which nobody sold, is nobody's business.
    let order = world.b1_records("Orders").await?.remove(0);
    let of_nobody = json!({ "CardCode": order["CardCode"], "DocumentLines": [{ "ItemCode": order["DocumentLines"][0]["ItemCode"], "Quantity": 1 }] });
    world.b1_post("/DeliveryNotes", of_nobody).await?;
    // What somebody types over what is shown, on the record, on the opportunity and on a line.
    let record = world
        .records("Tandem_Delivery__c")
        .await?
        .into_iter()
        .find(|own| own["Tandem_Opportunity__c"] == ids[0].as_str());
    let record = record.context("the first's record")?;
    world.change("Tandem_Delivery__c", text(&record, "Id"), json!({ "Tandem_Tracking_Number__c": "TRACK 2" })).await?;
    world.change("Opportunity", &ids[1], json!({ "Tandem_Delivery_State__c": "Shipped" })).await?;
    let line = world.lines(&ids[2]).await?.remove(0);
    world.change("OpportunityLineItem", text(&line, "Id"), json!({ "Tandem_Line_Status__c": "Shipped" })).await?;
    world.settled().await?;
    let (_, report) = reconcile(&world, &["fulfilment"]).await?;
    let deliveries = named(&report, "deliveries");
    let typed = about(&deliveries, text(&record, "Id")).with_context(|| format!("{report:#}"))?;
    let field = json!([{ "field": "Tandem_Tracking_Number__c", "salesforce": "TRACK 2", "b1": "TRACK 1" }]);
    assert_eq!(
        (&typed["fields"], &deliveries["in_step"], &deliveries["alone"]),
        (&field, &json!(1), &json!(alone + 1)),
        "{deliveries:#}"
    );
    let states = named(&report, "states");
    let state = &about(&states, &ids[1]).with_context(|| format!("{report:#}"))?["fields"][0];
    assert_eq!(
        (&state["field"], &state["salesforce"], &state["b1"]),
        (&json!("Tandem_Delivery_State__c"), &json!("Shipped"), &json!("Partly shipped"))
    );
    let lines = &about(&states, &ids[2]).with_context(|| format!("{report:#}"))?["fields"][0];
    assert_eq!(lines["field"], "Tandem_Line_Status__c", "{lines}");
    assert!(text(lines, "salesforce").contains(&format!("{} Shipped", text(&line, "Id"))), "{lines}");
    assert_eq!((&states["in_step"], &states["differing"]), (&json!(1), &json!(2)), "{states:#}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_left_is_so_while_it_stays_and_explains_nothing_that_came_later() -> Result<()> {
    let more = "[reconcile]\ngrace_minutes = 0\n".into();
    let b1 = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"".into();
    let mut world = World::with(Setup { more, b1, ..Setup::default() }).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.up().await?;
    let lines = world.lines(&id).await?;
    for line in &lines {
        world.change("OpportunityLineItem", text(line, "Id"), json!({ "Quantity": 0 })).await?;
    }
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    let items = world.tandem_json(&["review", "list"]).await?;
    world.tandem(&["review", "resolve", &items[0]["id"].to_string(), "--choose", "ignore"]).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.settled().await?;
    let why = async |world: &World| -> Result<(i32, String, String)> {
        let (code, report) = reconcile(world, &[]).await?;
        let own = about(of(&report, "orders"), &id).with_context(|| format!("{report:#}"))?;
        Ok((code, text(own, "why").to_owned(), text(own, "reason").to_owned()))
    };
    let (code, left, reason) = why(&world).await?;
    assert_eq!((code, left.as_str()), (0, "ignored"), "{reason}");
    // Tandem, or anybody, touches it: it is as it was then.
    world.stop().await?;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.change("Opportunity", &id, json!({ "Tandem_Sync_Message__c": "touched" })).await?;
    let (code, left, reason) = why(&world).await?;
    assert!(code == 0 && left == "ignored" && reason.contains("as it was then"), "{code} {left} {reason}");
    // What is sold now is another thing than what he left.
    for line in &lines {
        world.change("OpportunityLineItem", text(line, "Id"), json!({ "Quantity": 7 })).await?;
    }
    let (_, left, reason) = why(&world).await?;
    assert_eq!(left, "not-read", "{reason}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_by_a_plugin_that_tries_to() -> Result<()> {
    let flow = |what: &str| {
        format!(
            "[flows.hostile]\nplugin = \"hostile\"\nconnections = {{ b1 = \"erp\" }}\nsettings = {{ reconcile = \"{what}\" }}\n\
             limits = {{ cpu_ms = 500 }}\n"
        )
    };
    let world = World::with(Setup { plugins: vec!["hostile"], more: flow(""), ..Setup::default() }).await?;
    let config = world.folder().join("tandem.toml");
    let before = std::fs::read_to_string(&config)?;
    let tries = [
        ("post", "nothing is written"),
        ("link", "nothing is written"),
        ("unlink", "nothing is written"),
        ("forget", "nothing is written"),
        ("emit", "nothing is written"),
        ("wake", "nothing is written"),
        ("ask", "nothing is written"),
        ("storage", "keeps what is written: false"),
        ("loop", "cpu_ms"),
        ("trap", "trapped"),
        ("circle", "goes on where it was"),
        ("too-much", "it goes with 7"),
        ("flood", "20000 rows in one page"),
        ("forge", "control characters"),
    ];
    for (what, why) in tries {
        std::fs::write(&config, before.replace(&flow(""), &flow(what)))?;
        let (code, report) = reconcile(&world, &[]).await?;
        let told = text(of(&report, "hostile"), "not_whole");
        assert!(code == 1 && told.contains(why), "{what}: {code} {report:#}");
        assert_eq!(of(&report, "hostile")["differences"], json!([]), "of what is not whole nothing is said");
    }
    let events = world.tandem_json(&["events", "list"]).await?;
    assert_eq!(events, json!([]), "none was emitted, woken or asked");
    // One of contract 0.1.0 loads for ever, and does not say.
    let old = root().join("tests/e2e/fixtures/contract-0.1.0/orders.wasm");
    std::fs::copy(old, world.folder().join("plugins/orders.wasm"))?;
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    let orders = "[flows.orders]\nplugin = \"orders\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\n";
    std::fs::write(&config, format!("{before}\n{orders}"))?;
    let (code, report) = reconcile(&world, &[]).await?;
    let unsaid = report["flows"].as_array().context("flows")?.iter().map(|own| text(own, "unsaid")).collect::<Vec<_>>();
    assert!(code == 1 && unsaid[0].contains("nothing to compare"), "{code} {unsaid:?}");
    assert!(unsaid[1].contains("does not say how its records are compared"), "{unsaid:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_killed_leaves_nothing_half() -> Result<()> {
    let world = World::new().await?;
    world.opportunities(1).await?;
    world.b1_settings(json!({ "down": true })).await?;
    let program = programs().join(format!("tandem{}", std::env::consts::EXE_SUFFIX));
    let mut child = tokio::process::Command::new(program)
        .arg("--config")
        .arg(world.folder().join("tandem.toml"))
        .arg("reconcile")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let begun = async |world: &World| Ok((!reports(world).is_empty()).then_some(()));
    world.until("it to be under way", PATIENCE, begun).await?;
    let (code, _, errors) = world.tandem_raw(&["reconcile"]).await?;
    assert!(code == 1 && errors.contains("another reconciliation is under way"), "{code} {errors}");
    child.kill().await?;
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    assert!(!reports(&world).iter().any(named), "nothing that looks like a report");
    world.b1_settings(json!({})).await?;
    assert_eq!(reconcile(&world, &[]).await?.0, 0);
    assert_eq!(reports(&world).len(), 1, "what was broken off is gone");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_is_down_is_named_with_its_cause_in_each_flow_that_needs_it() -> Result<()> {
    let world = World::with(setup()).await?;
    let config = world.folder().join("tandem.toml");
    let text_of = std::fs::read_to_string(&config)?;
    // Nobody listens there.
    let gone = text_of.replace(&format!("{}/b1s/v2", world.b1), "http://127.0.0.1:9/b1s/v2");
    anyhow::ensure!(gone != text_of);
    std::fs::write(&config, gone)?;
    let (code, report) = reconcile(&world, &[]).await?;
    assert_eq!(code, 1, "{report:#}");
    let flows = report["flows"].as_array().context("flows")?;
    assert_eq!(flows.len(), 6, "{report:#}");
    for flow in flows {
        // Of one that cannot even say what is compared it stands at the flow.
        let of_flow = text(flow, "unsaid");
        let told: Vec<&str> =
            flow["comparisons"].as_array().into_iter().flatten().map(|own| text(own, "not_whole")).collect();
        let told = if told.is_empty() { vec![of_flow] } else { told };
        for why in told {
            assert!(why.contains("connection erp cannot be used: unreachable"), "{flow:#}");
            assert!(!why.contains("left alone"), "its cause, and not what follows from it: {why}");
        }
    }
    Ok(())
}

/// One record, by whichever name it is known, from the command line and by an assistant's tool.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_compared_with_its_other_half_by_any_of_its_names() -> Result<()> {
    let more =
        "[agents]\nmcp = true\n[[agents.rules]]\nwho = [\"token masked\"]\nthen = \"allow\"\nhide = [\"CardCode\"]\n";
    let setup = Setup { plugins: vec!["orders", "accounts", "credit"], more: more.into(), ..Setup::default() };
    let (mut world, admin) = with_admin(setup).await?;
    let desk = Mcp::new(&world, &admin, "desk", "reviewer", Value::Null).await?;
    let masked = Mcp::new(&world, &admin, "masked", "reviewer", Value::Null).await?;
    for flow in ["accounts", "credit"] {
        world.tandem(&["backfill", flow, "--yes"]).await?;
    }
    let ids = world.opportunities(2).await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    world.settled().await?;
    let order = world.orders_of(&ids[0]).await?.remove(0);
    let (entry, code) = (order["DocEntry"].to_string(), text(&order, "CardCode").to_owned());
    for name in [ids[0].as_str(), &ids[0][..15], &entry] {
        let (exit, report) = reconcile(&world, &["--record", name]).await?;
        let own = of(&report, "orders");
        assert_eq!((exit, &own["in_step"], &own["differences"]), (0, &json!(1), &json!([])), "{name}: {report:#}");
        let told = desk.got("tandem_reconcile", json!({ "record": name })).await?;
        let own = &told["compared"][0];
        assert_eq!([&own["flow"], &own["in_step"], &own["differences"]], [&json!("orders"), &json!(1), &json!([])]);
    }
    let told = desk.got("tandem_reconcile", json!({ "record": code })).await?;
    let flows: Vec<&Value> = told["compared"].as_array().into_iter().flatten().map(|own| &own["flow"]).collect();
    assert_eq!(flows, ["accounts", "credit"], "{told}");
    assert_eq!(told["compared"][0]["records"][1]["id"], json!(code), "{told}");
    assert!(reports(&world).is_empty(), "nothing of it is kept");
    // A second order of the same opportunity is seen from each of the three.
    let item = order["DocumentLines"][0]["ItemCode"].clone();
    let again = json!({ "CardCode": code, "DocDueDate": order["DocDueDate"], "U_SF_Id": ids[0],
        "DocumentLines": [{ "ItemCode": item, "Quantity": 1, "UnitPrice": 4711 }] });
    let twin = world.b1_post("/Orders", again).await?["DocEntry"].to_string();
    for name in [&ids[0], &entry, &twin] {
        let told = desk.got("tandem_reconcile", json!({ "record": name, "flow": "orders" })).await?;
        let own = &told["compared"][0];
        assert_eq!((&own["salesforce"], &own["b1"]), (&json!(1), &json!(2)), "{name}: {told:#}");
        assert!(own["differences"].to_string().contains("double in B1"), "{name}: {told:#}");
    }
    // What differs is not told to whom something is hidden; that it does is.
    let line = world.lines(&ids[0]).await?.remove(0);
    world.stop().await?;
    world.change("OpportunityLineItem", text(&line, "Id"), json!({ "UnitPrice": 4712 })).await?;
    let (_, shown, _) = world.tandem_raw(&["reconcile", "--record", &ids[0], "orders"]).await?;
    assert!(shown.contains("differs") && shown.contains("double in B1") && !shown.contains("kept in"), "{shown}");
    let input = json!({ "record": ids[0] }).to_string();
    let (exit, shown, _) = world.tandem_raw(&["tool", "call", "tandem_reconcile", &input]).await?;
    assert!(exit == 0 && shown.contains("net total"), "{exit} {shown}");
    world.up().await?;
    let told = masked.got("tandem_reconcile", json!({ "record": twin })).await?.to_string();
    assert!(!told.contains("4711") && told.contains("double in B1"), "{told}");
    let told = masked.got("tandem_reconcile", json!({ "record": ids[0] })).await?.to_string();
    assert!(!told.contains(&code) && told.contains("double in B1"), "{told}");
    // An order of what was never won, by the opportunity, though that is not itself to be seen.
    world.stop().await?;
    let again = json!({ "CardCode": code, "DocDueDate": order["DocDueDate"], "U_SF_Id": ids[1],
        "DocumentLines": [{ "ItemCode": item, "Quantity": 1, "UnitPrice": 1 }] });
    let alone = world.b1_post("/Orders", again).await?;
    let (_, report) = reconcile(&world, &["--record", &ids[1]]).await?;
    let own = about(of(&report, "orders"), &alone["DocEntry"].to_string()).context("the order")?;
    assert_eq!(own["kind"], "missing-in-salesforce", "{report:#}");
    // An account that carries another's code stays that of its partner by its link, for whomever of the three one asks.
    let new = json!({ "CardCode": "C77777", "CardName": "New in B1", "CardType": "cCustomer" });
    world.b1_post("/BusinessPartners", new).await?;
    let accounts = world.records("Account").await?;
    let account = accounts.iter().find(|own| text(own, "Tandem_Card_Code__c") == code).context("its account")?;
    world.change("Account", text(account, "Id"), json!({ "Tandem_Card_Code__c": "C77777" })).await?;
    for name in [text(account, "Id"), &code, "C77777"] {
        let (_, report) = reconcile(&world, &["accounts", "--record", name]).await?;
        let own = of(&report, "accounts");
        assert_eq!([&own["salesforce"], &own["b1"], &own["missing_in_salesforce"]], [1, 2, 1], "{name}: {report:#}");
        assert_eq!(about(own, "C77777").map(|own| &own["kind"]), Some(&json!("missing-in-salesforce")), "{report:#}");
    }
    world.up().await?;
    // Who sees no flow is told of none, and who sees others of those.
    for (name, flows) in [("none", json!([])), ("other", json!(["credit"]))] {
        let told = Mcp::new(&world, &admin, name, "reviewer", flows).await?;
        let why = told.refused("tandem_reconcile", json!({ "record": ids[0] })).await?;
        assert!(why.contains("no flow"), "{name}: {why}");
    }
    // What is not compared, and what is no name.
    for name in ["006000000000000AAA", "no-such-thing", "'; drop", "999999999999"] {
        let why = desk.refused("tandem_reconcile", json!({ "record": name })).await?;
        assert!(why.contains("no flow compares"), "{name}: {why}");
    }
    assert!(desk.refused("tandem_reconcile", json!({ "record": " " })).await?.contains("must be"));
    let (exit, _, errors) = world.tandem_raw(&["reconcile", "--record", "no-such-thing"]).await?;
    assert!(exit == 4 && errors.contains("no flow compares"), "{exit} {errors}");
    Ok(())
}
