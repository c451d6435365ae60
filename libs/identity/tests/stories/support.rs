//! A town with one store and any number of replicas over it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids, Seeded, Virtual};
use fleet::{ProductId, Timestamp};
use identity::{Declined, Identity, Refusal, Settings, SignUpMode};
use protocol::{AuthUser, Code, IssueToken, Role, Secret, SignIn, SignUp, SignedIn};
use store::{Memory, Store};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const HOUR: Duration = Duration::from_hours(1);
/// Longer than a replica believes what it has read.
pub(crate) const BELIEF: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Town {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub settings: Settings,
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(Memory::default()))
    }

    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(Virtual::starting_at(Timestamp::EPOCH));
        let ids = Arc::new(Seeded::new(7, Arc::clone(&clock)));
        let settings = Settings { sign_up: SignUpMode::Open, ..Settings::default() };
        Self { store, clock, ids, settings }
    }

    /// One more replica.
    pub(crate) fn replica(&self) -> Identity {
        Identity::over(&self.store, Arc::clone(&self.clock), Arc::clone(&self.ids), self.settings)
    }
}

pub(crate) fn product(name: &str) -> ProductId {
    name.parse().unwrap()
}

pub(crate) fn host(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, n))
}

pub(crate) fn api_token(role: Role) -> IssueToken {
    IssueToken { name: "ci".to_owned(), role, yolo: false, expires_at: None }
}

pub(crate) fn refused(declined: &Declined) -> (Code, Option<&'static str>) {
    match declined {
        Declined::Refused(Refusal { code, reason, .. }) => (*code, *reason),
        Declined::Throttled(_) | Declined::Away(_) => panic!("{declined:?}"),
    }
}

pub(crate) fn sign_up(email: &str) -> SignUp {
    let (password, name) = (Secret::new(PASSWORD), "Ada".to_owned());
    SignUp { email: email.to_owned(), password, name, invite: None }
}

pub(crate) async fn signed_up(identity: &Identity, email: &str) -> AuthUser {
    Box::pin(identity.sign_up(sign_up(email), host(1))).await.unwrap()
}

pub(crate) async fn sign_in(
    identity: &Identity,
    email: &str,
    password: &str,
) -> Result<SignedIn, Declined> {
    let asked = SignIn { email: email.to_owned(), password: Secret::new(password) };
    Box::pin(identity.sign_in(asked, host(2))).await
}
