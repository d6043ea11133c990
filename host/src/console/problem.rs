//! What the API answers where it cannot do what was asked: what is wrong, and how it is mended.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Role, StoreError};

/// The body of every answer that is no success.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    retry_after: Option<u64>,
    /// What is wrong, in a sentence.
    pub error: String,
    /// How it is mended, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, retry_after: None, error: error.into(), mend: None, field: None }
    }

    /// Nobody knows who asks.
    pub fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Nobody is signed in.").mended("Sign in, or send a token.")
    }

    /// Who asks may not.
    pub fn refused(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// It takes another role.
    pub fn takes(role: Role) -> Self {
        Self::refused(format!("This takes the role {role}.")).mended("An admin can give it, under Access.")
    }

    /// It is not there, or not for who asks.
    pub fn no(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("There is no {what}."))
    }

    /// Somebody was faster, or it is not so any more.
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// What a field holds cannot be used.
    pub fn field(field: &str, error: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, error) }
    }

    /// Too many at once.
    pub fn too_many(seconds: u64) -> Self {
        let wait = format!("Wait {seconds} s.");
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "There were too many tries.").mended(wait);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// Neither name nor password is told to be the wrong one.
    pub fn wrong_password() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Name and password do not fit.")
            .mended("Try again; an admin can set another password, or `tandem account password NAME` on the server.")
    }

    /// The same, of a field that has another name here.
    pub fn of(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// Whoever asks is not known, or not any more.
    pub fn is_signed_out(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// How it is mended.
    pub fn mended(mut self, mend: impl Into<String>) -> Self {
        self.mend = Some(mend.into());
        self
    }

    /// It could not be done.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the console cannot use the store");
        let status = match error {
            StoreError::NoRoom(_) | StoreError::Gone(_) | StoreError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, format!("The store: {error}."))
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let status = match rejection.status() {
            StatusCode::BAD_REQUEST => StatusCode::UNPROCESSABLE_ENTITY,
            other => other,
        };
        Self::new(status, rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, rejection.body_text())
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)?;
        self.mend.as_ref().map_or(Ok(()), |mend| write!(f, " {mend}"))
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, after) = (self.status, self.retry_after);
        let mut answer = (status, Json(self)).into_response();
        if let Some(after) = after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
        }
        answer
    }
}
