//! Whether the process is there, and whether what it needs is.

use std::time::Duration;

use axum::response::Response;
use protocol::{AboutJob, Code, OfJob};
use serde_json::json;

use crate::heard::Heard;
use crate::problem::Refusal;
use crate::routes::ok;

const WITHIN: Duration = Duration::from_secs(2);
/// A key that nobody need have: that it is not found took the bus, a service and the store.
const PROBE: &str = "readyz";

pub(crate) fn alive() -> Response {
    ok(&json!({ "alive": true }))
}

pub(crate) async fn ready(heard: Heard) -> Result<Response, Refusal> {
    if heard.door.node.tasks.is_stopping() {
        return Err(heard.refused(Code::Unavailable).because("shutting_down"));
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
