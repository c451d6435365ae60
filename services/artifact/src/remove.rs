//! Removing an artifact: the pointer first, so that nobody is ever shown bytes that are gone.

use fleet::{Actor, ArtifactId};
use ledger::Removing;
use node::{Asked, Served};
use protocol::{Ask, Problem, RemoveArtifact};
use tracing::warn;

use crate::Keeper;
use crate::bring::{holding, key_of};

impl Keeper {
    pub(crate) async fn remove(self, asked: Asked<RemoveArtifact>) -> Served<RemoveArtifact> {
        let hold = asked.ask.hold.as_ref();
        let removing = Removing {
            by: hold.map_or_else(|| asked.by.clone(), |hold| Actor::factory(&hold.factory_id)),
            holding: hold.map(holding),
            unless_ready: false,
            reason: None,
        };
        self.removed(&asked, asked.ask.artifact_id, removing).await
    }

    /// † pointer gone, bytes still there: the sweep removes what nobody points to.
    pub(crate) async fn removed<A: Ask>(
        &self,
        asked: &Asked<A>,
        id: ArtifactId,
        removing: Removing,
    ) -> Result<(), Box<Problem>> {
        let said = Box::pin(self.ledger.remove_artifact(&asked.product, id, removing)).await;
        let artifact = asked.settle(said)?;
        let key = key_of(&artifact, asked.request_id)?;
        if let Err(error) = self.blobs.remove(&key).await {
            let error = &error as &dyn std::error::Error;
            warn!(artifact = %id, error, "bytes left to the sweep");
        }
        Ok(())
    }
}
