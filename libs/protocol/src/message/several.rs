//! Several words of one kind in one message: a list where one of them would stand, answered by a
//! list in the same order. Each is judged, written and answered as if it had come alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Problem;

/// The most words of one message; it must fit in one all the same.
pub const MOST_WORDS: usize = 64;

/// What one of several words came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answered<R> {
    Reply(R),
    Error(Box<Problem>),
}

impl<R> From<Answered<R>> for Result<R, Box<Problem>> {
    fn from(answered: Answered<R>) -> Self {
        match answered {
            Answered::Reply(reply) => Ok(reply),
            Answered::Error(problem) => Err(problem),
        }
    }
}
