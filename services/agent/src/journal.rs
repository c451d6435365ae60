//! What one run says, on disk: the very bytes that are told of it, at the same offsets, so that
//! nothing which still waits to be told is kept in memory. Sends nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// What a run writes beyond this is dropped, so that no job fills the disk.
const LONGEST: u64 = 64 << 20;
/// And so much more is kept for what its factory has to say about it.
const NOTES: u64 = 64 << 10;
/// The most that is told at once.
const PIECE: usize = 64 << 10;

/// The log of one run: whole lines, in order.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    pen: Mutex<Pen>,
    /// How many bytes there are.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
enum Pen {
    /// No word yet.
    Capped,
    Writing {
        file: File,
        full: bool,
    },
    /// The disk takes no more. That costs the log, not the run.
    Broken,
}

impl Journal {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, pen: Mutex::new(Pen::Capped), written: watch::Sender::new(0) }
    }

    /// Adds whole lines, as long as there is room.
    pub fn add(&self, lines: &str) {
        if lines.is_empty() {
            return;
        }
        let mut pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        pen.uncap(self);
        let Pen::Writing { full, .. } = &mut *pen else { return };
        if *full {
            return;
        }
        let room = LONGEST.saturating_sub(*self.written.borrow());
        if lines.len() as u64 <= room {
            pen.write(lines, self);
            return;
        }
        *full = true;
        let room = lines.floor_char_boundary(usize::try_from(room).unwrap_or(usize::MAX));
        let (fitting, _) = lines.split_at(room);
        let whole = fitting.rfind('\n').map_or(0, |last| last + 1);
        pen.write(fitting.split_at(whole).0, self);
        pen.write("[gigamesh: the log ends here, it is as long as it may be]\n", self);
    }

    /// Adds a sentence of the factory's own.
    pub(crate) fn note(&self, sentence: &str) {
        let mut pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        pen.uncap(self);
        let line = format!("[gigamesh: {}]\n", sentence.replace(char::is_control, " "));
        if *self.written.borrow() + line.len() as u64 <= LONGEST + NOTES {
            pen.write(&line, self);
        }
    }

    pub(crate) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }

    /// The whole lines from there on that fit one piece.
    pub(crate) fn read(&self, from: u64) -> io::Result<String> {
        let there = self.written.borrow().saturating_sub(from);
        let length = usize::try_from(there).map_or(PIECE, |there| there.min(PIECE));
        let mut bytes = vec![0; length];
        File::open(&self.path)?.read_exact_at(&mut bytes, from)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        bytes.truncate(whole);
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Pen {
    fn uncap(&mut self, journal: &Journal) {
        if matches!(self, Self::Capped) {
            *self = Self::open(journal)
                .map_or(Self::Broken, |file| Self::Writing { file, full: false });
        }
    }

    fn open(journal: &Journal) -> io::Result<File> {
        fs::create_dir_all(journal.path.parent().unwrap_or(&journal.path))?;
        let file = OpenOptions::new().create(true).append(true).open(&journal.path)?;
        journal.written.send_replace(file.metadata()?.len());
        Ok(file)
    }

    /// All of it or nothing: what is told must stand here as it was told.
    fn write(&mut self, lines: &str, journal: &Journal) {
        let Self::Writing { file, .. } = self else { return };
        let before = *journal.written.borrow();
        if file.write_all(lines.as_bytes()).is_ok() {
            journal.written.send_replace(before + lines.len() as u64);
        } else if file.set_len(before).is_err() {
            *self = Self::Broken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines_and_no_longer_than_they_may_be() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path().join("run/log.txt"));
        let lines: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
        journal.add(&lines);
        let mut told = String::new();
        while (told.len() as u64) < *journal.written().borrow() {
            let piece = journal.read(told.len() as u64).unwrap();
            assert!(piece.ends_with('\n') && piece.len() <= PIECE);
            told.push_str(&piece);
        }
        assert_eq!(told, lines);
        assert_eq!(fs::read_to_string(home.path().join("run/log.txt")).unwrap(), lines);
    }

    #[test]
    fn a_log_that_is_full_says_so_once_and_keeps_room_for_notes() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path().join("log.txt"));
        let page = format!("{}\n", "x".repeat((1 << 20) - 1)).repeat(8);
        for _ in 0..9 {
            journal.add(&page);
        }
        journal.note("a word\nof the factory");
        let length = *journal.written().borrow();
        let end = journal.read(LONGEST).unwrap();
        assert_eq!(
            end,
            "[gigamesh: the log ends here, it is as long as it may be]\n\
             [gigamesh: a word of the factory]\n"
        );
        assert_eq!(length, LONGEST + end.len() as u64);
    }

    #[test]
    fn a_disk_that_says_no_costs_the_log_alone() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let journal = Journal::at(home.path().join("file/log.txt"));
        journal.add("a\n");
        journal.note("b");
        assert_eq!(*journal.written().borrow(), 0);
    }
}
