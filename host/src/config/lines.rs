//! Where things stand in a TOML file, for what is found wrong after it was read.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// The line of each key and section of a file.
#[derive(Clone, Debug, Default)]
pub struct Lines(BTreeMap<String, usize>);

/// Where something stands is no difference between two files.
impl PartialEq for Lines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Lines {
    /// Of the text of a file; empty where it is not TOML.
    pub fn of(text: &str) -> Self {
        let mut lines = Self::default();
        if let Ok(table) = DeTable::parse(text) {
            let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
            lines.note(&ends, "", table.get_ref());
        }
        lines
    }

    /// `ends`: where each line ends.
    fn note(&mut self, ends: &[usize], above: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = format!("{above}{}\n", key.get_ref());
            self.0.insert(path.clone(), ends.partition_point(|end| *end < key.span().start) + 1);
            if let DeValue::Table(below) = value.get_ref() {
                self.note(ends, &path, below);
            }
        }
    }

    /// The line of a key by its path, or of the nearest section around it; none where even the outermost is not there.
    pub fn line(&self, path: &[&str]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|most| self.0.get(&format!("{}\n", path[..most].join("\n"))).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_line_or_that_of_its_section() {
        let lines = Lines::of(
            "a = 1\n[b1.erp]\nurl = \"x\"\ntls = { ca_file = \"y\" }\n\n[flows.\"o.x\".limits]\ncpu_ms = 1\n",
        );
        for (path, line) in [
            (&["a"][..], Some(1)),
            (&["b1", "erp"], Some(2)),
            (&["b1", "erp", "url"], Some(3)),
            (&["b1", "erp", "tls", "ca_file"], Some(4)),
            (&["b1", "erp", "user"], Some(2)),
            (&["flows", "o.x", "limits", "cpu_ms"], Some(7)),
            (&["flows", "o.x", "batch"], Some(6)),
            (&["salesforce", "crm"], None),
        ] {
            assert_eq!(lines.line(path), line, "{path:?}");
        }
        assert_eq!(Lines::of("not toml").line(&["a"]), None);
    }
}
