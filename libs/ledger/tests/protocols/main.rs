//! The protocols on real providers of the store's seam: what each promises, and that the races
//! among them are lost on a store that checks before it writes.

#![expect(
    clippy::excessive_nesting,
    reason = "a law is told as one story, inside the closure that runs it on each store"
)]

#[cfg(test)]
mod admission;
#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod claim;
#[cfg(test)]
mod factories;
#[cfg(test)]
mod family;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod heal;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod profiles;
#[cfg(test)]
mod reap;
#[cfg(test)]
mod renew;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod submit;
#[cfg(test)]
mod support;
#[cfg(test)]
mod words;
