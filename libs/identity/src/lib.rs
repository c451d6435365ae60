//! Who people, programs and factories are: tokens, sessions, sign-up and sign-in, bindings and the
//! audit trail, over the one shared store. Every write is conditional and made by the ledger; what
//! may be is `auth`'s to say. Knows no route and no cookie, and sends no mail.

mod attempts;
mod bindings;
mod codes;
mod declined;
mod hashing;
mod known;
mod people;
mod recognise;
mod sweep;
mod tokens;
mod trail;

use std::sync::Arc;

use auth::{Account, Cost, Session, Stored, Token, User, Verification};
use clock::{Clock, Ids};
use fleet::{AuditEntry, Timestamp};
use ledger::Register;
use store::Store;

use crate::attempts::Attempts;
use crate::hashing::Hashing;
use crate::known::Known;
use crate::recognise::{KnownSession, KnownToken};
pub use codes::{Code, Invited};
pub use declined::{Declined, Refusal};
pub use people::Subject;
pub use recognise::{SignedInAs, Unrecognised};
pub use sweep::Swept;
pub use trail::{AuditNote, AuditPage};

/// How people come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUpMode {
    /// Whoever wants to, as in `dev`; they may do nothing until somebody binds them.
    Open,
    /// With a code that an admin gave them.
    Invite,
    #[default]
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub sign_up: SignUpMode,
    /// What a guess at a password costs.
    pub cost: Cost,
    /// How many passwords are hashed at a time; others wait, and some are sent away.
    pub hashes_at_once: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sign_up: SignUpMode::default(), cost: Cost::default(), hashes_at_once: 2 }
    }
}

/// The door to everything that is known of who is who. Cheap to clone; its clones share one
/// memory, and another replica's shares nothing with it but the store.
#[derive(Clone, Debug)]
pub struct Identity {
    tokens: Register<Stored<Token>>,
    users: Register<Stored<User>>,
    accounts: Register<Stored<Account>>,
    sessions: Register<Stored<Session>>,
    verifications: Register<Stored<Verification>>,
    trail: Register<AuditEntry>,
    known_tokens: Arc<Known<KnownToken>>,
    known_sessions: Arc<Known<KnownSession>>,
    attempts: Arc<Attempts>,
    hashing: Hashing,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    settings: Settings,
}

impl Identity {
    /// The one place where it is put together, over the handle that everything else uses too.
    #[must_use]
    pub fn over(
        store: &Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: Settings,
    ) -> Self {
        Self {
            tokens: Register::over(store, &clock, &ids),
            users: Register::over(store, &clock, &ids),
            accounts: Register::over(store, &clock, &ids),
            sessions: Register::over(store, &clock, &ids),
            verifications: Register::over(store, &clock, &ids),
            trail: Register::over(store, &clock, &ids),
            known_tokens: Arc::default(),
            known_sessions: Arc::default(),
            attempts: Arc::default(),
            hashing: Hashing::of(settings.hashes_at_once),
            clock,
            ids,
            settings,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was read of anybody is read anew: here at once, elsewhere within seconds.
    fn forget(&self) {
        self.known_tokens.forget();
        self.known_sessions.forget();
    }
}
