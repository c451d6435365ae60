//! What a process writes, as lines: whole, in the order in which they arrived, readable and without
//! secrets. Keeps no more than one long line, writes nothing itself.

use std::str;

use crate::hands::masks::{Masks, masked};

/// A longer line goes on in the next.
const LONGEST: usize = 16 << 10;
/// As much of a long line is seen at once, so that a secret at its cut is seen whole.
const WINDOW: usize = 2 * LONGEST;

/// Bytes in, whole lines out.
#[derive(Debug)]
pub(crate) struct Lines {
    masks: Masks,
    /// The beginning of a line.
    open: String,
    /// The beginning of a character.
    torn: Vec<u8>,
}

impl Lines {
    pub(crate) fn hiding(masks: Masks) -> Self {
        Self { masks, open: String::new(), torn: Vec::new() }
    }

    /// The lines that are whole with these bytes. Bytes that are no text are shown as such.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> String {
        let mut bytes = [&self.torn, bytes].concat();
        self.torn = bytes.split_off(bytes.len() - torn_at_the_end(&bytes));
        self.open.push_str(&String::from_utf8_lossy(&bytes));
        let mut out = String::new();
        self.close_whole_lines(&mut out);
        while self.open.len() >= WINDOW {
            self.cut(&mut out);
        }
        out
    }

    /// What is left when nothing follows.
    pub(crate) fn end(&mut self) -> String {
        let torn = std::mem::take(&mut self.torn);
        self.open.push_str(&String::from_utf8_lossy(&torn));
        if !self.open.is_empty() {
            self.open.push('\n');
        }
        let mut out = String::new();
        self.close_whole_lines(&mut out);
        out
    }

    fn close_whole_lines(&mut self, out: &mut String) {
        let Some(last) = self.open.rfind('\n') else { return };
        let rest = self.open.split_off(last + 1);
        let whole = std::mem::replace(&mut self.open, rest);
        for line in whole.split_terminator('\n') {
            let mut line = line.to_owned();
            while line.len() > LONGEST {
                line = self.first_part(&line, out);
            }
            let hidden = self.masks.hidden(&line);
            masked(&line, &hidden, out);
            out.push('\n');
        }
    }

    fn cut(&mut self, out: &mut String) {
        self.open = self.first_part(&self.open, out);
        if self.open.is_empty() {
            out.push('\n');
        }
    }

    /// Closes the first part of a long line and returns the rest. No cut goes through a secret:
    /// it moves to before it, or to behind it where there is no before.
    fn first_part(&self, line: &str, out: &mut String) -> String {
        let hidden = self.masks.hidden(line);
        let at = line.floor_char_boundary(LONGEST);
        let at = match hidden.iter().find(|range| range.start < at && at < range.end) {
            Some(range) if range.start > 0 => range.start,
            Some(range) => range.end,
            None => at,
        };
        let before: Vec<_> = hidden.into_iter().take_while(|range| range.end <= at).collect();
        let (first, rest) = line.split_at(at);
        masked(first, &before, out);
        if !rest.is_empty() {
            out.push('\n');
        }
        rest.to_owned()
    }
}

/// How many bytes at the end could still become a character.
fn torn_at_the_end(bytes: &[u8]) -> usize {
    let (_, tail) = bytes.split_at(bytes.len().saturating_sub(3));
    let begins = |from: usize| {
        let rest = tail.get(from..).unwrap_or_default();
        !rest.is_empty()
            && str::from_utf8(rest)
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (0..tail.len()).find(|from| begins(*from)).map_or(0, |from| tail.len() - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hiding(mask: &str) -> Lines {
        Lines::hiding(Masks::of(&[mask.parse().unwrap()], &[].into()))
    }

    /// All of it, given in reads of this many bytes.
    fn read_by(size: usize, mask: &str, bytes: &[u8]) -> String {
        let mut lines = hiding(mask);
        let mut out: String = bytes.chunks(size).map(|read| lines.take(read)).collect();
        out.push_str(&lines.end());
        out
    }

    #[test]
    fn lines_come_whole_and_the_last_one_at_the_end() {
        let mut lines = hiding("none");
        assert_eq!(lines.take(b"a\nb"), "a\n");
        assert_eq!(lines.take(b"b\n\nc"), "bb\n\n");
        assert_eq!(lines.end(), "c\n");
        assert_eq!(lines.end(), "");
    }

    #[test]
    fn a_secret_is_hidden_however_its_reads_are_split() {
        let text = "\x1b[31mred\x1b[0m café s3cr3t-value end\nmore s3cr3t-value".as_bytes();
        for size in 1..text.len() {
            let said = read_by(size, "s3cr3t-value", text);
            assert_eq!(said, "\u{1b}[31mred\u{1b}[0m café *** end\nmore ***\n", "by {size}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_however_they_are_split() {
        let bytes = b"a\xffb\xe2\x82\xac\xf0\x9f\x98\nc\xe2\x82";
        for size in 1..=bytes.len() {
            assert_eq!(read_by(size, "none", bytes), "a\u{fffd}b€\u{fffd}\nc\u{fffd}\n");
        }
    }

    #[test]
    fn a_long_line_goes_on_in_the_next_and_no_cut_goes_through_a_secret() {
        for before in [LONGEST - 12, LONGEST - 5, LONGEST - 1, LONGEST] {
            for (end, size) in [("", 100), ("\n", 7), ("\n", 100_000)] {
                let text =
                    format!("{}s3cr3t-value{}{end}", "é".repeat(before / 2), "y".repeat(90_000));
                let said = read_by(size, "s3cr3t-value", text.as_bytes());
                assert!(!said.contains("s3c") && !said.contains("value"), "{before}");
                assert_eq!(said.matches("***").count(), 1);
                assert!(said.lines().all(|line| line.len() <= LONGEST), "{before}");
                assert_eq!(said.matches('y').count(), 90_000);
                assert!(said.ends_with("y\n"));
            }
        }
    }

    #[test]
    fn what_is_all_secret_ends_too() {
        assert_eq!(read_by(1000, "z+", "z".repeat(WINDOW).as_bytes()), "***\n");
        assert_eq!(read_by(1000, r"\s+", b"a\n \n"), "a\n***\n");
    }

    #[test]
    fn no_more_than_a_window_is_kept() {
        let mut lines = hiding("none");
        for _ in 0..100 {
            lines.take(&[b'x'; 8192]);
            assert!(lines.open.len() < WINDOW);
        }
    }
}
