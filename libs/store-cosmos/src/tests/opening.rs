//! A store is used only if its account is fit and holds what was made; what is not so is named.

use azure_data_cosmos::models::{ContainerProperties, TimeToLive};
use store::{Kind, Spread};

use super::*;
use crate::link::Link;
use crate::look;

async fn refused(options: &Options) -> String {
    let error = Cosmos::open(options, &containers()).await.expect_err("it was opened");
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    format!("{error} {cause}")
}

#[tokio::test]
async fn a_wrong_key_is_told_as_one() {
    let emulator = cosmos_emulator::emulator();
    drop(made(&emulator).await);
    for key in ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no base64 at all"] {
        let options = Options::new(emulator.url(), "fleet", Access::Key(key.into()));
        let error = Cosmos::open(&options, &containers()).await.unwrap_err();
        assert!(matches!(error, Trouble::Refused { .. }), "{error:?}");
        assert!(!format!("{error:?}").contains(key), "{error:?}");
    }
}

#[tokio::test]
async fn an_account_that_is_not_there_is_waited_for_and_what_is_none_is_not() {
    let gone = cosmos_emulator::emulator();
    let options = options(&gone);
    drop(gone);
    let error = Cosmos::open(&options, &containers()).await.unwrap_err();
    assert!(matches!(error, Trouble::Unreachable { .. }), "{error:?}");
    let nonsense = Options { endpoint: "no address".into(), ..options };
    let error = Cosmos::open(&nonsense, &containers()).await.unwrap_err();
    assert!(matches!(error, Trouble::NoAccount { .. }), "{error:?}");
}

#[tokio::test]
async fn an_account_that_throttles_is_waited_for() {
    let emulator = cosmos_emulator::emulator();
    drop(made(&emulator).await);
    emulator.set(Faults { throttled: 1000, ..Faults::default() });
    let options = options(&emulator);
    let error = Cosmos::open(&options, &containers()).await.unwrap_err();
    assert!(matches!(error, Trouble::Unreachable { .. }), "{error:?}");
    emulator.heal();
    Cosmos::open(&options, &containers()).await.unwrap();
}

#[tokio::test]
async fn an_account_that_writes_everywhere_or_forgets_is_refused_with_its_remedy() {
    let two = Some(Duration::ZERO);
    let usual = Settings::default();
    for (settings, said) in [
        (Settings { consistency: Consistency::Session, ..usual }, "consistency is Session"),
        (
            Settings { consistency: Consistency::BoundedStaleness, second_region: two, ..usual },
            "with 2 regions its reads may be behind",
        ),
        (
            Settings {
                consistency: Consistency::BoundedStaleness,
                second_region: two,
                writes_everywhere: true,
                ..usual
            },
            "several write regions",
        ),
    ] {
        let emulator = Emulator::start(settings).unwrap();
        let told = refused(&options(&emulator)).await;
        assert!(told.contains(said), "no {said:?} in {told}");
        let made = init(&options(&emulator), &containers(), false, "first").await;
        assert!(matches!(made, Err(Trouble::Account { .. })), "{made:?}");
    }
    let bounded = Settings { consistency: Consistency::BoundedStaleness, ..usual };
    drop(made(&Emulator::start(bounded).unwrap()).await);
}

#[tokio::test]
async fn a_store_that_was_never_made_is_refused_and_nothing_is_made_by_that() {
    let emulator = cosmos_emulator::emulator();
    for _ in 0..2 {
        let error = Cosmos::open(&options(&emulator), &containers()).await.unwrap_err();
        assert!(matches!(error, Trouble::NotMade { .. }), "{error:?}");
        assert!(error.to_string().contains("`gigamesh admin init"), "{error}");
    }
}

#[tokio::test]
async fn init_repeated_changes_nothing_and_new_kinds_get_their_containers() {
    let emulator = cosmos_emulator::emulator();
    let first = made(&emulator).await;
    written(put(&first, "k", "one", &Expect::Absent).await);
    init(&options(&emulator), &containers(), false, "second").await.unwrap();
    let later = Kind { name: "later", spread: Spread::ByPartition };
    let mut all = containers();
    all.push(Container { kind: later, partitioned_by: "part", apart: &[] });
    let early = Cosmos::open(&options(&emulator), &all).await.unwrap_err();
    assert!(early.to_string().contains("the container later is missing"), "{early}");
    init(&options(&emulator), &all, false, "third").await.unwrap();
    let store = Cosmos::open(&options(&emulator), &all).await.unwrap();
    assert_eq!(store.generation(), "first");
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "one");
    let report = look(&options(&emulator), &all).await.unwrap();
    assert_eq!((report.containers, report.regions), (KINDS.len() + 2, 1));
    assert_eq!((report.consistency.as_str(), report.faults.as_slice()), ("Strong", &[][..]));
}

#[tokio::test]
async fn a_container_that_is_otherwise_is_named_with_what_it_must_be() {
    let emulator = cosmos_emulator::emulator();
    let link = Link::connect(&options(&emulator)).await.unwrap();
    link.make_database().await.unwrap();
    let wrong = ContainerProperties::new(BY_ID.name, "/other".into())
        .with_default_ttl(TimeToLive::Seconds(60));
    link.database.create_container(wrong, None).await.unwrap();
    let made = init(&options(&emulator), &containers(), false, "first").await;
    let told = made.unwrap_err().to_string();
    for part in ["law has partition key /other, not /part", "law has time to live on, not off"] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[tokio::test]
async fn a_lost_container_is_named_and_not_made_again_unless_that_is_said() {
    let emulator = cosmos_emulator::emulator();
    let store = made(&emulator).await;
    written(put(&store, "k", "one", &Expect::Absent).await);
    assert_eq!(store.losses().await.unwrap(), []);
    let link = Link::connect(&options(&emulator)).await.unwrap();
    link.container(BY_ID.name).await.unwrap().delete(None).await.unwrap();
    let told = refused(&options(&emulator)).await;
    assert!(told.contains("the container law is missing: its data was lost"), "{told}");
    let again = init(&options(&emulator), &containers(), false, "second").await;
    assert!(matches!(again, Err(Trouble::Faults(_))), "{again:?}");
    init(&options(&emulator), &containers(), true, "second").await.unwrap();
    let anew = Cosmos::open(&options(&emulator), &containers()).await.unwrap();
    assert_eq!(anew.generation(), "second");
    assert_eq!(anew.get(&key("k")).await.unwrap(), None);
    let lost = store.losses().await.unwrap();
    assert!(lost.len() == 1 && lost[0].setting == "generation", "{lost:?}");
}
