//! Whether the bytes of artifacts can be kept where it was said: a blob of its own is written,
//! read, opened by a link and removed. Leaves nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use blob::{BlobKey, Blobs, Deed, Label, Shown};
use clock::{Clock, Ids, System};
use futures_util::stream;
use node::open::{self, BlobsChoice};

use crate::doctor::Finding;
use crate::place::Place;
use crate::trouble::Trouble;

const PROBE: &[u8] = b"gigamesh doctor\n";
const LINK_LIFE: Duration = Duration::from_mins(1);
const WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn look(place: &Place, data: &Path) -> Result<Vec<Finding>, Trouble> {
    let usual = data.join("blobs");
    let choice = match place.said()? {
        Some(choice) => choice,
        None if usual.is_dir() => BlobsChoice::Disk(usual),
        None => return Ok(vec![Finding::note("blobs", format!("none in {}", data.display()))]),
    };
    Ok(match tokio::time::timeout(WITHIN, tried(&choice)).await {
        Ok(Ok(findings)) => findings,
        Ok(Err(trouble)) => vec![Finding::bad("blobs", format!("{choice}: {}", why(&trouble)))],
        Err(_) => vec![Finding::bad("blobs", format!("{choice} did not answer in {WITHIN:?}"))],
    })
}

fn why(trouble: &Trouble) -> String {
    trouble.0.why.join(": ")
}

async fn tried(choice: &BlobsChoice) -> Result<Vec<Finding>, Trouble> {
    let system = Arc::new(System::start());
    let blobs = open::blobs(choice, Arc::<System>::clone(&system))?;
    let key: BlobKey =
        format!("doctor/{}", system.mint()).parse().map_err(|error| Trouble::defect(&error))?;
    let began = system.uptime();
    let told = there_and_back(&blobs, &key).await;
    let took = system.uptime().saturating_sub(began);
    let link = linked(&blobs, &key, &system).await;
    let gone = blobs.remove(&key).await;
    let failed =
        |error: &dyn std::error::Error| Trouble::failed("blobs are not kept").caused_by(error);
    let whole = told.map_err(|error| failed(&*error))?;
    gone.map_err(|error| failed(&error))?;
    if !whole {
        return Ok(vec![Finding::bad("blobs", format!("{choice} gives back other bytes"))]);
    }
    Ok(vec![Finding::ok("blobs", format!("{choice}: there and back in {took:.1?}")), link])
}

type Why = Box<dyn std::error::Error + Send + Sync>;

async fn there_and_back(blobs: &Blobs, key: &BlobKey) -> Result<bool, Why> {
    let pieces = stream::iter([Ok(PROBE.into())]);
    let written = blobs.write(key, pieces, PROBE.len() as u64).await?;
    Ok(blobs.count(key).await? == written)
}

/// A link of the place itself is not followed: only what it is signed with is tried.
async fn linked(blobs: &Blobs, key: &BlobKey, clock: &System) -> Finding {
    let Label { content_type, name } = Label::default();
    let shown = Shown { deed: Deed::Read, key: key.clone(), content_type, name, most: 0 };
    match blobs.grant(shown, LINK_LIFE, clock.now()).await {
        Ok(grant) if grant.url.starts_with('/') => {
            Finding::ok("links", "signed here, and served by the gateway")
        }
        Ok(_) => Finding::ok("links", "signed by the place itself, past the gateway"),
        Err(error) => {
            let trouble = Trouble::failed("no link can be signed").caused_by(&error);
            Finding::bad("links", why(&trouble))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[tokio::test]
    async fn a_folder_that_keeps_blobs_is_found_fit_and_left_as_it_was() {
        let data = tempfile::tempdir().unwrap();
        let none = look(&Place::default(), data.path()).await.unwrap();
        assert_eq!(none.iter().map(|f| f.state).collect::<Vec<_>>(), [State::Note]);
        assert!(!data.path().join("blobs").exists(), "a look makes nothing");
        std::fs::create_dir(data.path().join("blobs")).unwrap();
        let fit = look(&Place::default(), data.path()).await.unwrap();
        assert_eq!(
            fit.iter().map(|f| (f.what, f.state)).collect::<Vec<_>>(),
            [("blobs", State::Ok), ("links", State::Ok)]
        );
        let left = std::fs::read_dir(data.path().join("blobs")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".link-key"]);
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_is_named_with_its_cause() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir(data.path().join("blobs")).unwrap();
        std::fs::create_dir(data.path().join("blobs/.link-key")).unwrap();
        let found = look(&Place::default(), data.path()).await.unwrap();
        assert_eq!(
            found.iter().map(|f| (f.what, f.state)).collect::<Vec<_>>(),
            [("blobs", State::Bad)]
        );
        assert!(found[0].said.contains("folder of blobs"), "{found:?}");
    }
}
