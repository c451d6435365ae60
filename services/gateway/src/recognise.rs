//! Who asks: by the token of this host's owner, by a bearer token, or by the cookie of a session.
//! What they may do is not asked here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use auth::{Credential, Principal};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use identity::{SignedInAs, Unrecognised};
use oidc::NotOurs;
use protocol::{Code, Secret};
use uuid::Uuid;

use crate::Door;
use crate::problem::Refusal;

pub(crate) const CSRF: HeaderName = HeaderName::from_static("fleet-csrf");

/// The cookie of a session; over TLS under a name that no other host can set.
pub(crate) const COOKIE_NAMES: [&str; 2] = ["__Host-gigamesh", "gigamesh"];

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Somebody who was recognised.
#[derive(Clone, Debug)]
pub(crate) struct Recognised {
    pub(crate) principal: Principal,
    /// What they presented, where it is a session's.
    pub(crate) session: Option<Secret>,
}

pub(crate) async fn recognise(
    door: &Door,
    (method, headers): (&Method, &HeaderMap),
    request_id: Uuid,
) -> Result<Recognised, Refusal> {
    let mut presented = headers.get_all(AUTHORIZATION).iter();
    match (presented.next(), presented.next()) {
        (Some(only), None) => by_token(door, only, request_id).await,
        (None, _) => by_cookie(door, (method, headers), request_id).await,
        (Some(_), Some(_)) => Err(unknown(request_id)),
    }
}

async fn by_token(
    door: &Door,
    header: &HeaderValue,
    request_id: Uuid,
) -> Result<Recognised, Refusal> {
    let token = bearer(header).ok_or_else(|| unknown(request_id))?;
    if door.options.token.is(token) {
        let principal = Principal::owner(&door.options.product);
        return Ok(Recognised { principal, session: None });
    }
    if let Some(issuers) = &door.options.issuers
        && let Some(token) = signed(token)
    {
        let known = issuers.verifier.recognise(token).await;
        let principal = known.map_err(|why| not_ours(why, request_id))?;
        return Ok(Recognised { principal, session: None });
    }
    let known = door.options.identity.recognise(token).await;
    let principal = known.map_err(|why| refused(&why, request_id))?;
    let of_session = token.starts_with(Credential::Session.prefix().as_bytes());
    Ok(Recognised { principal, session: of_session.then(|| secret(token)) })
}

/// What an issuer signed: three parts with dots between, which no token of ours has.
fn signed(token: &[u8]) -> Option<&str> {
    std::str::from_utf8(token).ok().filter(|token| token.contains('.'))
}

fn not_ours(why: NotOurs, request_id: Uuid) -> Refusal {
    tracing::debug!(%request_id, %why, "token not believed");
    match why {
        NotOurs::Away => Refusal::new(Code::Unavailable, request_id).because("issuer"),
        NotOurs::Malformed
        | NotOurs::Stranger
        | NotOurs::Unproven
        | NotOurs::Misdirected
        | NotOurs::Untimely => unknown(request_id),
    }
}

/// A cookie goes along whoever makes a browser send it: what changes something says besides what
/// only our own page knows.
async fn by_cookie(
    door: &Door,
    (method, headers): (&Method, &HeaderMap),
    request_id: Uuid,
) -> Result<Recognised, Refusal> {
    let cookie = cookie(headers, &COOKIE_NAMES).ok_or_else(|| unknown(request_id))?;
    let known = door.options.identity.recognise_session(cookie.as_bytes()).await;
    let known = known.map_err(|why| refused(&why, request_id))?;
    if !is_safe(method) && !says_csrf(headers, &known) {
        return Err(Refusal::new(Code::Forbidden, request_id).because("csrf"));
    }
    let session = Some(secret(cookie.as_bytes()));
    Ok(Recognised { principal: known.principal, session })
}

fn says_csrf(headers: &HeaderMap, known: &SignedInAs) -> bool {
    headers.get(CSRF).is_some_and(|said| known.csrf_fits(said.as_bytes()))
}

fn is_safe(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = header.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// The value of the first cookie that has one of these names.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, names: &[&str]) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value)
}

fn secret(presented: &[u8]) -> Secret {
    Secret::new(String::from_utf8_lossy(presented).into_owned())
}

fn unknown(request_id: Uuid) -> Refusal {
    Refusal::new(Code::Unauthenticated, request_id)
}

fn refused(why: &Unrecognised, request_id: Uuid) -> Refusal {
    let refusal = Refusal::new(why.code(), request_id);
    match why {
        Unrecognised::Unknown => refusal,
        Unrecognised::Away(_) => refusal.because("store"),
    }
}

/// Where a request comes from, as far as that is told.
pub(crate) fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}
