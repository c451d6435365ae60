//! What an answer is charged, in request units: as the driver's emulator models it, or as the
//! service publishes it. Prices documents alone; of queries and refusals the model's word stands.

use hyper::{Method, StatusCode};

/// By which list an account charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prices {
    /// The driver's model: a write costs in proportion to its kilobytes, rounded up to a power of
    /// two, and a replace one and a half times a create.
    #[default]
    Modelled,
    /// Microsoft's "Understand request units consumption" of April 2026: the table of sizes below,
    /// a replace as a removal and an insertion, reads twice under strong consistency.
    Published,
}

/// Kilobytes, and units for a read and for a write. A size between two is charged as the larger.
const LIST: [(usize, f64, f64); 12] = [
    (1, 1.00, 4.95),
    (2, 1.04, 6.29),
    (4, 1.14, 6.67),
    (8, 1.33, 7.04),
    (16, 1.67, 9.52),
    (32, 2.19, 11.23),
    (64, 4.76, 22.67),
    (128, 9.95, 48.19),
    (256, 20.28, 98.29),
    (512, 40.95, 184.57),
    (1024, 145.90, 625.00),
    (2048, 291.80, 1250.00),
];
/// A term that is added to the index or taken from it.
const TERM: f64 = 0.2;
/// Reads under strong consistency and bounded staleness.
const STRONG: f64 = 2.0;

/// Of an answer about one document, with the bytes of question and answer; nothing where the list
/// does not say.
pub(crate) fn published(
    method: &Method,
    status: StatusCode,
    (asked, answered): (usize, usize),
) -> Option<f64> {
    match (method.as_str(), status) {
        ("GET", StatusCode::OK) => Some(STRONG * row(answered).1),
        ("POST", StatusCode::CREATED) => Some(row(asked).2 + TERM),
        ("PUT", StatusCode::OK) => Some(2.0 * row(asked).2),
        // What was there is not known any more, and is small in nearly all that is removed.
        ("DELETE", StatusCode::NO_CONTENT) => Some(row(0).2 + TERM),
        _ => None,
    }
}

fn row(bytes: usize) -> (usize, f64, f64) {
    let fits = |(kilobytes, ..): &&(usize, f64, f64)| bytes <= *kilobytes << 10;
    *LIST.iter().find(fits).unwrap_or(&LIST[LIST.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_charged_by_its_size_and_a_replace_for_two_writes() {
        let of = |method: Method, status: StatusCode, asked: usize| {
            published(&method, status, (asked, 1025)).map(|units| (units * 100.0).round() / 100.0)
        };
        assert_eq!(of(Method::POST, StatusCode::CREATED, 1024), Some(5.15));
        assert_eq!(of(Method::POST, StatusCode::CREATED, 1025), Some(6.49));
        assert_eq!(of(Method::PUT, StatusCode::OK, 5000), Some(14.08));
        assert_eq!(of(Method::GET, StatusCode::OK, 0), Some(2.08));
        assert_eq!(of(Method::PUT, StatusCode::PRECONDITION_FAILED, 5000), None);
        assert_eq!(of(Method::POST, StatusCode::CREATED, 9 << 20), Some(1250.2));
    }
}
