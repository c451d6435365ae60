//! What people see: one page, its style and its script, and the description of the door. All of it
//! is embedded; none of it holds anything of any fleet, so that anybody may have it.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::describe;

/// Nothing but what this door serves itself, and into nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn index() -> Response {
    embedded("text/html; charset=utf-8", include_str!("page/index.html"))
}

pub(crate) fn style() -> Response {
    embedded("text/css; charset=utf-8", include_str!("page/app.css"))
}

pub(crate) fn script() -> Response {
    embedded("text/javascript; charset=utf-8", include_str!("page/app.js"))
}

pub(crate) fn description() -> Response {
    embedded("application/json", describe::text())
}

fn embedded(media: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let set: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, media),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        // Another version of the door may be behind the same address in a moment.
        (CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
