//! The one place that makes containers, for an operator's explicit word. It never fills a gap by
//! itself: what was there and is not is data loss until somebody says otherwise.

use azure_core::http::{Etag, StatusCode};
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use store::Revision;

use crate::account::Options;
use crate::containers::{CONTROL, Container, Control, META, all, properties};
use crate::link::{Link, code};
use crate::trouble::{Fault, Trouble};
use crate::verify;

/// Makes the database and what is missing in a new account, and the containers of kinds that are
/// new in one that is in use; repeated, it changes nothing. `generation` is any text that no store
/// had before. Where the credential may not make containers, those that infrastructure made are
/// verified and taken.
///
/// # Errors
/// When a container that was made before is gone, or one is set otherwise.
pub async fn init(
    options: &Options,
    containers: &[Container],
    new_generation: bool,
    generation: &str,
) -> Result<(), Trouble> {
    let link = Link::connect(options).await?;
    let mut missing = Vec::new();
    let mut faults = Vec::new();
    for (name, partitioned_by) in all(containers) {
        match verify::look(&link, name, partitioned_by).await? {
            Some(found) => faults.extend(found),
            None => missing.push((name, partitioned_by)),
        }
    }
    let is_new = missing.iter().any(|(name, _)| *name == CONTROL);
    let before = if is_new { None } else { verify::stored_control(&link).await? };
    let known = before.as_ref().map(|(control, _)| control.containers.clone());
    let known = known.unwrap_or_default();
    let lost = missing.iter().filter(|(name, _)| known.iter().any(|made| made == name));
    faults.extend(lost.filter(|_| !new_generation).map(|(name, _)| Fault::missing(name)));
    if !faults.is_empty() {
        return Err(Trouble::Faults(faults));
    }
    if !missing.is_empty() {
        link.make_database().await?;
    }
    for (name, partitioned_by) in missing {
        make(&link, name, partitioned_by).await?;
    }
    // † containers made, no record: the next init finds them and goes on.
    let mut made =
        [known, all(containers).iter().map(|(name, _)| (*name).to_owned()).collect()].concat();
    made.sort();
    made.dedup();
    let keeps = before.as_ref().filter(|_| !new_generation).map(|(old, _)| old.generation.clone());
    let control = Control::new(keeps.unwrap_or_else(|| generation.to_owned()), made);
    match before {
        Some((before, _)) if before == control => Ok(()),
        Some((_, at)) => write(&link, &control, Some(&at)).await,
        None => write(&link, &control, None).await,
    }
}

async fn make(link: &Link, name: &'static str, partitioned_by: &str) -> Result<(), Trouble> {
    let properties = properties(name, partitioned_by);
    match Box::pin(link.database.create_container(properties, None)).await {
        Ok(_) => Ok(()),
        // Another init was quicker, or our own first try was heard.
        Err(error) if code(&error) == StatusCode::Conflict => Ok(()),
        Err(error) => Err(link.trouble(error)),
    }
}

/// Two at once: one of them finds the other's record and says so.
async fn write(link: &Link, control: &Control, at: Option<&Revision>) -> Result<(), Trouble> {
    let container = link.container(CONTROL).await?;
    let written = match at.and_then(Revision::as_text) {
        None => Box::pin(container.create_item(META, META, control, None)).await,
        Some(at) => {
            let at = Precondition::IfMatch(Etag::from(at.to_owned()));
            let at = Some(ItemWriteOptions::default().with_precondition(at));
            Box::pin(container.replace_item(META, META, control, at)).await
        }
    };
    let Err(error) = written else { return Ok(()) };
    let stands = verify::read_control(link, &container).await?;
    match stands {
        Some((stands, _)) if stands == *control => Ok(()),
        _ => Err(link.trouble(error)),
    }
}
