//! Moments and spans as the records store them: milliseconds, UTC, RFC 3339. Never reads a clock.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Unit};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The moment a coordinator's clock showed, to the millisecond. The text form has a fixed width,
/// so that timestamps sort as strings too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// A text that is no RFC 3339 moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a time: write it like 2026-01-02T03:04:05.678Z")]
pub struct NotATime;

impl Timestamp {
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Milliseconds since 1970; what lies beyond the calendar becomes its last moment.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
    }

    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
        Self(self.0.saturating_add(span).unwrap_or(jiff::Timestamp::MAX))
    }

    /// How long after `earlier` this is; zero when it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0).try_into().unwrap_or(Duration::ZERO)
    }

    /// Midnight UTC of the same day.
    #[must_use]
    pub fn day(self) -> Self {
        Self::from_millis(self.millis() - self.millis().rem_euclid(86_400_000))
    }

    /// Midnight UTC of the first day of the same month.
    #[must_use]
    pub fn month(self) -> Self {
        self.0
            .to_zoned(TimeZone::UTC)
            .first_of_month()
            .map_or(self, |first| Self(first.timestamp()).day())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.3}", self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| NotATime)?;
        let moment = moment.round(Unit::Millisecond).map_err(|_| NotATime)?;
        Ok(Self(moment))
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = Timestamp;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a time like 2026-01-02T03:04:05.678Z")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        input.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_time_prints_with_milliseconds_and_reads_back() {
        let moment = at("2026-01-02T03:04:05.678Z");
        assert_eq!(moment.to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(at("2026-01-02T04:04:05.6784+01:00"), moment);
        assert_eq!(serde_json::to_string(&moment).unwrap(), "\"2026-01-02T03:04:05.678Z\"");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "soon", "2026-13-01T00:00:00Z", "2026-01-02", "1767322800"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn days_and_months_begin_at_midnight() {
        let moment = at("2026-03-17T13:00:00.001Z");
        assert_eq!(moment.day(), at("2026-03-17T00:00:00.000Z"));
        assert_eq!(moment.month(), at("2026-03-01T00:00:00.000Z"));
    }

    #[test]
    fn time_neither_overflows_nor_runs_backwards() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::EPOCH.since(end), Duration::ZERO);
    }
}
