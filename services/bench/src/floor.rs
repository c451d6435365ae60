//! What the store can do without us: raw conditional puts of 2 KB, as many in flight.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, System};
use fleet::Run;
use ledger::Placed;
use node::Tasks;
use store::{Expect, Key, Kind, Put, Store};

use crate::crew::together;
use crate::{BenchError, Floor, Options, yard};

/// Spread as jobs are, and one of which nobody reads all.
const KIND: Kind = Run::KIND;
const VALUE: usize = 2048;

pub(crate) async fn measure(options: &Options) -> Result<Floor, BenchError> {
    let (system, tasks) = (Arc::new(System::start()), Tasks::default());
    let ground = yard::open(options, &yard::process(&system, &tasks)).await?;
    let store = &ground.store;
    let clock: Arc<dyn Clock> = system;
    let run = clock.now().to_string().replace([':', '.'], "-");
    let span = options.span().min(Duration::from_secs(3));
    let began = clock.uptime();
    let puts = together((0..options.in_flight).map(|n| {
        let key = Key::new(KIND, format!("bench-{n}"), &*run).expect("of the alphabet");
        put_again_and_again(Arc::clone(store), key, Arc::clone(&clock), began + span)
    }));
    let puts: u64 = puts.await?.into_iter().sum();
    let took = clock.uptime() - began;
    tasks.stop();
    Ok(Floor { name: "puts", per_sec: puts as f64 / took.as_secs_f64() })
}

async fn put_again_and_again(
    store: Arc<dyn Store>,
    key: Key,
    clock: Arc<dyn Clock>,
    until: Duration,
) -> Result<u64, BenchError> {
    let value = Bytes::from(vec![b'x'; VALUE]);
    let (mut expect, mut puts) = (Expect::Absent, 0);
    while clock.uptime() < until {
        match store.put(&key, value.clone(), &expect).await? {
            Put::Written(revision) => expect = Expect::At(revision),
            Put::Conflict | Put::Missing => return Err(BenchError::Went("nobody else writes")),
        }
        puts += 1;
        // A store that never waits must not keep the others from running.
        tokio::task::yield_now().await;
    }
    Ok(puts)
}
