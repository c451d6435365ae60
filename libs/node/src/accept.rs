//! The loop that accepts connections: so many at once and no more, each in a task of its own, and
//! none after the stop. Knows nothing of what is said on them.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use crate::Tasks;

/// After an accept that failed: mostly too many open files, which passes.
const AFTER_TROUBLE: Duration = Duration::from_millis(50);

/// Attends to every connection until the stop. Of `most` at once, further ones wait to be
/// accepted.
pub fn accept<Attended: Future<Output = ()> + Send + 'static>(
    tasks: &Tasks,
    (listener, most): (TcpListener, usize),
    name: &'static str,
    attend: impl Fn(TcpStream) -> Attended + Send + Sync + 'static,
) {
    let (room, own) = (Arc::new(Semaphore::new(most)), tasks.clone());
    tasks.spawn(name, async move {
        while let Some((accepted, permit)) = next(&own, &listener, &room).await {
            match accepted {
                Ok((stream, _)) => own.spawn(name, holding(permit, attend(stream))),
                Err(error) => {
                    warn!(%error, "connection not accepted");
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
        }
        Ok::<(), Infallible>(())
    });
}

/// The place in the room is free again once the work is done.
async fn holding(
    place: OwnedSemaphorePermit,
    work: impl Future<Output = ()>,
) -> Result<(), Infallible> {
    work.await;
    drop(place);
    Ok(())
}

type Accepted = io::Result<(TcpStream, std::net::SocketAddr)>;

/// The next connection once there is room for it; nothing after the stop.
async fn next(
    tasks: &Tasks,
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(Accepted, OwnedSemaphorePermit)> {
    let arriving = async {
        let permit = Arc::clone(room).acquire_owned().await.expect("it is never closed");
        (listener.accept().await, permit)
    };
    tokio::select! {
        biased;
        () = tasks.stopped() => None,
        arrived = arriving => Some(arrived),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{Sender, channel};

    use super::*;

    async fn stay(arrived: Sender<()>, tasks: Tasks) {
        arrived.send(()).await.unwrap();
        tasks.stopped().await;
    }

    #[tokio::test]
    async fn so_many_are_attended_to_at_once_and_nobody_after_the_stop() {
        let (tasks, (arrived, mut arrivals)) = (Tasks::default(), channel(4));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ending = tasks.clone();
        accept(&tasks, (listener, 1), "test", move |_| stay(arrived.clone(), ending.clone()));
        let _first = TcpStream::connect(address).await.unwrap();
        let _second = TcpStream::connect(address).await.unwrap();
        arrivals.recv().await.unwrap();
        tasks.stop();
        tokio::time::timeout(Duration::from_secs(10), tasks.join()).await.unwrap().unwrap();
        assert!(arrivals.recv().await.is_none(), "there was room for one only");
    }
}
