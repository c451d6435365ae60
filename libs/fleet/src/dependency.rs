//! What a job waits for: how its dependencies stand, and whether waiting could ever end.

use std::collections::{BTreeMap, VecDeque};

use crate::content::DepsMode;
use crate::id::JobId;
use crate::stage::StageName;

/// The most jobs that one admission looks at.
pub const GRAPH_LIMIT: usize = 10_000;

/// How the dependencies of one job stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DepsView {
    /// Not satisfied, for whatever reason.
    pub unmet: Vec<JobId>,
    /// Of those, the ones that ended badly.
    pub bad: Vec<JobId>,
    /// The same, where the dependency is a child of this composite.
    pub bad_children: Vec<JobId>,
    /// Of the unmet, the ones that were never submitted.
    pub absent: Vec<JobId>,
}

impl DepsView {
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        self.unmet.is_empty()
    }
}

/// Whether a dependency at `stage` is good enough.
#[must_use]
pub fn satisfies(stage: StageName, mode: DepsMode) -> bool {
    match stage {
        StageName::Shipped => true,
        StageName::Testing => mode == DepsMode::Soft,
        StageName::Queued
        | StageName::Blocked
        | StageName::Assigned
        | StageName::Building
        | StageName::Review
        | StageName::Failed
        | StageName::DeadLetter => false,
    }
}

/// A walk over everything that a job waits for, one read at a time: take `next`, read that job,
/// hand its edges to `visit`, until there is no next. Iterative, so that depth costs no stack.
#[derive(Debug)]
pub struct Walk {
    origin: JobId,
    ahead: VecDeque<JobId>,
    /// Each job seen, with the one that led there.
    led_by: BTreeMap<JobId, JobId>,
    closed_by: Option<JobId>,
}

/// There are more than [`GRAPH_LIMIT`] jobs to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {GRAPH_LIMIT} jobs are reachable over dependencies")]
pub struct GraphTooLarge;

impl Walk {
    #[must_use]
    pub fn from(origin: JobId) -> Self {
        let ahead = VecDeque::from([origin]);
        Self { origin, ahead, led_by: BTreeMap::new(), closed_by: None }
    }

    /// The next job to read; none when the walk is over.
    #[expect(clippy::should_implement_trait, reason = "each step needs a read in between")]
    pub fn next(&mut self) -> Option<JobId> {
        if self.closed_by.is_some() { None } else { self.ahead.pop_front() }
    }

    /// # Errors
    /// The graph is too large to be judged.
    pub fn visit(&mut self, job: JobId, waits_for: &[JobId]) -> Result<(), GraphTooLarge> {
        for dep in waits_for {
            if *dep == self.origin {
                self.closed_by = Some(job);
                return Ok(());
            }
            if self.led_by.contains_key(dep) {
                continue;
            }
            self.led_by.insert(*dep, job);
            self.ahead.push_back(*dep);
        }
        if self.led_by.len() > GRAPH_LIMIT { Err(GraphTooLarge) } else { Ok(()) }
    }

    /// The way from the origin back to itself, both ends included, if there is one.
    #[must_use]
    pub fn cycle(&self) -> Option<Vec<JobId>> {
        let mut path = vec![self.origin];
        let mut at = self.closed_by?;
        while at != self.origin {
            path.push(at);
            at = *self.led_by.get(&at)?;
        }
        path.push(self.origin);
        path.reverse();
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> JobId {
        JobId::of(&"p".parse().unwrap(), &format!("k{n}").parse().unwrap())
    }

    fn walk(edges: &[(usize, usize)]) -> Option<Vec<JobId>> {
        let mut walk = Walk::from(id(0));
        while let Some(at) = walk.next() {
            let deps: Vec<JobId> =
                edges.iter().filter(|(from, _)| id(*from) == at).map(|(_, to)| id(*to)).collect();
            walk.visit(at, &deps).unwrap();
        }
        walk.cycle()
    }

    #[test]
    fn a_way_back_is_found_and_named() {
        assert_eq!(walk(&[(0, 0)]), Some(vec![id(0), id(0)]));
        assert_eq!(walk(&[(0, 1), (1, 0)]), Some(vec![id(0), id(1), id(0)]));
        assert_eq!(walk(&[(0, 1), (0, 2), (2, 3), (3, 0)]), Some(vec![id(0), id(2), id(3), id(0)]));
    }

    #[test]
    fn a_graph_without_way_back_is_content() {
        assert_eq!(walk(&[(0, 1), (0, 2), (1, 3), (2, 3)]), None);
        assert_eq!(walk(&[(1, 2), (2, 1), (0, 1)]), None);
    }

    #[test]
    fn a_chain_of_ten_thousand_neither_overflows_nor_is_believed() {
        let mut walk = Walk::from(id(0));
        let mut n = 0;
        let outcome = loop {
            let Some(at) = walk.next() else { break Ok(()) };
            n += 1;
            if let Err(error) = walk.visit(at, &[id(n)]) {
                break Err(error);
            }
        };
        assert_eq!(outcome, Err(GraphTooLarge));
    }
}
