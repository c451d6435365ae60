//! Logging in through an issuer: people are sent there and come back with a code, which is redeemed
//! for what the issuer says of them. Decides nothing about accounts; whoever does links them by
//! issuer and subject, never by an address that the issuer did not verify.

mod kept;
mod redeem;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth::Binding;
use clock::Clock;
use fleet::ProductId;
use subtle::ConstantTimeEq;

use crate::claims::Claims;
use crate::fetch::Fetcher;
use crate::issuer::{Issuer, Published};
use crate::outcome::{LoginRefused, NotOurs};
use crate::query;
use crate::seal::SealKeys;
use crate::spent::{Seen, Spent};
use crate::token::Token;
use crate::verifier::{Issuers, Verifier};
use kept::Begun;
use redeem::Redeemed;

const SCOPES: &str = "openid email profile";
/// Between leaving and coming back.
const LIFE: Duration = Duration::from_mins(10);
/// Issuers' codes have a few hundred letters.
const MAX_CODE: usize = 4 * 1024;
const MAX_EMAIL: usize = 254;
const MAX_NAME: usize = 256;

/// Lets people in by the configured issuers.
#[derive(Debug)]
pub struct Login {
    issuers: Arc<Issuers>,
    fetcher: Fetcher,
    clock: Arc<dyn Clock>,
    seal: SealKeys,
    spent: Spent,
}

/// Where the browser goes next, and what it keeps meanwhile.
#[derive(Debug)]
pub struct Redirect {
    pub location: String,
    pub keep: Keep,
}

/// The value of a cookie for the way there and back. It must be `HttpOnly`, and `SameSite=Lax`:
/// the way back begins at the issuer, where a strict one stays behind.
pub struct Keep {
    pub value: String,
    pub life: Duration,
}

/// What the issuer says of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub issuer: String,
    /// Unique at this issuer, for ever. With the issuer it is the only link to an account.
    pub subject: String,
    pub email: Option<String>,
    /// Without this, the address is hearsay.
    pub email_verified: bool,
    pub name: Option<String>,
    /// The products that the token brings, as a bearer token's would.
    pub bindings: BTreeMap<ProductId, Binding>,
}

impl Login {
    /// By the verifier's issuers, with its keys.
    #[must_use]
    pub fn over(verifier: &Verifier, seal: SealKeys) -> Self {
        let Verifier { issuers, fetcher, clock } = verifier.clone();
        Self { issuers, fetcher, clock, seal, spent: Spent::for_a(LIFE) }
    }

    /// The way to the issuer. Where people come back to is the provider's setting; nothing of the
    /// request has a part in it.
    ///
    /// # Errors
    /// There is no such provider, or its issuer is away.
    pub async fn start(&self, provider: &str) -> Result<Redirect, LoginRefused> {
        let (issuer, redirect) = self.provider(provider)?;
        let published = reached(issuer).await?;
        let mut url = published.authorization.clone().ok_or(LoginRefused::Away)?;
        let begun = Begun::now(provider, self.clock.now().plus(LIFE))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &issuer.provider.client.id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", SCOPES)
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &begun.challenge())
            .append_pair("code_challenge_method", "S256");
        let value = self.seal.seal(&begun.written())?;
        Ok(Redirect { location: url.into(), keep: Keep { value, life: LIFE } })
    }

    /// Who came back, by the query of the address and what the browser kept.
    ///
    /// # Errors
    /// It is not believed, or the issuer declined or is away. The login has to be begun again.
    pub async fn finish(
        &self,
        provider: &str,
        query: &str,
        kept: &str,
    ) -> Result<Known, LoginRefused> {
        let (issuer, redirect) = self.provider(provider)?;
        let begun = self.seal.open(kept).and_then(|kept| Begun::read(&kept));
        let begun = begun.ok_or(LoginRefused::Unasked)?;
        let told = query::read(query).ok_or(LoginRefused::Unasked)?;
        let told = |name: &str| told.get(name).map(String::as_str);
        let state = told("state").unwrap_or_default();
        let asked = same(state, &begun.state) && begun.provider == provider;
        if !asked || self.clock.now() >= begun.until {
            return Err(LoginRefused::Unasked);
        }
        match self.spent.spend(state, self.clock.now()) {
            Seen::First => {}
            Seen::Again => return Err(LoginRefused::Unasked),
            Seen::Full => return Err(LoginRefused::Busy),
        }
        let published = reached(issuer).await?;
        of_this_issuer(issuer, &published, told("iss"))?;
        if told("error").is_some() {
            return Err(LoginRefused::Declined);
        }
        let code = told("code").filter(|code| (1..=MAX_CODE).contains(&code.len()));
        let code = code.ok_or(LoginRefused::Unasked)?;
        let redeemed = Redeemed { code, redirect, verifier: &begun.verifier };
        let answer = redeemed.at(&self.fetcher, issuer, &published).await?;
        believed(issuer, &answer, &begun.nonce).await.map_err(LoginRefused::Unproven)
    }

    /// One that people log in by, and where they come back to.
    fn provider(&self, name: &str) -> Result<(&Issuer, &str), LoginRefused> {
        let named = |issuer: &&Issuer| issuer.provider.name() == name;
        let issuer = self.issuers.values().find(named).ok_or(LoginRefused::Unknown)?;
        let redirect = issuer.provider.client.redirect.as_deref();
        Ok((issuer, redirect.ok_or(LoginRefused::Unknown)?))
    }
}

impl fmt::Debug for Keep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Keep(hidden, for {:?})", self.life)
    }
}

/// What is published, if people can log in by it.
async fn reached(issuer: &Issuer) -> Result<Arc<Published>, LoginRefused> {
    let both = |it: &Published| it.authorization.is_some() && it.token.is_some();
    issuer.published(both).await.filter(|it| both(it)).ok_or(LoginRefused::Away)
}

/// A code of one issuer must not be carried to another.
fn of_this_issuer(
    issuer: &Issuer,
    published: &Published,
    told: Option<&str>,
) -> Result<(), LoginRefused> {
    match told {
        Some(told) if told == &*issuer.provider.issuer => Ok(()),
        None if !published.names_itself => Ok(()),
        Some(_) | None => Err(LoginRefused::Unasked),
    }
}

async fn believed(issuer: &Issuer, token: &str, nonce: &str) -> Result<Known, NotOurs> {
    let provider = &issuer.provider;
    let us = BTreeSet::from([provider.client.id.to_string()]);
    let claims = issuer.believe(Token::read(token)?, &us).await?;
    let said = |name: &str| crate::json::text(&claims.0, name);
    if !same(said("nonce").unwrap_or_default(), nonce) {
        return Err(NotOurs::Misdirected);
    }
    if claims.0.contains_key("azp") && said("azp") != Some(&*provider.client.id) {
        return Err(NotOurs::Misdirected);
    }
    claims.moment("iat")?.ok_or(NotOurs::Untimely)?;
    known(issuer, &claims)
}

fn known(issuer: &Issuer, claims: &Claims) -> Result<Known, NotOurs> {
    let provider = &issuer.provider;
    let said = |name: &str, most: usize| {
        let fits = |text: &&str| {
            !text.is_empty() && text.len() <= most && !text.chars().any(char::is_control)
        };
        crate::json::text(&claims.0, name).filter(fits).map(str::to_owned)
    };
    let email = said("email", MAX_EMAIL).filter(|email| email.contains('@'));
    // Some issuers write the word in quotes.
    let verified = claims.0.get("email_verified");
    let verified = verified.is_some_and(|it| *it == true || *it == "true");
    Ok(Known {
        issuer: provider.issuer.to_string(),
        subject: claims.subject()?.to_owned(),
        email_verified: verified && email.is_some(),
        email,
        name: said("name", MAX_NAME),
        bindings: claims.bindings(&provider.product_claim, &provider.role_claim),
    })
}

/// In a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    !other.is_empty() && bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}
