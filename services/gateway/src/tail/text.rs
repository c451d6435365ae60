//! Bytes of a log as text in stretches that can be sent: no letter is cut in two.

use bytes::BytesMut;
use futures_util::TryStreamExt;
use protocol::LogPiece;

use crate::tail::ring::Place;
use crate::tail::shelf::{Bytewise, Unread};

/// Bytes in one stretch.
const STRETCH: usize = 32 << 10;

/// What is read of one run's log, from a place on.
pub(crate) struct Texts {
    bytes: Bytewise,
    at: Place,
    rest: BytesMut,
    over: bool,
}

impl Texts {
    pub(crate) fn new(bytes: Bytewise, at: Place) -> Self {
        Self { bytes, at, rest: BytesMut::new(), over: false }
    }

    pub(crate) async fn next(&mut self) -> Result<Option<LogPiece>, Unread> {
        loop {
            self.drop_half_a_letter();
            let whole = whole_letters(self.rest.get(..self.rest.len().min(STRETCH)));
            let enough = self.rest.len() >= STRETCH || self.over;
            if enough && whole > 0 {
                let text = self.rest.split_to(whole);
                let text = String::from_utf8_lossy(&text).into_owned();
                let piece = LogPiece { epoch: self.at.epoch, from: self.at.offset, text };
                self.at.offset += whole as u64;
                return Ok(Some(piece));
            }
            if self.over {
                return Ok(None);
            }
            match self.bytes.try_next().await? {
                Some(next) => self.rest.extend_from_slice(&next),
                None => self.over = true,
            }
        }
    }

    /// At a place that somebody made up.
    fn drop_half_a_letter(&mut self) {
        while self.rest.first().is_some_and(|byte| byte & 0xc0 == 0x80) {
            let _dropped = self.rest.split_to(1);
            self.at.offset += 1;
        }
    }
}

/// How many of these bytes end with a whole letter.
fn whole_letters(bytes: Option<&[u8]>) -> usize {
    let bytes = bytes.unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(_) => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fleet::Epoch;
    use futures_util::{StreamExt, stream};

    use super::*;

    fn texts(bytes: &[u8], cut: usize, offset: u64) -> Texts {
        let chunks: Vec<_> = bytes.chunks(cut).map(|cut| Ok(Bytes::copy_from_slice(cut))).collect();
        Texts::new(stream::iter(chunks).boxed(), Place { epoch: Epoch::new(1), offset })
    }

    #[tokio::test]
    async fn letters_stay_whole_however_the_bytes_come() {
        let log = "aä€😀\n".repeat(9_000);
        for cut in [1, 3, 7, 64 << 10] {
            assert_eq!(read(texts(log.as_bytes(), cut, 0)).await, log, "in cuts of {cut}");
        }
    }

    async fn read(mut texts: Texts) -> String {
        let mut all = String::new();
        while let Some(piece) = texts.next().await.unwrap() {
            assert_eq!(piece.from, all.len() as u64);
            assert!(piece.text.len() <= STRETCH);
            all += &piece.text;
        }
        all
    }

    #[tokio::test]
    async fn a_place_within_a_letter_counts_as_the_end_of_it() {
        let mut texts = texts(&"ä€".as_bytes()[1..], 1, 11);
        let piece = texts.next().await.unwrap().unwrap();
        assert_eq!((piece.from, piece.text.as_str()), (12, "€"));
        assert!(texts.next().await.unwrap().is_none());
    }
}
