//! The lease machine: every event at every lease, by the rules.

use std::fmt::Write;

use fleet::{
    Epoch, Holding, Lease, LeaseCommand, LeaseStatus, Nonce, Record, Rejection, Timestamp,
};

use crate::world::{factory, job_id, product};

type Event = (&'static str, fn() -> LeaseCommand);

const EVENTS: [Event; 7] = [
    ("follower of a claim with epoch n", || LeaseCommand::Hold(holding(3), Timestamp::EPOCH)),
    ("renew by the holder of n", || LeaseCommand::Renew(holding(3), Timestamp::EPOCH)),
    ("renew by another of n", || LeaseCommand::Renew(stranger(), Timestamp::EPOCH)),
    ("reap of n", || LeaseCommand::Expire(Epoch::new(3))),
    ("after the job went on to n", || LeaseCommand::Raise(Epoch::new(3))),
    ("repair of n", || LeaseCommand::Repair(Epoch::new(3))),
    ("release by the holder of n", || LeaseCommand::Release(Epoch::new(3))),
];

pub(crate) fn printed() -> String {
    let mut out = String::from("n = 3; a lease shows its epoch.\n\n");
    let mut line = |name: &str, cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<13}")).collect();
        let _ = writeln!(out, "{name:<33} | {}", cells.join(" | ").trim_end());
    };
    let leases = leases();
    line("event", leases.iter().map(shown).collect());
    for (name, command) in EVENTS {
        line(name, leases.iter().map(|lease| outcome(lease, &command())).collect());
    }
    out
}

/// No record, then held, expired and released for an older, this and a newer epoch.
fn leases() -> Vec<Lease> {
    let absent = Lease::absent(job_id("j"), product(), Timestamp::EPOCH);
    let mut leases = vec![absent.clone()];
    for end in [None, Some(LeaseStatus::Expired), Some(LeaseStatus::Released)] {
        for epoch in [2, 3, 4] {
            let held = after(&absent, &LeaseCommand::Hold(holding(epoch), Timestamp::EPOCH));
            let ended = match end {
                None | Some(LeaseStatus::Held) => None,
                Some(LeaseStatus::Expired) => Some(LeaseCommand::Expire(Epoch::new(epoch))),
                Some(LeaseStatus::Released) => Some(LeaseCommand::Release(Epoch::new(epoch))),
            };
            leases.push(ended.map_or_else(|| held.clone(), |end| after(&held, &end)));
        }
    }
    leases
}

fn outcome(lease: &Lease, command: &LeaseCommand) -> String {
    match lease.decide(command, Timestamp::EPOCH) {
        Ok(facts) if facts.is_empty() => "=".to_owned(),
        Ok(facts) => {
            let next = facts.iter().fold(lease.clone(), Record::evolve);
            let renewed = if next.renewals > lease.renewals { " +1" } else { "" };
            format!("{}{renewed}", shown(&next))
        }
        Err(Rejection { code, .. }) => format!("{code:?}"),
    }
}

fn after(lease: &Lease, command: &LeaseCommand) -> Lease {
    let facts = lease.decide(command, Timestamp::EPOCH).expect("never refused");
    facts.iter().fold(lease.clone(), Record::evolve)
}

fn shown(lease: &Lease) -> String {
    match (lease.status, lease.lease_epoch.get()) {
        (LeaseStatus::Released, 0) => "no record".to_owned(),
        (LeaseStatus::Held, epoch) => format!("held({epoch})"),
        (LeaseStatus::Expired, epoch) => format!("expired({epoch})"),
        (LeaseStatus::Released, epoch) => format!("released({epoch})"),
    }
}

fn holding(epoch: u64) -> Holding {
    Holding {
        lease_epoch: Epoch::new(epoch),
        factory_id: factory("f1"),
        claim_nonce: nonce(u128::from(epoch)),
    }
}

fn stranger() -> Holding {
    Holding { claim_nonce: nonce(99), ..holding(3) }
}

fn nonce(n: u128) -> Nonce {
    Nonce::from_uuid(uuid::Uuid::from_u128(0x0189_0a5d_ac96_7000_8000_0000_0000_0000 + n))
}
