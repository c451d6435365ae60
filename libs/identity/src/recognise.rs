//! Who presents this: from the bytes of a header or a cookie to a principal. Whatever is presented
//! goes the same way: digested, looked up, compared; what it looks like is never judged.

use std::time::Duration;

use auth::{
    Account, Credential, Principal, Session, SessionCommand, Stored, Token, TokenCommand, User,
    csrf_of, digest_of, same,
};
use fleet::Timestamp;
use futures_util::future::try_join;
use ledger::{Found, LedgerError};
use protocol::{AuthUser, Code, Secret, SessionTimes};
use tokio::time::timeout;
use tracing::debug;

use crate::Identity;
use crate::declined::code_of;

pub(crate) type KnownToken = Found<Stored<Token>>;

/// A session with all that it is good for.
#[derive(Clone, Debug)]
pub(crate) struct KnownSession {
    session: Found<Stored<Session>>,
    user: Stored<User>,
    account: Stored<Account>,
}

/// When a credential was last used is noted within this time, or not at all.
const NOTING: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum Unrecognised {
    /// Nobody's: unknown, malformed, expired and revoked alike.
    #[error("the credential is nobody's")]
    Unknown,
    #[error("the store gave no answer")]
    Away(#[source] LedgerError),
}

impl Unrecognised {
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown => Code::Unauthenticated,
            Self::Away(error) => code_of(error),
        }
    }
}

impl From<LedgerError> for Unrecognised {
    fn from(error: LedgerError) -> Self {
        Self::Away(error)
    }
}

/// Whose session it is.
#[derive(Clone, Debug)]
pub struct SignedInAs {
    pub principal: Principal,
    pub user: AuthUser,
    pub session: SessionTimes,
    /// What goes with requests that change something, when a cookie signs them.
    pub csrf: Secret,
}

impl SignedInAs {
    /// Whether a request said the right `Fleet-Csrf`.
    #[must_use]
    pub fn csrf_fits(&self, said: &[u8]) -> bool {
        same(self.csrf.reveal().as_bytes(), said)
    }
}

impl Identity {
    /// Whose bearer token this is: a program's, a factory's, or that of a session.
    ///
    /// # Errors
    /// It is nobody's, or the store is away.
    pub async fn recognise(&self, presented: &[u8]) -> Result<Principal, Unrecognised> {
        if presented.starts_with(Credential::Session.prefix().as_bytes()) {
            return self.recognise_session(presented).await.map(|known| known.principal);
        }
        let digest = digest_of(presented);
        let found = self.token_of(&digest).await?;
        let now = self.now();
        let Some(found) = found.filter(|found| found.record.admits(&digest, now)) else {
            return Err(Unrecognised::Unknown);
        };
        let principal = found.record.principal();
        self.note_use(&digest, found, now).await;
        Ok(principal)
    }

    /// Whose session's cookie or token this is.
    ///
    /// # Errors
    /// It is nobody's, or the store is away.
    pub async fn recognise_session(&self, cookie: &[u8]) -> Result<SignedInAs, Unrecognised> {
        let digest = digest_of(cookie);
        let known = self.session_of(&digest).await?;
        let now = self.now();
        let Some(known) = known.filter(|known| known.is_good(&digest, now)) else {
            return Err(Unrecognised::Unknown);
        };
        let known = self.note_sight(&digest, known).await;
        Ok(SignedInAs {
            principal: known.user.principal(),
            user: known.user.shown(),
            session: known.session.record.times(),
            csrf: csrf_of(cookie),
        })
    }

    async fn token_of(&self, digest: &str) -> Result<Option<KnownToken>, LedgerError> {
        let uptime = self.clock.uptime();
        if let Some(known) = self.known_tokens.of(digest, uptime) {
            return Ok(known);
        }
        let round = self.known_tokens.round();
        let id = Token::id_of(digest);
        let found = self.tokens.records.get(&id, &id).await?;
        self.known_tokens.keep(digest, uptime, round, found.clone());
        Ok(found)
    }

    async fn session_of(&self, digest: &str) -> Result<Option<KnownSession>, LedgerError> {
        let uptime = self.clock.uptime();
        if let Some(known) = self.known_sessions.of(digest, uptime) {
            return Ok(known);
        }
        let round = self.known_sessions.round();
        let known = self.read_session(digest).await?;
        self.known_sessions.keep(digest, uptime, round, known.clone());
        Ok(known)
    }

    async fn read_session(&self, digest: &str) -> Result<Option<KnownSession>, LedgerError> {
        let Some(session) = self.sessions.records.get(digest, digest).await? else {
            return Ok(None);
        };
        let (user, account) = (&session.record.user_id, &session.record.account_id);
        let user = self.users.records.get(user, user);
        let account = self.accounts.records.get(account, account);
        let (user, account) = try_join(user, account).await?;
        Ok(user.zip(account).map(|(user, account)| KnownSession {
            session,
            user: user.record,
            account: account.record,
        }))
    }

    async fn note_use(&self, digest: &str, found: KnownToken, now: Timestamp) {
        let due = found.record.last_used_at.is_none_or(|last| now.since(last) >= NOTE_EVERY);
        if !due {
            return;
        }
        // Whoever else comes meanwhile has nothing to note.
        let mut noted = found.clone();
        noted.record.0.last_used_at = Some(now);
        self.known_tokens.amend(digest, noted);
        match timeout(NOTING, self.tokens.nudge(&found, &TokenCommand::Use)).await {
            Ok(Ok(Some(stands))) => self.known_tokens.amend(digest, stands),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => debug!(%error, "last use not noted"),
        }
    }

    async fn note_sight(&self, digest: &str, known: KnownSession) -> KnownSession {
        let seen = known.session.record.last_seen_at;
        if self.now().since(seen) < NOTE_EVERY {
            return known;
        }
        let noting = timeout(NOTING, self.sessions.nudge(&known.session, &SessionCommand::See));
        match noting.await {
            Ok(Ok(Some(session))) => {
                let known = KnownSession { session, ..known };
                self.known_sessions.amend(digest, known.clone());
                known
            }
            Ok(Ok(None)) | Err(_) => known,
            Ok(Err(error)) => {
                debug!(%error, "session's sign of life not noted");
                known
            }
        }
    }
}

/// The rules say so too; here it spares asking them at each request.
const NOTE_EVERY: Duration = Duration::from_mins(1);

impl KnownSession {
    fn is_good(&self, digest: &str, now: Timestamp) -> bool {
        let session = &self.session.record;
        same(session.id.as_bytes(), digest.as_bytes())
            & session.is_live(now)
            & session.is_of(&self.account)
            & self.user.disabled_at.is_none()
    }
}
