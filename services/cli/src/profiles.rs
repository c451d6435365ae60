//! Verbs about profiles: what there is, what one says, and another version of it.

use std::num::NonZeroU32;
use std::path::Path;

use fleet::{ProfileRef, Snapshot};
use protocol::{AboutProduct, OfProduct};
use serde_json::json;

use crate::args::{Profiles, ProfilesVerb, PutProfile};
use crate::desk::Desk;
use crate::exit::Exit;
use crate::jobs;
use crate::shape;
use crate::submit::text_of;
use crate::trouble::Trouble;

const LIST: &str = "gigamesh profiles";

pub(crate) async fn carry_out(
    desk: &mut Desk,
    wanted: Profiles,
    folder: &Path,
) -> Result<Exit, Trouble> {
    match wanted.verb {
        None | Some(ProfilesVerb::List) => {
            jobs::product(desk, AboutProduct::Profiles, &shape::PROFILE).await
        }
        Some(ProfilesVerb::Get { profile }) => get(desk, profile).await,
        Some(ProfilesVerb::Put(wanted)) => put(desk, wanted, folder).await,
    }
}

async fn get(desk: &mut Desk, profile: ProfileRef) -> Result<Exit, Trouble> {
    let named = String::from(profile);
    let ask = OfProduct { query: AboutProduct::Profiles, named: Some(named.clone()) };
    let found = desk.ask(&ask).await.map_err(|no| no.naming("profile", &named, LIST))?;
    let found = found.items.into_iter().next().ok_or_else(|| missing(&named))?;
    let now = desk.now();
    desk.printer.one(&shape::VERSION, &found, now)?;
    Ok(Exit::Done)
}

async fn put(desk: &mut Desk, wanted: PutProfile, folder: &Path) -> Result<Exit, Trouble> {
    let PutProfile { profile: ProfileRef { name, version }, file } = wanted;
    let Some(version) = version.and_then(NonZeroU32::new) else {
        return Err(Trouble::usage("which version?").next(format!("{LIST} put {name}@1 {file}")));
    };
    let text = text_of(desk, folder, &file)?;
    let snapshot: Snapshot = serde_json::from_str(&text).map_err(|why| {
        let what = format!("{file} says no profile");
        let next = "write JSON like {\"engine\": \"shell\", \"args\": [], \"env\": {}}";
        Trouble::new(Exit::Error, what).because(why.to_string()).next(next)
    })?;
    let stands = desk.order(&protocol::PutProfile { name, version, snapshot }).await?;
    let now = desk.now();
    desk.printer.one(&shape::STANDS, &json!(stands), now)?;
    Ok(Exit::Done)
}

fn missing(named: &str) -> Trouble {
    Trouble::new(Exit::NotFound, format!("there is no profile {named:?}")).next(LIST)
}
