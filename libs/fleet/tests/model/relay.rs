//! The log and its followers: a job writes its events with itself, and relays carry them to the
//! event records and the runs. `OpenRun` and `CloseRun` are both one round of a relay.

use std::collections::BTreeMap;
use std::rc::Rc;

use fleet::{
    Circumstances, Command, Entry, EventType, Head, Job, Progress, Record, Run, RunCommand,
    RunResult, Wish,
};

use crate::cast::{
    coordinator, evolved, job_id, job_key, late, now, numbered, product, stage_word,
};
use crate::mutant::Mutant;
use crate::search::{Model, Moves, hash_of, wide_hash_of};

/// A job, what was said of it, and who is about to say it elsewhere.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) job: Rc<Job>,
    /// Event records by number.
    pub(crate) events: BTreeMap<u64, EventType>,
    pub(crate) runs: BTreeMap<u32, Rc<Run>>,
    relays: Vec<Relay>,
    /// Changes of the job that are still to come.
    pub(crate) changes: u8,
    crashes: u8,
    /// Reports on the way: number and percent; any order, any number of times.
    reports: u8,
    pub(crate) wrong: Option<String>,
    news: Vec<&'static str>,
}

/// One round: record the events, follow the runs, trim the outbox.
#[derive(Clone)]
struct Relay {
    entries: Rc<Vec<Entry>>,
    at: usize,
    decided: Option<Decided>,
}

#[derive(Clone)]
enum Decided {
    Run(u32, Rc<Run>),
    Trim(Rc<Job>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// All at once: each is created if absent, so that a round cut short is just repeated.
    Record,
    Follow(u32),
    Trim,
}

pub(crate) struct Relays {
    pub(crate) changes: u8,
    pub(crate) crashes: u8,
    pub(crate) reports: u8,
    /// Operators take part.
    pub(crate) people: bool,
    pub(crate) mutant: Option<Mutant>,
}

impl Relays {
    fn duties(&self, entries: &[Entry]) -> Vec<Duty> {
        let mut attempts: Vec<u32> = entries.iter().filter_map(|e| e.data.attempt).collect();
        attempts.dedup();
        // Attempt nought is a job that was never claimed.
        let follow = attempts.into_iter().filter(|attempt| *attempt > 0).map(Duty::Follow);
        if self.mutant == Some(Mutant::TrimBeforeTelling) {
            return [Duty::Trim, Duty::Record].into_iter().chain(follow).collect();
        }
        std::iter::once(Duty::Record).chain(follow).chain([Duty::Trim]).collect()
    }

    fn change(&self, at: &Log, out: &mut Moves<Log>) {
        for (what, by, wish, time) in at.possible(self.people) {
            let command = Command { by, given: Circumstances::default(), wish };
            let Ok(events) = at.job.decide(&command, time) else { continue };
            if events.is_empty() {
                continue;
            }
            let mut log = at.clone();
            log.changes -= 1;
            let next = evolved(&*at.job, &events, time);
            if let Err(gap) = numbered(&at.job, &next) {
                log.wrong = Some(gap);
            }
            log.job = Rc::new(next);
            log.job_moved(None);
            out.add(|| what.to_owned(), log);
        }
    }

    fn moves_of_relay(&self, at: &Log, r: usize, out: &mut Moves<Log>) {
        let relay = &at.relays[r];
        let duties = self.duties(&relay.entries);
        let Some(duty) = duties.get(relay.at) else { return };
        let mut log = at.clone();
        let what = match (duty, &relay.decided) {
            (Duty::Record, _) => {
                log.record(&relay.entries);
                log.relays[r].at += 1;
                "records them".into()
            }
            (Duty::Follow(attempt), None) => {
                self.decide_run(&mut log, r, *attempt);
                format!("reads run {attempt}")
            }
            (Duty::Trim, None) => {
                log.decide_trim(r);
                "reads the job".into()
            }
            (_, Some(Decided::Run(attempt, next))) => {
                log.write_run(r, *attempt, next);
                format!("writes run {attempt}")
            }
            (_, Some(Decided::Trim(next))) => {
                log.job = Rc::clone(next);
                log.relays[r].at += 1;
                log.relays[r].decided = None;
                log.job_moved(Some(r));
                "trims the outbox".into()
            }
        };
        log.relays.retain(|relay| relay.at < self.duties(&relay.entries).len());
        out.add(|| format!("relay of events {}: {what}", span(&relay.entries)), log);
        if at.crashes > 0 && relay.decided.is_none() && relay.at > 0 {
            let mut log = at.clone();
            log.crashes -= 1;
            log.relays.remove(r);
            out.add(|| format!("relay of events {}: dies", span(&relay.entries)), log);
        }
    }

    fn decide_run(&self, log: &mut Log, r: usize, attempt: u32) {
        let entries = (*log.relays[r].entries).clone();
        let first = entries.iter().find(|entry| entry.data.attempt == Some(attempt));
        let head = || Head::new(product(), now());
        let opened = || first.and_then(|entry| Run::opened_by(entry, job_id(0), head()));
        let standing = log.runs.get(&attempt).map(|run| (**run).clone());
        let Some(mut run) = standing.or_else(opened) else {
            log.relays[r].at += 1;
            return;
        };
        if self.mutant == Some(Mutant::RunFollowsBlindly) {
            run.told_through = 0;
            run.result = None;
        }
        let events = run.decide(&RunCommand::Follow(entries), now()).unwrap_or_default();
        if events.is_empty() && log.runs.contains_key(&attempt) {
            log.relays[r].at += 1;
        } else {
            let next = Rc::new(evolved(&run, &events, now()));
            log.relays[r].decided = Some(Decided::Run(attempt, next));
        }
    }
}

impl Log {
    /// Whoever decided on the former job has lost.
    fn job_moved(&mut self, by: Option<usize>) {
        for (other, relay) in self.relays.iter_mut().enumerate() {
            if Some(other) != by && matches!(relay.decided, Some(Decided::Trim(_))) {
                relay.decided = None;
            }
        }
    }

    fn record(&mut self, entries: &[Entry]) {
        for entry in entries {
            let stands = *self.events.entry(entry.seq).or_insert(entry.kind);
            if stands != entry.kind {
                self.wrong = Some("I17: an event record differs from the log".into());
            }
        }
    }

    fn decide_trim(&mut self, r: usize) {
        let through = self.relays[r].entries.last().map_or(0, |entry| entry.seq);
        let given = Circumstances::default();
        let command = Command { by: coordinator(), given, wish: Wish::Trim { through } };
        let events = self.job.decide(&command, now()).unwrap_or_default();
        if events.is_empty() {
            self.relays[r].at += 1;
        } else {
            let next = Rc::new(evolved(&*self.job, &events, now()));
            self.relays[r].decided = Some(Decided::Trim(next));
        }
    }

    fn write_run(&mut self, r: usize, attempt: u32, next: &Rc<Run>) {
        self.judge_run(attempt, next);
        self.runs.insert(attempt, Rc::clone(next));
        self.relays[r].at += 1;
        self.relays[r].decided = None;
        self.run_moved(attempt, Some(r));
    }

    fn run_moved(&mut self, attempt: u32, by: Option<usize>) {
        for (other, relay) in self.relays.iter_mut().enumerate() {
            let same = matches!(relay.decided, Some(Decided::Run(theirs, _)) if theirs == attempt);
            if Some(other) != by && same {
                relay.decided = None;
            }
        }
    }

    fn judge_run(&mut self, attempt: u32, next: &Run) {
        let Some(old) = self.runs.get(&attempt) else { return };
        let kept = old.result.is_none() || old.result == next.result;
        let numbers =
            |run: &Run| run.progress.as_ref().map_or((0, 0), |was| (was.seq, was.percent));
        let (before, after) = (numbers(old), numbers(next));
        let wrong = if !kept {
            Some("I13: the result of a run changed")
        } else if old.run_id != next.run_id {
            Some("I12: two claims share a run")
        } else if after.0 < before.0 || after.1 < before.1 {
            Some("I14: a run's progress fell")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.wrong = Some(wrong.into());
        }
    }

    /// Two reports, whose number and percent disagree about which is further.
    fn reports(&self, out: &mut Moves<Self>) {
        for attempt in self.runs.keys() {
            self.report(*attempt, 1, 50, out);
            self.report(*attempt, 2, 30, out);
        }
    }

    fn report(&self, attempt: u32, seq: u64, percent: u8, out: &mut Moves<Self>) {
        let run = &self.runs[&attempt];
        let progress = Progress { percent, step: None, message: None, seq, at: now() };
        let events = run.decide(&RunCommand::Progress(progress), now()).unwrap_or_default();
        if events.is_empty() {
            return;
        }
        let mut log = self.clone();
        log.reports -= 1;
        let next = Rc::new(evolved(&**run, &events, now()));
        log.judge_run(attempt, &next);
        log.runs.insert(attempt, next);
        log.run_moved(attempt, None);
        out.add(|| format!("report {seq} says {percent} %"), log);
    }

    fn lost_event(&self) -> Option<u64> {
        let waits = |seq: &u64| self.job.outbox.iter().any(|entry| entry.seq == *seq);
        let known = |seq: &u64| self.events.contains_key(seq) || waits(seq);
        (1..=self.job.event_seq).find(|seq| !known(seq))
    }

    /// Once everything was told, the runs say what the job says.
    fn check_told(&self) -> Result<(), String> {
        if !self.job.outbox.is_empty() || !self.relays.is_empty() {
            return Ok(());
        }
        if self.runs.len() != self.job.attempts as usize {
            return Err("I12: there are not as many runs as attempts".into());
        }
        let open = self.runs.iter().filter(|(_, run)| run.result.is_none());
        let rests = self.job.holder().is_some() || self.job.stage.is_parked();
        for (attempt, _) in open {
            if *attempt != self.job.attempts || !rests {
                return Err(format!("run {attempt} never got a result"));
            }
        }
        let newest = self.runs.get(&self.job.attempts).and_then(|run| run.result);
        if newest.is_some() && newest != self.job.claim.last_result {
            return Err("I13: the newest run and its job tell different ends".into());
        }
        Ok(())
    }
}

impl Model for Relays {
    type State = Log;

    fn start(&self) -> Log {
        Log {
            job: Rc::new(crate::cast::submitted(&crate::cast::content(0, 1, &[]))),
            events: BTreeMap::new(),
            runs: BTreeMap::new(),
            relays: Vec::new(),
            changes: self.changes,
            crashes: self.crashes,
            reports: self.reports,
            wrong: None,
            news: Vec::new(),
        }
    }

    fn moves(&self, at: &Log, out: &mut Moves<Log>) {
        if at.changes > 0 {
            self.change(at, out);
        }
        if at.reports > 0 {
            at.reports(out);
        }
        if at.relays.len() < 2 && !at.job.outbox.is_empty() {
            let mut log = at.clone();
            let entries = Rc::new(at.job.outbox.clone());
            let label = span(&entries);
            log.relays.push(Relay { entries, at: 0, decided: None });
            log.news.extend((log.relays.len() == 2).then_some("two relays at once"));
            out.add(|| format!("a relay finds events {label}"), log);
        }
        for r in 0..at.relays.len() {
            self.moves_of_relay(at, r, out);
        }
        out.hear(|log| {
            let closed = |run: &Rc<Run>| run.result == Some(RunResult::LeaseExpired);
            let reaped = log.runs.values().any(closed).then_some("a run was closed by a reap");
            let second = (log.runs.len() == 2).then_some("a second run was opened");
            let news = std::mem::take(&mut log.news);
            news.into_iter().chain(reaped).chain(second).collect()
        });
    }

    fn key(&self, state: &Log) -> u128 {
        let outbox: Vec<(u64, u8)> =
            state.job.outbox.iter().map(|entry| (entry.seq, entry.kind as u8)).collect();
        let relays = state.relays.iter().map(|relay| {
            let seqs = relay.entries.first().zip(relay.entries.last());
            let seqs = seqs.map(|(first, last)| (first.seq, last.seq));
            let decided = match &relay.decided {
                None => (0, 0, 0),
                Some(Decided::Run(attempt, run)) => (1, *attempt, run_key(run)),
                Some(Decided::Trim(_)) => (2, 0, 0),
            };
            hash_of(&(seqs, relay.at, decided))
        });
        let mut relays: Vec<u64> = relays.collect();
        relays.sort_unstable();
        let runs: Vec<(u32, u64)> =
            state.runs.iter().map(|(attempt, run)| (*attempt, run_key(run))).collect();
        let events: Vec<u64> = state.events.keys().copied().collect();
        let counts = (state.changes, state.crashes, state.reports, &state.wrong);
        let job = (job_key(&state.job), state.job.event_seq, state.job.head.updated_at == late());
        wide_hash_of(&(job, outbox, relays, runs, events, counts))
    }

    fn check(&self, state: &Log) -> Result<(), String> {
        if let Some(wrong) = &state.wrong {
            return Err(wrong.clone());
        }
        if let Some(seq) = state.lost_event()
            && state.relays.is_empty()
        {
            return Err(format!("L4: event {seq} is lost"));
        }
        state.check_told()
    }

    fn show(&self, state: &Log) -> String {
        let runs = state.runs.iter().map(|(attempt, run)| {
            let result = run.result.map_or_else(|| "open".to_owned(), |was| format!("{was:?}"));
            format!("; run {attempt} {result}")
        });
        let runs = runs.collect::<String>();
        let (word, last) = (stage_word(&state.job.stage), state.job.event_seq);
        let waiting = state.job.outbox.len();
        format!("job {word}, {last} events, {waiting} untold{runs}")
    }
}

fn run_key(run: &Run) -> u64 {
    let progress = run.progress.as_ref().map(|was| (was.seq, was.percent));
    let ended =
        (run.result.map(|was| was as u8), run.ended_at.is_some(), run.building_at.is_some());
    hash_of(&(run.run_id, run.told_through, ended, progress))
}

fn span(entries: &[Entry]) -> String {
    let number = |entry: Option<&Entry>| entry.map_or(0, |entry| entry.seq);
    format!("{} to {}", number(entries.first()), number(entries.last()))
}
