//! The stored form of a record that no client may see. What is kept of a person has no `Serialize`
//! of its own, so that no answer can hold it; only in this wrapper does it turn into bytes, and
//! only the ledger asks for those.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a record is written to the store and read from it, and from nowhere else.
pub trait Form: Sized {
    /// # Errors
    /// Those of what it is written to.
    fn write<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error>;

    /// # Errors
    /// It is no such record.
    fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stored<T>(pub T);

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Form> Serialize for Stored<T> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.0.write(out)
    }
}

impl<'de, T: Form> Deserialize<'de> for Stored<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        T::read(input).map(Self)
    }
}
