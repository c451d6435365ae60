//! What lies in the folder of blobs and what points to it, each read where it is kept and past the
//! product. Asks the product to sweep and to audit, until nothing is found any more or it takes too
//! long; judges nothing itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, Request};
use clock::{Clock, Ids, System};
use fleet::{Artifact, ArtifactId, ProductId, Record};
use protocol::{Ask, AuditArtifacts, Header, SweepArtifacts};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::account::Account;
use crate::check;
use crate::freight::Freight;
use crate::streams;

/// What a fleet serves that was named no other.
const PRODUCT: &str = "local";
/// Of the names of those that keep pointers.
const POINTERS: &str = "KV_fleet_artifacts";
const POINTERS_OF_ACCOUNT: &str = "fleet_artifacts";
/// Of the keys of artifacts, and of the pieces of logs that are not closed.
const ARTIFACTS: &str = "fleet";
const PIECES: &str = "fleet-logs";
/// Every half minute the service looks for logs of runs that ended.
const CLOSED_WITHIN: Duration = Duration::from_secs(45);
/// Bytes by a link that was given before may come after a sweep.
const SWEPT_WITHIN: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_secs(1);

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stock {
    pub(crate) pointers: Vec<Artifact>,
    /// By their keys.
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// Of logs that were not closed in time, or again.
    pub(crate) pieces: Vec<String>,
    /// Writes that a crash cut short: they have no key, and a sweep spares them for a day.
    pub(crate) unfinished: usize,
    /// Pointers that the product itself finds without bytes; nothing where it did not answer.
    pub(crate) missing: Option<Vec<ArtifactId>>,
    /// Uploads that were given up and bytes that nobody pointed to: so many a sweep had removed.
    pub(crate) swept: (u64, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    /// Of logs alone.
    pub(crate) text: Vec<u8>,
}

/// Where to look, and whom to ask.
#[derive(Debug)]
pub(crate) struct Custody {
    pub(crate) link: Client,
    pub(crate) clock: Arc<System>,
    pub(crate) blobs: PathBuf,
    /// Where pointers are kept, unless it is in buckets.
    pub(crate) account: Option<Arc<Account>>,
}

impl Custody {
    /// As it is when nobody works any more: logs are closed without being asked for, then it is
    /// swept until nothing is left to find.
    pub(crate) async fn settled(&self, freight: &Freight) -> Result<Stock> {
        let context = jetstream::new(self.link.clone());
        let begun = self.clock.uptime();
        let late = |span: Duration| self.clock.uptime().saturating_sub(begun) > span;
        while !self.look()?.pieces.is_empty() && !late(CLOSED_WITHIN) {
            sleep(LOOK).await;
        }
        let unclosed = self.look()?.pieces;
        let mut swept = (0, 0);
        loop {
            let mut stock = self.swept(&context, &mut swept).await?;
            stock.pieces.extend(unclosed.iter().cloned());
            stock.swept = swept;
            let found = check::stock::check(&stock, freight);
            if found.is_empty() || late(CLOSED_WITHIN + SWEPT_WITHIN) {
                return Ok(stock);
            }
            sleep(LOOK).await;
        }
    }

    /// The bytes are looked at before the pointers: a pointer is made before its bytes come.
    async fn swept(&self, context: &Context, swept: &mut (u64, u64)) -> Result<Stock> {
        let answered = match Box::pin(self.ask(&SweepArtifacts { older_than_sec: 0 })).await {
            Ok(said) => {
                *swept = (swept.0 + said.pending, swept.1 + said.blobs);
                Box::pin(self.ask(&AuditArtifacts {})).await
            }
            Err(error) => Err(error),
        };
        let mut stock = self.look()?;
        stock.pointers = match &self.account {
            Some(account) => block_in_place(|| pointers_of(account))?,
            None => pointers(context).await?,
        };
        stock.missing = answered.ok().map(|audited| audited.missing);
        Ok(stock)
    }

    fn look(&self) -> Result<Stock> {
        block_in_place(|| look(&self.blobs)).context("the folder of blobs cannot be read")
    }

    async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply> {
        let product: ProductId = PRODUCT.parse()?;
        let until = self.clock.now().plus(PATIENCE).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(Header::RequestId.as_str(), self.clock.mint().to_string().as_str());
        headers.insert(Header::Deadline.as_str(), until.as_str());
        let body = serde_json::to_vec(ask)?.into();
        let request = Request::new().headers(headers).payload(body).timeout(Some(PATIENCE));
        let subject = ask.subject(&product).to_string();
        let answer = self.link.send_request(subject, request).await?;
        let headers = answer.headers.unwrap_or_default();
        ensure!(headers.get(Header::Code.as_str()).is_none(), "it was refused");
        Ok(serde_json::from_slice(&answer.payload)?)
    }
}

async fn pointers(context: &Context) -> Result<Vec<Artifact>> {
    let mut pointers = Vec::new();
    let buckets = streams::names(context, POINTERS).await?;
    ensure!(!buckets.is_empty(), "nothing keeps pointers");
    for bucket in &buckets {
        // A removal leaves a mark without a body.
        for kept in streams::all(context, bucket).await?.iter().filter(|k| !k.payload.is_empty()) {
            pointers.push(Artifact::decode(&kept.payload).context("a pointer cannot be read")?);
        }
    }
    Ok(pointers)
}

fn pointers_of(account: &Account) -> Result<Vec<Artifact>> {
    let read = |record: Value| {
        Artifact::decode(&serde_json::to_vec(&record)?).context("a pointer cannot be read")
    };
    account.records(POINTERS_OF_ACCOUNT)?.into_iter().map(read).collect()
}

/// What lies below this folder; pointers are kept elsewhere.
pub(crate) fn look(folder: &Path) -> io::Result<Stock> {
    let mut stock = Stock::default();
    for file in files(folder)? {
        let Some(key) = file.strip_prefix(folder).ok().and_then(Path::to_str) else { continue };
        let root = key.split('/').next().unwrap_or_default();
        match root {
            ARTIFACTS | PIECES if is_unfinished(key) => stock.unfinished += 1,
            ARTIFACTS => {
                let Some(blob) = blob(&file, key)? else { continue };
                stock.blobs.insert(key.to_owned(), blob);
            }
            PIECES => stock.pieces.push(key.to_owned()),
            "staged" => stock.unfinished += 1,
            _ => {}
        }
    }
    Ok(stock)
}

/// As a folder names what is being written: no key has such an end.
fn is_unfinished(key: &str) -> bool {
    key.contains('#')
}

/// Nothing where it went meanwhile.
fn blob(file: &Path, key: &str) -> io::Result<Option<Blob>> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let size = bytes.len() as u64;
    let text = if key.ends_with("-log") { bytes } else { Vec::new() };
    Ok(Some(Blob { size, sha256, text }))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        let entries = match fs::read_dir(&next) {
            Ok(entries) => entries,
            // It was empty, and went with the last blob in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let place = if entry.file_type()?.is_dir() { &mut open } else { &mut files };
            place.push(entry.path());
        }
    }
    Ok(files)
}
