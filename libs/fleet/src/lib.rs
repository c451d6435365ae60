//! The rules of the fleet: every record, command, event and rejection, and what agrees with what.
//!
//! The core owns what may happen and what agrees with what; the shell round it owns waiting,
//! writing, retrying and telling. Nothing here waits, reads a clock or draws a random number:
//! time, ids and chance are arguments.

pub mod digest;
pub mod id;
pub mod money;
pub mod time;
