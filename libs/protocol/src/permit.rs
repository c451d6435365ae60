//! What each principal may say and hear on the bus, read from the table of subjects, so that a new
//! line of it cannot be forgotten. Lists alone: a server keeps them. Never knows a credential.

use fleet::{FactoryId, ProductId};

use crate::filter::Filter;
use crate::subject::{Kind, NOWHERE, Party, Row, Subject};

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Viewer,
    Producer,
    Operator,
    /// Prepares servers, and looks at them.
    Admin,
    Factory,
    Submit,
    Scheduler,
    LeaseKeeper,
    Artifact,
    Gateway,
    /// All services in one process.
    All,
}

/// The names in a principal's subjects: those of one, or what a server puts in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal<'a> {
    pub purpose: Purpose,
    /// A service serves every product, and does not look here.
    pub product: &'a str,
    /// Of a factory alone.
    pub factory: &'a str,
    /// No other principal has it: its inbox bears it.
    pub name: &'a str,
}

/// Everything that is not here is forbidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    pub publish: Vec<String>,
    pub subscribe: Vec<String>,
    /// Never, whatever else is said.
    pub forbidden: Vec<String>,
    /// How many words of an answer may go to where a request asks for it.
    pub answers: Option<u32>,
}

/// One answer to a request, and one of each service of a process to whoever looks for services.
const ANSWERS_OF_A_SERVICE: u32 = 8;

/// How services are looked for.
const DISCOVERY: &str = "$SRV.>";

impl Purpose {
    pub const ALL: [Self; 11] = [
        Self::Viewer,
        Self::Producer,
        Self::Operator,
        Self::Admin,
        Self::Factory,
        Self::Submit,
        Self::Scheduler,
        Self::LeaseKeeper,
        Self::Artifact,
        Self::Gateway,
        Self::All,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Producer => "producer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Factory => "factory",
            Self::Submit => "submit",
            Self::Scheduler => "scheduler",
            Self::LeaseKeeper => "lease-keeper",
            Self::Artifact => "artifact",
            Self::Gateway => "gateway",
            Self::All => "all",
        }
    }

    /// Of the coordinator itself.
    #[must_use]
    pub fn is_service(self) -> bool {
        match self {
            Self::Submit
            | Self::Scheduler
            | Self::LeaseKeeper
            | Self::Artifact
            | Self::Gateway
            | Self::All => true,
            Self::Viewer | Self::Producer | Self::Operator | Self::Admin | Self::Factory => false,
        }
    }

    /// Whose records it reads and writes: nobody's, or those of the fleet.
    #[must_use]
    pub fn keeps_records(self) -> bool {
        self.speaks_as().contains(&Party::Relay)
    }

    /// Under which names of the table it speaks.
    fn speaks_as(self) -> &'static [Party] {
        use Party::{AnyService, Operator, Producer, Relay, Viewer};
        match self {
            Self::Viewer => &[Viewer],
            Self::Producer => &[Viewer, Producer],
            Self::Operator | Self::Admin => &[Viewer, Producer, Operator],
            Self::Factory => &[Party::Factory],
            Self::Submit => &[Party::Submit, Relay, AnyService],
            Self::Scheduler => &[Party::Scheduler, Relay, AnyService],
            Self::LeaseKeeper => &[Party::LeaseKeeper, Relay, AnyService],
            Self::Artifact => &[Party::Artifact, Relay, AnyService],
            Self::Gateway => &[Party::Gateway, AnyService],
            Self::All => &[
                Party::Submit,
                Party::Scheduler,
                Party::LeaseKeeper,
                Party::Artifact,
                Party::Gateway,
                Relay,
                AnyService,
            ],
        }
    }

    /// Under which names of the table it hears. People hear nothing but answers: events and dead
    /// letters reach them through the door.
    fn hears_as(self) -> &'static [Party] {
        match self {
            Self::Viewer | Self::Producer | Self::Operator | Self::Admin => &[],
            Self::Factory => &[Party::Factory],
            Self::Submit => &[Party::Submit],
            Self::Scheduler => &[Party::Scheduler],
            Self::LeaseKeeper => &[Party::LeaseKeeper],
            Self::Artifact => &[Party::Artifact],
            Self::Gateway => &[Party::Gateway],
            Self::All => &[
                Party::Submit,
                Party::Scheduler,
                Party::LeaseKeeper,
                Party::Artifact,
                Party::Gateway,
            ],
        }
    }

    /// The door passes on what people and factories ask; what is kept they send themselves.
    fn speaks_for_callers(self, row: Row) -> bool {
        const CALLERS: [Party; 4] =
            [Party::Viewer, Party::Producer, Party::Operator, Party::Factory];
        let is_door = self.speaks_as().contains(&Party::Gateway);
        let route = row.route();
        is_door
            && route.kind == Kind::Request
            && route.from.iter().any(|party| CALLERS.contains(party))
    }

    fn speaks(self, row: Row) -> bool {
        let from = row.route().from;
        from.iter().any(|party| self.speaks_as().contains(party)) || self.speaks_for_callers(row)
    }

    fn hears(self, row: Row) -> bool {
        row.route().to.iter().any(|party| self.hears_as().contains(party))
    }

    fn answers(self) -> Option<u32> {
        match self {
            Self::Viewer | Self::Producer | Self::Operator | Self::Admin => None,
            // It hears news alone. † whoever may answer, and speak into an inbox of its own, may
            // speak anywhere: a request to itself names the place.
            Self::Gateway => None,
            Self::Factory => Some(1),
            Self::Submit | Self::Scheduler | Self::LeaseKeeper | Self::Artifact | Self::All => {
                Some(ANSWERS_OF_A_SERVICE)
            }
        }
    }
}

impl<'a> Principal<'a> {
    /// Whose names a server fills in from the credential that it was shown.
    #[must_use]
    pub fn template(purpose: Purpose) -> Principal<'static> {
        Principal {
            purpose,
            product: "{{tag(product)}}",
            factory: "{{tag(factory)}}",
            name: "{{name()}}",
        }
    }

    /// One token, and another for each principal: no id has a `~`.
    #[must_use]
    pub fn name_of(purpose: Purpose, product: Option<&ProductId>, who: &str) -> String {
        match product {
            Some(product) => format!("{}~{product}~{who}", purpose.as_str()),
            None => format!("{}~{who}", purpose.as_str()),
        }
    }

    #[must_use]
    pub fn of_factory(product: &'a ProductId, factory: &'a FactoryId, name: &'a str) -> Self {
        let (product, factory) = (product.as_str(), factory.as_str());
        Self { purpose: Purpose::Factory, product, factory, name }
    }

    /// Where its answers come, and nobody else's.
    #[must_use]
    pub fn inbox(&self) -> String {
        inbox_of(self.name)
    }

    /// Its part of the table, and its inbox.
    #[must_use]
    pub fn permits(&self) -> Permits {
        let purpose = self.purpose;
        let written = |row: Row| self.written(row);
        let mut publish: Vec<_> =
            Row::all().filter(|row| purpose.speaks(*row)).map(written).collect();
        let heard = Row::all().filter(|row| purpose.hears(*row)).map(written);
        let mut subscribe: Vec<_> = heard.chain([format!("{}.>", self.inbox())]).collect();
        if purpose.is_service() || purpose == Purpose::Factory {
            // Whoever listens asks there whether the server has heard it.
            publish.push(NOWHERE.to_owned());
        }
        if purpose.is_service() || purpose == Purpose::Admin {
            publish.push(Subject::probe().to_string());
        }
        if purpose.is_service() {
            subscribe.push(DISCOVERY.to_owned());
        }
        let mut forbidden = vec!["$SYS.>".to_owned()];
        if !purpose.is_service() && purpose != Purpose::Admin {
            // The others say which of those they need, and no more.
            forbidden.extend(["$JS.>", "$KV.>"].map(str::to_owned));
        }
        Permits { publish, subscribe, forbidden, answers: purpose.answers() }
    }

    /// A line of the table as this principal has it.
    fn written(&self, row: Row) -> String {
        let open = Filter::every(row).to_string();
        if self.purpose.is_service() {
            return open;
        }
        let own = open.replacen('*', self.product, 1);
        // Of a factory's lines the name that stands open is its own.
        if self.purpose == Purpose::Factory { own.replacen('*', self.factory, 1) } else { own }
    }
}

/// The inbox of a connection that is called so.
#[must_use]
pub fn inbox_of(name: &str) -> String {
    format!("_INBOX_{name}")
}

/// Whether an answer may go there: nothing but an inbox of a client, and no word of the servers'.
#[must_use]
pub fn is_inbox(subject: &str) -> bool {
    subject.split_once('.').is_some_and(|(first, rest)| {
        let ours = first.strip_prefix("_INBOX").is_some_and(|who| {
            who.is_empty() || who.strip_prefix('_').is_some_and(|name| !name.is_empty())
        });
        ours && !rest.is_empty() && !rest.contains(['*', '>', ' '])
    })
}
