//! The laws on an emulated account, in good and in bad weather.

use std::sync::Arc;

use cosmos_emulator::{Emulator, KEY};
use store::Store;
use store::conformance::KINDS;

use crate::{Access, Container, Cosmos, Options, init};

mod laws {
    use super::*;

    async fn make() -> (Arc<dyn Store>, Emulator) {
        let emulator = cosmos_emulator::emulator();
        (Arc::new(made(&emulator).await), emulator)
    }
    store::conformance!(make, rounds = 20);
}

async fn made(emulator: &Emulator) -> Cosmos {
    let (options, containers) = (options(emulator), containers());
    let made = init(&options, &containers, false, "first").await;
    made.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    let opened = Cosmos::open(&options, &containers).await;
    opened.unwrap_or_else(|error| panic!("{error}: {error:?}"))
}

fn options(emulator: &Emulator) -> Options {
    Options::new(emulator.url(), "fleet", Access::Key(KEY.into()))
}

fn containers() -> Vec<Container> {
    KINDS.map(|kind| Container { kind, partitioned_by: "part" }).to_vec()
}
