//! The stories, told in the shape that their module is named after.

use dev::Shape;

mod deaf;
mod town;

mod artifacts;
mod list;
mod offers;
mod plan;
mod ship;
mod survey;
mod verify;
mod why;

fn shape() -> Shape {
    if module_path!().ends_with("apart") { Shape::Apart(2) } else { Shape::Together }
}
