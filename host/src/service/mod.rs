//! Tandem as a service of the operating system: how it is set up there, and what the running host tells who manages it. A unit of systemd on
//! Linux, a Windows service on Windows.

mod manager;
mod pulse;
#[cfg(unix)]
pub mod systemd;
#[cfg(windows)]
pub mod windows;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::manager::Manager;
pub use self::pulse::Pulse;
use crate::config::Config;

/// Name of the service where nobody gives another.
#[cfg(unix)]
pub const NAME: &str = "tandem";
/// Name of the service where nobody gives another.
#[cfg(windows)]
pub const NAME: &str = "Tandem";

/// Why the service cannot be set up or asked. The text names cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A name that is none.
    #[error("{0:?} is no name of a service: letters, digits, dashes and underscores, 1 to 40")]
    Name(String),
    /// Files that a unit cannot name.
    #[error("{0}: a service's files lie at an absolute path without line ends, quotes, % and backslashes")]
    Path(PathBuf),
    /// The folder would be given to the service's user.
    #[error(
        "{0} is a folder of the system or of a person: put tandem.toml into one of its own, such as {1}, which is then given to the service's user"
    )]
    Folder(PathBuf, &'static str),
    /// Nothing there by that name.
    #[error("no service {0} is installed: `tandem service install`")]
    NotInstalled(String),
    /// Another's.
    #[error("{path} was not written by `tandem service install`: take it away, or give another --name")]
    Foreign {
        /// What is in the way.
        path: PathBuf,
    },
    /// A program of the system that could not be run, or failed.
    #[error("{command}: {cause}")]
    Command {
        /// As a person would type it.
        command: String,
        /// What it said.
        cause: String,
    },
    /// A file of the system.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The service control manager of Windows.
    #[cfg(windows)]
    #[error("{0}: {1}")]
    Windows(&'static str, windows_service::Error),
}

/// What is to be a service.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The program, absolute.
    pub program: PathBuf,
    /// `tandem.toml`, absolute.
    pub config: PathBuf,
    /// Who it runs as.
    pub user: String,
    /// Folders that it writes to beside that of `tandem.toml`.
    pub writes: Vec<PathBuf>,
    /// Seconds a stop takes at most.
    pub stop_seconds: u64,
    /// It listens on a port that is for the system alone.
    pub low_port: bool,
}

impl Plan {
    /// This program with that configuration.
    pub fn of(config: &Config, name: &str, user: &str) -> Result<Self, ServiceError> {
        checked(name)?;
        let absolute = |path: &Path| {
            let failed = |cause| ServiceError::File { path: path.to_owned(), cause };
            std::path::absolute(path).map_err(failed)
        };
        let file = absolute(&config.file)?;
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let program = std::env::current_exe().map_err(|cause| ServiceError::File { path: "tandem".into(), cause })?;
        let mut writes = Vec::new();
        let database = absolute(&config.resolve(&config.store.path))?;
        let backups = config.backup.as_ref().map(|backup| config.resolve(&backup.folder));
        let log = config.log.as_ref().map(|log| config.resolve(&log.file));
        let folders = [
            database.parent().map(Path::to_owned),
            Some(config.resolve(&config.host.plugins)),
            backups,
            log.and_then(|file| file.parent().map(Path::to_owned)),
        ];
        for own in folders.into_iter().flatten() {
            let own = absolute(&own)?;
            if !own.starts_with(&folder) && !writes.contains(&own) {
                writes.push(own);
            }
        }
        Ok(Self {
            name: name.to_owned(),
            program,
            config: file,
            user: user.to_owned(),
            writes,
            stop_seconds: config.host.stop_seconds,
            low_port: config.host.listen.port() < 1024,
        })
    }

    /// The folder of `tandem.toml`.
    pub fn folder(&self) -> &Path {
        self.config.parent().unwrap_or(&self.config)
    }
}

/// How a service is.
#[derive(Clone, Debug, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// It runs.
    pub running: bool,
    /// As the system says it.
    pub state: String,
    /// What the host said of itself last.
    pub says: Option<String>,
    /// Its process, where it has one.
    pub process: Option<u32>,
    /// It starts with the machine.
    pub with_the_machine: bool,
}

/// A name that no shell and no file system takes for something else.
pub fn checked(name: &str) -> Result<(), ServiceError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fits = (1..=40).contains(&name.len()) && name.chars().all(good) && !name.starts_with('-');
    if fits { Ok(()) } else { Err(ServiceError::Name(name.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_what_is_written_outside_of_the_own_folder_only() {
        let text = "[host]\nlisten = \"127.0.0.1:443\"\n[store]\npath = \"data/tandem.db\"\n[backup]\nfolder = \"/mnt/backup\"\n";
        let config = Config::parse(text, Path::new("/srv/tandem/tandem.toml")).unwrap();
        let plan = Plan::of(&config, "tandem", "tandem").unwrap();
        assert_eq!(plan.folder(), Path::new("/srv/tandem"));
        assert_eq!(plan.writes, [std::path::absolute("/mnt/backup").unwrap()]);
        assert!(plan.low_port);
        for name in ["", "a b", "../x", "-x", "x.service"] {
            assert!(Plan::of(&config, name, "tandem").is_err(), "{name}");
        }
    }
}
