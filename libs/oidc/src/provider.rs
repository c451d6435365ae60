//! The issuers that are trusted, as their settings file says, every fault of it named. Fetches
//! nothing, and keeps no secret: a secret is read from its file when it is needed.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Url;

use crate::algorithm::Algorithm;

/// One issuer, and how its people are known here. Only made from checked settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    pub(crate) name: Box<str>,
    pub(crate) issuer: Box<str>,
    pub(crate) audience: BTreeSet<String>,
    pub(crate) algorithms: BTreeSet<Algorithm>,
    pub(crate) product_claim: Box<str>,
    pub(crate) role_claim: Box<str>,
    pub(crate) client: Client,
}

/// Us, as the issuer knows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: Box<str>,
    /// Where its secret lies; a client without one proves itself by PKCE alone.
    pub(crate) secret: Option<PathBuf>,
    /// Where people come back to; without one, nobody logs in by this provider.
    pub(crate) redirect: Option<Box<str>>,
}

/// What is wrong with a setting, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Like `provider[0].issuer`.
    pub field: String,
    pub message: String,
}

/// Everything that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl Provider {
    /// The providers of a TOML text: a table `[[provider]]` for each.
    ///
    /// # Errors
    /// Every fault that could be found.
    pub fn from_toml(text: &str) -> Result<Vec<Self>, Faults> {
        let document = toml::from_str(text).map_err(|why| unreadable(&why.message()))?;
        read::providers(document)
    }

    /// The providers of a JSON text: `{"provider": [{…}]}`, with the same keys.
    ///
    /// # Errors
    /// Every fault that could be found.
    pub fn from_json(text: &str) -> Result<Vec<Self>, Faults> {
        let unread = || unreadable(&"it is no JSON object, or holds a key twice");
        read::providers(crate::json::object(text.as_bytes()).ok_or_else(unread)?)
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The path that people come back to from a login, where they can.
    #[must_use]
    pub fn callback(&self) -> Option<String> {
        let redirect = self.client.redirect.as_deref()?;
        Url::parse(redirect).ok().map(|url| url.path().to_owned())
    }

    /// Where its secret lies.
    #[must_use]
    pub fn secret_file(&self) -> Option<&Path> {
        self.client.secret.as_deref()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Fault { field, message }) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(out, "{between}{field}: {message}")?;
        }
        Ok(())
    }
}

fn unreadable(why: &dyn fmt::Display) -> Faults {
    Faults(vec![Fault { field: "providers".into(), message: why.to_string() }])
}
