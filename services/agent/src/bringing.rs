//! Brings files of a run to the fleet, one after the other: a pointer is begun, the bytes follow,
//! then the pointer is committed. A file that does not get through costs a remark, never the job.

use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use client::{Coordinator, NotBrought, Parcel, Told, Unanswered};
use fleet::{ArtifactId, JobId, Nonce};
use protocol::{BeginArtifact, Code, CommitArtifact, Hold, Problem, Upload};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::time::sleep;
use tracing::debug;

use crate::calls::{Calls, is_answer};
use crate::harvest::{Harvest, Sheaf, Trail, content_type};
use crate::hold::Grip;
use crate::journal::Journal;

const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// After so many files in a row for which nobody answered, the others are not tried.
const MOST_IN_VAIN: u32 = 2;
const PAGE: usize = 256 << 10;

/// What came of a run's files.
#[derive(Debug, Default)]
pub(crate) struct Brought {
    pub(crate) artifacts: Vec<ArtifactId>,
    /// Files that were to be kept and did not get through.
    pub(crate) lost: u32,
}

/// Why a file did not get through.
#[derive(Debug)]
enum Lost {
    /// The hold has ended: nothing more is brought.
    Fenced,
    /// This file will not do.
    Refused(String),
    /// Perhaps another time.
    InVain(String),
}

/// Whose files are brought.
#[derive(Debug)]
pub(crate) struct Bringer<L> {
    pub(crate) calls: Arc<Calls<L>>,
    pub(crate) held: (Grip, Nonce),
    pub(crate) journal: Arc<Journal>,
}

impl<L: Coordinator> Bringer<L> {
    /// `brought` tells how far it came, also to those who stop it half way.
    pub(crate) async fn bring_all(
        &self,
        trail: &Trail,
        globs: &[fleet::Glob],
        brought: &mut Brought,
    ) {
        let mut harvest = Harvest::of(trail, globs).await;
        for remark in std::mem::take(&mut harvest.remarks) {
            self.journal.note(&remark);
        }
        let mut in_vain = 0;
        for sheaf in harvest.open() {
            let sheaf = match sheaf {
                Ok(sheaf) => sheaf,
                Err(remark) => {
                    self.journal.note(&remark);
                    continue;
                }
            };
            if in_vain >= MOST_IN_VAIN {
                brought.lost += 1;
                self.journal.note(&format!("{} is not kept: nobody answers", sheaf.path));
                continue;
            }
            let path = sheaf.path.clone();
            // Before the answer: who is stopped half way has lost this one.
            brought.lost += 1;
            let why = match self.bring(sheaf).await {
                Ok(artifact) => {
                    brought.lost -= 1;
                    brought.artifacts.push(artifact);
                    in_vain = 0;
                    continue;
                }
                Err(Lost::Fenced) => {
                    self.journal.note("nothing more is kept: the lease was lost");
                    return;
                }
                Err(Lost::Refused(why)) => why,
                Err(Lost::InVain(why)) => {
                    in_vain += 1;
                    why
                }
            };
            self.journal.note(&format!("{path} is not kept: {why}"));
        }
    }

    async fn bring(&self, sheaf: Sheaf) -> Result<ArtifactId, Lost> {
        let unread = |error: io::Error| Lost::Refused(format!("it cannot be read: {error}"));
        let (file, sha256) = digest(sheaf.file, sheaf.length).await.map_err(unread)?;
        let ask = BeginArtifact {
            job_id: self.job(),
            kind: sheaf.kind,
            content_type: Some(content_type(&sheaf.name).to_owned()),
            name: Some(sheaf.name),
            size_bytes: Some(sheaf.length),
            sha256: Some(sha256.clone()),
            hold: Some(self.hold()),
            quarantine: false,
            direct: true,
        };
        let mut tried = 0;
        let begun = loop {
            let told = self.calls.begin(&ask).await;
            if let Some(begun) = self.answer(told, &mut tried).await? {
                break begun;
            }
        };
        let Some(upload) = &begun.upload else {
            return Err(Lost::Refused(String::from("the fleet named no place for it")));
        };
        self.send(upload, file, sheaf.length).await?;
        let ask = CommitArtifact {
            artifact_id: begun.artifact.id,
            hold: Some(self.hold()),
            size_bytes: sheaf.length,
            sha256,
        };
        let mut tried = 0;
        loop {
            let told = self.calls.commit(&ask).await;
            if self.answer(told, &mut tried).await?.is_some() {
                return Ok(begun.artifact.id);
            }
        }
    }

    /// The bytes may be there although nobody said so: a link that was used up is as good as an
    /// answer then, since the commit counts them.
    async fn send(
        &self,
        upload: &Upload,
        mut file: std::fs::File,
        length: u64,
    ) -> Result<(), Lost> {
        let unread = |error: io::Error| Lost::Refused(format!("it cannot be read: {error}"));
        let mut last = String::new();
        for tried in 0..TRIES {
            file.seek(SeekFrom::Start(0)).map_err(unread)?;
            let parcel = Parcel { file: file.try_clone().map_err(unread)?, length };
            match self.calls.bring(upload, parcel).await {
                Ok(()) => return Ok(()),
                Err(NotBrought::Refused { .. }) if tried > 0 => return Ok(()),
                Err(
                    error
                    @ (NotBrought::Refused { .. } | NotBrought::NoWay(_) | NotBrought::NoDoor),
                ) => {
                    return Err(Lost::Refused(error.to_string()));
                }
                Err(NotBrought::Unread(error)) => return Err(unread(error)),
                Err(NotBrought::Broke(why)) => {
                    debug!(job = %self.job(), why, "bytes not brought yet");
                    last = why;
                }
            }
            self.pause(tried).await;
        }
        Err(Lost::InVain(last))
    }

    /// What was said, or nothing where it is to be said again.
    async fn answer<T>(&self, told: Told<T>, tried: &mut u32) -> Result<Option<T>, Lost> {
        let error = match told {
            Ok(said) => return Ok(Some(said)),
            Err(Unanswered::Refused(problem)) if is_answer(&problem) => {
                return Err(Lost::of(&problem));
            }
            Err(error) => error,
        };
        debug!(job = %self.job(), %error, "artifact not answered yet");
        *tried += 1;
        if *tried == TRIES {
            return Err(Lost::InVain(error.to_string()));
        }
        self.pause(*tried).await;
        Ok(None)
    }

    async fn pause(&self, tried: u32) {
        let pause = FIRST_PAUSE * (1 << tried.min(4));
        sleep(pause + self.calls.node.ids.jitter(pause / 2)).await;
    }

    fn hold(&self) -> Hold {
        self.calls.hold(self.held)
    }

    fn job(&self) -> JobId {
        self.held.0.job
    }
}

impl Lost {
    fn of(problem: &Problem) -> Self {
        let fenced = matches!(
            problem.code,
            Code::Fenced
                | Code::EpochUnknown
                | Code::LeaseLost
                | Code::LeaseNotHeld
                | Code::AlreadyFinished
                | Code::RunClosed
        );
        if fenced { Self::Fenced } else { Self::Refused(problem.message.clone()) }
    }
}

/// Exactly as many bytes as were announced, in small pages: other work goes on between them.
async fn digest(file: std::fs::File, length: u64) -> io::Result<(std::fs::File, String)> {
    let mut file = tokio::fs::File::from_std(file);
    let mut sum = Sha256::new();
    let mut page = vec![0; PAGE];
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).map_or(PAGE, |left| left.min(PAGE));
        let room = page.get_mut(..most).unwrap_or_default();
        let read = file.read(room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.update(page.get(..read).unwrap_or_default());
        left -= read as u64;
    }
    let sum: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((file.into_std().await, sum))
}
