//! Folders and disks: one of one's own, how much room there is, and whether two things lie on the same.

use std::path::Path;

use tempfile::TempDir;

/// The folder that a file lies in, or is to.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, in one that is there, unless it is there itself; only its user may look into it. On Windows it has the rights of its parent.
pub fn make_own_folder(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(false);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// A folder that goes with the value; only its user may look into it, and into what becomes of it.
pub fn scratch(beside: &Path, beginning: &str) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(beginning);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(beside)
}

/// Bytes that are free where a file or folder lies; none where the system does not say.
pub fn free(path: &Path) -> Option<u64> {
    fs4::available_space(path).ok()
}

/// Whether both lie on one disk, as far as the system says it; what is not there lies on none.
#[cfg(unix)]
pub fn is_same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let disk = |path: &Path| std::fs::metadata(path).ok().map(|file| file.dev());
    disk(one).is_some_and(|one| Some(one) == disk(other))
}

/// Whether both lie on one disk: by its letter, or the share.
#[cfg(not(unix))]
pub fn is_same(one: &Path, other: &Path) -> bool {
    let disk = |path: &Path| {
        let whole = std::path::absolute(path).ok()?;
        whole.components().next().map(|first| first.as_os_str().to_ascii_lowercase())
    };
    disk(one).is_some_and(|one| Some(one) == disk(other))
}
