//! A job as people write it: a Markdown file with front matter, or a JSON object with the same
//! keys. Reads either into one tree, so that both are judged by the same rules; what the keys
//! mean together is `submission`'s.

mod fault;
mod forms;
mod front;
mod json;
mod keys;
mod node;
mod object;
mod schema;
mod yaml;

pub use fault::{Fault, Invalid, Reason};
pub(crate) use fault::{Faults, Spot, clipped, cycle_through, quoted};
pub(crate) use forms::{FARTHEST, LONGEST_ATTEMPT};
pub(crate) use front::split;
pub(crate) use json::{read as read_json, take as take_object};
pub(crate) use keys::{
    MAX_CAPABILITIES, MAX_CHILDREN, MAX_DEPS, MAX_LOCKS, nearest_word, unknown as unknown_key,
};
pub(crate) use node::{Entries, Node, Value};
pub(crate) use object::{Fields, Place, read as read_object, sorted_set};
pub use schema::submission_schema;
pub(crate) use yaml::read as read_yaml;

/// The most that may stand in the front matter, or in the normalised manifest.
pub(crate) const MAX_MANIFEST: usize = 64 << 10;
/// The most that may stand below it.
pub(crate) const MAX_BODY: usize = 512 << 10;
/// The most that one JSON submission may hold, its children included.
pub(crate) const MAX_JSON: usize = 8 << 20;
