//! Records that are no job's: made once, or changed by a command, by the same loop as everything
//! else. For those who own such records; tells nobody of them and follows nothing.

use std::fmt;
use std::sync::Arc;

use clock::{Clock, Ids};
use fleet::{Rejection, touched};
use store::Store;

use crate::commit::{Miss, Patience, Turn, too_busy};
use crate::kinds::Placed;
use crate::outcome::{LedgerError, Outcome, not_found, stands};
use crate::table::{Found, Table, Written};

/// One kind of record. Cheap to clone.
pub struct Register<R> {
    /// For reading.
    pub records: Table<R>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// What became of making a record.
#[derive(Clone, Debug)]
pub enum Made<R> {
    New(Found<R>),
    /// There was one already, and it is not the one that was to be made.
    There(Found<R>),
}

impl<R: Placed> Register<R> {
    #[must_use]
    pub fn over(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, ids: &Arc<dyn Ids>) -> Self {
        let records = Table::over(store, clock);
        Self { records, clock: Arc::clone(clock), ids: Arc::clone(ids) }
    }

    /// Makes a record unless there is one of its id. It must hold something that nobody else would
    /// write, so that a write whose answer was lost is recognised as one's own.
    ///
    /// # Errors
    /// The store is away, or did not say what became of it.
    pub async fn make(&self, record: R) -> Result<Made<R>, LedgerError> {
        let record = touched(record, self.clock.now());
        let (partition, id) = record.place();
        let mut patience = Patience::short();
        loop {
            if let Written::Yes(revision) = self.records.create(&record).await? {
                return Ok(Made::New(Found { record, revision }));
            }
            match self.records.get(&partition, &id).await? {
                Some(found) if found.record == record => return Ok(Made::New(found)),
                Some(found) => return Ok(Made::There(found)),
                None => patience.again(Miss::Unknown, &*self.ids).await?,
            };
        }
    }

    /// Removes a record that was read, if it has not changed since. Only for what may simply be
    /// gone, and whose id never comes again.
    ///
    /// # Errors
    /// The store is away.
    pub async fn remove(&self, found: &Found<R>) -> Result<(), LedgerError> {
        self.records.remove(found).await.map(|_| ())
    }
}

impl<R: Placed<Rejection = Rejection>> Register<R> {
    /// One command on a record that is there.
    ///
    /// # Errors
    /// The store is away, or did not say what became of it.
    pub async fn change(
        &self,
        partition: &str,
        id: &str,
        command: &R::Command,
    ) -> Result<Outcome<Found<R>>, LedgerError> {
        let mut patience = Patience::short();
        loop {
            let Some(found) = self.records.get(partition, id).await? else {
                return Ok(not_found());
            };
            match self.turn(&found, command).await? {
                Turn::Settled(Outcome::Done(done)) => return Ok(stands(Some(done))),
                Turn::Settled(Outcome::Rejected(why)) => return Ok(Outcome::Rejected(why)),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(Outcome::Rejected(too_busy())),
            }
        }
    }

    /// One command on the very version that was read, tried once, for what matters so little that
    /// it may as well not happen. Answers the version that stands now, where it is known.
    ///
    /// # Errors
    /// The store is away.
    pub async fn nudge(
        &self,
        found: &Found<R>,
        command: &R::Command,
    ) -> Result<Option<Found<R>>, LedgerError> {
        Ok(match self.turn(found, command).await? {
            Turn::Settled(Outcome::Done(done)) => done.stored(),
            Turn::Settled(Outcome::Rejected(_)) | Turn::Again(_) => None,
        })
    }

    async fn turn(&self, found: &Found<R>, command: &R::Command) -> Result<Turn<R>, LedgerError> {
        let absent = || found.record.clone();
        self.records.turn(Some(found), absent, command, self.clock.now()).await
    }
}

impl<R> Clone for Register<R> {
    fn clone(&self) -> Self {
        let (clock, ids) = (Arc::clone(&self.clock), Arc::clone(&self.ids));
        Self { records: self.records.clone(), clock, ids }
    }
}

impl<R> fmt::Debug for Register<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Register").field("records", &self.records).finish_non_exhaustive()
    }
}
