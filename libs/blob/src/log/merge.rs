//! Fewer and longer pieces. The longer one is written before the short ones go, so that a crash
//! leaves bytes twice and never none; whoever merges next clears away what lies within another.

use super::{LogError, Piece, Pieces, RunLog};
use crate::flow::WriteError;

/// A piece of so many bytes is left alone.
const LONG: u64 = 64 << 20;
/// A piece of so many is merged whatever lies behind it.
const SHORT: u64 = 64 << 10;

impl RunLog {
    /// Merges the last pieces into one where at least so many would become one, and clears away
    /// what an earlier merge left. Pieces that begin at `below` or later stay as they are. Any
    /// number may merge at once.
    ///
    /// # Errors
    /// The place failed; nothing is lost.
    pub async fn merge(&self, at_least: usize, below: u64) -> Result<(), LogError> {
        let mut pieces = self.pieces().await?;
        pieces.0.retain(|piece| piece.from < below);
        let mut covers = pieces.without_covered();
        if let Some(merged) = covers.ripe(at_least) {
            self.join(merged).await?;
            // † the longer piece stands beside the short ones: the next merge removes them.
            covers.0.push(merged);
            covers.0.sort_unstable();
            covers = covers.without_covered();
        }
        for piece in pieces.0.into_iter().filter(|piece| !covers.0.contains(piece)) {
            self.blobs.remove(&self.key(piece)).await?;
        }
        Ok(())
    }

    pub(super) async fn join(&self, merged: Piece) -> Result<(), LogError> {
        // A log that is removed meanwhile breaks off, and then nothing of this is written.
        let whole = self.exactly(merged.from..merged.end());
        match self.blobs.write(&self.key(merged), whole, merged.length).await {
            Ok(_) | Err(WriteError::Taken) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Pieces {
    /// Without the pieces whose every byte lies in one longer piece.
    pub(super) fn without_covered(&self) -> Self {
        let mut kept: Vec<Piece> = Vec::new();
        for piece in &self.0 {
            // In order: whatever covers it begins no later, and of those with one begin the
            // longest comes last.
            if kept.last().is_some_and(|last| last.from == piece.from) {
                kept.pop();
            }
            if kept.iter().all(|other| other.end() < piece.end()) {
                kept.push(*piece);
            }
        }
        Self(kept)
    }

    /// The last pieces as one: as many as follow upon each other, each short or shorter than all
    /// behind it, so that a byte is moved only so often as the log doubles.
    fn ripe(&self, at_least: usize) -> Option<Piece> {
        let mut pieces = self.0.iter().rev();
        let last = pieces.next()?;
        let (mut merged, mut count) = (*last, 1);
        for piece in pieces {
            let touches = piece.end() >= merged.from;
            if !touches || piece.length >= LONG.min(merged.length.max(SHORT + 1)) {
                break;
            }
            let length = merged.end() - piece.from;
            merged = Piece { from: piece.from, length };
            count += 1;
        }
        (count >= at_least && last.length < LONG).then_some(merged)
    }
}
