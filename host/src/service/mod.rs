//! Tandem as a service of the operating system: how it is set up there, and what the running host tells who manages it. A unit of systemd on
//! Linux, a Windows service on Windows.

mod manager;
#[cfg(unix)]
pub mod owner;
mod pulse;
mod rooms;
#[cfg(unix)]
pub mod systemd;
#[cfg(windows)]
pub mod windows;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::manager::{Manager, Starting};
pub use self::pulse::Pulse;
pub use self::rooms::{Room, Rooms};
#[cfg(unix)]
use crate::config::CREDSTORE;
use crate::config::{Config, SecretSource};

/// Secrets that `tandem.toml` takes from the environment, beside it.
pub const ENVIRONMENT: &str = "tandem.env";
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
    /// systemd has none to hand over.
    #[cfg(unix)]
    #[error(
        "tandem.toml names the credential {0}, and there is none in {CREDSTORE}: `systemd-creds encrypt --name={0} - {CREDSTORE}/{0}` takes it in"
    )]
    Credential(String),
    /// The folder would be given to the service's user.
    #[error(
        "{said}: {path} is a folder of the system, of a person or of a whole disk, and would be given to the service's user: name one that is \
         Tandem's alone, such as {instead}"
    )]
    Folder {
        /// Which.
        path: PathBuf,
        /// Who names it.
        said: &'static str,
        /// What may be given.
        instead: &'static str,
    },
    /// Somebody else's things lie in it.
    #[error(
        "{said}: {path} holds {name}, which is not Tandem's, and would be given to the service's user: name a folder that is Tandem's alone, \
         take {name} out of it, or give the folder to that user yourself (chown; icacls on Windows)"
    )]
    Foreigner {
        /// Which folder.
        path: PathBuf,
        /// Who names it.
        said: &'static str,
        /// What lies there.
        name: String,
    },
    /// What it would be made in lacks.
    #[error("{said}: {path} is not there: make it, or mount what belongs there")]
    Above {
        /// Who names it.
        said: &'static str,
        /// What lacks.
        path: PathBuf,
    },
    /// The service could change its own program.
    #[error(
        "the program {program} lies in {folder}, which is given to the service's user, who could then change it: put the program somewhere else, \
         such as /usr/local/bin or C:\\Program Files\\Tandem, or tandem.toml into a folder of its own"
    )]
    Program {
        /// The program.
        program: PathBuf,
        /// What is given.
        folder: PathBuf,
    },
    /// It would not run.
    #[error("as {user} the host would not run: {program}: {why}")]
    Reach {
        /// The service's user.
        user: String,
        /// The program.
        program: PathBuf,
        /// What it said.
        why: String,
    },
    /// Root cannot go on as whom the folder belongs to.
    #[cfg(unix)]
    #[error("{folder} belongs to the user {user}, as whom this cannot go on ({cause}): `sudo -u '#{user}' tandem …`")]
    Owner {
        /// That of `tandem.toml`.
        folder: PathBuf,
        /// Its number.
        user: u32,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Nothing there by that name.
    #[error("no service {0} is installed: `tandem service install`")]
    NotInstalled(String),
    /// Another's.
    #[error("{path} was not made by `tandem service install`: take it away, or give another --name")]
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
    /// What it has of files.
    pub rooms: Rooms,
    /// Seconds a stop takes at most.
    pub stop_seconds: u64,
    /// It listens on a port that is for the system alone.
    pub low_port: bool,
    /// Names of the secrets that systemd hands to it.
    pub credentials: Vec<String>,
}

/// Each once, in order.
fn credentials(config: &Config) -> Vec<String> {
    let named = config.secrets().into_iter().filter_map(|(_, secret)| match secret {
        SecretSource::Credential(name) => Some(name.clone()),
        _ => None,
    });
    named.collect::<BTreeSet<String>>().into_iter().collect()
}

impl Plan {
    /// This program with that configuration.
    pub fn of(config: &Config, name: &str, user: &str) -> Result<Self, ServiceError> {
        checked(name)?;
        let program = std::env::current_exe().map_err(|cause| ServiceError::File { path: "tandem".into(), cause })?;
        Ok(Self {
            name: name.to_owned(),
            program,
            config: rooms::real(&config.file)?,
            user: user.to_owned(),
            rooms: Rooms::of(config)?,
            stop_seconds: config.host.stop_seconds,
            low_port: config.host.listen.port() < 1024,
            credentials: credentials(config),
        })
    }

    /// Folders that it writes to beside that of `tandem.toml`.
    pub fn writes(&self) -> impl Iterator<Item = &Room> {
        self.rooms.all.iter().filter(|room| !room.path.starts_with(self.folder()))
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
        let there = tempfile::tempdir().unwrap();
        let there = there.path().canonicalize().unwrap();
        let backups = there.join("backup");
        let text = format!(
            "[host]\nlisten = \"127.0.0.1:443\"\n[store]\npath = \"data/tandem.db\"\n[backup]\nfolder = '{}'\n",
            backups.display()
        );
        std::fs::create_dir(there.join("own")).unwrap();
        std::fs::write(there.join("own/tandem.toml"), &text).unwrap();
        let config = Config::load(&there.join("own/tandem.toml")).unwrap();
        let plan = Plan::of(&config, "tandem", "tandem").unwrap();
        assert_eq!(plan.folder(), there.join("own"));
        assert_eq!(plan.writes().map(|room| room.path.clone()).collect::<Vec<_>>(), [rooms::real(&backups).unwrap()]);
        assert!(plan.low_port);
        for name in ["", "a b", "../x", "-x", "x.service"] {
            assert!(Plan::of(&config, name, "tandem").is_err(), "{name}");
        }
    }
}
