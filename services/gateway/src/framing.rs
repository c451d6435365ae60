//! Watches how the requests of a connection say where they end. One that says it twice, by length
//! and by chunks, may be read otherwise by whoever passed it on, so that a second request can hide
//! in it. `hyper` drops the length then and says nothing; here it is seen before it is dropped.
//! Changes no byte; it knows whether a request was read to its end, and so how its connection ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::parting::Parting;

/// No line of a request that is answered is longer.
const LONGEST_LINE: usize = 16 << 10;

/// Whether a connection has brought a request whose end is not certain. Never unsaid again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A stream that is read with open eyes.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    watch: Watch,
    /// Once our side is closed in the middle of a request.
    parting: Option<Parting>,
}

impl<S> Watched<S> {
    pub(crate) fn over(stream: S, doubt: Doubt) -> Self {
        let watch = Watch { at: At::Head, line: Vec::new(), head: Head::default(), doubt };
        Self { stream, watch, parting: None }
    }
}

/// Where in a request the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Head,
    /// In a body, or in a chunk with the end of its line, with so much to come.
    Bytes(u64, Then),
    ChunkSize,
    Trailer,
    /// Nothing more is understood.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    NextRequest,
    NextChunk,
}

/// What the head of a request has said by now.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    begun: bool,
    length: Option<u64>,
    coded: bool,
}

#[derive(Debug)]
struct Watch {
    at: At,
    line: Vec<u8>,
    head: Head,
    doubt: Doubt,
}

impl Watch {
    fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Lost => return,
                At::Bytes(left, then) => self.pass(bytes, left, then),
                At::Head | At::ChunkSize | At::Trailer => self.gather(bytes),
            };
        }
    }

    fn pass<'a>(&mut self, bytes: &'a [u8], left: u64, then: Then) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.at = match (left, then) {
            (0, Then::NextRequest) => At::Head,
            (0, Then::NextChunk) => At::ChunkSize,
            (left, then) => At::Bytes(left, then),
        };
        bytes.get(here..).unwrap_or_default()
    }

    /// Up to the end of the line, if it is here.
    fn gather<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (here, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.line.extend_from_slice(here);
        if self.line.len() > LONGEST_LINE {
            self.lose();
            return &[];
        }
        if end.is_none() {
            return rest;
        }
        let line = std::mem::take(&mut self.line);
        self.read(line.strip_suffix(b"\r").unwrap_or(&line));
        rest.get(1..).unwrap_or_default()
    }

    fn read(&mut self, line: &[u8]) {
        match self.at {
            At::Head if line.is_empty() => self.end_of_head(),
            At::Head if self.head.begun => self.header(line),
            At::Head => self.head.begun = true,
            At::ChunkSize => self.chunk(line),
            At::Trailer if line.is_empty() => self.at = At::Head,
            At::Trailer | At::Bytes(..) | At::Lost => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.coded = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value.get(1..).unwrap_or_default().trim_ascii());
            // What is no number is refused by whoever reads it.
            self.head.length = Some(value.ok().and_then(|text| text.parse().ok()).unwrap_or(0));
        }
    }

    fn end_of_head(&mut self) {
        let head = std::mem::take(&mut self.head);
        // Empty lines before a request are of no request.
        if !head.begun {
            return;
        }
        match (head.coded, head.length) {
            (true, Some(_)) => self.lose(),
            (true, None) => self.at = At::ChunkSize,
            (false, Some(0) | None) => {}
            (false, Some(length)) => self.at = At::Bytes(length, Then::NextRequest),
        }
    }

    fn chunk(&mut self, line: &[u8]) {
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok();
        match size.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            Some(0) => self.at = At::Trailer,
            Some(size) => self.at = At::Bytes(size.saturating_add(2), Then::NextChunk),
            None => self.lose(),
        }
    }

    /// Whether more was announced than came.
    fn is_within_a_body(&self) -> bool {
        match self.at {
            At::Bytes(..) | At::ChunkSize | At::Trailer => true,
            At::Head | At::Lost => false,
        }
    }

    fn lose(&mut self) {
        self.at = At::Lost;
        self.doubt.raise();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        self.watch.see(into.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, watch, parting } = &mut *self;
        if let Some(parting) = parting {
            return parting.poll_end(stream, context);
        }
        ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
        if !watch.is_within_a_body() {
            return Poll::Ready(Ok(()));
        }
        parting.insert(Parting::begin()).poll_end(stream, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &str = "\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
        4;note=x\r\nwiki\r\nA \r\n0123456789\r\n0\r\nTrailing: y\r\n\r\n";
    /// A body that looks like a head that says it twice.
    const TEXT: &str = "POST /c HTTP/1.1\r\nContent-Length: 47\r\n\r\n\
        Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What is made of the bytes, in pieces of this size.
    fn seen(bytes: &str, piece: usize) -> bool {
        let doubt = Doubt::default();
        let mut watched = Watched::over((), doubt.clone());
        bytes.as_bytes().chunks(piece).for_each(|piece| watched.watch.see(piece));
        doubt.is_raised()
    }

    #[test]
    fn requests_that_end_in_one_way_raise_no_doubt() {
        let fine = [PLAIN, CHUNKED, TEXT, "GET /d HTTP/1.1\nHost: x\n\n", PLAIN].concat();
        for piece in 1..fine.len() {
            assert!(!seen(&fine, piece), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_request_that_says_its_end_twice_is_seen_wherever_it_stands() {
        let length = "Content-Length: 5\r\n";
        let coding = "tRANSFER-eNCODING : chunked\r\n";
        for (first, second) in [(length, coding), (coding, length)] {
            let both = format!("POST /e HTTP/1.1\r\n{first}Host: x\r\n{second}\r\n");
            for before in ["", PLAIN, CHUNKED, TEXT] {
                is_seen_at_its_end(&format!("{before}{both}"));
            }
        }
    }

    fn is_seen_at_its_end(stream: &str) {
        for piece in [1, 2, 7, 64, stream.len()] {
            assert!(seen(stream, piece), "{stream:?} in pieces of {piece}");
            let short = stream.strip_suffix('\n').expect("a head ends with an empty line");
            assert!(!seen(short, piece), "{stream:?} is judged before its end");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_in_doubt() {
        assert!(seen("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 3));
        assert!(seen(&"x".repeat(LONGEST_LINE + 1), 1000));
    }
}
