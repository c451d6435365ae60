//! A run's own folder: instructions, log, work, artifacts, and what the process reports by file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet::{Insights, RunResult};

use crate::errand::Errand;
use crate::hands::{CannotStart, Word};
use crate::harvest::Trail;

/// More of a report file is not read.
const MOST_REPORTED: usize = 64 << 10;

#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) body: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) artifacts: PathBuf,
    pub(crate) progress: PathBuf,
    pub(crate) insights: PathBuf,
}

impl Folder {
    /// Makes the folder of this run below `runs`, or finds it as its command left it.
    ///
    /// # Errors
    /// The disk says no, or the job's own folder is not one that this host gives to jobs.
    pub(crate) fn open(
        runs: &Path,
        roots: &[PathBuf],
        errand: &Errand,
    ) -> Result<Self, CannotStart> {
        let home = home_of(runs, errand);
        let work = work_folder(&home, roots, errand)?;
        Self::make(&home, work, errand).map_err(|error| CannotStart {
            result: RunResult::Failed,
            why: format!("the run's folder cannot be written: {error}"),
        })
    }

    fn make(home: &Path, work: PathBuf, errand: &Errand) -> io::Result<Self> {
        let folder = Self {
            body: home.join("body.md"),
            artifacts: artifacts_of(home, errand),
            progress: home.join("progress"),
            insights: home.join("insights.json"),
            work,
        };
        fs::create_dir_all(&folder.artifacts)?;
        fs::create_dir_all(&folder.work)?;
        fs::write(&folder.body, errand.prompt())?;
        Ok(folder)
    }

    /// Where this run leaves what is kept of it.
    pub(crate) fn trail(runs: &Path, roots: &[PathBuf], errand: &Errand) -> Trail {
        let home = home_of(runs, errand);
        Trail {
            log: home.join(format!("log-{}.txt", errand.grip.epoch)),
            artifacts: artifacts_of(&home, errand),
            work: work_folder(&home, roots, errand).ok(),
        }
    }

    /// What the process says that it has used; what cannot be read was not said.
    pub(crate) fn insights(&self) -> Option<Insights> {
        let text = fs::read(&self.insights).ok().filter(|text| text.len() <= MOST_REPORTED)?;
        serde_json::from_slice(&text).ok()
    }

    /// The newest line of the progress file that is whole.
    pub(crate) fn progress(&self) -> Option<Word> {
        let text = fs::read_to_string(&self.progress).ok()?;
        let (whole, _) = text.rsplit_once('\n')?;
        whole.lines().rev().find_map(progress_of)
    }
}

fn home_of(runs: &Path, errand: &Errand) -> PathBuf {
    runs.join(format!("{}-{}", errand.grip.job, errand.attempt))
}

/// Each epoch has its own, as each has its own log: nothing that another left passes for this
/// one's.
fn artifacts_of(home: &Path, errand: &Errand) -> PathBuf {
    home.join(format!("artifacts-{}", errand.grip.epoch))
}

/// `percent[ TAB message]`
fn progress_of(line: &str) -> Option<Word> {
    let (percent, message) = match line.split_once('\t') {
        Some((percent, message)) => (percent, Some(message.to_owned())),
        None => (line, None),
    };
    let percent = percent.trim().parse().ok().filter(|percent| *percent <= 100)?;
    Some(Word::Progress { percent, message })
}

/// A job that names a folder gets it only below one of the roots, links resolved.
fn work_folder(home: &Path, roots: &[PathBuf], errand: &Errand) -> Result<PathBuf, CannotStart> {
    let Some(cwd) = &errand.cwd else { return Ok(home.join("work")) };
    let refused = |why: String| CannotStart { result: RunResult::CwdRefused, why };
    let real = fs::canonicalize(cwd).map_err(|error| refused(format!("{cwd}: {error}")))?;
    let below = |root: &PathBuf| fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
    if roots.iter().any(below) {
        Ok(real)
    } else {
        Err(refused(format!("{cwd} is not below a root of this factory")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_percentage_and_perhaps_a_message() {
        let message = Some(String::from("half way"));
        assert_eq!(progress_of("50\thalf way"), Some(Word::Progress { percent: 50, message }));
        assert_eq!(progress_of("7"), Some(Word::Progress { percent: 7, message: None }));
        assert_eq!(progress_of("101"), None);
        assert_eq!(progress_of("soon"), None);
    }
}
