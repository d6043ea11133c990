//! Everything a flow runs is one release: tried, made live, taken back and remembered as one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

/// A component that is compiled for the first time waits for all else on the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mapping whose orders carry this remark.
fn mapping(remark: &str) -> String {
    format!("version = 1\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\"\nComments = \"'{remark}'\"\n")
}

async fn with_mapping(lines: &str) -> Result<World> {
    let flow = format!("mapping = \"orders.mapping.toml\"\n{lines}");
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping("first"))?;
    world.up().await?;
    Ok(world)
}

/// Makes an opportunity won; the remark of its order, and the release it was made under.
async fn remark(world: &World) -> Result<(String, String)> {
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    let events = events.as_array().context("events")?;
    let first = events.iter().find(|event| event["topic"] == "salesforce.Opportunity").context("its event")?;
    let shown = world.tandem_json(&["events", "show", &first["id"].to_string()]).await?;
    let release = shown["runs"][0]["release"].as_str().context("its release")?;
    Ok((order["Comments"].as_str().unwrap_or_default().to_owned(), release.to_owned()))
}

/// The releases of a flow that stand so.
async fn standing(world: &World, flow: &str, word: &str) -> Result<Vec<Value>> {
    let all = world.tandem_json(&["release", "list", flow]).await?;
    Ok(all.as_array().into_iter().flatten().filter(|row| row["standing"] == word).cloned().collect())
}

async fn live(world: &World) -> Result<String> {
    let rows = standing(world, "orders", "live").await?;
    Ok(rows.first().and_then(|row| row["release"].as_str()).context("a live release")?.to_owned())
}

async fn until_live_changes(world: &World, before: &str) -> Result<String> {
    let other = async |world: &World| Ok(Some(live(world).await?).filter(|now| now != before));
    world.until("another release to be live", PATIENCE, other).await
}

#[tokio::test]
async fn a_changed_mapping_is_a_release_that_is_taken_back_by_one_command_and_stays_so() -> Result<()> {
    let mut world = with_mapping("").await?;
    let file = world.folder().join("orders.mapping.toml");
    let first = live(&world).await?;
    assert_eq!(remark(&world).await?, ("first".into(), first.clone()));
    std::fs::write(&file, mapping("second"))?;
    let second = until_live_changes(&world, &first).await?;
    assert_eq!(remark(&world).await?, ("second".into(), second.clone()));
    let told = world.tandem(&["release", "diff", "orders", &second[..8], &first[..8]]).await?;
    assert!(told.contains("-Comments = \"'first'\"") && told.contains("+Comments = \"'second'\""), "{told}");

    let began = Instant::now();
    world.tandem(&["release", "rollback", "orders", "--why", "wrong remark"]).await?;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // From the command on nothing runs under what was taken back, and the files, which still say so, do not bring it again.
    assert_eq!(remark(&world).await?, ("first".into(), first.clone()));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(live(&world).await?, first);
    assert_eq!(standing(&world, "orders", "taken-back").await?[0]["release"], second.as_str());
    // Who looks at the files is told that they are not what runs.
    let id = world.opportunities(1).await?.remove(0);
    for command in [&["mapping", "show", "orders"][..], &["mapping", "preview", "orders", "header", &id]] {
        let (code, shown, errors) = world.tandem_raw(command).await?;
        assert!(code == 0 && shown.contains("second") && errors.contains("wrong remark"), "{shown}{errors}");
        let (code, shown, errors) = world.tandem_raw(&[command, &["--live"]].concat()).await?;
        assert!(code == 0 && shown.contains("first") && errors.is_empty(), "{shown}{errors}");
    }
    world.stop().await?;
    world.up().await?;
    assert_eq!(remark(&world).await?, ("first".into(), first.clone()), "after a restart, too");
    let shown = world.tandem_json(&["release", "show", "orders"]).await?;
    assert_eq!(shown["activations"][0]["why"], "wrong remark");
    assert!(!shown["activations"][0]["who"].as_str().unwrap_or_default().is_empty());

    std::fs::write(&file, mapping("third"))?;
    let third = until_live_changes(&world, &first).await?;
    assert_eq!(remark(&world).await?, ("third".into(), third));
    // Back twice is back two releases.
    world.tandem(&["release", "rollback", "orders"]).await?;
    let (code, _, errors) = world.tandem_raw(&["release", "rollback", "orders"]).await?;
    assert!(code == 4 && errors.contains("no earlier release"), "{code} {errors}");
    world.tandem(&["release", "activate", "orders", &second[..12], "--why", "it was right"]).await?;
    assert_eq!(remark(&world).await?.0, "second");
    // Nor to and fro where somebody has gone back by hand.
    world.tandem(&["release", "activate", "orders", &first]).await?;
    for back in [&second, &first] {
        world.tandem(&["release", "rollback", "orders"]).await?;
        assert_eq!(live(&world).await?, **back);
    }
    let (code, _, errors) = world.tandem_raw(&["release", "rollback", "orders"]).await?;
    assert!(code == 4 && errors.contains("no earlier release"), "{code} {errors}");
    Ok(())
}

#[tokio::test]
async fn a_mapping_that_was_emptied_is_not_taken_and_a_section_that_does_nothing_is_told() -> Result<()> {
    let world = with_mapping("").await?;
    let first = live(&world).await?;
    let file = world.folder().join("orders.mapping.toml");
    std::fs::write(&file, "")?;
    told(&world, "it is empty").await?;
    assert_eq!(live(&world).await?, first);
    std::fs::write(&file, mapping("second").replace("[header]", "[heder]\nU_X = \"'x'\"\n[header]"))?;
    until_live_changes(&world, &first).await?;
    told(&world, "a section of the mapping does nothing").await?;
    let (code, output, _) = world.tandem_raw(&["mapping", "check", "orders"]).await?;
    assert!(code == 3 && output.contains("heder") && output.contains("header, line"), "{code} {output}");
    Ok(())
}

#[tokio::test]
async fn a_mapping_plugin_that_two_flows_share_is_allowed_for_both_by_one_word() -> Result<()> {
    let mapper = "mapper = \"mappers/region-mapper.wasm\"";
    let (flow, flows) = (mapper.to_owned(), vec![("accounts", mapper)]);
    let mut world = World::with(Setup { flow, flows, plugins: vec!["orders", "accounts"], ..Setup::default() }).await?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    std::fs::copy(tandem_e2e::wasm("region_mapper"), world.folder().join("mappers/region-mapper.wasm"))?;
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    let listed = world.tandem_json(&["plugin", "list"]).await?;
    let missing: Vec<&Value> = listed.as_array().into_iter().flatten().map(|row| &row["missing"]).collect();
    assert_eq!(missing, [&json!(0); 4], "{listed}");
    world.up().await
}

#[tokio::test]
async fn what_was_made_live_before_the_first_start_stays_and_needs_no_files() -> Result<()> {
    let test = with_mapping("").await?;
    let file = test.folder().join("orders.release");
    let path = file.to_str().context("path")?;
    test.tandem(&["release", "export", "orders", "-o", path]).await?;
    for without_files in [false, true] {
        let mut world = World::new().await?;
        let digest = world.tandem_json(&["release", "import", path]).await?["release"].clone();
        let digest = digest.as_str().context("release")?;
        world.tandem(&["release", "activate", "orders", digest, "--why", "from the test host"]).await?;
        if without_files {
            std::fs::remove_file(world.folder().join("plugins/orders.wasm"))?;
        }
        world.up().await?;
        assert_eq!(remark(&world).await?, ("first".to_owned(), digest.to_owned()));
        tokio::time::sleep(Duration::from_secs(3)).await;
        let told = world.get(&format!("{}/readyz", world.console)).await?;
        assert!(told["warnings"].as_object().is_none_or(|warnings| warnings.is_empty()), "{told}");
        assert_eq!(live(&world).await?, digest);
        assert!(!world.log().contains("\"level\":\"ERROR\""), "{}", world.log());
    }
    Ok(())
}

#[tokio::test]
async fn a_release_whose_mapping_plugin_has_a_dot_in_its_name_goes_to_another_host() -> Result<()> {
    let flow = "mapper = \"regions-1.2.wasm\"".into();
    let mut test = World::with(Setup { flow, ..Setup::default() }).await?;
    // One of contract 0.1.0 does not say its name: its file does.
    let old = tandem_e2e::root().join("tests/e2e/fixtures/contract-0.1.0/region-mapper.wasm");
    std::fs::copy(old, test.folder().join("regions-1.2.wasm"))?;
    test.tandem(&["plugin", "grant", "regions-1.2", "--yes"]).await?;
    test.up().await?;
    let file = test.folder().join("orders.release");
    let path = file.to_str().context("path")?;
    test.tandem(&["release", "export", "orders", "-o", path]).await?;
    let told = World::new().await?.tandem_json(&["release", "import", path]).await?;
    anyhow::ensure!(told["release"].is_string(), "{told}");
    Ok(())
}

#[tokio::test]
async fn what_the_files_say_waits_for_a_person_where_the_flow_says_by_hand() -> Result<()> {
    let flow = "mapping = \"orders.mapping.toml\"\nrelease = \"by-hand\"";
    let mut world = World::with(Setup { flow: flow.into(), ..Setup::default() }).await?;
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping("first"))?;
    world.start()?;
    let waits = async |world: &World| Ok(standing(world, "orders", "candidate").await?.pop());
    let candidate = world.until("a first candidate", PATIENCE, waits).await?;
    let first = candidate["release"].as_str().unwrap_or_default().to_owned();
    assert!(live(&world).await.is_err(), "the first waits, too");
    world.tandem(&["release", "activate", "orders", &first]).await?;
    world.ready(PATIENCE).await?;
    assert_eq!(live(&world).await?, first);
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping("second"))?;
    let candidate = world.until("a candidate", PATIENCE, waits).await?;
    assert!(candidate["held"].as_str().unwrap_or_default().contains("tandem release activate orders"), "{candidate}");
    assert_eq!(remark(&world).await?, ("first".into(), first));
    let warned = world.get(&format!("{}/readyz", world.console)).await?;
    assert!(warned["warnings"]["orders"].as_str().unwrap_or_default().contains("by hand"), "{warned}");
    let digest = candidate["release"].as_str().unwrap_or_default();
    world.tandem(&["release", "activate", "orders", digest]).await?;
    assert_eq!(remark(&world).await?, ("second".into(), digest.to_owned()));
    let calm = async |world: &World| {
        let told = world.get(&format!("{}/readyz", world.console)).await?;
        Ok(told["warnings"]["orders"].is_null().then_some(()))
    };
    world.until("no warning", PATIENCE, calm).await
}

/// The flow `orders`, and one of the hostile plugin.
async fn beside_hostile() -> Result<World> {
    let setup = Setup {
        plugins: vec!["orders", "hostile"],
        more: "[flows.hostile]\nplugin = \"hostile\"\nconnections = { b1 = \"erp\", s = \"crm\" }\n".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    Ok(world)
}

/// The same code with other texts of the same length in it.
fn patched(code: &[u8], old: &str, new: &str) -> Vec<u8> {
    let (old, new, mut code) = (old.as_bytes(), new.as_bytes(), code.to_vec());
    assert_eq!(old.len(), new.len());
    let places: Vec<usize> = (0..code.len() - old.len()).filter(|place| code[*place..].starts_with(old)).collect();
    assert!(!places.is_empty());
    for place in places {
        code[place..place + new.len()].copy_from_slice(new);
    }
    code
}

/// The same code with a note at its end: another digest.
fn rebuilt(code: &[u8]) -> Vec<u8> {
    [code, &[0, 5, 4], b"note"].concat()
}

async fn told(world: &World, word: &'static str) -> Result<()> {
    world.until(word, PATIENCE, async |world: &World| Ok(world.log().contains(word).then_some(()))).await
}

#[tokio::test]
async fn a_plugin_that_asks_for_no_more_goes_live_by_itself_and_half_a_file_does_not() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let ids = world.opportunities(2).await?;
    let file = world.folder().join("plugins/orders.wasm");
    let whole = std::fs::read(&file)?;
    let first = live(&world).await?;
    // As a copy under way would leave it.
    std::fs::write(&file, &whole[..whole.len() / 2])?;
    told(&world, "the changed files are not taken").await?;
    world.win(&ids[0]).await?;
    world.until_state(&ids[0], "Synced").await?;
    std::fs::write(&file, rebuilt(&whole))?;
    let second = until_live_changes(&world, &first).await?;
    world.win(&ids[1]).await?;
    world.until_state(&ids[1], "Synced").await?;
    let mut releases = Vec::new();
    for id in &ids {
        let events = world.tandem_json(&["events", "list", "--key", id]).await?;
        let shown = world.tandem_json(&["events", "show", &events[0]["id"].to_string()]).await?;
        releases.push(shown["runs"][0]["release"].as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(releases, [first, second]);
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn a_plugin_that_asks_for_more_waits_for_consent_while_the_last_good_release_lives_on_after_a_restart_too()
-> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let first = live(&world).await?;
    let file = world.folder().join("plugins/orders.wasm");
    let whole = std::fs::read(&file)?;
    std::fs::write(&file, patched(&whole, "/Drafts", "/Drafty"))?;
    told(&world, "waits for consent").await?;
    world.stop().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(live(&world).await?, first);
    let candidate = standing(&world, "orders", "candidate").await?.remove(0);
    assert!(candidate["held"].as_str().unwrap_or_default().contains("tandem plugin grant orders"), "{candidate}");
    let digest = candidate["release"].as_str().unwrap_or_default();
    let (code, _, errors) = world.tandem_raw(&["release", "activate", "orders", digest]).await?;
    assert!(code == 1 && errors.contains("waits for consent"), "nobody allowed it: {code} {errors}");
    let shown = world.tandem(&["release", "diff", "orders", digest]).await?;
    assert!(shown.contains("may now") && shown.contains("/Drafty"), "{shown}");
    world.tandem(&["plugin", "grant", "orders", "--yes"]).await?;
    assert_eq!(until_live_changes(&world, &first).await?, digest);
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_needs_a_connection_the_flow_does_not_have_never_goes_live() -> Result<()> {
    let world = beside_hostile().await?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    // The flow of the other plugin, whose slots are called otherwise.
    std::fs::write(&config, text.replace("plugin = \"hostile\"", "plugin = \"orders\""))?;
    told(&world, "the plugin needs `salesforce` bound to a salesforce connection").await?;
    let rows = standing(&world, "hostile", "live").await?;
    assert_eq!(rows[0]["manifest"]["plugin"]["name"], "hostile", "it goes on with what it had");
    Ok(())
}

#[tokio::test]
async fn a_changed_plugin_gets_its_new_topics_without_a_restart() -> Result<()> {
    let world = beside_hostile().await?;
    let change = |n: u32| json!({ "Record_Id__c": format!("801ORDER{n:010}"), "Object__c": "OrderAction", "Event_Id__c": format!("o{n}"), "do": "nothing" });
    let taken = async |world: &World, n: u32| {
        assert_eq!(world.webhook(&change(n)).await?, 202);
        let key = format!("801ORDER{n:010}");
        let events = world.tandem_json(&["events", "list", "--flow", "hostile", "--key", &key]).await?;
        anyhow::Ok(events.as_array().is_some_and(|events| !events.is_empty()))
    };
    assert!(!taken(&world, 0).await?, "the plugin does not take it");
    let file = world.folder().join("plugins/hostile.wasm");
    std::fs::write(&file, patched(&std::fs::read(&file)?, "salesforce.Opportunity", "salesforce.OrderAction"))?;
    let mut n = 0;
    let began = Instant::now();
    while !taken(&world, {
        n += 1;
        n
    })
    .await?
    {
        assert!(began.elapsed() < PATIENCE, "the new topic is not taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_mapping_plugin_is_listed_needs_consent_and_is_part_of_the_release() -> Result<()> {
    let flow = "mapping = \"orders.mapping.toml\"\nmapper = \"mappers/region-mapper.wasm\"".into();
    let mut world = World::with(Setup { flow, ..Setup::default() }).await?;
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping("first"))?;
    std::fs::create_dir(world.folder().join("mappers"))?;
    let file = world.folder().join("mappers/region-mapper.wasm");
    std::fs::copy(tandem_e2e::wasm("region_mapper"), &file)?;
    world.b1_user_field("ORDR", "Region").await?;
    world.start()?;
    told(&world, "tandem plugin grant region-mapper").await?;
    let listed = world.tandem_json(&["plugin", "list"]).await?;
    let mapper = listed.as_array().into_iter().flatten().find(|row| row["kind"] == "mapping plugin").cloned();
    let mapper = mapper.context("the mapping plugin is in the list")?;
    assert!(mapper["name"] == "region-mapper" && mapper["missing"].as_u64() > Some(0), "{mapper}");
    assert!(mapper["asks"][0]["path"].as_str().unwrap_or_default().starts_with("/mapping/"), "{mapper}");
    world.tandem(&["plugin", "grant", "region-mapper", "--yes"]).await?;
    world.ready(PATIENCE).await?;
    let (_, first) = remark(&world).await?;
    let shown = world.tandem(&["release", "show", "orders"]).await?;
    assert!(shown.contains("region-mapper 0.1.0 ("), "{shown}");
    // Another one of the same name may do the same, and is another release.
    std::fs::write(&file, rebuilt(&std::fs::read(&file)?))?;
    let second = until_live_changes(&world, &first).await?;
    let why = world.tandem_json(&["release", "show", "orders"]).await?["activations"][0]["why"].clone();
    assert_eq!(why, "changed: mapping plugin");
    assert_eq!(remark(&world).await?.1, second);
    Ok(())
}

#[tokio::test]
async fn who_mends_a_mapping_and_starts_the_host_has_nothing_done_by_the_old_one() -> Result<()> {
    let mut world = with_mapping("").await?;
    let live_before = live(&world).await?;
    world.stop().await?;
    let ids = world.opportunities(3).await?;
    for id in &ids {
        world.win(id).await?;
    }
    std::fs::write(world.folder().join("orders.mapping.toml"), mapping("mended"))?;
    world.up().await?;
    world.until_all_told(&ids, PATIENCE).await?;
    for id in &ids {
        let order = world.orders_of(id).await?.remove(0);
        assert_eq!(order["Comments"], "mended", "{order}");
    }
    assert_ne!(live(&world).await?, live_before);
    Ok(())
}

/// Makes so many opportunities won at once.
async fn won(world: &World, count: usize) -> Result<Vec<String>> {
    let ids = world.opportunities(count).await?;
    for id in &ids {
        world.win(id).await?;
    }
    for id in &ids {
        world.until_state(id, "Synced").await?;
    }
    world.settled().await?;
    Ok(ids)
}

fn group<'a>(found: &'a Value, call: &str, field: &str) -> Option<&'a Value> {
    found["groups"].as_array()?.iter().find(|group| group["call"] == call && group["field"] == field)
}

/// A comparison as JSON, with its exit code.
async fn compared(world: &World, arguments: &[&str]) -> Result<(i32, Value)> {
    let (code, output, errors) =
        world.tandem_raw(&[&["--json", "release", "compare", "orders"], arguments].concat()).await?;
    Ok((code, serde_json::from_str(&output).with_context(|| format!("{code} {errors}"))?))
}

#[tokio::test]
async fn a_comparison_says_what_would_have_been_otherwise_record_by_record_and_sends_nothing() -> Result<()> {
    let mut world = with_mapping("").await?;
    let ids = won(&world, 30).await?;
    world.stop().await?;
    let before = (world.calls(&world.b1).await?, world.calls(&world.salesforce).await?);
    let (code, same) = compared(&world, &[]).await?;
    assert!(code == 0 && same["different"] == 0 && same["untold"] == 0 && same["read_now"] == 0, "{same}");
    assert!(same["events"].as_u64() >= Some(30) && same["events"] == same["same"], "{same}");

    let other = world.folder().join("other.toml");
    std::fs::write(&other, mapping("second"))?;
    let (code, found) = compared(&world, &[other.to_str().context("path")?]).await?;
    assert_eq!(code, 3);
    let remarks = group(&found, "POST b1 /Orders", "Comments").with_context(|| found.to_string())?;
    assert_eq!(remarks["count"], 30, "{found}");
    assert_eq!(
        (&remarks["examples"][0]["before"], &remarks["examples"][0]["after"]),
        (&json!("first"), &json!("second"))
    );
    assert!(ids.iter().any(|id| remarks["examples"][0]["subject"] == id.as_str()), "{remarks}");
    let kept = group(&found, "link order", "base.header.Comments").with_context(|| found.to_string())?;
    assert_eq!(kept["count"], 30, "what is kept as the last value in step");
    assert_eq!(found["groups"].as_array().map(Vec::len), Some(2), "the answers were what they were: {found}");
    assert_eq!(found["different"], 30, "{found}");

    // What reads less finds it in what was read.
    std::fs::write(&other, "version = 1\n[header]\nComments = \"'second'\"\n")?;
    let (_, found) = compared(&world, &["--mapping", other.to_str().context("path")?]).await?;
    assert!(found["untold"] == 0 && found["read_now"] == 0 && found["different"] == 30, "{found}");
    assert!(group(&found, "POST b1 /Orders", "Comments").is_some(), "{found}");

    // What the past runs did not read is not made up.
    std::fs::write(&other, mapping("second").replace("\"'second'\"", "\"source.Description\""))?;
    let (code, found) = compared(&world, &["--mapping", other.to_str().context("path")?]).await?;
    assert!(code == 3 && found["untold"].as_u64() >= Some(30), "{found}");
    assert!(
        found["unread"]
            .as_object()
            .is_some_and(|reads| reads.keys().any(|read| read == "GET salesforce /query: Description")),
        "{found}"
    );
    assert_eq!((world.calls(&world.b1).await?, world.calls(&world.salesforce).await?), before, "nothing was sent");
    let (_, found) = compared(&world, &["--mapping", other.to_str().context("path")?, "--live"]).await?;
    assert!(found["untold"] == 0 && found["read_now"].as_u64() > Some(0), "{found}");
    // Only the field that was not read then is read now: the orders are there meanwhile, and would be made all the same.
    assert_eq!(group(&found, "POST b1 /Orders", "Comments").with_context(|| found.to_string())?["count"], 30);
    assert!(group(&found, "outcome", "").is_none(), "{found}");
    let posted = |calls: &Value| calls.to_string().matches("POST /Orders").count();
    assert_eq!(posted(&world.calls(&world.b1).await?), posted(&before.0), "no order was sent");

    // A rebuilt plugin, by its file.
    let file = world.folder().join("rebuilt.wasm");
    std::fs::write(&file, rebuilt(&std::fs::read(world.folder().join("plugins/orders.wasm"))?))?;
    let (code, same) = compared(&world, &[file.to_str().context("path")?]).await?;
    assert!(code == 0 && same["events"] == same["same"], "{same}");
    // Another flow's plugin, and none.
    let other = tandem_e2e::wasm("accounts");
    for (file, wanted, words) in [
        (other.to_str().context("path")?, 2, "is the plugin accounts, and the flow orders runs orders"),
        ("nofile.wasm", 4, "cannot read the plugin nofile.wasm"),
    ] {
        let (code, _, errors) = world.tandem_raw(&["release", "compare", "orders", file]).await?;
        assert!(code == wanted && errors.contains(words), "{code} {errors}");
    }
    Ok(())
}

#[tokio::test]
async fn what_does_the_same_goes_live_by_itself_and_what_does_not_waits_where_the_flow_says_if_same() -> Result<()> {
    let world = with_mapping("release = \"if-same\"").await?;
    let first = live(&world).await?;
    won(&world, 3).await?;
    let file = world.folder().join("orders.mapping.toml");
    std::fs::write(&file, mapping("first").replace("[header]", "# a remark\n[header]"))?;
    let second = until_live_changes(&world, &first).await?;
    std::fs::write(&file, mapping("other"))?;
    let waits = async |world: &World| Ok(standing(world, "orders", "candidate").await?.pop());
    let candidate = world.until("a candidate", PATIENCE, waits).await?;
    let held = candidate["held"].as_str().unwrap_or_default();
    assert!(held.contains("3 would end otherwise") && held.contains("POST b1 /Orders Comments"), "{held}");
    assert_eq!(live(&world).await?, second);
    Ok(())
}

#[tokio::test]
async fn what_the_last_events_did_not_use_does_not_pass_for_the_same() -> Result<()> {
    let world = with_mapping("release = \"if-same\"").await?;
    let first = live(&world).await?;
    won(&world, 2).await?;
    let file = world.folder().join("orders.mapping.toml");
    let waits = async |word: &str| {
        let held = async |world: &World| {
            let rows = standing(world, "orders", "candidate").await?;
            let held = rows.first().and_then(|row| row["held"].as_str()).unwrap_or_default();
            Ok(held.contains(word).then(|| held.to_owned()))
        };
        world.until(word, PATIENCE, held).await
    };
    // The echoes of a busy hour are many, and none of them maps anything.
    let order = world.b1_records("Orders").await?.pop().context("an order")?;
    for n in 0..40 {
        let path = format!("/Orders({})", order["DocEntry"]);
        world.b1_patch(&path, json!({ "JournalMemo": format!("n{n}") })).await?;
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    world.settled().await?;
    std::fs::write(&file, mapping("other"))?;
    let held = waits("would end otherwise").await?;
    assert!(held.contains("POST b1 /Orders Comments"), "{held}");
    std::fs::write(&file, format!("{}[expense]\nRemarks = \"'freight'\"\n", mapping("first")))?;
    waits("none of the last events used: expense").await?;
    assert_eq!(live(&world).await?, first);
    let (_, compared) = compared(&world, &[]).await?;
    assert_eq!((&compared["different"], &compared["unused"]), (&json!(0), &json!(["expense"])), "{compared}");
    Ok(())
}

/// A key pair of minisign: the secret key's file, and the public key as `tandem.toml` takes it.
fn key_pair(folder: &std::path::Path, name: &str) -> Result<(std::path::PathBuf, String)> {
    let pair = minisign::KeyPair::generate_unencrypted_keypair()?;
    let file = folder.join(name);
    std::fs::write(&file, pair.sk.to_box(None)?.into_string())?;
    Ok((file, pair.pk.to_base64()))
}

#[tokio::test]
async fn a_release_goes_from_the_test_host_to_production_as_one_signed_file() -> Result<()> {
    let test = with_mapping("settings = { warehouse = \"01\" }").await?;
    let (key, public) = key_pair(test.folder(), "release.key")?;
    let file = test.folder().join("orders.release");
    let path = file.to_str().context("path")?;
    test.tandem(&["release", "export", "orders", "-o", path, "--key", key.to_str().context("path")?]).await?;
    let text = std::fs::read_to_string(&file)?;
    assert!(
        text.contains("Comments = \"'first'\"") && text.contains("untrusted comment"),
        "its text parts are readable"
    );

    let more = format!("[trust]\nkeys = [\"{public}\"]\nsigned_only = true\n");
    let mut world = World::with(Setup { more: String::new(), ..Setup::default() }).await?;
    world.up().await?;
    let first = live(&world).await?;
    let config = world.folder().join("tandem.toml");
    std::fs::write(&config, std::fs::read_to_string(&config)? + &more)?;
    told(&world, "is not signed").await?;
    let forged = world.folder().join("forged.release");
    std::fs::write(&forged, text.replace("'first'", "'other'"))?;
    let (code, _, errors) = world.tandem_raw(&["release", "import", forged.to_str().context("path")?]).await?;
    assert!(code == 1 && errors.contains("its signature is not one of [trust] keys"), "{code} {errors}");
    let unsigned = text.split("\n-- signature --").next().context("text")?;
    std::fs::write(&forged, unsigned)?;
    let (code, _, errors) = world.tandem_raw(&["release", "import", forged.to_str().context("path")?]).await?;
    assert!(code == 1 && errors.contains("is not signed"), "{code} {errors}");

    let taken = world.tandem_json(&["release", "import", path]).await?;
    let digest = taken["release"].as_str().context("release")?.to_owned();
    assert!(taken["signed"].as_str().unwrap_or_default().starts_with("signed by "), "{taken}");
    assert!(taken["differences"].to_string().contains("settings.warehouse"), "{taken}");
    assert_eq!(live(&world).await?, first, "it is not live by that");
    world.tandem(&["release", "activate", "orders", &digest]).await?;
    assert_eq!(remark(&world).await?, ("first".into(), digest));
    // What was kept before it had to be signed does not come back.
    for arguments in [&["release", "activate", "orders", &first][..], &["release", "rollback", "orders"]] {
        let (code, _, errors) = world.tandem_raw(arguments).await?;
        assert!(code == 1 && errors.contains("is not signed by one of [trust] keys"), "{code} {errors}");
    }
    let (code, _, errors) = world.tandem_raw(&["plugin", "grant", "orders", "--yes"]).await?;
    assert!(code == 1 && errors.contains("is not signed"), "{code} {errors}");
    Ok(())
}
