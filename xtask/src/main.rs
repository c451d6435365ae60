//! `cargo xtask <verb>`: the one way to check, test and measure this workspace.
//!
//! Owns the order of the checks and the closing line. Holds no rule of the product: what may be
//! wrong is said by the tests themselves.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the command line speaks"
)]

mod docker;
mod fuzz;
mod linker;
mod run;
mod sbom;
mod steps;
mod tally;
mod tools;

use std::env;
use std::process::ExitCode;

use anyhow::Result;

use crate::run::Outcome;
use crate::steps::Step;
use crate::tally::Tally;

const HELP: &str = "\
cargo xtask <verb>

  test          everything: setup, fmt, clippy, doc, deny, all tests, stack; the command that must be green
  ci            the same
  fmt [--fix]   check the formatting, or mend it
  lint          clippy and rustdoc, warnings are errors
  setup         install what tests need: nats-server and Azurite, pinned by digest, into target/tools
  journeys      the stories of a fleet over a real server, in one process and apart, and on an emulated account
  tests         all tests, after setup and without the other checks
  stack         docker-compose.yml in containers, where there is a Docker engine
  schemas       write the documents in schemas/ as the code says
  sim           the simulation: two thousand seeds, and the table of wrong designs
  sim 42        one seed again, with its transcript; a third word names a wrong design
  house         the rules of the house: crate arrows, purity, sizes, names, coverage
  deny          licences, sources and banned crates, where cargo-deny is installed
  chaos         a minute of faults upon a fleet of real processes, and a judgement
  chaos --seconds 120 --seed 7 --nodes 3 -o json --keep
  chaos --store cosmos
  fuzz          the fuzzers, a minute each, where cargo-fuzz and a nightly toolchain are installed
  fuzz --seconds 5
  sbom          what the binary is made of, as CycloneDX, into target/sbom
  bench         the benchmarks; programs, never part of the test run
";

fn main() -> Result<ExitCode> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["sim", seed, design @ ..] = words.as_slice() {
        return Ok(close(&[run::replay(seed, &design.join(" "))?]));
    }
    if words.as_slice() == ["schemas"] {
        return Ok(close(&[run::written()?]));
    }
    if let ["chaos", told @ ..] = words.as_slice() {
        let ready = run::step(&steps::SETUP)?;
        return Ok(close(&[ready, run::campaign(&steps::CHAOS, told)?]));
    }
    if let ["fuzz", told @ ..] = words.as_slice() {
        return Ok(close(&fuzz::all(told)?));
    }
    if words.as_slice() == ["sbom"] {
        println!("{}", sbom::written()?.display());
        return Ok(ExitCode::SUCCESS);
    }
    let steps: &[Step] = match words.as_slice() {
        ["test" | "ci"] => &steps::EVERYTHING,
        ["fmt"] => &[steps::FMT],
        ["fmt", "--fix"] => &[steps::FMT_FIX],
        ["lint"] => &[steps::CLIPPY, steps::DOC],
        ["setup"] => &[steps::SETUP],
        ["tests"] => &[steps::SETUP, steps::TESTS],
        ["journeys"] => &[steps::SETUP, steps::JOURNEYS],
        ["stack"] => &[steps::STACK],
        ["sim"] => &[steps::SIM],
        ["house"] => &[steps::HOUSE],
        ["deny"] => &[steps::DENY],
        ["bench"] => &[steps::BENCH],
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            return Ok(ExitCode::SUCCESS);
        }
        unknown => {
            eprint!("no such verb: {}\n\n{HELP}", unknown.join(" "));
            return Ok(ExitCode::FAILURE);
        }
    };
    let outcomes = steps.iter().map(run::step).collect::<Result<Vec<Outcome>>>()?;
    Ok(close(&outcomes))
}

/// Says what failed and how to run only that, why anything was skipped, and then the one line.
fn close(outcomes: &[Outcome]) -> ExitCode {
    println!();
    for outcome in outcomes {
        for line in &outcome.notes {
            println!("{line}");
        }
    }
    let total = tally::sum(outcomes.iter().map(|outcome| outcome.tally));
    if total != Tally::default() {
        println!("{total}");
    }
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
