//! Every interleaving of the real rules, in small worlds, breadth first.
//!
//! Real: `decide` and `evolve` of jobs, leases, locks and runs, `submit`, the dependency walk, and
//! the step lists that the ledger executes. Every step is a read and a conditional write, between
//! which everybody else may act; a conflict reads and decides again. A process may die after any
//! write, an answer may be lost, a call may arrive twice, a write's outcome may be unknown.
//!
//! Abstracted: *time* (a lease may be found silent, a grant past its deadline, a reservation old,
//! at any instant; timestamps are no part of a state), *numbers that only grow* (revisions, event
//! numbers; checked in the write that moves them, then left out of the state), *overtaken writes*
//! (once a record has moved, a write decided on its former version is a conflict and nothing else),
//! *choice* (a factory asks for any job that is queued; ranking has its own tests), and *quantity*:
//! each story has few agents and a counted stock of crashes, copies and keepers.
//!
//! Checked in every state: the invariants of the lifecycle by number, and that there is a way out
//! without an operator: with everyone dead, the keepers alone free each job, a second round of
//! theirs finds nothing to do, and a new factory ships it.
//!
//! `caught.rs`, `waiting.rs` and `relayed.rs` hold the wrong designs; `traces/` how each is caught.

#[cfg(test)]
mod cast;
#[cfg(test)]
mod caught;
#[cfg(test)]
mod graph;
#[cfg(test)]
mod graph_steps;
#[cfg(test)]
mod hold;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod mutant;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod relayed;
#[cfg(test)]
mod rescue;
#[cfg(test)]
mod search;
#[cfg(test)]
mod steps;
#[cfg(test)]
mod story;
#[cfg(test)]
mod turns;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod wishes;
#[cfg(test)]
mod world;
