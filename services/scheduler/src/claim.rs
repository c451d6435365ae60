//! A factory asks for work: the same grant if it asked before, else the best that fits, else it
//! waits a while for something that does.

use std::time::Duration;

use fleet::{Bidder, Epoch, JobId, MOST_ADVERTISED, Timestamp};
use ledger::{ClaimRequest, Grant, Outcome, is_of_a_gate, is_of_a_profile};
use node::{Asked, Served, problem_of};
use protocol::{ClaimWork, Code, Granted, JobView, Problem};

use crate::Scheduler;
use crate::belief::Wanted;

/// The longest that a claim is parked.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// What is left of a request's time for its grant to be written and to travel.
const ANSWER_TAKES: Duration = Duration::from_secs(2);
/// A renewal may be lost twice before the lease is.
const RENEWALS_PER_TERM: u32 = 3;
const STOP_MARGIN: Duration = Duration::from_secs(3);
/// What a claim that finds nothing still waits once another of its message was granted: jobs that
/// were submitted together are heard of together.
const A_MOMENT: Duration = Duration::from_millis(5);
/// Jobs that one request goes for before it says "nothing now".
const TRIES: usize = 5;
/// Jobs whose profiles turn out not to suit a factory, that a request looks behind at a time.
const MOST_UNSUITED: usize = 16;
/// Before a request goes again for what it was just refused; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a claim waits for a scheduler that has just started: one that was said before, for what
/// its factory holds, and a fresh one, so that a short queue's order is kept from the first claim on.
const LONGEST_READING: Duration = Duration::from_secs(5);
const FRESH_WAITS: Duration = Duration::from_secs(1);

/// What came of going for one job.
enum Went {
    Granted(Box<Grant>),
    /// Another claim was quicker, most likely through another scheduler.
    Lost,
    /// It waits for a lock or for money, and nobody took it.
    Barred,
    /// Its profile asks for an engine that this factory has not, or cannot be had.
    Unsuited,
}

/// What came of going for the best.
enum Tried {
    Granted(Box<Grant>),
    /// There were jobs, and none was given.
    Refused,
    Nothing,
}

impl Scheduler {
    pub(crate) async fn claim(self, asked: Asked<ClaimWork>) -> Served<ClaimWork> {
        if asked.ask.capabilities.len() > MOST_ADVERTISED {
            return Err(too_many_words(&asked));
        }
        self.knows_enough(&asked).await?;
        let bidder = self.bidder(&asked).await?;
        if let Some(grant) = self.granted_before(&asked, &bidder).await? {
            return Ok(Some(self.tell(&grant)));
        }
        let mut until = self.node.clock.now().plus(self.wait_of(&asked));
        let mut hastened = false;
        let mut pause = FIRST_PAUSE;
        let mut unsuited = Vec::new();
        loop {
            // Asked for before the look, so that no news falls between the two.
            let news = self.belief.news();
            let tried = self.go_for_the_best(&asked, &bidder, &mut unsuited).await?;
            let now = self.node.clock.now();
            let most = match &tried {
                Tried::Granted(grant) => return Ok(Some(self.tell(grant))),
                // What was refused is learnt again, and that is no news to whom it was refused.
                Tried::Refused => until.since(now).min(pause),
                Tried::Nothing => self.span_to(until, now),
            };
            if now >= until || self.node.tasks.is_stopping() {
                return self.nothing(&asked, &bidder).await;
            }
            let _parked = self.belief.park();
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => return self.nothing(&asked, &bidder).await,
                // Another claim of the same message has a job, and its lease does not wait for this.
                () = asked.company.hastens(), if !hastened => {
                    hastened = true;
                    until = until.min(self.node.clock.now().plus(A_MOMENT));
                }
                () = news, if matches!(tried, Tried::Nothing) => {}
                () = tokio::time::sleep(most) => {}
            }
            pause = if matches!(tried, Tried::Refused) {
                (pause * 2).min(LONGEST_PAUSE)
            } else {
                FIRST_PAUSE
            };
        }
    }

    /// Unless a copy of this request was granted meanwhile, by another scheduler.
    async fn nothing(&self, asked: &Asked<ClaimWork>, bidder: &Bidder) -> Served<ClaimWork> {
        let grant = self.granted_before(asked, bidder).await?;
        Ok(grant.map(|grant| self.tell(&grant)))
    }

    /// A repeated request is known by the jobs that its factory holds, so these come first. A fresh
    /// one has the best of what was read so far, however long the queue is.
    async fn knows_enough(&self, asked: &Asked<ClaimWork>) -> Result<(), Box<Problem>> {
        let fresh = asked.ask.fresh;
        let most = if fresh { FRESH_WAITS } else { LONGEST_READING };
        let left = asked.deadline.map(|until| until.since(self.node.clock.now()) / 2);
        let most = left.map_or(most, |left| left.min(most));
        let unread = || Err(Box::new(Problem::new(Code::Unavailable, asked.request_id)));
        tokio::select! {
            biased;
            () = self.belief.whole() => Ok(()),
            () = self.node.tasks.stopped() => unread(),
            () = tokio::time::sleep(most) => if fresh { Ok(()) } else { unread() },
        }
    }

    /// Not beyond the request's own deadline: a grant that nobody hears is a lost one.
    fn wait_of(&self, asked: &Asked<ClaimWork>) -> Duration {
        // A factory that died waits here for no longer than its jobs are still held: what is
        // taken back from it cannot be given to its own ghost.
        let longest = LONGEST_WAIT.min(self.ledger.terms().ttl * 2 / 3);
        let wished = Duration::from_millis(asked.ask.wait_ms).min(longest);
        let left = asked.deadline.map(|until| until.since(self.node.clock.now()));
        let left = left.map(|left| left - ANSWER_TAKES.min(left / 2));
        left.map_or(wished, |left| wished.min(left))
    }

    /// Until the request's end, or until something on the board falls due.
    fn span_to(&self, until: Timestamp, now: Timestamp) -> Duration {
        let due = self.belief.board().next_due();
        let next = due.map_or(until, |due| due.min(until));
        next.since(now).max(Duration::from_millis(1))
    }

    async fn bidder(&self, asked: &Asked<ClaimWork>) -> Result<Bidder, Box<Problem>> {
        let ask = &asked.ask;
        let known = self.ledger.factory(&asked.product, &ask.factory_id).await;
        let known = known.map_err(|error| problem_of(&error, asked.request_id))?;
        let now = self.node.clock.now();
        Ok(Bidder {
            factory: ask.factory_id.clone(),
            capabilities: ask.capabilities.clone(),
            engines: ask.engines.clone(),
            health: known.as_ref().map(|factory| factory.health).unwrap_or_default(),
            draining: known.as_ref().is_some_and(|factory| factory.draining),
            stale: known.as_ref().is_some_and(|factory| factory.is_stale(None, now)),
            free_seats: ask.free_seats,
        })
    }

    async fn granted_before(
        &self,
        asked: &Asked<ClaimWork>,
        bidder: &Bidder,
    ) -> Result<Option<Grant>, Box<Problem>> {
        let mine = Some(asked.ask.claim_request_id);
        let granted = self.belief.board().granted(&bidder.factory, asked.ask.claim_request_id);
        let Some(job) = granted else { return Ok(None) };
        let found = self.ledger.jobs.get(&asked.product, job).await;
        let found = found.map_err(|error| problem_of(&error, asked.request_id))?;
        match found.filter(|found| found.record.claim.claim_request_id == mine) {
            Some(found) => match self.go_for(asked, bidder, job, found.record.lease_epoch).await? {
                Went::Granted(grant) => Ok(Some(*grant)),
                Went::Lost | Went::Barred | Went::Unsuited => Ok(None),
            },
            None => Ok(None),
        }
    }

    async fn go_for_the_best(
        &self,
        asked: &Asked<ClaimWork>,
        bidder: &Bidder,
        unsuited: &mut Vec<JobId>,
    ) -> Result<Tried, Box<Problem>> {
        let (mut passed_over, mut tried) = (asked.ask.exclude.clone(), Tried::Nothing);
        passed_over.extend(unsuited.iter());
        let (mut lost, mut tries, most) = (false, 0, unsuited.len() + MOST_UNSUITED);
        while tries < TRIES && unsuited.len() < most {
            let now = self.node.clock.now();
            let wanted = Wanted { product: &asked.product, bidder, exclude: &passed_over, now };
            let among = |equals| if lost { self.any_of(equals) } else { 0 };
            let Some(best) = self.belief.take(&wanted, among) else { return Ok(tried) };
            // What was offered is given at the epoch that was offered, or not at all.
            let offered = asked.ask.offer.filter(|offer| offer.job_id == best.job);
            let epoch_seen = offered.map_or(best.epoch, |offer| offer.epoch_seen);
            let went = self.go_for(asked, bidder, best.job, epoch_seen).await;
            if let Ok(Went::Granted(grant)) = &went {
                self.belief.learn(&grant.job);
                self.offer(&grant.job);
            } else {
                self.look_at(&asked.product, best.job).await;
            }
            match went? {
                Went::Granted(grant) => return Ok(Tried::Granted(grant)),
                Went::Lost => (lost, tries) = (true, tries + 1),
                Went::Barred => tries += 1,
                // Others may be waiting behind it that this factory alone can do.
                Went::Unsuited => unsuited.push(best.job),
            }
            passed_over.push(best.job);
            tried = Tried::Refused;
        }
        Ok(tried)
    }

    /// One of so many, by chance.
    fn any_of(&self, equals: usize) -> usize {
        let last = u64::try_from(equals.saturating_sub(1)).unwrap_or_default();
        let drawn = self.node.ids.jitter(Duration::from_nanos(last)).as_nanos();
        usize::try_from(drawn).unwrap_or_default()
    }

    async fn go_for(
        &self,
        asked: &Asked<ClaimWork>,
        bidder: &Bidder,
        job: JobId,
        epoch_seen: Epoch,
    ) -> Result<Went, Box<Problem>> {
        let request = ClaimRequest {
            product: asked.product.clone(),
            job,
            bidder: bidder.clone(),
            request: asked.ask.claim_request_id,
            epoch_seen,
            deadline: asked.deadline.unwrap_or_else(|| self.node.clock.now().plus(LONGEST_WAIT)),
        };
        match Box::pin(self.ledger.claim(&request)).await {
            Ok(Outcome::Done(grant)) => Ok(Went::Granted(Box::new(grant))),
            Ok(Outcome::Rejected(no)) if is_of_a_gate(&no) => Ok(Went::Barred),
            Ok(Outcome::Rejected(no)) if is_of_a_profile(&no) => Ok(Went::Unsuited),
            // Taken or changed meanwhile: an expected no, and there are others.
            Ok(Outcome::Rejected(_)) => Ok(Went::Lost),
            Err(error) => Err(problem_of(&error, asked.request_id)),
        }
    }

    fn tell(&self, grant: &Grant) -> Granted {
        Granted {
            job: JobView::whole(&grant.job, ""),
            run_id: grant.holding.claim_nonce,
            attempt: grant.attempt,
            lease_epoch: grant.holding.lease_epoch,
            claim_nonce: grant.holding.claim_nonce,
            expires_at: grant.expires_at,
            ttl_sec: grant.ttl.as_secs(),
            renew_every_sec: (grant.ttl / RENEWALS_PER_TERM).as_secs(),
            stop_margin_sec: STOP_MARGIN.as_secs(),
            checkpoint: grant.job.checkpoint.clone(),
            profile_snapshot: grant.profile.as_ref().map(|profile| profile.snapshot.clone()),
            server_time: self.node.clock.now(),
        }
    }
}

fn too_many_words(asked: &Asked<ClaimWork>) -> Box<Problem> {
    let mut problem = Problem::new(Code::Validation, asked.request_id);
    problem.field = Some("capabilities".to_owned());
    problem.reason = Some("out_of_range".to_owned());
    problem.message = format!("at most {MOST_ADVERTISED} are advertised");
    Box::new(problem)
}
