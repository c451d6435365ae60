//! `gigamesh serve`: services without factories, for hosts that only coordinate.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::dev::{Data, Home, Local, Options};
use clap::{Args, ValueEnum};
use clock::System;
use fleet::ProductId;
use ledger::Terms;
use serde_json::json;

use crate::say::Say;
use crate::signals::Interrupts;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Run services without factories
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// Which services this process runs
    role: Role,
    /// Where records are kept; DB_PROVIDER is heard too
    #[arg(long, env = "GIGAMESH_STORE", value_name = "STORE")]
    store: Option<StoreName>,
    /// The same, as other programs name it
    #[arg(long, env = "DB_PROVIDER", hide = true)]
    db_provider: Option<StoreName>,
    /// The folder of store and token
    #[arg(long, value_name = "DIR", default_value = ".gigamesh", env = "GIGAMESH_DATA")]
    data: PathBuf,
    /// Address of page and API; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4600", env = "GIGAMESH_LISTEN")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    Submit,
    Scheduler,
    LeaseKeeper,
    Gateway,
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StoreName {
    Memory,
    Embedded,
    Nats,
    Cosmos,
}

impl Serve {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        if self.role != Role::All {
            return Err(Trouble::usage("one service alone needs a bus between processes")
                .because("the bus of this build connects the services of one process only")
                .next("gigamesh serve all"));
        }
        let mut interrupts = Interrupts::listen()?;
        let home = Home::open(&self.data)?;
        let local = Local::open(self.options(&home, around.product()?)?).await?;
        home.announce(local.address())?;
        let url = format!("http://{}", local.address());
        say.data(&json!({
            "apiVersion": "fleet/v1",
            "url": url,
            "product": local.product(),
            "tokenFile": home.token_file(),
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

    fn options(&self, home: &Home, product: ProductId) -> Result<Options, Trouble> {
        Ok(Options {
            data: self.store_at(home)?,
            address: self.listen,
            product,
            token: home.token(&System::start())?,
            terms: Terms::default(),
            engine: crate::dev::shell(),
        })
    }

    fn store_at(&self, home: &Home) -> Result<Data, Trouble> {
        match self.store.or(self.db_provider).unwrap_or(StoreName::Embedded) {
            StoreName::Memory => Ok(Data::Memory),
            StoreName::Embedded => Ok(Data::of(home)),
            StoreName::Nats | StoreName::Cosmos => {
                Err(Trouble::usage("this build has no such store")
                    .next("gigamesh serve all --store embedded"))
            }
        }
    }
}
