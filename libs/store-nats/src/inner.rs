//! Which of the servers' own subjects this crate speaks to, for whoever says who may. Beside the
//! code that does; a server that keeps to these lists finds what is forgotten.

use store::Kind;

use crate::buckets::{Bucket, CONTROL};
use crate::init::all_names;

const API: &str = "$JS.API";

/// By whoever reads and writes records of these kinds. What is fixed for all is only read.
#[must_use]
pub fn asked_by_keepers(kinds: &[Kind], partitions: usize) -> Vec<String> {
    let mut asked = vec![format!("{API}.STREAM.NAMES")];
    for name in all_names(kinds, partitions) {
        let is_record = name != CONTROL;
        let bucket = Bucket::new(name, 0);
        let stream = &bucket.stream;
        asked.extend([
            format!("{API}.STREAM.INFO.{stream}"),
            format!("{API}.STREAM.MSG.GET.{stream}"),
        ]);
        if is_record {
            asked.extend([
                format!("{API}.DIRECT.GET.{stream}"),
                format!("{API}.DIRECT.GET.{stream}.>"),
                bucket.subjects(),
            ]);
        }
    }
    asked
}

/// By whoever makes the buckets, and looks at them. No record is read or written.
#[must_use]
pub fn asked_to_make(kinds: &[Kind], partitions: usize) -> Vec<String> {
    let control = Bucket::new(CONTROL.to_owned(), 0);
    let mut asked = vec![format!("{API}.STREAM.MSG.GET.{}", control.stream), control.subjects()];
    for name in all_names(kinds, partitions) {
        let bucket = Bucket::new(name, 0);
        asked.extend([
            format!("{API}.STREAM.INFO.{}", bucket.stream),
            format!("{API}.STREAM.CREATE.{}", bucket.stream),
        ]);
    }
    asked
}
