//! The sign of life of one epoch's holder. A follower of the job, which leads: once a lease is not
//! held for an epoch, it is never held for that epoch again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Epoch, FactoryId, JobId, Nonce, ProductId};
use crate::job::Holding;
use crate::record::{Head, Record};
use crate::rejection::{Code, Rejection};
use crate::time::Timestamp;

/// One record per job, used again over its epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The job's id once more.
    pub id: JobId,
    pub job_id: JobId,
    #[serde(flatten)]
    pub head: Head,
    pub lease_epoch: Epoch,
    pub status: LeaseStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder_factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_nonce: Option<Nonce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Nonce>,
    /// For people; no other machine's clock is ever compared with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub renewals: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acquired_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_at: Option<Timestamp>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeaseStatus {
    Held,
    Expired,
    Released,
}

#[derive(Clone, Debug)]
pub enum LeaseCommand {
    /// The job was claimed: there is a holder now.
    Hold(Holding, Timestamp),
    /// The holder lives, and the job agrees that it holds.
    Renew(Holding, Timestamp),
    /// Silence for a whole term ends this epoch's lease.
    Expire(Epoch),
    /// The job has a holder at this epoch and its lease is missing, older or ended.
    Repair(Epoch),
    /// The job went on to this epoch when it was taken back.
    Raise(Epoch),
    /// The holder of this epoch let go.
    Release(Epoch),
}

#[derive(Clone, Debug)]
pub enum LeaseEvent {
    Held { by: Holding, until: Timestamp, at: Timestamp },
    Renewed { until: Timestamp, at: Timestamp },
    Expired(Epoch),
    Released(Epoch),
}

impl Lease {
    /// What stands before the first claim: no lease is a lease that ended before the first epoch.
    #[must_use]
    pub fn absent(job: JobId, product: ProductId, now: Timestamp) -> Self {
        Self {
            id: job,
            job_id: job,
            head: Head::new(product, now),
            lease_epoch: Epoch::ZERO,
            status: LeaseStatus::Released,
            holder_factory_id: None,
            claim_nonce: None,
            run_id: None,
            expires_at: None,
            renewals: 0,
            acquired_at: None,
            renewed_at: None,
            unknown: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn is_held(&self) -> bool {
        self.status == LeaseStatus::Held
    }

    #[must_use]
    pub fn is_held_for(&self, epoch: Epoch) -> bool {
        self.status == LeaseStatus::Held && self.lease_epoch == epoch
    }

    fn held(by: &Holding, until: Timestamp, at: Timestamp) -> Vec<LeaseEvent> {
        vec![LeaseEvent::Held { by: by.clone(), until, at }]
    }

    fn renew(
        &self,
        by: &Holding,
        until: Timestamp,
        at: Timestamp,
    ) -> Result<Vec<LeaseEvent>, Rejection> {
        if self.lease_epoch < by.lease_epoch {
            return Ok(Self::held(by, until, at));
        }
        if self.lease_epoch > by.lease_epoch {
            return Err(Rejection::new(Code::LeaseLost));
        }
        match self.status {
            LeaseStatus::Held if self.claim_nonce == Some(by.claim_nonce) => {
                Ok(vec![LeaseEvent::Renewed { until, at }])
            }
            LeaseStatus::Held => Err(Rejection::new(Code::Fenced)),
            LeaseStatus::Expired => Err(Rejection::new(Code::LeaseLost)),
            LeaseStatus::Released => Err(Rejection::new(Code::LeaseNotHeld)),
        }
    }

    fn is_over_for(&self, epoch: Epoch) -> bool {
        self.lease_epoch == epoch && self.status != LeaseStatus::Held
    }
}

impl Record for Lease {
    type Command = LeaseCommand;
    type Event = LeaseEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &LeaseCommand, now: Timestamp) -> Result<Vec<LeaseEvent>, Rejection> {
        Ok(match command {
            LeaseCommand::Hold(by, until) if self.lease_epoch < by.lease_epoch => {
                Self::held(by, *until, now)
            }
            LeaseCommand::Renew(by, until) => self.renew(by, *until, now)?,
            LeaseCommand::Expire(epoch) if self.is_held_for(*epoch) => {
                vec![LeaseEvent::Expired(*epoch)]
            }
            LeaseCommand::Repair(epoch) if self.lease_epoch < *epoch => {
                vec![LeaseEvent::Expired(*epoch)]
            }
            // Only a lease that ended by silence follows the job to its next epoch.
            LeaseCommand::Raise(epoch)
                if self.status == LeaseStatus::Expired && self.lease_epoch < *epoch =>
            {
                vec![LeaseEvent::Expired(*epoch)]
            }
            LeaseCommand::Release(epoch)
                if self.lease_epoch <= *epoch && !self.is_over_for(*epoch) =>
            {
                vec![LeaseEvent::Released(*epoch)]
            }
            LeaseCommand::Hold(..)
            | LeaseCommand::Expire(_)
            | LeaseCommand::Repair(_)
            | LeaseCommand::Raise(_)
            | LeaseCommand::Release(_) => Vec::new(),
        })
    }

    fn evolve(mut self, event: &LeaseEvent) -> Self {
        match event {
            LeaseEvent::Held { by, until, at } => {
                self.lease_epoch = by.lease_epoch;
                self.status = LeaseStatus::Held;
                self.holder_factory_id = Some(by.factory_id.clone());
                self.claim_nonce = Some(by.claim_nonce);
                self.run_id = Some(by.claim_nonce);
                self.expires_at = Some(*until);
                self.renewals = 0;
                self.acquired_at = Some(*at);
                self.renewed_at = None;
            }
            LeaseEvent::Renewed { until, at } => {
                self.expires_at = self.expires_at.max(Some(*until));
                self.renewals += 1;
                self.renewed_at = Some(*at);
            }
            LeaseEvent::Expired(epoch) => {
                self.lease_epoch = *epoch;
                self.status = LeaseStatus::Expired;
            }
            LeaseEvent::Released(epoch) => {
                self.lease_epoch = *epoch;
                self.status = LeaseStatus::Released;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::touched;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn holding(epoch: u64) -> Holding {
        Holding {
            lease_epoch: Epoch::new(epoch),
            factory_id: "f1".parse().unwrap(),
            claim_nonce: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
        }
    }

    fn job() -> JobId {
        JobId::of(&"p".parse().unwrap(), &"k".parse().unwrap())
    }

    fn after(commands: &[LeaseCommand]) -> Lease {
        let lease = Lease::absent(job(), "p".parse().unwrap(), NOW);
        commands.iter().fold(lease, |lease, command| {
            let events = lease.decide(command, NOW).unwrap();
            touched(events.iter().fold(lease, Record::evolve), NOW)
        })
    }

    fn shown(commands: &[LeaseCommand]) -> String {
        let lease = after(commands);
        format!("{:?}({})", lease.status, lease.lease_epoch)
    }

    fn hold(epoch: u64) -> LeaseCommand {
        LeaseCommand::Hold(holding(epoch), NOW)
    }

    fn renew(epoch: u64) -> LeaseCommand {
        LeaseCommand::Renew(holding(epoch), NOW)
    }

    #[test]
    fn the_machine_is_the_specified_one() {
        use LeaseCommand::{Expire, Raise, Release, Repair};
        let n = Epoch::new;
        for (commands, end) in [
            (vec![hold(3)], "Held(3)"),
            (vec![hold(2), hold(3)], "Held(3)"),
            (vec![hold(3), hold(2)], "Held(3)"),
            (vec![hold(2), Expire(n(2)), hold(3)], "Held(3)"),
            (vec![hold(3), Expire(n(3)), hold(3)], "Expired(3)"),
            (vec![renew(3)], "Held(3)"),
            (vec![hold(2), renew(3)], "Held(3)"),
            (vec![hold(2), Release(n(2)), renew(3)], "Held(3)"),
            (vec![hold(2), Expire(n(1))], "Held(2)"),
            (vec![hold(2), Expire(n(2)), Raise(n(3))], "Expired(3)"),
            (vec![hold(2), Raise(n(3))], "Held(2)"),
            (vec![Repair(n(1))], "Expired(1)"),
            (vec![hold(1), Repair(n(2))], "Expired(2)"),
            (vec![hold(2), Repair(n(2))], "Held(2)"),
            (vec![Release(n(1))], "Released(1)"),
            (vec![hold(1), Release(n(2))], "Released(2)"),
            (vec![hold(2), Expire(n(2)), Release(n(2))], "Expired(2)"),
            (vec![hold(2), Release(n(1))], "Held(2)"),
        ] {
            assert_eq!(shown(&commands), end, "{commands:?}");
        }
    }

    #[test]
    fn a_lease_that_ended_is_not_renewed() {
        let expired = after(&[hold(2), LeaseCommand::Expire(Epoch::new(2))]);
        let released = after(&[hold(2), LeaseCommand::Release(Epoch::new(2))]);
        let code = |lease: &Lease, epoch| lease.decide(&renew(epoch), NOW).unwrap_err().code;
        assert_eq!(code(&expired, 2), Code::LeaseLost);
        assert_eq!(code(&released, 2), Code::LeaseNotHeld);
        assert_eq!(code(&released, 1), Code::LeaseLost);
    }
}
