//! What tells that a file was changed, without reading it.

use std::path::Path;
use std::time::SystemTime;

/// When a file was changed, and its size; `None` while it is not there.
pub type Stamp = Option<(SystemTime, u64)>;

/// Of a file as it is now.
pub fn stamp(file: &Path) -> Stamp {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
