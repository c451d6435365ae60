//! Ends what outlives the fleet: a job runs in a group of its own, and goes on for some seconds
//! after its factory was killed. Touches nothing but what works below the campaign's own folder.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// After the last factory is gone, so that nothing new comes.
pub(crate) fn end(folder: &Path) {
    for process in working_below(folder, Path::new("/proc")) {
        // It may have ended by itself meanwhile.
        let _ended = kill(process, Signal::SIGKILL);
    }
}

/// Nobody where the system does not tell.
fn working_below(folder: &Path, processes: &Path) -> Vec<Pid> {
    let entries = fs::read_dir(processes).into_iter().flatten().flatten();
    let below = |entry: PathBuf| {
        let at = fs::read_link(entry.join("cwd")).ok()?;
        let id = entry.file_name()?.to_str()?.parse().ok()?;
        at.starts_with(folder).then(|| Pid::from_raw(id))
    };
    entries.filter_map(|entry| below(entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_who_works_below_the_folder_is_ended() {
        let place = tempfile::tempdir().unwrap();
        for (id, at) in [("12", "/campaign/f1/runs/1"), ("13", "/campaigns"), ("self", "/campaign")]
        {
            let entry = place.path().join(id);
            fs::create_dir(&entry).unwrap();
            symlink(at, entry.join("cwd")).unwrap();
        }
        let found = working_below(Path::new("/campaign"), place.path());
        assert_eq!(found, [Pid::from_raw(12)]);
    }
}
