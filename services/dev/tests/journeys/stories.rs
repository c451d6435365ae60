//! The stories, told on the scene that their module is named after.

mod deaf;
mod town;

mod artifacts;
mod hintless;
mod leftovers;
mod list;
mod offers;
mod plan;
mod ship;
mod survey;
mod verify;
mod why;

/// As what these stories are told.
fn told() -> &'static str {
    module_path!().rsplit("::").next().unwrap_or_default()
}
