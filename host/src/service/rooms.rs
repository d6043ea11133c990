//! Which folders a service writes to, what in them is Tandem's, and which are never given to a service's user.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::ServiceError;
use crate::config::Config;

/// What of a folder is Tandem's.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Holds {
    /// What has this name.
    Name(String),
    /// Files whose names begin so.
    Begins(String),
    /// Files whose names end so.
    Ends(&'static str),
    /// A folder, or several by how their names begin, with all that is in it.
    Tree(String),
}

/// A folder that the service writes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Absolute, and without links as far as it is there.
    pub path: PathBuf,
    /// Who names it.
    pub(super) said: &'static str,
    pub(super) holds: Vec<Holds>,
    /// The host runs without it, too: a share that is not there yet.
    pub(super) may_lack: bool,
}

impl Room {
    /// What has that name in it is Tandem's; `Some(true)` with all that is in it.
    pub(super) fn whose(&self, name: &str) -> Option<bool> {
        self.holds.iter().find_map(|holds| match holds {
            Holds::Name(own) => (own == name).then_some(false),
            Holds::Begins(own) => name.starts_with(own.as_str()).then_some(false),
            Holds::Ends(own) => name.ends_with(own).then_some(false),
            Holds::Tree(own) => name.starts_with(own.as_str()).then_some(true),
        })
    }
}

/// What a service has of files.
#[derive(Clone, Debug, PartialEq)]
pub struct Rooms {
    /// The folder of `tandem.toml` first; then all others, each once.
    pub all: Vec<Room>,
    /// Files in the first that `tandem.toml` names: mappings, certificates.
    pub files: Vec<PathBuf>,
    /// Those that nobody else may read.
    pub secrets: Vec<PathBuf>,
}

/// What has these names beside `tandem.toml` is Tandem's or its operator's: the folder is its own all the same.
const BESIDE: [&str; 9] =
    ["plugins", "data", "secrets", "logs", "mappings", "backups", "reports", "lost+found", ".git"];

impl Rooms {
    /// As `tandem.toml` says it.
    pub fn of(config: &Config) -> Result<Self, ServiceError> {
        let file = real(&config.file)?;
        let base = file.parent().map(Path::to_owned).unwrap_or_default();
        let resolved = |path: &Path| real(&config.resolve(path));
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
        // The folder in which a file lies, not that to which a link in its place leads.
        let placed = |path: &Path| Ok::<_, ServiceError>(resolved(&folder(path))?.join(name(path)));

        let own = vec![
            Holds::Name(name(&file)),
            Holds::Name(super::ENVIRONMENT.into()),
            Holds::Begins(format!("{}-before-restore-", stem(&file))),
            Holds::Tree("secrets".into()),
        ];
        let mut rooms = Self { all: Vec::new(), files: Vec::new(), secrets: vec![base.join(super::ENVIRONMENT)] };
        rooms.add(base.clone(), "tandem.toml", own, false);
        let database = placed(&config.store.path)?;
        let beside_it = vec![
            Holds::Begins(name(&database)),
            Holds::Name(format!("{}.lock", stem(&database))),
            Holds::Begins(format!("{}-before-restore-", stem(&database))),
            Holds::Tree("compiled".into()),
            Holds::Tree("reports".into()),
            Holds::Tree(".tandem-".into()),
        ];
        rooms.add(folder(&database), "[store] path", beside_it, false);
        let plugins = vec![Holds::Ends(".wasm"), Holds::Ends(".minisig")];
        rooms.add(resolved(&config.host.plugins)?, "[host] plugins", plugins, false);
        if let Some(backup) = &config.backup {
            let backups = vec![Holds::Ends(".tar.zst"), Holds::Tree(".tandem-".into())];
            rooms.add(resolved(&backup.folder)?, "[backup] folder", backups, true);
        }
        if let Some(log) = &config.log {
            let log = placed(&log.file)?;
            rooms.add(folder(&log), "[log] file", vec![Holds::Begins(name(&log))], true);
        }
        for flow in config.flows.values() {
            for named in flow.mapping.iter().chain(&flow.mapper) {
                rooms.files.push(resolved(named)?);
            }
        }
        for (_, secret) in config.secrets() {
            if let Some(path) = secret.path() {
                rooms.secrets.push(resolved(path)?);
            }
        }
        if let Some(tls) = &config.host.tls {
            rooms.files.push(resolved(&tls.certificate)?);
            rooms.secrets.push(resolved(&tls.key)?);
        }
        // What lies elsewhere is its owner's: the host reads it, and no more.
        rooms.files.retain(|path| path.starts_with(&base));
        rooms.secrets.retain(|path| path.starts_with(&base));
        Ok(rooms)
    }

    fn add(&mut self, path: PathBuf, said: &'static str, holds: Vec<Holds>, may_lack: bool) {
        match self.all.iter_mut().find(|room| room.path == path) {
            Some(room) => {
                room.holds.extend(holds);
                room.may_lack &= may_lack;
            }
            None => self.all.push(Room { path, said, holds, may_lack }),
        }
    }

    /// The folder of `tandem.toml`.
    pub fn base(&self) -> &Path {
        self.all.first().map_or(Path::new(""), |room| &room.path)
    }

    /// An error where a folder is the system's or a person's, or has the program in it.
    pub fn check(&self, program: &Path) -> Result<(), ServiceError> {
        let program = real(program)?;
        for room in &self.all {
            if is_of_the_system(&room.path) {
                return Err(ServiceError::Folder { path: room.path.clone(), said: room.said, instead: INSTEAD });
            }
            if program.starts_with(&room.path) {
                return Err(ServiceError::Program { program, folder: room.path.clone() });
            }
        }
        Ok(())
    }

    /// An error where what is in a folder, by name and whether it is a folder, says that it is not Tandem's own.
    pub fn judge(&self, room: &Room, entries: &[(String, bool)]) -> Result<(), ServiceError> {
        let base = self.base();
        if room.path != base && room.path.starts_with(base) {
            return Ok(());
        }
        let foreign = entries.iter().find(|(name, is_folder)| {
            let named = || {
                let path = room.path.join(name);
                let all = self.all.iter().map(|room| &room.path).chain(&self.files).chain(&self.secrets);
                all.into_iter().any(|own| own.starts_with(&path))
            };
            if room.whose(name).is_some() || named() {
                return false;
            }
            // Beside `tandem.toml` may lie notes of its operator's, and no folder of something else.
            if room.path == base { *is_folder && !BESIDE.contains(&name.as_str()) } else { name != "lost+found" }
        });
        let Some((name, _)) = foreign else { return Ok(()) };
        Err(ServiceError::Foreigner { path: room.path.clone(), said: room.said, name: name.clone() })
    }
}

/// A folder that is Tandem's alone.
#[cfg(unix)]
const INSTEAD: &str = "/var/lib/tandem";
/// A folder that is Tandem's alone.
#[cfg(windows)]
const INSTEAD: &str = "C:\\ProgramData\\Tandem";

/// The path without links, as far as it is there.
pub(super) fn real(path: &Path) -> Result<PathBuf, ServiceError> {
    let failed = |cause| ServiceError::File { path: path.to_owned(), cause };
    let path = std::path::absolute(path).map_err(failed)?;
    let mut rest = Vec::new();
    let mut there = path.as_path();
    loop {
        match there.canonicalize() {
            Ok(mut real) => {
                rest.iter().rev().for_each(|name| real.push(name));
                return Ok(plain(real));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(ServiceError::File { path: there.to_owned(), cause }),
        }
        // What leads out of a folder that is not there leads nowhere.
        let (Some(parent), Some(Component::Normal(name))) = (there.parent(), there.components().next_back()) else {
            return Err(ServiceError::Path(path.clone()));
        };
        rest.push(name.to_owned());
        there = parent;
    }
}

/// Windows writes a path without links in a way that few programs read.
fn plain(path: PathBuf) -> PathBuf {
    let Some(text) = path.to_str() else { return path };
    match (text.strip_prefix(r"\\?\UNC\"), text.strip_prefix(r"\\?\")) {
        (Some(share), _) => format!(r"\\{share}").into(),
        (None, Some(plain)) => plain.into(),
        (None, None) => path,
    }
}

#[cfg(unix)]
fn is_of_the_system(path: &Path) -> bool {
    unix(path)
}

#[cfg(windows)]
fn is_of_the_system(path: &Path) -> bool {
    path.to_str().is_none_or(windows)
}

/// Nothing in these is for a service to write.
#[cfg(unix)]
const WHOLE: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin", "/sys", "/tmp",
    "/var/tmp",
];
/// Neither these nor what lies right in them.
#[cfg(unix)]
const WITH_CHILDREN: [&str; 6] = ["/home", "/media", "/mnt", "/usr", "/usr/local", "/var"];
/// These, and not what lies in them.
#[cfg(unix)]
const ALONE: [&str; 4] = ["/", "/opt", "/root", "/srv"];

#[cfg(unix)]
fn unix(path: &Path) -> bool {
    let at_or_in = |own: &&str| path == Path::new(own) || path.parent() == Some(Path::new(own));
    // What a distribution puts into `/usr` is its own.
    let of_usr = path.starts_with("/usr") && !path.starts_with("/usr/local");
    of_usr
        || WHOLE.iter().any(|own| path.starts_with(own))
        || WITH_CHILDREN.iter().any(at_or_in)
        || ALONE.iter().any(|own| path == Path::new(own))
}

/// Folders of a drive that are the system's; of the first two, all that is in them.
#[cfg(any(windows, test))]
fn windows(path: &str) -> bool {
    let path = path.replace('/', "\\").trim_end_matches('\\').to_lowercase();
    if let Some(share) = path.strip_prefix(r"\\") {
        // A server's share as a whole.
        return share.split('\\').count() < 3;
    }
    let mut names = path.split('\\');
    let drive = names.next().unwrap_or_default();
    let names: Vec<&str> = names.collect();
    match names.as_slice() {
        [] => true,
        ["windows" | "program files" | "program files (x86)" | "$recycle.bin" | "system volume information", ..] => {
            true
        }
        ["programdata" | "users" | "perflogs" | "recovery" | "documents and settings"] => true,
        ["users", _] => true,
        ["programdata", "microsoft" | "packages" | "package cache" | "ssh", ..] => true,
        _ => !drive.ends_with(':'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn folders_of_the_system_and_of_people_and_what_lies_right_in_them_are_no_services() {
        for path in [
            "/",
            "/var",
            "/var/log",
            "/var/lib",
            "/usr/local",
            "/usr/local/bin",
            "/usr/share/tandem",
            "/etc/cron.d",
            "/etc/tandem",
            "/home/anna",
            "/root",
            "/mnt",
            "/mnt/nas",
            "/media/disk",
            "/srv",
            "/opt",
            "/tmp/tandem",
            "/boot/efi/x",
            "/run/tandem",
        ] {
            assert!(is_of_the_system(Path::new(path)), "{path}");
        }
        for path in ["/var/lib/tandem", "/var/log/tandem", "/srv/tandem", "/opt/tandem", "/mnt/nas/tandem", "/data"] {
            assert!(!is_of_the_system(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn folders_of_windows_and_of_people_are_no_services() {
        for path in [
            r"C:\",
            r"C:",
            r"D:\",
            r"C:\Windows\Temp\x",
            r"c:\program files\Tandem",
            r"C:\ProgramData",
            r"C:\Users",
            r"C:\Users\Anna",
            r"C:\ProgramData\Microsoft\x",
            r"\\nas\backup",
            r"\\nas",
            "C:/ProgramData/",
        ] {
            assert!(windows(path), "{path}");
        }
        for path in [r"C:\ProgramData\Tandem", r"D:\Tandem", r"\\nas\backup\tandem", r"C:\Users\Anna\tandem"] {
            assert!(!windows(path), "{path}");
        }
    }

    fn rooms(folder: &Path, text: &str) -> Rooms {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("tandem.toml"), text).unwrap();
        Rooms::of(&Config::load(&folder.join("tandem.toml")).unwrap()).unwrap()
    }

    #[test]
    fn what_is_in_a_folder_says_whose_it_is() {
        let there = tempfile::tempdir().unwrap();
        let there = there.path().canonicalize().unwrap();
        let (own, backups) = (there.join("own"), there.join("backups"));
        let text = format!(
            "[backup]\nfolder = '{}'\n[store]\nkey = {{ file = \"keys/store.key\" }}\n[host]\nplugins = \"parts\"\n",
            backups.display()
        );
        let rooms = rooms(&own, &text);
        assert_eq!(rooms.base(), own);
        let entry = |name: &str, is_folder| (name.to_owned(), is_folder);
        let room = |path: &Path| rooms.all.iter().find(|room| room.path == path).unwrap();
        let good = [
            entry("tandem.toml", false),
            entry("data", true),
            entry("parts", true),
            entry("keys", true),
            entry("notes.txt", false),
        ];
        rooms.judge(room(&own), &good).unwrap();
        let error = rooms.judge(room(&own), &[entry("invoices-2026", true)]).unwrap_err().to_string();
        assert!(error.contains("invoices-2026") && error.contains("tandem.toml"), "{error}");
        rooms.judge(room(&backups), &[entry("tandem-20260101.tar.zst", false)]).unwrap();
        let error = rooms.judge(room(&backups), &[entry("payroll.xlsx", false)]).unwrap_err().to_string();
        assert!(error.contains("payroll.xlsx") && error.contains("[backup] folder"), "{error}");
        assert_eq!(rooms.secrets, [own.join("tandem.env"), own.join("keys/store.key")]);
    }

    #[cfg(unix)]
    #[test]
    fn the_program_never_lies_in_a_folder_that_is_given_away() {
        let there = tempfile::tempdir().unwrap();
        let there = there.path().canonicalize().unwrap();
        let mut rooms = rooms(&there.join("own"), "");
        // Wherever tests have their folders.
        rooms.all.iter_mut().for_each(|room| room.path = Path::new("/opt/x").join(room.path.file_name().unwrap()));
        assert!(matches!(rooms.check(Path::new("/opt/x/own/bin/tandem")), Err(ServiceError::Program { .. })));
        rooms.check(Path::new("/opt/tandem/tandem")).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_names_what_it_leads_to() {
        let there = tempfile::tempdir().unwrap();
        let path = there.path().join("log");
        std::os::unix::fs::symlink("/var/log", &path).unwrap();
        let rooms = rooms(&there.path().join("own"), &format!("[log]\nfile = '{}/tandem.log'\n", path.display()));
        assert!(rooms.all.iter().any(|room| room.path == Path::new("/var/log")), "{rooms:?}");
    }
}
