//! The trouble of a store that has no room left, told apart for whoever can give it some.

use crate::StoreError;

/// Behind `Unavailable`: nothing was written, and nothing that takes more room will be until there
/// is some. What is there can be read, and removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Full(pub Box<str>);

impl From<Full> for StoreError {
    fn from(full: Full) -> Self {
        Self::Unavailable(Box::new(full))
    }
}
