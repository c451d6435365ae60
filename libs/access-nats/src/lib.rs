//! Who a process is to NATS servers, and which servers it believes: files alone, read again for
//! every connection, so that what is renewed in them needs no new start. Never shows what is in
//! them.

mod badge;

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_nats::rustls;
use async_nats::{Auth, AuthError, ConnectError, ConnectErrorKind, ConnectOptions};
use clock::{Clock, System};
use fleet::Timestamp;
use tracing::{debug, warn};

use badge::Badge;

/// What lies where. Nothing of it: a server that asks nobody who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// A user's token and its key, as `gigamesh nats issue` or other tools of NATS write them.
    pub credentials: Option<PathBuf>,
    /// Certificates of the authority whose servers are believed, in place of the system's.
    pub authority: Option<PathBuf>,
    pub identity: Option<Identity>,
}

/// What a server that wants certificates is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why a server is not to be reached so. Waiting does not mend it.
#[derive(Debug, thiserror::Error)]
pub enum NotAdmitted {
    #[error("{what} cannot be read from {}", file.display())]
    Unreadable { what: &'static str, file: PathBuf, source: io::Error },
    #[error("there are no NATS credentials in {}: {why}", file.display())]
    NotCredentials { file: PathBuf, why: &'static str },
    #[error("the NATS credentials in {} ended at {when}", file.display())]
    Expired { file: PathBuf, when: Timestamp },
    #[error("NATS does not let this credential in: authorization violation")]
    Refused,
    #[error("NATS lets nobody in without a credential")]
    Nobody,
    #[error("no TLS with NATS: {0}")]
    Tls(String),
}

/// Pauses between tries of whoever was refused grow to this: a server that said no says it again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// One refusal may be a renewal that was not yet written.
const AT_ONCE: u32 = 2;
const LARGEST: u64 = 64 << 10;

/// The files of one connection, and how it went with them.
#[derive(Clone, Debug)]
pub struct Access {
    files: Files,
    /// As the first look found it: answers come to its inbox for as long as the connection lives.
    name: Option<String>,
    /// Shown, and not let in since.
    refusals: Arc<AtomicU32>,
}

impl Files {
    /// Looks whether all of it is there and in order now, and says what is not.
    ///
    /// # Errors
    /// A file is missing, is something else, or its time is over.
    pub fn open(&self) -> Result<Access, NotAdmitted> {
        let name = match &self.credentials {
            Some(file) => Some(badge_in(file)?.name().to_owned()),
            None => None,
        };
        if let Some(file) = &self.authority {
            read("the certificates of the NATS servers", file)?;
        }
        if let Some(Identity { certificate, key }) = &self.identity {
            read("the certificate for NATS", certificate)?;
            read("the key of the certificate for NATS", key)?;
            warn_if_open(key);
        }
        self.credentials.iter().for_each(|file| warn_if_open(file));
        Ok(Access { files: self.clone(), name, refusals: Arc::default() })
    }

    fn are_for_tls(&self) -> bool {
        self.authority.is_some() || self.identity.is_some()
    }
}

impl Access {
    /// What a connection is to begin with.
    #[must_use]
    pub fn options(&self) -> ConnectOptions {
        let mut options = match &self.files.credentials {
            Some(file) => self.signing(file.clone()),
            None => ConnectOptions::new(),
        };
        if let Some(authority) = &self.files.authority {
            options = options.add_root_certificates(authority.clone());
        }
        if let Some(Identity { certificate, key }) = &self.files.identity {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        if self.files.are_for_tls() { options.require_tls(true) } else { options }
    }

    /// Where the answers of this principal come, if it is one.
    #[must_use]
    pub fn inbox(&self) -> Option<String> {
        let plain = |letter: char| match letter {
            '~' | '-' | '_' => letter,
            letter if letter.is_ascii_alphanumeric() => letter,
            _ => '-',
        };
        let name = self.name.as_ref()?;
        Some(format!("_INBOX_{}", name.chars().map(plain).collect::<String>()))
    }

    /// To be told of every connection that stands.
    pub fn admitted(&self) {
        self.refusals.store(0, Ordering::Relaxed);
    }

    /// How long whoever was refused is to wait at least.
    #[must_use]
    pub fn pause(&self) -> Duration {
        pause_after(self.refusals.load(Ordering::Relaxed))
    }

    /// Why a first try to connect failed, if waiting would not mend it.
    #[must_use]
    pub fn judge(&self, error: &ConnectError) -> Option<NotAdmitted> {
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation => Some(match self.name {
                Some(_) => NotAdmitted::Refused,
                None => NotAdmitted::Nobody,
            }),
            ConnectErrorKind::Authentication => {
                Some(self.files.open().err().unwrap_or(NotAdmitted::Refused))
            }
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::Tls
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => tls_of(error).map(NotAdmitted::Tls),
        }
    }

    /// Reads the file for each connection anew.
    fn signing(&self, file: PathBuf) -> ConnectOptions {
        let (name, refusals) = (self.name.clone(), Arc::clone(&self.refusals));
        ConnectOptions::with_auth_callback(move |nonce| {
            refusals.fetch_add(1, Ordering::Relaxed);
            std::future::ready(shown(&file, name.as_deref(), &nonce))
        })
    }
}

fn shown(file: &Path, name: Option<&str>, nonce: &[u8]) -> Result<Auth, AuthError> {
    let badge = badge_in(file).map_err(|error| AuthError::new(told(&error)))?;
    if name != Some(badge.name()) {
        return Err(AuthError::new("the credentials are of another principal now"));
    }
    sign(&badge, nonce)
}

fn sign(badge: &Badge, nonce: &[u8]) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    auth.signature = Some(badge.sign(nonce).map_err(AuthError::new)?);
    auth.jwt = Some(badge.token().to_owned());
    Ok(auth)
}

fn badge_in(file: &Path) -> Result<Badge, NotAdmitted> {
    let text = read("NATS credentials", file)?;
    let badge = Badge::parse(&text)
        .map_err(|why| NotAdmitted::NotCredentials { file: file.to_owned(), why })?;
    match badge.until() {
        Some(when) if when <= System::start().now() => {
            Err(NotAdmitted::Expired { file: file.to_owned(), when })
        }
        Some(_) | None => Ok(badge),
    }
}

fn read(what: &'static str, file: &Path) -> Result<String, NotAdmitted> {
    let unreadable = |source| NotAdmitted::Unreadable { what, file: file.to_owned(), source };
    let length = fs::metadata(file).map_err(unreadable)?.len();
    if length > LARGEST {
        let source = io::Error::other(format!("{length} bytes are too many"));
        return Err(unreadable(source));
    }
    fs::read_to_string(file).map_err(unreadable)
}

/// It is used all the same: whoever may read it may be meant to.
fn warn_if_open(file: &Path) {
    let mode = fs::metadata(file).map(|about| about.permissions().mode() & 0o777);
    match mode {
        Ok(mode) if mode & 0o077 != 0 => {
            let (file, mode) = (file.display(), format!("{mode:o}"));
            warn!(%file, mode, "others on this host may read a key for NATS; chmod 600 mends it");
        }
        Ok(_) => {}
        Err(error) => debug!(file = %file.display(), %error, "its mode is not known"),
    }
}

fn pause_after(refusals: u32) -> Duration {
    let doublings = refusals.saturating_sub(AT_ONCE).min(10);
    if doublings == 0 {
        Duration::ZERO
    } else {
        (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE)
    }
}

/// The words of whatever failed in TLS, however deep they lie.
fn tls_of(error: &(dyn Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found.to_string());
        }
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = within.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(found.to_string());
        }
        cause = error.source();
    }
    None
}

/// An error and all its causes on one line.
fn told(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line += &format!(": {error}");
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &Path, text: &str) -> Files {
        let credentials = folder.join("user.creds");
        fs::write(&credentials, text).unwrap();
        Files { credentials: Some(credentials), ..Files::default() }
    }

    #[test]
    fn a_file_that_is_missing_or_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Files { credentials: Some(folder.path().join("no")), ..Files::default() };
        let error = nowhere.open().unwrap_err();
        assert!(matches!(&error, NotAdmitted::Unreadable { file, .. } if file.ends_with("no")));
        for text in ["", "secret", "-----BEGIN NATS USER JWT-----\nx\n------END------\n"] {
            let error = file(folder.path(), text).open().unwrap_err();
            assert!(matches!(error, NotAdmitted::NotCredentials { .. }), "{text:?}: {error:?}");
            assert!(text.is_empty() || !error.to_string().contains(text), "it repeats the file");
        }
        let certificate = folder.path().join("no");
        let lone = Files { authority: Some(certificate), ..Files::default() };
        assert!(matches!(lone.open(), Err(NotAdmitted::Unreadable { .. })));
        assert!(Files::default().open().is_ok(), "nothing is asked for");
    }

    #[test]
    fn credentials_name_the_inbox_and_end_at_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let now = System::start().now();
        let later = now.plus(Duration::from_hours(1));
        let access = file(folder.path(), &badge::tests::written("factory~acme~f1", Some(later)));
        let access = access.open().unwrap();
        assert_eq!(access.inbox().as_deref(), Some("_INBOX_factory~acme~f1"));
        let over = file(folder.path(), &badge::tests::written("x", Some(now)));
        assert!(matches!(over.open(), Err(NotAdmitted::Expired { .. })));
        let odd = file(folder.path(), &badge::tests::written("a.> *", None)).open().unwrap();
        assert_eq!(odd.inbox().as_deref(), Some("_INBOX_a----"));
    }

    #[test]
    fn nothing_of_a_credential_is_ever_shown() {
        let folder = tempfile::tempdir().unwrap();
        let text = badge::tests::written("x", None);
        let files = file(folder.path(), &text);
        let shown = format!("{files:?} {:?} {:?}", files.open(), Badge::parse(&text));
        let secret = text.lines().find(|line| line.starts_with("SU")).unwrap();
        assert!(!shown.contains(secret));
    }

    #[test]
    fn whoever_is_refused_again_and_again_waits_longer_and_never_for_ever() {
        assert_eq!([0, 1, 2].map(pause_after), [Duration::ZERO; 3]);
        assert!(pause_after(3) < pause_after(4));
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }
}
