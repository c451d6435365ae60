//! The words that a factory says to its coordinator, whichever way they travel. Repeats nothing by
//! itself: the caller holds the operation ids and knows what may be said twice.

use std::fmt::Debug;

use async_trait::async_trait;
use bus::BusError;
use protocol::{
    AppendLog, Ask, Beat, Beaten, BeginArtifact, Begun, ClaimWork, Code, CommitArtifact,
    Deregister, Granted, JobView, Linked, PatchJob, Problem, ReleaseJob, RenewAnswer, RenewLeases,
    ReportProgress, Upload,
};

use crate::bring::{NotBrought, OwnDoor, Parcel, bring};
use crate::way::Trust;
use crate::{CallError, OverBus, OverHttp, Patience};

/// The coordinator as a factory needs it. Usable from several runtimes at once, since renewals
/// have one of their own.
#[async_trait]
pub trait Coordinator: Send + Sync + Debug + 'static {
    /// Asks for one job; nothing means that there is none now.
    async fn claim(&self, ask: &ClaimWork, for_as_long: Patience) -> Told<Option<Granted>>;
    async fn renew(&self, ask: &RenewLeases, for_as_long: Patience) -> Told<RenewAnswer>;
    async fn patch(&self, ask: &PatchJob, for_as_long: Patience) -> Told<JobView>;
    async fn progress(&self, ask: &ReportProgress, for_as_long: Patience) -> Told<()>;
    async fn release(&self, ask: &ReleaseJob, for_as_long: Patience) -> Told<JobView>;
    async fn heartbeat(&self, ask: &Beat, for_as_long: Patience) -> Told<Beaten>;
    async fn deregister(&self, ask: &Deregister, for_as_long: Patience) -> Told<()>;
    /// The next lines of a run; said again as they are until they are answered.
    async fn log(&self, ask: &AppendLog, for_as_long: Patience) -> Told<()>;
    async fn begin(&self, ask: &BeginArtifact, for_as_long: Patience) -> Told<Begun>;
    /// Sends bytes to where [`Self::begin`] said, streamed; its own patience ends when nothing
    /// moves.
    async fn bring(&self, to: &Upload, parcel: Parcel) -> Result<(), NotBrought>;
    async fn commit(&self, ask: &CommitArtifact, for_as_long: Patience) -> Told<Linked>;
}

/// What came back.
pub type Told<T> = Result<T, Unanswered>;

/// Why a word was not answered as hoped; each calls for another reaction.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It was understood and refused. Saying it again changes nothing.
    #[error("{}: {}", .0.code.as_str(), .0.message)]
    Refused(Box<Problem>),
    /// It may have been carried out: say it again with the same id.
    #[error("it may have been carried out: {0}")]
    Unknown(#[source] CallError),
    /// It was not carried out: wait a little, then say it again.
    #[error("nobody could answer: {0}")]
    Away(#[source] CallError),
}

impl From<CallError> for Unanswered {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(problem) => Self::of_refusal(problem),
            CallError::Bus(BusError::TimedOut) | CallError::Garbled(_) => Self::Unknown(error),
            CallError::Bus(
                BusError::NoResponders(_) | BusError::Unavailable(_) | BusError::TooLarge { .. },
            ) => Self::Away(error),
        }
    }
}

impl Unanswered {
    fn of_refusal(problem: Box<Problem>) -> Self {
        match problem.code {
            Code::CommitUnknown | Code::Internal => Self::Unknown(CallError::Refused(problem)),
            Code::Unavailable | Code::Throttled | Code::ConcurrentUpdate => {
                Self::Away(CallError::Refused(problem))
            }
            Code::Validation
            | Code::DependencyCycle
            | Code::UnknownAction
            | Code::Unauthenticated
            | Code::Forbidden
            | Code::OutOfScope
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::IdempotencyConflict
            | Code::Conflict
            | Code::Fenced
            | Code::EpochUnknown
            | Code::LeaseNotHeld
            | Code::LeaseLost
            | Code::InvalidTransition
            | Code::AlreadyFinished
            | Code::RunClosed
            | Code::TooLarge
            | Code::UnsupportedMedia => Self::Refused(problem),
        }
    }
}

/// A way to a fleet that carries any request.
trait Link: Send + Sync {
    fn carry<A: Ask>(
        &self,
        ask: &A,
        for_as_long: Patience,
    ) -> impl Future<Output = Result<A::Reply, CallError>> + Send;

    /// The door that bytes go through, if there is one.
    fn door(&self) -> Option<OwnDoor<'_>>;

    /// Whom to believe where bytes go past that door.
    fn trust(&self) -> Trust;
}

impl Link for OverBus {
    fn carry<A: Ask>(
        &self,
        ask: &A,
        for_as_long: Patience,
    ) -> impl Future<Output = Result<A::Reply, CallError>> + Send {
        self.call(ask, for_as_long)
    }

    fn door(&self) -> Option<OwnDoor<'_>> {
        self.door.as_ref().map(OverHttp::door)
    }

    fn trust(&self) -> Trust {
        self.door.as_ref().map(|door| OverHttp::trust(door).clone()).unwrap_or_default()
    }
}

impl Link for OverHttp {
    fn carry<A: Ask>(
        &self,
        ask: &A,
        for_as_long: Patience,
    ) -> impl Future<Output = Result<A::Reply, CallError>> + Send {
        self.call(ask, for_as_long)
    }

    fn door(&self) -> Option<OwnDoor<'_>> {
        Some(self.door())
    }

    fn trust(&self) -> Trust {
        OverHttp::trust(self).clone()
    }
}

#[async_trait]
impl<L: Link + Debug + 'static> Coordinator for L {
    async fn claim(&self, ask: &ClaimWork, for_as_long: Patience) -> Told<Option<Granted>> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn renew(&self, ask: &RenewLeases, for_as_long: Patience) -> Told<RenewAnswer> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn patch(&self, ask: &PatchJob, for_as_long: Patience) -> Told<JobView> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn progress(&self, ask: &ReportProgress, for_as_long: Patience) -> Told<()> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn release(&self, ask: &ReleaseJob, for_as_long: Patience) -> Told<JobView> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn heartbeat(&self, ask: &Beat, for_as_long: Patience) -> Told<Beaten> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn deregister(&self, ask: &Deregister, for_as_long: Patience) -> Told<()> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn log(&self, ask: &AppendLog, for_as_long: Patience) -> Told<()> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn begin(&self, ask: &BeginArtifact, for_as_long: Patience) -> Told<Begun> {
        Ok(self.carry(ask, for_as_long).await?)
    }

    async fn bring(&self, to: &Upload, parcel: Parcel) -> Result<(), NotBrought> {
        bring(self.door(), &self.trust(), (to, parcel)).await
    }

    async fn commit(&self, ask: &CommitArtifact, for_as_long: Patience) -> Told<Linked> {
        Ok(self.carry(ask, for_as_long).await?)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn refusal(code: Code) -> Unanswered {
        CallError::Refused(Box::new(Problem::new(code, Uuid::nil()))).into()
    }

    #[test]
    fn what_may_have_happened_is_told_from_what_did_not() {
        assert!(matches!(refusal(Code::Fenced), Unanswered::Refused(_)));
        assert!(matches!(refusal(Code::CommitUnknown), Unanswered::Unknown(_)));
        assert!(matches!(refusal(Code::Unavailable), Unanswered::Away(_)));
        let timed_out = CallError::Bus(BusError::TimedOut);
        assert!(matches!(timed_out.into(), Unanswered::Unknown(_)));
    }
}
