//! A named mutex across a product. Reserved before the claim, confirmed after it, so that neither
//! a lost reply nor a crash leaves two holders or a lock that nobody can take.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Epoch, FactoryId, JobId, LockName, Nonce, ProductId};
use crate::job::{FencedBy, Job};
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

/// What a reservation that no claim followed may stand in the way.
pub const RESERVATION_LIFE: Duration = Duration::from_secs(30);
/// A host that was fenced may still be running: others wait this long before they enter.
pub const LOCK_GRACE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Lock {
    /// The name once more.
    pub id: LockName,
    pub name: LockName,
    #[serde(flatten)]
    pub head: Head,
    /// At most one.
    pub slots: Vec<Slot>,
    /// Outlives the slot: the fenced job may take its lock again and let it go at once, while
    /// its former holder is still running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Fenced>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// Whose holder was fenced in the lock, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fenced {
    pub job_id: JobId,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    pub claim_nonce: Nonce,
    pub job_id: JobId,
    pub factory_id: FactoryId,
    pub epoch: Epoch,
    pub state: SlotState,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlotState {
    Reserved,
    Confirmed,
}

#[derive(Clone, Debug)]
pub enum LockCommand {
    /// Try only. `owner` is the job of the slot that stands, as read for this decision.
    Reserve {
        slot: Slot,
        owner: Owner,
    },
    Confirm(Nonce),
    Free(Nonce),
}

/// What the job of a taken slot says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It still carries the slot's nonce.
    Holds,
    /// It was taken from a holder that may not know yet.
    FencedAt(Timestamp),
    /// It let go, or never got so far.
    Gone,
}

#[derive(Clone, Debug)]
pub enum LockEvent {
    Reserved(Slot, Option<Fenced>),
    Confirmed(Nonce),
    Freed(Nonce),
}

impl Owner {
    /// What `job`, which `slot` names, says of it.
    #[must_use]
    pub fn of(job: Option<&Job>, slot: &Slot) -> Self {
        let Some(job) = job else { return Self::Gone };
        if job.holder().is_some_and(|holder| holder.nonce == slot.claim_nonce) {
            return Self::Holds;
        }
        let grace = job.fenced_by.is_some_and(|by| match by {
            FencedBy::Reap | FencedBy::Repair | FencedBy::Timeout => true,
            FencedBy::Budget
            | FencedBy::Cancel
            | FencedBy::Requeue
            | FencedBy::Ship
            | FencedBy::Reject
            | FencedBy::LockLost => false,
        });
        match job.fenced_at {
            Some(at) if grace => Self::FencedAt(at),
            Some(_) | None => Self::Gone,
        }
    }
}

impl Lock {
    #[must_use]
    pub fn absent(name: LockName, product: ProductId, now: Timestamp) -> Self {
        Self {
            id: name.clone(),
            name,
            head: Head::new(product, now),
            slots: Vec::new(),
            fenced: None,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn slot(&self) -> Option<&Slot> {
        self.slots.first()
    }

    pub(crate) fn is_free_for(&self, job: JobId, owner: Owner, now: Timestamp) -> bool {
        let grace = |fenced: &Fenced| fenced.job_id != job && now.since(fenced.at) < LOCK_GRACE;
        if self.fenced.as_ref().is_some_and(grace) {
            return false;
        }
        let Some(slot) = self.slot() else { return true };
        match (slot.state, owner) {
            (_, Owner::Holds) => false,
            (SlotState::Reserved, Owner::FencedAt(_) | Owner::Gone) => {
                now.since(slot.at) > RESERVATION_LIFE
            }
            (SlotState::Confirmed, Owner::Gone) => true,
            (SlotState::Confirmed, Owner::FencedAt(at)) => {
                slot.job_id == job || now.since(at) >= LOCK_GRACE
            }
        }
    }

    fn fenced_by(&self, owner: Owner) -> Option<Fenced> {
        match (self.slot(), owner) {
            (Some(slot), Owner::FencedAt(at)) => Some(Fenced { job_id: slot.job_id, at }),
            (Some(_) | None, Owner::Holds | Owner::Gone | Owner::FencedAt(_)) => self.fenced,
        }
    }

    fn has(&self, nonce: Nonce) -> bool {
        self.slot().is_some_and(|slot| slot.claim_nonce == nonce)
    }
}

impl Record for Lock {
    type Command = LockCommand;
    type Event = LockEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &LockCommand, now: Timestamp) -> Result<Vec<LockEvent>, Rejection> {
        match command {
            LockCommand::Reserve { slot, .. } if self.has(slot.claim_nonce) => Ok(Vec::new()),
            LockCommand::Reserve { slot, owner } if self.is_free_for(slot.job_id, *owner, now) => {
                Ok(vec![LockEvent::Reserved(slot.clone(), self.fenced_by(*owner))])
            }
            LockCommand::Reserve { .. } => Err(Rejection::new(Code::Conflict).because("lock_held")),
            LockCommand::Confirm(nonce) => match self.slot() {
                Some(slot) if slot.claim_nonce != *nonce => {
                    Err(Rejection::new(Code::Conflict).because("lock_lost"))
                }
                Some(slot) if slot.state == SlotState::Confirmed => Ok(Vec::new()),
                Some(_) => Ok(vec![LockEvent::Confirmed(*nonce)]),
                None => Err(Rejection::new(Code::Conflict).because("lock_lost")),
            },
            LockCommand::Free(nonce) if self.has(*nonce) => Ok(vec![LockEvent::Freed(*nonce)]),
            LockCommand::Free(_) => Ok(Vec::new()),
        }
    }

    fn evolve(mut self, event: &LockEvent) -> Self {
        match event {
            LockEvent::Reserved(slot, fenced) => {
                self.slots = vec![slot.clone()];
                self.fenced = *fenced;
            }
            LockEvent::Confirmed(nonce) => {
                for slot in self.slots.iter_mut().filter(|slot| slot.claim_nonce == *nonce) {
                    slot.state = SlotState::Confirmed;
                }
            }
            LockEvent::Freed(nonce) => self.slots.retain(|slot| slot.claim_nonce != *nonce),
        }
        self
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }
}
