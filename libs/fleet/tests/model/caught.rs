//! Each wrong design of the hold and its locks is caught, and by which shortest trace is written
//! down in `traces/`.

use expect_test::expect_file;

use crate::hold::run;
use crate::mutant::Mutant;
use crate::world::{Cast, SMALL};

fn caught(mutant: Mutant, name: &str, cast: &Cast, for_what: &str) {
    let outcome = run(name, &cast.with(mutant));
    let trace = outcome.trace.expect("the wrong design is caught");
    expect_file![format!("traces/{name}.txt")].assert_eq(&trace);
    assert!(trace.contains(for_what), "caught for another reason: {trace}");
}

const TWO: Cast = Cast { agents: &[1, 2], ..SMALL };
const REAPED: Cast = Cast { keeps: 1, ..SMALL };
const LOCKED: Cast = Cast { agents: &[1, 2], jobs: 2, locks: true, ..SMALL };

#[test]
fn a_check_followed_by_an_unconditional_write_is_caught() {
    caught(Mutant::CheckThenWrite, "check_then_write", &TWO, "I3: one epoch was granted twice");
}

#[test]
fn a_supersede_that_only_checks_is_caught() {
    let cast = Cast { supersedes: 1, ..SMALL };
    caught(Mutant::CheckThenWrite, "supersede_over_a_claim", &cast, "I3");
}

#[test]
fn a_cancel_that_only_checks_is_caught() {
    let cast = Cast { cancels: 1, ..SMALL };
    caught(Mutant::CheckThenWrite, "cancel_over_a_claim", &cast, "I3");
}

#[test]
fn a_fence_on_a_smaller_epoch_alone_is_caught() {
    let cast = Cast { agents: &[1, 1], bluffs: 1, ..SMALL };
    caught(Mutant::FenceOnSmallerEpochOnly, "fence_on_smaller_epoch_only", &cast, "I4");
}

#[test]
fn a_fence_on_the_holder_alone_is_caught() {
    let cast = Cast { asks: 2, sides: 1, ..REAPED };
    caught(Mutant::FenceOnHolderOnly, "fence_on_holder_only", &cast, "I4");
}

#[test]
fn a_keeper_that_keeps_its_old_decision_is_caught() {
    let cast = Cast { sides: 1, ..REAPED };
    let name = "reaper_keeps_its_decision";
    caught(Mutant::ReaperKeepsItsDecision, name, &cast, "not been silent");
}

#[test]
fn a_keeper_that_keeps_its_old_decision_undoes_a_shipped_job() {
    let name = "reaper_undoes_what_shipped";
    caught(Mutant::ReaperKeepsItsDecision, name, &REAPED, "I12");
}

#[test]
fn a_reaper_that_scans_leases_only_is_caught() {
    let cast = Cast { crashes: 1, ..REAPED };
    caught(Mutant::ReaperScansLeasesOnly, "reaper_scans_leases_only", &cast, "L1");
}

#[test]
fn a_repair_that_takes_what_is_held_is_caught() {
    caught(Mutant::RepairTakesWhatIsHeld, "repair_takes_what_is_held", &REAPED, "I6");
}

#[test]
fn a_reaper_that_raises_the_lease_first_is_caught() {
    caught(Mutant::ReaperRaisesLeaseFirst, "reaper_raises_lease_first", &REAPED, "I2");
}

#[test]
fn a_reaper_that_copies_the_jobs_epoch_is_caught() {
    let cast = Cast { keeps: 1, ..TWO };
    caught(Mutant::ReaperCopiesJobsEpoch, "reaper_copies_jobs_epoch", &cast, "I6");
}

#[test]
fn a_reaper_that_trusts_a_clock_is_caught() {
    caught(Mutant::ReaperTrustsAClock, "reaper_trusts_a_clock", &REAPED, "not been silent");
}

#[test]
fn a_claim_without_nonce_is_caught() {
    let cast = Cast { unknowns: 1, ..SMALL };
    caught(Mutant::ClaimWithoutNonce, "claim_without_nonce", &cast, "lost its own claim");
}

#[test]
fn a_conflict_taken_as_final_in_claim_is_caught() {
    let cast = Cast { copies: 1, ..SMALL };
    let name = "conflict_is_final_in_claim";
    caught(Mutant::ConflictIsFinalInClaim, name, &cast, "lost its own claim");
}

#[test]
fn a_claim_without_the_epoch_it_was_offered_is_caught() {
    let cast = Cast { copies: 1, yields: true, ..SMALL };
    let name = "claim_without_offered_epoch";
    caught(Mutant::ClaimWithoutOfferedEpoch, name, &cast, "I22: one request was granted twice");
}

#[test]
fn a_completion_that_cannot_be_repeated_is_caught() {
    let cast = Cast { unknowns: 1, ..SMALL };
    caught(Mutant::CompletionNotRepeatable, "completion_not_repeatable", &cast, "I22");
}

#[test]
fn a_conflict_taken_as_final_in_completion_is_caught() {
    let cast = Cast { notes: 1, ..SMALL };
    let name = "conflict_is_final_in_complete";
    caught(Mutant::ConflictIsFinalInComplete, name, &cast, "its epoch is its own");
}

#[test]
fn a_lock_that_nobody_confirms_is_caught() {
    caught(Mutant::LockWithoutConfirm, "lock_without_confirm", &LOCKED, "I11: two jobs");
}

#[test]
fn a_reaper_that_frees_locks_at_once_is_caught() {
    let cast = Cast { keeps: 1, ..LOCKED };
    caught(Mutant::ReaperFreesLocks, "reaper_frees_locks", &cast, "within its grace");
}

#[test]
fn an_agent_that_inherits_by_its_name_is_caught() {
    let cast = Cast { agents: &[1, 1], ..SMALL };
    caught(Mutant::InheritByName, "inherit_by_name", &cast, "I1: two agents");
}
