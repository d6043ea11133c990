//! What the author of a plugin does with the binary alone, in an empty folder: new, build, inspect, test; and a scenario of what really happened.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World, programs, wasm};
use tokio::process::Command;

/// A command in a folder: exit code, standard output, standard error.
async fn run(folder: &Path, arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new(programs().join(format!("tandem{}", std::env::consts::EXE_SUFFIX)))
        .args(arguments)
        .current_dir(folder)
        // What is built stays for the next run of these tests; cargo lets one build at a time.
        .env("CARGO_TARGET_DIR", programs().join("plugin-cli"))
        .stdin(Stdio::null())
        .output()
        .await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

async fn done(folder: &Path, arguments: &[&str]) -> Result<String> {
    let (code, output, errors) = run(folder, arguments).await?;
    if code != 0 {
        bail!("tandem {} ended with {code}:\n{output}{errors}", arguments.join(" "));
    }
    Ok(output)
}

async fn told(folder: &Path, arguments: &[&str]) -> Result<Value> {
    let mut all = vec!["--json"];
    all.extend(arguments);
    Ok(serde_json::from_str(&done(folder, &all).await?)?)
}

fn change(file: &Path, from: &str, to: &str) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    assert!(text.contains(from), "{from}\n{text}");
    Ok(std::fs::write(file, text.replace(from, to))?)
}

#[tokio::test]
async fn a_flow_plugin_comes_out_of_the_binary_alone_and_runs_in_a_host() -> Result<()> {
    let flow = "[flows.labels]\nplugin = \"labels\"\nconnections = { b1 = \"erp\" }".to_owned();
    let mut world = World::with(Setup { more: flow, b1: "poll_seconds = 1".into(), ..Setup::default() }).await?;
    let empty = tempfile::tempdir()?;
    let here = empty.path();
    done(here, &["plugin", "new", "labels", "--kind", "flow"]).await?;
    done(here, &["plugin", "build", "labels"]).await?;
    let found = told(here, &["plugin", "inspect", "labels/labels.wasm"]).await?;
    assert_eq!((&found["kind"], &found["contract"]), (&json!("plugin"), &json!("0.1.0")), "{found}");
    assert_eq!(found["description"]["topics"], json!(["b1.Items"]), "{found}");
    assert_eq!((&found["refused"], &found["warnings"]), (&Value::Null, &json!([])), "{found}");
    let shown = done(here, &["plugin", "inspect", "labels/labels.wasm"]).await?;
    for word in ["labels 0.1.0", "/Items(*)", "writes the label of items that have none", "/events/labels.labelled"] {
        assert!(shown.contains(word), "{word}\n{shown}");
    }
    // In the folder itself, without a word of what is meant.
    let passed = done(&here.join("labels"), &["plugin", "test"]).await?;
    assert!(passed.contains("1 of 1 pass"), "{passed}");

    // A wrong expectation, and an answer that is missing.
    let scenario = here.join("labels/scenarios/first.json");
    change(&scenario, "\"U_Label\": \"PRINTER\"", "\"U_Label\": \"SCANNER\"")?;
    let (code, output, errors) = run(here, &["plugin", "test", "labels"]).await?;
    assert_eq!(code, 3, "{output}{errors}");
    for word in ["FAILS", "PATCH b1 /Items('A100')", "U_Label", "SCANNER", "PRINTER", "1 of 1 fail"] {
        assert!(output.contains(word), "{word}\n{output}");
    }
    let (_, output, _) = run(here, &["--json", "plugin", "test", "labels/labels.wasm"]).await?;
    let failed: Value = serde_json::from_str(&output)?;
    let difference = &failed[0]["differences"][0];
    assert_eq!((&difference["field"], &difference["expected"]), (&json!("U_Label"), &json!("SCANNER")), "{failed}");
    change(&scenario, "GET b1 /Items?*", "GET b1 /Orders")?;
    let (code, output, _) = run(here, &["plugin", "test", "labels"]).await?;
    assert_eq!(code, 3);
    assert!(output.contains("has no answer to: GET b1 /Items?$filter=ItemCode eq 'A100'"), "{output}");

    // What does not compile is said by the compiler, and leaves the component of before.
    let source = here.join("labels/src/lib.rs");
    change(&source, "fn label_of", "fn label_for")?;
    let (code, _, errors) = run(here, &["plugin", "build", "labels"]).await?;
    assert_eq!(code, 1);
    assert!(
        errors.contains("label_of") && errors.contains("src/lib.rs") && errors.contains("cargo build failed"),
        "{errors}"
    );

    std::fs::copy(here.join("labels/labels.wasm"), world.folder().join("plugins/labels.wasm"))?;
    world.tandem(&["plugin", "grant", "labels", "--yes"]).await?;
    let (status, body) = world.b1_user_field("OITM", "Label").await?;
    assert_eq!(status, 201, "{body}");
    world.up().await?;
    world.b1_post("/Items", json!({ "ItemCode": "P-1", "ItemName": "Pump red", "SalesItem": "tYES" })).await?;
    let labelled = async |world: &World| {
        let items = world.b1_records("Items").await?;
        Ok(items.iter().any(|item| item["ItemCode"] == "P-1" && item["U_Label"] == "PUMP").then_some(()))
    };
    world.until("the label", Duration::from_secs(60), labelled).await
}

#[tokio::test]
async fn a_mapping_plugin_comes_out_of_the_binary_alone_and_has_the_last_word() -> Result<()> {
    let setup = Setup { flow: "mapper = \"regions.wasm\"".into(), ..Setup::default() };
    let world = World::with(setup).await?;
    let empty = tempfile::tempdir()?;
    let here = empty.path();
    done(here, &["plugin", "new", "regions", "--kind", "mapper"]).await?;
    let out = world.folder().join("regions.wasm");
    let built = done(here, &["plugin", "build", "regions", "--out", &out.display().to_string()]).await?;
    assert!(built.contains("mapping plugin") && built.contains("built "), "{built}");
    let found = told(here, &["plugin", "inspect", &out.display().to_string()]).await?;
    assert_eq!((&found["kind"], &found["refused"]), (&json!("mapping plugin"), &Value::Null), "{found}");
    let said = &found["description"];
    assert_eq!((&found["contract"], &said["sections"][0]["sets"]), (&json!("0.2.0"), &json!(["U_Region"])), "{found}");
    let passed = told(here, &["plugin", "test", &out.display().to_string(), "regions/scenarios"]).await?;
    let all = passed.as_array().context("scenarios")?;
    assert!(all.len() == 2 && all.iter().all(|own| own["passed"] == true), "{passed}");
    // A scenario that could not fail is none.
    let vain = here.join("vain.json");
    for (text, why) in [
        (
            json!({ "section": "heder", "source": {}, "expect": { "fields": {} } }),
            "no section \"heder\"; it has header",
        ),
        (json!({ "section": "header", "source": {}, "expect": {} }), "neither fields nor a review"),
    ] {
        std::fs::write(&vain, text.to_string())?;
        let asked = [out.display().to_string(), vain.display().to_string()];
        let (code, _, errors) = run(here, &["plugin", "test", &asked[0], &asked[1]]).await?;
        assert!(code == 2 && errors.contains(why), "{code} {errors}");
    }
    let scenario = here.join("regions/scenarios/first.json");
    change(&scenario, "\"South\"", "\"North\"")?;
    let (code, output, _) = run(here, &["plugin", "test", &out.display().to_string(), "regions/scenarios"]).await?;
    assert_eq!(code, 3);
    for word in ["passes", "FAILS", "U_Region", "North", "South", "1 of 2 fail"] {
        assert!(output.contains(word), "{word}\n{output}");
    }
    world.tandem(&["plugin", "grant", "regions", "--yes"]).await?;
    let id = world.opportunities(1).await?.remove(0);
    let told = world.tandem_json(&["mapping", "preview", "orders", "header", &id]).await?;
    assert!(told.to_string().contains("U_Region"), "{told}");
    // What it reads is queried by what it says of itself; what it sets must be there.
    let account = world.opportunity(&id).await?["AccountId"].clone();
    let accounts = world.records("Account").await?;
    let account = accounts.iter().find(|own| own["Id"] == account).context("account")?;
    let abroad =
        account["BillingPostalCode"].as_str().is_none_or(|code| !code.starts_with(|c: char| c.is_ascii_digit()));
    assert_eq!(told.to_string().contains("Abroad"), abroad, "{told}");
    let (code, output, _) = world.tandem_raw(&["mapping", "check", "orders"]).await?;
    assert!(code == 3 && output.contains("U_Region"), "{code} {output}");
    let (status, body) = world.b1_user_field("ORDR", "Region").await?;
    assert_eq!(status, 201, "{body}");
    let (code, output, _) = world.tandem_raw(&["mapping", "check", "orders"]).await?;
    assert_eq!(code, 0, "{output}");
    let listed = world.tandem_json(&["plugin", "list"]).await?;
    let own = listed.as_array().into_iter().flatten().find(|own| own["name"] == "regions").context("listed")?;
    assert_eq!(own["version"], "0.1.0");
    let asks: Vec<&str> = own["asks"].as_array().into_iter().flatten().filter_map(|ask| ask["path"].as_str()).collect();
    assert_eq!(
        asks,
        ["/mapping/header", "/mapping/header/Account.BillingPostalCode", "/mapping/header/U_Region"],
        "no more than it says"
    );
    // What it does not say that it sets, it does not set.
    change(
        &here.join("regions/src/lib.rs"),
        "json!({ \"U_Region\": region(postal_code) })",
        "json!({ \"CardCode\": \"C00001\" })",
    )?;
    done(here, &["plugin", "build", "regions", "--out", &out.display().to_string()]).await?;
    world.tandem(&["plugin", "grant", "regions", "--yes"]).await?;
    let (code, _, errors) = world.tandem_raw(&["mapping", "preview", "orders", "header", &id]).await?;
    let words = "the mapping plugin regions set CardCode, and it says that it sets U_Region in header";
    assert!(code == 1 && errors.contains(words), "{code} {errors}");
    // Nor what the flow itself sets, whatever it says; and one that panics is named.
    let source = here.join("regions/src/lib.rs");
    change(&source, "vec![\"U_Region\".into()]", "vec![\"U_SF_Id\".into()]")?;
    done(here, &["plugin", "build", "regions", "--out", &out.display().to_string()]).await?;
    let (code, _, errors) = world.tandem_raw(&["mapping", "show", "orders"]).await?;
    let words = "it sets U_SF_Id in header, which the flow itself sets";
    assert!(code == 2 && errors.contains(words), "{code} {errors}");
    change(&source, "vec![\"U_SF_Id\".into()]", "vec![\"U_Region\".into()]")?;
    let asked = "if mapped[\"NumAtCard\"].is_null()";
    change(&source, asked, &format!("if source.is_object() {{ panic!(\"boom\") }}\n        {asked}"))?;
    done(here, &["plugin", "build", "regions", "--out", &out.display().to_string()]).await?;
    world.tandem(&["plugin", "grant", "regions", "--yes"]).await?;
    let (code, _, errors) = world.tandem_raw(&["mapping", "preview", "orders", "header", &id]).await?;
    assert!(code == 1 && errors.contains("the mapping plugin regions, section header"), "{code} {errors}");
    Ok(())
}

/// The blocks of a language in the plugin author guide.
fn guide(language: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(tandem_e2e::root().join("docs/plugin-author-guide.md"))?;
    let fence = format!("```{language}\n");
    let blocks = text.split(fence.as_str()).skip(1);
    Ok(blocks.filter_map(|block| Some(block.split_once("```")?.0.to_owned())).collect())
}

/// Whoever copies a block out of the guide gets what it says.
#[tokio::test]
async fn every_block_of_the_guide_is_built_and_run() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let here = empty.path();
    // The plugins around the blocks are those that `new` writes.
    for (name, kind) in [("regions", "mapper"), ("labels", "flow"), ("mine", "mapper"), ("mine-flow", "flow")] {
        done(here, &["plugin", "new", name, "--kind", kind]).await?;
    }
    let rust = guide("rust")?;
    let code = |part: &str| rust.iter().find(|block| block.contains(part)).cloned().context("a block of Rust");
    std::fs::write(here.join("mine/src/lib.rs"), code("world: \"mapper\"")?)?;
    std::fs::write(
        here.join("mine-flow/src/lib.rs"),
        code("impl Plugin for Mine")?.replace("(\"mine\"", "(\"mine-flow\""),
    )?;
    for (name, kind) in
        [("regions", "mapping plugin"), ("labels", "plugin"), ("mine", "mapping plugin"), ("mine-flow", "plugin")]
    {
        done(here, &["plugin", "build", name]).await?;
        let found = told(here, &["plugin", "inspect", &format!("{name}/{name}.wasm")]).await?;
        assert_eq!((&found["kind"], &found["refused"]), (&json!(kind), &Value::Null), "{found}");
    }
    let scenarios = guide("json")?;
    assert_eq!(scenarios.len(), 2);
    for (n, scenario) in scenarios.iter().enumerate() {
        let (file, plugin) = (format!("guide-{n}.json"), if n == 0 { "regions" } else { "labels" });
        std::fs::write(here.join(&file), scenario)?;
        done(here, &["plugin", "test", &format!("{plugin}/{plugin}.wasm"), &file]).await?;
    }
    let flow = "mapping = \"guide.toml\"".to_owned();
    let setup = Setup {
        flow,
        flows: vec![("accounts", "mapping = \"guide.toml\"")],
        plugins: vec!["orders", "accounts"],
        ..Setup::default()
    };
    let world = World::with(setup).await?;
    let mappings = guide("toml")?;
    assert_eq!(mappings.len(), 2);
    for mapping in mappings {
        let text = if mapping.contains("version") { mapping } else { format!("version = 1\n{mapping}") };
        std::fs::write(world.folder().join("guide.toml"), &text)?;
        let flow = if text.contains("[account]") { "accounts" } else { "orders" };
        let shown = world.tandem(&["mapping", "show", flow]).await?;
        assert!(text.lines().filter(|line| line.contains(" = ")).all(|line| shown.contains(line)), "{shown}");
    }
    Ok(())
}

/// JavaScript and Python: the same plugin, with nothing to reach, in a running host.
async fn comes_in(language: &str) -> Result<()> {
    let flow = "mapping = \"orders.mapping.toml\"\nmapper = \"regions.wasm\"".to_owned();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    let mapping = "version = 1\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\"\n";
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping)?;
    let empty = tempfile::tempdir()?;
    let here = empty.path();
    done(here, &["plugin", "new", "regions", "--kind", "mapper", "--lang", language]).await?;
    let out = world.folder().join("regions.wasm").display().to_string();
    done(here, &["plugin", "build", "regions", "--out", &out]).await?;
    let found = told(here, &["plugin", "inspect", &out]).await?;
    assert_eq!((&found["kind"], &found["refused"]), (&json!("mapping plugin"), &Value::Null), "{found}");
    assert_eq!(found["warnings"], json!([]), "it can reach nothing: {found}");
    let passed = told(here, &["plugin", "test", &out, "regions/scenarios"]).await?;
    let all = passed.as_array().context("scenarios")?;
    assert!(all.len() == 2 && all.iter().all(|own| own["passed"] == true), "{passed}");

    world.tandem(&["plugin", "grant", "regions", "--yes"]).await?;
    world.b1_user_field("ORDR", "Region").await?;
    world.start()?;
    world.ready(Duration::from_secs(240)).await?;
    let ids = world.opportunities(3).await?;
    for (n, id) in ids.iter().enumerate() {
        world.change("Opportunity", id, json!({ "Tandem_PO_Number__c": format!("PO-{n}") })).await?;
        world.win(id).await?;
    }
    for (n, id) in ids.iter().enumerate() {
        world.until_state(id, "Synced").await?;
        let order = world.orders_of(id).await?.remove(0);
        let region = order["U_Region"].as_str().unwrap_or_default();
        assert!(["North", "West", "South", "Abroad"].contains(&region), "{order}");
        assert_eq!(order["NumAtCard"], format!("PO-{n}"));
    }
    Ok(())
}

#[tokio::test]
async fn a_mapping_plugin_in_javascript_reaches_nothing_and_runs_in_a_host() -> Result<()> {
    comes_in("javascript").await
}

#[tokio::test]
async fn a_mapping_plugin_in_python_reaches_nothing_and_runs_in_a_host() -> Result<()> {
    comes_in("python").await
}

#[tokio::test]
async fn what_cannot_be_made_built_or_looked_at_says_why() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let here = empty.path();
    std::fs::write(here.join("text.wasm"), "this is not wasm")?;
    std::fs::create_dir(here.join("used"))?;
    std::fs::write(here.join("used/mine.txt"), "mine")?;
    std::fs::write(here.join("bad.json"), "{ \"about\": \"\", \"evnts\": [] }")?;
    std::fs::copy(wasm("orders"), here.join("mine.wasm"))?;
    let scenario = |name: &str, topics: &[&str], more: Value| {
        let events: Vec<Value> = topics.iter().map(|topic| json!({ "topic": topic, "key": "A" })).collect();
        let mut text = json!({ "events": events, "expect": { "outcomes": vec!["*"; topics.len()] } });
        text.as_object_mut().context("an object")?.extend(more.as_object().cloned().unwrap_or_default());
        anyhow::Ok(std::fs::write(here.join(name), text.to_string())?)
    };
    scenario("other.json", &["b1.Itms"], json!({}))?;
    scenario("twice.json", &["b1.Orders", "b1.Orders"], json!({}))?;
    scenario("status.json", &["b1.Orders"], json!({ "answers": [{ "call": "GET b1 /Orders", "status": 400 }] }))?;
    scenario("wake.json", &["timer.wake"], json!({}))?;
    scenario("fails.json", &["timer.wake"], json!({ "expect": { "fails": "the plugin trapped: *" } }))?;
    let cases: [(i32, &[&str], &str); 20] = [
        (2, &["plugin", "test", "mine.wasm", "twice.json"], "two events have the key \"A\""),
        (2, &["plugin", "test", "mine.wasm", "status.json"], "a call fails by `error`"),
        (3, &["plugin", "test", "mine.wasm", "wake.json"], "has no answer to: GET salesforce /query"),
        (3, &["plugin", "test", "mine.wasm", "fails.json"], "the run ends well"),
        (4, &["plugin", "build", "nothere"], "there is no folder"),
        (2, &["plugin", "new", "con", "--kind", "flow"], "Windows"),
        (4, &["plugin", "test", "nothere"], "there is no nothere"),
        (2, &["plugin", "test", "mine.wasm", "other.json"], "takes no events of b1.Itms"),
        (4, &["plugin", "inspect", "nothere"], "nothere"),
        (2, &["plugin", "new", "My_Plugin", "--kind", "flow"], "lower case letters"),
        (2, &["plugin", "new", "used", "--kind", "flow"], "used is not empty"),
        (2, &["plugin", "new", "a", "--kind", "flow", "--lang", "python"], "--kind mapper"),
        (2, &["plugin", "build", "used"], "neither Cargo.toml"),
        (1, &["plugin", "inspect", "text.wasm"], "is not a WebAssembly component"),
        (4, &["plugin", "inspect", "nothere.wasm"], "nothere.wasm"),
        (4, &["plugin", "test", "mine.wasm"], "--record"),
        (2, &["plugin", "test", "mine.wasm", "bad.json"], "evnts"),
        (4, &["plugin", "test", "mine.wasm", "nothere.json"], "nothere.json"),
        (2, &["plugin", "test", "mine.wasm", "--record", "1"], "--record"),
        (2, &["plugin", "test", "--out", "x.json"], "--record"),
    ];
    for (wanted, arguments, word) in cases {
        let (code, output, errors) = run(here, arguments).await?;
        let said = format!("{output}{errors}");
        assert!(code == wanted && said.contains(word), "{arguments:?}: {code}, not {wanted} with {word:?}\n{said}");
    }
    assert_eq!(std::fs::read_to_string(here.join("used/mine.txt"))?, "mine");
    // A file by another name than it calls itself is looked at, with a warning.
    let found = told(here, &["plugin", "inspect", "mine.wasm"]).await?;
    assert!(found["warnings"].to_string().contains("orders.wasm") && found["refused"].is_null(), "{found}");
    Ok(())
}

/// Names, addresses and numbers of people and companies in the records of a system.
fn personal(records: &[Value]) -> Vec<String> {
    let fields = [
        "Name",
        "CardName",
        "FirstName",
        "LastName",
        "Email",
        "EmailAddress",
        "Phone",
        "Phone1",
        "BillingStreet",
        "BillingCity",
        "ShippingStreet",
        "ShippingCity",
        "Street",
        "City",
        "FederalTaxID",
        "Tandem_Tax_Id__c",
    ];
    let texts = records.iter().flat_map(|record| fields.iter().filter_map(|field| record[*field].as_str()));
    texts.filter(|text| text.len() > 4).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_scenario_of_a_real_event_passes_and_names_nobody() -> Result<()> {
    let flow = "mapper = \"mappers/region-mapper.wasm\"".into();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    std::fs::copy(wasm("region_mapper"), world.folder().join("mappers/region-mapper.wasm"))?;
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    world.b1_user_field("ORDR", "Region").await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    let notes = "Call +49 (221) 998877-0 before noon; VAT DE 811 907 980";
    world.change("Opportunity", &id, json!({ "Tandem_Order_Notes__c": notes })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    let events = events.as_array().context("events")?;
    let won = events.iter().filter(|event| event["topic"] == "salesforce.Opportunity" && event["state"] == "done");
    let event = won.filter_map(|event| event["id"].as_i64()).min().context("its event")?;
    let file = world.folder().join("scenario.json");
    let out = file.display().to_string();
    let recorded = world.tandem_json(&["plugin", "test", "--record", &event.to_string(), "--out", &out]).await?;
    assert_eq!((&recorded["differences"], &recorded["look_at"]), (&json!([]), &json!([])), "{recorded}");
    let text = std::fs::read_to_string(&file)?;
    assert!(text.contains("POST b1 /Orders") && text.contains(&id), "{text}");
    let opportunity = world.opportunity(&id).await?;
    let order = world.orders_of(&id).await?.remove(0);
    let account = world.records("Account").await?.into_iter().find(|own| own["Id"] == opportunity["AccountId"]);
    let partner =
        world.b1_records("BusinessPartners").await?.into_iter().find(|own| own["CardCode"] == order["CardCode"]);
    let real = personal(&[Some(opportunity), Some(order), account, partner].into_iter().flatten().collect::<Vec<_>>());
    assert!(real.len() >= 3, "{real:?}");
    for number in ["998877", "811 907"] {
        assert!(!text.contains(number) && text.contains("before noon; VAT DE"), "{text}");
    }
    for name in &real {
        assert!(!text.to_lowercase().contains(&name.to_lowercase()), "{name}\n{text}");
    }
    // Its mapping plugin lies beside it.
    assert!(world.folder().join("region-mapper.wasm").exists());
    let plugin = world.folder().join("plugins/orders.wasm").display().to_string();
    let passed = world.tandem_json(&["plugin", "test", &plugin, &out]).await?;
    assert_eq!(passed[0]["passed"], true, "{passed:#}");
    // It tells what a change would do: here one of what is expected.
    change(&file, "\"U_SF_Id\"", "\"U_SF_Other\"")?;
    let (code, output, errors) = world.tandem_raw(&["plugin", "test", &plugin, &out]).await?;
    assert_eq!(code, 3, "{output}{errors}");
    assert!(output.contains("U_SF_Id"), "{output}");
    // Nothing is written over.
    let (code, _, errors) =
        world.tandem_raw(&["plugin", "test", "--record", &event.to_string(), "--out", &out]).await?;
    assert!(code == 2 && errors.contains("is there already"), "{code} {errors}");
    let (code, _, errors) = world.tandem_raw(&["plugin", "test", "--record", "99999"]).await?;
    assert!(code == 4 && errors.contains("no event 99999"), "{code} {errors}");
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_came_along_with_the_program_is_put_into_the_plugins_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (here, came) = (folder.path(), folder.path().join("unpacked"));
    // As an archive is unpacked: the program, and a folder beside it.
    let program = came.join(format!("tandem{}", std::env::consts::EXE_SUFFIX));
    std::fs::create_dir_all(came.join("plugins"))?;
    let built = programs().join(program.file_name().context("no name")?);
    std::fs::hard_link(&built, &program).or_else(|_| std::fs::copy(&built, &program).map(|_| ()))?;
    for plugin in ["orders", "credit"] {
        std::fs::copy(wasm(plugin), came.join(format!("plugins/{plugin}.wasm")))?;
    }
    std::fs::write(here.join("tandem.toml"), "")?;
    let tandem = async |arguments: &[&str]| -> Result<(i32, String, String)> {
        let output = Command::new(&program).args(arguments).current_dir(here).stdin(Stdio::null()).output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    };
    let placed = here.join("plugins/orders.wasm");

    let (code, output, errors) = tandem(&["--json", "plugin", "add"]).await?;
    assert_eq!(code, 0, "{errors}");
    let listed: Value = serde_json::from_str(&output)?;
    let names: Vec<&str> = listed.as_array().into_iter().flatten().filter_map(|own| own["name"].as_str()).collect();
    assert_eq!(names, ["credit", "orders"]);
    assert_eq!((&listed[1]["there"], &listed[1]["other"]), (&json!(false), &Value::Null), "{listed}");
    let (code, output, errors) = tandem(&["plugin", "add", "orders"]).await?;
    assert_eq!(code, 0, "{errors}");
    assert!(output.contains("tandem plugin grant orders"), "{output}");
    assert_eq!(std::fs::read(&placed)?, std::fs::read(wasm("orders"))?);
    let (code, output, _) = tandem(&["plugin", "add", "orders"]).await?;
    assert_eq!((code, output.contains("already")), (0, true), "{output}");

    // Another version is there: only with a yes.
    std::fs::write(&placed, "somebody's own")?;
    let (code, _, errors) = tandem(&["plugin", "add", "orders"]).await?;
    assert_eq!((code, errors.contains("--replace")), (2, true), "{errors}");
    assert_eq!(std::fs::read(&placed)?, b"somebody's own");
    let (_, output, _) = tandem(&["plugin", "add"]).await?;
    assert!(output.contains("another version is there"), "{output}");
    assert_eq!(tandem(&["plugin", "add", "orders", "--replace"]).await?.0, 0);
    assert_eq!(std::fs::read(&placed)?, std::fs::read(wasm("orders"))?);

    // What is not there, and what no host would take.
    let (code, _, errors) = tandem(&["plugin", "add", "nope"]).await?;
    assert_eq!((code, errors.contains("credit, orders")), (4, true), "{errors}");
    std::fs::write(came.join("plugins/bad.wasm"), "no component")?;
    assert_ne!(tandem(&["plugin", "add", "bad"]).await?.0, 0);
    assert!(!here.join("plugins/bad.wasm").exists());
    let (code, output, _) = tandem(&["plugin", "add"]).await?;
    assert_eq!((code, output.contains("cannot be used")), (3, true), "{output}");
    let renamed = std::fs::copy(wasm("credit"), came.join("plugins/renamed.wasm"));
    assert!(renamed.is_ok());
    let (code, _, errors) = tandem(&["plugin", "add", "renamed"]).await?;
    assert!(code != 0 && errors.contains("calls itself"), "{errors}");
    Ok(())
}
