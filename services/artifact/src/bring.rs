//! Bringing an artifact: a pointer that waits, then the bytes by another way, then the word that
//! they are there. Bytes that are not what was said of them go again, with their pointer.

use std::time::Duration;

use blob::{BlobKey, Counted, Deed, Grant, ReadError, Shown};
use fleet::{Artifact, Description, Holding, LARGEST_ARTIFACT, Rejection, Undescribed};
use ledger::{Bringing, Brought, Outcome, Removing};
use node::{Asked, Served, problem_of};
use protocol::{
    Ask, BeginArtifact, Begun, Code, CommitArtifact, Hold, KeepArtifact, Link, Linked, Problem,
    Upload,
};
use tracing::warn;
use uuid::Uuid;

use crate::Keeper;

/// What a link that was given out is good for.
pub(crate) const LINK_LIFE: Duration = Duration::from_mins(15);

impl Keeper {
    pub(crate) async fn begin(self, asked: Asked<BeginArtifact>) -> Served<BeginArtifact> {
        let ask = &asked.ask;
        let description = Description {
            kind: ask.kind,
            content_type: ask.content_type.clone(),
            name: ask.name.clone(),
            size_bytes: ask.size_bytes,
            sha256: ask.sha256.clone(),
        };
        let unfit = |unfit| undescribed(unfit, asked.request_id);
        let bringing = Bringing {
            job: ask.job_id,
            described: description.judged().map_err(unfit)?,
            holding: ask.hold.as_ref().map(holding),
            quarantine: ask.quarantine,
        };
        let said = Box::pin(self.ledger.begin_artifact(&asked.product, bringing)).await;
        let artifact = asked.settle(said)?;
        let upload = match ask.direct {
            true => Some(self.upload(&artifact, asked.request_id).await?),
            false => None,
        };
        Ok(Begun { artifact, upload })
    }

    async fn upload(&self, artifact: &Artifact, request: Uuid) -> Result<Upload, Box<Problem>> {
        let announced = Some(artifact.size_bytes).filter(|size| *size > 0);
        let shown = Shown {
            deed: Deed::Create,
            key: key_of(artifact, request)?,
            content_type: artifact.content_type.clone(),
            name: None,
            most: announced.unwrap_or(LARGEST_ARTIFACT),
        };
        let Grant { url, headers, expires_at } = self.granted(shown, request).await?;
        Ok(Upload { url, headers, expires_at })
    }

    /// The bytes came by a link: they are read again, and counted here.
    pub(crate) async fn commit(self, asked: Asked<CommitArtifact>) -> Served<CommitArtifact> {
        let CommitArtifact { artifact_id, hold, size_bytes, sha256 } = &asked.ask;
        let said = Said::of((*size_bytes, sha256), hold.as_ref());
        let look = async |key: BlobKey| Ok(self.blobs.count(&key).await? == said.counted);
        self.brought(&asked, *artifact_id, &said, look).await
    }

    /// The door counted the bytes on their way.
    pub(crate) async fn keep(self, asked: Asked<KeepArtifact>) -> Served<KeepArtifact> {
        let KeepArtifact { artifact_id, hold, size_bytes, sha256 } = &asked.ask;
        let said = Said::of((*size_bytes, sha256), hold.as_ref());
        let look = async |key: BlobKey| {
            let stored = self.blobs.find(&key).await?.ok_or(ReadError::Missing)?;
            Ok(stored.size == said.counted.size)
        };
        self.brought(&asked, *artifact_id, &said, look).await
    }

    /// Visible once a look at the bytes agrees with what was said of them.
    async fn brought<A: Ask>(
        &self,
        asked: &Asked<A>,
        id: fleet::ArtifactId,
        said: &Said,
        look: impl AsyncFnOnce(BlobKey) -> Result<bool, ReadError>,
    ) -> Result<Linked, Box<Problem>> {
        let pointer = self.awaited(asked, (id, said)).await?;
        if !pointer.is_ready() {
            match look(key_of(&pointer, asked.request_id)?).await {
                Ok(true) => {}
                Ok(false) => return Err(self.discard(asked, &pointer, said).await),
                Err(ReadError::Missing) => return Err(missing(asked.request_id)),
                Err(error) => return Err(away(&error, asked.request_id)),
            }
        }
        self.kept(asked, &pointer, said).await
    }

    /// The pointer that these bytes are for, if they may be brought to it in this name. Asked
    /// before anything is read, and again by whoever makes them visible.
    async fn awaited<A: Ask>(
        &self,
        asked: &Asked<A>,
        (id, brought): (fleet::ArtifactId, &Said),
    ) -> Result<Artifact, Box<Problem>> {
        let Counted { size, sha256 } = &brought.counted;
        Undescribed::unless_counted(*size, sha256)
            .map_err(|unfit| undescribed(unfit, asked.request_id))?;
        let pointer = self.pointer(asked, id).await?;
        if !pointer.is_ready() {
            let may = self.ledger.may_bring(&pointer, brought.hold.as_ref()).await;
            may.map_err(|error| problem_of(&error, asked.request_id))?
                .map_err(|refused| asked.refused(&refused))?;
        }
        Ok(pointer)
    }

    async fn kept<A: Ask>(
        &self,
        asked: &Asked<A>,
        pointer: &Artifact,
        said: &Said,
    ) -> Result<Linked, Box<Problem>> {
        let Said { counted: Counted { size, sha256 }, hold: holding } = said.clone();
        let brought = Brought { artifact: pointer.id, holding, size_bytes: size, sha256 };
        match Box::pin(self.ledger.keep_artifact(&asked.product, brought)).await {
            Ok(Outcome::Rejected(refused)) if is_mismatch(&refused) => {
                Err(self.discard(asked, pointer, said).await)
            }
            kept => self.linked(asked.settle(kept)?, asked.request_id).await,
        }
    }

    /// Pointer and bytes go; what was made visible meanwhile stays.
    async fn discard<A: Ask>(
        &self,
        asked: &Asked<A>,
        pointer: &Artifact,
        said: &Said,
    ) -> Box<Problem> {
        // Whoever is kept apart has no word with the job, and this is the service's own cleaning.
        let removing = Removing {
            by: fleet::Actor::service("artifact"),
            holding: said.hold.clone().filter(|_| !pointer.is_apart()),
            unless_ready: true,
            reason: Some("blob_mismatch".to_owned()),
        };
        if let Err(problem) = self.removed(asked, pointer.id, removing).await {
            warn!(artifact = %pointer.id, code = problem.code.as_str(), "left to the sweep");
        }
        asked.refused(&Rejection::new(fleet::Code::Validation).because("blob_mismatch"))
    }

    /// The pointer of this id, pending or not.
    pub(crate) async fn pointer<A: Ask>(
        &self,
        asked: &Asked<A>,
        id: fleet::ArtifactId,
    ) -> Result<Artifact, Box<Problem>> {
        let found = self.ledger.artifact(&asked.product, id).await;
        let found = found.map_err(|error| problem_of(&error, asked.request_id))?;
        let nothing = || Box::new(Problem::new(Code::NotFound, asked.request_id));
        found.map(|found| found.record).ok_or_else(nothing)
    }

    /// A pointer with a link to its bytes that nobody was given before.
    pub(crate) async fn linked(
        &self,
        artifact: Artifact,
        request: Uuid,
    ) -> Result<Linked, Box<Problem>> {
        let shown = Shown {
            deed: Deed::Read,
            key: key_of(&artifact, request)?,
            content_type: artifact.content_type.clone(),
            name: artifact.name.clone(),
            most: artifact.size_bytes,
        };
        let Grant { url, expires_at, .. } = self.granted(shown, request).await?;
        Ok(Linked { artifact, link: Link { url, expires_at } })
    }

    async fn granted(&self, shown: Shown, request: Uuid) -> Result<Grant, Box<Problem>> {
        let granted = self.blobs.grant(shown, LINK_LIFE, self.node.clock.now()).await;
        granted.map_err(|error| away(&error, request))
    }
}

/// What the bringer says, and in whose name.
#[derive(Clone)]
struct Said {
    counted: Counted,
    hold: Option<Holding>,
}

impl Said {
    fn of((size, sha256): (u64, &str), hold: Option<&Hold>) -> Self {
        Self { counted: Counted { size, sha256: sha256.to_owned() }, hold: hold.map(holding) }
    }
}

pub(crate) fn holding(hold: &Hold) -> Holding {
    Holding {
        lease_epoch: hold.lease_epoch,
        factory_id: hold.factory_id.clone(),
        claim_nonce: hold.claim_nonce,
    }
}

/// What is kept under another key than this product makes was written by something else.
pub(crate) fn key_of(artifact: &Artifact, request: Uuid) -> Result<BlobKey, Box<Problem>> {
    BlobKey::of(artifact).map_err(|_| Box::new(Problem::new(Code::Internal, request)))
}

pub(crate) fn away(error: &ReadError, request: Uuid) -> Box<Problem> {
    warn!(%request, error = error as &dyn std::error::Error, "the blob store failed");
    let mut problem = Box::new(Problem::new(Code::Unavailable, request));
    problem.reason = Some("blobs".to_owned());
    problem
}

fn missing(request: Uuid) -> Box<Problem> {
    let mut problem = Box::new(Problem::new(Code::Validation, request));
    problem.reason = Some("blob_missing".to_owned());
    problem.message = String::from("the bytes have not been brought yet");
    problem.hint = Some(String::from("bring them to the upload link first, then commit"));
    problem
}

fn undescribed(unfit: Undescribed, request: Uuid) -> Box<Problem> {
    match unfit {
        Undescribed::Wrong { field, .. } => {
            let mut problem = Box::new(Problem::new(Code::Validation, request));
            problem.field = Some(field.to_owned());
            problem.reason = Some("bad_value".to_owned());
            problem.message = unfit.to_string();
            problem
        }
        Undescribed::TooLarge { actual } => {
            let mut problem = Box::new(Problem::new(Code::TooLarge, request));
            problem.limit = Some(LARGEST_ARTIFACT);
            problem.actual = Some(actual);
            problem
        }
    }
}

fn is_mismatch(refused: &Rejection) -> bool {
    refused.code == fleet::Code::Validation && refused.reason == Some("blob_mismatch")
}
