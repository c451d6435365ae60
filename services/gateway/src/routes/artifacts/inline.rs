//! A small artifact as JSON brings it, its bytes in base64.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fleet::{ArtifactKind, JobId};
use futures_util::stream;
use protocol::{BeginArtifact, Code, Hold, Linked};
use schemars::JsonSchema;
use serde::Deserialize;

use super::bring;
use crate::heard::{Heard, Media};
use crate::problem::Refusal;

/// The largest body, for the largest artifact in base64.
const LARGEST_BODY: usize = 12 << 20;
const MOST: usize = 8 << 20;

/// An artifact with its bytes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Inline {
    kind: ArtifactKind,
    content_type: String,
    /// At most 8 MiB once decoded.
    base64: String,
    #[serde(default)]
    name: Option<String>,
    /// A run that uploads says all of it as it was granted.
    #[serde(default)]
    hold: Option<Hold>,
    /// What is counted has to agree.
    #[serde(default)]
    size_bytes: Option<u64>,
    /// What is counted has to agree.
    #[serde(default)]
    sha256: Option<String>,
}

pub(super) async fn taken_in(
    heard: Heard,
    (job, quarantine): (JobId, bool),
    body: Body,
) -> Result<Linked, Refusal> {
    let heard = heard.with_body(body, LARGEST_BODY).await;
    let read = read(&heard);
    let (inline, bytes) = heard.or_missing(job, read).await?;
    let ask = BeginArtifact {
        job_id: job,
        kind: inline.kind,
        content_type: Some(inline.content_type),
        name: inline.name,
        size_bytes: inline.size_bytes,
        sha256: inline.sha256,
        hold: inline.hold,
        quarantine,
        direct: false,
    };
    let begun = bring::begin(&heard, ask).await?;
    let counted = begun.write(&heard, stream::iter([Ok(bytes)]), MOST as u64).await?;
    begun.keep(&heard, counted).await
}

fn read(heard: &Heard) -> Result<(Inline, Bytes), Refusal> {
    if heard.body()?.is_none() {
        let refusal = heard.refused(Code::Validation);
        return Err(refusal.at("", "malformed", "there is no body"));
    }
    if !heard.media().is_ok_and(|media| media == Media::Json) {
        let refusal = heard.refused(Code::UnsupportedMedia);
        return Err(refusal.hint("multipart/form-data, or application/json for a small one"));
    }
    let mut inline: Inline = heard.alone()?;
    let text = std::mem::take(&mut inline.base64);
    let decoded = STANDARD.decode(text).map_err(|why| {
        let message = format!("it is no base64 of RFC 4648: {why}");
        heard.refused(Code::Validation).at("base64", "malformed", message)
    })?;
    if decoded.len() > MOST {
        let mut refusal = heard.too_large(MOST as u64, Some(decoded.len() as u64));
        refusal.0.field = Some("base64".to_owned());
        return Err(refusal.hint("send it as a form, in multipart/form-data"));
    }
    Ok((inline, decoded.into()))
}
