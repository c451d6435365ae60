//! The laws on every bus that lives in memory, and the proof that they catch a wrong one.

use std::sync::Arc;
use std::time::Duration;

use crate::{Broken, Bus, Faulty, Limits, Memory, Odds, conformance};

async fn memory() -> Arc<dyn Bus> {
    Arc::new(Memory::default())
}

/// Real time: what comes again comes soon.
async fn quick() -> Arc<dyn Bus> {
    Arc::new(Memory::with(Limits { ack_wait: Duration::from_secs(2), ..Limits::default() }))
}

async fn faulty_at_rest() -> Arc<dyn Bus> {
    Arc::new(Faulty::new(Memory::default(), 1, Odds::default()))
}

async fn broken() -> Arc<dyn Bus> {
    Arc::new(Broken::default())
}

mod memory_in_paused_time {
    crate::conformance!(paused, super::memory);
}

mod memory_on_threads {
    crate::conformance!(threaded, super::quick);
}

mod faulty_without_faults {
    crate::conformance!(paused, super::faulty_at_rest);
}

#[test]
#[should_panic(expected = "one member of a group, and every outsider")]
fn the_group_law_catches_a_broken_bus() {
    let law = conformance::one_member_of_a_group_answers_and_every_outsider_hears;
    conformance::paused(broken, law);
}

#[test]
fn a_broken_bus_is_broken_in_that_alone() {
    conformance::paused(broken, conformance::a_request_without_a_listener_is_refused_at_once);
    conformance::paused(broken, conformance::two_consumers_of_a_group_share);
}
