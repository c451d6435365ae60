//! What the two verbs write, without a server.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[test]
fn whoever_listens_beyond_loopback_is_known_by_the_address() {
    for here in ["127.0.0.1:4222", "localhost:4222", "[::1]:4222", "127.0.0.1:-1"] {
        assert!(is_loopback(here), "{here}");
    }
    for beyond in ["0.0.0.0:4222", "[::]:4222", "10.0.0.1:4222", "nats:4222", ":4222", "4222"] {
        assert!(!is_loopback(beyond), "{beyond}");
    }
}

#[test]
fn a_key_is_made_once_and_only_its_owner_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, time) = (Ring::at(folder.path()), System::start());
    let account = || ring.account("fleet", |_| protocol::Permits::default(), &time).unwrap().id;
    assert_eq!(account(), account(), "the second time it is the same");
    let mode = |file: &str| {
        let file = ring.folder().join(file);
        fs::metadata(&file).unwrap_or_else(|error| panic!("{file:?}: {error}")).permissions().mode()
    };
    for key in ["operator.nk", "fleet/account.nk", "fleet/factory.nk", "fleet/lease-keeper.nk"] {
        assert_eq!(mode(key) & 0o777, 0o600, "{key}");
    }
    assert_eq!(mode("fleet") & 0o777, 0o700);
}

#[test]
fn the_key_of_one_role_is_enough_to_issue_it_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (ring, time) = (Ring::at(folder.path()), System::start());
    ring.account("fleet", |_| protocol::Permits::default(), &time).unwrap();
    for entry in fs::read_dir(ring.folder().join("fleet")).unwrap() {
        let file = entry.unwrap().path();
        if !file.ends_with("factory.nk") && !file.ends_with("account.pub") {
            fs::remove_file(file).unwrap();
        }
    }
    let user = token::User { name: "x", product: None, factory: None, until: time.now() };
    assert!(ring.user("fleet", Purpose::Factory, &user, &time).is_ok());
    let refused = ring.user("fleet", Purpose::Submit, &user, &time).unwrap_err();
    assert_eq!(refused.0.exit, cli::Exit::Usage);
    assert!(!ring.folder().join("fleet/submit.nk").exists(), "no key was made for it");
}

#[test]
fn what_is_no_name_is_refused() {
    let long = "x".repeat(65);
    for odd in ["", "a.b", "*", ">", "a b", "../x", "a~b", long.as_str()] {
        assert!(odd.parse::<Name>().is_err(), "{odd:?}");
    }
    assert!(role("root").is_err());
    assert_eq!(role("lease-keeper"), Ok(Purpose::LeaseKeeper));
}
