//! A word of a log whose hold ends while it is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use blob::{Blobs, Named, RunLog};
use bytes::Bytes;
use protocol::{AppendLog, Code, JobAction};
use store::{
    Cursor, Expect, Key, Memory, Page, Put, Revision, Scope, Store, StoreError, Versioned,
};
use tokio::sync::{Mutex, Notify};

use super::world::{World, product, refusal, secs};

/// Holds up the first who reads a job once a piece of this log is stored.
#[derive(Debug)]
struct Gate {
    inner: Arc<dyn Store>,
    watched: Mutex<Option<(Blobs, Named)>>,
    used: AtomicBool,
    reached: Notify,
    open: Notify,
}

impl Gate {
    async fn is_stored(&self) -> bool {
        let watched = self.watched.lock().await.clone();
        let Some((blobs, named)) = watched else { return false };
        !RunLog::of(&blobs, &named).pieces().await.unwrap().is_empty()
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let of_job = key.kind().name == "fleet_jobs";
        if of_job && self.is_stored().await && !self.used.swap(true, Ordering::Relaxed) {
            self.reached.notify_one();
            self.open.notified().await;
        }
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.inner.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.inner.scan(scope, from, limit).await
    }
}

/// It may have come too late for the log that was closed meanwhile: then it was never told to be
/// there.
#[tokio::test(start_paused = true)]
async fn a_word_whose_hold_ended_while_it_was_stored_is_not_acknowledged() {
    let gate = Arc::new(Gate {
        inner: Arc::new(Memory::new()),
        watched: Mutex::default(),
        used: AtomicBool::default(),
        reached: Notify::default(),
        open: Notify::default(),
    });
    let store = Arc::<Gate>::clone(&gate);
    let world = World::of(store);
    let host = world.start().await;
    let job = world.submit("a", "").await;
    let hand = world.hand("f1");
    hand.beat().await.unwrap();
    let held = hand.building(secs(60)).await;
    let named = Named { product: product(), job, epoch: held.lease_epoch };
    *gate.watched.lock().await = Some((world.blobs.clone(), named));
    let word = AppendLog {
        job_id: job,
        factory_id: "f1".parse().unwrap(),
        lease_epoch: held.lease_epoch,
        claim_nonce: held.claim_nonce,
        from: 0,
        text: "said\n".to_owned(),
    };
    let ending = async {
        gate.reached.notified().await;
        world.operate(job, JobAction::Requeue).await.unwrap();
        gate.open.notify_one();
    };
    let mut saying = std::pin::pin!(world.ask(&word));
    let answer = tokio::select! {
        biased;
        answer = saying.as_mut() => answer,
        () = ending => saying.await,
    };
    assert_eq!(refusal(&answer), Some(Code::Fenced), "{answer:?}");
    host.stop().await;
}
