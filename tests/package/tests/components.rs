//! The Lightning web components: their own tests with their coverage, and the form of all sources.

use anyhow::Result;
use tandem_package_tests::run;

/// Fails below 90 % of statements, branches, functions or lines: see `jest.config.cjs`.
#[tokio::test]
async fn jest() -> Result<()> {
    let said = run("node", &["node_modules/.bin/sfdx-lwc-jest", "--", "--coverage"], &[]).await?;
    println!("{said}");
    let passed = said.lines().find(|line| line.starts_with("Tests:")).unwrap_or_default();
    assert!(passed.contains("passed") && !passed.contains("failed"), "{said}");
    Ok(())
}

#[tokio::test]
async fn eslint_and_prettier() -> Result<()> {
    run("npm", &["run", "--silent", "lint"], &[]).await?;
    Ok(())
}
