//! What is no blob yet: long ones on their way in, and what was sent by links that lead past us.
//! Crashes leave it behind; a sweep takes what is old.

use std::fs::Metadata;
use std::io;
use std::path::{Path as Folder, PathBuf};
use std::time::SystemTime;

use clock::Ids;
use fleet::Timestamp;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use tokio::fs;

use crate::flow::ReadError;
use crate::key::{BlobKey, STAGED};

/// Where a long blob lies until it is whole.
pub(crate) fn on_its_way(ids: &dyn Ids) -> Path {
    Path::from(format!("{STAGED}/{}", ids.mint()))
}

/// The file in which a folder keeps it meanwhile: the first of its name, which is nobody else's.
pub(crate) fn file_of(folder: &Folder, staged: &Path) -> PathBuf {
    folder.join(format!("{staged}#1"))
}

/// Where a link that leads past us puts its bytes: such a link may write more than once, and what
/// it writes last must not reach what was counted.
pub(crate) fn by_link(key: &BlobKey) -> Path {
    Path::from(format!("{STAGED}/by-link/{key}"))
}

/// Removes what lies there since before this time, and tells how many.
pub(crate) async fn sweep(store: &dyn ObjectStore, before: Timestamp) -> Result<u64, ReadError> {
    let mut found = store.list(Some(&Path::from(STAGED)));
    let mut swept = 0;
    while let Some(meta) = found.try_next().await? {
        if meta.last_modified.timestamp_millis() < before.millis() {
            match store.delete(&meta.location).await {
                Ok(()) | Err(Error::NotFound { .. }) => swept += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(swept)
}

/// In a folder a write that a crash cut short leaves a file beside its place as well, which the
/// store itself never shows: its name ends in `#` and a number.
pub(crate) async fn sweep_folder(folder: &Folder, before: Timestamp) -> io::Result<u64> {
    let mut open = vec![folder.to_owned()];
    let mut swept = 0;
    while let Some(next) = open.pop() {
        let mut entries = match fs::read_dir(&next).await {
            Ok(entries) => entries,
            // It was empty, and went with the last blob in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        while let Some(entry) = entries.next_entry().await? {
            if entry.file_type().await?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name().to_str().is_some_and(is_unfinished) {
                swept += u64::from(swept_file(&entry, before).await?);
            }
        }
    }
    Ok(swept)
}

fn is_unfinished(name: &str) -> bool {
    let number = |end: &str| !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit());
    name.rsplit_once('#').is_some_and(|(_, end)| number(end))
}

async fn swept_file(entry: &fs::DirEntry, before: Timestamp) -> io::Result<bool> {
    let swept = match entry.metadata().await {
        Ok(meta) if written_before(&meta, before) => fs::remove_file(entry.path()).await,
        Ok(_) => return Ok(false),
        Err(error) => Err(error),
    };
    match swept {
        Ok(()) => Ok(true),
        // Its writer was not dead but quick.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn written_before(meta: &Metadata, before: Timestamp) -> bool {
    let since = meta.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    millis.is_some_and(|millis| millis < before.millis())
}
