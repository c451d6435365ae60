//! Process groups: how they are named across restarts, and how they are told to end.

use std::path::Path;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tracing::debug;

/// The leader of a process group. Its start time tells it from a later process of that number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    pub pid: i32,
    /// In the kernel's ticks; unknown where the system does not tell.
    pub start_time: Option<u64>,
}

impl Process {
    #[must_use]
    pub fn of(pid: i32) -> Self {
        Self { pid, start_time: start_time(pid) }
    }

    /// It is this very process that runs under the number now.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.start_time.is_some() && start_time(self.pid) == self.start_time
    }
}

pub(crate) fn signal(process: &Process, signal: Signal) {
    if let Err(error) = killpg(Pid::from_raw(process.pid), signal) {
        debug!(pid = process.pid, %signal, %error, "group not reached, it has ended");
    }
}

/// Field 22 of the line that the kernel keeps for each process; the second one, a name in
/// brackets, may hold anything.
fn start_time(pid: i32) -> Option<u64> {
    let line =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, behind_the_name) = line.rsplit_once(')')?;
    let mut fields = behind_the_name.split_whitespace();
    let state = fields.next()?;
    // A process that has ended and was not waited for runs no more.
    if state == "Z" { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_number() {
        let me = Process::of(std::process::id().try_into().unwrap());
        assert!(me.is_alive());
        let before = Process { start_time: me.start_time.map(|ticks| ticks - 1), pid: me.pid };
        assert!(!before.is_alive());
        assert!(!Process { start_time: None, pid: me.pid }.is_alive());
    }
}
