//! Which of the servers' own subjects this crate speaks to, for whoever says who may. Beside the
//! code that does; a server that keeps to these lists finds what is forgotten.

use protocol::{Filter, Row};

use crate::reader::name_of;
use crate::streams;

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
pub fn asked_by_readers(row: Row, group: &str) -> Vec<String> {
    let (stream, name) = reader(row, group);
    vec![
        format!("{API}.CONSUMER.INFO.{stream}.{name}"),
        format!("{API}.CONSUMER.MSG.NEXT.{stream}.{name}"),
        format!("$JS.ACK.{stream}.{name}.>"),
    ]
}

/// By whoever makes the streams, and of these lines the readers of these groups.
///
/// # Panics
/// A line is of no stream.
#[must_use]
pub fn asked_to_make(groups: &[(Row, &str)]) -> Vec<String> {
    let streams = streams::names().map(|stream| format!("{API}.STREAM.CREATE.{stream}"));
    let readers = groups.iter().flat_map(|(row, group)| {
        let (stream, name) = reader(*row, group);
        [
            format!("{API}.CONSUMER.INFO.{stream}.{name}"),
            format!("{API}.CONSUMER.CREATE.{stream}.{name}.>"),
        ]
    });
    streams.chain(readers).chain(asked_by_all()).collect()
}

fn reader(row: Row, group: &str) -> (&'static str, String) {
    (streams::keeper(row), name_of(group, &Filter::every(row)))
}
