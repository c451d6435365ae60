//! What a person or a script types against a running fleet: verbs over HTTP, settings, output and
//! exit codes. Starts no service, reads no environment by itself, and prints only to what it was
//! handed.

mod act;
mod args;
mod artifacts;
mod clean;
mod credentials;
mod desk;
mod exit;
mod house;
mod jobs;
mod login;
mod logs;
mod people;
mod printer;
mod profiles;
mod settings;
mod shape;
mod stay;
mod submit;
mod table;
mod terminal;
mod trouble;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use client::OverHttp;
use clock::{Clock, Ids};
use protocol::{AboutJob, AboutProduct, FactoryAction, JobAction, ProductAction};

pub use args::{
    Act, Artifacts, ArtifactsVerb, Audit, Bound, Cancel, Common, Config, ConfigVerb, Drain, Enroll,
    Events, Factories, FactoryVerb, GetArtifact, Issue, Join, List, Login, Logs, One, Open, Output,
    Pause, Profiles, ProfilesVerb, PutArtifact, PutProfile, Redrive, Resume, Revoke, Rotate, Ship,
    Stay, Submit, Tokens, TokensVerb, Told, Users, UsersVerb, Verb, Watch,
};
pub use exit::Exit;
pub use terminal::{Sink, Source, Terminal};
pub use trouble::Trouble;

use act::Manner;
use desk::Desk;
use printer::Printer;
use settings::Settings;

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

/// The fleet that settings name, and the way to it.
#[derive(Debug)]
pub struct Door {
    pub url: String,
    pub link: OverHttp,
}

/// For those who speak to the fleet in words of their own.
///
/// # Errors
/// A setting is not right, or the token cannot be read.
pub fn door(
    common: &Common,
    environment: &BTreeMap<String, String>,
    folder: &Path,
) -> Result<Door, Trouble> {
    let settings = Settings::read(common, environment, folder)?;
    Ok(Door { link: desk::link(&settings)?, url: settings.url })
}

/// The variables that are settings, whatever the verb.
pub fn variables() -> impl Iterator<Item = String> {
    settings::KEYS.into_iter().map(settings::variable)
}

/// Tells of trouble as every command does: in lines on a terminal, as JSON elsewhere.
pub fn tell(trouble: &Trouble, terminal: Terminal) {
    Printer::new(terminal, false, false).trouble(trouble);
}

/// Rows under heads, for eyes.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    table::lines(heads, rows, None, |_, _| None).join("\n")
}

/// Carries out one command to its end.
pub async fn run(
    verb: Verb,
    common: Common,
    terminal: Terminal,
    surroundings: Surroundings,
) -> Exit {
    let Surroundings { environment, folder, clock, ids, interrupted } = surroundings;
    let colours = house::colours(&common, &environment);
    let mut printer = Printer::new(terminal, colours, common.quiet);
    let settings = match Settings::read(&common, &environment, &folder) {
        Ok(settings) => settings,
        Err(trouble) => return ended(&mut printer, Err(trouble)),
    };
    if let Err(trouble) = printer.ask_for(settings.output, common.json) {
        return ended(&mut printer, Err(trouble));
    }
    if let Verb::Config(Config { verb: ConfigVerb::Explain { key } }) = &verb {
        let told = house::explain(&mut printer, &settings, key.as_deref());
        return ended(&mut printer, told);
    }
    let link = match desk::link(&settings) {
        Ok(link) => link,
        Err(trouble) => return ended(&mut printer, Err(trouble)),
    };
    let mut desk = Desk::new(link, settings, printer, clock, ids);
    desk.yes = common.yes;
    let done = tokio::select! {
        biased;
        () = interrupted => Ok(Exit::Interrupted),
        done = Box::pin(carry_out(&mut desk, verb, &folder)) => done,
    };
    desk.printer.leave();
    ended(&mut desk.printer, done)
}

fn ended(printer: &mut Printer, done: Result<Exit, Trouble>) -> Exit {
    done.unwrap_or_else(|trouble| {
        printer.trouble(&trouble);
        trouble.exit
    })
}

async fn carry_out(desk: &mut Desk, verb: Verb, folder: &Path) -> Result<Exit, Trouble> {
    let plain = Manner::default();
    match verb {
        Verb::Submit(wanted) => submit::submit(desk, &wanted, folder).await,
        Verb::Get(one) => jobs::get(desk, &one.job).await,
        Verb::List(wanted) => jobs::list(desk, &wanted).await,
        Verb::Watch(wanted) => watch::watch(desk, &wanted).await,
        Verb::Why(one) => jobs::why(desk, &one.job).await,
        Verb::Runs(one) => jobs::several(desk, AboutJob::Runs, &one.job).await,
        Verb::Events(Events { job, follow: true }) => watch::events(desk, &job).await,
        Verb::Events(Events { job, follow: false }) => {
            jobs::several(desk, AboutJob::Events, &job).await
        }
        Verb::Logs(wanted) => logs::logs(desk, &wanted).await,
        Verb::Lease(one) => jobs::lease(desk, &one.job).await,
        Verb::Artifacts(wanted) => artifacts::carry_out(desk, wanted, folder).await,
        Verb::Cancel(Cancel { act, now, no_cascade }) => {
            let manner = Manner { now, alone: no_cascade, ..plain };
            act::jobs(desk, JobAction::Cancel, &act, manner).await
        }
        Verb::Requeue(act) => act::jobs(desk, JobAction::Requeue, &act, plain).await,
        Verb::Redrive(wanted) => act::redrive(desk, wanted).await,
        Verb::Ship(Ship { act, force }) => {
            act::jobs(desk, JobAction::Ship, &act, Manner { force, ..plain }).await
        }
        Verb::Approve(act) => act::jobs(desk, JobAction::Approve, &act, plain).await,
        Verb::SendBack(act) => act::jobs(desk, JobAction::SendBack, &act, plain).await,
        Verb::Reject(act) => act::jobs(desk, JobAction::Reject, &act, plain).await,
        Verb::Factories(wanted) => jobs::factories(desk, wanted.factory.as_ref()).await,
        Verb::Drain(Drain { factory, now }) => {
            act::factory(desk, FactoryAction::Drain, factory, now).await
        }
        Verb::Resume(Resume { factory }) => {
            act::factory(desk, FactoryAction::Undrain, factory, false).await
        }
        Verb::Pause(Pause { reason }) => act::product(desk, ProductAction::Pause, reason).await,
        Verb::Unpause => act::product(desk, ProductAction::Resume, None).await,
        Verb::Stats => jobs::stats(desk).await,
        Verb::Locks => jobs::product(desk, AboutProduct::Locks, &shape::LOCK).await,
        Verb::Budgets => jobs::product(desk, AboutProduct::Budgets, &shape::BUDGET).await,
        Verb::Profiles(wanted) => profiles::carry_out(desk, wanted, folder).await,
        Verb::Verify => act::verify(desk).await,
        Verb::Tokens(wanted) => credentials::tokens(desk, wanted, folder).await,
        Verb::Factory(verb) => credentials::factory(desk, verb, folder).await,
        Verb::Users(wanted) => people::users(desk, wanted, folder).await,
        Verb::Audit(wanted) => people::audit(desk, &wanted).await,
        Verb::SignUp(wanted) => people::join(desk, wanted, folder).await,
        Verb::Login(wanted) => login::login(desk, wanted).await,
        Verb::Logout => login::logout(desk).await,
        Verb::Whoami => login::whoami(desk).await,
        Verb::Config(Config { verb: ConfigVerb::Explain { key } }) => {
            house::explain(&mut desk.printer, &desk.settings, key.as_deref())
        }
        Verb::Open(Open { job }) => house::open(desk, job.as_deref()).await,
    }
}
