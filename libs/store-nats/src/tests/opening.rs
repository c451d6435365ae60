//! A store is used only if it was made and is as it was made; what is not is named.

use async_nats::jetstream::{self, stream};
use servers::{Nats, SyncMode};
use store::conformance::KINDS;
use store::{Expect, Kind, Spread, Store};

use super::{key, made, opened, put, written};
use crate::{Fault, NatsKv, Options, Plan, Trouble, init};

#[tokio::test]
async fn a_store_that_was_never_made_is_refused_naming_its_bucket() {
    let server = servers::nats();
    let error = refused(&server).await;
    assert!(matches!(&error, Trouble::NotMade { bucket } if bucket == "fleet_control"));
    assert!(error.to_string().contains("`gigamesh admin init`"), "{error}");
    let streams = server.monitored("/jsz").unwrap()["streams"].clone();
    assert_eq!(streams, 0, "opening made something");
}

#[tokio::test]
async fn a_lost_bucket_is_named_and_not_made_again_unless_that_is_said() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let store = opened(&server.url()).await;
    written(put(&store, "k", "one", &Expect::Absent).await);
    assert_eq!(store.generation(), "first");
    let lost = store.buckets.place(&key("k")).unwrap().0.name.clone();
    admin(&server).await.delete_stream(format!("KV_{lost}")).await.unwrap();
    let error = refused(&server).await;
    assert!(error.to_string().contains(&format!("the bucket {lost} is missing")), "{error}");
    let report = store.report().await.unwrap();
    assert_eq!(report.faults, [Fault::missing(&lost)]);
    let options = Options::new(server.url());
    let again = init(&options, Plan::default(), &KINDS, "second").await;
    assert!(matches!(again, Err(Trouble::Faults(faults)) if faults == [Fault::missing(&lost)]));
    let plan = Plan { new_generation: true, ..Plan::default() };
    init(&options, plan, &KINDS, "second").await.unwrap();
    let store = opened(&server.url()).await;
    assert_eq!(store.generation(), "second");
    assert_eq!(store.get(&key("k")).await.unwrap(), None);
}

#[tokio::test]
async fn a_lost_control_record_beside_documents_is_data_loss() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    written(put(&opened(&server.url()).await, "k", "one", &Expect::Absent).await);
    admin(&server).await.delete_stream("KV_fleet_control").await.unwrap();
    assert!(matches!(refused(&server).await, Trouble::NotMade { .. }));
    let again = init(&Options::new(server.url()), Plan::default(), &KINDS, "second").await;
    let lost = [Fault::missing("fleet_control")];
    assert!(matches!(again, Err(Trouble::Faults(faults)) if faults == lost));
}

#[tokio::test]
async fn settings_that_are_otherwise_are_named_with_what_they_must_be() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let config = stream::Config {
        name: "KV_law_whole".into(),
        subjects: vec!["$KV.law_whole.>".into()],
        max_messages_per_subject: 5,
        max_age: std::time::Duration::from_secs(3600),
        ..stream::Config::default()
    };
    let admin = admin(&server).await;
    admin.delete_stream("KV_law_whole").await.unwrap();
    admin.create_stream(config).await.unwrap();
    let error = refused(&server).await;
    for part in [
        "law_whole has history 5, not 1",
        "law_whole has discard old, not new",
        "law_whole has deny delete false, not true",
        "law_whole has a longest age of seconds 3600, not 0",
    ] {
        assert!(error.to_string().contains(part), "no {part:?} in {error}");
    }
}

#[tokio::test]
async fn init_repeated_changes_nothing_and_new_kinds_get_their_buckets() {
    let server = servers::nats();
    made(&server.url(), Plan::default()).await;
    let first = opened(&server.url()).await;
    written(put(&first, "k", "one", &Expect::Absent).await);
    let options = Options::new(server.url());
    init(&options, Plan::default(), &KINDS, "second").await.unwrap();
    let new = Kind { name: "later", spread: Spread::ByPartition };
    let kinds = [KINDS.as_slice(), &[new]].concat();
    let early = NatsKv::open(&options, &kinds).await.unwrap_err();
    assert!(early.to_string().contains("later_0 is missing"), "{early}");
    init(&options, Plan::default(), &kinds, "third").await.unwrap();
    let store = NatsKv::open(&options, &kinds).await.unwrap();
    assert_eq!(store.generation(), "first");
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "one");
}

#[tokio::test]
async fn numbers_fixed_at_the_beginning_stay() {
    let server = servers::nats();
    made(&server.url(), Plan { partitions: 3, ..Plan::default() }).await;
    let options = Options::new(server.url());
    let other = init(&options, Plan::default(), &KINDS, "second").await.unwrap_err();
    let said = other.to_string();
    assert!(said.contains("made with 3 partitions, not 8"), "{said}");
    for plan in [
        Plan { partitions: 0, ..Plan::default() },
        Plan { partitions: 65, ..Plan::default() },
        Plan { replicas: 0, ..Plan::default() },
    ] {
        let bad = init(&options, plan, &KINDS, "second").await;
        assert!(matches!(bad, Err(Trouble::BadPlan { .. })), "{bad:?}");
    }
    let report = opened(&server.url()).await.report().await.unwrap();
    assert_eq!((report.partitions, report.replicas), (3, 1));
}

#[tokio::test]
async fn a_report_tells_version_sync_mode_and_every_bucket() {
    for (sync, told) in [
        (SyncMode::Always, crate::SyncMode::Always),
        (SyncMode::ServerDefault, crate::SyncMode::Every(std::time::Duration::from_secs(120))),
    ] {
        let server = Nats::start(servers::Options { sync, ..Default::default() }).unwrap();
        made(&server.url(), Plan::default()).await;
        let nowhere = "http://127.0.0.1:1".to_owned();
        let monitors = vec![server.monitor(), nowhere];
        let options = Options { monitors, ..Options::new(server.url()) };
        let store = NatsKv::open(&options, &KINDS).await.unwrap();
        written(put(&store, "k", "one", &Expect::Absent).await);
        let report = store.report().await.unwrap();
        assert_eq!(report.server_version, "2.15.1");
        let modes: Vec<_> = report.sync.iter().map(|(_, mode)| *mode).collect();
        assert_eq!(modes, [told, crate::SyncMode::NotKnown]);
        assert_eq!(report.buckets.len(), 8 + 8 + 1);
        assert_eq!(report.buckets.iter().map(|bucket| bucket.keys).sum::<u64>(), 1);
        assert_eq!((report.faults.as_slice(), report.generation.as_str()), (&[][..], "first"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_at_its_address() {
    let server = servers::nats();
    let options = Options::new(format!("{}, {}", server.url(), server.url()));
    server.kill();
    let error = NatsKv::open(&options, &KINDS).await.unwrap_err();
    assert!(matches!(&error, Trouble::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&server.url()), "{error}");
}

async fn refused(server: &Nats) -> Trouble {
    NatsKv::open(&Options::new(server.url()), &KINDS).await.expect_err("it was opened")
}

async fn admin(server: &Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}
