//! Tokens of programs: shown once, good within bounds, revoked everywhere.

use std::sync::Arc;
use std::time::Duration;

use auth::Who;
use identity::{Identity, Unrecognised};
use protocol::{Code, IssueToken, Role};
use store::Memory;
use tokio::time::sleep;

use crate::support::{BELIEF, HOUR, Town, api_token, product, refused};
use crate::watched::Watched;

async fn knows(identity: &Identity, token: &str) -> bool {
    match identity.recognise(token.as_bytes()).await {
        Ok(_) => true,
        Err(Unrecognised::Unknown) => false,
        Err(Unrecognised::Away(error)) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_recognised_by_every_replica_as_what_it_was_issued_for() {
    let town = Town::new();
    let issued = town.replica().issue(&product("shop"), api_token(Role::Producer)).await.unwrap();
    let principal = town.replica().recognise(issued.token.reveal().as_bytes()).await.unwrap();
    let standing = principal.within(None).unwrap();
    assert_eq!((standing.product, standing.role), (product("shop"), Role::Producer));
    assert_eq!(standing.who, Who::Token(issued.shown.id.as_str().into()));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_acts_here_at_once_and_elsewhere_within_two_seconds() {
    let town = Town::new();
    let (here, there) = (town.replica(), town.replica());
    let issued = here.issue(&product("shop"), api_token(Role::Viewer)).await.unwrap();
    let token = issued.token.reveal();
    assert!(knows(&here, token).await && knows(&there, token).await);
    here.revoke_token(&product("shop"), &issued.shown.id).await.unwrap();
    assert!(!knows(&here, token).await);
    sleep(BELIEF).await;
    assert!(!knows(&there, token).await);
    here.revoke_token(&product("shop"), &issued.shown.id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unknown_malformed_expired_and_revoked_cost_the_same() {
    let store = Arc::new(Watched::over(Arc::new(Memory::default())));
    let town = Town::over(Arc::clone(&store) as _);
    let issuer = town.replica();
    let shop = product("shop");
    let short =
        IssueToken { expires_at: Some(town.clock.now().plus(HOUR)), ..api_token(Role::Viewer) };
    let expired = issuer.issue(&shop, short).await.unwrap();
    let revoked = issuer.issue(&shop, api_token(Role::Viewer)).await.unwrap();
    issuer.revoke_token(&shop, &revoked.shown.id).await.unwrap();
    sleep(HOUR).await;
    let unknown = format!("gm_{}", "A".repeat(43));
    let replica = town.replica();
    let (before, written) = (store.gets(), store.puts());
    let four = [&unknown, "Basic, not a token\r\n", expired.token.reveal(), revoked.token.reveal()];
    for (nth, token) in (1..).zip(four) {
        assert!(!knows(&replica, token).await, "{nth}");
        assert_eq!(store.gets() - before, nth, "one read each");
    }
    assert_eq!(store.puts(), written, "and no write");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_requests_a_second_read_the_store_once_in_two() {
    let store = Arc::new(Watched::over(Arc::new(Memory::default())));
    let town = Town::over(Arc::clone(&store) as _);
    let replica = town.replica();
    let issued = replica.issue(&product("shop"), api_token(Role::Viewer)).await.unwrap();
    let (gets, puts) = (store.gets(), store.puts());
    for _ in 0..2000 {
        assert!(knows(&replica, issued.token.reveal()).await);
        sleep(Duration::from_millis(5)).await;
    }
    assert!(store.gets() - gets <= 6, "{} reads in ten seconds", store.gets() - gets);
    assert_eq!(store.puts() - puts, 1, "its use is noted once a minute");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_acts_at_once_though_the_token_was_read_a_moment_ago() {
    let town = Town::new();
    let replica = town.replica();
    let asked =
        IssueToken { expires_at: Some(town.clock.now().plus(HOUR)), ..api_token(Role::Viewer) };
    let issued = replica.issue(&product("shop"), asked).await.unwrap();
    sleep(HOUR - Duration::from_millis(1)).await;
    assert!(knows(&replica, issued.token.reveal()).await);
    sleep(Duration::from_millis(1)).await;
    assert!(!knows(&replica, issued.token.reveal()).await);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_good_though_its_use_cannot_be_noted() {
    let store = Arc::new(Watched::over(Arc::new(Memory::default())));
    let town = Town::over(Arc::clone(&store) as _);
    let replica = town.replica();
    let issued = replica.issue(&product("shop"), api_token(Role::Viewer)).await.unwrap();
    store.take_no_writes();
    assert!(knows(&replica, issued.token.reveal()).await);
    assert_eq!(replica.tokens(&product("shop")).await.unwrap()[0].last_used_at, None);
}

#[tokio::test(start_paused = true)]
async fn its_last_use_is_listed() {
    let town = Town::new();
    let replica = town.replica();
    let issued = replica.issue(&product("shop"), api_token(Role::Viewer)).await.unwrap();
    sleep(HOUR).await;
    assert!(knows(&replica, issued.token.reveal()).await);
    let listed = replica.tokens(&product("shop")).await.unwrap();
    assert_eq!(listed[0].last_used_at, Some(town.clock.now()));
}

#[tokio::test(start_paused = true)]
async fn another_products_tokens_are_neither_listed_nor_revoked() {
    let town = Town::new();
    let replica = town.replica();
    let issued = replica.issue(&product("bank"), api_token(Role::Admin)).await.unwrap();
    assert_eq!(replica.tokens(&product("shop")).await.unwrap(), []);
    for id in [issued.shown.id.as_str(), "0123", "../x", ""] {
        let declined = replica.revoke_token(&product("shop"), id).await.unwrap_err();
        assert_eq!(refused(&declined), (Code::NotFound, None), "{id}");
    }
    assert!(knows(&replica, issued.token.reveal()).await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_token_is_refused_with_its_field() {
    let town = Town::new();
    let replica = town.replica();
    let past = IssueToken { expires_at: Some(town.clock.now()), ..api_token(Role::Viewer) };
    let nameless = IssueToken { name: " ".to_owned(), ..api_token(Role::Viewer) };
    for (asked, field) in
        [(api_token(Role::Factory), "role"), (nameless, "name"), (past, "expiresAt")]
    {
        let declined = replica.issue(&product("shop"), asked).await.unwrap_err();
        let problem = declined.problem(town.ids.mint());
        assert_eq!((problem.code, problem.field.as_deref()), (Code::Validation, Some(field)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_makes_nobody_a_stranger() {
    let town = Town::over(Arc::new(Away));
    let answer = town.replica().recognise(b"gm_x").await.unwrap_err();
    assert_eq!(answer.code(), Code::Unavailable);
}

/// A store that nobody can reach.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl store::Store for Away {
    async fn get(&self, _: &store::Key) -> Result<Option<store::Versioned>, store::StoreError> {
        Err(away())
    }

    async fn put(
        &self,
        _: &store::Key,
        _: bytes::Bytes,
        _: &store::Expect,
    ) -> Result<store::Put, store::StoreError> {
        Err(away())
    }

    async fn remove(
        &self,
        _: &store::Key,
        _: &store::Revision,
    ) -> Result<store::Put, store::StoreError> {
        Err(away())
    }

    async fn scan(
        &self,
        _: &store::Scope,
        _: Option<&store::Cursor>,
        _: usize,
    ) -> Result<store::Page, store::StoreError> {
        Err(away())
    }
}

fn away() -> store::StoreError {
    store::StoreError::Unavailable("nobody is there".into())
}
