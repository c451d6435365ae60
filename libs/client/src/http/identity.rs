//! Who somebody is, said at the HTTP door: tokens, the enrolment of factories, sessions. None of it
//! has a subject on the bus.

use fleet::FactoryId;
use hyper::Method;
use protocol::{
    AskReset, AuditShown, AuthUser, Bind, EnrollFactory, Enrolled, IssueToken, Issued, OnceCode,
    RotateToken, SignIn, SignUp, SignedIn, TokenShown,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::OverHttp;
use super::route::{self, Call, Shape};
use crate::{CallError, Patience};

/// All that there are.
#[derive(Deserialize)]
struct All<T> {
    items: Vec<T>,
}

impl OverHttp {
    /// # Errors
    /// As [`CallError`] tells; so does each of these.
    pub async fn tokens(&self, patience: Patience) -> Result<Vec<TokenShown>, CallError> {
        let all: All<TokenShown> = self.asked("/fleet/tokens", patience).await?;
        Ok(all.items)
    }

    /// # Errors
    /// As above.
    pub async fn issue(&self, asked: &IssueToken, patience: Patience) -> Result<Issued, CallError> {
        self.told(Method::POST, "/fleet/tokens", asked, patience).await
    }

    /// # Errors
    /// As above.
    pub async fn revoke(&self, id: &str, patience: Patience) -> Result<(), CallError> {
        let path = format!("/fleet/tokens/{}", route::encoded(id));
        self.told(Method::DELETE, &path, &json!({}), patience).await
    }

    /// # Errors
    /// As above.
    pub async fn enroll(
        &self,
        asked: &EnrollFactory,
        patience: Patience,
    ) -> Result<Enrolled, CallError> {
        self.told(Method::POST, "/fleet/factories/enroll", asked, patience).await
    }

    /// # Errors
    /// As above.
    pub async fn rotate(
        &self,
        factory: &FactoryId,
        asked: &RotateToken,
        patience: Patience,
    ) -> Result<Enrolled, CallError> {
        let path = format!("/fleet/factories/{}/token/rotate", route::encoded(factory.as_str()));
        self.told(Method::POST, &path, asked, patience).await
    }

    /// All tokens of a factory; with `fence` what it holds is taken from it at once.
    ///
    /// # Errors
    /// As above.
    pub async fn revoke_factory(
        &self,
        factory: &FactoryId,
        fence: bool,
        patience: Patience,
    ) -> Result<(), CallError> {
        let fence = if fence { "?fence=1" } else { "" };
        let factory = route::encoded(factory.as_str());
        let path = format!("/fleet/factories/{factory}/token/revoke{fence}");
        self.told(Method::POST, &path, &json!({}), patience).await
    }

    /// # Errors
    /// As above.
    pub async fn sign_in(&self, asked: &SignIn, patience: Patience) -> Result<SignedIn, CallError> {
        self.told(Method::POST, "/auth/sign-in", asked, patience).await
    }

    /// Ends the session whose token this door is told.
    ///
    /// # Errors
    /// As above.
    pub async fn sign_out(&self, patience: Patience) -> Result<(), CallError> {
        self.told(Method::POST, "/auth/sign-out", &json!({}), patience).await
    }

    /// The user whose session's token this door is told.
    ///
    /// # Errors
    /// As above.
    pub async fn profile(&self, patience: Patience) -> Result<AuthUser, CallError> {
        self.asked("/auth/profile", patience).await
    }

    /// # Errors
    /// As above.
    pub async fn sign_up(&self, asked: &SignUp, patience: Patience) -> Result<AuthUser, CallError> {
        self.told(Method::POST, "/auth/sign-up", asked, patience).await
    }

    /// # Errors
    /// As above.
    pub async fn users(&self, patience: Patience) -> Result<Vec<AuthUser>, CallError> {
        let all: All<AuthUser> = self.asked("/fleet/users", patience).await?;
        Ok(all.items)
    }

    /// # Errors
    /// As above.
    pub async fn bind(
        &self,
        user: &str,
        asked: &Bind,
        patience: Patience,
    ) -> Result<AuthUser, CallError> {
        let path = format!("/fleet/users/{}", route::encoded(user));
        self.told(Method::PUT, &path, asked, patience).await
    }

    /// # Errors
    /// As above.
    pub async fn invite(&self, patience: Patience) -> Result<OnceCode, CallError> {
        self.told(Method::POST, "/fleet/invites", &json!({}), patience).await
    }

    /// # Errors
    /// As above.
    pub async fn reset_code(
        &self,
        asked: &AskReset,
        patience: Patience,
    ) -> Result<OnceCode, CallError> {
        self.told(Method::POST, "/fleet/reset-codes", asked, patience).await
    }

    /// The newest lines of the trail.
    ///
    /// # Errors
    /// As above.
    pub async fn audit(
        &self,
        limit: usize,
        patience: Patience,
    ) -> Result<Vec<AuditShown>, CallError> {
        let path = format!("/fleet/audit?limit={limit}");
        let all: All<AuditShown> = self.asked(&path, patience).await?;
        Ok(all.items)
    }

    async fn asked<T: DeserializeOwned>(
        &self,
        path: &str,
        patience: Patience,
    ) -> Result<T, CallError> {
        let (method, path, shape) = (Method::GET, path.to_owned(), Shape::Whole);
        let call = Call { method, path, media: None, body: None, shape };
        self.answered(call, patience).await
    }

    async fn told<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        patience: Patience,
    ) -> Result<T, CallError> {
        let body: Value =
            serde_json::to_value(body).expect("string keys and finite numbers encode");
        self.answered(route::said_to(method, path.to_owned(), &body), patience).await
    }

    async fn answered<T: DeserializeOwned>(
        &self,
        call: Call,
        patience: Patience,
    ) -> Result<T, CallError> {
        let (shape, body) = self.say(call, patience).await?;
        shape.read(&body).map_err(CallError::Garbled)
    }
}
