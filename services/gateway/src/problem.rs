//! The one error model as HTTP prints it. Has no table of its own.

use std::time::Duration;

use auth::Denied;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use protocol::{Code, Envelope, Problem};
use uuid::Uuid;

/// A call that is answered with an error.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Box<Problem>);

/// What a route answers.
pub(crate) type Answer = Result<Response, Refusal>;

/// What is away is rarely back sooner.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

impl Refusal {
    pub(crate) fn new(code: Code, request_id: Uuid) -> Self {
        Self(Box::new(Problem::new(code, request_id)))
    }

    pub(crate) fn denied(denied: Denied, request_id: Uuid) -> Self {
        let refusal = Self::new(denied.code(), request_id).hint(denied.to_string());
        match denied {
            Denied::Role => refusal.because("role"),
            Denied::Unnamed => refusal.because("product"),
            Denied::Scope => refusal,
        }
    }

    /// Asked too often: how long to wait is told in whole seconds.
    pub(crate) fn throttled(wait: Duration, request_id: Uuid) -> Self {
        let mut refusal = Self::new(Code::Throttled, request_id).because("rate");
        refusal.0.hint = Some(format!("come again in {} ms", wait.as_millis().max(1)));
        refusal
    }

    pub(crate) fn at(mut self, field: &str, reason: &str, message: impl Into<String>) -> Self {
        self.0.field = Some(field.to_owned());
        self.0.reason = Some(reason.to_owned());
        self.0.message = message.into();
        self
    }

    pub(crate) fn because(mut self, reason: &str) -> Self {
        self.0.reason = Some(reason.to_owned());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
}

impl From<Box<Problem>> for Refusal {
    fn from(problem: Box<Problem>) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let status = StatusCode::from_u16(code.http()).expect("the table has real statuses");
        let body = serde_json::to_vec(&Envelope::from(*self.0));
        let body = body.expect("string keys and finite numbers encode");
        let mut response = (status, body).into_response();
        response.extensions_mut().insert(code);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if code == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(code, Code::Throttled | Code::Unavailable | Code::CommitUnknown) {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY.as_secs()));
        }
        response
    }
}

/// A route that is there, asked in another way.
pub(crate) fn wrong_method(request_id: Uuid, allow: Option<&HeaderValue>) -> Response {
    let mut response = Refusal::new(Code::MethodNotAllowed, request_id).into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    response
}
