//! What a person decides about a job, a factory or a product.

use fleet::{Action, FactoryId, Operation, ProductId};
use node::{Asked, Served};
use protocol::{
    FactoryAction, JobAction, Kick, Operate, OperateFactory, OperateProduct, Operated,
    ProductAction, Reason, Subject, Topic,
};
use serde::Serialize;
use serde_json::Value;
use tracing::{info, warn};

use crate::Keeper;

impl Keeper {
    pub(crate) async fn operate(self, asked: Asked<Operate>) -> Served<Operate> {
        let ask = &asked.ask;
        let operation =
            Operation { action: action(ask), op: ask.op_id, reason: ask.reason.clone() };
        let by = &asked.by;
        let cascades = ask.action == JobAction::Cancel && !ask.alone;
        let said = if cascades {
            self.ledger.cancel(&asked.product, ask.job_id, by, operation).await
        } else {
            self.ledger.operate(&asked.product, ask.job_id, by, operation).await
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

    pub(crate) async fn operate_factory(
        self,
        asked: Asked<OperateFactory>,
    ) -> Served<OperateFactory> {
        let (product, ask) = (&asked.product, &asked.ask);
        let said = match ask.action {
            FactoryAction::Drain => self.ledger.drain(product, &ask.factory_id, ask.now).await,
            FactoryAction::Undrain => self.ledger.resume(product, &ask.factory_id).await,
        };
        let factory = asked.settle(said)?;
        info!(%product, factory = %ask.factory_id, action = ?ask.action, now = ask.now, "factory");
        if ask.action == FactoryAction::Drain && ask.now {
            self.hurry(product, &ask.factory_id).await;
        }
        self.kick(product, Reason::Factory).await;
        Ok(value(&factory))
    }

    pub(crate) async fn operate_product(
        self,
        asked: Asked<OperateProduct>,
    ) -> Served<OperateProduct> {
        let (product, ask) = (&asked.product, &asked.ask);
        let said = match ask.action {
            ProductAction::Pause => self.ledger.pause(product, &asked.by, ask.reason.clone()).await,
            ProductAction::Resume => self.ledger.unpause(product).await,
        };
        let settings = asked.settle(said)?;
        info!(%product, action = ?ask.action, "product");
        self.kick(product, Reason::Due).await;
        Ok(value(&settings))
    }

    /// A hint: the renewals say the same.
    async fn hurry(&self, product: &ProductId, factory: &FactoryId) {
        if let Err(error) = self.ledger.hurry(product, factory).await {
            warn!(%factory, %error, "not told at once to hand back; its renewals tell it");
        }
    }

    /// A hint: what may begin again is looked at anew.
    async fn kick(&self, product: &ProductId, reason: Reason) {
        self.node.tell(Subject::new(product, Topic::Kick(reason)), &Kick::default()).await;
    }
}

fn value(record: &impl Serialize) -> Value {
    serde_json::to_value(record).expect("string keys and finite numbers encode")
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
