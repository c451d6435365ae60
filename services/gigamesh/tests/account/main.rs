//! The binary with its records in an emulated account of Cosmos DB, which several processes share.

#[cfg(test)]
mod compose;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod roles;
