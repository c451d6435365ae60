//! What an issuer publishes of itself: the discovery document, and the keys that it names.

use reqwest::Url;
use serde_json::{Map, Value};

use crate::fetch::{self, Fetcher, Unfetched};
use crate::json;
use crate::keys::Keys;

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// An issuer's keys, and where it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) keys: Keys,
    /// Where people are sent to.
    pub(crate) authorization: Option<Url>,
    /// Where codes are redeemed.
    pub(crate) token: Option<Url>,
    /// It takes a client's secret in the form only.
    pub(crate) secret_in_form: bool,
    /// It names itself when people come back.
    pub(crate) names_itself: bool,
}

impl Published {
    pub(crate) async fn fetch(fetcher: &Fetcher, issuer: &str) -> Result<Self, Unfetched> {
        let place = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
        let place = fetch::address(&place).ok_or(Unfetched::Garbled)?;
        // Only an issuer on this host may send us to this host without TLS.
        let near = fetch::is_loopback(&place);
        let document = json::object(&fetcher.get(place).await?).ok_or(Unfetched::Garbled)?;
        // A document of another issuer at this address would lend it that one's keys.
        if json::text(&document, "issuer") != Some(issuer) {
            return Err(Unfetched::Garbled);
        }
        let named = |key: &str| {
            let url = fetch::address(json::text(&document, key)?)?;
            (near || url.scheme() == "https").then_some(url)
        };
        let keys = fetcher.get(named("jwks_uri").ok_or(Unfetched::Garbled)?).await?;
        Ok(Self {
            keys: Keys::read(&keys).ok_or(Unfetched::Garbled)?,
            authorization: named("authorization_endpoint"),
            token: named("token_endpoint"),
            secret_in_form: secret_in_form(&document),
            names_itself: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }
}

/// In a header is what every issuer must take; some say that they do not.
fn secret_in_form(document: &Map<String, Value>) -> bool {
    let ways = document.get("token_endpoint_auth_methods_supported").and_then(json::texts);
    ways.is_some_and(|ways| {
        ways.contains(&"client_secret_post") && !ways.contains(&"client_secret_basic")
    })
}
