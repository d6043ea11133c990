//! The package in the shape that the Metadata API takes: there, and back, and nothing lost on the way.

use anyhow::Result;
use serde_json::Value;
use tandem_package_tests::{files, project, run};

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
    for kind in ["ExternalClientApplication", "ExtlClntAppOauthSettings", "CustomObjectTranslation", "Translations"] {
        assert!(report["members"][kind].as_u64() > Some(0), "{kind}: {report}");
    }
    assert_eq!(report["lost"], serde_json::json!([]), "gone on the way there and back");
    Ok(())
}
