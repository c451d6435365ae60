//! What every request passes first: it is named, then who asks is judged, then for which product.
//! Reads no body and knows no route but the open ones.

use auth::{Denied, Standing};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::{Code, Header, Role};
use tracing::debug;
use uuid::Uuid;

use crate::Door;
use crate::framing::Doubt;
use crate::host;
use crate::problem::{self, Refusal};
use crate::{ongoing, recognise, trail};

const REQUEST_ID: HeaderName = HeaderName::from_static("fleet-request-id");
const PRODUCT: HeaderName = HeaderName::from_static("fleet-product");
const API: HeaderName = HeaderName::from_static("fleet-api");
/// What may be asked by anybody: that the process is there, whether it can work, and what holds
/// nothing of any fleet. A blob is opened by the signature in its link.
pub(crate) const OPEN: [&str; 15] = [
    "/",
    "/app.css",
    "/app.js",
    "/auth/issuers",
    "/auth/oauth2/callback/{provider}",
    "/auth/oauth2/start/{provider}",
    "/auth/reset",
    "/auth/sign-in",
    "/auth/sign-up",
    "/auth/verify-email",
    "/fleet/blobs/{*key}",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/readyz",
];

/// The beginnings of those that have names in them.
const OPEN_BELOW: [&str; 3] = [blob::DOOR, "/auth/oauth2/callback/", "/auth/oauth2/start/"];

/// What somebody asks about themselves.
const PERSONAL: &str = "/auth/";

/// Path and query together.
const LONGEST_ADDRESS: usize = 8 << 10;

/// The name of the request that is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named(pub(crate) Uuid);

pub(crate) async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let named = request.headers().get(Header::RequestId.as_str());
    let named = named.and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let request_id = named.unwrap_or_else(|| door.node.ids.mint());
    request.extensions_mut().insert(Named(request_id));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let open = OPEN.contains(&path.as_str()) || OPEN_BELOW.iter().any(|it| path.starts_with(it));
    if let Some(response) = turned_away(&door, &request, request_id) {
        return signed(response, request_id);
    }
    let admitted = match open {
        true => Ok(()),
        false => admit(&door, &mut request, request_id).await,
    };
    let (extensions, headers) = (request.extensions().clone(), request.headers().clone());
    let response = match admitted {
        Err(refusal) => refusal.into_response(),
        Ok(()) => ongoing::while_known(door.clone(), headers, next.run(request).await),
    };
    if let Some(code) = response.extensions().get::<Code>() {
        trail::refused(&door, &extensions, (&method, &path), *code);
    }
    debug!(%method, path, %request_id, status = response.status().as_u16(), "answered");
    signed(response, request_id)
}

/// What is wrong with a request whoever sends it.
fn turned_away(door: &Door, request: &Request, request_id: Uuid) -> Option<Response> {
    if !host::is_ours(&door.options.hosts, request.uri(), request.headers()) {
        debug!(%request_id, "asked under a foreign name");
        let refusal = Refusal::new(Code::Forbidden, request_id).because("host");
        let hint = "use 127.0.0.1, [::1] or localhost, or a name that the door was told";
        return Some(refusal.hint(hint).into_response());
    }
    if is_too_long(request.uri()) {
        let mut refusal = Refusal::new(Code::TooLarge, request_id).because("address");
        refusal.0.limit = Some(LONGEST_ADDRESS as u64);
        let mut response = refusal.into_response();
        *response.status_mut() = StatusCode::URI_TOO_LONG;
        return Some(response);
    }
    if request.extensions().get::<Doubt>().is_some_and(Doubt::is_raised) {
        let refusal = Refusal::new(Code::Validation, request_id);
        let refusal = refusal.at("", "framing", "the request says twice where it ends");
        let mut response = refusal.into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return Some(response);
    }
    None
}

/// Who asks, and for which product; what they may do there is for each route to say.
async fn admit(door: &Door, request: &mut Request, request_id: Uuid) -> Result<(), Refusal> {
    let asked = (request.method(), request.headers());
    let known = recognise::recognise(door, asked, request_id).await?;
    let personal = request.uri().path().starts_with(PERSONAL);
    let denied = |denied: Denied| Refusal::denied(denied, request_id);
    let standing = named(request.headers()).and_then(|named| known.principal.within(named));
    let role = standing.as_ref().ok().map(|standing| standing.role);
    let counted = door.quotas.count(&known.principal.who, role, door.node.clock.uptime());
    counted.map_err(|wait| Refusal::throttled(wait, request_id))?;
    request.extensions_mut().insert(known);
    match standing {
        Ok(standing) => drop(request.extensions_mut().insert(standing)),
        // Who has no product yet is somebody all the same.
        Err(_) if personal => {}
        Err(why) => return Err(denied(why)),
    }
    Ok(())
}

/// The product that the request is about, if it says so.
pub(crate) fn named(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let mut all = headers.get_all(PRODUCT).iter();
    let Some(first) = all.next() else { return Ok(None) };
    if all.any(|other| other != first) {
        return Err(Denied::Scope);
    }
    first.to_str().map(Some).map_err(|_| Denied::Scope)
}

/// Lets nobody through to a route but these roles.
pub(crate) async fn stands(
    roles: &'static [Role],
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let extensions = request.extensions();
    let id = extensions.get::<Named>().map_or_else(Uuid::nil, |named| named.0);
    // What asks for no role asks about whoever asks, and those were recognised.
    if !roles.is_empty() {
        let standing = extensions.get::<Standing>();
        let standing = standing.ok_or_else(|| Refusal::new(Code::Unauthenticated, id))?;
        standing.needs(roles).map_err(|denied| Refusal::denied(denied, id))?;
    }
    Ok(next.run(request).await)
}

fn is_too_long(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|asked| asked.as_str().len() > LONGEST_ADDRESS)
}

/// Every answer says which request it answers; what the router alone refused says it in full.
fn signed(mut response: Response, request_id: Uuid) -> Response {
    let bare = response.headers().get("content-type").is_none();
    if response.status() == StatusCode::METHOD_NOT_ALLOWED && bare {
        response = problem::wrong_method(request_id, response.headers().get(ALLOW));
    }
    let id = HeaderValue::from_str(&request_id.to_string()).expect("an id is visible ASCII");
    response.headers_mut().insert(REQUEST_ID, id);
    response.headers_mut().insert(API, HeaderValue::from_static("1"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
