//! What was fetched: checked as it passes, and put in its place only once it is whole. A command
//! that is interrupted leaves nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleet::{Artifact, ArtifactId};
use sha2::{Digest, Sha256};

use crate::exit::Exit;
use crate::trouble::Trouble;

/// A file that is not all there yet; it goes with this unless it is made whole.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    beside: PathBuf,
    file: File,
    over: bool,
}

impl Partial {
    /// `over`: what is there already is replaced.
    pub(crate) fn beside(path: PathBuf, over: bool) -> Result<Self, Trouble> {
        let taken = path.symlink_metadata().is_ok();
        if taken && (!over || path.is_dir()) {
            return Err(in_the_way(&path));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = format!(".{}.{}.part", name.unwrap_or_default(), std::process::id());
        let beside = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&beside);
        let file = file.map_err(|error| unwritten(&path, &error))?;
        Ok(Self { path, beside, file, over })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.file.write_all(bytes).map_err(|error| unwritten(&self.path, &error))
    }

    /// Puts it in its place; what came there meanwhile is not written over unasked.
    pub(crate) fn whole(self) -> Result<PathBuf, Trouble> {
        let put = if self.over {
            fs::rename(&self.beside, &self.path)
        } else {
            fs::hard_link(&self.beside, &self.path)
        };
        match put {
            Ok(()) => Ok(self.path.clone()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(in_the_way(&self.path))
            }
            Err(error) => Err(unwritten(&self.path, &error)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Renamed away already, or of no use.
        drop(fs::remove_file(&self.beside));
    }
}

fn in_the_way(path: &Path) -> Trouble {
    Trouble::usage(format!("{} is there already", path.display()))
        .because("nothing is written over unasked")
        .next("name another file with -O, or say --yes")
}

fn unwritten(path: &Path, error: &io::Error) -> Trouble {
    Trouble::new(Exit::Error, format!("{} cannot be written", path.display()))
        .because(error.to_string())
        .next("name another file with -O")
}

/// Counts and digests what passes, and holds it against what the pointer says.
pub(crate) struct Checked {
    seen: u64,
    digest: Sha256,
    size: u64,
    sha256: Option<String>,
}

impl Checked {
    pub(crate) fn of(artifact: &Artifact) -> Self {
        let (size, sha256) = (artifact.size_bytes, artifact.sha256.clone());
        Self { seen: 0, digest: Sha256::new(), size, sha256 }
    }

    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        self.digest.update(bytes);
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn within(&self, id: ArtifactId) -> Result<(), Trouble> {
        if self.seen > self.size { self.judge(id) } else { Ok(()) }
    }

    pub(crate) fn judge(&self, id: ArtifactId) -> Result<(), Trouble> {
        let digest = self.digest.clone().finalize();
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let same = self.sha256.as_ref().is_none_or(|known| *known == digest);
        if self.seen == self.size && same {
            return Ok(());
        }
        let what = format!("what arrived is not artifact {id}");
        let why = if same {
            format!("{} of {} bytes arrived", self.seen, self.size)
        } else {
            format!("its digest is {digest}")
        };
        Err(Trouble::new(Exit::Error, what).because(why).next("repeat it"))
    }
}

/// The name that it has for people, as a plain file of the current folder.
pub(crate) fn file_name(artifact: &Artifact) -> String {
    let named = artifact.name.as_deref().unwrap_or_default();
    let last = named.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |letter: char| if letter.is_control() { '_' } else { letter };
    let name: String = last.trim_start_matches('.').chars().map(plain).collect();
    if name.is_empty() { format!("{}-{}", artifact.id, artifact.kind.word()) } else { name }
}

#[cfg(test)]
mod tests {
    use fleet::Description;

    use super::*;

    fn artifact(name: Option<&str>) -> Artifact {
        let id = "a_aaaaaaaaaaaaaaaaaaaaaaaaaa_01890a5dac96774bbcceb302099a8057".parse().unwrap();
        let (kind, size_bytes) = (fleet::ArtifactKind::Log, Some(5));
        let described =
            Description { kind, content_type: None, name: None, size_bytes, sha256: None };
        let (product, described) = ("acme".parse().unwrap(), described.judged().unwrap());
        let mut artifact = Artifact::pending(id, product, described, fleet::Timestamp::EPOCH);
        artifact.name = name.map(str::to_owned);
        artifact
    }

    #[test]
    fn no_name_leads_out_of_the_folder_or_hides_in_it() {
        for (name, file) in [
            ("out.txt", "out.txt"),
            ("../../etc/passwd", "passwd"),
            ("..\\x", "x"),
            (".bashrc", "bashrc"),
            ("a\u{1b}[2J", "a_[2J"),
        ] {
            assert_eq!(file_name(&artifact(Some(name))), file);
        }
        for name in [None, Some(""), Some(".."), Some("a/")] {
            assert!(file_name(&artifact(name)).ends_with("8057-log"), "{name:?}");
        }
    }

    #[test]
    fn nothing_is_written_over_unasked_and_nothing_half_is_left() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x");
        let files = || fs::read_dir(place.path()).unwrap().count();
        let mut half = Partial::beside(path.clone(), false).unwrap();
        half.write(b"half").unwrap();
        drop(half);
        assert_eq!(files(), 0);
        let mut whole = Partial::beside(path.clone(), false).unwrap();
        whole.write(b"one").unwrap();
        fs::write(&path, "meanwhile").unwrap();
        assert_eq!(whole.whole().unwrap_err().exit, Exit::Usage);
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), files()), ("meanwhile", 1));
        assert_eq!(Partial::beside(path.clone(), false).unwrap_err().exit, Exit::Usage);
        let mut over = Partial::beside(path.clone(), true).unwrap();
        over.write(b"two").unwrap();
        over.whole().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), files()), ("two", 1));
    }

    #[test]
    fn other_bytes_than_the_pointer_says_are_told() {
        let mut known = artifact(None);
        known.sha256 =
            Some("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824".into());
        for (bytes, fine) in [(&b"hello"[..], true), (b"hallo", false), (b"hell", false)] {
            let mut checked = Checked::of(&known);
            checked.pass(bytes);
            assert_eq!(checked.judge(known.id).is_ok(), fine, "{bytes:?}");
        }
    }
}
