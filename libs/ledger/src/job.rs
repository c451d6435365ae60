//! The commit loop for jobs: what a job's rules need to know beside the job is found out anew for
//! each version that is judged.

use fleet::{Actor, Circumstances, Command, DepsView, Jitter, Job, JobId, ProductId, Wish};

use crate::Ledger;
use crate::commit::{Committed, Miss, Patience, Turn};
use crate::outcome::{LedgerError, Outcome, not_found};
use crate::table::Found;

/// Chance is drawn as a share of this.
const WHOLE: std::time::Duration = std::time::Duration::from_secs(1);

/// Who wishes what of which job.
pub(crate) struct Ask<'a> {
    pub(crate) product: &'a ProductId,
    pub(crate) job: JobId,
    pub(crate) by: &'a Actor,
    pub(crate) wish: &'a Wish,
}

impl Ledger {
    /// One wish on one job, decided again for as long as `patience` lasts.
    pub(crate) async fn change(
        &self,
        ask: &Ask<'_>,
        mut patience: Patience,
    ) -> Result<Outcome<Committed<Job>>, LedgerError> {
        let mut lost_at = None;
        let mut guess = self.guessed_job(ask.product, ask.job);
        loop {
            let is_guess = guess.is_some();
            let found = match guess.take() {
                Some(guess) => Ok(Some(guess)),
                None => Box::pin(self.roomy_job(ask.product, ask.job)).await,
            };
            let found = found.map_err(|error| patience.told(error))?;
            let Some(found) = found else { return Ok(not_found()) };
            match lost_at.take() {
                None => {}
                Some(before) if patience.was_trim(before, found.record.event_seq) => {}
                Some(_) if patience.again(Miss::Conflict, &*self.ids).await? => continue,
                Some(_) => return Ok(Outcome::Rejected(too_busy(&found.record))),
            }
            let turn = Box::pin(self.turn_on_job(&found, ask.by, ask.wish)).await;
            match turn.map_err(|error| patience.told(error))? {
                turn if is_guess && turn.is_of_a_guess() => {}
                Turn::Settled(outcome) => return Ok(outcome),
                Turn::Again(Miss::Conflict) => lost_at = Some(found.record.event_seq),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(Outcome::Rejected(too_busy(&found.record))),
            }
        }
    }

    pub(crate) async fn turn_on_job(
        &self,
        found: &Found<Job>,
        by: &Actor,
        wish: &Wish,
    ) -> Result<Turn<Job>, LedgerError> {
        let job = &found.record;
        let given = self.circumstances(job, wish).await?;
        let command = Command { by: by.clone(), given, wish: wish.clone() };
        let turn = self.jobs.turn(Some(found), || job.clone(), &command, self.clock.now()).await?;
        match &turn {
            Turn::Settled(Outcome::Done(done)) => self.note_stop(job, &done.record, wish),
            Turn::Settled(Outcome::Rejected(_)) => {}
            Turn::Again(miss) => self.counts.miss(*miss),
        }
        if turn.may_have_written() {
            self.is_due(job.product(), job.id);
        }
        Ok(turn)
    }

    /// What the rules need to know and cannot see in the job.
    async fn circumstances(&self, job: &Job, wish: &Wish) -> Result<Circumstances, LedgerError> {
        let known = self.belief.of(job.product(), &*self.clock).await?;
        let ready = match wish {
            Wish::Settle(view) => view.is_satisfied(),
            // The new content may wait for the same jobs and yet ask more of them.
            Wish::Supersede(content) => {
                let next = Job { content: (**content).clone().into(), ..job.clone() };
                self.deps(&next).await?.is_satisfied()
            }
            Wish::Renew(_) | Wish::Trim { .. } | Wish::Purge | Wish::AddChildren(_) => true,
            Wish::Keep(_) | Wish::Remove(_) => true,
            Wish::Admit(_)
            | Wish::Claim(_)
            | Wish::Patch(_)
            | Wish::Release(_)
            | Wish::TakeBack(_)
            | Wish::Operate(_) => self.deps(job).await?.is_satisfied(),
        };
        Ok(Circumstances {
            ready,
            paused: known.product.paused,
            max_reaps: known.product.max_reaps,
            jitter: Jitter::of(self.ids.jitter(WHOLE), WHOLE),
            pointer: self.pointer_of(job, wish).await?,
        })
    }

    /// How the job's dependencies stand, each read on its own.
    pub(crate) async fn deps(&self, job: &Job) -> Result<DepsView, LedgerError> {
        let mut read = std::collections::BTreeMap::new();
        for id in &job.content.dep_ids {
            if let Some(found) = self.jobs.get(job.product(), id).await? {
                read.insert(*id, found.record);
            }
        }
        Ok(DepsView::of(job, |id| read.get(id)))
    }

    /// The job, with room for the events of one more write.
    pub(crate) async fn roomy_job(
        &self,
        product: &ProductId,
        id: JobId,
    ) -> Result<Option<Found<Job>>, LedgerError> {
        let found = self.jobs.get(product, id).await?;
        match found {
            Some(found) if !has_room(&found.record) => {
                Box::pin(self.follow(product, id)).await?;
                self.jobs.get(product, id).await
            }
            found => Ok(found),
        }
    }

    /// The same as it was seen last, for a first try.
    fn guessed_job(&self, product: &ProductId, id: JobId) -> Option<Found<Job>> {
        self.jobs.last_seen(product, id).filter(|found| has_room(&found.record))
    }
}

fn has_room(job: &Job) -> bool {
    job.outbox.len() + EVENTS_PER_WRITE <= fleet::OUTBOX_LIMIT
}

/// The most entries that one change can add.
const EVENTS_PER_WRITE: usize = 4;

fn too_busy(job: &Job) -> fleet::Rejection {
    crate::commit::too_busy().about(job.current())
}
