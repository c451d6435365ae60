//! Bytes by a link that was signed here: read in whole or in part, or brought once. Asks nobody who
//! it is; the signature is all that counts, and it names one blob and one deed.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_RANGE, RANGE,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use blob::{Counted, Deed, ReadError, Shown, Signed, Stale, WriteError};
use futures_util::TryStreamExt;
use percent_encoding::percent_decode_str;
use protocol::Code;
use tracing::warn;

use crate::flowing::{Flowing, Inflow};
use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::range::{self, Part};
use crate::routes::artifacts::refused;

pub(crate) async fn read(heard: Heard) -> Answer {
    let shown = allowed(&heard, Deed::Read)?;
    let blobs = &heard.door.options.blobs;
    let found = blobs.find(&shown.key).await.map_err(|error| unread(&heard, &error))?;
    let size = found.ok_or_else(|| heard.refused(Code::NotFound))?.size;
    let etag = etag(&shown);
    let named = |name| heard.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // A range of what is no longer the same is no range.
    let same = heard.headers.get(IF_RANGE).is_none_or(|known| *known == etag);
    let (part, status, ranged) = match range::wanted(named(RANGE).filter(|_| same), size) {
        Part::Whole => (0..size, StatusCode::OK, None),
        Part::Of(part) => {
            let ranged = format!("bytes {}-{}/{size}", part.start, part.end - 1);
            (part, StatusCode::PARTIAL_CONTENT, Some(ranged))
        }
        Part::Beyond => return Ok(beyond(size)),
    };
    let length = part.end - part.start;
    let body = if heard.method == Method::HEAD || length == 0 {
        Body::empty()
    } else {
        let whole = ranged.is_none();
        let reading = blobs.read(&shown.key, (!whole).then_some(part)).await;
        let reading = reading.map_err(|error| unread(&heard, &error))?;
        Body::from_stream(reading.bytes.map_err(std::io::Error::other))
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(ETAG, etag);
    if let Some(ranged) = ranged.and_then(|ranged| HeaderValue::try_from(ranged).ok()) {
        headers.insert(CONTENT_RANGE, ranged);
    }
    show(&mut response, &shown);
    Ok(response)
}

/// As it was stored, and to be saved: what others made is never part of a page of ours.
fn show(response: &mut Response, shown: &Shown) {
    let headers = response.headers_mut();
    let stored = HeaderValue::from_str(&shown.content_type);
    let unnamed = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, stored.unwrap_or(unnamed));
    let saved = HeaderValue::try_from(shown.label().disposition());
    let saved = saved.unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_DISPOSITION, saved);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // The link dies; what it showed must not live on where others find it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    let alone = HeaderValue::from_static("default-src 'none'; sandbox");
    headers.insert(CONTENT_SECURITY_POLICY, alone);
}

fn beyond(size: u64) -> Response {
    let ranged = format!("bytes */{size}");
    (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, ranged)]).into_response()
}

/// A key is written once and never used again, so that it names its bytes for ever.
fn etag(shown: &Shown) -> HeaderValue {
    let name = shown.key.as_str().rsplit('/').next().unwrap_or_default();
    HeaderValue::try_from(format!("\"{name}\"")).expect("a key is letters, digits, - and _")
}

pub(crate) async fn write(flowing: Flowing) -> Answer {
    let Flowing { heard, body } = flowing;
    let mut inflow = Inflow::of(body);
    let brought = brought(&heard, &mut inflow).await;
    if brought.is_err() {
        inflow.throw_away().await;
    }
    brought.map(|()| StatusCode::CREATED.into_response())
}

async fn brought(heard: &Heard, inflow: &mut Inflow) -> Result<(), Refusal> {
    let shown = allowed(heard, Deed::Create)?;
    heard.uncoded()?;
    // A connection that ends early looks like a body that ends: only its length tells them apart.
    let length = heard.announced().ok_or_else(|| {
        let refusal = heard.refused(Code::Validation);
        refusal.at("Content-Length", "missing", "say how long the body is")
    })?;
    if length > shown.most {
        return Err(heard.too_large(shown.most, Some(length)));
    }
    let room = heard.door.room().await;
    let _room = room.ok_or_else(|| heard.refused(Code::Throttled).because("uploads"))?;
    let blobs = &heard.door.options.blobs;
    let written = blobs.write(&shown.key, whole(inflow, length), shown.most).await;
    match written {
        Ok(Counted { .. }) => Ok(()),
        Err(WriteError::Taken) => Err(heard.refused(Code::Forbidden).because("link_used")),
        Err(error) => Err(refused(heard, &error)),
    }
}

/// The bytes, with an error at an end that comes too early.
fn whole(inflow: &mut Inflow, length: u64) -> impl blob::Flow {
    let counted = inflow.map_ok(Some);
    let ended = futures_util::stream::iter([Ok(None)]);
    let mut left = length;
    futures_util::StreamExt::chain(counted, ended).try_filter_map(move |bytes| {
        let judged = match bytes {
            Some(bytes) => {
                left = left.saturating_sub(bytes.len() as u64);
                Ok(Some(bytes))
            }
            None if left > 0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            None => Ok(None),
        };
        std::future::ready(judged)
    })
}

/// What the link allows, if it is this.
fn allowed(heard: &Heard, deed: Deed) -> Result<Shown, Refusal> {
    let refused = |reason| heard.refused(Code::Forbidden).because(reason);
    let query = query(&heard.query).ok_or_else(|| refused("link_altered"))?;
    let signed = Signed { key: heard.named(0).to_owned(), query };
    let allowed = heard.door.options.blobs.allowed(&signed, heard.door.node.clock.now());
    let shown = allowed.map_err(|stale| match stale {
        Stale::Altered => refused("link_altered").hint("use the link as it was given"),
        Stale::Expired => refused("link_expired").hint("ask for the artifact again"),
    })?;
    if shown.shown.deed != deed {
        return Err(refused("link_deed"));
    }
    Ok(shown.shown)
}

/// Every pair once, or it is no link of ours.
fn query(text: &str) -> Option<BTreeMap<String, String>> {
    let decoded = |text: &str| Some(percent_decode_str(text).decode_utf8().ok()?.into_owned());
    let mut pairs = BTreeMap::new();
    for part in text.split('&') {
        let (name, value) = part.split_once('=')?;
        if pairs.insert(decoded(name)?, decoded(value)?).is_some() {
            return None;
        }
    }
    Some(pairs)
}

fn unread(heard: &Heard, error: &ReadError) -> Refusal {
    match error {
        ReadError::Missing | ReadError::Beyond { .. } => heard.refused(Code::NotFound),
        ReadError::Failed(why) => {
            warn!(request_id = %heard.request_id, error = %why, "bytes not read");
            heard.refused(Code::Unavailable).because("blobs")
        }
    }
}
