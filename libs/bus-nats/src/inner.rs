//! Which of the servers' own subjects this crate speaks to, for whoever says who may. Beside the
//! code that does; a server that keeps to these lists finds what is forgotten.

use protocol::{Filter, Row};

use crate::streams;
use crate::taken;

const API: &str = "$JS.API";

/// By every process that opens a bus: it looks whether the streams are as they are to be.
#[must_use]
pub fn asked_by_all() -> Vec<String> {
    streams::names().map(|stream| format!("{API}.STREAM.INFO.{stream}")).collect()
}

/// By whoever takes the entries of one line of the table, of all products.
///
/// # Panics
/// The line is of no stream.
#[must_use]
pub fn asked_by_consumers(row: Row, group: &str) -> Vec<String> {
    let (stream, name) = (streams::keeper(row), taken::name_of(group, &Filter::every(row)));
    vec![
        format!("{API}.CONSUMER.CREATE.{stream}.{name}.>"),
        format!("{API}.CONSUMER.MSG.NEXT.{stream}.{name}"),
        format!("$JS.ACK.{stream}.{name}.>"),
    ]
}

/// By whoever makes the streams.
#[must_use]
pub fn asked_to_make() -> Vec<String> {
    let made = streams::names().map(|stream| format!("{API}.STREAM.CREATE.{stream}"));
    made.chain(asked_by_all()).collect()
}
