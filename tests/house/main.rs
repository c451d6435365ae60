//! The rules of the house that no compiler checks: who may depend on whom, what a pure crate may
//! say, how files are cut and named, and which test stands for which requirement.
//!
//! Reads the workspace as text. Links no product code, so it runs before anything else compiles.
//! Every checker is also shown a bad example: a rule that cannot fail guards nothing.

mod coverage;
mod crates;
mod documents;
mod sources;
mod tree;
