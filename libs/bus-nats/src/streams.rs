//! The three streams: what they are to be, and whether they are so. Made by an explicit first
//! initialisation alone: a stream that is missing later is lost work, never a fresh start.

use std::fmt::Debug;
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use bus::{BusError, MAX_BODY};
use protocol::Row;
use tokio::time::{sleep, timeout};

use crate::link::{Link, away};
use crate::wire::HEADER_ROOM;

const DAY: Duration = Duration::from_hours(24);
/// How long a stream remembers dedup ids.
const DEDUP: Duration = Duration::from_mins(2);
/// A cluster that has just started has nobody to ask yet: asked so often, with so long a pause.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);
/// Older clusters let several conditional writes win.
const OLDEST: (i64, i64, i64) = (2, 12, 0);

/// One stream as it is to be.
#[derive(Debug)]
struct Plan {
    name: &'static str,
    subject: &'static str,
    retention: RetentionPolicy,
    discard: DiscardPolicy,
    max_age: Duration,
    max_bytes: i64,
}

const PLANS: [Plan; 3] = [
    Plan {
        name: "FLEET_INTAKE",
        subject: "fleet.v1.*.in",
        retention: RetentionPolicy::WorkQueue,
        // Full, it refuses: a producer is told, and nothing that was taken in is forgotten.
        discard: DiscardPolicy::New,
        max_age: Duration::ZERO,
        max_bytes: 1 << 30,
    },
    Plan {
        name: "FLEET_EVENTS",
        subject: "fleet.v1.*.ev.>",
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: DAY.saturating_mul(7),
        max_bytes: 2 << 30,
    },
    Plan {
        name: "FLEET_DLQ",
        subject: "fleet.v1.*.dlq",
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: DAY.saturating_mul(30),
        max_bytes: 1 << 28,
    },
];

/// A stream as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub stream: &'static str,
    pub replicas: usize,
    pub messages: u64,
}

/// Why a server does not do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(
        "stream {0} is missing, and what it held with it; only `gigamesh admin init` makes one"
    )]
    Missing(&'static str),
    #[error("stream {stream} has {setting} {found}, and is to have {wanted}")]
    Differs { stream: &'static str, setting: &'static str, found: String, wanted: String },
    #[error("the server is {0}, and is to be 2.12 or newer")]
    TooOld(String),
    #[error(
        "the server takes messages of {found} bytes: set max_payload in its configuration to \
         {wanted} or more, and start it again"
    )]
    Narrow { found: usize, wanted: usize },
}

impl Fault {
    /// Whether the server itself is to be another, rather than what lies on it.
    #[must_use]
    pub fn is_of_the_server(&self) -> bool {
        match self {
            Self::TooOld(_) | Self::Narrow { .. } => true,
            Self::Missing(_) | Self::Differs { .. } => false,
        }
    }
}

/// The server cannot be used as it is, or not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{}", told(.0))]
    Faults(Vec<Fault>),
    #[error(transparent)]
    Away(#[from] BusError),
    /// Waiting does not mend it.
    #[error(transparent)]
    NotAdmitted(#[from] access_nats::NotAdmitted),
}

fn told(faults: &[Fault]) -> String {
    let told: Vec<_> = faults.iter().map(ToString::to_string).collect();
    told.join("; ")
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PLANS.iter().map(|plan| plan.name)
}

/// Which stream keeps this line of the table.
///
/// # Panics
/// The line is of no stream.
pub(crate) fn keeper(row: Row) -> &'static str {
    match row {
        Row::Intake => PLANS[0].name,
        Row::Event => PLANS[1].name,
        Row::DeadLetter => PLANS[2].name,
        Row::Submit
        | Row::Plan
        | Row::Children
        | Row::ChildrenYolo
        | Row::SubmitYolo
        | Row::Query(_)
        | Row::Operate(_)
        | Row::PutProfile
        | Row::Offer
        | Row::OfferAny
        | Row::Spoken(_)
        | Row::Custody(_)
        | Row::Log
        | Row::Command
        | Row::Kick => {
            panic!("{row:?} is kept by no stream")
        }
    }
}

/// Makes what is missing. What is there and different is left as it is, and named.
pub(crate) async fn init(link: &Link, jetstream: &Context, replicas: usize) -> Result<(), Unfit> {
    for plan in &PLANS {
        make(jetstream, plan.config(replicas)).await?;
    }
    verify(link, jetstream).await.map(drop)
}

async fn make(jetstream: &Context, config: Config) -> Result<(), BusError> {
    let mut last = BusError::TimedOut;
    for _ in 0..TRIES {
        // Short: a cluster without a leader leaves the question lying.
        let made = Box::pin(jetstream.create_stream(config.clone()));
        match timeout(Duration::from_secs(1), made).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => match error.kind() {
                CreateStreamErrorKind::JetStream(why) if is_there(&why) => return Ok(()),
                CreateStreamErrorKind::JetStream(_)
                | CreateStreamErrorKind::JetStreamUnavailable
                | CreateStreamErrorKind::TimedOut
                | CreateStreamErrorKind::NotFound
                | CreateStreamErrorKind::Response
                | CreateStreamErrorKind::ResponseParse
                | CreateStreamErrorKind::EmptyStreamName
                | CreateStreamErrorKind::InvalidStreamName
                | CreateStreamErrorKind::DomainAndExternalSet => {
                    last = away(format!("{}: {error}", config.name));
                }
            },
            Err(_) => last = BusError::TimedOut,
        }
        sleep(PAUSE).await;
    }
    Err(last)
}

fn is_there(why: &async_nats::jetstream::Error) -> bool {
    why.error_code() == ErrorCode::STREAM_NAME_EXIST
}

/// Every fault at once, so that one reading suffices to mend them.
pub(crate) async fn verify(link: &Link, jetstream: &Context) -> Result<Vec<Standing>, Unfit> {
    let mut faults = faults_of_server(link);
    let mut standings = Vec::new();
    for plan in &PLANS {
        match found(link, jetstream, plan).await? {
            Some((config, standing)) => {
                faults.extend(plan.differences(&config));
                standings.push(standing);
            }
            None => faults.push(Fault::Missing(plan.name)),
        }
    }
    if faults.is_empty() { Ok(standings) } else { Err(Unfit::Faults(faults)) }
}

fn faults_of_server(link: &Link) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (major, minor, patch) = OLDEST;
    if !link.client.is_server_compatible(major, minor, patch) {
        faults.push(Fault::TooOld(link.client.server_info().version));
    }
    let (found, wanted) = (link.client.max_payload(), MAX_BODY + HEADER_ROOM);
    if found < wanted {
        faults.push(Fault::Narrow { found, wanted });
    }
    faults
}

async fn found(
    link: &Link,
    jetstream: &Context,
    plan: &Plan,
) -> Result<Option<(Config, Standing)>, BusError> {
    let asked = async {
        match timeout(link.patience, Box::pin(jetstream.get_stream(plan.name))).await {
            Ok(Ok(stream)) => Ok(Some(stream)),
            Ok(Err(error)) => match error.kind() {
                GetStreamErrorKind::JetStream(why) if is_missing(&why) => Ok(None),
                GetStreamErrorKind::JetStream(_)
                | GetStreamErrorKind::Request
                | GetStreamErrorKind::EmptyName
                | GetStreamErrorKind::InvalidStreamName => {
                    Err(away(format!("{}: {error}", plan.name)))
                }
            },
            Err(_) => Err(BusError::TimedOut),
        }
    };
    let Some(stream) = link.talk(asked).await? else { return Ok(None) };
    let info = stream.cached_info();
    let standing = Standing {
        stream: plan.name,
        replicas: info.config.num_replicas,
        messages: info.state.messages,
    };
    Ok(Some((info.config.clone(), standing)))
}

fn is_missing(why: &async_nats::jetstream::Error) -> bool {
    why.error_code() == ErrorCode::STREAM_NOT_FOUND
}

impl Plan {
    fn config(&self, replicas: usize) -> Config {
        Config {
            name: self.name.to_owned(),
            subjects: vec![self.subject.to_owned()],
            retention: self.retention,
            discard: self.discard,
            max_age: self.max_age,
            max_bytes: self.max_bytes,
            max_message_size: i32::try_from(MAX_BODY + HEADER_ROOM).unwrap_or(i32::MAX),
            duplicate_window: DEDUP,
            storage: StorageType::File,
            num_replicas: replicas,
            ..Config::default()
        }
    }

    fn differences(&self, found: &Config) -> Vec<Fault> {
        let wanted = self.config(found.num_replicas);
        let mut faults = Vec::new();
        let mut compare = |setting, found: String, wanted: String| {
            if found != wanted {
                faults.push(Fault::Differs { stream: self.name, setting, found, wanted });
            }
        };
        compare("subjects", said(&found.subjects), said(&wanted.subjects));
        compare("retention", said(&found.retention), said(&wanted.retention));
        compare("discard", said(&found.discard), said(&wanted.discard));
        compare("max_age", said(&found.max_age), said(&wanted.max_age));
        compare("max_msg_size", said(&found.max_message_size), said(&wanted.max_message_size));
        compare("duplicate_window", said(&found.duplicate_window), said(&wanted.duplicate_window));
        compare("storage", said(&found.storage), said(&wanted.storage));
        faults
    }
}

fn said(setting: &impl Debug) -> String {
    format!("{setting:?}")
}

#[cfg(test)]
mod tests {
    use protocol::Kind;

    use super::*;

    #[test]
    fn every_line_that_is_kept_has_its_stream_and_no_other_line_has_one() {
        for row in Row::all() {
            let kept = std::panic::catch_unwind(|| keeper(row)).is_ok();
            assert_eq!(kept, row.route().kind == Kind::Stream, "{row:?}");
        }
    }

    #[test]
    fn each_setting_that_differs_is_named() {
        let plan = &PLANS[0];
        assert_eq!(plan.differences(&plan.config(3)), []);
        let wrong = Config { discard: DiscardPolicy::Old, ..plan.config(1) };
        let faults = plan.differences(&wrong);
        let told = told(&faults);
        assert_eq!(told, "stream FLEET_INTAKE has discard Old, and is to have New");
    }
}
