//! The folder that a local fleet lives in: its store, its token, and where its door is, so that
//! whoever types a command beside it need not be told. One fleet at a time; never read by a
//! service.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clock::Ids;
use gateway::LocalToken;

const URL: &str = "url";
const TOKEN: &str = "token";

/// A folder that is this process's own as long as this lives.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    _lock: File,
}

/// Why a folder cannot be lived in; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BadHome {
    #[error(
        "{} is in use by another gigamesh process; stop that one, or give this one a folder of \
         its own with --data", .0.display()
    )]
    InUse(PathBuf),
    #[error("{} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} holds no token (16 to 256 visible characters); delete it for a new one", .0.display())]
    BadToken(PathBuf),
}

impl Home {
    /// Makes the folder, for its owner's eyes only, or finds it.
    ///
    /// # Errors
    /// The disk says no, or another process lives there.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, BadHome> {
        let folder = folder.into();
        let failed = |source| BadHome::Io { path: folder.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let folder = fs::canonicalize(&folder).map_err(failed)?;
        let failed = |source| BadHome::Io { path: folder.clone(), source };
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BadHome::InUse(folder)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // What lies here is nobody's source.
        fs::write(folder.join(".gitignore"), "*\n").map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.folder.join(TOKEN)
    }

    /// Where the bytes of artifacts lie.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        self.folder.join("blobs")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// The secret of this folder: the same after every restart, made when there is none.
    ///
    /// # Errors
    /// It cannot be read or written, or somebody put something else there.
    pub fn token(&self, ids: &dyn Ids) -> Result<LocalToken, BadHome> {
        let path = self.token_file();
        let failed = |source| BadHome::Io { path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Two ids hold about 150 bits that nobody can guess.
                let fresh = format!("gm_{}{}\n", ids.mint().simple(), ids.mint().simple());
                write_private(&path, &fresh).map_err(failed)?;
                fresh
            }
            Err(error) => return Err(failed(error)),
        };
        text.trim_end().parse().map_err(|_| BadHome::BadToken(path))
    }

    /// Says where the door is.
    ///
    /// # Errors
    /// The disk says no.
    pub fn announce(&self, door: SocketAddr) -> Result<(), BadHome> {
        let path = self.folder.join(URL);
        write_private(&path, &format!("http://{door}\n"))
            .map_err(|source| BadHome::Io { path, source })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A line that stays says where a door was; whoever knocks is told that nobody is there.
        let _stays = fs::remove_file(self.folder.join(URL));
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use clock::System;

    use super::*;

    #[test]
    fn a_folder_houses_one_fleet_and_keeps_its_token() {
        let place = tempfile::tempdir().unwrap();
        let ids = System::start();
        let home = Home::open(place.path().join("data")).unwrap();
        home.token(&ids).unwrap();
        let token = fs::read_to_string(home.token_file()).unwrap();
        assert!(matches!(Home::open(home.folder()), Err(BadHome::InUse(_))));
        let folder = home.folder().to_owned();
        home.announce("127.0.0.1:4600".parse().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(folder.join(URL)).unwrap(), "http://127.0.0.1:4600\n");
        drop(home);
        assert!(!folder.join(URL).exists(), "a fleet that ended has no door");
        let home = Home::open(&folder).unwrap();
        home.token(&ids).unwrap();
        assert_eq!(fs::read_to_string(home.token_file()).unwrap(), token);
    }

    #[test]
    fn nobody_else_may_read_the_token() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::open(place.path().join("data")).unwrap();
        home.token(&System::start()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.token_file()), 0o600);
        assert_eq!(mode(home.folder()), 0o700);
        fs::write(home.token_file(), "short").unwrap();
        assert!(matches!(home.token(&System::start()), Err(BadHome::BadToken(_))));
    }
}
