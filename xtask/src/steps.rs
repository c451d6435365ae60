//! The steps, one constant each, and the order in which `test` takes them.
//!
//! Every step names the whole workspace without what needs the SDK of Cosmos DB, so that all of them
//! resolve one feature set and share one build. A step for a part (`-p fleet`) would compile that
//! part's dependencies again; `cosmos` is one, and does.

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

/// What turns on the tests in containers.
const DOCKER: &str = "gigamesh/docker";
/// What turns on the stories that take their time.
const AFAR: &str = "dev/afar,gigamesh/afar";
/// What turns on records in an account of Cosmos DB.
const ACCOUNT: &str = "gigamesh/cosmos";
/// What turns on the places of blobs that are elsewhere.
const CLOUDS: &str = "gigamesh/azure,gigamesh/bucket,blob/azure,blob/bucket";

pub(crate) const CLIPPY: Step = Step {
    name: "clippy",
    verb: "lint",
    cargo: &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        DOCKER,
        "--features",
        AFAR,
        "--features",
        CLOUDS,
        "--features",
        ACCOUNT,
        "--",
        "-D",
        "warnings",
    ],
    kind: Kind::Check,
};

pub(crate) const DOC: Step = Step {
    name: "doc",
    verb: "lint",
    cargo: &["doc", "--workspace", "--no-deps"],
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
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--test",
        "house",
        "--no-fail-fast",
    ],
    kind: Kind::Tests,
};

/// Through nextest where it is installed; the house's tests and the simulation are among them.
/// Benchmarks are not: clippy compiles them, `bench` runs them.
pub(crate) const TESTS: Step = Step {
    name: "tests",
    verb: "tests",
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--no-fail-fast",
    ],
    kind: Kind::Tests,
};

/// The stories of a fleet over a real server, in one process and apart.
pub(crate) const JOURNEYS: Step = Step {
    name: "journeys",
    verb: "journeys",
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--no-fail-fast",
        "--features",
        AFAR,
        "--test",
        "journeys_over_nats",
        "--test",
        "journeys_apart",
    ],
    kind: Kind::Waiting,
};

/// Blobs elsewhere. A step of its own: nothing else needs what they are built from.
pub(crate) const BLOBS: Step = Step {
    name: "blobs",
    verb: "blobs",
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--features",
        CLOUDS,
        "--no-fail-fast",
        "--test",
        "elsewhere",
        "--test",
        "elsewhere_in_buckets",
    ],
    kind: Kind::Tests,
};

/// The store on an emulated account of Cosmos DB, and what a fleet does on it, in one process and in
/// several. A step of its own, which every other leaves out: nothing else is to wait for its SDK.
pub(crate) const COSMOS: Step = Step {
    name: "cosmos",
    verb: "cosmos",
    cargo: &[
        "test",
        "-p",
        "store-cosmos",
        "-p",
        "cosmos-emulator",
        "-p",
        "gigamesh",
        "--features",
        ACCOUNT,
        "--no-fail-fast",
        "--lib",
        "--test",
        "claims",
        "--test",
        "journeys",
        "--test",
        "account",
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
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
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
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--test",
        "schemas",
    ],
    kind: Kind::Check,
};

/// The simulation alone, with the tables that it prints.
pub(crate) const SIM: Step = Step {
    name: "sim",
    verb: "sim",
    cargo: &[
        "test",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
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
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
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
    cargo: &["bench", "--workspace", "--exclude", "store-cosmos", "--exclude", "cosmos-emulator"],
    kind: Kind::Check,
};

/// A fleet of real processes under faults. One seed in CI; others by hand.
pub(crate) const CHAOS: Step = Step {
    name: "chaos",
    verb: "chaos --seconds 60 --seed 1",
    // With the tests, so that what was built for them serves again.
    cargo: &[
        "build",
        "--workspace",
        "--exclude",
        "store-cosmos",
        "--exclude",
        "cosmos-emulator",
        "--bins",
        "--tests",
    ],
    kind: Kind::Campaign(&["--seconds", "60", "--seed", "1"]),
};

pub(crate) const EVERYTHING: [Step; 11] =
    [SETUP, FMT, CLIPPY, DOC, DENY, TESTS, JOURNEYS, BLOBS, COSMOS, CHAOS, STACK];
