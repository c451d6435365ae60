//! Verbs about artifacts: what a job left behind is listed, fetched, brought and removed. Bytes are
//! streamed both ways; a file is there whole, or not at all.

mod fetched;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use client::{FetchError, Freight};
use fleet::{ArtifactId, ArtifactKind, LARGEST_ARTIFACT};
use futures_util::stream;
use protocol::{LinkArtifact, Linked, ListArtifacts, RemoveArtifact};
use serde_json::{Value, json};

use crate::args::{Artifacts, ArtifactsVerb, GetArtifact, PutArtifact};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::shape;
use crate::trouble::Trouble;

const PAGE: usize = 500;
/// What is read of a file at once.
const PIECE: usize = 256 << 10;
const SAY_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn carry_out(
    desk: &mut Desk,
    wanted: Artifacts,
    folder: &Path,
) -> Result<Exit, Trouble> {
    match (wanted.verb, wanted.job) {
        (Some(ArtifactsVerb::Get(get)), _) => get_one(desk, &get, folder).await,
        (Some(ArtifactsVerb::Put(put)), _) => put_one(desk, &put, folder).await,
        (Some(ArtifactsVerb::Rm { artifact }), _) => remove(desk, artifact).await,
        (None, Some(job)) => list(desk, &job, wanted.kind).await,
        (None, None) => Err(Trouble::usage("no job was named").next("gigamesh artifacts JOB")),
    }
}

async fn list(desk: &mut Desk, job: &str, kind: Option<ArtifactKind>) -> Result<Exit, Trouble> {
    let mut ask = ListArtifacts { job: job.to_owned(), kind, limit: Some(PAGE), cursor: None };
    let mut found: Vec<Value> = Vec::new();
    loop {
        let page = desk.ask(&ask).await.map_err(|no| no.naming("job", job, "gigamesh list"))?;
        found.extend(page.items.iter().filter_map(|one| serde_json::to_value(one).ok()));
        ask.cursor = page.next_cursor;
        if ask.cursor.is_none() {
            break;
        }
    }
    let now = desk.now();
    desk.printer.list(&shape::ARTIFACT, &found, now)?;
    Ok(Exit::Done)
}

async fn get_one(desk: &mut Desk, get: &GetArtifact, folder: &Path) -> Result<Exit, Trouble> {
    let id = get.artifact;
    let ask = LinkArtifact { artifact_id: id, factory_id: None };
    let linked = desk.ask(&ask).await.map_err(|no| named(no, id))?;
    if get.link {
        let url = whole(&desk.settings.url, &linked.link.url);
        desk.printer.text(&url)?;
        return Ok(Exit::Done);
    }
    let piped = !desk.printer.terminal.out.is_terminal && get.into.is_none();
    let to_output = piped || get.into.as_deref() == Some(Path::new("-"));
    let mut target = if to_output {
        None
    } else {
        let name = fetched::file_name(&linked.artifact);
        let path = get.into.as_ref().map_or_else(|| folder.join(name), |into| folder.join(into));
        Some(fetched::Partial::beside(path, desk.yes)?)
    };
    let fetching = desk.link.fetch(&linked.link).await;
    let mut bytes = fetching.map_err(|error| unfetched(desk, error, id))?;
    let mut checked = fetched::Checked::of(&linked.artifact);
    let mut said = Duration::ZERO;
    while let Some(piece) = bytes.next().await.map_err(|error| desk.refused(error))? {
        checked.pass(&piece);
        // Whoever sends more than there is might never end.
        checked.within(id)?;
        match &mut target {
            Some(partial) => partial.write(&piece)?,
            None => desk.printer.terminal.out.writer.write_all(&piece)?,
        }
        if desk.uptime().saturating_sub(said) >= SAY_EVERY {
            said = desk.uptime();
            desk.printer.progress(&how_far("fetched", checked.seen(), bytes.size));
        }
    }
    desk.printer.settle();
    checked.judge(id)?;
    match target {
        Some(partial) => {
            let path = partial.whole()?;
            desk.printer.talk(&format!("saved {} ({} bytes)", path.display(), checked.seen()));
        }
        None => desk.printer.terminal.out.writer.flush()?,
    }
    Ok(Exit::Done)
}

async fn put_one(desk: &mut Desk, put: &PutArtifact, folder: &Path) -> Result<Exit, Trouble> {
    let job_id = desk::id_of(&desk.job(&put.job).await?)?;
    let path = folder.join(&put.file);
    let unread = |error: io::Error| {
        Trouble::usage(format!("{} cannot be read", put.file.display())).because(error.to_string())
    };
    let file = File::open(&path).map_err(unread)?;
    let about = file.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(Trouble::usage(format!("{} is no file", put.file.display())));
    }
    if about.len() > LARGEST_ARTIFACT {
        let what = format!("{} is too large for an artifact", put.file.display());
        let why = format!("{} of at most {LARGEST_ARTIFACT} bytes", about.len());
        return Err(Trouble::new(Exit::Error, what).because(why));
    }
    let named = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let freight = Freight {
        job_id,
        kind: put.kind,
        name: put.name.clone().or(named),
        content_type: put.content_type.clone(),
        hold: None,
        quarantine: false,
        size: about.len(),
    };
    let sent = Arc::new(AtomicU64::new(0));
    let patience = desk.patience();
    let mut bringing =
        Box::pin(desk.link.upload(&freight, pieces(file, Arc::clone(&sent)), patience));
    let linked: Linked = loop {
        match tokio::time::timeout(SAY_EVERY, bringing.as_mut()).await {
            Ok(brought) => {
                let brought = brought.map_err(|error| desk.failed_to_change(error, patience));
                drop(bringing);
                break brought?;
            }
            Err(_) => {
                let sent = sent.load(Ordering::Relaxed);
                desk.printer.progress(&how_far("brought", sent, Some(freight.size)));
            }
        }
    };
    desk.printer.settle();
    let now = desk.now();
    // The link is for whoever asks for it, never for what keeps this output.
    desk.printer.one(&shape::ARTIFACT, &json!(linked.artifact), now)?;
    Ok(Exit::Done)
}

async fn remove(desk: &mut Desk, id: ArtifactId) -> Result<Exit, Trouble> {
    let ask = RemoveArtifact { artifact_id: id, hold: None };
    desk.say_once(&ask).await.map_err(|no| named(no, id))?;
    let removed = json!({ "id": id, "removed": true });
    desk.printer.told(&shape::ARTIFACT, &removed, &[format!("removed {id}")])?;
    Ok(Exit::Done)
}

fn named(no: Trouble, id: ArtifactId) -> Trouble {
    no.naming("artifact", &id.to_string(), "gigamesh artifacts JOB")
}

/// A file as it is read, a piece at a time.
fn pieces(
    file: File,
    sent: Arc<AtomicU64>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter(std::iter::from_fn({
        let mut file = Some(file);
        move || {
            let mut piece = vec![0; PIECE];
            match file.as_mut()?.read(&mut piece) {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    sent.fetch_add(read as u64, Ordering::Relaxed);
                    Some(Ok(piece.into()))
                }
                Err(error) => {
                    file = None;
                    Some(Err(error))
                }
            }
        }
    }))
}

fn unfetched(desk: &Desk, error: FetchError, id: ArtifactId) -> Trouble {
    match error {
        FetchError::Call(error) => desk.refused(error),
        FetchError::NoWay(why) => {
            Trouble::new(Exit::Error, "the link that was given is not followed")
                .because(why.to_string())
                .next(format!("gigamesh artifacts get {id} --link, to look at it"))
        }
        FetchError::Refused(status) => {
            Trouble::new(Exit::Unknown, "the link was given, and then opened nothing")
                .because(format!("the blob store answered {status}"))
                .next("repeat it: every time a fresh link is made")
        }
    }
}

/// An address of our own door in full.
fn whole(door: &str, url: &str) -> String {
    if url.starts_with('/') { format!("{}{url}", door.trim_end_matches('/')) } else { url.into() }
}

fn how_far(verb: &str, seen: u64, of: Option<u64>) -> String {
    const BAR: u64 = 24;
    let Some(of) = of.filter(|of| *of > 0) else {
        return format!("{verb} {}", shape::bytes(seen));
    };
    let done = (seen.min(of) * BAR / of).min(BAR);
    let bar: String = (0..BAR).map(|at| if at < done { '#' } else { '.' }).collect();
    let percent = seen.min(of) * 100 / of;
    format!("{verb} [{bar}] {percent:>3} % of {}", shape::bytes(of))
}
