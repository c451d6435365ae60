//! What a seed makes of the world: its size, its load and its bad days.

use std::time::Duration;

use ledger::Terms;
use store::Faults;

use super::dice::Dice;
use super::mutant::Mutant;

/// Short terms, so that leases end, grants lapse and zombies wake within a small world. What each
/// span is for stays in proportion to the others.
pub(super) const TERMS: Terms = Terms {
    ttl: Duration::from_secs(9),
    reap_allowance: Duration::from_millis(500),
    grant: Duration::from_secs(4),
    admission: Duration::from_secs(6),
};

/// How far the wall clock of one reaper is off: several terms.
pub(super) const SKEW: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skew {
    Ahead,
    Behind,
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub seed: u64,
    pub mutant: Mutant,
    pub jobs: u64,
    pub factories: u64,
    pub faults: Faults,
    /// Whether followers hear of what is due; without, only the sweep finds it.
    pub notices: bool,
    /// Requests of a thousand that die, stand still, or travel twice.
    pub dropped: u64,
    pub frozen: u64,
    pub doubled: u64,
    /// Factories die; zombies sleep beyond their lease; a clone of one runs beside it.
    pub kills: bool,
    pub zombies: u64,
    pub clones: u64,
    pub cycle: bool,
    pub skew: Skew,
    /// How long the bad days last.
    pub bad: Duration,
}

impl Plan {
    pub(super) fn of(seed: u64, mutant: Mutant) -> Self {
        let mut dice = Dice::new(seed, 0);
        let mut rate = |often: u64, most: u64| {
            let strikes = dice.chance(often);
            let rate = dice.below(most);
            u16::try_from(if strikes { rate } else { 0 }).expect("below a thousand")
        };
        let faults = Faults {
            conflict: rate(600, 80),
            outage: rate(400, 15),
            longest_outage: 6,
            unknown_applied: rate(700, 100),
            unknown_lost: rate(600, 60),
            delay: rate(800, 200),
            reorder: rate(400, 60),
            longest_delay: Duration::from_millis(800),
        };
        Self {
            seed,
            mutant,
            jobs: 3 + dice.below(3),
            factories: 1 + dice.below(3),
            faults,
            notices: !dice.chance(150),
            dropped: dice.below(120),
            frozen: if dice.chance(250) { dice.below(400) } else { dice.below(100) },
            doubled: dice.below(400),
            kills: dice.chance(600),
            zombies: dice.below(400),
            clones: u64::from(dice.chance(400)),
            cycle: dice.chance(300),
            skew: if dice.chance(500) { Skew::Ahead } else { Skew::Behind },
            bad: dice.millis(20_000, 45_000),
        }
    }

    /// A world without a bad day.
    pub(super) fn calm(seed: u64, mutant: Mutant) -> Self {
        Self {
            faults: Faults::default(),
            dropped: 0,
            frozen: 0,
            doubled: 0,
            kills: false,
            zombies: 0,
            clones: 0,
            cycle: false,
            notices: true,
            ..Self::of(seed, mutant)
        }
    }
}
