//! What a person decides about a job.

use fleet::{Action, Actor, Operation};
use node::{Asked, Served};
use protocol::{JobAction, Operate, Operated};

use crate::Keeper;

impl Keeper {
    pub(crate) async fn operate(self, asked: Asked<Operate>) -> Served<Operate> {
        let ask = &asked.ask;
        let operation =
            Operation { action: action(ask), op: ask.op_id, reason: ask.reason.clone() };
        let by = Actor::user("local");
        let cascades = ask.action == JobAction::Cancel && !ask.alone;
        let said = if cascades {
            self.ledger.cancel(&asked.product, ask.job_id, &by, operation).await
        } else {
            self.ledger.operate(&asked.product, ask.job_id, &by, operation).await
        };
        let job = asked.settle(said)?;
        let exhausted = ask.action == JobAction::Requeue && job.is_exhausted();
        let warnings = if exhausted {
            vec![String::from("its retries are used up: it fails for good next time; redrive it")]
        } else {
            Vec::new()
        };
        let job = self.view(&asked, ask.job_id).await?;
        Ok(Operated { job, warnings })
    }
}

fn action(ask: &Operate) -> Action {
    match ask.action {
        JobAction::Approve => Action::Approve,
        JobAction::SendBack => Action::SendBack,
        JobAction::Ship => Action::Ship { force: ask.force },
        JobAction::Requeue => Action::Requeue,
        JobAction::Redrive => Action::Redrive,
        JobAction::Cancel if ask.now => Action::CancelNow,
        JobAction::Cancel => Action::CancelGraceful,
        JobAction::Reject => Action::Reject,
    }
}
