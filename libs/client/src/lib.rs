//! The fleet as those outside see it: typed calls over the bus or over HTTP. Never touches a record,
//! and never repeats a call by itself, since only the caller knows its operation id.

mod bring;
mod coordinator;
mod http;
mod problem;

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusError, Message};
use bytes::Bytes;
use fleet::{Actor, ProductId, Timestamp};
use protocol::{Ask, Envelope, Header, Headers, Problem};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use bring::{NotBrought, Parcel};
pub use coordinator::{Coordinator, Told, Unanswered};
pub use http::{
    BadAddress, FetchError, Fetched, Follow, Freight, LogBytes, LogPart, News, OverHttp,
};

/// One product's coordinator, reached over a bus.
#[derive(Clone, Debug)]
pub struct OverBus {
    bus: Arc<dyn Bus>,
    product: ProductId,
    /// For whom it asks; without, for whoever sends.
    by: Option<Arc<str>>,
    /// Bytes never travel in messages.
    door: Option<OverHttp>,
}

/// How long an answer is of use, and what names the request.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub request_id: Uuid,
    /// After this moment nobody waits: a service that finds the request later drops it.
    pub until: Timestamp,
    pub span: Duration,
}

/// Why there is no reply of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The service said no, and why.
    #[error("{}", .0.message)]
    Refused(Box<Problem>),
    /// After [`BusError::TimedOut`] the request may have been carried out.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The answer is of another version, or none at all.
    #[error("the answer cannot be read")]
    Garbled(#[source] serde_json::Error),
}

impl OverBus {
    #[must_use]
    pub fn new(bus: Arc<dyn Bus>, product: ProductId) -> Self {
        Self { bus, product, by: None, door: None }
    }

    /// Asks for somebody else.
    #[must_use]
    pub fn in_the_name_of(self, by: &Actor) -> Self {
        Self { by: Some(by.to_string().into()), ..self }
    }

    /// Names the door that bytes go through.
    #[must_use]
    pub fn with_door(self, door: OverHttp) -> Self {
        Self { door: Some(door), ..self }
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// As [`CallError`] tells.
    pub async fn call<A: Ask>(&self, ask: &A, patience: Patience) -> Result<A::Reply, CallError> {
        decode(&self.said(ask, patience).await?)
    }

    /// The answer as it was written, for whoever passes it on.
    ///
    /// # Errors
    /// As [`Self::call`], but that nobody looks whether it can be read.
    pub async fn said<A: Ask>(&self, ask: &A, patience: Patience) -> Result<Bytes, CallError> {
        let body = serde_json::to_vec(ask).expect("string keys and finite numbers encode");
        let mut message = Message::new(ask.subject(&self.product), body);
        message.headers = Headers::default()
            .with(Header::RequestId, &patience.request_id.to_string())
            .with(Header::Deadline, &patience.until.to_string());
        if let Some(by) = &self.by {
            message.headers = message.headers.with(Header::Actor, by);
        }
        let answer = self.bus.request(message, patience.span).await?;
        if answer.headers.get(Header::Code).is_none() {
            return Ok(answer.body);
        }
        let refusal: Envelope = decode(&answer.body)?;
        Err(CallError::Refused(Box::new(refusal.error)))
    }
}

fn decode<T: DeserializeOwned>(body: &Bytes) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(CallError::Garbled)
}
