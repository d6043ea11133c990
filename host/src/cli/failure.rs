//! Why a command did not do what was asked, and the exit code that says so to a script: one place for all commands.

use crate::backup::BackupError;
use crate::config::{ConfigError, SecretError};
use crate::connections::SetupError;
use crate::engine::BindError;
use crate::engine::fit::FitError;
use crate::engine::scenario::ScenarioError;
use crate::reconcile::ReconcileError;
use crate::releases::ReleaseError;
use crate::sandbox::LoadError;
use crate::service::ServiceError;
use crate::store::StoreError;

/// It was tried, and did not succeed.
pub const FAILED: u8 = 1;
/// It cannot be asked so: an option, a value, `tandem.toml`.
pub const WRONG_USAGE: u8 = 2;
/// It was done, and something was found that needs mending.
pub const FOUND_PROBLEMS: u8 = 3;
/// What it is asked of is not there.
pub const NOT_FOUND: u8 = 4;

/// What a command finds wrong with what it was asked. What the rooms find wrong has types of their own.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be asked so.
    #[error("{0}")]
    WrongUsage(String),
    /// What it is asked of is not there.
    #[error("{0}")]
    NotFound(String),
}

impl Failure {
    /// Something of which several are known, by its kind and name.
    pub fn unknown<'a>(kind: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::NotFound(format!("there is no {kind} {name:?}; {}", listed(known)))
    }

    /// An event by its id.
    pub fn no_event(id: i64) -> Self {
        Self::NotFound(format!("there is no event {id}"))
    }
}

/// `known: a, b`
pub fn listed<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if known.is_empty() { "known: none".into() } else { format!("known: {}", known.join(", ")) }
}

/// The exit code of a command that ended with this error.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(FAILED)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(match failure {
            Failure::WrongUsage(_) => WRONG_USAGE,
            Failure::NotFound(_) => NOT_FOUND,
        });
    }
    if cause.is::<ConfigError>() || cause.is::<SetupError>() || cause.is::<SecretError>() {
        return Some(WRONG_USAGE);
    }
    if let Some(StoreError::Missing) = cause.downcast_ref::<StoreError>() {
        return Some(NOT_FOUND);
    }
    match cause.downcast_ref::<BackupError>() {
        Some(BackupError::Config(_)) => return Some(WRONG_USAGE),
        Some(BackupError::File(_, cause)) if cause.kind() == std::io::ErrorKind::NotFound => return Some(NOT_FOUND),
        _ => {}
    }
    match cause.downcast_ref::<ServiceError>() {
        Some(
            ServiceError::Name(_)
            | ServiceError::Path(_)
            | ServiceError::Folder { .. }
            | ServiceError::Foreigner { .. }
            | ServiceError::Above { .. }
            | ServiceError::Program { .. },
        ) => return Some(WRONG_USAGE),
        Some(ServiceError::NotInstalled(_)) => return Some(NOT_FOUND),
        _ => {}
    }
    if let Some(error) = cause.downcast_ref::<ScenarioError>() {
        return match error {
            ScenarioError::Unreadable(_, cause) if cause.kind() == std::io::ErrorKind::NotFound => Some(NOT_FOUND),
            ScenarioError::Run(_) => None,
            _ => Some(WRONG_USAGE),
        };
    }
    if let Some(ReconcileError::Release(error)) = cause.downcast_ref::<ReconcileError>() {
        return of_release(error);
    }
    if let Some(error) = cause.downcast_ref::<BindError>() {
        return match error {
            BindError::Slot { .. } => Some(WRONG_USAGE),
            BindError::Release(error) => of_release(error),
        };
    }
    if let Some(error) = cause.downcast_ref::<ReleaseError>() {
        return of_release(error);
    }
    if let Some(error) = cause.downcast_ref::<FitError>() {
        return of_fit(error);
    }
    cause.downcast_ref::<LoadError>().and_then(of_plugin)
}

fn of_fit(error: &FitError) -> Option<u8> {
    match error {
        FitError::NoSection { .. } | FitError::NotFound(_) => Some(NOT_FOUND),
        FitError::NoId(_) => Some(WRONG_USAGE),
        FitError::NoConnection(_) | FitError::Read { .. } | FitError::Answer(_) => None,
    }
}

fn of_release(error: &ReleaseError) -> Option<u8> {
    match error {
        ReleaseError::NoFlow { .. } | ReleaseError::Unknown { .. } | ReleaseError::NoEarlier(_) => Some(NOT_FOUND),
        ReleaseError::MappingFile { .. }
        | ReleaseError::MappingUnread { .. }
        | ReleaseError::Settings { .. }
        | ReleaseError::OtherPlugin { .. }
        | ReleaseError::Mapper { .. } => Some(WRONG_USAGE),
        ReleaseError::Plugin(error) => of_plugin(error),
        ReleaseError::NotGranted { .. }
        | ReleaseError::NotWhole { .. }
        | ReleaseError::Faster { .. }
        | ReleaseError::Trust(_)
        | ReleaseError::Store(_) => None,
    }
}

fn of_plugin(error: &LoadError) -> Option<u8> {
    let missing = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::NotFound;
    matches!(error, LoadError::Unreadable { cause, .. } if missing(cause)).then_some(NOT_FOUND)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn code(error: impl Into<anyhow::Error>) -> u8 {
        // Whatever is said around it.
        exit_code(&Err::<(), _>(error.into()).context("connection erp").unwrap_err())
    }

    #[test]
    fn each_kind_of_error_has_its_code_wherever_it_comes_from() {
        let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(code(anyhow::anyhow!("the server is down")), FAILED);
        assert_eq!(code(Failure::WrongUsage("--since".into())), WRONG_USAGE);
        assert_eq!(code(Failure::unknown("flow", "nope", ["orders"])), NOT_FOUND);
        assert_eq!(code(ConfigError::Unreadable { path: "tandem.toml".into(), cause: missing() }), WRONG_USAGE);
        assert_eq!(code(SetupError::Secret("erp".into(), SecretError::NotSet("A".into()))), WRONG_USAGE);
        assert_eq!(code(LoadError::Unreadable { path: "x.wasm".into(), cause: missing() }), NOT_FOUND);
        let gone = LoadError::Unreadable { path: "x.wasm".into(), cause: missing() };
        assert_eq!(code(BindError::Release(ReleaseError::Plugin(gone))), NOT_FOUND);
        assert_eq!(code(StoreError::Missing), NOT_FOUND);
        assert_eq!(code(ServiceError::NotInstalled("tandem".into())), NOT_FOUND);
        assert_eq!(code(ServiceError::Name("a b".into())), WRONG_USAGE);
        assert_eq!(code(StoreError::Gone("data/tandem.db".into())), FAILED);
        assert_eq!(code(ReleaseError::NoFlow { flow: "nope".into(), known: "known: orders".into() }), NOT_FOUND);
    }
}
