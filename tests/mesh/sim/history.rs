//! What happened, line by line: who asked what, what was answered, and what the store took. The
//! only thing the checks read; two runs of one seed have the same lines.

use std::fmt;
use std::sync::{Arc, Mutex};

use clock::Clock;
use fleet::{JobId, Nonce, StageName};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Call,
    Ok,
    No,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Submit,
    ClaimNext,
    Claim,
    Renew,
    Patch,
    Progress,
    Release,
    Operate,
    /// A factory is at work on a job: called when it begins, ok when it ends.
    Work,
    /// A factory has decided on its last word, and not yet sent it.
    Finish,
    /// The store took a version of a job.
    Job,
    /// The store took a version of a lease.
    Lease,
    /// Something befell the world.
    Fate,
}

/// What a line can say; everything optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub epoch: Option<u64>,
    pub factory: Option<String>,
    pub nonce: Option<Nonce>,
    /// Of the operation or of the request.
    pub id: Option<Uuid>,
    pub stage: Option<StageName>,
    pub hash: Option<String>,
    pub word: Option<String>,
    /// A revision number, or a count of renewals.
    pub number: Option<u64>,
    pub locks: Vec<String>,
    /// What an admitted job waits for.
    pub deps: Vec<JobId>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub at: i64,
    pub by: Arc<str>,
    pub op: Op,
    pub phase: Phase,
    pub key: Option<JobId>,
    pub args: Facts,
    pub result: Facts,
}

#[derive(Debug)]
pub(super) struct History {
    clock: Arc<dyn Clock>,
    lines: Mutex<Vec<Line>>,
}

impl History {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, lines: Mutex::default() }
    }

    pub(super) fn call(&self, by: &Arc<str>, op: Op, key: Option<JobId>, args: Facts) {
        self.push(by, (op, Phase::Call), key, (args, Facts::default()));
    }

    pub(super) fn push(
        &self,
        by: &Arc<str>,
        (op, phase): (Op, Phase),
        key: Option<JobId>,
        (args, result): (Facts, Facts),
    ) {
        let at = self.clock.now().millis();
        let line = Line { at, by: Arc::clone(by), op, phase, key, args, result };
        self.lines.lock().expect("nothing panics while it holds this lock").push(line);
    }

    pub(super) fn fate(&self, by: &Arc<str>, word: &str) {
        let args = Facts { word: Some(word.to_owned()), ..Facts::default() };
        self.call(by, Op::Fate, None, args);
    }

    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.lines.lock().expect("nothing panics while it holds this lock"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, by, op, phase, key, args, result } = self;
        write!(out, "{at:>13} {by:<8} {op:?} {phase:?}")?;
        if let Some(key) = key {
            write!(out, " {key}")?;
        }
        write!(out, "{args}")?;
        if *result == Facts::default() { Ok(()) } else { write!(out, " →{result}") }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |id: Uuid| format!("{:08x}", id.as_u128() & 0xffff_ffff);
        let mut say = |name: &str, value: Option<String>| match value {
            Some(value) => write!(out, " {name}={value}"),
            None => Ok(()),
        };
        say("word", self.word.clone())?;
        say("stage", self.stage.map(|stage| format!("{stage:?}")))?;
        say("epoch", self.epoch.map(|epoch| epoch.to_string()))?;
        say("factory", self.factory.clone())?;
        say("nonce", self.nonce.map(|nonce| short(nonce.uuid())))?;
        say("id", self.id.map(short))?;
        say("n", self.number.map(|number| number.to_string()))?;
        say("hash", self.hash.as_ref().map(|hash| hash.chars().take(6).collect()))?;
        say("locks", (!self.locks.is_empty()).then(|| self.locks.join(",")))?;
        let deps: Vec<String> = self.deps.iter().map(ToString::to_string).collect();
        say("deps", (!deps.is_empty()).then(|| deps.join(",")))
    }
}
