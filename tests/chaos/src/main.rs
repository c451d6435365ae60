//! `chaos`: a fleet of real processes over genuine servers, faults at random from one seed, and a
//! judgement of all that happened. Owns the order of these and the exit code. Ships with nothing.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for the command line speaks"
)]

mod account;
mod campaign;
mod cast;
mod check;
mod deeds;
mod dice;
mod freight;
mod ground;
mod history;
mod intruder;
mod leftovers;
mod load;
mod plan;
mod proxy;
mod repeater;
mod report;
mod stock;
mod streams;
mod tap;
mod witness;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::campaign::{Course, Settings};
use crate::check::Finding;
use crate::report::Report;

/// Run a fleet under faults and judge what happened
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Words {
    /// How long faults go on
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// What load and faults are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Servers: 1, or 3 in a cluster
    #[arg(long, default_value_t = 1, value_parser = nodes)]
    nodes: usize,
    /// Where records are kept
    #[arg(long, default_value = "nats")]
    store: Records,
    /// How to print
    #[arg(long, short, default_value = "table")]
    output: Output,
    /// The product, if it is not the one beside this program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Keep the folder of logs also when nothing was found
    #[arg(long)]
    keep: bool,
    /// Overwrite a held job once: the campaign must fail then
    #[arg(long, hide = true)]
    intruder: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Records {
    /// In buckets of the servers that carry messages
    Nats,
    /// In an emulated account of Cosmos DB
    Cosmos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

fn nodes(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        other => Err(format!("{other} is neither 1 nor 3")),
    }
}

/// Stories of so many jobs are printed; all are in the folder.
const MOST_STORIES: usize = 5;

fn main() -> ExitCode {
    match begin(Words::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn begin(words: Words) -> Result<ExitCode> {
    let place = tempfile::Builder::new().prefix("gigamesh-chaos-").tempdir()?;
    let folder = place.path().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            interrupted = interrupted() => {
                interrupted?;
                eprintln!("interrupted: every process is stopped");
                Ok(ExitCode::from(130))
            }
            judged = Box::pin(judged(words, place)) => judged,
        }
    });
    // Whoever was still at work with a process lets it go.
    drop(runtime);
    leftovers::end(&folder);
    code
}

async fn interrupted() -> std::io::Result<()> {
    let mut polite = signal(SignalKind::terminate())?;
    tokio::select! {
        biased;
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _said = polite.recv() => Ok(()),
    }
}

async fn judged(words: Words, place: TempDir) -> Result<ExitCode> {
    let program = words.program.map_or_else(campaign::beside, Ok)?;
    let program = std::fs::canonicalize(program)?;
    let Words { seconds, seed, nodes, intruder, .. } = words;
    let (folder, account) = (place.path().to_owned(), words.store == Records::Cosmos);
    let settings =
        Settings { seconds, seed, nodes, account, program, intruder, folder: folder.clone() };
    eprintln!("chaos: {seconds} s of seed {seed} over {nodes} server(s), in {}", folder.display());
    let course = match Box::pin(campaign::run(&settings)).await {
        Ok(course) => course,
        Err(error) => {
            let kept = place.keep();
            return Err(error).with_context(|| format!("logs are in {}", kept.display()));
        }
    };
    let mut findings = check::check(&course.history);
    findings.extend(course.findings.iter().cloned());
    let report = Report::of(&settings, &course, &findings);
    match words.output {
        Output::Table => print!("{}", report.table()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    if words.keep || !findings.is_empty() {
        write_down(&settings, &course, &findings)?;
        let kept = place.keep();
        eprintln!("seed {seed}: logs and histories are in {}", kept.display());
    }
    accuse(&course, &findings);
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything that is known, beside the logs.
fn write_down(settings: &Settings, course: &Course, findings: &[Finding]) -> Result<()> {
    let logs = settings.folder.join("logs");
    let faults: Vec<String> = course.world.deeds().iter().map(ToString::to_string).collect();
    std::fs::write(logs.join("faults"), faults.join("\n"))?;
    let found: Vec<String> = findings.iter().map(ToString::to_string).collect();
    std::fs::write(logs.join("findings"), found.join("\n"))?;
    let mut stories = String::new();
    for job in course.history.versions.keys() {
        stories += &format!("{job}\n{}\n", report::story(&course.history, *job));
    }
    Ok(std::fs::write(logs.join("histories"), stories)?)
}

fn accuse(course: &Course, findings: &[Finding]) {
    for finding in findings {
        eprintln!("VIOLATION {finding}");
    }
    let jobs: BTreeSet<_> = findings.iter().filter_map(|finding| finding.job).collect();
    for job in jobs.into_iter().take(MOST_STORIES) {
        eprintln!("\n{job}\n{}", report::story(&course.history, job));
    }
    if !findings.is_empty() {
        eprintln!("\nfaults");
        course.world.deeds().iter().for_each(|deed| eprintln!("{deed}"));
    }
}
