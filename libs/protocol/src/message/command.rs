//! What a factory is told to do with what it holds. A hint: the next renewal says the same.

use fleet::{Epoch, FactoryId, JobId, Nonce, ProductId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::Ask;
use crate::subject::{Row, Subject, Topic};

/// Stop the work of this very hold. Epoch and nonce must both be the holder's own, so that nothing
/// else is stopped by a late or forged word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopWork {
    pub factory_id: FactoryId,
    pub job_id: JobId,
    pub lease_epoch: Epoch,
    pub claim_nonce: Nonce,
    pub reason: StopReason,
}

/// Why work is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// A person wants no more of it: report it as cancelled.
    Cancel,
    /// Its money or time is spent: report it as such.
    Budget,
    /// The factory is drained: hand it back.
    Drain,
    /// It is held no longer: report nothing.
    Fenced,
}

impl Ask for StopWork {
    /// It was known and is being stopped. A refusal says that no such thing is held.
    type Reply = ();

    fn row(&self) -> Row {
        Row::Command
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::Command(self.factory_id.clone()))
    }
}
