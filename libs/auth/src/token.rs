//! A token of a program or a factory: what is kept of it, and until when it is good. Never holds
//! the token.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Capability, Code, FactoryId, Head, ProductId, Record, Rejection, Timestamp};
use protocol::{Role, Secret, TokenKind, TokenShown};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::mint::{digest_of, same};
use crate::principal::{Binding, FactoryScope, Principal, Who};
use crate::stored::{Form, Stored};

/// How long a replaced token may stay good.
pub const LONGEST_GRACE: Duration = Duration::from_hours(24);
/// How many characters of it are kept to tell it from others.
const HINT: usize = 8;
/// How many of its digest's 64 it is listed and found under.
const ID: usize = 32;
/// Its last use is told no more exactly.
const USE_EVERY: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Token {
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    /// SHA-256 of the token, in hex.
    pub hash: String,
    pub hint: String,
    pub kind: TokenKind,
    pub name: String,
    pub role: Role,
    pub yolo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// It was replaced by that one, and is good until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// What a new token is to be good for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub product: ProductId,
    pub name: String,
    pub role: Role,
    pub yolo: bool,
    pub scope: Option<FactoryScope>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub enum TokenCommand {
    /// Another one takes its place. Its id tells whose replacing this is: of two, one stands.
    Replace {
        by: String,
        grace: Duration,
    },
    Revoke,
    Use,
}

#[derive(Clone, Debug)]
pub enum TokenEvent {
    Replaced { by: String, until: Timestamp },
    Revoked(Timestamp),
    Used(Timestamp),
}

impl Token {
    #[must_use]
    pub fn new(secret: &Secret, wanted: Wanted, now: Timestamp) -> Stored<Self> {
        let hash = digest_of(secret.reveal().as_bytes());
        let (factory_id, capabilities) = wanted.scope.map_or((None, None), |scope| {
            (Some(scope.factory), scope.capabilities.map(|some| some.into_iter().collect()))
        });
        Stored(Self {
            id: Self::id_of(&hash),
            head: Head::new(wanted.product, now),
            hash,
            hint: secret.reveal().chars().take(HINT).collect(),
            kind: if factory_id.is_some() { TokenKind::Factory } else { TokenKind::Api },
            name: wanted.name,
            role: wanted.role,
            yolo: wanted.yolo,
            factory_id,
            capabilities,
            expires_at: wanted.expires_at,
            replaced_by: None,
            grace_until: None,
            revoked_at: None,
            last_used_at: None,
            unknown: BTreeMap::new(),
        })
    }

    /// What the token of this digest is found under.
    #[must_use]
    pub fn id_of(digest: &str) -> String {
        digest.chars().take(ID).collect()
    }

    /// Whether it is the token of this digest, and good now.
    #[must_use]
    pub fn admits(&self, digest: &str, now: Timestamp) -> bool {
        // Both are looked at, so that the time does not tell which failed.
        let (same, good) = (same(self.hash.as_bytes(), digest.as_bytes()), self.is_good(now));
        same & good
    }

    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        let before = |end: Option<Timestamp>| end.is_none_or(|end| now < end);
        self.revoked_at.is_none() & before(self.expires_at) & before(self.grace_until)
    }

    /// Whether it is not on its way out: good, and not replaced.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.is_good(now) && self.replaced_by.is_none()
    }

    #[must_use]
    pub fn scope(&self) -> Option<FactoryScope> {
        let capabilities = self.capabilities.as_ref().map(|some| some.iter().cloned().collect());
        self.factory_id.clone().map(|factory| FactoryScope { factory, capabilities })
    }

    #[must_use]
    pub fn principal(&self) -> Principal {
        let who = match &self.factory_id {
            Some(factory) => Who::Factory(self.head.product_id.clone(), factory.clone()),
            None => Who::Token(self.id.as_str().into()),
        };
        let binding = Binding { role: self.role, yolo: self.yolo };
        let bindings = BTreeMap::from([(self.head.product_id.clone(), binding)]);
        Principal { who, bindings, scope: self.scope() }
    }

    #[must_use]
    pub fn shown(&self) -> TokenShown {
        TokenShown {
            id: self.id.clone(),
            kind: self.kind,
            name: self.name.clone(),
            hint: self.hint.clone(),
            role: self.role,
            yolo: self.yolo,
            factory_id: self.factory_id.clone(),
            capabilities: self.capabilities.clone(),
            created_at: self.head.created_at,
            expires_at: self.expires_at,
            grace_until: self.grace_until,
            revoked_at: self.revoked_at,
            last_used_at: self.last_used_at,
        }
    }

    fn replaced(&self, by: &str, until: Timestamp, now: Timestamp) -> Decision {
        if !self.is_good(now) {
            return Err(Rejection::new(Code::Conflict).because("revoked"));
        }
        match &self.replaced_by {
            None => Ok(vec![TokenEvent::Replaced { by: by.to_owned(), until }]),
            Some(already) if already == by => Ok(Vec::new()),
            Some(_) => Err(Rejection::new(Code::Conflict).because("rotated")),
        }
    }
}

type Decision = Result<Vec<TokenEvent>, Rejection>;

impl Record for Stored<Token> {
    type Command = TokenCommand;
    type Event = TokenEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &TokenCommand, now: Timestamp) -> Decision {
        match command {
            TokenCommand::Replace { by, grace } => {
                self.replaced(by, now.plus((*grace).min(LONGEST_GRACE)), now)
            }
            TokenCommand::Revoke if self.revoked_at.is_some() => Ok(Vec::new()),
            TokenCommand::Revoke => Ok(vec![TokenEvent::Revoked(now)]),
            TokenCommand::Use => {
                let due = self.last_used_at.is_none_or(|last| now.since(last) >= USE_EVERY);
                Ok(due.then_some(TokenEvent::Used(now)).into_iter().collect())
            }
        }
    }

    fn evolve(mut self, event: &TokenEvent) -> Self {
        match event {
            TokenEvent::Replaced { by, until } => {
                self.0.replaced_by = Some(by.clone());
                self.0.grace_until = Some(*until);
            }
            TokenEvent::Revoked(at) => self.0.revoked_at = Some(*at),
            TokenEvent::Used(at) => self.0.last_used_at = Some(*at),
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

impl Form for Token {
    fn write<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, out)
    }

    fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::deserialize(input)
    }
}

#[cfg(test)]
mod tests;
