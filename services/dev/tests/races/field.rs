//! The races, run in the shape that their module is named after.

use dev::Shape;

mod buses;
mod hand;
mod line;
mod stores;
mod world;

mod bundles;
mod claims;
mod deps;
mod holds;
mod hours;
mod intake;
mod profiles;
mod repeats;
mod roles;
mod schedulers;
mod words;

fn shape() -> Shape {
    if module_path!().ends_with("apart") { Shape::Apart(1) } else { Shape::Together }
}
