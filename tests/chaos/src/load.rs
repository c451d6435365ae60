//! Producers: short jobs of several kinds, some of which wait for others, handed in through either
//! gateway and said again until they are acknowledged. Never waits for a job.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{CallError, OverHttp, Patience};
use clock::{Clock, Ids, System};
use fleet::JobId;
use protocol::SubmitJob;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::witness::Witness;

const PRODUCERS: u64 = 3;
/// Above so many open jobs nobody hands in more.
const MOST_OPEN: usize = 60;
const PATIENCE: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(100);

/// What was acknowledged so far.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    acknowledged: Arc<Mutex<BTreeMap<String, JobId>>>,
    refused: Arc<Mutex<Vec<String>>>,
    working: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
struct Producer {
    name: u64,
    doors: Vec<OverHttp>,
    clock: Arc<System>,
    witness: Witness,
    load: Load,
    faults: watch::Receiver<bool>,
}

impl Load {
    /// Until `faults` says that they are over.
    pub(crate) fn begin(
        (seed, doors): (u64, &[OverHttp]),
        clock: &Arc<System>,
        (witness, faults): (&Witness, &watch::Receiver<bool>),
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let load = Self {
            acknowledged: Arc::default(),
            refused: Arc::default(),
            working: Arc::new(AtomicU64::new(PRODUCERS)),
        };
        for name in 0..PRODUCERS {
            let producer = Producer {
                name,
                doors: doors.to_vec(),
                clock: Arc::clone(clock),
                witness: witness.clone(),
                load: load.clone(),
                faults: faults.clone(),
            };
            let dice = [Dice::new(seed, 100 + name), Dice::new(seed, 200 + name)];
            tasks.spawn(producer.produce(dice));
        }
        load
    }

    pub(crate) fn acknowledged(&self) -> BTreeMap<String, JobId> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether everything that was said was acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.working.load(Ordering::Acquire) == 0
    }

    /// Submissions that were refused: none ever should be.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Producer {
    /// One of the dice is for what a job does, the other for what it leaves behind.
    async fn produce(self, [mut dice, mut left]: [Dice; 2]) {
        let mut keys = Vec::new();
        while *self.faults.borrow() {
            if self.witness.open() >= MOST_OPEN {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let key = format!("c{}-{}", self.name, keys.len());
            let file = job(&key, &keys, (&mut dice, &words(&mut left)));
            self.hand_in(&key, file).await;
            keys.push(key);
            tokio::time::sleep(dice.millis(20, 400)).await;
        }
        self.load.working.fetch_sub(1, Ordering::Release);
    }

    /// Again and again: the key makes every repetition harmless.
    async fn hand_in(&self, key: &str, file: String) {
        let ask = SubmitJob { file: Some(file), ..SubmitJob::default() };
        for door in self.doors.iter().cycle() {
            let (request_id, until) = (self.clock.mint(), self.clock.now().plus(PATIENCE));
            let patience = Patience { request_id, until, span: PATIENCE };
            match door.call(&ask, patience).await {
                Ok(receipt) => {
                    let mut all =
                        self.load.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(key.to_owned(), receipt.job.id);
                    return;
                }
                Err(CallError::Refused(problem)) if !problem.retryable => {
                    let mut all = self.load.refused.lock().unwrap_or_else(PoisonError::into_inner);
                    all.push(format!("{key}: {} {}", problem.code.as_str(), problem.message));
                    return;
                }
                Err(CallError::Refused(_) | CallError::Bus(_) | CallError::Garbled(_)) => {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

const PRIORITIES: [&str; 4] = ["critical", "high", "medium", "low"];

/// Commands that say lines and leave small files, or none.
fn words(dice: &mut Dice) -> String {
    let mut words = String::new();
    if dice.chance(600) {
        words += &format!("seq -f 'line %g' 1 {}; ", 1 + dice.below(200));
    }
    let files = if dice.chance(500) { 1 + dice.below(3) } else { 0 };
    for n in 0..files {
        let many = 1 + dice.below(40_000);
        words += &format!("head -c {many} /dev/urandom > $GIGAMESH_ARTIFACTS_DIR/part-{n}.bin; ");
    }
    words
}

/// A job file. `before` are the keys that it may wait for, `words` what it does first.
fn job(key: &str, before: &[String], (dice, words): (&mut Dice, &str)) -> String {
    let priority = PRIORITIES[dice.index(PRIORITIES.len())];
    let mut file = format!("---\nidempotencyKey: {key}\npriority: {priority}\ntimeout: 60s\n");
    let mut line = |text: std::fmt::Arguments<'_>| {
        // A string takes whatever is written to it.
        let _written = writeln!(file, "{text}");
    };
    match dice.below(100) {
        0..25 => line(format_args!("command: {words}sleep 0.{}", dice.below(6))),
        25..50 => {
            let some = before.len().min(6);
            let deps = (0..some).filter(|_| dice.chance(400));
            let deps: Vec<&str> = deps.map(|n| before[before.len() - 1 - n].as_str()).collect();
            line(format_args!("deps: [{}]\nonDepFailure: fail", deps.join(", ")));
            line(format_args!("command: {words}sleep 0.1"));
        }
        50..65 => {
            line(format_args!("lock: lock-{}", dice.below(3)));
            line(format_args!("command: {words}sleep 0.4"));
        }
        65..80 => {
            line(format_args!("retry:\n  max: 4\n  backoff: 1s\n  on: [crash, timeout]"));
            line(format_args!("command: {words}test \"$GIGAMESH_ATTEMPT\" -gt 1"));
        }
        80..84 => line(format_args!("command: {words}exit 3")),
        // Longer than a term, so that who is silent meanwhile comes back as a zombie, which goes on
        // to speak.
        _ => {
            let seconds = 3 + dice.below(7);
            line(format_args!(
                "command: {words}for n in $(seq {seconds}); do echo second $n; sleep 1; done"
            ));
        }
    }
    file.push_str("---\nwork\n");
    file
}
