//! The mapping editor's part of the API: fields of both systems, changes that leave the file as people wrote it, findings, real records tried, code
//! tables proposed; and what is mapped so goes out with the next order.

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_e2e::Setup;
use tandem_e2e::console::{Caller, account, with_admin};

const MAPPING: &str =
    "# What sales agreed.\nversion = 1\n\n[header]\nNumAtCard = \"source.Tandem_PO_Number__c\" # theirs\n";

fn named<'a>(fields: &'a Value, side: &str, name: &str) -> Result<&'a Value> {
    let fields = fields[side].as_array().context("fields")?;
    fields.iter().find(|field| field["name"] == name).with_context(|| format!("{side} has {name}: {fields:?}"))
}

fn section<'a>(document: &'a Value, name: &str) -> Result<&'a Value> {
    let sections = document["sections"].as_array().context("sections")?;
    sections.iter().find(|section| section["name"] == name).context("the section")
}

/// A text after changes.
async fn edited(caller: &Caller, flow: &str, text: &Value, edits: Value) -> Result<Value> {
    caller.post(&format!("/flows/{flow}/mapping/edit"), json!({ "text": text, "edits": edits })).await
}

#[tokio::test]
async fn a_consultant_maps_fields_with_a_table_and_an_expression_and_the_next_order_has_them() -> Result<()> {
    let (world, admin) = with_admin(Setup::default()).await?;
    let operator = account(&admin, "consultant", "operator", json!(["orders"])).await?;
    for name in ["Channel", "Remark"] {
        assert_eq!(world.b1_user_field("ORDR", name).await?.0, 201);
    }
    let document = operator.get("/flows/orders/mapping").await?;
    let header = section(&document, "header")?;
    assert_eq!(
        (&header["way"], &header["b1"], &header["salesforce"]),
        (&json!("to-b1"), &json!("Orders"), &json!("Opportunity"))
    );
    assert!(header["reserved"]["to_b1"].as_array().is_some_and(|own| own.contains(&json!("DocEntry"))), "{header}");

    let fields = operator.get("/flows/orders/mapping/fields?section=header").await?;
    assert!(fields["unread"].is_null(), "{}", fields["unread"]);
    assert_eq!(named(&fields, "b1", "U_Channel")?["custom"], true);
    assert_eq!(named(&fields, "b1", "NumAtCard")?["type"], "string");
    let stage = named(&fields, "salesforce", "StageName")?;
    assert_eq!(stage["type"], "picklist", "{stage}");
    let account_id = named(&fields, "salesforce", "AccountId")?;
    assert_eq!(account_id["relation"], json!({ "name": "Account", "object": "Account" }));
    let related = operator.get("/flows/orders/mapping/fields?section=header&object=Account").await?;
    assert_eq!(named(&related, "salesforce", "BillingCity")?["type"], "string");

    let put = |field: &str, rule: &str| json!({ "do": "put", "section": "header", "rule": { "kind": "one-way", "field": field, "rule": rule } });
    let table = json!({ "do": "table", "name": "channel", "rows": { "Closed Won": "W", "Qualification": "Q" } });
    let edits = json!([
        put("U_Channel", "tables.channel[source.StageName]"),
        put("U_Remark", "\"no \" + source.Tandem_PO_Number__c"),
        table
    ]);
    let text = edited(&operator, "orders", &json!(MAPPING), edits).await?["text"].clone();
    let expected = format!(
        "{MAPPING}U_Channel = \"tables.channel[source.StageName]\"\nU_Remark = '\"no \" + source.Tandem_PO_Number__c'\n\n\
         [tables.channel]\n\"Closed Won\" = \"W\"\nQualification = \"Q\"\n"
    );
    assert_eq!(text, expected);
    let checked = operator.post("/flows/orders/mapping/check", json!({ "text": text })).await?;
    assert_eq!(checked, json!({ "findings": [], "unread": null }));

    let id = world.opportunities(1).await?.remove(0);
    let records = operator.get("/flows/orders/mapping/records?section=header").await?;
    let offered = records["records"].as_array().context("records")?;
    assert!(offered.iter().any(|record| record["id"] == id.as_str() && record["words"] != id.as_str()), "{records}");
    let tried = json!({ "text": text, "section": "header", "records": [id, "0065g0000000000ZZZ"] });
    let tried = operator.post("/flows/orders/mapping/preview", tried).await?;
    let first = &tried["records"][0];
    let value = |field: &str| {
        let rows = first["values"].as_array().into_iter().flatten();
        rows.clone().find(|row| row["field"] == field).map(|row| row["value"].clone())
    };
    let opportunity = world.opportunity(&id).await?;
    let number = opportunity["Tandem_PO_Number__c"].as_str().context("a number")?;
    assert!(value("U_Remark").is_some_and(|it| it.as_str().is_some_and(|it| it == format!("no {number}"))), "{tried}");
    assert!(first["error"].is_null() && tried["records"][1]["error"].is_string(), "{tried}");
    // A rule that fails is told beside what the others give.
    let channel = first["values"].as_array().into_iter().flatten().find(|row| row["field"] == "U_Channel");
    let why = channel.context("the channel")?["error"].as_str().context("why not")?;
    assert!(why.contains("has no entry in the code table channel"), "{why}");

    let live = operator.get("/flows").await?["flows"][0]["live"].clone();
    let draft = operator.post("/flows/orders/drafts", json!({ "mapping": text, "note": "channel" })).await?;
    let path = format!("/flows/orders/releases/{}/activate", draft["release"].as_str().context("a release")?);
    operator.post(&path, json!({ "instead_of": live, "why": "agreed" })).await?;
    world.win(&id).await?;
    world.until_state(&id, "Synced").await?;
    let order = world.orders_of(&id).await?.remove(0);
    assert_eq!(order["U_Channel"], "W");
    assert_eq!(std::fs::read_to_string(world.folder().join("orders.mapping.toml"))?, expected);
    // What the files say is what the editor begins with.
    assert_eq!(operator.get("/flows/orders/mapping").await?["text"], expected);
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told_by_field_and_line_before_anything_is_kept() -> Result<()> {
    let (_world, admin) = with_admin(Setup::default()).await?;
    let viewer = account(&admin, "eyes", "viewer", Value::Null).await?;
    let wrong = "version = 1\n[header]\nU_None = \"source.Name\"\nComments = \"source.Nowhere__c\"\nNumAtCard = \"source.stagename\"\n";
    let findings = admin.post("/flows/orders/mapping/check", json!({ "text": wrong })).await?;
    let told: Vec<_> = findings["findings"]
        .as_array()
        .context("findings")?
        .iter()
        .filter(|one| one["grade"] == "error")
        .map(|one| (one["field"].as_str().unwrap_or_default().to_owned(), one["line"].as_u64()))
        .collect();
    let expected = [("Nowhere__c", Some(4)), ("U_None", Some(3)), ("stagename", Some(5))];
    assert_eq!(told, expected.map(|(field, line)| (field.to_owned(), line)), "{findings}");
    let broken =
        admin.post("/flows/orders/mapping/check", json!({ "text": "version = 1\n[header]\nX = 'source.'\n" })).await?;
    assert_eq!((&broken["findings"][0]["line"], &broken["findings"][0]["field"]), (&json!(3), &json!("X")), "{broken}");
    let document = edited(&admin, "orders", &json!("version = 1\n[header]\nX = 'source.'\n"), json!([])).await?;
    assert!(section(&document, "header")?["rules"][0]["problem"].is_string(), "{document}");

    let judged = admin.post("/expression", json!({ "text": "source.A +", "tables": [] })).await?;
    assert!(judged["ok"] == false && judged["at"].is_u64(), "{judged}");
    let judged = admin.post("/expression", json!({ "text": "tables.none[source.A]", "tables": ["region"] })).await?;
    assert_eq!((&judged["ok"], &judged["at"]), (&json!(false), &json!(0)), "{judged}");
    let judged = admin.post("/expression", json!({ "text": "source.A == null ? \"\" : source.B.C" })).await?;
    assert_eq!((&judged["ok"], &judged["reads"]), (&json!(true), &json!(["A", "B.C"])));
    assert!(viewer.get("/expression/words").await?["words"].as_array().is_some_and(|words| words.len() > 15));

    for (path, body) in [
        (
            "/flows/orders/mapping/edit",
            json!({ "text": wrong, "edits": [{ "do": "put", "section": "tables", "rule": { "kind": "one-way", "field": "X", "rule": "1" } }] }),
        ),
        ("/flows/orders/mapping/edit", json!({ "text": "version = ", "edits": [] })),
        ("/flows/orders/mapping/preview", json!({ "text": wrong, "section": "nowhere", "records": ["1"] })),
        (
            "/flows/orders/mapping/preview",
            json!({ "text": wrong, "section": "header", "way": "to-salesforce", "records": ["1"] }),
        ),
        ("/flows/orders/mapping/table", json!({ "section": "header", "b1": "U_None", "salesforce": "StageName" })),
    ] {
        let (status, told) = admin.ask(Method::POST, path, Some(body.clone())).await?;
        assert_eq!(status, 422, "{path} {body}: {told}");
        assert_eq!(viewer.ask(Method::POST, path, Some(body)).await?.0, 403, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn pairs_go_both_ways_and_tables_are_proposed_from_the_lists_of_both() -> Result<()> {
    let setup = Setup { plugins: vec!["accounts"], ..Setup::default() };
    let (world, admin) = with_admin(setup).await?;
    let document = admin.get("/flows/accounts/mapping").await?;
    let account = section(&document, "account")?;
    assert_eq!(account["way"], "both");
    let rules = account["rules"].as_array().context("rules")?;
    let name = rules.iter().find(|rule| rule["field"] == "CardName").context("the name")?;
    assert_eq!((&name["kind"], &name["salesforce"]), (&json!("both"), &json!("Name")), "{name}");
    let before = name["line"].as_u64().context("a line")?;
    let edit = json!([{ "do": "put", "section": "account", "rule": { "kind": "both", "field": "CardName", "salesforce": "Name", "direction": "to_b1", "policy": "review" } }]);
    let after = edited(&admin, "accounts", &document["text"], edit).await?;
    let (old, new) = (document["text"].as_str().context("text")?, after["text"].as_str().context("text")?);
    let changed: Vec<usize> = old
        .lines()
        .zip(new.lines())
        .enumerate()
        .filter(|(_, (old, new))| old != new)
        .map(|(place, _)| place + 1)
        .collect();
    assert_eq!(changed, [usize::try_from(before)?], "{new}");

    let proposal = json!({ "section": "account", "b1": "Currency", "salesforce": "CurrencyIsoCode" });
    let proposal = admin.post("/flows/accounts/mapping/table", proposal).await?;
    let euro = json!({ "value": "EUR", "label": "Euro" });
    assert!(proposal["b1"].as_array().is_some_and(|list| list.contains(&euro)), "{proposal}");
    let partner = world.b1_records("BusinessPartners").await?.remove(0);
    let code = partner["CardCode"].as_str().context("a code")?;
    for way in ["to-salesforce", "to-b1"] {
        let records = admin.get(&format!("/flows/accounts/mapping/records?section=account&way={way}")).await?;
        assert!(records["records"].as_array().is_some_and(|list| !list.is_empty()), "{way}: {records}");
    }
    let tried = json!({ "text": old, "section": "account", "way": "to-salesforce", "records": [code] });
    let tried = admin.post("/flows/accounts/mapping/preview", tried).await?;
    let rows = tried["records"][0]["values"].as_array().context("values")?;
    assert!(rows.iter().any(|row| row["field"] == "Name" && row["value"] == partner["CardName"]), "{tried}");
    Ok(())
}
