//! Bytes on their way in and out: bounded in memory, counted and digested as they pass.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, WriteMultipart,
};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use crate::behind::Behind;
use crate::shown::Label;

/// What one part of a long blob holds, and the most that is kept of a short one: no less than S3
/// takes for any part but the last.
const PART: usize = 5 << 20;
/// The same in a folder, where a part costs nothing and is copied while it is still at hand.
const PART_OF_FILE: usize = 1 << 20;
/// Parts on their way at once.
const ABREAST: usize = 2;

/// A copy within one account is whole at once, but for rare ones that take a while.
const LOOKS: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What is read of a file at once.
const PIECE: u64 = 512 << 10;

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

impl ReadError {
    pub(crate) fn of_folder(error: io::Error) -> Self {
        Self::Failed(object_store::Error::Generic { store: "folder", source: error.into() })
    }
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

/// Where a blob goes, and by which way.
pub(crate) struct Target<'a> {
    pub(crate) store: &'a dyn ObjectStore,
    /// Where a long one lies until it is whole.
    pub(crate) staged: Path,
    pub(crate) key: Path,
    /// For a store that keeps it.
    pub(crate) label: Option<&'a Label>,
    /// Of a folder: the file in which a long one lies until it is whole.
    pub(crate) file: Option<PathBuf>,
}

/// A short blob is one write; a long one comes in parts under another name and is moved at its end.
pub(crate) async fn write(
    target: &Target<'_>,
    mut bytes: impl Flow,
    most: u64,
) -> Result<Counted, WriteError> {
    let mut tape = Tape { size: 0, most, digest: Sha256::new() };
    let part = if target.file.is_some() { PART_OF_FILE } else { PART };
    let mut head = BytesMut::new();
    while head.len() < part {
        let Some(next) = bytes.next().await else {
            let options = PutOptions { mode: PutMode::Create, ..target.put_options() };
            target.store.put_opts(&target.key, head.freeze().into(), options).await?;
            return Ok(tape.counted());
        };
        let next = next.map_err(WriteError::Broken)?;
        tape.pass(&next)?;
        head.extend_from_slice(&next);
    }
    let upload = target.store.put_multipart_opts(&target.staged, target.parts_options()).await?;
    let mut parts = WriteMultipart::new_with_chunk_size(upload, part);
    parts.put(head.freeze());
    let mut behind = target.file.clone().map(Behind::of);
    if let Err(error) = fill(&mut parts, (&mut tape, behind.as_mut()), &mut bytes).await {
        // What breaks off is invisible either way; what is left of it the sweep clears away.
        drop(parts.abort().await);
        return Err(error);
    }
    parts.finish().await?;
    if let Err(error) = moved(target.store, (&target.staged, &target.key), tape.size).await {
        drop(target.store.delete(&target.staged).await);
        return Err(error.into());
    }
    Ok(tape.counted())
}

impl Target<'_> {
    fn put_options(&self) -> PutOptions {
        PutOptions { attributes: self.attributes(), ..PutOptions::default() }
    }

    fn parts_options(&self) -> PutMultipartOptions {
        PutMultipartOptions { attributes: self.attributes(), ..PutMultipartOptions::default() }
    }

    fn attributes(&self) -> Attributes {
        let Some(label) = self.label else { return Attributes::new() };
        Attributes::from_iter([
            (Attribute::ContentType, label.content_type.clone()),
            (Attribute::ContentDisposition, label.disposition()),
        ])
    }
}

/// Puts what a link brought under its key, unless something is there already. Nothing was brought,
/// or it was put there before: both are fine, and told by what is under the key.
pub(crate) async fn settle(
    store: &dyn ObjectStore,
    brought: &Path,
    key: &Path,
) -> Result<(), ReadError> {
    let size = match store.head(brought).await {
        Ok(meta) => meta.size,
        Err(object_store::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match moved(store, (brought, key), size).await {
        Ok(()) => Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) => {
            drop(store.delete(brought).await);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Moves a whole blob to where none is. What it came from goes only when it has arrived; where it
/// does not go, the sweep takes it.
async fn moved(
    store: &dyn ObjectStore,
    (from, to): (&Path, &Path),
    size: u64,
) -> object_store::Result<()> {
    store.copy_if_not_exists(from, to).await?;
    if let Err(error) = arrived(store, to, size).await {
        drop(store.delete(to).await);
        return Err(error);
    }
    drop(store.delete(from).await);
    Ok(())
}

/// A store elsewhere may go on copying after it has answered.
async fn arrived(store: &dyn ObjectStore, to: &Path, size: u64) -> object_store::Result<()> {
    for _ in 0..LOOKS {
        if store.head(to).await?.size == size {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    let source = "the copy did not become whole in time".into();
    Err(object_store::Error::Generic { store: "blob", source })
}

async fn fill(
    parts: &mut WriteMultipart,
    (tape, mut behind): (&mut Tape, Option<&mut Behind>),
    bytes: &mut impl Flow,
) -> Result<(), WriteError> {
    while let Some(next) = bytes.next().await {
        let next = next.map_err(WriteError::Broken)?;
        tape.pass(&next)?;
        parts.wait_for_capacity(ABREAST).await?;
        if let Some(behind) = &mut behind {
            behind.pass(next.len());
        }
        parts.put(next);
    }
    Ok(())
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
    let (size, part) = (found.meta.size, found.range);
    let bytes = match found.payload {
        GetResultPayload::File(file, _) => of_file(file, part.clone()),
        GetResultPayload::Stream(pieces) => pieces.map_err(ReadError::from).boxed(),
    };
    Ok(Reading { size, part, bytes })
}

/// Piece by piece, the next one read while the last is on its way; the store's own pieces are so
/// small that handing them over costs more than reading them.
fn of_file(file: File, part: Range<u64>) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let pieces = stream::try_unfold(Rest { file, part }.ahead(), |ahead| async move {
        let Some(ahead) = ahead else { return Ok(None) };
        let (piece, rest) = ahead.await.map_err(io::Error::from).flatten()?;
        Ok(Some((Bytes::from(piece), rest.ahead())))
    });
    pieces.map_err(ReadError::of_folder).boxed()
}

/// A piece on its way, and what comes after it.
type Ahead = JoinHandle<io::Result<(Vec<u8>, Rest)>>;

/// A file, and what of it is still to be read.
struct Rest {
    file: File,
    part: Range<u64>,
}

impl Rest {
    /// Begins to read the next piece, if there is one. The room for it is taken here, by the few
    /// threads that give it back, not by the many that read: each of those would keep some.
    #[expect(clippy::disallowed_methods, reason = "as any reading of a file; it ends by itself")]
    fn ahead(self) -> Option<Ahead> {
        let most = (self.part.end - self.part.start).min(PIECE);
        let room = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        (most > 0).then(|| tokio::task::spawn_blocking(move || self.piece(room, most)))
    }

    fn piece(mut self, mut piece: Vec<u8>, most: u64) -> io::Result<(Vec<u8>, Self)> {
        self.file.seek(SeekFrom::Start(self.part.start))?;
        (&self.file).take(most).read_to_end(&mut piece)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.part.start += piece.len() as u64;
        Ok((piece, self))
    }
}

pub(crate) async fn count(mut reading: Reading) -> Result<Counted, ReadError> {
    let mut tape = Tape { size: 0, most: u64::MAX, digest: Sha256::new() };
    while let Some(bytes) = reading.bytes.try_next().await? {
        tape.size += bytes.len() as u64;
        tape.digest.update(&bytes);
    }
    Ok(tape.counted())
}
