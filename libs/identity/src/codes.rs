//! Codes that are good once: to reset a password, to prove an address, to come in by invitation.
//! Nothing is sent: the code is answered to whoever asked for it in an admin's name, and that
//! person brings it to the one it is for.

use std::net::IpAddr;

use auth::{
    Account, AccountCommand, Credential, Email, Purpose, Stored, UserCommand, Verification,
    VerificationCommand, digest_of,
};
use fleet::Timestamp;
use ledger::{Made, Outcome};
use protocol::{AuthUser, Reset, Secret, VerifyEmail};

use crate::Identity;
use crate::declined::{Declined, Refusal};
use crate::people::check_password;

/// A code, said this once.
#[derive(Clone, Debug)]
pub struct Code {
    pub code: Secret,
    pub user_id: String,
    pub expires_at: Timestamp,
}

/// An invitation, said this once.
#[derive(Clone, Debug)]
pub struct Invited {
    pub invite: Secret,
    pub expires_at: Timestamp,
}

impl Identity {
    /// A code to set another password with. `None` where the address is nobody's: a door that
    /// anybody may knock at answers both alike and hands the code to nobody but an admin.
    ///
    /// # Errors
    /// Too often, or the store is away.
    pub async fn ask_reset(&self, email: &str, from: IpAddr) -> Result<Option<Code>, Declined> {
        let Ok(email) = Email::read(email) else { return Ok(None) };
        let id = Account::password_id(&email);
        self.count(Some(&format!("reset:{id}")), from)?;
        let Some(account) = self.accounts.records.get(&id, &id).await? else { return Ok(None) };
        let user = account.record.user_id.clone();
        self.make_code(Purpose::Reset, user, Some(id)).await.map(Some)
    }

    /// Sets another password and ends all sessions of the former one, once per code.
    ///
    /// # Errors
    /// The code is no good, or no longer; the password cannot be one; or the store is away.
    pub async fn reset(&self, asked: Reset, from: IpAddr) -> Result<(), Declined> {
        check_password(&asked.password)?;
        self.count(None, from)?;
        let used = self.use_code(&asked.code, Purpose::Reset).await?;
        // † code used, password as it was: whoever resets asks for another code.
        let account = used.account_id.clone().ok_or_else(no_good)?;
        let set = AccountCommand::SetPassword(self.hash(asked.password).await?);
        match self.accounts.change(&account, &account, &set).await? {
            Outcome::Done(_) => {}
            Outcome::Rejected(why) => return Err(why.into()),
        }
        self.forget();
        Ok(())
    }

    /// A code to prove a user's address with.
    ///
    /// # Errors
    /// There is no such user, or the store is away.
    pub async fn ask_proof(&self, user: &str) -> Result<Code, Declined> {
        let user = self.user(user).await?.record.id.clone();
        self.make_code(Purpose::Email, user, None).await
    }

    /// # Errors
    /// The code is no good, or no longer; too often; or the store is away.
    pub async fn verify_email(
        &self,
        asked: VerifyEmail,
        from: IpAddr,
    ) -> Result<AuthUser, Declined> {
        self.count(None, from)?;
        let used = self.use_code(&asked.code, Purpose::Email).await?;
        let proven = self.users.change(&used.user_id, &used.user_id, &UserCommand::Prove).await?;
        self.forget();
        match proven {
            Outcome::Done(found) => Ok(found.record.shown()),
            Outcome::Rejected(why) => Err(why.into()),
        }
    }

    /// A code to sign up with. `by` is the user or the token that asked for it.
    ///
    /// # Errors
    /// The store is away.
    pub async fn invite(&self, by: &str) -> Result<Invited, Declined> {
        let code = self.make_code(Purpose::Invite, by.to_owned(), None).await?;
        Ok(Invited { invite: code.code, expires_at: code.expires_at })
    }

    pub(crate) async fn use_invite(&self, invite: &Secret, user: &str) -> Result<(), Declined> {
        let bad = |_| Refusal::new(protocol::Code::Forbidden).because("invite_required");
        self.use_code_as(invite, Purpose::Invite, user.to_owned()).await?.map_err(bad)?;
        Ok(())
    }

    async fn make_code(
        &self,
        purpose: Purpose,
        user_id: String,
        account_id: Option<String>,
    ) -> Result<Code, Declined> {
        let code = Credential::Code.mint(self.ids.entropy());
        let digest = digest_of(code.reveal().as_bytes());
        let made = Verification::new(digest, purpose, user_id.clone(), self.now());
        let made = Verification { account_id, ..made };
        let expires_at = made.expires_at;
        match self.verifications.make(Stored(made)).await? {
            Made::New(_) => Ok(Code { code, user_id, expires_at }),
            Made::There(_) => Err(Refusal::new(protocol::Code::Internal).into()),
        }
    }

    async fn use_code(
        &self,
        code: &Secret,
        purpose: Purpose,
    ) -> Result<Stored<Verification>, Declined> {
        let by = self.ids.mint().to_string();
        self.use_code_as(code, purpose, by).await?.map_err(|_| no_good())
    }

    /// Of two who use one code at once, the second finds the first one's name in it.
    async fn use_code_as(
        &self,
        code: &Secret,
        purpose: Purpose,
        by: String,
    ) -> Result<Result<Stored<Verification>, fleet::Rejection>, Declined> {
        let id = digest_of(code.reveal().as_bytes());
        let used = VerificationCommand::Use { purpose, by };
        match self.verifications.change(&id, &id, &used).await? {
            Outcome::Done(found) => Ok(Ok(found.record)),
            Outcome::Rejected(why) if why.code == fleet::Code::NotFound => Ok(Err(why)),
            Outcome::Rejected(why) => Err(why.into()),
        }
    }
}

/// One answer for a code that is unknown, used, expired or for something else.
fn no_good() -> Declined {
    let why = "the code is unknown, used or expired; ask for another one".to_owned();
    Refusal::of("code", "bad_value", why).into()
}
