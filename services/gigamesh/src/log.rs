//! Where the log goes: standard error, for eyes on a terminal and as JSON elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A text that is no filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadFilter {
    #[error("{0:?} is no level; one of off error warn info debug trace")]
    NoLevel(String),
    #[error(transparent)]
    Garbled(#[from] ParseError),
}

/// Writes what passes `filter`, like `info` or `warn,ledger=debug`.
///
/// # Errors
/// A part of the filter names no level.
pub(crate) fn begin(filter: &str) -> Result<(), BadFilter> {
    // A lone word could be a target, all of which would then be logged; nobody means that.
    for part in filter.split(',').filter(|part| !part.contains('=')) {
        if part.parse::<LevelFilter>().is_err() {
            return Err(BadFilter::NoLevel(part.to_owned()));
        }
    }
    let passes: Targets = filter.parse()?;
    let lines = fmt::layer().with_writer(io::stderr);
    if io::stderr().is_terminal() {
        tracing_subscriber::registry().with(lines.with_target(false).compact()).with(passes).init();
    } else {
        tracing_subscriber::registry().with(lines.json().flatten_event(true)).with(passes).init();
    }
    Ok(())
}
