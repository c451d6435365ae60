//! One endpoint: hears a line of the table as one of its group, and answers each request on a task
//! of its own, so many at once and no more. What nobody waits for any longer is dropped unseen. A
//! list of words is answered by a list.

use std::future::Future;
use std::sync::Arc;

use bus::{Audience, Delivery, Inbox};
use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt};
use protocol::{Ask, Filter, Problem, Row};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::Node;
use crate::answer::{Asked, Heard, answer, answer_several};
use crate::news::BusAway;

/// Requests one endpoint works on at once, each of at most [`protocol::MOST_WORDS`] words; further
/// ones wait in its inbox.
const AT_ONCE: usize = 256;

/// The service whose replicas share an endpoint's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub &'static str);

/// What a handler answers.
pub type Served<A> = Result<<A as Ask>::Reply, Box<Problem>>;

impl Node {
    /// Listens before it returns, so that whoever is started later finds the endpoint there.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn serve<A, F>(
        &self,
        row: Row,
        group: Group,
        handler: impl Fn(Asked<A>) -> F + Send + Sync + 'static,
    ) -> Result<(), BusAway>
    where
        A: Ask + 'static,
        F: Future<Output = Served<A>> + Send + 'static,
    {
        self.serve_at(&Filter::every(row), group, handler).await
    }

    /// The same for a part of a line, where the rest of it is not this role's to hear.
    ///
    /// # Errors
    /// The bus is away.
    pub async fn serve_at<A, F>(
        &self,
        filter: &Filter,
        group: Group,
        handler: impl Fn(Asked<A>) -> F + Send + Sync + 'static,
    ) -> Result<(), BusAway>
    where
        A: Ask + 'static,
        F: Future<Output = Served<A>> + Send + 'static,
    {
        let inbox = self.begin_to_listen(filter, Audience::one_of(group.0)).await?;
        self.tasks.spawn(group.0, self.clone().answer_all(inbox, group, Arc::new(handler)));
        Ok(())
    }

    async fn answer_all<A, F, H>(
        self,
        mut inbox: Inbox,
        group: Group,
        handler: Arc<H>,
    ) -> Result<(), BusAway>
    where
        A: Ask + 'static,
        F: Future<Output = Served<A>> + Send + 'static,
        H: Fn(Asked<A>) -> F + Send + Sync + 'static,
    {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        let attend = |delivery, place: Option<OwnedSemaphorePermit>| {
            let (node, handler) = (self.clone(), Arc::clone(&handler));
            self.tasks.spawn(group.0, async move {
                node.attend(delivery, &*handler).await;
                drop(place);
                Ok::<(), BusAway>(())
            });
        };
        loop {
            let place = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
            let Some(delivery) = self.next_of(&mut inbox).await else { break };
            attend(delivery, Some(place));
        }
        // What came in before the stop was given to nobody else: it is answered still.
        for _ in 0..AT_ONCE {
            let Some(Some(delivery)) = inbox.next().now_or_never() else { break };
            attend(delivery, None);
        }
        Ok(())
    }

    async fn attend<A, F>(&self, delivery: Delivery, handler: &(impl Fn(Asked<A>) -> F + Sync))
    where
        A: Ask,
        F: Future<Output = Served<A>>,
    {
        let heard = Heard::<A>::read(&delivery, self.ids.mint());
        let deadline = heard.as_ref().ok().and_then(Heard::deadline);
        if deadline.is_some_and(|until| until < self.clock.now()) {
            debug!(subject = %delivery.message.subject, "request dropped, nobody waits");
            return;
        }
        let subject = delivery.message.subject.clone();
        // Apart, so that what is spawned and moved about stays small.
        let answered = match heard {
            Ok(Heard::One(asked)) => answer(delivery, Box::pin(handler(asked)).await).await,
            Ok(Heard::Several(request_id, words)) => {
                // Together, so that their writes share the store's groups.
                let outcomes = join_all(words.into_iter().map(|word| one_of(word, handler)));
                answer_several(delivery, Box::pin(outcomes).await, request_id).await
            }
            Err(problem) => answer::<A::Reply>(delivery, Err(problem)).await,
        };
        if let Err(error) = answered {
            warn!(%subject, %error, "answer not sent");
        }
    }
}

/// One of several words: whatever is wrong with it is wrong with it alone.
async fn one_of<A: Ask, F: Future<Output = Served<A>>>(
    word: Result<Asked<A>, Box<Problem>>,
    handler: &impl Fn(Asked<A>) -> F,
) -> Served<A> {
    let asked = word?;
    let company = asked.company.clone();
    let served = Box::pin(handler(asked)).await;
    if served.is_ok() {
        company.is_served();
    }
    served
}
