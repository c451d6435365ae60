//! Stores that break a promise, each the whole of one wrong design.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use fleet::{EventRecord, Job, Record};
use ledger::{Ledger, Placed};
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};

use super::dice::Dice;
use super::mutant::Mutant;
use super::plan::TERMS;
use super::world::Desk;

/// The store as a service of this design sees it.
pub(super) fn mutated(mutant: Mutant, store: Arc<dyn Store>, seed: u64) -> Arc<dyn Store> {
    if mutant == Mutant::UnconditionalWrite {
        Arc::new(Careless(store))
    } else if mutant == Mutant::EventsAfterWrite {
        Arc::new(NoOutbox(store))
    } else if mutant == Mutant::StaleReplica {
        let dice = Mutex::new(Dice::new(seed, 9));
        Arc::new(Replica { leader: store, copies: Mutex::default(), dice })
    } else {
        store
    }
}

/// The keeper's ledger over a store in which it does not find the jobs that are held.
pub(super) fn without_held(desk: &Desk) -> Ledger {
    let store: Arc<dyn Store> = Arc::new(HeldUnseen(Arc::clone(&desk.store)));
    let bus = Arc::new(bus::Memory::default());
    Ledger::new(&store, bus, Arc::clone(&desk.clock), Arc::clone(&desk.ids), TERMS)
}

/// Whatever stands there now is overwritten.
#[derive(Debug)]
struct Careless(Arc<dyn Store>);

#[async_trait]
impl Store for Careless {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        let expect = match (expect, self.0.get(key).await?) {
            (Expect::At(_), Some(found)) => Expect::At(found.revision),
            (Expect::At(_), None) | (Expect::Absent, _) => expect.clone(),
        };
        self.0.put(key, value, &expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.0.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.scan(scope, from, limit).await
    }
}

/// The job is written without its events; they are appended when it is there.
#[derive(Debug)]
struct NoOutbox(Arc<dyn Store>);

#[async_trait]
impl Store for NoOutbox {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        if key.kind() != Job::KIND {
            return self.0.put(key, value, expect).await;
        }
        let mut job = Job::decode(&value).expect("the ledger writes jobs");
        // What it is the log of stays in the witness's version by its numbers alone.
        let entries = std::mem::take(&mut job.outbox);
        let bare = Bytes::from(job.encode().expect("records encode"));
        let answer = self.0.put(key, bare, expect).await?;
        if matches!(answer, Put::Written(_)) {
            for entry in &entries {
                let event = EventRecord::of(entry, job.id, job.product());
                let (partition, id) = event.place();
                let key = Key::new(EventRecord::KIND, partition, id).expect("a key");
                let bytes = Bytes::from(event.encode().expect("records encode"));
                let _appended = self.0.put(&key, bytes, &Expect::Absent).await;
            }
        }
        Ok(answer)
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.0.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.0.scan(scope, from, limit).await
    }
}

/// The last two versions that were read of a document.
#[derive(Debug, Default)]
struct Copies {
    older: Option<Versioned>,
    newer: Option<Versioned>,
}

/// Now and then a read of a job is answered from a copy that lags one version behind.
#[derive(Debug)]
struct Replica {
    leader: Arc<dyn Store>,
    copies: Mutex<BTreeMap<Key, Copies>>,
    dice: Mutex<Dice>,
}

#[async_trait]
impl Store for Replica {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let found = self.leader.get(key).await?;
        let lags = self.dice.lock().expect("no panic inside").chance(80);
        let mut copies = self.copies.lock().expect("no panic inside");
        let Copies { older, newer } = copies.entry(key.clone()).or_default();
        if *newer != found {
            *older = std::mem::replace(newer, found.clone());
        }
        Ok(if lags && key.kind() == Job::KIND { older.clone() } else { found })
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.leader.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.leader.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.leader.scan(scope, from, limit).await
    }
}

/// A scan that leaves out the jobs that somebody holds.
#[derive(Debug)]
struct HeldUnseen(Arc<dyn Store>);

#[async_trait]
impl Store for HeldUnseen {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.0.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.0.put(key, value, expect).await
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.0.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut page = self.0.scan(scope, from, limit).await?;
        if scope.kind() == Job::KIND {
            page.items.retain(|(_, found)| {
                Job::decode(&found.value).is_ok_and(|job| job.holder().is_none())
            });
        }
        Ok(page)
    }
}
