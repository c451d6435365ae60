//! Worker hosts and the products they serve: heartbeats, drain, pause.

use std::sync::Arc;

use fleet::{
    Actor, Factory, FactoryCommand, FactoryId, Heartbeat, Holding, Product, ProductCommand,
    ProductId,
};

use crate::Ledger;
use crate::outcome::{LedgerError, Outcome};

impl Ledger {
    /// # Errors
    /// The store is away, or the outcome cannot be known; the next heartbeat repeats it.
    pub async fn heartbeat(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        beat: Heartbeat,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_factory(product, factory, &FactoryCommand::Heartbeat(Box::new(beat))).await
    }

    /// No new claims; what runs goes on.
    ///
    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn drain(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_factory(product, factory, &FactoryCommand::Drain).await
    }

    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn resume(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_factory(product, factory, &FactoryCommand::Resume).await
    }

    /// # Errors
    /// The store is away.
    pub async fn factory(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<Option<Factory>, LedgerError> {
        Ok(self.factories.get(product, factory).await?.map(|found| found.record))
    }

    async fn tell_factory(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        command: &FactoryCommand,
    ) -> Result<Outcome<Factory>, LedgerError> {
        let absent = Factory::absent(factory.clone(), product.clone(), self.clock.now());
        Ok(self.commit(&self.factories, absent, command).await?.map(|done| done.record))
    }

    pub(crate) async fn is_draining(
        &self,
        product: &ProductId,
        holding: &Holding,
    ) -> Result<bool, LedgerError> {
        let factory = self.factory(product, &holding.factory_id).await?;
        Ok(factory.is_some_and(|factory| factory.draining))
    }

    /// No claims in this product until it is unpaused.
    ///
    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn pause(
        &self,
        product: &ProductId,
        by: &Actor,
        reason: Option<String>,
    ) -> Result<Outcome<Product>, LedgerError> {
        self.tell_product(product, &ProductCommand::Pause { by: by.clone(), reason }).await
    }

    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn unpause(&self, product: &ProductId) -> Result<Outcome<Product>, LedgerError> {
        self.tell_product(product, &ProductCommand::Unpause).await
    }

    /// What the product has set for itself, at most a moment old.
    ///
    /// # Errors
    /// The store is away.
    pub async fn settings(&self, product: &ProductId) -> Result<Arc<Product>, LedgerError> {
        Ok(self.belief.of(product, &*self.clock).await?.product)
    }

    async fn tell_product(
        &self,
        product: &ProductId,
        command: &ProductCommand,
    ) -> Result<Outcome<Product>, LedgerError> {
        let absent = Product::absent(product.clone(), self.clock.now());
        let outcome = self.commit(&self.products, absent, command).await?;
        self.belief.forget(product);
        Ok(outcome.map(|done| done.record))
    }
}
