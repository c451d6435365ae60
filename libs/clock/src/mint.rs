//! How a version 7 id is put together, so that ids of one source only rise. Never draws chance
//! itself: the noise is an argument.

use std::time::Duration;

use uuid::Uuid;

/// The bits of a version 7 id below its milliseconds that are free to be random.
const NOISE_BITS: u32 = 74;
const LOW_BITS: u32 = 62;

/// Sixteen random bytes: enough for one id.
pub(crate) type Noise = [u8; 16];

/// The last id given out, as its free bits: milliseconds above noise.
#[derive(Debug, Default)]
pub(crate) struct Rising(u128);

impl Rising {
    pub(crate) fn mint(&mut self, millis: i64, noise: Noise) -> Uuid {
        let noise = u128::from_le_bytes(noise);
        let millis = u128::from(millis.max(0).cast_unsigned());
        let fresh = (millis << NOISE_BITS) | (noise >> (128 - NOISE_BITS));
        // Within one millisecond, or on a clock set back: a random step above the last one. A run
        // of such steps may carry into the milliseconds, which costs nothing but their exactness.
        self.0 = fresh.max(self.0 + 1 + (noise & u128::from(u32::MAX)));
        spread(self.0)
    }
}

/// Puts version and variant between the free bits, where RFC 9562 wants them.
fn spread(free: u128) -> Uuid {
    let low = free & ((1 << LOW_BITS) - 1);
    let middle = (free >> LOW_BITS) & 0xfff;
    let millis = (free >> NOISE_BITS) & 0xffff_ffff_ffff;
    Uuid::from_u128((millis << 80) | (0x7 << 76) | (middle << 64) | (0b10 << LOW_BITS) | low)
}

/// A share of `most` chosen by 64 random bits. Spans beyond five centuries count as five.
pub(crate) fn share(most: Duration, chance: u64) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    let scaled = u128::from(chance) * (u128::from(nanos) + 1);
    Duration::from_nanos(u64::try_from(scaled >> 64).unwrap_or(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_while_the_clock_stands_or_falls() {
        let mut rising = Rising::default();
        let first = rising.mint(1_000, [0xff; 16]);
        let second = rising.mint(1_000, [0; 16]);
        let third = rising.mint(3, [0x80; 16]);
        let fourth = rising.mint(2_000, [0; 16]);
        assert!(first < second && second < third && third < fourth);
        for id in [first, second, third, fourth] {
            assert_eq!(id.get_version_num(), 7, "{id}");
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122, "{id}");
        }
    }

    #[test]
    fn an_id_carries_its_moment() {
        let id = Rising::default().mint(0x0189_0a5d_ac96, [0xff; 16]);
        assert!(id.to_string().starts_with("01890a5d-ac96-7fff-bfff-"), "{id}");
    }

    #[test]
    fn a_share_covers_its_span_and_no_more() {
        let most = Duration::from_millis(10);
        assert_eq!(share(most, 0), Duration::ZERO);
        assert_eq!(share(most, u64::MAX), most);
        assert_eq!(share(Duration::ZERO, u64::MAX), Duration::ZERO);
        assert!(share(Duration::MAX, u64::MAX) <= Duration::MAX);
    }
}
