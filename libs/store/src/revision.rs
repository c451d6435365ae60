//! The mark of one write. Two are equal or not; they never say which came first.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Opaque: callers compare it for equality, keep it and pass it on, nothing else.
/// It travels in messages as text (`Display` and `FromStr`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(Mark);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    Number(u64),
    Text(Arc<str>),
}

// Sets a text mark apart from a number in a message.
const TEXT: char = '~';

impl Revision {
    /// For providers whose marks are numbers.
    pub const fn number(number: u64) -> Self {
        Self(Mark::Number(number))
    }

    /// For providers whose marks are texts.
    pub fn text(text: &str) -> Self {
        Self(Mark::Text(text.into()))
    }

    /// For providers: the number, if it was made from one.
    pub fn as_number(&self) -> Option<u64> {
        match &self.0 {
            Mark::Number(number) => Some(*number),
            Mark::Text(_) => None,
        }
    }

    /// For providers: the text, if it was made from one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Mark::Number(_) => None,
            Mark::Text(text) => Some(text),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Mark::Number(number) => write!(out, "{number}"),
            Mark::Text(text) => write!(out, "{TEXT}{text}"),
        }
    }
}

impl FromStr for Revision {
    type Err = BadRevision;

    fn from_str(text: &str) -> Result<Self, BadRevision> {
        if let Some(text) = text.strip_prefix(TEXT) {
            return Ok(Self::text(text));
        }
        text.parse().map(Self::number).map_err(|_| BadRevision)
    }
}

/// A text that no revision prints as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a revision")]
pub struct BadRevision;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_survives_a_message() {
        for revision in [Revision::number(17), Revision::text("17"), Revision::text("\"a~\"")] {
            assert_eq!(revision.to_string().parse(), Ok(revision));
        }
        assert_eq!("x".parse::<Revision>(), Err(BadRevision));
        assert_ne!(Revision::number(17), Revision::text("17"));
    }

    #[test]
    fn a_revision_stays_small() {
        assert!(size_of::<Revision>() <= 24);
    }
}
