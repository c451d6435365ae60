//! One process: started so that it ends with us, signalled, and waited for.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// Killed and waited for when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    pub(crate) fn start(program: &Path, arguments: &[&OsStr]) -> io::Result<Self> {
        let mut command = tied(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self::run(command)
    }

    /// Starts what [`tied`] began, from a thread that lives as long as we do.
    ///
    /// # Errors
    /// The system cannot start it.
    pub fn run(command: Command) -> io::Result<Self> {
        let (answer, started) = sync_channel(1);
        let ended = || io::Error::other("the thread that starts servers has ended");
        STARTER.send((command, answer)).map_err(|_| ended())?;
        started.recv().map_err(|_| ended())?.map(Self)
    }

    /// The ends of its input and its output; nothing where it was started without, or they were
    /// taken.
    pub fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.0.stdin.take()?, self.0.stdout.take()?))
    }

    /// Whether it came to an end by itself, or was killed by somebody else.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Answers when every thread of it stands still, which is later than the signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&self) -> io::Result<()> {
        kill(self.pid()?, Signal::SIGSTOP)?;
        waitpid(self.pid()?, Some(WaitPidFlag::WUNTRACED))?;
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn thaw(&self) -> io::Result<()> {
        Ok(kill(self.pid()?, Signal::SIGCONT)?)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    fn pid(&self) -> io::Result<Pid> {
        i32::try_from(self.0.id()).map(Pid::from_raw).map_err(io::Error::other)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended and was waited for already.
        let _killed = self.0.kill();
        let _ended = self.0.wait();
    }
}

type Order = (Command, SyncSender<io::Result<Child>>);

/// The system ties a child to the thread that started it, not to the process; a test's thread may
/// end before its server is done with, so one thread that never ends starts them all.
static STARTER: LazyLock<SyncSender<Order>> = LazyLock::new(|| {
    let (orders, waiting) = sync_channel::<Order>(16);
    let serve = move || {
        for (mut command, answer) in waiting {
            // Nobody waits any more: the child is dropped and lives until we end.
            let _told = answer.send(command.spawn());
        }
    };
    thread::Builder::new().name("server-starter".into()).spawn(serve).expect("a thread starts");
    orders
});

/// Under a parent-death signal where the system has one and the tool that sets it: a test that
/// is killed cannot clean up.
pub fn tied(program: &Path) -> Command {
    static SETPRIV: LazyLock<bool> = LazyLock::new(|| {
        let probe = ["--pdeathsig", "KILL", "true"];
        let mut probe = Command::new("setpriv").args(probe).stdin(Stdio::null()).spawn().ok();
        probe.as_mut().and_then(|probe| probe.wait().ok()).is_some_and(|end| end.success())
    });
    if !*SETPRIV {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}
