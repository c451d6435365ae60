//! What people see of a whole fleet: every service in one process, real messages, time that
//! stands until everyone waits.

#[cfg(test)]
mod deaf;
#[cfg(test)]
mod town;

#[cfg(test)]
mod list;
#[cfg(test)]
mod offers;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod ship;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod why;
