//! From a job's outbox to its log: the pages of its events, the runs they speak of, the stream,
//! then the trim. A crash anywhere repeats what came before it, and each part is harmless to
//! repeat; an entry leaves the outbox only after all of it was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Message;
use fleet::{Actor, Entry, EventRecord, EventType, Head, Job, Profile, Run, RunCommand, Wish};
use futures_util::future::try_join;
use protocol::{Subject, Topic};

use crate::Ledger;
use crate::commit::{Committed, Turn};
use crate::outcome::{LedgerError, Outcome};
use crate::table::Found;

impl Ledger {
    /// Writes down everything that `job` has not told yet; it may have been told in part before.
    /// The pages are as they are stored.
    pub(crate) async fn record(&self, job: &Job) -> Result<Vec<EventRecord>, LedgerError> {
        let (pages, ()) = try_join(self.write_down(job), self.tell_runs(job)).await?;
        Ok(pages)
    }

    /// In order, and only what can be looked up.
    pub(crate) async fn publish_all(&self, pages: &[EventRecord]) -> Result<(), LedgerError> {
        for page in pages {
            self.publish(page).await?;
        }
        Ok(())
    }

    /// Runs are made from the job's own words, so that any repair makes the same ones.
    async fn tell_runs(&self, job: &Job) -> Result<(), LedgerError> {
        let mut told: BTreeMap<u32, Vec<Entry>> = BTreeMap::new();
        for entry in &job.outbox {
            if let Some(attempt) = entry.data.attempt {
                told.entry(attempt).or_default().push(entry.clone());
            }
        }
        for entries in told.into_values() {
            self.tell_run(job, entries).await?;
        }
        Ok(())
    }

    async fn tell_run(&self, job: &Job, entries: Vec<Entry>) -> Result<(), LedgerError> {
        let Some(first) = entries.first() else { return Ok(()) };
        let head = Head::new(job.product().clone(), first.at);
        let Some(mut run) = Run::opened_by(first, job.id, head) else { return Ok(()) };
        run.engine.clone_from(&job.content.engine);
        if let Some(profile) = self.profile_told(job, first).await? {
            run.freeze(&profile.snapshot);
            if job.content.engine_class.is_none() {
                run.engine.get_or_insert_with(|| profile.snapshot.engine.clone());
            }
        }
        self.write_waiting_progress((job.id, run.attempt)).await?;
        let is_new = first.kind == EventType::Claimed;
        let told = RunCommand::Follow(entries);
        let opened = if is_new { self.open(&run, &told).await? } else { None };
        let done = match opened {
            Some(done) => done,
            None => self.commit(&self.runs, run, &told).await?,
        };
        match done {
            Outcome::Done(done) => {
                if done.record.ended_at.is_some() {
                    self.pace.forget((job.id, done.record.attempt));
                }
                Ok(())
            }
            Outcome::Rejected(_) => Err(LedgerError::CommitUnknown),
        }
    }

    /// What the claim wrote down that it runs; only its own entry tells of it.
    async fn profile_told(
        &self,
        job: &Job,
        entry: &Entry,
    ) -> Result<Option<Arc<Profile>>, LedgerError> {
        match &entry.data.profile {
            Some(claimed) => self.profile(job.product(), claimed).await,
            None => Ok(None),
        }
    }

    /// Most likely nobody has opened it yet, and then it need not be looked for. None if somebody
    /// has, or may have.
    async fn open(
        &self,
        run: &Run,
        told: &RunCommand,
    ) -> Result<Option<Outcome<Committed<Run>>>, LedgerError> {
        match self.runs.turn(None, || run.clone(), told, self.clock.now()).await? {
            Turn::Settled(outcome) => Ok(Some(outcome)),
            Turn::Again(_) => Ok(None),
        }
    }

    /// A page is the same whoever tells it, so that the stream may know it by its name.
    async fn publish(&self, page: &EventRecord) -> Result<(), LedgerError> {
        let body = serde_json::to_vec(page).expect("string keys and finite numbers encode");
        let subject = Subject::new(&page.head.product_id, Topic::Event(page.job_id));
        let told = self.bus.append(Message::new(subject, body), &page.id).await;
        told.map_err(LedgerError::BusAway)
    }

    /// A job that moved on meanwhile is trimmed when its own turn comes.
    pub(crate) async fn trim(&self, told: &Found<Job>) -> Result<(), LedgerError> {
        let job = &told.record;
        let Some(through) = job.outbox.last().map(|entry| entry.seq) else { return Ok(()) };
        let by = Actor::service("lease-keeper");
        let command = fleet::Command {
            by,
            given: fleet::Circumstances::default(),
            wish: Wish::Trim { through },
        };
        match self.jobs.turn(Some(told), || job.clone(), &command, self.clock.now()).await? {
            Turn::Settled(_) => {}
            Turn::Again(_) => self.is_due(job.product(), job.id),
        }
        Ok(())
    }
}
