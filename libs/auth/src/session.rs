//! Somebody who signed in, for as long as they come back. Never holds the session's token.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Code, Head, ProductId, Record, Rejection, Timestamp};
use protocol::SessionTimes;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::account::Account;
use crate::stored::{Form, Stored};

/// Without a sign of life.
const IDLE: Duration = Duration::from_hours(12);
/// Whatever happens.
const ABSOLUTE: Duration = Duration::from_hours(7 * 24);
/// A sign of life is told no more exactly.
const SEEN_EVERY: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Session {
    /// SHA-256 of the token, in hex.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub user_id: String,
    pub account_id: String,
    /// The account's, when it was opened.
    pub generation: u64,
    pub expires_at: Timestamp,
    pub last_seen_at: Timestamp,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug)]
pub enum SessionCommand {
    See,
}

#[derive(Clone, Copy, Debug)]
pub enum SessionEvent {
    Seen { at: Timestamp, expires: Timestamp },
}

impl Session {
    /// Of somebody who came in by this account, as it was when they proved to be its user.
    #[must_use]
    pub fn open(digest: String, account: &Account, now: Timestamp) -> Stored<Self> {
        Stored(Self {
            id: digest,
            head: Head::new(ProductId::system(), now),
            user_id: account.user_id.clone(),
            account_id: account.id.clone(),
            generation: account.generation,
            expires_at: now.plus(IDLE),
            last_seen_at: now,
            unknown: BTreeMap::new(),
        })
    }

    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && now < self.end()
    }

    /// Whether it is one of those that this account stands for.
    #[must_use]
    pub fn is_of(&self, account: &Account) -> bool {
        self.account_id == account.id
            && self.user_id == account.user_id
            && self.generation == account.generation
    }

    #[must_use]
    pub fn times(&self) -> SessionTimes {
        SessionTimes {
            created_at: self.head.created_at,
            expires_at: self.expires_at.min(self.end()),
            last_seen_at: self.last_seen_at,
        }
    }

    fn end(&self) -> Timestamp {
        self.head.created_at.plus(ABSOLUTE)
    }
}

impl Record for Stored<Session> {
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        SessionCommand::See: &SessionCommand,
        now: Timestamp,
    ) -> Result<Vec<SessionEvent>, Rejection> {
        if !self.is_live(now) {
            return Err(Rejection::new(Code::NotFound));
        }
        let due = now.since(self.last_seen_at) >= SEEN_EVERY;
        let expires = now.plus(IDLE).min(self.end());
        Ok(due.then_some(SessionEvent::Seen { at: now, expires }).into_iter().collect())
    }

    fn evolve(mut self, event: &SessionEvent) -> Self {
        let SessionEvent::Seen { at, expires } = *event;
        self.0.last_seen_at = at;
        self.0.expires_at = expires;
        self
    }

    fn head(&self) -> &Head {
        &self.0.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.0.head
    }
}

impl Form for Session {
    fn write<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, out)
    }

    fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn account(generation: u64) -> Account {
        let account = Account::with_issuer("i", "s", "u_1".to_owned(), Timestamp::EPOCH);
        Account { generation, ..account.0 }
    }

    fn open() -> Stored<Session> {
        Session::open("d".to_owned(), &account(3), Timestamp::EPOCH)
    }

    fn seen(session: Stored<Session>, now: Timestamp) -> Stored<Session> {
        let events = session.decide(&SessionCommand::See, now).unwrap();
        events.iter().fold(session, Stored::<Session>::evolve)
    }

    #[test]
    fn a_session_ends_after_12_hours_of_silence() {
        let session = open();
        assert!(session.is_live(Timestamp::EPOCH.plus(12 * HOUR - Duration::from_millis(1))));
        let late = Timestamp::EPOCH.plus(12 * HOUR);
        assert!(!session.is_live(late));
        assert_eq!(session.decide(&SessionCommand::See, late).unwrap_err().code, Code::NotFound);
    }

    #[test]
    fn who_keeps_coming_back_is_out_after_7_days_all_the_same() {
        let mut session = open();
        let mut now = Timestamp::EPOCH;
        while session.is_live(now) {
            session = seen(session, now);
            now = now.plus(HOUR);
        }
        assert_eq!(now, Timestamp::EPOCH.plus(7 * 24 * HOUR));
        assert_eq!(session.times().expires_at, now);
    }

    #[test]
    fn a_sign_of_life_is_noted_once_a_minute() {
        let early = Timestamp::EPOCH.plus(Duration::from_secs(59));
        assert_eq!(seen(open(), early), open());
        let later = Timestamp::EPOCH.plus(SEEN_EVERY);
        assert_eq!(seen(open(), later).last_seen_at, later);
    }

    #[test]
    fn a_session_of_a_former_password_is_of_no_account() {
        assert!(open().is_of(&account(3)));
        assert!(!open().is_of(&account(4)));
        let other = Account { user_id: "u_2".to_owned(), ..account(3) };
        assert!(!open().is_of(&other));
    }
}
