//! What the service charges for each sort of operation, in request units. Counts; judges nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    Read,
    Create,
    Replace,
    Remove,
    Query,
}

impl Deed {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Remove => "remove",
            Self::Query => "query",
        }
    }
}

/// One sort of operation on one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charged {
    pub kind: &'static str,
    pub deed: Deed,
    /// Operations, refused ones too.
    pub times: u64,
    /// Requests, with those that the driver sent again.
    pub requests: u64,
    /// Request units of all replies.
    pub units: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Charges(Mutex<BTreeMap<(&'static str, Deed), Charged>>);

impl Charges {
    pub(crate) fn add(&self, (kind, deed): (&'static str, Deed), requests: usize, units: f64) {
        let mut all = self.all();
        let new = Charged { kind, deed, times: 0, requests: 0, units: 0.0 };
        let sum = all.entry((kind, deed)).or_insert(new);
        sum.times += 1;
        sum.requests += u64::try_from(requests).unwrap_or(u64::MAX);
        sum.units += units;
    }

    pub(crate) fn told(&self) -> Vec<Charged> {
        self.all().values().copied().collect()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Deed), Charged>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
