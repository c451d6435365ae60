//! One request and its answer. A request may travel twice, die with its service or come too late;
//! the caller acts on the first answer it gets and repeats, with the same ids, what got none.

use std::sync::Arc;

use fleet::{Code, Rejection};
use futures_util::future::BoxFuture;
use ledger::{LedgerError, Outcome};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::dice::Dice;
use super::fuse::under;
use super::world::{ANSWER_WITHIN, AT_THE_DOOR, Desk, World};

pub(super) type Reply<T> = Result<Outcome<T>, LedgerError>;

#[derive(Clone, Debug)]
pub(super) enum Answer<T> {
    Ok(T),
    No(Rejection),
    Unknown,
}

/// Answers that may still come.
pub(super) type Late<T> = mpsc::Receiver<Answer<T>>;

impl World {
    pub(super) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        dice: &mut Dice,
        serve: impl Fn(Desk) -> BoxFuture<'static, Reply<T>>,
    ) -> (Answer<T>, Late<T>) {
        let doubled = dice.chance(self.plan.doubled) && !self.is_healed();
        let copies = if doubled { 2 } else { 1 };
        let (answer, mut answers) = mpsc::channel(2);
        for _ in 0..copies {
            let fuse = self.fuse(dice);
            let served = serve(self.desk(dice.index(AT_THE_DOOR)));
            let answer = answer.clone();
            self.spawn(answer_with(answer, under(fuse, served)));
        }
        drop(answer);
        let first = timeout(ANSWER_WITHIN, answers.recv()).await;
        (first.ok().flatten().unwrap_or(Answer::Unknown), answers)
    }
}

async fn answer_with<T: Send>(
    answer: mpsc::Sender<Answer<T>>,
    served: impl Future<Output = Option<Reply<T>>>,
) {
    if let Some(reply) = served.await {
        let _too_late = answer.send(understood(reply)).await;
    }
}

fn understood<T>(reply: Reply<T>) -> Answer<T> {
    match reply {
        Ok(Outcome::Done(done)) => Answer::Ok(done),
        // Not an answer: come again.
        Ok(Outcome::Rejected(no)) if no.code == Code::ConcurrentUpdate => Answer::Unknown,
        Ok(Outcome::Rejected(no)) => Answer::No(no),
        Err(_) => Answer::Unknown,
    }
}
