//! Where the log of a running host goes: `[log]`.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Config, Section};

/// `[log]`: a file in place of standard error, for machines where nothing keeps that.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The file; older ones lie beside it as `<file>.1` and so on.
    pub file: PathBuf,
    /// Size at which the next one is begun.
    #[serde(default = "max_megabytes")]
    pub max_megabytes: u64,
    /// So many older ones are kept.
    #[serde(default = "keep")]
    pub keep: u32,
}

fn max_megabytes() -> u64 {
    10
}

fn keep() -> u32 {
    9
}

impl LogConfig {
    /// With a file and all else as it is by default.
    pub fn to(file: PathBuf) -> Self {
        Self { file, max_megabytes: max_megabytes(), keep: keep() }
    }
}

/// Larger ones no editor opens.
const MOST_MEGABYTES: u64 = 100_000;
/// More files than anybody looks through.
const MOST_KEPT: u64 = 1_000;

impl Config {
    pub(super) fn check_log(&self, section: &mut Section, log: &LogConfig) {
        if log.file.as_os_str().is_empty() {
            section.tell("file", " is empty: give the file that the log is written to");
        }
        section.positive(&[("max_megabytes", log.max_megabytes), ("keep", log.keep.into())]);
        section.within(&[
            ("max_megabytes", log.max_megabytes, 0, MOST_MEGABYTES),
            ("keep", log.keep.into(), 0, MOST_KEPT),
        ]);
    }
}
