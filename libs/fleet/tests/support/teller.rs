//! Tells a story to a small world, line by line.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{
    Action, Actor, Cause, Checkpoint, Disposition, Holding, Insights, Job, JobId, MicroUsd, OpId,
    Rejection, StageName, VerifyResult, Violation, Wish,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::{World, bidder, content, factory, job_id, patch, release};

const ARROW: &str = " → ";
const COLUMN: usize = 44;

pub(crate) struct Teller {
    world: World,
    /// Every claim's holding, by job and factory, the newest last.
    holdings: BTreeMap<(JobId, String), Vec<Holding>>,
    ops: BTreeMap<String, OpId>,
    /// The number of the last event that was shown, by key.
    shown: BTreeMap<String, u64>,
}

/// What a line says besides its verb: plain words, and `name=value`.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl Teller {
    pub(crate) fn new() -> Self {
        let world = World::new();
        Self { world, holdings: BTreeMap::new(), ops: BTreeMap::new(), shown: BTreeMap::new() }
    }

    /// The line with its answer; none for a line that is an answer itself.
    pub(crate) fn tell(&mut self, line: &str) -> Option<String> {
        if line.starts_with("    ") {
            return None;
        }
        let said = line.split_once(ARROW).map_or(line, |(said, _)| said).trim_end();
        if said.is_empty() || said.starts_with('#') {
            return Some(format!("{said}\n"));
        }
        let (clock, command) = match said.strip_prefix('+') {
            Some(rest) => rest.split_once(' ').unwrap_or((rest, "")),
            None => ("", said),
        };
        self.world.pass(seconds(clock));
        if command.is_empty() {
            self.world.settle_all();
            return Some(format!("{said}\n"));
        }
        let answer = self.answer(command.trim());
        Some(format!("{said:<COLUMN$}{ARROW}{answer}\n{}", self.news()))
    }

    pub(crate) fn audit(&mut self) -> Vec<Violation> {
        let mut violations = self.world.audit();
        for id in self.world.jobs.keys().copied().collect::<Vec<_>>() {
            self.world.relay(id);
        }
        violations.extend(self.world.audit());
        violations
    }

    fn answer(&mut self, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let key = rest.split(' ').next().unwrap_or("");
        let id = job_id(key);
        if verb == "submit" {
            let fields = rest.strip_prefix(key).unwrap_or("").trim();
            let fields = if fields.is_empty() { "{}" } else { fields };
            let outcome = self.world.submit(content(key, &read::<Value>(fields)));
            return self.said(id, outcome.map(str::to_owned));
        }
        let words = Words::of(rest.strip_prefix(key).unwrap_or(""));
        let outcome = match verb {
            "claim" => self.claim(id, &words),
            "lease" => Ok(self.lease(id, &words)),
            "patch" => self.patch(id, &words),
            "release" => self.release(id, &words),
            "renew" => {
                let holding = self.holding(id, &words);
                self.world.renew(id, &holding).map(facts)
            }
            "reap" => Ok(taken(self.world.reap(id))),
            "repair" => Ok(taken(self.world.repair(id))),
            "back" => Ok(facts(self.world.take_back(id, cause(words.plain[0])))),
            "children" => self.children(id, &words),
            "relay" => {
                self.world.relay(id);
                Ok("recorded".to_owned())
            }
            "purge" => self.world.ask(id, Actor::service("sweep"), Wish::Purge).map(facts),
            "show" => Ok(shown(self.world.job(id))),
            operation => {
                let op = self.op(&words);
                self.world.operate(id, action(operation), op).map(facts)
            }
        };
        self.said(id, outcome)
    }

    fn claim(&mut self, id: JobId, words: &Words<'_>) -> Result<String, Rejection> {
        let holding = self.world.claim(id, &bidder(words.by()))?;
        if !words.plain.contains(&"unconfirmed") {
            self.world.hold_lease(id, &holding);
        }
        self.holdings.entry((id, words.by().to_owned())).or_default().push(holding);
        Ok("granted".to_owned())
    }

    /// The follower of a claim, late.
    fn lease(&mut self, id: JobId, words: &Words<'_>) -> String {
        let holding = self.holding(id, words);
        self.world.hold_lease(id, &holding);
        let held = self.world.leases[&id].is_held_for(holding.lease_epoch);
        if held { "held".to_owned() } else { "not held".to_owned() }
    }

    fn patch(&mut self, id: JobId, words: &Words<'_>) -> Result<String, Rejection> {
        let holding = self.holding(id, words);
        let op = self.op(words);
        let stage = words.plain.first().map(|stage| read::<StageName>(&format!("\"{stage}\"")));
        let mut patch = patch(&holding, op, stage);
        patch.checkpoint = words.checkpoint();
        patch.verify = words.verdict();
        patch.insights = words.insights();
        patch.note = words.named.get("note").map(|&note| note.to_owned());
        self.world.patch(id, patch).map(facts)
    }

    fn release(&mut self, id: JobId, words: &Words<'_>) -> Result<String, Rejection> {
        let holding = self.holding(id, words);
        let op = self.op(words);
        let how = words.plain.first().map(|how| read::<Disposition>(&format!("\"{how}\"")));
        let mut release = release(&holding, op, how);
        release.result = words.named.get("result").map(|result| read(&format!("\"{result}\"")));
        release.checkpoint = words.checkpoint();
        release.verify = words.verdict();
        release.insights = words.insights();
        self.world.release(id, release).map(facts)
    }

    fn children(&mut self, id: JobId, words: &Words<'_>) -> Result<String, Rejection> {
        let children = words.plain.iter().map(|key| job_id(key)).collect();
        let wish = Wish::AddChildren(children);
        self.world.ask(id, Actor::service("submit"), wish).map(facts)
    }

    /// `by f1` is its newest claim, `by f1#1` its first.
    fn holding(&self, id: JobId, words: &Words<'_>) -> Holding {
        let (name, number) = words.by().split_once('#').unwrap_or_else(|| (words.by(), ""));
        let known = self.holdings.get(&(id, name.to_owned()));
        let known = known.map_or(&[] as &[Holding], Vec::as_slice);
        let chosen = match number.parse::<usize>() {
            Ok(number) => known.get(number - 1),
            Err(_) => known.last(),
        };
        let mut holding =
            chosen.or_else(|| self.any_holding(id)).expect("somebody claimed it").clone();
        holding.factory_id = factory(name);
        if let Some(epoch) = words.named.get("e") {
            holding.lease_epoch = read(epoch);
        }
        holding
    }

    fn any_holding(&self, id: JobId) -> Option<&Holding> {
        let of_job = self.holdings.iter().filter(|((job, _), _)| *job == id);
        of_job.filter_map(|(_, holdings)| holdings.last()).max_by_key(|last| last.lease_epoch)
    }

    fn op(&mut self, words: &Words<'_>) -> OpId {
        let fresh = self.world.op();
        match words.named.get("op") {
            Some(name) => *self.ops.entry((*name).to_owned()).or_insert(fresh),
            None => fresh,
        }
    }

    fn said(&self, id: JobId, outcome: Result<String, Rejection>) -> String {
        let stands = match self.world.jobs.get(&id) {
            Some(job) => {
                let stage = json!(job.stage.name());
                let parked = if job.stage.is_parked() { " (parked)" } else { "" };
                format!("{}{parked} epoch={}", stage.as_str().unwrap_or("?"), job.lease_epoch)
            }
            None => "absent".to_owned(),
        };
        match outcome {
            Ok(said) => format!("{said}: {stands}"),
            Err(no) => {
                let code = json!(no.code);
                let reason = no.reason.map_or(String::new(), |reason| format!(" {reason}"));
                format!("{}{reason}: {stands}", code.as_str().unwrap_or("?"))
            }
        }
    }

    fn news(&mut self) -> String {
        let mut news = String::new();
        for job in self.world.jobs.values() {
            let key = job.content.idempotency_key.to_string();
            let seen = self.shown.entry(key.clone()).or_default();
            let fresh = job.outbox.iter().filter(|entry| entry.seq > *seen);
            let kinds: Vec<String> = fresh
                .map(|entry| format!("{} {}", entry.seq, json!(entry.kind).as_str().unwrap_or("?")))
                .collect();
            *seen = job.event_seq.max(*seen);
            if !kinds.is_empty() {
                news.push_str(&format!("    {key}: {}\n", kinds.join(", ")));
            }
        }
        news
    }
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let (named, plain) = text.split_whitespace().partition::<Vec<_>, _>(|w| w.contains('='));
        let plain = plain.into_iter().filter(|word| *word != "by").collect();
        Self { plain, named: named.into_iter().filter_map(|word| word.split_once('=')).collect() }
            .with_factory()
    }

    /// The word after `by`, which is the first of a factory's form.
    fn with_factory(mut self) -> Self {
        let is_factory = |word: &&str| {
            word.starts_with('f') && word.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
        };
        if let Some(at) = self.plain.iter().position(is_factory) {
            let name = self.plain.remove(at);
            self.named.insert("by", name);
        }
        self
    }

    fn by(&self) -> &'a str {
        self.named.get("by").copied().expect("by a factory")
    }

    /// `wip=base/commit`
    fn checkpoint(&self) -> Option<Checkpoint> {
        let (base, commit) = self.named.get("wip")?.split_once('/')?;
        Some(Checkpoint {
            wip_branch: "wip".to_owned(),
            wip_base: base.to_owned(),
            wip_commit: commit.to_owned(),
        })
    }

    fn verdict(&self) -> Option<VerifyResult> {
        let passed = *self.named.get("verify")? == "passed";
        Some(VerifyResult { passed, exit_code: None, duration_ms: None, summary: None })
    }

    fn insights(&self) -> Option<Insights> {
        let dollars = self.named.get("usd")?.parse::<f64>().ok()?;
        let cost_usd = MicroUsd::from_dollars(dollars).ok();
        Some(Insights { cost_usd, ..Insights::default() })
    }
}

fn shown(job: &Job) -> String {
    let mut said = vec![format!(
        "attempts={}/{} failures={} reaps={}",
        job.attempts, job.attempts_base, job.failures, job.reaps
    )];
    if let Some(at) = job.retry_not_before {
        said.push(format!("retry={at}"));
    }
    if let Some(checkpoint) = &job.checkpoint {
        said.push(format!("wip={}/{}", checkpoint.wip_base, checkpoint.wip_commit));
    }
    if let Some(result) = job.claim.last_result {
        said.push(format!("result={}", json!(result).as_str().unwrap_or("?")));
    }
    if let Some(reason) = json!(job.stage).get("failureReason").and_then(Value::as_str) {
        said.push(format!("reason={reason}"));
    }
    if let Some(by) = job.fenced_by {
        said.push(format!("fenced={}", by.word()));
    }
    if job.generation > 0 {
        said.push(format!("generation={}", job.generation));
    }
    if !job.admitted {
        said.push("unadmitted".to_owned());
    }
    if job.purged {
        said.push("purged".to_owned());
    }
    said.join(" ")
}

fn action(verb: &str) -> Action {
    match verb {
        "approve" => Action::Approve,
        "send-back" => Action::SendBack,
        "ship" => Action::Ship { force: false },
        "force-ship" => Action::Ship { force: true },
        "requeue" => Action::Requeue,
        "redrive" => Action::Redrive,
        "cancel-now" => Action::CancelNow,
        "cancel" => Action::CancelGraceful,
        "reject" => Action::Reject,
        other => panic!("no verb {other}"),
    }
}

fn cause(word: &str) -> Cause {
    match word {
        "silent" => Cause::Silent,
        "no-lease" => Cause::NoLease,
        "overrun" => Cause::Overrun,
        "budget" => Cause::BudgetSpent,
        "lock-lost" => Cause::LockLost,
        "cancel-overdue" => Cause::CancelOverdue,
        other => panic!("no cause {other}"),
    }
}

fn facts(count: usize) -> String {
    if count == 0 { "nothing new".to_owned() } else { "done".to_owned() }
}

fn taken(back: bool) -> String {
    if back { "taken back".to_owned() } else { "nothing to do".to_owned() }
}

fn seconds(text: &str) -> Duration {
    let number = |unit| text.strip_suffix(unit).and_then(|number| number.parse::<u64>().ok());
    match (number("s"), number("m"), number("h")) {
        (Some(seconds), ..) => Duration::from_secs(seconds),
        (None, Some(minutes), _) => Duration::from_secs(60 * minutes),
        (None, None, Some(hours)) => Duration::from_secs(3600 * hours),
        (None, None, None) => Duration::ZERO,
    }
}

fn read<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}
