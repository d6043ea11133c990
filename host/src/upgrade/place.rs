//! Where the program lies, and the change from one version to another there: noted before it begins, so that what was broken off at any moment is
//! taken back whole. At every moment a whole program lies in its place (on Windows but for the moment between two renames).

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Offered, PROGRAM, UpgradeError, at};
use crate::config::put::put_all;
use crate::releases::{SIGNATURE, signature_of};
use crate::store::Millis;

/// What an upgrade notes, beside the program.
const NOTE: &str = "upgrade.json";
/// What the folder begins with that holds what was there before.
const KEPT: &str = ".before-";
/// Plugins of the host's own folder, in that one.
const PLUGINS: &str = ".plugins";
/// The folder of plugins beside the program, which may be the host's own: it changes file by file.
const BESIDE: &str = "plugins";
/// Locked for as long as something is changed, beside the program.
const LOCK: &str = "upgrade.lock";

/// The folder of an installed program.
pub struct Place {
    folder: PathBuf,
}

/// How far a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Files are put in place, or taken back.
    UnderWay,
    /// All are there, and the new program is being tried: it may have changed the database.
    Placed,
    /// The new version is ready.
    Done,
}

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version that is there.
    pub from: String,
    /// `tandem.toml`.
    pub config: PathBuf,
    /// The service that runs it; none where it is run by hand.
    pub service: Option<String>,
    /// A backup of the database as it is, where the new version brings it to another format.
    pub backup: Option<PathBuf>,
    /// The host is ready now: it has to be so afterwards.
    pub was_ready: bool,
    /// Files of the host's own plugins folder that come from the archive, too.
    pub plugins: Vec<PathBuf>,
}

/// A change from one version to another, as it is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Version that comes.
    pub to: String,
    /// When it began, milliseconds since 1970 UTC.
    pub at: Millis,
    /// How far it is.
    pub step: Step,
    /// What is changed.
    pub plan: Plan,
    /// What was there before lies in this folder.
    kept: PathBuf,
    /// Names beside the program in whose place something else comes.
    replaced: BTreeSet<String>,
    /// Names that come where nothing was.
    added: BTreeSet<String>,
}

impl Place {
    /// The folder that a program lies in, where it is one that an archive was unpacked to.
    pub fn of(program: &Path) -> Result<Self, UpgradeError> {
        let program = program.canonicalize().map_err(at(program))?;
        if cfg!(unix) && ["/usr/bin", "/bin"].iter().any(|folder| program.parent() == Some(Path::new(folder))) {
            return Err(UpgradeError::Packaged(program, "`apt-get install ./tandem_<version>_amd64.deb`"));
        }
        let folder = program.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { folder })
    }

    /// It.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The program there.
    pub fn program(&self) -> PathBuf {
        self.folder.join(PROGRAM)
    }

    fn note(&self) -> PathBuf {
        self.folder.join(NOTE)
    }

    /// Nobody else changes anything here for as long as the file is held.
    pub fn alone(&self) -> Result<File, UpgradeError> {
        let path = self.folder.join(LOCK);
        // Windows locks no file that is open for nothing but to append.
        let file = File::options().create(true).append(true).read(true).open(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(UpgradeError::UnderWay(self.folder.clone())),
            Err(TryLockError::Error(error)) => Err(UpgradeError::File(path, error)),
        }
    }

    /// The change that was made here last, or broken off; none where nothing was.
    pub fn last(&self) -> Result<Option<Change>, UpgradeError> {
        let note = self.note();
        let text = match std::fs::read_to_string(&note) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(at(&note))?,
        };
        let change = serde_json::from_str(&text);
        change.map(Some).map_err(|error| UpgradeError::Left { path: note, why: error.to_string() })
    }

    fn noted(&self, change: &Change) -> Result<(), UpgradeError> {
        let note = self.note();
        let text = serde_json::to_vec_pretty(change).unwrap_or_default();
        put_all(&[(note.clone(), text)]).map_err(|why| UpgradeError::Left { path: note, why })
    }

    /// Keeps what is there, and notes that it is to change.
    pub fn begin(&self, plan: Plan, offered: &Offered, now: Millis) -> Result<Change, UpgradeError> {
        self.forget()?;
        let kept = self.folder.join(format!("{KEPT}{}-{now}", plan.from));
        std::fs::create_dir(&kept).map_err(at(&kept))?;
        let program = kept.join(PROGRAM);
        std::fs::copy(self.program(), &program).map_err(at(&program))?;
        synced(&program)?;
        let own = kept.join(PLUGINS);
        std::fs::create_dir(&own).map_err(at(&own))?;
        for path in plan.plugins.iter().flat_map(|path| [path.clone(), signature_of(path)]) {
            if let (true, Some(name)) = (path.exists(), path.file_name()) {
                std::fs::copy(&path, own.join(name)).map_err(at(&path))?;
                synced(&own.join(name))?;
            }
        }
        // An archive that was unpacked here has its plugins beside it; a program that was put somewhere alone stays alone.
        let is_whole = self.folder.join(BESIDE).is_dir();
        let mut names = offered.entries.clone();
        names.retain(|name| ![PROGRAM, BESIDE].contains(&name.as_str()));
        let plugins = offered.entry(BESIDE);
        for entry in std::fs::read_dir(&plugins).map_err(at(&plugins))? {
            let name = format!("{BESIDE}/{}", entry.map_err(at(&plugins))?.file_name().to_string_lossy());
            // What signs the one of before does not sign this one.
            let signature = format!("{name}{SIGNATURE}");
            if self.folder.join(&signature).exists() {
                names.insert(signature);
            }
            names.insert(name);
        }
        let (replaced, mut added): (BTreeSet<String>, BTreeSet<String>) =
            names.into_iter().partition(|name| self.folder.join(name).exists());
        added.retain(|_| is_whole);
        let (to, step) = (offered.version.clone(), Step::UnderWay);
        let change = Change { to, at: now, step, plan, kept, replaced, added };
        self.noted(&change)?;
        Ok(change)
    }

    /// Puts what the archive holds in place: the program first, since it runs with plugins of before, and those of after it may not run with.
    pub fn put(&self, change: &Change, offered: &Offered) -> Result<(), UpgradeError> {
        self.put_program(&offered.entry(PROGRAM), change)?;
        let kept = change.kept.join(BESIDE);
        std::fs::create_dir_all(&kept).map_err(at(&kept))?;
        for name in &change.replaced {
            let (there, kept) = (self.folder.join(name), change.kept.join(name));
            std::fs::rename(&there, &kept).map_err(at(&there))?;
        }
        for name in change.replaced.union(&change.added) {
            let (from, there) = (offered.entry(name), self.folder.join(name));
            if name.ends_with(SIGNATURE) && !from.exists() {
                continue;
            }
            std::fs::rename(from, &there).map_err(at(&there))?;
            if name.starts_with(BESIDE) {
                stays_whose_it_was(&there)?;
            }
        }
        let mut parts = Vec::new();
        for path in &change.plan.plugins {
            let Some(name) = path.file_name() else { continue };
            // It lies beside the program now, or did not go there.
            let beside = [self.folder.join(BESIDE).join(name), offered.entry(BESIDE).join(name)];
            let from = beside.into_iter().find(|from| from.exists()).unwrap_or_default();
            match std::fs::read(signature_of(&from)) {
                Ok(signature) => parts.push((signature_of(path), signature)),
                Err(_) => removed(&signature_of(path))?,
            }
            parts.push((path.clone(), std::fs::read(&from).map_err(at(&from))?));
        }
        self.put_plugins(&parts)
    }

    /// Notes how far a change has come; what is noted so already needs no room for it.
    pub fn reached(&self, change: &Change, step: Step) -> Result<(), UpgradeError> {
        match self.last()? {
            Some(noted) if noted.at == change.at && noted.step == step => Ok(()),
            _ => self.noted(&Change { step, ..change.clone() }),
        }
    }

    /// Takes a change back, however far it came, also twice; what was there before is there again. What is broken off in the middle is neither the one
    /// version nor the other, and noted so.
    pub fn take_back(&self, change: &Change) -> Result<(), UpgradeError> {
        self.reached(change, Step::UnderWay)?;
        for name in &change.replaced {
            let (there, kept) = (self.folder.join(name), change.kept.join(name));
            if kept.exists() {
                removed(&there)?;
                std::fs::rename(&kept, &there).map_err(at(&there))?;
            }
        }
        for name in &change.added {
            removed(&self.folder.join(name))?;
        }
        let program = change.kept.join(PROGRAM);
        let fresh = change.kept.join(format!("{PROGRAM}.again"));
        std::fs::copy(&program, &fresh).map_err(at(&program))?;
        synced(&fresh)?;
        self.put_program(&fresh, change)?;
        let own = change.kept.join(PLUGINS);
        let mut parts = Vec::new();
        for path in &change.plan.plugins {
            let name = path.file_name().unwrap_or_default();
            let kept = signature_of(&own.join(name));
            match std::fs::read(&kept) {
                Ok(signature) => parts.push((signature_of(path), signature)),
                Err(_) => removed(&signature_of(path))?,
            }
            let kept = own.join(name);
            parts.push((path.clone(), std::fs::read(&kept).map_err(at(&kept))?));
        }
        self.put_plugins(&parts)
    }

    /// Nothing is to be taken back any more: what was kept goes, but what Windows does not let go of a program that runs, which goes the next time.
    pub fn forget(&self) -> Result<(), UpgradeError> {
        removed(&self.note())?;
        let entries = std::fs::read_dir(&self.folder).map_err(at(&self.folder))?;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(KEPT)
                && let Err(error) = removed(&entry.path())
            {
                tracing::debug!(%error, "stays for now");
            }
        }
        Ok(())
    }

    /// One step, but on Windows, where a program that runs cannot be replaced but put aside.
    fn put_program(&self, from: &Path, change: &Change) -> Result<(), UpgradeError> {
        let there = self.program();
        if cfg!(windows) && there.exists() {
            let aside = change.kept.join(format!("{PROGRAM}.{:06x}", fastrand::u32(..1 << 24)));
            std::fs::rename(&there, &aside).map_err(at(&there))?;
        }
        std::fs::rename(from, &there).map_err(at(&there))?;
        crate::store::sqlite::copy::sync_folder(&there);
        Ok(())
    }

    fn put_plugins(&self, parts: &[(PathBuf, Vec<u8>)]) -> Result<(), UpgradeError> {
        put_all(parts).map_err(|why| UpgradeError::File(self.folder.clone(), std::io::Error::other(why)))?;
        parts.iter().try_for_each(|(path, _)| stays_whose_it_was(path))
    }
}

/// A plugin is whose its folder is: who runs as root is not who changes it otherwise.
#[cfg(unix)]
fn stays_whose_it_was(path: &Path) -> Result<(), UpgradeError> {
    use std::os::unix::fs::MetadataExt;
    let folder = path.parent().unwrap_or(path);
    let whose = std::fs::metadata(folder).map_err(at(folder))?;
    let is = std::fs::metadata(path).map_err(at(path))?;
    match (is.uid(), is.gid()) == (whose.uid(), whose.gid()) {
        true => Ok(()),
        false => std::os::unix::fs::chown(path, Some(whose.uid()), Some(whose.gid())).map_err(at(path)),
    }
}

/// What is put into a folder has its folder's rights.
#[cfg(windows)]
fn stays_whose_it_was(_path: &Path) -> Result<(), UpgradeError> {
    Ok(())
}

fn removed(path: &Path) -> Result<(), UpgradeError> {
    let gone = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    match gone {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(UpgradeError::File(path.to_owned(), error)),
        _ => Ok(()),
    }
}

fn synced(path: &Path) -> Result<(), UpgradeError> {
    let file = std::fs::OpenOptions::new().append(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(at(path))
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::offered;
    use super::super::parcel::tests::{archive, checksum};
    use super::*;
    use crate::releases::Trust;

    /// An installed version, and a host's own plugins folder.
    struct There {
        root: tempfile::TempDir,
        offered: Offered,
        plan: Plan,
    }

    impl There {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            for folder in ["opt/plugins", "opt/docs", "own"] {
                std::fs::create_dir_all(at(folder)).unwrap();
            }
            for (file, text) in [
                ("opt/tandem", "old program"),
                ("opt/plugins/orders.wasm", "old"),
                ("opt/plugins/orders.wasm.minisig", "old signature"),
                ("opt/plugins/mine.wasm", "my own"),
                ("opt/docs/guide.md", "old guide"),
                ("own/orders.wasm", "old"),
                ("own/orders.wasm.minisig", "old signature"),
                ("own/mine.wasm", "my own"),
            ] {
                std::fs::write(at(file), text).unwrap();
            }
            let file = archive(root.path(), &[("tandem-0.9.0/news", tar::EntryType::Regular)]);
            let offered = offered(&file, &Trust::default(), Some(&checksum(&file)), &at("opt")).unwrap();
            let plan = Plan {
                from: "0.1.0".into(),
                config: at("own/tandem.toml"),
                service: None,
                backup: None,
                was_ready: true,
                plugins: vec![at("own/orders.wasm")],
            };
            Self { root, offered, plan }
        }

        fn place(&self) -> Place {
            Place::of(&self.root.path().join("opt/tandem")).unwrap()
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.root.path().join(name)).unwrap_or_default()
        }

        fn is_old(&self) {
            for (file, text) in [
                ("opt/tandem", "old program"),
                ("opt/plugins/orders.wasm", "old"),
                ("opt/plugins/orders.wasm.minisig", "old signature"),
                ("opt/plugins/mine.wasm", "my own"),
                ("opt/docs/guide.md", "old guide"),
                ("opt/news", ""),
                ("own/orders.wasm", "old"),
                ("own/orders.wasm.minisig", "old signature"),
                ("own/mine.wasm", "my own"),
            ] {
                assert_eq!(self.read(file), text, "{file}");
            }
            assert!(!self.root.path().join("opt/news").exists());
        }
    }

    #[test]
    fn what_is_put_in_place_is_all_of_it_and_is_taken_back_all_of_it_also_twice() {
        let there = There::new();
        let place = there.place();
        assert!(place.last().unwrap().is_none());
        let change = place.begin(there.plan.clone(), &there.offered, 5).unwrap();
        there.is_old();
        place.put(&change, &there.offered).unwrap();
        assert!(there.read("opt/tandem").contains("0.9.0"));
        assert_eq!(
            (there.read("opt/plugins/orders.wasm"), there.read("own/orders.wasm")),
            ("wasm".into(), "wasm".into())
        );
        assert_eq!(
            (there.read("own/mine.wasm"), there.read("opt/plugins/mine.wasm")),
            ("my own".into(), "my own".into())
        );
        assert!(there.root.path().join("opt/news").exists());
        for signature in ["opt/plugins/orders.wasm.minisig", "own/orders.wasm.minisig"] {
            assert!(!there.root.path().join(signature).exists(), "{signature} signs the one of before");
        }
        place.reached(&change, Step::Placed).unwrap();
        assert_eq!(place.last().unwrap().unwrap().step, Step::Placed);
        // What somebody puts there meanwhile stays.
        std::fs::write(there.root.path().join("opt/plugins/later.wasm"), "later").unwrap();
        place.reached(&change, Step::Done).unwrap();
        let last = place.last().unwrap().unwrap();
        assert_eq!((last.step, &last.plan), (Step::Done, &there.plan));
        place.take_back(&last).unwrap();
        there.is_old();
        place.take_back(&last).unwrap();
        there.is_old();
        assert_eq!(there.read("opt/plugins/later.wasm"), "later");
        assert_eq!(place.last().unwrap().unwrap().step, Step::UnderWay, "none keeps what is half taken back");
        place.forget().unwrap();
        assert!(place.last().unwrap().is_none());
        assert_eq!(std::fs::read_dir(there.root.path().join("opt")).unwrap().count(), 4, "three and what is unpacked");
    }

    /// Each call of the system is one at which the power may go: here after each file that is put.
    #[test]
    fn what_is_broken_off_anywhere_is_taken_back() {
        for lacks in ["tandem", "plugins", "news"] {
            let there = There::new();
            let place = there.place();
            let change = place.begin(there.plan.clone(), &there.offered, 5).unwrap();
            let gone = there.offered.entry(lacks);
            let aside = there.root.path().join("aside");
            std::fs::rename(&gone, &aside).unwrap();
            place.put(&change, &there.offered).unwrap_err();
            assert!(place.program().exists(), "{lacks}: a program is there at any moment");
            let noted = place.last().unwrap().unwrap();
            assert_eq!(noted, change);
            place.take_back(&noted).unwrap();
            there.is_old();
        }
    }

    #[test]
    fn two_do_not_change_the_same_program() {
        let there = There::new();
        let first = there.place().alone().unwrap();
        assert!(matches!(there.place().alone(), Err(UpgradeError::UnderWay(_))));
        drop(first);
        there.place().alone().unwrap();
    }

    #[test]
    fn a_program_of_a_package_is_left_to_its_manager() {
        let refused = Place::of(Path::new("/usr/bin/env")).err().unwrap().to_string();
        assert!(refused.contains("apt-get install"), "{refused}");
    }
}
