//! What is on: the job files of the demonstration, as they lie in `examples`.

/// Submitted in this order; who goes first is for the fleet to say.
pub(crate) const JOBS: [&str; 8] = [
    include_str!("../../../../examples/publish.md"),
    include_str!("../../../../examples/build.md"),
    include_str!("../../../../examples/migrate.md"),
    include_str!("../../../../examples/reindex.md"),
    include_str!("../../../../examples/flaky.md"),
    include_str!("../../../../examples/hello.md"),
    include_str!("../../../../examples/night-shift.md"),
    include_str!("../../../../examples/urgent.md"),
];

/// The job whose host is killed.
pub(crate) const VICTIM: &str = "example-night-shift";
