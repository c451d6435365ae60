//! People: signing up, in and out. Whoever guesses learns nothing from an answer or from how long
//! it took: an unknown address costs the same work as a wrong password.

use std::net::IpAddr;

use auth::{
    Account, AccountCommand, Credential, Email, Phc, Session, Stored, User, digest_of, is_name,
};
use ledger::{Found, Made};
use protocol::{AuthUser, Code, Secret, SessionShown, SignIn, SignUp, SignedIn};
use tracing::debug;

use crate::declined::{Declined, Refusal};
use crate::recognise::Unrecognised;
use crate::tokens::{bad_name, is_id};
use crate::{Identity, SignUpMode};

/// Somebody for whom an issuer vouches.
#[derive(Clone, Debug)]
pub struct Subject {
    pub issuer: String,
    pub subject: String,
    pub email: Option<String>,
    /// The issuer says that it proved the address. It links to nobody all the same.
    pub email_verified: bool,
    pub name: Option<String>,
}

impl Identity {
    /// A new user with a password, who may do nothing until an admin binds them.
    ///
    /// The account decides: of two at once with one address, its second creation meets the first.
    ///
    /// # Errors
    /// It is not allowed, cannot be so, is there already, or the store is away.
    pub async fn sign_up(&self, asked: SignUp, from: IpAddr) -> Result<AuthUser, Declined> {
        let invite = self.check_invited(asked.invite.as_ref())?;
        let email = read_email(&asked.email)?;
        check_password(&asked.password)?;
        if !is_name(&asked.name) {
            return Err(bad_name().into());
        }
        self.count(None, from)?;
        let account = Account::password_id(&email);
        if self.accounts.records.get(&account, &account).await?.is_some() {
            return Err(email_exists());
        }
        let id = self.new_user_id();
        if let Some(invite) = invite {
            // † used, no account made: whoever was invited asks for another one.
            self.use_invite(invite, &id).await?;
        }
        let hash = self.hash(asked.password).await?;
        let user = User::new(id, &email, asked.name, self.now());
        let account = Account::with_password(&email, user.id.clone(), hash, self.now());
        self.make_user(user, account).await?.ok_or_else(email_exists)
    }

    /// # Errors
    /// The password is not that of the address; too often; or the store is away.
    pub async fn sign_in(&self, asked: SignIn, from: IpAddr) -> Result<SignedIn, Declined> {
        let email = Email::read(&asked.email).ok();
        let id = match &email {
            Some(email) => Account::password_id(email),
            None => digest_of(asked.email.as_bytes()),
        };
        self.count(Some(&id), from)?;
        let account = self.accounts.records.get(&id, &id).await?.map(|found| found.record);
        let kept = account.as_ref().and_then(|account| account.password_hash.clone());
        let kept = kept.unwrap_or_else(|| Phc::decoy(self.settings.cost));
        let fits = self.hashing.compare(asked.password.clone(), kept).await?;
        let Some(account) = account.filter(|_| fits) else { return Err(nobody()) };
        let user = self.user_of(&account).await?;
        self.strengthen(&account, asked.password).await;
        self.open_session(&account, &user).await
    }

    /// Signs in whoever an issuer vouches for, as the user of that issuer's subject and no other:
    /// an address proves nothing here. Who comes for the first time becomes a user.
    ///
    /// # Errors
    /// The user was disabled, or the store is away.
    pub async fn sign_in_by_issuer(&self, subject: &Subject) -> Result<SignedIn, Declined> {
        let id = Account::oidc_id(&subject.issuer, &subject.subject);
        let known = self.accounts.records.get(&id, &id).await?;
        if known.is_none() {
            let user = self.user_for(subject);
            let (issuer, name) = (&subject.issuer, &subject.subject);
            let account = Account::with_issuer(issuer, name, user.id.clone(), self.now());
            // Lost to the same subject signing in elsewhere: then that is who they are.
            self.make_user(user, account).await?;
        }
        let account = match known {
            Some(found) => found,
            None => self.accounts.records.get(&id, &id).await?.ok_or_else(nobody)?,
        };
        let user = self.user_of(&account.record).await?;
        self.open_session(&account.record, &user).await
    }

    /// Ends the session, on the server too. What is no session has ended already.
    ///
    /// # Errors
    /// The store is away.
    pub async fn sign_out(&self, presented: &[u8]) -> Result<(), Declined> {
        let digest = digest_of(presented);
        let mut left = 3;
        while let Some(found) = self.sessions.records.get(&digest, &digest).await? {
            if left == 0 {
                return Err(Refusal::new(Code::ConcurrentUpdate).into());
            }
            left -= 1;
            // A sign of life may have overtaken it; then it is looked at again.
            self.sessions.remove(&found).await?;
        }
        self.known_sessions.forget();
        Ok(())
    }

    /// # Errors
    /// It is nobody's session, or the store is away.
    pub async fn session(&self, presented: &[u8]) -> Result<SessionShown, Unrecognised> {
        let known = self.recognise_session(presented).await?;
        Ok(SessionShown { session: known.session, user: known.user, csrf: known.csrf })
    }

    /// # Errors
    /// There is no such user, or the store is away.
    pub async fn profile(&self, user: &str) -> Result<AuthUser, Declined> {
        Ok(self.user(user).await?.record.shown())
    }

    /// How often a password was hashed or compared here, for whoever measures what an answer cost.
    #[must_use]
    pub fn hashes_done(&self) -> u64 {
        self.hashing.done()
    }

    pub(crate) async fn user(&self, id: &str) -> Result<Found<Stored<User>>, Declined> {
        let not_found = || Declined::from(Refusal::new(Code::NotFound));
        if !is_id(id) {
            return Err(not_found());
        }
        self.users.records.get(id, id).await?.ok_or_else(not_found)
    }

    pub(crate) fn count(&self, account: Option<&str>, from: IpAddr) -> Result<(), Declined> {
        self.attempts.count(account, from, self.clock.uptime()).map_err(Declined::Throttled)
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<Phc, Declined> {
        let [salt @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.ids.entropy();
        self.hashing.hash(password, salt, self.settings.cost).await
    }

    fn check_invited<'a>(
        &self,
        invite: Option<&'a Secret>,
    ) -> Result<Option<&'a Secret>, Declined> {
        let refused = |reason| Err(Refusal::new(Code::Forbidden).because(reason).into());
        match (self.settings.sign_up, invite) {
            (SignUpMode::Off, _) => refused("sign_up_off"),
            (SignUpMode::Invite, None) => refused("invite_required"),
            (SignUpMode::Invite, Some(invite)) => Ok(Some(invite)),
            (SignUpMode::Open, _) => Ok(None),
        }
    }

    /// `None`: the way in leads to somebody already.
    async fn make_user(
        &self,
        user: Stored<User>,
        account: Stored<Account>,
    ) -> Result<Option<AuthUser>, Declined> {
        let Made::New(made) = self.users.make(user).await? else {
            return Err(Refusal::new(Code::Internal).into());
        };
        // † user made, account not: somebody whom no way in leads to and nobody can name.
        match self.accounts.make(account).await? {
            Made::New(_) => Ok(Some(made.record.shown())),
            Made::There(_) => {
                self.users.remove(&made).await?;
                Ok(None)
            }
        }
    }

    async fn user_of(&self, account: &Account) -> Result<Stored<User>, Declined> {
        let id = &account.user_id;
        let user = self.users.records.get(id, id).await?.map(|found| found.record);
        user.filter(|user| user.disabled_at.is_none()).ok_or_else(nobody)
    }

    /// The account is as it was when they proved to be its user: if the password changed since,
    /// the session is over before it began.
    async fn open_session(&self, account: &Account, user: &User) -> Result<SignedIn, Declined> {
        let token = Credential::Session.mint(self.ids.entropy());
        let digest = digest_of(token.reveal().as_bytes());
        match self.sessions.make(Session::open(digest, account, self.now())).await? {
            Made::New(session) => Ok(SignedIn {
                user: user.shown(),
                expires_at: session.record.times().expires_at,
                csrf: auth::csrf_of(token.reveal().as_bytes()),
                token: Some(token),
            }),
            Made::There(_) => Err(Refusal::new(Code::Internal).into()),
        }
    }

    /// Keeps a password at today's cost. It is known only now, so now or the next time.
    async fn strengthen(&self, account: &Account, password: Secret) {
        let Some(from) = account.password_hash.clone() else { return };
        if !from.is_weaker_than(self.settings.cost) {
            return;
        }
        let Ok(to) = self.hash(password).await else { return };
        let rehash = AccountCommand::Rehash { from, to };
        if let Err(error) = self.accounts.change(&account.id, &account.id, &rehash).await {
            debug!(%error, "password not kept at a higher cost");
        }
    }

    fn user_for(&self, subject: &Subject) -> Stored<User> {
        let email = subject.email.as_deref().and_then(|email| Email::read(email).ok());
        let name = subject.name.clone().filter(|name| is_name(name));
        let shown = email.as_ref().map(|email| email.shown().to_owned());
        let name = name.or(shown).unwrap_or_else(|| subject.subject.chars().take(64).collect());
        let verified = subject.email_verified && email.is_some();
        let mut user = User::known_as(self.new_user_id(), email.as_ref(), name, self.now());
        user.0.email_verified = verified;
        user
    }

    fn new_user_id(&self) -> String {
        format!("u_{}", self.ids.mint().simple())
    }
}

pub(crate) fn read_email(text: &str) -> Result<Email, Refusal> {
    Email::read(text).map_err(|bad| Refusal::of("email", "bad_value", bad.to_string()))
}

pub(crate) fn check_password(password: &Secret) -> Result<(), Refusal> {
    let bad = |bad: auth::BadPassword| Refusal::of("password", "out_of_range", bad.to_string());
    Phc::check(password.reveal()).map_err(bad)
}

fn email_exists() -> Declined {
    Refusal::new(Code::Conflict).because("email_exists").into()
}

/// One answer for an unknown address, a wrong password and a disabled user.
fn nobody() -> Declined {
    Refusal::new(Code::Unauthenticated).into()
}
