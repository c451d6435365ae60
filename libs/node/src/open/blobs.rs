//! Where bytes are kept, as it is said in one text: `memory`, `disk:DIR`,
//! `azure://ACCOUNT/CONTAINER` or `s3://BUCKET`. No secret stands in that text.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use blob::{Access, Azure, Blobs, S3};
use clock::Ids;

use super::NotOpened;

/// What keeps blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobsChoice {
    /// Nothing: they end with the process.
    Memory,
    /// This folder, for every process that reaches it.
    Disk(PathBuf),
    /// With the identity of the machine, until another access is put in its place.
    Azure(Azure),
    /// With the identity of the machine, until a secret is put in its place.
    S3(S3),
}

/// A text that names no place for blobs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    #[error("not a place for blobs: memory, disk:DIR, azure://ACCOUNT/CONTAINER or s3://BUCKET")]
    Unknown,
    #[error("disk: needs a folder, like disk:/var/lib/gigamesh/blobs")]
    NoFolder,
    #[error("azure:// needs an account and a container, like azure://acme/fleet")]
    NoContainer,
    #[error("s3:// needs a bucket and nothing after it, like s3://fleet")]
    NoBucket,
    /// Which is not repeated: a secret may have been put there.
    #[error("accounts, containers and buckets have small letters, digits and - in their names")]
    BadName,
}

/// # Errors
/// It is not built in, or cannot be used. Nobody elsewhere is asked yet: see [`Blobs::reach`].
pub fn blobs(choice: &BlobsChoice, ids: Arc<dyn Ids>) -> Result<Blobs, NotOpened> {
    match choice {
        BlobsChoice::Memory => Ok(Blobs::memory(ids)),
        BlobsChoice::Disk(folder) => Ok(Blobs::disk(folder, ids)?),
        #[cfg(feature = "azure")]
        BlobsChoice::Azure(azure) => Ok(Blobs::azure(azure, ids)?),
        #[cfg(not(feature = "azure"))]
        BlobsChoice::Azure(_) => Err(NotOpened::PlaceNotBuiltIn("azure")),
        #[cfg(feature = "s3")]
        BlobsChoice::S3(s3) => Ok(Blobs::s3(s3, ids)?),
        #[cfg(not(feature = "s3"))]
        BlobsChoice::S3(_) => Err(NotOpened::PlaceNotBuiltIn("s3")),
    }
}

impl FromStr for BlobsChoice {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(folder) = text.strip_prefix("disk:") {
            return if folder.is_empty() { Err(NoPlace::NoFolder) } else { Ok(Self::disk(folder)) };
        }
        if let Some(rest) = text.strip_prefix("azure://") {
            let (account, container) = rest.split_once('/').ok_or(NoPlace::NoContainer)?;
            return Self::azure(account, container);
        }
        let rest = text.strip_prefix("s3://").ok_or(NoPlace::Unknown)?;
        Self::s3(rest)
    }
}

impl BlobsChoice {
    fn disk(folder: &str) -> Self {
        Self::Disk(folder.into())
    }

    fn azure(account: &str, container: &str) -> Result<Self, NoPlace> {
        if account.is_empty() || container.is_empty() || container.contains('/') {
            return Err(NoPlace::NoContainer);
        }
        let (account, container) = (named(account, false)?, named(container, false)?);
        let access = Access::Managed { client: None, endpoint: None };
        Ok(Self::Azure(Azure { account, container, access, endpoint: None, roots: None }))
    }

    fn s3(bucket: &str) -> Result<Self, NoPlace> {
        if bucket.is_empty() || bucket.contains('/') {
            return Err(NoPlace::NoBucket);
        }
        let bucket = named(bucket, true)?;
        Ok(Self::S3(S3 { bucket, region: None, endpoint: None, roots: None, secret: None }))
    }
}

/// What may stand in an address; the rest of the rules is the provider's to say.
fn named(name: &str, dots: bool) -> Result<String, NoPlace> {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || (dots && byte == b'.')
    };
    if name.bytes().all(fits) { Ok(name.to_owned()) } else { Err(NoPlace::BadName) }
}

impl fmt::Display for BlobsChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => out.write_str("memory"),
            Self::Disk(folder) => write!(out, "disk:{}", folder.display()),
            Self::Azure(azure) => write!(out, "azure://{}/{}", azure.account, azure.container),
            Self::S3(s3) => write!(out, "s3://{}", s3.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_in_one_text_and_shown_in_the_same() {
        for text in ["memory", "disk:/var/blobs", "disk:C:\\b", "azure://acme/fleet", "s3://a.b-c"]
        {
            let choice: BlobsChoice = text.parse().unwrap();
            assert_eq!(choice.to_string(), text);
        }
        let Ok(BlobsChoice::Azure(azure)) = "azure://acme/fleet".parse() else { panic!() };
        assert_eq!((azure.account.as_str(), azure.container.as_str()), ("acme", "fleet"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let no = |text: &str| text.parse::<BlobsChoice>().unwrap_err();
        for text in ["", "Memory", "disk", "/var/blobs", "http://acme/fleet", "s3:fleet"] {
            assert_eq!(no(text), NoPlace::Unknown, "{text:?}");
        }
        assert_eq!(no("disk:"), NoPlace::NoFolder);
        for text in ["azure://", "azure://acme", "azure://acme/", "azure:///x", "azure://a/b/c"] {
            assert_eq!(no(text), NoPlace::NoContainer, "{text:?}");
        }
        assert_eq!(no("s3://"), NoPlace::NoBucket);
        assert_eq!(no("s3://a/b"), NoPlace::NoBucket);
        for text in ["azure://acme:key@x/fleet", "azure://acme/Fleet", "s3://fleet?x=y"] {
            assert_eq!(no(text), NoPlace::BadName, "{text:?}");
        }
    }

    #[cfg(not(any(feature = "azure", feature = "s3")))]
    #[test]
    fn a_place_that_is_not_built_in_says_which_feature_it_needs() {
        let ids: Arc<dyn Ids> = Arc::new(clock::System::start());
        for (text, feature) in [("azure://acme/fleet", "azure"), ("s3://fleet", "s3")] {
            let said = blobs(&text.parse().unwrap(), Arc::clone(&ids)).unwrap_err().to_string();
            assert!(said.contains(&format!("`{feature}`")), "{said}");
        }
    }
}
