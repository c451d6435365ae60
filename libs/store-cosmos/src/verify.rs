//! Whether an account holds what was made there, as it was made. Looks, and makes nothing.

use azure_core::http::StatusCode;
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::clients::ContainerClient;
use serde::de::Error;
use store::Revision;

use crate::containers::{CONTROL, Container, Control, META, all, differences};
use crate::link::{Link, code, is_absent};
use crate::trouble::{Fault, Trouble};

/// The control record and its tag, where it was written.
pub(crate) async fn stored_control(link: &Link) -> Result<Option<(Control, Revision)>, Trouble> {
    let container = link.container(CONTROL).await?;
    read_control(link, &container).await
}

pub(crate) async fn read_control(
    link: &Link,
    container: &ContainerClient,
) -> Result<Option<(Control, Revision)>, Trouble> {
    match Box::pin(container.read_item(META, META, None)).await {
        Ok(found) => {
            let tag = found.headers().etag().map(ToString::to_string);
            let control = found.into_body().single().map(|body| serde_json::from_slice(&body));
            let control = control.map_err(|error| Trouble::BadControl(error.into()))?;
            let tag = tag.ok_or_else(|| serde_json::Error::missing_field("_etag"));
            let both = control.and_then(|control| Ok((control, Revision::text(&tag?))));
            both.map(Some).map_err(|error| Trouble::BadControl(error.into()))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(link.trouble(error)),
    }
}

/// The record that `init` leaves.
pub(crate) async fn control(link: &Link) -> Result<Control, Trouble> {
    let found = stored_control(link).await?;
    let found = found.map(|(control, _)| control);
    found.ok_or_else(|| Trouble::NotMade { what: "the record of what was made".into() })
}

/// All that is missing or otherwise, in the order of the containers.
pub(crate) async fn faults(link: &Link, containers: &[Container]) -> Result<Vec<Fault>, Trouble> {
    let mut faults = Vec::new();
    for (name, partitioned_by) in all(containers) {
        match look(link, name, partitioned_by).await? {
            Some(found) => faults.extend(found),
            None => faults.push(Fault::missing(name)),
        }
    }
    Ok(faults)
}

/// What is otherwise of one container; nothing where there is none.
pub(crate) async fn look(
    link: &Link,
    name: &'static str,
    partitioned_by: &str,
) -> Result<Option<Vec<Fault>>, Trouble> {
    let container = match link.container(name).await {
        Ok(container) => container,
        Err(Trouble::NotMade { .. }) => return Ok(None),
        Err(other) => return Err(other),
    };
    let found = match Box::pin(container.read(None)).await {
        Ok(found) => found,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(link.trouble(error)),
    };
    let found = found.into_model().map_err(|error| link.trouble(error))?;
    Ok(Some(differences(name, partitioned_by, &found)))
}

fn is_gone(error: &CosmosError) -> bool {
    code(error) == StatusCode::NotFound
}

/// What is gone, or was replaced, since the store was opened. One point read as long as all is
/// well.
pub(crate) async fn losses(
    link: &Link,
    known: &Control,
    container: &ContainerClient,
) -> Result<Vec<Fault>, Trouble> {
    let found = read_control(link, container).await?;
    let found = found.map_or_else(|| "none".to_owned(), |(control, _)| control.generation);
    if found == known.generation {
        return Ok(Vec::new());
    }
    let (container, wanted) = (CONTROL.to_owned(), known.generation.clone());
    Ok(vec![Fault { container, setting: "generation", found, wanted }])
}
