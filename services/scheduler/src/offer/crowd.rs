//! What a scheduler believes of the factories of its products: read now and then, counted from its
//! board. Decides no claim.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::{Bidder, Factory, FactoryId, Job, ProductId, Standby};
use ledger::LedgerError;

use crate::Scheduler;

/// Factories that hear of a job before the others do.
const FEW: usize = 2;
/// A heartbeat changes little, and not more often than this.
const READ_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Crowd {
    products: BTreeMap<ProductId, Seen>,
}

#[derive(Debug)]
struct Seen {
    factories: Vec<Factory>,
    read_at: Duration,
}

impl Crowd {
    /// Reads the product's factories, unless that was done just now.
    pub(super) async fn look(
        &mut self,
        scheduler: &Scheduler,
        product: &ProductId,
    ) -> Result<(), LedgerError> {
        let uptime = scheduler.node.clock.uptime();
        let known = self.products.get(product);
        if known.is_some_and(|seen| uptime < seen.read_at + READ_EVERY) {
            return Ok(());
        }
        let factories = scheduler.ledger.factories_of(product).await?;
        let busy: Vec<FactoryId> = {
            let board = scheduler.belief.board();
            let held = |id: &FactoryId| board.held_by(id).next().is_some();
            factories.iter().map(|one| one.factory_id.clone()).filter(held).collect()
        };
        busy.into_iter().for_each(|factory| scheduler.offers.open().works(factory, uptime));
        self.products.insert(product.clone(), Seen { factories, read_at: uptime });
        Ok(())
    }

    /// The few that suit the job best, without those who were told of it.
    pub(super) fn best_suited(
        &self,
        scheduler: &Scheduler,
        job: &Job,
        told: &[FactoryId],
    ) -> Vec<FactoryId> {
        let Some(seen) = self.products.get(job.product()) else { return Vec::new() };
        let now = scheduler.node.clock.now();
        let (board, open) = (scheduler.belief.board(), scheduler.offers.open());
        let new = seen.factories.iter().filter(|factory| !told.contains(&factory.factory_id));
        let standby: Vec<Standby> = new
            .map(|factory| {
                let held = board.held_by(&factory.factory_id).count();
                let held = u32::try_from(held).unwrap_or(u32::MAX);
                Standby {
                    bidder: Bidder {
                        factory: factory.factory_id.clone(),
                        capabilities: factory.capabilities.clone(),
                        engines: factory.engines.clone(),
                        health: factory.health,
                        draining: factory.draining,
                        stale: factory.is_stale(None, now),
                        free_seats: factory.seat_limit.saturating_sub(held),
                    },
                    load: factory.load,
                    worked_at: open.worked_at(&factory.factory_id),
                }
            })
            .collect();
        drop((board, open));
        fleet::best_suited(job, &standby, now).into_iter().take(FEW).cloned().collect()
    }
}
