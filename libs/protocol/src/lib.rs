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
    AboutJob, Ask, Beat, Beaten, ClaimWork, Found, Granted, JobAction, JobView, ListJobs, Listed,
    OfJob, OfferSeen, Operate, Operated, PatchJob, Receipt, ReleaseJob, RenewAnswer, RenewLeases,
    RenewOne, Renewed, ReportProgress, SubmitJob,
};
pub use subject::{BadSubject, Kind, Route, Row, Subject, Topic};
pub use verb::{Operation, Query, Reason, Word};
