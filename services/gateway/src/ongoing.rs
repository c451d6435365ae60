//! An answer that goes on: it ends soon after whoever asked for it is nobody any more, or has lost
//! the product that it is about.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use futures_util::StreamExt;
use protocol::Code;
use uuid::Uuid;

use crate::Door;
use crate::guard::named;
use crate::recognise::recognise;

/// What was revoked elsewhere is believed for about as long.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The answer, for as long as these headers lead to somebody.
pub(crate) fn while_known(door: Door, headers: HeaderMap, response: Response) -> Response {
    let kind = response.headers().get(CONTENT_TYPE);
    if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let until = Box::pin(gone(door, headers));
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(until)))
}

async fn gone(door: Door, headers: HeaderMap) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let known = recognise(&door, (&Method::GET, &headers), Uuid::nil()).await;
        let lost = match known {
            Ok(known) => named(&headers).and_then(|named| known.principal.within(named)).is_err(),
            // Whether the store is away says nothing of them.
            Err(refusal) => refusal.0.code == Code::Unauthenticated,
        };
        if lost {
            return;
        }
    }
}
