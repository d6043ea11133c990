//! When both sides are compared: `[reconcile]`.

use std::str::FromStr;

use serde::Deserialize;

use super::{Config, Section, daily, defaults};

/// `[reconcile]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconcileConfig {
    /// When it is done: an hour of each day such as `03:30`, cron, or `off`.
    pub at: String,
    /// Time zone of `at`, as in the IANA database.
    pub time_zone: String,
    /// So many reports are kept.
    pub keep: u32,
    /// So long after a change it is no difference that nobody can explain that it was not read.
    pub grace_minutes: u32,
}

impl Default for ReconcileConfig {
    fn default() -> Self {
        Self { at: "03:30".into(), time_zone: defaults::zone(), keep: 90, grace_minutes: 15 }
    }
}

impl ReconcileConfig {
    /// `at` as cron; none where it is off.
    pub fn cron(&self) -> Option<String> {
        (self.at != "off").then(|| daily(&self.at).unwrap_or_else(|| self.at.clone()))
    }
}

impl Config {
    pub(super) fn check_reconcile(&self, section: &mut Section) {
        let own = &self.reconcile;
        if own.cron().is_some_and(|cron| croner::Cron::from_str(&cron).is_err()) {
            let at = &own.at;
            section.tell(
                "at",
                format!(" = \"{at}\": an hour such as \"03:30\", cron such as \"0 3 * * 1-5\", or \"off\""),
            );
        }
        section.positive(&[("keep", own.keep.into())]);
        section.zone("time_zone", &own.time_zone);
    }
}
