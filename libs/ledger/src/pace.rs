//! Progress comes as often as a holder likes and is written once a second: the newest report of
//! each run waits here for its turn. What waits is lost with the process, and only that.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use fleet::{JobId, Progress, Run, RunCommand};

use crate::Ledger;
use crate::commit::{Patience, Turn};
use crate::outcome::{LedgerError, Outcome};

/// What must pass between two writes of one run's progress.
const PACE: Duration = Duration::from_secs(1);
/// Runs remembered; of more than these, every report is written.
const REMEMBERED: usize = 1 << 16;

/// When each run's progress was last written, and what has been said since.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<BTreeMap<(JobId, u32), Paced>>);

#[derive(Debug)]
struct Paced {
    written: Duration,
    newest: Option<Progress>,
}

impl Pace {
    /// Whether `report` has to wait; then it does, unless a newer one does already.
    pub(crate) fn must_wait(&self, run: (JobId, u32), report: &Progress, uptime: Duration) -> bool {
        let mut paced = self.lock();
        if paced.len() >= REMEMBERED {
            paced.retain(|_, one| one.newest.is_some());
        }
        match paced.get_mut(&run) {
            Some(one) if uptime.saturating_sub(one.written) < PACE => {
                one.newest = Some(newest(one.newest.take(), report));
                true
            }
            Some(_) | None => {
                if paced.len() < REMEMBERED {
                    paced.insert(run, Paced { written: uptime, newest: None });
                }
                false
            }
        }
    }

    fn take(&self, run: (JobId, u32)) -> Option<Progress> {
        self.lock().get_mut(&run)?.newest.take()
    }

    pub(crate) fn forget(&self, run: (JobId, u32)) {
        self.lock().remove(&run);
    }

    fn due(&self, uptime: Duration) -> Vec<(JobId, u32)> {
        let paced = self.lock();
        let due = |one: &Paced| one.newest.is_some() && uptime.saturating_sub(one.written) >= PACE;
        paced.iter().filter(|(_, one)| due(one)).map(|(run, _)| *run).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(JobId, u32), Paced>> {
        self.0.lock().expect("nothing panics while it holds this lock")
    }
}

/// The highest number wins and no percentage falls, as in the record.
fn newest(had: Option<Progress>, new: &Progress) -> Progress {
    let Some(had) = had else { return new.clone() };
    let percent = had.percent.max(new.percent);
    if had.seq >= new.seq { had } else { Progress { percent, ..new.clone() } }
}

impl Ledger {
    /// Writes what waited for a second.
    pub(crate) async fn write_due_progress(&self) -> Result<(), LedgerError> {
        for run in self.pace.due(self.clock.uptime()) {
            self.write_waiting_progress(run).await?;
        }
        Ok(())
    }

    /// Before its run is closed, or when its second is over.
    pub(crate) async fn write_waiting_progress(
        &self,
        run: (JobId, u32),
    ) -> Result<(), LedgerError> {
        let Some(report) = self.pace.take(run) else { return Ok(()) };
        let (job, attempt) = run;
        let command = RunCommand::Progress(report);
        let mut patience = Patience::short();
        loop {
            let found = self.runs.get(job, Run::id_of(job, attempt)).await?;
            let Some(found) = found else { return Ok(()) };
            let now = self.clock.now();
            let known = || found.record.clone();
            match self.runs.turn(Some(&found), known, &command, now).await? {
                Turn::Settled(Outcome::Done(_)) => return Ok(()),
                Turn::Settled(Outcome::Rejected(_)) => {
                    self.pace.forget(run);
                    return Ok(());
                }
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(()),
            }
        }
    }
}
