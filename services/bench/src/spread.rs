//! Many spans of time as the two that are told.

use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn of(mut spans: Vec<Duration>) -> Self {
        spans.sort_unstable();
        Self(spans)
    }

    /// The smallest span that `percent` of all do not exceed, in milliseconds; none of none.
    pub(crate) fn at(&self, percent: usize) -> Option<f64> {
        let nth = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(nth - 1).map(|span| span.as_secs_f64() * 1000.0)
    }
}
