//! The stories of a whole fleet, told with each service in a process of its own over a genuine
//! nats-server, in the time that it takes.

#[cfg(test)]
mod scene;

#[cfg(test)]
#[path = "../../../dev/tests/journeys/town.rs"]
mod town;

#[cfg(test)]
#[path = "../../../dev/tests/journeys/list.rs"]
mod list;
#[cfg(test)]
#[path = "../../../dev/tests/journeys/plan.rs"]
mod plan;
#[cfg(test)]
#[path = "../../../dev/tests/journeys/ship.rs"]
mod ship;
#[cfg(test)]
#[path = "../../../dev/tests/journeys/survey.rs"]
mod survey;
#[cfg(test)]
#[path = "../../../dev/tests/journeys/verify.rs"]
mod verify;
#[cfg(test)]
#[path = "../../../dev/tests/journeys/why.rs"]
mod why;

#[cfg(test)]
mod published;

#[cfg(test)]
fn told() -> &'static str {
    "processes"
}
