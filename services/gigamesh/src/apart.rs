//! One role, or all of them, over whatever bus and store was chosen: waits for what it stands on,
//! serves until it is told to end, and finishes what is under way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ::dev::{Fleet, Home, Serving};
use blob::Blobs;
use bus::Bus;
use clock::{Clock, Ids, System};
use identity::Identity;
use ledger::Ledger;
use node::open::{self, BusChoice, Kept, Process, StoreChoice};
use node::{Node, Side, Tallied, Tally, Tasks};
use serde_json::{Value, json};

use crate::say::Say;
use crate::secret::{Given, Secret};
use crate::serve::{Role, Serve, seen_from_here};
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// What a process of one role owns.
struct Running {
    node: Node,
    ledger: Ledger,
    kept: Kept,
    blobs: Option<Blobs>,
    tally: Arc<Tally>,
    /// The door's own tasks, which end first.
    door: Tasks,
    /// Held for as long as the door is open.
    home: Option<Home>,
}

pub(crate) async fn run(
    (serve, secret): (Serve, Given),
    choice: (BusChoice, StoreChoice),
    around: &Surroundings,
    say: Say,
) -> Result<(), Trouble> {
    let mut interrupts = Interrupts::listen()?;
    say.talk("waiting for what this stands on …");
    let started = tokio::select! {
        biased;
        () = interrupts.next() => return Err(Trouble::interrupted()),
        started = Box::pin(start((&serve, secret), choice, around)) => started,
    };
    let (running, said) = started?;
    say.data(&said);
    say.talk(&format!("durability {}", running.kept.durability));
    say.talk(&format!("serving {}; Ctrl-C stops it", name(serve.role)));
    let broke_down = tokio::select! {
        biased;
        () = interrupts.next() => false,
        () = running.node.tasks.stopped() => true,
        () = running.door.stopped() => true,
    };
    tokio::select! {
        biased;
        ended = running.close() => ended?,
        () = interrupts.next() => return Err(Trouble::hurried()),
    }
    if broke_down { Err(Trouble::failed("a service broke down")) } else { Ok(()) }
}

async fn start(
    (serve, secret): (&Serve, Given),
    (bus, store): (BusChoice, StoreChoice),
    around: &Surroundings,
) -> Result<(Running, Value), Trouble> {
    let mut running = opened(serve, &bus, &store).await?;
    serve_role(serve, &running).await?;
    let durability = running.kept.durability.to_string();
    let mut said = json!({ "apiVersion": "fleet/v1", "role": name(serve.role),
        "durability": durability });
    if let Some(port) = serve.side_port {
        let records = (running.ledger.clone(), running.kept.clone());
        let node = running.node.clone();
        let (blobs, tally) = (running.blobs.clone(), Arc::clone(&running.tally));
        let side = Side { node, records, blobs, tally };
        let address = side.open(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        said["side"] = json!(format!("http://{address}"));
    }
    if serve.role.has_door() {
        open_door((serve, secret), around, (&mut running, &mut said)).await?;
    }
    Ok((running, said))
}

async fn opened(serve: &Serve, bus: &BusChoice, store: &StoreChoice) -> Result<Running, Trouble> {
    let system = Arc::new(System::start());
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::clone(&system) as _, system);
    let tasks = Tasks::default();
    let label = format!("gigamesh-{}-{}", name(serve.role), ids.mint().simple());
    let (time, chance) = (Arc::clone(&clock), Arc::clone(&ids));
    let process = Process { name: label, clock, ids, tasks: tasks.clone() };
    // The door's folder is the store's too, where records lie in one.
    let home = if serve.role.has_door() { Some(Home::open(&serve.data)?) } else { None };
    let tally = Arc::new(Tally::default());
    let bus = open::bus(bus, &process).await?;
    let bus: Arc<dyn Bus> = Arc::new(Tallied::over(bus, Arc::clone(&tally)));
    let kept = open::store(store, &serve.trust.monitors, &process).await?;
    serve.trust.admit(kept.durability)?;
    let ledger = {
        let (clock, ids) = (Arc::clone(&time), Arc::clone(&chance));
        Ledger::new(&kept.store, Arc::clone(&bus), clock, ids, serve.terms()?)
    };
    let blobs = match serve.role.has_blobs() {
        true => Some(open::blobs(&serve.blobs()?, Arc::clone(&chance))?),
        false => None,
    };
    let node = Node { bus, clock: time, ids: chance, tasks };
    Ok(Running { node, ledger, kept, blobs, tally, door: Tasks::default(), home })
}

async fn serve_role(serve: &Serve, running: &Running) -> Result<(), Trouble> {
    let ledger = running.ledger.clone();
    let (node, engine) = (running.node.clone(), Some(crate::dev::shell()));
    match serve.role {
        Role::Submit => submit::serve(node, ledger, submit::Options { dev_engine: engine }).await?,
        Role::Scheduler => scheduler::serve(node, ledger).await?,
        Role::LeaseKeeper => lease_keeper::serve(node, ledger).await?,
        Role::Artifact => {
            if let Some(blobs) = running.blobs.clone() {
                artifact::serve(node, ledger, blobs, serve.retention()).await?;
            }
        }
        Role::All => {
            if let Some(blobs) = &running.blobs {
                let terms = Serving { engine, keep: serve.retention() };
                drop(Fleet::start(node, &ledger, blobs, terms).await?);
            }
        }
        Role::Gateway => {}
    }
    Ok(())
}

async fn open_door(
    (serve, secret): (&Serve, Given),
    around: &Surroundings,
    (running, said): (&mut Running, &mut Value),
) -> Result<(), Trouble> {
    let (Some(home), Some(blobs)) = (&running.home, running.blobs.clone()) else {
        return Ok(());
    };
    let product = around.product()?;
    let Secret { token, file } = secret.or_of(home)?;
    let (address, hosts) = (serve.listen, serve.allow_host.clone());
    let front = Node { tasks: running.door.clone(), ..running.node.clone() };
    let settings = identity::Settings { sign_up: serve.sign_up.into(), ..Default::default() };
    let (clock, ids) = (Arc::clone(&front.clock), Arc::clone(&front.ids));
    let identity = Identity::over(&running.kept.store, clock, ids, settings);
    let (product_here, issuers) = (product.clone(), serve.issuers(&token)?);
    let options =
        gateway::Options { address, product: product_here, token, hosts, blobs, identity, issuers };
    let address = gateway::serve(front, options).await.map_err(::dev::NotStarted::Door)?;
    let address = seen_from_here(address);
    home.announce(address)?;
    said["url"] = json!(format!("http://{address}"));
    said["product"] = json!(product);
    said["tokenFile"] = json!(file);
    Ok(())
}

impl Running {
    /// The door first; what is under way is finished.
    async fn close(self) -> Result<(), Trouble> {
        self.door.stop();
        let door = self.door.join().await;
        self.node.tasks.stop();
        let services = self.node.tasks.join().await;
        drop(self.home);
        Ok(services.and(door)?)
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Submit => "submit",
        Role::Scheduler => "scheduler",
        Role::LeaseKeeper => "lease-keeper",
        Role::Artifact => "artifact",
        Role::Gateway => "gateway",
        Role::All => "all",
    }
}
