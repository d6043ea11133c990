//! What people do on both sides between two looks: changes at once, refusals, people who come and go, links that are moved.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const FAST: &str = "poll_seconds = 1\ntime_zone = \"Europe/Berlin\"";
const PATIENCE: Duration = Duration::from_secs(30);

async fn world(flow: &'static str) -> Result<World> {
    let setup =
        Setup { plugins: vec!["accounts"], flows: vec![("accounts", flow)], b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    if flow.contains("mapping") {
        let mapping = "version = 1\n[account]\nCardName = { salesforce = \"Name\" }\n\
             Phone1 = { salesforce = \"Phone\", policy = \"review\" }\n[contact]\nFirstName = { salesforce = \"FirstName\" }\n\
             LastName = { salesforce = \"LastName\" }\nE_Mail = { salesforce = \"Email\", policy = \"review\" }\n[new_partner]\n";
        std::fs::write(world.folder().join("accounts.mapping.toml"), mapping)?;
    }
    world.up().await?;
    Ok(world)
}

fn text<'a>(record: &'a Value, field: &str) -> &'a str {
    record[field].as_str().unwrap_or_default()
}

async fn partner(world: &World, code: &str) -> Result<Value> {
    let all = world.b1_records("BusinessPartners").await?;
    Ok(all.into_iter().find(|partner| partner["CardCode"] == code).unwrap_or_default())
}

async fn until_partner(world: &World, what: &str, code: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let look = async |world: &World| Ok(Some(partner(world, code).await?).filter(|partner| holds(partner)));
    world.until(what, PATIENCE, look).await
}

/// A partner with contact employees, once it has its account and they their contacts: the account's id.
async fn customer(world: &World, code: &str, people: &[&str]) -> Result<String> {
    let people: Vec<Value> = people
        .iter()
        .map(|name| {
            let (first, last) = name.split_once(' ').unwrap_or(("", name));
            json!({ "Name": name, "FirstName": first, "LastName": last, "Phone1": "0" })
        })
        .collect();
    let body = json!({
        "CardCode": code, "CardName": format!("Firma {code}"), "CardType": "cCustomer", "Currency": "##", "Phone1": "0",
        "Website": format!("{}.example", code.to_lowercase()), "ContactEmployees": people,
    });
    world.b1_post("/BusinessPartners", body).await?;
    let account = world.until_record("Account", code, |own| own["Tandem_Card_Code__c"] == code).await?;
    let id = text(&account, "Id").to_owned();
    let all = async |world: &World| Ok((contacts(world, &id).await?.len() == people.len()).then_some(()));
    world.until("the contacts", PATIENCE, all).await?;
    world.settled().await?;
    Ok(id)
}

/// Living contacts of an account.
async fn contacts(world: &World, account: &str) -> Result<Vec<Value>> {
    let all = world.records("Contact").await?;
    Ok(all.into_iter().filter(|own| own["AccountId"] == account && own["IsDeleted"] != true).collect())
}

async fn contact(world: &World, account: &str, last: &str) -> Result<Value> {
    contacts(world, account).await?.into_iter().find(|own| own["LastName"] == last).context("the contact")
}

fn employees(partner: &Value) -> Vec<(String, bool)> {
    let rows = partner["ContactEmployees"].as_array().into_iter().flatten();
    rows.map(|row| (text(row, "Name").to_owned(), row["Active"] != "tNO")).collect()
}

fn is(people: &[(String, bool)], wanted: &[(&str, bool)]) -> bool {
    people.len() == wanted.len() && wanted.iter().all(|(name, active)| people.contains(&((*name).to_owned(), *active)))
}

async fn until_employees(world: &World, what: &str, code: &str, wanted: &[(&str, bool)]) -> Result<Value> {
    until_partner(world, what, code, |partner| is(&employees(partner), wanted)).await
}

fn row(partner: &Value, name: &str) -> Value {
    let rows = partner["ContactEmployees"].as_array().into_iter().flatten();
    rows.into_iter().find(|row| row["Name"] == name).cloned().unwrap_or_default()
}

async fn admin(world: &World, path: &str) -> Result<()> {
    let (status, body) = world.send("POST", &format!("{}/admin/{path}", world.salesforce), &json!({})).await?;
    ensure!(status < 300, "{path}: {status} {body}");
    Ok(())
}

async fn question(world: &World, words: &str) -> Result<Value> {
    let look = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        Ok(items.as_array().into_iter().flatten().find(|item| text(item, "reason").contains(words)).cloned())
    };
    world.until(&format!("a question about {words}"), PATIENCE, look).await
}

async fn answer(world: &World, asked: &Value, choice: &str) -> Result<()> {
    world.tandem(&["review", "resolve", &asked["id"].to_string(), "--choose", choice]).await?;
    world.settled().await
}

/// B1 stamps whole seconds: what comes after this has a later one.
async fn next_second() {
    tokio::time::sleep(Duration::from_millis(1_100)).await;
}

#[tokio::test]
async fn of_two_changes_of_a_contact_the_later_one_stays() -> Result<()> {
    let mut world = world("").await?;
    let account = customer(&world, "K1", &["Carla Celan", "Dora Dahl"]).await?;
    let second = customer(&world, "K2", &["Emil Erz"]).await?;
    world.stop().await?;
    let (carla, dora) = (contact(&world, &account, "Celan").await?, contact(&world, &account, "Dahl").await?);
    world.change("Contact", text(&dora, "Id"), json!({ "Phone": "early" })).await?;
    next_second().await;
    for code in ["K1", "K2"] {
        let mut rows = partner(&world, code).await?["ContactEmployees"].clone();
        rows.as_array_mut().into_iter().flatten().for_each(|row| row["Phone1"] = "between".into());
        world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "ContactEmployees": rows })).await?;
    }
    next_second().await;
    world.change("Contact", text(&carla, "Id"), json!({ "Phone": "late" })).await?;
    // Longer than B1 takes.
    let emil = contact(&world, &second, "Erz").await?;
    let long = "+49 40 555 555 555 555 555";
    world.change("Contact", text(&emil, "Id"), json!({ "Phone": long })).await?;
    world.up().await?;
    until_partner(&world, "Carla's later phone", "K1", |own| row(own, "Carla Celan")["Phone1"] == "late").await?;
    world
        .until_record("Contact", "Dora's later phone", |own| own["Id"] == dora["Id"] && own["Phone"] == "between")
        .await?;
    assert_eq!(contact(&world, &account, "Celan").await?["Phone"], "late");
    question(&world, "is written without ContactEmployees.Phone1").await?;
    // The partner's time moves on, by Tandem's own write or a clerk's: the rep's number stays.
    world.b1_patch("/BusinessPartners('K2')", json!({ "Website": "new.example" })).await?;
    world
        .until_record("Account", "the site", |own| own["Id"] == second.as_str() && own["Website"] == "new.example")
        .await?;
    world.settled().await?;
    assert_eq!(contact(&world, &second, "Erz").await?["Phone"], long);
    Ok(())
}

#[tokio::test]
async fn an_answer_decides_only_what_was_asked_and_seen() -> Result<()> {
    let mut world = world("mapping = \"accounts.mapping.toml\"").await?;
    let account = customer(&world, "Q1", &["Ida Ilg"]).await?;
    let ida = contact(&world, &account, "Ilg").await?;
    world.stop().await?;
    let row = row(&partner(&world, "Q1").await?, "Ida Ilg");
    let mail = json!([{ "InternalCode": row["InternalCode"], "Name": "Ida Ilg", "E_Mail": "b1@x.example" }]);
    world.b1_patch("/BusinessPartners('Q1')", json!({ "Phone1": "b1", "ContactEmployees": mail })).await?;
    world.change("Account", &account, json!({ "Phone": "sf" })).await?;
    world.change("Contact", text(&ida, "Id"), json!({ "Email": "sf@x.example" })).await?;
    world.up().await?;
    let asked = question(&world, "Firma Q1: both sides changed").await?;
    answer(&world, &asked, "keep B1's").await?;
    world.until_record("Account", "the answer", |own| own["Id"] == account.as_str() && own["Phone"] == "b1").await?;
    // Nobody was asked about the e-mail until now.
    let asked = question(&world, "Ida Ilg: both sides changed").await?;
    assert_eq!(contact(&world, &account, "Ilg").await?["Email"], "sf@x.example");
    // It changes before the answer is worked on.
    world.stop().await?;
    world.change("Contact", text(&ida, "Id"), json!({ "Email": "newer@x.example" })).await?;
    world.tandem(&["review", "resolve", &asked["id"].to_string(), "--choose", "keep B1's"]).await?;
    world.up().await?;
    let newer = async |world: &World| {
        let items = world.tandem_json(&["review", "list"]).await?;
        for item in items.as_array().into_iter().flatten() {
            let shown = world.tandem_json(&["review", "show", &item["id"].to_string()]).await?;
            if shown["detail"]["salesforce"]["E_Mail / Email"] == "newer@x.example" {
                return Ok(Some(item.clone()));
            }
        }
        Ok(None)
    };
    let asked = world.until("a question that shows the newer e-mail", PATIENCE, newer).await?;
    assert_eq!(contact(&world, &account, "Ilg").await?["Email"], "newer@x.example", "the answer was to another value");
    answer(&world, &asked, "keep B1's").await?;
    world.until_record("Contact", "the answer", |own| own["Id"] == ida["Id"] && own["Email"] == "b1@x.example").await?;
    Ok(())
}

#[tokio::test]
async fn a_rep_who_takes_his_change_back_is_not_overruled_by_it() -> Result<()> {
    let mut world = world("").await?;
    let account = customer(&world, "R1", &[]).await?;
    world.stop().await?;
    // A rule of the page, which names no field: the record is refused as a whole.
    let rule = json!([{ "object": "Account", "condition": "Website = 'bad.example'", "message": "bad site" }]);
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "validations": rule })).await?;
    world.change("Account", &account, json!({ "Phone": "new" })).await?;
    world.b1_patch("/BusinessPartners('R1')", json!({ "Website": "bad.example" })).await?;
    world.up().await?;
    question(&world, "bad site").await?;
    assert_eq!(partner(&world, "R1").await?["Phone1"], "new", "B1 has taken its part");
    world.change("Account", &account, json!({ "Phone": "0" })).await?;
    world.send("PUT", &format!("{}/admin/rules", world.salesforce), &json!({ "validations": [] })).await?;
    world.b1_patch("/BusinessPartners('R1')", json!({ "Website": "good.example" })).await?;
    let good = |own: &Value| own["Id"] == account.as_str() && own["Website"] == "good.example";
    let after = world.until_record("Account", "the good site", good).await?;
    assert_eq!(after["Phone"], "0", "taken back");
    until_partner(&world, "taken back in B1", "R1", |own| own["Phone1"] == "0").await?;
    Ok(())
}

#[tokio::test]
async fn a_contact_that_moves_becomes_an_employee_of_its_new_partner_and_returns() -> Result<()> {
    let world = world("").await?;
    let old = customer(&world, "M1", &["Carla Celan"]).await?;
    let new = customer(&world, "M2", &["Emil Erz"]).await?;
    let carla = contact(&world, &old, "Celan").await?;
    let id = text(&carla, "Id");
    world.change("Contact", id, json!({ "AccountId": new })).await?;
    until_employees(&world, "Carla at M2", "M2", &[("Carla Celan", true), ("Emil Erz", true)]).await?;
    until_employees(&world, "Carla left M1", "M1", &[("Carla Celan", false)]).await?;
    world.settled().await?;
    let key = row(&partner(&world, "M2").await?, "Carla Celan")["InternalCode"].clone();
    world.change("Contact", id, json!({ "Phone": "at M2" })).await?;
    until_partner(&world, "her phone", "M2", |own| row(own, "Carla Celan")["Phone1"] == "at M2").await?;
    // A look at the old partner makes nobody anew.
    world.b1_patch("/BusinessPartners('M1')", json!({ "Phone1": "1" })).await?;
    world.until_record("Account", "a look at M1", |own| own["Id"] == old.as_str() && own["Phone"] == "1").await?;
    world.settled().await?;
    assert_eq!(contacts(&world, &old).await?.len(), 0);
    assert_eq!(contact(&world, &new, "Celan").await?["Tandem_Contact_Key__c"], format!("M2:{key}"));
    world.change("Contact", id, json!({ "AccountId": old })).await?;
    until_employees(&world, "Carla back at M1", "M1", &[("Carla Celan", true)]).await?;
    until_employees(&world, "Carla left M2", "M2", &[("Carla Celan", false), ("Emil Erz", true)]).await?;
    world.settled().await?;
    assert_ne!(contact(&world, &old, "Celan").await?["Tandem_Inactive__c"], true);
    Ok(())
}

#[tokio::test]
async fn people_who_come_back_are_one_and_active_and_who_is_removed_is_marked() -> Result<()> {
    let world = world("").await?;
    let account = customer(&world, "P1", &["Dora Dahl", "Egon Erz", "Frida Frei", "Gerd Gross"]).await?;
    let (dora, frida) = (contact(&world, &account, "Dahl").await?, contact(&world, &account, "Frei").await?);
    let gerd = contact(&world, &account, "Gross").await?;
    admin(&world, &format!("delete/Contact/{}", text(&dora, "Id"))).await?;
    admin(&world, &format!("delete/Contact/{}", text(&frida, "Id"))).await?;
    let both_left = [("Dora Dahl", false), ("Egon Erz", true), ("Frida Frei", false), ("Gerd Gross", true)];
    until_employees(&world, "two left", "P1", &both_left).await?;
    world.settled().await?;
    // Made again, and restored.
    world.create("Contact", json!({ "AccountId": account, "FirstName": "Dora", "LastName": "Dahl" })).await?;
    admin(&world, &format!("undelete/Contact/{}", text(&frida, "Id"))).await?;
    let all = [("Dora Dahl", true), ("Egon Erz", true), ("Frida Frei", true), ("Gerd Gross", true)];
    until_employees(&world, "both back", "P1", &all).await?;
    world.settled().await?;
    assert!(contacts(&world, &account).await?.iter().all(|own| own["Tandem_Inactive__c"] != true));
    // Merged into another: the employee is that one's.
    let master = world
        .create(
            "Contact",
            json!({ "AccountId": account, "FirstName": "Gerhard", "LastName": "Gross", "Email": "g@p1.example" }),
        )
        .await?;
    let five = |own: &Value| employees(own).contains(&("Gerhard Gross".to_owned(), true));
    until_partner(&world, "Gerhard", "P1", five).await?;
    world.settled().await?;
    admin(&world, &format!("merge/Contact/{master}/{}", text(&gerd, "Id"))).await?;
    let one = |own: &Value| {
        let people = employees(own);
        people.contains(&("Gerhard Gross".to_owned(), true)) && people.contains(&("Gerd Gross".to_owned(), false))
    };
    until_partner(&world, "one of the two", "P1", one).await?;
    // Removed in B1.
    let rows: Vec<Value> = partner(&world, "P1").await?["ContactEmployees"].as_array().cloned().unwrap_or_default();
    let rows: Vec<&Value> = rows.iter().filter(|row| row["Name"] != "Egon Erz").collect();
    // A PUT drops the rows that are not sent, as a clerk's window does.
    world.b1_call("PUT", "/BusinessPartners('P1')", json!({ "ContactEmployees": rows })).await?;
    world
        .until_record("Contact", "Egon's mark", |own| own["LastName"] == "Erz" && own["Tandem_Inactive__c"] == true)
        .await?;
    world.settled().await?;
    assert!(!employees(&partner(&world, "P1").await?).iter().any(|(name, _)| name == "Egon Erz"), "and not made again");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

#[tokio::test]
async fn an_address_is_one_value() -> Result<()> {
    let world = world("").await?;
    let fields = json!({ "Name": "Textil Ungar", "Tandem_Tax_Id__c": "DE814235975", "BillingCity": "Hamburg", "BillingPostalCode": "20095" });
    let id = world.create("Account", fields).await?;
    world.settled().await?;
    let address = json!([{ "AddressName": "Main", "AddressType": "bo_BillTo", "Street": "Marienplatz 1" }]);
    let body = json!({ "CardCode": "A1", "CardName": "Textil Ungar", "CardType": "cCustomer", "FederalTaxID": "DE814235975", "BPAddresses": address });
    world.b1_post("/BusinessPartners", body).await?;
    world
        .until_record("Account", "its code", |own| own["Id"] == id.as_str() && own["Tandem_Card_Code__c"] == "A1")
        .await?;
    world.settled().await?;
    let account = world.until_record("Account", "it", |own| own["Id"] == id.as_str()).await?;
    let parts = ["BillingStreet", "BillingCity", "BillingPostalCode"].map(|field| text(&account, field).to_owned());
    let of_one = [["Marienplatz 1", "", ""], ["", "Hamburg", "20095"]];
    assert!(of_one.iter().any(|own| parts == *own), "a mixture of two: {parts:?}");
    let own = partner(&world, "A1").await?["BPAddresses"][0].clone();
    assert_eq!(["Street", "City", "ZipCode"].map(|field| text(&own, field).to_owned()), parts, "both have the same");
    Ok(())
}

/// Has the night's timer fire: its last firing is moved to the day before.
async fn night(world: &mut World) -> Result<()> {
    world.stop().await?;
    let day_ago = "UPDATE positions SET position = CAST(CAST(position AS BIGINT) - 90000000 AS TEXT) WHERE source = 'timer:accounts:partners'";
    assert_eq!(world.database.change(day_ago)?, 1, "the timer has its position");
    world.up().await
}

#[tokio::test]
async fn a_partner_that_was_deleted_in_b1_is_noticed_in_the_night_and_its_account_marked() -> Result<()> {
    // More than are asked for at once; the last ones go.
    let setup = Setup {
        plugins: vec!["accounts"],
        b1: FAST.into(),
        b1_arguments: vec!["--customers".into(), "520".into()],
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    world.tandem(&["backfill", "accounts", "--yes"]).await?;
    world.settled().await?;
    let account = customer(&world, "N1", &[]).await?;
    let other = customer(&world, "N2", &[]).await?;
    world.b1_call("DELETE", "/BusinessPartners('N1')", Value::Null).await?;
    night(&mut world).await?;
    let marked = |own: &Value| {
        own["Id"] == account.as_str() && own["Tandem_Partner_Type__c"] == "deleted" && own["Tandem_Blocked__c"] == true
    };
    world.until_record("Account", "the mark", marked).await?;
    world.settled().await?;
    let kept = world.until_record("Account", "the other", |own| own["Id"] == other.as_str()).await?;
    assert_eq!(kept["Tandem_Partner_Type__c"], "customer");
    Ok(())
}

#[tokio::test]
async fn a_partner_that_was_deleted_is_asked_about_and_marked_by_the_answer() -> Result<()> {
    let mut world = world("settings = { deleted = \"review\" }").await?;
    let account = customer(&world, "N1", &[]).await?;
    world.b1_call("DELETE", "/BusinessPartners('N1')", Value::Null).await?;
    night(&mut world).await?;
    let asked = question(&world, "was deleted in B1").await?;
    assert_eq!(asked["choices"], json!(["mark", "retry", "ignore"]));
    answer(&world, &asked, "mark").await?;
    let marked = |own: &Value| own["Id"] == account.as_str() && own["Tandem_Partner_Type__c"] == "deleted";
    world.until_record("Account", "the mark", marked).await?;
    Ok(())
}

/// Polling does not show it, and the night is far: who reads the partner for an order finds it gone.
#[tokio::test]
async fn a_partner_that_was_deleted_is_noticed_at_the_next_order_of_its_account() -> Result<()> {
    let setup = Setup { plugins: vec!["orders", "accounts"], b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = customer(&world, "N1", &[]).await?;
    world.b1_call("DELETE", "/BusinessPartners('N1')", Value::Null).await?;
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Review").await?;
    let marked = |own: &Value| {
        own["Id"] == account.as_str() && own["Tandem_Partner_Type__c"] == "deleted" && own["Tandem_Blocked__c"] == true
    };
    world.until_record("Account", "the mark", marked).await?;
    Ok(())
}

#[tokio::test]
async fn an_account_that_was_deleted_and_made_again_is_linked_with_its_partner() -> Result<()> {
    let world = world("").await?;
    let old = customer(&world, "L1", &["Ida Ilg"]).await?;
    world.change("Account", &old, json!({ "Tandem_Tax_Id__c": "DE814235967" })).await?;
    until_partner(&world, "the tax id", "L1", |own| own["FederalTaxID"] == "DE814235967").await?;
    world.settled().await?;
    admin(&world, &format!("delete/Account/{old}")).await?;
    world.settled().await?;
    let new = world.create("Account", json!({ "Name": "Firma L1", "Tandem_Tax_Id__c": "DE814235967" })).await?;
    let code = |own: &Value| own["Id"] == new.as_str() && own["Tandem_Card_Code__c"] == "L1";
    world.until_record("Account", "its code", code).await?;
    world.change("Account", &new, json!({ "Phone": "+49 3333" })).await?;
    let linked = until_partner(&world, "the new account's phone", "L1", |own| own["Phone1"] == "+49 3333").await?;
    assert_eq!(employees(&linked), [("Ida Ilg".to_owned(), true)], "who went with the account comes with it");
    world.settled().await?;
    assert_eq!(contacts(&world, &new).await?.len(), 1);
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}

/// What met in a first try that failed in part has met: a contact that somebody deletes before the next try is not made a second time.
#[tokio::test]
async fn a_contact_deleted_while_a_first_meeting_stays_open_is_not_made_again() -> Result<()> {
    // What B1 says of the phone counts, so that there is something to write in Salesforce.
    let flow = "mapping = \"accounts.mapping.toml\"";
    let setup =
        Setup { plugins: vec!["accounts"], flows: vec![("accounts", flow)], b1: FAST.into(), ..Setup::default() };
    let mut world = World::with(setup).await?;
    let mapping = "version = 1\n[account]\nCardName = { salesforce = \"Name\" }\nPhone1 = { salesforce = \"Phone\", policy = \"b1\" }\n\
         [contact]\nFirstName = { salesforce = \"FirstName\" }\nLastName = { salesforce = \"LastName\" }\n[new_partner]\n";
    std::fs::write(world.folder().join("accounts.mapping.toml"), mapping)?;
    world.up().await?;
    let account = customer(&world, "M1", &["Ida Ilg"]).await?;
    let other = customer(&world, "M2", &["Frida Frei"]).await?;
    let rules = async |rules: Value| -> Result<()> {
        let (status, body) = world.send("PUT", &format!("{}/admin/rules", world.salesforce), &rules).await?;
        ensure!(status < 300, "{body}");
        Ok(())
    };
    world.change("Account", &other, json!({ "Tandem_Card_Code__c": null })).await?;
    world.settled().await?;
    let refuses = json!({ "object": "Account", "condition": "Tandem_Card_Code__c = 'M2' AND Phone = '+49 2'", "message": "not yet", "field": "Name" });
    rules(json!({ "validations": [refuses] })).await?;
    world.b1_patch("/BusinessPartners('M2')", json!({ "Phone1": "+49 2" })).await?;
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": "M2" })).await?;
    let asked = question(&world, "not yet").await?;
    world.settled().await?;
    let person = json!({ "AccountId": account, "FirstName": "Frida", "LastName": "Frei" });
    let frida = world.create("Contact", person).await?;
    let met = async |world: &World| {
        let events = world.tandem_json(&["events", "list", "--key", &frida]).await?;
        Ok(events.as_array().into_iter().flatten().any(|event| event["state"] == "review").then_some(()))
    };
    world.until("her first try, which fails", PATIENCE, met).await?;
    world.settled().await?;
    admin(&world, &format!("delete/Contact/{frida}")).await?;
    world.settled().await?;
    rules(json!({ "validations": [] })).await?;
    answer(&world, &asked, "retry").await?;
    until_employees(&world, "who was deleted is inactive", "M2", &[("Frida Frei", false), ("Ida Ilg", true)]).await?;
    world.settled().await?;
    let names: Vec<Value> = contacts(&world, &account).await?.into_iter().map(|own| own["LastName"].clone()).collect();
    assert_eq!(names, ["Ilg"], "who was deleted is not made again");
    Ok(())
}

/// The partner M2 gets a new account, on which the contact stands again whose deletion had made its employee inactive; this is what happens to
/// B1's answers meanwhile. The world and the new account.
async fn comes_back(fault: Value) -> Result<(World, String)> {
    let mut world = world("").await?;
    let old = customer(&world, "M2", &["Frida Frei"]).await?;
    let frida = contact(&world, &old, "Frei").await?;
    admin(&world, &format!("delete/Contact/{}", text(&frida, "Id"))).await?;
    until_employees(&world, "inactive", "M2", &[("Frida Frei", false)]).await?;
    world.settled().await?;
    let new = customer(&world, "M1", &[]).await?;
    world.change("Account", &old, json!({ "Tandem_Card_Code__c": null })).await?;
    world.settled().await?;
    world.stop().await?;
    world.create("Contact", json!({ "AccountId": new, "FirstName": "Frida", "LastName": "Frei" })).await?;
    let mut strikes = json!({ "path": "/b1s/v2/BusinessPartners('M2')", "method": "PATCH" });
    for (name, value) in fault.as_object().into_iter().flatten() {
        strikes[name] = value.clone();
    }
    world.b1_faults(json!([strikes])).await?;
    world.change("Account", &new, json!({ "Tandem_Card_Code__c": "M2" })).await?;
    world.up().await?;
    Ok((world, new))
}

fn refused(code: &str, message: &str) -> Value {
    json!({ "refuse": { "status": 400, "code": code, "message": message } })
}

/// Who was made inactive since the contact was deleted is woken by the same person at the partner's new account, also where B1 takes nothing at first.
#[tokio::test]
async fn who_comes_back_with_a_new_account_is_woken_though_the_first_try_fails() -> Result<()> {
    let (world, new) = comes_back(json!({ "kind": refused("-5002", "not yet") })).await?;
    let asked = question(&world, "not yet").await?;
    world.b1_faults(json!([])).await?;
    answer(&world, &asked, "retry").await?;
    until_employees(&world, "awake", "M2", &[("Frida Frei", true)]).await?;
    world.settled().await?;
    assert_ne!(contact(&world, &new, "Frei").await?["Tandem_Inactive__c"], true);
    Ok(())
}

/// B1 takes the rest of the partner at first: it is tried again with the next change.
#[tokio::test]
async fn who_comes_back_is_woken_also_where_that_alone_is_refused_at_first() -> Result<()> {
    let refused = refused("-1000", "Property 'Active' of 'ContactEmployee' is invalid");
    let (world, new) = comes_back(json!({ "kind": refused, "times": 1 })).await?;
    let is_refused = async |world: &World| {
        let faults = world.get(&format!("{}/admin/faults", world.b1)).await?;
        Ok((faults[0]["times"] == 0).then_some(()))
    };
    world.until("the refusal", PATIENCE, is_refused).await?;
    world.settled().await?;
    world.change("Account", &new, json!({ "Phone": "+49 3" })).await?;
    until_employees(&world, "awake", "M2", &[("Frida Frei", true)]).await?;
    Ok(())
}

/// A clerk's own word stands, though the answer to what woke him was lost.
#[tokio::test]
async fn who_was_woken_stays_inactive_where_a_clerk_makes_him_so_later() -> Result<()> {
    let (world, new) = comes_back(json!({ "kind": "reset-after", "times": 1 })).await?;
    let awake = until_employees(&world, "awake", "M2", &[("Frida Frei", true)]).await?;
    world.settled().await?;
    next_second().await;
    let code = row(&awake, "Frida Frei")["InternalCode"].clone();
    let frida = json!({ "InternalCode": code, "Name": "Frida Frei", "Active": "tNO" });
    world.b1_patch("/BusinessPartners('M2')", json!({ "ContactEmployees": [frida] })).await?;
    let marked = |own: &Value| {
        own["AccountId"] == new.as_str() && own["LastName"] == "Frei" && own["Tandem_Inactive__c"] == true
    };
    world.until_record("Contact", "the clerk's word", marked).await?;
    world.settled().await?;
    assert!(is(&employees(&partner(&world, "M2").await?), &[("Frida Frei", false)]));
    Ok(())
}

/// Writes the state of an employee as a clerk does, and waits until that was looked at.
async fn by_a_clerk(world: &World, code: &str, name: &str, active: &str) -> Result<()> {
    next_second().await;
    let key = row(&partner(world, code).await?, name)["InternalCode"].clone();
    let own = json!({ "InternalCode": key, "Name": name, "Active": active });
    let before = looked(world).await?;
    world.b1_patch(&format!("/BusinessPartners('{code}')"), json!({ "ContactEmployees": [own] })).await?;
    let later = async |world: &World| Ok((looked(world).await? > before).then_some(()));
    world.until("the look at what a clerk did", PATIENCE, later).await?;
    world.settled().await
}

/// Events of B1 that are done.
async fn looked(world: &World) -> Result<usize> {
    let events = world.tandem_json(&["events", "list", "--state", "done", "--limit", "1000"]).await?;
    Ok(events.as_array().into_iter().flatten().filter(|event| text(event, "topic").starts_with("b1.")).count())
}

/// Tandem made him inactive, a clerk woke him, and made him inactive again: the last is the clerk's own word, and the contact's coming back is none.
#[tokio::test]
async fn who_a_clerk_woke_and_put_to_rest_again_stays_so_when_the_contact_comes_back() -> Result<()> {
    let world = world("").await?;
    let account = customer(&world, "M2", &["Frida Frei"]).await?;
    let frida = contact(&world, &account, "Frei").await?;
    let id = text(&frida, "Id");
    admin(&world, &format!("delete/Contact/{id}")).await?;
    until_employees(&world, "inactive", "M2", &[("Frida Frei", false)]).await?;
    world.settled().await?;
    by_a_clerk(&world, "M2", "Frida Frei", "tYES").await?;
    assert!(is(&employees(&partner(&world, "M2").await?), &[("Frida Frei", true)]), "the clerk's word");
    by_a_clerk(&world, "M2", "Frida Frei", "tNO").await?;
    admin(&world, &format!("undelete/Contact/{id}")).await?;
    let marked = |own: &Value| own["Id"] == id && own["Tandem_Inactive__c"] == true;
    world.until_record("Contact", "the clerk's word", marked).await?;
    world.settled().await?;
    assert!(is(&employees(&partner(&world, "M2").await?), &[("Frida Frei", false)]));
    Ok(())
}

/// B1 does not let an employee become inactive whose contact was merged into another: he stays linked with whom he was, and is inactive with the next
/// change that B1 takes.
#[tokio::test]
async fn who_may_not_become_inactive_gets_no_second_contact() -> Result<()> {
    let world = world("").await?;
    let account = customer(&world, "M1", &["Gerd Gross"]).await?;
    let gerd = contact(&world, &account, "Gross").await?;
    let person = json!({ "AccountId": account, "FirstName": "Gerhard", "LastName": "Gross", "Email": "g@m1.example" });
    let master = world.create("Contact", person).await?;
    until_employees(&world, "Gerhard", "M1", &[("Gerd Gross", true), ("Gerhard Gross", true)]).await?;
    world.settled().await?;
    let refused = refused("-1000", "Property 'Active' of 'ContactEmployee' is invalid");
    let path = "/b1s/v2/BusinessPartners('M1')";
    world.b1_faults(json!([{ "path": path, "method": "PATCH", "kind": refused, "times": 1 }])).await?;
    admin(&world, &format!("merge/Contact/{master}/{}", text(&gerd, "Id"))).await?;
    let is_refused = async |world: &World| {
        let faults = world.get(&format!("{}/admin/faults", world.b1)).await?;
        Ok((faults[0]["times"] == 0).then_some(()))
    };
    world.until("the refusal", PATIENCE, is_refused).await?;
    world.settled().await?;
    for phone in ["+49 1", "+49 2"] {
        world.change("Account", &account, json!({ "Phone": phone })).await?;
        until_partner(&world, "the account's phone", "M1", |own| own["Phone1"] == phone).await?;
        world.settled().await?;
    }
    until_employees(&world, "Gerd left", "M1", &[("Gerd Gross", false), ("Gerhard Gross", true)]).await?;
    assert_eq!(contacts(&world, &account).await?.len(), 1, "no second one");
    Ok(())
}

#[tokio::test]
async fn a_card_code_typed_by_hand_is_the_accounts_own_or_a_question() -> Result<()> {
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        b1: FAST.into(),
        flow: "settings = { credit_check = false }".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = customer(&world, "H1", &["Ida Ilg"]).await?;
    let other = customer(&world, "FREE", &["Frida Frei"]).await?;
    // One that another account has, and one that is none.
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": "NOBODY" })).await?;
    let asked = question(&world, "NOBODY").await?;
    assert_eq!(asked["choices"], json!(["link with H1", "retry", "ignore"]));
    answer(&world, &asked, "link with H1").await?;
    let own = |own: &Value| own["Id"] == account.as_str() && own["Tandem_Card_Code__c"] == "H1";
    world.until_record("Account", "its own code again", own).await?;
    world.settled().await?;
    // Its account lets it go. Another company is not written over by a slip of the hand.
    world.change("Account", &other, json!({ "Tandem_Card_Code__c": null })).await?;
    world.b1_patch("/BusinessPartners('FREE')", json!({ "FederalTaxID": "DE999888777" })).await?;
    world
        .change("Account", &account, json!({ "Tandem_Tax_Id__c": "DE111222333", "Tandem_Card_Code__c": "FREE" }))
        .await?;
    let asked = question(&world, "which of the two").await?;
    assert_eq!(asked["choices"], json!(["link with FREE", "link with H1", "retry", "ignore"]));
    assert_eq!(partner(&world, "FREE").await?["FederalTaxID"], "DE999888777");
    answer(&world, &asked, "link with FREE").await?;
    world.change("Account", &account, json!({ "Phone": "+49 7" })).await?;
    until_partner(&world, "the account's phone", "FREE", |own| own["Phone1"] == "+49 7").await?;
    world.settled().await?;
    let people = employees(&partner(&world, "FREE").await?);
    assert!(is(&people, &[("Frida Frei", true), ("Ida Ilg", true)]), "its people come with the account: {people:?}");
    assert_eq!(contacts(&world, &account).await?.len(), 2);
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "FREE");
    Ok(())
}

/// While it is asked whose the account is, nothing is ordered for the one or the other, and the account shows what it showed.
#[tokio::test]
async fn an_opportunity_won_while_it_is_asked_whose_its_account_is_waits_for_the_answer() -> Result<()> {
    let setup = Setup {
        plugins: vec!["orders", "accounts", "credit", "invoices"],
        b1: FAST.into(),
        flow: "settings = { credit_check = false }".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = customer(&world, "H1", &[]).await?;
    let other = customer(&world, "FREE", &[]).await?;
    world.b1_patch("/BusinessPartners('FREE')", json!({ "FederalTaxID": "DE999888777" })).await?;
    let known = |own: &Value| own["Id"] == other.as_str() && own["Tandem_Tax_Id__c"] == "DE999888777";
    world.until_record("Account", "the tax id", known).await?;
    world.settled().await?;
    // One that was unlinked gets an account of its own at its next change, which under faults is the same one, tried again.
    let free = async |world: &World| {
        for _ in 0..5 {
            let accounts = world.records("Account").await?;
            let own = accounts.iter().find(|own| own["Tandem_Card_Code__c"] == "FREE" && own["Id"] != account.as_str());
            let Some(id) = own.and_then(|own| own["Id"].as_str()) else { return Ok(()) };
            world.change("Account", id, json!({ "Tandem_Card_Code__c": null })).await?;
            answer(world, &question(world, "was emptied").await?, "unlink").await?;
            world.settled().await?;
        }
        bail!("FREE gets accounts of its own again and again")
    };
    free(&world).await?;
    let invoice = async |world: &World, code: &str| {
        let line = json!({ "ItemCode": "A00001", "Quantity": 1, "UnitPrice": 100 });
        world.b1_post("/Invoices", json!({ "CardCode": code, "DocumentLines": [line] })).await
    };
    let owes = |amount: f64| {
        let account = account.clone();
        let near = move |own: &Value| own.as_f64().is_some_and(|own| (own - amount).abs() < 0.001);
        move |own: &Value| {
            own["Id"] == account.as_str() && near(&own["Tandem_Open_Amount__c"]) && near(&own["Tandem_Balance__c"])
        }
    };
    invoice(&world, "H1").await?;
    world.until_record("Account", "what H1 owes", owes(119.0)).await?;
    world.settled().await?;
    let won = async |world: &World| -> Result<String> {
        let id = world.opportunities(1).await?.remove(0);
        world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
        world.win(&id).await?;
        Ok(id)
    };
    let before = won(&world).await?;
    world.until_state(&before, "Synced").await?;
    let typed = json!({ "Tandem_Tax_Id__c": "DE111222333", "Tandem_Card_Code__c": "FREE" });
    for (decided, money) in [("H1", 119.0), ("FREE", 238.0)] {
        free(&world).await?;
        world.change("Account", &account, typed.clone()).await?;
        let asked = question(&world, "which of the two").await?;
        let id = won(&world).await?;
        let shown = world.until_state(&id, "Review").await?;
        let words = text(&shown, "Tandem_Sync_Message__c");
        ensure!(words.contains("carries the B1 Card Code FREE and is linked with H1"), "{words}");
        // An order that is there is its customer's, and goes on.
        world.change("Opportunity", &before, json!({ "Tandem_PO_Number__c": format!("PO {decided}") })).await?;
        let ordered = async |world: &World| {
            let own = world.orders_of(&before).await?.remove(0);
            Ok((own["NumAtCard"] == format!("PO {decided}").as_str()).then_some(own))
        };
        assert_eq!(world.until("its PO number", PATIENCE, ordered).await?["CardCode"], "H1");
        // Whatever happens to either is not mixed.
        invoice(&world, "FREE").await?;
        let all = world.b1_records("Orders").await?.len();
        for _look in 0..3 {
            next_second().await;
            world.settled().await?;
        }
        world.until_record("Account", "what H1 owes", owes(119.0)).await?;
        assert_eq!(world.b1_records("Orders").await?.len(), all, "nothing is ordered");
        let invoices = world.records("Tandem_Invoice__c").await?;
        let own = invoices.iter().filter(|own| own["Tandem_Account__c"] == account.as_str()).count();
        assert_eq!(own, 1, "none of FREE's: {invoices:?}");
        answer(&world, &asked, &format!("link with {decided}")).await?;
        world.until_state(&id, "Synced").await?;
        assert_eq!(world.orders_of(&id).await?[0]["CardCode"], decided);
        world.settled().await?;
        world.until_record("Account", "what its customer owes", owes(money)).await?;
    }
    Ok(())
}

/// An account of H1 that carries FREE, which another company's tax id holds up, in a world with orders.
async fn whose() -> Result<(World, String)> {
    whose_in("").await
}

/// The same, with these lines of the org; empty for the usual ones.
async fn whose_in(salesforce: &str) -> Result<(World, String)> {
    let setup = Setup {
        plugins: vec!["orders", "accounts"],
        b1: FAST.into(),
        salesforce: salesforce.into(),
        flow: "settings = { credit_check = false }".into(),
        ..Setup::default()
    };
    let mut world = World::with(setup).await?;
    world.up().await?;
    let account = customer(&world, "H1", &[]).await?;
    let other = customer(&world, "FREE", &[]).await?;
    world.change("Account", &other, json!({ "Tandem_Card_Code__c": null })).await?;
    world.b1_patch("/BusinessPartners('FREE')", json!({ "FederalTaxID": "DE999888777" })).await?;
    world.settled().await?;
    Ok((world, account))
}

async fn carry(world: &World, account: &str, code: Value) -> Result<()> {
    let typed = json!({ "Tandem_Tax_Id__c": "DE111222333", "Tandem_Card_Code__c": code });
    world.change("Account", account, typed).await
}

async fn won(world: &World, account: &str) -> Result<String> {
    let id = world.opportunities(1).await?.remove(0);
    world.change("Opportunity", &id, json!({ "AccountId": account })).await?;
    world.win(&id).await?;
    Ok(id)
}

/// Whichever way it is decided whose the account is, its order goes on.
#[tokio::test]
async fn an_order_that_waits_for_its_customer_goes_on_whatever_becomes_of_the_question() -> Result<()> {
    let (world, account) = whose().await?;
    // The question is put aside, and the code is put right later.
    carry(&world, &account, json!("FREE")).await?;
    let asked = question(&world, "which of the two").await?;
    let id = won(&world, &account).await?;
    world.until_state(&id, "Review").await?;
    answer(&world, &asked, "ignore").await?;
    carry(&world, &account, json!("H1")).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "H1");
    world.settled().await?;
    // It is unlinked: the customer is brought into B1 anew.
    carry(&world, &account, json!("FREE")).await?;
    question(&world, "which of the two").await?;
    let id = won(&world, &account).await?;
    world.until_state(&id, "Review").await?;
    carry(&world, &account, Value::Null).await?;
    answer(&world, &question(&world, "of Firma H1 was emptied").await?, "unlink").await?;
    let goes_on = async |world: &World| {
        let words = text(&world.opportunity(&id).await?, "Tandem_Sync_Message__c").to_owned();
        Ok((!words.contains("is linked with H1")).then_some(()))
    };
    world.until("the order to go on", PATIENCE, goes_on).await
}

/// An opportunity whose order waits until it is decided whose its account is, in a world without accounts flow, once it was asked and is to be looked
/// at again after a minute: account and opportunity.
async fn undecided() -> Result<(World, String, String)> {
    let (mut world, account) = whose().await?;
    let config = std::fs::read_to_string(world.folder().join("tandem.toml"))?;
    let at = config.find("[flows.accounts]").context("the accounts flow")?;
    world.stop().await?;
    std::fs::write(world.folder().join("tandem.toml"), &config[..at])?;
    world.up().await?;
    world.change("Account", &account, json!({ "Tandem_Sync_State__c": "Review" })).await?;
    carry(&world, &account, json!("FREE")).await?;
    let id = won(&world, &account).await?;
    world.until_state(&id, "Review").await?;
    looks(&world, &id, 60_000).await?;
    Ok((world, account, id))
}

fn planned(world: &World, id: &str) -> Result<Vec<String>> {
    world.database.rows(&format!("SELECT payload FROM wakes WHERE key = '{id}' AND payload LIKE '%after%'"))
}

async fn looks(world: &World, id: &str, after: u64) -> Result<()> {
    let one = async |world: &World| Ok((planned(world, id)? == [json!({ "after": after }).to_string()]).then_some(()));
    world.until("one look, however often it was asked", PATIENCE, one).await
}

/// The time of the looks that are planned comes, and they are done.
async fn due(world: &mut World, id: &str) -> Result<()> {
    world.stop().await?;
    world.database.change(&format!("UPDATE wakes SET at = 0 WHERE key = '{id}'"))?;
    // As the time that passes.
    world.database.change(&format!("DELETE FROM storage WHERE key = 'undecided:{id}'"))?;
    world.up().await?;
    let left = format!("SELECT count(*) FROM wakes WHERE key = '{id}' AND at = 0");
    let begun = async |world: &World| Ok((world.database.number(&left)? == 0).then_some(()));
    world.until("the look", PATIENCE, begun).await?;
    world.settled().await
}

async fn told(world: &World, words: &str) -> Result<()> {
    let one = async |world: &World| Ok(world.tandem(&["events", "list"]).await?.contains(words).then_some(()));
    world.until(words, PATIENCE, one).await
}

/// The quantity of the opportunity's first line.
async fn set_quantity(world: &World, id: &str, quantity: i64) -> Result<()> {
    let line = world.lines(id).await?.remove(0);
    world.change("OpportunityLineItem", text(&line, "Id"), json!({ "Quantity": quantity })).await
}

/// What nothing tells of is looked at, at growing intervals, which leave an open question alone. What a person put aside is not looked at again, and
/// no order is made of it, which he may have made by hand, until the opportunity changes.
#[tokio::test]
async fn an_order_that_waits_for_its_customer_looks_again_by_itself() -> Result<()> {
    let (mut world, account, id) = undecided().await?;
    answer(&world, &question(&world, "is linked with H1: the order").await?, "ignore").await?;
    told(&world, "ignored, as").await?;
    carry(&world, &account, json!("H1")).await?;
    due(&mut world, &id).await?;
    told(&world, "nothing is made until").await?;
    assert_eq!(
        (planned(&world, &id)?.len(), world.orders_of(&id).await?.len()),
        (0, 0),
        "put aside, also where it is decided"
    );
    assert_eq!(world.tandem_json(&["events", "list", "--key", &id, "--state", "review"]).await?, json!([]));
    carry(&world, &account, json!("FREE")).await?;
    world.change("Opportunity", &id, json!({ "Tandem_Requested_Date__c": "2031-05-06" })).await?;
    question(&world, "is linked with H1: the order").await?;
    looks(&world, &id, 60_000).await?;
    due(&mut world, &id).await?;
    looks(&world, &id, 120_000).await?;
    question(&world, "is linked with H1: the order").await.context("a look leaves what is asked anew alone")?;
    carry(&world, &account, json!("H1")).await?;
    due(&mut world, &id).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "H1");
    assert_eq!(planned(&world, &id)?, [""; 0]);
    Ok(())
}

/// Whatever was asked last: a look that was planned before makes nothing of what a person has put aside since.
#[tokio::test]
async fn a_look_that_was_due_makes_no_order_of_what_was_put_aside_for_another_reason() -> Result<()> {
    let (mut world, account, id) = undecided().await?;
    let refuses = json!({ "set": "Orders", "field": "U_SF_Id", "is": id, "number": 1001, "words": "not yet" });
    world.b1_settings(json!({ "procedure": refuses })).await?;
    carry(&world, &account, json!("H1")).await?;
    // What both systems tell of the account asks it anew.
    world.settled().await?;
    answer(&world, &question(&world, "is linked with H1: the order").await?, "retry").await?;
    let asked = question(&world, "not yet").await?;
    world.b1_settings(json!({})).await?;
    answer(&world, &asked, "ignore").await?;
    assert_eq!(planned(&world, &id)?.len(), 1, "the look is still to come");
    due(&mut world, &id).await?;
    assert_eq!(world.orders_of(&id).await?.len(), 0, "he has made it by hand");
    assert_eq!(world.tandem_json(&["events", "list", "--key", &id, "--state", "review"]).await?, json!([]));
    set_quantity(&world, &id, 77).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "H1");
    Ok(())
}

/// A look that makes nothing does not end what is asked about a later change.
#[tokio::test]
async fn a_look_at_what_was_put_aside_leaves_the_question_of_a_change_that_could_not_be_read() -> Result<()> {
    let (mut world, account, id) = undecided().await?;
    answer(&world, &question(&world, "is linked with H1: the order").await?, "ignore").await?;
    carry(&world, &account, json!("H1")).await?;
    let rights = async |world: &World, integration: Value| -> Result<()> {
        let rules = format!("{}/admin/rules", world.salesforce);
        let (status, body) = world.send("PUT", &rules, &json!({ "integration": integration })).await?;
        ensure!(status == 200, "{body}");
        Ok(())
    };
    rights(&world, json!({ "hidden": ["Opportunity.Tandem_PO_Number__c"] })).await?;
    set_quantity(&world, &id, 77).await?;
    question(&world, "Tandem_PO_Number__c").await?;
    rights(&world, json!({})).await?;
    due(&mut world, &id).await?;
    if world.orders_of(&id).await?.is_empty() {
        answer(&world, &question(&world, "Tandem_PO_Number__c").await?, "retry").await?;
    }
    world.until_state(&id, "Synced").await?;
    let orders = world.orders_of(&id).await?;
    let mut lines = orders[0]["DocumentLines"].as_array().into_iter().flatten();
    assert!(orders.len() == 1 && lines.any(|line| line["Quantity"].as_f64() == Some(77.0)), "{orders:?}");
    Ok(())
}

/// The night's sweep tells once more of what changed in the day: that is no change, and no order is made of what a person has put aside.
#[tokio::test]
async fn a_night_makes_no_order_of_what_was_put_aside_and_a_change_does() -> Result<()> {
    let (world, account) = whose_in("client_secret = { file = \"salesforce.secret\" }\nreport_seconds = 1").await?;
    carry(&world, &account, json!("FREE")).await?;
    let asked = question(&world, "which of the two").await?;
    let id = won(&world, &account).await?;
    answer(&world, &question(&world, "is linked with H1: the order").await?, "ignore").await?;
    answer(&world, &asked, "ignore").await?;
    carry(&world, &account, json!("H1")).await?;
    world.settled().await?;
    world.night(1).await?;
    let events = world.tandem_json(&["events", "list", "--key", &id]).await?;
    let is_found = |event: &Value| text(event, "payload").contains("\"found\":true");
    ensure!(events.as_array().into_iter().flatten().any(is_found), "the sweep tells of it: {events}");
    assert_eq!(world.orders_of(&id).await?.len(), 0, "he has made it by hand");
    assert_eq!(world.tandem_json(&["events", "list", "--key", &id, "--state", "review"]).await?, json!([]));
    set_quantity(&world, &id, 77).await?;
    world.until_state(&id, "Synced").await?;
    assert_eq!(world.orders_of(&id).await?[0]["CardCode"], "H1");
    Ok(())
}

/// A new order in the place of a cancelled one is for whom the account turns out to be, and not for whose it was.
#[tokio::test]
async fn a_new_order_in_the_place_of_a_cancelled_one_waits_while_it_is_asked_whose_the_account_is() -> Result<()> {
    let (world, account) = whose().await?;
    let id = won(&world, &account).await?;
    world.until_state(&id, "Synced").await?;
    world.settled().await?;
    let entry = world.orders_of(&id).await?[0]["DocEntry"].clone();
    world.b1_call("POST", &format!("/Orders({entry})/Cancel"), Value::Null).await?;
    let cancelled = question(&world, "was cancelled in B1").await?;
    carry(&world, &account, json!("FREE")).await?;
    let asked = question(&world, "which of the two").await?;
    answer(&world, &cancelled, "create a new order").await?;
    question(&world, "is linked with H1: the order is made").await?;
    assert_eq!(world.orders_of(&id).await?.len(), 1, "none is made for either");
    answer(&world, &asked, "link with FREE").await?;
    answer(&world, &question(&world, "was cancelled in B1").await?, "create a new order").await?;
    let made = async |world: &World| {
        let all = world.orders_of(&id).await?;
        Ok(all.into_iter().find(|own| own["Cancelled"] == "tNO"))
    };
    assert_eq!(world.until("the new order", PATIENCE, made).await?["CardCode"], "FREE");
    Ok(())
}

#[tokio::test]
async fn an_emptied_card_code_is_asked_about_and_written_again_or_the_two_are_unlinked() -> Result<()> {
    let world = world("").await?;
    let account = customer(&world, "E1", &["Ida Ilg"]).await?;
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": null })).await?;
    let asked = question(&world, "was emptied").await?;
    assert_eq!(asked["choices"], json!(["link with E1", "unlink", "retry", "ignore"]));
    let shown = |state: Option<&'static str>| {
        let account = account.clone();
        move |own: &Value| own["Id"] == account.as_str() && own["Tandem_Sync_State__c"].as_str() == state
    };
    world.until_record("Account", "the question", shown(Some("Review"))).await?;
    answer(&world, &asked, "link with E1").await?;
    let own = |own: &Value| own["Id"] == account.as_str() && own["Tandem_Card_Code__c"] == "E1";
    world.until_record("Account", "its code again", own).await?;
    world.until_record("Account", "no question", shown(Some("Synced"))).await?;
    world.settled().await?;
    // Not by mistake.
    world.change("Account", &account, json!({ "Tandem_Card_Code__c": null })).await?;
    answer(&world, &question(&world, "was emptied").await?, "unlink").await?;
    world.until_record("Account", "no question", shown(None)).await?;
    world.settled().await?;
    let events = world.tandem(&["events", "list"]).await?;
    ensure!(!events.contains("may be the same"), "what was just parted is not found to be the same: {events}");
    // Neither side's next change brings together what a person has parted, however alike they are.
    world.b1_patch("/BusinessPartners('E1')", json!({ "Phone1": "+49 1" })).await?;
    let new = |own: &Value| own["Tandem_Card_Code__c"] == "E1" && own["Phone"] == "+49 1";
    let new = world.until_record("Account", "an account of the partner's own", new).await?;
    ensure!(new["Id"] != account.as_str(), "a new one: {new}");
    world.change("Account", &account, json!({ "Phone": "+49 2" })).await?;
    world.settled().await?;
    assert_eq!(partner(&world, "E1").await?["Phone1"], "+49 1");
    assert_eq!(world.tandem_json(&["review", "list"]).await?, json!([]));
    Ok(())
}
