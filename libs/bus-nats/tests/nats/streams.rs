//! The streams: made once, verified ever after, and what they refuse.

use bus::{Bus, BusError, Message};
use bus_nats::{Fault, Unfit};
use protocol::{Filter, Row};

use crate::world::{bus_on, bus_with_streams, server, subject};

#[tokio::test]
async fn a_stream_that_is_missing_is_named_and_never_made_in_passing() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    let missing = ["FLEET_INTAKE", "FLEET_EVENTS", "FLEET_DLQ"].map(Fault::Missing).to_vec();
    for _ in 0..2 {
        let Err(Unfit::Faults(faults)) = bus.verify().await else { panic!("nothing is there") };
        assert_eq!(faults, missing);
        let stored = bus.append(Message::new(subject("in"), "lost"), "a").await;
        assert!(matches!(stored, Err(BusError::Unavailable(_))), "{stored:?}");
        let taken = bus.consume(&Filter::every(Row::Intake), "submit").await;
        assert!(matches!(taken.map(drop), Err(BusError::Unavailable(_))));
    }
    bus.init(1, &[]).await.expect("they are made");
    let standings = bus.verify().await.expect("they are there");
    assert!(standings.iter().all(|one| (one.replicas, one.messages) == (1, 0)), "{standings:?}");
    bus.init(1, &[]).await.expect("a second time changes nothing");
}

#[tokio::test]
async fn a_stream_with_another_setting_is_named_and_left_alone() {
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(stranger);
    let mut stream = jetstream.get_stream("FLEET_INTAKE").await.unwrap();
    let mut config = stream.info().await.unwrap().config.clone();
    config.discard = async_nats::jetstream::stream::DiscardPolicy::Old;
    jetstream.update_stream(config).await.unwrap();
    let wrong = Fault::Differs {
        stream: "FLEET_INTAKE",
        setting: "discard",
        found: "Old".into(),
        wanted: "New".into(),
    };
    for outcome in [bus.verify().await.map(drop), bus.init(1, &[]).await] {
        let Err(Unfit::Faults(faults)) = outcome else { panic!("it differs") };
        assert_eq!(faults, std::slice::from_ref(&wrong));
    }
}

#[tokio::test]
async fn a_server_that_cannot_carry_the_largest_message_is_named() {
    let server = servers::nats();
    let bus = bus_on(&server.url()).await;
    let outcome = bus.init(1, &[]).await;
    let Err(Unfit::Faults(faults)) = outcome else { panic!("1 MiB leaves no room for headers") };
    assert!(matches!(faults[..], [Fault::Narrow { found: 1_048_576, .. }]), "{faults:?}");
    let told = faults[0].to_string();
    assert!(told.contains("set max_payload in its configuration to 1064960 or more"), "{told}");
}

/// As a service finds it that may make none.
#[tokio::test]
async fn a_reader_is_made_with_the_streams_and_left_as_it_is() {
    let server = server();
    let bus = bus_on(&server.url()).await;
    bus.init(1, &[(Row::Intake, "submit")]).await.expect("all is made");
    let stranger = async_nats::connect(server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(stranger);
    let intake = jetstream.get_stream("FLEET_INTAKE").await.unwrap();
    let made = intake.consumer_info("submit~fleet~v1~+~in").await.expect("the reader is there");
    assert_eq!(made.config.deliver_subject, None);
    let late = bus_with_streams(&server.url(), 1).await;
    let _taken = late.consume(&Filter::every(Row::Intake), "submit").await.expect("it is there");
    let left = intake.consumer_info("submit~fleet~v1~+~in").await.unwrap();
    assert_eq!((left.created, left.config.ack_wait), (made.created, made.config.ack_wait));
}

#[tokio::test]
async fn the_intake_is_shared_by_one_group_and_nobody_takes_from_it_beside() {
    let server = server();
    let bus = bus_with_streams(&server.url(), 1).await;
    let _all = bus.consume(&Filter::every(Row::Intake), "submit").await.expect("the first");
    let _same = bus.consume(&Filter::every(Row::Intake), "submit").await.expect("a replica");
    let product = "acme".parse().unwrap();
    let beside = bus.consume(&Filter::within(Row::Intake, &product), "submit").await;
    assert!(matches!(beside.map(drop), Err(BusError::Unavailable(_))));
    let events = Filter::every(Row::Event);
    for group in ["gateway", "scheduler"] {
        let taken = bus.consume(&events, group).await;
        assert!(taken.is_ok(), "each group reads them all");
    }
}
