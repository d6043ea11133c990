//! The package in the shape that the Metadata API takes: there, and back, and nothing lost on the way.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tandem_package_tests::{files, package, project, run, sign_in};

/// Folders of the project that reach an org.
const SOURCES: [&str; 3] = ["force-app", "german", "sign-in"];

#[tokio::test]
async fn converts_to_metadata_format_and_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = run("node", &["checks/convert.mjs", &folder.path().display().to_string()], &[]).await?;
    let report: Value = serde_json::from_str(report.lines().last().unwrap_or_default())?;
    let declared = files(&project().join("force-app"), ".field-meta.xml")?.len();
    assert_eq!(report["members"]["CustomField"], declared, "{report}");
    for kind in ["ApexClass", "ApexTrigger", "LightningComponentBundle", "FlexiPage", "PermissionSet", "CustomLabels"] {
        assert!(report["members"][kind].as_u64() > Some(0), "{kind}: {report}");
    }
    for kind in ["ExternalClientApplication", "ExtlClntAppOauthSettings", "ExtlClntAppGlobalOauthSettings"] {
        assert_eq!(report["members"][kind], 1, "{kind}: {report}");
    }
    for kind in ["CustomObjectTranslation", "Translations"] {
        assert!(report["members"][kind].as_u64() > Some(0), "{kind}: {report}");
    }
    assert_eq!(report["lost"], json!([]), "gone on the way there and back");
    Ok(())
}

/// Salesforce's own types, of the oldest and the newest version, know each element, value and setting.
async fn typed(definition: &Path) -> Result<Value> {
    let definition = definition.display().to_string();
    let mut arguments = vec!["checks/types.mjs", &definition];
    arguments.extend(SOURCES);
    let report = run("node", &arguments, &[]).await?;
    Ok(serde_json::from_str(report.lines().last().unwrap_or_default())?)
}

#[tokio::test]
async fn the_oldest_and_the_newest_types_know_all_of_it() -> Result<()> {
    let report = typed(&project().join("config/scratch-org.json")).await?;
    assert!(report["files"].as_u64() > Some(400), "{report}");
    for kind in ["definition", "oldest", "newest"] {
        assert_eq!(report[kind], json!([]), "{report}");
    }
    // Would it be found? A setting that newer versions do not have, and a feature that no org has.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("old.json");
    let old = json!({
        "edition": "Developer", "features": ["ExternalClientApps"],
        "settings": { "externalClientAppSettings": { "enableExternalClientApps": true } }
    });
    std::fs::write(&file, old.to_string())?;
    let report = typed(&file).await?;
    assert_eq!(report["oldest"], json!([]));
    assert_eq!(report["newest"], json!(["ExternalClientAppSettings.enableExternalClientApps is not known"]));
    assert_ne!(report["definition"], json!([]));
    Ok(())
}

/// What a package cannot hold is deployed beside it.
#[test]
fn the_app_by_which_the_host_signs_in_is_not_in_the_package() -> Result<()> {
    for ending in [".eca-meta.xml", ".ecaOauth-meta.xml", ".ecaGlblOauth-meta.xml"] {
        assert_eq!(files(&package(), ending)?, Vec::<std::path::PathBuf>::new());
        assert_eq!(files(&sign_in(), ending)?.len(), 1, "{ending}");
    }
    let project: Value = serde_json::from_str(&std::fs::read_to_string(project().join("sfdx-project.json"))?)?;
    let own = project["packageDirectories"].as_array().into_iter().flatten().find(|own| own["path"] == "sign-in");
    assert!(own.is_some_and(|own| own["package"].is_null()), "{project}");
    Ok(())
}
