//! The Lightning web components: their own tests with their coverage, and the form of all sources.

use anyhow::Result;
use tandem_package_tests::{package, run};

/// Fails below 90 % of statements, branches, functions or lines: see `jest.config.cjs`.
#[tokio::test]
async fn jest() -> Result<()> {
    let said = run("node", &["node_modules/.bin/sfdx-lwc-jest", "--", "--coverage", "--no-cache"], &[]).await?;
    println!("{said}");
    let passed = said.lines().find(|line| line.starts_with("Tests:")).unwrap_or_default();
    assert!(passed.contains("passed") && !passed.contains("failed"), "{said}");
    // What was compiled before and comes from a cache is not counted.
    for component in std::fs::read_dir(package().join("lwc"))? {
        let name = format!("{}.js", component?.file_name().display());
        assert!(said.contains(&format!(" {name} ")), "{name} is not covered");
    }
    Ok(())
}

#[tokio::test]
async fn eslint_and_prettier() -> Result<()> {
    run("npm", &["run", "--silent", "lint"], &[]).await?;
    Ok(())
}
