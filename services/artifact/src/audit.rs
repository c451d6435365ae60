//! Whether the bytes of every pointer that people see are there. Reads only.

use blob::{BlobKey, ReadError};
use fleet::{Artifact, ArtifactId, ProductId};
use futures_util::future::try_join_all;
use node::{Asked, Served, problem_of};
use protocol::{ArtifactsAudited, AuditArtifacts};

use crate::Keeper;
use crate::bring::away;

/// Pointers read at once.
const PAGE: usize = 256;
/// Blobs looked for at once.
const AT_ONCE: usize = 32;
/// Of one answer; who has so many reads them, mends, and asks again.
const MOST_MISSING: usize = 1000;

impl Keeper {
    pub(crate) async fn audit(self, asked: Asked<AuditArtifacts>) -> Served<AuditArtifacts> {
        let failed = |error| problem_of(&error, asked.request_id);
        let mut audited = ArtifactsAudited { pointers: 0, missing: Vec::new() };
        let mut cursor = None;
        loop {
            let page = self.ledger.artifacts.page_of_all(cursor.as_ref(), PAGE).await;
            let (found, next) = page.map_err(failed)?;
            let pointers = found.into_iter().map(|found| found.record);
            let ours = |one: &Artifact| one.is_ready() && one.head.product_id == asked.product;
            let pointers: Vec<Artifact> = pointers.filter(ours).collect();
            audited.pointers += pointers.len() as u64;
            for some in pointers.chunks(AT_ONCE) {
                let looks = some.iter().map(|artifact| self.lacks_bytes(artifact));
                let looked = try_join_all(looks).await;
                let lacking = looked.map_err(|error| away(&error, asked.request_id))?;
                let looks = lacking.into_iter().flatten();
                let looks = looks.map(|id| self.still_points(&asked.product, id));
                let missing = try_join_all(looks).await.map_err(failed)?;
                audited.missing.extend(missing.into_iter().flatten());
            }
            match next.filter(|_| audited.missing.len() < MOST_MISSING) {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        // A scan may show one twice.
        audited.missing.sort_unstable();
        audited.missing.dedup();
        Ok(audited)
    }

    async fn lacks_bytes(&self, artifact: &Artifact) -> Result<Option<ArtifactId>, ReadError> {
        let there = match BlobKey::of(artifact) {
            Ok(key) => self.blobs.find(&key).await?,
            Err(_) => None,
        };
        let whole = there.is_some_and(|stored| stored.size == artifact.size_bytes);
        Ok((!whole).then_some(artifact.id))
    }

    /// Pointers go before their bytes do.
    async fn still_points(
        &self,
        product: &ProductId,
        id: ArtifactId,
    ) -> Result<Option<ArtifactId>, ledger::LedgerError> {
        let found = self.ledger.artifact(product, id).await?;
        Ok(found.filter(|found| found.record.is_ready()).map(|_| id))
    }
}
