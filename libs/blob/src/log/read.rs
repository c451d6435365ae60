//! Reading a log out of its pieces while they are written, merged and removed by others.

use std::io;
use std::ops::Range;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};

use super::{Pieces, RunLog};
use crate::flow::ReadError;

/// How often the pieces are looked for anew though nothing was read meanwhile: each time somebody
/// has merged those that were just found.
const LOOKS: u32 = 16;

/// A place in a log, and what is known of the rest.
struct Reader {
    log: RunLog,
    at: u64,
    /// Bytes from here on are not wanted.
    until: u64,
    pieces: Option<Pieces>,
    open: Option<BoxStream<'static, Result<Bytes, ReadError>>>,
    looks: u32,
}

impl RunLog {
    /// The bytes of this part, in order, none missing and none twice, up to where the log reached
    /// when it was looked at, or to the first gap. Ends early too where the log is removed.
    pub fn read(&self, part: Range<u64>) -> BoxStream<'static, Result<Bytes, ReadError>> {
        let reader = Reader {
            log: self.clone(),
            at: part.start,
            until: part.end,
            pieces: None,
            open: None,
            looks: 0,
        };
        stream::try_unfold(reader, |mut reader| async move {
            let bytes = reader.next().await?;
            Ok(bytes.map(|bytes| (bytes, reader)))
        })
        .boxed()
    }

    /// The same for whoever writes it elsewhere: it breaks off where a byte of it is missing.
    pub fn exactly(&self, part: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let left = part.end.saturating_sub(part.start);
        let source = (self.read(part), left);
        let whole = stream::try_unfold(source, |(mut bytes, left)| async move {
            match bytes.try_next().await.map_err(io::Error::other)? {
                Some(next) => {
                    let left = left.saturating_sub(next.len() as u64);
                    Ok(Some((next, (bytes, left))))
                }
                None if left > 0 => Err(io::Error::other(ReadError::Missing)),
                None => Ok(None),
            }
        });
        whole.boxed()
    }
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        while self.at < self.until {
            if self.open.is_none() && !self.begin().await? {
                return Ok(None);
            }
            let Some(open) = &mut self.open else { continue };
            match open.try_next().await {
                Ok(Some(bytes)) if bytes.is_empty() => {}
                Ok(Some(bytes)) => return Ok(Some(self.pass(&bytes))),
                Ok(None) => self.open = None,
                Err(error) => self.look_again(error)?,
            }
        }
        Ok(None)
    }

    /// Opens the piece that goes on from here; false where there is none.
    async fn begin(&mut self) -> Result<bool, ReadError> {
        let pieces = match self.pieces.take() {
            Some(pieces) => pieces,
            None => self.log.pieces().await?,
        };
        let Some(piece) = pieces.holding(self.at) else { return Ok(false) };
        let part = self.at - piece.from..piece.end().min(self.until) - piece.from;
        match self.log.blobs.read(&self.log.key(piece), Some(part)).await {
            Ok(reading) => {
                self.open = Some(reading.bytes);
                self.pieces = Some(pieces);
            }
            Err(error) => self.look_again(error)?,
        }
        Ok(true)
    }

    fn pass(&mut self, bytes: &Bytes) -> Bytes {
        self.looks = 0;
        let left = usize::try_from(self.until - self.at).unwrap_or(usize::MAX);
        let bytes = bytes.slice(..bytes.len().min(left));
        self.at += bytes.len() as u64;
        bytes
    }

    /// A piece that is gone was merged into a longer one, or the whole log was removed.
    fn look_again(&mut self, error: ReadError) -> Result<(), ReadError> {
        self.open = None;
        self.pieces = None;
        self.looks += 1;
        match error {
            ReadError::Missing if self.looks < LOOKS => Ok(()),
            ReadError::Missing | ReadError::Beyond { .. } | ReadError::Failed(_) => Err(error),
        }
    }
}
