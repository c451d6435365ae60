//! What a person or a script types against a running fleet: verbs over HTTP, settings, output and
//! exit codes. Starts no service, reads no environment by itself, and prints only to what it was
//! handed.

mod args;
mod exit;
mod terminal;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clock::{Clock, Ids};

pub use args::{
    Act, Cancel, Common, Config, ConfigVerb, Drain, Events, Factories, List, One, Open, Output,
    Pause, Redrive, Resume, Ship, Stay, Submit, Verb, Watch,
};
pub use exit::Exit;
pub use terminal::{Sink, Source, Terminal};

/// What a command is told of the place where it runs.
pub struct Surroundings {
    /// Variables; those that begin with `GIGAMESH_` are settings.
    pub environment: BTreeMap<String, String>,
    /// Where files and settings are looked for.
    pub folder: PathBuf,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Ready once somebody wants the command to end, as with Ctrl-C.
    pub interrupted: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Surroundings {{ folder: {:?} }}", self.folder)
    }
}

/// Carries out one command to its end.
pub async fn run(
    verb: Verb,
    common: Common,
    terminal: Terminal,
    surroundings: Surroundings,
) -> Exit {
    let (_verb, _common, mut terminal) = (verb, common, terminal);
    let Surroundings { interrupted, .. } = surroundings;
    tokio::select! {
        biased;
        () = interrupted => Exit::Interrupted,
        () = std::future::ready(()) => {
            let said = terminal.err.line("this verb is not there yet");
            drop((said, terminal.out.raw("")));
            Exit::Error
        }
    }
}
