//! What every role is made of: the bus it hears, the clock it reads, the tasks it owns. Knows no
//! service; services are handed a node and serve.

mod accept;
mod answer;
mod begin;
mod company;
mod find;
mod follow;
mod news;
pub mod open;
mod serve;
pub mod shape;
pub mod side;
mod stops;
mod tally;
mod tasks;

use std::sync::Arc;

use bus::Bus;
use clock::{Clock, Ids};

pub use accept::accept;
pub use answer::{Asked, problem_of};
pub use company::Company;
pub use news::{BusAway, Ear, Fate, News};
pub use serve::{Group, Served};
pub use side::Side;
pub use tally::{Tallied, Tally};
pub use tasks::{Failed, Tasks};

/// A role's hands and senses. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub tasks: Tasks,
}
