//! What an agent keeps on disk so that a crash loses nothing: last reports until they are answered,
//! and what it holds. Sends nothing.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fleet::{Epoch, Incarnation, JobId, Nonce, OpId};
use protocol::ReleaseJob;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::hands::Process;
use crate::hold::Grip;

/// A claim as it is remembered: with its nonce, its successor may still let go of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptClaim {
    pub(crate) job_id: JobId,
    pub(crate) epoch: Epoch,
    pub(crate) nonce: Nonce,
    pub(crate) process: Option<Process>,
}

/// The last start that the fleet knew, and where it stood.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptStart {
    incarnation: Incarnation,
    place: Place,
}

/// One lock file on one running kernel: a copy of the folder has another, and so has another host.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    boot: String,
    device: u64,
    inode: u64,
}

/// `outbox/`, `claims/` and `quarantine/` of one agent, which no other may open meanwhile.
#[derive(Debug)]
pub(crate) struct Desk {
    outbox: PathBuf,
    claims: PathBuf,
    quarantine: PathBuf,
    home: PathBuf,
    /// Held as long as the desk is.
    lock: File,
}

const START: &str = "start.json";

impl Desk {
    pub(crate) fn open(home: &Path) -> io::Result<Self> {
        let folder = |name: &str| home.join(name);
        let desk = (folder("outbox"), folder("claims"), folder("quarantine"));
        for made in [&desk.0, &desk.1, &desk.2] {
            fs::create_dir_all(made)?;
        }
        let lock = File::create(folder("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::AlreadyExists, "another agent works in this folder")
            }
        })?;
        let home = home.to_owned();
        Ok(Self { outbox: desk.0, claims: desk.1, quarantine: desk.2, home, lock })
    }

    /// The start before this one, where it is certain that it is over: it held the lock that is
    /// held here now.
    pub(crate) fn predecessor(&self) -> io::Result<Option<Incarnation>> {
        let kept: Option<KeptStart> = read(&self.home.join(START))?;
        let here = self.place()?;
        Ok(kept.filter(|kept| Some(&kept.place) == here.as_ref()).map(|kept| kept.incarnation))
    }

    /// The fleet knows this start.
    pub(crate) fn started(&self, incarnation: Incarnation) -> io::Result<()> {
        let Some(place) = self.place()? else { return Ok(()) };
        write(&self.home, START, &KeptStart { incarnation, place })
    }

    /// None where the system does not tell one boot from another.
    fn place(&self) -> io::Result<Option<Place>> {
        let Ok(boot) = fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
            return Ok(None);
        };
        let lock = self.lock.metadata()?;
        let boot = boot.trim().to_owned();
        Ok(Some(Place { boot, device: lock.dev(), inode: lock.ino() }))
    }

    /// Durable when it returns: only then may the report be sent for the first time.
    pub(crate) fn put(&self, report: &ReleaseJob) -> io::Result<()> {
        write(&self.outbox, &file_of(report.op_id), report)?;
        File::open(&self.outbox)?.sync_all()
    }

    /// The report was answered.
    pub(crate) fn answered(&self, op: OpId) -> io::Result<()> {
        remove(&self.outbox.join(file_of(op)))
    }

    /// The report was refused for good: kept for people.
    pub(crate) fn put_aside(&self, op: OpId) -> io::Result<()> {
        fs::rename(self.outbox.join(file_of(op)), self.quarantine.join(file_of(op)))
    }

    pub(crate) fn waiting(&self) -> io::Result<Vec<ReleaseJob>> {
        read_all(&self.outbox)
    }

    pub(crate) fn keep(&self, claim: &KeptClaim) -> io::Result<()> {
        write(&self.claims, &format!("{}.json", claim.job_id), claim)
    }

    /// Only this very claim: the job may be held anew.
    pub(crate) fn forget(&self, grip: Grip) -> io::Result<()> {
        let path = self.claims.join(format!("{}.json", grip.job));
        let kept: Option<KeptClaim> = read(&path)?;
        if kept.is_some_and(|kept| kept.epoch == grip.epoch) { remove(&path) } else { Ok(()) }
    }

    /// The lease was lost: what is known of the run stays for people.
    pub(crate) fn quarantine(&self, claim: &KeptClaim) -> io::Result<()> {
        let name = format!("{}-{}.json", claim.job_id, claim.epoch);
        write(&self.quarantine, &name, claim)?;
        self.forget(Grip { job: claim.job_id, epoch: claim.epoch })
    }

    pub(crate) fn kept(&self) -> io::Result<Vec<KeptClaim>> {
        read_all(&self.claims)
    }
}

fn file_of(op: OpId) -> String {
    format!("{op}.json")
}

/// The whole file or none: written beside, synced, then given its name.
fn write(folder: &Path, name: &str, value: &impl Serialize) -> io::Result<()> {
    let beside = folder.join(format!("{name}.part"));
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(beside, folder.join(name))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// In the order of their names. What cannot be read is left where it is, for people.
fn read_all<T: DeserializeOwned>(folder: &Path) -> io::Result<Vec<T>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        match read(&path)? {
            Some(value) => found.push(value),
            None => warn!(path = %path.display(), "file cannot be read and is left alone"),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(epoch: u64) -> KeptClaim {
        KeptClaim {
            job_id: format!("j_{}", "a".repeat(26)).parse().unwrap(),
            epoch: Epoch::new(epoch),
            nonce: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            process: None,
        }
    }

    #[test]
    fn a_folder_serves_one_agent_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = Desk::open(home.path()).unwrap();
        assert_eq!(Desk::open(home.path()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        drop(first);
        Desk::open(home.path()).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_start_is_succeeded_in_its_own_folder_and_not_in_a_copy() {
        let home = tempfile::tempdir().unwrap();
        let incarnation = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let desk = Desk::open(home.path()).unwrap();
        assert_eq!(desk.predecessor().unwrap(), None);
        desk.started(incarnation).unwrap();
        let copy = tempfile::tempdir().unwrap();
        fs::copy(home.path().join(START), copy.path().join(START)).unwrap();
        drop(desk);
        assert_eq!(Desk::open(home.path()).unwrap().predecessor().unwrap(), Some(incarnation));
        assert_eq!(Desk::open(copy.path()).unwrap().predecessor().unwrap(), None);
    }

    #[test]
    fn forgetting_an_old_claim_spares_the_new_one() {
        let home = tempfile::tempdir().unwrap();
        let desk = Desk::open(home.path()).unwrap();
        desk.keep(&claim(2)).unwrap();
        desk.forget(Grip { job: claim(1).job_id, epoch: Epoch::new(1) }).unwrap();
        assert_eq!(desk.kept().unwrap(), [claim(2)]);
        desk.quarantine(&claim(2)).unwrap();
        assert_eq!(desk.kept().unwrap(), []);
    }

    #[test]
    fn a_torn_file_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let desk = Desk::open(home.path()).unwrap();
        desk.keep(&claim(1)).unwrap();
        fs::write(home.path().join("claims/torn.json"), "{\"jobId\":").unwrap();
        assert_eq!(desk.kept().unwrap(), [claim(1)]);
    }
}
