//! The Salesforce simulator as curl sees it: bad input, limits, faults, and what survives. Source of each fact: the shared
//! Salesforce reference and the REST API guide.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tandem_conformance::Service;
use tandem_e2e::root;

struct Org {
    service: Service,
    client: reqwest::Client,
    token: String,
}

impl Org {
    async fn new() -> Result<Self> {
        let service = Service::salesforce().await?;
        let (client, token) = (service.client()?, service.token().await?);
        Ok(Self { service, client, token })
    }

    async fn send(&self, method: &str, path: &str, content_type: &str, body: String) -> Result<(u16, Value)> {
        let path = if path.starts_with("/admin") || path.starts_with("/services/oauth2") {
            path.to_owned()
        } else {
            format!("/services/data/v64.0{path}")
        };
        let request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.service.addresses[0]))
            .bearer_auth(&self.token)
            .header("Content-Type", content_type)
            .body(body);
        let response = request.send().await?;
        let status = response.status().as_u16();
        Ok((status, serde_json::from_str(&response.text().await?).unwrap_or_default()))
    }

    async fn json(&self, method: &str, path: &str, body: Value) -> Result<(u16, Value)> {
        self.send(method, path, "application/json", body.to_string()).await
    }

    async fn refused(&self, method: &str, path: &str, body: Value, status: u16, code: &str) -> Result<()> {
        let (got, answer) = self.json(method, path, body).await?;
        assert_eq!((got, answer[0]["errorCode"].as_str()), (status, Some(code)), "{method} {path}: {answer}");
        Ok(())
    }

    async fn query(&self, soql: &str) -> Result<Value> {
        let path = format!("/query?q={}", soql.replace('%', "%25").replace(' ', "%20").replace('=', "%3D"));
        Ok(self.json("GET", &path, Value::Null).await?.1)
    }
}

#[tokio::test]
async fn what_the_integration_user_may_not_see_or_write_is_not_there_for_it() -> Result<()> {
    let org = Org::new().await?;
    let id = org.query("SELECT Id FROM Opportunity LIMIT 1").await?["records"][0]["Id"].clone();
    let path = format!("/sobjects/Opportunity/{}", id.as_str().unwrap_or_default());
    let rules = json!({ "integration": {
        "hidden": ["Opportunity.Tandem_PO_Number__c"], "read_only": ["Opportunity.Tandem_Order_Notes__c"],
    } });
    assert_eq!(org.json("PUT", "/admin/rules", rules).await?.0, 200);
    for soql in [
        "SELECT Tandem_PO_Number__c FROM Opportunity",
        "SELECT Id FROM Opportunity WHERE Tandem_PO_Number__c = null",
        "SELECT Opportunity.Tandem_PO_Number__c FROM OpportunityLineItem",
        "SELECT Id, (SELECT Tandem_PO_Number__c FROM Opportunities) FROM Account",
    ] {
        let refused = org.query(soql).await?;
        assert_eq!(refused[0]["errorCode"], "INVALID_FIELD", "{soql}: {refused}");
        assert!(refused[0]["message"].to_string().contains("No such column 'Tandem_PO_Number__c'"), "{refused}");
    }
    let (_, described) = org.json("GET", "/sobjects/Opportunity/describe", Value::Null).await?;
    let field =
        |name: &str| described["fields"].as_array().into_iter().flatten().find(|own| own["name"] == name).cloned();
    assert_eq!(field("Tandem_PO_Number__c"), None);
    assert_eq!(field("Tandem_Order_Notes__c").unwrap_or_default()["updateable"], false);
    let (_, whole) = org.json("GET", &path, Value::Null).await?;
    assert!(whole.get("Tandem_PO_Number__c").is_none() && whole.get("Tandem_Order_Notes__c").is_some(), "{whole}");
    let all = org.query("SELECT FIELDS(CUSTOM) FROM Opportunity LIMIT 1").await?;
    assert!(all["records"][0].get("Tandem_PO_Number__c").is_none(), "{all}");
    org.refused("PATCH", &path, json!({ "Tandem_PO_Number__c": "1" }), 400, "INVALID_FIELD").await?;
    let notes = json!({ "Tandem_Order_Notes__c": "1" });
    org.refused("PATCH", &path, notes.clone(), 400, "INVALID_FIELD_FOR_INSERT_UPDATE").await?;
    // A person sees and writes all.
    let person = format!("/admin/update/Opportunity/{}", id.as_str().unwrap_or_default());
    assert_eq!(org.json("POST", &person, json!({ "Tandem_PO_Number__c": "1" })).await?.0, 204);
    assert_eq!(org.json("PUT", "/admin/rules", json!({})).await?.0, 200);
    assert_eq!(org.json("PATCH", &path, notes).await?.0, 204);
    Ok(())
}

#[tokio::test]
async fn a_field_is_selected_once() -> Result<()> {
    let org = Org::new().await?;
    for soql in ["SELECT Id, Name, name FROM Account", "SELECT Id, (SELECT Id, id FROM Contacts) FROM Account"] {
        let refused = org.query(soql).await?;
        assert!(refused[0]["message"].to_string().contains("duplicate field selected"), "{soql}: {refused}");
    }
    Ok(())
}

#[tokio::test]
async fn bad_input_has_the_real_services_status_and_code_and_the_next_request_is_served() -> Result<()> {
    let org = Org::new().await?;
    let (status, answer) = org.send("POST", "/sobjects/Account", "application/json", "{not json".into()).await?;
    assert_eq!((status, answer[0]["errorCode"].as_str()), (400, Some("JSON_PARSER_ERROR")));
    let (status, answer) = org.send("POST", "/sobjects/Account", "text/plain", "Name=x".into()).await?;
    assert_eq!((status, answer[0]["errorCode"].as_str()), (415, Some("UNSUPPORTED_MEDIA_TYPE")));
    let (status, _) = org.send("POST", "/sobjects/Account", "application/json", "x".repeat(100 << 20)).await?;
    assert_eq!(status, 413);
    let (status, _) = org.json("GET", &format!("/query?q={}", "x".repeat(17_000)), Value::Null).await?;
    assert_eq!(status, 414, "an address longer than 16,384 bytes");
    org.refused("GET", "/sobjects/Nonsense/describe", Value::Null, 404, "NOT_FOUND").await?;
    org.refused("PUT", "/sobjects/Account", json!({}), 405, "METHOD_NOT_ALLOWED").await?;
    org.refused(
        "GET",
        "/query?q=SELECT%20Id%20FROM%20Account%20WHERE%20Name='x'%20OR%20'1'='1'",
        Value::Null,
        400,
        "MALFORMED_QUERY",
    )
    .await?;
    let fields = [
        (json!({ "Phone": "1" }), "REQUIRED_FIELD_MISSING"),
        (json!({ "Name": "x".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "Name": "x", "Nope__c": 1 }), "INVALID_FIELD"),
        (json!({ "Name": "x", "ParentId": "001000000000000AAA" }), "INVALID_CROSS_REFERENCE_KEY"),
        (json!({ "Name": "x", "ParentId": "nonsense" }), "MALFORMED_ID"),
        (json!({ "Name": "x", "NumberOfEmployees": "many" }), "JSON_PARSER_ERROR"),
        (json!({ "Name": "x", "IsDeleted": true }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Name": "x", "Tandem_Card_Code__c": "c00001" }), "DUPLICATE_VALUE"),
    ];
    for (body, code) in fields {
        org.refused("POST", "/sobjects/Account", body, 400, code).await?;
    }
    org.refused(
        "POST",
        "/sobjects/Contact",
        json!({ "LastName": "x", "Email": "nobody" }),
        400,
        "INVALID_EMAIL_ADDRESS",
    )
    .await?;
    // What the address says must not be said again.
    let (_, made) = org.json("POST", "/sobjects/Account", json!({ "Name": "Said twice" })).await?;
    let id = made["id"].as_str().unwrap_or_default();
    org.refused("PATCH", &format!("/sobjects/Account/{id}"), json!({ "Id": id }), 400, "INVALID_FIELD").await?;
    let twice = json!({ "Name": "x", "Tandem_Card_Code__c": "TWICE" });
    org.refused("PATCH", "/sobjects/Account/Tandem_Card_Code__c/TWICE", twice, 400, "INVALID_FIELD").await?;
    let (status, _) = org.json("POST", "/sobjects/Account", json!({ "Name": "Still served" })).await?;
    assert_eq!(status, 201);
    Ok(())
}

#[tokio::test]
async fn jwt_bearer_is_checked_by_signature_audience_and_time() -> Result<()> {
    let org = Org::new().await?;
    let sign = |audience: &str, ahead: i64, tamper: bool| -> Result<String> {
        use rustls::pki_types::pem::PemObject;
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from_pem_file(root().join("tests/e2e/fixtures/jwt-test.key"))?;
        let key =
            ring::signature::RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|e| anyhow::anyhow!("{e}"))?;
        let ends = chrono::Utc::now().timestamp() + ahead;
        let claims = json!({ "iss": "tandem", "sub": "tandem@example.org", "aud": audience, "exp": ends }).to_string();
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(
            &ring::signature::RSA_PKCS1_SHA256,
            &ring::rand::SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|e| anyhow::anyhow!("{e}"))?;
        signature[0] ^= u8::from(tamper);
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    };
    let own = org.service.addresses[0].clone();
    let cases = [
        (sign(&own, 120, false)?, 200, ""),
        (sign("https://login.salesforce.com", 120, false)?, 400, "audience"),
        (sign(&own, 600, false)?, 400, "expired"),
        (sign(&own, -10, false)?, 400, "expired"),
        (sign(&own, 120, true)?, 400, "invalid assertion"),
    ];
    for (assertion, status, word) in cases {
        let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let (got, answer) =
            org.send("POST", "/services/oauth2/token", "application/x-www-form-urlencoded", form).await?;
        assert_eq!(got, status, "{answer}");
        if status != 200 {
            assert_eq!(answer["error"], "invalid_grant");
            assert!(answer["error_description"].as_str().unwrap_or_default().contains(word), "{answer}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rules_locks_and_limits_refuse_as_an_org_would() -> Result<()> {
    let org = Org::new().await?;
    let (_, made) = org.json("POST", "/sobjects/Account", json!({ "Name": "Locked" })).await?;
    let id = made["id"].as_str().unwrap().to_owned();
    let rules = json!({
        "validations": [{ "object": "Account", "condition": "Name LIKE 'Bad%'", "message": "No bad names", "field": "Name" }],
        "duplicates": [{ "object": "Account", "fields": ["Name"] }],
        "locked": [id],
    });
    assert_eq!(org.json("PUT", "/admin/rules", rules).await?.0, 200);
    org.refused("POST", "/sobjects/Account", json!({ "Name": "Bad one" }), 400, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
        .await?;
    org.refused("POST", "/sobjects/Account", json!({ "Name": "locked" }), 400, "DUPLICATES_DETECTED").await?;
    org.refused("PATCH", &format!("/sobjects/Account/{id}"), json!({ "Phone": "1" }), 400, "UNABLE_TO_LOCK_ROW")
        .await?;
    // The header lets a duplicate through.
    let address = format!("{}/services/data/v64.0/sobjects/Account", org.service.addresses[0]);
    let allowed =
        org.client.post(address).bearer_auth(&org.token).header("Sforce-Duplicate-Rule-Header", "allowSave=true");
    let allowed = allowed.header("Content-Type", "application/json").body(r#"{"Name":"Locked"}"#).send().await?;
    assert_eq!(allowed.status(), 201);
    // A picklist of the customer's own.
    let field =
        json!({ "name": "Grade__c", "type": "picklist", "length": 255, "picklist": ["A", "B"], "restricted": true });
    assert_eq!(org.json("POST", "/admin/fields/Account", field).await?.0, 201);
    org.refused(
        "POST",
        "/sobjects/Account",
        json!({ "Name": "Grade", "Grade__c": "Z" }),
        400,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    )
    .await?;
    // The day's calls are used up.
    assert_eq!(org.json("PUT", "/admin/settings", json!({ "api_limit": 1 })).await?.0, 200);
    org.refused("GET", "/limits", Value::Null, 403, "REQUEST_LIMIT_EXCEEDED").await
}

/// The opportunity is saved with each of its lines: its stamp moves, its flows run, and what refuses it refuses the line, which stays as it was.
#[tokio::test]
async fn a_line_is_saved_with_its_opportunity_or_not_at_all() -> Result<()> {
    let org = Org::new().await?;
    let lines = org.query("SELECT Id, OpportunityId FROM OpportunityLineItem LIMIT 200").await?["records"].clone();
    let all: Vec<&Value> = lines.as_array().into_iter().flatten().collect();
    let one = *all.first().unwrap();
    let other = *all.iter().find(|line| line["OpportunityId"] != one["OpportunityId"]).unwrap();
    let opportunity = one["OpportunityId"].as_str().unwrap().to_owned();
    let stamp = async |org: &Org| -> Result<Value> {
        let soql = format!("SELECT SystemModstamp, NextStep FROM Opportunity WHERE Id = '{opportunity}'");
        Ok(org.query(&soql).await?["records"][0].clone())
    };
    let before = stamp(&org).await?;
    let flow = json!({ "object": "Opportunity", "condition": format!("Id = '{opportunity}'"), "fields": { "NextStep": "looked at" } });
    assert_eq!(org.json("PUT", "/admin/rules", json!({ "automations": [flow] })).await?.0, 200);
    let address = format!("/sobjects/OpportunityLineItem/{}", one["Id"].as_str().unwrap());
    let said = |state: &str| json!({ "Tandem_Availability__c": state });
    assert_eq!(org.json("PATCH", &address, said("Short")).await?.0, 204);
    let after = stamp(&org).await?;
    assert!(after["SystemModstamp"] != before["SystemModstamp"] && after["NextStep"] == "looked at", "{after}");

    let rule = json!({ "object": "Opportunity", "condition": format!("Id = '{opportunity}'"), "message": "A step is missing" });
    assert_eq!(org.json("PUT", "/admin/rules", json!({ "validations": [rule] })).await?.0, 200);
    let row = |line: &Value| json!({ "attributes": { "type": "OpportunityLineItem" }, "id": line["Id"], "Tandem_Availability__c": "Enough" });
    let both = json!({ "allOrNone": false, "records": [row(one), row(other)] });
    let (_, answer) = org.json("PATCH", "/composite/sobjects", both).await?;
    assert_eq!(answer[0]["errors"][0]["statusCode"], "FIELD_CUSTOM_VALIDATION_EXCEPTION", "{answer}");
    assert_eq!(answer[1]["success"], true, "{answer}");
    let kept = org.json("GET", &address, Value::Null).await?.1;
    assert_eq!(kept["Tandem_Availability__c"], "Short", "{kept}");
    assert_eq!(org.json("PUT", "/admin/rules", json!({ "locked": [opportunity] })).await?.0, 200);
    org.refused("PATCH", &address, said("Enough"), 400, "UNABLE_TO_LOCK_ROW").await
}

#[tokio::test]
async fn price_book_rules_bite() -> Result<()> {
    let org = Org::new().await?;
    let (_, product) = org
        .json("POST", "/sobjects/Product2", json!({ "Name": "New", "ProductCode": "NEW1", "IsActive": true }))
        .await?;
    let books = org.query("SELECT Id, IsStandard FROM Pricebook2 ORDER BY IsStandard DESC").await?["records"].clone();
    let (standard, custom) = (&books[0]["Id"], &books[1]["Id"]);
    let entry = |book: &Value| json!({ "Pricebook2Id": book, "Product2Id": product["id"], "UnitPrice": 5, "IsActive": true, "CurrencyIsoCode": "EUR" });
    org.refused("POST", "/sobjects/PricebookEntry", entry(custom), 400, "STANDARD_PRICE_NOT_DEFINED").await?;
    assert_eq!(org.json("POST", "/sobjects/PricebookEntry", entry(standard)).await?.0, 201);
    assert_eq!(org.json("POST", "/sobjects/PricebookEntry", entry(custom)).await?.0, 201);
    org.refused("POST", "/sobjects/PricebookEntry", entry(custom), 400, "DUPLICATE_VALUE").await
}

#[tokio::test]
async fn a_deleted_products_prices_go_with_it_and_lookups_of_it_are_cleared() -> Result<()> {
    let org = Org::new().await?;
    let (_, product) = org.json("POST", "/sobjects/Product2", json!({ "Name": "Gone", "IsActive": true })).await?;
    let books = org.query("SELECT Id FROM Pricebook2 WHERE IsStandard = true").await?["records"].clone();
    let entry = json!({ "Pricebook2Id": books[0]["Id"], "Product2Id": product["id"], "UnitPrice": 5, "CurrencyIsoCode": "EUR" });
    let (_, entry) = org.json("POST", "/sobjects/PricebookEntry", entry).await?;
    let stock = json!({ "Name": "Gone 01", "Tandem_Key__c": "erp:GONE:01", "Tandem_Product__c": product["id"] });
    let (_, stock) = org.json("POST", "/sobjects/Tandem_Stock__c", stock).await?;
    let path = |object: &str, made: &Value| format!("/sobjects/{object}/{}", made["id"].as_str().unwrap_or_default());
    assert_eq!(org.json("DELETE", &path("Product2", &product), Value::Null).await?.0, 204);
    org.refused("GET", &path("PricebookEntry", &entry), Value::Null, 404, "NOT_FOUND").await?;
    let (status, left) = org.json("GET", &path("Tandem_Stock__c", &stock), Value::Null).await?;
    assert_eq!((status, &left["Tandem_Product__c"]), (200, &Value::Null));
    Ok(())
}

#[tokio::test]
async fn child_rows_come_in_pages_of_their_own() -> Result<()> {
    let org = Org::new().await?;
    let (_, account) = org.json("POST", "/sobjects/Account", json!({ "Name": "Many" })).await?;
    for part in 0..2 {
        let contact = |n| json!({ "attributes": { "type": "Contact" }, "LastName": format!("{part}-{n}"), "AccountId": account["id"] });
        let records: Vec<Value> = (0..105).map(contact).collect();
        let (status, _) =
            org.json("POST", "/composite/sobjects", json!({ "allOrNone": true, "records": records })).await?;
        assert_eq!(status, 200);
    }
    let soql =
        format!("SELECT Id, (SELECT Id FROM Contacts) FROM Account WHERE Id = '{}'", account["id"].as_str().unwrap());
    let answer = org.query(&soql).await?;
    assert_eq!(answer["done"], true, "the outer page says that it is done");
    let contacts = &answer["records"][0]["Contacts"];
    assert_eq!((&contacts["totalSize"], &contacts["done"]), (&json!(210), &json!(false)));
    assert_eq!(contacts["records"].as_array().unwrap().len(), 199);
    let next = contacts["nextRecordsUrl"].as_str().unwrap().trim_start_matches("/services/data/v64.0");
    let rest = org.json("GET", next, Value::Null).await?.1;
    assert_eq!((rest["records"].as_array().unwrap().len(), &rest["done"]), (11, &json!(true)));
    Ok(())
}

/// Subrequests of a composite call, each with a reference of its own.
fn composite(asked: &[(&str, &str, Value)]) -> Value {
    let subrequests = asked.iter().enumerate().map(|(place, (method, path, body))| {
        let mut one = json!({ "method": method, "url": format!("/services/data/v64.0{path}"), "referenceId": format!("r{place}") });
        if !body.is_null() {
            one["body"] = body.clone();
        }
        one
    });
    json!({ "allOrNone": false, "collateSubrequests": false, "compositeRequest": subrequests.collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_composite_call_answers_each_subrequest_and_counts_once() -> Result<()> {
    let org = Org::new().await?;
    let (_, account) = org.json("POST", "/sobjects/Account", json!({ "Name": "Shared" })).await?;
    let path = format!("/sobjects/Account/{}", account["id"].as_str().unwrap());
    let row = json!({ "attributes": { "type": "Account" }, "id": account["id"], "Phone": "1" });
    let left = async || -> Result<u64> {
        let limits = org.json("GET", "/limits", Value::Null).await?.1;
        Ok(limits["DailyApiRequests"]["Remaining"].as_u64().unwrap())
    };
    let before = left().await?;
    let asked = [
        ("PATCH", path.as_str(), json!({ "Website": "a.example" })),
        ("GET", "/query?q=SELECT%20Website%20FROM%20Account%20WHERE%20Name='Shared'", Value::Null),
        ("GET", "/query?q=SELECT", Value::Null),
        (
            "PATCH",
            "/composite/sobjects",
            json!({ "allOrNone": false, "records": [row, { "attributes": { "type": "Account" }, "id": "001000000000000AAA" }] }),
        ),
        ("PATCH", "/sobjects/Account/001000000000000AAA", json!({ "Phone": "2" })),
        ("GET", "/limits", Value::Null),
    ];
    let (status, answer) = org.json("POST", "/composite", composite(&asked)).await?;
    let rows = answer["compositeResponse"].as_array().unwrap();
    let codes: Vec<u64> = rows.iter().map(|row| row["httpStatusCode"].as_u64().unwrap()).collect();
    assert_eq!((status, codes), (200, vec![204, 200, 400, 200, 404, 400]), "{answer}");
    assert_eq!(rows[1]["body"]["records"][0]["Website"], "a.example", "in the order in which they stand");
    assert_eq!((&rows[3]["body"][0]["success"], &rows[3]["body"][1]["success"]), (&json!(true), &json!(false)));
    assert!(rows.iter().enumerate().all(|(place, row)| row["referenceId"] == format!("r{place}")));
    assert_eq!(before - left().await?, 2, "one for all of them, one for looking");
    let log = org.json("GET", "/admin/log", Value::Null).await?.1;
    assert_eq!((&log["calls"]["POST /composite"], &log["subrequests"]["GET /query"]), (&json!(1), &json!(2)));
    Ok(())
}

#[tokio::test]
async fn a_composite_call_that_asks_for_too_much_is_refused_as_a_whole() -> Result<()> {
    let org = Org::new().await?;
    let change = || ("PATCH", "/sobjects/Account/001000000000000AAA", json!({ "Phone": "2" }));
    let query = || ("GET", "/query?q=SELECT%20Id%20FROM%20Account%20LIMIT%201", Value::Null);
    let rows = || ("PATCH", "/composite/sobjects", json!({ "records": [] }));
    let mut header = composite(&[query()]);
    header["compositeRequest"][0]["httpHeaders"] = json!({ "Content-Type": "text/csv" });
    let mut twice = composite(&[change(), change()]);
    twice["compositeRequest"][1]["referenceId"] = json!("r0");
    let refused = [
        composite(&vec![change(); 26]),
        composite(&[query(), query(), query(), rows(), rows(), rows()]),
        header,
        twice,
    ];
    for body in refused {
        let (status, answer) = org.json("POST", "/composite", body).await?;
        let rows = answer["compositeResponse"].as_array().unwrap();
        assert_eq!((status, rows.len(), &rows[0]["referenceId"]), (400, 1, &Value::Null), "{answer}");
    }
    let most = [vec![query(); 3], vec![rows(); 2], vec![change(); 20]].concat();
    assert_eq!(org.json("POST", "/composite", composite(&most)).await?.0, 200);
    let mut paged = composite(&[query()]);
    paged["compositeRequest"][0]["httpHeaders"] = json!({ "Sforce-Query-Options": "batchSize=200" });
    assert_eq!(org.json("POST", "/composite", paged).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_fault_strikes_a_composite_call_by_its_subrequests() -> Result<()> {
    let org = Org::new().await?;
    let faults = json!([{ "path": "/query", "method": "GET", "kind": "server-error", "times": 1 }]);
    org.json("PUT", "/admin/faults", faults).await?;
    let query = ("GET", "/query?q=SELECT%20Id%20FROM%20Account%20LIMIT%201", Value::Null);
    assert_eq!(org.json("POST", "/composite", composite(&[query.clone(), query.clone()])).await?.0, 503);
    assert_eq!(org.json("POST", "/composite", composite(&[query.clone(), query])).await?.0, 200, "it struck once");
    Ok(())
}

#[tokio::test]
async fn faults_drip_truncate_and_end_by_themselves() -> Result<()> {
    let org = Org::new().await?;
    let started = std::time::Instant::now();
    org.json("PUT", "/admin/faults", json!([{ "path": "/limits", "kind": { "drip": 400 }, "times": 1 }])).await?;
    assert_eq!(org.json("GET", "/limits", Value::Null).await?.0, 200);
    assert!(started.elapsed().as_millis() >= 400);
    org.json("PUT", "/admin/faults", json!([{ "path": "/limits", "kind": "truncate", "times": 1 }])).await?;
    assert!(org.json("GET", "/limits", Value::Null).await.is_err(), "the body ends in the middle");
    org.json("PUT", "/admin/faults", json!([{ "path": "/limits", "kind": "server-error", "for_ms": 200 }])).await?;
    org.refused("GET", "/limits", Value::Null, 503, "SERVER_UNAVAILABLE").await?;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    assert_eq!(org.json("GET", "/limits", Value::Null).await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_is_put_back_and_the_log_tells_what_was_asked() -> Result<()> {
    let org = Org::new().await?;
    let (_, snapshot) = org.json("GET", "/admin/snapshot", Value::Null).await?;
    org.json("POST", "/sobjects/Account", json!({ "Name": "Gone after restore" })).await?;
    assert_eq!(org.query("SELECT Id FROM Account WHERE Name = 'Gone after restore'").await?["totalSize"], 1);
    assert_eq!(org.json("PUT", "/admin/snapshot", snapshot).await?.0, 200);
    assert_eq!(org.query("SELECT Id FROM Account WHERE Name = 'Gone after restore'").await?["totalSize"], 0);
    let (_, log) = org.json("GET", "/admin/log", Value::Null).await?;
    assert_eq!(log["calls"]["POST /sobjects/Account"], 1);
    assert!(log["recent"].as_array().unwrap().iter().any(|entry| entry["status"] == 201));
    Ok(())
}

#[tokio::test]
async fn text_currencies_and_numbers_are_kept_as_an_org_keeps_them() -> Result<()> {
    let org = Org::new().await?;
    for name in [json!(""), json!("  "), json!(null)] {
        org.refused("POST", "/sobjects/Account", json!({ "Name": name }), 400, "REQUIRED_FIELD_MISSING").await?;
    }
    let fields =
        json!({ "Name": "  ACME  Ltd ", "BillingCity": "   ", "AnnualRevenue": 10_000_000, "CurrencyIsoCode": "USD" });
    let (_, made) = org.json("POST", "/sobjects/Account", fields).await?;
    let id = made["id"].as_str().unwrap_or_default();
    let (_, account) = org.json("GET", &format!("/sobjects/Account/{id}"), Value::Null).await?;
    assert_eq!((&account["Name"], &account["BillingCity"]), (&json!("ACME  Ltd"), &Value::Null));
    let rows = org.query(&format!("SELECT AnnualRevenue FROM Account WHERE Id = '{id}'")).await?;
    // So this test's own JSON library says `1.0E7`.
    assert_eq!(rows["records"][0]["AnnualRevenue"].to_string(), "1.0e+7");
    let other = json!({ "CurrencyIsoCode": "XYZ" });
    org.refused("PATCH", &format!("/sobjects/Account/{id}"), other, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
        .await?;
    let record_type = json!({ "RecordTypeId": "012000000000001AAA" });
    org.refused("PATCH", &format!("/sobjects/Account/{id}"), record_type, 400, "INVALID_CROSS_REFERENCE_KEY").await
}

#[tokio::test]
async fn a_sum_of_amounts_in_several_currencies_is_in_the_orgs_own() -> Result<()> {
    let org = Org::new().await?;
    for (amount, currency) in [(100, "EUR"), (110, "USD")] {
        let fields = json!({ "Name": "Summed", "AnnualRevenue": amount, "CurrencyIsoCode": currency, "NumberOfEmployees": amount });
        org.json("POST", "/sobjects/Account", fields).await?;
    }
    let sums = "SUM(AnnualRevenue) money, SUM(NumberOfEmployees) people, COUNT(AnnualRevenue) rows";
    let rows = org.query(&format!("SELECT {sums} FROM Account WHERE Name = 'Summed'")).await?;
    let row = &rows["records"][0];
    assert_eq!(
        ["money", "people", "rows"].map(|name| row[name].as_f64()),
        [Some(200.0), Some(210.0), Some(2.0)],
        "{row}"
    );
    Ok(())
}

#[tokio::test]
async fn countries_are_of_a_list_and_persons_have_two_names_by_a_switch() -> Result<()> {
    let org = Org::new().await?;
    org.refused("POST", "/sobjects/Account", json!({ "Name": "A", "BillingCountryCode": "DE" }), 400, "INVALID_FIELD")
        .await?;
    org.json("PUT", "/admin/settings", json!({ "country_picklists": true, "person_accounts": true })).await?;
    let made = async |fields: Value| -> Result<Value> {
        let (status, made) = org.json("POST", "/sobjects/Account", fields).await?;
        assert_eq!(status, 201, "{made}");
        Ok(org
            .json("GET", &format!("/sobjects/Account/{}", made["id"].as_str().unwrap_or_default()), Value::Null)
            .await?
            .1)
    };
    for country in [json!({ "BillingCountryCode": "US" }), json!({ "BillingCountry": "united states" })] {
        let mut fields = json!({ "Name": "A", "BillingState": "California" });
        fields.as_object_mut().unwrap().extend(country.as_object().cloned().unwrap());
        let account = made(fields).await?;
        assert_eq!(
            (&account["BillingCountry"], &account["BillingCountryCode"]),
            (&json!("United States"), &json!("US"))
        );
        assert_eq!(account["BillingStateCode"], "CA");
    }
    for wrong in [
        json!({ "BillingCountry": "DE" }),
        json!({ "BillingCountry": "Deutschland" }),
        json!({ "BillingCountryCode": "XX" }),
        json!({ "BillingCountryCode": "DE", "BillingStateCode": "BY" }),
    ] {
        let mut fields = json!({ "Name": "A" });
        fields.as_object_mut().unwrap().extend(wrong.as_object().cloned().unwrap());
        org.refused("POST", "/sobjects/Account", fields, 400, "FIELD_INTEGRITY_EXCEPTION").await?;
    }
    let person = made(json!({ "FirstName": "Erika", "LastName": "Muster", "Phone": "1" })).await?;
    assert_eq!((&person["Name"], &person["IsPersonAccount"]), (&json!("Erika Muster"), &json!(true)));
    let id = person["Id"].as_str().unwrap_or_default();
    org.refused(
        "PATCH",
        &format!("/sobjects/Account/{id}"),
        json!({ "Name": "X" }),
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
    )
    .await?;
    assert_eq!(org.json("PATCH", &format!("/sobjects/Account/{id}"), json!({ "LastName": "Beispiel" })).await?.0, 204);
    let behind = org.query(&format!("SELECT Name, Phone FROM Contact WHERE AccountId = '{id}'")).await?;
    assert_eq!(
        (&behind["records"][0]["Name"], &behind["records"][0]["Phone"]),
        (&json!("Erika Beispiel"), &json!("1"))
    );
    let own = json!({ "LastName": "Other", "AccountId": id });
    org.refused("POST", "/sobjects/Contact", own, 400, "FIELD_INTEGRITY_EXCEPTION").await
}
