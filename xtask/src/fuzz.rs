//! The fuzzers, each for so many seconds. Judges nothing: what must hold is written in the targets,
//! which the tests of their crates run over the same seeds as well.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::linker::on_path;
use crate::run::{self, Outcome};
use crate::steps::{Kind, Step};
use crate::tally::Tally;
use crate::tools::root;

/// Where each lies and what it is called there.
const TARGETS: [(&str, &str); 5] = [
    ("libs/blob", "link"),
    ("libs/fleet", "capability"),
    ("libs/fleet", "manifest"),
    ("libs/oidc", "jwt"),
    ("libs/protocol", "message"),
];
const SECONDS: u32 = 60;
/// More than the longest thing that any of them reads.
const LONGEST: &str = "-max_len=20000";
/// On one input; all of them are done in far less than a second.
const PATIENCE: &str = "-timeout=10";

/// All of them, one after the other.
///
/// # Errors
/// The words are not understood, or a program could not be started; a finding is an outcome.
pub(crate) fn all(told: &[&str]) -> Result<Vec<Outcome>> {
    let seconds = seconds(told)?;
    if let Some(what) = missing() {
        return Ok(vec![run::skipped(&step("fuzz"), what)]);
    }
    TARGETS.iter().map(|(folder, target)| one(folder, target, seconds)).collect()
}

fn seconds(told: &[&str]) -> Result<u32> {
    match told {
        [] => Ok(SECONDS),
        ["--seconds", number] => number.parse().context("--seconds takes a number"),
        _ => bail!("fuzz takes --seconds <number> and nothing else"),
    }
}

fn missing() -> Option<&'static str> {
    if on_path("cargo-fuzz").is_none() {
        return Some("cargo-fuzz is not installed (cargo install --locked cargo-fuzz)");
    }
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "cargo", "--version"]);
    let nightly = nightly.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = nightly.is_ok_and(|status| status.success());
    (!there).then_some("there is no nightly toolchain (rustup toolchain install nightly)")
}

fn one(folder: &str, target: &'static str, seconds: u32) -> Result<Outcome> {
    println!("\n== fuzz: {target} of {folder}, {seconds} s");
    let mut fuzzer = Command::new("rustup");
    fuzzer.args(["run", "nightly", "cargo", "fuzz", "run", target, "--"]);
    fuzzer.args([&format!("-max_total_time={seconds}"), LONGEST, PATIENCE]);
    // What this very program was built with is not for the fuzzer.
    fuzzer.env_remove("RUSTFLAGS").env_remove("CARGO").current_dir(place(folder)?);
    let found_nothing = fuzzer.status().context("rustup does not start")?.success();
    let seen = Tally { passed: u64::from(found_nothing), ..Tally::default() };
    Ok(run::judged(&step(target), found_nothing, seen))
}

fn place(folder: &str) -> Result<PathBuf> {
    Ok(root()?.join(folder))
}

fn step(name: &'static str) -> Step {
    Step { name, verb: "fuzz", cargo: &[], kind: Kind::Check }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn every_fuzzer_of_the_workspace_is_run_and_has_seeds() {
        let mut found = Vec::new();
        for library in fs::read_dir(root().unwrap().join("libs")).unwrap() {
            let library = library.unwrap().path();
            let Ok(manifest) = fs::read_to_string(library.join("fuzz/Cargo.toml")) else {
                continue;
            };
            let named = manifest.split("[[bin]]\nname = \"").skip(1);
            let folder = format!("libs/{}", library.file_name().unwrap().to_string_lossy());
            found
                .extend(named.map(|rest| (folder.clone(), rest.split('"').next().unwrap().into())));
        }
        found.sort();
        let run = TARGETS.map(|(folder, target)| (folder.to_owned(), target.to_owned()));
        assert_eq!(found, run);
        for (folder, target) in TARGETS {
            let seeds = place(folder).unwrap().join("fuzz/corpus").join(target);
            assert!(fs::read_dir(&seeds).unwrap().count() >= 5, "{}", seeds.display());
        }
    }

    #[test]
    fn they_run_for_a_minute_or_as_long_as_is_said() {
        assert_eq!(seconds(&[]).unwrap(), 60);
        assert_eq!(seconds(&["--seconds", "5"]).unwrap(), 5);
        for odd in [&["--seconds"][..], &["--seconds", "x"], &["5"], &["--seconds", "-1"]] {
            assert!(seconds(odd).is_err(), "{odd:?}");
        }
    }
}
