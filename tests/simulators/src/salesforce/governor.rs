//! What the limits of a transaction leave for the package's triggers, beside the user's save and the org's other code. The real service
//! fails the save for a limit that is passed; the package asks first (class `TandemRoom`), and so does its mirror here.
//! Source: Apex Developer Guide, *Execution Governors and Limits*.

use serde::Deserialize;

/// Records that one run of a trigger has at most.
pub const CHUNK: usize = 200;

/// Left of one transaction's limits.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Left {
    /// Of 150 DML statements.
    statements: usize,
    /// Of 10,000 rows.
    rows: usize,
}

impl Default for Left {
    /// The save itself has taken one statement.
    fn default() -> Self {
        Self { statements: 149, rows: 9_800 }
    }
}

impl Left {
    /// Beside a statement that has changed so many records more than one.
    pub fn beside(self, rows: usize) -> Self {
        Self { rows: self.rows.saturating_sub(rows), ..self }
    }

    /// Spends a statement of so many rows; false where there is no room for it.
    pub fn spend(&mut self, rows: usize) -> bool {
        let there = self.statements > 0 && self.rows >= rows;
        if there {
            self.statements -= 1;
            self.rows -= rows;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_statement_and_row_are_there_and_none_behind_them() {
        let mut left = Left { statements: 2, rows: 201 };
        assert!(!left.spend(202), "a row too few");
        assert!(left.spend(200) && left.spend(1) && !left.spend(0), "a statement too few");
    }
}
