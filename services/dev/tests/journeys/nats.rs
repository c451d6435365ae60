//! Ground on which messages and records are kept by a genuine nats-server.

use std::sync::Arc;

use bus::Bus;
use node::open::{self, BusChoice, Making, Process, StoreChoice};
use servers::Nats;
use store::Store;

pub(crate) struct Ground(Nats);

impl Ground {
    pub(crate) fn new() -> Self {
        let limits = servers::Options { max_payload: Some(2 << 20), ..Default::default() };
        Self(Nats::start(limits).unwrap())
    }

    pub(crate) async fn opened(&self, process: &Process) -> (Arc<dyn Bus>, Arc<dyn Store>) {
        let url = self.0.url();
        let making = Making { replicas: 1, partitions: 1, new_generation: false, most_bytes: None };
        open::make_if_new(&(&*url).into(), making, process).await.unwrap();
        let bus = open::bus(&BusChoice::Nats((&*url).into()), process).await.unwrap();
        let kept = open::store(&StoreChoice::Nats((&*url).into()), &[], process).await.unwrap();
        (bus, kept.store)
    }
}
