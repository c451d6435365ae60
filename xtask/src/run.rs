//! Runs one step: shows all that it prints as it comes, and counts while it passes by.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use crate::docker;
use crate::linker;
use crate::steps::{Kind, REPLAY, SCHEMAS, Step};
use crate::tally::{self, Runner, Tally};
use crate::tools;

/// Tests at once where each mostly waits.
const ABREAST: &str = "8";

/// How a step ended, and what has to be said about it at the end.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub tally: Tally,
    pub notes: Vec<String>,
}

/// # Errors
/// Only when the command could not be started or watched; a failing step is an outcome.
pub(crate) fn step(step: &Step) -> Result<Outcome> {
    match step.kind {
        Kind::Optional { tool, install } if linker::on_path(tool).is_none() => {
            Ok(skipped(step, &format!("{tool} is not installed ({install})")))
        }
        Kind::Check | Kind::Docs | Kind::Optional { .. } => check(step),
        Kind::Tests => tests(step),
        Kind::Waiting => tests(step),
        Kind::Docker => match docker::missing() {
            None => tests(step),
            Some(what) => Ok(without_engine(step, what, docker::is_required())),
        },
        Kind::Tools => Ok(installed(step, &tools::all())),
        Kind::Campaign(told) => campaign(step, told),
    }
}

/// One seed of the simulation, under the design as it is or under the wrong one named.
///
/// # Errors
/// As for [`step`].
pub(crate) fn replay(seed: &str, design: &str) -> Result<Outcome> {
    let mut command = announced(&REPLAY, REPLAY.cargo);
    command.env("GIGAMESH_SIM_SEED", seed);
    if !design.is_empty() {
        command.env("GIGAMESH_SIM_MUTANT", design);
    }
    let status = command.status().context("cargo does not start")?;
    Ok(judged(&REPLAY, status.success(), Tally::default()))
}

/// The documents in `schemas/`, made anew.
///
/// # Errors
/// As for [`step`].
pub(crate) fn written() -> Result<Outcome> {
    let mut command = announced(&SCHEMAS, SCHEMAS.cargo);
    command.env("GIGAMESH_SCHEMAS", "write");
    let status = command.status().context("cargo does not start")?;
    Ok(judged(&SCHEMAS, status.success(), Tally::default()))
}

/// Built like everything else, and then run from where this program lies: cargo runs a program of
/// the workspace only with the features of its own package.
///
/// # Errors
/// As for [`step`].
pub(crate) fn campaign(step: &Step, told: &[&str]) -> Result<Outcome> {
    if !announced(step, step.cargo).status().context("cargo does not start")?.success() {
        return Ok(judged(step, false, Tally::default()));
    }
    let program = env::current_exe()?.with_file_name("chaos");
    println!("   {} {}", program.display(), told.join(" "));
    let status =
        Command::new(program).args(told).status().context("the campaign does not start")?;
    let seen = Tally { passed: u64::from(status.success()), ..Tally::default() };
    Ok(judged(step, status.success(), seen))
}

fn check(step: &Step) -> Result<Outcome> {
    let status = announced(step, step.cargo).status().context("cargo does not start")?;
    Ok(judged(step, status.success(), Tally::default()))
}

fn tests(step: &Step) -> Result<Outcome> {
    let mut words = step.cargo.to_vec();
    let mut runner = Runner::Plain;
    if linker::on_path("cargo-nextest").is_some() {
        words.splice(..1, ["nextest", "run"]);
        runner = Runner::Nextest;
    }
    let mut command = announced(step, &words);
    if step.kind == Kind::Waiting {
        command.env("RUST_TEST_THREADS", ABREAST).env("NEXTEST_TEST_THREADS", ABREAST);
    }
    let mut child = command
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cargo does not start")?;
    let out = child.stdout.take().context("the command has no output")?;
    let err = child.stderr.take().context("the command has no error output")?;
    let err = thread::spawn(move || shown(err, runner));
    let seen = tally::sum([shown(out, runner), err.join().unwrap_or_default()]);
    Ok(judged(step, child.wait()?.success(), seen))
}

fn installed(step: &Step, programs: &[Result<PathBuf>]) -> Outcome {
    for program in programs {
        match program {
            Ok(program) => println!("\n== {}: {}", step.name, program.display()),
            Err(error) => println!("\n== {}: {error:#}", step.name),
        }
    }
    judged(step, programs.iter().all(Result::is_ok), Tally::default())
}

fn announced(step: &Step, words: &[&str]) -> Command {
    println!("\n== {}: cargo {}", step.name, words.join(" "));
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(words);
    if let Some(flags) = linker::flags() {
        command.env("RUSTFLAGS", flags);
    }
    if step.kind == Kind::Docs {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    command
}

/// Passes every line on at once and adds up the summaries among them.
fn shown(stream: impl Read, runner: Runner) -> Tally {
    let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
    tally::sum(lines.filter_map(|line| {
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        runner.summary(&line)
    }))
}

/// A command that failed without naming a failed test (it did not compile, say) is one failure;
/// a test step that counted nothing has not proved anything and fails as well.
pub(crate) fn judged(step: &Step, succeeded: bool, mut seen: Tally) -> Outcome {
    let mut notes = Vec::new();
    let silent = matches!(step.kind, Kind::Tests | Kind::Docker) && seen == Tally::default();
    if !succeeded || silent {
        seen.failed = seen.failed.max(1);
    }
    if seen.failed > 0 {
        notes.push(format!("FAILED {}: run only this with `cargo xtask {}`", step.name, step.verb));
    }
    if seen.skipped > 0 {
        notes.push(format!("SKIPPED {}: {} tests, named above", step.name, seen.skipped));
    }
    Outcome { tally: seen, notes }
}

pub(crate) fn skipped(step: &Step, why: &str) -> Outcome {
    println!("\n== {}: SKIPPED, {why}", step.name);
    let tally = Tally { skipped: 1, ..Tally::default() };
    Outcome { tally, notes: vec![format!("SKIPPED {}: {why}", step.name)] }
}

/// Said aloud either way: what these tests prove nothing else does.
fn without_engine(step: &Step, what: &str, required: bool) -> Outcome {
    if !required {
        return skipped(step, &format!("no Docker: {what}"));
    }
    let why = format!("{what}, and {} is 1", docker::REQUIRED_BY);
    println!("\n== {}: {why}", step.name);
    let mut outcome = judged(step, false, Tally::default());
    outcome.notes.push(format!("       {}: {why}", step.name));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::{FMT, HOUSE, SETUP, STACK};

    #[test]
    fn without_docker_the_stack_is_skipped_aloud_or_fails_where_it_is_required() {
        let skipped = without_engine(&STACK, "no engine", false);
        assert_eq!(skipped.tally, Tally { passed: 0, failed: 0, skipped: 1 });
        assert_eq!(skipped.notes, ["SKIPPED stack: no Docker: no engine"]);
        let failed = without_engine(&STACK, "no engine", true);
        assert_eq!(failed.tally, Tally { passed: 0, failed: 1, skipped: 0 });
        assert!(failed.notes[1].contains("GIGAMESH_REQUIRE_DOCKER"), "{:?}", failed.notes);
    }

    #[test]
    fn a_check_that_fails_counts_as_one_failure_and_names_its_verb() {
        let outcome = judged(&FMT, false, Tally::default());
        assert_eq!(outcome.tally.failed, 1);
        assert_eq!(outcome.notes, ["FAILED fmt: run only this with `cargo xtask fmt`"]);
    }

    #[test]
    fn failed_tests_are_counted_once() {
        let seen = Tally { passed: 4, failed: 2, skipped: 0 };
        assert_eq!(judged(&HOUSE, false, seen).tally, seen);
    }

    #[test]
    fn a_test_step_without_a_single_test_is_a_failure() {
        assert_eq!(judged(&HOUSE, true, Tally::default()).tally.failed, 1);
    }

    #[test]
    fn a_tool_that_could_not_be_installed_is_a_failure() {
        let outcome = installed(&SETUP, &[Ok("there".into()), Err(anyhow::anyhow!("no wheel"))]);
        assert_eq!(outcome.tally.failed, 1);
        assert_eq!(outcome.notes, ["FAILED setup: run only this with `cargo xtask setup`"]);
        assert_eq!(installed(&SETUP, &[Ok("there".into())]).tally, Tally::default());
    }

    #[test]
    fn a_missing_tool_is_skipped_aloud() {
        let outcome = skipped(&FMT, "not installed");
        assert_eq!(outcome.tally, Tally { passed: 0, failed: 0, skipped: 1 });
        assert_eq!(outcome.notes, ["SKIPPED fmt: not installed"]);
    }

    #[test]
    fn summaries_are_counted_wherever_they_pass_by() {
        let text = "x\ntest result: ok. 2 passed; 0 failed; 0 ignored\ny\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        assert_eq!(shown(text.as_bytes(), Runner::Plain).passed, 3);
    }
}
