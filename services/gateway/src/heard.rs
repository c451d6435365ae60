//! One request as the routes see it: named, admitted, its body read within its bound. From here
//! every route speaks in typed calls.

use std::net::IpAddr;
use std::time::Duration;

use auth::{Denied, Standing};
use axum::RequestExt;
use axum::body::Body;
use axum::extract::{FromRequest, RawPathParams, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use bytes::{Bytes, BytesMut};
use client::{CallError, OverBus, Patience};
use fleet::{JobId, Timestamp};
use http_body_util::BodyExt;
use identity::Declined;
use node::shape;
use protocol::{
    AboutJob, Ask, Code, Custody, Header, Kind, OfJob, Operation, Problem, Role, Row, Topic, Word,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tracing::warn;
use uuid::Uuid;

use crate::Door;
use crate::guard::Named;
use crate::problem::Refusal;
use crate::query;
use crate::recognise::{self, Recognised};

/// The largest body of JSON.
const LARGEST_BODY: usize = 8 << 20;
/// What is read and thrown away of a body that is too large, so that its sender hears the answer.
pub(crate) const THROWN_AWAY: usize = 16 << 20;
/// For a body to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// For a service to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) door: Door,
    pub(crate) request_id: Uuid,
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) query: String,
    /// Where it comes from.
    pub(crate) peer: IpAddr,
    known: Option<Recognised>,
    /// Who asks, in the product that they ask about; nobody, where a route is open to everybody.
    standing: Option<Standing>,
    /// The fleet as they see it.
    link: OverBus,
    /// The names in the path, decoded.
    path: Vec<String>,
    deadline: Option<Timestamp>,
    body: Result<Bytes, Box<Problem>>,
}

impl FromRequest<Door> for Heard {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Refusal> {
        let (mut heard, body) = Self::headed(request, door).await?;
        heard.body = heard.body_of(body, LARGEST_BODY).await;
        Ok(heard)
    }
}

impl Heard {
    /// All but the body, which is left to whoever reads it as it comes.
    pub(crate) async fn headed(mut request: Request, door: &Door) -> Result<(Self, Body), Refusal> {
        let named = request.extensions().get::<Named>().copied();
        let Named(request_id) = named.unwrap_or_else(|| Named(door.node.ids.mint()));
        let path = request.extract_parts::<RawPathParams>().await;
        let path = path.map_err(|_| Refusal::new(Code::NotFound, request_id))?;
        let path = path.iter().map(|(_, name)| name.to_owned()).collect();
        let peer = recognise::peer(&request);
        let (parts, body) = request.into_parts();
        let deadline = parts.headers.get(Header::Deadline.as_str());
        let deadline = deadline.and_then(|at| at.to_str().ok()).and_then(|at| at.parse().ok());
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let Parts { method, headers, mut extensions, .. } = parts;
        let known = extensions.remove::<Recognised>();
        let standing = extensions.remove::<Standing>();
        let link = match &standing {
            Some(standing) => door.link(&standing.product).in_the_name_of(&standing.actor()),
            None => door.link(&door.options.product),
        };
        let (door, none) = (door.clone(), Ok(Bytes::new()));
        let heard = Self {
            door,
            request_id,
            method,
            headers,
            query,
            peer,
            known,
            standing,
            link,
            path,
            deadline,
            body: none,
        };
        Ok((heard, body))
    }

    /// Reads the body after all, up to this bound of its own.
    pub(crate) async fn with_body(mut self, body: Body, most: usize) -> Self {
        self.body = self.body_of(body, most).await;
        self
    }

    /// Who asks, on a route that is not open to everybody.
    pub(crate) fn standing(&self) -> Result<&Standing, Refusal> {
        self.standing.as_ref().ok_or_else(|| self.refused(Code::Unauthenticated))
    }

    pub(crate) fn recognised(&self) -> Option<&Recognised> {
        self.known.as_ref()
    }

    /// What the list of identities said no to.
    pub(crate) fn declined(&self, why: &Declined) -> Refusal {
        if let Declined::Away(error) = why {
            warn!(request_id = %self.request_id, %error, "identities not reached");
        }
        Refusal::from(Box::new(why.problem(self.request_id)))
    }

    pub(crate) fn denied(&self, denied: Denied) -> Refusal {
        Refusal::denied(denied, self.request_id)
    }

    pub(crate) fn refused(&self, code: Code) -> Refusal {
        Refusal::new(code, self.request_id)
    }

    /// A name of the path as it stands.
    pub(crate) fn named(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// The job whose id stands in the path.
    pub(crate) fn job(&self) -> Result<JobId, Refusal> {
        self.named(0).parse().map_err(|_| self.refused(Code::NotFound))
    }

    /// The job that the path names by its id, the beginning of one, or its key.
    pub(crate) async fn job_meant(&self) -> Result<JobId, Refusal> {
        if let Ok(id) = self.named(0).parse() {
            return Ok(id);
        }
        let get = OfJob { query: AboutJob::Get, job: self.named(0).to_owned() };
        let found = self.look_up(&get).await?.items.into_iter().next().unwrap_or_default();
        let id = found.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        id.ok_or_else(|| self.refused(Code::NotFound))
    }

    /// Names and values of the query, for a route that knows these names.
    pub(crate) fn pairs(&self, known: &[&str]) -> Result<Vec<(String, String)>, Refusal> {
        query::pairs(&self.query, known, self.request_id)
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, Refusal> {
        self.ask_within(ask, ANSWER_WITHIN).await
    }

    /// What the door itself wants to know or to have done, for whoever asks.
    pub(crate) async fn look_up<A: Ask>(&self, ask: &A) -> Result<A::Reply, Refusal> {
        let patience = self.patience(ANSWER_WITHIN)?;
        self.link.call(ask, patience).await.map_err(|why| self.unheard(ask, why))
    }

    /// A factory says its own words and no others; nobody else says them.
    fn judge<A: Ask>(&self, ask: &A) -> Result<(), Refusal> {
        let Some(standing) = &self.standing else { return Ok(()) };
        let judged = match ask.subject(&standing.product).topic() {
            Topic::Spoken(factory, _) => standing.speaks_as(factory),
            _ if standing.role == Role::Factory => Err(Denied::Role),
            _ => Ok(()),
        };
        judged.map_err(|denied| self.denied(denied))
    }

    pub(crate) async fn ask_within<A: Ask>(
        &self,
        ask: &A,
        span: Duration,
    ) -> Result<A::Reply, Refusal> {
        self.judge(ask)?;
        let patience = self.patience(span)?;
        let said = self.link.call(ask, patience).await;
        said.map_err(|why| self.unheard(ask, why))
    }

    /// As [`Self::ask`], the answer as it was written: a long one is passed on as it is.
    pub(crate) async fn ask_to_pass_on<A: Ask>(&self, ask: &A) -> Result<Bytes, Refusal> {
        self.judge(ask)?;
        let patience = self.patience(ANSWER_WITHIN)?;
        let said = self.link.said(ask, patience).await;
        said.map_err(|why| self.unheard(ask, why))
    }

    fn patience(&self, span: Duration) -> Result<Patience, Refusal> {
        let now = self.door.node.clock.now();
        // A service would drop it unseen, and its caller waits no longer.
        if self.deadline.is_some_and(|deadline| deadline < now) {
            return Err(self.refused(Code::Unavailable).because("deadline"));
        }
        let until = now.plus(span);
        let until = self.deadline.map_or(until, |deadline| deadline.min(until));
        Ok(Patience { request_id: self.request_id, until, span })
    }

    fn unheard<A: Ask>(&self, ask: &A, why: CallError) -> Refusal {
        why.problem(changes(ask.row()), self.request_id).into()
    }

    /// The body as bytes; `None` where there is none and no type was named.
    pub(crate) fn body(&self) -> Result<Option<&Bytes>, Refusal> {
        let bytes = self.body.as_ref().map_err(|problem| Refusal(problem.clone()))?;
        let nothing = bytes.is_empty() && !self.headers.contains_key(CONTENT_TYPE);
        Ok((!nothing).then_some(bytes))
    }

    /// What the body says it is.
    pub(crate) fn media(&self) -> Result<Media, Refusal> {
        self.uncoded()?;
        let named = self.headers.get(CONTENT_TYPE).and_then(|named| named.to_str().ok());
        named.and_then(Media::named).ok_or_else(|| {
            let hint = "application/json; for a job file text/markdown; both in UTF-8";
            self.refused(Code::UnsupportedMedia).hint(hint)
        })
    }

    /// Whether the body stands there as it is meant.
    pub(crate) fn uncoded(&self) -> Result<(), Refusal> {
        let Some(encoding) = self.headers.get(CONTENT_ENCODING) else { return Ok(()) };
        let hint = format!("send it without Content-Encoding, not as {encoding:?}");
        Err(self.refused(Code::UnsupportedMedia).hint(hint))
    }

    /// Takes out a product, which has to be ours.
    pub(crate) fn ours(&self, object: &mut Map<String, Value>) -> Result<(), Refusal> {
        match object.remove("productId") {
            Some(product) if product.as_str() != Some(self.standing()?.product.as_str()) => {
                Err(self.refused(Code::OutOfScope))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The JSON object of the body, without a product that is ours.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, Refusal> {
        let Some(bytes) = self.body()? else { return Ok(Map::new()) };
        if self.media()? != Media::Json {
            return Err(self.refused(Code::UnsupportedMedia).hint("application/json"));
        }
        let Value::Object(mut object) = shape::document(bytes, self.request_id)? else {
            let refusal = self.refused(Code::Validation);
            return Err(refusal.at("", "malformed", "the body is a JSON object"));
        };
        self.ours(&mut object)?;
        Ok(object)
    }

    /// The body with what the path says already, as a typed request. A body that is no such
    /// request is told so only if its job is there.
    pub(crate) async fn typed<A: DeserializeOwned>(&self, job: JobId) -> Result<A, Refusal> {
        self.typed_with(job, &[("jobId", job.to_string().into())]).await
    }

    pub(crate) async fn typed_with<A: DeserializeOwned>(
        &self,
        job: JobId,
        given: &[(&str, Value)],
    ) -> Result<A, Refusal> {
        self.or_missing(job, self.completed(given)).await
    }

    /// What was read of the body; where that failed, the job's absence is told first.
    pub(crate) async fn or_missing<T>(
        &self,
        job: JobId,
        read: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        match read {
            Err(refusal) if refusal.0.code != Code::OutOfScope => {
                self.exists(job).await?;
                Err(refusal)
            }
            Ok(_) | Err(_) => read,
        }
    }

    /// The body as a request that is about no job of the path.
    pub(crate) fn alone<A: DeserializeOwned>(&self) -> Result<A, Refusal> {
        self.completed(&[])
    }

    pub(crate) async fn exists(&self, job: JobId) -> Result<(), Refusal> {
        let get = OfJob { query: AboutJob::Get, job: job.to_string() };
        self.look_up(&get).await.map(|_| ())
    }

    /// How long the body is, as it was announced.
    pub(crate) fn announced(&self) -> Option<u64> {
        let announced = self.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        announced.and_then(|length| length.parse().ok())
    }

    async fn body_of(&self, body: Body, most: usize) -> Result<Bytes, Box<Problem>> {
        if self.method == Method::GET || self.method == Method::HEAD {
            return Ok(Bytes::new());
        }
        let read = tokio::time::timeout(BODY_WITHIN, collected(body, most)).await;
        let refused = |message: &str| self.refused(Code::Validation).at("", "malformed", message).0;
        match read {
            Ok(Ok(bytes)) if bytes.len() <= most => Ok(bytes),
            Ok(Ok(bytes)) => {
                let actual = self.announced().or_else(|| u64::try_from(bytes.len()).ok());
                Err(self.too_large(most as u64, actual).0)
            }
            Ok(Err(_)) => Err(refused("the body breaks off")),
            Err(_) => Err(refused("the body took too long to arrive")),
        }
    }

    pub(crate) fn too_large(&self, limit: u64, actual: Option<u64>) -> Refusal {
        let mut refusal = self.refused(Code::TooLarge);
        (refusal.0.limit, refusal.0.actual) = (Some(limit), actual);
        refusal
    }

    pub(crate) fn completed<A: DeserializeOwned>(
        &self,
        given: &[(&str, Value)],
    ) -> Result<A, Refusal> {
        self.completed_from(self.object()?, given)
    }

    pub(crate) fn completed_from<A: DeserializeOwned>(
        &self,
        mut object: Map<String, Value>,
        given: &[(&str, Value)],
    ) -> Result<A, Refusal> {
        for (name, value) in given {
            if object.insert((*name).to_owned(), value.clone()).is_some_and(|said| said != *value) {
                let message = format!("{name} is not the one of the path");
                return Err(self.refused(Code::Validation).at(name, "disagrees", message));
            }
        }
        Ok(shape::typed(object.into(), self.request_id)?)
    }
}

/// The types of body that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    Markdown,
}

impl Media {
    fn named(header: &str) -> Option<Self> {
        let mut parts = header.split(';').map(|part| part.trim().to_ascii_lowercase());
        let media = match parts.next()?.as_str() {
            "application/json" => Self::Json,
            "text/markdown" => Self::Markdown,
            _ => return None,
        };
        let foreign = |part: String| {
            part.strip_prefix("charset=").is_some_and(|set| set.trim_matches('"') != "utf-8")
        };
        (!parts.any(foreign)).then_some(media)
    }
}

/// Whether silence leaves open what became of it.
fn changes(row: Row) -> bool {
    let reads = matches!(
        row,
        Row::Query(_)
            | Row::Plan
            | Row::Operate(Operation::Verify)
            | Row::Custody(Custody::Link)
            | Row::Spoken(Word::ArtifactLink)
    );
    row.route().kind == Kind::Request && !reads
}

/// The body, or as much of it as shows that it is too large.
async fn collected(mut body: Body, most: usize) -> Result<Bytes, axum::Error> {
    let (mut kept, mut seen) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen += data.len();
        if kept.len() <= most {
            kept.extend_from_slice(&data);
        }
        if seen > THROWN_AWAY {
            break;
        }
    }
    Ok(kept.freeze())
}
