//! Hears every request and every answer on the bus, and says requests again: at once, late, and as
//! the ghost of a holder that has lost its lease. Never invents a word that nobody said.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, HeaderMap};
use bytes::Bytes;
use clock::{Clock, Ids, System};
use fleet::FactoryId;
use protocol::{
    Envelope, Header, PatchJob, ReleaseJob, RenewAnswer, RenewLeases, Subject, Topic, Word as Verb,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::dice::Dice;
use crate::freight::Freight;
use crate::history::{Answer, By, Said, Word};
use crate::tap::Frame;
use crate::witness::Witness;

/// Answers to our own come here; by it they are told from those of others.
const OURS: &str = "chaos.answers";
/// Requests of ours that may wait to be said.
const MOST_WAITING: usize = 1_000;
const TURN: Duration = Duration::from_millis(20);
/// So long a request of ours is worth answering.
const WORTH: Duration = Duration::from_secs(5);
/// Of a thousand requests so many are said again at once, and late.
const AT_ONCE: u64 = 250;
const LATE: u64 = 200;
/// Of the late ones so many as a ghost, with words of its own.
const GHOSTS: u64 = 600;

/// What was heard, and how often something was said again.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) words: Vec<Said>,
    pub(crate) again: u64,
    pub(crate) ghosts: u64,
    pub(crate) freight: Freight,
    /// By the address that their answers go to.
    asked: BTreeMap<String, Vec<usize>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Repeater {
    link: Client,
    clock: Arc<System>,
    witness: Witness,
    heard: Arc<Mutex<Heard>>,
}

/// A request to be said again.
#[derive(Debug)]
struct Again {
    subject: String,
    headers: HeaderMap,
    body: Bytes,
    by: By,
}

impl Repeater {
    /// `all` is what every process sends to the servers.
    pub(crate) fn begin(
        (link, witness): (Client, Witness),
        clock: Arc<System>,
        (all, dice): (mpsc::Receiver<Frame>, Dice),
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let repeater = Self { link, clock, witness, heard: Arc::default() };
        tasks.spawn(repeater.clone().listen(all, dice));
        repeater
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn listen(self, mut all: mpsc::Receiver<Frame>, mut dice: Dice) {
        let mut waiting: BTreeMap<(Duration, u64), Again> = BTreeMap::new();
        let mut number = 0;
        let mut turn = tokio::time::interval(TURN);
        loop {
            tokio::select! {
                message = all.recv() => {
                    let Some(message) = message else { return };
                    let Some((after, again)) = self.hear(&message, &mut dice) else { continue };
                    number += 1;
                    if waiting.len() < MOST_WAITING {
                        waiting.insert((self.clock.uptime() + after, number), again);
                    }
                }
                _now = turn.tick() => {
                    let later = waiting.split_off(&(self.clock.uptime(), u64::MAX));
                    for ((_, number), again) in std::mem::replace(&mut waiting, later) {
                        self.say(again, number).await;
                    }
                }
            }
        }
    }

    /// Takes it down; answers when, if at all, it is said again.
    fn hear(&self, message: &Frame, dice: &mut Dice) -> Option<(Duration, Again)> {
        let to = message.subject.as_str();
        let Ok(subject) = to.parse::<Subject>() else {
            self.hear_answer(message);
            return None;
        };
        let reply = message.reply.as_ref()?;
        if reply.starts_with(OURS) {
            return None;
        }
        self.take_down(&subject, &message.body, reply, By::Factory);
        let again = |by| Again {
            subject: to.to_owned(),
            headers: message.headers.clone(),
            body: message.body.clone(),
            by,
        };
        if dice.chance(AT_ONCE) {
            return Some((dice.millis(0, 300), again(By::Copy)));
        }
        if !dice.chance(LATE) {
            return None;
        }
        let by = if dice.chance(GHOSTS) { By::Ghost } else { By::Copy };
        Some((dice.millis(1_000, 14_000), again(by)))
    }

    fn hear_answer(&self, message: &Frame) {
        let mut heard = self.heard();
        heard.freight.answered(message);
        let Some(asked) = heard.asked.remove(message.subject.as_str()) else { return };
        let many = asked.len();
        for (place, index) in asked.into_iter().enumerate() {
            if let Some(said) = heard.words.get_mut(index) {
                said.answer = answer(message, said.word, (place, many));
            }
        }
    }

    /// Of words of holders, who says what of which job under which epoch.
    fn take_down(&self, subject: &Subject, body: &Bytes, reply: &str, by: By) {
        self.heard().freight.asked(subject.topic(), body, reply);
        let Topic::Spoken(factory, verb) = subject.topic() else { return };
        let words = words_of(factory, *verb, body);
        if words.is_empty() {
            return;
        }
        let at = self.clock.uptime();
        let mut heard = self.heard();
        let first = heard.words.len();
        heard.words.extend(words.into_iter().map(|said| Said { at, by, ..said }));
        let indices = (first..heard.words.len()).collect();
        heard.asked.insert(reply.to_owned(), indices);
    }

    async fn say(&self, mut again: Again, number: u64) {
        let Ok(subject) = again.subject.parse::<Subject>() else { return };
        if again.by == By::Ghost && !self.haunt(&subject, &mut again) {
            again.by = By::Copy;
        }
        {
            let mut heard = self.heard();
            match again.by {
                By::Ghost => heard.ghosts += 1,
                By::Copy | By::Factory => heard.again += 1,
            }
        }
        let reply = format!("{OURS}.{number}");
        self.take_down(&subject, &again.body, &reply, again.by);
        let Again { subject, headers, body, .. } = again;
        // What does not leave any more is a message that was lost.
        drop(self.link.publish_with_reply_and_headers(subject, reply, headers, body).await);
    }

    /// Makes a word of its own out of one whose speaker holds the job no more. False where it
    /// still does: nobody else may speak for it then.
    fn haunt(&self, subject: &Subject, again: &mut Again) -> bool {
        let Topic::Spoken(factory, verb) = subject.topic() else { return false };
        let words = words_of(factory, *verb, &again.body);
        if words.is_empty() || words.iter().any(|said| self.may_hold(said)) {
            return false;
        }
        let id = fleet::OpId::from_uuid(self.clock.mint());
        again.body = match verb {
            Verb::Patch => of_its_own::<PatchJob>(&again.body, |ask| ask.op_id = id),
            Verb::Release => of_its_own::<ReleaseJob>(&again.body, |ask| ask.op_id = id),
            Verb::Renew | Verb::Claim | Verb::Progress | Verb::Heartbeat | Verb::Deregister => {
                again.body.clone()
            }
            Verb::Get | Verb::Log => again.body.clone(),
            Verb::ArtifactBegin | Verb::ArtifactCommit | Verb::ArtifactLink => again.body.clone(),
        };
        let until = self.clock.now().plus(WORTH).to_string();
        again.headers.insert(Header::Deadline.as_str(), until.as_str());
        true
    }

    /// As far as the witness has seen.
    fn may_hold(&self, said: &Said) -> bool {
        let seen = self.witness.seen();
        let last = seen.get(&said.job).and_then(|versions| versions.last());
        last.is_none_or(|last| {
            last.holder.as_ref().is_some_and(|holder| holder.nonce == said.nonce)
                && last.epoch == said.epoch
        })
    }
}

fn of_its_own<A: serde::Serialize + serde::de::DeserializeOwned>(
    body: &Bytes,
    change: impl FnOnce(&mut A),
) -> Bytes {
    let Ok(mut ask) = serde_json::from_slice::<A>(body) else { return body.clone() };
    change(&mut ask);
    serde_json::to_vec(&ask).map_or_else(|_| body.clone(), Bytes::from)
}

fn words_of(factory: &FactoryId, verb: Verb, body: &Bytes) -> Vec<Said> {
    let said =
        |word, job, (epoch, nonce): (fleet::Epoch, fleet::Nonce), id: Option<fleet::OpId>| Said {
            at: Duration::ZERO,
            word,
            job,
            factory: factory.to_string(),
            epoch: epoch.get(),
            nonce: nonce.to_string(),
            id: id.map(|id| id.to_string()),
            by: By::Factory,
            answer: None,
        };
    match verb {
        Verb::Renew => {
            let Ok(ask) = serde_json::from_slice::<RenewLeases>(body) else { return Vec::new() };
            let one = |one: &protocol::RenewOne| {
                said(Word::Renew, one.job_id, (one.lease_epoch, one.claim_nonce), None)
            };
            ask.leases.iter().map(one).collect()
        }
        Verb::Patch => {
            let Ok(ask) = serde_json::from_slice::<PatchJob>(body) else { return Vec::new() };
            let grip = (ask.lease_epoch, ask.claim_nonce);
            vec![said(Word::Patch, ask.job_id, grip, Some(ask.op_id))]
        }
        Verb::Release => {
            let Ok(ask) = serde_json::from_slice::<ReleaseJob>(body) else { return Vec::new() };
            let grip = (ask.lease_epoch, ask.claim_nonce);
            vec![said(Word::Release, ask.job_id, grip, Some(ask.op_id))]
        }
        Verb::Claim
        | Verb::Progress
        | Verb::Heartbeat
        | Verb::Deregister
        | Verb::Get
        | Verb::ArtifactBegin
        | Verb::ArtifactCommit
        | Verb::ArtifactLink
        | Verb::Log => Vec::new(),
    }
}

/// What was answered to the word at `place` of `many` in one request.
fn answer(message: &Frame, word: Word, (place, many): (usize, usize)) -> Option<Answer> {
    if message.headers.get(Header::Code.as_str()).is_some() {
        let envelope: Envelope = serde_json::from_slice(&message.body).ok()?;
        return Some(Answer::No(envelope.error.code.as_str().to_owned()));
    }
    if word != Word::Renew {
        return Some(Answer::Yes);
    }
    let answer: RenewAnswer = serde_json::from_slice(&message.body).ok()?;
    let one = answer.leases.get(place).filter(|_| answer.leases.len() == many)?;
    let refused = one.error.as_ref().map(|problem| problem.code.as_str().to_owned());
    Some(refused.map_or(Answer::Yes, Answer::No))
}
