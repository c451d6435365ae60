//! A request whose body is read as it comes, however long it is: one frame at a time, as fast as it
//! is taken, and cut only when it stands still. Knows no form.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::Sleep;

use crate::Door;
use crate::heard::{Heard, THROWN_AWAY};
use crate::problem::Refusal;

/// A body that moves may take as long as it takes; one that stands still for this long is cut.
const STILL: Duration = Duration::from_secs(60);
/// For what is thrown away of a body that was refused.
const THROWN_WITHIN: Duration = Duration::from_secs(5);

/// What was asked, and the body that is still to come.
#[derive(Debug)]
pub(crate) struct Flowing {
    pub(crate) heard: Heard,
    pub(crate) body: Body,
}

impl FromRequest<Door> for Flowing {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Door) -> Result<Self, Refusal> {
        let (heard, body) = Heard::headed(request, door).await?;
        Ok(Self { heard, body })
    }
}

/// The bytes of a body. After each frame it lets go once, so that a reader that gathers all that
/// is ready gathers one frame, and the sender waits for the reader.
#[derive(Debug)]
pub(crate) struct Inflow {
    body: Body,
    still: Pin<Box<Sleep>>,
    gave: bool,
    allowed: Allowance,
}

/// How much may come before somebody looks again.
#[derive(Clone, Debug)]
pub(crate) struct Allowance(Arc<AtomicU64>);

impl Allowance {
    pub(crate) fn set(&self, most: u64) {
        self.0.store(most, Ordering::Relaxed);
    }

    /// Whether these still belong to what is allowed.
    fn takes(&self, bytes: &Bytes) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        self.set(left.saturating_sub(bytes.len() as u64));
        left > 0
    }
}

impl Inflow {
    pub(crate) fn of(body: Body) -> Self {
        let allowed = Allowance(Arc::new(AtomicU64::new(u64::MAX)));
        Self { body, still: Box::pin(tokio::time::sleep(STILL)), gave: false, allowed }
    }

    pub(crate) fn allowance(&self) -> Allowance {
        self.allowed.clone()
    }

    /// Reads some of what was refused, so that its sender hears the answer.
    pub(crate) async fn throw_away(mut self) {
        self.allowed.set(u64::MAX);
        drop(tokio::time::timeout(THROWN_WITHIN, self.pass_by()).await);
    }

    async fn pass_by(&mut self) {
        let mut seen = 0;
        while seen <= THROWN_AWAY
            && let Some(Ok(bytes)) = self.next().await
        {
            seen += bytes.len();
        }
    }

    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.still.as_mut().poll(context));
                    return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
                }
            };
            let Some(frame) = frame else { return Poll::Ready(None) };
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Err(_trailers)) => {}
                Err(error) => return Poll::Ready(Some(Err(io::Error::other(error)))),
            }
        }
    }
}

impl Stream for Inflow {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if std::mem::take(&mut self.gave) {
            // From now on it is the sender who is waited for.
            self.still.set(tokio::time::sleep(STILL));
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = ready!(self.poll_data(context));
        if let Some(Ok(bytes)) = &read {
            self.gave = true;
            if !self.allowed.takes(bytes) {
                return Poll::Ready(Some(Err(io::ErrorKind::InvalidData.into())));
            }
        }
        Poll::Ready(read)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;

    fn pieces(pieces: usize) -> Inflow {
        let piece = || Ok::<_, io::Error>(Bytes::from_static(b"0123456789"));
        Inflow::of(Body::from_stream(stream::iter((0..pieces).map(move |_| piece()))))
    }

    #[tokio::test]
    async fn a_reader_that_gathers_all_that_is_ready_gathers_one_frame() {
        let mut inflow = pieces(3);
        assert!(inflow.next().now_or_never().is_some());
        assert!(inflow.next().now_or_never().is_none(), "it lets go once");
        assert!(inflow.next().now_or_never().is_some());
        let rest: Vec<_> = inflow.collect().await;
        assert_eq!(rest.len(), 1);
    }

    #[tokio::test]
    async fn more_than_is_allowed_is_an_error() {
        let inflow = pieces(9);
        inflow.allowance().set(25);
        let read: Vec<_> = inflow.collect().await;
        let fine = read.iter().take_while(|piece| piece.is_ok()).count();
        assert_eq!(fine, 3, "the piece that passes the limit is the last");
        assert_eq!(read[3].as_ref().unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_cut_and_one_that_moves_is_not() {
        let moving = stream::unfold(0, |at| async move {
            let halves = [1, 4][usize::from(at >= 9)];
            tokio::time::sleep(STILL / 2 * halves).await;
            Some((Ok::<_, io::Error>(Bytes::from_static(b"x")), at + 1))
        });
        let mut inflow = Inflow::of(Body::from_stream(moving));
        for _ in 0..9 {
            assert!(inflow.next().await.unwrap().is_ok());
        }
        assert_eq!(inflow.next().await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
