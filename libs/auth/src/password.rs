//! Passwords: what may be one, and what is kept of it. Costly on purpose, so whoever calls this
//! keeps it off the threads that answer; never draws the salt itself.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mint::same;

const SHORTEST: usize = 12;
/// In characters.
const LONGEST: usize = 256;
const SALT: usize = 16;
const OUTPUT: usize = 32;
/// No stored hash asks for more, whoever wrote it: 1 GiB and a minute of work.
const MOST: Cost = Cost { memory_kib: 1 << 20, passes: 64, lanes: 16 };

/// What a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPassword {
    #[error("a password has at least 12 characters")]
    TooShort,
    #[error("a password has at most 256 characters")]
    TooLong,
}

/// A password's hash with its parameters and its salt, in the PHC form. Says nothing of itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Phc(String);

impl Default for Cost {
    fn default() -> Self {
        Self::LEAST
    }
}

impl Cost {
    /// 19 MiB, two passes, one lane.
    pub const LEAST: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// As asked for, but never less than the least nor more than is ever computed.
    #[must_use]
    pub fn at_least(memory_kib: u32, passes: u32, lanes: u32) -> Self {
        Self {
            memory_kib: memory_kib.clamp(Self::LEAST.memory_kib, MOST.memory_kib),
            passes: passes.clamp(Self::LEAST.passes, MOST.passes),
            lanes: lanes.clamp(Self::LEAST.lanes, MOST.lanes),
        }
    }

    fn is_computed(self) -> bool {
        self.memory_kib <= MOST.memory_kib && self.passes <= MOST.passes && self.lanes <= MOST.lanes
    }

    fn argon2(self) -> Option<Argon2<'static>> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(OUTPUT)).ok()?;
        Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// What a hash consists of.
struct Parts {
    cost: Cost,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Phc {
    /// # Errors
    /// It is too short or too long to be taken as a password.
    pub fn check(password: &str) -> Result<(), BadPassword> {
        match password.chars().count() {
            0..SHORTEST => Err(BadPassword::TooShort),
            SHORTEST..=LONGEST => Ok(()),
            _ => Err(BadPassword::TooLong),
        }
    }

    #[must_use]
    pub fn of(password: &str, salt: [u8; SALT], cost: Cost) -> Self {
        let output = compute(password, &salt, cost).expect("the bounds of a cost can be computed");
        Self::written(cost, &salt, &output)
    }

    /// Nobody's: to compare with it is as much work as with somebody's, and never succeeds.
    #[must_use]
    pub fn decoy(cost: Cost) -> Self {
        Self::written(cost, &[0; SALT], &[0; OUTPUT])
    }

    /// Whether it is this password's. What cannot be read is nobody's.
    #[must_use]
    pub fn fits(&self, password: &str) -> bool {
        let Some(Parts { cost, salt, output }) = self.parts() else { return false };
        compute(password, &salt, cost).is_some_and(|computed| same(&computed, &output))
    }

    /// Whether a guess at it costs less than it should by now.
    #[must_use]
    pub fn is_weaker_than(&self, cost: Cost) -> bool {
        self.parts().is_none_or(|Parts { cost: has, .. }| {
            has.memory_kib < cost.memory_kib || has.passes < cost.passes
        })
    }

    fn written(Cost { memory_kib, passes, lanes }: Cost, salt: &[u8], output: &[u8]) -> Self {
        let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
        Self(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}"))
    }

    fn parts(&self) -> Option<Parts> {
        let rest = self.0.strip_prefix("$argon2id$v=19$m=")?;
        let (costs, rest) = rest.split_once('$')?;
        let (salt, output) = rest.split_once('$')?;
        let (memory, rest) = costs.split_once(",t=")?;
        let (passes, lanes) = rest.split_once(",p=")?;
        let number = |text: &str| text.parse().ok();
        let cost =
            Cost { memory_kib: number(memory)?, passes: number(passes)?, lanes: number(lanes)? };
        let salt = STANDARD_NO_PAD.decode(salt).ok()?;
        let output = STANDARD_NO_PAD.decode(output).ok()?;
        (cost.is_computed() && output.len() == OUTPUT).then_some(Parts { cost, salt, output })
    }
}

impl fmt::Debug for Phc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Phc")
    }
}

fn compute(password: &str, salt: &[u8], cost: Cost) -> Option<[u8; OUTPUT]> {
    let mut output = [0; OUTPUT];
    cost.argon2()?.hash_password_into(password.as_bytes(), salt, &mut output).ok()?;
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery staple";

    #[test]
    fn a_hash_fits_its_password_alone_and_tells_nothing() {
        let hash = Phc::of(PASSWORD, [1; SALT], Cost::LEAST);
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.0);
        assert!(hash.fits(PASSWORD));
        assert!(!hash.fits("correct horse battery stapler"));
        assert_eq!(format!("{hash:?}"), "Phc");
        assert_ne!(hash, Phc::of(PASSWORD, [2; SALT], Cost::LEAST));
    }

    #[test]
    fn a_hash_is_what_other_programs_make_of_it() {
        // Printed by the reference implementation for this password, salt and cost.
        let known = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA\
            $ISO7kkvFzh19GM8qB7patN3C3Y9HHsjlVTfEZ9T600Y";
        assert_eq!(Phc::of(PASSWORD, *b"somesaltsomesalt", Cost::LEAST).0, known);
        assert!(Phc(known.to_owned()).fits(PASSWORD));
    }

    #[test]
    fn a_decoy_is_nobodys() {
        assert!(!Phc::decoy(Cost::LEAST).fits(PASSWORD));
        assert!(!Phc::decoy(Cost::LEAST).fits(""));
        assert!(Phc::decoy(Cost::LEAST).parts().is_some(), "it would be no work");
    }

    #[test]
    fn what_is_no_hash_fits_nobody_and_asks_for_no_endless_work() {
        for text in [
            "",
            "plain",
            "$argon2i$v=19$m=19456,t=2,p=1$AAAA$AAAA",
            "$argon2id$v=19$m=4294967295,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
            "$argon2id$v=19$m=19456,t=2,p=1$!$!",
        ] {
            let hash = Phc(text.to_owned());
            assert!(!hash.fits(text), "{text}");
            assert!(hash.is_weaker_than(Cost::LEAST), "{text}");
        }
    }

    #[test]
    fn a_hash_of_lesser_cost_is_known() {
        let hash = Phc::decoy(Cost::LEAST);
        assert!(!hash.is_weaker_than(Cost::LEAST));
        assert!(hash.is_weaker_than(Cost::at_least(20 * 1024, 2, 1)));
        assert!(hash.is_weaker_than(Cost::at_least(0, 3, 1)));
        assert_eq!(Cost::at_least(0, 0, 0), Cost::LEAST);
        assert!(Cost::at_least(u32::MAX, u32::MAX, u32::MAX).is_computed());
    }

    #[test]
    fn a_password_has_12_to_256_characters() {
        let of = |length| Phc::check(&"ü".repeat(length));
        assert_eq!((of(11), of(12)), (Err(BadPassword::TooShort), Ok(())));
        assert_eq!((of(256), of(257)), (Ok(()), Err(BadPassword::TooLong)));
    }
}
