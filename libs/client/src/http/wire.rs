//! Connections to one door: made when none is idle, driven by the call that uses them, kept when
//! they may be used again. Never sends a request twice that may have been heard.

use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus::BusError;
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::http::response::Parts;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use crate::way::{Pipe, Place};

/// What a request brings: a few bytes, or many as they come.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

type Driven = Pin<Box<Connection<TokioIo<Pipe>, Outgoing>>>;

/// Connections that are kept while nobody uses them.
const IDLE: usize = 16;
/// The largest answer that is read: a page of jobs.
const LARGEST_ANSWER: usize = 64 << 20;

pub(crate) fn whole(bytes: Bytes) -> Outgoing {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

#[derive(Debug)]
pub(crate) struct Wire {
    place: Place,
    idle: Mutex<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    sender: SendRequest<Outgoing>,
    connection: Driven,
}

impl Wire {
    pub(crate) fn to(place: Place) -> Self {
        Self { place, idle: Mutex::default() }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) async fn send(
        &self,
        request: Request<Outgoing>,
    ) -> Result<(StatusCode, Bytes), BusError> {
        let mut line = self.line().await.map_err(|error| away(&error))?;
        let (status, body, reusable) =
            line.exchange(request).await.map_err(|error| away(&error))?;
        if reusable && line.is_up().await {
            let mut idle = self.idle();
            if idle.len() < IDLE {
                idle.push(line);
            }
        }
        Ok((status, body))
    }

    /// Opens an answer that goes on, on a connection of its own.
    pub(crate) async fn stream(
        &self,
        request: Request<Outgoing>,
    ) -> Result<(Parts, Streamed), BusError> {
        let opened = async {
            let Line { mut sender, mut connection } = Line::open(&self.place).await?;
            let mut answered = std::pin::pin!(sender.send_request(request));
            let (response, connection) = tokio::select! {
                biased;
                response = answered.as_mut() => (response?, Some(connection)),
                ended = connection.as_mut() => {
                    ended?;
                    (answered.await?, None)
                }
            };
            let (head, body) = response.into_parts();
            Ok((head, Streamed { connection, body }))
        };
        opened.await.map_err(|error: Broken| away(&error))
    }

    /// One that the door has not closed meanwhile, or a new one.
    async fn line(&self) -> Result<Line, Broken> {
        loop {
            let kept = self.idle().pop();
            let Some(mut line) = kept else { return Line::open(&self.place).await };
            if line.is_up().await {
                return Ok(line);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Line>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer that goes on, and the connection that drives it.
#[derive(Debug)]
pub(crate) struct Streamed {
    connection: Option<Driven>,
    body: Incoming,
}

impl Streamed {
    /// The next bytes; `None` once it ended or broke.
    pub(crate) async fn more(&mut self) -> Option<Bytes> {
        self.next().await.ok()?
    }

    /// The next bytes, where an end is not a break.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BusError> {
        loop {
            let frame = match &mut self.connection {
                None => self.body.frame().await,
                Some(connection) => tokio::select! {
                    biased;
                    frame = self.body.frame() => frame,
                    _ended = connection.as_mut() => {
                        self.connection = None;
                        continue;
                    }
                },
            };
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|error| away(&Broken::Cut(error)))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("cannot connect: {0}")]
    Shut(#[from] io::Error),
    #[error("the connection broke: {0}")]
    Cut(#[from] hyper::Error),
    #[error("the answer is too large")]
    TooMuch,
}

fn away(broken: &Broken) -> BusError {
    BusError::Unavailable(broken.to_string().into())
}

impl Line {
    async fn open(place: &Place) -> Result<Self, Broken> {
        let (sender, connection) = http1::handshake(TokioIo::new(place.connect().await?)).await?;
        Ok(Self { sender, connection: Box::pin(connection) })
    }

    async fn is_up(&mut self) -> bool {
        tokio::select! {
            biased;
            _ended = self.connection.as_mut() => false,
            ready = self.sender.ready() => ready.is_ok(),
        }
    }

    async fn exchange(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<(StatusCode, Bytes, bool), Broken> {
        let answered = async { read_answer(self.sender.send_request(request).await?).await };
        let mut answered = std::pin::pin!(answered);
        tokio::select! {
            biased;
            answer = answered.as_mut() => {
                let (status, body) = answer?;
                Ok((status, body, true))
            }
            ended = self.connection.as_mut() => {
                // What arrived before the end may still be the whole answer.
                let (status, body) = match ended {
                    Ok(()) => answered.await?,
                    Err(error) => return Err(error.into()),
                };
                Ok((status, body, false))
            }
        }
    }
}

pub(crate) async fn read_answer(
    response: Response<Incoming>,
) -> Result<(StatusCode, Bytes), Broken> {
    let status = response.status();
    let mut body = response.into_body();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + data.len() > LARGEST_ANSWER {
            return Err(Broken::TooMuch);
        }
        whole.extend_from_slice(&data);
    }
    Ok((status, whole.freeze()))
}
