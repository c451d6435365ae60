//! Bytes that are too big for a record. A blob is written once, under a key that is never used
//! again; it is streamed both ways, counted and digested as it passes, and opened to others by
//! links that die. Knows nothing of pointers.

mod behind;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod elsewhere;
mod flow;
mod key;
mod link;
mod log;
mod place;
mod shown;
mod staged;
#[cfg(test)]
mod tests;

use object_store::path::Path;

pub use elsewhere::{Access, Azure, S3, S3Secret};
pub use flow::{Counted, Flow, ReadError, Reading, WriteError};
pub use key::{BadKey, BlobKey};
pub use link::{Allowed, DOOR, Deed, Grant, Shown, Signed, Stale};
pub use log::{LogError, Named, Piece, Pieces, RunLog};
pub use place::{Blobs, NotOpened, Stored};
pub use shown::Label;

impl From<&BlobKey> for Path {
    fn from(key: &BlobKey) -> Self {
        Self::from(key.as_str())
    }
}
