//! What travels between the roles: subjects, headers and the one error table. Never waits, never
//! sends, and knows no bus.

mod error;
mod filter;
mod header;
mod identity;
mod message;
mod permit;
mod role;
mod secret;
mod subject;
mod verb;

pub use error::{Code, Detail, Envelope, Problem};
pub use filter::Filter;
pub use header::{Header, Headers};
pub use identity::{
    AskReset, AuditShown, AuthUser, Bind, EnrollFactory, Enrolled, IssueToken, Issued, OnceCode,
    Reset, RotateToken, SessionShown, SessionTimes, SignIn, SignUp, SignedIn, TokenKind,
    TokenShown, VerifyEmail,
};
pub use message::{
    AboutJob, AboutProduct, AddChildren, Added, Answered, AppendLog, ArtifactPage,
    ArtifactsAudited, ArtifactsSwept, Ask, AuditArtifacts, Beat, Beaten, BeginArtifact, Begun,
    BoardNumbers, BudgetView, ClaimWork, CommitArtifact, DeadLetter, Deregister, FactoryAction,
    FactoryNumbers, FactoryView, Finding, Found, Granted, Hold, JobAction, JobName, JobView,
    KeepArtifact, Kick, Link, LinkArtifact, Linked, ListArtifacts, ListJobs, Listed, LockHolder,
    LockView, LogPiece, MOST_WORDS, NewestProfile, OfJob, OfProduct, Offer, OfferSeen, Operate,
    OperateFactory, OperateProduct, Operated, PatchJob, PlanJob, Planned, ProductAction,
    ProfileStands, ProfileView, PutProfile, Receipt, ReleaseJob, RemoveArtifact, RenewAnswer,
    RenewLeases, RenewOne, Renewed, ReportProgress, Seats, Stats, StopReason, StopWork, SubmitJob,
    SweepArtifacts, Upload, Verified, Verify,
};
pub use permit::{Permits, Principal, Purpose, inbox_of, is_inbox};
pub use role::Role;
pub use secret::Secret;
pub use subject::{BadSubject, Kind, NOWHERE, Party, Route, Row, Subject, Topic};
pub use verb::{Custody, Operation, Query, Reason, Word};
