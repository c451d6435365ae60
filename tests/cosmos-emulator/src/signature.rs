//! Whether a request was signed with the account's key, which the emulator itself never asks.

use azure_core::credentials::Secret;
use azure_core::hmac::hmac_sha256;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

use crate::KEY;

pub(crate) fn is_good(parts: &Parts) -> bool {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(said), Some(date)) = (header(AUTHORIZATION.as_str()), header("x-ms-date")) else {
        return false;
    };
    let Ok(said) = percent_decode_str(said).decode_utf8() else { return false };
    let (verb, path) = (parts.method.as_str().to_lowercase(), parts.uri.path());
    let Ok(path) = percent_decode_str(path.trim_matches('/')).decode_utf8() else { return false };
    let (kind, link) = signed(&path);
    let text = format!("{verb}\n{kind}\n{link}\n{}\n\n", date.to_lowercase());
    let wanted = hmac_sha256(&text, &Secret::new(KEY)).expect("the key is one");
    said == format!("type=master&ver=1.0&sig={wanted}")
}

/// What a request acts on: its sort, and the name of what it reads or of what it adds to.
fn signed(path: &str) -> (&str, &str) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => ("", ""),
        [.., kind, _] if parts.len().is_multiple_of(2) => (kind, path),
        [.., kind] => (kind, path.strip_suffix(kind).unwrap_or("").trim_end_matches('/')),
    }
}
