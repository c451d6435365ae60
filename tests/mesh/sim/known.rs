//! What the lines told so far make of one job: its present version, its claims, its lease.

use std::collections::{BTreeMap, BTreeSet};

use fleet::{Nonce, StageName};
use uuid::Uuid;

use super::history::{Facts, Line};

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The present version.
    pub now: Option<Facts>,
    /// The line with which the present hold began.
    pub held_since: usize,
    /// When the present holder confirmed its grant.
    pub confirmed_at: Option<i64>,
    pub by_epoch: BTreeMap<u64, (Option<String>, Nonce)>,
    /// The content that each claim handed over, and the request it answered.
    pub claims: BTreeMap<Nonce, (Option<String>, Option<Uuid>)>,
    /// Where each hold went when it ended.
    pub ended: BTreeMap<Nonce, StageName>,
    pub applied: BTreeSet<Uuid>,
    /// Claims that a factory was told of.
    pub granted: BTreeSet<Nonce>,
    pub lease: Option<(i64, Facts)>,
    /// The last line up to which it was not to be had: held by another, ended, or waiting.
    pub not_to_be_had: Option<usize>,
    /// The same, as it was when the present hold began.
    pub withheld_until: Option<usize>,
}

impl Known {
    pub(super) fn is_held_by(&self, said: &Facts) -> bool {
        self.now.as_ref().is_some_and(|now| {
            now.nonce.is_some() && (now.epoch, now.nonce) == (said.epoch, said.nonce)
        })
    }

    pub(super) fn nonce(&self) -> Option<Nonce> {
        self.now.as_ref().and_then(|now| now.nonce)
    }

    /// The request whose claim is the present hold.
    pub(super) fn held_for(&self) -> Option<Uuid> {
        self.nonce().and_then(|nonce| self.claims.get(&nonce)).and_then(|claim| claim.1)
    }

    /// Whether, at any line since, it was not to be had before the present hold began.
    pub(super) fn was_withheld(&self, since: usize) -> bool {
        self.withheld_until.is_some_and(|last| last >= since)
    }

    pub(super) fn is_leased(&self, epoch: Option<u64>) -> bool {
        self.lease
            .as_ref()
            .is_some_and(|(_, lease)| lease.epoch == epoch && lease.word.as_deref() == Some("Held"))
    }

    /// Takes in a version that was checked.
    pub(super) fn take(&mut self, line: &Line, index: usize) {
        let result = &line.result;
        let before = self.nonce();
        let had = self.now.as_ref().is_some_and(|now| now.stage == Some(StageName::Queued));
        if !had {
            self.not_to_be_had = Some(index);
        }
        if let Some(id) = line.args.id {
            self.applied.insert(id);
        }
        if let (Some(gone), Some(stage)) = (before, result.stage)
            && result.nonce != before
        {
            self.ended.insert(gone, stage);
        }
        if let Some(nonce) = result.nonce
            && before != result.nonce
        {
            self.held_since = index;
            self.confirmed_at = None;
            self.withheld_until = self.not_to_be_had;
            self.claims.insert(nonce, (result.hash.clone(), line.args.id));
            let epoch = result.epoch.unwrap_or(0);
            self.by_epoch.entry(epoch).or_insert_with(|| (result.factory.clone(), nonce));
        }
        let confirmed = result.nonce.is_some() && result.stage != Some(StageName::Assigned);
        if confirmed && self.confirmed_at.is_none() {
            self.confirmed_at = Some(line.at);
        }
        self.now = Some(result.clone());
    }

    pub(super) fn has_ended(&self) -> bool {
        let stage = self.now.as_ref().and_then(|now| now.stage);
        matches!(stage, Some(StageName::Shipped | StageName::Failed | StageName::DeadLetter))
    }
}
