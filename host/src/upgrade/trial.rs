//! What the two programs tell each other: the new one what it finds over a copy of the database, the old one what it made ready.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::checks::Finding;

/// What a new program finds over a copy of the database, with its plugins in the place of those that came along. Later versions may say more.
#[derive(Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The program's version.
    pub version: String,
    /// Of the database, as it brought the copy to.
    pub format: i64,
    /// As `tandem check` tells them.
    pub findings: Vec<Finding>,
    /// What would have been otherwise, by flow.
    pub flows: Vec<Compared>,
}

/// Past events of a flow, held against the files that would be there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Compared {
    /// The flow.
    pub flow: String,
    /// Events that were looked at.
    pub events: u64,
    /// Of them, how many would end or do otherwise.
    pub different: u64,
    /// Of how many that cannot be told.
    pub untold: u64,
    /// What differs first, or why nothing could be compared; empty where all is the same.
    pub says: String,
}

/// What is known before anything is changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// As `tandem check` tells them now.
    pub now: Vec<Finding>,
    /// Format of the database as it is.
    pub format: i64,
    /// Files of the plugins folder that came along with the version that runs, and come anew.
    pub plugins: Vec<PathBuf>,
    /// What the new program finds.
    pub trial: Trial,
}

impl Prepared {
    /// What is wrong with the new version, and not with this one.
    pub fn worse(&self) -> Vec<&Finding> {
        let is_known = |new: &Finding| self.now.iter().any(|own| !own.good && own.what == new.what);
        self.trial.findings.iter().filter(|new| !new.good && !is_known(new)).collect()
    }

    /// Flows of which not all would be as it was.
    pub fn different(&self) -> Vec<&Compared> {
        self.trial.flows.iter().filter(|flow| flow.different > 0 || flow.untold > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_well_before_is_worse() {
        let bad = |what: &str| Finding::bad(what, "it is not", "mend it");
        let compared = |flow: &str, different, untold| Compared {
            flow: flow.into(),
            events: 9,
            different,
            untold,
            says: String::new(),
        };
        let prepared = Prepared {
            now: vec![bad("B1"), Finding::good("flow orders", "ready")],
            format: 9,
            plugins: Vec::new(),
            trial: Trial {
                version: "0.9.0".into(),
                format: 10,
                findings: vec![bad("B1"), bad("flow orders"), Finding::good("org", "ready")],
                flows: vec![compared("orders", 0, 0), compared("credit", 1, 0), compared("stock", 0, 2)],
            },
        };
        assert_eq!(prepared.worse().iter().map(|own| own.what.as_str()).collect::<Vec<_>>(), ["flow orders"]);
        assert_eq!(prepared.different().iter().map(|own| own.flow.as_str()).collect::<Vec<_>>(), ["credit", "stock"]);
    }
}
