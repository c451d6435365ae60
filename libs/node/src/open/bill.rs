//! What a store that is paid by the operation has charged so far. Counts nothing itself: the
//! provider does.

use std::fmt;
use std::sync::Arc;

/// Asks the provider; empty for every store that charges nothing.
#[derive(Clone, Default)]
pub struct Bill(Option<Arc<dyn Fn() -> Vec<Charge> + Send + Sync>>);

/// One sort of operation on one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charge {
    pub kind: &'static str,
    /// `read`, `create`, `replace`, `remove` or `query`.
    pub deed: &'static str,
    pub times: u64,
    /// Request units.
    pub units: f64,
}

impl Bill {
    /// For the provider that counts.
    #[cfg(feature = "cosmos")]
    pub(super) fn of(told: impl Fn() -> Vec<Charge> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    #[must_use]
    pub fn told(&self) -> Vec<Charge> {
        self.0.as_ref().map(|told| told()).unwrap_or_default()
    }
}

impl fmt::Debug for Bill {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.told()).finish()
    }
}
