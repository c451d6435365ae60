//! The names of things: parsed once at the edge, impossible to get wrong afterwards.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::digest::{base32, sha256_hex};

/// Why a text cannot be the name or id it was given as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {why}")]
pub struct BadId {
    pub what: &'static str,
    pub why: &'static str,
}

const NAME_RULE: &str = "must be 1 to 64 of A-Z a-z 0-9 _ - and begin with a letter or digit";
const UUID_RULE: &str = "must be a UUID of version 7, like 01890a5d-ac96-774b-bcce-b302099a8057";
const UUID_SHAPE: &str =
    "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$";
const ARTIFACT_ID_RULE: &str = "must be a_, the letters of a job id, _ and 32 hex digits";
const JOB_ID_RULE: &str = "must be j_ and 26 of a-z 2-7";
const KEY_RULE: &str = "must be 1 to 256 printable characters, without space at either end, and not look like a job id";

/// `name` declares names that become subject tokens and store keys; `uuid` declares UUIDv7 ids.
macro_rules! ids {
    (name $($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);
        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(BadId { what: $what, why: NAME_RULE }) }
            }
        }
        ids!(text $name, $what, "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$");
    )*};
    (uuid $($(#[$doc:meta])* $name:ident = $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);
        impl $name {
            /// The caller vouches that the source made a version 7.
            #[must_use]
            pub fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                match Uuid::try_parse(text) {
                    Ok(uuid) if uuid.get_version_num() == 7 => Ok(Self(uuid)),
                    Ok(_) | Err(_) => Err(BadId { what: $what, why: UUID_RULE }),
                }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), out)
            }
        }
        ids!(serde $name, $what, UUID_SHAPE);
    )*};
    (text $name:ident, $what:literal, $shape:expr) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.as_str())
            }
        }
        ids!(serde $name, $what, $shape);
    };
    (serde $name:ident, $what:literal, $shape:expr) => {
        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), "({})"), self)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $shape })
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                        out.write_str(concat!("a ", $what))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                input.deserialize_str(Text)
            }
        }
    };
}

ids! { name
    /// The tenant.
    ProductId = "productId";
    /// A worker host.
    FactoryId = "factoryId";
    /// A named mutex across a product.
    LockName = "lock";
    /// A ceiling on spending.
    BudgetId = "budget id";
    /// A recipe of an engine.
    ProfileName = "profile";
    /// What runs a job.
    EngineName = "engine";
}

ids! { uuid
    /// Minted for each claim; with epoch and holder it decides whose word counts. It is the run's
    /// id too.
    Nonce = "claimNonce";
    /// One operation, however often it is sent.
    OpId = "opId";
    /// One request to claim, however often it is sent.
    RequestId = "claimRequestId";
    /// One start of an agent.
    Incarnation = "incarnation";
}

impl ProductId {
    const SYSTEM: &'static str = "_system";

    /// The product of what belongs to no tenant. No text that a caller sends is ever it.
    #[must_use]
    pub fn system() -> Self {
        Self(Self::SYSTEM.into())
    }

    /// As a stored record names it.
    pub(crate) fn stored<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text == Self::SYSTEM {
            return Ok(Self::system());
        }
        text.parse().map_err(de::Error::custom)
    }

    pub(crate) fn stored_schema(generator: &mut SchemaGenerator) -> Schema {
        let tenant = generator.subschema_for::<Self>();
        json_schema!({ "anyOf": [tenant, { "const": Self::SYSTEM }] })
    }
}

/// The number that rises by one at each claim and each taking-back. Zero: never claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(value.min(crate::money::MAX_COUNT))
    }

    #[must_use]
    pub fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl JsonSchema for Epoch {
    fn schema_name() -> Cow<'static, str> {
        "Epoch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": crate::money::MAX_COUNT })
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match u64::deserialize(input)? {
            value if value <= crate::money::MAX_COUNT => Ok(Self(value)),
            _ => Err(de::Error::custom("leaseEpoch must be a whole number below 2^53")),
        }
    }
}

/// The caller's own name for a job: one job per product and key, for ever.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    const AUTO: &'static str = "auto:";
    const LONGEST: usize = 256;

    /// The key of a submission that brought none.
    #[must_use]
    pub fn auto(id: Uuid) -> Self {
        Self(format!("{}{}", Self::AUTO, id.hyphenated()).into())
    }

    /// The key of a child that brings none: the same for each submission of its parent.
    #[must_use]
    pub(crate) fn of_child(&self, index: usize) -> Self {
        let number = index + 1;
        let key = format!("{}/{number}", self.0);
        if key.chars().count() <= Self::LONGEST {
            return Self(key.into());
        }
        Self(format!("{}/{number}", sha256_hex(self.0.as_bytes())).into())
    }

    #[must_use]
    pub fn is_auto(&self) -> bool {
        self.0.starts_with(Self::AUTO)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let length = text.chars().count();
        let fits = (1..=Self::LONGEST).contains(&length)
            && text.trim() == text
            && !text.chars().any(char::is_control)
            && text.parse::<JobId>().is_err();
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(BadId { what: "idempotencyKey", why: KEY_RULE })
        }
    }
}

ids!(
    text Key,
    "idempotencyKey",
    "^[^\\x00-\\x20\\x7f-\\x9f]([^\\x00-\\x1f\\x7f-\\x9f]{0,254}[^\\x00-\\x20\\x7f-\\x9f])?$"
);

const JOB_ID_LETTERS: usize = 26;

/// The id of the one job of a product and key: derived, so that every submitter finds the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId([u8; JOB_ID_LETTERS]);

impl JobId {
    /// No id comes before it.
    pub(crate) const FIRST: Self = Self([b'2'; JOB_ID_LETTERS]);

    #[must_use]
    pub fn of(product: &ProductId, key: &Key) -> Self {
        let digest = Sha256::new()
            .chain_update(product.as_str())
            .chain_update([0])
            .chain_update(key.as_str())
            .finalize();
        Self(base32(&digest))
    }

    /// The 26 letters behind `j_`.
    #[must_use]
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base32 letters are ASCII")
    }

    /// Its first eight letters as a number, which orders as they do.
    pub(crate) fn begins(&self) -> u64 {
        let first = self.0.first_chunk().expect("26 letters");
        u64::from_be_bytes(*first)
    }
}

impl FromStr for JobId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = BadId { what: "jobId", why: JOB_ID_RULE };
        let letters = text.strip_prefix("j_").ok_or_else(|| bad.clone())?.as_bytes();
        let letters: [u8; JOB_ID_LETTERS] = letters.try_into().map_err(|_| bad.clone())?;
        if letters.iter().all(|letter| matches!(letter, b'a'..=b'z' | b'2'..=b'7')) {
            Ok(Self(letters))
        } else {
            Err(bad)
        }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "j_{}", self.letters())
    }
}

ids!(serde JobId, "jobId", "^j_[a-z2-7]{26}$");

/// An artifact names its job, so that a pointer is found without asking every job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactId {
    job: JobId,
    number: Uuid,
}

impl ArtifactId {
    #[must_use]
    pub fn new(job: JobId, number: Uuid) -> Self {
        Self { job, number }
    }

    /// The one artifact that a run's log becomes, whoever makes it.
    #[must_use]
    pub fn of_log(job: JobId, epoch: Epoch) -> Self {
        let digest = sha256_hex(format!("log {job} {epoch}").as_bytes());
        let digits = digest.get(..32).and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let number = digits.expect("a digest has more than 32 hex digits");
        // A version 7 by its form, so that it reads back; it tells no time.
        let number = (number & !(0xf << 76 | 0b11 << 62)) | 0x7 << 76 | 0b10 << 62;
        Self { job, number: Uuid::from_u128(number) }
    }

    #[must_use]
    pub fn job(self) -> JobId {
        self.job
    }
}

impl FromStr for ArtifactId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { what: "artifactId", why: ARTIFACT_ID_RULE };
        let (letters, number) =
            text.strip_prefix("a_").and_then(|rest| rest.split_once('_')).ok_or_else(bad)?;
        let job = format!("j_{letters}").parse().map_err(|_| bad())?;
        let plain = number.len() == 32 && !number.bytes().any(|byte| byte.is_ascii_uppercase());
        match Uuid::try_parse(number) {
            Ok(number) if plain && number.get_version_num() == 7 => Ok(Self { job, number }),
            Ok(_) | Err(_) => Err(bad()),
        }
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a_{}_{}", self.job.letters(), self.number.simple())
    }
}

ids!(serde ArtifactId, "artifactId", "^a_[a-z2-7]{26}_[0-9a-f]{32}$");

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=64).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_depends_on_product_and_key_alone() {
        let id = |product: &str, key: &str| {
            JobId::of(&product.parse().unwrap(), &key.parse().unwrap()).to_string()
        };
        assert_eq!(id("acme", "nightly"), id("acme", "nightly"));
        assert_ne!(id("acme", "nightly"), id("acme", "weekly"));
        assert_ne!(id("ab", "c"), id("a", "bc"));
        assert_eq!(
            id("acme", "nightly").parse::<JobId>().unwrap().to_string(),
            id("acme", "nightly")
        );
    }

    #[test]
    fn names_that_could_escape_a_subject_or_a_key_are_refused() {
        let long = "x".repeat(65);
        for text in [
            "",
            "a.b",
            "*",
            ">",
            "../x",
            "%00",
            "a b",
            "a\r\nb",
            "_x",
            "-x",
            "\u{430}cme",
            "a/b",
            &long,
        ] {
            assert!(text.parse::<ProductId>().is_err(), "{text:?}");
            assert!(serde_json::from_value::<FactoryId>(text.into()).is_err(), "{text:?}");
        }
        assert!("Acme_1-x".parse::<ProductId>().is_ok());
    }

    #[test]
    fn keys_keep_their_shape() {
        let long = "k".repeat(257);
        let like_a_job = format!("j_{}", "a".repeat(26));
        for text in ["", " a", "a ", "a\u{7}b", "a\nb", &long, &like_a_job] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
        assert!("ü key/with.dots and spaces".parse::<Key>().is_ok());
    }

    #[test]
    fn only_version_7_is_an_id() {
        assert!("01890a5d-ac96-774b-bcce-b302099a8057".parse::<Nonce>().is_ok());
        for text in ["", "x", "936da01f-9abd-4d9d-80c7-02af85c822a8"] {
            assert!(text.parse::<Nonce>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_epoch_is_a_whole_number_a_json_number_can_hold() {
        for text in ["-1", "0.5", "\"1\"", "18446744073709551616", "9007199254740992", "null"] {
            assert!(serde_json::from_str::<Epoch>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Epoch>("7").unwrap(), Epoch::new(7));
    }
}
