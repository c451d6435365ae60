//! Tokens of programs and factories: shown once, good within bounds, revoked everywhere.

use std::time::Duration;

use auth::Who;
use identity::Unrecognised;
use protocol::{EnrollFactory, IssueToken, Role, RotateToken};
use tokio::time::sleep;

use crate::support::{BELIEF, HOUR, Town, api_token, product, refused};

fn is_unknown<T: std::fmt::Debug>(answer: Result<T, Unrecognised>) -> bool {
    matches!(answer.unwrap_err(), Unrecognised::Unknown)
}

fn enrolled(factory: &str) -> EnrollFactory {
    EnrollFactory { factory_id: factory.parse().unwrap(), capabilities: None, expires_at: None }
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
