//! What `tandem check` finds of backups: whether any are made, where, and whether the last one is good.

use super::Finding;
use crate::backup::Standing;
use crate::config::Config;
use crate::disk;
use crate::store::Store;
use crate::time::iso;

const WHAT: &str = "backup";

/// Looks at the configuration, the folder, and what became of the last one. `store`: none before the first run.
pub async fn look(config: &Config, store: Option<&dyn Store>, findings: &mut Vec<Finding>) {
    if config.store.url.is_some() {
        let says =
            "the database's server makes them, by its own means such as pg_dump or a standby: the host knows of none";
        return findings.push(Finding::good(WHAT, says));
    }
    let Some(backup) = &config.backup else {
        let mend = "give [backup] with folder = \"…\" on another disk, and the host makes one each night";
        return findings.push(Finding::soon(WHAT, "none is made by itself: tandem.toml has no [backup]", mend));
    };
    let folder = config.resolve(&backup.folder);
    let database = config.resolve(&config.store.path);
    if !folder.is_dir() {
        let says = format!("{} is not there", folder.display());
        // The host makes the folder, and none above it.
        let parent = folder.parent().is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir());
        findings.push(match parent {
            true => Finding::soon(WHAT, says, "the host makes it with the first backup"),
            false => Finding::bad(WHAT, says, "is its disk there? or give another `folder` in [backup]"),
        });
    } else if disk::is_same(&folder, &database) {
        let says = format!("{} is on the disk of the database", folder.display());
        findings.push(Finding::soon(
            WHAT,
            says,
            "a disk that fails takes both: give a `folder` on another one, or copy the files away",
        ));
    }
    let Some(store) = store else { return };
    match Standing::of(config, store).await {
        Ok(Some(Standing { wrong: Some(wrong), .. })) => {
            findings.push(Finding::bad(WHAT, wrong, "mend that, or try it by hand: `tandem backup`"));
        }
        Ok(Some(Standing { at: Some(at), file: Some(file), .. })) if !file.exists() => {
            let says = format!("the last good one, of {}, is not there any more: {}", iso(at), file.display());
            findings.push(Finding::bad(WHAT, says, "was it moved, or is its disk away? make another: `tandem backup`"));
        }
        Ok(Some(Standing { at: Some(at), file, .. })) => {
            let file = file.map(|file| file.display().to_string()).unwrap_or_default();
            findings.push(Finding::good(WHAT, format!("the last one is of {}: {file}", iso(at))));
        }
        Ok(_) => findings.push(Finding::soon(
            WHAT,
            "none was made yet",
            "a running host makes the first at once; or `tandem backup`",
        )),
        Err(error) => findings.push(Finding::bad(WHAT, error, "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(text: &str) -> Vec<(&'static str, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("there")).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        std::fs::write(folder.path().join("data/tandem.db"), "").unwrap();
        let config = Config::parse(text, &folder.path().join("tandem.toml")).unwrap();
        let mut findings = Vec::new();
        look(&config, None, &mut findings).await;
        findings.into_iter().map(|finding| (finding.word(), finding.says)).collect()
    }

    #[tokio::test]
    async fn no_backup_a_folder_that_is_not_there_and_one_beside_the_database_are_told() {
        let one = async |text: &str| found(text).await.remove(0);
        let (word, says) = one("").await;
        assert!(word == "soon" && says.contains("no [backup]"), "{says}");
        let (word, says) = one("[backup]\nfolder = \"none/below\"\n").await;
        assert!(word == "WRONG" && says.contains("not there"), "{says}");
        let (word, says) = one("[backup]\nfolder = \"fresh\"\n").await;
        assert!(word == "soon" && says.contains("not there"), "{says}");
        let (word, says) = one("[backup]\nfolder = \"there\"\n").await;
        assert!(word == "soon" && says.contains("disk of the database"), "{says}");
    }
}
