//! What travels between the roles: subjects, headers and the one error table. Never waits, never
//! sends, and knows no bus.

mod error;
mod filter;
mod header;
mod message;
mod subject;
mod verb;

pub use error::{Code, Detail, Envelope, Problem};
pub use filter::Filter;
pub use header::{Header, Headers};
pub use message::{
    AboutJob, AboutProduct, AddChildren, Added, Ask, Beat, Beaten, BoardNumbers, BudgetView,
    ClaimWork, DeadLetter, Deregister, FactoryAction, FactoryNumbers, FactoryView, Finding, Found,
    Granted, JobAction, JobName, JobView, Kick, ListJobs, Listed, LockHolder, LockView, OfJob,
    OfProduct, Offer, OfferSeen, Operate, OperateFactory, OperateProduct, Operated, PatchJob,
    PlanJob, Planned, ProductAction, Receipt, ReleaseJob, RenewAnswer, RenewLeases, RenewOne,
    Renewed, ReportProgress, Seats, Stats, StopReason, StopWork, SubmitJob, Verified, Verify,
};
pub use subject::{BadSubject, Kind, Route, Row, Subject, Topic};
pub use verb::{Operation, Query, Reason, Word};
