//! Reads a history from its first line to its last and says what must not have been. Knows the
//! invariants; knows nothing of how the world was run, nor of what it was told to break.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use fleet::{JobId, StageName};
use uuid::Uuid;

use super::history::{Facts, Line, Op, Phase};
use super::known::Known;
use super::plan::TERMS;

/// The invariants, each under the words in which it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Check {
    LostUpdate,
    TwoHolders,
    EpochFalls,
    StaleWord,
    ShippedUndone,
    OldOffer,
    LiveLeaseTaken,
    Cycle,
    ToldItLost,
    AppliedButRefused,
    AcknowledgedButUndone,
    OtherContent,
    LostSubmission,
    TwoLocks,
    TooManySeats,
    FinalWordLost,
    NeverEnds,
    /// What the auditor says of the records.
    Records,
    /// What it says of the log: a gap, or numbers that nobody told.
    Log,
}

impl Check {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::LostUpdate => "a write upon an older version",
            Self::TwoHolders => "two holders in one epoch",
            Self::EpochFalls => "the epoch falls",
            Self::StaleWord => "accepted a word that was not the holder's",
            Self::ShippedUndone => "shipped, and then not",
            Self::OldOffer => "granted upon an old offer",
            Self::LiveLeaseTaken => "live lease taken",
            Self::Cycle => "admitted into a cycle",
            Self::ToldItLost => "holder told that it lost",
            Self::AppliedButRefused => "applied but refused",
            Self::AcknowledgedButUndone => "acknowledged but not done",
            Self::OtherContent => "granted other content than was written",
            Self::LostSubmission => "acknowledged submission lost",
            Self::TwoLocks => "two grants under one lock",
            Self::TooManySeats => "more work than seats",
            Self::FinalWordLost => "last word never said",
            Self::NeverEnds => "job never ends",
            Self::Records => "records contradict the invariants",
            Self::Log => "event log has a gap",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub check: Check,
    pub at: i64,
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.at, self.check.words(), self.what)
    }
}

pub(super) fn check(lines: &[Line]) -> Vec<Finding> {
    let mut checker = Checker::default();
    for (index, line) in lines.iter().enumerate() {
        checker.hear(line, index);
    }
    checker.close(lines.last().map_or(0, |line| line.at));
    checker.found
}

/// Who asked, for what, under which id.
type Asked = (Arc<str>, Op, Option<JobId>, Option<Uuid>);

#[derive(Default)]
struct Checker {
    jobs: BTreeMap<JobId, Known>,
    calls: BTreeMap<Asked, usize>,
    /// What was said under an operation's id; the epoch that a request had been offered.
    said: BTreeMap<Uuid, Facts>,
    working: BTreeMap<Arc<str>, BTreeSet<Uuid>>,
    unsaid: BTreeMap<Uuid, (i64, JobId)>,
    found: Vec<Finding>,
}

impl Checker {
    fn add(&mut self, check: Check, line: &Line) {
        self.found.push(Finding { check, at: line.at, what: line.to_string() });
    }

    fn hear(&mut self, line: &Line, index: usize) {
        match (line.op, line.phase) {
            (Op::Job, _) => self.hear_job(line, index),
            (Op::Lease, _) => self.hear_lease(line),
            (Op::Work, Phase::Call) => self.hear_work(line),
            (Op::Work, Phase::Ok | Phase::No | Phase::Unknown) => self.hear_rest(line),
            (Op::Finish, _) => {
                if let (Some(id), Some(job)) = (line.args.id, line.key) {
                    self.unsaid.insert(id, (line.at, job));
                }
            }
            (Op::Fate, _) => {}
            (_, Phase::Call) => {
                self.calls.insert(asked(line), index);
                if let Some(id) = line.args.id {
                    self.said.insert(id, line.args.clone());
                }
            }
            (_, Phase::Ok) => self.hear_yes(line),
            (_, Phase::No) => self.hear_no(line),
            (_, Phase::Unknown) => {}
        }
    }

    fn hear_job(&mut self, line: &Line, index: usize) {
        let Some(id) = line.key else { return };
        let known = self.jobs.entry(id).or_default();
        let mut broken = versions(known, line);
        let said = line.args.id.and_then(|id| self.said.get(&id));
        if let (Some(said), Some(before)) = (said, &known.now) {
            let claimed = line.result.nonce.is_some() && line.result.nonce != before.nonce;
            let offered = said.epoch.is_none_or(|seen| Some(seen + 1) == line.result.epoch);
            if claimed && !offered {
                broken.push(Check::OldOffer);
            }
            let own = (said.epoch, said.nonce) == (before.epoch, before.nonce)
                && said.factory == before.factory;
            if said.nonce.is_some() && !own {
                broken.push(Check::StaleWord);
            }
        }
        known.take(line, index);
        if !line.result.deps.is_empty() && self.waits_for_itself(id) {
            broken.push(Check::Cycle);
        }
        for check in broken {
            self.add(check, line);
        }
    }

    fn waits_for_itself(&self, origin: JobId) -> bool {
        let mut ahead = self.open_deps(origin);
        let mut seen = BTreeSet::new();
        while let Some(at) = ahead.pop() {
            if at == origin {
                return true;
            }
            if seen.insert(at) {
                ahead.extend(self.open_deps(at));
            }
        }
        false
    }

    fn open_deps(&self, id: JobId) -> Vec<JobId> {
        let open = self.jobs.get(&id).filter(|known| !known.has_ended());
        open.and_then(|known| known.now.as_ref()).map_or_else(Vec::new, |now| now.deps.clone())
    }

    /// Whoever takes a lease must have seen it silent for a term; a grant that was never
    /// confirmed goes back when its deadline is past.
    fn hear_lease(&mut self, line: &Line) {
        let Some(known) = line.key.and_then(|id| self.jobs.get_mut(&id)) else { return };
        let before = known.lease.replace((line.at, line.result.clone()));
        let Some((since, before)) = before else { return };
        let epoch = before.epoch;
        let ends =
            before.word.as_deref() == Some("Held") && line.result.word.as_deref() != Some("Held");
        let holds = known.now.as_ref().filter(|now| now.nonce.is_some() && now.epoch == epoch);
        if holds.filter(|_| ends).is_none() {
            return;
        }
        let age = u64::try_from(line.at - since).unwrap_or(0);
        let silent = age >= millis(TERMS.ttl + TERMS.reap_allowance);
        let grant = millis(TERMS.grant);
        let confirmed = known.confirmed_at.and_then(|at| u64::try_from(at - since).ok());
        let in_time = known.confirmed_at.is_some() && confirmed.is_none_or(|after| after < grant);
        let lapsed = before.number == Some(0) && age >= grant && !in_time;
        if !silent && !lapsed {
            self.add(Check::LiveLeaseTaken, line);
        }
    }

    fn hear_work(&mut self, line: &Line) {
        let open = self.working.entry(Arc::clone(&line.by)).or_default();
        open.extend(line.args.nonce.map(fleet::Nonce::uuid));
        if open.len() > 1 {
            self.add(Check::TooManySeats, line);
        }
    }

    fn hear_rest(&mut self, line: &Line) {
        let open = self.working.entry(Arc::clone(&line.by)).or_default();
        if let Some(nonce) = line.args.nonce {
            open.remove(&nonce.uuid());
        }
    }

    fn hear_yes(&mut self, line: &Line) {
        let Some(id) = line.key else { return };
        if let Some(id) = line.args.id {
            self.unsaid.remove(&id);
        }
        let Some(known) = self.jobs.get_mut(&id) else {
            return self.add(Check::LostSubmission, line);
        };
        match line.op {
            Op::Claim | Op::ClaimNext => self.hear_grant(line, id),
            Op::Release => {
                let shipped = line.args.word.as_deref() != Some("Ship")
                    || line.args.nonce.and_then(|nonce| known.ended.get(&nonce))
                        == Some(&StageName::Shipped);
                let applied = line.args.id.is_some_and(|id| known.applied.contains(&id));
                let ended = line.args.nonce.is_some_and(|nonce| known.ended.contains_key(&nonce));
                if !shipped || !(applied || ended) {
                    self.add(Check::AcknowledgedButUndone, line);
                }
            }
            Op::Submit
            | Op::Renew
            | Op::Patch
            | Op::Progress
            | Op::Operate
            | Op::Work
            | Op::Finish
            | Op::Job
            | Op::Lease
            | Op::Fate => {}
        }
    }

    fn hear_grant(&mut self, line: &Line, id: JobId) {
        let (Some(nonce), Some(known)) = (line.result.nonce, self.jobs.get_mut(&id)) else {
            return;
        };
        let Some((hash, _)) = known.claims.get(&nonce) else {
            return self.add(Check::AcknowledgedButUndone, line);
        };
        let same = *hash == line.result.hash;
        let first = known.by_epoch.get(&line.result.epoch.unwrap_or(0));
        let alone = first == Some(&(line.result.factory.clone(), nonce));
        known.granted.insert(nonce);
        let effective = known.nonce() == Some(nonce);
        if !same {
            self.add(Check::OtherContent, line);
        }
        if !alone {
            self.add(Check::TwoHolders, line);
        }
        let shared = self.jobs.iter().any(|(other, known)| {
            let effective = known.nonce().is_some_and(|nonce| known.granted.contains(&nonce));
            let locks = known.now.as_ref().map_or(&[][..], |now| &now.locks);
            *other != id && effective && locks.iter().any(|lock| line.result.locks.contains(lock))
        });
        if effective && shared {
            self.add(Check::TwoLocks, line);
        }
    }

    fn hear_no(&mut self, line: &Line) {
        if let Some(id) = line.args.id {
            self.unsaid.remove(&id);
        }
        let code = line.result.word.as_deref().unwrap_or_default();
        match line.op {
            Op::Claim => self.hear_refusal(line),
            Op::Renew | Op::Patch | Op::Progress | Op::Release => {
                let Some(known) = line.key.and_then(|id| self.jobs.get(&id)) else { return };
                let since = self.calls.get(&asked(line)).copied().unwrap_or(0);
                let disowned = matches!(
                    code,
                    "Fenced" | "EpochUnknown" | "LeaseNotHeld" | "NotFound" | "Conflict"
                );
                let own = known.is_held_by(&line.args) && known.held_since < since;
                let applied = line.args.id.is_some_and(|id| known.applied.contains(&id));
                if disowned && own {
                    self.add(Check::ToldItLost, line);
                }
                if applied && line.op == Op::Release {
                    self.add(Check::AppliedButRefused, line);
                }
            }
            // It said that there is nothing, while this very request had been given something.
            Op::ClaimNext => {
                let since = self.calls.get(&asked(line)).copied().unwrap_or(0);
                let id = line.args.id;
                let own = |known: &Known| {
                    id.is_some() && known.held_for() == id && known.held_since < since
                };
                if self.jobs.values().any(own) {
                    self.add(Check::ToldItLost, line);
                }
            }
            Op::Submit | Op::Operate | Op::Work | Op::Finish | Op::Job | Op::Lease | Op::Fate => {}
        }
    }

    /// A request that is refused because the job was taken, while it was this very request that
    /// took it.
    fn hear_refusal(&mut self, line: &Line) {
        let Some(known) = line.key.and_then(|id| self.jobs.get(&id)) else { return };
        let since = self.calls.get(&asked(line)).copied().unwrap_or(0);
        let code = line.result.word.as_deref().unwrap_or_default();
        let taken =
            ["Conflict/taken", "Conflict/lost", "Conflict/contended", "Conflict/epoch_moved"];
        let disowned = taken.contains(&code) || code.starts_with("NotFound");
        let own = line.args.id.is_some() && known.held_for() == line.args.id;
        // Somebody else had it meanwhile: then the refusal was true when it was decided.
        if disowned && own && !known.was_withheld(since) {
            self.add(Check::ToldItLost, line);
        }
    }

    fn close(&mut self, at: i64) {
        for (id, known) in &self.jobs {
            if !known.has_ended() {
                let what = format!("{id} stands at{}", known.now.clone().unwrap_or_default());
                self.found.push(Finding { check: Check::NeverEnds, at, what });
            }
        }
        for (id, (at, job)) in &self.unsaid {
            let what = format!("{id} about {job}");
            self.found.push(Finding { check: Check::FinalWordLost, at: *at, what });
        }
    }
}

fn asked(line: &Line) -> Asked {
    (Arc::clone(&line.by), line.op, line.key, line.args.id)
}

/// What one version may not be after the one before it.
fn versions(known: &Known, line: &Line) -> Vec<Check> {
    let mut broken = Vec::new();
    let new = &line.result;
    let (Some(epoch), Some(number)) = (new.epoch, new.number) else { return broken };
    if let (Some(nonce), Some(first)) = (new.nonce, known.by_epoch.get(&epoch))
        && *first != (new.factory.clone(), nonce)
    {
        broken.push(Check::TwoHolders);
    }
    let Some(before) = &known.now else { return broken };
    if before.number.is_some_and(|before| before + 1 != number) {
        broken.push(Check::LostUpdate);
    }
    if before.epoch > Some(epoch) {
        broken.push(Check::EpochFalls);
    }
    if before.stage == Some(StageName::Shipped) && new.stage != before.stage {
        broken.push(Check::ShippedUndone);
    }
    let fenced = before.nonce.is_some() && new.nonce.is_none() && before.epoch < Some(epoch);
    let for_silence = matches!(new.word.as_deref(), Some("Reap" | "Repair"));
    if fenced && for_silence && known.is_leased(before.epoch) {
        broken.push(Check::LiveLeaseTaken);
    }
    broken
}

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
