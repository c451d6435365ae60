//! What `deploy/azure-emulators.yml` starts, read and not started: it must be where its own words say.

use std::collections::BTreeMap;

use node::open::CosmosChoice;
use stack::{Stack, text};

const FILE: &str = "deploy/azure-emulators.yml";

#[test]
fn the_emulators_of_azure_stand_where_their_words_say_and_on_this_host_alone() {
    let stack = Stack::of(FILE, &BTreeMap::new());
    for service in stack.services() {
        let ports = service.words("ports");
        assert!(!ports.is_empty(), "{}", service.name);
        assert!(ports.iter().all(|port| port.starts_with("127.0.0.1:")), "{ports:?}");
    }
    let said = text(FILE);
    let typed = said.lines().find_map(|line| line.split_once("--store ")).expect("a command");
    let store = typed.1.split_whitespace().next().expect("a place");
    let choice: CosmosChoice = store.parse().unwrap();
    let port = choice.endpoint.rsplit(':').next().expect("a port");
    let cosmos = stack.service("cosmos");
    let published = format!("127.0.0.1:{port}:{port}");
    assert!(cosmos.words("ports").contains(&published), "{published}");
    let told = cosmos.environment();
    assert_eq!((&*told["PROTOCOL"], &*told["ENABLE_TELEMETRY"]), ("http", "false"));
    let image = stack.service("blobs").at("image").as_str().unwrap().to_owned();
    let (_, tag) = image.rsplit_once(':').expect("a tag");
    let pinned = text("tests/servers/azurite/package.json");
    assert!(pinned.contains(&format!("\"azurite\": \"{tag}\"")), "the one that tests run: {tag}");
}
