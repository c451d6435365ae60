//! The same calls through the HTTP door. Keeps connections for reuse but starts nothing: each is
//! driven by the call that uses it, so that a call which is dropped leaves nothing behind.

mod credential;
mod follow;
mod freight;
mod identity;
mod route;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bus::BusError;
use bytes::Bytes;
use fleet::ProductId;
use hyper::{Request, StatusCode};
use protocol::{Ask, Code, Envelope, Header, Problem};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bring::OwnDoor;
use crate::way::{Place, Trust};
use crate::{CallError, Patience};
use credential::Credential;
pub use follow::{Follow, LogBytes, LogPart, News};
pub use freight::{FetchError, Fetched, Freight};
use route::{Call, Shape};
use wire::Wire;
pub(crate) use wire::read_answer;

/// What was never claimed has no lease.
const NOTHING: &[u8] = br#"{"items":[]}"#;

/// One product's coordinator, reached through its HTTP door.
#[derive(Clone)]
pub struct OverHttp {
    wire: Arc<Wire>,
    authority: Arc<str>,
    credential: Arc<Credential>,
    product: Option<Arc<str>>,
    trust: Trust,
}

/// A text that is no address of a door.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the address of a door, like http://127.0.0.1:8420")]
pub struct BadAddress(pub String);

impl OverHttp {
    /// `address` is like `http://127.0.0.1:8420`; `token` goes with every call.
    ///
    /// # Errors
    /// The address has another scheme, no host or a path, or the token could be no header.
    pub fn new(address: &str, token: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(address.to_owned());
        let authority = address.strip_prefix("http://").ok_or_else(bad)?.trim_end_matches('/');
        let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| bad())?;
        if parsed.host().is_empty() || authority.contains(['@', '/']) {
            return Err(bad());
        }
        let credential = Credential::of(token);
        let credential = credential.ok_or_else(|| BadAddress("the token".to_owned()))?;
        let target = match parsed.port_u16() {
            Some(_) => authority.to_owned(),
            None => format!("{authority}:80"),
        };
        Ok(Self {
            wire: Arc::new(Wire::to(Place::plain(target))),
            authority: authority.into(),
            credential: Arc::new(credential),
            product: None,
            trust: Trust::default(),
        })
    }

    /// Names whom to trust where a link leads past this door, instead of whom the machine trusts.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Names the file that the token came from: once the door does not believe it any more, it is
    /// read again, and what was refused is said once more with what stands there then.
    #[must_use]
    pub fn renewed_from(mut self, file: PathBuf) -> Self {
        self.credential = Arc::new(self.credential.kept_in(file));
        self
    }

    /// Names the product that is meant, for those whose credential reaches several.
    #[must_use]
    pub fn of_product(mut self, product: &ProductId) -> Self {
        self.product = Some(product.as_str().into());
        self
    }

    /// Asks and waits for the answer, which is the one that the bus would have given.
    ///
    /// # Errors
    /// As [`CallError`] tells; a door that cannot be reached is a bus that is away.
    pub async fn call<A: Ask>(&self, ask: &A, patience: Patience) -> Result<A::Reply, CallError> {
        let said = serde_json::to_value(ask).expect("string keys and finite numbers encode");
        let call = route::of(ask.row(), said).map_err(|why| why.told(patience.request_id))?;
        let (shape, body) = self.say(call, patience).await?;
        shape.read(&body).map_err(CallError::Garbled)
    }

    /// Where addresses that begin with `/` belong.
    pub(crate) fn door(&self) -> OwnDoor<'_> {
        OwnDoor {
            place: self.wire.place(),
            authority: &self.authority,
            credential: self.credential.now(),
        }
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    async fn say(&self, call: Call, patience: Patience) -> Result<(Shape, Bytes), CallError> {
        let shape = call.shape;
        let answered = tokio::time::timeout(patience.span, self.answer(&call, patience)).await;
        let (status, body) = answered.map_err(|_| BusError::TimedOut)??;
        if status.is_success() {
            return Ok((shape, body));
        }
        let refusal = refusal(status, &body, patience)?;
        match shape {
            Shape::First if refusal.reason.as_deref() == Some("never_claimed") => {
                Ok((Shape::Whole, Bytes::from_static(NOTHING)))
            }
            Shape::First | Shape::Whole => Err(CallError::Refused(refusal)),
        }
    }

    /// Whoever was not believed was not heard either, so that it may be said again.
    async fn answer(
        &self,
        call: &Call,
        patience: Patience,
    ) -> Result<(StatusCode, Bytes), BusError> {
        let credential = self.credential.now();
        let answer = self.wire.send(self.request(call, patience, &credential)).await?;
        let refused = answer.0 == StatusCode::UNAUTHORIZED;
        if !refused || !self.credential.is_replaced(&credential).await {
            return Ok(answer);
        }
        self.wire.send(self.request(call, patience, &self.credential.now())).await
    }

    fn request(
        &self,
        call: &Call,
        patience: Patience,
        credential: &str,
    ) -> Request<wire::Outgoing> {
        let body = call.body.clone().unwrap_or_default();
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header("host", &*self.authority)
            .header(Header::RequestId.as_str(), patience.request_id.to_string())
            .header(Header::Deadline.as_str(), patience.until.to_string());
        // Whoever has no token says nothing of one.
        if credential::is_somebodys(credential) {
            request = request.header("authorization", credential);
        }
        if let Some(product) = &self.product {
            request = request.header(Header::Product.as_str(), &**product);
        }
        if let Some(media) = call.media {
            request = request.header("content-type", media);
        }
        request.body(wire::whole(body)).expect("every part was made of checked text")
    }
}

/// Without the credential.
impl fmt::Debug for OverHttp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OverHttp({})", self.authority)
    }
}

impl Shape {
    /// The answer as the bus would have shaped it.
    fn read<T: DeserializeOwned>(self, body: &Bytes) -> Result<T, serde_json::Error> {
        match self {
            Self::Whole if matches!(body.trim_ascii(), b"" | b"{}") => {
                serde_json::from_value(Value::Null)
            }
            // Pages are long, and taken apart once.
            Self::Whole => serde_json::from_slice(body),
            Self::First if body.is_empty() => serde_json::from_value(Value::Null),
            Self::First => {
                let item: Value = serde_json::from_slice(body)?;
                serde_json::from_value(json!({ "items": [item] }))
            }
        }
    }
}

/// What a door or something before it said.
fn refusal(
    status: StatusCode,
    body: &Bytes,
    patience: Patience,
) -> Result<Box<Problem>, CallError> {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => Ok(Box::new(envelope.error)),
        Err(_) if status.as_u16() == 431 || status.as_u16() == 414 => {
            Ok(Box::new(Problem::new(Code::TooLarge, patience.request_id)))
        }
        Err(why) => Err(CallError::Garbled(why)),
    }
}
