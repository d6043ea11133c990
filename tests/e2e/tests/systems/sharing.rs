//! An org whose sharing keeps people from each other's records: what the host says of it, and what it needs.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_e2e::{Setup, World};

const SET: &str = "Tandem Integration: private sharing";

async fn world(sets: &str, sharing: Value) -> Result<World> {
    let salesforce_arguments = vec!["--permission-sets".to_owned(), sets.to_owned()];
    let world = World::with(Setup { salesforce_arguments, ..Setup::default() }).await?;
    world.salesforce_settings(json!({ "sharing": sharing })).await?;
    Ok(world)
}

/// What `tandem check` says of sharing.
async fn said(world: &World) -> Result<Vec<String>> {
    let (_, checked, _) = world.tandem_raw(&["check"]).await?;
    let of_sharing = checked.lines().filter(|line| line.contains(": sharing"));
    let lines: Vec<String> = of_sharing.map(str::to_owned).collect();
    assert!(!lines.is_empty(), "{checked}");
    Ok(lines)
}

/// The lines of it that are wrong.
async fn wrong(world: &World) -> Result<Vec<String>> {
    Ok(said(world).await?.into_iter().filter(|line| line.contains("WRONG")).collect())
}

/// A user that may read accounts and contacts and no more, and none that somebody else owns where they are private.
#[tokio::test]
async fn what_is_not_known_of_sharing_is_not_claimed_and_one_refusal_hides_no_other_finding() -> Result<()> {
    let sets = "Tandem_Integration,Tandem_User_Standard";
    let unseen = world(sets, json!({ "Account": "None" })).await?;
    let lines = said(&unseen).await?;
    let private = |line: &&String| line.contains("Private") && line.contains("WRONG");
    let own = lines.iter().find(private).map(String::as_str).unwrap_or_default();
    assert!(own.contains("Account, Contact") && own.contains("no record is seen") && own.contains(SET), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("can be changed: Account")), "{lines:?}");
    // Not the owner keeps it from them; and of opportunities it may not even ask.
    unseen.salesforce_settings(json!({ "sharing": { "Opportunity": "None", "Account": "Read" } })).await?;
    let lines = wrong(&unseen).await?;
    for object in ["Account", "Contact"] {
        let of = |line: &&String| line.contains(&format!("{object}: the integration user may not edit"));
        let own = lines.iter().find(of).map(String::as_str).unwrap_or_default();
        assert!(own.contains("standard objects") && !own.contains(SET), "{object}: {lines:?}");
    }
    assert!(lines.iter().any(|line| line.contains("Opportunity: not known") && !line.contains(SET)), "{lines:?}");
    Ok(())
}

#[tokio::test]
async fn where_opportunities_are_read_only_the_check_names_the_set_and_the_order_is_written_once() -> Result<()> {
    let sets = "Tandem_Integration,Tandem_Integration_Standard";
    let mut world = world(sets, json!({ "Opportunity": "Read" })).await?;
    let ids = world.opportunities(1).await?;
    let lines = wrong(&world).await?;
    assert!(lines.len() == 1 && lines[0].contains("Opportunity") && lines[0].contains(SET), "{lines:?}");
    world.up().await?;
    world.win(&ids[0]).await?;
    let asked = world
        .until("a question", Duration::from_secs(30), async |world: &World| {
            let list = world.tandem_json(&["review", "list"]).await?;
            Ok(list.as_array().and_then(|list| list.first().cloned()))
        })
        .await?;
    let reason = asked["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(SET), "{reason}");
    // The admin opens the records.
    world.salesforce_settings(json!({})).await?;
    assert_eq!(wrong(&world).await?, Vec::<String>::new());
    world.tandem(&["review", "resolve", "--choose", "retry", &asked["id"].to_string()]).await?;
    world.until_all_told(&ids, Duration::from_secs(30)).await?;
    world.assert_exactly_once(&ids).await
}

#[tokio::test]
async fn where_all_is_private_the_set_for_it_is_enough() -> Result<()> {
    let private = json!({ "Account": "None", "Opportunity": "None", "Case": "None" });
    let sets = "Tandem_Integration,Tandem_Integration_Standard,Tandem_Integration_Private";
    let mut own = world(sets, private.clone()).await?;
    let lines = said(&own).await?;
    assert!(!lines.iter().any(|line| line.contains("WRONG")), "{lines:?}");
    let counted = |line: &&String| line.contains("can be changed: Account (") && line.contains("were looked at");
    assert!(lines.iter().any(|line| counted(&line)), "{lines:?}");
    // There is no opportunity yet.
    assert!(lines.iter().any(|line| line.contains("no record is seen") && line.contains("Opportunity")), "{lines:?}");
    own.up().await?;
    let ids = own.opportunities(1).await?;
    own.win(&ids[0]).await?;
    own.until_all_told(&ids, Duration::from_secs(30)).await?;
    own.assert_exactly_once(&ids).await?;
    let lacking = world("Tandem_Integration,Tandem_Integration_Standard", private).await?;
    let lines = wrong(&lacking).await?;
    for object in ["Account", "Contact"] {
        assert!(
            lines.iter().any(|line| line.contains(&format!("{object}: Sharing Settings say Private"))),
            "{lines:?}"
        );
    }
    Ok(())
}
