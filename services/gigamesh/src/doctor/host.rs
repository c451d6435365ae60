//! What this host has: a disk that syncs and has room, a store that can be read, a shell.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;

use clock::{Clock, System};
use nix::sys::statvfs::statvfs;
use store_embedded::Embedded;

use crate::doctor::Finding;
use crate::trouble::Trouble;

/// Below this, records of some thousand jobs do not fit.
const ROOM_MIB: u64 = 256;
const SYNCS: u32 = 5;

pub(crate) fn look(data: &Path) -> Vec<Finding> {
    let folder = if data.is_dir() { data } else { Path::new(".") };
    vec![room(folder), sync(folder), records(data), shell()]
}

fn room(folder: &Path) -> Finding {
    match statvfs(folder) {
        Ok(disk) => {
            let mib = (disk.blocks_available() * disk.fragment_size()) >> 20;
            let said = format!("{mib} MiB are free");
            if mib < ROOM_MIB {
                Finding::bad("room", said)
                    .next(format!("make room: below {ROOM_MIB} MiB is little"))
            } else {
                Finding::ok("room", said)
            }
        }
        Err(error) => Finding::bad("room", format!("the disk cannot be asked: {error}")),
    }
}

/// Each submission waits for one of these.
fn sync(folder: &Path) -> Finding {
    let probe = folder.join(".gigamesh-doctor");
    let system = System::start();
    let measured = (0..SYNCS).try_fold(std::time::Duration::MAX, |fastest, _| {
        let began = system.uptime();
        let mut file = File::create(&probe)?;
        file.write_all(&[0; 4096])?;
        file.sync_all()?;
        Ok(fastest.min(system.uptime().saturating_sub(began)))
    });
    let _gone = fs::remove_file(&probe);
    match measured {
        Ok(fastest) => Finding::ok("sync", format!("a write is on disk after {fastest:.1?}")),
        Err(error) => {
            let error: std::io::Error = error;
            Finding::bad("sync", format!("{} cannot be written: {error}", folder.display()))
        }
    }
}

fn records(data: &Path) -> Finding {
    let store = data.join("store");
    if !store.is_dir() {
        return Finding::note("store", format!("none in {}", data.display())).next("gigamesh dev");
    }
    if is_lived_in(data) {
        let said = "embedded, synced before every answer; in use by a running fleet";
        return Finding::ok("store", said);
    }
    match Embedded::open(&store) {
        Ok(_) => Finding::ok("store", "embedded, synced before every answer; reads to its end"),
        Err(error) => {
            let causes = Trouble::failed("the store").caused_by(&error).0.why;
            Finding::bad("store", causes.join(": "))
        }
    }
}

/// A fleet holds this lock for as long as it runs.
fn is_lived_in(data: &Path) -> bool {
    let lock = File::open(data.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn shell() -> Finding {
    let said = std::process::Command::new("sh").args(["-c", "exit 0"]).status();
    match said {
        Ok(status) if status.success() => Finding::ok("shell", "sh runs commands of jobs"),
        Ok(_) | Err(_) => Finding::bad("shell", "sh does not run, so no command of a job would"),
    }
}
