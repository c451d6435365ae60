//! The rules of the fleet: every record, command, event and rejection, and what agrees with what.
//!
//! The core owns what may happen and what agrees with what; the shell round it owns waiting,
//! writing, retrying and telling. Nothing here waits, reads a clock or draws a random number:
//! time, ids and chance are arguments.

mod capability;
mod content;
mod digest;
mod grammar;
mod id;
mod manifest;
mod money;
mod submission;
mod time;

pub use capability::{Capability, NotACapability, unmet};
pub use content::{
    Backoff, Ceiling, CommandLine, Content, DepsMode, EngineClass, Kind, NotABackoff, OnDepFailure,
    Priority, ProfileRef, RetryClass, RetryPolicy, ReviewPolicy,
};
pub use digest::{canonical_json, sha256_hex};
pub use grammar::{Glob, NotAGlob, NotASpan, Span};
pub use id::{
    BadId, BudgetId, EngineName, Epoch, FactoryId, Incarnation, JobId, Key, LockName, Nonce, OpId,
    ProductId, ProfileName, RequestId,
};
pub use manifest::{Fault, Invalid, Reason};
pub use money::{MAX_COUNT, MicroUsd, NotAnAmount};
pub use submission::{Accepted, ProfileTerms, Submission, Terms, check_defaults, normalise};
pub use time::{NotATime, Timestamp};
