//! One way in for one user: a password, or a subject at an issuer. Never holds a password.

use std::collections::BTreeMap;

use fleet::{Head, ProductId, Record, Rejection, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::email::Email;
use crate::mint::digest_of;
use crate::password::Phc;
use crate::stored::{Form, Stored};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Account {
    /// A digest of what is presented at the way in, so that each has one account.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub user_id: String,
    /// `password`, or the issuer.
    pub provider: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<Phc>,
    /// A session is good as long as this is what it was opened with. It rises in the very write
    /// that changes the password, so that no session of the former one outlives it.
    pub generation: u64,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Debug)]
pub enum AccountCommand {
    /// Another password. Its salt tells whose it is.
    SetPassword(Phc),
    /// The same password, kept at a higher cost.
    Rehash {
        from: Phc,
        to: Phc,
    },
    EndSessions {
        of: u64,
    },
}

#[derive(Clone, Debug)]
pub enum AccountEvent {
    PasswordSet(Phc),
    Rehashed(Phc),
    SessionsEnded,
}

impl Account {
    /// Of the password that belongs to an address.
    #[must_use]
    pub fn password_id(email: &Email) -> String {
        digest_of(format!("password:{}", email.lower()).as_bytes())
    }

    /// Of a subject at an issuer.
    #[must_use]
    pub fn oidc_id(issuer: &str, subject: &str) -> String {
        // Neither part can be moved against the other: an issuer's address holds no `#`.
        digest_of(format!("oidc:{issuer}#{subject}").as_bytes())
    }

    #[must_use]
    pub fn with_password(email: &Email, user: String, hash: Phc, now: Timestamp) -> Stored<Self> {
        let account = Self::of(Self::password_id(email), user, "password", now);
        Stored(Self { password_hash: Some(hash), ..account })
    }

    #[must_use]
    pub fn with_issuer(issuer: &str, subject: &str, user: String, now: Timestamp) -> Stored<Self> {
        Stored(Self::of(Self::oidc_id(issuer, subject), user, issuer, now))
    }

    fn of(id: String, user_id: String, provider: &str, now: Timestamp) -> Self {
        Self {
            id,
            head: Head::new(ProductId::system(), now),
            user_id,
            provider: provider.to_owned(),
            password_hash: None,
            generation: 0,
            unknown: BTreeMap::new(),
        }
    }
}

impl Record for Stored<Account> {
    type Command = AccountCommand;
    type Event = AccountEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: &AccountCommand,
        _: Timestamp,
    ) -> Result<Vec<AccountEvent>, Rejection> {
        let event = match command {
            AccountCommand::SetPassword(hash) => {
                let other = self.password_hash.as_ref() != Some(hash);
                other.then(|| AccountEvent::PasswordSet(hash.clone()))
            }
            AccountCommand::Rehash { from, to } => {
                let unchanged = self.password_hash.as_ref() == Some(from);
                unchanged.then(|| AccountEvent::Rehashed(to.clone()))
            }
            AccountCommand::EndSessions { of } => {
                (self.generation == *of).then_some(AccountEvent::SessionsEnded)
            }
        };
        Ok(event.into_iter().collect())
    }

    fn evolve(mut self, event: &AccountEvent) -> Self {
        match event {
            AccountEvent::PasswordSet(hash) => {
                self.0.password_hash = Some(hash.clone());
                self.0.generation += 1;
            }
            AccountEvent::Rehashed(hash) => self.0.password_hash = Some(hash.clone()),
            AccountEvent::SessionsEnded => self.0.generation += 1,
        }
        self
    }

    fn head(&self) -> &Head {
        &self.0.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.0.head
    }
}

impl Form for Account {
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
    use crate::password::Cost;

    fn hash(salt: u8) -> Phc {
        Phc::of("correct horse battery staple", [salt; 16], Cost::LEAST)
    }

    fn account() -> Stored<Account> {
        let email = Email::read("ada@example.com").unwrap();
        Account::with_password(&email, "u_1".to_owned(), hash(1), Timestamp::EPOCH)
    }

    fn told(account: Stored<Account>, command: &AccountCommand) -> Stored<Account> {
        let events = account.decide(command, Timestamp::EPOCH).unwrap();
        events.iter().fold(account, Stored::<Account>::evolve)
    }

    #[test]
    fn another_password_ends_the_sessions_of_the_former_and_a_repeat_changes_nothing() {
        let changed = told(account(), &AccountCommand::SetPassword(hash(2)));
        assert_eq!(changed.generation, 1);
        assert_eq!(told(changed.clone(), &AccountCommand::SetPassword(hash(2))), changed);
    }

    #[test]
    fn the_same_password_at_a_higher_cost_ends_no_session_and_overtakes_no_change() {
        let rehash = AccountCommand::Rehash { from: hash(1), to: hash(3) };
        let stronger = told(account(), &rehash);
        assert_eq!((stronger.generation, &stronger.password_hash), (0, &Some(hash(3))));
        let changed = told(account(), &AccountCommand::SetPassword(hash(2)));
        assert_eq!(told(changed.clone(), &rehash), changed);
    }

    #[test]
    fn one_way_in_has_one_account() {
        let email = Email::read("ADA@example.com").unwrap();
        assert_eq!(Account::password_id(&email), account().id);
        let issuer = "https://id.example.com";
        assert_ne!(Account::oidc_id(issuer, "1"), Account::oidc_id(issuer, "2"));
        assert_ne!(Account::oidc_id("password", "ada@example.com"), account().id);
    }

    #[test]
    fn an_account_prints_without_its_hash() {
        let stored = String::from_utf8(account().encode().unwrap()).unwrap();
        assert!(stored.contains("$argon2id$"), "{stored}");
        assert!(!format!("{:?}", account()).contains("argon2"));
    }
}
