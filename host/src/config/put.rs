//! Files as they are to be: each is there whole at any moment.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes files: all of them, or none. Each is there whole at any moment.
pub fn put_all(parts: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let mut ready = Vec::new();
    for (path, bytes) in parts {
        let before = match std::fs::read(path) {
            Ok(before) => Some(before),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(path, error)),
        };
        ready.push((path, before, prepared(path, bytes).map_err(|error| failed(path, error))?));
    }
    let mut done: Vec<(&PathBuf, Option<Vec<u8>>)> = Vec::new();
    for (path, before, (file, target)) in ready {
        if let Err(error) = file.persist(target) {
            for (path, before) in done {
                let back = match before {
                    Some(before) => put(path, &before),
                    None => std::fs::remove_file(path),
                };
                if let Err(error) = back {
                    tracing::error!(path = %path.display(), %error, "a file that was written cannot be put back");
                }
            }
            return Err(failed(path, error.error));
        }
        done.push((path, before));
    }
    Ok(())
}

/// Writes what only the owner of the process may read, making its folder where there is none. On Windows it has the rights of its folder.
pub fn put_secret(path: &Path, value: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    // A temporary file is its owner's alone.
    let mut file = tempfile::Builder::new().prefix(".tandem-").tempfile_in(folder)?;
    file.write_all(value)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes a file whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let (file, target) = prepared(path, bytes)?;
    file.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// A file that lies ready beside the one whose place it takes, with the rights of that one; a link stays one.
fn prepared(path: &Path, bytes: &[u8]) -> std::io::Result<(tempfile::NamedTempFile, PathBuf)> {
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut file = tempfile::Builder::new().prefix(".tandem-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match std::fs::metadata(&target) {
        Ok(there) => std::fs::set_permissions(file.path(), there.permissions())?,
        // As any other file that people keep in git.
        #[cfg(unix)]
        Err(_) => {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644))?;
        }
        #[cfg(not(unix))]
        Err(_) => {}
    }
    Ok((file, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "old").unwrap();
        std::fs::create_dir(path("c")).unwrap();
        let part = |name: &str| (path(name), b"new".to_vec());
        assert!(put_all(&[part("a"), part("b"), part("c")]).unwrap_err().contains('c'));
        assert_eq!(std::fs::read(path("a")).unwrap(), b"old");
        // A folder in whose place nothing can be put is found when others are there already.
        let file = |name: &str| (path(name), b"new".to_vec());
        std::fs::create_dir_all(path("d/e")).unwrap();
        assert!(put_all(&[file("a"), file("b"), (path("d/none/x"), Vec::new())]).is_err());
        assert!(!path("b").exists() && std::fs::read(path("a")).unwrap() == b"old");
        put_all(&[part("a"), part("b")]).unwrap();
        assert_eq!(
            (std::fs::read(path("a")).unwrap(), std::fs::read(path("b")).unwrap()),
            (b"new".to_vec(), b"new".to_vec())
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_file_is_replaced_with_its_rights_and_a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.mapping.toml");
        std::fs::write(&path, "version = 1\n").unwrap();
        put(&path, b"version = 1\n[header]\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "version = 1\n[header]\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let link = folder.path().join("link.toml");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            put(&link, b"x").unwrap();
            assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(std::fs::read(&path).unwrap(), b"x");
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), if cfg!(unix) { 2 } else { 1 });
    }

    #[test]
    fn a_secret_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets/erp.password");
        put_secret(&path, b"one").unwrap();
        put_secret(&path, b"two").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
    }
}
