//! Pointers to bytes. Whatever becomes visible or goes is told in the job's own write first, where
//! its holder's word counts; the pointer follows what the job tells, by whoever comes by. Knows
//! the pointer only: the bytes are the artifact service's.

use fleet::{
    Actor, Artifact, ArtifactCommand, ArtifactId, ArtifactKind, Circumstances, Code, Command,
    Described, EventType, Holding, Job, JobId, Keep, Pointer, ProductId, Record, Rejection,
    Removal, Wish,
};
use futures_util::future::try_join_all;

use crate::Ledger;
use crate::commit::{Miss, Patience, Turn};
use crate::job::Ask;
use crate::outcome::{LedgerError, Outcome, not_found};
use crate::refusal::Word;
use crate::table::{Found, Written};

/// Pointers of one job, whether their bytes came or not.
const MOST: usize = 1000;
/// Pointers read at once.
const AT_ONCE: usize = 32;

/// An artifact that somebody is about to bring.
#[derive(Clone, Debug)]
pub struct Bringing {
    pub job: JobId,
    pub described: Described,
    /// Absent where a person brings it.
    pub holding: Option<Holding>,
    /// A log of a run that has no say any more is kept apart instead of refused.
    pub quarantine: bool,
}

/// What was counted of the bytes of an artifact, and in whose name.
#[derive(Clone, Debug)]
pub struct Brought {
    pub artifact: ArtifactId,
    pub holding: Option<Holding>,
    pub size_bytes: u64,
    pub sha256: String,
}

/// Who removes an artifact, and why.
#[derive(Clone, Debug)]
pub struct Removing {
    pub by: Actor,
    /// Absent where a person or a sweep removes it.
    pub holding: Option<Holding>,
    /// Only while its bytes are still awaited.
    pub unless_ready: bool,
    pub reason: Option<String>,
}

impl Ledger {
    /// Makes the pointer that stands while its bytes are awaited.
    /// † made, and nothing is ever brought: a sweep removes it once it is old.
    ///
    /// # Errors
    /// The store is away.
    pub async fn begin_artifact(
        &self,
        product: &ProductId,
        bringing: Bringing,
    ) -> Result<Outcome<Artifact>, LedgerError> {
        let Bringing { job, described, holding, quarantine } = bringing;
        let may_be_apart = quarantine && described.kind() == ArtifactKind::Log;
        let found = self.jobs.get(product, job).await?.filter(|found| !found.record.purged);
        let Some(found) = found else { return Ok(not_found()) };
        let id = ArtifactId::new(job, self.ids.mint());
        let mut artifact = Artifact::pending(id, product.clone(), described, self.clock.now());
        if let Some(holding) = &holding {
            artifact = artifact.of_run(holding);
            match self.hear(&found.record, holding) {
                Ok(()) => {}
                Err(refused) if may_be_apart && is_stale(&refused) => {
                    artifact = artifact.set_apart();
                }
                Err(refused) => {
                    let noted = self.noted((product, job), holding, refused).await;
                    return Ok(Outcome::Rejected(noted));
                }
            }
        }
        self.make(&artifact).await?;
        // Counted with its own among them, so that two at the brink do not both stay.
        if self.artifacts.count_of(job, MOST).await? > MOST {
            self.drop_pointer(id).await?;
            let many = Rejection::new(Code::Conflict).because("too_many");
            return Ok(Outcome::Rejected(many.about(found.record.current())));
        }
        Ok(Outcome::Done(artifact))
    }

    /// Makes the pointer of bytes that are there visible. Said twice, it was so already.
    /// † told by the job, pointer still pending: the job's followers finish it, from any process.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat it.
    pub async fn keep_artifact(
        &self,
        product: &ProductId,
        brought: Brought,
    ) -> Result<Outcome<Artifact>, LedgerError> {
        let Brought { artifact: id, holding, size_bytes, sha256 } = brought;
        let Some(found) = self.artifact(product, id).await? else { return Ok(not_found()) };
        let pointer = found.record;
        let command = ArtifactCommand::Commit { size_bytes, sha256: sha256.clone() };
        match pointer.decide(&command, self.clock.now()) {
            Ok(events) if events.is_empty() => return Ok(Outcome::Done(pointer)),
            Ok(_) => {}
            Err(rejection) => return Ok(Outcome::Rejected(rejection)),
        }
        let is_told = match self.may_bring(&pointer, holding.as_ref()).await? {
            Ok(is_told) => is_told,
            Err(refused) => return Ok(Outcome::Rejected(refused)),
        };
        if !is_told && !pointer.is_apart() {
            let (size_bytes, digest) = (Some(size_bytes), Some(sha256));
            let mention = fleet::Mention { size_bytes, sha256: digest, ..pointer.mention() };
            let wish = Wish::Keep(Box::new(Keep { mention, holding: holding.clone() }));
            let by = actor(holding.as_ref());
            let said = self.tell((product, id.job()), (&by, holding.as_ref()), &wish).await?;
            if let Outcome::Rejected(rejection) = said {
                return Ok(Outcome::Rejected(rejection));
            }
        }
        self.ready(id, &command).await?;
        let kept = self.artifact(product, id).await?;
        let kept = kept.filter(|found| found.record.is_ready());
        Ok(kept.map_or_else(not_found, |found| Outcome::Done(found.record)))
    }

    /// Removes the pointer, and answers what it was, so that its bytes can go too.
    /// † told by the job, pointer still there: the job's followers remove it; † pointer gone, bytes
    /// still there: the sweep finds that nobody points to them.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; repeat it.
    pub async fn remove_artifact(
        &self,
        product: &ProductId,
        id: ArtifactId,
        removing: Removing,
    ) -> Result<Outcome<Artifact>, LedgerError> {
        let Some(found) = self.artifact(product, id).await? else { return Ok(not_found()) };
        let Removing { by, holding, unless_ready, reason } = removing;
        let job = self.jobs.get(product, id.job()).await?;
        // A stone tells nothing any more, and nobody asks it.
        if job.is_some_and(|job| !job.record.purged) {
            let mention = found.record.mention();
            let removal = Removal { mention, holding: holding.clone(), unless_ready, reason };
            let wish = Wish::Remove(Box::new(removal));
            let said = self.tell((product, id.job()), (&by, holding.as_ref()), &wish).await?;
            if let Outcome::Rejected(rejection) = said {
                return Ok(Outcome::Rejected(rejection));
            }
        }
        self.drop_pointer(id).await?;
        Ok(Outcome::Done(found.record))
    }

    /// The pointer of this id, if it is this product's.
    ///
    /// # Errors
    /// The store is away.
    pub async fn artifact(
        &self,
        product: &ProductId,
        id: ArtifactId,
    ) -> Result<Option<Found<Artifact>>, LedgerError> {
        let found = self.artifacts.get(id.job(), id).await?;
        Ok(found.filter(|found| found.record.head.product_id == *product))
    }

    /// Whether bytes may be brought to this pointer in this name, as the job stands now: true where
    /// the job told of them before, by a word that counted then, and only the pointer is behind.
    ///
    /// # Errors
    /// The store is away.
    pub async fn may_bring(
        &self,
        pointer: &Artifact,
        holding: Option<&Holding>,
    ) -> Result<Result<bool, Rejection>, LedgerError> {
        let (product, id) = (&pointer.head.product_id, pointer.job_id);
        let found = self.jobs.get(product, id).await?.filter(|found| !found.record.purged);
        let Some(found) = found else { return Ok(Err(Rejection::new(Code::NotFound))) };
        let job = &found.record;
        if !pointer.is_of(holding) {
            return Ok(Err(Rejection::new(Code::Fenced).about(job.current())));
        }
        if job.last_word_of(pointer.id) == Some(EventType::ArtifactAdded) {
            return Ok(Ok(true));
        }
        let Some(holding) = holding.filter(|_| !pointer.is_apart()) else { return Ok(Ok(false)) };
        match self.hear(job, holding) {
            Ok(()) => Ok(Ok(false)),
            Err(refused) => Ok(Err(self.noted((product, id), holding, refused).await)),
        }
    }

    /// How the pointers stand that a wish names.
    pub(crate) async fn pointer_of(&self, job: &Job, wish: &Wish) -> Result<Pointer, LedgerError> {
        match wish {
            Wish::Keep(keep) => self.standing(job, keep.mention.artifact_id).await,
            Wish::Remove(removal) => self.standing(job, removal.mention.artifact_id).await,
            Wish::Release(release) => {
                let mut worst = Pointer::Ready;
                for some in release.artifacts.chunks(AT_ONCE) {
                    let looks = some.iter().map(|id| self.finished(job, *id));
                    let stand = try_join_all(looks).await?;
                    worst = stand.into_iter().fold(worst, Pointer::max);
                }
                Ok(worst)
            }
            Wish::Admit(_)
            | Wish::Supersede(_)
            | Wish::Settle(_)
            | Wish::Claim(_)
            | Wish::Renew(_)
            | Wish::Patch(_)
            | Wish::TakeBack(_)
            | Wish::Operate(_)
            | Wish::AddChildren(_)
            | Wish::Trim { .. }
            | Wish::Purge => Ok(Pointer::Ready),
        }
    }

    /// Brings the pointers into agreement with what the job tells of them, in the order of its
    /// log. A word that is old by now changes nothing: a pointer that is gone never comes back.
    pub(crate) async fn agree_artifacts(&self, job: &Job) -> Result<(), LedgerError> {
        for entry in &job.outbox {
            let Some(mention) = &entry.data.artifact else { continue };
            let id = mention.artifact_id;
            if entry.kind == EventType::ArtifactDeleted {
                self.drop_pointer(id).await?;
            } else if let (Some(size_bytes), Some(sha256)) = (mention.size_bytes, &mention.sha256) {
                let sha256 = sha256.clone();
                self.ready(id, &ArtifactCommand::Commit { size_bytes, sha256 }).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn tell(
        &self,
        (product, job): (&ProductId, JobId),
        (by, holding): (&Actor, Option<&Holding>),
        wish: &Wish,
    ) -> Result<Outcome<()>, LedgerError> {
        let ask = Ask { product, job, by, wish };
        let outcome = Box::pin(self.change(&ask, Patience::long())).await?;
        match (outcome, holding) {
            (Outcome::Rejected(refused), Some(holding)) => {
                Ok(Outcome::Rejected(self.noted((product, job), holding, refused).await))
            }
            (outcome, _) => Ok(outcome.map(|_| ())),
        }
    }

    /// The job's own guard: the three by which every word of a holder is judged.
    pub(crate) fn hear(&self, job: &Job, holding: &Holding) -> Result<(), Rejection> {
        let by = Actor::factory(&holding.factory_id);
        let wish = Wish::Renew(holding.clone());
        let asked = Command { by, given: Circumstances::default(), wish };
        job.decide(&asked, self.clock.now()).map(|_| ())
    }

    pub(crate) async fn noted(
        &self,
        (product, job): (&ProductId, JobId),
        caller: &Holding,
        rejection: Rejection,
    ) -> Rejection {
        let word = Word { op: "artifact", product, job, caller };
        self.note_refusal(word, &rejection).await;
        rejection
    }

    /// An id that was never used: whoever finds it taken after a doubt finds its own.
    pub(crate) async fn make(&self, artifact: &Artifact) -> Result<(), LedgerError> {
        let mut patience = Patience::short();
        loop {
            match self.artifacts.create(artifact).await? {
                Written::Yes(_) | Written::No => return Ok(()),
                Written::Perhaps => patience.again(Miss::Unknown, &*self.ids).await?,
            };
        }
    }

    /// Only the pointer that is there: one that is gone stays gone.
    pub(crate) async fn ready(
        &self,
        id: ArtifactId,
        counted: &ArtifactCommand,
    ) -> Result<(), LedgerError> {
        let mut patience = Patience::long();
        loop {
            let Some(found) = self.artifacts.get(id.job(), id).await? else { return Ok(()) };
            let stands = || found.record.clone();
            let now = self.clock.now();
            match self.artifacts.turn(Some(&found), stands, counted, now).await? {
                Turn::Settled(_) => return Ok(()),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => return Err(LedgerError::CommitUnknown),
            }
        }
    }

    async fn drop_pointer(&self, id: ArtifactId) -> Result<(), LedgerError> {
        let mut patience = Patience::long();
        loop {
            let Some(found) = self.artifacts.get(id.job(), id).await? else { return Ok(()) };
            let miss = match self.artifacts.remove(&found).await? {
                Written::Yes(_) => return Ok(()),
                Written::No => Miss::Conflict,
                Written::Perhaps => Miss::Unknown,
            };
            if !patience.again(miss, &*self.ids).await? {
                return Err(LedgerError::CommitUnknown);
            }
        }
    }

    async fn standing(&self, job: &Job, id: ArtifactId) -> Result<Pointer, LedgerError> {
        let found = self.artifact(job.product(), id).await?;
        let of_this_job = found.filter(|found| found.record.job_id == job.id);
        Ok(match of_this_job {
            Some(found) if found.record.is_ready() => Pointer::Ready,
            Some(_) => Pointer::Pending,
            None => Pointer::Missing,
        })
    }

    /// The same, where what the job tells is as good as done.
    async fn finished(&self, job: &Job, id: ArtifactId) -> Result<Pointer, LedgerError> {
        match job.last_word_of(id) {
            Some(EventType::ArtifactAdded) => Ok(Pointer::Ready),
            Some(_) => Ok(Pointer::Missing),
            None => self.standing(job, id).await,
        }
    }
}

fn actor(holding: Option<&Holding>) -> Actor {
    holding.map_or_else(|| Actor::user("local"), |holding| Actor::factory(&holding.factory_id))
}

/// The run's time is over; another epoch that nobody has seen yet is no such case.
fn is_stale(refused: &Rejection) -> bool {
    matches!(refused.code, Code::Fenced | Code::LeaseNotHeld | Code::LeaseLost)
}
