//! A factory's credential: enrolled, replaced with a grace, revoked for good, whoever comes at
//! once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use auth::Who;
use clock::{Clock, Seeded, Virtual};
use fleet::{FactoryId, Timestamp};
use futures_util::future::join;
use identity::Identity;
use protocol::{Code, EnrollFactory, Role, RotateToken};
use store::{Broken, Memory, Store};
use tokio::time::sleep;

use crate::support::{BELIEF, HOUR, Town, product, refused};
use crate::watched::Watched;

const TEN_MINUTES: Duration = Duration::from_mins(10);

fn f1() -> FactoryId {
    "f1".parse().unwrap()
}

fn plain() -> EnrollFactory {
    EnrollFactory { factory_id: f1(), capabilities: None, expires_at: None }
}

async fn enrolled(identity: &Identity) -> String {
    identity.enroll(&product("shop"), plain()).await.unwrap().token.reveal().to_owned()
}

async fn knows(identity: &Identity, token: &str) -> bool {
    identity.recognise(token.as_bytes()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_enrolled_factory_is_itself_within_what_it_was_narrowed_to() {
    let town = Town::new();
    let replica = town.replica();
    let gpu = vec!["gpu".parse().unwrap()];
    let asked = EnrollFactory { capabilities: Some(gpu.clone()), ..plain() };
    let told = replica.enroll(&product("shop"), asked).await.unwrap();
    assert_eq!((&told.factory_id, &told.capabilities), (&f1(), &gpu));
    let standing =
        replica.recognise(told.token.reveal().as_bytes()).await.unwrap().within(None).unwrap();
    assert_eq!((standing.who, standing.role), (Who::Factory(product("shop"), f1()), Role::Factory));
    let scope = standing.scope.unwrap();
    assert_eq!(scope.capabilities, Some(gpu.into_iter().collect::<BTreeSet<_>>()));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_token_is_good_for_ten_minutes_and_the_new_one_for_what_it_was() {
    let town = Town::new();
    let replica = town.replica();
    let expires_at = Some(town.clock.now().plus(24 * HOUR));
    let asked = EnrollFactory { expires_at, ..plain() };
    let old = replica.enroll(&product("shop"), asked).await.unwrap();
    let rotate = RotateToken { grace_sec: None };
    let new = replica.rotate(&product("shop"), &f1(), rotate).await.unwrap();
    assert_eq!(new.expires_at, expires_at);
    let (old, new) = (old.token.reveal(), new.token.reveal());
    assert!(knows(&replica, old).await && knows(&replica, new).await);
    sleep(TEN_MINUTES - Duration::from_millis(1)).await;
    assert!(knows(&replica, old).await);
    sleep(Duration::from_millis(1)).await;
    assert!(!knows(&replica, old).await && knows(&replica, new).await);
}

#[tokio::test(start_paused = true)]
async fn without_grace_the_old_token_ends_at_once_and_two_days_are_refused() {
    let town = Town::new();
    let replica = town.replica();
    let old = enrolled(&replica).await;
    let (shop, factory) = (product("shop"), f1());
    let rotate = |sec| replica.rotate(&shop, &factory, RotateToken { grace_sec: Some(sec) });
    let declined = rotate(86_401).await.unwrap_err();
    assert_eq!(refused(&declined), (Code::Validation, Some("out_of_range")));
    rotate(0).await.unwrap();
    assert!(!knows(&replica, &old).await);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_factory_has_no_token_left_on_any_replica() {
    let town = Town::new();
    let (here, there) = (town.replica(), town.replica());
    let old = enrolled(&here).await;
    let new = here.rotate(&product("shop"), &f1(), RotateToken::default()).await.unwrap();
    assert!(knows(&there, &old).await && knows(&there, new.token.reveal()).await);
    here.revoke_factory(&product("shop"), &f1()).await.unwrap();
    sleep(BELIEF).await;
    for replica in [&here, &there] {
        assert!(!knows(replica, &old).await && !knows(replica, new.token.reveal()).await);
    }
    here.revoke_factory(&product("shop"), &f1()).await.unwrap();
    let rotated = here.rotate(&product("shop"), &f1(), RotateToken::default()).await;
    assert_eq!(refused(&rotated.unwrap_err()), (Code::NotFound, Some("not_enrolled")));
}

#[tokio::test(start_paused = true)]
async fn a_factory_of_another_product_is_not_touched() {
    let town = Town::new();
    let replica = town.replica();
    let token = enrolled(&replica).await;
    let bank = product("bank");
    let revoked = replica.revoke_factory(&bank, &f1()).await.unwrap_err();
    assert_eq!(refused(&revoked), (Code::NotFound, Some("not_enrolled")));
    let rotated = replica.rotate(&bank, &f1(), RotateToken::default()).await.unwrap_err();
    assert_eq!(refused(&rotated), (Code::NotFound, Some("not_enrolled")));
    assert!(knows(&replica, &token).await);
}

/// How many of two who replace one token at once are given another.
async fn winners_of_two_rotations(store: Arc<dyn Store>) -> usize {
    let town = Town::over(Arc::new(Watched::over(store).changes_meet("fleet_tokens")));
    let (one, other) = (town.replica(), town.replica());
    enrolled(&one).await;
    let shop = product("shop");
    let (factory, asked) = (f1(), RotateToken::default());
    let both = join(one.rotate(&shop, &factory, asked), other.rotate(&shop, &factory, asked)).await;
    let given = [both.0, both.1].into_iter().filter_map(Result::ok);
    let given: Vec<_> = given.map(|told| told.token.reveal().to_owned()).collect();
    for token in &given {
        assert!(knows(&one, token).await, "what is told is good");
    }
    let listed = one.tokens(&shop).await.unwrap();
    let good = listed.iter().filter(|it| it.revoked_at.is_none() && it.grace_until.is_none());
    assert_eq!(good.count(), given.len(), "and nothing else is");
    given.len()
}

#[tokio::test(start_paused = true)]
async fn of_two_rotations_at_once_one_wins() {
    assert_eq!(winners_of_two_rotations(Arc::new(Memory::default())).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_race_of_rotations_catches_a_broken_store() {
    assert_eq!(winners_of_two_rotations(Arc::new(Broken::new())).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_beats_a_rotation_however_they_cross() {
    let (mut rotated, mut refused) = (0, 0);
    for seed in 0..200 {
        let clock: Arc<dyn Clock> = Arc::new(Virtual::starting_at(Timestamp::EPOCH));
        let chance = Arc::new(Seeded::new(seed, clock));
        let store = Watched::over(Arc::new(Memory::default())).shuffled(chance);
        let town = Town::over(Arc::new(store));
        let (one, other, shop) = (town.replica(), town.replica(), product("shop"));
        let old = enrolled(&one).await;
        let factory = f1();
        let (told, revoked) = join(
            one.rotate(&shop, &factory, RotateToken::default()),
            other.revoke_factory(&shop, &factory),
        )
        .await;
        revoked.unwrap();
        sleep(BELIEF).await;
        assert!(!knows(&one, &old).await, "seed {seed}");
        match told {
            Ok(told) => {
                rotated += 1;
                assert!(!knows(&one, told.token.reveal()).await, "seed {seed}");
            }
            Err(_) => refused += 1,
        }
        let listed = one.tokens(&shop).await.unwrap();
        assert!(listed.iter().all(|it| it.revoked_at.is_some()), "seed {seed}");
    }
    assert!(rotated > 0 && refused > 0, "{rotated} rotated, {refused} refused: no race");
}
