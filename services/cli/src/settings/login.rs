//! What `login` keeps: one token and the fleet that it is for, in one file for its owner's eyes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) struct Login {
    pub(crate) url: String,
    pub(crate) token: String,
}

/// Where it lies, if there is such a place.
pub(super) fn path(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    super::config(environment).map(|config| config.join("gigamesh").join("login"))
}

impl Login {
    /// What cannot be read is none: a command that needs it says that nobody is signed in.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let kept: Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
        let text = |name: &str| kept.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { url: text("url")?, token: text("token")? })
    }

    /// Written beside and moved there, so that nobody finds half of it.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let beside = path.with_extension("new");
        Self::forget(&beside)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        writeln!(file, "{}", json!({ "url": self.url, "token": self.token }))?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }

    pub(crate) fn forget(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
