//! The port: requests as they come over HTTP, handed to the driver's emulator, and its answers
//! back, unless a fault says otherwise.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::http::headers::{HeaderName, HeaderValue};
use azure_core::http::{Method, RawResponse, Request as Asked};
use azure_data_cosmos_driver::in_memory_emulator::InMemoryEmulatorHttpClient;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, IF_MATCH, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use url::Url;

use crate::faults::{Dice, Fate};
use crate::prices::{self, Prices};
use crate::scribe::{Scribe, Told, executed};
use crate::signature;

const SEED: u64 = 42;
/// The service takes documents of 2 MB.
const LARGEST_BODY: usize = 4 << 20;
/// What is asked for to know an account.
const ACCOUNT: &str = "/";
const UPSERT: &str = "x-ms-documentdb-is-upsert";
const PARTITION: &str = "x-ms-documentdb-partitionkey";
const CHARGE: &str = "x-ms-request-charge";

type Answer = Response<Full<Bytes>>;

#[derive(Debug)]
pub(crate) struct Door {
    account: Arc<InMemoryEmulatorHttpClient>,
    dice: Mutex<Dice>,
    prices: Prices,
    port: u16,
    /// What the emulator starts in the background belongs here.
    runtime: Handle,
    scribe: Mutex<Option<Scribe>>,
}

impl Door {
    pub(crate) fn new(
        account: Arc<InMemoryEmulatorHttpClient>,
        (prices, port): (Prices, u16),
        runtime: Handle,
    ) -> Self {
        let (dice, scribe) = (Mutex::new(Dice::new(SEED)), Mutex::default());
        Self { account, dice, prices, port, runtime, scribe }
    }

    /// The last one that was told to listen hears of what is written from now on.
    pub(crate) fn tell(&self, container: &str) -> mpsc::Receiver<Told> {
        let (scribe, told) = Scribe::begin(container, Arc::clone(&self.account), &self.runtime);
        *self.scribe() = Some(scribe);
        told
    }

    /// All documents of a container, as an answer of the service has them.
    pub(crate) async fn documents(&self, database: &str, container: &str) -> io::Result<Bytes> {
        let url = format!("http://127.0.0.1:{}/dbs/{database}/colls/{container}/docs", self.port);
        let url = Url::parse(&url).map_err(io::Error::other)?;
        let answer = executed(&self.account, &Asked::new(url, Method::Get)).await?;
        match answer.status().is_success() {
            true => Ok(Bytes::from(answer.into_body())),
            false => Err(io::Error::other(format!("answered with {}", answer.status()))),
        }
    }

    /// Writes a document whatever is there, as nothing of the product can.
    pub(crate) async fn overwrite(
        &self,
        (database, container): (&str, &str),
        partition: &str,
        document: Bytes,
    ) -> io::Result<()> {
        let url = format!("http://127.0.0.1:{}/dbs/{database}/colls/{container}/docs", self.port);
        let url = Url::parse(&url).map_err(io::Error::other)?;
        let mut asked = Asked::new(url, Method::Post);
        let partition = format!("[\"{partition}\"]");
        for (name, value) in [(UPSERT, "True".to_owned()), (PARTITION, partition)] {
            asked.headers_mut().insert(HeaderName::from(name), HeaderValue::from(value));
        }
        asked.set_body(document.clone());
        let desk = self.scribe().as_ref().map(Scribe::desk);
        let answer = match desk {
            Some(desk) => desk.order(asked, None, document).await?,
            None => executed(&self.account, &asked).await?,
        };
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("answered with {}", answer.status()))),
        }
    }

    fn scribe(&self) -> MutexGuard<'_, Option<Scribe>> {
        self.scribe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn account(&self) -> &InMemoryEmulatorHttpClient {
        &self.account
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until it is told to stop; every connection ends with it.
    pub(crate) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        mut stop: watch::Receiver<()>,
    ) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.changed() => return,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => drop(connections.spawn(Arc::clone(&self).attend(stream))),
                // Too many open files, which passes.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn attend(self: Arc<Self>, stream: TcpStream) {
        // An answer is written in one piece, and the next question waits for it.
        let _kept = stream.set_nodelay(true);
        let answering = service_fn(move |request| {
            let door = Arc::clone(&self);
            async move { door.answer(request).await }
        });
        // An error is a reply that was to be lost, or a client that went.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), answering).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let (parts, body) = request.into_parts();
        if !signature::is_good(&parts) {
            let said = "The input authorization token can't serve the request.";
            return refusal(StatusCode::UNAUTHORIZED, said, &[]);
        }
        let fate = self.dice().throw(is_write(&parts));
        match fate {
            Fate::Fair => self.asked(&parts, body).await,
            Fate::LostReply => {
                let _lost = self.asked(&parts, body).await?;
                Err(cut())
            }
            Fate::LostWrite => Err(cut()),
            Fate::Throttled(after) => {
                let after = after.as_millis().to_string();
                let told = [("x-ms-retry-after-ms", &*after), ("x-ms-substatus", "3200")];
                refusal(StatusCode::TOO_MANY_REQUESTS, "Request rate is large.", &told)
            }
        }
    }

    async fn asked(&self, parts: &Parts, body: Incoming) -> io::Result<Answer> {
        let body =
            Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
        let host = parts.headers.get(HOST).map(text).transpose()?.unwrap_or_default();
        let url = format!("http://{host}{}", parts.uri);
        let mut url = Url::parse(&url).map_err(io::Error::other)?;
        let asked_at = url.port();
        // Something may stand between, at a port of its own.
        url.set_port(Some(self.port)).map_err(|()| io::Error::other("no port"))?;
        let mut asked = Asked::new(url, method(&parts.method)?);
        for (name, value) in &parts.headers {
            let value = HeaderValue::from(text(value)?.to_owned());
            asked.headers_mut().insert(HeaderName::from(name.as_str().to_owned()), value);
        }
        let length = body.len();
        if !body.is_empty() {
            asked.set_body(body.clone());
        }
        let answer = Box::pin(self.done(asked, parts, body)).await?;
        let mut reply = Response::builder().status(u16::from(answer.status()));
        let price = self.price(parts, answer.status().into(), (length, answer.body().len()));
        for (name, value) in answer.headers().iter() {
            let is_ours = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING]
                .iter()
                .any(|own| own == name.as_str());
            let is_priced = price.is_some() && name.as_str() == CHARGE;
            if !is_ours && !is_priced {
                reply = reply.header(name.as_str(), value.as_str());
            }
        }
        if let Some(units) = price {
            reply = reply.header(CHARGE, format!("{units:.2}"));
        }
        let mut body = Bytes::from(answer.into_body());
        if let (ACCOUNT, Some(port)) = (parts.uri.path(), asked_at) {
            body = self.seen_at(port, &body);
        }
        reply.body(Full::new(body)).map_err(io::Error::other)
    }

    async fn done(&self, asked: Asked, parts: &Parts, body: Bytes) -> io::Result<RawResponse> {
        let of_scribe = |scribe: &&Scribe| is_write(parts) && scribe.is_of(parts.uri.path());
        let desk = self.scribe().as_ref().filter(of_scribe).map(Scribe::desk);
        let Some(desk) = desk else { return executed(&self.account, &asked).await };
        let upon = parts.headers.get(IF_MATCH).map(text).transpose()?.map(str::to_owned);
        desk.order(asked, upon, body).await
    }

    /// An account tells where it is; whoever asked at another port is to stay there.
    fn seen_at(&self, port: u16, body: &Bytes) -> Bytes {
        let own = format!(":{}/", self.port);
        String::from_utf8_lossy(body).replace(&own, &format!(":{port}/")).into()
    }

    /// Nothing where the model's own charge stands.
    fn price(&self, parts: &Parts, status: u16, lengths: (usize, usize)) -> Option<f64> {
        let is_priced = self.prices == Prices::Published && is_document(parts);
        let status = StatusCode::from_u16(status).ok().filter(|_| is_priced)?;
        prices::published(&parts.method, status, lengths)
    }
}

/// Whether it changes a document.
fn is_write(parts: &Parts) -> bool {
    parts.method != hyper::Method::GET && is_document(parts)
}

/// Whether it is about one; questions about several come by POST too.
fn is_document(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_question = kind.is_some_and(|kind| kind.starts_with("application/query"));
    parts.uri.path().contains("/docs") && !is_question
}

fn method(method: &hyper::Method) -> io::Result<Method> {
    Ok(match method.as_str() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "HEAD" => Method::Head,
        other => return Err(io::Error::other(format!("no such method: {other}"))),
    })
}

fn text(value: &hyper::header::HeaderValue) -> io::Result<&str> {
    value.to_str().map_err(io::Error::other)
}

fn refusal(status: StatusCode, said: &str, headers: &[(&'static str, &str)]) -> io::Result<Answer> {
    let body = format!(r#"{{"code":"{}","message":"{said}"}}"#, status.as_u16());
    let mut reply = Response::builder().status(status).header(CHARGE, "0");
    for (name, value) in headers {
        reply = reply.header(*name, *value);
    }
    reply.body(Full::new(body.into())).map_err(io::Error::other)
}

/// hyper closes the connection where there is no answer.
fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "a reply that was to be lost")
}
