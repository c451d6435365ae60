//! What holds whatever is asked in whatever order. The world itself checks every write: that it
//! repeats as nothing new, carries the truth when refused, and keeps the invariants.
#![cfg(test)]

#[path = "support/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet::{
    Action, Actor, Cause, Checkpoint, Circumstances, Disposition, Epoch, Holding, Insights, Jitter,
    JobId, MicroUsd, Nonce, Rank, RunResult, StageName, VerifyResult, Wish, unfit,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use world::{World, bidder, content, job_id, patch, release};

const FACTORIES: [&str; 2] = ["f1", "f2"];
const KEYS: [&str; 2] = ["dep", "j"];

/// One thing that somebody does; the numbers choose among what there is.
#[derive(Clone, Debug)]
enum Deed {
    Claim {
        job: usize,
        factory: usize,
        leased: bool,
    },
    /// The holder goes on as it should.
    Advance {
        job: usize,
    },
    Patch {
        job: usize,
        claim: usize,
        stage: usize,
        commit: Option<u8>,
        passed: Option<bool>,
    },
    Release {
        job: usize,
        claim: usize,
        how: usize,
        result: usize,
        cents: u64,
    },
    Renew {
        job: usize,
        claim: usize,
    },
    Operate {
        job: usize,
        action: usize,
    },
    TakeBack {
        job: usize,
        cause: usize,
    },
    Reap {
        job: usize,
    },
    Repair {
        job: usize,
    },
    Submit {
        job: usize,
        body: u8,
    },
    Relay {
        job: usize,
    },
    Purge {
        job: usize,
    },
    Pass {
        seconds: u64,
    },
}

fn deed() -> impl Strategy<Value = Deed> {
    let job = || 0..KEYS.len();
    let claim = || 0..6usize;
    prop_oneof![
        6 => (job(), 0..2usize, any::<bool>())
            .prop_map(|(job, factory, leased)| Deed::Claim { job, factory, leased }),
        12 => job().prop_map(|job| Deed::Advance { job }),
        6 => (job(), claim(), 0..6usize, prop::option::of(0..3u8), prop::option::of(any::<bool>()))
            .prop_map(|(job, claim, stage, commit, passed)| {
                Deed::Patch { job, claim, stage, commit, passed }
            }),
        6 => (job(), claim(), 0..5usize, 0..6usize, 0..300u64)
            .prop_map(|(job, claim, how, result, cents)| {
                Deed::Release { job, claim, how, result, cents }
            }),
        2 => (job(), claim()).prop_map(|(job, claim)| Deed::Renew { job, claim }),
        2 => (job(), 0..9usize).prop_map(|(job, action)| Deed::Operate { job, action }),
        2 => (job(), 0..6usize).prop_map(|(job, cause)| Deed::TakeBack { job, cause }),
        2 => job().prop_map(|job| Deed::Reap { job }),
        1 => job().prop_map(|job| Deed::Repair { job }),
        1 => (job(), 0..3u8).prop_map(|(job, body)| Deed::Submit { job, body }),
        1 => job().prop_map(|job| Deed::Relay { job }),
        1 => job().prop_map(|job| Deed::Purge { job }),
        4 => (0..90u64).prop_map(|seconds| Deed::Pass { seconds }),
    ]
}

/// Whose content is which: policies, verify command, review, budget.
fn nature() -> impl Strategy<Value = Value> {
    (any::<bool>(), any::<bool>(), prop::option::of(1..4u32), prop::option::of(60..600u64))
        .prop_map(|(verify, manual, retry, wall)| {
            let mut nature = json!({"timeoutSec": 60, "depsMode": "soft"});
            if verify {
                nature["verify"] = json!("make test");
            }
            if manual {
                nature["reviewPolicy"] = json!("manual");
            }
            if let Some(max) = retry {
                nature["retry"] = json!({"max": max, "backoff": "exp", "on": ["crash"]});
            }
            if let Some(wall) = wall {
                nature["budget"] = json!({"wall": wall, "usd": 5});
            }
            nature
        })
}

struct Play {
    world: World,
    nature: Value,
    claims: BTreeMap<JobId, Vec<Holding>>,
    granted: BTreeMap<(JobId, Epoch), Nonce>,
}

impl Play {
    fn new(nature: Value) -> Self {
        let mut world = World::new();
        world.max_reaps = 2;
        let (claims, granted) = (BTreeMap::new(), BTreeMap::new());
        let mut play = Self { world, nature, claims, granted };
        play.submit(0, 0);
        play.submit(1, 0);
        play
    }

    fn submit(&mut self, job: usize, body: u8) {
        let mut with = self.nature.clone();
        with["bodyMd"] = json!(format!("body {body}"));
        if job == 1 {
            with["deps"] = json!(["dep"]);
        }
        drop(self.world.submit(content(KEYS[job], &with)));
    }

    fn holding(&mut self, id: JobId, claim: usize) -> Holding {
        let known = self.claims.get(&id).map_or(&[] as &[Holding], Vec::as_slice);
        match known.iter().rev().nth(claim.saturating_sub(3)) {
            Some(holding) => holding.clone(),
            None => Holding {
                lease_epoch: Epoch::new(claim as u64),
                factory_id: world::factory("f1"),
                claim_nonce: Nonce::from_uuid(self.world.mint()),
            },
        }
    }

    fn does(&mut self, deed: &Deed) {
        match *deed {
            Deed::Claim { job, factory, leased } => self.claim(job_id(KEYS[job]), factory, leased),
            Deed::Advance { job } => self.advance(job_id(KEYS[job])),
            Deed::Patch { job, claim, stage, commit, passed } => {
                let id = job_id(KEYS[job]);
                let (holding, op) = (self.holding(id, claim), self.world.op());
                let mut patch = patch(&holding, op, STAGES[stage]);
                patch.checkpoint = commit.map(checkpoint);
                patch.verify = passed.map(verdict);
                drop(self.world.patch(id, patch));
            }
            Deed::Release { job, claim, how, result, cents } => {
                let id = job_id(KEYS[job]);
                let (holding, op) = (self.holding(id, claim), self.world.op());
                let mut release = release(&holding, op, DISPOSITIONS[how]);
                release.result = RESULTS[result];
                let cost_usd = Some(MicroUsd::from_micros(cents * 10_000));
                release.insights = Some(Insights { cost_usd, ..Insights::default() });
                drop(self.world.release(id, release));
            }
            Deed::Renew { job, claim } => {
                let id = job_id(KEYS[job]);
                let holding = self.holding(id, claim);
                drop(self.world.renew(id, &holding));
            }
            Deed::Operate { job, action } => {
                let op = self.world.op();
                drop(self.world.operate(job_id(KEYS[job]), ACTIONS[action], op));
            }
            Deed::TakeBack { job, cause } => {
                // Silence is judged by its lease alone, see `reap`.
                self.world.take_back(job_id(KEYS[job]), CAUSES[cause]);
            }
            Deed::Reap { job } => {
                self.world.pass(Duration::from_secs(31));
                self.world.reap(job_id(KEYS[job]));
            }
            Deed::Repair { job } => {
                self.world.repair(job_id(KEYS[job]));
            }
            Deed::Submit { job, body } => self.submit(job, body),
            Deed::Relay { job } => self.world.relay(job_id(KEYS[job])),
            Deed::Purge { job } => {
                drop(self.world.ask(job_id(KEYS[job]), Actor::service("sweep"), Wish::Purge));
            }
            Deed::Pass { seconds } => self.world.pass(Duration::from_secs(seconds)),
        }
    }

    fn advance(&mut self, id: JobId) {
        let (holding, op) = (self.holding(id, 0), self.world.op());
        let mut patch = patch(&holding, op, None);
        patch.verify = Some(verdict(true));
        patch.stage = match self.world.job(id).stage.name() {
            StageName::Assigned => Some(StageName::Building),
            StageName::Building => Some(StageName::Review),
            StageName::Review => Some(StageName::Testing),
            StageName::Testing => Some(StageName::Shipped),
            StageName::Queued
            | StageName::Blocked
            | StageName::Shipped
            | StageName::Failed
            | StageName::DeadLetter => return,
        };
        drop(self.world.patch(id, patch));
    }

    fn claim(&mut self, id: JobId, factory: usize, leased: bool) {
        let Ok(holding) = self.world.claim(id, &bidder(FACTORIES[factory])) else { return };
        if leased {
            self.world.hold_lease(id, &holding);
        }
        let former = self.granted.insert((id, holding.lease_epoch), holding.claim_nonce);
        assert_eq!(former, None, "I3: an epoch is granted once");
        self.claims.entry(id).or_default().push(holding);
    }
}

const STAGES: [Option<StageName>; 6] = [
    None,
    Some(StageName::Building),
    Some(StageName::Review),
    Some(StageName::Testing),
    Some(StageName::Shipped),
    Some(StageName::Failed),
];
const DISPOSITIONS: [Option<Disposition>; 5] = [
    None,
    Some(Disposition::Ship),
    Some(Disposition::Fail),
    Some(Disposition::Yield),
    Some(Disposition::Park),
];
const RESULTS: [Option<RunResult>; 6] = [
    None,
    Some(RunResult::Crash),
    Some(RunResult::NoEngine),
    Some(RunResult::Cancelled),
    Some(RunResult::BudgetExceeded),
    Some(RunResult::Timeout),
];
const ACTIONS: [Action; 9] = [
    Action::Approve,
    Action::SendBack,
    Action::Ship { force: false },
    Action::Ship { force: true },
    Action::Requeue,
    Action::Redrive,
    Action::CancelNow,
    Action::CancelGraceful,
    Action::Reject,
];
const CAUSES: [Cause; 6] = [
    Cause::Silent,
    Cause::NoLease,
    Cause::Overrun,
    Cause::BudgetSpent,
    Cause::LockLost,
    Cause::CancelOverdue,
];

fn checkpoint(commit: u8) -> Checkpoint {
    Checkpoint {
        wip_branch: "wip".to_owned(),
        wip_base: format!("base{}", commit / 2),
        wip_commit: format!("commit{commit}"),
    }
}

fn verdict(passed: bool) -> VerifyResult {
    VerifyResult { passed, exit_code: None, duration_ms: None, summary: None }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_deeds_breaks_an_invariant(
        nature in nature(),
        deeds in prop::collection::vec(deed(), 1..60),
    ) {
        let mut play = Play::new(nature);
        for deed in &deeds {
            play.does(deed);
            for id in KEYS.map(job_id) {
                let job = play.world.job(id);
                prop_assert!(job.reaps <= play.world.max_reaps, "I20");
            }
            let found = play.world.audit();
            prop_assert!(found.is_empty(), "after {deed:?}: {found:#?}");
        }
        for id in KEYS.map(job_id) {
            play.world.relay(id);
        }
        let found = play.world.audit();
        prop_assert!(found.is_empty(), "{found:#?}");
    }

    #[test]
    fn ranking_is_a_total_order_that_does_not_see_the_order_of_its_input(
        jobs in prop::collection::vec((0..4u8, 0..5u64), 1..20),
        shuffle in any::<prop::sample::Index>(),
        after in 0..9000u64,
    ) {
        let mut world = World::new();
        for (n, (rank, wait)) in jobs.iter().enumerate() {
            world.pass(Duration::from_secs(wait * 600));
            world.submit(ranked(&format!("k{n}"), *rank)).unwrap();
        }
        world.pass(Duration::from_secs(after));
        let ageing = Duration::from_secs(1800);
        let rank = |job: &fleet::Job| Rank::of(job, ageing, world.now);
        let mut first: Vec<&fleet::Job> = world.jobs.values().collect();
        let mut second = first.clone();
        let by = shuffle.index(second.len());
        second.rotate_left(by);
        first.sort_by_key(|job| rank(job));
        second.sort_by_key(|job| rank(job));
        prop_assert!(first.iter().map(|job| job.id).eq(second.iter().map(|job| job.id)));
        for pair in first.windows(2) {
            prop_assert!(rank(pair[0]) < rank(pair[1]), "no two are equal");
            // Within the same rank the older goes first; without ageing it is rank, then age.
            let plain = |job: &fleet::Job| Rank::of(job, Duration::ZERO, world.now).effective;
            prop_assert!(plain(pair[0]) == pair[0].content.priority_rank);
        }
    }

    #[test]
    fn after_three_steps_only_older_jobs_go_first(
        low in 0..4u8,
        later in 0..4u8,
        gap in 1..100_000u64,
    ) {
        let mut world = World::new();
        world.submit(ranked("old", low)).unwrap();
        world.pass(Duration::from_millis(gap));
        world.submit(ranked("new", later)).unwrap();
        world.pass(Duration::from_secs(3 * 1800));
        let rank = |key| Rank::of(world.job(job_id(key)), Duration::from_secs(1800), world.now);
        prop_assert!(rank("old").effective == 0);
        prop_assert!(rank("old") < rank("new"));
    }

    #[test]
    fn what_is_claimed_passed_every_filter(
        gpu in any::<bool>(),
        engine in prop::option::of(prop::sample::select(vec!["echo", "claude"])),
        down in any::<bool>(),
        seats in 0..2u32,
        paused in any::<bool>(),
        wait in 0..3u64,
    ) {
        let mut world = World::new();
        let mut with = json!({"capabilities": if gpu { json!(["gpu"]) } else { json!(["git"]) }});
        with["engine"] = json!(engine);
        with["notBefore"] = json!(world.now.plus(Duration::from_secs(wait)).to_string());
        world.submit(content("j", &with)).unwrap();
        world.paused = paused;
        let mut bidder = bidder("f1");
        bidder.free_seats = seats;
        if down {
            bidder.health = fleet::Health::Down;
        }
        let job = world.job(job_id("j")).clone();
        let why = unfit(&job, &bidder, &world.given(&job), world.now);
        let fits = !gpu && engine != Some("claude") && !down && seats > 0 && !paused && wait == 0;
        prop_assert_eq!(why.is_none(), fits, "{:?}", why);
        prop_assert_eq!(world.claim(job_id("j"), &bidder).is_ok(), fits);
    }

    #[test]
    fn a_back_off_keeps_within_its_bounds(
        failures in 1..12u32,
        drawn in 0..=1000u64,
        fixed in prop::option::of(1..5000u64),
    ) {
        let backoff = fixed.map_or_else(|| json!("exp"), |seconds| json!(seconds));
        let retry = json!({"max": 99, "backoff": backoff, "on": ["crash"]});
        let mut world = World::new();
        let id = job_id("j");
        world.submit(content("j", &json!({"retry": retry}))).unwrap();
        for _ in 1..failures {
            fail_once(&mut world, id);
            world.pass(Duration::from_secs(8000));
        }
        let holding = world.claim(id, &bidder("f1")).unwrap();
        let op = world.op();
        let jitter = Jitter::of(Duration::from_millis(drawn), Duration::from_secs(1));
        let job = world.job(id);
        let given = Circumstances { jitter, ..world.given(job) };
        let wish = Wish::Release(Box::new(release(&holding, op, Some(Disposition::Fail))));
        let command = fleet::Command { by: Actor::factory(&holding.factory_id), given, wish };
        let facts = fleet::Record::decide(job, &command, world.now).unwrap();
        let after = facts.iter().fold(job.clone(), fleet::Record::evolve);
        let waits = after.retry_not_before.unwrap().since(world.now).as_millis();
        let exp = (30_000u128 << (failures - 1)).min(3_600_000);
        let plain = fixed.map_or(exp, |seconds| u128::from(seconds) * 1000);
        prop_assert!(waits >= plain * 8 / 10 && waits <= plain * 12 / 10, "{waits} of {plain}");
    }
}

/// Plays that never got far would prove nothing.
#[test]
fn random_deeds_reach_every_stage_and_ship_what_was_taken_back() {
    let mut runner = TestRunner::deterministic();
    let plays = (nature(), prop::collection::vec(deed(), 20..60));
    let mut stages = BTreeSet::new();
    let mut shipped_after_reap = 0;
    for _ in 0..400 {
        let (nature, deeds) = plays.new_tree(&mut runner).unwrap().current();
        let mut play = Play::new(nature);
        for deed in &deeds {
            play.does(deed);
            stages.extend(
                play.world.jobs.values().map(|job| (job.stage.name(), job.holder().is_some())),
            );
        }
        let survived = |job: &fleet::Job| {
            job.fenced_by == Some(fleet::FencedBy::Reap) && job.stage == fleet::Stage::Shipped
        };
        shipped_after_reap += play.world.jobs.values().filter(|job| survived(job)).count();
    }
    assert_eq!(stages.len(), 11, "{stages:?}");
    assert!(shipped_after_reap > 0);
}

#[test]
fn whatever_is_written_on_the_way_fits_its_schema() {
    let schema = |name: &str| {
        let all = fleet::record_schemas().into_iter().collect::<BTreeMap<_, _>>();
        jsonschema::options().should_validate_formats(true).build(&all[name]).unwrap()
    };
    let forms = ["job", "tombstone", "lease", "run", "event"].map(schema);
    let [job, stone, lease, run, event] = &forms;
    let mut runner = TestRunner::deterministic();
    let plays = (nature(), prop::collection::vec(deed(), 20..60));
    for _ in 0..60 {
        let (nature, deeds) = plays.new_tree(&mut runner).unwrap().current();
        let mut play = Play::new(nature);
        for deed in &deeds {
            play.does(deed);
            let world = &play.world;
            let form = |written: &fleet::Job| if written.purged { stone } else { job };
            world.jobs.values().for_each(|written| fits(form(written), written));
            world.leases.values().for_each(|written| fits(lease, written));
            world.runs.values().for_each(|written| fits(run, written));
            world.events.values().flatten().for_each(|written| fits(event, written));
        }
    }
}

fn fits(schema: &jsonschema::Validator, record: &impl fleet::Record) {
    let written = serde_json::from_slice(&record.encode().unwrap()).unwrap();
    let faults: Vec<_> = schema.iter_errors(&written).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{faults:?}: {written}");
}

fn fail_once(world: &mut World, id: JobId) {
    let holding = world.claim(id, &bidder("f1")).unwrap();
    let op = world.op();
    world.release(id, release(&holding, op, Some(Disposition::Fail))).unwrap();
}

fn ranked(key: &str, rank: u8) -> fleet::Content {
    let priority = ["critical", "high", "medium", "low"][usize::from(rank)];
    content(key, &json!({"priority": priority, "priorityRank": rank}))
}
