//! What `doctor` and readiness tell about a store: read afresh, typed, judged by nobody here.

use std::time::Duration;

use async_nats::jetstream::stream::Info;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::buckets::{Bucket, Buckets};
use crate::link::{Link, Options};
use crate::room::{self, Fullest};
use crate::trouble::{Fault, Trouble};
use crate::verify;

const AT_ONCE: usize = 16;
/// The monitoring's answer is a few kilobytes.
const LONGEST_ANSWER: u64 = 1 << 20;

/// How a store stands at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub server_version: String,
    pub server_name: String,
    pub cluster: Option<String>,
    /// The longest message, headers included.
    pub max_payload: usize,
    pub generation: String,
    pub partitions: usize,
    pub replicas: usize,
    /// Of each server whose monitoring was named; the weakest counts.
    pub sync: Vec<(String, SyncMode)>,
    pub buckets: Vec<BucketState>,
    /// The one that is nearest to its bound, where any has one.
    pub fullest: Option<Fullest>,
    /// What is set otherwise than it must be, or missing.
    pub faults: Vec<Fault>,
}

/// When a server syncs what it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Before the acknowledgement: a power cut loses nothing that was acknowledged.
    Always,
    /// So long after it at most: a power cut loses that much, or all of it.
    Every(Duration),
    /// Its monitoring did not say.
    NotKnown,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketState {
    pub name: String,
    /// Removed keys count: a marker stands for each.
    pub keys: u64,
    pub bytes: u64,
    /// In a cluster.
    pub leader: Option<String>,
    pub replicas: usize,
    /// Replicas beside the leader that are up to date.
    pub current: usize,
}

pub(crate) async fn report(link: &Link, buckets: &Buckets) -> Result<Report, Trouble> {
    let control = buckets.control();
    let server = link.client.server_info();
    let looks: Vec<_> = buckets.all().map(|bucket| state(link, bucket)).collect();
    let states: Vec<Option<BucketState>> =
        stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let sync = sync_of(&link.monitors, link.timeout).await;
    Ok(Report {
        server_version: server.version,
        server_name: server.server_name,
        cluster: server.cluster,
        max_payload: server.max_payload,
        generation: control.generation.clone(),
        partitions: control.partitions,
        replicas: control.replicas,
        sync,
        buckets: states.into_iter().flatten().collect(),
        fullest: room::fullest(link, buckets).await?,
        faults: verify::faults(link, buckets, control).await?,
    })
}

/// When each server whose monitoring is named syncs; for those who must know before they open or
/// make anything.
pub async fn sync_modes(options: &Options) -> Vec<(String, SyncMode)> {
    sync_of(&options.monitors, options.timeout).await
}

async fn sync_of(monitors: &[String], longest: Duration) -> Vec<(String, SyncMode)> {
    let mut sync = Vec::new();
    for monitor in monitors {
        sync.push((monitor.clone(), sync_mode(monitor, longest).await));
    }
    sync
}

/// Nothing for a bucket that is missing; that is a fault.
async fn state(link: &Link, bucket: &Bucket) -> Result<Option<BucketState>, Trouble> {
    let Some(Info { config, state, cluster, .. }) = verify::info(link, bucket).await? else {
        return Ok(None);
    };
    let current = cluster.as_ref().map_or(0, |c| c.replicas.iter().filter(|r| r.current).count());
    Ok(Some(BucketState {
        name: bucket.name.clone(),
        keys: state.messages,
        bytes: state.bytes,
        leader: cluster.and_then(|cluster| cluster.leader),
        replicas: config.num_replicas,
        current,
    }))
}

#[derive(Deserialize)]
struct Told {
    config: Option<Sync>,
}

#[derive(Deserialize)]
struct Sync {
    #[serde(default)]
    sync_always: bool,
    sync_interval: Option<u64>,
}

/// Only a server's monitoring tells it.
async fn sync_mode(monitor: &str, longest: Duration) -> SyncMode {
    let told = timeout(longest, jsz(monitor)).await.ok().flatten();
    match told.and_then(|told| told.config) {
        Some(Sync { sync_always: true, .. }) => SyncMode::Always,
        Some(Sync { sync_always: false, sync_interval: Some(nanos) }) => {
            SyncMode::Every(Duration::from_nanos(nanos))
        }
        Some(Sync { sync_always: false, sync_interval: None }) => SyncMode::NotKnown,
        None => SyncMode::NotKnown,
    }
}

async fn jsz(monitor: &str) -> Option<Told> {
    let host = monitor.strip_prefix("http://")?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).await.ok()?;
    let ask = format!("GET /jsz HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}
