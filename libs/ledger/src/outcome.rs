//! What a ledger verb answers: done, an expected no, or a trouble that is nobody's decision.

use bus::BusError;
use fleet::{Code, Record, Rejection};
use store::StoreError;

use crate::commit::Committed;
use crate::table::Found;

/// Both are answers; neither is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<T> {
    Done(T),
    Rejected(Rejection),
}

impl<T> Outcome<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Done(done) => Outcome::Done(change(done)),
            Self::Rejected(rejection) => Outcome::Rejected(rejection),
        }
    }

    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(done) => Some(done),
            Self::Rejected(_) => None,
        }
    }
}

pub(crate) fn not_found<T>() -> Outcome<T> {
    Outcome::Rejected(Rejection::new(Code::NotFound))
}

/// The record as the deciding write left it, or was found to need none.
pub(crate) fn stands<R: Record>(done: Option<Committed<R>>) -> Outcome<Found<R>> {
    done.and_then(Committed::stored).map_or_else(not_found, Outcome::Done)
}

/// What a submission came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Created,
    Existing,
    Superseded,
}

/// Each variant is a different thing for the caller to do.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("the store cannot be reached; try again later")]
    Unavailable(#[source] StoreError),
    #[error("the bus cannot be reached; what was not told is told later")]
    BusAway(#[source] BusError),
    #[error("it is not known whether the write happened; repeat it with the same id")]
    CommitUnknown,
    #[error("a {what} of {actual} bytes is over the limit of {limit}")]
    TooLarge { what: &'static str, limit: usize, actual: usize },
    #[error("the stored {what} {id} was written by a newer version; upgrade before touching it")]
    SchemaTooNew { what: &'static str, id: String },
    #[error("the stored {what} {id} cannot be read: {why}")]
    Corrupt { what: &'static str, id: String, why: String },
}

impl LedgerError {
    /// The same, once a write of ours may have happened: a store that is away then has said neither
    /// yes nor no.
    pub(crate) fn amid(self) -> Self {
        match self {
            Self::Unavailable(_) | Self::BusAway(_) | Self::CommitUnknown => Self::CommitUnknown,
            Self::TooLarge { .. } | Self::SchemaTooNew { .. } | Self::Corrupt { .. } => self,
        }
    }

    /// Whether it will be the same tomorrow: the trouble is in one record, not in what holds it.
    pub(crate) fn is_of_the_record(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::SchemaTooNew { .. } | Self::Corrupt { .. } => true,
            Self::Unavailable(_) | Self::BusAway(_) | Self::CommitUnknown => false,
        }
    }
}
