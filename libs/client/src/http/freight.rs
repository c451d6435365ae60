//! Bytes that are too many for one piece, both ways: brought as a form while they are read, and
//! fetched by a link while they are written. Holds a frame at a time, waits as long as something
//! moves, and repeats nothing.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus::BusError;
use bytes::{Bytes, BytesMut};
use fleet::{ArtifactKind, JobId};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::{Request, StatusCode};
use protocol::{Header, Hold, Link, Linked};

use super::wire::{self, Outgoing, Streamed, Wire};
use super::{OverHttp, refusal};
use crate::way::{Lead, NoLead};
use crate::{CallError, Patience};

/// What moves may take as long as it takes; what stands still for this long is given up.
const STILL: Duration = Duration::from_secs(120);
/// An answer that is no artifact's is not read further.
const LONGEST_ANSWER: usize = 1 << 20;
/// Before a number of each request: a file that is not made for it does not contain both.
const BOUNDARY: &str = "gigamesh-";

/// An artifact on its way in.
#[derive(Clone, Debug)]
pub struct Freight {
    pub job_id: JobId,
    pub kind: ArtifactKind,
    pub name: Option<String>,
    pub content_type: Option<String>,
    /// In whose name a run speaks; absent where a person uploads.
    pub hold: Option<Hold>,
    /// A log of a hold that has ended is kept apart instead of refused.
    pub quarantine: bool,
    /// How many bytes there are.
    pub size: u64,
}

/// Why bytes cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    NoWay(#[from] NoLead),
    #[error("the blob store answers {0}")]
    Refused(StatusCode),
}

/// Bytes on their way out.
#[derive(Debug)]
pub struct Fetched {
    /// How many there are, where that was said.
    pub size: Option<u64>,
    stream: Streamed,
}

impl Fetched {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// It broke off, or stood still.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallError> {
        let next = tokio::time::timeout(STILL, self.stream.next()).await;
        Ok(next.map_err(|_| BusError::TimedOut)??)
    }
}

impl OverHttp {
    /// Brings an artifact, its bytes as they come. Not said twice by itself: a second time makes a
    /// second artifact.
    ///
    /// # Errors
    /// The door refuses it, or cannot be reached, or the bytes break off.
    pub async fn upload(
        &self,
        freight: &Freight,
        bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        patience: Patience,
    ) -> Result<Linked, CallError> {
        let boundary = format!("{BOUNDARY}{}", patience.request_id.simple());
        let head = Bytes::from(freight.head(&boundary));
        let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let length = head.len() as u64 + freight.size + tail.len() as u64;
        let form = stream::iter([Ok(head)]).chain(bytes).chain(stream::iter([Ok(tail)]));
        let query = if freight.quarantine { "?quarantine=1" } else { "" };
        let path = format!("/fleet/jobs/{}/artifacts{query}", freight.job_id);
        let credential = self.credential.now();
        let mut request = Request::post(path)
            .header("host", &*self.authority)
            .header("authorization", &*credential)
            .header(Header::RequestId.as_str(), patience.request_id.to_string())
            .header("content-length", length)
            .header("content-type", format!("multipart/form-data; boundary={boundary}"));
        if let Some(product) = &self.product {
            request = request.header(Header::Product.as_str(), &**product);
        }
        let (body, moved) = flowing(form);
        let request = request.body(body).expect("every part was made of checked text");
        let (status, answer) = sent_by(&self.wire, request, moved).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(CallError::Garbled);
        }
        if status == StatusCode::UNAUTHORIZED {
            // The bytes are gone; whoever brings them again does so with what it finds now.
            let _found = self.credential.is_replaced(&credential).await;
        }
        Err(CallError::Refused(refusal(status, &answer, patience)?))
    }

    /// Fetches by a link, which is all that it takes: no credential goes with it.
    ///
    /// # Errors
    /// As [`FetchError`] tells.
    pub async fn fetch(&self, link: &Link) -> Result<Fetched, FetchError> {
        let (wire, host, path) = self.way_to(&link.url)?;
        let request = Request::get(path).header("host", host).body(wire::whole(Bytes::new()));
        let request = request.map_err(|why| unsaid(&why))?;
        let opened = tokio::time::timeout(STILL, wire.stream(request)).await;
        let (head, stream) =
            opened.map_err(|_| CallError::from(BusError::TimedOut))?.map_err(CallError::from)?;
        if !head.status.is_success() {
            return Err(FetchError::Refused(head.status));
        }
        let size = head.headers.get("content-length").and_then(|size| size.to_str().ok());
        Ok(Fetched { size: size.and_then(|size| size.parse().ok()), stream })
    }

    /// The host of a link and what is asked of it; one without a host is our own door's.
    fn way_to(&self, url: &str) -> Result<(Arc<Wire>, String, String), FetchError> {
        if url.starts_with('/') {
            return Ok((Arc::clone(&self.wire), self.authority.to_string(), url.to_owned()));
        }
        let Lead { place, authority, path } = Lead::of(url, &self.trust)?;
        Ok((Arc::new(Wire::to(place)), authority, path))
    }
}

fn unsaid(why: &hyper::http::Error) -> FetchError {
    FetchError::Call(BusError::Unavailable(why.to_string().into()).into())
}

/// Sends, as long as something moves, and reads the answer, which may come before all is sent.
async fn sent_by(
    wire: &Wire,
    request: Request<Outgoing>,
    moved: Moved,
) -> Result<(StatusCode, Bytes), CallError> {
    let answered = async {
        let (head, mut stream) = wire.stream(request).await?;
        let mut answer = BytesMut::new();
        while let Some(bytes) = stream.next().await? {
            answer.extend_from_slice(&bytes);
            if answer.len() > LONGEST_ANSWER {
                break;
            }
        }
        Ok((head.status, answer.freeze()))
    };
    moved.unless_still(answered).await
}

/// How far something is.
#[derive(Clone, Default)]
struct Moved(Arc<AtomicU64>);

impl Moved {
    async fn unless_still<T>(
        &self,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut work = std::pin::pin!(work);
        let mut before = 0;
        loop {
            if let Ok(done) = tokio::time::timeout(STILL, work.as_mut()).await {
                return done;
            }
            let now = self.0.load(Ordering::Relaxed);
            if now == before {
                return Err(BusError::TimedOut.into());
            }
            before = now;
        }
    }
}

fn flowing(bytes: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> (Outgoing, Moved) {
    let moved = Moved::default();
    let seen = moved.clone();
    let frames = bytes.map_ok(move |bytes| {
        seen.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Frame::data(bytes)
    });
    (StreamBody::new(frames).boxed_unsync(), moved)
}

impl Freight {
    /// All of the form that goes before the bytes.
    fn head(&self, boundary: &str) -> String {
        let mut head = String::new();
        let mut field = |name: &str, value: &str| {
            head += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        };
        field("kind", self.kind.word());
        for (name, value) in [("name", &self.name), ("contentType", &self.content_type)] {
            if let Some(value) = value {
                field(name, value);
            }
        }
        if let Some(hold) = &self.hold {
            field("factoryId", hold.factory_id.as_str());
            field("leaseEpoch", &hold.lease_epoch.to_string());
            field("claimNonce", &hold.claim_nonce.to_string());
        }
        field("sizeBytes", &self.size.to_string());
        head + &format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
    }
}
