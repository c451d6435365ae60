//! `gigamesh doctor`: looks at what a fleet and a factory need on this host, and says of each
//! whether it is there. Leaves everything as it was.

mod account;
mod blobs;
mod host;
mod mesh;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use client::{CallError, OverHttp, Patience};
use clock::{Clock, Ids, System};
use node::open::Look;
use protocol::{AboutProduct, Found, OfProduct};
use serde::Serialize;
use serde_json::json;

use crate::cosmos::CosmosKey;
use crate::place::Place;
use crate::reach::Credentials;
use crate::say::Say;
use crate::serve::StoreName;
use crate::surroundings::Surroundings;
use crate::trouble::Trouble;

/// Check this host and the fleet it would speak to
#[derive(Args, Clone, Debug)]
pub(crate) struct Doctor {
    /// The data folder to look at
    #[arg(long, value_name = "DIR", default_value = ".gigamesh", env = "GIGAMESH_DATA")]
    data: PathBuf,
    /// NATS servers to look at: one address or several with commas between
    #[arg(long, env = "GIGAMESH_NATS", value_name = "URL")]
    nats: Option<String>,
    #[command(flatten)]
    credentials: Credentials,
    /// Monitoring of each NATS server, like http://127.0.0.1:8222: only it tells when it syncs
    #[arg(long = "nats-monitor", env = "GIGAMESH_NATS_MONITOR", value_name = "URL")]
    #[arg(value_delimiter = ',')]
    monitors: Vec<String>,
    /// Write a key that no record has, to measure what a conditional write takes
    #[arg(long, requires = "nats")]
    write: bool,
    /// Records to look at: cosmos://ACCOUNT.documents.azure.com/DATABASE
    #[arg(long, env = "GIGAMESH_STORE", value_name = "STORE")]
    store: Option<StoreName>,
    #[command(flatten)]
    cosmos: CosmosKey,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Nothing is wrong, but there is something to know.
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    what: &'static str,
    state: State,
    said: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Clocks that differ by more than this make times hard to read; nothing unsafe follows from it.
const SKEW: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(3);
const CALLS: u32 = 5;

impl Doctor {
    pub(crate) async fn run(self, around: &Surroundings, say: Say) -> Result<(), Trouble> {
        let mut findings = host::look(&self.data);
        findings.extend(blobs::look(&self.place, &self.data).await?);
        let is_elsewhere = matches!(&self.store, Some(StoreName::Cosmos(_)));
        if let Some(StoreName::Cosmos(Some(place))) = &self.store {
            let database = self.cosmos.opens(place, &self.place.identity)?;
            findings.extend(account::look(&database).await);
        }
        if let Some(url) = &self.nats {
            let (reach, product) = (self.credentials.at(url), around.product()?);
            findings.extend(match is_elsewhere {
                true => mesh::look_beside(&reach, &product).await,
                false => {
                    let asked = Look { reach, monitors: self.monitors.clone(), writes: self.write };
                    mesh::look(&asked, &product).await
                }
            });
        }
        match around.door() {
            Ok(door) => findings.extend(ask(&door.url, &door.link).await),
            Err(_) if self.nats.is_some() => {}
            Err(_) => findings.push(
                Finding::note("fleet", "no token is known, so none was asked")
                    .next("gigamesh dev, or --url and --token-file"),
            ),
        }
        let worst = findings.iter().map(|finding| finding.state).max();
        say.data(&json!({ "apiVersion": "fleet/v1", "findings": findings }));
        let rows: Vec<Vec<String>> = findings.iter().map(Finding::in_columns).collect();
        say.table(&cli::table(&["CHECK", "STATE", "FOUND"], &rows));
        if worst == Some(State::Bad) {
            return Err(Trouble::failed("something is not as it should be"));
        }
        Ok(())
    }
}

impl Finding {
    fn ok(what: &'static str, said: impl Into<String>) -> Self {
        Self { what, state: State::Ok, said: said.into(), next: None }
    }

    fn note(what: &'static str, said: impl Into<String>) -> Self {
        Self { state: State::Note, ..Self::ok(what, said) }
    }

    fn bad(what: &'static str, said: impl Into<String>) -> Self {
        Self { state: State::Bad, ..Self::ok(what, said) }
    }

    fn in_columns(&self) -> Vec<String> {
        let state = match self.state {
            State::Ok => "ok",
            State::Note => "note",
            State::Bad => "BAD",
        };
        let next = self.next.as_ref().map(|next| format!("; try {next}"));
        let said = format!("{}{}", self.said, next.unwrap_or_default());
        vec![self.what.to_owned(), state.to_owned(), said]
    }

    fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// How fast somebody answers, and how far its clock is from ours.
#[derive(Clone, Copy, Debug)]
struct Clocked {
    fastest: Duration,
    skew: Option<Duration>,
}

impl Clocked {
    fn findings(self, who: &str) -> Vec<Finding> {
        let answers = format!("{who} answers in {:.1?}", self.fastest);
        let mut findings = vec![Finding::ok("fleet", answers)];
        findings.extend(self.skew.map(|skew| {
            if skew > SKEW {
                Finding::note("clock", format!("differs from the fleet's by {skew:.1?}"))
            } else {
                Finding::ok("clock", format!("within {SKEW:?} of the fleet's"))
            }
        }));
        findings
    }
}

async fn ask(url: &str, link: &OverHttp) -> Vec<Finding> {
    match clocked(async |ask, patience| link.call(ask, patience).await).await {
        Ok(found) => found.findings(url),
        Err(error) => {
            let said = format!("{url} does not answer: {error}");
            vec![Finding::bad("fleet", said).next("gigamesh dev")]
        }
    }
}

async fn clocked(
    call: impl AsyncFn(&OfProduct, Patience) -> Result<Found, CallError>,
) -> Result<Clocked, CallError> {
    let system = System::start();
    let mut clocked = Clocked { fastest: Duration::MAX, skew: None };
    for _ in 0..CALLS {
        let until = system.now().plus(PATIENCE);
        let patience = Patience { request_id: system.mint(), until, span: PATIENCE };
        let began = system.uptime();
        let found = call(&OfProduct { query: AboutProduct::Stats, named: None }, patience).await?;
        let took = system.uptime().saturating_sub(began);
        clocked.fastest = clocked.fastest.min(took);
        let told = found.items.first().and_then(|stats| stats.get("serverTime")?.as_str());
        let theirs = told.and_then(|time| time.parse::<fleet::Timestamp>().ok());
        let ours = system.now();
        clocked.skew = theirs.map(|theirs| theirs.since(ours).max(ours.since(theirs)));
    }
    Ok(clocked)
}
