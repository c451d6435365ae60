//! The two voices of a server's verbs: data on standard output, talk on standard error.

use std::io::{self, IsTerminal, Write};

use cli::Output;
use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Say {
    quiet: bool,
    /// Data as JSON, one object a line; else as tables.
    json: bool,
}

impl Say {
    pub(crate) fn as_told(quiet: bool, output: Option<Output>) -> Self {
        let json = match output {
            Some(Output::Json | Output::Jsonl) => true,
            Some(Output::Table | Output::Wide | Output::Name | Output::None) => false,
            None => !io::stdout().is_terminal(),
        };
        Self { quiet, json }
    }

    /// For people.
    pub(crate) fn talk(self, line: &str) {
        if !self.quiet {
            // Nobody may be listening any more.
            let _unheard = writeln!(io::stderr().lock(), "{line}");
        }
    }

    /// For programs: one line.
    pub(crate) fn data(self, value: &Value) {
        if self.json {
            print(&value.to_string());
        }
    }

    /// The same for eyes.
    pub(crate) fn table(self, table: &impl ToString) {
        if !self.json {
            print(table.to_string().trim_end());
        }
    }
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    let _unheard = writeln!(out, "{text}").and_then(|()| out.flush());
}
