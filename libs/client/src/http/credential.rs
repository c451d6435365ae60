//! What a caller proves itself with, and the file that it came from: a token is replaced while
//! programs run, so whoever is not believed any more looks there once before saying so. Never prints
//! it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// What goes before a token; by itself it is nobody's.
const SCHEME: &str = "Bearer ";
/// Tokens of issuers have up to 16 KiB.
const LONGEST: u64 = 17 << 10;

/// A token as the header that it travels in.
pub(super) struct Credential {
    header: Mutex<Arc<str>>,
    file: Option<PathBuf>,
}

impl Credential {
    /// `None` where it could be no header.
    pub(super) fn of(token: &str) -> Option<Self> {
        Some(Self { header: Mutex::new(header(token)?), file: None })
    }

    /// The same, to be found again in this file.
    pub(super) fn kept_in(&self, file: PathBuf) -> Self {
        Self { header: Mutex::new(self.now()), file: Some(file) }
    }

    pub(super) fn now(&self) -> Arc<str> {
        Arc::clone(&self.header())
    }

    /// Whether there is another one than that which was just refused. Then it is the one of now.
    pub(super) async fn is_replaced(&self, refused: &str) -> bool {
        // Another call that was refused may have looked already.
        if *self.now() != *refused {
            return true;
        }
        let Some(file) = &self.file else { return false };
        // What cannot be read, or holds no token yet, is looked at again after the next refusal.
        let Ok(text) = read(file).await else { return false };
        let Some(found) = header(text.trim()) else { return false };
        if *found == *refused || *found == *SCHEME {
            return false;
        }
        *self.header() = found;
        true
    }

    fn header(&self) -> MutexGuard<'_, Arc<str>> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is one at all.
pub(super) fn is_somebodys(header: &str) -> bool {
    header != SCHEME
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credential(hidden, from {:?})", self.file)
    }
}

fn header(token: &str) -> Option<Arc<str>> {
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    visible.then(|| format!("{SCHEME}{token}").into())
}

async fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file).await?.take(LONGEST).read_to_string(&mut text).await?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_another_token_in_the_file_is_worth_another_try() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let first = Credential::of("gm_first").unwrap();
        assert!(!first.is_replaced("Bearer gm_first").await, "it came from no file");
        let kept = first.kept_in(file.clone());
        for unread in ["", "gm_first\n", "two words", "\u{e9}"] {
            assert!(!kept.is_replaced("Bearer gm_first").await);
            std::fs::write(&file, unread).unwrap();
        }
        assert!(!kept.is_replaced("Bearer gm_first").await);
        std::fs::write(&file, "gm_second\n").unwrap();
        assert!(kept.is_replaced("Bearer gm_first").await);
        assert_eq!(&*kept.now(), "Bearer gm_second");
        std::fs::remove_file(&file).unwrap();
        assert!(kept.is_replaced("Bearer gm_first").await, "another call looked already");
        assert!(!kept.is_replaced("Bearer gm_second").await);
        assert!(!format!("{kept:?}").contains("gm_"));
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        assert!(Credential::of("a\r\nb").is_none() && Credential::of("a b").is_none());
        assert!(!is_somebodys(&Credential::of("").unwrap().now()));
    }
}
