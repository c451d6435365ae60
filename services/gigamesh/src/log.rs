//! Where the log goes: standard error, for eyes on a terminal and as JSON elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Writes what passes `filter`, like `info` or `warn,ledger=debug`.
///
/// # Errors
/// The filter names no level.
pub(crate) fn begin(filter: &str) -> Result<(), ParseError> {
    let passes: Targets = filter.parse()?;
    let lines = fmt::layer().with_writer(io::stderr);
    if io::stderr().is_terminal() {
        tracing_subscriber::registry().with(lines.with_target(false).compact()).with(passes).init();
    } else {
        tracing_subscriber::registry().with(lines.json().flatten_event(true)).with(passes).init();
    }
    Ok(())
}
