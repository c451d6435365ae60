//! What would come of a submission, judged as it would be and without a write.

use std::collections::BTreeMap;

use fleet::{
    Accepted, Actor, Job, JobId, Key, ProductId, Rejection, Submitted, Walk, submit, waits_for,
};

use crate::Ledger;
use crate::outcome::LedgerError;
use crate::submit::ABSENT;

/// What a submission would come to.
#[derive(Clone, Debug)]
pub enum Foreseen {
    Created,
    Existing,
    Superseded,
    Conflict(Rejection),
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub outcome: Foreseen,
    /// The job as it would be, for judging who could run it.
    pub job: Job,
    /// Dependencies that nobody has submitted yet, and that are not its own children.
    pub unknown_deps: Vec<JobId>,
    /// The way from the job back to itself.
    pub cycle: Vec<Key>,
    /// The revision at which the job stands now, or `absent`.
    pub expect: String,
    /// What the submission would be refused or warned for beside that.
    pub warnings: Vec<&'static str>,
}

impl Ledger {
    /// # Errors
    /// The store is away.
    pub async fn plan(
        &self,
        product: &ProductId,
        accepted: &Accepted,
        by: &Actor,
    ) -> Result<Plan, LedgerError> {
        let found = self.jobs.get(product, accepted.job).await?;
        let expect = found.as_ref().map_or_else(|| ABSENT.to_owned(), |found| found.etag());
        let standing = found.map(|found| found.record);
        let now = self.clock.now();
        let would_be = || match submit(None, &accepted.content, product, by, now) {
            Ok(Submitted::Create(job)) => Some(*job),
            Ok(Submitted::Existing | Submitted::Supersede) | Err(_) => None,
        };
        let as_new = would_be().expect("a first submission creates");
        let judged = submit(standing.as_ref(), &accepted.content, product, by, now);
        let (outcome, job) = match (judged, standing) {
            (Ok(Submitted::Create(job)), _) => (Foreseen::Created, *job),
            (Ok(Submitted::Existing), Some(standing)) => (Foreseen::Existing, standing),
            (Ok(Submitted::Existing), None) => (Foreseen::Existing, as_new),
            (Ok(Submitted::Supersede), _) => (Foreseen::Superseded, as_new),
            (Err(rejection), _) => (Foreseen::Conflict(rejection), as_new),
        };
        let edges = Edges::of(accepted);
        let parent = accepted.content.parent_id;
        let mut warnings = Vec::new();
        if matches!(outcome, Foreseen::Existing) && job.stage.has_ended() {
            warnings.push("ended: use redrive");
        }
        if let Some(parent) = parent
            && self.jobs.get(product, parent).await?.is_none()
        {
            warnings.push("parent: it was never submitted");
        }
        let unknown_deps = self.unknown_deps(product, accepted).await?;
        let (cycle, is_too_large) = self.way_back(product, accepted.job, &edges).await?;
        if is_too_large {
            warnings.push("graph_too_large: it would be refused");
        }
        Ok(Plan { outcome, job, unknown_deps, cycle: cycle.unwrap_or_default(), expect, warnings })
    }

    /// The keys of the way by which a standing job waits for itself.
    ///
    /// # Errors
    /// The store is away.
    pub async fn cycle_of(&self, job: &Job) -> Result<Vec<Key>, LedgerError> {
        let edges = Edges::standing(job);
        let (cycle, _) = self.way_back(job.product(), job.id, &edges).await?;
        Ok(cycle.unwrap_or_default())
    }

    /// Dependencies that nobody has submitted, and that are not its own children. What was submitted
    /// once is never gone, so that nothing found here is missed by a later write.
    ///
    /// # Errors
    /// The store is away.
    pub async fn unknown_deps(
        &self,
        product: &ProductId,
        accepted: &Accepted,
    ) -> Result<Vec<JobId>, LedgerError> {
        let is_own = |id: &JobId| accepted.children.iter().any(|child| child.job == *id);
        let mut unknown = Vec::new();
        for id in accepted.content.dep_ids.iter().filter(|id| !is_own(id)) {
            if self.jobs.get(product, id).await?.is_none() {
                unknown.push(*id);
            }
        }
        Ok(unknown)
    }

    /// The way back, if there is one, and whether there is too much to look at.
    async fn way_back(
        &self,
        product: &ProductId,
        origin: JobId,
        edges: &Edges,
    ) -> Result<(Option<Vec<Key>>, bool), LedgerError> {
        let mut walk = Walk::from(origin);
        let mut keys = BTreeMap::new();
        while let Some(at) = walk.next() {
            let ahead = match edges.known.get(&at) {
                Some((key, ahead)) => {
                    keys.insert(at, key.clone());
                    ahead.clone()
                }
                None => match self.jobs.get(product, at).await? {
                    Some(found) => {
                        keys.insert(at, found.record.content.idempotency_key.clone());
                        edges.added_to(at, waits_for(&found.record))
                    }
                    None => Vec::new(),
                },
            };
            if walk.visit(at, &ahead).is_err() {
                return Ok((None, true));
            }
        }
        let named = |path: Vec<JobId>| path.iter().filter_map(|id| keys.get(id).cloned()).collect();
        Ok((walk.cycle().map(named), false))
    }
}

/// What waits for what beyond what is stored: the submission's own family.
struct Edges {
    known: BTreeMap<JobId, (Key, Vec<JobId>)>,
    /// A parent that stands will wait for this child too.
    adopted: Option<(JobId, JobId)>,
}

impl Edges {
    fn of(accepted: &Accepted) -> Self {
        let family = accepted.children.iter().chain(std::iter::once(accepted));
        let edge = |one: &Accepted| {
            (one.job, (one.content.idempotency_key.clone(), one.content.dep_ids.clone()))
        };
        let adopted = accepted.content.parent_id.map(|parent| (parent, accepted.job));
        Self { known: family.map(edge).collect(), adopted }
    }

    fn standing(job: &Job) -> Self {
        let own = (job.content.idempotency_key.clone(), waits_for(job));
        Self { known: BTreeMap::from([(job.id, own)]), adopted: None }
    }

    fn added_to(&self, job: JobId, mut ahead: Vec<JobId>) -> Vec<JobId> {
        ahead.extend(self.adopted.filter(|(parent, _)| *parent == job).map(|(_, child)| child));
        ahead
    }
}
