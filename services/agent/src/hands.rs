//! The seam to whatever does the work. The session decides, hands obey.

mod environment;
mod folder;
mod group;
mod lines;
mod masks;
mod processes;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use fleet::RunResult;
use tokio::sync::{mpsc, watch};

use crate::errand::Errand;
use crate::harvest::Trail;
use crate::hold::Ending;
use crate::journal::Journal;

pub use group::Process;
pub use masks::Mask;
pub use processes::{Place, Processes};

/// Does errands. Two kinds: processes of this host, and scripts of a test.
#[async_trait]
pub trait Executor: Send + Sync + Debug + 'static {
    /// Does one part of an errand to its end and says how it ended. Obeys `run.orders` at any
    /// time, those given before it began included; when their giver is gone, it is over at once.
    /// When this returns, nothing of the run's process group is left.
    async fn run(&self, run: Run) -> Ending;

    /// Where the run of an errand leaves what it says and makes, the same for all of its parts.
    /// None where it leaves nothing.
    fn trail(&self, errand: &Errand) -> Option<Trail>;

    /// Ends what an agent before this one left running.
    async fn clear_away(&self, left: &Process);
}

/// One part of an errand, under way.
#[derive(Debug)]
pub struct Run {
    pub errand: Arc<Errand>,
    pub part: Part,
    pub orders: watch::Receiver<Order>,
    pub tell: mpsc::Sender<Word>,
    /// What it says goes here, if it leaves anything.
    pub journal: Option<Arc<Journal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Command,
    Verify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    GoOn,
    /// Come to an end by yourself.
    Term,
    Kill,
}

/// What a run says while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Started(Process),
    Progress { percent: u8, message: Option<String> },
}

/// Why nothing was run.
#[derive(Debug)]
pub(crate) struct CannotStart {
    pub(crate) result: RunResult,
    pub(crate) why: String,
}

impl From<CannotStart> for Ending {
    fn from(CannotStart { result, why }: CannotStart) -> Self {
        Self::NotStarted { result, why }
    }
}
