//! Errands as processes of this host, each part in a process group of its own. Decides nothing
//! about the job; whatever happens to it is told as an [`Ending`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fleet::{CommandLine, Exit, RunResult};
use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::errand::Errand;
use crate::hands::environment::{allowed, of_profile, of_run};
use crate::hands::folder::Folder;
use crate::hands::group::{Process, signal};
use crate::hands::lines::Lines;
use crate::hands::masks::{Mask, Masks};
use crate::hands::{CannotStart, Executor, Order, Part, Run, Word};
use crate::harvest::Trail;
use crate::hold::Ending;
use crate::journal::Journal;

const LOOK_FOR_PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// How long the last words of a group that has ended may take.
const LAST_WORDS: Duration = Duration::from_secs(1);
const CLEAR_PATIENCE: Duration = Duration::from_secs(2);
const CLEAR_LOOK: Duration = Duration::from_millis(20);

/// Where processes of jobs run, and what they may see.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Each run has a folder here.
    pub runs: PathBuf,
    /// Jobs may name folders below these; without any, each run has its own and no other.
    pub roots: Vec<PathBuf>,
    /// The agent's own environment, of which jobs see the allowed part.
    pub environment: BTreeMap<String, String>,
    /// Names that are allowed besides.
    pub pass_env: Vec<String>,
    /// What no log shows, beside the values of allowed variables whose names tell of secrets.
    pub masks: Vec<Mask>,
    /// Where people and programs reach the coordinator.
    pub url: Option<String>,
}

/// The executor of real work.
#[derive(Debug)]
pub struct Processes {
    place: Place,
}

impl Processes {
    #[must_use]
    pub fn at(mut place: Place) -> Self {
        // Processes have another working directory than their agent.
        place.runs = std::path::absolute(&place.runs).unwrap_or(place.runs);
        Self { place }
    }

    fn begin(&self, run: &Run) -> Result<(Group, Folder), CannotStart> {
        let errand = &*run.errand;
        let words = words_of(errand, run.part)?;
        let folder = Folder::open(&self.place.runs, &self.place.roots, errand)?;
        let mut environment = allowed(&self.place.environment, &self.place.pass_env);
        environment.extend(of_profile(errand));
        let masks = Masks::of(&self.place.masks, &environment);
        environment.extend(of_run(errand, &folder));
        if let Some(url) = &self.place.url {
            environment.insert(String::from("GIGAMESH_URL"), url.clone());
        }
        let log = Log { lines: Lines::hiding(masks), journal: run.journal.clone() };
        let group = Group::start(&words, &folder, &environment, log);
        let group = group.map_err(|error| CannotStart {
            result: RunResult::Failed,
            why: format!("{} cannot be started: {error}", words.join(" ")),
        })?;
        Ok((group, folder))
    }
}

#[async_trait]
impl Executor for Processes {
    async fn run(&self, mut run: Run) -> Ending {
        let (mut group, folder) = match self.begin(&run) {
            Ok(begun) => begun,
            Err(cannot) => return cannot.into(),
        };
        // An agent that does not listen has other worries; the run goes on.
        let _gone = run.tell.send(Word::Started(group.leader.clone())).await;
        let status = group.attend(&mut run, &folder).await;
        // Whoever outlived the leader belongs to the run, and the run is over.
        signal(&group.leader, Signal::SIGKILL);
        group.hear_last_words().await;
        match status {
            Ok(status) => Ending::Exited { exit: exit_of(status), insights: folder.insights() },
            Err(error) => Ending::NotStarted {
                result: RunResult::Crash,
                why: format!("the process was lost sight of: {error}"),
            },
        }
    }

    fn trail(&self, errand: &Errand) -> Option<Trail> {
        Some(Folder::trail(&self.place.runs, &self.place.roots, errand))
    }

    async fn clear_away(&self, left: &Process) {
        if !left.is_alive() {
            return;
        }
        signal(left, Signal::SIGKILL);
        let gone = async {
            while left.is_alive() {
                sleep(CLEAR_LOOK).await;
            }
        };
        // The kernel ends it sooner or later; nothing that it writes is believed any more.
        let _late = timeout(CLEAR_PATIENCE, gone).await;
    }
}

/// The words to run: the manifest's own, or those of the engine's template, and behind them what
/// the profile adds.
fn words_of(errand: &Errand, part: Part) -> Result<Vec<String>, CannotStart> {
    let no_engine = |why: String| CannotStart { result: RunResult::NoEngine, why };
    let added = errand.profile.as_ref().map(|profile| profile.args.clone()).unwrap_or_default();
    let (line, added) = match part {
        Part::Verify => (errand.verify.as_ref(), Vec::new()),
        Part::Command => match errand.engine.as_ref().map_or("shell", |engine| engine.as_str()) {
            "shell" => (errand.command.as_ref(), added),
            "echo" => return Ok(std::iter::once(String::from("cat")).chain(added).collect()),
            other => return Err(no_engine(format!("this factory has no engine {other}"))),
        },
    };
    let mut words = match line {
        Some(CommandLine::Shell(text)) => {
            let mut words = vec![String::from("sh"), String::from("-c"), text.clone()];
            // The first word behind a script is its name.
            words.extend((!added.is_empty()).then(|| String::from("sh")));
            words
        }
        Some(CommandLine::Words(words)) => words.clone(),
        None => Vec::new(),
    };
    words.extend(added);
    if words.is_empty() {
        return Err(no_engine(String::from("the manifest has no command for the engine shell")));
    }
    Ok(words)
}

fn exit_of(status: ExitStatus) -> Exit {
    Exit { code: status.code(), signal: status.signal() }
}

/// Tells what is new since `said`; progress that finds no room is superseded by the next.
fn tell_progress(tell: &mpsc::Sender<Word>, folder: &Folder, said: Option<Word>) -> Option<Word> {
    let news = folder.progress().filter(|word| said.as_ref() != Some(word));
    match news {
        Some(word) => {
            let _full = tell.try_send(word.clone());
            Some(word)
        }
        None => said,
    }
}

/// A process group and what it writes.
struct Group {
    leader: Process,
    child: Child,
    output: pipe::Receiver,
    log: Log,
}

impl Group {
    fn start(
        words: &[String],
        folder: &Folder,
        environment: &BTreeMap<String, String>,
        log: Log,
    ) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // The command is dropped at the end of this function and with it our ends for writing:
        // the output ends with the last process that can write to it.
        let child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .current_dir(&folder.work)
            .process_group(0)
            .stdin(Stdio::from(File::open(&folder.body)?))
            .stdout(Stdio::from(writer.try_clone()?))
            .stderr(Stdio::from(writer))
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let leader = Process::of(pid.ok_or(io::ErrorKind::NotFound)?);
        let output = pipe::Receiver::from_owned_fd(reader.into())?;
        Ok(Self { leader, child, output, log })
    }

    /// Until the leader has ended.
    async fn attend(&mut self, run: &mut Run, folder: &Folder) -> io::Result<ExitStatus> {
        let mut look = interval(LOOK_FOR_PROGRESS_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = None;
        let mut page = [0; 8192];
        let mut speaks = true;
        let mut commanded = true;
        loop {
            tokio::select! {
                biased;
                heard = run.orders.changed(), if commanded => {
                    commanded = heard.is_ok();
                    let order = *run.orders.borrow_and_update();
                    self.obey(if commanded { order } else { Order::Kill });
                }
                status = self.child.wait() => return status,
                read = self.output.read(&mut page), if speaks => {
                    speaks = self.log.take(&page, read.unwrap_or(0));
                }
                _ = look.tick() => said = tell_progress(&run.tell, folder, said),
            }
        }
    }

    fn obey(&self, order: Order) {
        match order {
            Order::GoOn => {}
            Order::Term => signal(&self.leader, Signal::SIGTERM),
            Order::Kill => signal(&self.leader, Signal::SIGKILL),
        }
    }

    async fn hear_last_words(&mut self) {
        let mut page = [0; 8192];
        let rest = async {
            while let Ok(length) = self.output.read(&mut page).await
                && self.log.take(&page, length)
            {}
        };
        // Somebody who left the group may hold the pipe for ever.
        let _late = timeout(LAST_WORDS, rest).await;
        self.log.end();
    }
}

/// What the group writes, on its way to the run's journal.
struct Log {
    lines: Lines,
    journal: Option<Arc<Journal>>,
}

impl Log {
    /// False at the end of the output.
    fn take(&mut self, page: &[u8], length: usize) -> bool {
        let lines = self.lines.take(page.get(..length).unwrap_or_default());
        self.add(&lines);
        length > 0
    }

    fn end(&mut self) {
        let lines = self.lines.end();
        self.add(&lines);
    }

    fn add(&self, lines: &str) {
        if let Some(journal) = &self.journal {
            journal.add(lines);
        }
    }
}
