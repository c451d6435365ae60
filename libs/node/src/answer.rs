//! From a delivery to a typed request, and from a ledger's answer to a reply: the one place where
//! outcomes become problems.

use bus::{BusError, Delivery, MAX_BODY, Message};
use fleet::{Actor, ProductId, Rejection, Timestamp};
use ledger::{LedgerError, Outcome};
use protocol::{Answered, Ask, Code, Envelope, Header, Headers, MOST_WORDS, Problem};
use serde::Serialize;
use serde_json::Value;
use store::Full;
use tracing::warn;
use uuid::Uuid;

use crate::company::Company;
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
    pub company: Company,
}

/// What was delivered: one word, or a list of them.
pub(crate) enum Heard<A> {
    One(Asked<A>),
    /// Each was read by itself: a word that cannot be read takes nothing from the others.
    Several(Uuid, Vec<Result<Asked<A>, Box<Problem>>>),
}

impl<A> Heard<A> {
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::One(asked) => asked.deadline,
            Self::Several(_, words) => {
                words.iter().find_map(|one| one.as_ref().ok().and_then(|one| one.deadline))
            }
        }
    }
}

impl<A: Ask> Heard<A> {
    /// Reads what was delivered; `made_up` names a request that brought no id.
    pub(crate) fn read(delivery: &Delivery, made_up: Uuid) -> Result<Self, Box<Problem>> {
        let request_id = delivery.message.headers.get(Header::RequestId);
        let request_id = request_id.and_then(|id| id.parse().ok()).unwrap_or(made_up);
        match shape::document(&delivery.message.body, request_id)? {
            Value::Array(words) if words.len() > MOST_WORDS => {
                let mut problem = Box::new(Problem::new(Code::Validation, request_id));
                problem.message = format!("at most {MOST_WORDS} words are said at once");
                Err(problem)
            }
            Value::Array(words) => {
                let company = Company::of_several();
                let read = |word| Asked::read(delivery, word, (request_id, company.clone()));
                Ok(Self::Several(request_id, words.into_iter().map(read).collect()))
            }
            word @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => {
                Ok(Self::One(Asked::read(delivery, word, (request_id, Company::none()))?))
            }
        }
    }
}

impl<A: Ask> Asked<A> {
    fn read(
        delivery: &Delivery,
        word: Value,
        (request_id, company): (Uuid, Company),
    ) -> Result<Self, Box<Problem>> {
        let message = &delivery.message;
        let ask: A = shape::typed(word, request_id)?;
        // Whoever may speak on a subject may not speak in the body for somebody else.
        if ask.subject(message.subject.product()) != message.subject {
            return Err(Box::new(Problem::new(Code::OutOfScope, request_id)));
        }
        Ok(Self {
            product: message.subject.product().clone(),
            request_id,
            by: by_whom(message),
            deadline: message.headers.get(Header::Deadline).and_then(|at| at.parse().ok()),
            ask,
            company,
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

fn by_whom(message: &Message) -> Actor {
    let said = message.headers.get(Header::Actor).and_then(|by| by.parse().ok());
    said.unwrap_or_else(Actor::owner)
}

/// A failure of the ledger in the words of the error table.
#[must_use]
pub fn problem_of(error: &LedgerError, request_id: Uuid) -> Box<Problem> {
    let (code, reason) = match error {
        LedgerError::Unavailable(away) if away.is_for::<ReadOnly>() => {
            (Code::Unavailable, Some("store_generation"))
        }
        LedgerError::Unavailable(away) if away.is_for::<Full>() => {
            (Code::Unavailable, Some("store_full"))
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
    match outcome {
        Ok(reply) => delivery.settle.reply(fine(), encoded(&reply).into()).await,
        Err(problem) => {
            let headers = Headers::default()
                .with(Header::Status, &problem.code.http().to_string())
                .with(Header::Code, problem.code.as_str())
                .with(Header::RequestId, &problem.request_id.to_string());
            delivery.settle.reply(headers, encoded(&Envelope::from(*problem)).into()).await
        }
    }
}

/// One list for a list of words. What no longer fits in it is told as if its answer had been lost:
/// the word is said again by itself, and what it did is found.
pub(crate) async fn answer_several<R: Serialize>(
    delivery: Delivery,
    outcomes: Vec<Result<R, Box<Problem>>>,
    request_id: Uuid,
) -> Result<(), BusError> {
    let lost = Box::new(Problem::new(Code::CommitUnknown, request_id));
    let lost = encoded(&Answered::<R>::Error(lost));
    let mut left = MAX_BODY - outcomes.len() * (lost.len() + 1) - 1;
    let mut list = vec![b'['];
    for (place, outcome) in outcomes.into_iter().enumerate() {
        let answered = match outcome {
            Ok(reply) => Answered::Reply(reply),
            Err(problem) => Answered::Error(problem),
        };
        let mut answered = encoded(&answered);
        if answered.len() > left + lost.len() {
            answered.clone_from(&lost);
        }
        left -= answered.len().saturating_sub(lost.len());
        if place > 0 {
            list.push(b',');
        }
        list.append(&mut answered);
    }
    list.push(b']');
    delivery.settle.reply(fine(), list.into()).await
}

fn fine() -> Headers {
    Headers::default().with(Header::Status, "200")
}

fn encoded(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("string keys and finite numbers encode")
}
