//! Read, decide, evolve, put if nothing changed. Every write of the ledger is made here, so that
//! the two answers that mislead, "conflict" and "unknown", are understood in one place: neither
//! means lost, both mean look again and let `decide` say whether it is already so.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use clock::Ids;
use fleet::{Code, Record, Rejection, Timestamp, touched};
use store::Revision;

use crate::Ledger;
use crate::kinds::Placed;
use crate::outcome::{LedgerError, Outcome};
use crate::table::{Found, Table, Written};

/// What a commit left behind. Without events it was already so.
#[derive(Clone, Debug)]
pub(crate) struct Committed<R: Record> {
    pub record: R,
    /// None of a record that is not there, and that it was already so without.
    pub revision: Option<Revision>,
    pub events: Vec<R::Event>,
}

impl<R: Record> Committed<R> {
    /// As it stands in the store.
    pub(crate) fn stored(self) -> Option<Found<R>> {
        let record = self.record;
        self.revision.map(|revision| Found { record, revision })
    }
}

/// One turn of the loop.
pub(crate) enum Turn<R: Record> {
    Settled(Outcome<Committed<R>>),
    Again(Miss),
}

impl<R: Record> Turn<R> {
    /// Whether the version that was judged may have been out of date: only a write shows that it
    /// was not, and one whose answer was lost is looked for anyway.
    pub(crate) fn is_of_a_guess(&self) -> bool {
        match self {
            Self::Settled(Outcome::Done(done)) => done.events.is_empty(),
            Self::Settled(Outcome::Rejected(_)) | Self::Again(Miss::Conflict) => true,
            Self::Again(Miss::Unknown) => false,
        }
    }

    /// Whether there may now be something for the followers to agree with.
    pub(crate) fn may_have_written(&self) -> bool {
        match self {
            Self::Settled(Outcome::Done(done)) => !done.events.is_empty(),
            Self::Settled(Outcome::Rejected(_)) | Self::Again(Miss::Conflict) => false,
            Self::Again(Miss::Unknown) => true,
        }
    }
}

/// Why a turn did not settle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    Conflict,
    Unknown,
}

impl<R> Table<R>
where
    R: Placed<Rejection = Rejection> + Clone,
{
    /// Decides on the very version that the write then depends on.
    pub(crate) async fn turn(
        &self,
        found: Option<&Found<R>>,
        absent: impl FnOnce() -> R,
        command: &R::Command,
        now: Timestamp,
    ) -> Result<Turn<R>, LedgerError> {
        let standing = found.map_or_else(absent, |found| found.record.clone());
        let events = match standing.decide(command, now) {
            Ok(events) => events,
            Err(rejection) => return Ok(Turn::Settled(Outcome::Rejected(rejection))),
        };
        if events.is_empty() {
            let revision = found.map(|found| found.revision.clone());
            let already = Committed { record: standing, revision, events };
            return Ok(Turn::Settled(Outcome::Done(already)));
        }
        let record = touched(events.iter().fold(standing, R::evolve), now);
        let written = match found {
            Some(found) => self.replace(&record, &found.revision).await?,
            None => self.create(&record).await?,
        };
        Ok(match written {
            Written::Yes(revision) => {
                let revision = Some(revision);
                Turn::Settled(Outcome::Done(Committed { record, revision, events }))
            }
            Written::No => Turn::Again(Miss::Conflict),
            Written::Perhaps => Turn::Again(Miss::Unknown),
        })
    }
}

/// How often a loop may begin again, and how long it waits before it does.
#[derive(Debug)]
pub(crate) struct Patience {
    conflicts_left: u32,
    unknowns_left: u32,
    trims_left: u32,
    /// Nobody said whether the last write happened.
    unsettled: bool,
    waits: ExponentialBackoff,
}

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const BRIEF_WAIT: Duration = Duration::from_millis(10);
/// A store that answers so seldom is away; the caller may repeat with the same id.
const UNKNOWNS: u32 = 8;
/// How often losing to the relay's trim is made good at once. It tells nothing and changes nothing
/// that a wish is judged by, so it is no contention, and its loser need not wait.
const TRIMS: u32 = 4;

impl Patience {
    /// Three attempts in all, then the caller is told to come again.
    pub(crate) fn short() -> Self {
        Self::of(2)
    }

    /// For a claim: there are other candidates.
    pub(crate) fn brief() -> Self {
        Self { waits: waits(BRIEF_WAIT), ..Self::of(2) }
    }

    /// For a holder's last word, which must not be lost to the holder's own other words.
    pub(crate) fn long() -> Self {
        Self::of(32)
    }

    fn of(conflicts: u32) -> Self {
        Self {
            conflicts_left: conflicts,
            unknowns_left: UNKNOWNS,
            trims_left: TRIMS,
            unsettled: false,
            waits: waits(FIRST_WAIT),
        }
    }

    /// A job's write lost to another one. `before` is the newest event of the version that was
    /// judged, `after` that of the version that stands now: if they are the same, it was a trim,
    /// and so many of those cost nobody a wait.
    pub(crate) fn was_trim(&mut self, before: u64, after: u64) -> bool {
        let trim = before == after && self.trims_left > 0;
        self.trims_left -= u32::from(trim);
        trim
    }

    /// What a caller is told whose loop cannot go on.
    pub(crate) fn told(&self, error: LedgerError) -> LedgerError {
        if self.unsettled { error.amid() } else { error }
    }

    /// Waits before the next turn, or says that there is none.
    pub(crate) async fn again(&mut self, miss: Miss, ids: &dyn Ids) -> Result<bool, LedgerError> {
        let left = match miss {
            Miss::Conflict => &mut self.conflicts_left,
            Miss::Unknown => &mut self.unknowns_left,
        };
        let Some(fewer) = left.checked_sub(1) else {
            return match miss {
                Miss::Conflict => Ok(false),
                Miss::Unknown => Err(LedgerError::CommitUnknown),
            };
        };
        *left = fewer;
        self.unsettled |= miss == Miss::Unknown;
        let wait = self.waits.next().unwrap_or(LONGEST_WAIT);
        // ±20 %, from the caller's source of chance, so that a seed repeats it.
        tokio::time::sleep(wait * 4 / 5 + ids.jitter(wait * 2 / 5)).await;
        Ok(true)
    }
}

fn waits(first: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(LONGEST_WAIT)
        .with_factor(2.0)
        .without_max_times()
        .build()
}

impl Ledger {
    /// One command on the record that `absent` names, which is made if it is not there.
    pub(crate) async fn commit<R>(
        &self,
        table: &Table<R>,
        absent: R,
        command: &R::Command,
    ) -> Result<Outcome<Committed<R>>, LedgerError>
    where
        R: Placed<Rejection = Rejection> + Clone,
    {
        let mut patience = Patience::short();
        let (partition, id) = absent.place();
        let mut guess = table.last_seen(&partition, &id);
        loop {
            let is_guess = guess.is_some();
            let found = match guess.take() {
                Some(guess) => Some(guess),
                None => table.get(&partition, &id).await?,
            };
            let now = self.clock.now();
            match table.turn(found.as_ref(), || absent.clone(), command, now).await? {
                turn if is_guess && turn.is_of_a_guess() => {}
                Turn::Settled(outcome) => return Ok(outcome),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Ok(Outcome::Rejected(too_busy())),
            }
        }
    }

    /// The same, but a record that is gone stays gone: nothing to do.
    pub(crate) async fn amend<R>(
        &self,
        table: &Table<R>,
        named: &R,
        command: &R::Command,
    ) -> Result<Outcome<()>, LedgerError>
    where
        R: Placed<Rejection = Rejection> + Clone,
    {
        let (partition, id) = named.place();
        if table.get(&partition, &id).await?.is_none() {
            return Ok(Outcome::Done(()));
        }
        Ok(self.commit(table, named.clone(), command).await?.map(|_| ()))
    }
}

/// The loop ran out of patience; the caller may repeat safely.
pub(crate) fn too_busy() -> Rejection {
    Rejection::new(Code::ConcurrentUpdate)
}
