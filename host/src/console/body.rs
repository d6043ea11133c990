//! What a request brings along, with the API's own answer where it cannot be used.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use chrono::DateTime;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::store::Millis;

/// A JSON body, which is an object.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state).await?;
        // A list would be taken for its fields, one after the other.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Problem::field("body", "The body is a list, and a JSON object is expected."));
        }
        let Json(body) = Json::<T>::from_request(Request::from_parts(parts, bytes.into()), state).await?;
        Ok(Self(body))
    }
}

/// The query of the address.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::<T>::from_request_parts(parts, state).await?;
        Ok(Self(asked))
    }
}

/// A moment as a field says it, ISO 8601.
pub fn time(field: &str, text: &str) -> Result<Millis, Problem> {
    let at = DateTime::parse_from_rfc3339(text).map(|at| at.timestamp_millis());
    at.map_err(|error| Problem::field(field, format!("{text:?} is no time: {error}.")))
}
