//! One world: a store with faults, a bus, and the service processes before them. A service is its
//! memory: when it restarts it is a new ledger over the same store.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clock::{Clock, Ids, Seeded, Skewed, Virtual};
use fleet::{ProductId, Timestamp};
use ledger::Ledger;
use store::{Faulty, Store};
use tokio::task::JoinSet;

use super::dice::Dice;
use super::fuse::{Brittle, Fuse, Then};
use super::history::History;
use super::mutant::Mutant;
use super::plan::{Plan, SKEW, Skew, TERMS};
use super::stores::mutated;
use super::witness::Witness;

const FIRST_MILLI: i64 = 1_767_323_045_000;

#[derive(Debug)]
pub(super) struct World {
    pub plan: Plan,
    pub clock: Arc<dyn Clock>,
    pub history: Arc<History>,
    pub store: Arc<Faulty<Witness>>,
    pub services: Vec<Service>,
    pub product: ProductId,
    bus: Arc<bus::Memory>,
    healed: AtomicBool,
    tasks: Mutex<JoinSet<()>>,
    /// Submitters and operators that have not yet said all they have to say.
    pub talking: AtomicU64,
}

/// One process of the coordinator.
#[derive(Debug)]
pub(super) struct Service {
    pub ids: Arc<dyn Ids>,
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub starts: AtomicU64,
    ledger: Mutex<Ledger>,
}

/// What serves one request: a service as it is at this moment.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub ledger: Ledger,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub world: Arc<World>,
    pub service: usize,
}

/// Two for requests, two for keepers; the last keeper's wall clock is wrong.
const SERVICES: u64 = 4;
pub(super) const AT_THE_DOOR: usize = 2;
pub(super) const SKEWED: usize = 3;

impl World {
    pub(super) fn new(plan: Plan) -> Arc<Self> {
        let clock: Arc<dyn Clock> =
            Arc::new(Virtual::starting_at(Timestamp::from_millis(FIRST_MILLI)));
        let history = Arc::new(History::new(Arc::clone(&clock)));
        let witness = Witness::new(Arc::clone(&history));
        let store = Arc::new(Faulty::new(witness, plan.seed, plan.faults));
        let bus = Arc::new(bus::Memory::default());
        let service = |n: u64| {
            let clock = if usize::try_from(n) == Ok(SKEWED) {
                skewed(&clock, plan.skew)
            } else {
                Arc::clone(&clock)
            };
            let ids: Arc<dyn Ids> =
                Arc::new(Seeded::new(plan.seed ^ (n << 40), Arc::clone(&clock)));
            let store = mutated(
                plan.mutant,
                Arc::new(Brittle::new(Arc::clone(&store), Dice::new(plan.seed, 50 + n))),
                plan.seed,
            );
            let ledger = Ledger::new(
                &store,
                Arc::<bus::Memory>::clone(&bus),
                Arc::clone(&clock),
                Arc::clone(&ids),
                TERMS,
            );
            Service { ids, clock, store, starts: AtomicU64::new(1), ledger: Mutex::new(ledger) }
        };
        let services = (0..SERVICES).map(service).collect();
        Arc::new(Self {
            plan,
            services,
            history,
            store,
            bus,
            product: "acme".parse().expect("a name"),
            clock,
            healed: AtomicBool::new(false),
            tasks: Mutex::default(),
            talking: AtomicU64::new(0),
        })
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.plan.mutant == mutant
    }

    pub(super) fn dice(&self, of: u64) -> Dice {
        Dice::new(self.plan.seed, of)
    }

    pub(super) fn seeded(&self, of: u64) -> Arc<dyn Ids> {
        Arc::new(Seeded::new(self.plan.seed ^ (of << 48), Arc::clone(&self.clock)))
    }

    /// No more bad days: what follows must bring everything to its end.
    pub(super) fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
        self.store.heal();
        self.history.fate(&"world".into(), "healed");
    }

    pub(super) fn is_healed(&self) -> bool {
        self.healed.load(Ordering::Relaxed)
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().expect("nothing panics while it holds this lock").spawn(task);
    }

    pub(super) fn desk(self: &Arc<Self>, service: usize) -> Desk {
        let at = &self.services[service];
        let ledger = at.ledger.lock().expect("nothing panics while it holds this lock").clone();
        Desk {
            ledger,
            store: Arc::clone(&at.store),
            clock: Arc::clone(&at.clock),
            ids: Arc::clone(&at.ids),
            world: Arc::clone(self),
            service,
        }
    }

    /// The process dies and comes back: what it kept in memory is gone.
    pub(super) fn restart(&self, service: usize) {
        let at = &self.services[service];
        let ledger = Ledger::new(
            &at.store,
            Arc::<bus::Memory>::clone(&self.bus),
            Arc::clone(&at.clock),
            Arc::clone(&at.ids),
            TERMS,
        );
        *at.ledger.lock().expect("nothing panics while it holds this lock") = ledger;
        at.starts.fetch_add(1, Ordering::Relaxed);
        self.history.fate(&"world".into(), &format!("service {service} restarts"));
    }

    /// What a request meets on its way.
    pub(super) fn fuse(&self, dice: &mut Dice) -> Fuse {
        let (dropped, frozen) = (dice.chance(self.plan.dropped), dice.chance(self.plan.frozen));
        let (looks, span) = (dice.below(12), dice.millis(500, 20_000));
        if self.is_healed() {
            Fuse::Unlit
        } else if dropped {
            Fuse::Lit(looks, Then::Drop)
        } else if frozen {
            Fuse::Lit(looks, Then::Freeze(span))
        } else {
            Fuse::Unlit
        }
    }

    /// A ledger over the true store, for the time after.
    pub(super) fn truth(self: &Arc<Self>) -> Ledger {
        let store: Arc<dyn Store> = Arc::<Faulty<Witness>>::clone(&self.store);
        let bus = Arc::<bus::Memory>::clone(&self.bus);
        Ledger::new(&store, bus, Arc::clone(&self.clock), self.seeded(99), TERMS)
    }
}

fn skewed(clock: &Arc<dyn Clock>, skew: Skew) -> Arc<dyn Clock> {
    let clock = Arc::clone(clock);
    Arc::new(match skew {
        Skew::Ahead => Skewed::ahead(clock, SKEW),
        Skew::Behind => Skewed::behind(clock, SKEW),
    })
}

/// A pause that every loop of this world makes.
pub(super) async fn nap(dice: &mut Dice, least: u64, end: u64) {
    tokio::time::sleep(dice.millis(least, end)).await;
}

pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);
