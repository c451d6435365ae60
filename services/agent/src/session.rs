//! What a factory does next: a pure machine. Events go in with the moment they were seen, actions
//! come out as values. Never waits, never reads a clock, starts and sends nothing itself.

mod offers;
mod say;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Exit, RunResult, StageName, VerifyResult};
use protocol::{Code, OfferSeen};

use crate::hold::{Ending, Grant, Grip, Hold, Phase, Verdict, Why};
use crate::session::offers::Offers;

/// How many jobs at once, and how patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub seats: u32,
    /// Between TERM and KILL once the lease is lost.
    pub lost_grace: Duration,
    /// Between TERM and KILL once the time is up.
    pub timeout_grace: Duration,
    /// Between TERM and KILL where somebody asked for the end.
    pub stop_grace: Duration,
    /// After so long a stopping agent goes, whatever was answered; its reports stay on disk.
    pub farewell: Duration,
    /// The longest wait before asking again after trouble.
    pub idle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            seats: 1,
            lost_grace: Duration::from_secs(2),
            timeout_grace: Duration::from_secs(30),
            stop_grace: Duration::from_secs(10),
            farewell: Duration::from_secs(30),
            idle: Duration::from_secs(15),
        }
    }
}

/// What an agent hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Tick,
    /// The coordinator knows this agent.
    Welcome {
        draining: bool,
    },
    /// Another agent lives under this name.
    Unwelcome,
    /// There is a job that this agent could take. `wait` keeps the many that hear of it from asking
    /// at once.
    Offered {
        offer: OfferSeen,
        wait: Duration,
    },
    /// The coordinator wants an end of it, and says so before it is asked.
    Told(Grip, Why),
    Granted(Box<Grant>),
    /// A claim ended without a job.
    Nothing,
    /// A claim was refused or not answered; `jitter` keeps many from asking again at once.
    Unheard {
        jitter: Duration,
    },
    /// The stage that was asked for was entered.
    Entered(Grip),
    Ended {
        grip: Grip,
        ending: Ending,
        took: Duration,
    },
    Renewed {
        grip: Grip,
        sent: Duration,
        stop: Option<Why>,
    },
    Refused(Grip, Code),
    /// The last report was answered, or put aside.
    Reported(Grip),
    Stop,
}

/// What an agent is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Ask {
        free: u32,
        offer: Option<OfferSeen>,
    },
    /// Say one of the claims that wait once more: it may wait where nobody is left to answer.
    Remind(OfferSeen),
    /// Renew it from now on, and remember it on disk.
    Keep(Grip),
    Enter(Grip, StageName, Option<VerifyResult>),
    Run(Grip),
    Verify(Grip),
    Term(Grip),
    Kill(Grip),
    Report(Grip, Verdict),
    /// A grant that there is no seat for.
    GiveBack(Grip),
    /// No longer renewed nor remembered.
    Forget(Grip),
    /// The same, and its run is put aside for people: the lease was lost.
    Quarantine(Grip),
}

/// One agent: its seats, what it holds, and whether it may ask for more.
#[derive(Debug)]
pub struct Session {
    pace: Pace,
    holds: BTreeMap<Grip, Hold>,
    asking: u32,
    unheard: u32,
    ask_at: Duration,
    offers: Offers,
    welcome: bool,
    draining: bool,
    gone_by: Option<Duration>,
}

type Actions = Vec<Action>;

impl Session {
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            holds: BTreeMap::new(),
            asking: 0,
            unheard: 0,
            ask_at: Duration::ZERO,
            offers: Offers::default(),
            welcome: false,
            draining: false,
            gone_by: None,
        }
    }

    /// Takes in what was seen at `now` and says what follows from it. Time is judged first: what
    /// comes too late finds its hold already lost.
    pub fn apply(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut out = Vec::new();
        self.judge_time(now, &mut out);
        match event {
            Event::Tick => {}
            Event::Welcome { draining } => (self.welcome, self.draining) = (true, draining),
            Event::Unwelcome => self.welcome = false,
            Event::Offered { offer, wait } => self.offered(offer, now + wait),
            Event::Told(grip, why) => self.stop(grip, why, now, &mut out),
            Event::Granted(grant) => self.granted(*grant, now, &mut out),
            Event::Nothing => self.heard(),
            Event::Unheard { jitter } => self.unheard(jitter, now),
            Event::Entered(grip) => self.entered(grip, now, &mut out),
            Event::Ended { grip, ending, took } => self.ended(grip, ending, took, &mut out),
            Event::Renewed { grip, sent, stop } => {
                self.renewed(grip, sent, &mut out);
                if let Some(why) = stop {
                    self.stop(grip, why, now, &mut out);
                }
            }
            Event::Refused(grip, code) => self.refused(grip, code, now, &mut out),
            Event::Reported(grip) => self.reported(grip, &mut out),
            Event::Stop => self.stop_all(now, &mut out),
        }
        self.start_ready(&mut out);
        self.ask(now, &mut out);
        out
    }

    /// The next moment at which time alone changes something.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        let holds = self.holds.values().filter_map(Hold::due);
        let ask = (self.may_ask() && self.free() > self.asking).then_some(self.ask_at);
        let offer = self.offers.due().filter(|_| self.may_ask() && self.free() > 0);
        holds.chain(ask).chain(offer).chain(self.gone_by).min()
    }

    /// Stopped, and nothing is left to wait for.
    #[must_use]
    pub fn is_over(&self, now: Duration) -> bool {
        self.gone_by.is_some_and(|by| (self.holds.is_empty() && self.asking == 0) || now >= by)
    }

    fn judge_time(&mut self, now: Duration, out: &mut Actions) {
        let grips: Vec<Grip> = self.holds.keys().copied().collect();
        for grip in grips {
            let Some(hold) = self.holds.get_mut(&grip) else { continue };
            let lost = hold.phase == Phase::Leaving
                || matches!(hold.phase, Phase::Stopping { why: Why::Lost, .. });
            if let Phase::Stopping { why, kill_at: Some(at) } = hold.phase
                && at <= now
            {
                hold.phase = Phase::Stopping { why, kill_at: None };
                out.push(Action::Kill(grip));
            }
            let late = hold.ends_by.is_some_and(|by| by <= now);
            if !lost && hold.good_until <= now {
                let why = hold.at_its_end();
                self.stop(grip, why, now, out);
            } else if late && matches!(hold.phase, Phase::Working | Phase::Verifying) {
                self.stop(grip, Why::Timeout, now, out);
            }
        }
    }

    fn granted(&mut self, grant: Grant, now: Duration, out: &mut Actions) {
        self.heard();
        self.offers.forget();
        let grip = grant.grip;
        if self.holds.contains_key(&grip) {
            return;
        }
        if self.gone_by.is_some() || self.free() == 0 {
            out.push(Action::GiveBack(grip));
            return;
        }
        let mut hold = Hold::new(grant);
        out.push(Action::Keep(grip));
        if hold.good_until <= now {
            hold.prove(now);
        } else {
            out.push(Action::Enter(grip, StageName::Building, None));
        }
        self.holds.insert(grip, hold);
    }

    fn heard(&mut self) {
        self.asking = self.asking.saturating_sub(1);
        self.unheard = 0;
    }

    fn unheard(&mut self, jitter: Duration, now: Duration) {
        self.asking = self.asking.saturating_sub(1);
        let wait = Duration::from_secs(1 << self.unheard.min(5)).min(self.pace.idle);
        self.unheard = self.unheard.saturating_add(1);
        self.ask_at = now + wait + jitter;
    }

    fn entered(&mut self, grip: Grip, now: Duration, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        match hold.phase {
            Phase::Confirming => {
                hold.phase = Phase::Ready;
                hold.ends_by = Some(now + hold.grant.timeout);
            }
            Phase::Reviewing if hold.grant.verify => {
                hold.phase = Phase::Verifying;
                out.push(Action::Verify(grip));
            }
            Phase::Reviewing => {
                hold.phase = Phase::Accepting;
                out.push(Action::Enter(grip, StageName::Testing, None));
            }
            Phase::Accepting => {
                let verdict = if hold.grant.manual { Verdict::Parked } else { Verdict::Shipped };
                self.report(grip, verdict, out);
            }
            Phase::Proving
            | Phase::Ready
            | Phase::Working
            | Phase::Verifying
            | Phase::Stopping { .. }
            | Phase::Leaving => {}
        }
    }

    fn ended(&mut self, grip: Grip, ending: Ending, took: Duration, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        let exit = match ending {
            Ending::Exited { exit, .. } => exit,
            Ending::NotStarted { result, why } => return self.not_started(grip, result, why, out),
        };
        match hold.phase {
            Phase::Stopping { why, .. } => {
                hold.exit = Some(exit);
                self.stopped(grip, why, out);
            }
            Phase::Working => self.worked(grip, exit, out),
            Phase::Verifying => self.verified(grip, &exit, took, out),
            Phase::Proving
            | Phase::Confirming
            | Phase::Ready
            | Phase::Reviewing
            | Phase::Accepting
            | Phase::Leaving => {}
        }
    }

    fn not_started(&mut self, grip: Grip, result: RunResult, why: String, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        if let Phase::Stopping { why, .. } = hold.phase {
            self.stopped(grip, why, out);
        } else {
            let failed = Verdict::Failed { result, exit: None, verify: None, why: Some(why) };
            self.report(grip, failed, out);
        }
    }

    fn worked(&mut self, grip: Grip, exit: Exit, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        hold.exit = Some(exit.clone());
        if exit.code != Some(0) {
            let crashed = exit.code.is_none();
            let result = if crashed { RunResult::Crash } else { RunResult::Failed };
            let failed = Verdict::Failed { result, exit: Some(exit), verify: None, why: None };
            self.report(grip, failed, out);
        } else if hold.grant.verify || hold.grant.manual {
            hold.phase = Phase::Reviewing;
            out.push(Action::Enter(grip, StageName::Review, None));
        } else {
            self.report(grip, Verdict::Shipped, out);
        }
    }

    fn verified(&mut self, grip: Grip, exit: &Exit, took: Duration, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        let verify = VerifyResult {
            passed: exit.code == Some(0),
            exit_code: exit.code,
            duration_ms: u64::try_from(took.as_millis()).ok(),
            summary: None,
        };
        if verify.passed {
            hold.phase = Phase::Accepting;
            out.push(Action::Enter(grip, StageName::Testing, Some(verify)));
            return;
        }
        let exit = hold.exit.clone();
        let result = RunResult::VerifyFailed;
        self.report(grip, Verdict::Failed { result, exit, verify: Some(verify), why: None }, out);
    }

    fn renewed(&mut self, grip: Grip, sent: Duration, out: &mut Actions) {
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        hold.confirmed(sent);
        if hold.phase == Phase::Proving {
            hold.phase = Phase::Confirming;
            out.push(Action::Enter(grip, StageName::Building, None));
        }
    }

    fn refused(&mut self, grip: Grip, code: Code, now: Duration, out: &mut Actions) {
        let not_ours = matches!(
            code,
            Code::Fenced
                | Code::EpochUnknown
                | Code::LeaseLost
                | Code::LeaseNotHeld
                | Code::NotFound
        );
        let Some(hold) = self.holds.get(&grip) else { return };
        if not_ours {
            self.stop(grip, Why::Lost, now, out);
        } else if !hold.runs() && hold.phase != Phase::Leaving {
            let why = Some(format!("the next stage was refused: {}", code.as_str()));
            let (result, exit) = (RunResult::Failed, hold.exit.clone());
            self.report(grip, Verdict::Failed { result, exit, verify: None, why }, out);
        }
    }

    fn reported(&mut self, grip: Grip, out: &mut Actions) {
        if self.holds.remove(&grip).is_some() {
            out.push(Action::Forget(grip));
        }
    }

    fn stop_all(&mut self, now: Duration, out: &mut Actions) {
        self.gone_by.get_or_insert(now + self.pace.farewell);
        let grips: Vec<Grip> = self.holds.keys().copied().collect();
        for grip in grips {
            self.stop(grip, Why::Yielded, now, out);
        }
    }

    fn stop(&mut self, grip: Grip, why: Why, now: Duration, out: &mut Actions) {
        let kill_at = now + self.pace.grace(why);
        let Some(hold) = self.holds.get_mut(&grip) else { return };
        match hold.phase {
            Phase::Leaving => {}
            // A loss overrules every other reason, and hurries the end.
            Phase::Stopping { why: before, kill_at: set } => {
                if why == Why::Lost && before != Why::Lost {
                    let kill_at = set.map(|set| set.min(kill_at));
                    hold.phase = Phase::Stopping { why, kill_at };
                }
            }
            Phase::Working | Phase::Verifying => {
                hold.phase = Phase::Stopping { why, kill_at: Some(kill_at) };
                out.push(Action::Term(grip));
            }
            Phase::Proving
            | Phase::Confirming
            | Phase::Ready
            | Phase::Reviewing
            | Phase::Accepting => self.stopped(grip, why, out),
        }
    }

    /// Nothing runs any more: what is there to say?
    fn stopped(&mut self, grip: Grip, why: Why, out: &mut Actions) {
        let exit = self.holds.get(&grip).and_then(|hold| hold.exit.clone());
        let failed = |result, why: Option<&str>| Verdict::Failed {
            result,
            exit,
            verify: None,
            why: why.map(str::to_owned),
        };
        let verdict = match why {
            Why::Lost => {
                self.holds.remove(&grip);
                out.push(Action::Quarantine(grip));
                return;
            }
            Why::Timeout => failed(RunResult::Timeout, None),
            Why::Cancelled => failed(RunResult::Cancelled, Some("cancelled")),
            Why::Budget => failed(RunResult::BudgetExceeded, None),
            Why::Yielded => Verdict::Yielded("its factory hands it back"),
        };
        self.report(grip, verdict, out);
    }

    fn report(&mut self, grip: Grip, verdict: Verdict, out: &mut Actions) {
        if let Some(hold) = self.holds.get_mut(&grip) {
            hold.phase = Phase::Leaving;
            out.push(Action::Report(grip, verdict));
        }
    }

    fn start_ready(&mut self, out: &mut Actions) {
        let ready: Vec<Grip> = self
            .holds
            .iter()
            .filter(|(_, hold)| hold.phase == Phase::Ready)
            .map(|(grip, _)| *grip)
            .collect();
        for grip in ready {
            let cwd = self.holds.get(&grip).and_then(|hold| hold.grant.cwd.as_ref());
            let busy = cwd.is_some()
                && self
                    .holds
                    .values()
                    .any(|other| other.is_under_way() && other.grant.cwd.as_ref() == cwd);
            if busy {
                continue;
            }
            if let Some(hold) = self.holds.get_mut(&grip) {
                hold.phase = Phase::Working;
                out.push(Action::Run(grip));
            }
        }
    }

    fn ask(&mut self, now: Duration, out: &mut Actions) {
        self.take_up(now, out);
        while self.may_ask() && self.ask_at <= now && self.free() > self.asking {
            self.asking += 1;
            out.push(Action::Ask { free: self.free(), offer: None });
        }
    }

    fn may_ask(&self) -> bool {
        self.welcome && !self.draining && self.gone_by.is_none()
    }

    fn free(&self) -> u32 {
        let held = u32::try_from(self.holds.len()).unwrap_or(u32::MAX);
        self.pace.seats.saturating_sub(held)
    }
}

impl Pace {
    fn grace(&self, why: Why) -> Duration {
        match why {
            Why::Lost => self.lost_grace,
            Why::Timeout => self.timeout_grace,
            Why::Cancelled | Why::Budget | Why::Yielded => self.stop_grace,
        }
    }
}
