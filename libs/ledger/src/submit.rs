//! From a submission to a job that may be claimed. A job with dependencies is written first and
//! judged afterwards, so that of two submitters who close a cycle at least one sees the other.

use fleet::{
    Actor, Admission, Code, Content, FailureReason, Job, JobId, ProductId, Rejection, SUBMIT,
    Stage, Step, Submitted, Walk, Wish, submit, touched, waits_for,
};

use crate::Ledger;
use crate::commit::{Committed, Miss, Patience, Turn, too_busy};
use crate::course::{Course, Next};
use crate::outcome::{LedgerError, Outcome, Verdict, not_found};
use crate::table::{Found, Written};

/// What a submitter expects who believes that no job stands under the key.
pub const ABSENT: &str = "absent";

/// Who submits, and what they were told to stand under the key.
#[derive(Clone, Copy, Debug)]
pub struct Submitter<'a> {
    pub by: &'a Actor,
    /// The revision, or [`ABSENT`]; nothing said: whatever stands.
    pub expect: Option<&'a str>,
}

#[derive(Clone, Debug)]
pub struct Receipt {
    pub verdict: Verdict,
    pub job: Job,
    pub etag: String,
    /// Dependencies that nobody has submitted yet.
    pub unknown_deps: Vec<JobId>,
    pub warnings: Vec<&'static str>,
}

impl Ledger {
    /// Creates, finds or replaces the one job of this product and key. A child is also added to
    /// what its parent waits for.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known; the same submission may be repeated.
    pub async fn submit(
        &self,
        product: &ProductId,
        content: &Content,
        by: &Actor,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        self.submit_if(product, content, Submitter { by, expect: None }).await
    }

    /// The same, but refused if something else stands than the submitter expects.
    ///
    /// # Errors
    /// As for [`Ledger::submit`].
    pub async fn submit_if(
        &self,
        product: &ProductId,
        content: &Content,
        from: Submitter<'_>,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        match content.parent_id {
            Some(parent) => self.submit_child(product, parent, content, from).await,
            None => self.enter(SUBMIT, product, content, from).await,
        }
    }

    /// The protocol as far as `steps` go: a family is written before any of it is admitted.
    pub(crate) async fn enter(
        &self,
        steps: &[Step],
        product: &ProductId,
        content: &Content,
        from: Submitter<'_>,
    ) -> Result<Outcome<Receipt>, LedgerError> {
        let id = JobId::of(product, &content.idempotency_key);
        let wish = Wish::Supersede(Box::new(content.clone()));
        let mut course = Course::new(product, id, from.by.clone(), wish);
        course.expect = from.expect.map(str::to_owned);
        course.looks_first = course.expect.is_some();
        let entered = match self.run(steps, &mut course).await {
            Ok(Outcome::Rejected(rejection)) => Ok(Outcome::Rejected(rejection)),
            Ok(Outcome::Done(())) => self.receipt(&mut course).await,
            Err(error) => Err(error),
        };
        entered.map_err(|error| if course.may_have_entered() { error.amid() } else { error })
    }

    /// Judges an unadmitted job: the dependencies of a cycle are refused, all others admitted.
    ///
    /// # Errors
    /// The store is away, or the outcome cannot be known.
    pub async fn admit(
        &self,
        product: &ProductId,
        id: JobId,
        by: &Actor,
    ) -> Result<Outcome<()>, LedgerError> {
        let mut course = Course::new(product, id, by.clone(), Wish::Admit(Admission::Acyclic));
        self.run(&SUBMIT[1..], &mut course).await
    }

    async fn receipt(&self, course: &mut Course) -> Result<Outcome<Receipt>, LedgerError> {
        let entered = course.entered.take().filter(|entered| entered.record.admitted);
        let found = match entered {
            Some(entered) => Some(entered),
            None => self.jobs.get(&course.product, course.job).await?,
        };
        let Some(found) = found else { return Ok(not_found()) };
        let etag = found.etag();
        let job = found.record;
        let verdict = course.verdict.unwrap_or(Verdict::Existing);
        let ended = verdict == Verdict::Existing && job.stage.has_ended();
        let warnings = if ended { vec!["ended: use redrive"] } else { Vec::new() };
        let unknown_deps = self.deps(&job).await?.absent;
        Ok(Outcome::Done(Receipt { verdict, job, etag, unknown_deps, warnings }))
    }

    pub(crate) async fn create_job(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let mut patience = Patience::short();
        loop {
            let tried = self.try_to_create(course).await?;
            let blindly = !std::mem::replace(&mut course.looks_first, true);
            match tried {
                Ok(next) => return Ok(next),
                Err(Miss::Conflict) if blindly => {}
                Err(miss) if patience.again(miss, &*self.ids).await? => {}
                Err(_) => return Ok(Next::Refused(too_busy())),
            }
        }
    }

    async fn try_to_create(&self, course: &mut Course) -> Result<Result<Next, Miss>, LedgerError> {
        let Wish::Supersede(content) = &course.wish else { return Ok(Ok(Next::Enough)) };
        // Most keys are new: the write itself says which are not.
        let found = match course.looks_first {
            true => Box::pin(self.roomy_job(&course.product, course.job)).await?,
            false => None,
        };
        let standing = found.as_ref().map(|found| &found.record);
        // Our own write, whose answer was lost.
        let same = standing.filter(|job| job.content.content_hash == content.content_hash);
        let ours = same.and_then(|job| course.is_known_by(job));
        if let Some(verdict) = ours {
            return Ok(Ok(course.stands(verdict)));
        }
        // On the very version that the write below depends on.
        if let Some(rejection) = course.surprised_by(found.as_ref()) {
            return Ok(Ok(Next::Refused(rejection)));
        }
        let now = self.clock.now();
        match submit(standing, content, &course.product, &course.by, now) {
            Err(rejection) => Ok(Ok(Next::Refused(rejection))),
            Ok(Submitted::Existing) => Ok(Ok(course.stands(Verdict::Existing))),
            Ok(Submitted::Supersede) => match self.supersede(course, found.as_ref()).await? {
                Turn::Settled(outcome) => {
                    course.verdict = Some(Verdict::Superseded);
                    Ok(Ok(course.settle(outcome)))
                }
                Turn::Again(miss) => {
                    if miss == Miss::Unknown {
                        course.generation = standing.map(|job| job.generation + 1);
                    }
                    Ok(Err(miss))
                }
            },
            Ok(Submitted::Create(job)) => self.create(course, &touched(*job, now), found).await,
        }
    }

    async fn create(
        &self,
        course: &mut Course,
        job: &Job,
        rejected: Option<Found<Job>>,
    ) -> Result<Result<Next, Miss>, LedgerError> {
        Ok(match self.write_first(job, rejected.as_ref()).await? {
            Written::Yes(revision) => {
                self.is_due(&course.product, course.job);
                course.entered = Some(Found { record: job.clone(), revision });
                Ok(course.stands(Verdict::Created))
            }
            Written::No => Err(Miss::Conflict),
            Written::Perhaps => {
                self.is_due(&course.product, course.job);
                course.created = Some(job.head.created_at);
                Err(Miss::Unknown)
            }
        })
    }

    async fn write_first(
        &self,
        job: &Job,
        rejected: Option<&Found<Job>>,
    ) -> Result<Written, LedgerError> {
        match rejected {
            Some(rejected) => self.jobs.replace(job, &rejected.revision).await,
            None => self.jobs.create(job).await,
        }
    }

    async fn supersede(
        &self,
        course: &Course,
        found: Option<&Found<Job>>,
    ) -> Result<Turn<Job>, LedgerError> {
        match found {
            Some(found) => self.turn_on_job(found, &course.by, &course.wish).await,
            None => Ok(Turn::Again(Miss::Conflict)),
        }
    }

    /// Reads everything the job waits for. Unadmitted jobs count, unknown ones are leaves.
    pub(crate) async fn walk_graph(&self, course: &mut Course) -> Result<Next, LedgerError> {
        if course.entered.as_ref().is_some_and(|entered| entered.record.admitted) {
            return Ok(Next::Enough);
        }
        let Some(found) = self.jobs.get(&course.product, course.job).await? else {
            return Ok(Next::Enough);
        };
        let job = &found.record;
        if !job.admitted && job.stage == Stage::Failed(FailureReason::DependencyCycle) {
            // By a copy of this submission, or by us while the answer was lost.
            return Ok(Next::Refused(cyclic(job, course.cycle.take().unwrap_or_default())));
        }
        if job.admitted || job.stage != Stage::Blocked {
            return Ok(Next::Enough);
        }
        let mut walk = Walk::from(course.job);
        while let Some(at) = walk.next() {
            let edges = if at == course.job {
                waits_for(&found.record)
            } else {
                let node = self.jobs.get(&course.product, at).await?;
                node.map_or_else(Vec::new, |node| waits_for(&node.record))
            };
            if walk.visit(at, &edges).is_err() {
                let why = Rejection::new(Code::Validation).because("graph_too_large");
                return Ok(Next::Refused(why));
            }
        }
        course.cycle = walk.cycle();
        course.judged = Some(found);
        Ok(Next::On)
    }

    /// Conditional on the version that was walked from; if that moved, the walk begins again.
    pub(crate) async fn admit_job(&self, course: &mut Course) -> Result<Next, LedgerError> {
        let mut patience = Patience::short();
        while let Some(found) = course.judged.take() {
            let admission = course.cycle.clone().map_or(Admission::Acyclic, Admission::Cycle);
            let wish = Wish::Admit(admission);
            match self.turn_on_job(&found, &course.by, &wish).await? {
                Turn::Settled(outcome) => return Ok(course.admitted(outcome)),
                Turn::Again(miss) if patience.again(miss, &*self.ids).await? => {}
                Turn::Again(_) => {
                    return Ok(Next::Refused(Rejection::new(Code::ConcurrentUpdate)));
                }
            }
            if let Next::Refused(rejection) = Box::pin(self.walk_graph(course)).await? {
                return Ok(Next::Refused(rejection));
            }
        }
        Ok(Next::On)
    }

    /// A dependency that shipped between the look and the write is seen here.
    pub(crate) async fn look_again(&self, course: &mut Course) -> Result<Next, LedgerError> {
        self.settle_one(&course.product, course.job).await?;
        Ok(Next::On)
    }
}

/// The refusal of a submitter who was told of something else than what stands.
pub(crate) fn surprise(expect: &str, found: Option<&Found<Job>>) -> Option<Rejection> {
    let stands = found.map_or_else(|| ABSENT.to_owned(), Found::etag);
    if stands == expect {
        return None;
    }
    let no = Rejection::new(Code::Conflict).because("changed_since_plan");
    Some(match found {
        Some(found) => no.about(found.record.current()),
        None => no,
    })
}

impl Course {
    fn surprised_by(&self, found: Option<&Found<Job>>) -> Option<Rejection> {
        self.expect.as_deref().and_then(|expect| surprise(expect, found))
    }

    fn stands(&mut self, verdict: Verdict) -> Next {
        self.verdict = Some(verdict);
        Next::On
    }

    /// What `job` tells of our own write.
    fn is_known_by(&self, job: &Job) -> Option<Verdict> {
        if self.created == Some(job.head.created_at) {
            Some(Verdict::Created)
        } else if self.generation == Some(job.generation) {
            Some(Verdict::Superseded)
        } else {
            None
        }
    }

    /// A cycle is an answer that names the way round.
    fn admitted(&mut self, outcome: Outcome<Committed<Job>>) -> Next {
        let next = self.settle(outcome);
        let (Some(path), Some(done)) = (&self.cycle, &self.done) else { return next };
        Next::Refused(cyclic(&done.record, path.clone()))
    }
}

fn cyclic(job: &Job, path: Vec<JobId>) -> Rejection {
    let mut rejection = Rejection::new(Code::DependencyCycle).about(job.current());
    rejection.path = path;
    rejection
}
