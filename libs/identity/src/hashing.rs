//! The costly work on passwords, off the threads that answer: a few at a time, some waiting, the
//! rest sent away. Nothing is lost with a piece of work that nobody waits for any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth::{Cost, Phc};
use protocol::Secret;
use tokio::sync::Semaphore;

use crate::declined::Declined;

/// Pieces of work that wait or are under way.
const ROOM: usize = 64;
const COME_AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Hashing {
    room: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    done: Arc<AtomicU64>,
}

impl Hashing {
    pub(crate) fn of(at_once: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM)),
            at_once: Arc::new(Semaphore::new(at_once.clamp(1, ROOM))),
            done: Arc::default(),
        }
    }

    /// How often a password was hashed or compared: what an answer cost, whatever it said.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) async fn hash(
        &self,
        password: Secret,
        salt: [u8; 16],
        cost: Cost,
    ) -> Result<Phc, Declined> {
        self.work(move || Phc::of(password.reveal(), salt, cost)).await
    }

    pub(crate) async fn compare(&self, password: Secret, kept: Phc) -> Result<bool, Declined> {
        self.work(move || kept.fits(password.reveal())).await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Declined> {
        let busy = || Declined::Throttled(COME_AGAIN);
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| busy())?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| busy())?;
        self.done.fetch_add(1, Ordering::Relaxed);
        // Both permits go along: a caller who leaves does not make room for more work than that.
        let work = move || {
            let done = work();
            drop((room, turn));
            done
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by the permits; it writes nothing, so that nothing is to be drained"
        )]
        let done = tokio::task::spawn_blocking(work);
        // It ends otherwise only where the runtime ends.
        done.await.map_err(|_| busy())
    }
}
