//! The laws of the seam, unchanged, on one server and on three.

use std::sync::Arc;

use bus::Bus;
use servers::Cluster;

use crate::world::{Kept, bus_with_streams, options, server};

async fn on_one() -> Arc<dyn Bus> {
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    Arc::new(Kept { bus, _servers: server })
}

async fn on_three() -> Arc<dyn Bus> {
    let cluster = Cluster::start(&options()).expect("a cluster starts");
    let bus = bus_with_streams(&cluster.url(), 3).await;
    Arc::new(Kept { bus, _servers: cluster })
}

mod one_server {
    bus::conformance!(threaded, super::on_one);
}

mod three_servers {
    bus::conformance!(threaded, super::on_three);
}
