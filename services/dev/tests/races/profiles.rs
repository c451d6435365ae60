//! One version of a profile, put by many at once, each with other content.

use futures_util::future::join_all;
use protocol::{AboutProduct, Code, OfProduct, PutProfile};
use serde_json::{Value, json};

use super::stores::{On, shuffled};
use super::world::{World, refusal};

fn putting(n: usize) -> PutProfile {
    let snapshot = json!({"engine": "echo", "model": format!("m{n}")});
    PutProfile {
        name: "fast".parse().unwrap(),
        version: 1.try_into().unwrap(),
        snapshot: serde_json::from_value(snapshot).unwrap(),
    }
}

/// What those who were told that the version is theirs put, how many were refused, and what
/// stands.
async fn put_together(on: On, seed: u64) -> (Vec<Value>, usize, Value) {
    let (store, _) = shuffled(on, seed);
    let world = World::of(store);
    let _hosts = world.hosts(2).await;
    let asks: Vec<PutProfile> = (0..16).map(putting).collect();
    let answers = join_all(asks.iter().map(|ask| world.ask(ask))).await;
    let lost = answers.iter().filter(|answer| refusal(answer) == Some(Code::Conflict)).count();
    let won = answers.into_iter().flatten().map(|put| json!(put.profile)).collect();
    let newest = OfProduct { query: AboutProduct::Profiles, named: Some("fast".to_owned()) };
    let stands = world.ask(&newest).await.unwrap().items.remove(0);
    (won, lost, stands)
}

#[tokio::test(start_paused = true)]
async fn a_version_that_several_put_is_one_of_theirs_for_good() {
    for seed in 0..4 {
        let (won, lost, stands) = put_together(On::Memory, seed).await;
        assert_eq!((won, lost), (vec![stands], 15), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn putting_a_version_catches_a_broken_store() {
    let mut several = 0;
    for seed in 0..4 {
        several += usize::from(put_together(On::Broken, seed).await.0.len() > 1);
    }
    assert!(several > 0, "looking before writing must give one version to several");
}
