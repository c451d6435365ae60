//! What is kept of who did what: every act of an operator or an admin, and, not too often, what
//! somebody was refused. Says which route and how it ended, never what was sent or answered.

use std::convert::Infallible;
use std::time::Duration;

use auth::Standing;
use axum::extract::{Request, State};
use axum::http::{Extensions, Method};
use axum::middleware::Next;
use axum::response::Response;
use identity::AuditNote;
use protocol::Code;
use serde_json::Map;
use tracing::warn;
use uuid::Uuid;

use crate::Door;
use crate::guard::Named;

const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// What a request is called in the trail.
#[derive(Clone, Debug)]
struct Act {
    standing: Standing,
    action: &'static str,
    target: String,
    request_id: Option<Uuid>,
}

/// Notes the act once it is answered, before the answer is sent.
/// † done, not noted: the log of the process has the request, and a job's own events its actor.
pub(crate) async fn noted(
    action: &'static str,
    State(door): State<Door>,
    request: Request,
    next: Next,
) -> Response {
    let act = act(action, request.extensions(), (request.method(), request.uri().path()));
    let response = next.run(request).await;
    if let Some(act) = act {
        note(&door, act, outcome(&response)).await;
    }
    response
}

/// Notes that somebody who is known was refused; of one principal, once a second at most.
pub(crate) fn refused(door: &Door, extensions: &Extensions, asked: (&Method, &str), code: Code) {
    let told = matches!(code, Code::Forbidden | Code::OutOfScope | Code::Fenced);
    let Some(act) = act("refused", extensions, asked).filter(|_| told) else { return };
    if !door.quotas.may_note(&act.standing.who, door.node.clock.uptime()) {
        return;
    }
    let noting = door.clone();
    door.node.tasks.spawn("audit", async move {
        note(&noting, act, code.as_str()).await;
        Ok::<(), Infallible>(())
    });
}

fn act(
    action: &'static str,
    extensions: &Extensions,
    (method, path): (&Method, &str),
) -> Option<Act> {
    let standing = extensions.get::<Standing>()?.clone();
    let request_id = extensions.get::<Named>().map(|named| named.0);
    Some(Act { standing, action, target: format!("{method} {path}"), request_id })
}

async fn note(door: &Door, act: Act, result: &str) {
    let Act { standing, action, target, request_id } = act;
    let note = AuditNote {
        actor: standing.actor(),
        action: action.to_owned(),
        target,
        result: result.to_owned(),
        request_id,
        data: Map::new(),
    };
    let noting = door.options.identity.audit(&standing.product, note);
    match tokio::time::timeout(NOTED_WITHIN, noting).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(action, %error, "not noted in the audit trail"),
        Err(_) => warn!(action, "not noted in the audit trail in time"),
    }
}

/// `ok`, or the code of the refusal.
fn outcome(response: &Response) -> &'static str {
    response.extensions().get::<Code>().map_or("ok", |code| code.as_str())
}
