//! From a delivery to a typed request, and from a ledger's answer to a reply: the one place where
//! outcomes become problems.

use bus::{BusError, Delivery};
use fleet::{Actor, ProductId, Rejection, Timestamp};
use ledger::{LedgerError, Outcome};
use protocol::{Ask, Code, Envelope, Header, Headers, Problem};
use serde::Serialize;
use tracing::warn;
use uuid::Uuid;

use crate::open::ReadOnly;
use crate::shape;

/// A request as its service sees it.
#[derive(Clone, Debug)]
pub struct Asked<A> {
    pub product: ProductId,
    pub request_id: Uuid,
    pub deadline: Option<Timestamp>,
    /// For whom it is asked, as the door or the producer says.
    pub by: Actor,
    pub ask: A,
}

impl<A: Ask> Asked<A> {
    /// Reads what was delivered; `made_up` names a request that brought no id.
    pub(crate) fn read(delivery: &Delivery, made_up: Uuid) -> Result<Self, Box<Problem>> {
        let message = &delivery.message;
        let header = |name| message.headers.get(name);
        let request_id = header(Header::RequestId).and_then(|id| id.parse().ok());
        let request_id = request_id.unwrap_or(made_up);
        let ask: A = shape::parsed(&message.body, request_id)?;
        // Whoever may speak on a subject may not speak in the body for somebody else.
        if ask.subject(message.subject.product()) != message.subject {
            return Err(Box::new(Problem::new(Code::OutOfScope, request_id)));
        }
        Ok(Self {
            product: message.subject.product().clone(),
            request_id,
            by: header(Header::Actor).and_then(|by| by.parse().ok()).unwrap_or_else(Actor::owner),
            deadline: header(Header::Deadline).and_then(|at| at.parse().ok()),
            ask,
        })
    }

    /// What the ledger said, as this request's answer.
    ///
    /// # Errors
    /// A refusal or a failure, as the one error table has it.
    pub fn settle<T>(&self, said: Result<Outcome<T>, LedgerError>) -> Result<T, Box<Problem>> {
        match said {
            Ok(Outcome::Done(done)) => Ok(done),
            Ok(Outcome::Rejected(rejection)) => Err(self.refused(&rejection)),
            Err(error) => Err(problem_of(&error, self.request_id)),
        }
    }

    #[must_use]
    pub fn refused(&self, rejection: &Rejection) -> Box<Problem> {
        Box::new(Problem::refused(rejection, self.request_id))
    }
}

/// A failure of the ledger in the words of the error table.
#[must_use]
pub fn problem_of(error: &LedgerError, request_id: Uuid) -> Box<Problem> {
    let (code, reason) = match error {
        LedgerError::Unavailable(away) if ReadOnly::is_behind(away) => {
            (Code::Unavailable, Some("store_generation"))
        }
        LedgerError::Unavailable(_) => (Code::Unavailable, Some("store")),
        LedgerError::BusAway(_) => (Code::Unavailable, Some("bus")),
        LedgerError::CommitUnknown => (Code::CommitUnknown, None),
        LedgerError::TooLarge { .. } => (Code::TooLarge, None),
        LedgerError::SchemaTooNew { .. } => (Code::Unavailable, Some("schema_too_new")),
        LedgerError::Corrupt { .. } => (Code::Internal, None),
    };
    let mut problem = Box::new(Problem::new(code, request_id));
    problem.reason = reason.map(str::to_owned);
    if let LedgerError::Unavailable(away) = error {
        let told = causes(away);
        warn!(%request_id, told, "the store is away");
        problem.hint = Some(told);
    }
    if let LedgerError::TooLarge { limit, actual, .. } = error {
        problem.limit = u64::try_from(*limit).ok();
        problem.actual = u64::try_from(*actual).ok();
    }
    problem
}

/// What lies behind an error, from the nearest cause to the last.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push(error.to_string());
        cause = error.source();
    }
    told.join(": ")
}

pub(crate) async fn answer<R: Serialize>(
    delivery: Delivery,
    outcome: Result<R, Box<Problem>>,
) -> Result<(), BusError> {
    let (headers, body) = match outcome {
        Ok(reply) => (Headers::default().with(Header::Status, "200"), serde_json::to_vec(&reply)),
        Err(problem) => {
            let headers = Headers::default()
                .with(Header::Status, &problem.code.http().to_string())
                .with(Header::Code, problem.code.as_str())
                .with(Header::RequestId, &problem.request_id.to_string());
            (headers, serde_json::to_vec(&Envelope::from(*problem)))
        }
    };
    let body = body.expect("string keys and finite numbers encode");
    delivery.settle.reply(headers, body.into()).await
}
