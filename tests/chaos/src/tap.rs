//! Reads along what a process sends to a server: the messages among it, each whole. A listener on
//! the bus would be heard of by it, and nobody would be told any more that nobody listens.

use async_nats::HeaderMap;
use bytes::{Buf as _, Bytes, BytesMut};

/// A message as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) subject: String,
    pub(crate) reply: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What was read so far of one connection and is no whole message yet.
#[derive(Debug, Default)]
pub(crate) struct Tap(BytesMut);

impl Tap {
    /// The messages that these bytes make whole.
    pub(crate) fn take(&mut self, chunk: &[u8]) -> Vec<Frame> {
        self.0.extend_from_slice(chunk);
        std::iter::from_fn(|| self.next()).flatten().collect()
    }

    /// The next operation, if it is whole: nothing inside where it is no message.
    fn next(&mut self) -> Option<Option<Frame>> {
        let end = self.0.windows(2).position(|two| two == b"\r\n")?;
        let line = String::from_utf8_lossy(&self.0[..end]).into_owned();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let Some((subject, reply, head, length)) = message(&words) else {
            self.0.advance(end + 2);
            return Some(None);
        };
        if self.0.len() < end + 2 + length + 2 {
            return None;
        }
        self.0.advance(end + 2);
        let mut body = self.0.split_to(length).freeze();
        self.0.advance(2);
        let headers = body.split_to(head.min(length));
        let (subject, reply) = (subject.to_owned(), reply.map(str::to_owned));
        Some(Some(Frame { subject, reply, headers: read(&headers), body }))
    }
}

/// Subject, reply, length of the headers, length of all.
fn message<'a>(words: &[&'a str]) -> Option<(&'a str, Option<&'a str>, usize, usize)> {
    let (verb, words) = words.split_first()?;
    let number = |text: &str| text.parse::<usize>().ok();
    match (verb.to_ascii_uppercase().as_str(), words) {
        ("PUB", [subject, all]) => Some((subject, None, 0, number(all)?)),
        ("PUB", [subject, reply, all]) => Some((subject, Some(*reply), 0, number(all)?)),
        ("HPUB", [subject, head, all]) => Some((subject, None, number(head)?, number(all)?)),
        ("HPUB", [subject, reply, head, all]) => {
            Some((subject, Some(*reply), number(head)?, number(all)?))
        }
        _ => None,
    }
}

fn read(headers: &Bytes) -> HeaderMap {
    let text = String::from_utf8_lossy(headers);
    let lines = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.fold(HeaderMap::new(), |mut map, (name, value)| {
        map.append(name, value.trim());
        map
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &[u8] = b"CONNECT {\"verbose\":false}\r\nPING\r\nSUB a 1\r\nPUB a 2\r\nhi\r\n\
        HPUB b inbox.1 24 29\r\nNATS/1.0\r\nFleet-A: x\r\n\r\n\r\n\r\n!\r\nPUB c inbox.2 0\r\n\r\n";

    #[test]
    fn messages_come_whole_in_whatever_pieces_they_were_sent() {
        for size in [1, 2, 3, 7, 1_000] {
            let mut tap = Tap::default();
            let frames: Vec<Frame> = SENT.chunks(size).flat_map(|chunk| tap.take(chunk)).collect();
            let said: Vec<_> = frames
                .iter()
                .map(|frame| (frame.subject.as_str(), frame.reply.as_deref(), frame.body.len()))
                .collect();
            assert_eq!(
                said,
                [("a", None, 2), ("b", Some("inbox.1"), 5), ("c", Some("inbox.2"), 0)]
            );
            let header = frames[1].headers.get("Fleet-A").map(|value| value.as_str().to_owned());
            assert_eq!(header.as_deref(), Some("x"), "{size}");
        }
    }
}
