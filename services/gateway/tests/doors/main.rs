//! What callers see of the HTTP door: real sockets, every service behind it, and the bus beside it.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod custodian;
#[cfg(test)]
mod described;
#[cfg(test)]
mod forwarded;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod people;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod town;
