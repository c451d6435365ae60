//! People come in by an issuer elsewhere: they are sent there, and come back with what proves them.
//! Where they come back to is a setting; nothing of a request decides where anybody is sent.

use axum::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use identity::Subject;
use oidc::{Keep, Known, LoginRefused};
use protocol::Code;
use schemars::JsonSchema;
use serde::Serialize;

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::recognise::cookie;
use crate::routes::{ok, people};

/// What a browser keeps between leaving and coming back.
const KEPT: &str = "gigamesh-login";
/// What an issuer says at the way back; the login reads it, and knows what it may be.
pub(crate) const TOLD: [&str; 8] =
    ["code", "error", "error_description", "error_uri", "iss", "scope", "session_state", "state"];

/// Issuers that people log in by.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Names {
    items: Vec<String>,
}

pub(crate) fn names(heard: &Heard) -> Response {
    let issuers = heard.door.options.issuers.as_ref();
    ok(&Names { items: issuers.map(|issuers| issuers.names.clone()).unwrap_or_default() })
}

pub(crate) async fn start(heard: Heard) -> Answer {
    let login = heard.login()?;
    let redirect = login.start(heard.named(0)).await.map_err(|why| refused(&heard, why))?;
    let mut response = sent_to(StatusCode::FOUND, &redirect.location);
    if let Some(cookie) = keep(&redirect.keep) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(crate) async fn finish(heard: Heard) -> Answer {
    let kept =
        cookie(&heard.headers, &[KEPT]).ok_or_else(|| refused(&heard, LoginRefused::Unasked))?;
    let login = heard.login()?;
    let known = login.finish(heard.named(0), &heard.query, kept).await;
    let known = known.map_err(|why| refused(&heard, why))?;
    let identity = &heard.door.options.identity;
    let signed_in = identity.sign_in_by_issuer(&subject(known)).await;
    let mut signed_in = signed_in.map_err(|why| heard.declined(&why))?;
    let mut response = sent_to(StatusCode::SEE_OTHER, "/");
    let token = signed_in.token.take();
    if let Some(cookie) = token.and_then(|token| people::session_cookie(&heard, &token)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn subject(known: Known) -> Subject {
    let Known { issuer, subject, email, email_verified, name, bindings: _ } = known;
    Subject { issuer, subject, email, email_verified, name }
}

/// Why it did not succeed is for the log; to a stranger most of it is one answer.
fn refused(heard: &Heard, why: LoginRefused) -> Refusal {
    tracing::info!(request_id = %heard.request_id, %why, "login refused");
    match why {
        LoginRefused::Unknown => heard.refused(Code::NotFound),
        LoginRefused::Unasked | LoginRefused::Declined | LoginRefused::Unproven(_) => {
            heard.refused(Code::Unauthenticated).because("login").hint("begin the login again")
        }
        LoginRefused::Away => heard.refused(Code::Unavailable).because("issuer"),
        LoginRefused::Busy => heard.refused(Code::Throttled).because("logins"),
    }
}

fn sent_to(status: StatusCode, location: &str) -> Response {
    let mut response = status.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A strict cookie would stay behind on the way back, which begins at the issuer.
fn keep(keep: &Keep) -> Option<HeaderValue> {
    let Keep { value, life } = keep;
    let age = life.as_secs();
    let line = format!("{KEPT}={value}; Path=/auth/oauth2; HttpOnly; SameSite=Lax; Max-Age={age}");
    let mut line = HeaderValue::from_str(&line).ok()?;
    line.set_sensitive(true);
    Some(line)
}

impl Heard {
    fn login(&self) -> Result<&oidc::Login, Refusal> {
        let issuers = self.door.options.issuers.as_ref();
        issuers.map(|issuers| &*issuers.login).ok_or_else(|| self.refused(Code::NotFound))
    }
}
