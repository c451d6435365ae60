//! Heartbeats: keeps the name of this factory taken, and takes it over at once from a start that is
//! certainly over. Decides nothing about jobs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use client::{Coordinator, Unanswered};
use fleet::Incarnation;
use protocol::Problem;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::calls::Calls;
use crate::desk::Desk;
use crate::news::News;
use crate::session::Event;

const EVERY: Duration = Duration::from_secs(10);
/// How soon a heartbeat that was not answered is repeated.
const AGAIN: Duration = Duration::from_secs(1);

/// What is remembered from one heartbeat to the next.
#[derive(Debug, Default)]
struct Known {
    /// Not yet told that it is over.
    before: Option<Incarnation>,
    welcome: bool,
    /// The reason that was last told to people.
    refused: Option<String>,
}

/// Until the tasks are stopped and what was held is handed back; then the name is freed.
pub(super) async fn keep<L: Coordinator>(
    calls: Arc<Calls<L>>,
    desk: Arc<Desk>,
    say: mpsc::Sender<News>,
) -> io::Result<()> {
    let mut known = Known { before: desk.predecessor()?, ..Known::default() };
    loop {
        let (event, pause) = match calls.beat().await {
            Ok(told) => {
                known.welcomed(&desk, calls.who.incarnation)?;
                (Some(Event::Welcome { draining: told.draining }), EVERY)
            }
            Err(Unanswered::Refused(problem)) => {
                if let Some(before) = known.before.take() {
                    calls.leave(before).await;
                    continue;
                }
                known.unwelcome(&problem);
                (Some(Event::Unwelcome), AGAIN)
            }
            Err(Unanswered::Unknown(error) | Unanswered::Away(error)) => {
                debug!(%error, "heartbeat not answered");
                (None, AGAIN)
            }
        };
        if let Some(event) = event {
            // The loop may be over.
            let _gone = say.send(News::Seen(event)).await;
        }
        tokio::select! {
            biased;
            () = calls.node.tasks.stopped() => break,
            () = sleep(pause) => {}
        }
    }
    // What was held is handed back first.
    say.closed().await;
    calls.leave(calls.who.incarnation).await;
    Ok(())
}

impl Known {
    fn welcomed(&mut self, desk: &Desk, incarnation: Incarnation) -> io::Result<()> {
        self.before = None;
        if self.refused.take().is_some() {
            info!("welcome now");
        }
        if !self.welcome {
            desk.started(incarnation)?;
            self.welcome = true;
        }
        Ok(())
    }

    /// Told once, not with each try.
    fn unwelcome(&mut self, problem: &Problem) {
        let reason = problem.reason.as_deref().unwrap_or_default();
        let code = problem.code.as_str();
        if self.refused.as_deref() == Some(reason) {
            debug!(code, reason, "still not welcome");
        } else if reason == "incarnation_in_use" {
            warn!(
                code,
                reason, "another agent of this name was just heard, waiting for its silence"
            );
        } else {
            warn!(code, reason, "not welcome, trying again");
        }
        self.refused = Some(reason.to_owned());
    }
}
