//! The latest lines of one job, encoded once for all who follow it, and how far they reach. A
//! reader asks with its place for what comes next, so that nothing is queued for anybody: whoever
//! is slow falls behind what is kept, and reads on from the store. Waits for nothing.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use fleet::Epoch;
use protocol::LogPiece;

/// Kept for readers that are a little behind.
const MOST_BYTES: usize = 1 << 20;

/// A place in the logs of a job, one run after the other. Written `<epoch>:<offset>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) epoch: Epoch,
    /// Bytes of that run's log before it.
    pub(crate) offset: u64,
}

/// Some lines as they are sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: Place,
    pub(crate) end: u64,
    pub(crate) sent: Bytes,
}

/// What a reader finds behind its place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Frame(Arc<Frame>),
    /// Nothing yet.
    Wait,
    /// What comes next is no longer kept; this is where it is again.
    Behind(Place),
    /// The job has ended, and all was said.
    Ended,
}

#[derive(Debug, Default)]
pub(crate) struct Ring {
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// What comes behind it is kept, without a gap, up to `head`; none before the first look.
    start: Option<Place>,
    head: Place,
    /// Runs up to this one are over, and all of their lines are before `head`.
    over: Epoch,
    ended: bool,
}

impl Ring {
    /// From this place on lines are kept.
    pub(crate) fn begin(&mut self, at: Place) {
        (self.start, self.head) = (Some(at), at);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.start.is_some()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.ended
    }

    /// Another one after each change that a reader could see.
    pub(crate) fn mark(&self) -> (bool, Place, Epoch, bool) {
        (self.has_begun(), self.head, self.over, self.ended)
    }

    pub(crate) fn head(&self) -> Place {
        self.head
    }

    pub(crate) fn over(&self) -> Epoch {
        self.over
    }

    /// The next lines; they begin at `head`.
    pub(crate) fn push(&mut self, piece: &LogPiece) {
        let frame = Frame::of(piece);
        debug_assert_eq!(frame.from, self.head, "lines are kept without a gap");
        self.head.offset = frame.end;
        self.bytes += frame.sent.len();
        self.frames.push_back(Arc::new(frame));
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.frames.pop_front()
        {
            self.bytes -= oldest.sent.len();
            self.start = Some(oldest.end());
        }
    }

    /// All of the run at `head` was said; a later one goes on.
    pub(crate) fn go_on_at(&mut self, epoch: Epoch) {
        self.head = Place { epoch, offset: 0 };
    }

    pub(crate) fn settle(&mut self, over: Epoch, ended: bool) {
        self.over = self.over.max(over);
        self.ended = ended;
    }

    pub(crate) fn after(&self, place: Place) -> Next {
        match self.start {
            None => return Next::Wait,
            Some(start) if place < start => return Next::Behind(start),
            Some(_) => {}
        }
        let next = self.frames.partition_point(|frame| frame.end() <= place);
        match self.frames.get(next) {
            Some(frame) => Next::Frame(Arc::clone(frame)),
            None if self.ended => Next::Ended,
            None => Next::Wait,
        }
    }
}

impl Frame {
    pub(crate) fn of(piece: &LogPiece) -> Self {
        let from = Place { epoch: piece.epoch, offset: piece.from };
        let end = piece.from + piece.text.len() as u64;
        let json = serde_json::to_string(piece).expect("string keys and finite numbers encode");
        let sent = format!("id: {}:{end}\ndata: {json}\n\n", piece.epoch);
        Self { from, end, sent: sent.into() }
    }

    pub(crate) fn end(&self) -> Place {
        Place { epoch: self.from.epoch, offset: self.end }
    }

    /// What of it comes behind `place`, which is in it.
    pub(crate) fn rest(&self, place: Place) -> Self {
        let data = self.sent.split(|byte| *byte == b'\n').nth(1).unwrap_or_default();
        let data = data.strip_prefix(b"data: ").unwrap_or_default();
        let piece: LogPiece = serde_json::from_slice(data).expect("it was written here");
        let mut skip = usize::try_from(place.offset - self.from.offset).unwrap_or(usize::MAX);
        // Nobody's place is within a letter but by their own invention.
        while skip < piece.text.len() && !piece.text.is_char_boundary(skip) {
            skip += 1;
        }
        let text = piece.text.get(skip..).unwrap_or_default().to_owned();
        Self::of(&LogPiece { from: self.end - text.len() as u64, text, ..piece })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.epoch, self.offset)
    }
}

/// A text that is no place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (epoch, offset) = text.split_once(':').ok_or(NoPlace)?;
        let epoch = Epoch::new(epoch.parse().map_err(|_| NoPlace)?);
        Ok(Self { epoch, offset: offset.parse().map_err(|_| NoPlace)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, offset: u64) -> Place {
        Place { epoch: Epoch::new(epoch), offset }
    }

    fn piece(epoch: u64, from: u64, text: &str) -> LogPiece {
        LogPiece { epoch: Epoch::new(epoch), from, text: text.to_owned() }
    }

    fn said(next: Next) -> String {
        match next {
            Next::Frame(frame) => String::from_utf8(frame.sent.to_vec()).unwrap(),
            other @ (Next::Wait | Next::Behind(_) | Next::Ended) => format!("{other:?}"),
        }
    }

    #[test]
    fn a_reader_is_given_what_comes_behind_its_place_over_several_runs() {
        let mut ring = Ring::default();
        assert_eq!(ring.after(at(9, 9)), Next::Wait, "nothing is known before the first look");
        ring.begin(at(2, 10));
        ring.push(&piece(2, 10, "a\n"));
        ring.go_on_at(Epoch::new(4));
        ring.push(&piece(4, 0, "b\u{1b}[0m\n"));
        assert_eq!(ring.after(at(2, 9)), Next::Behind(at(2, 10)));
        let first = "id: 2:12\ndata: {\"epoch\":2,\"from\":10,\"text\":\"a\\n\"}\n\n";
        assert_eq!(said(ring.after(at(2, 10))), first);
        let second = "id: 4:6\ndata: {\"epoch\":4,\"from\":0,\"text\":\"b\\u001b[0m\\n\"}\n\n";
        assert_eq!(said(ring.after(at(2, 12))), second);
        assert_eq!(said(ring.after(at(4, 3))), second, "it is in the midst of that one");
        assert_eq!(ring.after(at(4, 6)), Next::Wait);
        ring.settle(Epoch::new(4), true);
        assert_eq!(ring.after(at(4, 6)), Next::Ended);
        assert_eq!(said(ring.after(at(2, 12))), second, "what is left is said before the end");
    }

    #[test]
    fn memory_is_bounded_and_who_is_slow_is_told_where_it_goes_on() {
        let mut ring = Ring::default();
        ring.begin(at(1, 0));
        let line = "x".repeat(1000);
        for number in 0..5_000 {
            ring.push(&piece(1, number * 1000, &line));
        }
        assert!(ring.bytes <= MOST_BYTES && ring.frames.len() > 900, "{}", ring.bytes);
        let Next::Behind(start) = ring.after(at(1, 0)) else { panic!("it is not kept") };
        assert!(matches!(ring.after(start), Next::Frame(frame) if frame.from == start));
    }

    #[test]
    fn a_frame_is_cut_where_a_reader_has_its_beginning() {
        let frame = Frame::of(&piece(3, 100, "äbc\n"));
        assert_eq!(frame.rest(at(3, 102)), Frame::of(&piece(3, 102, "bc\n")));
        assert_eq!(frame.rest(at(3, 101)), Frame::of(&piece(3, 102, "bc\n")));
        assert_eq!(frame.rest(at(3, 100)), frame);
    }

    #[test]
    fn a_place_reads_back() {
        assert_eq!(at(3, 77).to_string().parse(), Ok(at(3, 77)));
        for text in ["", "3", "3:", ":7", "a:1", "1:2:3", "-1:2"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }
}
