//! When and where backups are made: `[backup]`.

use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::{Config, Section, daily, defaults};

/// `[backup]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// Where they lie: better another disk than the database's.
    pub folder: PathBuf,
    /// When one is made: an hour of each day such as `01:30`, or cron.
    #[serde(default = "at")]
    pub at: String,
    /// Time zone of `at`, as in the IANA database.
    #[serde(default = "defaults::zone")]
    pub time_zone: String,
    /// So many are kept; older ones of the same database go once a new one is good.
    #[serde(default = "keep")]
    pub keep: u32,
}

fn at() -> String {
    "01:30".into()
}

fn keep() -> u32 {
    14
}

impl BackupConfig {
    /// `at` as cron.
    pub fn cron(&self) -> String {
        daily(&self.at).unwrap_or_else(|| self.at.clone())
    }
}

impl Config {
    pub(super) fn check_backup(&self, section: &mut Section, backup: &BackupConfig) {
        if backup.folder.as_os_str().is_empty() {
            section.tell("folder", " is empty: give the folder in which backups lie");
        }
        if croner::Cron::from_str(&backup.cron()).is_err() {
            let at = &backup.at;
            section.tell("at", format!(" = \"{at}\": an hour such as \"01:30\", or cron such as \"0 */6 * * *\""));
        }
        section.positive(&[("keep", backup.keep.into())]);
        section.zone("time_zone", &backup.time_zone);
    }
}
