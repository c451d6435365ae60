//! The fleet of the demonstration, seen through its own HTTP door as anybody would see it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use ::dev::{Data, Home, Local, Options};
use artifact::Retention;
use client::{CallError, OverHttp, Patience};
use clock::{Clock, Ids, System};
use identity::SignUpMode;
use ledger::Terms;
use node::open::BlobsChoice;
use protocol::{AboutJob, Ask, JobView, ListJobs, OfJob, SubmitJob, Verified, Verify};
use serde_json::Value;

use crate::demo::crew::Way;
use crate::trouble::Trouble;

/// Shorter than the product's thirty seconds, so that nobody has to wait for them.
const TTL: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct House {
    local: Local,
    link: OverHttp,
    home: Home,
    system: System,
}

impl House {
    pub(crate) async fn open(place: &Path) -> Result<Self, Trouble> {
        let system = System::start();
        let home = Home::open(place.join("fleet"))?;
        let token = home.token(&system)?;
        let local = Local::open(Options {
            data: Data::of(&home),
            blobs: BlobsChoice::Disk(home.blobs()),
            keep: Retention::default(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            product: "demo".parse().map_err(|error| Trouble::defect(&error))?,
            token,
            hosts: Vec::new(),
            terms: Terms { ttl: TTL, grant: TTL, ..Terms::default() },
            engine: crate::dev::shell(),
            sign_up: SignUpMode::Off,
        })
        .await?;
        let secret = std::fs::read_to_string(home.token_file())?;
        let url = format!("http://{}", local.address());
        let link =
            OverHttp::new(&url, secret.trim_end()).map_err(|error| Trouble::defect(&error))?;
        Ok(Self { local, link, home, system })
    }

    pub(crate) fn way(&self) -> Way {
        Way { url: format!("http://{}", self.local.address()), token_file: self.home.token_file() }
    }

    /// Since the house was opened.
    pub(crate) fn elapsed(&self) -> Duration {
        self.system.uptime()
    }

    pub(crate) async fn submit(&self, file: &str) -> Result<(), Trouble> {
        let ask = SubmitJob { file: Some(file.to_owned()), ..SubmitJob::default() };
        self.ask(&ask).await.map(|_receipt| ())
    }

    pub(crate) async fn jobs(&self) -> Result<Vec<JobView>, Trouble> {
        Ok(self.ask(&ListJobs::default()).await?.items)
    }

    pub(crate) async fn about(&self, query: AboutJob, job: &str) -> Result<Vec<Value>, Trouble> {
        Ok(self.ask(&OfJob { query, job: job.to_owned() }).await?.items)
    }

    pub(crate) async fn verify(&self) -> Result<Verified, Trouble> {
        self.ask(&Verify {}).await
    }

    pub(crate) async fn broke_down(&self) {
        self.local.broke_down().await;
    }

    pub(crate) async fn close(self) -> Result<(), Trouble> {
        Ok(self.local.close().await?)
    }

    async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, Trouble> {
        let until = self.system.now().plus(PATIENCE);
        let patience = Patience { request_id: self.system.mint(), until, span: PATIENCE };
        let told: Result<A::Reply, CallError> = self.link.call(ask, patience).await;
        told.map_err(|error| Trouble::failed("the fleet did not answer").caused_by(&error))
    }
}
