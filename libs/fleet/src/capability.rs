//! What a job asks of a factory and what a factory has: the grammar and the match, nothing else.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One token that a job requires, or that a factory advertises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability {
    name: String,
    wants: Wants,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wants {
    Anything,
    Value(String),
    Version(Comparison, Version),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// One to four dotted numbers; what is missing is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 4], u8);

const SHAPE: &str = "^[A-Za-z][A-Za-z0-9_.-]{0,63}\
    (:[A-Za-z0-9_.:/+-]{1,128}|(!=|<=|>=|=|<|>)[0-9]+(\\.[0-9]+){0,3})?$";

/// Why a text is no capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a capability: write name, name:value or a version like node>=20.1")]
pub struct NotACapability;

impl JsonSchema for Capability {
    fn schema_name() -> Cow<'static, str> {
        "Capability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": SHAPE,
            "examples": ["gpu", "os:linux", "node>=20.1"],
        })
    }
}

impl Capability {
    /// Advertised by a factory whose engines may approve their own tools.
    pub const YOLO: &str = "yolo";

    /// Whether a factory that advertises `self` satisfies a job that requires `asked`.
    #[must_use]
    pub fn satisfies(&self, asked: &Self) -> bool {
        if asked.is_any_system() {
            return true;
        }
        self.name == asked.name
            && match (&asked.wants, &self.wants) {
                (Wants::Anything, _) => true,
                (Wants::Value(asked), Wants::Value(has)) => asked == has,
                (Wants::Version(how, asked), Wants::Version(Comparison::Equal, has)) => {
                    how.holds(has.0, asked.0)
                }
                (Wants::Value(_) | Wants::Version(..), _) => false,
            }
    }

    /// What a factory would advertise to satisfy this token, where one text does.
    #[must_use]
    pub fn as_offered(&self) -> String {
        match &self.wants {
            Wants::Version(
                Comparison::Equal | Comparison::AtMost | Comparison::AtLeast,
                version,
            ) => format!("{}={version}", self.name),
            Wants::Version(Comparison::NotEqual | Comparison::Less | Comparison::More, _)
            | Wants::Anything
            | Wants::Value(_) => self.to_string(),
        }
    }

    /// `os:any` is true everywhere, even on a factory that says nothing of its system.
    fn is_any_system(&self) -> bool {
        self.name == "os" && self.wants == Wants::Value("any".into())
    }
}

/// The first token of `asked` that nothing in `offered` satisfies.
#[must_use]
pub fn unmet<'a>(asked: &'a [Capability], offered: &[Capability]) -> Option<&'a Capability> {
    asked.iter().find(|asked| {
        !asked.is_any_system() && !offered.iter().any(|offered| offered.satisfies(asked))
    })
}

impl Comparison {
    const SIGNS: [(&str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::More),
    ];

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
        }
    }

    fn holds(self, has: [u32; 4], asked: [u32; 4]) -> bool {
        match self {
            Self::Equal => has == asked,
            Self::NotEqual => has != asked,
            Self::Less => has < asked,
            Self::AtMost => has <= asked,
            Self::More => has > asked,
            Self::AtLeast => has >= asked,
        }
    }
}

impl FromStr for Capability {
    type Err = NotACapability;

    fn from_str(text: &str) -> Result<Self, NotACapability> {
        let end = text.find([':', '=', '!', '<', '>']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let name = name.to_ascii_lowercase();
        if !is_name(&name) {
            return Err(NotACapability);
        }
        let wants = if rest.is_empty() {
            Wants::Anything
        } else if let Some(value) = rest.strip_prefix(':') {
            Wants::Value(value_of(value)?)
        } else {
            let (how, version) = Comparison::SIGNS
                .iter()
                .find_map(|(sign, how)| rest.strip_prefix(sign).map(|version| (*how, version)))
                .ok_or(NotACapability)?;
            Wants::Version(how, version.parse()?)
        };
        Ok(Self { name, wants })
    }
}

impl FromStr for Version {
    type Err = NotACapability;

    fn from_str(text: &str) -> Result<Self, NotACapability> {
        let mut parts = [0; 4];
        let mut count = 0;
        for part in text.split('.') {
            let slot = parts.get_mut(usize::from(count)).ok_or(NotACapability)?;
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(NotACapability);
            }
            *slot = part.parse().map_err(|_| NotACapability)?;
            count += 1;
        }
        Ok(Self(parts, count))
    }
}

fn is_name(text: &str) -> bool {
    let rest = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
    };
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase())
        && text.bytes().all(rest)
}

fn value_of(text: &str) -> Result<String, NotACapability> {
    let fits = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'/' | b'+' | b'-')
    };
    if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text.into())
    } else {
        Err(NotACapability)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wants {
            Wants::Anything => out.write_str(&self.name),
            Wants::Value(value) => write!(out, "{}:{value}", self.name),
            Wants::Version(how, version) => write!(out, "{}{}{version}", self.name, how.sign()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> =
            self.0.iter().take(usize::from(self.1)).map(u32::to_string).collect();
        out.write_str(&parts.join("."))
    }
}

impl TryFrom<String> for Capability {
    type Error = NotACapability;

    fn try_from(text: String) -> Result<Self, NotACapability> {
        text.parse()
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> Self {
        capability.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(text: &str) -> Capability {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_a_value_and_a_version_match_as_written() {
        for (offered, asked, fits) in [
            ("gpu", "gpu", true),
            ("gpu:a100", "gpu", true),
            ("gpu", "gpu:a100", false),
            ("gpu:a100", "gpu:A100", false),
            ("GPU:a100", "gpu:a100", true),
            ("node=20.1", "node>=20", true),
            ("node=20.1", "node<20", false),
            ("node=20", "node=20.0.0", true),
            ("node=20", "node!=20", false),
            ("node=9", "node<=10", true),
            ("node>=20", "node>=20", false),
            ("node", "node>1", false),
            ("git", "os:any", true),
        ] {
            assert_eq!(token(offered).satisfies(&token(asked)), fits, "{offered} for {asked}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = format!("x:{}", "y".repeat(129));
        for text in [
            "",
            "os:",
            "node>>1",
            "node>=x",
            "1st",
            "a b",
            "a:b c",
            "n=1.2.3.4.5",
            "n=",
            "n=1.",
            &long,
        ] {
            assert_eq!(text.parse::<Capability>(), Err(NotACapability), "{text}");
        }
    }

    #[test]
    fn the_first_unmet_token_is_named() {
        let asked = [token("os:any"), token("git"), token("gpu:a100")];
        assert_eq!(unmet(&asked, &[token("git")]), Some(&token("gpu:a100")));
        assert_eq!(unmet(&asked[..1], &[]), None);
        assert_eq!(unmet(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn a_token_prints_as_it_reads(
            text in "[a-z][a-z0-9_.-]{0,8}(:[A-Za-z0-9_.:/+-]{1,9}|(=|!=|<|<=|>|>=)[0-9]{1,4}(\\.[0-9]{1,4}){0,3})?"
        ) {
            let read = token(&text);
            prop_assert_eq!(token(&read.to_string()), read);
        }
    }
}
