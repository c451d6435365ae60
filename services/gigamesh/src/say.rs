//! The two voices of a server's verbs: data on standard output, talk on standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    quiet: bool,
}

impl Say {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// For people.
    pub(crate) fn talk(self, line: &str) {
        if !self.quiet {
            // Nobody may be listening any more.
            let _unheard = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// For programs: one line, and nothing on a terminal.
    pub(crate) fn data(self, value: &Value) {
        if !io::stdout().is_terminal() {
            let mut out = io::stdout().lock();
            let _unheard = writeln!(out, "{value}").and_then(|()| out.flush());
        }
    }
}
