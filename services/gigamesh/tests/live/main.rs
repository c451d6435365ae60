//! The binary as a user meets it: real processes, real sockets, a real disk, and real kills.

#[cfg(test)]
mod people;
#[cfg(test)]
mod process;

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod factory;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod losses;
#[cfg(test)]
mod mesh;
#[cfg(test)]
mod over_nats;
#[cfg(test)]
mod room;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod start;
#[cfg(test)]
mod traces;
