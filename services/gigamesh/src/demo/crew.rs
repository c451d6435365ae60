//! Factories as processes of their own, which can be killed for real, and a copy of one's folder
//! that comes back to life.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

/// How a process of this crew reaches the coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) url: String,
    pub(crate) token_file: PathBuf,
}

/// Whoever is still alive when this is dropped is killed.
#[derive(Debug)]
pub(crate) struct Crew {
    place: PathBuf,
    way: Way,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    factory: String,
    home: PathBuf,
    process: Child,
}

impl Crew {
    pub(crate) fn at(place: &Path, way: Way) -> Self {
        Self { place: place.to_owned(), way, members: Vec::new() }
    }

    pub(crate) fn hire(&mut self, factory: &str) -> io::Result<()> {
        let home = self.place.join(factory);
        fs::create_dir_all(&home)?;
        self.start(factory, home)
    }

    /// A copy of the member's folder, as a host cloned from a backup would have it.
    pub(crate) fn copy(&self, factory: &str) -> io::Result<PathBuf> {
        let twin = self.place.join(format!("{factory}-twin"));
        copy_claims(&self.place.join(factory), &twin)?;
        Ok(twin)
    }

    /// Kills the agent as the kernel does it: no last word, no clean-up.
    pub(crate) async fn kill(&mut self, factory: &str) -> io::Result<()> {
        let lost = self.members.iter().position(|member| member.factory == factory);
        let Some(lost) = lost else { return Ok(()) };
        self.members.remove(lost).process.kill().await
    }

    /// The same name again, from the copied folder.
    pub(crate) fn resume(&mut self, factory: &str, twin: PathBuf) -> io::Result<()> {
        self.start(factory, twin)
    }

    fn start(&mut self, factory: &str, home: PathBuf) -> io::Result<()> {
        let log = File::create(home.join("agent.log"))?;
        let process = Command::new(std::env::current_exe()?)
            .args(["factory", "--seats", "2", "--id", factory, "--home"])
            .arg(&home)
            .args(["--url", &self.way.url, "--token-file"])
            .arg(&self.way.token_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.members.push(Member { factory: factory.to_owned(), home, process });
        Ok(())
    }

    /// The log of a member that ended by itself, which none should.
    pub(crate) fn deserter(&mut self) -> Option<(String, String)> {
        for member in &mut self.members {
            if matches!(member.process.try_wait(), Ok(Some(_))) {
                let log = fs::read_to_string(member.home.join("agent.log")).unwrap_or_default();
                return Some((member.factory.clone(), log));
            }
        }
        None
    }
}

/// What was kept of held jobs; the runs themselves stay where they are.
fn copy_claims(from: &Path, to: &Path) -> io::Result<()> {
    let kept = to.join("claims");
    fs::create_dir_all(&kept)?;
    for entry in fs::read_dir(from.join("claims"))? {
        let entry = entry?;
        if entry.path().extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match fs::copy(entry.path(), kept.join(entry.file_name())) {
            // A job that ended meanwhile is held no more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => drop(copied?),
        }
    }
    Ok(())
}
