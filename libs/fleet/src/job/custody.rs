//! What a job tells of its artifacts. The job leads here too: it tells that one was added or
//! deleted, in the very write in which its holder's word counts, and the pointer follows.

use crate::event::{EventType, Mention};
use crate::id::ArtifactId;
use crate::job::Job;
use crate::job::evolve::Change;
use crate::job::wish::{Keep, Pointer, Removal};
use crate::rejection::{Code, Rejection};

impl Job {
    /// How this job's own words about an artifact end that its pointer may not follow yet: added,
    /// deleted, or nothing of either.
    #[must_use]
    pub fn last_word_of(&self, artifact: ArtifactId) -> Option<EventType> {
        let mentions = |mention: &Mention| mention.artifact_id == artifact;
        let told = self.outbox.iter().rev();
        let mut told = told.filter(|entry| entry.data.artifact.as_deref().is_some_and(mentions));
        told.next().map(|entry| entry.kind)
    }

    /// A pointer is read after the job was, and before the job is written: whatever removes it
    /// tells the job first, so that what is told here is true in the order of the log.
    pub(crate) fn keep(&self, keep: &Keep, pointer: Pointer) -> Result<Option<Change>, Rejection> {
        match (self.last_word_of(keep.mention.artifact_id), pointer) {
            (Some(EventType::ArtifactAdded), _) => Ok(None),
            (Some(_), _) | (None, Pointer::Missing) => Err(Rejection::new(Code::NotFound)),
            (None, Pointer::Ready) => Ok(None),
            (None, Pointer::Pending) => Ok(Some(Change::Added(keep.mention.clone()))),
        }
    }

    pub(crate) fn remove(
        &self,
        removal: &Removal,
        pointer: Pointer,
    ) -> Result<Option<Change>, Rejection> {
        let said = self.last_word_of(removal.mention.artifact_id);
        if said == Some(EventType::ArtifactDeleted) || pointer == Pointer::Missing {
            return Ok(None);
        }
        let ready = said == Some(EventType::ArtifactAdded) || pointer == Pointer::Ready;
        if ready && removal.unless_ready {
            return Err(self.reject(Code::Conflict).because("ready"));
        }
        Ok(Some(Change::Deleted(removal.mention.clone(), removal.reason.clone())))
    }
}
