//! What every request passes first: it is named, then who asks is judged, then for which product.
//! Reads no body and knows no route but the open ones.

use axum::extract::{Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::{Code, Header};
use tracing::debug;
use uuid::Uuid;

use crate::Door;
use crate::framing::Doubt;
use crate::host;
use crate::problem::{self, Refusal};

const REQUEST_ID: HeaderName = HeaderName::from_static("fleet-request-id");
const PRODUCT: HeaderName = HeaderName::from_static("fleet-product");
const API: HeaderName = HeaderName::from_static("fleet-api");
/// What may be asked by anybody: that the process is there, whether it can work, and what holds
/// nothing of any fleet. A blob is opened by the signature in its link.
pub(crate) const OPEN: [&str; 8] = [
    "/",
    "/app.css",
    "/app.js",
    "/fleet/blobs/{*key}",
    "/healthz",
    "/metrics",
    "/openapi.json",
    "/readyz",
];

/// The name of the request that is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named(pub(crate) Uuid);

pub(crate) async fn pass(State(door): State<Door>, mut request: Request, next: Next) -> Response {
    let named = request.headers().get(Header::RequestId.as_str());
    let named = named.and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let request_id = named.unwrap_or_else(|| door.node.ids.mint());
    request.extensions_mut().insert(Named(request_id));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let open = OPEN.contains(&path.as_str()) || path.starts_with(blob::DOOR);
    if !host::is_ours(&door.options.hosts, request.uri(), request.headers()) {
        debug!(%request_id, "asked under a foreign name");
        let refusal = Refusal::new(Code::Forbidden, request_id).because("host");
        return signed(
            refusal
                .hint("use 127.0.0.1, [::1] or localhost, or a name that the door was told")
                .into_response(),
            request_id,
        );
    }
    if request.extensions().get::<Doubt>().is_some_and(Doubt::is_raised) {
        let refusal = Refusal::new(Code::Validation, request_id);
        let refusal = refusal.at("", "framing", "the request says twice where it ends");
        let mut response = signed(refusal.into_response(), request_id);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let response = match admitted(&door, request.headers(), request_id) {
        Err(refusal) if !open => refusal.into_response(),
        Ok(()) | Err(_) => next.run(request).await,
    };
    debug!(%method, path, %request_id, status = response.status().as_u16(), "answered");
    signed(response, request_id)
}

fn admitted(door: &Door, headers: &HeaderMap, request_id: Uuid) -> Result<(), Refusal> {
    let refused = |code| Refusal::new(code, request_id);
    let mut presented = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (presented.next(), presented.next()) else {
        return Err(refused(Code::Unauthenticated));
    };
    if !bearer(only).is_some_and(|token| door.options.token.is(token)) {
        return Err(refused(Code::Unauthenticated));
    }
    let product = door.options.product.as_str().as_bytes();
    if headers.get_all(PRODUCT).iter().any(|named| named.as_bytes() != product) {
        return Err(refused(Code::OutOfScope));
    }
    Ok(())
}

fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = header.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
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
