//! The one loop of an agent: takes in what happened, asks the session what follows, and has it
//! done by tasks. Waits for nothing but news, and decides nothing.

mod beat;
mod inherit;
mod traces;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use client::Coordinator;
use fleet::{ArtifactId, Insights, Nonce, StageName, VerifyResult};
use node::Node;
use protocol::{Granted, OfferSeen, ReleaseJob, RenewOne, ReportProgress, StopWork};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::calls::Calls;
use crate::desk::{Desk, KeptClaim};
use crate::errand::{Errand, grip_of};
use crate::hands::{Executor, Order, Part, Process, Run, Word};
use crate::hints::{self, Reminders, why_of};
use crate::hold::{Ending, Grip, Verdict};
use crate::news::News;
use crate::renew::{Renewer, Roster};
use crate::rounds::traces::Traces;
use crate::session::{Action, Event, Session};
use crate::{CannotServe, Identity, Options};

/// More news than this wait at their senders.
const NEWS: usize = 1024;
/// Words of one run that wait; more are superseded by later ones.
const WORDS: usize = 16;
const LONGEST_NAP: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Agent<L, H> {
    calls: Arc<Calls<L>>,
    hands: Arc<H>,
    desk: Arc<Desk>,
    roster: Arc<Roster>,
    session: Session,
    held: BTreeMap<Grip, Held>,
    say: mpsc::Sender<News>,
    idle: Duration,
}

/// What the session need not know of a hold.
#[derive(Debug)]
struct Held {
    errand: Arc<Errand>,
    orders: watch::Sender<Order>,
    renew_every: Duration,
    sent: Duration,
    process: Option<Process>,
    insights: Option<Insights>,
    words: u64,
    traces: Option<Traces>,
}

pub(crate) async fn begin<L: Coordinator, H: Executor>(
    node: Node,
    link: L,
    hands: H,
    (desk, options): (Desk, Options),
) -> Result<(), CannotServe> {
    let (say, hear) = mpsc::channel(NEWS);
    let (link, roster) = (Arc::new(link), Arc::<Roster>::default());
    let thread = Renewer {
        node: node.clone(),
        link: Arc::clone(&link),
        factory: options.factory.clone(),
        roster: Arc::clone(&roster),
        news: say.clone(),
    };
    let renewals_end = thread.start()?;
    node.tasks.spawn("renew", async { renewals_end.await.map_err(|_| "its thread panicked") });
    let who = Identity::of(&options, &node);
    if let Some(product) = &options.product {
        hints::listen(&node, &who, product, &say).await?;
    }
    let agent = Agent {
        calls: Arc::new(Calls {
            node: node.clone(),
            link,
            who,
            seats: options.pace.seats,
            reminders: Reminders::default(),
            logs_are_kept: AtomicBool::new(false),
        }),
        hands: Arc::new(hands),
        desk: Arc::new(desk),
        roster,
        session: Session::new(options.pace),
        held: BTreeMap::new(),
        say,
        idle: options.pace.idle,
    };
    agent.take_over()?;
    let calls = Arc::clone(&agent.calls);
    node.tasks.spawn("beat", beat::keep(calls, Arc::clone(&agent.desk), agent.say.clone()));
    node.tasks.spawn("agent", agent.go_round(hear));
    Ok(())
}

impl<L: Coordinator, H: Executor> Agent<L, H> {
    async fn go_round(mut self, mut hear: mpsc::Receiver<News>) -> io::Result<()> {
        let node = self.calls.node.clone();
        let mut stopping = false;
        loop {
            let now = node.clock.uptime();
            let nap = self.session.due().map_or(LONGEST_NAP, |due| due.saturating_sub(now));
            let news = tokio::select! {
                biased;
                () = node.tasks.stopped(), if !stopping => {
                    stopping = true;
                    News::Seen(Event::Stop)
                }
                Some(news) = hear.recv() => news,
                () = sleep(nap.min(LONGEST_NAP)) => News::Seen(Event::Tick),
            };
            self.take_in(news)?;
            if self.session.is_over(node.clock.uptime()) {
                return Ok(());
            }
        }
    }

    fn take_in(&mut self, news: News) -> io::Result<()> {
        let event = match news {
            News::Seen(event) => event,
            News::Brought(granted, sent) => self.brought(&granted, sent),
            News::Told(word, answer) => self.told(&word, answer),
            News::Heard(grip, word) => self.heard(grip, word)?,
            News::Ended(grip, ending, took) => self.ended(grip, ending, took),
        };
        for action in self.session.apply(event, self.calls.node.clock.uptime()) {
            debug!(%action, "next");
            self.carry_out(action)?;
        }
        Ok(())
    }

    fn brought(&mut self, granted: &Granted, sent: Duration) -> Event {
        let errand = match Errand::read(granted) {
            Ok(errand) => errand,
            Err(error) => {
                let grip = grip_of(granted);
                warn!(job = %grip.job, %error, "grant cannot be read and is handed back");
                let unreadable = Verdict::Yielded("the grant cannot be read");
                self.send((grip, granted.claim_nonce), unreadable, None);
                return Event::Nothing;
            }
        };
        info!(job = %errand.grip.job, epoch = %errand.grip.epoch, "job granted");
        let grant = errand.grant(granted, sent);
        self.held.entry(errand.grip).or_insert_with(|| Held {
            errand: Arc::new(errand),
            orders: watch::Sender::new(Order::GoOn),
            renew_every: Duration::from_secs(granted.renew_every_sec),
            sent,
            process: None,
            insights: None,
            words: 0,
            traces: None,
        });
        Event::Granted(Box::new(grant))
    }

    /// Only the holder's own epoch and nonce stop anything.
    fn told(&self, word: &StopWork, answer: oneshot::Sender<bool>) -> Event {
        let grip = Grip { job: word.job_id, epoch: word.lease_epoch };
        let known = self.nonce(grip) == Some(word.claim_nonce);
        // Whoever asked may be gone.
        let _gone = answer.send(known);
        if !known {
            return Event::Tick;
        }
        info!(job = %grip.job, epoch = %grip.epoch, reason = ?word.reason, "told to stop");
        Event::Told(grip, why_of(word.reason))
    }

    fn heard(&mut self, grip: Grip, word: Word) -> io::Result<Event> {
        let Some(held) = self.held.get_mut(&grip) else { return Ok(Event::Tick) };
        match word {
            Word::Started(process) => {
                held.process = Some(process);
                self.desk.keep(&held.kept())?;
            }
            Word::Progress { percent, message } => {
                held.words += 1;
                let ask = ReportProgress {
                    job_id: grip.job,
                    factory_id: self.calls.who.factory.clone(),
                    lease_epoch: grip.epoch,
                    claim_nonce: held.errand.nonce,
                    seq: held.words,
                    percent,
                    step: None,
                    message,
                };
                let calls = Arc::clone(&self.calls);
                self.spawn("progress", async move { calls.progress(&ask).await });
            }
        }
        Ok(Event::Tick)
    }

    fn ended(&mut self, grip: Grip, ending: Ending, took: Duration) -> Event {
        if let (Some(held), Ending::Exited { insights: Some(insights), .. }) =
            (self.held.get_mut(&grip), &ending)
        {
            held.insights = Some(insights.clone());
        }
        Event::Ended { grip, ending, took }
    }

    fn carry_out(&mut self, action: Action) -> io::Result<()> {
        match action {
            Action::Ask { free, offer } => self.ask(free, offer),
            Action::Remind(offer) => self.calls.reminders.add(offer),
            Action::Keep(grip) => self.keep(grip)?,
            Action::Enter(grip, stage, verify) => self.enter(grip, stage, verify),
            Action::Run(grip) => self.run(grip, Part::Command),
            Action::Verify(grip) => self.run(grip, Part::Verify),
            Action::Term(grip) => self.order(grip, Order::Term),
            Action::Kill(grip) => self.order(grip, Order::Kill),
            Action::Report(grip, verdict) => self.report(grip, verdict),
            Action::GiveBack(grip) => {
                self.report(grip, Verdict::Yielded("there is no seat for it"));
                self.held.remove(&grip);
            }
            Action::Forget(grip) => {
                self.let_go(grip);
                self.desk.forget(grip)?;
            }
            Action::Quarantine(grip) => {
                warn!(job = %grip.job, epoch = %grip.epoch, "lease lost, run put aside");
                if let Some(held) = self.let_go(grip) {
                    self.desk.quarantine(&held.kept())?;
                }
            }
        }
        Ok(())
    }

    fn ask(&self, free: u32, offer: Option<OfferSeen>) {
        let (calls, say, idle) = (Arc::clone(&self.calls), self.say.clone(), self.idle);
        let stop = self.calls.node.clone();
        self.spawn("claim", async move {
            let news = tokio::select! {
                biased;
                // A grant that crosses this is taken back unconfirmed, uncharged.
                () = stop.tasks.stopped() => News::Seen(Event::Nothing),
                (told, sent) = calls.claim(free, offer) => match told {
                    Ok(Some(granted)) => News::Brought(Box::new(granted), sent),
                    Ok(None) => News::Seen(Event::Nothing),
                    Err(error) => {
                        debug!(%error, "claim not answered");
                        News::Seen(Event::Unheard { jitter: stop.ids.jitter(idle / 4) })
                    }
                },
            };
            let _gone = say.send(news).await;
        });
    }

    fn keep(&self, grip: Grip) -> io::Result<()> {
        let Some(held) = self.held.get(&grip) else { return Ok(()) };
        let one =
            RenewOne { job_id: grip.job, lease_epoch: grip.epoch, claim_nonce: held.errand.nonce };
        self.roster.add(grip, one, held.renew_every, held.sent);
        self.desk.keep(&held.kept())
    }

    fn enter(&self, grip: Grip, stage: StageName, verify: Option<VerifyResult>) {
        let Some(nonce) = self.nonce(grip) else { return };
        let (calls, say) = (Arc::clone(&self.calls), self.say.clone());
        self.spawn("enter", async move {
            let event = match calls.enter((grip, nonce), stage, verify).await {
                Ok(()) => Event::Entered(grip),
                Err(code) => Event::Refused(grip, code),
            };
            let _gone = say.send(News::Seen(event)).await;
        });
    }

    /// Not cut short with the loop: once its orders are gone, a run ends its group itself.
    fn run(&mut self, grip: Grip, part: Part) {
        let Some(errand) = self.held.get(&grip).map(|held| Arc::clone(&held.errand)) else {
            return;
        };
        if part == Part::Command {
            let traces = self.trace(&errand);
            self.held.entry(grip).and_modify(|held| held.traces = traces);
        }
        let Some(held) = self.held.get(&grip) else { return };
        let (tell, words) = mpsc::channel(WORDS);
        let journal = held.traces.as_ref().map(|traces| Arc::clone(&traces.journal));
        let run = Run { errand, part, orders: held.orders.subscribe(), tell, journal };
        let (hands, say, node) =
            (Arc::clone(&self.hands), self.say.clone(), self.calls.node.clone());
        self.spawn("words", pass_on(grip, words, say.clone()));
        self.calls.node.tasks.spawn::<String>("run", async move {
            let began = node.clock.uptime();
            let ending = hands.run(run).await;
            let took = node.clock.uptime().saturating_sub(began);
            let _gone = say.send(News::Ended(grip, ending, took)).await;
            Ok(())
        });
    }

    fn order(&self, grip: Grip, order: Order) {
        if let Some(held) = self.held.get(&grip) {
            held.orders.send_replace(order);
        }
    }

    fn report(&mut self, grip: Grip, verdict: Verdict) {
        let Some(held) = self.held.get_mut(&grip) else { return };
        info!(job = %grip.job, epoch = %grip.epoch, %verdict, "job let go");
        let report = self.calls.report((grip, held.errand.nonce), verdict, held.insights.clone());
        let left = held.traces.take().map(|traces| (Arc::clone(&held.errand), traces));
        self.deliver(grip, report, left);
    }

    fn send(&self, held: (Grip, Nonce), verdict: Verdict, insights: Option<Insights>) {
        let report = self.calls.report(held, verdict, insights);
        self.deliver(held.0, report, None);
    }

    /// First to disk, then on its way, behind what the run left. What is not answered before the
    /// agent ends stays there.
    fn deliver(&self, grip: Grip, mut report: ReleaseJob, left: Option<(Arc<Errand>, Traces)>) {
        let (calls, desk, say) =
            (Arc::clone(&self.calls), Arc::clone(&self.desk), self.say.clone());
        self.calls.node.tasks.spawn("report", async move {
            // A short sync on this task: renewals have a thread of their own.
            desk.put(&report)?;
            if let Some((errand, traces)) = left {
                let brought = tokio::select! {
                    biased;
                    () = say.closed() => return Ok(()),
                    brought = traces.close(&calls, &errand) => brought,
                };
                name_artifacts(&desk, &mut report, brought)?;
            }
            tokio::select! {
                biased;
                () = say.closed() => {}
                delivered = calls.deliver(&desk, &report) => {
                    delivered?;
                    let _gone = say.send(News::Seen(Event::Reported(grip))).await;
                }
            }
            Ok::<(), io::Error>(())
        });
    }

    fn nonce(&self, grip: Grip) -> Option<Nonce> {
        self.held.get(&grip).map(|held| held.errand.nonce)
    }

    fn let_go(&mut self, grip: Grip) -> Option<Held> {
        self.roster.remove(grip);
        self.held.remove(&grip)
    }

    /// Work that ends with the loop at the latest.
    fn spawn(&self, task: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let say = self.say.clone();
        self.calls.node.tasks.spawn::<String>(task, async move {
            tokio::select! {
                biased;
                () = say.closed() => {}
                () = work => {}
            }
            Ok(())
        });
    }
}

impl Held {
    fn kept(&self) -> KeptClaim {
        KeptClaim {
            job_id: self.errand.grip.job,
            epoch: self.errand.grip.epoch,
            nonce: self.errand.nonce,
            process: self.process.clone(),
        }
    }
}

/// † Without them it is on disk already, and is sent so.
fn name_artifacts(
    desk: &Desk,
    report: &mut ReleaseJob,
    brought: Vec<ArtifactId>,
) -> io::Result<()> {
    if brought.is_empty() {
        return Ok(());
    }
    report.artifacts = brought;
    desk.put(report)
}

async fn pass_on(grip: Grip, mut words: mpsc::Receiver<Word>, say: mpsc::Sender<News>) {
    while let Some(word) = words.recv().await {
        if say.send(News::Heard(grip, word)).await.is_err() {
            return;
        }
    }
}
