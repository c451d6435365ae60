//! A call that came to nothing, in the words of the one error table: for doors and tools that pass
//! it on. Decides nothing about repeating.

use bus::BusError;
use protocol::{Code, Problem};
use uuid::Uuid;

use crate::CallError;

impl CallError {
    /// `changes`: the call may have written something, so that silence leaves that open.
    #[must_use]
    pub fn problem(self, changes: bool, request_id: Uuid) -> Box<Problem> {
        let silence = if changes { Code::CommitUnknown } else { Code::Unavailable };
        let (code, reason) = match &self {
            Self::Refused(_) | Self::Garbled(_) => (Code::Internal, None),
            Self::Bus(BusError::NoResponders(_)) => (Code::Unavailable, Some("no_responders")),
            Self::Bus(BusError::TimedOut) => (silence, None),
            Self::Bus(BusError::Unavailable(_)) => (silence, Some("bus")),
            Self::Bus(BusError::TooLarge { .. }) => (Code::TooLarge, None),
        };
        let mut problem = Box::new(Problem::new(code, request_id));
        problem.reason = reason.map(str::to_owned);
        if let Self::Bus(BusError::TooLarge { size, limit }) = self {
            problem.limit = u64::try_from(limit).ok();
            problem.actual = u64::try_from(size).ok();
            return problem;
        }
        match self {
            Self::Refused(said) => said,
            Self::Bus(_) | Self::Garbled(_) => problem,
        }
    }
}
