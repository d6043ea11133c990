//! The set-up assistant's API: from a host that knows nothing to a flow and its first load.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_e2e::console::{Caller, account, empty};
use tandem_e2e::{Setup, World};

const PATIENCE: Duration = Duration::from_secs(60);

async fn put(caller: &Caller, path: &str, body: Value) -> Result<Value> {
    let (status, answer) = caller.ask(Method::PUT, path, Some(body)).await?;
    ensure!(status == 200, "PUT {path}: {status} {answer}");
    Ok(answer)
}

/// A row of the set-up, once it is as it should be.
async fn until(world: &World, admin: &Caller, what: &str, name: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let look = async |_: &World| {
        let setup = admin.get("/setup").await?;
        let rows = setup[what].as_array().cloned().unwrap_or_default();
        Ok(rows.into_iter().find(|row| (row["name"] == name || row["flow"] == name) && holds(row)))
    };
    world.until(&format!("{name} among {what}"), PATIENCE, look).await
}

fn company(world: &World, pin: Value) -> Value {
    json!({ "kind": "b1", "url": format!("{}/b1s/v2", world.b1), "company": "SBODEMO", "user": "tandem",
        "time_zone": "Europe/Berlin", "pin_sha256": pin, "ca_file": null })
}

fn org(world: &World) -> Value {
    json!({ "kind": "salesforce", "login_url": world.salesforce, "client_id": "tandem", "username": null, "namespace": "",
        "pubsub_url": world.pubsub, "pin_sha256": null, "ca_file": null })
}

fn words(look: &Value, state: &str) -> String {
    let own = look["findings"].as_array().into_iter().flatten().filter(|own| own["state"] == state);
    own.map(|own| format!("{} {} {}\n", own["what"], own["says"], own["mend"])).collect()
}

/// Sign-ins that the B1 simulator has seen, whose certificate nobody here knows.
async fn logins(world: &World) -> Result<u64> {
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build()?;
    let log: Value = serde_json::from_str(&client.get(format!("{}/admin/log", world.b1)).send().await?.text().await?)?;
    let all = log["calls"].as_object().into_iter().flatten().filter(|(kind, _)| kind.contains("Login"));
    Ok(all.filter_map(|(_, count)| count.as_u64()).sum())
}

#[tokio::test]
async fn from_nothing_to_a_flow_and_its_first_load() -> Result<()> {
    let (mut world, password) = empty(&["accounts", "orders"]).await?;
    let admin = Caller::new(&world)?.sign_in("admin", &password).await?;
    let setup = admin.get("/setup").await?;
    assert_eq!((&setup["connections"], &setup["flows"]), (&json!([]), &json!([])));
    let names: Vec<&Value> = setup["plugins"].as_array().into_iter().flatten().map(|own| &own["plugin"]).collect();
    assert_eq!(names, ["accounts", "orders"]);
    assert_eq!(setup["plugins"][0]["slots"][0]["kind"], "b1");

    // Who the server is comes before the password.
    let wanted = |pin: Value, secret: Value| json!({ "name": "erp", "settings": company(&world, pin), "way": "password", "secret": secret });
    let look = admin.post("/setup/look", wanted(Value::Null, json!("tandem"))).await?;
    let certificate = look["certificate"].clone();
    assert_eq!((&certificate["trusted"], &certificate["self_signed"]), (&json!(false), &json!(false)), "{look}");
    assert!(words(&look, "wrong").contains("not trusted"), "{look}");
    assert_eq!(logins(&world).await?, 0, "nothing is sent to a server that is not trusted");
    let pin = certificate["sha256"].clone();
    let look = admin.post("/setup/look", wanted(pin.clone(), json!("mistyped"))).await?;
    assert!(words(&look, "wrong").contains("password of this [b1] section"), "{look}");
    let look = admin.post("/setup/look", wanted(pin.clone(), json!("tandem"))).await?;
    assert!(words(&look, "good").contains("logged in to B1"), "{look}");
    assert!(words(&look, "wrong").contains("user table TANDEM"), "{look}");

    let erp = json!({ "settings": company(&world, pin.clone()), "way": "password", "secret": "tandem" });
    let saved = put(&admin, "/setup/connections/erp", erp.clone()).await?;
    assert_eq!(saved["kept"], "the file secrets/erp.password");
    let text = fs::read_to_string(world.folder().join("tandem.toml"))?;
    assert!(text.starts_with("# The host of the company.\n[host]\n") && text.contains("[b1.erp]"), "{text}");
    assert!(text.contains("password = { file = \"secrets/erp.password\" }"), "{text}");
    assert_eq!(fs::read_to_string(world.folder().join("secrets/erp.password"))?, "tandem");
    until(&world, &admin, "connections", "erp", |own| own["live"] == true).await?;
    admin.post("/setup/connections/erp/provision", json!({})).await?;
    let again = admin.post("/setup/connections/erp/provision", json!({})).await?;
    assert!(again["made"].as_array().into_iter().flatten().all(|own| own["present"] == true), "{again}");

    // The kept secret goes where it was meant to go, and nowhere else.
    let same = json!({ "name": "erp", "settings": company(&world, pin.clone()), "way": "password" });
    assert!(words(&admin.post("/setup/look", same.clone()).await?, "good").contains("logged in to B1"));
    let mut elsewhere = same.clone();
    elsewhere["settings"]["url"] = json!("https://127.0.0.1:9/b1s/v2");
    let (status, told) = admin.ask(Method::POST, "/setup/look", Some(elsewhere)).await?;
    assert_eq!((status, &told["field"]), (422, &json!("secret")), "{told}");

    let crm = json!({ "settings": org(&world), "way": "client_secret", "secret": "tandem-secret" });
    let mut tried = crm.clone();
    tried["name"] = json!("crm");
    let look = admin.post("/setup/look", tried).await?;
    assert!(
        words(&look, "good").contains("the Tandem package") && words(&look, "good").contains("subscribed"),
        "{look}"
    );
    put(&admin, "/setup/connections/crm", crm).await?;
    until(&world, &admin, "connections", "crm", |own| own["live"] == true).await?;
    let setup = admin.get("/setup").await?.to_string();
    assert!(!setup.contains("tandem-secret"), "{setup}");

    // A new password lies in a file of its own, and the one before is gone: what runs never reads what was meant for another server.
    let saved = put(&admin, "/setup/connections/erp", erp.clone()).await?;
    let kept = saved["kept"].as_str().and_then(|kept| kept.strip_prefix("the file ")).context("a file")?;
    assert!(kept.starts_with("secrets/erp.password.") && world.folder().join(kept).exists(), "{saved}");
    assert!(!world.folder().join("secrets/erp.password").exists());
    until(&world, &admin, "connections", "erp", |own| own["live"] == true).await?;

    // Somebody else's change is not undone by a form that was opened before.
    let mut stale = erp.clone();
    stale["instead_of"] = stale["settings"].clone();
    stale["instead_of"]["user"] = json!("somebody");
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/erp", Some(stale.clone())).await?;
    assert_eq!(status, 409, "{told}");
    assert!(world.folder().join(kept).exists() && fs::read_dir(world.folder().join("secrets"))?.count() == 2);
    // Nor is what somebody made while a form for a new one of that name was open.
    let mut second = erp.clone();
    second["new"] = json!(true);
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/erp", Some(second)).await?;
    assert_eq!(status, 409, "{told}");
    stale["instead_of"] = stale["settings"].clone();
    let saved = put(&admin, "/setup/connections/erp", stale).await?;
    assert_ne!(saved["kept"].as_str(), Some(format!("the file {kept}").as_str()));
    until(&world, &admin, "connections", "erp", |own| own["live"] == true).await?;

    // What could not be used after the next start is not written.
    let mut unreadable = erp.clone();
    (unreadable["settings"]["pin_sha256"], unreadable["settings"]["ca_file"]) = (Value::Null, json!("nowhere.pem"));
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/erp", Some(unreadable)).await?;
    assert_eq!((status, &told["field"]), (422, &json!("ca_file")), "{told}");
    let key = json!({ "settings": org(&world), "way": "private_key", "secret": "no key" });
    let mut key = key.clone();
    key["settings"]["username"] = json!("tandem@example.com");
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/crm", Some(key)).await?;
    assert_eq!((status, &told["field"]), (422, &json!("secret")), "{told}");
    for name in ["ERP", "nul", "com1"] {
        let (status, told) = admin.ask(Method::PUT, &format!("/setup/connections/{name}"), Some(erp.clone())).await?;
        assert_eq!((status, &told["field"]), (422, &json!("name")), "{told}");
    }

    // What is wrong with a form is told of its field.
    let mut wrong = erp.clone();
    wrong["settings"]["user"] = json!(" ");
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/erp", Some(wrong)).await?;
    assert_eq!((status, &told["field"]), (422, &json!("user")), "{told}");
    let (status, told) = admin.ask(Method::PUT, "/setup/connections/..%2Fx", Some(erp.clone())).await?;
    assert_eq!((status, &told["field"]), (422, &json!("name")), "{told}");

    let bound = json!({ "b1": "erp", "salesforce": "crm" });
    let flow = |settings: Value| json!({ "plugin": "accounts", "connections": bound, "settings": settings });
    let (status, told) = admin.ask(Method::PUT, "/setup/flows/accounts", Some(flow(json!({ "serise": 1 })))).await?;
    assert_eq!((status, &told["field"]), (422, &json!("settings")), "{told}");
    put(&admin, "/setup/flows/accounts", flow(json!({ "series": 1 }))).await?;
    let row =
        until(&world, &admin, "flows", "accounts", |own| own["live"] == true && own["release"].is_string()).await?;
    assert!(row["missing"].as_u64() > Some(0) && row["running"] == false, "{row}");
    let (status, told) = admin.ask(Method::POST, "/flows/accounts/load/rehearse", Some(json!({}))).await?;
    assert_eq!(status, 409, "what was never allowed reads nothing: {told}");
    let release = row["release"].as_str().context("a release")?.to_owned();
    let path = format!("/flows/accounts/releases/{release}");
    admin.post(&format!("{path}/grant"), json!({ "permissions": row["missing"] })).await?;
    let (status, told) = admin.ask(Method::POST, "/flows/accounts/load", Some(json!({}))).await?;
    assert_eq!(status, 409, "not before it is live: {told}");

    let before = world.records("Account").await?;
    admin.post("/flows/accounts/load/rehearse", json!({})).await?;
    let over = async |_: &World| {
        let load = admin.get("/flows/accounts/load").await?;
        Ok((load["rehearsal"]["state"] == "over").then_some(load))
    };
    let rehearsed = world.until("the rehearsal", PATIENCE, over).await?;
    let found = &rehearsed["rehearsal"]["found"];
    assert!(found["links"].as_array().is_some_and(|own| !own.is_empty()), "{rehearsed}");
    assert_eq!(rehearsed["rehearsal"]["done"], rehearsed["rehearsal"]["total"]);
    assert_eq!(world.records("Account").await?, before, "a rehearsal writes nothing");
    let row = until(&world, &admin, "flows", "accounts", |own| own["missing"] == 0).await?;
    assert_eq!(row["running"], false, "it goes live when a person says so: {row}");

    admin.post(&format!("{path}/activate"), json!({ "instead_of": null })).await?;
    until(&world, &admin, "flows", "accounts", |own| own["running"] == true).await?;
    let begun = admin.post("/flows/accounts/load", json!({})).await?;
    assert_eq!(begun["load"]["state"], "goes-on", "{begun}");
    // Nobody has to stay, nor the host.
    world.kill().await?;
    world.up().await?;
    let over = async |_: &World| {
        let load = admin.get("/flows/accounts/load").await?;
        Ok((load["load"]["state"] == "over").then_some(load))
    };
    let loaded = world.until("the load", PATIENCE, over).await?;
    assert_eq!(
        (&loaded["load"]["done"], &loaded["load"]["taken"]),
        (&loaded["load"]["total"], &loaded["load"]["total"])
    );
    let linked = world.records("Account").await?;
    assert!(linked.iter().any(|own| own["Tandem_Card_Code__c"].is_string()), "customers have their codes");

    let viewer = account(&admin, "vera", "viewer", json!(null)).await?;
    let operator = account(&admin, "otto", "operator", json!(null)).await?;
    let limited = account(&admin, "lina", "admin", json!(["accounts"])).await?;
    for who in [&viewer, &operator, &limited] {
        assert_eq!(who.ask(Method::GET, "/setup", None).await?.0, 403);
        assert_eq!(who.ask(Method::POST, "/setup/look", Some(same.clone())).await?.0, 403);
    }
    assert_eq!(viewer.ask(Method::GET, "/flows/accounts/load", None).await?.0, 200);
    assert_eq!(viewer.ask(Method::POST, "/flows/accounts/load", Some(json!({}))).await?.0, 403);

    // What is not needed goes again, with its secret; what a flow uses stays.
    put(&admin, "/setup/connections/spare", erp).await?;
    assert!(world.folder().join("secrets/spare.password").exists());
    for path in ["/setup/connections/spare", "/setup/flows/accounts"] {
        assert_eq!(operator.ask(Method::DELETE, path, None).await?.0, 403, "{path}");
    }
    assert_eq!(admin.ask(Method::DELETE, "/setup/connections/spare", None).await?.0, 204);
    assert_eq!(admin.ask(Method::DELETE, "/setup/connections/spare", None).await?.0, 404);
    assert!(!world.folder().join("secrets/spare.password").exists());
    let (status, told) = admin.ask(Method::DELETE, "/setup/connections/erp", None).await?;
    assert!(status == 409 && told["error"].as_str().is_some_and(|text| text.contains("accounts")), "{told}");
    let (status, told) = admin.ask(Method::DELETE, "/setup/flows/accounts", None).await?;
    assert!(status == 409 && told["error"].as_str().is_some_and(|text| text.contains("only flow")), "{told}");
    put(&admin, "/setup/flows/second", flow(json!({ "series": 1 }))).await?;
    until(&world, &admin, "flows", "second", |own| own["live"] == true).await?;
    assert_eq!(admin.ask(Method::DELETE, "/setup/flows/accounts", None).await?.0, 204);
    let stopped = async |_: &World| {
        let flows = admin.get("/flows").await?;
        Ok(flows["flows"].as_array().is_some_and(|all| all.iter().all(|own| own["flow"] != "accounts")).then_some(()))
    };
    world.until("the flow stops", PATIENCE, stopped).await?;
    let text = fs::read_to_string(world.folder().join("tandem.toml"))?;
    assert!(!text.contains("[flows.accounts]") && text.contains("[flows.second]"), "{text}");
    Ok(())
}

/// Somebody stops it, and goes on later where it was.
#[tokio::test]
async fn a_load_is_stopped_and_goes_on() -> Result<()> {
    let setup =
        Setup { plugins: vec!["accounts"], flows: vec![("accounts", "settings = { series = 1 }")], ..Setup::default() };
    let (world, admin) = tandem_e2e::console::with_admin(setup).await?;
    let day = json!({ "since": "2001-01-01" });
    admin.post("/flows/accounts/load", day.clone()).await?;
    let stopped = admin.post("/flows/accounts/load/stop", json!({})).await?;
    assert!(matches!(stopped["load"]["state"].as_str(), Some("stopped" | "over")), "{stopped}");
    let stopped = stopped["load"]["state"] == "stopped";
    // A page that was being read may come to its end first.
    let gone_on = async |_: &World| {
        let (status, told) = admin.ask(Method::POST, "/flows/accounts/load", Some(json!({}))).await?;
        Ok((status == 200).then_some(told))
    };
    let gone_on = world.until("it goes on", PATIENCE, gone_on).await?;
    assert!(!stopped || gone_on["load"]["since"] == day["since"], "since the day it was begun with: {gone_on}");
    let over = async |_: &World| {
        let load = admin.get("/flows/accounts/load").await?;
        Ok((load["load"]["state"] == "over").then_some(load))
    };
    let loaded = world.until("the load", PATIENCE, over).await?;
    assert_eq!(loaded["load"]["taken"], loaded["load"]["total"], "{loaded}");
    // A flow that ran before would go on with what it had.
    let file = world.folder().join("tandem.toml");
    let whole = fs::read_to_string(&file)?;
    let without = whole.split("[flows.accounts]").next().unwrap_or_default();
    let other = "[flows.other]\nplugin = \"accounts\"\nconnections = { b1 = \"erp\", salesforce = \"crm\" }\nrelease = \"by-hand\"\n";
    fs::write(&file, format!("{without}{other}"))?;
    let wanted = json!({ "plugin": "accounts", "connections": { "b1": "erp", "salesforce": "crm" }, "settings": {} });
    let (status, told) = admin.ask(Method::PUT, "/setup/flows/accounts", Some(wanted)).await?;
    assert_eq!((status, &told["field"]), (422, &json!("flow")), "{told}");
    fs::write(&file, whole)?;
    // The command does not get in its way.
    let told = world.tandem(&["backfill", "accounts", "--yes"]).await?;
    assert!(told.contains("records"), "{told}");
    Ok(())
}
