//! What a grant asks of this host, read out of the job that came with it. Runs nothing.

use std::time::Duration;

use fleet::{
    Checkpoint, CommandLine, EngineClass, EngineName, Glob, Nonce, ProductId, ReviewPolicy,
    Snapshot,
};
use protocol::Granted;
use serde::Deserialize;

use crate::hold::{Grant, Grip};

/// One run's instructions.
#[derive(Clone, Debug)]
pub struct Errand {
    pub grip: Grip,
    pub product: ProductId,
    pub key: String,
    pub attempt: u32,
    pub nonce: Nonce,
    pub body: String,
    pub engine: Option<EngineName>,
    pub command: Option<CommandLine>,
    pub verify: Option<CommandLine>,
    pub cwd: Option<String>,
    /// Which files of its work are kept.
    pub artifacts: Vec<Glob>,
    pub checkpoint: Option<Checkpoint>,
    /// What its profile says of it.
    pub profile: Option<Snapshot>,
    timeout: Duration,
    manual: bool,
}

/// Of a job's record, what a run needs to know.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    product_id: ProductId,
    body_md: String,
    engine: Option<EngineName>,
    engine_class: Option<EngineClass>,
    command: Option<CommandLine>,
    verify: Option<CommandLine>,
    cwd: Option<String>,
    #[serde(default)]
    artifact_globs: Vec<Glob>,
    timeout_sec: u64,
    review_policy: ReviewPolicy,
}

impl Errand {
    /// # Errors
    /// The job lacks what a run needs: its coordinator speaks another version.
    pub fn read(granted: &Granted) -> Result<Self, serde_json::Error> {
        let shown: Shown = granted.job.read()?;
        let profile = granted.profile_snapshot.clone();
        // A class leaves the choice to the host; a name alone leaves it to the profile.
        let of_profile = profile.as_ref().filter(|_| shown.engine_class.is_none());
        let engine = shown.engine.or_else(|| of_profile.map(|profile| profile.engine.clone()));
        Ok(Self {
            grip: grip_of(granted),
            product: shown.product_id,
            key: granted.job.idempotency_key.clone(),
            attempt: granted.attempt,
            nonce: granted.claim_nonce,
            body: shown.body_md,
            engine,
            command: shown.command,
            verify: shown.verify,
            cwd: shown.cwd,
            artifacts: shown.artifact_globs,
            checkpoint: granted.checkpoint.clone(),
            profile,
            timeout: Duration::from_secs(shown.timeout_sec),
            manual: shown.review_policy == ReviewPolicy::Manual,
        })
    }

    /// What the engine is given to work on.
    pub(crate) fn prompt(&self) -> String {
        self.profile.as_ref().map_or_else(|| self.body.clone(), |it| it.prompt(&self.body))
    }

    /// The session's part of it; `sent` is when the request left that brought it.
    pub(crate) fn grant(&self, granted: &Granted, sent: Duration) -> Grant {
        Grant {
            grip: self.grip,
            sent,
            ttl: Duration::from_secs(granted.ttl_sec),
            margin: Duration::from_secs(granted.stop_margin_sec),
            timeout: self.timeout,
            verify: self.verify.is_some(),
            manual: self.manual,
            cwd: self.cwd.clone(),
        }
    }
}

pub(crate) fn grip_of(granted: &Granted) -> Grip {
    Grip { job: granted.job.id, epoch: granted.lease_epoch }
}
