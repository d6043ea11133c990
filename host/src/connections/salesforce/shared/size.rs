//! Which calls may go out in a shared request, and how much of one they take.
//!
//! Only what may be sent twice: queries and updates. And only what Composite cannot read otherwise than the org's HTTP server: the
//! guide does not say how often the escapes of a subrequest's address are taken off, and takes `@{…}` for a reference.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::connections::{Call, Method};

/// What a call takes of a shared request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    /// Calls.
    pub subrequests: usize,
    /// Queries and sObject Collections.
    pub lists: usize,
    /// Records written.
    pub rows: usize,
    /// Of address and body.
    pub bytes: usize,
}

impl Size {
    /// None for a call that goes by itself.
    pub fn of(call: &Call) -> Option<Self> {
        let bytes = call.path.len() + call.body.as_ref().map_or(0, String::len);
        let one = Self { subrequests: 1, bytes, ..Self::default() };
        let plain = call.atomic_with.is_empty() && call.headers.is_empty() && is_plain(&call.path) && !refers(call);
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let steps: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (call.method, steps.as_slice()) {
            _ if !plain => None,
            (Method::Get, ["query" | "queryAll"]) if query.starts_with("q=") => Some(Self { lists: 1, ..one }),
            (Method::Patch, steps) if query.is_empty() => {
                let body: Value = serde_json::from_str(call.body.as_deref()?).ok()?;
                match steps {
                    ["sobjects", _, _] | ["sobjects", _, _, _] if body.is_object() => Some(Self { rows: 1, ..one }),
                    // Collections of upserts are left out: whether Composite takes them is not known.
                    ["composite", "sobjects"] => {
                        Some(Self { lists: 1, rows: body["records"].as_array()?.len(), ..one })
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Both.
    pub fn and(self, other: Self) -> Self {
        Self {
            subrequests: self.subrequests + other.subrequests,
            lists: self.lists + other.lists,
            rows: self.rows + other.rows,
            bytes: self.bytes + other.bytes,
        }
    }

    /// In nothing more than this.
    pub fn fits(self, most: Self) -> bool {
        self.subrequests <= most.subrequests
            && self.lists <= most.lists
            && self.rows <= most.rows
            && self.bytes <= most.bytes
    }
}

/// True for an address that means the same whether its escapes are taken off once, as of one that stands alone, or again: a
/// query that asks for something else would be answered, and its answer believed.
fn is_plain(path: &str) -> bool {
    let once = percent_decode_str(path).decode_utf8_lossy();
    !path.contains('+') && once.chars().all(|c| matches!(c, ' '..='~') && !matches!(c, '%' | '+' | '&' | '#'))
}

/// True for a text that Composite might take for a reference to another answer: `@{…}`.
fn refers(call: &Call) -> bool {
    let path = percent_decode_str(&call.path).decode_utf8_lossy();
    // An escaped sign may be one of the two.
    path.contains("@{") || call.body.as_ref().is_some_and(|body| body.contains("@{") || body.contains("\\u00"))
}
