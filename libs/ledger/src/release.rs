//! A holder lets go. One write of the job decides it; lease, run, locks and dependents follow.

use fleet::{Actor, Job, JobId, ProductId, RELEASE, Release, Wish};

use crate::Ledger;
use crate::course::Course;
use crate::outcome::{LedgerError, Outcome, stands};
use crate::refusal::Word;
use crate::table::Found;

impl Ledger {
    /// Goes on for as long as the epoch is the caller's own: losing to one's own renewal or patch
    /// never loses a completion.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat with the same operation id.
    pub async fn release(
        &self,
        product: &ProductId,
        job: JobId,
        release: Release,
    ) -> Result<Outcome<Found<Job>>, LedgerError> {
        let holding = release.holding.clone();
        let by = Actor::factory(&holding.factory_id);
        let mut course = Course::new(product, job, by, Wish::Release(Box::new(release)));
        match self.run(RELEASE, &mut course).await? {
            Outcome::Rejected(rejection) => {
                let word = Word { op: "release", product, job, caller: &holding };
                self.note_refusal(word, &rejection).await;
                Ok(Outcome::Rejected(rejection))
            }
            Outcome::Done(()) => Ok(stands(course.done)),
        }
    }
}
