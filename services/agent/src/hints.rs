//! What an agent hears on a bus without having asked: offers of work, and words to stop. Hints all
//! of them: an agent that hears none asks for work and renews its leases all the same.

use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fleet::{ProductId, Timestamp, unmet};
use node::{Asked, BusAway, Group, Node, Served};
use protocol::{
    Code, Filter, Offer, OfferSeen, Problem, Row, StopReason, StopWork, Subject, Topic,
};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::Identity;
use crate::hold::Why;
use crate::news::News;
use crate::session::Event;

const GROUP: Group = Group("factory");
/// All idle factories hear a broadcast, and one of them gets the job: so they do not ask at once.
const SPREAD: Duration = Duration::from_secs(1);

/// Listens once it returns.
pub(crate) async fn listen(
    node: &Node,
    who: &Identity,
    product: &ProductId,
    say: &mpsc::Sender<News>,
) -> Result<(), BusAway> {
    let subject = |topic| Subject::new(product, topic);
    let own = Filter::exact(&subject(Topic::Offer(who.factory.clone())));
    let everyones = Filter::within(Row::OfferAny, product);
    for (filter, spread) in [(own, Duration::ZERO), (everyones, SPREAD)] {
        let (who, say, here) = (who.clone(), say.clone(), node.clone());
        let offered = move |news: node::News| {
            if let Some(offer) = fitting(&who, &news.body, here.clock.now()) {
                let wait = here.ids.jitter(spread);
                // An offer that finds no room is one of many.
                let _full = say.try_send(News::Seen(Event::Offered { offer, wait }));
            }
            ready(())
        };
        node.hear_at(&filter, "offers", offered).await?;
    }
    let commands = Filter::exact(&subject(Topic::Command(who.factory.clone())));
    let say = say.clone();
    node.serve_at(&commands, GROUP, move |asked| stop(asked, say.clone())).await
}

/// An offer that this factory could take up, and that is not long over.
fn fitting(who: &Identity, body: &[u8], now: Timestamp) -> Option<OfferSeen> {
    let offer: Offer = serde_json::from_slice(body).ok()?;
    let fits = unmet(&offer.capabilities, &who.capabilities).is_none()
        && offer.engine.as_ref().is_none_or(|engine| who.engines.contains(engine))
        && now <= offer.expires_at;
    fits.then_some(OfferSeen { job_id: offer.job_id, epoch_seen: offer.epoch_seen })
}

async fn stop(asked: Asked<StopWork>, say: mpsc::Sender<News>) -> Served<StopWork> {
    let (answer, known) = oneshot::channel();
    let no = |code| Err(Box::new(Problem::new(code, asked.request_id)));
    // An agent without room for it is told with its next renewal.
    let _full = say.try_send(News::Told(asked.ask, answer));
    match known.await {
        Ok(true) => Ok(()),
        Ok(false) => no(Code::LeaseNotHeld),
        Err(_) => no(Code::Unavailable),
    }
}

pub(crate) fn why_of(reason: StopReason) -> Why {
    match reason {
        StopReason::Cancel => Why::Cancelled,
        StopReason::Budget => Why::Budget,
        StopReason::Drain => Why::Yielded,
        StopReason::Fenced => Why::Lost,
    }
}

/// An offer on its way to one of the claims that wait.
#[derive(Debug, Default)]
pub(crate) struct Reminders {
    offer: Mutex<Option<OfferSeen>>,
    rung: Notify,
}

impl Reminders {
    pub(crate) fn add(&self, offer: OfferSeen) {
        *self.offer.lock().unwrap_or_else(PoisonError::into_inner) = Some(offer);
        self.rung.notify_one();
    }

    pub(crate) async fn next(&self) -> OfferSeen {
        loop {
            let offer = self.offer.lock().unwrap_or_else(PoisonError::into_inner).take();
            match offer {
                Some(offer) => return offer,
                None => self.rung.notified().await,
            }
        }
    }
}
