//! What this process has used so far, as the operating system counts it. Zero where it does not
//! say.

use std::fs::read_to_string;
use std::time::Duration;

/// Ticks a second in which processor time is told to programs, the same on every Linux.
const TICKS: u64 = 100;
/// Fields after the program's name that come before its processor time.
const BEFORE_TIMES: usize = 11;

/// Resident memory in MiB.
pub(crate) fn resident_mb() -> f64 {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Processor time of all threads, in the program and for it in the kernel.
pub(crate) fn processor() -> Duration {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold blanks; what follows its bracket does not.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 =
        fields.skip(BEFORE_TIMES).take(2).filter_map(|it| it.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}
