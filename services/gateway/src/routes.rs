//! Which address leads where. Every route but the two open ones stands behind the guard.

mod events;
mod health;
mod hold;
mod jobs;
mod operate;
mod read;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Router, middleware};
use protocol::Code;
use serde::Serialize;

use crate::Door;
use crate::guard;
use crate::heard::Heard;
use crate::problem::Refusal;

pub(crate) fn all(door: Door) -> Router {
    Router::new()
        .route("/fleet/jobs", post(jobs::submit).get(jobs::list))
        .route("/fleet/jobs/{job}", get(read::job).merge(patch(hold::patch)))
        .route("/fleet/jobs/{job}/runs", get(read::runs))
        .route("/fleet/jobs/{job}/events", get(read::events))
        .route("/fleet/jobs/{job}/lease", get(read::lease))
        .route("/fleet/jobs/{job}/lease/renew", post(hold::renew))
        .route("/fleet/jobs/{job}/lease/release", post(hold::release))
        .route("/fleet/jobs/{job}/progress", post(hold::progress))
        .route("/fleet/jobs/{job}/actions/{action}", post(operate::act))
        .route("/fleet/jobs/{job}/cancel", post(operate::cancel))
        .route("/fleet/jobs/{job}/retry", post(operate::retry))
        .route("/fleet/claim", post(hold::claim))
        .route("/fleet/factories/heartbeat", post(hold::beat))
        .route("/fleet/events", get(events::follow))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(door.clone(), guard::pass))
        .with_state(door)
}

async fn nowhere(heard: Heard) -> Refusal {
    heard.refused(Code::NotFound)
}

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("string keys and finite numbers encode");
    let mut response = (status, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}
