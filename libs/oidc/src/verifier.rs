//! The door for bearer tokens: which configured issuer made this one, and who comes with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use auth::Principal;
use clock::Clock;

use crate::fetch::Fetcher;
use crate::issuer::Issuer;
use crate::outcome::NotOurs;
use crate::provider::Provider;
use crate::token::Token;

/// Issuers by their addresses.
pub(crate) type Issuers = BTreeMap<Box<str>, Issuer>;

/// Recognises people by tokens of the configured issuers.
#[derive(Clone, Debug)]
pub struct Verifier {
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) fetcher: Fetcher,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Verifier {
    /// Fetches nothing yet. To be used within a runtime, where it fetches what it needs beside
    /// those who wait for it; with the last of its clones that ends.
    #[must_use]
    pub fn over(providers: Vec<Provider>, clock: Arc<dyn Clock>) -> Self {
        let fetcher = Fetcher::new();
        let issuer = |provider: Provider| {
            let place = provider.issuer.clone();
            (place, Issuer::new(provider, fetcher.clone(), Arc::clone(&clock)))
        };
        let issuers = Arc::new(providers.into_iter().map(issuer).collect());
        Self { issuers, fetcher, clock }
    }

    /// Who comes with this token.
    ///
    /// # Errors
    /// It is not believed. What it says is then known to nobody.
    pub async fn recognise(&self, token: &str) -> Result<Principal, NotOurs> {
        let token = Token::read(token)?;
        let issuer = self.issuers.get(token.issuer()).ok_or(NotOurs::Stranger)?;
        let Provider { audience, product_claim, role_claim, .. } = &issuer.provider;
        let claims = issuer.believe(token, audience).await?;
        claims.principal(&issuer.provider.issuer, product_claim, role_claim)
    }
}
