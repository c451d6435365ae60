//! The stories of a whole fleet, every service in one process, with its records in an emulated
//! account, in the time that it takes.

#[cfg(test)]
mod ground;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/standing.rs"]
mod scene;

#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/town.rs"]
mod town;

#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/list.rs"]
mod list;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/plan.rs"]
mod plan;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/ship.rs"]
mod ship;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/survey.rs"]
mod survey;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/verify.rs"]
mod verify;
#[cfg(test)]
#[path = "../../../../services/dev/tests/journeys/why.rs"]
mod why;

#[cfg(test)]
fn told() -> &'static str {
    "over_cosmos"
}
