//! Whether the process is there, and whether what it needs is.

use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use protocol::{AboutJob, Code, OfJob};
use serde_json::json;

use crate::Door;
use crate::heard::Heard;
use crate::problem::Refusal;
use crate::routes::ok;

const WITHIN: Duration = Duration::from_secs(2);
/// A key that nobody need have: that it is not found took the bus, a service and the store.
const PROBE: &str = "readyz";

/// Anybody may ask whether the door is ready; the blob store is asked no oftener than this.
const REACHED_FOR: Duration = Duration::from_secs(2);

pub(crate) fn alive() -> Response {
    ok(&json!({ "alive": true }))
}

/// What the door alone knows; what a service counts stands at its own side port. Open to anybody,
/// since the door opens on loopback only and no product is named.
pub(crate) fn metrics(door: &Door) -> Response {
    let (version, open) = (env!("CARGO_PKG_VERSION"), door.quotas.open());
    let losses = door.node.bus.lost();
    let text = format!(
        "# TYPE gigamesh_build_info gauge\ngigamesh_build_info{{version=\"{version}\"}} 1\n\
         # TYPE gigamesh_event_streams_open gauge\ngigamesh_event_streams_open {open}\n\
         # TYPE gigamesh_inbox_losses_total counter\ngigamesh_inbox_losses_total {losses}\n"
    );
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], text).into_response()
}

pub(crate) async fn ready(heard: Heard) -> Result<Response, Refusal> {
    if heard.door.node.tasks.is_stopping() {
        return Err(heard.refused(Code::Unavailable).because("shutting_down"));
    }
    if !reaches_blobs(&heard.door).await {
        return Err(heard.refused(Code::Unavailable).because("blobs"));
    }
    let ask = OfJob { query: AboutJob::Get, job: PROBE.to_owned() };
    match heard.ask_within(&ask, WITHIN).await {
        Ok(_) => Ok(ok(&json!({ "ready": true }))),
        Err(refusal) if refusal.0.code == Code::NotFound => Ok(ok(&json!({ "ready": true }))),
        Err(refusal) => {
            let part = refusal.0.reason.unwrap_or_else(|| "store".to_owned());
            Err(heard.refused(Code::Unavailable).because(&part))
        }
    }
}

/// Whether bytes can be written, or could a moment ago.
async fn reaches_blobs(door: &Door) -> bool {
    let mut reached = door.reached.lock().await;
    let now = door.node.clock.uptime();
    if reached.is_some_and(|at| now.saturating_sub(at) < REACHED_FOR) {
        return true;
    }
    let found = tokio::time::timeout(WITHIN, door.options.blobs.reach()).await;
    *reached = matches!(found, Ok(Ok(()))).then_some(now);
    reached.is_some()
}
