//! The web console's files, which the binary carries (`host/console`, built by `make console`), and what a browser is told to allow of them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::Console;
use super::problem::Problem;

#[derive(RustEmbed)]
#[folder = "console/dist"]
#[allow_missing = true]
struct Files;

/// Nothing from elsewhere, nothing inline, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page, at every address that is nobody else's: its own router reads the rest.
pub fn routes() -> Router<Arc<Console>> {
    Router::new().fallback(file)
}

async fn file(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Files::get(path).filter(|_| !path.is_empty()) {
        return served(path, file);
    }
    // What programs look for is no page: they would take it for an answer.
    let is_for_programs =
        path.starts_with(".well-known/") || path.split('/').any(|part| part.eq_ignore_ascii_case("mcp"));
    // A page's address has no dot in its last part; a file that lacks is not a page.
    let is_page = !is_for_programs && !path.rsplit('/').next().unwrap_or_default().contains('.');
    match Files::get("index.html").filter(|_| is_page) {
        Some(page) => served("index.html", page),
        None if is_page => {
            let told = "This tandem was built without its console (`make console`); its API lies at /api/v1, described by /api/v1/openapi.json\n";
            (StatusCode::NOT_FOUND, told).into_response()
        }
        None => Problem::no(format_args!("file {path:?}")).into_response(),
    }
}

fn served(path: &str, file: EmbeddedFile) -> Response {
    // The names of the others say what is in them.
    let kept = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let kind = file.metadata.mimetype().to_owned();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, kept.to_owned())];
    (headers, file.data.into_owned()).into_response()
}

/// With each answer goes what a browser may do with it; one that is no page of the console says it itself.
pub async fn guarded(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    let mut set = |name: header::HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    answer
}
