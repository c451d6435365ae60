//! A code for a token, at the issuer that gave the code. Believes nothing of the answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::fetch::Fetcher;
use crate::issuer::{Issuer, Published};
use crate::json;
use crate::outcome::LoginRefused;
use crate::query::{encoded, written};

/// Secrets have some dozen letters.
const MAX_SECRET: u64 = 4 * 1024;

/// A code, and what shows that it was given to us.
pub(super) struct Redeemed<'a> {
    pub(super) code: &'a str,
    /// The issuer compares it with where it sent them.
    pub(super) redirect: &'a str,
    pub(super) verifier: &'a str,
}

impl Redeemed<'_> {
    /// The identity token.
    pub(super) async fn at(
        &self,
        fetcher: &Fetcher,
        issuer: &Issuer,
        published: &Published,
    ) -> Result<String, LoginRefused> {
        let url = published.token.clone().ok_or(LoginRefused::Away)?;
        let client = &issuer.provider.client;
        let secret = secret(issuer).await?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", self.code),
            ("redirect_uri", self.redirect),
            ("client_id", &client.id),
            ("code_verifier", self.verifier),
        ];
        let mut authorization = None;
        match &secret {
            Some(secret) if published.secret_in_form => form.push(("client_secret", secret)),
            Some(secret) => {
                let pair = format!("{}:{}", encoded(&client.id), encoded(secret));
                authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
            }
            None => {}
        }
        let sent = fetcher.post(url, authorization, written(&form)).await;
        let (status, body) = sent.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(issuer = %issuer.provider.issuer, error, "a code cannot be redeemed");
            LoginRefused::Away
        })?;
        judged(issuer, status, &body)
    }
}

fn judged(issuer: &Issuer, status: StatusCode, body: &[u8]) -> Result<String, LoginRefused> {
    let answer = json::object(body);
    let said = |name: &str| answer.as_ref().and_then(|answer| json::text(answer, name));
    if status == StatusCode::OK {
        return said("id_token").map(str::to_owned).ok_or(LoginRefused::Away);
    }
    // A closed list of words, so nothing of a token is in it.
    let plain = |word: &&str| word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_graphic());
    let reason = said("error").filter(plain).unwrap_or("none");
    let (issuer, status) = (&issuer.provider.issuer, status.as_u16());
    tracing::warn!(%issuer, status, reason, "an issuer does not redeem a code");
    if (400..500).contains(&status) { Err(LoginRefused::Declined) } else { Err(LoginRefused::Away) }
}

/// Read each time, so that a new secret needs no restart.
async fn secret(issuer: &Issuer) -> Result<Option<String>, LoginRefused> {
    let Some(path) = &issuer.provider.client.secret else { return Ok(None) };
    let mut text = String::new();
    let read = match File::open(path).await {
        Ok(file) => file.take(MAX_SECRET).read_to_string(&mut text).await,
        Err(error) => Err(error),
    };
    if let Err(error) = read {
        let (issuer, error) = (&issuer.provider.issuer, &error as &dyn std::error::Error);
        tracing::error!(%issuer, error, "the secret of an issuer cannot be read");
        return Err(LoginRefused::Away);
    }
    Ok(Some(text.trim().to_owned()))
}
