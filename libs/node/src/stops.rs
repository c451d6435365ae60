//! Holders are told at once that their work is to stop. A word is said once: who does not hear it
//! hears the same with its next renewal.

use std::convert::Infallible;
use std::time::Duration;

use bus::Message;
use fleet::ProductId;
use futures_util::{StreamExt, stream};
use ledger::Ledger;
use protocol::{Ask, Header, Headers, StopWork};
use tracing::debug;

use crate::Node;

/// A holder that is frozen keeps one of these busy for as long as it is waited for.
const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);

impl Node {
    /// Tells those whom this ledger's writes overrule, until it is time to stop. For the role that
    /// takes jobs back.
    pub fn tell_stops(&self, ledger: &Ledger) {
        let (node, ledger) = (self.clone(), ledger.clone());
        self.tasks.spawn("stops", async move {
            let due =
                stream::unfold(&ledger, async |ledger| Some((ledger.next_stop().await, ledger)));
            let told = due.for_each_concurrent(AT_ONCE, async |(product, word)| {
                node.tell_stop(&product, &word).await;
            });
            tokio::select! {
                biased;
                () = node.tasks.stopped() => {}
                () = told => {}
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn tell_stop(&self, product: &ProductId, word: &StopWork) {
        let body = serde_json::to_vec(word).expect("string keys and finite numbers encode");
        let mut ask = Message::new(word.subject(product), body);
        ask.headers = Headers::default()
            .with(Header::RequestId, &self.ids.mint().to_string())
            .with(Header::Deadline, &self.clock.now().plus(PATIENCE).to_string());
        let (job, epoch) = (word.job_id, word.lease_epoch);
        if let Err(error) = self.bus.request(ask, PATIENCE).await {
            debug!(%job, %epoch, %error, "holder not told to stop; its renewal tells it");
        }
    }
}
