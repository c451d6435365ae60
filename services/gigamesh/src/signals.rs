//! When somebody wants this process to end: Ctrl-C, or a polite kill.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears of both from its creation on.
#[derive(Debug)]
pub(crate) struct Interrupts {
    from_terminal: Signal,
    polite: Signal,
}

impl Interrupts {
    /// # Errors
    /// The system lets this process hear nothing.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            from_terminal: signal(SignalKind::interrupt())?,
            polite: signal(SignalKind::terminate())?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            biased;
            _said = self.from_terminal.recv() => {}
            _said = self.polite.recv() => {}
        }
    }
}
