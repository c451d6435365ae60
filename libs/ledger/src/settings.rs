//! The numbers a fleet runs by, and what the ledger believes of a product's own settings. A belief
//! may be a moment old; nothing that is safe depends on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::Clock;
use fleet::{Budget, Product, ProductId};
use store::Store;

use crate::outcome::LedgerError;
use crate::table::Table;

/// Spans that the protocols share. The defaults are the specified ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a renewal is good for.
    pub ttl: Duration,
    /// What silence must exceed the term by before a lease is taken.
    pub reap_allowance: Duration,
    /// How long a grant may stay unconfirmed.
    pub grant: Duration,
    /// How long an unfinished submission is left to its submitter.
    pub admission: Duration,
}

/// Two spans that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {is:?} must be {rule} {other:?}")]
pub struct BadTerms {
    pub what: &'static str,
    pub is: Duration,
    pub rule: &'static str,
    pub other: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(30),
            reap_allowance: Duration::from_millis(500),
            grant: Duration::from_secs(10),
            admission: Duration::from_secs(30),
        }
    }
}

impl Terms {
    /// # Errors
    /// A grant would outlive the lease that it is meant to become.
    pub fn checked(self) -> Result<Self, BadTerms> {
        if self.grant > self.ttl {
            return Err(BadTerms {
                what: "the grant deadline",
                is: self.grant,
                rule: "at most the lease's term of",
                other: self.ttl,
            });
        }
        Ok(self)
    }

    /// How long the same lease must be seen unchanged before it is silent.
    pub(crate) fn silence(&self) -> Duration {
        self.ttl + self.reap_allowance
    }
}

/// How old a belief may be.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// What was last read of each product's settings and budgets.
#[derive(Debug)]
pub(crate) struct Belief {
    products: Table<Product>,
    budgets: Table<Budget>,
    known: Mutex<BTreeMap<ProductId, Known>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) product: Arc<Product>,
    pub(crate) budgets: Arc<[Budget]>,
    read_at: Duration,
}

impl Belief {
    pub(crate) fn over(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            products: Table::over(store, clock),
            budgets: Table::over(store, clock),
            known: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) async fn of(
        &self,
        product: &ProductId,
        clock: &dyn Clock,
    ) -> Result<Known, LedgerError> {
        let uptime = clock.uptime();
        if let Some(known) = self.remembered(product, uptime) {
            return Ok(known);
        }
        let stored = self.products.get(product, product).await?.map(|found| found.record);
        let budgets = self.budgets.all_of(product).await?;
        let known = Known {
            product: Arc::new(
                stored.unwrap_or_else(|| Product::absent(product.clone(), clock.now())),
            ),
            budgets: budgets.into_iter().map(|found| found.record).collect(),
            read_at: uptime,
        };
        self.lock().insert(product.clone(), known.clone());
        Ok(known)
    }

    pub(crate) fn forget(&self, product: &ProductId) {
        self.lock().remove(product);
    }

    fn remembered(&self, product: &ProductId, uptime: Duration) -> Option<Known> {
        let known = self.lock().get(product).cloned()?;
        (uptime.saturating_sub(known.read_at) < GOOD_FOR).then_some(known)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ProductId, Known>> {
        self.known.lock().expect("nothing panics while it holds this lock")
    }
}
