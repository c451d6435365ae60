//! What a run leaves to be kept: files that its manifest names, and all in its folder of artifacts.
//! Looks and opens; sends nothing, and follows no link out of where it looks.

mod kind;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use fleet::{ArtifactKind, Glob};
use tokio::fs::{canonicalize, read_dir};

pub(crate) use kind::content_type;
use kind::kind_of;

/// What a job may have.
const MOST: usize = 1000;
/// What one of them may have.
const LARGEST: u64 = 2 << 30;
/// Entries that are looked at, and folders below each other.
const MOST_SEEN: usize = 200_000;
const DEEPEST: usize = 64;
const LONGEST_NAME: usize = 255;

/// Where a run leaves what it says and makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    pub log: PathBuf,
    /// None where the run was given none.
    pub work: Option<PathBuf>,
    pub artifacts: PathBuf,
}

/// A file to bring.
#[derive(Debug)]
pub(crate) struct Sheaf {
    /// As it was found, for people.
    pub(crate) path: String,
    /// The same as one word: a name holds no `/`.
    pub(crate) name: String,
    pub(crate) kind: ArtifactKind,
    pub(crate) file: File,
    pub(crate) length: u64,
}

/// Files to look at, and what is said of those that are not brought.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    found: Vec<(PathBuf, String)>,
    pub(crate) remarks: Vec<String>,
    seen: usize,
}

impl Harvest {
    /// In the order of their names, those of the folder of artifacts first.
    pub(crate) async fn of(trail: &Trail, globs: &[Glob]) -> Self {
        let mut harvest = Self::default();
        harvest.gather(&trail.artifacts, None).await;
        if let Some(work) = trail.work.as_ref().filter(|_| !globs.is_empty()) {
            harvest.gather(work, Some(globs)).await;
        }
        let beyond = harvest.found.len().saturating_sub(MOST);
        if beyond > 0 {
            harvest.found.truncate(MOST);
            harvest.remarks.push(format!("{beyond} files are not kept: a job has at most {MOST}"));
        }
        harvest
    }

    /// Opened one after the other: the next file, or why it is not brought.
    pub(crate) fn open(&mut self) -> impl Iterator<Item = Result<Sheaf, String>> {
        std::mem::take(&mut self.found).into_iter().map(|(place, path)| {
            Sheaf::open(&place, &path).map_err(|why| format!("{path} is not kept: {why}"))
        })
    }

    async fn gather(&mut self, root: &Path, globs: Option<&[Glob]>) {
        // The folder as it was given, not one that a run has put in its place.
        let linked = tokio::fs::symlink_metadata(root).await.is_ok_and(|known| known.is_symlink());
        let Ok(real_root) = canonicalize(root).await else { return };
        if linked {
            self.remarks.push(String::from("a folder that became a link is not looked at"));
            return;
        }
        let mut walk =
            Walk { waiting: vec![(root.to_owned(), String::new(), 0)], found: Vec::new() };
        while let Some(folder) = walk.waiting.pop() {
            self.seen += walk.look_into(folder, globs).await;
            if self.seen > MOST_SEEN {
                self.remarks.push(format!("only the first {MOST_SEEN} files were looked at"));
                break;
            }
        }
        walk.found.sort();
        for (place, path) in walk.found {
            match real_file(&place, &real_root).await {
                Ok(real) => self.found.push((real, path)),
                Err(why) => self.remarks.push(format!("{path} is not kept: {why}")),
            }
        }
    }
}

/// Folders that are still to be seen, and what was found.
struct Walk {
    waiting: Vec<(PathBuf, String, usize)>,
    found: Vec<(PathBuf, String)>,
}

impl Walk {
    /// How many entries it has. A folder that cannot be read holds nothing for us.
    async fn look_into(
        &mut self,
        (folder, below, depth): (PathBuf, String, usize),
        globs: Option<&[Glob]>,
    ) -> usize {
        let Ok(mut entries) = read_dir(&folder).await else { return 1 };
        let mut seen = 1;
        while let Ok(Some(entry)) = entries.next_entry().await {
            seen += 1;
            if seen > MOST_SEEN {
                break;
            }
            let Ok(kind) = entry.file_type().await else { continue };
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            if kind.is_dir() && depth < DEEPEST {
                self.waiting.push((entry.path(), format!("{path}/"), depth + 1));
            } else if !kind.is_dir() && globs.is_none_or(|globs| fits(globs, &path)) {
                self.found.push((entry.path(), path));
            }
        }
        seen
    }
}

/// A pattern that names a folder takes all of it.
fn fits(globs: &[Glob], path: &str) -> bool {
    let folders = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    folders.chain([path]).any(|path| globs.iter().any(|glob| glob.matches(path)))
}

/// A file itself, or one that a link leads to without leaving the root. Links to folders are not
/// followed: what is inside is found in its own place.
async fn real_file(place: &Path, root: &Path) -> Result<PathBuf, &'static str> {
    let real = canonicalize(place).await.map_err(|_| "the link leads nowhere")?;
    if !real.starts_with(root) {
        return Err("the link leads out of the folder");
    }
    let known = tokio::fs::metadata(&real).await.map_err(|_| "it has gone")?;
    if known.is_file() { Ok(real) } else { Err("it is no file") }
}

impl Sheaf {
    fn open(place: &Path, path: &str) -> Result<Self, String> {
        let opened = || -> io::Result<(File, u64)> {
            let file = File::open(place)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = opened().map_err(|error| error.to_string())?;
        match length {
            0 => Err(String::from("it is empty")),
            _ if length > LARGEST => Err(String::from("it is larger than 2 GiB")),
            _ => Ok(Self {
                kind: kind_of(path),
                name: name_of(path),
                path: path.to_owned(),
                file,
                length,
            }),
        }
    }
}

/// The path as one word; of one that is too long, its end.
fn name_of(path: &str) -> String {
    let word = path.replace('/', "__").replace(char::is_control, "_");
    let from = word.ceil_char_boundary(word.len().saturating_sub(LONGEST_NAME));
    word.split_at(from).1.to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Ground {
        home: tempfile::TempDir,
        trail: Trail,
    }

    impl Ground {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let of = |name: &str| home.path().join(name);
            let trail =
                Trail { log: of("log.txt"), work: Some(of("work")), artifacts: of("artifacts") };
            fs::create_dir_all(of("work/reports/deep")).unwrap();
            fs::create_dir_all(of("artifacts/sub")).unwrap();
            Self { home, trail }
        }

        fn holds(&self, path: &str) -> &Self {
            fs::write(self.home.path().join(path), "x").unwrap();
            self
        }

        async fn brings(&self, globs: &[&str]) -> (Vec<String>, Vec<String>) {
            let globs: Vec<Glob> = globs.iter().map(|glob| glob.parse().unwrap()).collect();
            let mut harvest = Harvest::of(&self.trail, &globs).await;
            let (found, unfit): (Vec<_>, Vec<_>) = harvest.open().partition(Result::is_ok);
            let mut remarks = std::mem::take(&mut harvest.remarks);
            remarks.extend(unfit.into_iter().map(Result::unwrap_err));
            (found.into_iter().map(|sheaf| sheaf.unwrap().name).collect(), remarks)
        }
    }

    #[tokio::test]
    async fn all_of_the_folder_of_artifacts_and_what_patterns_name() {
        let ground = Ground::new();
        ground.holds("artifacts/b").holds("artifacts/sub/a").holds("work/top.xml");
        ground.holds("work/reports/one.xml").holds("work/reports/deep/two.xml").holds("work/no");
        let (names, remarks) = ground.brings(&["reports/**/*.xml"]).await;
        assert_eq!(names, ["b", "sub__a", "reports__deep__two.xml", "reports__one.xml"]);
        assert_eq!(remarks, [""; 0]);
        assert_eq!(ground.brings(&["*.xml"]).await.0, ["b", "sub__a", "top.xml"]);
        assert_eq!(ground.brings(&["reports/deep"]).await.0[2..], ["reports__deep__two.xml"]);
        assert_eq!(ground.brings(&[]).await.0, ["b", "sub__a"]);
    }

    #[tokio::test]
    async fn no_link_leads_out() {
        let ground = Ground::new();
        let at = |path: &str| ground.home.path().join(path);
        fs::create_dir(at("outside")).unwrap();
        ground.holds("outside/secret").holds("work/real");
        symlink(at("outside/secret"), at("artifacts/one")).unwrap();
        symlink(at("outside"), at("artifacts/folder")).unwrap();
        symlink("../../outside/secret", at("artifacts/sub/two")).unwrap();
        symlink("nothing", at("artifacts/broken")).unwrap();
        symlink("real", at("work/inside")).unwrap();
        symlink("..", at("work/reports/up")).unwrap();
        let (names, remarks) = ground.brings(&["**"]).await;
        assert_eq!(names, ["inside", "real"]);
        assert_eq!(
            remarks,
            [
                "broken is not kept: the link leads nowhere",
                "folder is not kept: the link leads out of the folder",
                "one is not kept: the link leads out of the folder",
                "sub/two is not kept: the link leads out of the folder",
                "reports/up is not kept: it is no file",
            ]
        );
    }

    #[tokio::test]
    async fn a_folder_that_became_a_link_is_not_looked_at() {
        let ground = Ground::new();
        fs::create_dir(ground.home.path().join("outside")).unwrap();
        ground.holds("outside/secret");
        fs::remove_dir_all(&ground.trail.artifacts).unwrap();
        symlink(ground.home.path().join("outside"), &ground.trail.artifacts).unwrap();
        assert_eq!(ground.brings(&[]).await.0, [""; 0]);
    }

    #[tokio::test]
    async fn what_is_empty_too_large_or_too_much_is_told() {
        let ground = Ground::new();
        fs::write(ground.home.path().join("artifacts/empty"), "").unwrap();
        let large = File::create(ground.home.path().join("artifacts/large")).unwrap();
        large.set_len(LARGEST + 1).unwrap();
        let pipe = ground.home.path().join("artifacts/pipe");
        let _listener = std::os::unix::net::UnixListener::bind(pipe).unwrap();
        let (names, remarks) = ground.brings(&[]).await;
        assert_eq!(names, [""; 0]);
        assert_eq!(
            remarks,
            [
                "pipe is not kept: it is no file",
                "empty is not kept: it is empty",
                "large is not kept: it is larger than 2 GiB",
            ]
        );
        for number in 0..=MOST {
            ground.holds(&format!("work/reports/{number:04}"));
        }
        let (names, remarks) = ground.brings(&["reports/*"]).await;
        assert_eq!(names.len(), MOST - 2);
        assert!(remarks.contains(&"3 files are not kept: a job has at most 1000".to_owned()));
    }

    #[test]
    fn a_long_path_keeps_its_end() {
        let name = name_of(&format!("{}é/report.xml", "d/".repeat(200)));
        assert!(name.len() <= LONGEST_NAME && name.ends_with("é__report.xml"), "{name}");
    }
}
