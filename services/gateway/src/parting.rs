//! How a connection ends whose last request was answered before all of it was read: our side is
//! closed, and what still comes is read and thrown away for a while. Were it closed at once, the
//! system would take the answer back from whoever is still sending.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Sleep;

/// Whoever sends on for longer has not looked at the answer.
const WITHIN: Duration = Duration::from_secs(5);
const PAGE: usize = 64 << 10;
/// Of one turn, so that others have theirs.
const PAGES: usize = 16;

/// One that goes on until the other side has ended as well.
#[derive(Debug)]
pub(crate) struct Parting {
    late: Pin<Box<Sleep>>,
    page: Box<[u8]>,
}

impl Parting {
    pub(crate) fn begin() -> Self {
        let page = vec![0; PAGE].into_boxed_slice();
        Self { late: Box::pin(tokio::time::sleep(WITHIN)), page }
    }

    /// An end that is not heard is one all the same.
    pub(crate) fn poll_end(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..PAGES {
            let mut room = ReadBuf::new(&mut self.page);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut room));
            if read.is_err() || room.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn parted(mut stream: tokio::io::DuplexStream) {
        let mut parting = Parting::begin();
        poll_fn(|context| parting.poll_end(&mut stream, context)).await.unwrap();
    }

    /// Until nobody is there any more.
    async fn sends_for_ever(mut to: tokio::io::DuplexStream) {
        while to.write_all(b"more and more").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_comes_is_read_to_its_end() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        let sending = async {
            theirs.write_all(&vec![b'x'; 3 << 20]).await.unwrap();
            drop(theirs);
        };
        tokio::join!(parted(ours), sending);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_never_ends_is_left() {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        tokio::join!(parted(ours), sends_for_ever(theirs));
        let (ours, _silent) = tokio::io::duplex(1 << 10);
        parted(ours).await;
    }
}
