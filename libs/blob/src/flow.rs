//! Bytes on their way in and out: bounded in memory, counted and digested as they pass.

use std::io;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};
use sha2::{Digest, Sha256};

/// What one part of a long blob holds, and the most that is kept of a short one.
const PART: usize = 4 << 20;
/// Parts on their way at once.
const ABREAST: usize = 2;

/// Bytes that come in, or break off.
pub trait Flow: Stream<Item = io::Result<Bytes>> + Send + Unpin {}

impl<S: Stream<Item = io::Result<Bytes>> + Send + Unpin> Flow for S {}

/// What passed: how much, and its digest in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub size: u64,
    pub sha256: String,
}

/// A blob on its way out.
pub struct Reading {
    /// Of the whole blob.
    pub size: u64,
    pub part: Range<u64>,
    pub bytes: BoxStream<'static, Result<Bytes, ReadError>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Reading({:?} of {})", self.part, self.size)
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("a blob of this key is there")]
    Taken,
    #[error("more than {most} bytes")]
    TooLarge { most: u64 },
    #[error("the bytes broke off")]
    Broken(#[source] io::Error),
    #[error("the blob store failed")]
    Failed(#[source] object_store::Error),
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("no such blob")]
    Missing,
    #[error("the blob ends at {size}")]
    Beyond { size: u64 },
    #[error("the blob store failed")]
    Failed(#[source] object_store::Error),
}

impl From<object_store::Error> for ReadError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::NotFound { .. }) {
            return Self::Missing;
        }
        Self::Failed(error)
    }
}

impl From<object_store::Error> for WriteError {
    fn from(error: object_store::Error) -> Self {
        if matches!(error, object_store::Error::AlreadyExists { .. }) {
            return Self::Taken;
        }
        Self::Failed(error)
    }
}

/// Counts what passes, up to a limit.
struct Tape {
    size: u64,
    most: u64,
    digest: Sha256,
}

impl Tape {
    fn pass(&mut self, bytes: &Bytes) -> Result<(), WriteError> {
        self.size += bytes.len() as u64;
        if self.size > self.most {
            return Err(WriteError::TooLarge { most: self.most });
        }
        self.digest.update(bytes);
        Ok(())
    }

    fn counted(self) -> Counted {
        let sha256 = self.digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Counted { size: self.size, sha256 }
    }
}

/// A short blob is one write; a long one comes in parts under another name and is moved at its end.
pub(crate) async fn write(
    store: &dyn ObjectStore,
    (staged, key): (&Path, &Path),
    mut bytes: impl Flow,
    most: u64,
) -> Result<Counted, WriteError> {
    let mut tape = Tape { size: 0, most, digest: Sha256::new() };
    let mut head = BytesMut::new();
    while head.len() < PART {
        let Some(next) = bytes.next().await else {
            store.put_opts(key, head.freeze().into(), create()).await?;
            return Ok(tape.counted());
        };
        let next = next.map_err(WriteError::Broken)?;
        tape.pass(&next)?;
        head.extend_from_slice(&next);
    }
    let mut parts = WriteMultipart::new_with_chunk_size(store.put_multipart(staged).await?, PART);
    parts.put(head.freeze());
    if let Err(error) = fill(&mut parts, &mut tape, &mut bytes).await {
        // What breaks off is invisible either way; what is left of it the store clears away.
        drop(parts.abort().await);
        return Err(error);
    }
    parts.finish().await?;
    if let Err(error) = store.rename_if_not_exists(staged, key).await {
        drop(store.delete(staged).await);
        return Err(error.into());
    }
    Ok(tape.counted())
}

async fn fill(
    parts: &mut WriteMultipart,
    tape: &mut Tape,
    bytes: &mut impl Flow,
) -> Result<(), WriteError> {
    while let Some(next) = bytes.next().await {
        let next = next.map_err(WriteError::Broken)?;
        tape.pass(&next)?;
        parts.wait_for_capacity(ABREAST).await?;
        parts.put(next);
    }
    Ok(())
}

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

pub(crate) async fn read(
    store: &dyn ObjectStore,
    key: &Path,
    part: Option<Range<u64>>,
) -> Result<Reading, ReadError> {
    if let Some(part) = &part {
        let size = store.head(key).await?.size;
        if part.start >= size {
            return Err(ReadError::Beyond { size });
        }
    }
    let options = GetOptions { range: part.map(Into::into), ..GetOptions::default() };
    let found = store.get_opts(key, options).await?;
    let (size, part) = (found.meta.size, found.range.clone());
    Ok(Reading { size, part, bytes: found.into_stream().map_err(ReadError::from).boxed() })
}

pub(crate) async fn count(mut reading: Reading) -> Result<Counted, ReadError> {
    let mut tape = Tape { size: 0, most: u64::MAX, digest: Sha256::new() };
    while let Some(bytes) = reading.bytes.try_next().await? {
        tape.size += bytes.len() as u64;
        tape.digest.update(&bytes);
    }
    Ok(tape.counted())
}
