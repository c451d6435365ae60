//! The one table of subjects: where each message goes, of what kind it is, and between whom.
//! Every token comes from a type that was parsed, so that no name can bring in `.`, `*` or `>`.

use std::fmt;
use std::str::FromStr;

use fleet::{FactoryId, JobId, ProductId};

use crate::verb::{Custody, Operation, Query, Reason, Word};

pub(crate) const ROOT: &str = "fleet.v1";

/// Where nobody listens and no principal may: a question to it is answered by the server itself.
pub const NOWHERE: &str = "fleet.v1._.nobody";

/// The address of one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    product: ProductId,
    topic: Topic,
}

/// What a message is about, within its product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    Submit,
    /// Of somebody whose jobs may run engines that approve their own tools.
    SubmitYolo,
    Plan,
    Children,
    ChildrenYolo,
    Intake,
    Query(Query),
    Operate(Operation),
    /// A version of a profile, of somebody who may make one.
    PutProfile,
    Offer(FactoryId),
    OfferAny,
    Spoken(FactoryId, Word),
    Custody(Custody),
    Log(JobId),
    Command(FactoryId),
    Event(JobId),
    Kick(Reason),
    DeadLetter,
}

/// One line of the table: a topic without its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    Submit,
    SubmitYolo,
    Plan,
    Children,
    ChildrenYolo,
    Intake,
    Query(Query),
    Operate(Operation),
    PutProfile,
    Offer,
    OfferAny,
    Spoken(Word),
    Custody(Custody),
    Log,
    Command,
    Event,
    Kick,
    DeadLetter,
}

/// How a message is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One asks, one answers.
    Request,
    /// News, at most once; losing it costs time only.
    Notice,
    /// Kept until it was settled or is too old.
    Stream,
}

/// Who speaks or hears on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    Viewer,
    Producer,
    Operator,
    Factory,
    Submit,
    Scheduler,
    LeaseKeeper,
    Artifact,
    Gateway,
    /// Every service that writes jobs, and tells of it.
    Relay,
    AnyService,
}

/// What a line of the table says beside its pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub kind: Kind,
    pub from: &'static [Party],
    pub to: &'static [Party],
}

/// A text that is the address of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a subject of this fleet")]
pub struct BadSubject;

impl Subject {
    #[must_use]
    pub fn new(product: &ProductId, topic: Topic) -> Self {
        Self { product: product.clone(), topic }
    }

    /// The address of one word of a factory.
    #[must_use]
    pub fn spoken(product: &ProductId, factory: &FactoryId, word: Word) -> Self {
        Self::new(product, Topic::Spoken(factory.clone(), word))
    }

    #[must_use]
    pub fn claim(product: &ProductId, factory: &FactoryId) -> Self {
        Self::spoken(product, factory, Word::Claim)
    }

    /// A question that no product of a fleet has, and nobody hears.
    ///
    /// # Panics
    /// Never: its names are names.
    #[must_use]
    pub fn probe() -> Self {
        let product = "readyz".parse().expect("a name");
        Self::new(&product, Topic::Command("readyz".parse().expect("a name")))
    }

    #[must_use]
    pub fn product(&self) -> &ProductId {
        &self.product
    }

    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    #[must_use]
    pub fn row(&self) -> Row {
        match &self.topic {
            Topic::Submit => Row::Submit,
            Topic::SubmitYolo => Row::SubmitYolo,
            Topic::Plan => Row::Plan,
            Topic::Children => Row::Children,
            Topic::ChildrenYolo => Row::ChildrenYolo,
            Topic::Intake => Row::Intake,
            Topic::Query(verb) => Row::Query(*verb),
            Topic::Operate(verb) => Row::Operate(*verb),
            Topic::PutProfile => Row::PutProfile,
            Topic::Offer(_) => Row::Offer,
            Topic::OfferAny => Row::OfferAny,
            Topic::Spoken(_, word) => Row::Spoken(*word),
            Topic::Custody(custody) => Row::Custody(*custody),
            Topic::Log(_) => Row::Log,
            Topic::Command(_) => Row::Command,
            Topic::Event(_) => Row::Event,
            Topic::Kick(_) => Row::Kick,
            Topic::DeadLetter => Row::DeadLetter,
        }
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.row().route().kind
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOT}.{}.", self.product)?;
        match &self.topic {
            Topic::Submit => out.write_str("submit"),
            Topic::SubmitYolo => out.write_str("submit.yolo"),
            Topic::Plan => out.write_str("plan"),
            Topic::Children => out.write_str("children"),
            Topic::ChildrenYolo => out.write_str("children.yolo"),
            Topic::Intake => out.write_str("in"),
            Topic::Query(verb) => write!(out, "q.{}", verb.as_str()),
            Topic::Operate(verb) => write!(out, "op.{}", verb.as_str()),
            Topic::PutProfile => out.write_str("profile.put"),
            Topic::Offer(factory) => write!(out, "offer.f.{factory}"),
            Topic::OfferAny => out.write_str("offer.any"),
            Topic::Spoken(factory, word) => write!(out, "f.{factory}.{}", word.as_str()),
            Topic::Custody(custody) => write!(out, "artifact.{}", custody.as_str()),
            Topic::Log(job) => write!(out, "log.{job}"),
            Topic::Command(factory) => write!(out, "f.{factory}.cmd"),
            Topic::Event(job) => write!(out, "ev.{job}"),
            Topic::Kick(reason) => write!(out, "kick.{}", reason.as_str()),
            Topic::DeadLetter => out.write_str("dlq"),
        }
    }
}

impl FromStr for Subject {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, BadSubject> {
        let tokens: Vec<&str> = text.split('.').collect();
        let ["fleet", "v1", product, topic @ ..] = tokens.as_slice() else {
            return Err(BadSubject);
        };
        let topic = parse_topic(topic).ok_or(BadSubject)?;
        Ok(Self { product: product.parse().map_err(|_| BadSubject)?, topic })
    }
}

impl Row {
    /// Every line of the table, in its order.
    pub fn all() -> impl Iterator<Item = Self> {
        let words = Word::ALL.into_iter().map(Self::Spoken);
        let (submit, children) =
            ([Self::Submit, Self::SubmitYolo], [Self::Children, Self::ChildrenYolo]);
        submit
            .into_iter()
            .chain([Self::Plan])
            .chain(children)
            .chain([Self::Intake])
            .chain(Query::ALL.into_iter().map(Self::Query))
            .chain(Operation::ALL.into_iter().map(Self::Operate))
            .chain([Self::PutProfile, Self::Offer, Self::OfferAny])
            .chain(words)
            .chain(Custody::ALL.into_iter().map(Self::Custody))
            .chain([Self::Log, Self::Command, Self::Event, Self::Kick, Self::DeadLetter])
    }

    /// The tokens after the product; each `*` stands for one name.
    pub(crate) fn tail(self) -> String {
        match self {
            Self::Submit => "submit".into(),
            Self::SubmitYolo => "submit.yolo".into(),
            Self::Plan => "plan".into(),
            Self::Children => "children".into(),
            Self::ChildrenYolo => "children.yolo".into(),
            Self::Intake => "in".into(),
            Self::Query(verb) => format!("q.{}", verb.as_str()),
            Self::Operate(verb) => format!("op.{}", verb.as_str()),
            Self::PutProfile => "profile.put".into(),
            Self::Offer => "offer.f.*".into(),
            Self::OfferAny => "offer.any".into(),
            Self::Spoken(word) => format!("f.*.{}", word.as_str()),
            Self::Custody(custody) => format!("artifact.{}", custody.as_str()),
            Self::Log => "log.*".into(),
            Self::Command => "f.*.cmd".into(),
            Self::Event => "ev.*".into(),
            Self::Kick => "kick.*".into(),
            Self::DeadLetter => "dlq".into(),
        }
    }

    #[must_use]
    pub fn route(self) -> Route {
        use Kind::{Notice, Request, Stream};
        use Party::{AnyService, Factory, Gateway, Operator, Producer, Relay, Viewer};
        let (kind, from, to): (_, &[Party], &[Party]) = match self {
            Self::Submit | Self::Plan | Self::Children => (Request, &[Producer], &[Party::Submit]),
            Self::SubmitYolo | Self::ChildrenYolo | Self::PutProfile => {
                (Request, &[Gateway], &[Party::Submit])
            }
            Self::Intake => (Stream, &[Producer], &[Party::Submit]),
            Self::Query(Query::Why | Query::Stats) => (Request, &[Viewer], &[Party::Scheduler]),
            Self::Query(Query::Artifacts) => (Request, &[Viewer], &[Party::Artifact]),
            Self::Query(_) => (Request, &[Viewer], &[Party::Submit]),
            Self::Operate(_) => (Request, &[Operator], &[Party::LeaseKeeper]),
            Self::Offer | Self::OfferAny => (Notice, &[Party::Scheduler], &[Factory]),
            Self::Spoken(word) => (Request, &[Factory], listener(word)),
            Self::Custody(Custody::Keep) => (Request, &[Gateway], &[Party::Artifact]),
            Self::Custody(Custody::Audit) => {
                (Request, &[Gateway, Party::LeaseKeeper, Operator], &[Party::Artifact])
            }
            Self::Custody(_) => (Request, &[Gateway, Operator], &[Party::Artifact]),
            Self::Log => (Notice, &[Party::Artifact], &[Gateway]),
            Self::Command => (Request, &[Party::LeaseKeeper, Party::Scheduler], &[Factory]),
            Self::Event => {
                (Stream, &[Relay], &[Party::Artifact, Gateway, Party::Scheduler, Viewer])
            }
            Self::Kick => (Notice, &[AnyService], &[Party::Scheduler]),
            Self::DeadLetter => (Stream, &[AnyService], &[Operator]),
        };
        Route { kind, from, to }
    }
}

impl Party {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Factory => "factory",
            Self::Submit => "submit",
            Self::Scheduler => "scheduler",
            Self::LeaseKeeper => "lease-keeper",
            Self::Artifact => "artifact",
            Self::Gateway => "gateway",
            Self::Relay => "relay",
            Self::AnyService => "any service",
        }
    }

    /// Several of them, as people read them.
    #[must_use]
    pub fn list(parties: &[Self]) -> String {
        parties.iter().map(|party| party.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn listener(word: Word) -> &'static [Party] {
    match word {
        Word::Claim => &[Party::Scheduler],
        Word::Renew | Word::Patch | Word::Progress | Word::Release => &[Party::LeaseKeeper],
        Word::Heartbeat | Word::Deregister | Word::Get => &[Party::LeaseKeeper],
        Word::ArtifactBegin | Word::ArtifactCommit | Word::ArtifactLink | Word::Log => {
            &[Party::Artifact]
        }
    }
}

fn parse_topic(tokens: &[&str]) -> Option<Topic> {
    Some(match tokens {
        ["submit"] => Topic::Submit,
        ["submit", "yolo"] => Topic::SubmitYolo,
        ["plan"] => Topic::Plan,
        ["children"] => Topic::Children,
        ["children", "yolo"] => Topic::ChildrenYolo,
        ["in"] => Topic::Intake,
        ["q", verb] => Topic::Query(Query::parse(verb)?),
        ["op", verb] => Topic::Operate(Operation::parse(verb)?),
        ["profile", "put"] => Topic::PutProfile,
        ["offer", "f", factory] => Topic::Offer(factory.parse().ok()?),
        ["offer", "any"] => Topic::OfferAny,
        ["artifact", custody] => Topic::Custody(Custody::parse(custody)?),
        ["log", job] => Topic::Log(job.parse().ok()?),
        ["f", factory, "cmd"] => Topic::Command(factory.parse().ok()?),
        ["f", factory, word @ ..] => Topic::Spoken(factory.parse().ok()?, Word::parse(word)?),
        ["ev", job] => Topic::Event(job.parse().ok()?),
        ["kick", reason] => Topic::Kick(Reason::parse(reason)?),
        ["dlq"] => Topic::DeadLetter,
        _ => return None,
    })
}
