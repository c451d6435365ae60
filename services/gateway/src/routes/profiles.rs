//! Recipes of engines: looked at by their names and versions, and made, each version once.

use axum::http::StatusCode;
use fleet::{ProfileName, ProfileRef};
use protocol::{AboutProduct, Code, OfProduct, PutProfile};
use serde_json::{Value, json};

use crate::heard::Heard;
use crate::problem::{Answer, Refusal};
use crate::routes::{json as answered, ok};

pub(crate) async fn list(heard: Heard) -> Answer {
    let ask = OfProduct { query: AboutProduct::Profiles, named: None };
    Ok(ok(&heard.ask(&ask).await?))
}

pub(crate) async fn newest(heard: Heard) -> Answer {
    let name = name_of(&heard)?;
    one(&heard, ProfileRef { name, version: None }).await
}

pub(crate) async fn version(heard: Heard) -> Answer {
    let name = name_of(&heard)?;
    let version = heard.named(1).parse().map_err(|_| heard.refused(Code::NotFound))?;
    one(&heard, ProfileRef { name, version: Some(version) }).await
}

pub(crate) async fn put(heard: Heard) -> Answer {
    let given = [("name", json!(heard.named(0))), ("version", counted(heard.named(1)))];
    let ask: PutProfile = heard.completed(&given)?;
    let stands = heard.ask(&ask).await?;
    let made = stands.outcome == "created";
    Ok(answered(if made { StatusCode::CREATED } else { StatusCode::OK }, &stands))
}

async fn one(heard: &Heard, named: ProfileRef) -> Answer {
    let ask = OfProduct { query: AboutProduct::Profiles, named: Some(named.into()) };
    let found = heard.ask(&ask).await?.items.into_iter().next();
    Ok(ok(&found.ok_or_else(|| heard.refused(Code::NotFound))?))
}

fn name_of(heard: &Heard) -> Result<ProfileName, Refusal> {
    heard.named(0).parse().map_err(|_| heard.refused(Code::NotFound))
}

/// As a body would say it; what is no number is refused as one that is none.
fn counted(written: &str) -> Value {
    written.parse::<u64>().map_or_else(|_| json!(written), Value::from)
}
