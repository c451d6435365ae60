//! The thirteen control states, each reached by the rules from a submission, never by hand.

use fleet::{
    Action, Actor, Admission, Cause, Circumstances, Claim, Code, Command, Content, Disposition,
    Holding, Job, Nonce, OpId, Operation, Record, Rejection, RequestId, RunResult, Stage,
    StageName, Submitted, Timestamp, VerifyResult, Wish, submit,
};
use serde_json::Value;

use crate::world::{bidder, content, factory, patch, product, release};

pub(crate) const NOW: Timestamp = Timestamp::EPOCH;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    N,
    U,
    B,
    Q,
    A,
    W,
    R,
    R0,
    T,
    T0,
    S,
    F,
    D,
}

pub(crate) const STATES: [State; 13] = [
    State::N,
    State::U,
    State::B,
    State::Q,
    State::A,
    State::W,
    State::R,
    State::R0,
    State::T,
    State::T0,
    State::S,
    State::F,
    State::D,
];

impl State {
    pub(crate) fn of(job: &Job) -> Self {
        match &job.stage {
            Stage::Blocked if !job.admitted => Self::U,
            Stage::Blocked => Self::B,
            Stage::Queued => Self::Q,
            Stage::Assigned(_) => Self::A,
            Stage::Building(_) => Self::W,
            Stage::Review(Some(_)) => Self::R,
            Stage::Review(None) => Self::R0,
            Stage::Testing(Some(_)) => Self::T,
            Stage::Testing(None) => Self::T0,
            Stage::Shipped => Self::S,
            Stage::Failed(_) => Self::F,
            Stage::DeadLetter(_) => Self::D,
        }
    }
}

/// How a state is to be come by, where there are several ways.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// Queued again after a yield.
    pub(crate) yielded: bool,
    /// Under a graceful cancel, where the job is held.
    pub(crate) flagged: bool,
    /// Failed by a cancel.
    pub(crate) cancelled: bool,
}

/// A job in some state, and its holder or whoever held it last.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) job: Option<Job>,
    pub(crate) holding: Holding,
    ops: u128,
}

impl Place {
    /// None where this content cannot come to that state on this way.
    pub(crate) fn reach(state: State, with: &Value, way: Way) -> Option<Self> {
        let mut place = Self::submitted(&content("j", with));
        if state == State::N {
            place.job = None;
            return Some(place);
        }
        if !matches!(state, State::U) && !place.job().admitted {
            let given = if state == State::B { unready() } else { Circumstances::default() };
            place.ask(Wish::Admit(Admission::Acyclic), given, NOW).ok()?;
        }
        for step in Self::path(state, way) {
            let wish = step(&mut place);
            place.ask(wish, Circumstances::default(), NOW).ok()?;
        }
        let held = place.job().holder().is_some();
        if way.flagged && held {
            let wish = place.operation(Action::CancelGraceful);
            place.ask(wish, Circumstances::default(), NOW).ok()?;
        }
        (State::of(place.job()) == state).then_some(place)
    }

    fn submitted(content: &Content) -> Self {
        let holding = Holding {
            lease_epoch: fleet::Epoch::ZERO,
            factory_id: factory("f1"),
            claim_nonce: nonce(1),
        };
        let by = Actor::user("ci");
        let Ok(Submitted::Create(job)) = submit(None, content, &product(), &by, NOW) else {
            panic!("a first submission creates")
        };
        Self { job: Some(*job), holding, ops: 0 }
    }

    /// The way from queued.
    fn path(state: State, way: Way) -> Vec<fn(&mut Self) -> Wish> {
        let building: fn(&mut Self) -> Wish = |place| place.patch(StageName::Building);
        let review: fn(&mut Self) -> Wish = |place| place.patch(StageName::Review);
        let testing: fn(&mut Self) -> Wish = |place| place.patch(StageName::Testing);
        let park: fn(&mut Self) -> Wish = |place| place.release(Disposition::Park);
        let ship: fn(&mut Self) -> Wish = |place| place.operation(Action::Ship { force: false });
        match state {
            State::N | State::U | State::B => Vec::new(),
            State::Q if way.yielded => {
                vec![Self::claim, |place| place.release(Disposition::Yield)]
            }
            State::Q => Vec::new(),
            State::A => vec![Self::claim],
            State::W => vec![Self::claim, building],
            State::R => vec![Self::claim, building, review],
            State::R0 => vec![Self::claim, building, review, park],
            State::T => vec![Self::claim, building, review, testing],
            State::T0 => vec![Self::claim, building, review, testing, park],
            State::S => vec![Self::claim, building, review, testing, park, ship],
            State::F if way.cancelled => vec![|place| place.operation(Action::CancelNow)],
            State::F => vec![Self::claim, building, |place| place.fail(RunResult::NoEngine)],
            State::D => {
                vec![Self::claim, building, |place| place.fail(RunResult::BudgetExceeded)]
            }
        }
    }

    pub(crate) fn job(&self) -> &Job {
        self.job.as_ref().expect("a job stands")
    }

    /// What the rules make of the wish; where there is no job, there is nothing to ask.
    pub(crate) fn ask(
        &mut self,
        wish: Wish,
        given: Circumstances,
        now: Timestamp,
    ) -> Result<usize, Rejection> {
        let Some(job) = self.job.take() else { return Err(Rejection::new(Code::NotFound)) };
        let by = match &wish {
            Wish::Patch(_) | Wish::Release(_) | Wish::Renew(_) => Actor::factory(&factory("f1")),
            Wish::Operate(_) => Actor::user("olga"),
            Wish::Admit(_)
            | Wish::Supersede(_)
            | Wish::Settle(_)
            | Wish::Claim(_)
            | Wish::TakeBack(_)
            | Wish::AddChildren(_)
            | Wish::Keep(_)
            | Wish::Remove(_)
            | Wish::Trim { .. }
            | Wish::Purge => Actor::service("test"),
        };
        let claims = matches!(wish, Wish::Claim(_));
        let facts = job.decide(&Command { by, given, wish }, now);
        self.job = Some(match &facts {
            Ok(facts) => facts.iter().fold(job, Record::evolve),
            Err(_) => job,
        });
        if claims && facts.as_ref().is_ok_and(|facts| !facts.is_empty()) {
            self.holding.lease_epoch = self.job().lease_epoch;
        }
        facts.map(|facts| facts.len())
    }

    pub(crate) fn op(&mut self) -> OpId {
        self.ops += 1;
        OpId::from_uuid(uuid(1000 + self.ops))
    }

    pub(crate) fn claim(&mut self) -> Wish {
        Wish::Claim(Box::new(Claim {
            bidder: bidder("f1"),
            nonce: nonce(1),
            request: RequestId::from_uuid(uuid(2)),
            epoch_seen: self.job.as_ref().map_or(fleet::Epoch::ZERO, |job| job.lease_epoch),
            profile: None,
            grant_deadline: NOW,
        }))
    }

    /// A claim that is not the holder's own once more.
    pub(crate) fn other_claim(&mut self) -> Wish {
        let Wish::Claim(mut claim) = self.claim() else { panic!("a claim") };
        claim.bidder = bidder("f2");
        claim.nonce = nonce(3);
        Wish::Claim(claim)
    }

    /// Verified, where there is something to verify.
    pub(crate) fn patch(&mut self, stage: StageName) -> Wish {
        let op = self.op();
        let mut patch = patch(&self.holding, op, Some(stage));
        let verifies = self.job.as_ref().is_some_and(|job| job.content.verify.is_some());
        patch.verify = (verifies && stage == StageName::Testing).then(|| verdict(true));
        Wish::Patch(Box::new(patch))
    }

    pub(crate) fn release(&mut self, disposition: Disposition) -> Wish {
        let op = self.op();
        Wish::Release(Box::new(release(&self.holding, op, Some(disposition))))
    }

    pub(crate) fn fail(&mut self, result: RunResult) -> Wish {
        let op = self.op();
        let mut release = release(&self.holding, op, Some(Disposition::Fail));
        release.result = Some(result);
        Wish::Release(Box::new(release))
    }

    pub(crate) fn operation(&mut self, action: Action) -> Wish {
        let op = Some(self.op());
        Wish::Operate(Operation { action, op, reason: None })
    }

    pub(crate) fn take_back(&mut self, cause: Cause) -> Wish {
        let epoch = self.job.as_ref().map_or(fleet::Epoch::ZERO, |job| job.lease_epoch);
        Wish::TakeBack(fleet::TakeBack { epoch, cause })
    }
}

pub(crate) fn unready() -> Circumstances {
    Circumstances { ready: false, ..Circumstances::default() }
}

pub(crate) fn verdict(passed: bool) -> VerifyResult {
    VerifyResult { passed, exit_code: None, duration_ms: None, summary: None }
}

fn nonce(n: u128) -> Nonce {
    Nonce::from_uuid(uuid(n))
}

fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0189_0a5d_ac96_7000_8000_0000_0000_0000 + n)
}
