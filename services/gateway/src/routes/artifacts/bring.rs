//! The one way of bytes through the door: begin, write, keep. What breaks off is taken back at once;
//! what cannot be taken back, the sweep of the artifact service finds.

use std::time::Duration;

use blob::{BlobKey, Counted, Flow, Label, WriteError};
use fleet::Artifact;
use protocol::{BeginArtifact, Code, Hold, KeepArtifact, Linked, RemoveArtifact};
use tracing::{debug, warn};

use crate::heard::Heard;
use crate::problem::Refusal;

/// What one request may bring.
pub(super) const MOST: u64 = 2 << 30;
/// Bytes that are there are worth asking again.
const KEEPS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A pointer that awaits its bytes.
pub(super) struct Begun {
    artifact: Artifact,
    key: BlobKey,
    hold: Option<Hold>,
}

pub(super) async fn begin(heard: &Heard, ask: BeginArtifact) -> Result<Begun, Refusal> {
    let artifact = heard.ask(&ask).await?.artifact;
    // † begun, nothing written: the sweep removes the pointer.
    let key = BlobKey::of(&artifact).map_err(|_| heard.refused(Code::Internal))?;
    Ok(Begun { artifact, key, hold: ask.hold })
}

impl Begun {
    /// Nothing is there under the key unless all of it is.
    pub(super) async fn write(
        &self,
        heard: &Heard,
        bytes: impl Flow,
        most: u64,
    ) -> Result<Counted, Refusal> {
        let written = self.write_or_refuse(heard, bytes, most).await;
        if written.is_err() {
            self.take_back(heard).await;
        }
        written
    }

    async fn write_or_refuse(
        &self,
        heard: &Heard,
        bytes: impl Flow,
        most: u64,
    ) -> Result<Counted, Refusal> {
        let Artifact { content_type, name, .. } = &self.artifact;
        let label = Label { content_type: content_type.clone(), name: name.clone() };
        let blobs = &heard.door.options.blobs;
        let written = blobs.write_as(&self.key, &label, bytes, most).await;
        written.map_err(|error| refused(heard, &error))
    }

    /// Asks for the bytes that were written to count. Asked again while nobody knows whether they
    /// do; in the end that is the answer, and then they stay where they are.
    pub(super) async fn keep(self, heard: &Heard, counted: Counted) -> Result<Linked, Refusal> {
        // † written, not kept: no reader sees it, and the sweep removes bytes and pointer.
        let keep = KeepArtifact {
            artifact_id: self.artifact.id,
            hold: self.hold.clone(),
            size_bytes: counted.size,
            sha256: counted.sha256,
        };
        let mut pause = FIRST_PAUSE;
        let mut doubt = false;
        for left in (0..KEEPS).rev() {
            let refusal = match heard.look_up(&keep).await {
                Ok(linked) => return Ok(linked),
                Err(refusal) => refusal,
            };
            doubt |= matches!(refusal.0.code, Code::CommitUnknown | Code::Internal);
            if left > 0 && refusal.0.code.retryable() {
                tokio::time::sleep(pause + heard.door.node.ids.jitter(pause)).await;
                pause *= 2;
                continue;
            }
            if !doubt && !refusal.0.code.retryable() {
                self.take_back(heard).await;
            }
            return Err(refusal);
        }
        Err(heard.refused(Code::CommitUnknown))
    }

    /// The pointer first, so that nothing ever points to bytes that are gone.
    pub(super) async fn take_back(&self, heard: &Heard) {
        let remove = RemoveArtifact { artifact_id: self.artifact.id, hold: None };
        match heard.look_up(&remove).await {
            Ok(()) => {}
            Err(refusal) if refusal.0.code == Code::NotFound => {}
            Err(refusal) => {
                // Whether it points to the bytes is not known: they are left to the sweep.
                debug!(artifact = %self.artifact.id, code = ?refusal.0.code, "left to the sweep");
                return;
            }
        }
        if let Err(error) = heard.door.options.blobs.remove(&self.key).await {
            warn!(artifact = %self.artifact.id, %error, "bytes left to the sweep");
        }
    }
}

pub(crate) fn refused(heard: &Heard, error: &WriteError) -> Refusal {
    match error {
        WriteError::Taken => heard.refused(Code::Conflict).because("taken"),
        WriteError::TooLarge { most } => heard.too_large(*most, heard.announced()),
        WriteError::Broken(_) => {
            heard.refused(Code::Validation).at("", "malformed", "the body breaks off")
        }
        WriteError::Failed(why) => {
            warn!(request_id = %heard.request_id, error = %why, "bytes not stored");
            heard.refused(Code::Unavailable).because("blobs")
        }
    }
}
