//! Apex without an org: apex-ls checks names and types, PMD security, performance and what is prone to error.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tandem_package_tests::{files, package, project, run, said};

fn jars() -> String {
    let folder = project().join("node_modules/@salesforce/code-analyzer-pmd-engine/dist/java-lib");
    format!("{}/*", folder.display())
}

/// What apex-ls finds in a folder; empty when all is well.
async fn problems(workspace: &Path) -> Result<String> {
    let workspace = workspace.display().to_string();
    let check = "io.github.apexdevtools.apexls.CheckForIssues";
    let arguments = ["-cp", &jars(), check, "--workspace", &workspace, "--detail", "unused", "--nocache"];
    Ok(said("java", &arguments, &[]).await?.1)
}

/// Violations of `checks/pmd.xml` in these files, as `rule file:line`.
async fn violations(sources: &[PathBuf]) -> Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("in.json"), folder.path().join("out.json"));
    let rules = project().join("checks/pmd.xml");
    let asked = json!({ "ruleSetInputFile": rules, "runDataPerLanguage": { "apex": { "filesToScan": sources } } });
    std::fs::write(&input, asked.to_string())?;
    let wrapper = "com.salesforce.sfca.pmdwrapper.PmdWrapper";
    let (input, output) = (input.display().to_string(), output.display().to_string());
    run("java", &["-cp", &jars(), wrapper, "run", &input, &output], &[]).await?;
    let found: Value = serde_json::from_str(&std::fs::read_to_string(output)?)?;
    anyhow::ensure!(found["processingErrors"] == json!([]), "{}", found["processingErrors"]);
    let violations = found["violations"].as_array().context("no list of violations")?;
    let shown = violations.iter().map(|one| {
        let place = &one["codeLocation"];
        format!("{} {}:{}", one["rule"], place["file"], place["startLine"])
    });
    Ok(shown.collect())
}

/// The package, copied so that something can be added to it.
fn copied() -> Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    std::fs::copy(project().join("sfdx-project.json"), folder.path().join("sfdx-project.json"))?;
    for file in files(&project().join("force-app"), "")? {
        let place = folder.path().join(file.strip_prefix(project())?);
        std::fs::create_dir_all(place.parent().context("a file is in a folder")?)?;
        std::fs::copy(&file, place)?;
    }
    std::fs::create_dir_all(folder.path().join("german"))?;
    Ok(folder)
}

#[tokio::test]
async fn no_error_and_no_unused_code() -> Result<()> {
    assert_eq!(problems(&project()).await?, "");
    Ok(())
}

/// The same source is a package with a namespace.
#[tokio::test]
async fn no_error_in_a_package_that_carries_a_namespace() -> Result<()> {
    let folder = copied()?;
    let file = folder.path().join("sfdx-project.json");
    let project = std::fs::read_to_string(&file)?;
    let named = project.replace("\"namespace\": \"\"", "\"namespace\": \"tndm\"");
    assert_ne!(project, named);
    std::fs::write(&file, named)?;
    assert_eq!(problems(folder.path()).await?, "");
    Ok(())
}

/// Would it be found? A class that cannot compile, and one that nobody uses.
#[tokio::test]
async fn a_broken_class_is_found() -> Result<()> {
    let folder = copied()?;
    let add = |name: &str, body: &str| -> Result<()> {
        let classes = folder.path().join("force-app/main/default/classes");
        std::fs::write(classes.join(format!("{name}.cls")), body)?;
        let meta = classes.join("TandemChanges.cls-meta.xml");
        std::fs::copy(meta, classes.join(format!("{name}.cls-meta.xml")))?;
        Ok(())
    };
    assert_eq!(problems(folder.path()).await?, "", "the copy is well");
    add("Broken", "public class Broken { public void run() { Account a = new Account(Nonsense__c = 1); absent(); } }")?;
    let found = problems(folder.path()).await?;
    assert!(found.contains("Nonsense__c") && found.contains("absent"), "{found}");
    add("Broken", "public class Broken { private String idle() { return 'nobody calls this'; } }")?;
    let found = problems(folder.path()).await?;
    assert!(found.contains("Unused"), "{found}");
    Ok(())
}

#[tokio::test]
async fn no_violation_of_pmd_and_it_looks() -> Result<()> {
    let mut sources = files(&package(), ".cls")?;
    sources.extend(files(&package(), ".trigger")?);
    assert!(sources.len() > 15);
    assert_eq!(violations(&sources).await?, Vec::<String>::new());
    let folder = tempfile::tempdir()?;
    let bad = folder.path().join("Bad.cls");
    std::fs::write(
        &bad,
        "public class Bad { void run(List<Account> all) { for (Account one : all) { update one; } } }",
    )?;
    let found = violations(&[bad]).await?.join("\n");
    for rule in ["ApexCRUDViolation", "ApexSharingViolations", "OperationWithLimitsInLoop"] {
        assert!(found.contains(rule), "{rule} was not found in\n{found}");
    }
    Ok(())
}
