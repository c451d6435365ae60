//! Reads a history and says what must not have been. Knows the invariants; knows nothing of how
//! the fleet was run, nor of what befell it.

pub(crate) mod stock;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fleet::{JobId, StageName};

use crate::history::{Answer, Done, History, Holder, Said, Version, Word};

/// The invariants, each under the words in which it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    TwoHolders,
    EpochFalls,
    LostUpdate,
    StaleWrite,
    StaleRenewal,
    Ungranted,
    AcknowledgedButUndone,
    ShippedUndone,
    LostSubmission,
    NeverEnds,
    EventGap,
    Unwitnessed,
    NoZombie,
    /// What the product's own auditor says.
    Records,
    MissingBytes,
    OtherBytes,
    OrphanBytes,
    Undecided,
    OpenLog,
    TwoLogs,
    LostUpload,
    LostLines,
    /// The artifact service was asked, and never answered.
    Unaudited,
}

impl Check {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::TwoHolders => "two holders in one epoch",
            Self::EpochFalls => "the epoch falls",
            Self::LostUpdate => "a write upon an older version",
            Self::StaleWrite => "a write for somebody who was not the holder",
            Self::StaleRenewal => "a lease renewed for a holder that was none any more",
            Self::Ungranted => "a word accepted under a grant that was never written",
            Self::AcknowledgedButUndone => "a release acknowledged, and its holder still holds",
            Self::ShippedUndone => "shipped, and then not",
            Self::LostSubmission => "acknowledged submission lost",
            Self::NeverEnds => "job never ends",
            Self::EventGap => "the events have a gap",
            Self::Unwitnessed => {
                "a version that the witness did not see, though no server was killed"
            }
            Self::NoZombie => "no word of a fenced holder was refused: zombies were not tested",
            Self::Records => "verify found a violation",
            Self::MissingBytes => "a pointer without its bytes",
            Self::OtherBytes => "other bytes than their pointer tells",
            Self::OrphanBytes => "bytes without a pointer, after the sweep",
            Self::Undecided => "an upload that was neither finished nor given up, after the sweep",
            Self::OpenLog => "a log of an ended run that nobody closed",
            Self::TwoLogs => "two logs of one run",
            Self::LostUpload => "an upload that was acknowledged, and is gone",
            Self::LostLines => "lines that were acknowledged, and are in no log",
            Self::Unaudited => "artifacts were neither swept nor audited",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) job: Option<JobId>,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.check.words())?;
        if let Some(job) = self.job {
            write!(out, ", {job}")?;
        }
        if self.what.is_empty() { Ok(()) } else { write!(out, ": {}", self.what) }
    }
}

/// The witnesses hear of one write by two ways, and one of them may lag.
const WITNESSES_LAG: Duration = Duration::from_secs(3);

/// Everything that must not have been.
pub(crate) fn check(history: &History) -> Vec<Finding> {
    let mut checker = Checker { history, found: Vec::new(), job: None };
    for (job, versions) in &history.versions {
        checker.job = Some(*job);
        checker.look_at_versions(versions);
        checker.look_at_the_end(*job, versions);
        checker.look_at_events(*job, versions);
    }
    for said in &history.words {
        checker.job = Some(said.job);
        checker.look_at_word(said);
    }
    for (key, job) in &history.acknowledged {
        checker.job = Some(*job);
        if !history.at_the_end.contains_key(job) {
            checker.add(Check::LostSubmission, key.clone());
        }
    }
    checker.job = None;
    if !history.words.iter().any(Said::is_fenced) {
        checker.add(Check::NoZombie, String::new());
    }
    checker.found
}

/// Versions that must have been between those that were seen.
pub(crate) fn unseen(history: &History) -> u64 {
    let missing = |(job, versions): (&JobId, &Vec<Version>)| {
        let end = history.at_the_end.get(job).map_or(0, |version| version.rev);
        let seen = versions.len() as u64;
        end.max(versions.last().map_or(0, |version| version.rev)).saturating_sub(seen)
    };
    history.versions.iter().map(missing).sum()
}

struct Checker<'a> {
    history: &'a History,
    found: Vec<Finding>,
    job: Option<JobId>,
}

impl Checker<'_> {
    fn add(&mut self, check: Check, what: String) {
        self.found.push(Finding { check, job: self.job, what });
    }

    fn look_at_versions(&mut self, versions: &[Version]) {
        let mut holders: BTreeMap<u64, &Holder> = BTreeMap::new();
        for version in versions {
            let Some(holder) = &version.holder else { continue };
            let first = holders.entry(version.epoch).or_insert(holder);
            if *first != holder {
                self.add(Check::TwoHolders, version.to_string());
            }
        }
        for pair in versions.windows(2) {
            let [one, next] = pair else { continue };
            self.look_at_step(one, next);
        }
    }

    fn look_at_step(&mut self, one: &Version, next: &Version) {
        if next.epoch < one.epoch {
            self.add(Check::EpochFalls, next.to_string());
        }
        if one.stage == StageName::Shipped && next.stage != StageName::Shipped {
            self.add(Check::ShippedUndone, next.to_string());
        }
        if next.before != one.sequence {
            if !self.history.servers_killed {
                self.add(Check::Unwitnessed, next.to_string());
            }
            return;
        }
        if next.rev != one.rev + 1 {
            self.add(Check::LostUpdate, next.to_string());
        }
        let fresh = next.done.iter().filter(|done| !one.done.contains(done));
        let stale: Vec<&Done> = fresh.filter(|done| !self.is_holders(done, one)).collect();
        for done in stale {
            self.add(Check::StaleWrite, format!("{} upon {one}", done.id));
        }
    }

    /// Whether whoever did it held the job when it was done; others than factories need not.
    fn is_holders(&self, done: &Done, upon: &Version) -> bool {
        let Some(factory) = &done.factory else { return true };
        let Some(holder) = &upon.holder else { return false };
        let of_it = |said: &&Said| said.id.as_ref() == Some(&done.id);
        let nonces_agree =
            self.history.words.iter().filter(of_it).all(|said| said.nonce == holder.nonce);
        holder.factory == *factory && done.epoch == upon.epoch && nonces_agree
    }

    fn look_at_word(&mut self, said: &Said) {
        if said.answer != Some(Answer::Yes) {
            return;
        }
        let none = Vec::new();
        let versions = self.history.versions.get(&said.job).unwrap_or(&none);
        let granted = |version: &&Version| {
            let holder = version.holder.as_ref();
            version.epoch == said.epoch && holder.is_some_and(|h| h.nonce == said.nonce)
        };
        let held: Vec<&Version> = versions.iter().filter(granted).collect();
        let whole = versions.windows(2).all(|pair| pair[1].before == pair[0].sequence);
        if held.is_empty() && whole {
            self.add(Check::Ungranted, said.to_string());
        }
        match said.word {
            Word::Release => {
                let end = self.history.at_the_end.get(&said.job);
                if end.is_some_and(|end| granted(&end)) {
                    self.add(Check::AcknowledgedButUndone, said.to_string());
                }
            }
            Word::Renew => {
                let after = held.last().map(|last| last.sequence);
                let lost = versions.iter().find(|version| Some(version.sequence) > after);
                let long_lost = |lost: &Version| lost.at + WITNESSES_LAG < said.at;
                if after.is_some() && lost.is_some_and(long_lost) {
                    self.add(Check::StaleRenewal, said.to_string());
                }
            }
            Word::Patch => {}
        }
    }

    fn look_at_the_end(&mut self, job: JobId, versions: &[Version]) {
        let Some(end) = self.history.at_the_end.get(&job) else {
            return self.add(Check::LostSubmission, "its record is gone".to_owned());
        };
        if !end.stage.has_ended() {
            self.add(Check::NeverEnds, end.to_string());
        }
        if versions.last().is_some_and(|last| last.epoch > end.epoch || last.rev > end.rev) {
            self.add(Check::EpochFalls, format!("at the end {end}"));
        }
    }

    fn look_at_events(&mut self, job: JobId, versions: &[Version]) {
        let end = self.history.at_the_end.get(&job).or_else(|| versions.last());
        let events = end.map_or(0, |end| end.events);
        let none = std::collections::BTreeSet::new();
        let told = self.history.told.get(&job).unwrap_or(&none);
        let missing: Vec<u64> = (1..=events).filter(|number| !told.contains(number)).collect();
        let invented = told.iter().filter(|number| **number > events).count();
        if !missing.is_empty() || invented > 0 {
            self.add(Check::EventGap, format!("without {missing:?}, and {invented} too many"));
        }
    }
}
