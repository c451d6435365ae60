//! The same stories over a genuine nats-server, in the time that it takes. Those that measure time
//! itself, or silence the bus, are told where time stands.

#[cfg(test)]
#[path = "nats.rs"]
mod ground;
#[cfg(test)]
#[path = "standing.rs"]
mod scene;

#[cfg(test)]
mod town;

#[cfg(test)]
mod list;
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

#[cfg(test)]
fn told() -> &'static str {
    "over_nats"
}
