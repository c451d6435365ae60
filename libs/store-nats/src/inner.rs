//! Which of the servers' own subjects this crate speaks to, for whoever says who may. Beside the
//! code that does; a server that keeps to these lists finds what is forgotten.

use store::Kind;

use crate::buckets::{Bucket, CONTROL, names};
use crate::init::all_names;

const API: &str = "$JS.API";

/// By whoever opens a store of these kinds: it looks whether all of them are there and as they are
/// to be, and reads what was fixed for all. No record is read.
#[must_use]
pub fn asked_to_open(kinds: &[Kind], partitions: usize) -> Vec<String> {
    let control = Bucket::new(CONTROL.to_owned(), 0);
    let all = all_names(kinds, partitions).into_iter().map(|name| Bucket::new(name, 0));
    let looks = all.map(|bucket| format!("{API}.STREAM.INFO.{}", bucket.stream));
    let control = format!("{API}.STREAM.MSG.GET.{}", control.stream);
    let all = ["NAMES", "LIST"].map(|what| format!("{API}.STREAM.{what}"));
    looks.chain(all).chain([control]).collect()
}

/// By whoever reads records of one kind.
#[must_use]
pub fn asked_to_read(kind: Kind, partitions: usize) -> Vec<String> {
    let read = |bucket: Bucket| {
        let stream = bucket.stream;
        [
            format!("{API}.STREAM.MSG.GET.{stream}"),
            format!("{API}.DIRECT.GET.{stream}"),
            format!("{API}.DIRECT.GET.{stream}.>"),
        ]
    };
    buckets(kind, partitions).flat_map(read).collect()
}

/// By whoever writes them.
#[must_use]
pub fn asked_to_write(kind: Kind, partitions: usize) -> Vec<String> {
    buckets(kind, partitions).map(|bucket| bucket.subjects()).collect()
}

/// By whoever makes the buckets, and looks at them. No record is read or written.
#[must_use]
pub fn asked_to_make(kinds: &[Kind], partitions: usize) -> Vec<String> {
    let mut asked = asked_to_open(kinds, partitions);
    asked.push(Bucket::new(CONTROL.to_owned(), 0).subjects());
    let all = all_names(kinds, partitions).into_iter().map(|name| Bucket::new(name, 0));
    let made = |bucket: Bucket| {
        ["CREATE", "UPDATE"].map(|what| format!("{API}.STREAM.{what}.{}", bucket.stream))
    };
    asked.extend(all.flat_map(made));
    asked
}

fn buckets(kind: Kind, partitions: usize) -> impl Iterator<Item = Bucket> {
    names(kind, partitions).into_iter().map(|name| Bucket::new(name, 0))
}
