//! `gigamesh nats`: who may do what on NATS servers of one's own. Writes a server's configuration
//! and principals' credentials; starts no server and speaks to none. Keys go to files and nowhere
//! else.

mod keys;
mod token;
mod written;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, Subcommand};
use clock::{Clock, Ids, System};
use fleet::{FactoryId, ProductId, Span};
use node::open;
use protocol::{Principal, Purpose};
use serde_json::json;

use crate::say::Say;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;
use keys::Ring;
use written::{Server, Tls};

/// Say who may do what on NATS: a server's configuration, and credentials for each principal
#[derive(Args, Clone, Debug)]
pub(crate) struct Nats {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
enum Verb {
    /// Write the configuration of a nats-server that lets in only whom `nats issue` named; repeated,
    /// it keeps the keys
    Config(Box<Config>),
    /// Write the credentials of one principal
    Issue(Issue),
}

#[derive(Args, Clone, Debug)]
struct Config {
    /// The folder of nats.conf, and of the keys that everything is signed with
    #[arg(long, value_name = "DIR", default_value = "nats")]
    out: PathBuf,
    /// Fleets that share the servers and nothing else (repeatable): an account each
    #[arg(long = "fleet", value_name = "NAME", default_value = FLEET, value_delimiter = ',')]
    fleets: Vec<Name>,
    /// Where clients connect, HOST:PORT; beyond loopback it needs TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4222")]
    listen: String,
    /// Where its monitoring listens, which tells when it syncs
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8222")]
    monitor: String,
    /// Where it keeps records and streams
    #[arg(long, value_name = "DIR", default_value = "jetstream")]
    store: PathBuf,
    /// Buckets of each kind that is spread, as `admin init` makes them
    #[arg(long, env = "GIGAMESH_PARTITIONS", default_value_t = 8, value_parser = partitions())]
    partitions: u64,
    /// The server's certificate
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the server's certificate
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Certificates of an authority: clients must show one that it signed
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_ca: Option<PathBuf>,
    /// Listen beyond loopback without TLS, on a network that nobody else reads
    #[arg(long)]
    allow_plain: bool,
}

#[derive(Args, Clone, Debug)]
struct Issue {
    /// What the credentials are for: viewer, producer, operator, admin, factory, or a service:
    /// submit, scheduler, lease-keeper, artifact, gateway, all
    #[arg(value_parser = role)]
    role: Purpose,
    /// The folder that `nats config` wrote
    #[arg(long, value_name = "DIR", default_value = "nats")]
    keys: PathBuf,
    #[arg(long = "fleet", value_name = "NAME", default_value = FLEET)]
    fleet: Name,
    /// Which factory, for that role
    #[arg(long, value_name = "ID")]
    factory: Option<FactoryId>,
    /// Which of several principals of this role; the same name again renews its credentials
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
    /// How long they are good for; the server cuts off whoever goes on with them
    #[arg(long, value_name = "SPAN", default_value = "1h")]
    ttl: Span,
    /// The file to write; one that is there is replaced at once, never half
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const FLEET: &str = "fleet";
/// What a service is called that nobody named: replicas of one role may share their credentials.
const ANY: &str = "any";
/// As many as a store may have.
const MOST_PARTITIONS: u64 = 64;

/// A word that may stand in a file's name and in a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name(String);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err("1 to 64 letters, digits, - or _")
    }
}

fn partitions() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=MOST_PARTITIONS)
}

fn role(text: &str) -> Result<Purpose, String> {
    let known = Purpose::ALL.into_iter().find(|role| role.as_str() == text);
    known.ok_or_else(|| format!("one of {}", Purpose::ALL.map(Purpose::as_str).join(", ")))
}

impl Nats {
    pub(crate) fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        match self.verb {
            Verb::Config(config) => config.run(say),
            Verb::Issue(issue) => issue.run(around, say),
        }
    }
}

impl Config {
    fn run(self, say: Say) -> Result<(), Trouble> {
        let tls = self.tls();
        if tls.is_none() && !self.allow_plain && !is_loopback(&self.listen) {
            return Err(Trouble::usage("NATS would be open to whoever reads the network")
                .because(format!("{} is beyond loopback, and there is no TLS", self.listen))
                .next(
                    "--tls-cert FILE --tls-key FILE; or --allow-plain, where nobody else reads",
                ));
        }
        // The server's own user reads the configuration; the keys below it are not its business.
        std::fs::create_dir_all(&self.out).map_err(|error| unwritten(&self.out, &error))?;
        let (ring, time) = (Ring::at(&self.out), System::start());
        let mut accounts = Vec::new();
        for fleet in &self.fleets {
            accounts.push(ring.account(&fleet.0, |role| self.permits(role), &time)?);
        }
        let server = Server {
            listen: &self.listen,
            monitor: &self.monitor,
            store: &self.store,
            tls,
            operator: ring.operator(&time)?,
            system: ring.system(&time)?,
            accounts: &accounts,
        };
        let file = self.out.join("nats.conf");
        keys::put(&file, &server.to_string(), keys::FOR_ALL)?;
        let names: Vec<_> = self.fleets.iter().map(|fleet| &fleet.0).collect();
        say.data(&json!({
            "apiVersion": "fleet/v1", "config": file, "fleets": names, "keys": ring.folder(),
        }));
        say.talk(&format!("nats-server -c {}", file.display()));
        say.talk(&format!("who holds {} may be anybody: keep it", ring.folder().display()));
        Ok(())
    }

    fn tls(&self) -> Option<Tls<'_>> {
        let (certificate, key) = (self.tls_cert.as_deref()?, self.tls_key.as_deref()?);
        Some(Tls { certificate, key, clients: self.tls_ca.as_deref() })
    }

    /// The part of the table, and what a service asks of the servers themselves.
    fn permits(&self, role: Purpose) -> protocol::Permits {
        let mut permits = Principal::template(role).permits();
        let partitions = usize::try_from(self.partitions).unwrap_or(usize::MAX);
        permits.publish.extend(open::inner_subjects(role, partitions));
        permits
    }
}

impl Issue {
    fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let product = self.product(around)?;
        let who = self.who()?;
        let name = Principal::name_of(self.role, product.as_ref(), &who);
        let time = System::start();
        let until = time.now().plus(self.ttl.duration());
        let user = token::User {
            name: &name,
            product: product.as_ref(),
            factory: self.factory.as_ref(),
            until,
        };
        let text = Ring::at(&self.keys).user(&self.fleet.0, self.role, &user, &time)?;
        let file = self.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.creds")));
        keys::put(&file, &text, keys::FOR_ME)?;
        say.data(&json!({
            "apiVersion": "fleet/v1", "file": file, "name": name, "until": until.to_string(),
        }));
        say.talk(&format!("credentials of {name} until {until}, in {}", file.display()));
        Ok(())
    }

    /// A service is nobody's.
    fn product(&self, around: &Surroundings) -> Result<Option<ProductId>, Trouble> {
        if self.role.is_service() { Ok(None) } else { around.product().map(Some) }
    }

    fn who(&self) -> Result<String, Trouble> {
        let role = self.role.as_str();
        match (&self.factory, &self.name) {
            (Some(factory), None) if self.role == Purpose::Factory => Ok(factory.to_string()),
            (Some(_), _) if self.role == Purpose::Factory => {
                Err(Trouble::usage("a factory is called by its id")
                    .next("gigamesh nats issue factory --factory ID, without --name"))
            }
            (None, _) if self.role == Purpose::Factory => {
                Err(Trouble::usage("it was not said for which factory").next("--factory ID"))
            }
            (Some(_), _) => Err(Trouble::usage(format!("--factory says nothing about a {role}"))),
            (None, Some(name)) => Ok(name.0.clone()),
            (None, None) if self.role.is_service() => Ok(ANY.to_owned()),
            (None, None) => Err(Trouble::usage(format!("it was not said for which {role}"))
                .because("whoever shares a name may hear the other's answers")
                .next("--name NAME, another for each")),
        }
    }
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Ids for tokens; nothing depends on them.
fn mint(ids: &dyn Ids) -> String {
    ids.mint().simple().to_string()
}

/// Where a key or a token could not be kept.
fn unwritten(file: &Path, error: &std::io::Error) -> Trouble {
    Trouble::failed(format!("{} cannot be written", file.display())).caused_by(error)
}

#[cfg(test)]
mod tests;
