//! Sees every version of every job that is stored, and asks nobody of the product: the servers
//! themselves tell each message that a bucket stored, with its number and that of the one before it,
//! and an account each document with its tag and the one before it. So a version which was not seen
//! is known to be missing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::Republish;
use async_nats::{Client, Message, Subscriber};
use clock::{Clock, System};
use fleet::{EventRecord, Job, JobId, Record};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, block_in_place};

use crate::account::{self, Account, Told};
use crate::history::Version;
use crate::streams;

/// What the servers tell what they stored under.
const TOLD: &str = "witness.>";
/// Of the names of those that keep jobs.
const JOBS: &str = "KV_fleet_jobs";
pub(crate) const JOBS_OF_ACCOUNT: &str = "fleet_jobs";
const EVENTS: &str = "FLEET_EVENTS";

type Seen = BTreeMap<JobId, Vec<Version>>;
type Numbers = BTreeMap<JobId, std::collections::BTreeSet<u64>>;

/// What was seen so far.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
    /// Where jobs are kept: in buckets, unless there is an account.
    buckets: Vec<String>,
    account: Option<Arc<Account>>,
}

impl Witness {
    /// Before the first job is written. One link to each server, so that with one of them only
    /// its own words are lost.
    pub(crate) async fn of_buckets(
        links: &[Client],
        clock: &Arc<System>,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self> {
        let link = links.first().context("no server")?;
        let context = async_nats::jetstream::new(link.clone());
        let buckets = streams::names(&context, JOBS).await?;
        ensure!(!buckets.is_empty(), "nothing keeps jobs");
        let witness = Self { seen: Arc::default(), buckets, account: None };
        for link in links {
            let told = link.subscribe(TOLD).await?;
            link.flush().await?;
            tasks.spawn(witness.clone().listen(told, Arc::clone(clock)));
        }
        for bucket in &witness.buckets {
            tell(&context, bucket).await.with_context(|| format!("{bucket} is not told of"))?;
        }
        Ok(witness)
    }

    /// Of what it has told since before the first job was written.
    pub(crate) fn of_account(
        account: &Arc<Account>,
        told: mpsc::Receiver<Told>,
        clock: &Arc<System>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let account = Some(Arc::clone(account));
        let witness = Self { seen: Arc::default(), buckets: Vec::new(), account };
        tasks.spawn(witness.clone().hear(told, Arc::clone(clock)));
        witness
    }

    /// Versions of each job in the order in which they were written.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Jobs that have not ended, as far as it was seen.
    pub(crate) fn open(&self) -> usize {
        let seen = self.seen();
        let last = seen.values().filter_map(|versions| versions.last());
        last.filter(|version| !version.stage.has_ended()).count()
    }

    pub(crate) fn buckets(&self) -> &[String] {
        &self.buckets
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.account.as_deref()
    }

    /// What is kept now, all of it.
    pub(crate) async fn stored(&self, context: &Context) -> Result<BTreeMap<JobId, Version>> {
        let mut stored = BTreeMap::new();
        if let Some(account) = &self.account {
            for record in block_in_place(|| account.records(JOBS_OF_ACCOUNT))? {
                let job = job(&record).context("a stored job cannot be read")?;
                stored.insert(job.id, Version::of(&job, Duration::ZERO, 0, 0));
            }
        }
        for bucket in &self.buckets {
            for kept in streams::all(context, bucket).await? {
                let job = Job::decode(&kept.payload).context("a stored job cannot be read")?;
                stored.insert(job.id, Version::of(&job, Duration::ZERO, kept.sequence, 0));
            }
        }
        Ok(stored)
    }

    async fn listen(self, mut told: Subscriber, clock: Arc<System>) {
        while let Some(message) = told.next().await {
            self.take(&message, clock.uptime());
        }
    }

    fn take(&self, message: &Message, at: Duration) {
        let number = |name: &str| message.headers.as_ref()?.get(name)?.as_str().parse().ok();
        let Some(sequence) = number("Nats-Sequence") else { return };
        let before = number("Nats-Last-Sequence").unwrap_or(0);
        // A removal leaves a mark without a body.
        let Ok(job) = Job::decode(&message.payload) else { return };
        self.put(&job, Version::of(&job, at, sequence, before));
    }

    /// They are told in the order in which they were written: that is their number.
    async fn hear(self, mut told: mpsc::Receiver<Told>, clock: Arc<System>) {
        let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(Told { tag, upon, document }) = told.recv().await {
            let number = numbers.len() as u64 + 1;
            let before = numbers.get(&upon).copied().unwrap_or(0);
            numbers.insert(tag, number);
            // A removal has none.
            let document = serde_json::from_str(&document).ok();
            let Some(job) = document.and_then(account::record).as_ref().and_then(job) else {
                continue;
            };
            self.put(&job, Version::of(&job, clock.uptime(), number, before));
        }
    }

    fn put(&self, job: &Job, version: Version) {
        let sequence = version.sequence;
        let mut seen = self.seen();
        let versions = seen.entry(job.id).or_default();
        let place = versions.partition_point(|known| known.sequence < sequence);
        if versions.get(place).is_none_or(|known| known.sequence != sequence) {
            versions.insert(place, version);
        }
    }
}

/// The numbers of all events that the stream of events has.
pub(crate) async fn told(context: &Context) -> Result<Numbers> {
    let mut numbers = Numbers::new();
    for kept in streams::all(context, EVENTS).await? {
        let page = EventRecord::decode(&kept.payload).context("an event cannot be read")?;
        let told = numbers.entry(page.job_id).or_default();
        told.extend(page.each().filter_map(|event| event.seq));
    }
    Ok(numbers)
}

fn job(record: &Value) -> Option<Job> {
    Job::decode(&serde_json::to_vec(record).ok()?).ok()
}

async fn tell(context: &Context, bucket: &str) -> Result<()> {
    let found = context.get_stream(bucket).await?;
    let mut config = found.cached_info().config.clone();
    let source = config.subjects.first().context("it has no subject")?.clone();
    let destination = format!("witness.{}.>", bucket.trim_start_matches("KV_"));
    config.republish = Some(Republish { source, destination, headers_only: false });
    Box::pin(context.update_stream(&config)).await?;
    Ok(())
}
