//! Tables for people, JSON for scripts.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::failure::FAILED;
use crate::plain::readable;

/// How to answer.
#[derive(Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// As the operator asked.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// True when a script reads.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The data for a script, or the rows for a person; where there are none, what that means.
    pub fn rows(&self, data: &impl Serialize, header: &[&str], rows: Vec<Vec<String>>, none: &str) {
        if self.json {
            self.value(data);
            return;
        }
        if rows.is_empty() {
            self.print(&none);
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header);
        table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| plain(cell)).collect::<Vec<_>>()));
        self.print(&table);
    }

    /// What is told of one thing: never empty.
    pub fn facts(&self, header: &[&str], rows: Vec<Vec<String>>) {
        self.rows(&(), header, rows, "");
    }

    /// JSON, whoever reads.
    pub fn value(&self, data: &impl Serialize) {
        match serde_json::to_string_pretty(data) {
            Ok(text) => self.print(&text),
            Err(error) => complain(format_args!("cannot write JSON: {error}")),
        }
    }

    /// Writes a line. A reader that has seen enough (`| head`) ends the program, and is no error.
    pub fn print(&self, line: &impl std::fmt::Display) {
        match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => crate::ending::exit(0),
            Err(error) => {
                complain(format_args!("cannot write the answer: {error}"));
                crate::ending::exit(i32::from(FAILED));
            }
        }
    }

    /// A line for a person only.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.json {
            self.print(&plain(&line.to_string()));
        }
    }
}

/// What went wrong, to standard error behind what was logged. Where nobody takes it there is nobody to tell.
pub fn complain(what: impl std::fmt::Display) {
    crate::log::flush();
    let _ = writeln!(std::io::stderr(), "tandem: {}", plain(&what.to_string()));
}

/// Bytes of one text at most: more is no message.
const MOST: usize = 100_000;

/// A text of whatever origin, as a terminal may show it: no escapes, and no end of letters.
fn plain(text: &str) -> String {
    readable(text.replace("\r\n", "\n"), MOST)
}

/// At most so many letters, on one line.
pub fn short(text: &str, most: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= most {
        line
    } else {
        format!("{}…", line.chars().take(most.saturating_sub(1)).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_moves_the_cursor_or_has_no_end() {
        assert_eq!(plain("Müller\tGmbH\r\n\u{1b}[2J\u{9b}x"), "Müller\tGmbH\n\\u{1b}[2J\\u{9b}x");
        assert_eq!(plain(&"x".repeat(5_000_000)).chars().count(), MOST + 1);
    }
}
