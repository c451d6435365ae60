//! Which fault befalls whom and when: made from the seed alone, before anything starts. Knows
//! nothing of how a fault is done.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::dice::Dice;

/// What can befall somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `kill -9`, and started again after the span.
    Kill,
    /// Stopped in the middle of whatever it does, and let go after the span.
    Freeze,
    /// Its connections are closed, and new ones are until the span is over.
    Cut,
    /// Its connections stay open and carry nothing.
    Stall,
    /// Its connections carry everything late.
    Slow,
    /// `kill -9` of a server, and started again after the span.
    KillServer,
    /// A server stands still.
    FreezeServer,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Kill,
        Self::Freeze,
        Self::Cut,
        Self::Stall,
        Self::Slow,
        Self::KillServer,
        Self::FreezeServer,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Slow => "slow",
            Self::KillServer => "kill server",
            Self::FreezeServer => "freeze server",
        }
    }

    fn is_of_a_server(self) -> bool {
        matches!(self, Self::KillServer | Self::FreezeServer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// After the beginning of the campaign.
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
    /// Among the processes, or among the servers.
    pub(crate) target: usize,
    pub(crate) span: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, kind, target, span } = self;
        write!(
            out,
            "{:>7} ms {} #{target} for {} ms",
            at.as_millis(),
            kind.words(),
            span.as_millis()
        )
    }
}

/// Whom faults may befall.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    /// Services first, factories after them.
    pub(crate) services: usize,
    /// So many of the services keep artifacts: the first.
    pub(crate) custodians: usize,
    pub(crate) factories: usize,
    pub(crate) servers: usize,
}

/// Between a server's faults, so that the fleet gets anywhere.
const SERVERS_REST: Duration = Duration::from_secs(10);
const KINDS: usize = Kind::ALL.len();

/// Among whom a process is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Among {
    All,
    Factories,
    Custodians,
}

/// The first round: every kind, whatever the seed. A lease is taken from a factory that is frozen,
/// and whoever keeps artifacts is killed and frozen with an upload in hand.
const FIRST: [(Kind, Among); KINDS + 1] = [
    (Kind::Kill, Among::Custodians),
    (Kind::Freeze, Among::Custodians),
    (Kind::Freeze, Among::Factories),
    (Kind::Cut, Among::All),
    (Kind::Stall, Among::All),
    (Kind::Slow, Among::All),
    (Kind::KillServer, Among::All),
    (Kind::FreezeServer, Among::All),
];

/// All faults of a campaign in their order. Nobody suffers two at a time.
pub(crate) fn faults(seed: u64, span: Duration, stage: Stage) -> Vec<Fault> {
    let mut dice = Dice::new(seed, 1);
    let mut first = FIRST.to_vec();
    for n in (1..FIRST.len()).rev() {
        first.swap(n, dice.index(n + 1));
    }
    let mut busy: BTreeMap<(bool, usize), Duration> = BTreeMap::new();
    let mut server_rests = Duration::ZERO;
    let (mut faults, mut at) = (Vec::new(), Duration::from_millis(500));
    while at < span {
        let due = first.last().copied();
        let (kind, among) = due.unwrap_or_else(|| (Kind::ALL[dice.index(KINDS)], Among::All));
        let fault = one((kind, among), at, stage, &mut dice);
        let whom = (kind.is_of_a_server(), fault.target);
        let resting = kind.is_of_a_server() && at < server_rests;
        if resting {
            // Those of the first round that can come before it.
            if let Some(due) = first.pop() {
                first.insert(0, due);
            }
        } else if busy.get(&whom).is_none_or(|until| *until < at) {
            first.pop();
            busy.insert(whom, at + fault.span + Duration::from_millis(500));
            if kind.is_of_a_server() {
                server_rests = at + fault.span + SERVERS_REST;
            }
            faults.push(fault);
        }
        at += dice.millis(300, 1_300);
    }
    faults
}

fn one((kind, among): (Kind, Among), at: Duration, stage: Stage, dice: &mut Dice) -> Fault {
    let all = stage.services + stage.factories;
    // Every second frozen process is a factory as well.
    let drawn = kind == Kind::Freeze && among == Among::All && dice.chance(500);
    let factory = drawn || among == Among::Factories;
    let target = match kind {
        Kind::KillServer | Kind::FreezeServer => dice.index(stage.servers),
        Kind::Kill | Kind::Freeze | Kind::Cut | Kind::Stall | Kind::Slow => match among {
            Among::Custodians => dice.index(stage.custodians),
            Among::All | Among::Factories if factory => {
                stage.services + dice.index(stage.factories)
            }
            Among::All | Among::Factories => dice.index(all),
        },
    };
    let span = match kind {
        Kind::Kill => dice.millis(50, 4_000),
        // Longer than the shortest term with its allowance.
        Kind::Freeze if factory => dice.millis(7_000, 11_000),
        Kind::Freeze => dice.millis(500, 9_000),
        Kind::Cut => dice.millis(50, 3_000),
        Kind::Stall => dice.millis(500, 9_000),
        Kind::Slow => dice.millis(1_000, 6_000),
        Kind::KillServer => dice.millis(50, 2_000),
        Kind::FreezeServer => dice.millis(300, 3_000),
    };
    Fault { at, kind, target, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: Stage = Stage { services: 10, custodians: 2, factories: 6, servers: 3 };
    const SPAN: Duration = Duration::from_secs(60);

    #[test]
    fn one_seed_is_one_plan() {
        assert_eq!(faults(7, SPAN, STAGE), faults(7, SPAN, STAGE));
        assert_ne!(faults(7, SPAN, STAGE), faults(8, SPAN, STAGE));
    }

    #[test]
    fn a_minute_of_any_seed_has_every_kind_and_freezes_a_factory_beyond_its_term() {
        for seed in 0..100 {
            let plan = faults(seed, SPAN, STAGE);
            for kind in Kind::ALL {
                assert!(plan.iter().any(|fault| fault.kind == kind), "{seed}: no {kind:?}");
            }
            let long = |fault: &&Fault| {
                fault.kind == Kind::Freeze
                    && fault.target >= STAGE.services
                    && fault.span > Duration::from_millis(6_500)
            };
            assert!(plan.iter().filter(long).count() > 0, "{seed}: no zombie");
        }
    }

    #[test]
    fn a_minute_of_any_seed_kills_and_freezes_who_keeps_artifacts() {
        for seed in 0..100 {
            let plan = faults(seed, SPAN, STAGE);
            for kind in [Kind::Kill, Kind::Freeze] {
                let befalls = |fault: &Fault| fault.kind == kind && fault.target < STAGE.custodians;
                assert!(plan.iter().any(befalls), "{seed}: no {kind:?}");
            }
        }
    }

    #[test]
    fn nobody_suffers_two_faults_at_a_time() {
        for seed in 0..20 {
            let plan = faults(seed, SPAN, STAGE);
            for (n, fault) in plan.iter().enumerate() {
                assert!(!plan[n + 1..].iter().any(|other| meets(fault, other)), "{seed}: {fault}");
            }
        }
    }

    fn meets(fault: &Fault, later: &Fault) -> bool {
        let whom = |fault: &Fault| (fault.kind.is_of_a_server(), fault.target);
        whom(fault) == whom(later) && later.at < fault.at + fault.span
    }
}
