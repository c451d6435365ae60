//! The one binary: a tree of words and one line for each. Owns the process: its arguments, its
//! runtime, its log, its end. Knows no rule.

mod bench;
mod demo;
mod dev;
mod doctor;
mod factories;
mod factory;
mod log;
mod say;
mod serve;
mod signals;
mod table;
mod trouble;

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use client::OverHttp;
use tokio::runtime::Builder;

use crate::say::Say;
use crate::trouble::{FAILED, Trouble, USAGE};

/// One coordinator for fleets of worker hosts: every job under one valid lease
#[derive(Debug, Parser)]
#[command(name = "gigamesh", version, arg_required_else_help = true)]
struct Words {
    /// Say nothing but data and errors
    #[arg(long, global = true)]
    quiet: bool,
    /// What is logged, like info or warn,ledger=debug
    #[arg(long, global = true, env = "GIGAMESH_LOG", value_name = "FILTER")]
    log: Option<String>,
    #[arg(long, global = true, env = "GIGAMESH_URL")]
    url: Option<String>,
    #[arg(long, global = true, env = "GIGAMESH_TOKEN_FILE")]
    token_file: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Dev(dev::Dev),
    Demo(demo::Demo),
    Serve(serve::Serve),
    Factory(factory::Factory),
    Bench(bench::Bench),
    Doctor(doctor::Doctor),
    /// Print what makes a shell complete these words
    Completions {
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let words = match Words::try_parse() {
        Ok(words) => words,
        Err(told) => {
            let _unread = told.print();
            return ExitCode::from(if told.use_stderr() { USAGE } else { 0 });
        }
    };
    let say = Say::new(words.quiet);
    match run(words, say) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            Say::new(false).talk(&trouble.to_string());
            trouble.code()
        }
    }
}

fn run(words: Words, say: Say) -> Result<(), Trouble> {
    let filter = words.log.as_deref().unwrap_or("warn");
    log::begin(filter)
        .map_err(|error| Trouble::new(USAGE, "the log filter cannot be read").because(&error))?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match words.verb {
            Verb::Dev(dev) => dev.run(say).await,
            Verb::Demo(demo) => demo.run(say).await,
            Verb::Serve(serve) => serve.run(say).await,
            Verb::Bench(bench) => bench.run(say).await,
            Verb::Doctor(doctor) => doctor.run(None, say).await,
            Verb::Completions { shell } => {
                clap_complete::generate(
                    shell,
                    &mut Words::command(),
                    "gigamesh",
                    &mut std::io::stdout(),
                );
                Ok(())
            }
            Verb::Factory(factory) => {
                let url = words.url.clone().unwrap_or_default();
                let token = std::fs::read_to_string(words.token_file.unwrap_or_default())?;
                let link = OverHttp::new(&url, token.trim())
                    .map_err(|e| Trouble::new(FAILED, "door").because(&e))?;
                factory.run(factory::Door { url, link }, say).await
            }
        }
    });
    // What is left are reads of the system that nobody waits for any more.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}
