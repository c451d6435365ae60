//! Why a server's verb could not do its work, in the one form that every command tells it in.

use agent::CannotServe;
use cli::Exit;
use dev::{BadHome, NotStarted};
use gateway::NotOpened as NoDoor;
use node::BusAway;
use node::open::NotOpened;

/// What went wrong, why, and what to type next.
#[derive(Debug)]
pub(crate) struct Trouble(pub(crate) cli::Trouble);

impl Trouble {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self(cli::Trouble::new(exit, what))
    }

    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::new(Exit::Error, what)
    }

    /// What cannot happen but by a mistake of ours.
    pub(crate) fn defect(error: &dyn std::error::Error) -> Self {
        Self::failed("this is a defect").caused_by(error)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    /// It was asked to end a second time, and did not wait for its own clearing up.
    pub(crate) fn hurried() -> Self {
        Self::new(Exit::Interrupted, "stopped at once; the next start clears up")
    }

    /// Bus or store.
    fn of_provider(error: &NotOpened) -> Self {
        let next = match error {
            NotOpened::NatsStore(_) | NotOpened::NatsBus(_) => {
                "gigamesh admin init, on new servers"
            }
            NotOpened::NatsLost(_) => {
                "restore it; or gigamesh admin init --new-generation, if it is gone for good"
            }
            NotOpened::NatsAccess(_) => {
                return Self::new(Exit::NotAllowed, "NATS lets this process not in")
                    .caused_by(error)
                    .next("--nats-creds FILE, from gigamesh nats issue; --nats-ca FILE for TLS");
            }
            NotOpened::NatsServer(_) => {
                "another configuration: nats-server 2.12 or later, max_payload: 2MB, sync_interval: always"
            }
            NotOpened::Cosmos(_) => "gigamesh admin init --store cosmos://…, in a new account",
            NotOpened::CosmosLost(_) => {
                "restore it; or gigamesh admin init --store cosmos://… --new-generation, if it is gone for good"
            }
            NotOpened::CosmosAccount(_) => "docs/azure.md, on how an account is set and opened",
            NotOpened::CosmosNotBuiltIn => "--store nats, or a build with --features cosmos",
            NotOpened::NotBuiltIn => "--store embedded and --bus memory, or another build",
            NotOpened::PlaceNotBuiltIn(_) => "--blobs disk:DIR, or another build",
            NotOpened::Blobs(_) => "--blobs disk:DIR, a folder that can be written",
            NotOpened::Store(_) => "gigamesh doctor",
        };
        Self::failed("what this stands on cannot be opened").caused_by(error).next(next)
    }

    pub(crate) fn because(self, why: impl Into<String>) -> Self {
        Self(self.0.because(why))
    }

    pub(crate) fn caused_by(self, error: &dyn std::error::Error) -> Self {
        Self(self.0.caused_by(error))
    }

    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self(self.0.next(next))
    }
}

impl From<cli::Trouble> for Trouble {
    fn from(trouble: cli::Trouble) -> Self {
        Self(trouble)
    }
}

impl From<BadHome> for Trouble {
    fn from(error: BadHome) -> Self {
        let exit = if matches!(error, BadHome::InUse(_)) { Exit::Usage } else { Exit::Error };
        let next = match &error {
            BadHome::Io { .. } => Some("gigamesh dev --data DIR, a folder that can be written"),
            // They say it themselves.
            BadHome::InUse(_) | BadHome::BadToken(_) => None,
        };
        let trouble = Self::new(exit, "the data folder cannot be used").because(error.to_string());
        match next {
            Some(next) => trouble.next(next),
            None => trouble,
        }
    }
}

impl From<NotStarted> for Trouble {
    fn from(error: NotStarted) -> Self {
        match &error {
            NotStarted::Provider(provider) => Self::of_provider(provider),
            NotStarted::Door(NoDoor::InUse(_)) => Self::usage("the door cannot be opened")
                .caused_by(&error)
                .next("choose another port, like --port 4601, or --port 0 for any that is free"),
            NotStarted::Door(NoDoor::NotLoopback(_)) => Self::usage("the door cannot be opened")
                .caused_by(&error)
                .next(crate::secret::BEYOND),
            NotStarted::Door(NoDoor::Failed(_) | NoDoor::BusAway(_)) => {
                Self::failed("the door cannot be opened").caused_by(&error)
            }
            NotStarted::Bus(_) => Self::failed("the services cannot start").caused_by(&error),
        }
    }
}

impl From<NotOpened> for Trouble {
    fn from(error: NotOpened) -> Self {
        Self::of_provider(&error)
    }
}

impl From<BusAway> for Trouble {
    fn from(error: BusAway) -> Self {
        Self::failed("the services cannot start").caused_by(&error)
    }
}

impl From<CannotServe> for Trouble {
    fn from(error: CannotServe) -> Self {
        Self::failed("the factory cannot start").caused_by(&error)
    }
}

impl From<node::Failed> for Trouble {
    fn from(error: node::Failed) -> Self {
        Self::failed("a part of it failed, and the rest was stopped").caused_by(&error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::failed("the system refused").caused_by(&error)
    }
}
