//! What can be typed: verbs, their arguments and the flags that all of them share. Decides nothing;
//! every default that depends on where it runs is settled later.

mod credentials;
mod people;
mod profiles;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use fleet::{ArtifactId, ArtifactKind, FactoryId, JobId, Key, Priority, Span, StageName};

pub use credentials::{
    Enroll, FactoryVerb, Issue, Login, Revoke, Rotate, Tokens, TokensVerb, Told,
};
pub use people::{Audit, Bound, Join, Users, UsersVerb};
pub use profiles::{Profiles, ProfilesVerb, PutProfile};

/// What a person asks of a running fleet.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Hand in job files
    Submit(Submit),
    /// Show one job
    Get(One),
    /// List jobs, newest first
    #[command(visible_alias = "ls")]
    List(List),
    /// Watch the fleet or one job as it moves
    Watch(Watch),
    /// Say what keeps a job from moving, or what it is doing
    Why(One),
    /// Show the runs of a job, newest first
    Runs(One),
    /// Show what happened to a job
    Events(Events),
    /// Print what a job says
    Logs(Logs),
    /// Show who holds a job
    Lease(One),
    /// List what a job left behind, or get, put or rm one artifact
    Artifacts(Artifacts),
    /// Stop jobs
    Cancel(Cancel),
    /// Give jobs back to the queue
    Requeue(Act),
    /// Start failed and dead jobs anew
    Redrive(Redrive),
    /// Accept jobs as done
    Ship(Ship),
    /// Approve jobs that wait for review
    Approve(Act),
    /// Send jobs back for more work
    SendBack(Act),
    /// Reject jobs for good
    Reject(Act),
    /// Show the factories
    Factories(Factories),
    /// Give a factory no more work
    Drain(Drain),
    /// Give a factory work again
    Resume(Resume),
    /// Give no job of the product to anybody
    Pause(Pause),
    /// Give out the product's jobs again
    Unpause,
    /// Count jobs, factories and seats
    Stats,
    /// Show the named locks
    Locks,
    /// Show the budgets
    Budgets,
    /// List the product's profiles, or show or make a version of one
    Profiles(Profiles),
    /// Look through all records for what must never be
    Verify,
    /// List the product's tokens, or issue or revoke one
    Tokens(Tokens),
    /// Typed as verbs of `factory`, which is more than a client's
    #[command(skip)]
    Factory(FactoryVerb),
    /// List the product's users, or say what one may do
    Users(Users),
    /// Show who did what in the product
    Audit(Audit),
    /// Become a user
    SignUp(Join),
    /// Sign in, and keep it for other commands
    Login(Login),
    /// Sign out, and forget it
    Logout,
    /// Say who is signed in
    Whoami,
    /// Show settings and where they come from
    Config(Config),
    /// Print the address of the page, and open it
    Open(Open),
}

/// Flags of every verb.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// Where the fleet is [env: GIGAMESH_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The product whose jobs are meant [env: GIGAMESH_PRODUCT]
    #[arg(long, global = true, value_name = "NAME")]
    pub product: Option<String>,
    /// A file with the token [env: GIGAMESH_TOKEN_FILE; the token itself: GIGAMESH_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How to print; a table on a terminal, JSON otherwise [env: GIGAMESH_OUTPUT]
    #[arg(short, long, global = true, value_enum)]
    pub output: Option<Output>,
    /// Print JSON with only these fields
    #[arg(long, global = true, value_name = "FIELDS", value_delimiter = ',')]
    pub json: Option<Vec<String>>,
    /// Say nothing but the data
    #[arg(long, global = true)]
    pub quiet: bool,
    /// No colours; NO_COLOR does the same
    #[arg(long, global = true)]
    pub no_color: bool,
    /// How long to wait, like 90s or 2h [env: GIGAMESH_TIMEOUT]
    #[arg(long, global = true, value_name = "SPAN")]
    pub timeout: Option<Span>,
    /// Do not ask
    #[arg(long, global = true)]
    pub yes: bool,
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Table,
    /// A table with more columns
    Wide,
    Json,
    /// One JSON object a line
    Jsonl,
    /// Only ids
    Name,
    None,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Submit {
    /// Job files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// The idempotency key, instead of the file's
    #[arg(long)]
    pub key: Option<Key>,
    /// Make the key from the content: the same file is one job however often it is sent
    #[arg(long, conflicts_with = "key")]
    pub once: bool,
    /// Set a key of the manifest, like priority=high
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Say what would come of it, and write nothing
    #[arg(long, conflicts_with_all = ["wait", "follow"])]
    pub plan: bool,
    /// Refuse unless the job is still what a plan said: its revision, or absent
    #[arg(long, value_name = "REVISION")]
    pub expect: Option<String>,
    #[command(flatten)]
    pub stay: Stay,
}

/// What to do after the submission was taken.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Stay {
    /// Wait until the job ends
    #[arg(long)]
    pub wait: bool,
    /// Show what happens until the job ends
    #[arg(long)]
    pub follow: bool,
}

/// One job.
#[derive(Args, Clone, Debug)]
pub struct One {
    /// Its id, a beginning of it, or its key
    #[arg(value_name = "JOB")]
    pub job: String,
}

#[derive(Args, Clone, Debug, Default)]
pub struct List {
    /// Only of this stage; may be repeated
    #[arg(long, value_parser = one_of(StageName::ALL, StageName::as_str))]
    pub stage: Vec<StageName>,
    /// Only of this priority; may be repeated
    #[arg(long, value_parser = one_of(Priority::ALL, Priority::as_str))]
    pub priority: Vec<Priority>,
    /// Only what this factory holds now
    #[arg(long)]
    pub factory: Option<FactoryId>,
    /// Only the job of this key
    #[arg(long)]
    pub key: Option<Key>,
    /// Only the children of this job
    #[arg(long)]
    pub parent: Option<JobId>,
    /// Only jobs whose key or text contains this
    #[arg(short, long = "query", value_name = "TEXT")]
    pub q: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
    /// Every page, and jobs whose dependencies were not looked at yet
    #[arg(long)]
    pub all: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Watch {
    /// Only this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
}

/// The artifacts of a job, or one of them.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Artifacts {
    /// Its id, a beginning of it, or its key
    #[arg(required = true, value_name = "JOB")]
    pub job: Option<String>,
    /// Only of this kind
    #[arg(long, value_parser = one_of(ArtifactKind::ALL, ArtifactKind::word))]
    pub kind: Option<ArtifactKind>,
    #[command(subcommand)]
    pub verb: Option<ArtifactsVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ArtifactsVerb {
    /// Fetch one: to standard output in a pipe, else to a file of its name
    Get(GetArtifact),
    /// Bring a file as an artifact of a job
    Put(PutArtifact),
    /// Remove one, and its bytes
    Rm {
        #[arg(value_name = "ARTIFACT")]
        artifact: ArtifactId,
    },
}

#[derive(Args, Clone, Debug)]
pub struct GetArtifact {
    #[arg(value_name = "ARTIFACT")]
    pub artifact: ArtifactId,
    /// Into this file; - is standard output
    #[arg(short = 'O', long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Print a link that lives for a while, and fetch nothing
    #[arg(long, conflicts_with = "into")]
    pub link: bool,
}

#[derive(Args, Clone, Debug)]
pub struct PutArtifact {
    /// Its id, a beginning of it, or its key
    #[arg(value_name = "JOB")]
    pub job: String,
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What it is
    #[arg(long, default_value = "other", value_parser = one_of(ArtifactKind::ALL, ArtifactKind::word))]
    pub kind: ArtifactKind,
    /// What it is called, instead of the file's name
    #[arg(long)]
    pub name: Option<String>,
    /// Its media type, like text/plain
    #[arg(long, value_name = "TYPE")]
    pub content_type: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Events {
    /// Its id, a beginning of it, or its key
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Go on as more happens
    #[arg(short, long)]
    pub follow: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Logs {
    /// Its id, a beginning of it, or its key
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Go on as it says more, until it ends; then exit as submit --wait does
    #[arg(short, long)]
    pub follow: bool,
    /// Only this attempt; without it the latest that has said anything
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// Only so many of the last lines
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub tail: Option<u32>,
}

/// An action on jobs.
#[derive(Args, Clone, Debug, Default)]
pub struct Act {
    /// Ids, beginnings of them, or keys
    #[arg(required = true, value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Why; kept in the job's log
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Cancel {
    #[command(flatten)]
    pub act: Act,
    /// At once, without asking the holder to come to an end
    #[arg(long)]
    pub now: bool,
    /// Spare the children of a composite
    #[arg(long)]
    pub no_cascade: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Ship {
    #[command(flatten)]
    pub act: Act,
    /// From any stage that has not ended
    #[arg(long)]
    pub force: bool,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Redrive {
    /// Ids, beginnings of them, or keys
    #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Every job in dead letter
    #[arg(long)]
    pub all: bool,
    /// Why; with --all only the jobs that died of this
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Factories {
    /// Only this one
    pub factory: Option<FactoryId>,
}

#[derive(Args, Clone, Debug)]
pub struct Drain {
    pub factory: FactoryId,
    /// Give back what it holds instead of finishing it
    #[arg(long)]
    pub now: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Resume {
    pub factory: FactoryId,
}

#[derive(Args, Clone, Debug, Default)]
pub struct Pause {
    /// Why; shown to everybody who asks
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub struct Config {
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Show a setting's value and origin; without a key, all of them
    Explain { key: Option<String> },
}

#[derive(Args, Clone, Debug, Default)]
pub struct Open {
    /// The page of this job
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    let plain =
        !key.is_empty() && key.chars().all(|letter| letter.is_alphanumeric() || letter == '-');
    if !plain {
        return Err(format!("{key:?} is no key at the head of a manifest"));
    }
    if value.contains(['\n', '\r']) {
        return Err("the value is one line".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// One of the words of a closed vocabulary; whoever types another is shown them all.
fn one_of<T: Copy + Send + Sync + 'static, const N: usize>(
    all: [T; N],
    word: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(all.map(word))
        .try_map(move |text| all.into_iter().find(|one| word(*one) == text).ok_or(BadWord(text)))
}

/// A word that is none of the vocabulary.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0:?} is none of the words")]
struct BadWord(String);
