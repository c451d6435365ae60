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
    /// A server stands still, or the account does.
    FreezeServer,
    /// The account does what it is asked, and many of its answers are lost; so are some questions.
    LoseReplies,
    /// The account refuses most of what it is asked, for being too much.
    Throttle,
}

impl Kind {
    /// Those of an account come last.
    pub(crate) const ALL: [Self; 9] = [
        Self::Kill,
        Self::Freeze,
        Self::Cut,
        Self::Stall,
        Self::Slow,
        Self::KillServer,
        Self::FreezeServer,
        Self::LoseReplies,
        Self::Throttle,
    ];
    const OF_AN_ACCOUNT: usize = 2;

    /// All that can befall anybody there.
    pub(crate) fn on(stage: Stage) -> &'static [Self] {
        match stage.account {
            true => &Self::ALL,
            false => &Self::ALL[..Self::ALL.len() - Self::OF_AN_ACCOUNT],
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Cut => "cut",
            Self::Stall => "stall",
            Self::Slow => "slow",
            Self::KillServer => "kill server",
            Self::FreezeServer => "freeze server",
            Self::LoseReplies => "lose replies",
            Self::Throttle => "throttle",
        }
    }

    fn whom(self) -> Whom {
        match self {
            Self::Kill | Self::Freeze | Self::Cut | Self::Stall | Self::Slow => Whom::Process,
            Self::KillServer | Self::FreezeServer => Whom::Server,
            Self::LoseReplies | Self::Throttle => Whom::Account,
        }
    }
}

/// Whom it befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whom {
    Process,
    Server,
    Account,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// After the beginning of the campaign.
    pub(crate) at: Duration,
    pub(crate) kind: Kind,
    /// Among the processes, or among the servers; the account comes after those.
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
    /// Whether there is one.
    pub(crate) account: bool,
}

/// Between a server's faults, so that the fleet gets anywhere.
const SERVERS_REST: Duration = Duration::from_secs(10);

/// Among whom a process is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Among {
    All,
    Factories,
    Custodians,
}

/// The first round: every kind, whatever the seed. A lease is taken from a factory that is frozen,
/// and whoever keeps artifacts is killed and frozen with an upload in hand.
const FIRST: [(Kind, Among); 8] = [
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
    if stage.account {
        first.extend([Kind::LoseReplies, Kind::Throttle].map(|kind| (kind, Among::All)));
    }
    let kinds = Kind::on(stage);
    for n in (1..first.len()).rev() {
        first.swap(n, dice.index(n + 1));
    }
    let mut busy: BTreeMap<(Whom, usize), Duration> = BTreeMap::new();
    let mut server_rests = Duration::ZERO;
    let (mut faults, mut at) = (Vec::new(), Duration::from_millis(500));
    while at < span {
        let due = first.last().copied();
        let (kind, among) = due.unwrap_or_else(|| (kinds[dice.index(kinds.len())], Among::All));
        let fault = one((kind, among), at, stage, &mut dice);
        let (whom, of_a_server) = ((kind.whom(), fault.target), kind.whom() == Whom::Server);
        let resting = of_a_server && at < server_rests;
        if resting {
            // Those of the first round that can come before it.
            if let Some(due) = first.pop() {
                first.insert(0, due);
            }
        } else if busy.get(&whom).is_none_or(|until| *until < at) {
            first.pop();
            busy.insert(whom, at + fault.span + Duration::from_millis(500));
            if of_a_server {
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
        Kind::KillServer => dice.index(stage.servers),
        Kind::FreezeServer => dice.index(stage.servers + usize::from(stage.account)),
        Kind::LoseReplies | Kind::Throttle => 0,
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
        Kind::LoseReplies => dice.millis(2_000, 8_000),
        Kind::Throttle => dice.millis(1_000, 6_000),
    };
    Fault { at, kind, target, span }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAGE: Stage =
        Stage { services: 10, custodians: 2, factories: 6, servers: 3, account: false };
    const WITH_ACCOUNT: Stage = Stage { account: true, ..STAGE };
    const SPAN: Duration = Duration::from_secs(60);

    #[test]
    fn one_seed_is_one_plan() {
        assert_eq!(faults(7, SPAN, STAGE), faults(7, SPAN, STAGE));
        assert_ne!(faults(7, SPAN, STAGE), faults(8, SPAN, STAGE));
    }

    #[test]
    fn a_minute_of_any_seed_has_every_kind_and_freezes_a_factory_beyond_its_term() {
        for (seed, stage) in (0..100).flat_map(|seed| [(seed, STAGE), (seed, WITH_ACCOUNT)]) {
            let plan = faults(seed, SPAN, stage);
            for kind in Kind::ALL {
                let is_there = plan.iter().any(|fault| fault.kind == kind);
                assert_eq!(is_there, Kind::on(stage).contains(&kind), "{seed}: {kind:?}");
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
            let plan = faults(seed, SPAN, WITH_ACCOUNT);
            for (n, fault) in plan.iter().enumerate() {
                assert!(!plan[n + 1..].iter().any(|other| meets(fault, other)), "{seed}: {fault}");
            }
        }
    }

    fn meets(fault: &Fault, later: &Fault) -> bool {
        let whom = |fault: &Fault| (fault.kind.whom(), fault.target);
        whom(fault) == whom(later) && later.at < fault.at + fault.span
    }
}
