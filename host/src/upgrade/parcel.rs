//! The archive of another version: who vouches for it, and what comes out of it. One that leads out of its folder, or holds anything but files and
//! folders, is refused whole.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{PROGRAM, UpgradeError, at};
use crate::releases::Trust;
use crate::sandbox::digest_of;

/// Bytes of an archive, and of all that comes out of it: a release has 60 MB.
const MOST: u64 = 1 << 30;
/// Files and folders in it.
const MOST_ENTRIES: usize = 20_000;
/// What the folder begins with that it is unpacked into.
const UNPACKED: &str = ".upgrade-";

/// Who says that an archive is what was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Its maker, by a key of `[trust] keys`, as minisign prints it.
    Key(String),
    /// Whoever told the checksum.
    Checksum,
}

/// An archive that somebody vouches for, unpacked beside the program; it goes with the value.
pub struct Offered {
    /// What its program says it is, such as `0.2.0`.
    pub version: String,
    /// Who vouches for it.
    pub vouched: Vouched,
    /// Names of what is in it.
    pub entries: BTreeSet<String>,
    folder: PathBuf,
    _unpacked: TempDir,
}

impl Offered {
    /// Where one of its entries lies.
    pub fn entry(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder that it is unpacked in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Checks an archive, and unpacks it into a folder of its own in `beside`. `checksum`: SHA-256, hex.
pub fn offered(file: &Path, trust: &Trust, checksum: Option<&str>, beside: &Path) -> Result<Offered, UpgradeError> {
    let refused = |why: String| UpgradeError::Archive { path: file.to_owned(), why };
    let size = std::fs::metadata(file).map_err(at(file))?.len();
    if let Some(mend) = installer(file) {
        return Err(UpgradeError::NoArchive { path: file.to_owned(), mend });
    }
    if size > MOST {
        return Err(refused(format!("it has {size} bytes, more than any release")));
    }
    let content = std::fs::read(file).map_err(at(file))?;
    let vouched = vouched(file, &content, trust, checksum)?;
    sweep(beside);
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNPACKED);
    // Whoever the service runs as reads in it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
    let unpacked = builder.tempdir_in(beside).map_err(at(beside))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if name.ends_with(".zip") {
        unzipped(&content, unpacked.path()).map_err(refused)?;
    } else {
        untarred(&content, unpacked.path()).map_err(refused)?;
    }
    let names = |folder: &Path| -> Result<BTreeSet<String>, UpgradeError> {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
        Ok(entries.map_err(at(folder))?.iter().map(|own| own.file_name().to_string_lossy().into_owned()).collect())
    };
    // All of it lies in one folder, named after the version.
    let top = names(unpacked.path())?;
    let folder = match top.iter().next() {
        Some(one) if top.len() == 1 => unpacked.path().join(one),
        _ => return Err(refused("it is none of Tandem's: it holds more than one folder".into())),
    };
    let entries = names(&folder).unwrap_or_default();
    if !entries.contains(PROGRAM) || !entries.contains("plugins") {
        return Err(refused(format!("it holds no {PROGRAM} with its plugins")));
    }
    let version = version_of(&folder.join(PROGRAM))?;
    Ok(Offered { version, vouched, entries, folder, _unpacked: unpacked })
}

/// What installs the file, where it is of the other kind that is handed out.
fn installer(file: &Path) -> Option<String> {
    let ending = file.extension()?.to_str()?;
    match ending.to_ascii_lowercase().as_str() {
        "deb" => {
            Some(format!("`apt-get install ./{}` upgrades what a package has installed", file.file_name()?.to_str()?))
        }
        "exe" => Some("run it, and it upgrades what the installer has installed".to_owned()),
        _ => None,
    }
}

/// What was broken off before.
fn sweep(beside: &Path) {
    for entry in std::fs::read_dir(beside).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNPACKED) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn vouched(file: &Path, content: &[u8], trust: &Trust, checksum: Option<&str>) -> Result<Vouched, UpgradeError> {
    if let Some(wanted) = checksum {
        let is = digest_of(content);
        return match is.eq_ignore_ascii_case(wanted.trim()) {
            true => Ok(Vouched::Checksum),
            false => Err(UpgradeError::Checksum { path: file.to_owned(), is, wanted: wanted.to_owned() }),
        };
    }
    match trust.check_file(file, content)? {
        Some(key) => Ok(Vouched::Key(key)),
        None => Err(UpgradeError::Unvouched(file.to_owned())),
    }
}

/// What a program says it is.
fn version_of(program: &Path) -> Result<String, UpgradeError> {
    let failed = |why: String| UpgradeError::Program { command: format!("{} --version", program.display()), why };
    let said = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let said = said.map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    match text.strip_prefix("tandem ") {
        Some(version) if said.status.success() && !version.is_empty() => Ok(version.to_owned()),
        _ => Err(failed(format!("{}: {text} {}", said.status, String::from_utf8_lossy(&said.stderr).trim()))),
    }
}

/// A name that leads nowhere but into the folder.
fn within(name: &Path) -> Result<&Path, String> {
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    let odd = name.as_os_str().to_string_lossy().contains(['\\', ':', '\0']);
    if plain && !odd { Ok(name) } else { Err(format!("{} leads out of it", name.display())) }
}

/// Writes one file, and counts what all come to.
fn written(from: &mut dyn Read, target: &Path, is_program: bool, all: &mut u64) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", target.display());
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(target).map_err(failed)?;
    let bytes = std::io::copy(&mut from.take(MOST - *all + 1), &mut file).map_err(failed)?;
    *all += bytes;
    if *all > MOST {
        return Err("it comes to more than any release".into());
    }
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = if is_program { 0o755 } else { 0o644 };
        std::fs::set_permissions(target, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = is_program;
    Ok(())
}

fn is_program(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == PROGRAM)
}

fn untarred(content: &[u8], into: &Path) -> Result<(), String> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(Cursor::new(content)));
    let (mut all, mut count) = (0, 0);
    let wrong = |error: std::io::Error| error.to_string();
    for entry in archive.entries().map_err(wrong)? {
        let mut entry = entry.map_err(wrong)?;
        let path = entry.path().map_err(wrong)?.into_owned();
        let target = into.join(within(&path)?);
        count += 1;
        if count > MOST_ENTRIES {
            return Err("it holds more than any release".into());
        }
        match entry.header().entry_type() {
            tar::EntryType::Directory => std::fs::create_dir_all(&target).map_err(wrong)?,
            tar::EntryType::Regular => written(&mut entry, &target, is_program(&path), &mut all)?,
            other => return Err(format!("{} is neither file nor folder ({other:?})", path.display())),
        }
    }
    // The checksum stands at the very end.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(wrong)?;
    Ok(())
}

fn unzipped(content: &[u8], into: &Path) -> Result<(), String> {
    let mut archive = zip::ZipArchive::new(Cursor::new(content)).map_err(|error| error.to_string())?;
    if archive.len() > MOST_ENTRIES {
        return Err("it holds more than any release".into());
    }
    let mut all = 0;
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(|error| error.to_string())?;
        let path = PathBuf::from(entry.name().map_err(|error| error.to_string())?.trim_end_matches('/'));
        let target = into.join(within(&path)?);
        if entry.is_dir() {
            std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
        } else if entry.is_file() {
            written(&mut entry, &target, is_program(&path), &mut all)?;
        } else {
            return Err(format!("{} is neither file nor folder", path.display()));
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
pub mod tests {
    use minisign::KeyPair;

    use super::*;
    use crate::config::TrustConfig;

    /// A release whose program says that it is 0.9.0.
    pub fn archive(folder: &Path, more: &[(&str, tar::EntryType)]) -> PathBuf {
        let file = folder.join("tandem-0.9.0-linux-x86_64.tar.gz");
        let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(
            std::fs::File::create(&file).unwrap(),
            flate2::Compression::fast(),
        ));
        let program: &[u8] = b"#!/bin/sh\necho tandem 0.9.0\n";
        for (name, bytes) in [("tandem-0.9.0/tandem", program), ("tandem-0.9.0/plugins/orders.wasm", b"wasm")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, bytes).unwrap();
        }
        for (name, kind) in more {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(0);
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.as_gnu_mut().unwrap().linkname[..4].copy_from_slice(b"/etc");
            header.set_cksum();
            archive.append(&header, std::io::empty()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        file
    }

    /// As it is told elsewhere.
    pub fn checksum(file: &Path) -> String {
        digest_of(&std::fs::read(file).unwrap())
    }

    #[test]
    fn what_is_vouched_for_comes_out_and_what_is_not_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = archive(folder.path(), &[]);
        let none = Trust::default();
        let unvouched = offered(&file, &none, None, folder.path());
        assert!(matches!(unvouched, Err(UpgradeError::Unvouched(_))));
        let wrong = offered(&file, &none, Some("00"), folder.path());
        assert!(matches!(wrong, Err(UpgradeError::Checksum { .. })));
        let package = folder.path().join("tandem_0.9.0_amd64.deb");
        std::fs::write(&package, b"!<arch>").unwrap();
        let told = offered(&package, &none, Some(&checksum(&package)), folder.path()).err().unwrap().to_string();
        assert!(told.contains("apt-get install ./tandem_0.9.0_amd64.deb"), "{told}");
        let good = offered(&file, &none, Some(&checksum(&file).to_uppercase()), folder.path()).unwrap();
        assert_eq!((good.version.as_str(), &good.vouched), ("0.9.0", &Vouched::Checksum));
        assert_eq!(good.entries, BTreeSet::from(["plugins".to_owned(), "tandem".to_owned()]));
        assert_eq!(std::fs::read(good.entry("plugins").join("orders.wasm")).unwrap(), b"wasm");

        let (ours, theirs) =
            (KeyPair::generate_unencrypted_keypair().unwrap(), KeyPair::generate_unencrypted_keypair().unwrap());
        let trust = |own: &KeyPair| Trust::from(TrustConfig { keys: vec![own.pk.to_base64()], signed_only: false });
        let content = std::fs::read(&file).unwrap();
        let signed = minisign::sign(None, &ours.sk, Cursor::new(&content), None, None).unwrap().into_string();
        std::fs::write(folder.path().join("tandem-0.9.0-linux-x86_64.tar.gz.minisig"), signed).unwrap();
        let good = offered(&file, &trust(&ours), None, folder.path()).unwrap();
        assert!(matches!(good.vouched, Vouched::Key(_)));
        assert!(matches!(offered(&file, &trust(&theirs), None, folder.path()), Err(UpgradeError::Trust(_))));
        assert!(matches!(offered(&file, &none, None, folder.path()), Err(UpgradeError::Unvouched(_))), "by no key");
        drop(good);
        let left = std::fs::read_dir(folder.path()).unwrap().flatten();
        assert_eq!(left.filter(|own| own.path().is_dir()).count(), 0, "what is refused leaves nothing");
    }

    #[test]
    fn an_archive_that_is_cut_short_leads_out_or_holds_links_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tried = |file: &Path| {
            let refused = offered(file, &Trust::default(), Some(&checksum(file)), folder.path());
            match refused {
                Err(UpgradeError::Archive { why, .. }) => why,
                Err(other) => panic!("{other}"),
                Ok(_) => panic!("it was taken"),
            }
        };
        for (name, kind, why) in [
            ("../out", tar::EntryType::Regular, "leads out"),
            ("/etc/out", tar::EntryType::Regular, "leads out"),
            ("tandem-0.9.0/link", tar::EntryType::Symlink, "neither"),
            ("tandem-0.9.0/hard", tar::EntryType::Link, "neither"),
            ("other/file", tar::EntryType::Regular, "more than one"),
            ("tandem-0.9.0/tandem", tar::EntryType::Regular, "exists"),
        ] {
            let told = tried(&archive(folder.path(), &[(name, kind)]));
            assert!(told.contains(why), "{name}: {told}");
        }
        let file = archive(folder.path(), &[]);
        let whole = std::fs::read(&file).unwrap();
        for keep in [0, 10, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            std::fs::write(&file, &whole[..keep]).unwrap();
            tried(&file);
        }
        assert!(!folder.path().join("out").exists());
    }
}
