//! Why a verb could not do its work, told as people need it: what, why, and what to do next.

use std::fmt;
use std::process::ExitCode;

use agent::CannotServe;
use dev::{BadHome, NotStarted};
use gateway::NotOpened;

/// Ends the process with an exit code of its own.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) why: Vec<String>,
    pub(crate) next: Option<String>,
    pub(crate) exit: u8,
}

/// Any failure that no code tells more of.
pub(crate) const FAILED: u8 = 1;
/// Somebody pressed Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// Somebody has to change the words or the configuration.
pub(crate) const USAGE: u8 = 64;

impl Trouble {
    pub(crate) fn new(exit: u8, what: impl Into<String>) -> Self {
        Self { what: what.into(), why: Vec::new(), next: None, exit }
    }

    /// What cannot happen but by a mistake of ours.
    pub(crate) fn defect(error: &dyn std::error::Error) -> Self {
        Self::new(FAILED, "this is a defect").because(error)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(INTERRUPTED, "interrupted")
    }

    pub(crate) fn because(mut self, error: &dyn std::error::Error) -> Self {
        let mut why = Some(error);
        while let Some(cause) = why {
            let said = cause.to_string();
            if self.why.last() != Some(&said) {
                self.why.push(said);
            }
            why = cause.source();
        }
        self
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "error: {}", self.what)?;
        for why in &self.why {
            write!(out, "\n  why: {why}")?;
        }
        if let Some(next) = &self.next {
            write!(out, "\n next: {next}")?;
        }
        Ok(())
    }
}

impl From<BadHome> for Trouble {
    fn from(error: BadHome) -> Self {
        let exit = if matches!(error, BadHome::InUse(_)) { USAGE } else { FAILED };
        Self::new(exit, "the data folder cannot be used").because(&error)
    }
}

impl From<NotStarted> for Trouble {
    fn from(error: NotStarted) -> Self {
        match &error {
            NotStarted::Door(NotOpened::InUse(_)) => Self::new(USAGE, "the door cannot be opened")
                .because(&error)
                .next("choose another port, like --port 4601, or --port 0 for any that is free"),
            NotStarted::Door(NotOpened::NotLoopback(_)) => {
                Self::new(USAGE, "the door cannot be opened").because(&error)
            }
            NotStarted::Door(NotOpened::Failed(_) | NotOpened::BusAway(_)) => {
                Self::new(FAILED, "the door cannot be opened").because(&error)
            }
            NotStarted::Store(_) => Self::new(FAILED, "the store cannot be opened").because(&error),
            NotStarted::Bus(_) => Self::new(FAILED, "the services cannot start").because(&error),
        }
    }
}

impl From<CannotServe> for Trouble {
    fn from(error: CannotServe) -> Self {
        Self::new(FAILED, "the factory cannot start").because(&error)
    }
}

impl From<node::Failed> for Trouble {
    fn from(error: node::Failed) -> Self {
        Self::new(FAILED, "a part of it failed, and the rest was stopped").because(&error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::new(FAILED, "the system refused").because(&error)
    }
}
