//! How the board comes to be and stays near the truth: read once, then told of changes, and read
//! again from end to end every so often, since any message may be lost.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use fleet::{Job, JobId, ProductId};
use futures_util::{StreamExt, stream};
use ledger::LedgerError;
use node::{BusAway, News};
use protocol::Row;
use serde::Deserialize;
use tracing::{info, warn};

use crate::Scheduler;
use crate::belief::Told;

const READ_ALL_EVERY: Duration = Duration::from_secs(30);
const AFTER_TROUBLE: Duration = Duration::from_millis(250);
// A store gives fewer of them where they are large.
const PAGE: usize = 1_024;
/// So many that a round trip to the store costs the news nothing, and the store hardly anything.
const READ_AT_ONCE: usize = 64;

impl Scheduler {
    pub(crate) async fn hear_news(self) -> Result<(), BusAway> {
        for row in [Row::Event, Row::Kick] {
            let scheduler = self.clone();
            let learn = move |news| {
                scheduler.hear(news);
                ready(())
            };
            self.node.hear(row, "news", learn).await?;
        }
        Ok(())
    }

    pub(crate) fn keep(&self) {
        self.node.follow(&self.ledger);
        self.node.tasks.spawn("board", self.clone().read_again_and_again());
        self.node.tasks.spawn("news", self.clone().read_what_is_told());
    }

    fn hear(&self, news: News) {
        match told_in(&news.body) {
            Some(told) => self.belief.hear(news.product, told),
            None => self.belief.wake(),
        }
    }

    /// A job that much is told of is read once for all that was told meanwhile. Many are read at
    /// once: which is read first does not matter, since each is learnt as it stands, and an older
    /// version of it is no news.
    async fn read_what_is_told(self) -> Result<(), Infallible> {
        let told =
            stream::unfold(&*self.belief, async |belief| Some((belief.heard().await, belief)));
        let reading = told.for_each_concurrent(READ_AT_ONCE, async |(product, told)| {
            self.catch_up(&product, told).await;
        });
        tokio::select! {
            biased;
            () = self.node.tasks.stopped() => {}
            () = reading => {}
        }
        Ok(())
    }

    /// What this process wrote or read by itself is no news to it.
    async fn catch_up(&self, product: &ProductId, Told { job, through }: Told) {
        let seen = self.ledger.jobs.last_seen(product, job);
        match seen.filter(|seen| seen.record.event_seq >= through) {
            Some(seen) => self.learn(&seen.record).await,
            None => self.look_at(product, job).await,
        }
    }

    /// Learns one job anew.
    pub(crate) async fn look_at(&self, product: &ProductId, job: JobId) {
        match self.ledger.jobs.get(product, job).await {
            Ok(Some(found)) => self.learn(&found.record).await,
            Ok(None) => {}
            Err(error) => warn!(%job, %error, "job not read; the next reading of all finds it"),
        }
    }

    /// Offers it if somebody could have it, and tells who waits for it.
    async fn learn(&self, job: &Job) {
        self.belief.learn(job);
        self.offer(job);
        self.release_dependents(job).await;
    }

    /// Whoever wrote the job may not know who waits for it.
    async fn release_dependents(&self, job: &Job) {
        if let Err(error) = Box::pin(self.ledger.hear_of(job)).await {
            warn!(job = %job.id, %error, "dependents not told; the sweep finds them");
        }
    }

    async fn read_again_and_again(self) -> Result<(), Infallible> {
        loop {
            let read = tokio::select! {
                biased;
                () = self.node.tasks.stopped() => return Ok(()),
                read = self.read_all() => read,
            };
            let wait = match read {
                Ok(jobs) => {
                    self.belief.is_read();
                    info!(jobs, "board read");
                    READ_ALL_EVERY
                }
                Err(error) => {
                    warn!(%error, "board not read to its end");
                    AFTER_TROUBLE
                }
            };
            tokio::select! {
                biased;
                () = self.node.tasks.stopped() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// In a hurry only while claims may wait for it.
    async fn read_all(&self) -> Result<usize, LedgerError> {
        let mut pages = self.ledger.jobs.pages(PAGE);
        if !self.belief.was_read() {
            pages = pages.in_a_hurry();
        }
        let mut seen = 0;
        while let Some(jobs) = pages.next().await? {
            let jobs = jobs.iter().map(|found| &found.record);
            for product in jobs.clone().map(Job::product).collect::<BTreeSet<_>>() {
                self.settle(product).await?;
            }
            self.belief.learn_all(jobs.clone());
            jobs.clone().for_each(|job| self.ledger.note_waiting(job));
            seen += jobs.filter(|job| !job.stage.has_ended()).count();
        }
        Ok(seen)
    }

    /// The product's own settings, as the board needs them.
    async fn settle(&self, product: &ProductId) -> Result<(), LedgerError> {
        let settings = self.ledger.settings(product).await?;
        self.belief.board().settle(product, settings.ageing(), settings.paused);
        Ok(())
    }
}

/// Events and kicks alike name the job that they are about; a kick tells of no event, and whoever is
/// kicked looks for itself.
fn told_in(body: &[u8]) -> Option<Told> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        job_id: JobId,
        seq: Option<u64>,
        #[serde(default)]
        more: Vec<Numbered>,
    }
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    let named = serde_json::from_slice::<Named>(body).ok()?;
    let last = named.more.last().map(|event| event.seq).or(named.seq);
    Some(Told { job: named.job_id, through: last.unwrap_or(u64::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(body: &str) -> Option<u64> {
        told_in(body.as_bytes()).map(|told| told.through)
    }

    #[test]
    fn a_page_tells_of_its_last_event_and_a_kick_of_whatever_there_is() {
        let product: ProductId = "acme".parse().unwrap();
        let job = JobId::of(&product, &"k".parse().unwrap());
        let body = |rest: &str| format!(r#"{{"jobId":"{job}"{rest}}}"#);
        assert_eq!(through(&body(r#","seq":3"#)), Some(3));
        assert_eq!(through(&body(r#","seq":3,"more":[{"seq":4},{"seq":5}]"#)), Some(5));
        assert_eq!(through(&body("")), Some(u64::MAX));
        for other in ["", "{}", "[]", r#"{"jobId":7}"#] {
            assert_eq!(through(other), None, "{other}");
        }
    }
}
