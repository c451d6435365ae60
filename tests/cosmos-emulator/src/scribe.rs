//! The writes of one container, done one after the other and told in their order, so that a witness
//! knows every version that each document had. A write is done and told whoever asked for it still
//! waits or not.

use std::io;
use std::sync::Arc;

use azure_core::http::{RawResponse, Request as Asked};
use azure_data_cosmos_driver::in_memory_emulator::InMemoryEmulatorHttpClient;
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Writes that wait for their turn, and such that wait to be heard of: then writers wait too.
const MOST_WAITING: usize = 1_024;
const ETAG: &str = "etag";

/// One version of a document, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub tag: String,
    /// The tag that it had to have before; nothing where it was new.
    pub upon: Option<String>,
    /// Empty of a removal.
    pub document: Bytes,
}

/// A write that waits for its turn.
#[derive(Debug)]
struct Order {
    asked: Asked,
    upon: Option<String>,
    document: Bytes,
    answer: oneshot::Sender<io::Result<RawResponse>>,
}

#[derive(Debug)]
pub(crate) struct Scribe {
    /// As it stands in the addresses of its documents.
    container: String,
    orders: mpsc::Sender<Order>,
    task: JoinHandle<()>,
}

impl Drop for Scribe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scribe {
    pub(crate) fn begin(
        container: &str,
        account: Arc<InMemoryEmulatorHttpClient>,
        runtime: &Handle,
    ) -> (Self, mpsc::Receiver<Told>) {
        let (orders, waiting) = mpsc::channel(MOST_WAITING);
        let (told, heard) = mpsc::channel(MOST_WAITING);
        let task = runtime.spawn(write(waiting, account, told));
        (Self { container: format!("/colls/{container}/docs"), orders, task }, heard)
    }

    pub(crate) fn is_of(&self, path: &str) -> bool {
        path.contains(&self.container)
    }

    /// To be asked without holding the scribe.
    pub(crate) fn desk(&self) -> Desk {
        Desk(self.orders.clone())
    }
}

/// Where orders are taken.
#[derive(Clone, Debug)]
pub(crate) struct Desk(mpsc::Sender<Order>);

impl Desk {
    pub(crate) async fn order(
        &self,
        asked: Asked,
        upon: Option<String>,
        document: Bytes,
    ) -> io::Result<RawResponse> {
        let (answer, answered) = oneshot::channel();
        let order = Order { asked, upon, document, answer };
        self.0.send(order).await.map_err(io::Error::other)?;
        answered.await.map_err(io::Error::other)?
    }
}

async fn write(
    mut waiting: mpsc::Receiver<Order>,
    account: Arc<InMemoryEmulatorHttpClient>,
    told: mpsc::Sender<Told>,
) {
    while let Some(Order { asked, upon, document, answer }) = waiting.recv().await {
        let done = Box::pin(executed(&account, &asked)).await;
        if let Ok(done) = done.as_ref()
            && done.status().is_success()
        {
            let tag = done.headers().iter().find(|(name, _)| name.as_str() == ETAG);
            let tag = tag.map(|(_, tag)| tag.as_str().to_owned()).unwrap_or_default();
            // Nobody listens any more.
            let _heard = told.send(Told { tag, upon, document }).await;
        }
        // Whoever asked may have gone.
        let _answered = answer.send(done);
    }
}

pub(crate) async fn executed(
    account: &InMemoryEmulatorHttpClient,
    asked: &Asked,
) -> io::Result<RawResponse> {
    let answer = Box::pin(account.execute_request(asked)).await.map_err(io::Error::other)?;
    answer.try_into_raw_response().await.map_err(io::Error::other)
}
