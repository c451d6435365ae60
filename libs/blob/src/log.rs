//! The log of one run while it grows: pieces, each written once under the number of bytes before
//! it. The same byte may lie in several pieces and is the same in all of them, so that writing
//! twice, merging and crashing in between change nothing of what is read. Knows no hold.

mod merge;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::Bytes;
use fleet::{Epoch, JobId, ProductId};
use futures_util::TryStreamExt;

use crate::flow::{ReadError, WriteError};
use crate::key::BlobKey;
use crate::place::Blobs;

/// Below which all of them lie.
const ALL: &str = "fleet-logs";

/// One run's log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RunLog {
    blobs: Blobs,
    under: BlobKey,
}

/// A stretch of a log that lies in one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// Bytes of the log before it.
    pub from: u64,
    pub length: u64,
}

/// The pieces of a log as they lay there, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces(Vec<Piece>);

/// Whose log it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub product: ProductId,
    pub job: JobId,
    pub epoch: Epoch,
}

/// Why a log was not changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl RunLog {
    #[must_use]
    pub fn of(blobs: &Blobs, named: &Named) -> Self {
        let under = BlobKey::log(&named.product, named.job, named.epoch);
        Self { blobs: blobs.clone(), under }
    }

    /// What is there now.
    ///
    /// # Errors
    /// The place failed.
    pub async fn pieces(&self) -> Result<Pieces, ReadError> {
        let mut found = Vec::new();
        let mut stored = self.blobs.list(&self.under);
        while let Some(stored) = stored.try_next().await? {
            found.extend(Piece::named(self.last_segment(&stored.key)));
        }
        found.sort_unstable();
        Ok(Pieces(found))
    }

    /// Writes a piece, once: what is there already is the same bytes. Whoever writes knows that
    /// the log reaches up to `from`.
    ///
    /// # Errors
    /// The place failed.
    pub async fn write(&self, from: u64, bytes: Bytes) -> Result<(), WriteError> {
        let length = bytes.len() as u64;
        let key = self.key(Piece { from, length });
        let flow = futures_util::stream::iter([Ok(bytes)]);
        match self.blobs.write(&key, flow, length).await {
            Ok(_) | Err(WriteError::Taken) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Removes every piece, the last one first, so that what is left is always a beginning.
    ///
    /// # Errors
    /// The place failed; the rest is still there.
    pub async fn remove(&self) -> Result<(), ReadError> {
        for piece in self.pieces().await?.0.into_iter().rev() {
            self.blobs.remove(&self.key(piece)).await?;
        }
        Ok(())
    }

    fn key(&self, piece: Piece) -> BlobKey {
        self.under.child(&piece.name()).expect("digits and a dash are a segment")
    }

    fn last_segment<'a>(&self, key: &'a BlobKey) -> &'a str {
        let below = key.as_str().strip_prefix(self.under.as_str());
        below.and_then(|rest| rest.strip_prefix('/')).unwrap_or_default()
    }
}

impl Blobs {
    /// The runs whose logs lie in pieces.
    ///
    /// # Errors
    /// The place failed.
    pub async fn logs(&self) -> Result<BTreeSet<Named>, ReadError> {
        self.logs_under(&ALL.parse().expect("a plain word is a key")).await
    }

    /// The runs of one job whose logs lie in pieces.
    ///
    /// # Errors
    /// The place failed.
    pub async fn logs_of(
        &self,
        product: &ProductId,
        job: JobId,
    ) -> Result<BTreeSet<Named>, ReadError> {
        let under = format!("{ALL}/{product}/{job}");
        self.logs_under(&under.parse().expect("names are segments of a key")).await
    }

    async fn logs_under(&self, under: &BlobKey) -> Result<BTreeSet<Named>, ReadError> {
        let stored = self.list(under);
        let named = |named, found: crate::Stored| async move { Ok(with(named, &found.key)) };
        stored.try_fold(BTreeSet::new(), named).await
    }
}

fn with(mut all: BTreeSet<Named>, key: &BlobKey) -> BTreeSet<Named> {
    all.extend(Named::of(key));
    all
}

impl Pieces {
    /// How far the log reaches without a gap.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |end, piece| if piece.from <= end { end.max(piece.end()) } else { end })
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes before which no piece begins so late.
    #[must_use]
    pub fn last_begin(&self) -> u64 {
        self.0.last().map_or(0, |piece| piece.from)
    }

    /// Of the pieces that hold the byte `at`, the one that reaches farthest.
    fn holding(&self, at: u64) -> Option<Piece> {
        let holding = self.0.iter().take_while(|piece| piece.from <= at);
        holding.filter(|piece| piece.end() > at).max_by_key(|piece| piece.end()).copied()
    }
}

impl Piece {
    fn end(self) -> u64 {
        self.from.saturating_add(self.length)
    }

    fn name(self) -> String {
        format!("{:016}-{}", self.from, self.length)
    }

    fn named(text: &str) -> Option<Self> {
        let (from, length) = text.split_once('-')?;
        let piece = Self { from: from.parse().ok()?, length: length.parse().ok()? };
        (piece.length > 0 && piece.name() == text).then_some(piece)
    }
}

impl Named {
    fn of(key: &BlobKey) -> Option<Self> {
        let mut parts = key.as_str().strip_prefix(ALL)?.strip_prefix('/')?.split('/');
        let product = parts.next()?.parse().ok()?;
        let job = parts.next()?.parse().ok()?;
        let epoch = Epoch::new(parts.next()?.parse().ok()?);
        parts.next().and_then(Piece::named)?;
        Some(Self { product, job, epoch })
    }
}
