//! People come in and go out. Their passwords pass through here and stay nowhere; of a user, only
//! what clients may see goes out.

use axum::http::header::{CACHE_CONTROL, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use protocol::{AuthUser, Code, Reset, Secret, SignIn, SignUp, SignedIn, VerifyEmail};
use serde::Serialize;

use crate::heard::Heard;
use crate::host;
use crate::problem::{Answer, Refusal};
use crate::recognise::COOKIE_NAMES;
use crate::routes::{json, ok};

/// What a browser says of itself and a program does not.
const BROWSERS: [&str; 2] = ["origin", "sec-fetch-site"];
/// The longest that a session lasts; the store ends it earlier.
const LONGEST: u32 = 7 * 24 * 3600;

pub(crate) async fn sign_up(heard: Heard) -> Answer {
    let asked: SignUp = heard.alone()?;
    let user = heard.door.options.identity.sign_up(asked, heard.peer).await;
    let user: AuthUser = user.map_err(|why| heard.declined(&why))?;
    Ok(json(StatusCode::CREATED, &user))
}

pub(crate) async fn sign_in(heard: Heard) -> Answer {
    let asked: SignIn = heard.alone()?;
    let signed_in = heard.door.options.identity.sign_in(asked, heard.peer).await;
    let signed_in = signed_in.map_err(|why| heard.declined(&why))?;
    Ok(come_in(&heard, signed_in))
}

/// A browser gets a cookie that no script can read; a program gets the token.
pub(crate) fn come_in(heard: &Heard, mut signed_in: SignedIn) -> Response {
    let token = signed_in.token.take();
    let browses = BROWSERS.iter().any(|name| heard.headers.contains_key(*name));
    if !browses {
        signed_in.token.clone_from(&token);
    }
    let mut response = private(&signed_in);
    if let Some(cookie) = token.and_then(|token| cookie(heard, &token, LONGEST)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

pub(crate) async fn sign_out(heard: Heard) -> Answer {
    let session = heard.session()?;
    let gone = heard.door.options.identity.sign_out(session.reveal().as_bytes()).await;
    gone.map_err(|why| heard.declined(&why))?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(cookie) = cookie(&heard, &Secret::new(String::new()), 0) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(crate) async fn session(heard: Heard) -> Answer {
    let session = heard.session()?;
    let shown = heard.door.options.identity.session(session.reveal().as_bytes()).await;
    Ok(private(&shown.map_err(|why| heard.refused(why.code()))?))
}

pub(crate) async fn profile(heard: Heard) -> Answer {
    let auth::Who::User(user) = heard.who()? else {
        return Err(heard.refused(Code::NotFound).because("no_user"));
    };
    let profile = heard.door.options.identity.profile(user).await;
    Ok(private(&profile.map_err(|why| heard.declined(&why))?))
}

pub(crate) async fn reset(heard: Heard) -> Answer {
    let asked: Reset = heard.alone()?;
    let done = heard.door.options.identity.reset(asked, heard.peer).await;
    done.map_err(|why| heard.declined(&why))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn verify_email(heard: Heard) -> Answer {
    let asked: VerifyEmail = heard.alone()?;
    let user = heard.door.options.identity.verify_email(asked, heard.peer).await;
    Ok(private(&user.map_err(|why| heard.declined(&why))?))
}

/// No cache between here and there keeps it.
fn private(body: &impl Serialize) -> Response {
    let mut response = ok(body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Under a name of loopback there is no TLS, and browsers keep no secure cookie; everywhere else
/// there is nothing without it.
fn cookie(heard: &Heard, token: &Secret, max_age: u32) -> Option<HeaderValue> {
    let [secure, plain] = COOKIE_NAMES;
    let token = token.reveal();
    let rest = format!("Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age}");
    let line = if host::is_local(&heard.headers) {
        format!("{plain}={token}; {rest}")
    } else {
        format!("{secure}={token}; Secure; {rest}")
    };
    let mut value = HeaderValue::from_str(&line).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl Heard {
    /// The session that signs this request.
    fn session(&self) -> Result<&Secret, Refusal> {
        let session = self.recognised().and_then(|known| known.session.as_ref());
        session.ok_or_else(|| self.refused(Code::Unauthenticated).because("no_session"))
    }

    fn who(&self) -> Result<&auth::Who, Refusal> {
        let known = self.recognised();
        known.map(|known| &known.principal.who).ok_or_else(|| self.refused(Code::Unauthenticated))
    }
}
