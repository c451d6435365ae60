//! From a job's outbox to its log: the record of each event, the run it speaks of, the stream,
//! then the trim. A crash anywhere repeats what came before it, and each part is harmless to
//! repeat; an entry leaves the outbox only after all of it was told.

use std::collections::BTreeMap;

use bus::Message;
use fleet::{Actor, Entry, EventRecord, Head, Job, Run, RunCommand, Wish};
use futures_util::future::{try_join, try_join_all};
use protocol::{Subject, Topic};

use crate::Ledger;
use crate::commit::Turn;
use crate::outcome::{LedgerError, Outcome};
use crate::table::Written;

impl Ledger {
    /// Writes down everything that `job` has not told yet. It may have been told in part before.
    pub(crate) async fn record(&self, job: &Job) -> Result<(), LedgerError> {
        let records = job.outbox.iter().map(|entry| self.record_event(job, entry));
        try_join(try_join_all(records), self.tell_runs(job)).await?;
        Ok(())
    }

    /// In order, and only what can be looked up.
    pub(crate) async fn publish_all(&self, job: &Job) -> Result<(), LedgerError> {
        for entry in &job.outbox {
            self.publish(job, entry).await?;
        }
        Ok(())
    }

    async fn record_event(&self, job: &Job, entry: &Entry) -> Result<(), LedgerError> {
        let event = EventRecord::of(entry, job.id, job.product());
        match self.events.create(&event).await? {
            Written::Yes => Ok(()),
            // Told before, most likely; only a look can say so.
            Written::No if self.events.get(job.id, &event.id).await?.is_some() => Ok(()),
            Written::No | Written::Perhaps => Err(LedgerError::CommitUnknown),
        }
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
        self.write_waiting_progress((job.id, run.attempt)).await?;
        match self.commit(&self.runs, run, &RunCommand::Follow(entries)).await? {
            Outcome::Done(done) => {
                if done.record.ended_at.is_some() {
                    self.pace.forget((job.id, done.record.attempt));
                }
                Ok(())
            }
            Outcome::Rejected(_) => Err(LedgerError::CommitUnknown),
        }
    }

    async fn publish(&self, job: &Job, entry: &Entry) -> Result<(), LedgerError> {
        let event = EventRecord::of(entry, job.id, job.product());
        let body = serde_json::to_vec(&event).expect("string keys and finite numbers encode");
        let subject = Subject::new(job.product(), Topic::Event(job.id));
        let told = self.bus.append(Message::new(subject, body), &event.id).await;
        told.map_err(LedgerError::BusAway)
    }

    /// A job that moved on meanwhile is trimmed when its own turn comes.
    pub(crate) async fn trim(&self, told: &Job) -> Result<(), LedgerError> {
        let Some(through) = told.outbox.last().map(|entry| entry.seq) else { return Ok(()) };
        let found = self.jobs.get(told.product(), told.id).await?;
        let Some(found) = found else { return Ok(()) };
        if was_let_go(told, &found.record) {
            // Its lease may have been written as held after whoever ended the hold, perhaps in
            // another process, had looked at it.
            self.agenda.add(told.product().clone(), told.id);
        }
        let by = Actor::service("lease-keeper");
        let command = fleet::Command {
            by,
            given: fleet::Circumstances::default(),
            wish: Wish::Trim { through },
        };
        let job = || found.record.clone();
        match self.jobs.turn(Some(&found), job, &command, self.clock.now()).await? {
            Turn::Settled(_) => {}
            Turn::Again(_) => self.agenda.add(told.product().clone(), told.id),
        }
        Ok(())
    }
}

fn was_let_go(told: &Job, now: &Job) -> bool {
    let nonce = |job: &Job| job.holder().map(|holder| holder.nonce);
    nonce(told).is_some() && nonce(now) != nonce(told)
}
