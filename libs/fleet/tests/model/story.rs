//! All that can happen to one job, command by command, for the models that care for its log only.

use fleet::{
    Action, Actor, Cause, Claim, Disposition, Job, Operation, Patch, StageName, TakeBack,
    Timestamp, Wish,
};

use crate::cast::{Held, bidder, coordinator, factory, late, nonce, now, op, request};
use crate::relay::Log;
use crate::wishes::release;

/// A command with its name, its sender and what its sender's clock shows.
pub(crate) type Possible = (&'static str, Actor, Wish, Timestamp);

impl Log {
    /// The clocks of those who write differ by a day: the log may not go back in time for that.
    pub(crate) fn possible(&self, people: bool) -> Vec<Possible> {
        let job = &self.job;
        let mut all = vec![("a keeper takes it back", coordinator(), back(job), late())];
        if people {
            all.extend([
                ("an operator cancels", person(), by_hand(Action::CancelNow), now()),
                ("an operator ships", person(), by_hand(Action::Ship { force: true }), now()),
                ("an operator sends back", person(), by_hand(Action::SendBack), now()),
                ("an operator redrives", person(), by_hand(Action::Redrive), now()),
            ]);
        }
        if job.attempts < 2 {
            all.push(("a factory claims", coordinator(), claim(job), now()));
        }
        if let Some(holder) = job.holder() {
            let epoch = job.lease_epoch.get();
            let held =
                Held { job: 0, epoch, factory: 1, nonce: crate::cast::number_of(holder.nonce) };
            let ops = held.nonce * 8;
            let to = |stage, number| Wish::Patch(Box::new(patch(held, stage, number)));
            let end = |how, number| Wish::Release(Box::new(release(held, number, how)));
            let by = || Actor::factory(&factory(1));
            all.extend([
                ("it builds", by(), to(StageName::Building, ops), late()),
                ("it is in review", by(), to(StageName::Review, ops + 1), now()),
                ("the holder ships", by(), end(Disposition::Ship, ops + 2), now()),
                ("the holder fails", by(), end(Disposition::Fail, ops + 3), now()),
                ("the holder yields", by(), end(Disposition::Yield, ops + 4), now()),
                ("the holder parks", by(), end(Disposition::Park, ops + 5), now()),
            ]);
        }
        all
    }
}

fn person() -> Actor {
    Actor::user("operator")
}

fn by_hand(action: Action) -> Wish {
    Wish::Operate(Operation { action, op: None, reason: None })
}

fn back(job: &Job) -> Wish {
    Wish::TakeBack(TakeBack { epoch: job.lease_epoch, cause: Cause::Silent })
}

fn claim(job: &Job) -> Wish {
    let number = if job.attempts == 0 { 1 } else { 2 };
    Wish::Claim(Box::new(Claim {
        bidder: bidder(1),
        nonce: nonce(number),
        request: request(number),
        epoch_seen: job.lease_epoch,
        profile: None,
        grant_deadline: late(),
    }))
}

fn patch(held: Held, stage: StageName, number: u8) -> Patch {
    Patch {
        holding: held.holding(),
        op: op(number),
        stage: Some(stage),
        checkpoint: None,
        note: None,
        verify: None,
        insights: None,
    }
}
