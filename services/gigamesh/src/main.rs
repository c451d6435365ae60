//! The one binary: a tree of words and one line for each. Owns the process: its arguments, its
//! runtime, its log, its end. Knows no rule.

mod admin;
mod apart;
mod bench;
mod broker;
#[cfg(test)]
mod compose;
mod cosmos;
mod demo;
mod dev;
mod doctor;
mod factories;
mod factory;
mod health;
mod log;
mod nats;
mod place;
mod reach;
mod say;
mod secret;
mod serve;
mod signals;
mod size;
mod surroundings;
mod trouble;
mod trust;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use cli::Exit;
use tokio::runtime::{Builder, Runtime};

use crate::say::Say;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Requests are read on one thread and answered on another, and what one of them allocates the
/// other frees.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The coordinator for fleets of worker hosts: every job under exactly one valid lease
#[derive(Debug, Parser)]
#[command(name = "gigamesh", version, arg_required_else_help = true)]
struct Words {
    #[command(flatten)]
    common: cli::Common,
    /// What is logged, like info or warn,ledger=debug
    #[arg(long, global = true, env = "GIGAMESH_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Dev(Box<dev::Dev>),
    Demo(demo::Demo),
    Serve(Box<serve::Serve>),
    Admin(admin::Admin),
    Nats(nats::Nats),
    Factory(factory::Factory),
    #[command(flatten)]
    Client(cli::Verb),
    Bench(bench::Bench),
    Doctor(Box<doctor::Doctor>),
    Health(health::Health),
    #[command(hide = true)]
    Tied(broker::Tied),
    /// Print what makes a shell complete these words
    Completions {
        shell: Shell,
    },
    /// Print the version
    Version,
}

fn main() -> ExitCode {
    let words = match Words::try_parse() {
        Ok(words) => words,
        Err(told) => {
            let _unread = told.print();
            return if told.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    match begin(words) {
        Ok(code) => code,
        Err(trouble) => {
            cli::tell(&trouble.0, surroundings::terminal());
            trouble.0.exit.into()
        }
    }
}

fn begin(words: Words) -> Result<ExitCode, Trouble> {
    log::begin(words.log.as_deref().unwrap_or("warn")).map_err(|error| {
        Trouble::usage("the log filter cannot be read")
            .caused_by(&error)
            .next("--log info, or --log warn,ledger=debug")
    })?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let code = carry_out(&runtime, words);
    // What is left are reads of the system that nobody waits for any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

fn carry_out(runtime: &Runtime, words: Words) -> Result<ExitCode, Trouble> {
    let say = Say::as_told(words.common.quiet, words.common.output);
    let around = Surroundings::of_process(words.common);
    let done = |()| ExitCode::SUCCESS;
    match words.verb {
        Verb::Dev(dev) => runtime.block_on(dev.run(&around, say)).map(done),
        Verb::Demo(demo) => runtime.block_on(demo.run(say)).map(done),
        Verb::Serve(serve) => runtime.block_on(serve.run(&around, say)).map(done),
        Verb::Admin(admin) => runtime.block_on(admin.run(&around, say)).map(done),
        Verb::Nats(nats) => nats.run(&around, say).map(done),
        Verb::Factory(factory::Factory { verb: Some(verb), .. }) => {
            runtime.block_on(around.ask(cli::Verb::Factory(verb)))
        }
        Verb::Factory(factory) => runtime.block_on(factory.run(&around, say)).map(done),
        Verb::Client(verb) => runtime.block_on(around.ask(verb)),
        Verb::Bench(bench) => runtime.block_on(bench.run(&around, say)).map(done),
        Verb::Doctor(doctor) => runtime.block_on(doctor.run(&around, say)).map(done),
        Verb::Health(health) => health.run(say).map(done),
        Verb::Tied(tied) => Err(tied.run()),
        Verb::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Words::command(),
                "gigamesh",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Verb::Version => {
            say.data(&serde_json::json!({ "version": env!("CARGO_PKG_VERSION") }));
            say.table(&concat!("gigamesh ", env!("CARGO_PKG_VERSION")));
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_words_fit_together() {
        Words::command().debug_assert();
    }

    #[test]
    fn every_explanation_tells_to_type_what_there_is() {
        let told = include_str!("../../../libs/fleet/tests/why.txt");
        let words = Words::command();
        let known: BTreeSet<&str> = words.get_subcommands().map(clap::Command::get_name).collect();
        let typed = told.lines().filter_map(|line| line.trim().strip_prefix("$ gigamesh "));
        let typed: BTreeSet<&str> =
            typed.filter_map(|words| words.split_whitespace().next()).collect();
        assert!(typed.len() > 5, "the explanations were not read");
        assert!(typed.is_subset(&known), "{:?}", typed.difference(&known));
    }
}
