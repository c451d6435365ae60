//! What is said on each subject: one type for each request and its answer. Shapes only; whether
//! something may be is for the rules to say.

mod artifact;
mod claim;
mod command;
mod hold;
mod operate;
mod profile;
mod read;
mod several;
mod submit;
mod survey;
mod told;
mod view;

use fleet::ProductId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::subject::{Row, Subject};

pub use artifact::{
    AppendLog, ArtifactPage, ArtifactsAudited, ArtifactsSwept, AuditArtifacts, BeginArtifact,
    Begun, CommitArtifact, Hold, KeepArtifact, Link, LinkArtifact, Linked, ListArtifacts, LogPiece,
    RemoveArtifact, SweepArtifacts, Upload,
};
pub use claim::{ClaimWork, Granted, OfferSeen};
pub use command::{StopReason, StopWork};
pub use hold::{
    Beat, Beaten, Deregister, PatchJob, ReleaseJob, RenewAnswer, RenewLeases, RenewOne, Renewed,
    ReportProgress,
};
pub use operate::{
    FactoryAction, Finding, JobAction, Operate, OperateFactory, OperateProduct, Operated,
    ProductAction, Verified, Verify,
};
pub use profile::{NewestProfile, ProfileStands, ProfileView, PutProfile};
pub use read::{AboutJob, AboutProduct, Found, ListJobs, Listed, OfJob, OfProduct};
pub use several::{Answered, MOST_WORDS};
pub use submit::{AddChildren, Added, PlanJob, Planned, Receipt, SubmitJob};
pub use survey::{
    BoardNumbers, BudgetView, FactoryNumbers, FactoryView, JobName, LockHolder, LockView, Seats,
    Stats,
};
pub use told::{DeadLetter, Kick, Offer};
pub use view::JobView;

/// A request: where it goes and what answers it.
pub trait Ask: Serialize + DeserializeOwned + Send + Sync {
    type Reply: Serialize + DeserializeOwned + Send;

    /// The line of the table that it is said on.
    fn row(&self) -> Row;

    /// Its address: of the product, and of the factory where it is a factory's word.
    fn subject(&self, product: &ProductId) -> Subject;
}
