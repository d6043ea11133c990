//! An org whose package carries a namespace (`--namespace tndm`): over the API its objects and fields are `tndm__Tandem_Paid__c`, and the short names are not known.
//! Source: Salesforce's ISVforce guide, *Namespace Prefix*. Whoever plays people in a test (`X-Spared-Faults`) speaks the short names in any case.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;

use crate::faults::SPARED;

const OWN: &str = "Tandem_";
const ENDINGS: [&str; 4] = ["__c", "__e", "__mdt", "__r"];
/// What a short name becomes: one that nothing has.
const UNKNOWN: &str = "Without_namespace_";
const MOST: usize = 256 << 20;

/// The prefix, such as `tndm__`; empty for a package without a namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace(String);

impl Namespace {
    /// Of `tndm`, or of nothing.
    pub fn new(namespace: &str) -> Self {
        Self(if namespace.is_empty() { String::new() } else { format!("{namespace}__") })
    }

    /// A request's text, as the org keeps names.
    pub fn stored(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        words(text, |word, before| match word.strip_prefix(self.0.as_str()) {
            Some(own) => own.to_owned(),
            None if is_own(word) && !before.ends_with("__") => format!("{UNKNOWN}{word}"),
            None => word.to_owned(),
        })
    }

    /// An answer's text, as the API names things.
    pub fn shown(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        words(text, |word, _| if is_own(word) { format!("{}{word}", self.0) } else { word.to_owned() })
    }

    /// The schema of the package's event: its fields carry the namespace, whatever they are called.
    pub fn schema(&self, json: &str) -> String {
        let own = json.contains(OWN) && !self.0.is_empty();
        if !own {
            return json.to_owned();
        }
        words(json, |word, _| {
            if ENDINGS.iter().any(|ending| word.ends_with(ending)) {
                format!("{}{word}", self.0)
            } else {
                word.to_owned()
            }
        })
    }
}

fn is_own(word: &str) -> bool {
    word.starts_with(OWN) && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// The text with each word replaced; `%20` is no part of one.
fn words(text: &str, replace: impl Fn(&str, &str) -> String) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    let (mut out, mut place) = (String::with_capacity(text.len()), 0);
    while place < bytes.len() {
        if bytes[place] == b'%' {
            let end = (place + 3).min(bytes.len());
            out.push_str(text.get(place..end).unwrap_or("%"));
            place = if text.is_char_boundary(end) { end } else { place + 1 };
        } else if is_word(bytes[place]) {
            let end = bytes[place..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |n| place + n);
            out.push_str(&replace(&text[place..end], &out));
            place = end;
        } else {
            let end = (place + 1..=bytes.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(bytes.len());
            out.push_str(&text[place..end]);
            place = end;
        }
    }
    out
}

fn speaks_short(headers: &HeaderMap) -> bool {
    headers.contains_key(SPARED)
}

/// Translates each call of the API.
pub async fn translate(State(namespace): State<Namespace>, request: Request, next: Next) -> Response {
    if namespace.0.is_empty() || !request.uri().path().starts_with("/services/data") || speaks_short(request.headers())
    {
        return next.run(request).await;
    }
    let (mut head, body) = request.into_parts();
    if let Ok(uri) = namespace.stored(&head.uri.to_string()).parse::<Uri>() {
        head.uri = uri;
    }
    head.headers.remove("content-length");
    let body = text_of(body).await;
    let answer = next.run(Request::from_parts(head, Body::from(namespace.stored(&body)))).await;
    let (mut head, body) = answer.into_parts();
    head.headers.remove("content-length");
    let body = text_of(body).await;
    Response::from_parts(head, Body::from(namespace.shown(&body)))
}

async fn text_of(body: Body) -> String {
    let bytes = to_bytes(body, MOST).await.unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
