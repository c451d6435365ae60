//! A code that is good once, for an hour. Never holds the code, and brings it to nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Code, Head, ProductId, Record, Rejection, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::stored::{Form, Stored};

const LIFE: Duration = Duration::from_hours(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Verification {
    /// SHA-256 of the code, in hex.
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    /// Whose it is; of an invitation, who invites.
    pub user_id: String,
    /// The way in that a reset opens again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    pub purpose: Purpose,
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// Which attempt had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    Email,
    Reset,
    Invite,
}

#[derive(Clone, Debug)]
pub enum VerificationCommand {
    Use { purpose: Purpose, by: String },
}

#[derive(Clone, Debug)]
pub enum VerificationEvent {
    Used { at: Timestamp, by: String },
}

impl Verification {
    #[must_use]
    pub fn new(digest: String, purpose: Purpose, user: String, now: Timestamp) -> Self {
        Self {
            id: digest,
            head: Head::new(ProductId::system(), now),
            user_id: user,
            account_id: None,
            purpose,
            expires_at: now.plus(LIFE),
            used_at: None,
            used_by: None,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

impl Record for Stored<Verification> {
    type Command = VerificationCommand;
    type Event = VerificationEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        VerificationCommand::Use { purpose, by }: &VerificationCommand,
        now: Timestamp,
    ) -> Result<Vec<VerificationEvent>, Rejection> {
        match &self.used_by {
            Some(already) if already == by => Ok(Vec::new()),
            // One answer for all that is no good: what a code once was is nobody's business.
            _ if self.used_at.is_some() || self.is_over(now) || self.purpose != *purpose => {
                Err(Rejection::new(Code::NotFound))
            }
            Some(_) | None => Ok(vec![VerificationEvent::Used { at: now, by: by.clone() }]),
        }
    }

    fn evolve(mut self, event: &VerificationEvent) -> Self {
        let VerificationEvent::Used { at, by } = event;
        self.0.used_at = Some(*at);
        self.0.used_by = Some(by.clone());
        self
    }

    fn head(&self) -> &Head {
        &self.0.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.0.head
    }
}

impl Form for Verification {
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

    const NOW: Timestamp = Timestamp::EPOCH;

    fn code(purpose: Purpose) -> Stored<Verification> {
        Stored(Verification::new("d".to_owned(), purpose, "u_1".to_owned(), NOW))
    }

    fn used(purpose: Purpose, by: &str) -> VerificationCommand {
        VerificationCommand::Use { purpose, by: by.to_owned() }
    }

    #[test]
    fn a_code_is_good_once_and_a_repeat_of_that_once_is_already_so() {
        let events = code(Purpose::Reset).decide(&used(Purpose::Reset, "a"), NOW).unwrap();
        let code = events.iter().fold(code(Purpose::Reset), Stored::<Verification>::evolve);
        assert!(code.decide(&used(Purpose::Reset, "a"), NOW).unwrap().is_empty());
        assert!(code.decide(&used(Purpose::Reset, "b"), NOW).is_err());
    }

    #[test]
    fn a_code_is_good_for_an_hour_and_one_purpose() {
        let late = NOW.plus(LIFE);
        assert!(code(Purpose::Reset).decide(&used(Purpose::Reset, "a"), late).is_err());
        assert!(code(Purpose::Email).decide(&used(Purpose::Reset, "a"), NOW).is_err());
        assert!(code(Purpose::Email).decide(&used(Purpose::Email, "a"), NOW).is_ok());
    }
}
