//! What callers see of the HTTP door: real sockets, every service behind it, and the bus beside it.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod brought;
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
mod issuers;
#[cfg(test)]
mod journey;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod people;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod submissions;
#[cfg(test)]
mod town;
#[cfg(test)]
mod words;
#[cfg(test)]
#[path = "../../../../libs/fleet/tests/support/submissions.rs"]
#[expect(dead_code, reason = "its table is printed elsewhere")]
mod wrong;
