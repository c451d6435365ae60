//! Links to our own door: what may be done to which blob until when, and a signature over all of
//! it. The key that signs lies with the blobs, so that every door to them can check.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use fleet::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::key::BlobKey;
use crate::shown::Label;

/// The path of our door below which links lie.
pub const DOOR: &str = "/fleet/blobs/";
const KEY_FILE: &str = ".link-key";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Read,
    /// Write it once; what is there is not overwritten.
    Create,
}

/// What is granted: one deed to one blob, and how it is shown to whoever reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub deed: Deed,
    pub key: BlobKey,
    pub content_type: String,
    /// What a browser saves it as.
    pub name: Option<String>,
    /// The most that may be written.
    pub most: u64,
}

impl Shown {
    #[must_use]
    pub fn label(&self) -> Label {
        Label { content_type: self.content_type.clone(), name: self.name.clone() }
    }
}

/// An address that does it, the headers that go with it, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Where it begins with `/`, it is an address of our own door.
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub expires_at: Timestamp,
}

/// An address of our own door as it came: the key in its path, and its query, decoded.
#[derive(Clone, Debug)]
pub struct Signed {
    pub key: String,
    pub query: BTreeMap<String, String>,
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub shown: Shown,
}

/// An address that allows nothing: altered, made elsewhere, or dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    #[error("this link was not made here, or was altered")]
    Altered,
    #[error("this link has expired")]
    Expired,
}

/// Signs, and checks what was signed.
#[derive(Clone)]
pub(crate) struct Key(Arc<[u8; 32]>);

impl Key {
    pub(crate) fn fresh() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system gives randomness");
        Self(key.into())
    }

    /// The key of this folder, made by whoever comes first. It appears whole: it is written
    /// beside its place, and whoever is second takes the first one's.
    pub(crate) fn kept_in(folder: &Path) -> io::Result<Self> {
        let place = folder.join(KEY_FILE);
        if !place.exists() {
            let (fresh, mark) = (Self::fresh(), Self::fresh());
            let beside = folder.join(format!("{KEY_FILE}-{}", hex(&mark.0[..8])));
            let mut file = private().open(&beside)?;
            file.write_all(&*fresh.0)?;
            file.sync_all()?;
            let put = fs::hard_link(&beside, &place);
            fs::remove_file(&beside)?;
            match put {
                Ok(()) => fs::File::open(folder)?.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let kept = fs::read(&place)?;
        let unfit = |_| io::Error::other(format!("{} is not a key", place.display()));
        Ok(Self(Arc::new(<[u8; 32]>::try_from(kept).map_err(unfit)?)))
    }

    pub(crate) fn grant(&self, shown: Shown, expires_at: Timestamp) -> Grant {
        let mut query = vec![
            ("do", shown.deed.word().to_owned()),
            ("until", expires_at.millis().to_string()),
            ("type", shown.content_type.clone()),
            ("most", shown.most.to_string()),
        ];
        query.extend(shown.name.clone().map(|name| ("name", name)));
        let sign =
            self.sign(shown.key.as_str(), &query.iter().map(|(k, v)| (*k, v.as_str())).collect());
        query.push(("sig", sign));
        let pairs: Vec<_> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let url = format!("{DOOR}{}?{}", shown.key, pairs.join("&"));
        let headers = match shown.deed {
            Deed::Read => BTreeMap::new(),
            Deed::Create => BTreeMap::from([("content-type".to_owned(), shown.content_type)]),
        };
        Grant { url, headers, expires_at }
    }

    pub(crate) fn allowed(&self, signed: &Signed, now: Timestamp) -> Result<Allowed, Stale> {
        let said = |name: &str| signed.query.get(name).map(String::as_str);
        let all = signed.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let without = all.filter(|(name, _)| *name != "sig").collect();
        let expected = self.sign(&signed.key, &without);
        let given = said("sig").unwrap_or_default();
        if !bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
            return Err(Stale::Altered);
        }
        let until = said("until").and_then(|until| until.parse().ok()).ok_or(Stale::Altered)?;
        if now >= Timestamp::from_millis(until) {
            return Err(Stale::Expired);
        }
        let deed = said("do").and_then(Deed::of).ok_or(Stale::Altered)?;
        let most = said("most").and_then(|most| most.parse().ok()).ok_or(Stale::Altered)?;
        let key = signed.key.parse().map_err(|_| Stale::Altered)?;
        let content_type = said("type").ok_or(Stale::Altered)?.to_owned();
        let name = said("name").map(str::to_owned);
        Ok(Allowed { shown: Shown { deed, key, content_type, name, most } })
    }

    /// Over the key and every pair of the query, each with its length before it.
    fn sign(&self, key: &str, query: &BTreeMap<&str, &str>) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&*self.0).expect("any length is a key");
        let mut add = |text: &str| {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        };
        add(key);
        for (name, value) in query {
            add(name);
            add(value);
        }
        hex(&mac.finalize().into_bytes())
    }
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Read, Self::Create].into_iter().find(|deed| deed.word() == word)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(hidden)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn private() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
