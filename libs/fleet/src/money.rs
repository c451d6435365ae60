//! US dollars as whole millionths: added and compared exactly, written as a JSON number.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An amount of US dollars in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MicroUsd(u64);

/// The largest whole number that a JSON number holds exactly.
pub const MAX_COUNT: u64 = (1 << 53) - 1;

const MICROS: u64 = 1_000_000;

/// Why a number is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount: write dollars as a number, at least 0, with at most 6 decimals")]
pub struct NotAnAmount;

impl MicroUsd {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }

    /// # Errors
    /// The number is negative, not finite, too large or finer than a millionth.
    pub fn from_dollars(dollars: f64) -> Result<Self, NotAnAmount> {
        let micros = (dollars * 1e6).round();
        let exact = (micros / 1e6 - dollars).abs() <= dollars.abs() * f64::EPSILON;
        if !(dollars >= 0.0 && exact && micros <= MAX_COUNT as f64) {
            return Err(NotAnAmount);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number between 0 and 2^53"
        )]
        Ok(Self(micros as u64))
    }

    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self(self.0.saturating_sub(less.0))
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / MICROS, self.0 % MICROS);
        let digits = format!("{rest:06}");
        match digits.trim_end_matches('0') {
            "" => write!(out, "{whole}"),
            decimals => write!(out, "{whole}.{decimals}"),
        }
    }
}

impl JsonSchema for MicroUsd {
    fn schema_name() -> Cow<'static, str> {
        "MicroUsd".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Not `multipleOf`: divided as binary fractions, a third of all amounts would fail.
        json_schema!({
            "type": "number",
            "minimum": 0,
            "maximum": MAX_COUNT as f64 / 1e6,
            "description": "US dollars, with at most 6 decimals.",
        })
    }
}

impl Serialize for MicroUsd {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(MICROS) {
            return out.serialize_u64(self.0 / MICROS);
        }
        out.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl<'de> Deserialize<'de> for MicroUsd {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(input)?;
        Self::from_dollars(dollars).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_print_as_people_write_them() {
        for (micros, text) in [(0, "0"), (1_500_000, "1.5"), (1, "0.000001"), (20_000_000, "20")] {
            assert_eq!(MicroUsd::from_micros(micros).to_string(), text);
            assert_eq!(
                serde_json::to_string(&MicroUsd(micros)).unwrap().parse(),
                Ok(micros as f64 / 1e6)
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for dollars in [-1.0, f64::NAN, f64::INFINITY, 1e300, 0.000_000_1] {
            assert_eq!(MicroUsd::from_dollars(dollars), Err(NotAnAmount), "{dollars}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_json(micros in 0..=MAX_COUNT / 1024) {
            let amount = MicroUsd::from_micros(micros);
            let text = serde_json::to_string(&amount).unwrap();
            prop_assert_eq!(serde_json::from_str::<MicroUsd>(&text).unwrap(), amount);
        }
    }
}
