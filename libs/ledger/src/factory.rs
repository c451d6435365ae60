//! Worker hosts and the products they serve: heartbeats, drain, pause.

use std::sync::Arc;

use fleet::{
    Actor, Factory, FactoryCommand, FactoryId, Heartbeat, Holding, Incarnation, Product,
    ProductCommand, ProductId,
};

use crate::Ledger;
use crate::outcome::{LedgerError, Outcome, not_found};

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

    /// No new claims. What runs goes on, or with `now` is given back.
    ///
    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn drain(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        now: bool,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_known(product, factory, &FactoryCommand::Drain { now }).await
    }

    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn resume(
        &self,
        product: &ProductId,
        factory: &FactoryId,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_known(product, factory, &FactoryCommand::Resume).await
    }

    /// A factory that ends by intent. Its name is free for its next start at once.
    ///
    /// # Errors
    /// As for [`Ledger::heartbeat`].
    pub async fn leave(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        incarnation: Incarnation,
    ) -> Result<Outcome<Factory>, LedgerError> {
        self.tell_known(product, factory, &FactoryCommand::Leave(incarnation)).await
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

    /// Only its own heartbeat makes a factory known; no record is ever removed.
    async fn tell_known(
        &self,
        product: &ProductId,
        factory: &FactoryId,
        command: &FactoryCommand,
    ) -> Result<Outcome<Factory>, LedgerError> {
        match self.factory(product, factory).await? {
            Some(_) => self.tell_factory(product, factory, command).await,
            None => Ok(not_found()),
        }
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

    pub(crate) async fn must_give_back(
        &self,
        product: &ProductId,
        holding: &Holding,
    ) -> Result<bool, LedgerError> {
        let factory = self.factory(product, &holding.factory_id).await?;
        Ok(factory.is_some_and(|factory| factory.draining_now))
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
