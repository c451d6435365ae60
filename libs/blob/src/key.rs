//! The name of a blob: segments of letters, digits, `-` and `_`, and nothing that a file system or
//! an address could read otherwise.

use std::fmt;
use std::str::FromStr;

use fleet::{Artifact, Epoch, JobId, ProductId};

const LONGEST: usize = 512;
/// Below which lies what is no blob yet.
pub(crate) const STAGED: &str = "staged";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey(Box<str>);

/// A text that no blob has for its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the key of a blob")]
pub struct BadKey;

impl BlobKey {
    /// Where the bytes of this pointer are.
    ///
    /// # Errors
    /// The pointer was not made by this product.
    pub fn of(artifact: &Artifact) -> Result<Self, BadKey> {
        artifact.blob_key.parse()
    }

    /// Under which the pieces of a run's log lie until they become one artifact.
    #[must_use]
    pub fn log(product: &ProductId, job: JobId, epoch: Epoch) -> Self {
        Self(format!("fleet-logs/{product}/{job}/{epoch}").into())
    }

    /// A key below this one.
    ///
    /// # Errors
    /// The name is no segment of a key.
    pub fn child(&self, name: &str) -> Result<Self, BadKey> {
        format!("{self}/{name}").parse()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let own = text.split('/').next() == Some(STAGED);
        let fits = !own && text.len() <= LONGEST && text.split('/').all(is_segment);
        fits.then(|| Self(text.into())).ok_or(BadKey)
    }
}

fn is_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty() && text.bytes().all(plain)
}

impl fmt::Display for BlobKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_leads_elsewhere_is_a_key() {
        for text in ["", "/", "a/", "/a", "a//b", "..", "a/../b", "a/.", "a b", "a%2f", "a\\b", "ä"]
        {
            assert_eq!(text.parse::<BlobKey>(), Err(BadKey), "{text:?}");
        }
        assert_eq!("staged/a".parse::<BlobKey>(), Err(BadKey), "what is no blob yet");
        assert!("a".repeat(LONGEST + 1).parse::<BlobKey>().is_err());
        let key: BlobKey = "fleet/acme/j_x/a_x_1-log".parse().expect("a key");
        assert_eq!(key.to_string(), "fleet/acme/j_x/a_x_1-log");
    }
}
