//! Who may do what over NATS, on a genuine server that is configured by the product's own words:
//! what is forbidden is refused by the server, and what is allowed works.

mod forbidden;
mod journey;
mod raw;
mod renewal;
mod spoiler;
mod town;
