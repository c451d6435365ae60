//! Which address leads where, by the one table. Every route but the open ones stands behind the
//! guard.

mod artifacts;
mod blobs;
pub(crate) mod credentials;
mod events;
mod factories;
mod health;
mod hold;
mod jobs;
pub(crate) mod log;
pub(crate) mod logins;
mod operate;
mod page;
pub(crate) mod people;
mod profiles;
mod read;
pub(crate) mod table;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use bytes::Bytes;
use protocol::Code;
use serde::Serialize;

use crate::Door;
use crate::guard;
use crate::heard::Heard;
use crate::problem::Refusal;

pub(crate) fn all(door: Door) -> Router {
    let mut router = Router::new();
    for route in table::routes() {
        router = router.route(route.path, route.answered(&door));
    }
    router
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(door.clone(), guard::pass))
        .with_state(door)
}

async fn nowhere(heard: Heard) -> Refusal {
    heard.refused(Code::NotFound)
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("string keys and finite numbers encode");
    written(status, body.into())
}

/// JSON that a service wrote.
pub(crate) fn written(status: StatusCode, body: Bytes) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}
