//! The steps, one constant each, and the order in which `test` takes them.
//!
//! Every step names the whole workspace with all that can be built in, so that all of them resolve
//! one feature set and share one build. A step for a part (`-p fleet`) would compile that part's
//! dependencies again.

/// One command of a check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// What it is called in the output.
    pub name: &'static str,
    /// The verb that runs only this step.
    pub verb: &'static str,
    /// The arguments for `cargo`.
    pub cargo: &'static [&'static str],
    pub kind: Kind,
}

/// What is expected of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Passes or fails.
    Check,
    /// Rustdoc, which takes its strictness from the environment.
    Docs,
    /// Prints summaries of tests, which are counted.
    Tests,
    /// The same of tests that mostly wait: many run at once.
    Waiting,
    /// Prints summaries as well, and needs a Docker engine; without one it is skipped aloud, or
    /// fails where `GIGAMESH_REQUIRE_DOCKER` is 1.
    Docker,
    /// Installs programs; no command of cargo's.
    Tools,
    /// Builds the program and the campaign, which is run then with these words.
    Campaign(&'static [&'static str]),
    /// Needs a subcommand that may be absent; then it is skipped aloud.
    Optional { tool: &'static str, install: &'static str },
}

/// Before everything: a test whose server is missing fails.
pub(crate) const SETUP: Step = Step { name: "setup", verb: "setup", cargo: &[], kind: Kind::Tools };

pub(crate) const FMT: Step =
    Step { name: "fmt", verb: "fmt", cargo: &["fmt", "--all", "--check"], kind: Kind::Check };

pub(crate) const FMT_FIX: Step =
    Step { name: "fmt", verb: "fmt --fix", cargo: &["fmt", "--all"], kind: Kind::Check };

/// All that can be built in. The same for every step, so that what one has built serves the next.
const WHOLE: &str = "gigamesh/azure,gigamesh/bucket,gigamesh/cosmos,blob/azure,blob/bucket";
/// What turns on the tests in containers.
const DOCKER: &str = "gigamesh/docker";

pub(crate) const CLIPPY: Step = Step {
    name: "clippy",
    verb: "lint",
    cargo: &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        WHOLE,
        "--features",
        DOCKER,
        "--",
        "-D",
        "warnings",
    ],
    kind: Kind::Check,
};

pub(crate) const DOC: Step = Step {
    name: "doc",
    verb: "lint",
    cargo: &["doc", "--workspace", "--no-deps", "--features", WHOLE, "--features", DOCKER],
    kind: Kind::Docs,
};

pub(crate) const DENY: Step = Step {
    name: "deny",
    verb: "deny",
    cargo: &["deny", "check", "bans", "licenses", "sources"],
    kind: Kind::Optional { tool: "cargo-deny", install: "cargo install --locked cargo-deny" },
};

pub(crate) const HOUSE: Step = Step {
    name: "house",
    verb: "house",
    cargo: &["test", "--workspace", "--features", WHOLE, "--test", "house", "--no-fail-fast"],
    kind: Kind::Tests,
};

/// Through nextest where it is installed; the house's tests and the simulation are among them.
/// Benchmarks are not: clippy compiles them, `bench` runs them.
pub(crate) const TESTS: Step = Step {
    name: "tests",
    verb: "tests",
    cargo: &["test", "--workspace", "--features", WHOLE, "--no-fail-fast"],
    kind: Kind::Tests,
};

/// The stories of a fleet over a real server, in one process and apart, and on an emulated account.
pub(crate) const JOURNEYS: Step = Step {
    name: "journeys",
    verb: "journeys",
    cargo: &[
        "test",
        "--workspace",
        "--features",
        WHOLE,
        "--no-fail-fast",
        "--test",
        "journeys_over_nats",
        "--test",
        "journeys_apart",
        "--test",
        "journeys_over_cosmos",
    ],
    kind: Kind::Waiting,
};

/// The stack of `docker-compose.yml`, built and started.
pub(crate) const STACK: Step = Step {
    name: "stack",
    verb: "stack",
    cargo: &[
        "test",
        "--workspace",
        "--features",
        WHOLE,
        "--features",
        DOCKER,
        "--test",
        "containers",
    ],
    kind: Kind::Docker,
};

/// The documents in `schemas/` with all that must hold of them; told by the environment to write.
pub(crate) const SCHEMAS: Step = Step {
    name: "schemas",
    verb: "schemas",
    cargo: &["test", "--workspace", "--features", WHOLE, "--test", "schemas"],
    kind: Kind::Check,
};

/// The simulation alone, with the tables that it prints.
pub(crate) const SIM: Step = Step {
    name: "sim",
    verb: "sim",
    cargo: &[
        "test",
        "--workspace",
        "--features",
        WHOLE,
        "--test",
        "mesh",
        "sim::seeds::",
        "--",
        "--nocapture",
    ],
    kind: Kind::Check,
};

/// One seed of it; which one is told by the environment.
pub(crate) const REPLAY: Step = Step {
    name: "replay",
    verb: "sim",
    cargo: &[
        "test",
        "--workspace",
        "--features",
        WHOLE,
        "--test",
        "mesh",
        "one_seed_is",
        "--",
        "--nocapture",
    ],
    kind: Kind::Check,
};

pub(crate) const BENCH: Step = Step {
    name: "bench",
    verb: "bench",
    cargo: &["bench", "--workspace", "--features", WHOLE],
    kind: Kind::Check,
};

/// A fleet of real processes under faults. One seed in CI; others by hand.
pub(crate) const CHAOS: Step = Step {
    name: "chaos",
    verb: "chaos --seconds 60 --seed 1",
    // With the tests, so that what was built for them serves again.
    cargo: &["build", "--workspace", "--features", WHOLE, "--bins", "--tests"],
    kind: Kind::Campaign(&["--seconds", "60", "--seed", "1"]),
};

pub(crate) const EVERYTHING: [Step; 9] =
    [SETUP, FMT, CLIPPY, DOC, DENY, TESTS, JOURNEYS, CHAOS, STACK];
