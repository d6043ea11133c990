//! `scripts/package.sh` with a Salesforce CLI that only notes what it is asked for.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use tandem_e2e::root;
use tandem_package_tests::{files, package, said};

/// The calls of `sf`, one a line, but whether it runs at all; and what the script said.
async fn calls(arguments: &[&str]) -> Result<(Vec<String>, bool, String)> {
    calls_refusing("nothing at all", "", arguments).await
}

/// The same, where the CLI refuses each call that has `what` in it.
async fn calls_refusing(what: &str, refusal: &str, arguments: &[&str]) -> Result<(Vec<String>, bool, String)> {
    let folder = tempfile::tempdir()?;
    let (program, log) = (folder.path().join("sf"), folder.path().join("log"));
    let refuse = format!("case \"$*\" in *\"{what}\"*) echo \"{refusal}\" >&2; exit 1;; esac");
    fs::write(&program, format!("#!/bin/sh\necho \"$*\" >> {}\n{refuse}\n", log.display()))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let all: Vec<&str> = ["scripts/package.sh"].into_iter().chain(arguments.iter().copied()).collect();
    let (well, words) = said("bash", &all, &[("PATH", &path)]).await?;
    let log = fs::read_to_string(log).unwrap_or_default();
    Ok((log.lines().filter(|call| *call != "--version").map(str::to_owned).collect(), well, words))
}

fn place(calls: &[String], words: &str) -> Result<usize> {
    calls.iter().position(|call| call.contains(words)).with_context(|| format!("{words}: {calls:#?}"))
}

#[tokio::test]
async fn the_integration_user_gets_its_licence_before_its_permission_sets() -> Result<()> {
    let (calls, well, words) = calls(&["access", "crm", "host@example.org"]).await?;
    assert!(well, "{words}");
    let deployed = place(&calls, "deploy start --source-dir access")?;
    let licence =
        place(&calls, "assign permsetlicense --name SalesforceAPIIntegrationPsl --on-behalf-of host@example.org")?;
    let sets = place(&calls, "assign permset --name Tandem_Integration --name Tandem_Integration_Standard")?;
    assert!(deployed < licence && licence < sets, "{calls:#?}");
    assert!(calls.iter().all(|call| call.contains("--target-org crm")), "{calls:#?}");
    Ok(())
}

#[tokio::test]
async fn what_a_package_cannot_bring_follows_every_way_in() -> Result<()> {
    for (arguments, way_in) in [
        (vec!["deploy", "crm"], "--source-dir force-app"),
        (vec!["install", "crm", "Tandem@0.1.0-1"], "package install --package Tandem@0.1.0-1"),
        (vec!["scratch"], "--source-dir force-app"),
    ] {
        let (calls, well, words) = calls(&arguments).await?;
        assert!(well, "{words}");
        assert!(place(&calls, way_in)? < place(&calls, "--source-dir access")?, "{calls:#?}");
    }
    let (calls, ..) = calls(&["scratch"]).await?;
    assert!(place(&calls, "--name Tandem_Sample_Data")? < place(&calls, "data import tree")?, "{calls:#?}");
    Ok(())
}

/// A project of its own with a CLI that answers as `answers` (the arms of a `case`) say, and notes what it is asked for with what would be
/// deployed; the script's words beside.
struct Beside(tempfile::TempDir);

impl Beside {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let source = tandem_package_tests::project();
        for part in ["scripts", "access", "sign-in"] {
            for file in files(&source.join(part), "")? {
                let place = folder.path().join(file.strip_prefix(&source)?);
                fs::create_dir_all(place.parent().context("a folder")?)?;
                fs::copy(&file, place)?;
            }
        }
        let project = fs::read_to_string(source.join("sfdx-project.json"))?;
        fs::write(folder.path().join("sfdx-project.json"), project)?;
        Ok(Self(folder))
    }

    fn answers(&self, answers: &str) -> Result<()> {
        let program = self.0.path().join("sf");
        let note = "echo \"$*\" >> log\ncat \"$5\"/default/*/* >> log 2> /dev/null";
        fs::write(&program, format!("#!/bin/sh\n{note}\ncase \"$*\" in {answers} esac\nexit 0\n"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// How it ended, and what it said.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap_or_default());
        let script = self.0.path().join("scripts/package.sh");
        let ended = std::process::Command::new("bash").arg(script).args(arguments).env("PATH", path).output()?;
        Ok((ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned()))
    }

    fn told(&self) -> Result<String> {
        Ok(fs::read_to_string(self.0.path().join("log"))?)
    }

    fn is_clean(&self) -> bool {
        ["access", "sign-in"].iter().all(|folder| !self.0.path().join(folder).join("named").exists())
    }
}

/// Who is signed in, as the CLI says it.
fn me(name: &str) -> String {
    format!("org\\ display*) echo '{{'; echo '    \"username\": \"{name}\",'; echo '}}';;")
}

/// Beside a managed package its names carry the namespace; the source's own folders stay as they are.
#[tokio::test]
async fn what_is_deployed_beside_a_managed_package_speaks_of_it_by_its_namespace() -> Result<()> {
    let beside = Beside::new()?;
    let address = "*admin@firm.example*) echo Email; echo own.address@firm.example;;";
    beside.answers(&format!("{} {address}", me("admin@firm.example")))?;
    let run = |arguments: &[&str]| beside.run(arguments).map(|(well, _)| well);
    // Salesforce writes to whoever deploys, not to a stranger.
    assert!(run(&["sign-in", "crm", "host@example.org"])?);
    let told = beside.told()?;
    assert!(told.contains("<contactEmail>own.address@firm.example</contactEmail>"), "{told}");
    assert!(told.contains("<commaSeparatedPermissionSet>Tandem_Integration<"), "{told}");
    assert!(run(&["namespace", "tndm"])?);
    assert!(run(&["access", "crm", "host@example.org"])? && run(&["sign-in", "crm", "host@example.org"])?);
    let told = beside.told()?;
    assert!(told.contains("--source-dir access/named") && told.contains("--source-dir sign-in/named"), "{told}");
    assert!(
        told.contains("<object>tndm__Tandem_Invoice__c</object>") && !told.contains(">Tandem_Invoice__c<"),
        "{told}"
    );
    assert!(told.contains("<commaSeparatedPermissionSet>tndm__Tandem_Integration<"), "{told}");
    assert!(told.contains("--name tndm__Tandem_Integration --name Tandem_Integration_Standard"), "{told}");
    assert!(beside.is_clean(), "nothing is left behind");
    Ok(())
}

/// Each ends with what failed, deploys nothing, and leaves nothing behind.
#[test]
fn the_app_is_never_deployed_with_a_strangers_address() -> Result<()> {
    let me = me("admin@firm.example");
    for (answers, why) in [
        (
            "org\\ display*) echo '{ \"message\": \"No authorization information found for crm.\" }'; exit 1;;"
                .to_owned(),
            "No authorization",
        ),
        ("org\\ display*) echo '{}';;".to_owned(), "names no user name"),
        (format!("{me} data\\ query*) echo 'expired session'; exit 1;;"), "expired session"),
        (format!("{me} data\\ query*) echo Email;;"), "no user of that name"),
        (format!("{me} data\\ query*) echo 'Your query returned no results.';;"), "no user of that name"),
    ] {
        let beside = Beside::new()?;
        beside.answers(&answers)?;
        let (well, words) = beside.run(&["sign-in", "crm", "host@example.org"])?;
        assert!(!well && words.contains("package.sh: ") && words.contains(why), "{why}: {words}");
        assert!(!beside.told()?.contains("deploy"), "{why}: {}", beside.told()?);
        assert!(beside.is_clean());
    }
    Ok(())
}

#[test]
fn a_deployment_that_fails_leaves_nothing_behind() -> Result<()> {
    let beside = Beside::new()?;
    beside.answers(&format!(
        "{} data\\ query*) echo Email; echo admin@firm.example;; *deploy*) exit 1;;",
        me("admin@firm.example")
    ))?;
    let (well, words) = beside.run(&["sign-in", "crm", "host@example.org"])?;
    assert!(!well && beside.told()?.contains("--source-dir sign-in/named"), "{words}");
    assert!(beside.is_clean());
    Ok(())
}

/// User names and addresses may have an apostrophe in them, and an ampersand.
#[test]
fn names_are_escaped_where_they_go() -> Result<()> {
    let beside = Beside::new()?;
    let address = "data\\ query*) echo Email; echo \"pat.o'hara&co@firm.example\";;";
    beside.answers(&format!(
        "org\\ display*) printf '{{\\n  \"username\": \"%s\"\\n}}\\n' \"o'hara&co@firm.example\";; {address}"
    ))?;
    let (well, words) = beside.run(&["sign-in", "crm", "host&co@example.org"])?;
    assert!(well, "{words}");
    let told = beside.told()?;
    assert!(told.contains(r"WHERE Username = 'o\'hara&co@firm.example'"), "{told}");
    assert!(told.contains("<contactEmail>pat.o'hara&amp;co@firm.example</contactEmail>"), "{told}");
    assert!(told.contains("<clientCredentialsFlowUser>host&amp;co@example.org<"), "{told}");
    Ok(())
}

/// In an org full of other things their tests are none of the package's business.
#[tokio::test]
async fn a_deployment_runs_each_test_of_the_package_and_no_other() -> Result<()> {
    let (calls, ..) = calls(&["deploy", "crm"]).await?;
    let deployed = &calls[place(&calls, "--test-level RunSpecifiedTests")?];
    let tests = files(&package().join("classes"), "Test.cls")?;
    assert!(tests.len() > 5);
    for test in &tests {
        let name = test.file_stem().unwrap_or_default().to_string_lossy();
        assert!(deployed.contains(&format!("--tests {name} ")), "{name}: {deployed}");
    }
    assert_eq!(deployed.matches("--tests ").count(), tests.len());
    Ok(())
}

#[tokio::test]
async fn a_version_is_released_by_its_alias() -> Result<()> {
    let (promoted, well, words) = calls(&["promote", "Tandem@0.1.0-1"]).await?;
    assert!(well, "{words}");
    place(&promoted, "package version promote --package Tandem@0.1.0-1 --no-prompt")?;
    place(&calls(&["released"]).await?.0, "package version list --released")?;
    let (none, well, words) = calls(&["nonsense"]).await?;
    assert!(!well && none.is_empty() && words.contains("promote VERSION"), "{words}");
    assert!(words.contains("no command `nonsense`"), "{words}");
    Ok(())
}

#[tokio::test]
async fn a_command_without_what_it_needs_says_how_it_is_called() -> Result<()> {
    for arguments in [
        vec!["deploy"],
        vec!["access"],
        vec!["sign-in"],
        vec!["sign-in", "crm"],
        vec!["namespace"],
        vec!["promote"],
        vec!["install"],
        vec!["install", "crm"],
        vec!["uninstall", "crm"],
        vec![],
    ] {
        let (calls, well, words) = calls(&arguments).await?;
        assert!(!well && calls.is_empty(), "{arguments:?}: {calls:#?}");
        assert!(words.contains("scripts/package.sh install ORG VERSION"), "{arguments:?}: {words}");
        assert!(!words.contains("line "), "{arguments:?}: {words}");
        let own = arguments.first().map_or("what is it to do?".to_owned(), |command| format!("it is `{command} "));
        assert!(words.starts_with(&format!("package.sh: {own}")), "{arguments:?}: {words}");
    }
    Ok(())
}

/// A wrong namespace would be carried into every name of the package.
#[test]
fn a_namespace_that_salesforce_would_refuse_is_not_taken() -> Result<()> {
    for name in ["9bad-name", "tndm__x", "tndm_", "_tndm", "sixteenletters00", "a b", "a\"/e"] {
        let beside = Beside::new()?;
        let (well, words) = beside.run(&["namespace", name])?;
        assert!(!well && words.contains("is no namespace"), "{name}: {words}");
        assert_eq!(
            fs::read(beside.0.path().join("sfdx-project.json"))?,
            fs::read(tandem_package_tests::project().join("sfdx-project.json"))?
        );
    }
    let beside = Beside::new()?;
    let (well, words) = beside.run(&["namespace", "tndm_x9"])?;
    assert!(well, "{words}");
    assert!(fs::read_to_string(beside.0.path().join("sfdx-project.json"))?.contains("\"namespace\": \"tndm_x9\""));
    Ok(())
}

/// What is wrong stands in one sentence with the mend, and not in a stack of the CLI's own.
#[test]
fn a_cli_that_does_not_run_and_an_org_that_is_not_known_are_named() -> Result<()> {
    let beside = Beside::new()?;
    beside.answers("*--version*) exit 1;;")?;
    let (well, words) = beside.run(&["deploy", "crm"])?;
    assert!(!well && words.contains("needs Node 22.19"), "{words}");
    let unknown = "org\\ display*) echo '{'; echo '  \"message\": \"No authorization information found for crm.\",'; echo '  \"stack\": \"at x\"'; echo '}'; exit 1;;";
    beside.answers(unknown)?;
    let (well, words) = beside.run(&["sign-in", "crm", "host@example.org"])?;
    assert!(!well && words.contains("found for crm.; `sf org login web --alias crm`"), "{words}");
    assert!(!words.contains("at x"), "{words}");
    Ok(())
}

/// Whatever it is, it is shown in the CLI's own words; what a licence is needed for fails by itself in the next step.
#[tokio::test]
async fn the_licence_is_blamed_only_where_it_is_that() -> Result<()> {
    let access = ["access", "crm", "host@example.org"];
    for (refusal, blamed) in [
        ("The user license does not match the permission set license", true),
        ("Only one user can match host@example.org", false),
    ] {
        let (calls, well, words) = calls_refusing("permsetlicense", refusal, &access).await?;
        assert!(well && words.contains(refusal), "{words}");
        assert_eq!(words.contains("full Salesforce licence"), blamed, "{words}");
        place(&calls, "assign permset --name Tandem_Integration")?;
    }
    Ok(())
}

/// The guide names no command that the script does not have.
#[test]
fn every_command_of_the_guide_is_there() -> Result<()> {
    let script = fs::read_to_string(tandem_package_tests::project().join("scripts/package.sh"))?;
    let mut seen = 0;
    for file in files(&root().join("docs"), ".md")? {
        for rest in fs::read_to_string(&file)?.split("package.sh ").skip(1) {
            let command: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            assert!(script.contains(&format!("\n{command})\n")), "{}: package.sh {command}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 6, "{seen}");
    Ok(())
}
