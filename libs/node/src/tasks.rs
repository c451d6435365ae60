//! The only way to start something beside oneself. Every task has a name and an owner; one that
//! fails or panics stops them all, since a role that works in part is worse than one that is
//! restarted.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

/// A set of tasks that live and die together.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: Arc<Mutex<Option<Failed>>>,
}

/// The first task that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} failed: {why}")]
pub struct Failed {
    pub task: &'static str,
    pub why: String,
}

impl Tasks {
    /// Runs `work` until it ends; its error stops everyone.
    pub fn spawn<E: std::fmt::Display>(
        &self,
        task: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let tasks = self.clone();
        let guarded = async move {
            let _alarm = Alarm { tasks: tasks.clone(), task };
            if let Err(why) = work.await {
                tasks.fail(task, why.to_string());
            }
        };
        #[expect(clippy::disallowed_methods, reason = "the one door to new tasks")]
        drop(tokio::spawn(self.tracker.track_future(guarded)));
    }

    /// Asks everyone to come to an end.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Resolves once everyone was asked to come to an end.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until every task has ended.
    ///
    /// # Errors
    /// One of them failed.
    pub async fn join(&self) -> Result<(), Failed> {
        self.tracker.close();
        self.tracker.wait().await;
        self.failure().map_or(Ok(()), Err)
    }

    fn failure(&self) -> Option<Failed> {
        self.failed.lock().expect("nothing panics while it holds this lock").clone()
    }

    fn fail(&self, task: &'static str, why: String) {
        error!(task, why, "task failed");
        let mut failed = self.failed.lock().expect("nothing panics while it holds this lock");
        failed.get_or_insert(Failed { task, why });
        drop(failed);
        self.stop();
    }
}

/// Rings when a task unwinds instead of ending.
struct Alarm {
    tasks: Tasks,
    task: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tasks.fail(self.task, "panicked".to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_fails_stops_the_others() {
        let tasks = Tasks::default();
        let other = tasks.clone();
        tasks.spawn("waiter", async move {
            other.stopped().await;
            Ok::<(), String>(())
        });
        tasks.spawn("failer", async { Err("no disk") });
        let failed = Failed { task: "failer", why: "no disk".into() };
        assert_eq!(tasks.join().await, Err(failed));
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_the_others() {
        let tasks = Tasks::default();
        tasks.spawn::<String>("panicker", async { panic!("a bug") });
        tasks.stopped().await;
        assert_eq!(tasks.join().await.unwrap_err().task, "panicker");
    }

    #[tokio::test]
    async fn tasks_that_end_leave_nothing_to_say() {
        let tasks = Tasks::default();
        tasks.spawn("worker", async { Ok::<(), String>(()) });
        assert_eq!(tasks.join().await, Ok(()));
        assert!(!tasks.is_stopping());
    }
}
