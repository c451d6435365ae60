//! Ground on which records are kept in an emulated account, opened as a service opens it.

use std::sync::Arc;

use bus::Bus;
use cosmos_emulator::{Emulator, KEY, emulator};
use node::open::{self, CosmosAccess, CosmosChoice, Process, StoreChoice};
use store::Store;

pub(crate) struct Ground(Emulator);

impl Ground {
    pub(crate) fn new() -> Self {
        Self(emulator())
    }

    pub(crate) async fn opened(&self, process: &Process) -> (Arc<dyn Bus>, Arc<dyn Store>) {
        let said: CosmosChoice = format!("cosmos+{}/fleet", self.0.url()).parse().unwrap();
        let choice = CosmosChoice { access: CosmosAccess::Key(KEY.to_owned()), ..said };
        open::make_containers(&choice, false, process).await.unwrap();
        let kept = open::store(&StoreChoice::Cosmos(choice), &[], process).await.unwrap();
        (Arc::new(bus::Memory::default()), kept.store)
    }
}
