//! What the world is told of this product's forms: the documents in `schemas/`, made from the
//! types and the tables, compared with what is committed, and shown to be neither looser nor
//! stricter than the code that reads.
#![cfg(test)]

mod artifacts;
#[path = "../../libs/fleet/tests/support/changes.rs"]
mod changes;
mod channels;
mod documents;
mod examples;
mod laws;
mod lines;
mod published;
mod said;
