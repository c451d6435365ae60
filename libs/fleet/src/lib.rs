//! The rules of the fleet: every record, command, event and rejection, and what agrees with what.
//!
//! The core owns what may happen and what agrees with what; the shell round it owns waiting,
//! writing, retrying and telling. Nothing here waits, reads a clock or draws a random number:
//! time, ids and chance are arguments.

mod artifact;
mod audit;
mod board;
mod budget;
mod capability;
mod content;
mod control;
mod dependency;
mod digest;
mod entry;
mod event;
mod factory;
mod grammar;
mod id;
mod job;
mod kinds;
mod lease;
mod lock;
mod manifest;
mod money;
mod offer;
mod product;
mod profile;
mod record;
mod rejection;
mod report;
mod run;
mod schemas;
mod stage;
mod steps;
mod submission;
mod time;
mod why;

pub use artifact::{
    Artifact, ArtifactCommand, ArtifactEvent, ArtifactKind, ArtifactState, Described, Description,
    LARGEST_ARTIFACT, Undescribed,
};
pub use audit::{Invariant, Violation, audit, audit_dependencies};
pub use board::{Board, Candidate, Known};
pub use budget::{AppliesTo, Budget, BudgetCommand, BudgetEvent, Reservation, Standing, Window};
pub use capability::{Capability, NotACapability, unmet};
pub use content::{
    Backoff, Ceiling, CommandLine, Content, DepsMode, EngineClass, Frozen, Kind, ManifestSnapshot,
    NotABackoff, OnDepFailure, Priority, ProfileRef, RetryClass, RetryPolicy, ReviewPolicy,
};
pub use control::{Control, ControlCommand, ControlEvent};
pub use dependency::{DepsView, GRAPH_LIMIT, GraphTooLarge, Walk, satisfies};
pub use digest::{canonical_json, sha256_hex};
pub use entry::AuditEntry;
pub use event::{
    Actor, ActorKind, Data, Entry, EventRecord, EventType, Mention, NotAnActor, Refused,
};
pub use factory::{
    Descriptor, Factory, FactoryCommand, FactoryEvent, Health, Heartbeat, MOST_ADVERTISED,
    STALE_AFTER,
};
pub use grammar::{Glob, NotAGlob, NotASpan, Span};
pub use id::{
    ArtifactId, BadId, BudgetId, EngineName, Epoch, FactoryId, Incarnation, JobId, Key, LockName,
    Nonce, OpId, ProductId, ProfileName, RequestId,
};
pub use job::{
    Action, Admission, Bidder, CancelRequest, Cause, Change, Circumstances, Claim, Claimed,
    Command, Disposition, DoneOp, Event, FencedBy, Holding, Jitter, Job, Keep, Leaving, Left,
    OUTBOX_LIMIT, Operation, Patch, Pointer, Release, Removal, Report, Rest, Submitted, TakeBack,
    Tally, Tombstone, Unfit, Used, Wish, submit, unclaimable, unfit, unsuited, waits_for,
};
pub use kinds::{CONTAINERS, Container, Partition};
pub use lease::{Lease, LeaseCommand, LeaseEvent, LeaseStatus};
pub use lock::{
    Fenced, LOCK_GRACE, Lock, LockCommand, LockEvent, Owner, RESERVATION_LIFE, Slot, SlotState,
};
pub use manifest::{Fault, Invalid, Reason, submission_schema};
pub use money::{MAX_COUNT, MicroUsd, NotAnAmount};
pub use offer::{Rank, Standby, best_suited};
pub use product::{Product, ProductCommand, ProductEvent};
pub use profile::{
    Chosen, Env, Lineage, LineageCommand, LineageEvent, Profile, ProfileCommand, ProfileEvent,
    Snapshot,
};
pub use record::{Head, Record, SCHEMA_VERSION, schema_version_of, touched};
pub use rejection::{Code, Current, Rejection};
pub use report::{Checkpoint, Exit, Insights, RunResult, VerifyResult};
pub use run::{Progress, Run, RunCommand, RunEvent};
pub use schemas::{record_schemas, schema_settings};
pub use stage::{DeadReason, FailureReason, Holder, Stage, StageName};
pub use steps::{CLAIM, OVERRULE, REAP, RELEASE, RENEW, REPAIR, SUBMIT, Step};
pub use submission::{Accepted, ProfileTerms, Submission, Terms, check_defaults, normalise};
pub use time::{NotATime, Timestamp};
pub use why::{Blocker, Host, LockSeen, Suits, SuitsCode, Truths, Why, WhyCode, suits};
