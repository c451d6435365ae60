//! Claim, renew, release, reap and repair on one job; locks between two.

use std::cell::RefCell;
use std::collections::BTreeSet;

use fleet::Lock;

use crate::cast::{content, lock_name, now, product, stored_job, stored_lock, submitted};
use crate::mutant::Mutant;
use crate::search::{Model, Moves, Outcome, search};
use crate::world::{Agent, Belief, Cast, Ghost, Left, SMALL, World};

pub(crate) struct Hold {
    pub(crate) cast: Cast,
    /// Stores from which a way out was found already.
    pub(crate) safe: RefCell<BTreeSet<u128>>,
}

impl Model for Hold {
    type State = World;

    fn start(&self) -> World {
        let cast = &self.cast;
        let jobs = (0..cast.jobs).map(|number| {
            let mut content = content(number, 1, &[]);
            if cast.locks {
                content.locks = vec![lock_name()];
            }
            stored_job(submitted(&content))
        });
        let agent = |(number, factory): (usize, &u8)| Agent {
            factory: *factory,
            asks: if cast.stalls && number == 0 { 1 } else { cast.asks },
            belief: Belief::Idle,
            aside: false,
        };
        World {
            jobs: jobs.collect(),
            leases: vec![None; usize::from(cast.jobs)],
            lock: stored_lock(Lock::absent(lock_name(), product(), now())),
            procs: Vec::new(),
            agents: cast.agents.iter().enumerate().map(agent).collect(),
            sent: BTreeSet::new(),
            grants: BTreeSet::new(),
            left: Left::of(cast),
            ghost: Ghost::default(),
            wrong: None,
            news: Vec::new(),
        }
    }

    fn moves(&self, at: &World, out: &mut Moves<World>) {
        self.cast.all_moves(at, out);
    }

    fn key(&self, state: &World) -> u128 {
        state.key()
    }

    fn check(&self, state: &World) -> Result<(), String> {
        state.check_state()?;
        // Shown with the death that strands the job, and not before.
        if self.cast.is(Mutant::ReaperScansLeasesOnly) && !state.procs.is_empty() {
            return Ok(());
        }
        if self.safe.borrow_mut().insert(state.store_key()) {
            self.cast.check_way_out(state)?;
        }
        Ok(())
    }

    fn show(&self, state: &World) -> String {
        state.show()
    }
}

/// Searches all of a world, and says how large it was.
pub(crate) fn run(story: &str, cast: &Cast) -> Outcome {
    let model = Hold { cast: cast.clone(), safe: RefCell::default() };
    let outcome = search(&model, 1_000_000);
    println!("{story}: {} states, depth {}", outcome.states, outcome.depth);
    outcome
}

fn holds(story: &str, cast: &Cast, reaches: &[&str]) {
    let outcome = run(story, cast);
    if let Some(trace) = outcome.trace {
        panic!("{trace}");
    }
    for news in reaches {
        assert!(outcome.reached.contains(news), "never: {news}; but {:?}", outcome.reached);
    }
}

const SHIPPED_AFTER_ALL: &str = "a job was taken back, claimed again and shipped";
const REFUSED: &str = "a zombie was refused";
const OWN_AGAIN: &str = "an agent claimed its own job again";
const RECOGNISED: &str = "an own claim was recognised";
const UNCONFIRMED: &str = "an unconfirmed grant was taken back";

#[test]
fn one_agent_that_stalls_is_taken_back_claims_again_and_ships() {
    let cast = Cast { asks: 2, keeps: 2, crashes: 1, sides: 1, ..SMALL };
    holds(
        "one agent, a keeper, a crash",
        &cast,
        &[SHIPPED_AFTER_ALL, REFUSED, OWN_AGAIN, UNCONFIRMED],
    );
}

#[test]
fn two_agents_and_two_keepers_never_hold_one_job_together() {
    let cast = Cast { agents: &[1, 2], keeps: 2, keepers: 2, ..SMALL };
    holds("two agents, two keepers", &cast, &[SHIPPED_AFTER_ALL, REFUSED, UNCONFIRMED]);
}

#[test]
fn two_agents_survive_a_crash_anywhere() {
    let cast = Cast { agents: &[1, 2], keeps: 1, crashes: 1, ..SMALL };
    holds("two agents, a keeper, a crash", &cast, &[SHIPPED_AFTER_ALL, REFUSED, UNCONFIRMED]);
}

#[test]
fn a_late_copy_of_any_call_has_no_effect_of_its_own() {
    let cast = Cast { asks: 2, keeps: 1, copies: 1, ..SMALL };
    holds("late copies", &cast, &[SHIPPED_AFTER_ALL, REFUSED, OWN_AGAIN, RECOGNISED]);
    let cast = Cast { asks: 2, copies: 1, yields: true, ..SMALL };
    holds("late copies around a yield", &cast, &[OWN_AGAIN, RECOGNISED]);
}

#[test]
fn a_write_whose_outcome_is_unknown_is_found_out() {
    let cast = Cast { asks: 2, keeps: 1, unknowns: 1, crashes: 1, ..SMALL };
    holds("unknown outcomes", &cast, &[SHIPPED_AFTER_ALL, REFUSED, RECOGNISED]);
}

#[test]
fn a_completion_survives_the_holders_own_notes() {
    let cast = Cast { notes: 2, keeps: 1, unknowns: 1, ..SMALL };
    holds("notes beside the completion", &cast, &["a job was shipped", REFUSED]);
}

#[test]
fn a_clone_gets_nothing_by_its_name() {
    let cast = Cast { agents: &[1, 1], keeps: 1, bluffs: 1, ..SMALL };
    holds("a clone", &cast, &[SHIPPED_AFTER_ALL, REFUSED]);
}

#[test]
fn a_restarted_agent_adopts_or_lets_go() {
    let cast = Cast { agents: &[1, 2], restarts: 1, ..SMALL };
    holds("a restart", &cast, &["a job was shipped"]);
    let cast = Cast { keeps: 1, restarts: 1, ..SMALL };
    holds("a restart and a keeper", &cast, &["a job was shipped", REFUSED]);
}

#[test]
fn an_operator_and_an_overrun_fence_the_holder() {
    let cast = Cast { asks: 2, cancels: 1, requeues: 1, overrules: 1, ..SMALL };
    holds("an operator, an overrun", &cast, &["a job was overruled", REFUSED, OWN_AGAIN]);
}

#[test]
fn what_is_held_is_never_superseded() {
    let cast = Cast { keeps: 1, requeues: 1, supersedes: 1, ..SMALL };
    holds("a producer supersedes", &cast, &["a job was superseded", REFUSED]);
}

#[test]
fn a_lock_has_one_job_at_a_time() {
    let cast = Cast { agents: &[1, 2], jobs: 2, locks: true, ..SMALL };
    let lost = ["a job was given back for its lock", "a lock was lost before the grant"];
    holds("a lock between two jobs", &cast, &lost);
}

#[test]
fn a_lock_keeps_its_grace_after_a_reap() {
    let cast =
        Cast { agents: &[1, 2], jobs: 2, keeps: 1, crashes: 1, locks: true, stalls: true, ..SMALL };
    holds("a lock, a keeper, a crash", &cast, &[UNCONFIRMED]);
}

#[test]
fn a_replayed_claim_confirms_its_lock_again() {
    let cast = Cast { agents: &[1, 2], jobs: 2, copies: 1, locks: true, stalls: true, ..SMALL };
    let reached = [RECOGNISED, "a lock was lost before the grant"];
    holds("a lock and a late copy", &cast, &reached);
}

#[test]
fn an_unknown_reservation_is_found_out() {
    let cast = Cast {
        agents: &[1, 2],
        jobs: 2,
        unknowns: 1,
        crashes: 1,
        locks: true,
        stalls: true,
        ..SMALL
    };
    holds("a lock and unknown outcomes", &cast, &["a lock was lost before the grant"]);
}

#[test]
fn a_lock_keeps_its_grace_when_the_fenced_job_takes_it_in_between() {
    let cast =
        Cast { agents: &[1, 2], asks: 2, jobs: 2, keeps: 1, locks: true, stalls: true, ..SMALL };
    holds("a lock taken again within its grace", &cast, &[UNCONFIRMED]);
}
