//! `gigamesh serve`: services without factories, for hosts that only coordinate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ::dev::{Data, Home, Local, Options};
use clap::{Args, ValueEnum};
use clock::System;
use fleet::ProductId;
use gateway::{HostName, Issuers, LocalToken};
use identity::SignUpMode;
use ledger::Terms;
use node::open::{BlobsChoice, BusChoice, CosmosChoice, NoDatabase, StoreChoice};
use oidc::Provider;
use serde_json::json;

use crate::cosmos::CosmosKey;
use crate::place::Place;
use crate::reach::Credentials;
use crate::say::Say;
use crate::secret::Secret;
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;
use crate::trust::Trust;

/// Where a server on this machine listens.
pub(crate) const NATS: &str = "nats://127.0.0.1:4222";

/// Run services without factories
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// Which services this process runs
    #[arg(env = "GIGAMESH_ROLE")]
    pub(crate) role: Role,
    /// What carries messages; by default nats where --nats is given, and memory elsewhere
    #[arg(long, env = "GIGAMESH_BUS", value_name = "BUS")]
    bus: Option<BusName>,
    /// Where records are kept: memory, embedded, nats or
    /// cosmos://ACCOUNT.documents.azure.com/DATABASE; DB_PROVIDER is heard too
    #[arg(long, env = "GIGAMESH_STORE", value_name = "STORE")]
    store: Option<StoreName>,
    /// The same, as other programs name it
    #[arg(long, env = "DB_PROVIDER", hide = true)]
    db_provider: Option<StoreName>,
    /// Where NATS is: one address or several with commas between
    #[arg(long, env = "GIGAMESH_NATS", value_name = "URL")]
    nats: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    #[command(flatten)]
    cosmos: CosmosKey,
    #[command(flatten)]
    place: Place,
    /// How long artifacts of a kind are kept, like log=30d (repeatable); by default for ever
    #[arg(long, env = "GIGAMESH_KEEP", value_name = "KIND=SPAN", value_delimiter = ',')]
    keep: Vec<artifact::Rule>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Port of /healthz, /readyz and /metrics on 127.0.0.1; 0 takes any that is free
    #[arg(long, env = "GIGAMESH_SIDE_PORT", value_name = "PORT")]
    pub(crate) side_port: Option<u16>,
    /// The folder of store and token
    #[arg(long, value_name = "DIR", default_value = ".gigamesh", env = "GIGAMESH_DATA")]
    pub(crate) data: PathBuf,
    /// Address of page and API; beyond loopback it needs --allow-host and a token that was given
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4600", env = "GIGAMESH_LISTEN")]
    pub(crate) listen: SocketAddr,
    /// Who may become a user: whoever wants to, whoever has an invitation, or nobody
    #[arg(long, value_name = "WHO", default_value = "off", env = "GIGAMESH_SIGN_UP")]
    pub(crate) sign_up: SignUp,
    /// A file of the issuers that vouch for people; docs/oidc.md has its keys
    #[arg(long, value_name = "FILE", env = "GIGAMESH_OIDC")]
    oidc: Option<PathBuf>,
    /// A name that callers elsewhere know the door by, with a port or without (repeatable)
    #[arg(long, value_name = "HOST", env = "GIGAMESH_ALLOW_HOST", value_delimiter = ',')]
    pub(crate) allow_host: Vec<HostName>,
    /// Seconds that a renewal is good for; the same in every process of a fleet, for trials only
    #[arg(
        long,
        env = "GIGAMESH_LEASE_TTL",
        value_name = "SECONDS",
        hide = true,
        value_parser = clap::value_parser!(u64).range(SHORTEST_TTL..=LONGEST_TTL)
    )]
    lease_ttl: Option<u64>,
}

/// Twice the margin before the end of its lease at which a holder stops.
const SHORTEST_TTL: u64 = 6;
/// A silent holder keeps its job for so long.
const LONGEST_TTL: u64 = 300;

/// Who may become a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignUp {
    Open,
    Invite,
    Off,
}

impl From<SignUp> for SignUpMode {
    fn from(who: SignUp) -> Self {
        match who {
            SignUp::Open => Self::Open,
            SignUp::Invite => Self::Invite,
            SignUp::Off => Self::Off,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BusName {
    Memory,
    Nats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Submit,
    Scheduler,
    LeaseKeeper,
    Artifact,
    Gateway,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreName {
    Memory,
    Embedded,
    Nats,
    /// Other programs name it without its place.
    Cosmos(Option<CosmosChoice>),
}

/// A text that names no store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a store: memory, embedded, nats or cosmos://ACCOUNT.documents.azure.com/DATABASE")]
pub(crate) struct NoStore;

impl StoreName {
    pub(crate) fn placeless() -> Trouble {
        Trouble::usage("Cosmos DB was chosen, and not said where it is")
            .next("--store cosmos://ACCOUNT.documents.azure.com/DATABASE")
    }
}

impl FromStr for StoreName {
    type Err = NoStore;

    fn from_str(text: &str) -> Result<Self, NoStore> {
        let database = |NoDatabase| NoStore;
        Ok(match text {
            "memory" => Self::Memory,
            "embedded" => Self::Embedded,
            "nats" => Self::Nats,
            "cosmos" => Self::Cosmos(None),
            place => Self::Cosmos(Some(place.parse().map_err(database)?)),
        })
    }
}

impl Role {
    pub(crate) fn has_door(self) -> bool {
        matches!(self, Self::Gateway | Self::All)
    }

    pub(crate) fn has_blobs(self) -> bool {
        matches!(self, Self::Artifact | Self::Gateway | Self::All)
    }
}

impl Serve {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let (bus, store) = self.providers()?;
        let secret = Secret::given(&self, around)?;
        let local = bus == BusChoice::Memory && !is_shared(&store);
        if !local || self.side_port.is_some() {
            return crate::apart::run((self, secret), (bus, store), around, say).await;
        }
        let mut interrupts = Interrupts::listen()?;
        let home = Home::open(&self.data)?;
        let secret = secret.or_of(&home)?;
        let local = Local::open(self.options(&home, &secret, around.product()?)?).await?;
        let address = seen_from_here(local.address());
        home.announce(address)?;
        let url = format!("http://{address}");
        say.data(&json!({
            "apiVersion": "fleet/v1",
            "url": url,
            "product": local.product(),
            "tokenFile": secret.file,
        }));
        say.talk(&format!("serving product {} at {url}; Ctrl-C stops it", local.product()));
        let broke_down = tokio::select! {
            biased;
            () = interrupts.next() => false,
            () = local.broke_down() => true,
        };
        tokio::select! {
            biased;
            ended = local.close() => ended?,
            () = interrupts.next() => {
                return Err(Trouble::hurried());
            }
        }
        if broke_down { Err(Trouble::failed("a service broke down")) } else { Ok(()) }
    }

    fn options(
        &self,
        home: &Home,
        secret: &Secret,
        product: ProductId,
    ) -> Result<Options, Trouble> {
        Ok(Options {
            data: self.store_at(home)?,
            blobs: self.blobs()?,
            keep: self.retention(),
            address: self.listen,
            product,
            token: secret.token.clone(),
            hosts: self.allow_host.clone(),
            terms: self.terms()?,
            engine: crate::dev::shell(),
            sign_up: self.sign_up.into(),
            issuers: self.issuers(&secret.token)?,
        })
    }

    /// Those who vouch for people, if any were named.
    pub(crate) fn issuers(&self, token: &LocalToken) -> Result<Option<Issuers>, Trouble> {
        let Some(file) = &self.oidc else { return Ok(None) };
        let bad = || Trouble::usage(format!("the issuers in {} cannot be used", file.display()));
        let text = std::fs::read_to_string(file).map_err(|why| bad().caused_by(&why))?;
        let providers = Provider::from_toml(&text).map_err(|why| bad().caused_by(&why))?;
        let issuers = Issuers::over(providers, Arc::new(System::start()), token);
        issuers.map(Some).map_err(|_| {
            bad()
                .because("a login is sealed with the door's token, which is too short for that")
                .next("head -c 32 /dev/urandom | base64, into a file that --token-file names")
        })
    }

    /// The spans of this fleet. A grant never outlives the lease that it is to become.
    pub(crate) fn terms(&self) -> Result<Terms, Trouble> {
        let usual = Terms::default();
        let ttl = self.lease_ttl.map_or(usual.ttl, Duration::from_secs);
        let terms = Terms { ttl, grant: usual.grant.min(ttl), ..usual };
        let unfit = |error| Trouble::usage("these spans contradict each other").caused_by(&error);
        terms.checked().map_err(unfit)
    }

    fn store_at(&self, home: &Home) -> Result<Data, Trouble> {
        match self.store_name() {
            StoreName::Memory => Ok(Data::Memory),
            StoreName::Embedded => Ok(Data::of(home)),
            StoreName::Nats | StoreName::Cosmos(_) => Err(no_such_store()),
        }
    }

    pub(crate) fn retention(&self) -> artifact::Retention {
        self.keep.iter().copied().collect()
    }

    pub(crate) fn blobs(&self) -> Result<BlobsChoice, Trouble> {
        let usual = match self.store_name() {
            StoreName::Memory => BlobsChoice::Memory,
            StoreName::Embedded | StoreName::Nats | StoreName::Cosmos(_) => {
                BlobsChoice::Disk(self.data.join("blobs"))
            }
        };
        Ok(self.place.said()?.unwrap_or(usual))
    }

    fn store_name(&self) -> StoreName {
        let by_bus = match self.bus_name() {
            BusName::Memory => StoreName::Embedded,
            BusName::Nats => StoreName::Nats,
        };
        self.store.clone().or_else(|| self.db_provider.clone()).unwrap_or(by_bus)
    }

    fn bus_name(&self) -> BusName {
        let by_address = if self.nats.is_some() { BusName::Nats } else { BusName::Memory };
        self.bus.unwrap_or(by_address)
    }

    /// What this process stands on; a role alone needs what other processes reach too.
    fn providers(&self) -> Result<(BusChoice, StoreChoice), Trouble> {
        let nats = || {
            let nowhere = Trouble::usage("NATS was chosen, and not said where it is");
            let url = self.nats.as_deref();
            let url = url.ok_or_else(|| nowhere.next(format!("--nats {NATS}")))?;
            Ok::<_, Trouble>(self.credentials.at(url))
        };
        let bus = match self.bus_name() {
            BusName::Memory => BusChoice::Memory,
            BusName::Nats => BusChoice::Nats(nats()?),
        };
        let store = match self.store_name() {
            StoreName::Memory => StoreChoice::Memory,
            StoreName::Embedded => StoreChoice::Embedded(self.data.join("store")),
            StoreName::Nats => StoreChoice::Nats(nats()?),
            StoreName::Cosmos(Some(database)) => {
                StoreChoice::Cosmos(self.cosmos.opens(&database, &self.place.identity)?)
            }
            StoreName::Cosmos(None) => return Err(StoreName::placeless()),
        };
        if self.role == Role::All {
            return Ok((bus, store));
        }
        if bus == BusChoice::Memory {
            return Err(Trouble::usage("one service alone needs a bus between processes")
                .because("the bus in memory connects the services of one process only")
                .next("--nats nats://127.0.0.1:4222, or gigamesh serve all"));
        }
        if !is_shared(&store) {
            return Err(Trouble::usage("one service alone needs a store that others reach too")
                .because("this store is of one process only")
                .next("--store nats, --store cosmos://…, or gigamesh serve all"));
        }
        if self.role.has_blobs() && self.blobs()? == BlobsChoice::Memory {
            return Err(Trouble::usage("one service alone needs blobs that others reach too")
                .because("these end with the process, and no other sees them")
                .next("--blobs disk:DIR, a folder that artifact and gateway share"));
        }
        Ok((bus, store))
    }
}

/// Whether other processes reach it too.
fn is_shared(store: &StoreChoice) -> bool {
    match store {
        StoreChoice::Nats(_) | StoreChoice::Cosmos(_) => true,
        StoreChoice::Memory | StoreChoice::Embedded(_) => false,
    }
}

fn no_such_store() -> Trouble {
    Trouble::usage("this build has no such store").next("gigamesh serve all --store embedded")
}

/// Nobody asks for the address of every interface: on this host it is that of loopback.
pub(crate) fn seen_from_here(address: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(loopback, address.port())
}
