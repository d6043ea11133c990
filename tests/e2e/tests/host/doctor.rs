//! The file for support: all that helps, and nothing of anybody.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tandem_e2e::{Setup, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_tells_how_all_is_and_holds_no_secret_and_nobodys_data() -> Result<()> {
    let setup = Setup { environment: vec![("TANDEM_LOG", "debug".into())], ..Setup::default() };
    let mut world = World::with(setup).await?;
    // Another password than the word that stands everywhere.
    world.b1_settings(json!({ "password": "geheim-B1-77" })).await?;
    std::fs::write(world.folder().join("b1.password"), "geheim-B1-77\n")?;
    world.tandem(&["account", "add", "ilsebill", "--role", "viewer"]).await?;
    world.up().await?;
    let ids = world.opportunities(3).await?;
    world.win(&ids[0]).await?;
    world.until_all_told(&ids[..1], Duration::from_secs(30)).await?;
    // Names in a question, in the log, and in what B1 says.
    let names =
        json!({ "Name": "Hannelore Zwetschgenbaum GmbH", "Tandem_PO_Number__c": "hannelore@zwetschgen.example" });
    world.change("Opportunity", &ids[1], names).await?;
    let refused = json!({ "refuse": { "status": 400, "code": "-5002", "message": "Hannelore Zwetschgenbaum, Rosenweg 3, may not" } });
    world.b1_faults(json!([{ "path": "/b1s/v2/$batch", "kind": refused }])).await?;
    world.win(&ids[1]).await?;
    let asked = async |world: &World| {
        let events = world.tandem_json(&["review", "list"]).await?;
        Ok(events.as_array().is_some_and(|events| !events.is_empty()).then_some(()))
    };
    let in_review = world.until("a question", Duration::from_secs(30), asked).await;
    // What else was told of it asks the same, and ends no question.
    world.settled().await?;
    world.b1_faults(json!([])).await?;

    let (file, log) = (world.folder().join("report.md"), world.folder().join("host.log"));
    let shown = |path: &std::path::Path| path.display().to_string();
    world.tandem(&["doctor", "--output", &shown(&file), "--log", &shown(&log)]).await?;
    let told = std::fs::read_to_string(&file)?;
    for gone in [
        "geheim-B1-77",
        "tandem-secret",
        "webhook-key",
        "ilsebill",
        "Hannelore",
        "hannelore",
        "Zwetschgen",
        "zwetschgen",
        "Rosenweg",
        "PRIVATE KEY",
    ] {
        assert!(!told.contains(gone), "{gone}:\n{told}");
    }
    for there in [
        "tandem 0.",
        "logged in to B1",
        "orders 0.",
        "## Events by state",
        " done",
        "free on its disk",
        "clock of crm",
        "company = \"SBODEMO\"",
        &world.b1,
        "\"ready\"",
        "tandem_events{",
        "tandem is up",
        "no [backup]",
    ] {
        assert!(told.contains(there), "{there}:\n{told}");
    }
    if in_review.is_ok() {
        assert!(told.contains("## Errors by kind"), "{told}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    }

    // What is broken is said, and the rest told all the same.
    world.kill().await?;
    std::fs::remove_file(world.folder().join("b1.password"))?;
    world.tandem(&["doctor", "--output", &shown(&file), "--offline"]).await?;
    let told = std::fs::read_to_string(&file)?;
    assert!(told.contains("b1.password") && told.contains(" done") && told.contains("does not run"), "{told}");
    let config = world.folder().join("tandem.toml");
    let text = std::fs::read_to_string(&config)?;
    std::fs::write(&config, format!("{text}\nnonsense = \"Hannelore\"\n"))?;
    world.tandem(&["doctor", "--output", &shown(&file), "--offline"]).await?;
    let told = std::fs::read_to_string(&file)?;
    assert!(told.contains("nonsense") && !told.contains("Hannelore"), "{told}");
    Ok(())
}
