//! How long artifacts are kept, by kind: what is not named is kept for ever.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use fleet::{ArtifactKind, Span};

/// The rules of one fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention(pub(crate) BTreeMap<ArtifactKind, Duration>);

/// One kind, and how long it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    kind: ArtifactKind,
    span: Duration,
}

/// A text that is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind and a span, like log=30d; kinds are log coverage screenshot build other")]
pub struct NotRetention;

impl FromIterator<Rule> for Retention {
    /// The last rule about a kind counts.
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().map(|rule| (rule.kind, rule.span)).collect())
    }
}

impl FromStr for Rule {
    type Err = NotRetention;

    fn from_str(text: &str) -> Result<Self, NotRetention> {
        let (kind, span) = text.split_once('=').ok_or(NotRetention)?;
        let kind = ArtifactKind::ALL.into_iter().find(|known| known.word() == kind);
        let span: Span = span.parse().map_err(|_| NotRetention)?;
        Ok(Self { kind: kind.ok_or(NotRetention)?, span: span.duration() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_a_kind_and_a_span() {
        let rules = ["log=30d", "build=12h", "log=1d"].map(|text| text.parse::<Rule>().unwrap());
        let days = |days: u64| Duration::from_hours(24 * days);
        let expected =
            [(ArtifactKind::Log, days(1)), (ArtifactKind::Build, Duration::from_hours(12))];
        assert_eq!(rules.into_iter().collect::<Retention>().0, expected.into());
        for text in ["", "log", "log=", "=1d", "logs=1d", "log=soon", "log=-1d"] {
            assert_eq!(text.parse::<Rule>(), Err(NotRetention), "{text:?}");
        }
    }
}
