//! What people see of a whole fleet: every service in one process, real messages, time that
//! stands until everyone waits. Each story is told twice: with services that share one memory, and
//! with two replicas of each that share nothing but the bus and the store.
#![expect(clippy::duplicate_mod, reason = "the same stories on every scene")]

#[cfg(test)]
mod scene;

#[cfg(test)]
#[path = "stories.rs"]
mod apart;
#[cfg(test)]
#[path = "stories.rs"]
mod together;
