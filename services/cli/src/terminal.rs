//! Where data and talk go, and what is known of the place: handed in by the binary, so that tests
//! need no terminal. Never looks for one itself.

use std::fmt;
use std::io::{self, Read, Write};

/// What a command reads from and writes to.
#[derive(Debug)]
pub struct Terminal {
    /// Data only.
    pub out: Sink,
    /// The talk.
    pub err: Sink,
    pub input: Source,
    /// Columns of the terminal, where there is one.
    pub width: usize,
    /// Whether it can show colours; `NO_COLOR` and `--no-color` are looked at later.
    pub colour: bool,
}

/// Standard output or standard error.
pub struct Sink {
    pub writer: Box<dyn Write + Send>,
    pub is_terminal: bool,
}

/// Standard input.
pub struct Source {
    pub reader: Box<dyn Read + Send>,
    pub is_terminal: bool,
}

impl Sink {
    /// One line, at once.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.writer, "{text}")?;
        self.writer.flush()
    }

    /// Text that ends where it ends, at once.
    pub(crate) fn raw(&mut self, text: &str) -> io::Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Bytes as they are, at once.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.writer.flush()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Sink {{ is_terminal: {} }}", self.is_terminal)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Source {{ is_terminal: {} }}", self.is_terminal)
    }
}
