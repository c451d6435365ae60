//! A request that comes to grief on its way: after a number of looks at the store it is dropped
//! for good, as when its service dies, or it stands still for a while, as when its machine does.
//! Only the caller's own request is touched; what it wrote before, it wrote.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use store::{Cursor, Expect, Key, Page, Put, Revision, Scope, Store, StoreError, Versioned};
use tokio::task::yield_now;
use tokio::time::sleep;

use super::dice::Dice;

/// What happens when the fuse has burnt down.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    Drop,
    Freeze(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fuse {
    Unlit,
    Lit(u64, Then),
    Burnt,
}

thread_local! {
    /// The fuse of the request that is being polled.
    static FUSE: Cell<Fuse> = const { Cell::new(Fuse::Unlit) };
}

/// Nothing, when the fuse burnt down before the call was over.
pub(super) fn under<T, F>(fuse: Fuse, call: F) -> Under<F>
where
    F: Future<Output = T>,
{
    Under { call: Box::pin(call), fuse }
}

pub(super) struct Under<F> {
    call: Pin<Box<F>>,
    fuse: Fuse,
}

impl<F: Future> Future for Under<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<Self::Output> {
        let outer = FUSE.replace(self.fuse);
        let polled = self.call.as_mut().poll(waker);
        self.fuse = FUSE.replace(outer);
        match (self.fuse, polled) {
            (Fuse::Burnt, _) => Poll::Ready(None),
            (Fuse::Unlit | Fuse::Lit(..), polled) => polled.map(Some),
        }
    }
}

/// Lets the fuse burn before and after each operation, and lets others go first now and then: a
/// store that answers at once would hardly ever let two requests meet.
#[derive(Debug)]
pub(super) struct Brittle<S> {
    store: S,
    dice: Mutex<Dice>,
}

impl<S> Brittle<S> {
    pub(super) fn new(store: S, dice: Dice) -> Self {
        Self { store, dice: Mutex::new(dice) }
    }

    async fn way(&self) {
        let stops = self.dice.lock().expect("nothing panics while it holds this lock").below(4);
        for _ in 0..stops {
            yield_now().await;
        }
        burn().await;
    }
}

async fn burn() {
    match FUSE.get() {
        Fuse::Unlit | Fuse::Burnt => {}
        Fuse::Lit(0, Then::Drop) => {
            FUSE.set(Fuse::Burnt);
            std::future::pending::<()>().await;
        }
        Fuse::Lit(0, Then::Freeze(span)) => {
            FUSE.set(Fuse::Unlit);
            sleep(span).await;
        }
        Fuse::Lit(left, then) => FUSE.set(Fuse::Lit(left - 1, then)),
    }
}

#[async_trait]
impl<S: Store> Store for Brittle<S> {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.way().await;
        self.store.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.way().await;
        let answer = self.store.put(key, value, expect).await;
        self.way().await;
        answer
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.way().await;
        let answer = self.store.remove(key, at).await;
        self.way().await;
        answer
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.way().await;
        self.store.scan(scope, from, limit).await
    }
}
