//! The commands as an operator uses them, and the ways to sign in and to trust.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

async fn one_order(world: &mut World) -> Result<String> {
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    Ok(id)
}

#[tokio::test]
async fn check_is_content_with_a_provisioned_world_and_says_what_is_missing_in_another() -> Result<()> {
    let world = World::new().await?;
    world.tandem(&["check"]).await?;
    let findings = world.tandem_json(&["check"]).await?;
    assert!(findings.as_array().unwrap().iter().all(|finding| finding["good"] == true), "{findings}");
    let bare = World::with(Setup { init: false, plugins: vec!["orders"], ..Setup::default() }).await?;
    let (code, output, _) = bare.tandem_raw(&["check"]).await?;
    assert_eq!(code, 3);
    for word in ["user table TANDEM", "U_SF_Id", "missing", "tandem init", "counts towards"] {
        assert!(output.contains(word), "{word}\n{output}");
    }
    Ok(())
}

async fn finding(world: &World, what: &str) -> Result<Value> {
    let findings: Value = serde_json::from_str(&world.tandem_raw(&["--json", "check"]).await?.1)?;
    let found = findings.as_array().into_iter().flatten().find(|finding| finding["what"] == what).cloned();
    Ok(found.unwrap_or_default())
}

#[tokio::test]
async fn check_tells_a_refused_sign_in_from_a_server_that_is_down_and_tries_the_event_stream() -> Result<()> {
    let world = World::new().await?;
    const EVENTS: &str = "connection crm: events of /event/Tandem_Change__e";
    assert_eq!(finding(&world, EVENTS).await?["good"], true);
    world.b1_settings(json!({ "password": "changed" })).await?;
    world.salesforce_settings(json!({ "sign_in_refused": true })).await?;
    for (connection, word, mend) in
        [("connection erp", "-304", "user and password"), ("connection crm", "frozen", "client_id")]
    {
        let found = finding(&world, connection).await?;
        let says = found["says"].as_str().unwrap_or_default();
        assert!(says.starts_with("the sign-in was refused: ") && says.contains(word), "{says}");
        assert!(found["mend"].as_str().is_some_and(|own| own.contains(mend)), "{found}");
    }
    world.salesforce_settings(json!({})).await?;
    let (code, _, errors) = world.tandem_raw(&["init"]).await?;
    assert_eq!(code, 1);
    assert!(errors.contains("connection erp: the sign-in was refused") && !errors.contains("exclusive"), "{errors}");
    world.b1_settings(json!({})).await?;
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    // Nobody listens there; then a topic that the org does not have.
    std::fs::write(&config, text.replace(&world.pubsub, "http://127.0.0.1:1"))?;
    let found = finding(&world, EVENTS).await?;
    assert!(found["good"] == false && found["mend"].to_string().contains("127.0.0.1:1"), "{found}");
    std::fs::write(&config, text.replace("client_id =", "topics = [\"/event/Other__e\"]\nclient_id ="))?;
    let found = finding(&world, "connection crm: events of /event/Other__e").await?;
    assert!(found["good"] == false && found["says"].to_string().contains("Other__e"), "{found}");
    Ok(())
}

#[tokio::test]
async fn explain_names_event_call_rule_and_value() -> Result<()> {
    let mut world = World::new().await?;
    let id = one_order(&mut world).await?;
    let order = world.orders_of(&id).await?.remove(0);
    let told = world.tandem_json(&["explain", &id, "NumAtCard"]).await?;
    let call = &told["calls"][0];
    assert_eq!(call["call"], "POST b1 /Orders");
    assert_eq!(call["wrote"]["rule"], "source.Tandem_PO_Number__c");
    assert_eq!(call["wrote"]["values"][0]["value"], order["NumAtCard"]);
    // By the key in B1 too.
    let told = world.tandem_json(&["explain", &order["DocEntry"].to_string()]).await?;
    assert_eq!(told["links"][0]["salesforce_id"], id);
    let (code, _, _) = world.tandem_raw(&["explain", "nobody"]).await?;
    assert_eq!(code, 4);
    let (code, _, errors) = world.tandem_raw(&["explain", &id, "Numatcard"]).await?;
    assert_eq!(code, 4);
    assert!(errors.contains("wrote a field Numatcard"), "{errors}");
    for known in ["NumAtCard", "CardCode", "ItemCode"] {
        assert!(errors.contains(known), "{known}: {errors}");
    }
    // One trace id from the Salesforce event to the host's log of the run.
    let trace = told["events"][0]["trace"].as_str().unwrap().to_owned();
    let log = world.log();
    let line =
        log.lines().find(|line| line.contains(&trace) && line.contains("\"outcome\":\"done\"")).expect("its line");
    assert!(line.contains(&id) && line.contains(&format!("order {} created", order["DocNum"])), "{line}");
    Ok(())
}

#[tokio::test]
async fn the_exit_code_says_whether_it_failed_was_asked_wrongly_or_is_not_there() -> Result<()> {
    let world = World::new().await?;
    let cases: [(i32, &[&str], &str); 16] = [
        (2, &["backfill", "orders", "--since", "yesterday", "--dry-run"], "2026-01-31"),
        (2, &["events", "list", "--state", "lost"], "superseded"),
        (2, &["replay", "1"], "--dry-run"),
        (2, &["plugin", "grant", "orders"], "--yes"),
        (2, &["backfill", "orders"], "offers no backfill"),
        (2, &["mapping", "preview", "orders", "header", "C00001"], "not a Salesforce id"),
        (4, &["backfill", "nope"], "known: orders"),
        (4, &["plugin", "grant", "nothere"], "nothere.wasm"),
        (4, &["mapping", "preview", "orders", "nope", "006"], "known: "),
        (4, &["mapping", "preview", "orders", "header", "006000000000000AAA"], "no Opportunity"),
        (4, &["mapping", "show", "nope"], "known: orders"),
        (4, &["mapping", "check", "nope"], "known: orders"),
        (4, &["events", "list", "--flow", "nope"], "known: orders"),
        (4, &["review", "list", "--flow", "nope"], "known: orders"),
        (4, &["review", "resolve", "99", "--choose", "ignore"], "no event 99"),
        (4, &["replay", "99", "--dry-run"], "no event 99"),
    ];
    for (wanted, arguments, word) in cases {
        let (code, output, errors) = world.tandem_raw(arguments).await?;
        assert_eq!(code, wanted, "{arguments:?}: {output}{errors}");
        assert!(errors.contains(word), "{arguments:?}: {errors}");
    }
    let config = world.folder().join("tandem.toml");
    let plain = std::fs::read_to_string(&config)?;
    std::fs::write(&config, format!("{plain}\nsettings = {{ nonsense = true }}\n"))?;
    let (code, _, errors) = world.tandem_raw(&["mapping", "show", "orders"]).await?;
    assert_eq!(code, 2, "{errors}");
    std::fs::write(&config, plain.replace("b1 = \"erp\"", "b1 = \"crm\""))?;
    let preview = ["mapping", "preview", "orders", "header", "006000000000000AAA"];
    let (code, _, errors) = world.tandem_raw(&preview).await?;
    assert!(code == 2 && errors.contains("tandem.toml: line ") && errors.contains("known: erp\n"), "{errors}");
    std::fs::remove_file(&config)?;
    for (command, word) in [("check", "tandem.toml"), ("run", "tandem.toml"), ("init", "--b1-url")] {
        let (code, _, errors) = world.tandem_raw(&[command]).await?;
        assert_eq!(code, 2, "{command}: {errors}");
        assert!(errors.contains(word), "{command}: {errors}");
    }
    Ok(())
}

#[tokio::test]
async fn init_writes_the_time_zone_and_says_which_flows_are_active() -> Result<()> {
    let world =
        World::with(Setup { init: false, plugins: vec![], more: "[flows]\n".into(), ..Setup::default() }).await?;
    let config = world.folder().join("tandem.toml");
    let url = format!("{}/b1s/v2", world.b1);
    let mut arguments = vec!["init", "--offline", "--b1-url", &url, "--b1-company", "SBODEMO", "--b1-user", "tandem"];
    arguments.extend(["--salesforce-url", &world.salesforce, "--salesforce-client-id", "tandem"]);
    std::fs::remove_file(&config)?;
    let (code, _, errors) = world.tandem_raw(&[&arguments[..], &["--time-zone", "Vienna"]].concat()).await?;
    assert!(code == 2 && errors.contains("Europe/Berlin"), "{errors}");
    let output = world.tandem(&[&arguments[..], &["--time-zone", "Europe/Vienna"]].concat()).await?;
    assert!(std::fs::read_to_string(&config)?.contains("\ntime_zone = \"Europe/Vienna\""));
    assert!(output.contains("active flows: orders\n"), "{output}");
    assert!(output.contains("not active: accounts, catalogue") && output.contains("[flows.<name>]"), "{output}");
    std::fs::remove_dir(world.folder().join("plugins"))?;
    world.tandem(&["init", "--offline"]).await?;
    assert!(world.folder().join("plugins").is_dir(), "there is a folder to copy them to");
    assert!(world.tandem(&["plugin", "list"]).await?.contains("no plugin in "));
    std::fs::remove_file(&config)?;
    world.tandem(&arguments).await?;
    assert!(std::fs::read_to_string(&config)?.contains("time_zone = "), "this machine's, or an example");
    Ok(())
}

#[tokio::test]
async fn a_list_with_nothing_in_it_says_so() -> Result<()> {
    let world = World::new().await?;
    assert_eq!(world.tandem(&["review", "list"]).await?, "nothing to decide\n");
    assert_eq!(world.tandem(&["events", "list"]).await?, "no such events\n");
    assert_eq!(world.tandem_json(&["events", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn dry_run_repeats_a_past_event_and_sends_nothing() -> Result<()> {
    let mut world = World::new().await?;
    let id = one_order(&mut world).await?;
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    let event = events[0]["id"].to_string();
    let before = world.get(&format!("{}/admin/log", world.b1)).await?;
    let replay = world.tandem_json(&["replay", &event, "--dry-run"]).await?;
    assert_eq!(replay["differences"], json!([]), "the same plugin over the same journal does the same");
    assert!(replay["effects"].as_array().unwrap().iter().any(|e| e["call"] == "POST b1 /Orders"), "{replay}");
    // Read anew, the price has changed meanwhile: the difference is told field by field.
    let line = world.lines(&id).await?[0]["Id"].as_str().unwrap().to_owned();
    world.kill().await?;
    world.change("OpportunityLineItem", &line, json!({ "UnitPrice": 99.5 })).await?;
    let fresh = world.tandem_json(&["replay", &event, "--dry-run", "--fresh"]).await?;
    assert!(fresh["differences"].to_string().contains("99.5"), "{fresh}");
    let after = world.get(&format!("{}/admin/log", world.b1)).await?;
    assert_eq!(before["calls"]["POST /Orders"], after["calls"]["POST /Orders"], "nothing was sent");
    assert_eq!(world.orders_of(&id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn review_item_is_answered_with_events_retry() -> Result<()> {
    let mut world = World::new().await?;
    world.up().await?;
    let id = world.opportunities(1).await?.remove(0);
    let account = world.records("Account").await?.into_iter().find(|a| a["Tandem_Card_Code__c"] == "C00007").unwrap();
    world.change("Opportunity", &id, json!({ "AccountId": account["Id"] })).await?;
    let line = world.lines(&id).await?[0]["Id"].as_str().unwrap().to_owned();
    world.change("OpportunityLineItem", &line, json!({ "Quantity": 5000 })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    let events = world.tandem_json(&["events", "list", "--key", &id, "--state", "review"]).await?;
    let event = events[0]["id"].to_string();
    assert!(events[0]["choices"].as_array().unwrap().contains(&json!("send anyway")), "{events}");
    for command in [["review", "show", event.as_str()], ["explain", id.as_str(), "--limit=50"]] {
        let said = world.tandem(&command).await?;
        assert!(said.contains("Send although over the limit"), "what each choice does: {said}");
    }
    let (code, _, errors) = world.tandem_raw(&["events", "retry", &event, "--choose", "nonsense"]).await?;
    assert_eq!(code, 2);
    assert!(errors.contains("send anyway"), "{errors}");
    world.tandem(&["events", "retry", &event, "--choose", "send anyway"]).await?;
    world.until_state(&id, "Synced").await?;
    world.assert_exactly_once(&[id]).await
}

#[tokio::test]
async fn jwt_bearer_signs_in() -> Result<()> {
    let salesforce = "username = \"tandem@example.org\"\nprivate_key = { file = \"salesforce.key\" }\n".to_owned();
    let mut world = World::with(Setup { salesforce, ..Setup::default() }).await?;
    one_order(&mut world).await?;
    Ok(())
}

#[tokio::test]
async fn the_audience_may_differ_from_the_address_signed_in_at() -> Result<()> {
    let salesforce = "username = \"tandem@example.org\"\nprivate_key = { file = \"salesforce.key\" }\n".to_owned();
    let world =
        World::with(Setup { salesforce, init: false, plugins: vec![], more: "[flows]\n".into(), ..Setup::default() })
            .await?;
    world.tandem(&["init", "--offline"]).await?;
    world.salesforce_settings(serde_json::json!({ "jwt_audience": "https://login.salesforce.com" })).await?;
    let (code, output, errors) = world.tandem_raw(&["check"]).await?;
    assert!(code != 0 && format!("{output}{errors}").contains("audience"), "{output}{errors}");
    assert!(output.contains("check login_url"), "the mend is told: {output}");
    assert!(errors.contains("refused the sign-in"), "logged: {errors}");
    assert!(!errors.contains('\u{1b}'), "a log that is no terminal has no colours: {errors}");
    let config = world.folder().join("tandem.toml");
    let with = std::fs::read_to_string(&config)?
        .replace("username =", "audience = \"https://login.salesforce.com\"\nusername =");
    std::fs::write(&config, with)?;
    let (_, output, errors) = world.tandem_raw(&["check"]).await?;
    assert!(!format!("{output}{errors}").contains("audience"), "{output}{errors}");
    Ok(())
}

#[tokio::test]
async fn https_needs_trust_by_ca_file_or_by_fingerprint() -> Result<()> {
    let mut world =
        World::with(Setup { tls: true, init: false, plugins: vec![], more: "[flows]\n".into(), ..Setup::default() })
            .await?;
    let (code, _, errors) = world.tandem_raw(&["init"]).await?;
    assert_eq!(code, 1, "a certificate nobody vouches for is refused");
    assert!(errors.to_lowercase().contains("certificate"), "{errors}");
    let config = world.folder().join("tandem.toml");
    let plain = std::fs::read_to_string(&config)?;
    let with = |tls: &str| {
        plain.replace(
            "requests_per_second = 2000\n\n\n[salesforce",
            &format!("requests_per_second = 2000\ntls = {{ {tls} }}\n\n[salesforce"),
        )
    };
    std::fs::write(&config, with("ca_file = \"b1.pem\""))?;
    world.tandem(&["init"]).await?;
    let pem = std::fs::read_to_string(world.folder().join("b1.server.pem"))?;
    let fingerprint = fingerprint(&pem);
    std::fs::write(&config, with(&format!("pin_sha256 = \"{fingerprint}\"")))?;
    world.tandem(&["init"]).await?;
    std::fs::write(&config, with(&format!("pin_sha256 = \"{}\"", "00".repeat(32))))?;
    let (code, _, errors) = world.tandem_raw(&["init"]).await?;
    assert_eq!(code, 1);
    assert!(errors.contains(&fingerprint), "the message shows the fingerprint found: {errors}");
    world.kill().await
}

pub fn fingerprint(pem: &str) -> String {
    use rustls::pki_types::pem::PemObject;
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, &certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn health_readiness_and_metrics_are_served() -> Result<()> {
    let mut world = World::new().await?;
    one_order(&mut world).await?;
    let ready: Value = world.get(&format!("{}/readyz", world.console)).await?;
    assert_eq!(ready["ready"], true);
    let client = reqwest::Client::new();
    let text = client.get(format!("{}/metrics", world.console)).send().await?.text().await?;
    for metric in ["tandem_outcomes_total", "tandem_run_seconds", "tandem_call_seconds", "tandem_events_taken_total"] {
        assert!(text.contains(metric), "{metric}\n{text}");
    }
    // When the org was looked into last, and what waits there.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs_f64() - 3_600.0;
    let looked = async |world: &World| {
        let text = reqwest::get(format!("{}/metrics", world.console)).await?.text().await?;
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{connection=\"crm\"}}")))?;
            line.rsplit(' ').next()?.parse::<f64>().ok()
        };
        let all = value("tandem_outbox_looked_at_seconds").is_some_and(|at| at > since);
        Ok((all && value("tandem_outbox_rows") == Some(0.0)).then_some(()))
    };
    world.until("the looks into the org in the metrics", Duration::from_secs(30), looked).await?;
    let help = text.lines().find(|line| line.starts_with("# HELP tandem_connection_open")).unwrap_or_default();
    assert!(help.contains("1 while it is open") && help.contains("0 while calls go through"), "{text}");
    assert_eq!(client.get(format!("{}/healthz", world.console)).send().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_command_quietly() -> Result<()> {
    let world = World::new().await?;
    let errors = world.tandem_unread(&["check"]).await?;
    assert!(!errors.contains("panicked"), "{errors}");
    Ok(())
}
