//! Another version of Tandem in the place of this one: its archive is checked, it is tried on a copy of the database beside the running host, put in
//! place so that a power cut leaves a whole program at any moment, and taken back where it is not ready in time.

mod parcel;
mod place;
pub mod trial;

use std::path::{Path, PathBuf};

pub use self::parcel::{Offered, Vouched, offered};
pub use self::place::{Change, Place, Plan, Step};

/// The program's name in an archive and where it is installed.
pub const PROGRAM: &str = if cfg!(windows) { "tandem.exe" } else { "tandem" };

/// Why another version is not put in place. The text names cause and mend.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Nobody vouches for it.
    #[error(
        "nobody vouches for {0}: put its signature ({0}.minisig) beside it and the maker's key into [trust] keys of tandem.toml, or give the checksum \
         that you were told elsewhere as --sha256"
    )]
    Unvouched(PathBuf),
    /// It is not what was vouched for.
    #[error("{path} is not what was handed out: its SHA-256 is {is}, not {wanted}; load it again")]
    Checksum {
        /// The archive.
        path: PathBuf,
        /// Hex.
        is: String,
        /// Hex.
        wanted: String,
    },
    /// The signature.
    #[error(transparent)]
    Trust(#[from] crate::releases::TrustError),
    /// No archive of Tandem, cut short, or changed.
    #[error("{path} cannot be used: {why}; load it again, for this system")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something else upgrades with it.
    #[error(
        "{path} is no archive: {mend}; what was unpacked from an archive is upgraded from the archive of the same version"
    )]
    NoArchive {
        /// What was given.
        path: PathBuf,
        /// What it is for.
        mend: String,
    },
    /// A package manager put the program where it is.
    #[error("{0} was put there by the system's package manager, which is to know of another version: {1}")]
    Packaged(PathBuf, &'static str),
    /// Another one changes the same program.
    #[error("another `tandem upgrade` works in {0}: wait for its end")]
    UnderWay(PathBuf),
    /// The disk.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// What an upgrade left cannot be read.
    #[error(
        "{path} does not say what an upgrade has left: {why}; what was there before lies in a folder .before-… beside it"
    )]
    Left {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The new program does not do what it is to do.
    #[error("the new program, {command}: {why}")]
    Program {
        /// As a person would type it.
        command: String,
        /// What it said.
        why: String,
    },
}

/// What is read or written failed.
fn at(path: &Path) -> impl FnOnce(std::io::Error) -> UpgradeError {
    let path = path.to_owned();
    move |error| UpgradeError::File(path, error)
}
